//! The three correlation coefficients behind one name.

use super::correlation::{pearson_coefficient, spearman_coefficient};
use super::kendall::kendall_coefficient;
use super::{fisher_interval, kendall, kendall_interval, pearson, spearman, spearman_interval, Correlation, Undefined};
use std::fmt;

/// A correlation coefficient, for permutations, resampling and influence, which work alike for all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coefficient {
    /// Pearson's product-moment correlation.
    Pearson,
    /// Spearman's rank correlation.
    Spearman,
    /// Kendall's tau-b.
    Kendall,
}

impl Coefficient {
    /// All of them.
    pub const ALL: [Coefficient; 3] = [Coefficient::Pearson, Coefficient::Spearman, Coefficient::Kendall];

    /// `pearson`, `spearman` or `kendall`.
    pub fn name(self) -> &'static str {
        match self {
            Coefficient::Pearson => "pearson",
            Coefficient::Spearman => "spearman",
            Coefficient::Kendall => "kendall",
        }
    }

    /// The coefficient of paired values.
    ///
    /// # Errors
    /// As [`pearson`](super::pearson()).
    ///
    /// # Examples
    /// ```
    /// use isogloss::stats::Coefficient;
    /// assert_eq!(Coefficient::Spearman.of(&[1.0, 2.0, 3.0], &[1.0, 4.0, 9.0])?, 1.0);
    /// # Ok::<(), isogloss::stats::Undefined>(())
    /// ```
    pub fn of(self, x: &[f64], y: &[f64]) -> Result<f64, Undefined> {
        match self {
            Coefficient::Pearson => pearson_coefficient(x, y),
            Coefficient::Spearman => spearman_coefficient(x, y),
            Coefficient::Kendall => kendall_coefficient(x, y),
        }
    }

    /// The coefficient and its test: [`pearson`](super::pearson()), [`spearman`](super::spearman()) or [`kendall`](super::kendall()).
    ///
    /// # Errors
    /// As [`pearson`](super::pearson()).
    pub fn test(self, x: &[f64], y: &[f64]) -> Result<Correlation, Undefined> {
        match self {
            Coefficient::Pearson => pearson(x, y),
            Coefficient::Spearman => spearman(x, y),
            Coefficient::Kendall => kendall(x, y),
        }
    }

    /// The interval of a coefficient `r` of `n` independent points: [`fisher_interval`], [`spearman_interval`] or
    /// [`kendall_interval`].
    ///
    /// # Errors
    /// As [`fisher_interval`].
    pub fn interval(self, r: f64, n: usize, level: f64) -> Result<(f64, f64), Undefined> {
        match self {
            Coefficient::Pearson => fisher_interval(r, n, level),
            Coefficient::Spearman => spearman_interval(r, n, level),
            Coefficient::Kendall => kendall_interval(r, n, level),
        }
    }
}

impl fmt::Display for Coefficient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
