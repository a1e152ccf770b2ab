//! The file of what is done: a run is a checkpoint and a seed.

use super::{Left, Training};
use crate::bloom::Config;
use crate::checkpoint::{Checkpoint, Step};
use crate::transfer::{TransferScore, TransferScores};
use crate::{files, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One training and what it scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The checkpoint's step.
    pub step: Step,
    /// The seed.
    pub seed: u64,
    /// SHA-256 of the checkpoint's configuration and a sample of its weights.
    pub weights_sha256: String,
    /// SHA-256 of the tokenizer's file.
    pub tokenizer_sha256: String,
    /// How training went.
    pub training: Training,
    /// Language, task and score.
    #[serde(with = "by_language")]
    pub scores: BTreeMap<String, BTreeMap<String, f64>>,
    /// What was left out, by language; `train` and `dev` are the source's.
    pub left: BTreeMap<String, Left>,
}

/// All runs of one experiment on one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Runs {
    pub(super) model: String,
    /// What the runs are of, beside the checkpoint and the seed.
    pub(super) identity: BTreeMap<String, Value>,
    pub(super) runs: Vec<Run>,
}

impl Runs {
    /// Those of an earlier start, or none.
    ///
    /// # Errors
    /// [`Error::File`] if the file is of another experiment, naming what differs, or is malformed.
    pub(super) fn open(path: &Path, model: &str, identity: BTreeMap<String, Value>) -> Result<Self> {
        let fresh = Runs { model: model.into(), identity, runs: Vec::new() };
        if !path.exists() {
            return Ok(fresh);
        }
        let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let there: Runs = serde_json::from_str(&text).map_err(|error| {
            Error::file(path, format!("is no record of fine-tuning runs: {error}; delete it, or write elsewhere"))
        })?;
        let model = (there.model != fresh.model).then_some("model");
        let differs = fresh.identity.iter().filter(|(name, value)| there.identity.get(*name) != Some(value));
        let gone = there.identity.keys().filter(|name| !fresh.identity.contains_key(*name));
        let names: Vec<&str> =
            model.into_iter().chain(differs.map(|(name, _)| name.as_str())).chain(gone.map(String::as_str)).collect();
        if !names.is_empty() {
            return Err(Error::file(
                path,
                format!(
                    "has {} runs of another experiment, which differs in {}; give the same options, delete the file, or write elsewhere",
                    there.runs.len(),
                    names.join(", ")
                ),
            ));
        }
        Ok(there)
    }

    /// Whether a run is there, of these weights and this tokenizer.
    pub(super) fn has(&self, step: Step, seed: u64, weights_sha256: &str, tokenizer_sha256: &str) -> bool {
        let files = (weights_sha256, tokenizer_sha256);
        let same = |run: &&Run| (run.step, run.seed) == (step, seed);
        self.runs.iter().filter(same).any(|run| (&*run.weights_sha256, &*run.tokenizer_sha256) == files)
    }

    /// Adds a run, in place of one of the same step and seed.
    pub(super) fn add(&mut self, run: Run) {
        self.runs.retain(|other| (other.step, other.seed) != (run.step, run.seed));
        self.runs.push(run);
        self.runs.sort_by_key(|run| (run.step, run.seed));
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::file(path, error.to_string()))?;
        files::write_atomic(path, |w| writeln!(w, "{text}").map_err(Error::io(path, "write")))
    }

    /// The table, by step, seed, language and task.
    pub(super) fn scores(&self, wanted: &dyn Fn(&Run) -> bool) -> Result<TransferScores> {
        let mut rows = Vec::new();
        for run in self.runs.iter().filter(|run| wanted(run)) {
            for (language, tasks) in &run.scores {
                rows.extend(tasks.iter().map(|(task, score)| TransferScore {
                    model: self.model.clone(),
                    step: run.step,
                    task: task.clone(),
                    language: language.clone(),
                    score: *score,
                    seed: Some(run.seed),
                }));
            }
        }
        TransferScores::new(rows)
    }
}

/// Numbers as text in JSON, whose readers do not all give back the same bits.
pub(super) mod exact {
    use serde::{de, Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        values.iter().map(f64::to_string).collect::<Vec<_>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| number(text)).collect()
    }

    /// A finite number, as `f64`'s `Display` writes it.
    pub(super) fn number<E: de::Error>(text: &str) -> Result<f64, E> {
        let value = text.parse().ok().filter(|value: &f64| value.is_finite());
        value.ok_or_else(|| E::custom(format!("`{text}` is not a finite number")))
    }
}

/// The same for a map of maps.
mod by_language {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    type Map<T> = BTreeMap<String, BTreeMap<String, T>>;

    pub(super) fn serialize<S: Serializer>(scores: &Map<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = |tasks: &BTreeMap<String, f64>| {
            tasks.iter().map(|(task, score)| (task.clone(), score.to_string())).collect()
        };
        scores
            .iter()
            .map(|(language, tasks)| (language.clone(), texts(tasks)))
            .collect::<Map<String>>()
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<f64>, D::Error> {
        let texts = Map::<String>::deserialize(deserializer)?;
        let tasks = |tasks: BTreeMap<String, String>| {
            tasks
                .into_iter()
                .map(|(task, text)| Ok((task, super::exact::number(&text)?)))
                .collect::<Result<_, D::Error>>()
        };
        texts.into_iter().map(|(language, of_language)| Ok((language, tasks(of_language)?))).collect()
    }
}

/// Bytes of each tensor that the hash takes, in pieces from all over it.
const PIECES: usize = 64;
const PIECE: usize = 64;

/// A hash of the configuration, and of names, shapes and a sample of the values of the weights: enough to tell one step's from
/// another's without reading gigabytes.
pub(super) fn hash_weights(checkpoint: &Checkpoint) -> Result<String> {
    let weights = checkpoint.weights()?;
    let mut names: Vec<&str> = weights.names().collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    let config = Config::read(checkpoint.config())?;
    hash.update(serde_json::to_vec(&config).map_err(|error| Error::Data(error.to_string()))?);
    for name in names {
        let Some(weight) = weights.get(name) else { continue };
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        weight.shape.iter().for_each(|size| hash.update((*size as u64).to_le_bytes()));
        let data = weight.data();
        let every = (data.len() / PIECES).max(PIECE);
        for start in (0..data.len()).step_by(every) {
            hash.update(data.get(start..(start + PIECE).min(data.len())).unwrap_or_default());
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
