//! Overlap of the neurons that two languages' probes rank first, its chance level and its significance.
//!
//! For languages `a` and `b`, one attribute, one site and one step, the overlap is `|A and B| / k`, `A` and `B` the first
//! `k` neurons of either ranking (Wang, Minervini and Ponti 2024, arXiv 2406.13229). Two independent draws of `k` out of
//! `D` neurons share `k / D` on average, and at least `t` neurons with a hypergeometric probability; Stanczak et al. 2022
//! (arXiv 2205.02023) estimate that by a million permutations, here it is exact. The same language under two seeds says
//! how much a ranking agrees with itself: the ceiling that an overlap is read against.
//!
//! Beside every overlap stand controls ([`Control`]): neurons that dominate a representation are ranked high whatever is
//! asked, and beat the hypergeometric null without any grammar. Rankings of probes of shuffled labels, and the overlap of one
//! attribute in `a` with another in `b`, say by how much.
//!
//! | function | table | a row is |
//! | --- | --- | --- |
//! | [`pairs()`], [`cross_attribute()`] | `overlap.csv` | a pair of languages, with chance, p-values and their corrections |
//! | [`ceiling()`] | `ceiling.csv` | a language's overlap with itself |
//! | [`by_step`] | `overlap_vs_step.csv` | means over pairs, attributes and sites, with ceiling and controls |
//! | [`by_k()`] | `overlap_by_k.csv` | the mean over pairs at every `k` from 1 on |
//! | [`measures()`] | `overlap_measures.csv` | other measures of a pair: [`jaccard`], [`area`], [`rank_biased`], [`weighted`], overlap over ceiling |
//! | [`sharing()`] | `sharing.csv` | how many neurons `m` of the `n` languages share, with chance and p-value |
//!
//! The functions of two rankings ([`shared`], [`jaccard`], ...) stand alone; [`compare`] does them all and checks what the
//! rankings are of. [`most_shared`] names the neurons that many languages have in common.
//!
//! A ranking out of a population of unknown size ([`Ranking::of_unknown_width`](crate::ranking::Ranking::of_unknown_width))
//! has overlaps, but neither chance nor p-values: these are `None`. Rankings of different widths, lengths, sites, models or
//! methods are never compared: that is an error.
//!
//! # Examples
//! ```
//! use isogloss::overlap::{ceiling, pairs, by_step};
//! use isogloss::ranking::{Cell, CurvePoint, RankedCell, Ranking};
//!
//! let ranked = |language: &str, neurons: [usize; 3]| -> isogloss::Result<RankedCell> {
//!     let curve = neurons.iter().enumerate().map(|(i, &neuron)| CurvePoint {
//!         rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None,
//!     });
//!     let cell = Cell {
//!         model: "bloom".into(), step: "1000".parse()?, site: "residual.3".parse()?, attribute: "Number".into(),
//!         language: language.into(), method: "poisson".into(), seed: 0, control: Default::default(),
//!     };
//!     Ok(RankedCell { cell, ranking: Ranking::new(10, curve.collect())? })
//! };
//! let cells = [ranked("es", [1, 2, 3])?, ranked("pt", [3, 2, 9])?];
//! let rows = pairs(&cells, &[3])?;
//! assert_eq!((rows[0].shared, rows[0].overlap, rows[0].expected), (2, 2.0 / 3.0, Some(0.3)));
//! let table = by_step(&rows, &ceiling(&cells, &[3])?);
//! assert_eq!(table[0].overlap, 2.0 / 3.0);
//! assert_eq!(table[0].ceiling, None, "one seed has no ceiling");
//! # Ok::<(), isogloss::Error>(())
//! ```

mod aggregate;
mod by_k;
mod ceiling;
mod cells;
mod counts;
mod measures;
mod pairs;
mod sharing;

pub use aggregate::{by_step, StepOverlap};
pub use by_k::{by_k, OverlapByK};
pub use ceiling::{ceiling, SelfOverlap};
pub use measures::{
    area, area_expected, compare, jaccard, measures, overlap_by_k, rank_biased, ruzicka, shared_by_k, weighted,
    Comparison, OverlapMeasures, RankBiased, RBO_P,
};
pub use pairs::{cross_attribute, pairs, shared, Control, PairOverlap};
pub use sharing::{most_shared, sharing, sharing_expected, SharedNeuron, Sharing, SharingNull, DRAWS};

/// The name of an aggregate over sites or over attributes, in the place of a site or an attribute.
pub const MEAN: &str = "mean";

/// The excess of an overlap over chance, `(overlap - expected) / (1 - expected)`: 0 at chance, 1 for equal sets, and
/// comparable across widths. `None` where chance is 1, with `k` as large as the population.
pub fn excess(overlap: f64, expected: f64) -> Option<f64> {
    (expected < 1.0).then(|| (overlap - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests;
