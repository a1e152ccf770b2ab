//! What could not be done, kept beside the results until it is done.

use super::pack::remove;
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

/// Keeps why cells of a language at a checkpoint are missing, or that none is.
pub(super) fn keep(path: &Path, failures: &[Failure]) -> Result<()> {
    if failures.is_empty() {
        return remove(path);
    }
    let text = serde_json::to_string_pretty(failures).map_err(|e| Error::file(path, e.to_string()))?;
    files::write_atomic(path, |w| writeln!(w, "{text}").map_err(Error::io(path, "write")))
}

/// What was kept; nothing where the file cannot be read.
pub(super) fn read(path: &Path) -> Vec<Failure> {
    fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}
