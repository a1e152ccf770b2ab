//! The hypergeometric distribution.

use super::special::ln_binomial_pmf;

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
        }
    }
}
