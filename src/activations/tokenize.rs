use super::tensors::sha256;
use crate::treebank::{Treebank, Word};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How words become subwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tokenisation {
    /// Each word by itself, without a space before it, and the pieces one after the other: the study's way.
    #[default]
    Word,
    /// The sentence as it was written; a word's subwords are those whose characters overlap its own. A subword that
    /// spans two words belongs to both.
    Sentence,
}

impl fmt::Display for Tokenisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tokenisation::Word => "word",
            Tokenisation::Sentence => "sentence",
        })
    }
}

impl FromStr for Tokenisation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "word" => Ok(Tokenisation::Word),
            "sentence" => Ok(Tokenisation::Sentence),
            _ => Err(Error::unknown("tokenisation", text, "word or sentence")),
        }
    }
}

/// A sentence's subwords and where its words lie in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subwords {
    /// Token ids of the whole sentence.
    pub ids: Vec<u32>,
    /// For each word the range of its subwords; empty where the tokenizer gave none.
    pub words: Vec<std::ops::Range<usize>>,
}

/// Forms remembered, so that memory does not grow with a text.
const MAX_KNOWN: usize = 100_000;

/// The subwords of forms that came before: most words of a text are repetitions.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<String, Vec<u32>>);

/// A model's tokenizer, from `tokenizer.json`. No special tokens are added, as in BLOOM's own training.
pub struct Tokenizer {
    path: PathBuf,
    sha256: String,
    inner: tokenizers::Tokenizer,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::File`] if it is absent or malformed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let malformed =
            |e: &dyn fmt::Display| Error::file(path, format!("is not a tokenizer in Hugging Face layout: {e}"));
        let file = fs::read(path).map_err(|e| malformed(&e))?;
        let mut inner = tokenizers::Tokenizer::from_bytes(&file).map_err(|e| malformed(&e))?;
        let sha256 = sha256(|w| w.write_all(&file).map_err(Error::io(path, "read")))?;
        // Files may carry truncation and padding from training; neither may touch what is measured.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| Error::file(path, e.to_string()))?;
        Ok(Tokenizer { path: path.to_path_buf(), sha256, inner })
    }

    /// The file it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The ids of a text as it stands.
    ///
    /// # Errors
    /// [`Error::File`] if the tokenizer cannot take it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encoding(text)?.get_ids().to_vec())
    }

    /// The subwords of every sentence of a treebank, in order.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn treebank(&self, treebank: &Treebank, tokenisation: Tokenisation) -> Result<Vec<Subwords>> {
        let mut known = Known::default();
        treebank.sentences().map(|words| self.sentence(words, tokenisation, &mut known)).collect()
    }

    /// The subwords of a sentence; `known` is of this tokenizer alone.
    pub(super) fn sentence(&self, words: &[Word], tokenisation: Tokenisation, known: &mut Known) -> Result<Subwords> {
        match tokenisation {
            Tokenisation::Word => self.by_word(words, &mut known.0),
            Tokenisation::Sentence => self.in_sentence(words),
        }
    }

    fn by_word(&self, words: &[Word], known: &mut HashMap<String, Vec<u32>>) -> Result<Subwords> {
        let mut subwords = Subwords::default();
        for word in words {
            let form = word.form.as_str();
            if !known.contains_key(form) {
                if known.len() >= MAX_KNOWN {
                    known.clear();
                }
                known.insert(form.to_string(), self.encode(form)?);
            }
            let start = subwords.ids.len();
            subwords.ids.extend(known.get(form).into_iter().flatten());
            subwords.words.push(start..subwords.ids.len());
        }
        Ok(subwords)
    }

    fn in_sentence(&self, words: &[Word]) -> Result<Subwords> {
        let (text, spans) = Treebank::text(words);
        let encoding = self.encoding(&text)?;
        let offsets = encoding.get_offsets();
        // Both come in the order of the text: a word's subwords are neighbours, and the next word's begin no earlier.
        let (mut words, mut first) = (Vec::with_capacity(spans.len()), 0);
        for span in spans {
            let before = |(_, end): &&(usize, usize)| *end <= span.start;
            first += offsets.get(first..).unwrap_or_default().iter().take_while(before).count();
            let overlaps = |(start, end): &&(usize, usize)| *start < span.end && *end > span.start;
            let count = offsets.get(first..).unwrap_or_default().iter().take_while(overlaps).count();
            words.push(if count == 0 { 0..0 } else { first..first + count });
        }
        Ok(Subwords { ids: encoding.get_ids().to_vec(), words })
    }

    fn encoding(&self, text: &str) -> Result<tokenizers::Encoding> {
        self.inner.encode(text, false).map_err(|e| Error::file(&self.path, format!("cannot tokenise {text:?}: {e}")))
    }
}
