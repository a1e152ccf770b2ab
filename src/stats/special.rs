//! Special functions whose differences keep their digits.
//!
//! A difference of log-gammas near 10^7 has lost nine digits before it begins; here the large parts are cancelled by
//! algebra instead, and what is left is small.

use statrs::function::erf::erfc_inv;
use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// The error of Stirling's formula, `ln G(z) - [(z - 1/2) ln z - z + ln(2 pi) / 2]`, for `z >= 16`.
///
/// The series stops before `691 / (360360 z^11)`, 1e-16 at 16.
fn stirling_error_series(z: f64) -> f64 {
    let square = z * z;
    let series = 1.0 / 1680.0 - 1.0 / (1188.0 * square);
    let series = 1.0 / 1260.0 - series / square;
    let series = 1.0 / 360.0 - series / square;
    (1.0 / 12.0 - series / square) / z
}

/// `ln n! - [(n + 1/2) ln n - n + ln(2 pi) / 2]`, the error of Stirling's formula, for whole `n >= 1`.
fn stirling_error(n: f64) -> f64 {
    if n >= 16.0 {
        return stirling_error_series(n);
    }
    // Up to 15 the factorial is a float without rounding.
    let factorial: f64 = (1..=n as u32).map(f64::from).product();
    factorial.ln() - ((n + 0.5) * n.ln() - n + 0.5 * (2.0 * PI).ln())
}

/// `x ln(x / m) + m - x`, without cancellation where `x` is near `m`.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    // ln(x / m) = 2 artanh(v), whose first term cancels against m - x and leaves (x - m) v.
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut term = 2.0 * x * v;
    let mut odd = 1.0;
    loop {
        term *= v * v;
        odd += 2.0;
        let next = sum + term / odd;
        if next == sum {
            return sum;
        }
        sum = next;
    }
}

/// The log of the binomial probability of `x` successes in `n` trials of `p` (Loader 2000, "Fast and accurate
/// computation of binomial probabilities"), `0 < p < 1`, `0 <= x <= n`, both whole.
pub(super) fn ln_binomial_pmf(x: f64, n: f64, p: f64, q: f64) -> f64 {
    if n == 0.0 {
        return 0.0;
    }
    if x == 0.0 {
        return n * if p < 0.5 { (-p).ln_1p() } else { q.ln() };
    }
    if x == n {
        return n * if q < 0.5 { (-q).ln_1p() } else { p.ln() };
    }
    let rest = n - x;
    stirling_error(n) - stirling_error(x) - stirling_error(rest) - deviance(x, n * p) - deviance(rest, n * q)
        + 0.5 * (n / (2.0 * PI * x * rest)).ln()
}

/// `ln B(a, 1/2)` for `a > 0`.
fn ln_beta_half(a: f64) -> f64 {
    // G(z) / G(z + 1/2) = G(z + 1) / G(z + 3/2) (z + 1/2) / z, up to where the series holds.
    let (mut z, mut ratio) = (a, 1.0);
    while z < 16.0 {
        ratio *= (z + 0.5) / z;
        z += 1.0;
    }
    let ln_gamma_difference =
        0.5 - z * (0.5 / z).ln_1p() - 0.5 * z.ln() + stirling_error_series(z) - stirling_error_series(z + 0.5);
    ln_gamma_difference + ratio.ln() + 0.5 * PI.ln()
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method; converges fast for
/// `x < (a + 1) / (a + b + 2)`.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    // Convergence takes some sqrt(max(a, b)) rounds: the bound is never met for a number of points that fits memory.
    for m in (1..1_000_000).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / guard(1.0 + numerator * d);
            c = guard(1.0 + numerator / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0f64).abs() <= f64::EPSILON {
            break;
        }
    }
    fraction
}

/// The two-sided p-value of a correlation `r` of independent normal samples with `dof = n - 2 >= 1` degrees of freedom:
/// `P(|R| >= |r|) = I_{1 - r^2}(dof / 2, 1 / 2)`, which equals Student's t test of `r sqrt(dof / (1 - r^2))`.
pub(super) fn correlation_p_value(r: f64, dof: f64) -> f64 {
    let r = r.abs();
    if r >= 1.0 {
        return 0.0;
    }
    // ln(1 - r^2), with the digits of r^2 where that is small and those of 1 - r where r is near 1.
    let ln_x = if r < 0.7 { (-r * r).ln_1p() } else { (1.0 - r).ln() + r.ln_1p() };
    beta_tail(ln_x, r, dof)
}

/// The two-sided p-value of Student's `t` with `dof > 0` degrees of freedom, not necessarily whole.
pub(super) fn student_p_value(t: f64, dof: f64) -> f64 {
    let t = t.abs();
    if t.is_infinite() {
        return 0.0;
    }
    let root = dof.sqrt();
    // 1 - r^2 = dof / (dof + t^2) for the correlation r that has this t.
    let ln_x = if t < root {
        -(t / root * (t / root)).ln_1p()
    } else {
        -2.0 * (t / root).ln() - (root / t * (root / t)).ln_1p()
    };
    beta_tail(ln_x, t / root.hypot(t), dof)
}

/// `I_x(dof / 2, 1 / 2)` for `x = 1 - r^2`, given as its logarithm, and `0 <= r <= 1`.
fn beta_tail(ln_x: f64, r: f64, dof: f64) -> f64 {
    if r == 0.0 {
        return 1.0;
    }
    let (a, b, x) = (dof / 2.0, 0.5, ln_x.exp());
    let front = a * ln_x + 2.0 * b * r.ln() - ln_beta_half(a);
    if x < (a + 1.0) / (a + b + 2.0) {
        (front - a.ln()).exp() * beta_fraction(a, b, x)
    } else {
        1.0 - front.exp() / b * beta_fraction(b, a, r * r)
    }
}

/// `1 - erf(x)`, to some 1e-13 relative also where it is small; statrs has ten digits of it.
pub(super) fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    let square = x * x;
    if x < 2.0 {
        // erf(x) = 2 / sqrt(pi) exp(-x^2) sum of 2^n x^(2n + 1) / (2n + 1)!!, all of one sign (DLMF 7.6.2).
        let (mut term, mut sum, mut odd) = (x, x, 1.0);
        while term > sum * f64::EPSILON / 4.0 {
            odd += 2.0;
            term *= 2.0 * square / odd;
            sum += term;
        }
        return 1.0 - 2.0 / PI.sqrt() * (-square).exp() * sum;
    }
    // x + (1/2) / (x + (2/2) / (x + (3/2) / (x + ...))), from within (DLMF 7.9.1); 200 rounds are plenty at 2.
    let fraction = (1..=200).rev().fold(x, |inner, k| x + f64::from(k) / 2.0 / inner);
    (-square).exp() / (PI.sqrt() * fraction)
}

/// The standard normal distribution function.
pub(super) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z * FRAC_1_SQRT_2)
}

/// The standard normal quantile of `p`; infinite at 0 and 1.
pub(super) fn normal_quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    // A step of Newton's method on the logarithm, for the last digits.
    let z = -SQRT_2 * erfc_inv(2.0 * p);
    let cdf = normal_cdf(z);
    let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    if cdf > 0.0 && density > 0.0 {
        return z - (cdf / p).ln() * cdf / density;
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    // from mpmath import mp, mpf, betainc; mp.dps = 40; t, d = mpf(t), mpf(dof)
    // print(float(betainc(d / 2, mpf(1) / 2, 0, d / (d + t * t), regularized=True)))  # 2 * scipy.stats.t.sf(t, dof)
    #[test]
    fn student_equals_scipy() {
        for (t, dof, expected) in [
            (0.3, 4.7, 0.7769884759339973),
            (2.1, 5.31, 0.08650268446017303),
            (2.776, 4.0, 0.05002277831997641),
            (12.5, 1.0, 0.050821347332231794),
            (40.0, 2.5, 0.00014195634290493383),
            (0.0001, 7.2, 0.9999229260157547),
            (1000000.0, 3.3, 4.632215774436943e-20),
            (5.5, 98.6, 2.995370296115277e-07),
            (25.0, 1000.5, 1.482357070532958e-107),
            (0.5, 0.8, 0.7204135987885897),
        ] {
            assert_relative_eq!(student_p_value(t, dof), expected, max_relative = 1e-10);
            assert_eq!(student_p_value(-t, dof), student_p_value(t, dof));
        }
        assert_eq!((student_p_value(0.0, 3.0), student_p_value(f64::INFINITY, 3.0)), (1.0, 0.0));
    }

    // from mpmath import mp, erfc; mp.dps = 40; print(float(erfc(mpf(x))))
    #[test]
    fn the_error_function_keeps_its_digits() {
        for (x, expected) in [
            (-3.0, 1.9999779095030015),
            (-0.2, 1.2227025892104784),
            (0.0, 1.0),
            (1e-05, 0.9999887162083294),
            (0.3, 0.6713732405408726),
            (1.0, 0.15729920705028513),
            (1.5, 0.033894853524689274),
            (1.9999, 0.004679802092970608),
            (2.0, 0.004677734981047266),
            (2.0001, 0.0046756686958033394),
            (3.5, 7.430983723414128e-07),
            (10.0, 2.088487583762545e-45),
            (26.0, 5.663192408856143e-296),
        ] {
            assert_relative_eq!(erfc(x), expected, max_relative = 1e-12);
        }
    }

    // from scipy.special import ndtr, ndtri; print(ndtr(z), ndtri(p))
    #[test]
    fn the_normal_distribution_equals_scipy() {
        for (z, expected) in [
            (-30.0, 4.906713927147908e-198),
            (-5.0, 2.866515718791933e-07),
            (-1.3, 0.09680048458561036),
            (0.0, 0.5),
            (0.7, 0.758036347776927),
            (3.0, 0.9986501019683699),
            (8.0, 0.9999999999999993),
        ] {
            assert_relative_eq!(normal_cdf(z), expected, max_relative = 1e-12);
        }
        for (p, expected) in [
            (1e-200, -30.20559417957964),
            (1e-09, -5.9978070150076865),
            (0.025, -1.9599639845400545),
            (0.31, -0.4958503473474533),
            (0.6, 0.2533471031357997),
            (0.975, 1.959963984540054),
            (0.9999999, 5.199337582290661),
        ] {
            assert_relative_eq!(normal_quantile(p), expected, max_relative = 1e-12);
        }
        assert_eq!(
            (normal_quantile(0.0), normal_quantile(0.5), normal_quantile(1.0)),
            (f64::NEG_INFINITY, 0.0, f64::INFINITY)
        );
    }
}
