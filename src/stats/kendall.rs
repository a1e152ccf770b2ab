//! Kendall's rank correlation.

use super::correlation::check;
use super::special::erfc;
use super::{Correlation, Undefined};
use std::f64::consts::FRAC_1_SQRT_2;

/// The most points without ties of which [`KendallMethod::Auto`] takes the exact distribution, as SciPy does.
const EXACT_UP_TO: usize = 33;

/// How the p-value of Kendall's tau is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum KendallMethod {
    /// Exact where nothing ties and there are at most 33 points, or at most one pair is out of order (or all but one
    /// are); asymptotic else.
    #[default]
    Auto,
    /// The distribution over all `n!` orders, by its recursion (Kendall 1938). There must be no ties.
    Exact,
    /// The normal distribution, its variance corrected for ties (Kendall 1970, "Rank Correlation Methods").
    Asymptotic,
}

/// Kendall's rank correlation tau-b of paired values: `(C - D) / sqrt((P - T_x) (P - T_y))`, where `C` of all `P` pairs of
/// points are in the same order in both inputs, `D` in opposite orders, and `T` tie in one input.
///
/// The p-value is that of [`KendallMethod::Auto`] (SciPy's default).
///
/// # Errors
/// As [`spearman`](super::spearman()).
///
/// # Examples
/// ```
/// use isogloss::stats::kendall;
/// let tau = kendall(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 16.0])?;
/// assert_eq!(tau.coefficient, 1.0);
/// assert!((tau.p_value - 2.0 / 24.0).abs() < 1e-12);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn kendall(x: &[f64], y: &[f64]) -> Result<Correlation, Undefined> {
    kendall_with(x, y, KendallMethod::Auto)
}

/// As [`kendall`], with the p-value of one's choice.
///
/// # Errors
/// As [`kendall`]; [`Undefined::Ties`] for [`KendallMethod::Exact`] of values that tie.
pub fn kendall_with(x: &[f64], y: &[f64], method: KendallMethod) -> Result<Correlation, Undefined> {
    let counts = Counts::of(x, y)?;
    let untied = counts.x.pairs == 0 && counts.y.pairs == 0;
    let out_of_order = counts.discordant.min(counts.pairs.saturating_sub(counts.discordant));
    let exact = match method {
        KendallMethod::Auto => untied && (counts.n <= EXACT_UP_TO || out_of_order <= 1),
        KendallMethod::Exact if !untied => return Err(Undefined::Ties),
        KendallMethod::Exact => true,
        KendallMethod::Asymptotic => false,
    };
    let p_value = if exact { exact_p_value(counts.n, out_of_order) } else { counts.normal_p_value() };
    Ok(Correlation { n: counts.n, coefficient: counts.tau_b(), p_value })
}

/// The coefficient of [`kendall`] alone.
pub(super) fn kendall_coefficient(x: &[f64], y: &[f64]) -> Result<f64, Undefined> {
    Ok(Counts::of(x, y)?.tau_b())
}

/// Sums over the groups of `t` tied values.
#[derive(Default)]
struct Tied {
    /// `t (t - 1) / 2`: pairs that tie.
    pairs: u64,
    /// `t (t - 1) (t - 2)`.
    triples: f64,
    /// `t (t - 1) (2t + 5)`.
    variance: f64,
}

impl Tied {
    fn of(groups: impl Iterator<Item = usize>) -> Self {
        let mut tied = Tied::default();
        for t in groups.filter(|&t| t > 1) {
            tied.pairs += t as u64 * (t as u64 - 1) / 2;
            let t = t as f64;
            tied.triples += t * (t - 1.0) * (t - 2.0);
            tied.variance += t * (t - 1.0) * (2.0 * t + 5.0);
        }
        tied
    }
}

/// What tau-b and its variance are made of.
struct Counts {
    n: usize,
    /// All pairs of points.
    pairs: u64,
    discordant: u64,
    x: Tied,
    y: Tied,
    /// Pairs that tie in both.
    both: u64,
}

impl Counts {
    /// Counts in `O(n log n)` (Knight 1966).
    fn of(x: &[f64], y: &[f64]) -> Result<Self, Undefined> {
        check(x, y)?;
        // Adding 0 turns -0 into 0.
        let mut points: Vec<(f64, f64)> = x.iter().zip(y).map(|(x, y)| (x + 0.0, y + 0.0)).collect();
        points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let both = Tied::of(points.chunk_by(|a, b| a == b).map(<[_]>::len)).pairs;
        let of_x = Tied::of(points.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len));
        let mut y: Vec<f64> = points.into_iter().map(|(_, y)| y).collect();
        // Sorted by x, then y, the pairs that y has in falling order are the discordant ones.
        let discordant = inversions(&mut y);
        let of_y = Tied::of(y.chunk_by(|a, b| a == b).map(<[_]>::len));
        let n = y.len();
        Ok(Counts { n, pairs: n as u64 * (n as u64 - 1) / 2, discordant, x: of_x, y: of_y, both })
    }

    /// `C - D`.
    fn difference(&self) -> f64 {
        // All that tie in neither are concordant or discordant.
        let untied = self.pairs + self.both - self.x.pairs - self.y.pairs;
        untied as f64 - 2.0 * self.discordant as f64
    }

    fn tau_b(&self) -> f64 {
        let [x, y] = [&self.x, &self.y].map(|tied| (self.pairs - tied.pairs) as f64);
        (self.difference() / x.sqrt() / y.sqrt()).clamp(-1.0, 1.0)
    }

    fn normal_p_value(&self) -> f64 {
        let n = self.n as f64;
        let m = n * (n - 1.0);
        let variance = (m * (2.0 * n + 5.0) - self.x.variance - self.y.variance) / 18.0
            + 2.0 * self.x.pairs as f64 * self.y.pairs as f64 / m
            + self.x.triples * self.y.triples / (9.0 * m * (n - 2.0));
        // The variance is of the null, which is not constant as the inputs are not.
        erfc((self.difference() / variance.sqrt()).abs() * FRAC_1_SQRT_2)
    }
}

/// Sorts and counts the pairs that were in falling order.
fn inversions(values: &mut [f64]) -> u64 {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut a, mut b) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    let mut waiting = left.len() as u64;
    while let (Some(&from_left), Some(&from_right)) = (a.peek(), b.peek()) {
        if from_left <= from_right {
            waiting -= 1;
            merged.extend(a.next());
        } else {
            count += waiting;
            merged.extend(b.next());
        }
    }
    merged.extend(a);
    merged.extend(b);
    values.copy_from_slice(&merged);
    count
}

/// `P(D <= d or D >= pairs - d)` over all orders of `n` values, `d` at most half of all pairs.
fn exact_p_value(n: usize, d: u64) -> f64 {
    let Ok(d) = usize::try_from(d) else { return 1.0 };
    // The share of the i! orders of i values with k discordant pairs: the i-th value adds 0 to i - 1 of them.
    let mut shares = vec![0.0f64; d + 1];
    if let Some(none) = shares.first_mut() {
        *none = 1.0;
    }
    for i in 2..=n {
        let mut sums = Vec::with_capacity(d + 2);
        sums.push(0.0);
        let mut sum = 0.0;
        for share in &shares {
            sum += share;
            sums.push(sum);
        }
        let most = i * (i - 1) / 2;
        for (k, share) in shares.iter_mut().enumerate() {
            let upper = sums.get(k + 1).copied().unwrap_or(sum);
            let lower = sums.get((k + 1).saturating_sub(i)).copied().unwrap_or(0.0);
            *share = if k <= most { (upper - lower) / i as f64 } else { 0.0 };
        }
    }
    (2.0 * shares.iter().sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};
    use proptest::prelude::*;

    fn series(n: usize, factor: f64, places: f64) -> Vec<f64> {
        (1..=n).map(|i| ((i * i) as f64 * factor).sin()).map(|v| (v * places).round() / places).collect()
    }

    // import numpy as np; from scipy.stats import kendalltau
    // def series(n, f, d): i = np.arange(1, n + 1.); return np.round(np.sin(i * i * f) * d) / d
    // x, y = series(n, 1., d), series(n, 1., d) * w + series(n, .7, d)
    // for m in "auto", "exact", "asymptotic": k = kendalltau(x, y, method=m); print(k.statistic, k.pvalue)
    #[test]
    fn tau_and_its_p_values_equal_scipy() {
        for (n, weight, places, tau, auto, exact, asymptotic) in [
            (4, 1.0, 1000.0, 0.6666666666666669, 0.3333333333333333, Some(0.3333333333333333), 0.17423138824802498),
            (6, 0.5, 1000.0, 0.4666666666666666, 0.2722222222222222, Some(0.2722222222222222), 0.18848603806737496),
            (
                9,
                -2.0,
                1000.0,
                -0.9444444444444445,
                4.96031746031746e-05,
                Some(4.96031746031746e-05),
                0.0003929930264148801,
            ),
            (12, 0.3, 4.0, 0.49614290973997194, 0.030708771967645376, None, 0.030708771967645376),
            (
                20,
                0.7,
                1000000.0,
                0.4631578947368421,
                0.003782664567027279,
                Some(0.003782664567027279),
                0.004302368478614233,
            ),
            (
                33,
                0.4,
                1000000.0,
                0.3371212121212121,
                0.005452158395021386,
                Some(0.005452158395021386),
                0.005815522677546375,
            ),
            (
                34,
                0.4,
                1000000.0,
                0.322638146167558,
                0.007291608081572633,
                Some(0.0069412127498110834),
                0.007291608081572633,
            ),
            (
                42,
                0.9,
                1000.0,
                0.5238095238095238,
                1.0204021619035875e-06,
                Some(2.804628300627132e-07),
                1.0204021619035875e-06,
            ),
            (99, 1.5, 10.0, 0.6633109501398162, 3.2714637486448825e-21, None, 3.2714637486448825e-21),
            (
                150,
                0.1,
                1000000.0,
                0.09172259507829977,
                0.09579255898453776,
                Some(0.09616272781424232),
                0.09579255898453776,
            ),
            (500, 0.05, 1000.0, 0.06077521529430087, 0.042318948964075204, None, 0.042318948964075204),
        ] {
            let x = series(n, 1.0, places);
            let y: Vec<f64> = x.iter().zip(series(n, 0.7, places)).map(|(x, noise)| x * weight + noise).collect();
            for (method, p) in [
                (KendallMethod::Auto, Some(auto)),
                (KendallMethod::Exact, exact),
                (KendallMethod::Asymptotic, Some(asymptotic)),
            ] {
                match (kendall_with(&x, &y, method), p) {
                    (Ok(k), Some(p)) => {
                        assert_abs_diff_eq!(k.coefficient, tau, epsilon = 1e-14);
                        assert_relative_eq!(k.p_value, p, max_relative = 1e-10);
                    }
                    (result, p) => assert_eq!((result.err(), p), (Some(Undefined::Ties), None)),
                }
            }
        }
    }

    // One pair out of order, of 40 values: 2 * 40 / 40!; in the middle of 5 values: 1.
    #[test]
    fn few_pairs_out_of_order_are_exact_at_any_length() {
        let x: Vec<f64> = (0..40).map(f64::from).collect();
        let mut y = x.clone();
        y.swap(3, 4);
        let factorial: f64 = (1..=40).map(f64::from).product();
        assert_relative_eq!(kendall(&x, &y).unwrap().p_value, 80.0 / factorial, max_relative = 1e-12);
        let half = kendall(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0, 4.0, 5.0, 3.0, 2.0]).unwrap();
        assert_eq!((half.coefficient, half.p_value), (0.0, 1.0));
    }

    #[test]
    fn what_does_not_exist_says_why() {
        assert_eq!(kendall(&[1.0, 2.0], &[1.0, 2.0]), Err(Undefined::TooFewPoints { n: 2, needed: 3 }));
        assert_eq!(kendall(&[1.0, 2.0, 3.0], &[1.0; 3]), Err(Undefined::Constant));
        assert_eq!(kendall(&[1.0, f64::NAN, 3.0], &[1.0, 2.0, 3.0]), Err(Undefined::NotFinite));
        assert_eq!(kendall(&[1.0, 2.0, 3.0], &[1.0, 2.0]), Err(Undefined::LengthsDiffer { x: 3, y: 2 }));
        let zeros = kendall(&[0.0, -0.0, 1.0, 2.0], &[1.0, 0.0, 2.0, 3.0]).unwrap();
        assert_relative_eq!(zeros.coefficient, 5.0 / 30f64.sqrt(), max_relative = 1e-15);
    }

    proptest! {
        #[test]
        fn counts_equal_those_of_all_pairs(points in prop::collection::vec((-6i32..6, -6i32..6), 3..40)) {
            let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
            let (mut difference, mut in_x, mut in_y) = (0, 0, 0);
            for i in 0..points.len() {
                for j in 0..i {
                    let (a, b) = ((points[i].0 - points[j].0).signum(), (points[i].1 - points[j].1).signum());
                    difference += a * b;
                    in_x += a * a;
                    in_y += b * b;
                }
            }
            if let Ok(tau) = kendall(&x, &y) {
                let expected = f64::from(difference) / f64::from(in_x).sqrt() / f64::from(in_y).sqrt();
                prop_assert!((tau.coefficient - expected).abs() < 1e-14);
                prop_assert!((0.0..=1.0).contains(&tau.p_value));
            } else {
                prop_assert!(in_x == 0 || in_y == 0);
            }
        }
    }
}
