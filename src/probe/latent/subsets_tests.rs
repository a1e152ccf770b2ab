use super::*;
use crate::probe::lanes::Portable;
use approx::assert_relative_eq;
use rand::Rng;

/// `log Z_k` for `k` from 0 to `D`, from the ratios.
fn log_normalisers(w: &[f64]) -> Vec<f64> {
    let all = Subsets::new(w, None);
    let middle = w.first().map_or(0.0, |w| w - all.w[0]);
    let mut sum = 0.0;
    let mut ratios = Ratios::new(w.len());
    all.weights.iter().for_each(|&weight| ratios.step(weight));
    let sums = ratios.of.into_iter().map(|ratio| {
        sum += ratio.ln() + middle;
        sum
    });
    std::iter::once(0.0).chain(sums).collect()
}

fn log_odds(neurons: usize, spread: f64) -> Vec<f64> {
    let mut rng = crate::seed::stream(9, &["subsets"]);
    (0..neurons).map(|_| spread * (rng.gen::<f64>() - 0.3)).collect()
}

/// All subsets of the sizes, as bits, with their probabilities.
fn enumerate(w: &[f64], size: Option<usize>) -> Vec<(usize, f64)> {
    let weight =
        |subset: usize| -> f64 { (0..w.len()).filter(|d| subset >> d & 1 == 1).map(|d| w[d]).sum::<f64>().exp() };
    let sizes = size.map_or(1..=w.len(), |k| k..=k);
    let share = 1.0 / sizes.clone().count() as f64;
    let mut found = Vec::new();
    for k in sizes {
        let subsets: Vec<usize> = (0..1usize << w.len()).filter(|s| s.count_ones() as usize == k).collect();
        let total: f64 = subsets.iter().map(|&s| weight(s)).sum();
        found.extend(subsets.into_iter().map(|s| (s, share * weight(s) / total)));
    }
    found
}

fn cases() -> Vec<(Vec<f64>, Option<usize>)> {
    let mut cases = Vec::new();
    for (neurons, spread) in [(1, 1.0), (2, 3.0), (5, 1.0), (10, 2.0), (10, 30.0), (9, 0.0)] {
        cases.extend([None].into_iter().chain((1..=neurons).map(Some)).map(|k| (log_odds(neurons, spread), k)));
    }
    cases
}

#[test]
fn normalisers_marginals_and_entropy_agree_with_enumeration() {
    for (w, size) in cases() {
        let (subsets, all) = (Subsets::new(&w, size), enumerate(&w, size));
        let normalisers = log_normalisers(&w);
        for (k, &normaliser) in normalisers.iter().enumerate() {
            let of_size = (0..1usize << w.len()).filter(|s| s.count_ones() as usize == k);
            let total: f64 =
                of_size.map(|s| (0..w.len()).filter(|d| s >> d & 1 == 1).map(|d| w[d]).sum::<f64>().exp()).sum();
            assert_relative_eq!(normaliser, total.ln(), max_relative = 1e-12, epsilon = 1e-12);
        }
        for (d, marginal) in subsets.marginals().into_iter().enumerate() {
            let expected: f64 = all.iter().filter(|(s, _)| s >> d & 1 == 1).map(|(_, p)| p).sum();
            assert_relative_eq!(marginal, expected, max_relative = 1e-11, epsilon = 1e-300);
        }
        let entropy: f64 = all.iter().filter(|(_, p)| *p > 0.0).map(|(_, p)| -p * p.ln()).sum();
        assert_relative_eq!(subsets.entropy(), entropy, max_relative = 1e-10, epsilon = 1e-10);
    }
}

#[test]
fn the_gradient_of_the_entropy_agrees_with_enumerated_covariances() {
    for (w, size) in cases() {
        let gradient = Subsets::new(&w, size).entropy_gradient();
        // Within each size: -sum over e of w_e Cov(m_d, m_e).
        let mut expected = vec![0.0; w.len()];
        let sizes: Vec<usize> = size.map_or((1..=w.len()).collect(), |k| vec![k]);
        for &k in &sizes {
            let all = enumerate(&w, Some(k));
            let mean = |f: &dyn Fn(usize) -> f64| all.iter().map(|(s, p)| p * f(*s)).sum::<f64>();
            let score = |s: usize| (0..w.len()).filter(|d| s >> d & 1 == 1).map(|d| w[d]).sum::<f64>();
            let mean_score = mean(&score);
            for (d, expected) in expected.iter_mut().enumerate() {
                let has = |s: usize| (s >> d & 1) as f64;
                *expected -= mean(&|s| has(s) * (score(s) - mean_score)) / sizes.len() as f64;
            }
        }
        for (got, expected) in gradient.into_iter().zip(expected) {
            assert_relative_eq!(got, expected, max_relative = 1e-8, epsilon = 1e-10);
        }
    }
}

#[test]
fn identities_hold_for_many_neurons_and_far_log_odds() {
    for (neurons, spread) in [(300, 4.0), (1024, 1.0), (100, 500.0)] {
        let w = log_odds(neurons, spread);
        for k in [1, neurons / 3, neurons / 2, neurons - 1, neurons] {
            let subsets = Subsets::new(&w, Some(k));
            let marginals = subsets.marginals();
            assert_relative_eq!(marginals.iter().sum::<f64>(), k as f64, max_relative = 1e-11);
            assert!(marginals.iter().all(|m| (0.0..=1.0 + 1e-12).contains(m)), "{neurons} {spread} {k}");
            assert!(subsets.entropy() > -1e-6 && subsets.entropy_gradient().iter().all(|g| g.is_finite()));
        }
        let uniform = Subsets::new(&w, None).marginals();
        assert_relative_eq!(uniform.iter().sum::<f64>(), (neurons as f64 + 1.0) / 2.0, max_relative = 1e-11);
    }
}

#[test]
fn draws_follow_the_distribution() {
    let w = log_odds(6, 2.0);
    for size in [None, Some(1), Some(3), Some(6)] {
        let subsets = Subsets::new(&w, size);
        let mut rng = crate::seed::stream(4, &["draws"]);
        // Two of a size together: of the first alone the distribution is as given.
        let (mut counts, mut same, words) = (vec![0usize; 64], 0, 200_000);
        let mut masks = [0u32; 2];
        for _ in 0..words {
            let draws: Vec<u32> = (0..13).map(|_| rng.gen()).collect();
            subsets.draw(Portable, &draws, 2, &mut masks);
            assert_eq!(masks[0].count_ones(), masks[1].count_ones());
            assert!(size.is_none_or(|size| masks[0].count_ones() as usize == size));
            counts[masks[0] as usize] += 1;
            same += usize::from(masks[0] == masks[1]);
        }
        // Pearson's chi-square: below its mean and five standard deviations.
        let all = enumerate(&w, size);
        let expected = |p: f64| p * words as f64;
        let square: f64 = all.iter().map(|&(s, p)| (counts[s] as f64 - expected(p)).powi(2) / expected(p)).sum();
        let freedom = (all.len() - 1) as f64;
        assert!(square <= freedom + 5.0 * (2.0 * freedom).sqrt(), "{size:?}: {square} of {freedom}");
        assert_eq!(all.iter().map(|(s, _)| counts[*s]).sum::<usize>(), words);
        // Two masks of a word are independent given their size: they are equal as often as that makes them.
        let sizes = if size.is_some() { 1.0 } else { 6.0 };
        let equal: f64 = all.iter().map(|(_, p)| sizes * p * p).sum();
        let error = (equal * (1.0 - equal) / words as f64).sqrt();
        assert!(
            (same as f64 / words as f64 - equal).abs() <= 4.5 * error,
            "{size:?}: {same} equal of {words}, {equal}"
        );
    }
}

#[test]
fn draws_over_several_tiles_follow_the_marginals() {
    let w = log_odds(40, 5.0);
    for size in [None, Some(7), Some(33)] {
        let subsets = Subsets::new(&w, size);
        let mut rng = crate::seed::stream(6, &["tiles"]);
        let (mut counts, words) = (vec![0usize; 40], 50_000);
        let mut masks = [0u32; 4];
        for _ in 0..words {
            let draws: Vec<u32> = (0..81).map(|_| rng.gen()).collect();
            subsets.draw(Portable, &draws, 2, &mut masks);
            for (d, count) in counts.iter_mut().enumerate() {
                // The second of two masks; pieces of 32.
                *count += (masks[d / 32 * 2 + 1] >> (d % 32) & 1) as usize;
            }
            assert_eq!((masks[2] | masks[3]) >> 8, 0, "neurons beyond the last");
        }
        for (d, (count, p)) in counts.into_iter().zip(subsets.marginals()).enumerate() {
            let error = (p * (1.0 - p) / words as f64).sqrt();
            let share = count as f64 / words as f64;
            assert!((share - p).abs() <= 4.5 * error + 1e-4, "{size:?}, {d}: {share} {p}");
        }
    }
}
