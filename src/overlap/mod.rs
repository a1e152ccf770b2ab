//! Overlap of the neurons that two languages' probes rank first, its chance level and its significance.
//!
//! For languages `a` and `b`, one attribute, one site and one step, the overlap is `|A and B| / k`, `A` and `B` the first
//! `k` neurons of either ranking (Wang, Minervini and Ponti 2024, arXiv 2406.13229). Two independent draws of `k` out of
//! `D` neurons share `k / D` on average, and at least `t` neurons with a hypergeometric probability; Stanczak et al. 2022
//! (arXiv 2205.02023) estimate that by a million permutations, here it is exact. The same language under two seeds says
//! how much a ranking agrees with itself: the ceiling that an overlap is read against.
//!
//! Three tables follow from rankings: [`pairs()`] (a row a pair of languages), [`ceiling()`] (a row a language) and
//! [`by_step`] (their means over pairs, attributes and sites).
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
//!         language: language.into(), method: "poisson".into(), seed: 0,
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
mod ceiling;
mod pairs;

pub use aggregate::{by_step, StepOverlap};
pub use ceiling::{ceiling, SelfOverlap};
pub use pairs::{pairs, shared, PairOverlap};

/// The name of an aggregate over sites or over attributes, in the place of a site or an attribute.
pub const MEAN: &str = "mean";

/// The excess of an overlap over chance, `(overlap - expected) / (1 - expected)`: 0 at chance, 1 for equal sets, and
/// comparable across widths. `None` where chance is 1, with `k` as large as the population.
pub fn excess(overlap: f64, expected: f64) -> Option<f64> {
    (expected < 1.0).then(|| (overlap - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests;
