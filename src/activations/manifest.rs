//! What a store of activations holds and how it was made, as JSON.

use super::{Pooling, Skipped, Tokenisation, Widths};
use crate::checkpoint::Step;
use crate::treebank::Scheme;
use crate::{files, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The version of the format that this crate writes and reads.
pub const FORMAT: u32 = 1;
/// Far more than a manifest of a million shards.
const MAX_BYTES: u64 = 1 << 30;

/// What is asked of an extraction: two that are asked the same give the same bytes, on one kind of machine with one build of
/// libtorch and one number of threads, unless memory ran out in one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The model's name.
    pub model: String,
    /// How far training had come.
    pub step: Option<Step>,
    /// The Hub's commit, where it is known.
    pub commit: Option<String>,
    /// SHA-256 of the model's configuration.
    pub config_sha256: String,
    /// SHA-256 of a sample of the loaded weights: 1,024 to 2,047 values of each, all of a smaller one. Enough to tell models and steps apart; a few
    /// values changed by hand may escape it.
    pub weights_sha256: String,
    /// SHA-256 of `tokenizer.json`.
    pub tokenizer_sha256: String,
    /// The treebank's language.
    pub language: String,
    /// How its attributes are named.
    pub scheme: Scheme,
    /// SHA-256 of its words, with attributes, provenance and which of them are wanted.
    pub treebank_sha256: String,
    /// How many words are wanted.
    pub words: usize,
    /// The sites, each with its number of neurons.
    pub sites: Widths,
    /// How a word's subwords become one vector.
    pub pooling: Pooling,
    /// How words become subwords.
    pub tokenisation: Tokenisation,
    /// The type that the model computes in: `f32`, `bf16`, `f16` or `f64`; rows are float32.
    pub dtype: String,
    /// The kind of device: `cpu` or `cuda`.
    pub device: String,
    /// Subwords in a forward pass, at most.
    pub batch_tokens: usize,
    /// Sentences of so many subwords or more are skipped.
    pub max_subwords: usize,
    /// Whether a word without a subword is an error.
    pub refuse_empty_words: bool,
    /// Wanted words in a shard, at most (but at least a sentence).
    pub shard_words: usize,
}

impl Description {
    /// The fields in which `asked` differs, one a line: the field, what is here, what is asked.
    pub fn differences(&self, asked: &Description) -> Vec<String> {
        let fields = |description| match serde_json::to_value(description) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let (here, asked) = (fields(self), fields(asked));
        let different = here.iter().filter(|(field, value)| asked.get(*field) != Some(value));
        different
            .map(|(field, here)| format!("{field} is {here}, asked is {}", asked.get(field).unwrap_or(&Value::Null)))
            .collect()
    }

    /// What a single file's metadata say of it, by name.
    pub fn about(&self) -> BTreeMap<String, String> {
        let known = [
            ("model", Some(self.model.clone())),
            ("step", self.step.map(|step| step.to_string())),
            ("commit", self.commit.clone()),
            ("language", Some(self.language.clone())),
            ("scheme", Some(self.scheme.to_string())),
            ("pooling", Some(self.pooling.to_string())),
            ("tokenisation", Some(self.tokenisation.to_string())),
            ("dtype", Some(self.dtype.clone())),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect()
    }
}

/// A store's `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// Whether all shards are there.
    pub complete: bool,
    /// Rows of all shards.
    pub rows: usize,
    /// Subwords that went through the model.
    pub tokens: usize,
    /// What was left out.
    pub skipped: Skipped,
    /// What was asked.
    pub description: Description,
    /// The shards that are there, in order.
    pub shards: Vec<Shard>,
}

/// The rows of consecutive sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its place among the shards, counted from 0.
    pub shard: usize,
    /// Wanted words of its sentences, with and without a row.
    pub words: usize,
    /// Rows.
    pub rows: usize,
    /// Subwords that went through the model.
    pub tokens: usize,
    /// What was left out.
    pub skipped: Skipped,
    /// libtorch's threads that computed it, on a processor: rounding depends on them.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Subwords in a forward pass, at most, when the shard began.
    pub batch_tokens: usize,
    /// Where memory ran out and batches were made smaller.
    pub halvings: Vec<Halving>,
    /// The rows: `NNNNN.safetensors`.
    pub tensors: FileRecord,
    /// Their words: `NNNNN.words.csv`.
    pub table: FileRecord,
}

impl Shard {
    /// Subwords in a forward pass, at most, when the shard ended.
    pub fn batch_tokens_after(&self) -> usize {
        self.halvings.last().map_or(self.batch_tokens, |halving| halving.batch_tokens)
    }
}

/// The device had no memory for a batch, and from there on batches have fewer subwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// The batch, counted from 0 in its shard.
    pub batch: usize,
    /// Subwords in a forward pass, at most, from this batch on.
    pub batch_tokens: usize,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The manifest of a store without shards.
    pub(super) fn new(description: Description) -> Self {
        let skipped = Skipped::default();
        Manifest { format: FORMAT, complete: false, rows: 0, tokens: 0, skipped, description, shards: Vec::new() }
    }

    /// How often memory ran out.
    pub fn halvings(&self) -> usize {
        self.shards.iter().map(|shard| shard.halvings.len()).sum()
    }

    /// Puts a shard in its place and counts anew.
    pub(super) fn put(&mut self, shard: Shard) {
        match self.shards.binary_search_by_key(&shard.shard, |other| other.shard) {
            Ok(place) => self.shards.iter_mut().skip(place).take(1).for_each(|old| *old = shard.clone()),
            Err(place) => self.shards.insert(place, shard),
        }
        self.rows = self.total(|shard| shard.rows);
        self.tokens = self.total(|shard| shard.tokens);
        self.skipped = self.shards.iter().map(|shard| shard.skipped).sum();
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::metadata(path).map_err(Error::io(path, "read"))?.len();
        if bytes > MAX_BYTES {
            return Err(Error::file(path, format!("is {bytes} bytes long; a manifest has at most {MAX_BYTES}")));
        }
        let text = fs::read(path).map_err(Error::io(path, "read"))?;
        let malformed = |e: serde_json::Error| {
            Error::file(path, format!("is no manifest of a store: {e}; remove the folder and extract again"))
        };
        // The version first: another one may have other fields.
        let value: Value = serde_json::from_slice(&text).map_err(malformed)?;
        let format = value.get("format").and_then(Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            let found = format.map_or("none".to_string(), |format| format.to_string());
            return Err(Error::file(
                path,
                format!(
                    "has format {found}; this version of the crate reads {FORMAT}: extract again into another folder"
                ),
            ));
        }
        let manifest: Manifest = serde_json::from_value(value).map_err(malformed)?;
        manifest
            .check()
            .map_err(|message| Error::file(path, format!("{message}; remove the folder and extract again")))?;
        Ok(manifest)
    }

    /// Checks that what is counted twice agrees.
    fn check(&self) -> Result<(), String> {
        let ordered = self.shards.windows(2).all(|pair| matches!(pair, [a, b] if a.shard < b.shard));
        if !ordered {
            return Err("names a shard twice or out of order".into());
        }
        let gap = self.shards.iter().zip(0..).any(|(shard, place)| shard.shard != place);
        if self.complete && gap {
            return Err("is of a complete store, but lacks a shard".into());
        }
        let words = self.total(|shard| shard.words);
        if self.complete && words != self.description.words {
            return Err(format!("is of {} words, but its shards of {words}", self.description.words));
        }
        let totals = [
            ("rows", self.rows, self.total(|shard| shard.rows)),
            ("tokens", self.tokens, self.total(|shard| shard.tokens)),
        ];
        match totals.iter().find(|(_, here, shards)| here != shards) {
            Some((what, here, shards)) => Err(format!("says {here} {what}, but its shards {shards}")),
            None => Ok(()),
        }
    }

    /// Over all shards; saturating, so that hostile numbers are unequal and no overflow.
    fn total(&self, count: impl Fn(&Shard) -> usize) -> usize {
        self.shards.iter().map(count).fold(0, usize::saturating_add)
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::file(path, e.to_string()))?;
        files::write_atomic(path, |w| writeln!(w, "{text}").map_err(Error::io(path, "write")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Site;

    pub(in crate::activations) fn description() -> Description {
        Description {
            model: "tiny".into(),
            step: Some(Step::Number(30)),
            commit: None,
            config_sha256: "c".into(),
            weights_sha256: "w".into(),
            tokenizer_sha256: "t".into(),
            language: "qa".into(),
            scheme: Scheme::Ud,
            treebank_sha256: "b".into(),
            words: 0,
            sites: Widths::from([(Site::Residual(2), 3), (Site::MlpActivation(0), 12)]),
            pooling: Pooling::Mean,
            tokenisation: Tokenisation::Word,
            dtype: "f32".into(),
            device: "cpu".into(),
            batch_tokens: 2048,
            max_subwords: 2048,
            refuse_empty_words: false,
            shard_words: 5,
        }
    }

    #[test]
    fn differences_name_each_field_with_both_values() {
        let here = description();
        assert!(here.differences(&here).is_empty());
        let mut asked = Description { step: None, pooling: Pooling::Last, ..here.clone() };
        asked.sites.remove(&Site::MlpActivation(0));
        let expected = [
            "pooling is \"mean\", asked is \"last\"",
            "sites is {\"mlp_activation.0\":12,\"residual.2\":3}, asked is {\"residual.2\":3}",
            "step is \"30\", asked is null",
        ];
        assert_eq!(here.differences(&asked), expected);
    }

    #[test]
    fn manifests_are_read_as_they_were_written_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        let manifest = Manifest::new(description());
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
        let whole = fs::read_to_string(&path).unwrap();
        for (from, to, why) in [
            ("\"format\": 1", "\"format\": 2", "has format 2; this version of the crate reads 1"),
            ("\"format\": 1,", "", "has format none"),
            ("\"rows\": 0", "\"rows\": 7", "says 7 rows"),
            ("\"rows\": 0", "\"rows\": -7", "is no manifest"),
            ("\"residual.2\": 3", "\"residual.02\": 3", "residual.02"),
            ("\"tokens\": 0", "\"tokens\": 0, \"more\": 1", "more"),
            ("{", "", "is no manifest"),
        ] {
            assert!(whole.contains(from), "{from}");
            fs::write(&path, whole.replacen(from, to, 1)).unwrap();
            let error = Manifest::read(&path).unwrap_err().to_string();
            assert!(error.contains("manifest.json") && error.contains(why), "{error}");
        }
    }
}
