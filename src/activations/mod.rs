//! Activations of words: pooling subwords, extraction, and files of them.
//!
//! [`Tokenizer`] turns words into subwords, `extract` (feature `torch`) runs a model over a treebank and pools each word's
//! subwords into one row a site, and [`Activations`] holds the rows with the words they are of, in memory and as a pair of files.
//!
//! For more words than fit into memory, and for runs that may be killed, `extract_to` writes a [`Store`]: a folder of shards
//! with a [`Manifest`] that says what they are of. A shard is the rows of consecutive sentences, whole or absent; which
//! sentences it has and how they are batched depends on the input and the settings alone, so that a run that goes on where
//! another was killed ends with the same bytes.

mod in_memory;
mod manifest;
mod store;
mod tensors;
mod tokenize;
mod words_table;
// Only extraction writes stores.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
mod writer;

#[cfg(feature = "torch")]
mod batches;
#[cfg(feature = "torch")]
mod describe;
#[cfg(feature = "torch")]
mod extract;
#[cfg(feature = "torch")]
mod pool;
#[cfg(feature = "torch")]
mod shards;

pub use in_memory::Activations;
pub use manifest::{Description, FileRecord, Halving, Manifest, Shard, FORMAT};
pub use store::Store;
pub use tokenize::{Subwords, Tokenisation, Tokenizer};

#[cfg(feature = "torch")]
pub(crate) use describe::hash_words;
#[cfg(feature = "torch")]
pub use describe::Origin;
#[cfg(feature = "torch")]
pub use extract::{extract, extract_to, sentence_states, Extraction, ExtractionSettings};
#[cfg(feature = "torch")]
pub(crate) use writer::MANIFEST;

use crate::treebank::Word;
use crate::{Error, Result, Site};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Sites with their numbers of neurons.
type Widths = BTreeMap<Site, usize>;

/// Checks that every value of a site's rows is finite.
fn check_finite(site: Site, rows: ArrayView2<'_, f32>, words: &[Word]) -> Result<()> {
    for (row, word) in rows.outer_iter().zip(words) {
        if let Some(neuron) = row.iter().position(|value| !value.is_finite()) {
            let Word { form, file, sentence_id, token_id, .. } = word;
            return Err(Error::Data(format!(
                "neuron {neuron} of {site} is not finite for {form:?} ({file}, sentence {sentence_id}, token {token_id}): \
                 the weights are damaged, or the type is too narrow (float32 and bfloat16 reach further than float16)"
            )));
        }
    }
    Ok(())
}

/// What extraction left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// Sentences of `max_subwords` subwords or more.
    pub long_sentences: usize,
    /// Wanted words in them.
    pub words_in_long_sentences: usize,
    /// Wanted words that the tokenizer gave no subword.
    pub empty_words: usize,
}

impl std::iter::Sum for Skipped {
    fn sum<I: Iterator<Item = Skipped>>(parts: I) -> Skipped {
        parts.fold(Skipped::default(), |a, b| Skipped {
            long_sentences: a.long_sentences.saturating_add(b.long_sentences),
            words_in_long_sentences: a.words_in_long_sentences.saturating_add(b.words_in_long_sentences),
            empty_words: a.empty_words.saturating_add(b.empty_words),
        })
    }
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

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mean" => Ok(Pooling::Mean),
            "first" => Ok(Pooling::First),
            "last" => Ok(Pooling::Last),
            _ => Err(Error::unknown("pooling", text, "mean, first or last")),
        }
    }
}

/// How a sentence's subwords become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SentencePooling {
    /// The last subword's state, which alone has seen the whole sentence.
    Last,
    /// The mean over subwords.
    Mean,
}

impl fmt::Display for SentencePooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SentencePooling::Last => "last",
            SentencePooling::Mean => "mean",
        })
    }
}

impl FromStr for SentencePooling {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "last" => Ok(SentencePooling::Last),
            "mean" => Ok(SentencePooling::Mean),
            _ => Err(Error::unknown("sentence pooling", text, "last or mean")),
        }
    }
}
