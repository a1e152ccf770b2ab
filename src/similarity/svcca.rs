use super::measures::{aligned, centred};
use crate::stats::{mean, Undefined};
use ndarray::{s, Array2, ArrayView2};
use ndarray_linalg::{JobSvd, SVDDC};

/// The share of variance that the kept directions explain.
const VARIANCE: f64 = 0.99;

/// Singular vector canonical correlation (Raghu et al. 2017, arXiv 1706.05806) of two arrays `[n_sentences, n_neurons]`.
///
/// Columns are centred over sentences; of either array the fewest singular directions that explain 99 % of its variance
/// (the sum of squared singular values) are kept; the value is the mean canonical correlation of what is kept, over as
/// many as the smaller holds. From 0 to 1. It needs many more sentences than directions kept: with as few, everything
/// correlates.
///
/// # Errors
/// As [`linear_cka`](super::linear_cka), and [`Undefined::NotConverged`] where LAPACK gives up.
pub fn svcca(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<f64, Undefined> {
    let (a, b) = aligned(a, b, 2)?;
    let (a, b) = (directions(centred(a))?, directions(centred(b))?);
    // Both are orthonormal, so that the canonical correlations are the singular values of their product.
    let (_, correlations, _) = a.t().dot(&b).svddc(JobSvd::None).map_err(|_| Undefined::NotConverged)?;
    // Rounding may leave 1 + 1e-16.
    mean(correlations.iter().map(|c| c.clamp(0.0, 1.0))).ok_or(Undefined::Constant)
}

/// An orthonormal basis `[n_sentences, kept]` of the directions that explain [`VARIANCE`].
fn directions(centred: Array2<f64>) -> Result<Array2<f64>, Undefined> {
    let (left, values, _) = centred.svddc(JobSvd::Some).map_err(|_| Undefined::NotConverged)?;
    let left = left.ok_or(Undefined::NotConverged)?;
    let total: f64 = values.iter().map(|value| value * value).sum();
    if total == 0.0 {
        return Err(Undefined::Constant);
    }
    let mut explained = 0.0;
    let before = values.iter().take_while(|value| {
        let enough = explained >= VARIANCE * total;
        explained += *value * *value;
        !enough
    });
    let kept = before.count();
    Ok(left.slice_move(s![.., ..kept]))
}
