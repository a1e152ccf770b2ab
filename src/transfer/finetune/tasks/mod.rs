//! Tasks: from files to sentences with targets, and from predictions to scores.

mod labelled;
mod tagging;
#[cfg(test)]
mod tests;
mod text;
mod xnli;

pub use tagging::{LabelOn, Tagging, WordSplit, UPOS};
pub use xnli::XNLI_LABELS;

use super::Predictions;
use crate::activations::Tokenizer;
use crate::treebank::{Source, Treebank};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use text::Text;

/// A sentence ready for a model: token ids, and for each target its token's place and its class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Token ids, at most the maximum length.
    pub ids: Vec<u32>,
    /// Places in `ids` and classes.
    pub targets: Vec<(usize, usize)>,
}

impl Example {
    /// Whether there is something to learn or to score.
    pub(super) fn counts(&self) -> bool {
        !self.ids.is_empty() && !self.targets.is_empty()
    }
}

/// What was left out of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// Rows or words without a gold label.
    pub without_label: usize,
    /// Sentences beyond the maximum length, cut to it.
    pub truncated: usize,
    /// Words whose label's subword is beyond the maximum length.
    pub words_cut: usize,
    /// Sentences, and words, that the tokenizer gave no subword.
    pub empty: usize,
}

/// One language's sentences of a task, as read.
#[derive(Clone, Debug)]
pub struct Gold {
    /// ISO 639-1 code.
    pub language: String,
    /// SHA-256 of what the task takes from the files.
    pub sha256: String,
    /// Rows or words without a gold label, which are skipped.
    pub without_label: usize,
    content: Content,
    files: String,
}

#[derive(Clone, Debug)]
enum Content {
    Words(Treebank),
    Texts(Vec<Text>),
}

/// One language's sentences, ready for a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The sentences, in the order of the files; one with nothing to score has no target.
    pub examples: Vec<Example>,
    /// What was left out.
    pub left: Left,
}

/// What a model is fine-tuned for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Part-of-speech tagging of Universal Dependencies treebanks.
    Tagging(Tagging),
    /// Natural language inference (Conneau et al. 2018, "XNLI", arXiv 1809.05053): does the first sentence entail or contradict the
    /// second? Both are given to the model one after the other, as BLOOM's tokenizer joins a pair, and the last token carries the label.
    Xnli,
    /// Sentences with a label each, from tab-separated files; the name is the task's in tables.
    Labelled(String),
}

impl Task {
    /// The task's name in tables.
    pub fn name(&self) -> &str {
        match self {
            Task::Tagging(_) => "tagging",
            Task::Xnli => "xnli",
            Task::Labelled(name) => name,
        }
    }

    /// Whether the classifier has a bias: where transformers' model for the task has one.
    pub fn bias(&self) -> bool {
        matches!(self, Task::Tagging(_))
    }

    /// Reads a language's files.
    ///
    /// - Tagging: CoNLL-U.
    /// - XNLI: XNLI's and MultiNLI's files as they are distributed, TSV with a header or (by the ending `.jsonl` or `.json`) JSON Lines; of a
    ///   file with several languages the rows of this one. Rows whose gold label is `-` are skipped and counted.
    /// - Labelled: `label<TAB>text` a line, or a header with the columns `label` and `text`.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read; [`Error::Line`] for a row that breaks the format and for a label that XNLI
    /// does not have; [`Error::Data`] for a part of speech that is none, and for a language without a gold label.
    pub fn read(&self, source: &Source) -> Result<Gold> {
        let names: Vec<String> = source.files.iter().map(|file| file.display().to_string()).collect();
        let (language, files) = (source.language.as_str(), names.join(", "));
        let (content, sha256, labels, without_label) = match self {
            Task::Tagging(tagging) => {
                let (treebank, without) = tagging.read(language, &source.files)?;
                let (sha256, labels) = (tagging::digest(&treebank), treebank.words.len() - without);
                (Content::Words(treebank), sha256, labels, without)
            }
            Task::Xnli | Task::Labelled(_) => {
                let (texts, without) = match self {
                    Task::Xnli => xnli::read(language, &source.files)?,
                    _ => labelled::read(&source.files)?,
                };
                let (sha256, labels) = (text::digest(&texts), texts.len());
                (Content::Texts(texts), sha256, labels, without)
            }
        };
        if labels == 0 {
            return Err(Error::Data(format!(
                "`{language}` has no gold label in {files} ({without_label} without one); leave the language out, or give a file with labels"
            )));
        }
        Ok(Gold { language: language.into(), sha256, without_label, content, files })
    }

    /// The labels that training data gives a task, sorted: the universal parts of speech, XNLI's three, or those that occur.
    ///
    /// # Errors
    /// [`Error::Data`] for fewer than two.
    pub fn labels(&self, train: &Gold) -> Result<Vec<String>> {
        let labels: Vec<String> = match (self, &train.content) {
            (Task::Tagging(_), _) => UPOS.map(str::to_string).to_vec(),
            (Task::Xnli, _) => XNLI_LABELS.map(str::to_string).to_vec(),
            (Task::Labelled(_), Content::Texts(texts)) => {
                texts.iter().map(|text| text.label.clone()).collect::<BTreeSet<_>>().into_iter().collect()
            }
            (Task::Labelled(_), Content::Words(_)) => Vec::new(),
        };
        if labels.len() < 2 {
            let found = labels.join(", ");
            return Err(Error::Data(format!(
                "{} has one label alone, `{found}`: there is nothing to learn",
                train.files
            )));
        }
        Ok(labels)
    }

    /// Checks that a file's labels are among `labels`, those of the training data, and says which of them it lacks.
    ///
    /// # Errors
    /// [`Error::Line`] naming the first that is not, and those there are.
    pub fn check_labels(&self, gold: &Gold, labels: &[String]) -> Result<()> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        match &gold.content {
            // Reading has checked them.
            Content::Words(treebank) => {
                found.extend(treebank.words.iter().filter_map(|word| word.attributes.get("POS")))
            }
            Content::Texts(texts) => {
                for text in texts {
                    if labels.binary_search(&text.label).is_err() {
                        let message = format!(
                            "the label `{}` is not in the training data, whose labels are {}; the files' labels must be the same",
                            text.label,
                            labels.join(", ")
                        );
                        return Err(Error::line(text.file.as_ref(), text.line, message));
                    }
                    found.insert(&text.label);
                }
            }
        }
        let lacking: Vec<&str> = labels.iter().map(String::as_str).filter(|label| !found.contains(label)).collect();
        if !lacking.is_empty() && matches!(self, Task::Labelled(_)) {
            tracing::warn!(
                language = gold.language,
                files = gold.files,
                "no sentence is labelled {}",
                lacking.join(", ")
            );
        }
        Ok(())
    }

    /// Tokenises; the classes are the places in `labels`, which is sorted. Sentences longer than `max_length` subwords are cut and
    /// counted.
    ///
    /// # Errors
    /// As [`Task::check_labels`]; [`Error::File`] if the tokenizer fails; [`Error::Data`] if nothing is left with a label.
    pub fn encode(&self, gold: &Gold, tokenizer: &Tokenizer, labels: &[String], max_length: usize) -> Result<Encoded> {
        if max_length == 0 {
            return Err(Error::parameter("the maximum length", "above 0", max_length));
        }
        self.check_labels(gold, labels)?;
        let mut left = Left { without_label: gold.without_label, ..Left::default() };
        let examples = match (self, &gold.content) {
            (Task::Tagging(tagging), Content::Words(treebank)) => {
                tagging.encode(treebank, tokenizer, labels, max_length, &mut left)?
            }
            (_, Content::Texts(texts)) => text::encode(texts, tokenizer, labels, max_length, &mut left)?,
            (_, Content::Words(_)) => Vec::new(),
        };
        if left.truncated > 0 {
            tracing::info!(language = gold.language, ?left, "sentences are longer than {max_length} subwords");
        }
        if !examples.iter().any(Example::counts) {
            let message = "no label is left within the maximum length".to_string();
            return Err(Error::Data(format!("`{}` ({}): {message}", gold.language, gold.files)));
        }
        Ok(Encoded { examples, left })
    }

    /// Scores by name, the main one first: `tagging` (F1 of spans), `tagging-accuracy`, `tagging-macro-f1`; `xnli` (accuracy); of
    /// other tasks `NAME` (accuracy) and `NAME-macro-f1`.
    pub fn scores(&self, predictions: &Predictions) -> Vec<(String, Option<f64>)> {
        let name = self.name();
        let accuracy = predictions.accuracy();
        let macro_f1 = (format!("{name}-macro-f1"), predictions.macro_f1());
        match self {
            Task::Tagging(_) => {
                vec![(name.into(), predictions.span_f1()), (format!("{name}-accuracy"), accuracy), macro_f1]
            }
            Task::Xnli => vec![(name.into(), accuracy)],
            Task::Labelled(_) => vec![(name.into(), accuracy), macro_f1],
        }
    }
}

/// Gold and predicted classes of the examples' targets.
pub fn predictions(examples: &[Example], predicted: Vec<Vec<usize>>) -> Predictions {
    let pairs = |(example, predicted): (&Example, Vec<usize>)| {
        example.targets.iter().map(|(_, gold)| *gold).zip(predicted).collect::<Vec<_>>()
    };
    Predictions { sentences: examples.iter().zip(predicted).map(pairs).filter(|pairs| !pairs.is_empty()).collect() }
}

/// SHA-256 of texts, each with its length, in hexadecimal digits.
fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The lines of a UTF-8 file, without a byte order mark and line ends, counted from 1.
fn lines(path: &Path) -> Result<Vec<(usize, String)>> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        Error::line(path, line, "is not valid UTF-8; save the file as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Only `\n` ends a row: texts contain other characters that some take for line ends.
    let line = |(i, line): (usize, &str)| (i + 1, line.strip_suffix('\r').unwrap_or(line).to_string());
    Ok(text.split('\n').enumerate().map(line).filter(|(_, line)| !line.trim().is_empty()).collect())
}
