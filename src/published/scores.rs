//! Transfer scores as the study keeps them: a table a model and task, a row a language, a column a step.

use super::grid::{step, Grid};
use super::languages::code_or_name;
use crate::checkpoint::Step;
use crate::ranking::RankedCell;
use crate::transfer::{TransferScore, TransferScores};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How names of files with scores end, and the task that each is of.
pub const TASKS: [(&str, &str); 2] = [("_xnli_acc.csv", "xnli"), ("_f1-score.csv", "tagging")];

/// Transfer scores of a published study, and what was left out.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// The scores.
    pub scores: TransferScores,
    /// What was left out and why, as sentences.
    pub notes: Vec<String>,
}

impl Scores {
    /// Reads `MODEL_xnli_acc.csv` (task `xnli`) and `MODEL_f1-score.csv` (task `tagging`) from a folder, for the models that
    /// `selections` has; other files are not looked at.
    ///
    /// A row is a language, by its code or its name, a column a step, `best` for the released model. An empty field is no
    /// score.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::File`] for a folder without scores of any of the models;
    /// [`Error::Line`] for a column that is no step or a step without selections, a row of another length, a row or column
    /// that comes twice, and a field that is no finite number.
    pub fn read(dir: impl AsRef<Path>, selections: &[RankedCell]) -> Result<Self> {
        let dir = dir.as_ref();
        let mut steps: BTreeMap<&str, BTreeSet<Step>> = BTreeMap::new();
        for ranked in selections {
            steps.entry(&ranked.cell.model).or_default().insert(ranked.cell.step);
        }
        let (mut scores, mut notes) = (Vec::new(), Vec::new());
        for (name, path) in files(dir)? {
            let Some((model, task)) = TASKS.iter().find_map(|(ending, task)| Some((name.strip_suffix(ending)?, *task)))
            else {
                continue;
            };
            match steps.get(model) {
                Some(steps) => read_table(&path, model, task, steps, &mut scores)?,
                None => notes.push(format!("{name}: not used, there are no selections of {model}.")),
            }
        }
        if scores.is_empty() {
            let names: Vec<String> = TASKS.iter().map(|(ending, _)| format!("MODEL{ending}")).collect();
            let models: Vec<&str> = steps.into_keys().collect();
            let message = format!("has no scores; expected {}, MODEL one of {}", names.join(" or "), models.join(", "));
            return Err(Error::file(dir, message));
        }
        Ok(Scores { scores: TransferScores::new(scores)?, notes })
    }
}

/// The files of a folder by name, sorted.
pub(super) fn files(dir: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir, "read the folder"))? {
        let path = entry.map_err(Error::io(dir, "read the folder"))?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file()) {
            files.insert(name.to_owned(), path.clone());
        }
    }
    Ok(files)
}

fn read_table(
    path: &Path,
    model: &str,
    task: &str,
    steps: &BTreeSet<Step>,
    scores: &mut Vec<TransferScore>,
) -> Result<()> {
    let grid = Grid::read(path)?;
    let mut columns = Vec::new();
    for column in &grid.columns {
        let Some(step) = step(column) else {
            let message = format!("unknown column `{column}`: expected a step as a whole number, or `best`");
            return Err(Error::line(path, 1, message));
        };
        if !steps.contains(&step) {
            let known: Vec<String> = steps.iter().map(Step::to_string).collect();
            let message = format!(
                "column `{column}`: there are no selections of {model} at step {step}, only at {}; remove the column, or \
                 add the selections",
                known.join(", ")
            );
            return Err(Error::line(path, 1, message));
        }
        columns.push(step);
    }
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for row in grid.rows {
        let language = language(&row.label);
        if language.is_empty() {
            return Err(Error::line(path, row.line, "has no language; give its code or its name"));
        }
        if let Some(first) = lines.insert(language.clone(), row.line) {
            let message = format!("language `{language}` repeats line {first}; remove one");
            return Err(Error::line(path, row.line, message));
        }
        for (&step, score) in columns.iter().zip(row.values) {
            let Some(score) = score else { continue };
            let (model, task, language) = (model.to_owned(), task.to_owned(), language.clone());
            scores.push(TransferScore { model, step, task, language, score, seed: None });
        }
    }
    Ok(())
}

/// A row's language: a code, or a name.
pub(super) fn language(label: &str) -> String {
    let is_code = matches!(label.len(), 2 | 3) && label.bytes().all(|b| b.is_ascii_lowercase());
    if is_code {
        label.to_owned()
    } else {
        code_or_name(label).0
    }
}
