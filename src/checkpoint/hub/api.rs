//! The Hub's routes: revisions of a repository, commit of a revision, files of a commit.

use super::client::{Client, Target};
use super::error::{HubError, HubErrorKind as Kind};
use super::url::quote;
use super::Repository;
use crate::checkpoint::repository::is_inside;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The Hub lists a thousand files a page; more pages than this are a server going in circles.
const MAX_PAGES: usize = 1000;

/// Of a branch or tag; the Hub's own have 250 bytes at most.
const LONGEST_NAME: usize = 250;

/// A branch or tag of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its name.
    pub name: String,
    /// The commit it stands for, 40 hexadecimal digits.
    pub commit: String,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its path in the repository, with `/`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Its hash, which is its name in the cache: SHA-256 (64 hexadecimal digits) of a large file, git's hash of the blob (40) of
    /// any other.
    pub hash: String,
}

impl RemoteFile {
    /// Whether the hash is SHA-256 of the content.
    pub(super) fn is_large(&self) -> bool {
        self.hash.len() == 64
    }
}

#[derive(Deserialize)]
struct References {
    #[serde(default)]
    branches: Vec<Reference>,
    #[serde(default)]
    tags: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    #[serde(rename = "targetCommit")]
    commit: String,
}

#[derive(Deserialize)]
struct Resolved {
    sha: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

/// Whether `text` is `digits` hexadecimal digits in small letters.
pub(super) fn is_hash(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl Client {
    pub(super) fn revisions(&self, repository: &Repository) -> Result<Vec<Revision>> {
        let target = Target { repository: repository.id(), revision: None, file: None };
        let (mut references, _) = self.json::<References>(&format!("/api/models/{}/refs", repository.id()), target)?;
        references.branches.sort_by(|a, b| a.name.cmp(&b.name));
        references.tags.sort_by(|a, b| a.name.cmp(&b.name));
        let all = references.branches.into_iter().chain(references.tags);
        all.map(|Reference { name, commit }| Ok(Revision { name, commit: commit_of(commit, target)? })).collect()
    }

    pub(super) fn resolve(&self, repository: &Repository, revision: &str) -> Result<String> {
        let target = Target { repository: repository.id(), revision: Some(revision), file: None };
        let path = format!("/api/models/{}/revision/{}", repository.id(), quote(revision, ""));
        match self.json::<Resolved>(&path, target) {
            Ok((resolved, _)) => commit_of(resolved.sha, target),
            Err(Error::Hub(error)) if error.kind() == Kind::RevisionNotFound => {
                // The names that come near are a courtesy: without them the error is as it was.
                let Ok(known) = self.revisions(repository) else { return Err(error.into()) };
                let known: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
                Err(no_revision(repository, revision, &known).into())
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn files(&self, repository: &Repository, commit: &str) -> Result<Vec<RemoteFile>> {
        let target = Target { repository: repository.id(), revision: Some(commit), file: None };
        let mut path =
            format!("/api/models/{}/tree/{}?recursive=true&expand=false", repository.id(), quote(commit, ""));
        let mut files = BTreeMap::new();
        for _ in 0..MAX_PAGES {
            let (entries, next) = self.json::<Vec<Entry>>(&path, target)?;
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                let file = remote_file(entry, target)?;
                files.insert(file.path.clone(), file);
            }
            match next {
                Some(next) => path = next,
                None => return Ok(files.into_values().collect()),
            }
        }
        let message = format!("lists more than {MAX_PAGES} pages of files");
        Err(HubError::new(Kind::Answer, target, message).into())
    }
}

/// The error for a revision that is not there, with those that come near.
pub(super) fn no_revision(repository: &Repository, revision: &str, known: &[&str]) -> HubError {
    let short = known.iter().filter(|name| name.len() <= LONGEST_NAME);
    let mut near: Vec<(usize, &str)> = short.map(|name| (distance(revision, name), *name)).collect();
    near.sort();
    let near: Vec<&str> = near.into_iter().map(|(_, name)| name).take(5).collect();
    let place = format!("{}@{revision}", repository.id());
    let message = if near.is_empty() {
        "there is no such revision".to_string()
    } else {
        format!("there is no such revision; near it are {}", near.join(", "))
    };
    HubError::new(Kind::RevisionNotFound, place, message)
}

/// Levenshtein's distance: how many letters to put in, take out or exchange.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let here = (diagonal + usize::from(from != *to)).min(left + 1).min(*above + 1);
            diagonal = std::mem::replace(above, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A commit becomes the name of a folder, so it has to be one.
fn commit_of(commit: String, target: Target<'_>) -> Result<String> {
    if is_hash(&commit, 40) {
        return Ok(commit);
    }
    let message = format!("the Hub names `{commit}` as a commit, which is none; check HF_ENDPOINT");
    Err(HubError::new(Kind::Answer, target, message).into())
}

/// A path and a hash become names in the cache, so they have to be some.
fn remote_file(entry: Entry, target: Target<'_>) -> Result<RemoteFile> {
    let refuse = |why: String| -> Result<RemoteFile> { Err(HubError::new(Kind::Answer, target, why).into()) };
    if !is_inside(&entry.path) {
        return refuse(format!("lists the file `{}`, which points outside the repository; do not use it", entry.path));
    }
    let (hash, size, digits) = match entry.lfs {
        Some(large) => (large.oid, large.size, 64),
        None => (entry.oid, entry.size, 40),
    };
    if !is_hash(&hash, digits) {
        return refuse(format!(
            "lists the file `{}` with the hash `{hash}`, which is none; check HF_ENDPOINT",
            entry.path
        ));
    }
    Ok(RemoteFile { path: entry.path, size, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python: `rapidfuzz.distance.Levenshtein.distance(a, b)`, or by hand.
    #[test]
    fn distances() {
        for (a, b, d) in [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
            assert_eq!(distance(a, b), d, "{a} {b}");
            assert_eq!(distance(b, a), d, "{b} {a}");
        }
    }

    #[test]
    fn near_names_come_first() {
        let repository = "a/b".parse().unwrap();
        let known = ["main", "global_step1000", "global_step10000", "global_step5000"];
        let error = no_revision(&repository, "global_step100", &known).to_string();
        assert!(error.contains("near it are global_step1000, global_step10000,"), "{error}");
    }

    fn entry(json: &str) -> Result<RemoteFile> {
        let target = Target { repository: "a/b", revision: None, file: None };
        remote_file(serde_json::from_str(json).unwrap(), target)
    }

    #[test]
    fn names_that_would_leave_the_cache_are_refused() {
        let oid = "a".repeat(40);
        let good = format!(r#"{{"type": "file", "path": "config.json", "size": 3, "oid": "{oid}"}}"#);
        assert_eq!(entry(&good).unwrap().hash, oid);
        for path in ["../x", "/etc/passwd", "a/../../x", ""] {
            let error = entry(&good.replace("config.json", path)).unwrap_err().to_string();
            assert!(error.contains("points outside"), "{error}");
        }
        assert!(entry(&good.replace(&oid, "../../x")).unwrap_err().to_string().contains("which is none"));
        let large =
            good.replace("\"size\": 3", "\"size\": 3, \"lfs\": {\"oid\": \"x\", \"size\": 9, \"pointerSize\": 1}");
        assert!(entry(&large).is_err());
    }
}
