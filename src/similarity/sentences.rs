//! Translations of the same sentences: files of a sentence a line, or treebanks.

use crate::treebank::conllu::{self, open_text, Sentence};
use crate::treebank::Source;
use crate::{Error, Result};
use std::collections::btree_map::{BTreeMap, Entry};
use std::io::Read;
use std::path::Path;

/// Reads a file of one sentence a line, without the line ends (`\n` or `\r\n`) and a byte order mark, which are no part
/// of a sentence; plain or compressed by gzip.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Line`] for a line that is blank or not valid UTF-8;
/// [`Error::File`] where there are none, and for damaged compressed data.
pub fn read_sentences(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let (mut input, compressed) = open_text(path)?;
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| match compressed {
        true => {
            Error::file(path, format!("the compressed data are damaged or cut off ({error}); fetch the file again"))
        }
        false => Error::io(path, "read")(error),
    })?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return Err(Error::file(path, "holds no sentences; give one a line"));
    }
    let sentence = |(i, line): (usize, &[u8])| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| Error::line(path, i + 1, "is not valid UTF-8"))?;
        if line.trim().is_empty() {
            let message = "is blank; remove it here and its translations from the other files";
            return Err(Error::line(path, i + 1, message));
        }
        Ok(line.to_owned())
    };
    text.split(|byte| *byte == b'\n').enumerate().map(sentence).collect()
}

/// Reads parallel text: a source a language. Either all files have a sentence a line, line N of each a translation of the
/// others' (Moses format), or all are treebanks, aligned by sentence id as [`read_parallel_treebanks`] does, as their names
/// say (`.conllu`, `.conllup`, and these with `.gz`).
///
/// Several files of a language are read one after the other; of those with a sentence a line, file by file translations of
/// each other.
///
/// # Errors
/// As [`read_sentences`] and [`read_parallel_treebanks`]; [`Error::Data`] for files of different lengths, naming both, a
/// language given twice, languages with different numbers of files, and treebanks among files of the other kind.
pub fn read_parallel(sources: &[Source]) -> Result<Vec<(String, Vec<String>)>> {
    let files = || sources.iter().flat_map(|source| &source.files);
    if let Some(treebank) = files().find(|path| is_treebank(path)) {
        return match files().find(|path| !is_treebank(path)) {
            Some(other) => Err(Error::Data(format!(
                "{} is a treebank, but {} is not: give treebanks for all languages or a sentence a line for all",
                treebank.display(),
                other.display()
            ))),
            None => Ok(read_parallel_treebanks(sources, false)?.texts),
        };
    }
    let mut texts: Vec<(String, Vec<String>)> = Vec::with_capacity(sources.len());
    let mut lengths: Vec<(&Path, usize)> = Vec::new();
    for source in sources {
        if texts.iter().any(|(other, _)| *other == source.language) {
            return Err(given_twice(&source.language));
        }
        if let Some(first) = sources.first().filter(|first| first.files.len() != source.files.len()) {
            return Err(Error::Data(format!(
                "{first} are {} files, but {source} are {}: give each language the translations of the same files, in the \
                 same order",
                first.files.len(),
                source.files.len()
            )));
        }
        let mut text = Vec::new();
        for (i, path) in source.files.iter().enumerate() {
            let sentences = read_sentences(path)?;
            match lengths.get(i) {
                Some((first, lines)) if *lines != sentences.len() => {
                    return Err(Error::Data(format!(
                        "{} has {lines} lines, but {} has {}: line N of each should be a translation of the others'",
                        first.display(),
                        path.display(),
                        sentences.len()
                    )));
                }
                Some(_) => {}
                None => lengths.push((path, sentences.len())),
            }
            text.extend(sentences);
        }
        texts.push((source.language.clone(), text));
    }
    Ok(texts)
}

fn is_treebank(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.ends_with(".conllu") || name.ends_with(".conllup")
}

fn given_twice(language: &str) -> Error {
    Error::Data(format!("language {language} is given twice; give it once, its files separated by commas"))
}

/// Sentences of several languages, translations of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    /// The sentences' ids, in the order of the first language's files.
    pub ids: Vec<String>,
    /// Each language with its sentences, in the order of `ids`.
    pub texts: Vec<(String, Vec<String>)>,
    /// Each language with the number of its sentences that were left out: defective, without an id, with an id that an
    /// earlier one has, or without a counterpart in another language. Nothing unless lenient.
    pub left_out: BTreeMap<String, usize>,
}

/// Reads treebanks of the same sentences, such as the Parallel Universal Dependencies (PUD): aligned by `sent_id`. A
/// sentence's text is its comment `# text`, else what its tokens make.
///
/// # Errors
/// [`Error::Line`] for a defect, a sentence without an id and a repeated id; [`Error::Data`] where a sentence has no
/// counterpart, naming it and the numbers of sentences. If `lenient`, all these are left out and counted; [`Error::Data`]
/// if none is left. [`Error::Io`] and [`Error::File`] as [`Treebank::read_with`](crate::treebank::Treebank::read_with);
/// [`Error::Data`] for a language given twice.
pub fn read_parallel_treebanks(sources: &[Source], lenient: bool) -> Result<Aligned> {
    let mut read: Vec<Texts> = Vec::with_capacity(sources.len());
    for (i, source) in sources.iter().enumerate() {
        if sources.iter().take(i).any(|other| other.language == source.language) {
            return Err(given_twice(&source.language));
        }
        read.push(Texts::read(source, lenient)?);
    }
    if !lenient {
        for pair in read.windows(2) {
            let [a, b] = pair else { continue };
            a.check_against(b)?;
            b.check_against(a)?;
        }
    }
    let Some(first) = read.first() else { return Ok(Aligned::default()) };
    let in_all = |id: &&String| read.iter().all(|texts| texts.by_id.contains_key(*id));
    let ids: Vec<String> = first.ids.iter().filter(in_all).cloned().collect();
    if ids.is_empty() {
        return Err(Error::Data(format!("no sentence id is in all of the treebanks: {}", shown(sources))));
    }
    let mut aligned = Aligned { ids, texts: Vec::with_capacity(read.len()), left_out: BTreeMap::new() };
    for mut texts in read {
        let left_out = texts.seen - aligned.ids.len();
        if lenient {
            aligned.left_out.insert(texts.language.clone(), left_out);
        }
        let sentences = aligned.ids.iter().filter_map(|id| texts.by_id.remove(id)).map(|(text, _)| text).collect();
        aligned.texts.push((texts.language, sentences));
    }
    Ok(aligned)
}

fn shown(sources: &[Source]) -> String {
    sources.iter().map(Source::to_string).collect::<Vec<_>>().join(" ")
}

/// One language's sentences.
struct Texts {
    language: String,
    source: String,
    /// In the order of the files.
    ids: Vec<String>,
    /// Text, and where it stands.
    by_id: BTreeMap<String, (String, String)>,
    /// Sentences met, those left out included.
    seen: usize,
}

impl Texts {
    fn read(source: &Source, lenient: bool) -> Result<Texts> {
        let (language, name) = (source.language.clone(), source.to_string());
        let mut texts = Texts { language, source: name, ids: Vec::new(), by_id: BTreeMap::new(), seen: 0 };
        for path in &source.files {
            for sentence in conllu::open(path)? {
                texts.seen += 1;
                match sentence.and_then(|sentence| texts.add(path, sentence)) {
                    Err(error @ Error::Line { .. }) if lenient => tracing::warn!("left out a sentence: {error}"),
                    done => done?,
                }
            }
        }
        Ok(texts)
    }

    fn add(&mut self, path: &Path, sentence: Sentence) -> Result<()> {
        let line = sentence.line;
        let Some(id) = &sentence.id else {
            let message = "a sentence without `# sent_id = ...`, by which treebanks are aligned";
            return Err(Error::line(path, line, message));
        };
        let place = format!("{}:{line}", path.display());
        match self.by_id.entry(id.clone()) {
            Entry::Occupied(earlier) => {
                let (_, place) = earlier.get();
                Err(Error::line(path, line, format!("sentence id `{id}` is that of {place} too; make ids unique")))
            }
            Entry::Vacant(free) => {
                let text = sentence.text.clone().filter(|text| !text.is_empty());
                free.insert((text.unwrap_or_else(|| sentence.surface()), place));
                self.ids.push(id.clone());
                Ok(())
            }
        }
    }

    /// Every sentence should have its counterpart.
    fn check_against(&self, other: &Texts) -> Result<()> {
        let mut missing = self.ids.iter().filter(|id| !other.by_id.contains_key(*id));
        let Some(id) = missing.next() else { return Ok(()) };
        let place = self.by_id.get(id).map(|(_, place)| place.as_str()).unwrap_or_default();
        Err(Error::Data(format!(
            "{place}: sentence `{id}` has no counterpart in {}, nor have {} more ({} sentences against {}); leave them \
             out, or align leniently",
            other.source,
            missing.count(),
            self.ids.len(),
            other.ids.len()
        )))
    }
}

#[cfg(test)]
#[path = "sentences_tests.rs"]
mod tests;
