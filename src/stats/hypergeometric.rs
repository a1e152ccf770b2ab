//! The hypergeometric distribution.

use super::permutation::check_draws;
use super::special::ln_binomial_pmf;
use super::{PermutationTest, Undefined};
use crate::seed;
use rand::Rng;
use rayon::prelude::*;

/// Subsets drawn from one random stream, so that the draws do not depend on threads.
const DRAWS_PER_STREAM: usize = 1024;

/// The probability that `drawn` of a `population`, taken without replacement, hold exactly `x` of its `marked` members.
///
/// `marked` and `drawn` beyond the population count as the whole population.
pub fn hypergeometric_pmf(x: usize, population: usize, marked: usize, drawn: usize) -> f64 {
    let (marked, drawn) = (marked.min(population), drawn.min(population));
    let (lowest, highest) = support(population, marked, drawn);
    if x < lowest || x > highest {
        return 0.0;
    }
    if lowest == highest {
        return 1.0;
    }
    // Here 0 < drawn < population. The ratio of binomials is free of p; this p makes its denominator's deviance nil, and
    // leaves only terms of one sign (Loader 2000).
    let [x, population, marked, drawn] = [x, population, marked, drawn].map(|count| count as f64);
    let (p, q) = (drawn / population, (population - drawn) / population);
    let ln = ln_binomial_pmf(x, marked, p, q) + ln_binomial_pmf(drawn - x, population - marked, p, q)
        - ln_binomial_pmf(drawn, population, p, q);
    ln.exp()
}

/// `P(X >= t)`: the probability that `drawn` of a `population`, taken without replacement, hold at least `t` of its
/// `marked` members.
///
/// Exact but for rounding (some 1e-12 relative, also in tails of 1e-200 and populations of 10^6): the first term is
/// computed in log space, the others follow by exact ratios. Below the mode the lower tail is summed instead.
/// For the overlap of two sets of `k` out of `D` neurons, `P(|A and B| >= t)` under independence is
/// `hypergeometric_sf(t, D, k, k)` (the closed form of the permutation test of Stanczak et al. 2022, arXiv 2205.02023).
/// `marked` and `drawn` beyond the population count as the whole population.
///
/// # Examples
/// ```
/// use isogloss::stats::hypergeometric_sf;
/// // Both aces among two cards drawn of four: 1 in 6.
/// assert!((hypergeometric_sf(2, 4, 2, 2) - 1.0 / 6.0).abs() < 1e-15);
/// assert_eq!(hypergeometric_sf(0, 1024, 50, 50), 1.0);
/// assert_eq!(hypergeometric_sf(51, 1024, 50, 50), 0.0);
/// ```
pub fn hypergeometric_sf(t: usize, population: usize, marked: usize, drawn: usize) -> f64 {
    let (marked, drawn) = (marked.min(population), drawn.min(population));
    let (lowest, highest) = support(population, marked, drawn);
    if t <= lowest {
        return 1.0;
    }
    if t > highest {
        return 0.0;
    }
    let unmarked = (population - marked) as f64;
    let (n_marked, n_drawn) = (marked as f64, drawn as f64);
    // P(x + 1) / P(x)
    let ratio = |x: f64| (n_marked - x) * (n_drawn - x) / ((x + 1.0) * (unmarked - n_drawn + x + 1.0));
    let pmf = |x: usize| hypergeometric_pmf(x, population, marked, drawn);
    if ratio(t as f64 - 1.0) < 1.0 {
        // Above the mode terms fall from here on.
        (pmf(t) * sum_of_products((t..highest).map(|x| ratio(x as f64)))).min(1.0)
    } else {
        let below = pmf(t - 1) * sum_of_products((lowest..t - 1).rev().map(|x| 1.0 / ratio(x as f64)));
        (1.0 - below).clamp(0.0, 1.0)
    }
}

/// The two-sided p-value of `t` marked members among `drawn`: the probability of all counts that are no likelier, as in
/// Fisher's exact test.
///
/// Counts whose probabilities agree to 1e-7 are equally likely (Fisher's test in R and SciPy). Arguments as [`hypergeometric_sf`]; 0 for a count
/// that cannot be.
///
/// # Examples
/// ```
/// use isogloss::stats::hypergeometric_two_sided;
/// // None or both of two marked among two drawn of four: 1 in 6 each.
/// assert!((hypergeometric_two_sided(2, 4, 2, 2) - 1.0 / 3.0).abs() < 1e-15);
/// ```
pub fn hypergeometric_two_sided(t: usize, population: usize, marked: usize, drawn: usize) -> f64 {
    let (marked, drawn) = (marked.min(population), drawn.min(population));
    let (lowest, highest) = support(population, marked, drawn);
    if t < lowest || t > highest {
        return 0.0;
    }
    let pmf = |x: usize| hypergeometric_pmf(x, population, marked, drawn);
    let at_least = |x: usize| hypergeometric_sf(x, population, marked, drawn);
    // At most x marked is at least `drawn - x` unmarked.
    let at_most = |x: usize| hypergeometric_sf(drawn - x, population, population - marked, drawn);
    let limit = pmf(t) * (1.0 + 1e-7);
    // The mode, by which the probabilities rise and then fall.
    let mode = ((marked as u128 + 1) * (drawn as u128 + 1) / (population as u128 + 2)) as usize;
    let mode = mode.clamp(lowest, highest);
    if pmf(mode) <= limit {
        return 1.0;
    }
    if t > mode {
        // The first count below the mode that is too likely; all before it are not.
        let first = partition(lowest, mode, |x| pmf(x) <= limit);
        return (at_least(t) + if first > lowest { at_most(first - 1) } else { 0.0 }).min(1.0);
    }
    let first = partition(mode, highest + 1, |x| pmf(x) > limit);
    (at_most(t) + if first <= highest { at_least(first) } else { 0.0 }).min(1.0)
}

/// The first of `from..to` of which `before` does not hold, `to` if it holds of all; it holds up to some place.
fn partition(mut from: usize, mut to: usize, before: impl Fn(usize) -> bool) -> usize {
    while from < to {
        let middle = from + (to - from) / 2;
        if before(middle) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}

/// [`hypergeometric_sf`] by `draws` random subsets: `(1 + b) / (1 + draws)`, where `b` of them hold at least `t` marked members.
///
/// The permutation test of Stanczak et al. 2022 (arXiv 2205.02023), seeded. It costs `draws` times `drawn` random numbers and
/// says less than the closed form; it is there to check one against the other.
///
/// # Errors
/// [`Undefined::Parameter`] for no draws.
///
/// # Examples
/// ```
/// use isogloss::stats::{hypergeometric_permutation, hypergeometric_sf};
/// let test = hypergeometric_permutation(5, 1024, 50, 50, 10_000, 7)?;
/// assert!((test.p_value - hypergeometric_sf(5, 1024, 50, 50)).abs() < 0.01);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn hypergeometric_permutation(
    t: usize,
    population: usize,
    marked: usize,
    drawn: usize,
    draws: usize,
    seed: u64,
) -> Result<PermutationTest, Undefined> {
    check_draws(draws)?;
    let (marked, drawn) = (marked.min(population), drawn.min(population));
    let part = |stream: usize| {
        let mut rng = seed::stream(seed, &["hypergeometric", &stream.to_string()]);
        let subsets = 0..DRAWS_PER_STREAM.min(draws - stream * DRAWS_PER_STREAM);
        subsets.filter(|_| draw_marked(population as u64, marked as u64, drawn as u64, &mut rng) >= t as u64).count()
    };
    let as_many: usize = (0..draws.div_ceil(DRAWS_PER_STREAM)).into_par_iter().map(part).sum();
    let p_value = (1 + as_many) as f64 / (1.0 + draws as f64);
    Ok(PermutationTest { statistic: t as f64, p_value, units: population, permutations: draws, exact: false })
}

/// How many of a random subset are marked: members are drawn one by one, without replacement.
fn draw_marked(population: u64, marked: u64, drawn: u64, rng: &mut impl Rng) -> u64 {
    let mut left = marked;
    for already in 0..drawn {
        // As u64 the draws are the same on every machine.
        left -= u64::from(rng.gen_range(0..population - already) < left);
    }
    marked - left
}

/// The least and the greatest number of marked members that a draw can hold.
fn support(population: usize, marked: usize, drawn: usize) -> (usize, usize) {
    (drawn.saturating_sub(population - marked), marked.min(drawn))
}

/// `1 + r1 + r1 r2 + ...`, for falling ratios, to the last term that counts.
fn sum_of_products(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for ratio in ratios {
        term *= ratio;
        // Ratios fall, so that what is left is below term / (1 - ratio).
        if ratio < 1.0 && term <= sum * (1.0 - ratio) * f64::EPSILON / 4.0 {
            break;
        }
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    // from fractions import Fraction; from math import comb
    // def sf(t, N, K, n):
    //     return float(Fraction(sum(comb(K, x) * comb(N - K, n - x) for x in range(t, min(K, n) + 1)), comb(N, n)))
    #[test]
    fn tails_equal_exact_fractions() {
        for (t, population, marked, drawn, expected) in [
            (1, 1024, 50, 50, 0.9231995456015877),
            (3, 1024, 50, 50, 0.4465310315678947),
            (9, 1024, 50, 50, 0.0004114959526995199),
            (50, 1024, 50, 50, 3.134719479631852e-86),
            (5, 192, 20, 20, 0.04056601163369549),
            (12, 1536, 50, 50, 1.750450191976849e-08),
            (7, 2048, 50, 100, 0.009477883186049687),
            (40, 100, 60, 50, 4.154329353119576e-05),
            (20, 100, 60, 50, 0.999993675397855),
            (300, 5000, 500, 400, 8.363551167845457e-253),
            (130, 4096, 200, 200, 3.7683079308986915e-140),
            (3, 1_000_000, 1000, 1000, 0.08011724293906991),
            (20, 1_000_000, 1000, 1000, 1.1237077392962063e-19),
            (120, 1_000_000, 1000, 1000, 2.3942818516033048e-206),
            (1100, 1_000_000, 33_000, 30_000, 0.0002009958462008652),
            (900, 1_000_000, 33_000, 30_000, 0.9986895447062549),
            (5060, 20_000, 10_000, 10_000, 0.046194613465522644),
            (2, 1_000_000, 1, 999_999, 0.0),
            (1, 1_000_000, 1, 999_999, 0.999999),
            (999_999, 1_000_000, 999_999, 999_999, 1e-06),
        ] {
            assert_relative_eq!(hypergeometric_sf(t, population, marked, drawn), expected, max_relative = 1e-11);
        }
    }

    // from scipy.stats import fisher_exact
    // print(fisher_exact([[t, K - t], [n - t, N - K - n + t]]).pvalue)
    #[test]
    fn two_sided_p_values_equal_scipy() {
        for (t, population, marked, drawn, expected) in [
            (9, 1024, 50, 50, 0.00041149595269951954),
            (0, 1024, 50, 50, 0.1677150519916999),
            (2, 1024, 50, 50, 1.0),
            (3, 20, 8, 7, 1.0),
            (5, 192, 20, 20, 0.04056601163369547),
            (40, 100, 60, 50, 8.30865870623915e-05),
            (30, 100, 60, 50, 1.0),
            (25, 100, 60, 50, 0.06557768285416926),
            (20, 1000000, 1000, 1000, 1.1237077393322467e-19),
            (0, 10, 5, 5, 0.007936507936507938),
            (300, 5000, 500, 400, 8.363551167845449e-253),
        ] {
            assert_relative_eq!(hypergeometric_two_sided(t, population, marked, drawn), expected, max_relative = 1e-10);
        }
        assert_eq!(hypergeometric_two_sided(6, 10, 5, 8), 0.0);
        assert_eq!(hypergeometric_two_sided(0, 0, 0, 0), 1.0);
    }

    #[test]
    fn random_subsets_approach_the_closed_form() {
        for (t, population, marked, drawn) in
            [(5, 1024, 50, 50), (3, 20, 8, 7), (9, 30, 25, 10), (2, 100_000, 300, 300)]
        {
            let exact = hypergeometric_sf(t, population, marked, drawn);
            let test = hypergeometric_permutation(t, population, marked, drawn, 20_000, 1).unwrap();
            assert!((test.p_value - exact).abs() < 4.0 * (exact * (1.0 - exact) / 20_000.0).sqrt(), "{exact} {test:?}");
            assert_eq!(hypergeometric_permutation(t, population, marked, drawn, 20_000, 1), Ok(test));
        }
        assert_eq!(hypergeometric_permutation(50, 1024, 50, 50, 99, 1).unwrap().p_value, 0.01);
        assert_eq!(hypergeometric_permutation(3, 5, 9, 3, 99, 1).unwrap().p_value, 1.0);
        assert!(hypergeometric_permutation(3, 5, 9, 3, 0, 1).is_err());
    }

    #[test]
    fn degenerate_draws() {
        assert_eq!(hypergeometric_sf(0, 0, 0, 0), 1.0);
        assert_eq!(hypergeometric_sf(1, 0, 0, 0), 0.0);
        assert_eq!(hypergeometric_sf(5, 10, 5, 10), 1.0, "all are drawn");
        assert_eq!(hypergeometric_sf(6, 10, 5, 10), 0.0);
        assert_eq!(hypergeometric_sf(3, 10, 10, 3), 1.0, "all are marked");
        assert_eq!(hypergeometric_sf(3, 10, 99, 3), 1.0, "beyond the population is the population");
        assert_eq!(hypergeometric_sf(4, 10, 8, 6), hypergeometric_sf(0, 10, 8, 6), "at least 4 must be marked");
        assert_eq!(hypergeometric_pmf(3, 10, 8, 6), 0.0);
    }

    proptest! {
        #[test]
        fn masses_sum_to_one_and_to_the_tail(
            (population, marked, drawn) in (1usize..3000).prop_flat_map(|n| (Just(n), 0..=n, 0..=n)),
            t in 0usize..3000,
        ) {
            let pmf = |x| hypergeometric_pmf(x, population, marked, drawn);
            let highest = marked.min(drawn);
            prop_assert!(((0..=highest).map(pmf).sum::<f64>() - 1.0).abs() < 1e-11);
            let t = t % (highest + 1);
            let tail: f64 = (t..=highest).rev().map(pmf).sum();
            let sf = hypergeometric_sf(t, population, marked, drawn);
            // Below the smallest normal number an f64 has no fixed relative precision left to ask for.
            let close = |a: f64, b: f64, relative: f64| (a - b).abs() <= relative * b + f64::MIN_POSITIVE;
            prop_assert!(close(sf, tail, 1e-10), "{} {}", sf, tail);
            // Marked and drawn play the same part.
            let swapped = hypergeometric_sf(t, population, drawn, marked);
            prop_assert!(close(swapped, sf, 1e-11), "{} {}", sf, swapped);
            prop_assert!(hypergeometric_sf(t + 1, population, marked, drawn) <= sf);
            let limit = pmf(t) * (1.0 + 1e-7);
            let as_unlikely: f64 = (0..=highest).map(pmf).filter(|&p| p <= limit && pmf(t) > 0.0).sum();
            let two_sided = hypergeometric_two_sided(t, population, marked, drawn);
            prop_assert!(close(two_sided, as_unlikely, 1e-9), "{} {}", two_sided, as_unlikely);
        }
    }
}
