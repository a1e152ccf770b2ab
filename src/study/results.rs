use super::{summary, CellWords, Study};
use crate::activations::Skipped;
use crate::checkpoint::Step;
use crate::correlation::{self, CorrelationRow, InfluenceRow, Point};
use crate::overlap::{self, PairOverlap, SelfOverlap, StepOverlap};
use crate::ranking::{Cell, Control, CurvePoint, RankedCell};
use crate::report::{write_csv, Record};
use crate::transfer::TransferScores;
use crate::treebank::NoCell;
use crate::{files, Error, Result, Site};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a study found.
#[derive(Clone, Debug)]
pub struct Results {
    pub(super) study: Study,
    pub(super) model: String,
    /// A ranking a cell.
    pub rankings: Vec<RankedCell>,
    /// Overlap of every pair of languages.
    pub pairs: Vec<PairOverlap>,
    /// Overlap of every cell with itself under other seeds: the noise ceiling.
    pub ceiling: Vec<SelfOverlap>,
    /// The overlap-vs-step table.
    pub by_step: Vec<StepOverlap>,
    /// Transfer, read or measured.
    pub scores: TransferScores,
    /// Overlap against transfer.
    pub correlation: Vec<CorrelationRow>,
    /// The same with one checkpoint left out.
    pub influence: Vec<InfluenceRow>,
    /// The points behind the correlations.
    pub points: Vec<Point>,
    /// What was left out on the way.
    pub notes: Notes,
}

/// What words a study had, what it left out, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    cells: BTreeSet<CellWords>,
    missing: BTreeMap<(String, String), BTreeMap<u64, String>>,
    skipped: BTreeMap<String, Skipped>,
    left_out: BTreeMap<(String, String), usize>,
    without_source: BTreeMap<String, BTreeSet<String>>,
}

impl Notes {
    /// Keeps what words cells were probed on; every checkpoint has the same.
    pub fn cells(&mut self, cells: Vec<CellWords>) {
        self.cells.extend(cells);
    }

    /// Keeps what extraction skipped; every checkpoint skips the same.
    pub fn skipped(&mut self, language: &str, skipped: &Skipped) {
        if *skipped != Skipped::default() {
            self.skipped.insert(language.into(), *skipped);
        }
    }

    /// Keeps why cells do not exist: attribute, seed, reason.
    pub fn missing(&mut self, language: &str, missing: Vec<(String, u64, NoCell)>) {
        for (attribute, seed, reason) in missing {
            let reasons = self.missing.entry((language.into(), attribute)).or_default();
            reasons.insert(seed, reason.to_string());
        }
    }

    /// Keeps how many test words of a cell have a class that the source lacks, by attribute.
    pub fn left_out(&mut self, language: &str, left_out: BTreeMap<String, usize>) {
        for (attribute, words) in left_out {
            let most = self.left_out.entry((language.into(), attribute)).or_default();
            *most = (*most).max(words);
        }
    }

    /// Keeps which attributes have no transfer to a language, because the source has no such cell.
    pub fn without_source(&mut self, language: &str, attributes: BTreeSet<String>) {
        for attribute in attributes {
            self.without_source.entry(attribute).or_default().insert(language.into());
        }
    }

    /// The words of the cells.
    pub fn words(&self) -> Vec<CellWords> {
        self.cells.iter().cloned().collect()
    }

    /// Why cells do not exist.
    pub fn reasons(&self) -> impl Iterator<Item = String> + '_ {
        self.missing.values().flat_map(|reasons| {
            let same = reasons.values().collect::<BTreeSet<_>>().len() < 2;
            let shown = reasons.iter().take(if same { 1 } else { reasons.len() });
            shown.map(move |(seed, reason)| if same { reason.clone() } else { format!("{reason} (seed {seed})") })
        })
    }

    /// What was left out, as sentences.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.reasons().map(|reason| format!("Left out: {reason}.")).collect();
        for (language, skipped) in &self.skipped {
            let Skipped { long_sentences, words_in_long_sentences, empty_words } = skipped;
            lines.push(format!(
                "Skipped of `{language}`: {long_sentences} over-long sentences with {words_in_long_sentences} words, \
                 {empty_words} words without a subword."
            ));
        }
        for (attribute, languages) in &self.without_source {
            let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
            lines.push(format!("No transfer of {attribute} to {}: the source has no such cell.", languages.join(", ")));
        }
        for ((language, attribute), words) in &self.left_out {
            lines.push(format!(
                "Left out of the transfer of {attribute} to `{language}`: up to {words} test words a cell, of classes that \
                 the source lacks."
            ));
        }
        lines
    }
}

/// A row of `rankings.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankingRow {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The attribute.
    pub attribute: String,
    /// The language.
    pub language: String,
    /// The method that ranked.
    pub method: String,
    /// The seed of split and probe.
    pub seed: u64,
    /// Counted from 1.
    pub rank: usize,
    /// The neuron's column.
    pub neuron: usize,
    /// Normalised mutual information on dev with this neuron and all before it.
    pub nmi_dev: Option<f64>,
    /// The same on test.
    pub nmi_test: Option<f64>,
    /// Share of test words right.
    pub accuracy_test: Option<f64>,
    /// Whether the labels were the real ones.
    pub control: Control,
}

impl Record for RankingRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "attribute",
        "language",
        "method",
        "seed",
        "rank",
        "neuron",
        "nmi_dev",
        "nmi_test",
        "accuracy_test",
        "control",
    ];
}

impl RankingRow {
    /// The rows of rankings, in order.
    pub fn of(rankings: &[RankedCell]) -> Vec<RankingRow> {
        let rows = rankings.iter().flat_map(|RankedCell { cell, ranking }| {
            ranking.curve().iter().map(move |point| {
                let Cell { model, step, site, attribute, language, method, seed, control } = cell.clone();
                let CurvePoint { rank, neuron, nmi_dev, nmi_test, accuracy_test } = *point;
                RankingRow {
                    model,
                    step,
                    site,
                    attribute,
                    language,
                    method,
                    seed,
                    rank,
                    neuron,
                    nmi_dev,
                    nmi_test,
                    accuracy_test,
                    control,
                }
            })
        });
        rows.collect()
    }
}

impl Results {
    /// Overlap, ceiling and correlation from rankings and transfer scores.
    ///
    /// # Errors
    /// As [`overlap::pairs`].
    pub fn new(
        study: &Study,
        model: &str,
        mut rankings: Vec<RankedCell>,
        scores: TransferScores,
        notes: Notes,
    ) -> Result<Self> {
        rankings.sort_by(|a, b| a.cell.cmp(&b.cell));
        let pairs = overlap::pairs(&rankings, &study.k)?;
        let ceiling = overlap::ceiling(&rankings, &study.k)?;
        let by_step = overlap::by_step(&pairs, &ceiling);
        let k = study.k.first().copied().unwrap_or_default();
        let (correlation, influence) = correlation::correlate(&by_step, &pairs, &scores, &study.source, k);
        let points = correlation::points(&by_step, &pairs, &scores, &study.source, k);
        let (study, model) = (study.clone(), model.to_string());
        Ok(Results { study, model, rankings, pairs, ceiling, by_step, scores, correlation, influence, points, notes })
    }

    /// Writes tables, summary and plots into a folder, each file whole or not at all. Returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be written.
    pub fn write(&self, out: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let out = out.as_ref();
        // What can fail is made first, so that a failure leaves the folder as it was.
        let texts = [("study.toml", self.study.to_toml()?), ("summary.md", summary::markdown(self))];
        files::writable_dir(out)?;
        let path = |name: &str| out.join(name);
        write_csv(path("cells.csv"), &self.notes.words())?;
        write_csv(path("rankings.csv"), &RankingRow::of(&self.rankings))?;
        write_csv(path("overlap.csv"), &self.pairs)?;
        write_csv(path("ceiling.csv"), &self.ceiling)?;
        write_csv(path("overlap_vs_step.csv"), &self.by_step)?;
        write_csv(path("correlation.csv"), &self.correlation)?;
        write_csv(path("influence.csv"), &self.influence)?;
        self.scores.write(path("transfer.csv"))?;
        let tables =
            ["cells", "rankings", "overlap", "ceiling", "overlap_vs_step", "correlation", "influence", "transfer"];
        let mut written: Vec<PathBuf> = tables.iter().map(|name| path(&format!("{name}.csv"))).collect();
        for (name, text) in texts {
            let path = path(name);
            files::write_atomic(&path, |w| w.write_all(text.as_bytes()).map_err(Error::io(&path, "write")))?;
            written.push(path);
        }
        #[cfg(feature = "plots")]
        written.extend(summary::plots(self, out)?);
        Ok(written)
    }

    /// The overlap-vs-step table and the correlations, for a terminal.
    pub fn text(&self) -> String {
        summary::text(self)
    }
}
