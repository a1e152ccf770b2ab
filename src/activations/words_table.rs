//! The table of words that lies beside their activations.

use crate::treebank::{Attributes, Word};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;

const COLUMNS: [&str; 11] = [
    "word",
    "sentence",
    "form",
    "lemma",
    "attributes",
    "language",
    "file",
    "sentence_id",
    "token_id",
    "attribute_lemmas",
    "sentence_hash",
];
/// What a table made elsewhere must have: the first five.
const REQUIRED: usize = 5;

/// Writes a row a word, numbered from `first`.
pub(super) fn write_words(to: &mut dyn Write, path: &Path, words: &[Word], first: usize) -> Result<()> {
    let mut table = csv::Writer::from_writer(to);
    let failed = |e: csv::Error| Error::file(path, format!("cannot write: {e}"));
    table.write_record(COLUMNS).map_err(failed)?;
    for (i, word) in words.iter().enumerate() {
        let (i, sentence, attributes) =
            ((first + i).to_string(), word.sentence.to_string(), word.attributes.to_string());
        let lemma = word.lemma.as_deref().unwrap_or_default();
        let row = [&i, &sentence, &word.form, lemma, &attributes];
        let origin = [&*word.language, &*word.file, &word.sentence_id, &word.token_id];
        // JSON, for a lemma may hold any character.
        let lemmas = match word.attribute_lemmas.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&word.attribute_lemmas)
                .map_err(|e| Error::file(path, format!("cannot write: {e}")))?,
        };
        let hash = word.sentence_hash.map(|hash| format!("{hash:016x}")).unwrap_or_default();
        table.write_record(row.iter().chain(&origin).chain(&[lemmas.as_str(), &hash])).map_err(failed)?;
    }
    table.flush().map_err(Error::io(path, "write"))
}

/// The rows of a table that [`write_words`] made, without its header.
pub(super) fn without_header(table: &[u8]) -> &[u8] {
    // No column's name holds a line end.
    let end = table.iter().position(|byte| *byte == b'\n').map_or(table.len(), |end| end + 1);
    table.get(end..).unwrap_or_default()
}

/// Reads a table whose words count from `first`.
pub(super) fn read_words(path: &Path, first: usize) -> Result<Vec<Word>> {
    let file = File::open(path).map_err(Error::io(path, "read the table of words"))?;
    let mut table = csv::Reader::from_reader(BufReader::new(file));
    let failed = |e: csv::Error| Error::line(path, e.position().map_or(1, |p| p.line() as usize), e.to_string());
    let header: Vec<String> = table.headers().map_err(failed)?.iter().map(str::to_string).collect();
    let mut place = [None; COLUMNS.len()];
    for (column, place) in COLUMNS.iter().zip(&mut place) {
        *place = header.iter().position(|name| name == column);
    }
    if let Some((column, _)) = COLUMNS.iter().zip(&place).take(REQUIRED).find(|(_, place)| place.is_none()) {
        let message = format!("lacks the column `{column}`; expected {}", COLUMNS[..REQUIRED].join(","));
        return Err(Error::line(path, 1, message));
    }
    let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let mut shared = |text: &str| -> Arc<str> { names.entry(text.to_string()).or_insert_with(|| text.into()).clone() };
    let mut words = Vec::new();
    for (i, record) in table.records().enumerate() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        let [word, sentence, form, lemma, attributes, language, file, sentence_id, token_id, lemmas, hash] =
            place.map(|place| place.and_then(|place| record.get(place)).unwrap_or_default());
        let number = first + i;
        if word.parse() != Ok(number) {
            return Err(Error::line(
                path,
                line,
                format!("`word` should be {number} (rows are in the tensors' order), but is `{word}`"),
            ));
        }
        let sentence = sentence.parse().map_err(|_| {
            Error::line(path, line, format!("`sentence` should be a whole number, but is `{sentence}`"))
        })?;
        let attributes: Attributes = attributes.parse().map_err(|e: Error| Error::line(path, line, e.to_string()))?;
        let attribute_lemmas = match lemmas {
            "" => BTreeMap::new(),
            lemmas => serde_json::from_str(lemmas).map_err(|_| {
                let message = format!("`attribute_lemmas` should be JSON, {{\"Tense\":\"be\"}}, but is `{lemmas}`");
                Error::line(path, line, message)
            })?,
        };
        let sentence_hash = match hash {
            "" => None,
            hash => Some(u64::from_str_radix(hash, 16).map_err(|_| {
                Error::line(path, line, format!("`sentence_hash` should be 16 hexadecimal digits, but is `{hash}`"))
            })?),
        };
        words.push(Word {
            sentence,
            form: form.to_string(),
            lemma: (!lemma.is_empty()).then(|| lemma.to_string()),
            attributes,
            language: shared(language),
            file: shared(file),
            sentence_id: sentence_id.to_string(),
            token_id: token_id.to_string(),
            attribute_lemmas,
            sentence_hash,
            space_after: true,
        });
    }
    Ok(words)
}
