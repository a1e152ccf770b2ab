//! A series looked over before time is spent on it: are two steps the same weights, is a value not finite, is a block or
//! the perplexity out of line with the neighbouring steps?
//!
//! Published series do have such faults: among BLOOM's intermediate checkpoints are the same weights under two steps, and
//! one whose perplexity is thousands of times that of its neighbours (BigScience Workshop 2022, arXiv 2211.05100, for the
//! models). Overlap against step says nothing at such a step, and a study cannot tell by itself.
//!
//! [`Audit::of`] reads the weights of every checkpoint once; with feature `torch`, `Audit::with_perplexity` runs the models
//! over a text as well. [`Audit::findings`] are what a reader must know, as sentences; [`Audit::rows`] and [`Audit::block_rows`] are
//! the tables `audit.csv` and `audit_blocks.csv`.

mod findings;
#[cfg(feature = "torch")]
mod perplexity;
#[cfg(test)]
mod tests;

pub use findings::{Finding, Limits};
#[cfg(feature = "torch")]
pub use perplexity::{perplexity, Text};

use crate::checkpoint::{Checkpoint, Series, Step, WeightSummary, Weights};
use crate::Result;
use serde::{de, Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// A part of a model: what belongs to one block, or lies before or after the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The word embeddings and their LayerNorm.
    Embedding,
    /// Block `i`, from 0.
    Block(usize),
    /// The final LayerNorm.
    FinalNorm,
    /// A head of its own.
    Head,
    /// Tensors that BLOOM does not have.
    Other,
}

impl Part {
    fn of(tensor: &str) -> Self {
        if let Some((number, _)) = tensor.strip_prefix("h.").and_then(|rest| rest.split_once('.')) {
            return number.parse().map_or(Part::Other, Part::Block);
        }
        match tensor.split('.').next() {
            Some("word_embeddings" | "word_embeddings_layernorm") => Part::Embedding,
            Some("ln_f") => Part::FinalNorm,
            Some("lm_head") => Part::Head,
            _ => Part::Other,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Embedding => f.write_str("embedding"),
            Part::Block(i) => write!(f, "block.{i}"),
            Part::FinalNorm => f.write_str("final_layer_norm"),
            Part::Head => f.write_str("head"),
            Part::Other => f.write_str("other"),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let named = [Part::Embedding, Part::FinalNorm, Part::Head, Part::Other];
        let block = || Some(Part::Block(text.strip_prefix("block.")?.parse().ok()?));
        let found = named.into_iter().find(|part| part.to_string() == text).or_else(block);
        found.ok_or_else(|| de::Error::custom(format!("unknown part of a model `{text}`")))
    }
}

/// Some of a checkpoint's tensors in a few figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many tensors.
    pub tensors: usize,
    /// How many values.
    pub values: u64,
    /// SHA-256 over the tensors' names, shapes and values, hexadecimal; equal for equal values, whatever floating-point type they
    /// are stored in, and whether or not the file has masks and a head that is the embedding once more.
    pub sha256: String,
    /// How many values are NaN.
    pub nan: u64,
    /// How many are infinite.
    pub infinite: u64,
    /// The Euclidean norm of the finite values.
    pub norm: f64,
}

/// A tensor's name, its shape and its figures.
type Tensor<'a> = (&'a str, &'a [usize], WeightSummary);

impl Summary {
    fn of(tensors: &[Tensor]) -> Self {
        let mut hash = Sha256::new();
        let mut summary =
            Summary { tensors: tensors.len(), values: 0, sha256: String::new(), nan: 0, infinite: 0, norm: 0.0 };
        let mut squares = 0.0;
        for (name, shape, found) in tensors {
            hash.update(format!("{name} {shape:?}\n"));
            hash.update(found.sha256);
            summary.values += found.values;
            summary.nan += found.nan;
            summary.infinite += found.infinite;
            squares += found.squares;
        }
        summary.norm = squares.sqrt();
        summary.sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        summary
    }

    /// Whether every value is finite.
    pub fn is_finite(&self) -> bool {
        self.nan + self.infinite == 0
    }
}

/// How well a model predicts a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perplexity {
    /// How many tokens were predicted.
    pub tokens: usize,
    /// The exponential of their mean negative log-likelihood; `None` where that is not finite.
    pub value: Option<f64>,
}

/// One checkpoint, looked over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointAudit {
    /// Its step.
    pub step: Step,
    /// All its tensors.
    pub whole: Summary,
    /// Its parts.
    pub parts: BTreeMap<Part, Summary>,
    /// The Euclidean norm of each tensor's finite values.
    pub norms: BTreeMap<String, f64>,
    /// How well it predicts a text, where one was given.
    pub perplexity: Option<Perplexity>,
}

impl CheckpointAudit {
    /// Reads every weight once.
    ///
    /// # Errors
    /// As [`Checkpoint::weights`].
    pub fn of(checkpoint: &Checkpoint) -> Result<Self> {
        Ok(Self::of_weights(checkpoint.step(), &checkpoint.weights()?))
    }

    fn of_weights(step: Step, weights: &Weights) -> Self {
        let mut tensors: Vec<Tensor> = Vec::new();
        for name in weights.names() {
            // Masks and the like are no weights, and not every file has them.
            let weight = weights.get(name).filter(|weight| weight.is_floating());
            tensors.extend(weight.map(|weight| (name, weight.shape, weight.summary())));
        }
        // Nor has every file the second name of an embedding that is the head too.
        let embedding = tensors.iter().find(|(name, ..)| *name == "word_embeddings.weight").cloned();
        if let Some((_, shape, embedding)) = embedding {
            tensors.retain(|(name, other, found)| *name != "lm_head.weight" || (*other, *found) != (shape, embedding));
        }
        let mut parts: BTreeMap<Part, Vec<Tensor>> = BTreeMap::new();
        for tensor in &tensors {
            parts.entry(Part::of(tensor.0)).or_default().push(*tensor);
        }
        let parts = parts.into_iter().map(|(part, tensors)| (part, Summary::of(&tensors))).collect();
        let norms = tensors.iter().map(|(name, _, found)| (name.to_string(), found.squares.sqrt())).collect();
        CheckpointAudit { step, whole: Summary::of(&tensors), parts, norms, perplexity: None }
    }
}

/// A series, looked over.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// The model's name.
    pub model: String,
    /// The checkpoints, by step.
    pub checkpoints: Vec<CheckpointAudit>,
    /// The steps whose weights could not be read, and why.
    pub unreadable: BTreeMap<Step, String>,
}

impl Audit {
    /// Of a series no checkpoint of which has been read yet.
    pub fn new(model: impl Into<String>) -> Self {
        Audit { model: model.into(), checkpoints: Vec::new(), unreadable: BTreeMap::new() }
    }

    /// Reads the weights of every checkpoint once, each when its turn comes ([`Series::in_turn`]). One that cannot be read is
    /// among the findings.
    ///
    /// # Errors
    /// As [`Series::in_turn`].
    pub fn of(series: &Series) -> Result<Self> {
        let mut audit = Audit::new(series.model());
        for checkpoint in series.in_turn() {
            let checkpoint = checkpoint?;
            audit.add(checkpoint.step(), CheckpointAudit::of(&checkpoint));
        }
        Ok(audit)
    }

    /// Adds a checkpoint of a later step, or that it cannot be read.
    pub fn add(&mut self, step: Step, found: Result<CheckpointAudit>) {
        match found {
            Ok(checkpoint) => self.checkpoints.push(checkpoint),
            Err(error) => drop(self.unreadable.insert(step, error.to_string())),
        }
    }

    /// The table `audit.csv`, a row a checkpoint.
    pub fn rows(&self, limits: &Limits) -> Vec<AuditRow> {
        let findings = self.findings(limits);
        let row = |checkpoint: &CheckpointAudit| {
            let Summary { tensors, values, sha256, nan, infinite, norm } = checkpoint.whole.clone();
            let of_step = findings.iter().filter(|finding| finding.steps().contains(&checkpoint.step));
            AuditRow {
                model: self.model.clone(),
                step: checkpoint.step,
                tensors,
                values,
                nan,
                infinite,
                norm,
                tokens: checkpoint.perplexity.map(|p| p.tokens),
                perplexity: checkpoint.perplexity.and_then(|p| p.value),
                sha256,
                findings: of_step.map(ToString::to_string).collect::<Vec<_>>().join("; "),
            }
        };
        let nothing = |(step, message): (&Step, &String)| AuditRow {
            model: self.model.clone(),
            step: *step,
            tensors: 0,
            values: 0,
            nan: 0,
            infinite: 0,
            norm: 0.0,
            tokens: None,
            perplexity: None,
            sha256: String::new(),
            findings: Finding::Unreadable { step: *step, message: message.clone() }.to_string(),
        };
        let mut rows: Vec<AuditRow> = self.checkpoints.iter().map(row).collect();
        rows.extend(self.unreadable.iter().map(nothing));
        rows.sort_by_key(|row| row.step);
        rows
    }

    /// The table `audit_blocks.csv`, a row a part of a checkpoint.
    pub fn block_rows(&self) -> Vec<AuditBlockRow> {
        let row = |checkpoint: &CheckpointAudit, part: &Part, summary: &Summary| {
            let Summary { values, sha256, nan, infinite, norm, .. } = summary.clone();
            AuditBlockRow {
                model: self.model.clone(),
                step: checkpoint.step,
                part: *part,
                values,
                nan,
                infinite,
                norm,
                sha256,
            }
        };
        self.checkpoints
            .iter()
            .flat_map(|checkpoint| checkpoint.parts.iter().map(move |(part, summary)| row(checkpoint, part, summary)))
            .collect()
    }
}

/// A checkpoint in `audit.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// The model's name.
    pub model: String,
    /// The step.
    pub step: Step,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of values in them.
    pub values: u64,
    /// How many are NaN.
    pub nan: u64,
    /// How many are infinite.
    pub infinite: u64,
    /// The Euclidean norm of the others.
    pub norm: f64,
    /// Tokens predicted.
    pub tokens: Option<usize>,
    /// Their perplexity.
    pub perplexity: Option<f64>,
    /// Equal for equal weights.
    pub sha256: String,
    /// What was found, as sentences.
    pub findings: String,
}

/// A part of a checkpoint in `audit_blocks.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditBlockRow {
    /// The model's name.
    pub model: String,
    /// The step.
    pub step: Step,
    /// `embedding`, `block.3`, `final_layer_norm`, `head` or `other`.
    pub part: Part,
    /// Number of values.
    pub values: u64,
    /// How many are NaN.
    pub nan: u64,
    /// How many are infinite.
    pub infinite: u64,
    /// The Euclidean norm of the others.
    pub norm: f64,
    /// Equal for equal weights.
    pub sha256: String,
}
