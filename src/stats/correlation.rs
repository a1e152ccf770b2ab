//! Correlation coefficients, their p-values and intervals.

use super::special::correlation_p_value;
use super::{mean, ranks, Undefined};
use statrs::function::factorial::ln_factorial;

/// A correlation coefficient and its test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// The number of points.
    pub n: usize,
    /// The coefficient, from -1 to 1.
    pub coefficient: f64,
    /// The two-sided p-value against no correlation, by the test that the function names. It takes the points for
    /// independent.
    pub p_value: f64,
}

/// Pearson's product-moment correlation of paired values.
///
/// The p-value is that of Student's t with `n - 2` degrees of freedom; 0 where the coefficient is 1 or -1.
///
/// # Errors
/// [`Undefined`] for inputs of different lengths, fewer than 3 points, values that are not finite, and inputs that do
/// not vary by more than rounding (a norm of 1e-13 of the mean about the mean, as SciPy's warning has it).
///
/// # Examples
/// ```
/// use isogloss::stats::{pearson, Undefined};
/// let r = pearson(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 16.0])?;
/// assert!((r.coefficient - 0.98437).abs() < 1e-5 && (r.p_value - 0.01563).abs() < 1e-5);
/// assert_eq!(pearson(&[1.0, 2.0, 3.0], &[5.0, 5.0, 5.0]), Err(Undefined::Constant));
/// # Ok::<(), Undefined>(())
/// ```
pub fn pearson(x: &[f64], y: &[f64]) -> Result<Correlation, Undefined> {
    let (n, coefficient) = (x.len(), pearson_coefficient(x, y)?);
    Ok(Correlation { n, coefficient, p_value: correlation_p_value(coefficient, n as f64 - 2.0) })
}

/// The coefficient of [`pearson`] alone.
pub(super) fn pearson_coefficient(x: &[f64], y: &[f64]) -> Result<f64, Undefined> {
    check(x, y)?;
    Ok(product(&unit_deviations(x)?, &unit_deviations(y)?))
}

/// The coefficient of [`spearman`] alone.
pub(super) fn spearman_coefficient(x: &[f64], y: &[f64]) -> Result<f64, Undefined> {
    check(x, y)?;
    pearson_coefficient(&ranks(x), &ranks(y))
}

/// The product of two vectors of length 1, which is their correlation.
pub(super) fn product(x: &[f64], y: &[f64]) -> f64 {
    let coefficient: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    // What rounding leaves of an exact line is a line.
    if 1.0 - coefficient.abs() < 4.0 * f64::EPSILON {
        return coefficient.signum();
    }
    coefficient
}

/// Spearman's rank correlation of paired values: Pearson's of the mid-ranks, with the same t test (SciPy's default).
///
/// For few points the t test is rough. Where the orders agree or disagree in full it would give 0; the p-value is then
/// the exact one, twice the share of orders that agree: `2 / n!` without ties.
///
/// # Errors
/// As [`pearson`], constant here meaning that all values are equal.
///
/// # Examples
/// ```
/// use isogloss::stats::spearman;
/// let rho = spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 16.0])?;
/// assert_eq!(rho.coefficient, 1.0);
/// assert!((rho.p_value - 2.0 / 24.0).abs() < 1e-12);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn spearman(x: &[f64], y: &[f64]) -> Result<Correlation, Undefined> {
    check(x, y)?;
    let (x, y) = (ranks(x), ranks(y));
    let mut rho = pearson(&x, &y)?;
    if rho.coefficient.abs() == 1.0 {
        rho.p_value = full_agreement(&x);
    }
    Ok(rho)
}

/// The exact two-sided p-value of orders that agree in full: of the `n!` ways to pair values with ranks, the product of
/// `t!` over the groups of `t` tied values give the same ranks.
fn full_agreement(ranks: &[f64]) -> f64 {
    let mut sorted = ranks.to_vec();
    sorted.sort_by(f64::total_cmp);
    let orders: f64 = sorted.chunk_by(|a, b| a == b).map(|tied| ln_factorial(tied.len() as u64)).sum();
    (2.0 * (orders - ln_factorial(ranks.len() as u64)).exp()).min(1.0)
}

/// Refuses pairs that no coefficient exists of.
pub(super) fn check(x: &[f64], y: &[f64]) -> Result<(), Undefined> {
    if x.len() != y.len() {
        return Err(Undefined::LengthsDiffer { x: x.len(), y: y.len() });
    }
    if x.len() < 3 {
        return Err(Undefined::TooFewPoints { n: x.len(), needed: 3 });
    }
    if !x.iter().chain(y).all(|value| value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let varies = |values: &[f64]| values.windows(2).any(|pair| pair.first() != pair.last());
    if !varies(x) || !varies(y) {
        return Err(Undefined::Constant);
    }
    Ok(())
}

/// Deviations from the mean, scaled to length 1.
pub(super) fn unit_deviations(values: &[f64]) -> Result<Vec<f64>, Undefined> {
    // Scaled first, so that squares neither overflow nor vanish.
    let scale = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let values: Vec<f64> = values.iter().map(|value| value / scale).collect();
    let centre = mean(values.iter().copied()).ok_or(Undefined::TooFewPoints { n: 0, needed: 3 })?;
    let deviations: Vec<f64> = values.into_iter().map(|value| value - centre).collect();
    let norm = deviations.iter().map(|d| d * d).sum::<f64>().sqrt();
    if norm <= 1e-13 * centre.abs() {
        return Err(Undefined::Constant);
    }
    Ok(deviations.into_iter().map(|d| d / norm).collect())
}

#[cfg(test)]
mod tests {
    use super::super::fisher_interval;
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};
    use proptest::prelude::*;

    /// A fixed sequence that any language can repeat: `sin(i^2)` rounded to 3 places, so that ties and noise occur.
    fn series(n: usize, factor: f64) -> Vec<f64> {
        (1..=n).map(|i| ((i * i) as f64 * factor).sin()).map(|v| (v * 1000.0).round() / 1000.0).collect()
    }

    // import numpy as np; from scipy.stats import pearsonr, spearmanr
    // def series(n, f): i = np.arange(1, n + 1.); return np.round(np.sin(i * i * f) * 1000) / 1000
    // x, y = series(n, 1.), series(n, 1.) * w + series(n, .7)
    // p = pearsonr(x, y); s = spearmanr(x, y); i = p.confidence_interval(.95)
    // print(n, w, p.statistic, p.pvalue, s.statistic, s.pvalue, i.low, i.high)
    #[test]
    fn both_coefficients_equal_scipy() {
        for (n, weight, r, r_p, rho, rho_p, low, high) in [
            (
                4,
                1.0,
                0.833838902347128,
                0.16616109765287201,
                0.7999999999999999,
                0.2000000000000001,
                -0.6406995225818871,
                0.9964106569809865,
            ),
            (
                6,
                0.5,
                0.594906224512404,
                0.21291331027899132,
                0.5428571428571429,
                0.26570262390670546,
                -0.41890226304730155,
                0.9485195534796108,
            ),
            (
                8,
                -2.0,
                -0.9061701023989371,
                0.0019226013591347466,
                -0.9761904761904763,
                3.314396026200098e-05,
                -0.9830884324424101,
                -0.5574744702330279,
            ),
            (
                42,
                0.9,
                0.7401795827405351,
                2.1185443775496316e-08,
                0.7005104934770279,
                2.408989453547669e-07,
                0.5628746309720243,
                0.8523606607276337,
            ),
            (
                77,
                0.0,
                -0.06185780963606766,
                0.5930412509577729,
                -0.04745441879835951,
                0.6819300056811799,
                -0.2819305390502603,
                0.16439874050996903,
            ),
            (
                99,
                1.5,
                0.8423584253343204,
                8.666371648330525e-28,
                0.8471369289635525,
                2.196103339242289e-28,
                0.7735876635979695,
                0.8915183195741595,
            ),
            (
                500,
                0.05,
                0.07991280129026483,
                0.07421458300710974,
                0.08639999973205857,
                0.05351534259908221,
                -0.007832674609491254,
                0.16643706447829293,
            ),
            (
                3000,
                0.7,
                0.5783333775314157,
                2.1369940207701613e-267,
                0.5505284426121352,
                2.2496868719460597e-237,
                0.554013023564201,
                0.6016674503602579,
            ),
        ] {
            let x = series(n, 1.0);
            let y: Vec<f64> = x.iter().zip(series(n, 0.7)).map(|(x, noise)| x * weight + noise).collect();
            let pearson = pearson(&x, &y).unwrap();
            assert_abs_diff_eq!(pearson.coefficient, r, epsilon = 1e-12);
            assert_relative_eq!(pearson.p_value, r_p, max_relative = 1e-10);
            let spearman = spearman(&x, &y).unwrap();
            assert_abs_diff_eq!(spearman.coefficient, rho, epsilon = 1e-12);
            assert_relative_eq!(spearman.p_value, rho_p, max_relative = 1e-10);
            let interval = fisher_interval(pearson.coefficient, n, 0.95).unwrap();
            assert_abs_diff_eq!(interval.0, low, epsilon = 1e-10);
            assert_abs_diff_eq!(interval.1, high, epsilon = 1e-10);
        }
    }

    // By hand: 2 / 5!; and of the 4!/2! orders of ranks 1, 2.5, 2.5, 4 one agrees.
    #[test]
    fn full_agreement_of_few_points_is_no_certainty() {
        let p = |x: &[f64], y: &[f64]| spearman(x, y).unwrap().p_value;
        assert_relative_eq!(
            p(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 3.0, 5.0, 8.0, 9.0]),
            2.0 / 120.0,
            max_relative = 1e-12
        );
        assert_relative_eq!(
            p(&[1.0, 2.0, 3.0, 4.0, 5.0], &[9.0, 8.0, 5.0, 3.0, 2.0]),
            2.0 / 120.0,
            max_relative = 1e-12
        );
        assert_relative_eq!(p(&[1.0, 2.0, 2.0, 4.0], &[0.0, 1.0, 1.0, 7.0]), 2.0 / 12.0, max_relative = 1e-12);
    }

    // from mpmath import mp, mpf, betainc; mp.dps = 50
    // print(float(betainc(mpf(n - 2) / 2, mpf(1) / 2, 0, 1 - mpf(r) ** 2, regularized=True)))
    #[test]
    fn p_values_hold_over_all_orders_of_magnitude() {
        for (r, n, expected) in [
            (0.8076, 6.0, 0.05196553148800001),
            (0.6123, 77.0, 3.2723184693136297e-09),
            (0.999, 3.0, 0.028472874812479322),
            (0.5, 3.0, 0.6666666666666666),
            (1e-06, 5.0, 0.9999987267604553),
            (0.01, 10.0, 0.9781271873687531),
            (0.3, 10.0, 0.39969146875),
            (0.9999999, 12.0, 7.874998666774827e-35),
            (0.2, 1000.0, 1.756786237178944e-10),
            (0.63, 1000.0, 1.0388262560234316e-111),
            (0.02, 100000.0, 2.5305413936457123e-10),
            (0.1, 100000.0, 1.4642293537913429e-220),
            (0.5, 20000.0, 0.0),
            (0.001, 1000000.0, 0.31731099180502853),
        ] {
            assert_relative_eq!(correlation_p_value(r, n - 2.0), expected, max_relative = 1e-10);
            assert_eq!(correlation_p_value(-r, n - 2.0), correlation_p_value(r, n - 2.0));
        }
    }

    // r, n and p as published by Wang, Minervini and Ponti 2024 (arXiv 2406.13229), r to four digits.
    #[test]
    fn published_p_values_follow_from_r_and_n() {
        for (r, n, p) in [
            (0.8076, 6.0, 0.05197),
            (0.9400, 6.0, 0.005292),
            (0.5678, 42.0, 8.774e-5),
            (0.6123, 77.0, 3.277e-9),
            (0.8043, 8.0, 0.0161),
            (0.8306, 8.0, 0.01066),
            (0.7232, 56.0, 3.081e-10),
            (0.6382, 99.0, 1.204e-12),
        ] {
            let [low, high] = [r + 5e-5, r - 5e-5].map(|r| correlation_p_value(r, n - 2.0));
            let last_digit = 10f64.powf(f64::log10(p).floor() - 3.0) / 2.0;
            assert!(low - last_digit <= p && p <= high + last_digit, "{r} {n} {p} {low} {high}");
        }
    }

    #[test]
    fn what_does_not_exist_says_why() {
        let (up, nan) = ([1.0, 2.0, 3.0, 4.0], [1.0, f64::NAN, 3.0, 4.0]);
        for correlate in [pearson, spearman] {
            assert_eq!(correlate(&up, &up[..3]), Err(Undefined::LengthsDiffer { x: 4, y: 3 }));
            assert_eq!(correlate(&up[..2], &up[..2]), Err(Undefined::TooFewPoints { n: 2, needed: 3 }));
            assert_eq!(correlate(&[], &[]), Err(Undefined::TooFewPoints { n: 0, needed: 3 }));
            assert_eq!(correlate(&up, &[7.0; 4]), Err(Undefined::Constant));
            assert_eq!(correlate(&[0.0; 4], &up), Err(Undefined::Constant));
            assert_eq!(correlate(&up, &nan), Err(Undefined::NotFinite));
            assert_eq!(correlate(&[f64::INFINITY, 1.0, 2.0, 3.0], &up), Err(Undefined::NotFinite));
        }
        // 0.1 + 0.2 is not 0.3, but nothing varies here.
        assert_eq!(pearson(&up, &[0.1 + 0.2, 0.3, 0.3, 0.3]), Err(Undefined::Constant));
        assert_eq!(fisher_interval(0.5, 3, 0.95), Err(Undefined::TooFewPoints { n: 3, needed: 4 }));
        assert!(fisher_interval(1.5, 9, 0.95).is_err() && fisher_interval(f64::NAN, 9, 0.95).is_err());
        let message = fisher_interval(0.5, 9, 1.0).unwrap_err().to_string();
        assert_eq!(message, "level should be between 0 and 1, both excluded, but is 1");
    }

    #[test]
    fn exact_lines() {
        let x = [0.1, 0.7, 0.2, 0.4];
        let line = x.map(|x| 3.0 - 0.3 * x);
        let r = pearson(&x, &line).unwrap();
        assert_eq!((r.coefficient, r.p_value), (-1.0, 0.0));
        assert_eq!(fisher_interval(-1.0, 9, 0.95), Ok((-1.0, -1.0)));
        let huge = x.map(|x| x * 1e308);
        assert_eq!(pearson(&huge, &x.map(|x| x * 1e-308)).unwrap().coefficient, 1.0);
    }

    proptest! {
        #[test]
        fn spearman_sees_only_the_order(
            points in prop::collection::vec((-50i32..50, -50i32..50), 3..40),
        ) {
            let x: Vec<f64> = points.iter().map(|p| f64::from(p.0) / 10.0).collect();
            let y: Vec<f64> = points.iter().map(|p| f64::from(p.1) / 10.0).collect();
            let mapped: Vec<f64> = x.iter().map(|x| x.exp()).collect();
            prop_assert_eq!(spearman(&x, &y), spearman(&mapped, &y));
            prop_assert_eq!(spearman(&x, &y), spearman(&y, &x));
            let falling: Vec<f64> = y.iter().map(|y| -y.powi(3)).collect();
            if let (Ok(rising), Ok(falling)) = (spearman(&x, &y), spearman(&x, &falling)) {
                prop_assert!((rising.coefficient + falling.coefficient).abs() < 1e-12);
            }
        }

        #[test]
        fn pearson_is_free_of_scale_and_place(
            points in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64), 3..40),
            scale in 0.01..100.0f64,
            shift in -10.0..10.0f64,
        ) {
            let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let moved: Vec<f64> = x.iter().map(|x| x * scale + shift).collect();
            if let (Ok(r), Ok(moved)) = (pearson(&x, &y), pearson(&moved, &y)) {
                prop_assert!(r.coefficient.abs() <= 1.0 && (0.0..=1.0).contains(&r.p_value));
                prop_assert!((r.coefficient - moved.coefficient).abs() < 1e-9);
            }
        }
    }
}
