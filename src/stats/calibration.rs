//! False-positive rates under simulated nulls, small; `examples/calibration.rs` has the whole.

use super::*;
use crate::seed;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A standard normal draw, by Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.gen(), rng.gen());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn normals(n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..n).map(|_| normal(rng)).collect()
}

/// Languages (rows) at checkpoints: a walk that all share, and one of each.
fn walks(languages: usize, checkpoints: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let common: Vec<f64> = normals(checkpoints, rng)
        .iter()
        .scan(0.0, |at, step| {
            *at += step + 0.5;
            Some(*at)
        })
        .collect();
    let mut values = Vec::with_capacity(languages * checkpoints);
    for _ in 0..languages {
        let mut own = normal(rng);
        for shared in &common {
            own += 0.5 * normal(rng);
            values.push(shared + own);
        }
    }
    values
}

/// The share of replicates with p at or below .05.
fn rate(replicates: usize, name: &str, p: impl Fn(&mut ChaCha8Rng) -> Result<f64, Undefined>) -> f64 {
    let significant = (0..replicates).filter(|i| {
        let mut rng = seed::stream(1, &["calibration", name, &i.to_string()]);
        p(&mut rng).unwrap() <= 0.05 + 1e-12
    });
    significant.count() as f64 / replicates as f64
}

/// Within the 99 % binomial interval of a level; the draws are fixed, so that a test that passes goes on passing.
fn holds(rate: f64, level: f64, replicates: usize) -> bool {
    (rate - level).abs() <= 2.5758 * (level * (1.0 - level) / replicates as f64).sqrt()
}

#[test]
fn continuous_tests_keep_their_level() {
    let time = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let pearson_t = rate(4000, "pearson", |rng| Ok(pearson(&normals(6, rng), &normals(6, rng))?.p_value));
    assert!(holds(pearson_t, 0.05, 4000), "{pearson_t}");
    let partial = rate(4000, "partial", |rng| {
        let mut trended = || -> Vec<f64> { normals(8, rng).iter().zip(time).map(|(v, t)| v + t).collect() };
        Ok(partial_pearson(&trended(), &trended(), &[&time])?.p_value)
    });
    assert!(holds(partial, 0.05, 4000), "{partial}");
    let settings = Permutations { draws: 199, ..Permutations::default() };
    let drawn = rate(2000, "drawn", |rng| {
        Ok(permutation_test(Coefficient::Pearson, &normals(12, rng), &normals(12, rng), &settings)?.p_value)
    });
    assert!(holds(drawn, 0.05, 2000), "{drawn}");
}

#[test]
fn discrete_tests_meet_their_attainable_level() {
    // Two-sided, of 24 orders none is rare enough; of 720, 18 a side.
    let settings = Permutations::default();
    for (n, attainable) in [(4, 0.0), (6, 36.0 / 720.0)] {
        let exact = rate(2000, "exact", |rng| {
            Ok(permutation_test(Coefficient::Pearson, &normals(n, rng), &normals(n, rng), &settings)?.p_value)
        });
        assert!(holds(exact, attainable, 2000), "{n} {exact}");
    }
    let attainable: f64 = (0..=20)
        .filter(|&t| hypergeometric_sf(t, 192, 20, 20) <= 0.05)
        .map(|t| hypergeometric_pmf(t, 192, 20, 20))
        .sum();
    assert!(attainable > 0.03 && attainable <= 0.05);
    let overlap = rate(4000, "overlap", |rng| {
        let shared = rand::seq::index::sample(rng, 192, 20).iter().filter(|&i| i < 20).count();
        Ok(hypergeometric_sf(shared, 192, 20, 20))
    });
    assert!(holds(overlap, attainable, 4000), "{overlap} {attainable}");
}

// Series that wander correlate without cause: the t test is wrong for most of them, and two permutations are not.
#[test]
fn whole_languages_and_differences_hold_under_random_walks() {
    let (languages, checkpoints) = (7, 6);
    let (language, checkpoint): (Vec<usize>, Vec<usize>) =
        (0..languages * checkpoints).map(|i| (i / checkpoints, i % checkpoints)).unzip();
    let time: Vec<f64> = checkpoint.iter().map(|&t| t as f64).collect();
    let settings = Permutations { draws: 199, exact_up_to: 5, ..Permutations::default() };
    let both = |rng: &mut ChaCha8Rng| (walks(languages, checkpoints, rng), walks(languages, checkpoints, rng));
    let naive = rate(1000, "walks", |rng| {
        let (x, y) = both(rng);
        Ok(pearson(&x, &y)?.p_value)
    });
    assert!(naive > 0.5, "{naive}");
    let by_language = rate(1000, "walks", |rng| {
        let (x, y) = both(rng);
        Ok(permutation_test_by(Coefficient::Pearson, &x, &y, &language, &checkpoint, &settings)?.p_value)
    });
    assert!(holds(by_language, 0.05, 1000), "{by_language}");
    let by_interval = rate(1000, "walks", |rng| {
        let (x, y) = both(rng);
        let changes = differences(&x, &y, &language, &time)?;
        let (x, y) = (changes.x, changes.y);
        Ok(permutation_test_by(Coefficient::Pearson, &x, &y, &changes.interval, &changes.series, &settings)?.p_value)
    });
    // Five intervals: 3 of 120 orders a side.
    assert!(holds(by_interval, 0.05, 1000), "{by_interval}");
}

// With an x that groups in neither way; Satterthwaite's approximation is rougher where x has effects of its own.
#[test]
fn mixed_effects_keep_their_level_for_an_x_without_groups() {
    let (language, checkpoint): (Vec<usize>, Vec<usize>) = (0..42).map(|i| (i / 6, i % 6)).unzip();
    let mixed = rate(600, "mixed", |rng| {
        let (a, b) = (normals(7, rng), normals(6, rng));
        let y: Vec<f64> = language.iter().zip(&checkpoint).map(|(&l, &c)| a[l] + b[c] + normal(rng)).collect();
        Ok(mixed_effects(&normals(42, rng), &y, &language, &checkpoint)?.p_value)
    });
    assert!(holds(mixed, 0.05, 600), "{mixed}");
}
