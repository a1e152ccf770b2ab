//! Names for files and sentences by which a word is found again.

use super::split::spelling;
use super::words::Counts;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

/// Each file's name without its folder; where files share a name, with as many folders as tell them apart.
pub(super) fn names(paths: &[PathBuf]) -> Vec<Arc<str>> {
    let reversed = |path: &PathBuf| -> Vec<String> {
        path.components().rev().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    let parts: Vec<Vec<String>> = paths.iter().map(reversed).collect();
    let mut names = Vec::with_capacity(paths.len());
    for (i, own) in parts.iter().enumerate() {
        let is_shared = |n: usize| {
            let others = parts.iter().enumerate().filter(|(j, _)| *j != i);
            others.into_iter().any(|(_, other)| other.iter().take(n).eq(own.iter().take(n)))
        };
        let needed = (1..=own.len()).find(|&n| !is_shared(n)).unwrap_or(own.len());
        let name: Vec<&str> = own.iter().take(needed).rev().map(String::as_str).collect();
        names.push(Arc::from(name.join("/")));
    }
    names
}

/// A hash of the words of a sentence, the same on every machine; `text` is room for them.
pub(super) fn hash_forms<'a>(forms: impl IntoIterator<Item = &'a str>, text: &mut String) -> u64 {
    text.clear();
    for form in forms {
        text.push_str(form);
        // No form holds it.
        text.push('\n');
    }
    let digest = match text.is_ascii() {
        true => {
            text.make_ascii_lowercase();
            Sha256::digest(text.as_bytes())
        }
        false => Sha256::digest(spelling(text).as_bytes()),
    };
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Sentences of a file whose ids are remembered; no file of Universal Dependencies has so many. It bounds the memory that
/// a stream takes.
const MAX_IDS: usize = 1 << 17;

/// The sentence ids of one file so far, as hashes: two ids with one hash are told apart by the line without need.
#[derive(Default)]
pub(super) struct Ids(HashSet<u64>);

impl Ids {
    /// What the next sentence of the file is called, if its id and first line are these.
    pub(super) fn name(&mut self, id: Option<&str>, line: usize, counts: &mut Counts) -> String {
        let Some(id) = id else {
            counts.sentences_without_id += 1;
            return format!("line-{line}");
        };
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        if self.0.contains(&hash) {
            counts.repeated_sentence_ids += 1;
        } else if self.0.len() < MAX_IDS {
            self.0.insert(hash);
            return id.to_string();
        }
        format!("{id}@line-{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_without_folders_where_that_is_enough() {
        let paths = ["a/x/t.conllu", "b/x/t.conllu", "b/u.conllu", "t.conllu"].map(PathBuf::from);
        assert_eq!(
            names(&paths).iter().map(|name| &**name).collect::<Vec<_>>(),
            ["a/x/t.conllu", "b/x/t.conllu", "u.conllu", "t.conllu"]
        );
    }

    #[test]
    fn sentences_of_the_same_words_have_one_hash() {
        let hash = |forms: &[&str]| hash_forms(forms.iter().copied(), &mut String::new());
        // hashlib.sha256("the café\nis\n".encode()).hexdigest()[:16]
        assert_eq!(hash(&["the café", "is"]), 0x3f2024f70e9a3c14);
        assert_eq!(hash(&["The CAFÉ", "is"]), hash(&["the cafe\u{301}", "Is"]));
        // hashlib.sha256(b"it\nis\n").hexdigest()[:16]
        assert_eq!(hash(&["It", "is"]), 0x10491823ed017743);
        assert_ne!(hash(&["it", "is"]), hash(&["iti", "s"]));
    }

    #[test]
    fn ids_are_remembered_up_to_a_bound() {
        let (mut ids, mut counts) = (Ids::default(), Counts::default());
        for i in 0..MAX_IDS {
            assert_eq!(ids.name(Some(&i.to_string()), i, &mut counts), i.to_string());
        }
        assert_eq!(ids.name(Some("new"), 7, &mut counts), "new@line-7");
        assert_eq!(ids.name(Some("0"), 8, &mut counts), "0@line-8");
        assert_eq!(ids.name(None, 9, &mut counts), "line-9");
        assert_eq!((counts.repeated_sentence_ids, counts.sentences_without_id, ids.0.len()), (1, 1, MAX_IDS));
    }
}
