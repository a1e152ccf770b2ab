//! Correlation, exact tests and multiple-testing corrections; knows nothing of neurons.
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
mod correlation;
mod describe;
mod hypergeometric;
mod special;

pub use adjust::{benjamini_hochberg, benjamini_yekutieli, holm};
pub use correlation::{fisher_interval, pearson, spearman, Correlation};
pub use describe::{mean, ranks};
pub use hypergeometric::{hypergeometric_pmf, hypergeometric_sf};

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
