//! A published study, from its raw selections to its tables and what they lack.
//!
//! Wang, Minervini and Ponti 2024 (arXiv 2406.13229) and others who use the same probing tools keep, for every cell, the
//! neurons selected (`loginfo.json`), and tables of transfer scores. [`Selections::read`] and [`Scores::read`] read them, for
//! any models, steps, layers, languages and attributes; [`Published::new`] puts them through [`Analysis`], and
//! [`Published::check`] compares the study's own overlap tables with what came out.
//!
//! To the study's figures this adds exact p-values and their corrections, excess over chance, intervals, correlations
//! without each checkpoint, and a noise ceiling: uploads that are the same weights ([`find_same_weights`]) are reruns.
//!
//! # Examples
//! ```no_run
//! use isogloss::published::{HiddenSize, Published, SameWeightsChoice, Scores, Selections};
//!
//! let selections = Selections::read("selections", &"1024".parse::<HiddenSize>()?)?;
//! let scores = Scores::read("tables", &selections.cells)?;
//! let published = Published::new(selections, scores, &[50], "en", &SameWeightsChoice::Auto)?;
//! println!("{}", published.text());
//! published.write("out")?;
//! # Ok::<(), isogloss::Error>(())
//! ```

mod check;
mod grid;
mod languages;
mod notes;
mod same_weights;
mod scores;
mod selections;

pub use check::{CheckedTable, TOLERANCE};
pub use languages::language_code;
pub use notes::{steps_at_chance, LikeChance};
pub use same_weights::{find_same_weights, rerun_ceiling, steps_alike, SameWeights, SameWeightsChoice, StepsAlike};
pub use scores::{Scores, TASKS};
pub use selections::{HiddenSize, Selections, METHOD};

use crate::analysis::{About, Analysis, Settings};
use crate::checkpoint::Step;
use crate::ranking::RankedCell;
use crate::report::write_csv;
use crate::{files, Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A published study, analysed.
#[derive(Clone, Debug)]
pub struct Published {
    /// All tables. The ceiling has the reruns on the same weights.
    pub analysis: Analysis,
    /// How alike the steps of each model are.
    pub steps_alike: Vec<StepsAlike>,
    /// The steps that are the same weights, stated or found.
    pub same_weights: Vec<SameWeights>,
    /// What was left out and what is odd, as sentences.
    pub notes: Vec<String>,
}

impl Published {
    /// Analyses selections and scores: the overlap of the first `k` neurons, for every `k` given, and its correlation with
    /// transfer from `source`.
    ///
    /// # Errors
    /// [`Error::File`] for a selection of fewer than `k` neurons; [`Error::Unknown`] for a source language without selections
    /// and for same weights of a model or step that is not there; as [`Analysis::new`].
    pub fn new(
        mut selections: Selections,
        scores: Scores,
        k: &[usize],
        source: &str,
        same_weights: &SameWeightsChoice,
    ) -> Result<Self> {
        let &first_k = k.first().ok_or_else(|| Error::parameter("k", "one number of neurons or more", "absent"))?;
        selections.even(k)?;
        let Selections { cells, notes: mut all_notes, .. } = selections;
        all_notes.extend(scores.notes);
        let languages: BTreeSet<&str> = cells.iter().map(|ranked| ranked.cell.language.as_str()).collect();
        if !languages.contains(source) {
            let languages: Vec<&str> = languages.into_iter().collect();
            return Err(Error::unknown("source language", source, format!("{} (`--source`)", languages.join(", "))));
        }
        let same_weights = match same_weights {
            SameWeightsChoice::None => Vec::new(),
            SameWeightsChoice::Auto => find_same_weights(&cells, first_k)?,
            SameWeightsChoice::Given(groups) => {
                groups.iter().try_for_each(|group| exists(group, &cells))?;
                groups.clone()
            }
        };
        let attributes: BTreeSet<String> = cells.iter().map(|ranked| ranked.cell.attribute.clone()).collect();
        let settings = Settings {
            k: k.to_vec(),
            source: source.to_owned(),
            attributes: attributes.into_iter().collect(),
            cross_attribute: true,
        };
        let mut analysis = Analysis::new(cells, scores.scores, settings)?;
        analysis.add_ceiling(rerun_ceiling(&analysis.rankings, &same_weights, k)?)?;
        let steps_alike = steps_alike(&analysis.rankings, first_k)?;
        let mut published = Published { analysis, steps_alike, same_weights, notes: all_notes };
        let found = published.remarks();
        published.notes.extend(found);
        Ok(published)
    }

    /// Compares the study's own overlap tables, in a folder, with what was computed; see [`CheckedTable`].
    ///
    /// Read are `MODEL_inter-layer-L_ovlp-rate_ATTRIBUTE.csv` (the source language with every language),
    /// `MODEL_inter-layer-L_avg-ovlp-rate-by-ctgr.csv` (a step's mean over pairs of languages) and
    /// `MODEL_inter-layer-L_avg-ovlp-rate-by-ckpt.txt` (the mean over attributes). Those of other models, and of layers without a
    /// number, are left out with a note.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such table; [`Error::Io`] and [`Error::Line`] for one that cannot be read.
    pub fn check(&mut self, dir: impl AsRef<Path>) -> Result<Vec<CheckedTable>> {
        check::check(dir.as_ref(), &self.analysis, &mut self.notes)
    }

    /// Writes all tables and pictures of the analysis, and `steps_alike.csv`, into a folder. Returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be written.
    pub fn write(&self, out: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let out = out.as_ref();
        files::writable_dir(out)?;
        let path = out.join("steps_alike.csv");
        write_csv(&path, &self.steps_alike)?;
        let mut written = vec![path];
        written.extend(self.analysis.write(out, &self.about())?);
        Ok(written)
    }

    /// The overlap-vs-step table, the correlations and the notes, for a terminal.
    pub fn text(&self) -> String {
        self.analysis.text(&self.about())
    }

    fn about(&self) -> About {
        let tables = vec![
            ("What cannot be told from chance".to_owned(), self.like_chance_table()),
            ("Same weights probed twice".to_owned(), self.same_weights_table()),
        ];
        About {
            settings: vec![("selections".to_owned(), self.sizes())],
            tables: tables.into_iter().filter(|(_, table)| !table.is_empty()).collect(),
            notes: self.notes.clone(),
        }
    }
}

/// Refuses same weights of a model or step without selections.
fn exists(group: &SameWeights, cells: &[RankedCell]) -> Result<()> {
    let models: BTreeSet<&str> = cells.iter().map(|ranked| ranked.cell.model.as_str()).collect();
    if !models.contains(group.model.as_str()) {
        let models: Vec<&str> = models.into_iter().collect();
        return Err(Error::unknown("model of the same weights", &group.model, models.join(", ")));
    }
    let steps: BTreeSet<Step> =
        cells.iter().filter(|ranked| ranked.cell.model == group.model).map(|ranked| ranked.cell.step).collect();
    match group.steps.iter().find(|step| !steps.contains(step)) {
        None => Ok(()),
        Some(step) => {
            let steps: Vec<String> = steps.iter().map(Step::to_string).collect();
            Err(Error::unknown("step of the same weights", step, format!("{} of {}", steps.join(", "), group.model)))
        }
    }
}
