use super::pairs::{describe, distinct, one_method, same_width};
use crate::checkpoint::Step;
use crate::ranking::{RankedCell, Top};
use crate::stats::mean;
use crate::{Error, Result, Site};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of `ceiling.csv`: how many of its first `k` neurons a language shares with itself under another seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfOverlap {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The grammatical attribute.
    pub attribute: String,
    /// The language.
    pub language: String,
    /// The number of neurons taken from every ranking.
    pub k: usize,
    /// The number of seeds, 2 or more.
    pub seeds: usize,
    /// The overlap of two seeds' rankings, mean over all pairs of seeds.
    pub self_overlap: f64,
}

/// The noise ceiling: the overlap of every cell with itself under other seeds. A cell with one seed has no row. Sorted by
/// the columns of the table.
///
/// # Errors
/// As [`pairs`](super::pairs()).
pub fn ceiling(cells: &[RankedCell], ks: &[usize]) -> Result<Vec<SelfOverlap>> {
    let ks = distinct(ks)?;
    one_method(cells)?;
    let mut groups: BTreeMap<_, BTreeMap<u64, &RankedCell>> = BTreeMap::new();
    for ranked in cells {
        let cell = &ranked.cell;
        let group = groups.entry((&cell.model, cell.step, cell.site, &cell.attribute, &cell.language)).or_default();
        if let Some((_, other)) = group.first_key_value() {
            same_width(other, ranked)?;
        }
        if group.insert(cell.seed, ranked).is_some() {
            return Err(Error::Data(format!("{} is ranked twice", describe(cell))));
        }
    }
    let mut rows = Vec::new();
    for ((model, step, site, attribute, language), group) in groups {
        for &k in &ks {
            let tops = group.values().map(|ranked| Top::of_cell(ranked, k)).collect::<Result<Vec<Top>>>()?;
            let overlaps = tops.iter().enumerate().flat_map(|(i, a)| tops.iter().skip(i + 1).map(move |b| a.shared(b)));
            let Some(self_overlap) = mean(overlaps.map(|shared| shared as f64 / k as f64)) else { continue };
            rows.push(SelfOverlap {
                model: model.clone(),
                step,
                site,
                attribute: attribute.clone(),
                language: language.clone(),
                k,
                seeds: tops.len(),
                self_overlap,
            });
        }
    }
    Ok(rows)
}
