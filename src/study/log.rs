//! How long cells took: `log.jsonl`, a line a piece of work, for people and for estimates. No result depends on it.

use super::pack::append_line;
use crate::checkpoint::Step;
use crate::ranking::Control;
use crate::Site;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A line of `log.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// `load` (a checkpoint), `activations` (a language at a checkpoint), `ranking`, `score` or `report`.
    pub kind: String,
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// The language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// The site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// The seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether labels were shuffled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Seconds of wall-clock time.
    pub seconds: f64,
    /// How much there was to do: words x neurons of a ranking, words of an extraction.
    pub work: f64,
    /// Pieces of the same kind that were done at the same time.
    pub at_once: usize,
    /// The machine's name, where the system tells it.
    pub machine: String,
    /// The process.
    pub process: u32,
}

/// Writes lines; one that cannot be written is not worth a study.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    model: String,
    machine: String,
}

impl Log {
    pub fn new(path: PathBuf, model: &str) -> Self {
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        Log { path, model: model.to_owned(), machine }
    }

    /// Says how long something took that began at `began`.
    pub fn took(&self, began: Instant, line: LogLine) {
        let line = LogLine {
            model: self.model.clone(),
            machine: self.machine.clone(),
            seconds: began.elapsed().as_secs_f64(),
            process: std::process::id(),
            ..line
        };
        let written = serde_json::to_string(&line).map(|text| append_line(&self.path, &text));
        if let Ok(Err(error)) = written {
            tracing::debug!(%error, "the log cannot be written");
        }
    }
}

/// Seconds for each unit of work, as measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// Of a ranking by the method asked for.
    pub ranking: Option<f64>,
    /// Of extraction.
    pub activations: Option<f64>,
}

impl Rates {
    /// What a log says; lines that cannot be read count for nothing.
    pub fn read(path: &Path, method: &str) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<LogLine> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let rate = |kind: &str| {
            let of_kind =
                |line: &&LogLine| line.kind == kind && line.method.as_deref().is_none_or(|name| name == method);
            let (seconds, work) = lines.iter().filter(of_kind).fold((0.0, 0.0), |(seconds, work), line| {
                (seconds + line.seconds / line.at_once.max(1) as f64, work + line.work)
            });
            (work > 0.0).then_some(seconds / work)
        };
        Rates { ranking: rate("ranking"), activations: rate("activations") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_method_and_bad_lines_count_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        assert_eq!(Rates::read(&path, "poisson"), Rates::default());
        for (kind, method, seconds, work) in
            [("ranking", "poisson", 6.0, 10.0), ("ranking", "logistic", 90.0, 10.0), ("activations", "", 3.0, 6.0)]
        {
            let method = (!method.is_empty()).then(|| method.to_owned());
            let line = LogLine { kind: kind.into(), method, seconds, work, at_once: 2, ..LogLine::default() };
            append_line(&path, &serde_json::to_string(&line).unwrap()).unwrap();
        }
        append_line(&path, "{\"kind\": \"ranking\", \"seco").unwrap();
        assert_eq!(Rates::read(&path, "poisson"), Rates { ranking: Some(0.3), activations: Some(0.25) });
    }
}
