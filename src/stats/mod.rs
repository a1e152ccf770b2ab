//! Correlation, exact and permutation tests, bootstrap, mixed effects and multiple-testing corrections; knows nothing of neurons.
//!
//! - Correlation: [`pearson`](pearson()), [`spearman`](spearman()), [`kendall`](kendall()), or any of them as a [`Coefficient`]; given covariates
//!   [`partial_pearson`] and [`partial_spearman`]; without each unit [`leave_one_out`].
//! - Tests that allow for dependent points: [`permutation_test_by`] moves whole languages, [`differences`] takes steps of a series,
//!   [`mantel`](mantel()) compares matrices, [`mixed_effects`] has random intercepts of language and checkpoint.
//! - Intervals: [`fisher_interval`] and its kin, [`bootstrap_correlation`] with any unit of [`Resample`].
//! - Overlap of sets: [`hypergeometric_sf`]. Many tests at once: [`holm`], [`benjamini_hochberg`], [`benjamini_yekutieli`].
//!
//! Which of them can be believed of training checkpoints, and how often the others are wrong, is in `docs/statistics.md`.
//!
//! A statistic that does not exist (two points, a constant input, a value that is not finite) is an [`Undefined`] with
//! its reason and never NaN, so that a table can leave the cell empty and a log can say why.
//!
//! # Examples
//! ```
//! use isogloss::stats::{fisher_interval, holm, hypergeometric_sf, pearson};
//!
//! // Two draws of 50 neurons out of 1,024 share 2.4 by chance; 9 or more are rare.
//! let p = hypergeometric_sf(9, 1024, 50, 50);
//! assert!(p < 1e-3);
//! // Of three tests the smallest p-value pays threefold.
//! assert_eq!(holm(&[p, 0.5, 0.9])[0], 3.0 * p);
//!
//! let r = pearson(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0, 3.0, 2.0, 5.0, 4.0])?;
//! let (low, high) = fisher_interval(r.coefficient, r.n, 0.95)?;
//! assert!(low < r.coefficient && r.coefficient < high);
//! # Ok::<(), isogloss::stats::Undefined>(())
//! ```

mod adjust;
mod bootstrap;
mod coefficient;
mod correlation;
mod describe;
mod hypergeometric;
mod influence;
mod interval;
mod kendall;
mod linear;
mod mantel;
mod mixed;
mod partial;
mod permutation;
mod special;
mod units;

#[cfg(test)]
mod calibration;

pub use adjust::{benjamini_hochberg, benjamini_yekutieli, holm};
pub use bootstrap::{
    acceleration, bca_interval, bootstrap, bootstrap_correlation, percentile_interval, Bootstrap, Bootstrapped,
    Resample,
};
pub use coefficient::Coefficient;
pub use correlation::{pearson, spearman, Correlation};
pub use describe::{mean, ranks};
pub use hypergeometric::{hypergeometric_permutation, hypergeometric_pmf, hypergeometric_sf, hypergeometric_two_sided};
pub use influence::{leave_one_out, Influence};
pub use interval::{fisher_interval, kendall_interval, spearman_interval};
pub use kendall::{kendall, kendall_with, KendallMethod};
pub use mantel::{mantel, partial_mantel};
pub use mixed::{mixed_effects, MixedEffects};
pub use partial::{partial_pearson, partial_spearman, PartialCorrelation};
pub use permutation::{permutation_test, permutation_test_by, Alternative, PermutationTest, Permutations};
pub use units::{differences, labels, Differences};

/// Why a statistic does not exist.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Undefined {
    /// Fewer points than the statistic needs.
    #[error("too few points: at least {needed} are needed, but there are {n}")]
    TooFewPoints {
        /// The points given.
        n: usize,
        /// The points needed.
        needed: usize,
    },
    /// An input that does not vary, or only by rounding.
    #[error("constant input: it does not vary, so that nothing can vary with it")]
    Constant,
    /// An input with NaN or an infinity.
    #[error("an input is not finite")]
    NotFinite,
    /// Paired inputs of different lengths.
    #[error("paired inputs differ in length: {x} and {y}")]
    LengthsDiffer {
        /// The length of the first.
        x: usize,
        /// The length of the second.
        y: usize,
    },
    /// Fewer units (checkpoints, languages, objects) than the statistic needs.
    #[error("too few units: at least {needed} are needed, but there are {n}")]
    TooFewUnits {
        /// The units given.
        n: usize,
        /// The units needed.
        needed: usize,
    },
    /// Points that are no full crossing of units and levels.
    #[error("unbalanced points: each unit should have exactly one point at each level")]
    Unbalanced,
    /// Values that tie, where an exact distribution is known without ties alone.
    #[error("values tie, and the exact distribution is known without ties alone")]
    Ties,
    /// An input of which the covariates, or the line, leave nothing.
    #[error("an input is explained in full, so that nothing is left to test")]
    Explained,
    /// A grouping that says nothing: all points are in one group, or each has its own.
    #[error("a grouping has {groups} groups of {n} points: its variance cannot be told from another's")]
    Confounded {
        /// The groups.
        groups: usize,
        /// The points.
        n: usize,
    },
    /// Too many resamples without a statistic.
    #[error("{degenerate} of {replicates} resamples are degenerate: too many for an interval")]
    Degenerate {
        /// Resamples without a statistic.
        degenerate: usize,
        /// All resamples.
        replicates: usize,
    },
    /// An interval that does not exist.
    #[error("no interval: {0}")]
    NoInterval(&'static str),
    /// A matrix that should be square.
    #[error("the matrix should be square, but is {rows} x {columns}")]
    NotSquare {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// A matrix that should be symmetric.
    #[error("the matrix is not symmetric")]
    NotSymmetric,
    /// A vector without a direction, where a cosine needs one.
    #[error("a vector is zero and has no direction")]
    ZeroVector,
    /// A parameter out of its range.
    #[error("{name} should be {expected}, but is {value}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its range.
        expected: &'static str,
        /// The value given.
        value: f64,
    },
    /// A decomposition that did not converge.
    #[error("the matrix decomposition did not converge")]
    NotConverged,
    /// A statistic that this build leaves out.
    #[error("this build lacks the feature `{0}`")]
    FeatureOff(&'static str),
}
