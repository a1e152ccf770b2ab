//! Partial correlation.

use super::correlation::{check, product};
use super::linear::Basis;
use super::special::correlation_p_value;
use super::{ranks, Undefined};

/// A partial correlation and its test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartialCorrelation {
    /// The number of points.
    pub n: usize,
    /// The covariates that count: those that are constant or follow from the others do not.
    pub covariates: usize,
    /// The coefficient, from -1 to 1.
    pub coefficient: f64,
    /// `n - 2 - covariates`.
    pub degrees_of_freedom: usize,
    /// The two-sided p-value by Student's t with those degrees of freedom. It takes the points for independent.
    pub p_value: f64,
}

/// The correlation of `x` and `y` given `covariates`: Pearson's of the residuals of least squares of each on the covariates and a
/// constant, tested with `n - 2 - q` degrees of freedom (Fisher 1924).
///
/// Given log step, it takes out of both series what is linear in log step, and no more. A covariate that is constant or a
/// combination of others (to 1e-10) is left out of `q`.
///
/// # Errors
/// As [`pearson`](super::pearson()); [`Undefined::Explained`] where the covariates explain an input in full,
/// [`Undefined::TooFewPoints`] for fewer than `3 + q` points.
///
/// # Examples
/// ```
/// use isogloss::stats::{partial_pearson, pearson};
/// let time = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let (x, y) = ([1.3, 1.7, 3.2, 4.1, 4.8, 6.1], [2.2, 4.1, 5.7, 8.1, 10.4, 11.7]);
/// assert!(pearson(&x, &y)?.p_value < 1e-3);
/// assert!(partial_pearson(&x, &y, &[&time])?.p_value > 0.4);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn partial_pearson(x: &[f64], y: &[f64], covariates: &[&[f64]]) -> Result<PartialCorrelation, Undefined> {
    check(x, y)?;
    let n = x.len();
    let basis = Basis::new(n, covariates)?;
    let q = basis.rank();
    if n < 3 + q {
        return Err(Undefined::TooFewPoints { n, needed: 3 + q });
    }
    let residual = |values: &[f64]| {
        let unexplained = if q == 0 { Undefined::Constant } else { Undefined::Explained };
        basis.beyond(values).ok_or(unexplained)
    };
    let coefficient = product(&residual(x)?, &residual(y)?);
    let degrees_of_freedom = n - 2 - q;
    let p_value = correlation_p_value(coefficient, degrees_of_freedom as f64);
    Ok(PartialCorrelation { n, covariates: q, coefficient, degrees_of_freedom, p_value })
}

/// [`partial_pearson`] of the mid-ranks of inputs and covariates.
///
/// # Errors
/// As [`partial_pearson`].
pub fn partial_spearman(x: &[f64], y: &[f64], covariates: &[&[f64]]) -> Result<PartialCorrelation, Undefined> {
    check(x, y)?;
    if covariates.iter().flat_map(|covariate| covariate.iter()).any(|value| !value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let ranked: Vec<Vec<f64>> = covariates.iter().map(|covariate| ranks(covariate)).collect();
    let ranked: Vec<&[f64]> = ranked.iter().map(Vec::as_slice).collect();
    partial_pearson(&ranks(x), &ranks(y), &ranked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{pearson, spearman};
    use approx::{assert_abs_diff_eq, assert_relative_eq};

    fn series(n: usize, factor: f64) -> Vec<f64> {
        (1..=n).map(|i| ((i * i) as f64 * factor).sin()).map(|v| (v * 20.0).round() / 20.0).collect()
    }

    // import numpy as np, statsmodels.api as sm; from scipy.stats import pearsonr, rankdata, t as T
    // def series(n, f): i = np.arange(1, n + 1.); return np.round(np.sin(i * i * f) * 20) / 20
    // C = [np.log(np.arange(1, n + 1.)), series(n, .3), series(n, .9)][:q]
    // x, y = series(n, 1.) + C[0], series(n, 1.) * .6 + series(n, .7) + 3 * C[0]
    // for f in (lambda v: v), rankdata:
    //     X = sm.add_constant(np.column_stack([f(c) for c in C])); a, b = sm.OLS(f(x), X).fit().resid, sm.OLS(f(y), X).fit().resid
    //     r = a @ b / np.sqrt(a @ a * (b @ b)); d = n - 2 - q; print(r, 2 * T.sf(abs(r) * np.sqrt(d / (1 - r * r)), d))
    //     # the same p: sm.OLS(f(y), np.column_stack([X, f(x)])).fit().pvalues[-1]
    #[test]
    fn coefficients_and_p_values_equal_statsmodels() {
        for (n, q, expected) in [
            (6, 1, [(0.23303059257818107, 0.7060038736361471), (0.3713053286162527, 0.5383389550476807)]),
            (8, 1, [(0.6956392424403707, 0.0826371820358894), (0.2950393071627648, 0.520638140080654)]),
            (20, 2, [(0.623701132425484, 0.005676278965738462), (0.6151960021167518, 0.006579004260106187)]),
            (42, 3, [(0.6147956505406654, 3.1250558820697636e-05), (0.5652796332241029, 0.0001771135844259348)]),
            (99, 1, [(0.5303749307287012, 1.9443299066642494e-08), (0.4948039993355349, 2.2315712651348267e-07)]),
        ] {
            let time: Vec<f64> = (1..=n).map(|i| (i as f64).ln()).collect();
            let add = |a: &[f64], b: &[f64], w: f64| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + w * b).collect() };
            let x = add(&series(n, 1.0), &time, 1.0);
            let y = add(&add(&series(n, 0.7), &series(n, 1.0), 0.6), &time, 3.0);
            let all = [time, series(n, 0.3), series(n, 0.9)];
            let mut covariates: Vec<&[f64]> = all.iter().take(q).map(Vec::as_slice).collect();
            for _ in 0..2 {
                for (partial, (r, p)) in [partial_pearson, partial_spearman].iter().zip(expected) {
                    let result = partial(&x, &y, &covariates).unwrap();
                    assert_eq!((result.covariates, result.degrees_of_freedom), (q, n - 2 - q));
                    assert_abs_diff_eq!(result.coefficient, r, epsilon = 1e-12);
                    assert_relative_eq!(result.p_value, p, max_relative = 1e-10);
                }
                // Once more with covariates that add nothing.
                covariates.push(covariates[0]);
            }
        }
    }

    #[test]
    fn a_combination_of_covariates_adds_nothing() {
        let (n, x, y, a, b) = (15, series(15, 1.0), series(15, 0.7), series(15, 0.3), series(15, 0.9));
        let combined: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 1e4 + 2.0 * a - 7.0 * b).collect();
        let plain = partial_pearson(&x, &y, &[&a, &b]).unwrap();
        let more = partial_pearson(&x, &y, &[&a, &combined, &b, &[4.0; 15]]).unwrap();
        assert_eq!((more.covariates, more.degrees_of_freedom), (2, n - 4));
        assert_abs_diff_eq!(more.coefficient, plain.coefficient, epsilon = 1e-10);
    }

    #[test]
    fn without_covariates_it_is_the_plain_coefficient() {
        let (x, y) = (series(12, 1.0), series(12, 0.7));
        for (partial, plain) in
            [(partial_pearson(&x, &y, &[]), pearson(&x, &y)), (partial_spearman(&x, &y, &[]), spearman(&x, &y))]
        {
            let (partial, plain) = (partial.unwrap(), plain.unwrap());
            assert_abs_diff_eq!(partial.coefficient, plain.coefficient, epsilon = 1e-14);
            assert_relative_eq!(partial.p_value, plain.p_value, max_relative = 1e-12);
        }
    }

    #[test]
    fn what_does_not_exist_says_why() {
        let (x, y, time) = ([1.0, 2.0, 4.0, 3.0], [1.0, 5.0, 2.0, 2.0], [1.0, 2.0, 3.0, 4.0]);
        for partial in [partial_pearson, partial_spearman] {
            assert_eq!(partial(&x[..3], &y[..3], &[&time[..3]]), Err(Undefined::TooFewPoints { n: 3, needed: 4 }));
            assert_eq!(partial(&time, &y, &[&time]), Err(Undefined::Explained));
            assert_eq!(partial(&[2.0; 4], &y, &[&time]), Err(Undefined::Constant));
            assert_eq!(partial(&x, &y, &[&time[1..]]), Err(Undefined::LengthsDiffer { x: 4, y: 3 }));
            assert_eq!(partial(&x, &y, &[&[1.0, 2.0, f64::NAN, 4.0]]), Err(Undefined::NotFinite));
        }
    }
}
