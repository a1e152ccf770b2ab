//! What could not be done, kept beside the results until it is done.

use super::pack::remove;
use super::Identity;
use crate::checkpoint::Step;
use crate::ranking::Control;
use crate::{files, Error, Result, Site};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::Path;

/// A cell that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCell {
    /// The attribute.
    pub attribute: String,
    /// The site.
    pub site: Site,
    /// The seed.
    pub seed: u64,
    /// Whether labels were shuffled.
    pub control: Control,
}

/// What failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The checkpoint.
    pub step: Step,
    /// The language.
    pub language: String,
    /// The cell; `None` for all of the language's that were to do.
    pub cell: Option<FailedCell>,
    /// How many cells that is.
    pub cells: usize,
    /// Why.
    pub message: String,
}

impl Failure {
    pub(super) fn of_language(step: Step, language: &str, cells: usize, message: &str) -> Self {
        Failure { step, language: language.into(), cell: None, cells, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { step, language, cell, message, .. } = self;
        match cell {
            Some(FailedCell { attribute, site, seed, control }) => {
                let shuffled = if *control == Control::Shuffled { ", shuffled" } else { "" };
                write!(f, "step {step}, {language}, {attribute} at {site}, seed {seed}{shuffled}: {message}")
            }
            None => write!(f, "step {step}, {language}: {message}"),
        }
    }
}

/// Failures as they come.
#[derive(Default)]
pub(super) struct Failed(Vec<Failure>);

impl Failed {
    pub fn push(&mut self, failure: Failure) {
        tracing::warn!("{failure}");
        self.0.push(failure);
    }

    pub fn into_list(self) -> Vec<Failure> {
        self.0
    }
}

/// What is kept beside the results.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Of the cells that failed: failures of other settings say nothing of these. `None` where the checkpoint could not be looked at.
    identity: Option<Identity>,
    failures: Vec<Failure>,
}

/// Keeps why cells of a language at a checkpoint are missing, or that none is.
pub(super) fn keep(path: &Path, identity: Option<Identity>, failures: &[Failure]) -> Result<()> {
    if failures.is_empty() {
        return remove(path);
    }
    let kept = Kept { identity, failures: failures.to_vec() };
    let text = serde_json::to_string_pretty(&kept).map_err(|e| Error::file(path, e.to_string()))?;
    files::write_atomic(path, |w| writeln!(w, "{text}").map_err(Error::io(path, "write")))
}

/// What was kept of cells of this identity; nothing where the file cannot be read.
pub(super) fn read(path: &Path, identity: Option<Identity>) -> Vec<Failure> {
    let kept: Option<Kept> = fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let same = kept.filter(|kept| kept.identity.is_none() || kept.identity == identity);
    same.map(|kept| kept.failures).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_those_of_the_same_cells() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("es.failed.json");
        let failures = [Failure::of_language(Step::Number(3), "es", 4, "no memory")];
        let [one, other] = [0, 1].map(|of| Some(Identity::of(&of).unwrap()));
        keep(&path, one, &failures).unwrap();
        assert_eq!((read(&path, one), read(&path, other)), (failures.to_vec(), Vec::new()));
        keep(&path, None, &failures).unwrap();
        assert_eq!(read(&path, one), failures);
        keep(&path, one, &[]).unwrap();
        assert!(!path.exists() && read(&path, one).is_empty());
    }
}
