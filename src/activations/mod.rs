//! Activations of words: pooling subwords, extraction, and files of them.
//!
//! [`Tokenizer`] turns words into subwords, `extract` (feature `torch`) runs a model over a treebank and pools each word's
//! subwords into one row a site, and [`Activations`] holds the rows with the words they are of, in memory and on disk.

mod store;
mod tokenize;

#[cfg(feature = "torch")]
mod extract;

pub use store::Activations;
pub use tokenize::{Subwords, Tokenisation, Tokenizer};

#[cfg(feature = "torch")]
pub use extract::{extract, sentence_states, Extraction, ExtractionSettings, SentencePooling};

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What extraction left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Sentences of `max_subwords` subwords or more.
    pub long_sentences: usize,
    /// Wanted words in them.
    pub words_in_long_sentences: usize,
    /// Wanted words that the tokenizer gave no subword.
    pub empty_words: usize,
}

/// How a word's subwords become one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first.
    First,
    /// The last.
    Last,
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pooling::Mean => "mean",
            Pooling::First => "first",
            Pooling::Last => "last",
        })
    }
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "mean" => Ok(Pooling::Mean),
            "first" => Ok(Pooling::First),
            "last" => Ok(Pooling::Last),
            _ => Err(Error::unknown("pooling", text, "mean, first or last")),
        }
    }
}
