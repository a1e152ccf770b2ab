use super::cells::{distinct, same_length, table_key, Sorted};
use crate::checkpoint::Step;
use crate::ranking::{Control, RankedCell, Top};
use crate::stats::mean;
use crate::{Result, Site};
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

/// The noise ceiling: the overlap of every cell with itself under other seeds. A cell with one seed has no row, and rankings
/// of shuffled labels are left out. Sorted by the columns of the table.
///
/// # Errors
/// As [`pairs`](super::pairs()).
pub fn ceiling(cells: &[RankedCell], ks: &[usize]) -> Result<Vec<SelfOverlap>> {
    let ks = distinct(ks)?;
    let sorted = Sorted::new(cells)?.check(&ks)?;
    let mut groups: BTreeMap<_, Vec<&RankedCell>> = BTreeMap::new();
    for ranked in sorted.cells().iter().filter(|ranked| ranked.cell.control == Control::None) {
        groups.entry((table_key(&ranked.cell), &ranked.cell.language)).or_default().push(ranked);
    }
    let mut rows = Vec::new();
    for (((model, step, site, attribute), language), group) in groups {
        for neighbours in group.windows(2) {
            let [a, b] = neighbours else { continue };
            same_length(a, b)?;
        }
        for &k in &ks {
            let tops = group.iter().map(|ranked| Top::new(&ranked.ranking, k)).collect::<Result<Vec<Top>>>()?;
            let overlaps = tops.iter().enumerate().flat_map(|(i, a)| tops.iter().skip(i + 1).map(move |b| a.shared(b)));
            let Some(self_overlap) = mean(overlaps.map(|shared| shared as f64 / k as f64)) else { continue };
            rows.push(SelfOverlap {
                model: model.to_owned(),
                step,
                site,
                attribute: attribute.to_owned(),
                language: language.clone(),
                k,
                seeds: tops.len(),
                self_overlap,
            });
        }
    }
    Ok(rows)
}
