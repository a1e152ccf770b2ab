use super::measures::{check, check_sentences, mean_of_products};
use super::states::Products;
use super::States;
use crate::stats::{mean, Undefined};
use ndarray::{s, Array2};
use ndarray_linalg::{JobSvd, SVDDC};

/// The share of variance that the kept directions explain.
const VARIANCE: f64 = 0.99;

/// Singular vector canonical correlation (Raghu et al. 2017, arXiv 1706.05806).
///
/// Columns are centred over sentences; of either language the fewest singular directions that explain 99 % of its variance
/// (the sum of squared singular values) are kept; the value is the mean canonical correlation of what is kept, over as
/// many as the smaller holds. From 0 to 1. It needs many more sentences than directions kept: with as few, everything
/// correlates.
///
/// # Errors
/// As [`linear_cka`](super::linear_cka), and [`Undefined::NotConverged`] where LAPACK gives up.
pub fn svcca(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    check_sentences(a, b, 2)?;
    let (a, b) = (a.principal()?.kept(), b.principal()?.kept());
    // Both are orthonormal, so that the canonical correlations are the singular values of their product.
    let (_, correlations, _) = a.t().dot(&b).svddc(JobSvd::None).map_err(|_| Undefined::NotConverged)?;
    // Rounding may leave 1 + 1e-16.
    mean(correlations.iter().map(|c| c.clamp(0.0, 1.0))).ok_or(Undefined::Constant)
}

/// As [`cosine_centred`](super::cosine_centred), after each language's first principal directions are taken off its
/// centred states too: "all but the top" of Mu and Viswanath 2018 (arXiv 1702.01417). Of `d` neurons these are `d / 100`
/// directions, rounded, and one at least.
///
/// A few directions of large variance, which say little of the sentence (its length, its last token), make most of a cosine.
///
/// # Errors
/// As [`cosine_centred`](super::cosine_centred), where nothing is left of a sentence, and [`Undefined::NotConverged`] where
/// LAPACK gives up.
pub fn cosine_all_but_top(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    check(a, b, 2)?;
    mean_of_products(&a.without_top()?.rows, &b.without_top()?.rows)
}

/// How many directions [`cosine_all_but_top`] takes off.
fn top(neurons: usize) -> usize {
    ((neurons + 50) / 100).max(1)
}

/// The left singular vectors of centred states: an orthonormal basis of the sentences' space, by variance explained.
#[derive(Debug)]
pub(super) struct Principal {
    /// `[n_sentences, directions]`.
    directions: Array2<f64>,
    /// The first so many explain [`VARIANCE`].
    kept: usize,
    /// The first so many are the top of [`cosine_all_but_top`].
    top: usize,
}

impl Principal {
    /// From the singular vectors of the products, which are the smaller matrix.
    ///
    /// Products square singular values, and so lose small ones. None is wanted: of `m` directions, all that are kept explain
    /// more than `(1 - VARIANCE) / m` of the variance, as the last one and those after it share what is missing.
    pub(super) fn new(centred: &Array2<f64>, products: &Products) -> Result<Self, Undefined> {
        let (vectors, variances, _) = products.matrix.svddc(JobSvd::Some).map_err(|_| Undefined::NotConverged)?;
        let vectors = vectors.ok_or(Undefined::NotConverged)?;
        let total: f64 = variances.sum();
        if total == 0.0 {
            return Err(Undefined::Constant);
        }
        let mut explained = 0.0;
        let before = variances.iter().take_while(|variance| {
            let enough = explained >= VARIANCE * total;
            explained += *variance;
            !enough
        });
        let kept = before.count();
        // A direction of rounding alone takes nothing off.
        let real = variances.iter().take_while(|variance| **variance > f64::EPSILON * total).count();
        let top = top(centred.ncols()).min(real);
        let vectors = vectors.slice_move(s![.., ..kept.max(top)]);
        let directions = if products.of_sentences {
            vectors
        } else {
            let mut scores = centred.dot(&vectors);
            for mut column in scores.columns_mut() {
                let length = column.dot(&column).sqrt();
                column /= length;
            }
            scores
        };
        Ok(Principal { directions, kept, top })
    }

    /// `[n_sentences, kept]`.
    fn kept(&self) -> ndarray::ArrayView2<'_, f64> {
        self.directions.slice(s![.., ..self.kept])
    }

    /// Centred states without the top directions. What is a projection on neurons' directions `v`, `X - X v v'`, is one on
    /// sentences' directions `u` as well, `X - u u' X`.
    pub(super) fn removed_from(&self, centred: &Array2<f64>) -> Array2<f64> {
        let top = self.directions.slice(s![.., ..self.top]);
        centred - &top.dot(&top.t().dot(centred))
    }
}
