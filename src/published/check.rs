//! A published study's overlap tables against what follows from its selections.

use super::grid::{step, Grid};
use super::scores::files;
use crate::analysis::Analysis;
use crate::checkpoint::Step;
use crate::overlap::{Control, PairOverlap, StepOverlap, MEAN};
use crate::{Error, Result, Site};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The greatest difference that counts as agreement: published numbers are printed in full, sums are taken in another order.
pub const TOLERANCE: f64 = 1e-12;

/// A published table and how it agrees.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedTable {
    /// The file's name.
    pub file: String,
    /// The number of published cells.
    pub cells: usize,
    /// How many agree within [`TOLERANCE`].
    pub agree: usize,
    /// The greatest difference among the cells that were computed.
    pub largest_difference: f64,
    /// The cells that do not agree, in words.
    pub differ: Vec<String>,
}

/// Compares every cell of the overlap tables in a folder with an analysis, at its first `k`:
/// `MODEL_inter-layer-L_ovlp-rate_ATTRIBUTE.csv` (the source language with every language), `..._avg-ovlp-rate-by-ctgr.csv`
/// (a step's mean over pairs of languages) and `..._avg-ovlp-rate-by-ckpt.txt` (the mean over attributes). Tables of models
/// without selections, and of layers that have no number, are left out; `notes` tells which.
///
/// # Errors
/// [`Error::File`] where there is no such table; [`Error::Io`] and [`Error::Line`] for one that cannot be read or has an
/// unknown step.
pub fn check(dir: impl AsRef<Path>, analysis: &Analysis, notes: &mut Vec<String>) -> Result<Vec<CheckedTable>> {
    let dir = dir.as_ref();
    let computed = Computed::of(analysis);
    let models: BTreeSet<&str> = analysis.models().into_iter().collect();
    let mut checked = Vec::new();
    for (name, path) in files(dir)? {
        if !name.contains("ovlp-rate") {
            continue;
        }
        let Some(table) = Table::of(&name).filter(|table| models.contains(table.model)) else {
            notes.push(format!("{name}: not checked, there are no selections of that model and layer."));
            continue;
        };
        let grid = if matches!(table.kind, Kind::Mean) { Grid::read_pairs(&path)? } else { Grid::read(&path)? };
        let mut result =
            CheckedTable { file: name.clone(), cells: 0, agree: 0, largest_difference: 0.0, differ: Vec::new() };
        for row in &grid.rows {
            for (column, published) in grid.columns.iter().zip(&row.values) {
                let Some(published) = *published else { continue };
                let at = match table.kind {
                    Kind::Pairs(_) => column,
                    Kind::Attributes | Kind::Mean => &row.label,
                };
                let Some(step) = step(at) else {
                    let message = format!("unknown step `{at}`: expected a whole number, or `best`");
                    return Err(Error::line(&path, row.line, message));
                };
                let mine = computed.value(&table, step, &row.label, column);
                let difference = mine.map(|mine| (mine - published).abs());
                result.cells += 1;
                result.largest_difference = result.largest_difference.max(difference.unwrap_or_default());
                if difference.is_some_and(|difference| difference <= TOLERANCE) {
                    result.agree += 1;
                    continue;
                }
                let column = if column.is_empty() { String::new() } else { format!(", column `{column}`") };
                let mine = mine.map_or("there is no such cell".to_owned(), |mine| format!("it is {mine}"));
                result.differ.push(format!(
                    "{name}:{}: row `{}`{column} has {published}, but from the selections {mine}",
                    row.line, row.label
                ));
            }
        }
        checked.push(result);
    }
    if checked.is_empty() {
        let message =
            "has no overlap tables of these models to check; expected MODEL_inter-layer-L_ovlp-rate_ATTRIBUTE.csv";
        return Err(Error::file(dir, message));
    }
    Ok(checked)
}

/// A published table, from its file's name.
struct Table<'a> {
    model: &'a str,
    site: Site,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// The source language with others, by step; of an attribute.
    Pairs(&'a str),
    /// A step's mean over pairs, by attribute.
    Attributes,
    /// A step's mean over attributes.
    Mean,
}

impl<'a> Table<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let (model, rest) = name.split_once("_inter-layer-")?;
        let (layer, rest) = rest.split_once('_')?;
        let site = Site::Residual(layer.parse::<usize>().ok()?.checked_sub(1)?);
        let kind = match rest {
            "avg-ovlp-rate-by-ctgr.csv" => Kind::Attributes,
            "avg-ovlp-rate-by-ckpt.txt" => Kind::Mean,
            rest => Kind::Pairs(rest.strip_prefix("ovlp-rate_")?.strip_suffix(".csv")?),
        };
        Some(Table { model, site, kind })
    }
}

/// What was computed, to look up.
struct Computed<'a> {
    source: &'a str,
    /// By model, step, site, attribute, languages.
    pairs: BTreeMap<(&'a str, Step, Site, &'a str, &'a str, &'a str), f64>,
    /// By model, step, site, attribute.
    steps: BTreeMap<(&'a str, Step, &'a str, &'a str), f64>,
    /// Model, step, site and attribute of the cells of the source.
    sources: BTreeSet<(&'a str, Step, Site, &'a str)>,
}

impl<'a> Computed<'a> {
    fn of(analysis: &'a Analysis) -> Self {
        let k = analysis.settings.k.first().copied().unwrap_or_default();
        let pair = |row: &'a PairOverlap| {
            let key = (row.model.as_str(), row.step, row.site, row.attribute.as_str());
            ((key.0, key.1, key.2, key.3, row.language_a.as_str(), row.language_b.as_str()), row.overlap)
        };
        let step = |row: &'a StepOverlap| {
            ((row.model.as_str(), row.step, row.site.as_str(), row.attribute.as_str()), row.overlap)
        };
        let source = analysis.settings.source.as_str();
        let sources = analysis.rankings.iter().map(|ranked| &ranked.cell).filter(|cell| cell.language == source);
        Computed {
            source,
            pairs: analysis.pairs.iter().filter(|row| row.k == k && row.control == Control::None).map(pair).collect(),
            steps: analysis.by_step.iter().filter(|row| row.k == k).map(step).collect(),
            sources: sources.map(|cell| (cell.model.as_str(), cell.step, cell.site, cell.attribute.as_str())).collect(),
        }
    }

    fn value(&self, table: &Table<'a>, step: Step, label: &str, column: &str) -> Option<f64> {
        let attribute = match table.kind {
            Kind::Pairs(attribute) => {
                let language = super::scores::language(label);
                let source = self.source;
                if language == source {
                    // A ranking with itself.
                    return self.sources.contains(&(table.model, step, table.site, attribute)).then_some(1.0);
                }
                let (a, b) = (source.min(language.as_str()), source.max(language.as_str()));
                return self.pairs.get(&(table.model, step, table.site, attribute, a, b)).copied();
            }
            Kind::Attributes => column,
            Kind::Mean => MEAN,
        };
        self.steps.get(&(table.model, step, table.site.to_string().as_str(), attribute)).copied()
    }
}
