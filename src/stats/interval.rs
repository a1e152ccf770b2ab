//! Intervals of correlation coefficients through Fisher's z.

use super::Undefined;
use statrs::function::erf::erf_inv;
use std::f64::consts::SQRT_2;

/// The interval of a Pearson correlation `r` of `n` points at a confidence `level` by Fisher's z:
/// `tanh(artanh(r) -+ z / sqrt(n - 3))`, `z` the normal quantile of `(1 + level) / 2`.
///
/// # Errors
/// [`Undefined`] for fewer than 4 points, `r` outside -1 to 1 and a level not strictly between 0 and 1.
///
/// # Examples
/// ```
/// use isogloss::stats::fisher_interval;
/// let (low, high) = fisher_interval(0.8076, 6, 0.95)?;
/// assert!((low + 0.01149586).abs() < 1e-8 && (high - 0.97809880).abs() < 1e-8);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn fisher_interval(r: f64, n: usize, level: f64) -> Result<(f64, f64), Undefined> {
    z_interval(r, n, 3, 1.0, level)
}

/// The interval of a Spearman correlation `rho` of `n` points: [`fisher_interval`] with the standard error
/// `sqrt((1 + rho^2 / 2) / (n - 3))` of Bonett and Wright 2000 ("Sample size requirements for estimating Pearson, Kendall and
/// Spearman correlations", Psychometrika 65).
///
/// # Errors
/// As [`fisher_interval`].
///
/// # Examples
/// ```
/// use isogloss::stats::spearman_interval;
/// let (low, high) = spearman_interval(0.6, 20, 0.95)?;
/// assert!(0.17 < low && low < 0.18 && 0.83 < high && high < 0.84);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn spearman_interval(rho: f64, n: usize, level: f64) -> Result<(f64, f64), Undefined> {
    z_interval(rho, n, 3, 1.0 + rho * rho / 2.0, level)
}

/// The interval of a Kendall correlation `tau` of `n` points: [`fisher_interval`] with the standard error
/// `sqrt(0.437 / (n - 4))` of Fieller, Hartley and Pearson 1957 ("Tests for rank correlation coefficients I", Biometrika 44),
/// good for |tau| below some 0.8.
///
/// # Errors
/// As [`fisher_interval`], and for 4 points.
pub fn kendall_interval(tau: f64, n: usize, level: f64) -> Result<(f64, f64), Undefined> {
    z_interval(tau, n, 4, 0.437, level)
}

/// `tanh(artanh(r) -+ z sqrt(variance / (n - lost)))`.
fn z_interval(r: f64, n: usize, lost: usize, variance: f64, level: f64) -> Result<(f64, f64), Undefined> {
    if !(-1.0..=1.0).contains(&r) {
        return Err(Undefined::Parameter { name: "r", expected: "from -1 to 1", value: r });
    }
    check_level(level)?;
    if n <= lost {
        return Err(Undefined::TooFewPoints { n, needed: lost + 1 });
    }
    // The normal quantile of (1 + level) / 2 is sqrt(2) erf_inv(level).
    let half_width = SQRT_2 * erf_inv(level) * (variance / (n - lost) as f64).sqrt();
    let centre = r.atanh();
    Ok(((centre - half_width).tanh(), (centre + half_width).tanh()))
}

/// Refuses a confidence level that is none.
pub(super) fn check_level(level: f64) -> Result<(), Undefined> {
    if level > 0.0 && level < 1.0 {
        return Ok(());
    }
    Err(Undefined::Parameter { name: "level", expected: "between 0 and 1, both excluded", value: level })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    // import numpy as np; from scipy.stats import norm
    // z = norm.ppf((1 + level) / 2); h = {"spearman": z * np.sqrt((1 + r * r / 2) / (n - 3)), "kendall": z * np.sqrt(.437 / (n - 4))}
    // print(np.tanh(np.arctanh(r) - h), np.tanh(np.arctanh(r) + h))
    #[test]
    fn intervals_of_ranks_equal_their_formulas_in_numpy() {
        for (r, n, level, spearman, kendall) in [
            (0.6, 20, 0.95, (0.1749542867311621, 0.836535896606277), (0.3533213894285428, 0.7686665526934151)),
            (-0.3, 6, 0.9, (-0.8565670733839611, 0.5792074633418968), (-0.7926011829333562, 0.42955470717745126)),
            (0.95, 42, 0.99, (0.8704408179232456, 0.9811949809026381), (0.9146972259633367, 0.9709145666573661)),
            (0.0, 5, 0.95, (-0.8822664257168621, 0.8822664257168621), (-0.8605999775383086, 0.8605999775383086)),
        ] {
            for ((low, high), (expected_low, expected_high)) in
                [(spearman_interval(r, n, level).unwrap(), spearman), (kendall_interval(r, n, level).unwrap(), kendall)]
            {
                assert_abs_diff_eq!(low, expected_low, epsilon = 1e-12);
                assert_abs_diff_eq!(high, expected_high, epsilon = 1e-12);
            }
        }
    }

    #[test]
    fn an_interval_needs_points() {
        assert_eq!(spearman_interval(0.5, 3, 0.95), Err(Undefined::TooFewPoints { n: 3, needed: 4 }));
        assert_eq!(kendall_interval(0.5, 4, 0.95), Err(Undefined::TooFewPoints { n: 4, needed: 5 }));
        assert!(spearman_interval(f64::NAN, 9, 0.95).is_err() && kendall_interval(0.5, 9, f64::NAN).is_err());
        assert_eq!(kendall_interval(1.0, 9, 0.95), Ok((1.0, 1.0)));
    }
}
