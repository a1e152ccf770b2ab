use super::{Example, Left};
use crate::activations::{Subwords, Tokenisation, Tokenizer};
use crate::treebank::{Multiword, ReadSettings, Scheme, Treebank};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The universal parts of speech, sorted (<https://universaldependencies.org/u/pos/>).
pub const UPOS: [&str; 17] = [
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ",
    "SYM", "VERB", "X",
];

/// Which subword of a word carries its label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelOn {
    /// The first, as in the study; a causal model has not seen the rest of the word there.
    #[default]
    First,
    /// The last.
    Last,
}

impl fmt::Display for LabelOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LabelOn::First => "first",
            LabelOn::Last => "last",
        })
    }
}

impl FromStr for LabelOn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "first" => Ok(LabelOn::First),
            "last" => Ok(LabelOn::Last),
            _ => Err(Error::unknown("subword", text, "first or last")),
        }
    }
}

/// How words become subwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WordSplit {
    /// Each word by itself, with a space before it where the text has one: as the model read text, and no subword is of two words.
    #[default]
    Spaced,
    /// Each word by itself, without a space.
    Word,
    /// The sentence as it was written; a subword may belong to two words.
    Sentence,
}

impl fmt::Display for WordSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WordSplit::Spaced => "spaced",
            WordSplit::Word => "word",
            WordSplit::Sentence => "sentence",
        })
    }
}

impl FromStr for WordSplit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "spaced" => Ok(WordSplit::Spaced),
            "word" => Ok(WordSplit::Word),
            "sentence" => Ok(WordSplit::Sentence),
            _ => Err(Error::unknown("tokenisation", text, "spaced, word or sentence")),
        }
    }
}

/// Part-of-speech tagging: one of [`UPOS`] for every syntactic word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tagging {
    /// Which subword carries the label.
    pub label_on: LabelOn,
    /// How words become subwords.
    pub split: WordSplit,
}

impl Tagging {
    /// The treebank's syntactic words, and how many of them have no part of speech.
    pub(super) fn read(&self, language: &str, files: &[PathBuf]) -> Result<(Treebank, usize)> {
        // Surface tokens such as `du` have no part of speech of their own.
        let settings = ReadSettings { scheme: Scheme::Ud, multiword: Multiword::Parts, lenient: false };
        let treebank = Treebank::read_with(language, files, &settings)?;
        let mut without = 0;
        for word in &treebank.words {
            match word.attributes.get("POS") {
                None => without += 1,
                Some(tag) if UPOS.binary_search(&tag).is_ok() => {}
                Some(tag) => {
                    return Err(Error::Data(format!(
                        "{}, sentence {}, token {}: `{tag}` is no universal part of speech; expected one of {}",
                        word.file,
                        word.sentence_id,
                        word.token_id,
                        UPOS.join(", ")
                    )))
                }
            }
        }
        Ok((treebank, without))
    }

    pub(super) fn encode(
        &self,
        treebank: &Treebank,
        tokenizer: &Tokenizer,
        labels: &[String],
        max_length: usize,
        left: &mut Left,
    ) -> Result<Vec<Example>> {
        let subwords = match self.split {
            WordSplit::Spaced => spaced(treebank, tokenizer)?,
            WordSplit::Word => tokenizer.treebank(treebank, Tokenisation::Word)?,
            WordSplit::Sentence => tokenizer.treebank(treebank, Tokenisation::Sentence)?,
        };
        let mut examples = Vec::with_capacity(subwords.len());
        for (words, Subwords { mut ids, words: ranges }) in treebank.sentences().zip(subwords) {
            let mut targets = Vec::with_capacity(words.len());
            for (word, range) in words.iter().zip(ranges) {
                let class =
                    word.attributes.get("POS").map(|tag| labels.binary_search_by(|label| label.as_str().cmp(tag)));
                let Some(Ok(class)) = class else { continue };
                let position = match self.label_on {
                    LabelOn::First => range.start,
                    LabelOn::Last => range.end.saturating_sub(1),
                };
                if range.is_empty() {
                    left.empty += 1;
                } else if position >= max_length {
                    left.words_cut += 1;
                } else {
                    targets.push((position, class));
                }
            }
            left.truncated += usize::from(ids.len() > max_length);
            ids.truncate(max_length);
            examples.push(Example { ids, targets });
        }
        Ok(examples)
    }
}

/// The subwords of every word by itself, with the space that the text has before it.
fn spaced(treebank: &Treebank, tokenizer: &Tokenizer) -> Result<Vec<Subwords>> {
    let mut known: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut all = Vec::with_capacity(treebank.sentences.len());
    for words in treebank.sentences() {
        let mut subwords = Subwords::default();
        let mut space = false;
        for word in words {
            let text = if space { format!(" {}", word.form) } else { word.form.clone() };
            let start = subwords.ids.len();
            match known.get(&text) {
                Some(ids) => subwords.ids.extend(ids),
                None => {
                    let ids = tokenizer.encode(&text)?;
                    subwords.ids.extend(&ids);
                    known.insert(text, ids);
                }
            }
            subwords.words.push(start..subwords.ids.len());
            space = word.space_after;
        }
        all.push(subwords);
    }
    Ok(all)
}

/// A hash of forms, spaces and tags.
pub(super) fn digest(treebank: &Treebank) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for words in treebank.sentences() {
        parts.push("sentence");
        for word in words {
            let space = if word.space_after { " " } else { "" };
            parts.extend([word.form.as_str(), space, word.attributes.get("POS").unwrap_or_default()]);
        }
    }
    super::hash(parts)
}
