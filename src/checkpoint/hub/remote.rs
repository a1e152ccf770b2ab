//! A checkpoint on the Hub: which of a commit's files it is, and whether they are on disk.

use super::api::RemoteFile;
use super::error::{HubError, HubErrorKind as Kind};
use super::{Hub, Repository};
use crate::checkpoint::repository::is_inside;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock, PoisonError};

pub(super) const CONFIG: &str = "config.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// Where weights lie, in the order in which [`crate::checkpoint::Weights`] looks for them.
const WEIGHTS: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
/// BLOOM's configurations have a kilobyte, its tokenizer 14 megabytes, and the index of the largest a few hundred kilobytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
const MAX_TOKENIZER_BYTES: u64 = 256 << 20;
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// A checkpoint on the Hub, its configuration and tokenizer in the cache already.
#[derive(Debug)]
pub(in crate::checkpoint) struct Remote {
    hub: Hub,
    repository: Repository,
    commit: String,
    dir: PathBuf,
    /// The files of the weights, where the Hub had to be asked: not if they were all in the cache from the start.
    weights: OnceLock<Vec<RemoteFile>>,
    /// Of these, the paths that were fetched here.
    fetched: Mutex<BTreeSet<String>>,
}

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        (&self.repository, &self.dir) == (&other.repository, &other.dir)
    }
}

impl Eq for Remote {}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Remote {
    /// Finds out what a commit's checkpoint is made of, and fetches what is small: configuration, index and tokenizer.
    pub(super) fn open(hub: &Hub, repository: &Repository, commit: &str) -> Result<Self> {
        let dir = hub.snapshot(repository, commit);
        let remote = Remote {
            hub: hub.clone(),
            repository: repository.clone(),
            commit: commit.to_string(),
            weights: OnceLock::new(),
            fetched: Mutex::default(),
            dir,
        };
        let here = |file: &str| remote.dir.join(file).is_file();
        let complete = here(CONFIG) && remote.is_fetched();
        if complete && (here(TOKENIZER) || hub.settings().offline) {
            return Ok(remote);
        }
        if hub.settings().offline {
            let lacks = format!("lacks files of commit {commit}");
            return Err(hub.offline(repository, &lacks).into());
        }
        let files = hub.files(repository, commit)?;
        let named = |path: &str| files.iter().find(|file| file.path == path);
        let config = named(CONFIG).ok_or_else(|| {
            remote.lacks("holds no `config.json`; name a repository with a model in Hugging Face layout")
        })?;
        remote.small(config, MAX_CONFIG_BYTES)?;
        hub.fetch(repository, commit, config)?;
        if let Some(tokenizer) = named(TOKENIZER) {
            remote.small(tokenizer, MAX_TOKENIZER_BYTES)?;
            hub.fetch(repository, commit, tokenizer)?;
        }
        if !remote.is_fetched() {
            let chosen = remote.choose(&files)?;
            remote.weights.get_or_init(|| chosen);
        }
        Ok(remote)
    }

    pub(in crate::checkpoint) fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(in crate::checkpoint) fn commit(&self) -> &str {
        &self.commit
    }

    pub(in crate::checkpoint) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn cache_dir(&self) -> &Path {
        self.hub.cache_dir()
    }

    /// Names of the weights' blobs, sorted; none where the cache has copies in place of links.
    pub(super) fn hashes(&self) -> Vec<String> {
        let of_link = |name: &String| {
            let target = fs::read_link(self.dir.join(name)).ok()?;
            target.file_name().map(|hash| hash.to_string_lossy().into_owned())
        };
        let mut hashes: Vec<String> = match self.weights.get() {
            None => self.files_here().unwrap_or_default().iter().filter_map(of_link).collect(),
            Some(weights) => weights.iter().map(|file| file.hash.clone()).collect(),
        };
        hashes.sort();
        hashes
    }

    /// Whether the weights are in the cache.
    pub(in crate::checkpoint) fn is_fetched(&self) -> bool {
        self.files_here().is_some()
    }

    /// Fetches the weights that are not there yet.
    pub(in crate::checkpoint) fn fetch(&self, stop: &AtomicBool) -> Result<()> {
        let weights = self.weights()?;
        for file in weights {
            if self.hub.download(&self.repository, &self.commit, file, stop)? {
                // With all files that are the same to the byte, which are links to one blob.
                let same = weights.iter().filter(|other| other.hash == file.hash);
                let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
                fetched.extend(same.map(|other| other.path.clone()));
            }
        }
        if self.is_fetched() {
            return Ok(());
        }
        let message = "its weights have gone from the cache meanwhile; run it again";
        Err(HubError::new(Kind::FileNotFound, self.place(), message).into())
    }

    /// The files of the weights that are to be fetched. Those that were in the cache and have gone since are asked for now.
    fn weights(&self) -> Result<&[RemoteFile]> {
        if self.weights.get().is_none() && !self.is_fetched() {
            if self.hub.settings().offline {
                return Err(self.hub.offline(&self.repository, "lacks its weights, which have gone meanwhile").into());
            }
            let chosen = self.choose(&self.hub.files(&self.repository, &self.commit)?)?;
            self.weights.get_or_init(|| chosen);
        }
        Ok(self.weights.get().map_or(&[], Vec::as_slice))
    }

    /// The files of the weights, as far as they are known here or in the cache.
    fn known(&self) -> Vec<RemoteFile> {
        let of_link = |path: &String| {
            let pointer = self.dir.join(path);
            let hash = fs::read_link(&pointer).ok()?.file_name()?.to_string_lossy().into_owned();
            Some(RemoteFile { path: path.clone(), size: fs::metadata(&pointer).ok()?.len(), hash })
        };
        match self.weights.get() {
            Some(weights) => weights.clone(),
            None => self.files_here().unwrap_or_default().iter().filter_map(of_link).collect(),
        }
    }

    /// The weights' blobs that are still to be fetched, with the bytes that they lack.
    pub(super) fn lacking(&self) -> BTreeMap<PathBuf, u64> {
        let cache = &self.hub.0.cache;
        let size = |path: &Path| fs::metadata(path).map_or(0, |about| about.len());
        let mut lacking = BTreeMap::new();
        for file in self.weights.get().into_iter().flatten() {
            let blob = cache.blob(&self.repository, &file.hash);
            let begun = size(&cache.incomplete(&self.repository, &file.hash));
            if size(&blob) != file.size {
                lacking.insert(blob, file.size.saturating_sub(begun));
            }
        }
        lacking
    }

    /// Deletes the weights that were fetched here. A blob that a `later` checkpoint has too stays, and goes with that one.
    pub(in crate::checkpoint) fn evict<'a>(&self, later: impl Iterator<Item = &'a Remote>) {
        let fetched = std::mem::take(&mut *self.fetched.lock().unwrap_or_else(PoisonError::into_inner));
        let files = self.known().into_iter().filter(|file| fetched.contains(&file.path));
        self.delete(files.collect(), later);
    }

    /// As [`Remote::evict`], whoever has fetched them.
    pub(in crate::checkpoint) fn evict_all<'a>(&self, later: impl Iterator<Item = &'a Remote>) {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.delete(self.known(), later);
    }

    fn delete<'a>(&self, files: Vec<RemoteFile>, later: impl Iterator<Item = &'a Remote>) {
        // Revisions of one repository share their blobs.
        let later: Vec<(&Remote, Vec<RemoteFile>)> = later
            .filter(|later| later.repository.id() == self.repository.id())
            .map(|later| (later, later.known()))
            .collect();
        for file in &files {
            let heir = later.iter().find_map(|(later, weights)| {
                let same = weights.iter().find(|other| other.hash == file.hash)?;
                Some((*later, weights, same))
            });
            let cache = &self.hub.0.cache;
            let removed = cache.lock(&self.repository, &file.hash, &AtomicBool::new(false)).and_then(|_lock| {
                if let Some((later, weights, file)) = heir {
                    // Linked at once: a blob that no link leads to would be nobody's if this run ended now.
                    cache.link(&self.repository, &later.commit, file)?;
                    let same = weights.iter().filter(|other| other.hash == file.hash);
                    let mut fetched = later.fetched.lock().unwrap_or_else(PoisonError::into_inner);
                    fetched.extend(same.map(|other| other.path.clone()));
                }
                cache.remove(&self.repository, &self.commit, file, heir.is_some())
            });
            match removed {
                Ok(_) => tracing::debug!("{}: {} is deleted from the cache", self.place(), file.path),
                Err(error) => tracing::warn!("{}: {} stays in the cache: {error}", self.place(), file.path),
            }
        }
    }

    fn place(&self) -> String {
        format!("{}@{}", self.repository.id(), self.commit)
    }

    fn lacks(&self, message: impl Into<String>) -> HubError {
        HubError::new(Kind::FileNotFound, self.place(), message)
    }

    /// Refuses a file that is fetched before the room on disk is reckoned, and read whole, unless it is small.
    fn small(&self, file: &RemoteFile, most: u64) -> Result<()> {
        if file.size <= most {
            return Ok(());
        }
        let message = format!(
            "`{}` has {} bytes, where no model's has more than {most}; do not use this repository",
            file.path, file.size
        );
        Err(HubError::new(Kind::Answer, self.place(), message).into())
    }

    /// The files of the weights that the folder holds, if all are there: the first of [`WEIGHTS`], and its shards.
    fn files_here(&self) -> Option<Vec<String>> {
        let here = |name: &str| self.dir.join(name).is_file();
        // As the reader looks: a link to nowhere is a layout that lacks its file.
        let first = WEIGHTS.iter().find(|name| self.dir.join(name).symlink_metadata().is_ok())?;
        let mut files = vec![first.to_string()];
        if first.ends_with(".index.json") {
            // An index that cannot be read is the reader's to complain of.
            files.extend(read_index(&self.dir.join(first)).unwrap_or_default());
        }
        files.iter().all(|file| here(file)).then_some(files)
    }

    /// The files of the weights among those of the commit; an index is fetched for the names in it.
    fn choose(&self, files: &[RemoteFile]) -> Result<Vec<RemoteFile>> {
        let named = |path: &str| files.iter().find(|file| file.path == path).cloned();
        let Some(first) = WEIGHTS.iter().find_map(|name| named(name)) else {
            let message = format!("holds no weights that can be read; expected one of {}", WEIGHTS.join(", "));
            return Err(self.lacks(message).into());
        };
        if !first.path.ends_with(".index.json") {
            return Ok(vec![first]);
        }
        self.small(&first, MAX_INDEX_BYTES)?;
        let index = self.hub.fetch(&self.repository, &self.commit, &first)?;
        let mut weights = vec![first];
        for shard in read_index(&index)? {
            let file = named(&shard)
                .ok_or_else(|| self.lacks(format!("lacks `{shard}`, which its index names as a shard")))?;
            weights.push(file);
        }
        Ok(weights)
    }
}

/// The shards that an index names.
fn read_index(path: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
    let index: Index =
        serde_json::from_str(&text).map_err(|e| Error::file(path, format!("is not an index of shards ({e})")))?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    match shards.iter().find(|shard| !is_inside(shard)) {
        Some(shard) => {
            Err(Error::file(path, format!("names the shard `{shard}`, which lies outside the checkpoint's folder")))
        }
        None => Ok(shards),
    }
}
