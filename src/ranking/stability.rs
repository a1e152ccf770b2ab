//! How much of a ranking comes again: its overlap with itself across seeds and across samples of the training words.
//!
//! That is the noise ceiling of every figure of overlap: two languages' rankings cannot be expected to agree more than each
//! does with itself (Wang, Minervini and Ponti 2024, arXiv 2406.13229). [`crate::overlap::ceiling`] makes the table of a
//! whole study from rankings under seeds; here is one cell, with an interval.
//!
//! # Examples
//! ```
//! use isogloss::ranking::stability::self_overlap;
//! use isogloss::ranking::{CurvePoint, Ranking};
//!
//! let ranking = |neurons: [usize; 2]| {
//!     let point = |(i, neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
//!     Ranking::new(8, neurons.into_iter().enumerate().map(point).collect())
//! };
//! let stability = self_overlap(&[ranking([3, 5])?, ranking([5, 3])?, ranking([5, 7])?], 2)?;
//! assert_eq!(stability.self_overlap, (1.0 + 0.5 + 0.5) / 3.0);
//! assert_eq!(stability.expected, Some(0.25));
//! assert!(stability.interval.is_some_and(|(low, high)| low < stability.self_overlap && stability.self_overlap < high));
//! # Ok::<(), isogloss::Error>(())
//! ```

use super::{Ranked, Ranker, Ranking, Splits, Top};
use crate::stats::mean;
use crate::{seed, Error, Result};
use ndarray::Axis;
use rand::Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;

/// Two rankings and the neurons that both have among their first `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The place of one ranking among those given.
    pub a: usize,
    /// The place of the other, after `a`.
    pub b: usize,
    /// The number of neurons in both.
    pub shared: usize,
}

/// The overlap of rankings that should be the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfOverlap {
    /// The number of neurons taken from every ranking.
    pub k: usize,
    /// The size of the population, `D`; `None` where it is not known.
    pub n_neurons: Option<usize>,
    /// The number of rankings, `R`.
    pub rankings: usize,
    /// All `R (R - 1) / 2` pairs, in order of `a`, then `b`.
    pub pairs: Vec<Pair>,
    /// The mean over pairs of `shared / k`.
    pub self_overlap: f64,
    /// What independent rankings would have, `k / D`.
    pub expected: Option<f64>,
    /// The jackknife standard error of `self_overlap`; `None` of two rankings.
    pub standard_error: Option<f64>,
    /// A 95 % interval for the mean overlap of two such rankings: `self_overlap` and Student's t of `R - 1` degrees of
    /// freedom times the standard error to either side, cut at 0 and 1; `None` of two rankings.
    pub interval: Option<(f64, f64)>,
}

/// The self-overlap of two rankings or more of one site's neurons.
///
/// Pairs that share a ranking are not independent, so the interval is one over rankings and not over pairs. The mean `U`
/// over pairs is a U-statistic, whose standard error is had by leaving out a ranking at a time (Arvesen 1969,
/// "Jackknifing U-statistics"):
///
/// ```text
/// SE^2 = (R - 1) / R  sum over rankings i of (U without i - mean over i of U without i)^2
/// ```
///
/// With rankings that all share alike the standard error is 0, which says that there are too few to see them differ.
///
/// # Errors
/// [`Error::Data`] for fewer than two rankings, rankings of populations of different sizes or of different lengths; [`Error::Parameter`] if `k`
/// is 0, more than the population or more than a ranking has.
pub fn self_overlap(rankings: &[Ranking], k: usize) -> Result<SelfOverlap> {
    let [first, _, ..] = rankings else {
        return Err(Error::Data(format!("self-overlap needs two rankings or more, but there are {}", rankings.len())));
    };
    rankings.iter().try_for_each(|ranking| first.check_comparable(ranking))?;
    let n_neurons = first.n_neurons();
    let tops = rankings.iter().map(|ranking| Top::new(ranking, k)).collect::<Result<Vec<Top>>>()?;
    let mut pairs = Vec::with_capacity(tops.len() * (tops.len() - 1) / 2);
    for (a, one) in tops.iter().enumerate() {
        for (b, other) in tops.iter().enumerate().skip(a + 1) {
            pairs.push(Pair { a, b, shared: one.shared(other) });
        }
    }
    // Whole numbers up to here: the mean does not depend on the order of the rankings.
    let count = |shared: usize, pairs: usize| shared as f64 / (k as f64 * pairs as f64);
    let total: usize = pairs.iter().map(|pair| pair.shared).sum();
    let self_overlap = count(total, pairs.len());
    let standard_error = (rankings.len() > 2).then(|| {
        let mut own = vec![0usize; rankings.len()];
        for pair in &pairs {
            own[pair.a] += pair.shared;
            own[pair.b] += pair.shared;
        }
        let without: Vec<f64> = own.iter().map(|own| count(total - own, pairs.len() - (rankings.len() - 1))).collect();
        let n = without.len() as f64;
        let centre = without.iter().sum::<f64>() / n;
        ((n - 1.0) / n * without.iter().map(|u| (u - centre).powi(2)).sum::<f64>()).sqrt()
    });
    let interval = standard_error.and_then(|error| {
        let t = StudentsT::new(0.0, 1.0, (rankings.len() - 1) as f64).ok()?.inverse_cdf(0.975);
        Some(((self_overlap - t * error).max(0.0), (self_overlap + t * error).min(1.0)))
    });
    Ok(SelfOverlap {
        k,
        n_neurons,
        rankings: rankings.len(),
        pairs,
        self_overlap,
        expected: n_neurons.map(|n_neurons| k as f64 / n_neurons as f64),
        standard_error,
        interval,
    })
}

/// Rankings that should be the same, and how far they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// A ranking, with its probe, a seed or sample.
    pub ranked: Vec<Ranked>,
    /// The overlap of their first `k`.
    pub overlap: SelfOverlap,
}

impl Stability {
    fn new(ranked: Vec<Ranked>, k: usize) -> Result<Self> {
        let rankings: Vec<Ranking> = ranked.iter().map(|ranked| ranked.ranking.clone()).collect();
        Ok(Stability { overlap: self_overlap(&rankings, k)?, ranked })
    }

    /// Test NMI of the first `k` neurons, mean over the rankings; `None` where it does not exist for one of them.
    pub fn nmi_test(&self, k: usize) -> Option<f64> {
        let point = |ranked: &Ranked| ranked.ranking.curve().get(k.checked_sub(1)?)?.nmi_test;
        mean(self.ranked.iter().map(point).collect::<Option<Vec<f64>>>()?)
    }
}

/// Ranks the same words under several seeds: what the method's own randomness changes. A method without any shares all.
///
/// # Errors
/// As [`Ranker::rank`] and [`self_overlap`]; [`Error::Data`] if a seed comes twice.
pub fn across_seeds(
    ranker: &dyn Ranker,
    splits: &Splits,
    k: usize,
    seeds: &[u64],
    names: &[&str],
) -> Result<Stability> {
    check(seeds.len(), k)?;
    let mut met = BTreeMap::new();
    if let Some(seed) = seeds.iter().find(|&&seed| met.insert(seed, ()).is_some()) {
        return Err(Error::Data(format!("seed {seed} comes twice: its ranking would agree with itself")));
    }
    let ranked: Result<Vec<Ranked>> = seeds.iter().map(|&seed| ranker.rank(splits, k, seed, names)).collect();
    Stability::new(ranked?, k)
}

/// Ranks `samples` bootstrap samples of the training words: what the sample of words changes. Every class is drawn from
/// with replacement up to its own number of words, so that none disappears; dev and test words and the method's seed stay
/// (Efron and Tibshirani 1993, *An Introduction to the Bootstrap*).
///
/// Words come several times in a sample: a method that holds out training words to stop by (the latent-variable probes)
/// meets some of them on both sides, and stops later than it would on other words.
///
/// # Errors
/// As [`Ranker::rank`] and [`self_overlap`].
pub fn across_bootstrap(
    ranker: &dyn Ranker,
    splits: &Splits,
    k: usize,
    samples: usize,
    seed: u64,
    names: &[&str],
) -> Result<Stability> {
    check(samples, k)?;
    let (records, labels) = splits.train;
    crate::probe::check_labels(records.nrows(), labels, splits.n_classes)?;
    let mut ranked = Vec::with_capacity(samples);
    for sample in 0..samples {
        let words = resample(labels, sample, seed, names);
        let records = records.select(Axis(0), &words);
        let lemmas: Option<Vec<usize>> =
            splits.lemmas.and_then(|lemmas| words.iter().map(|&word| lemmas.get(word).copied()).collect());
        let splits = Splits {
            train: (records.view(), labels),
            // Taken anew: the lifetime of a view cannot be shortened.
            dev: (splits.dev.0.view(), splits.dev.1),
            test: (splits.test.0.view(), splits.test.1),
            n_classes: splits.n_classes,
            lemmas: lemmas.as_deref(),
        };
        ranked.push(ranker.rank(&splits, k, seed, names)?);
    }
    Stability::new(ranked, k)
}

/// Before the long work, not after it.
fn check(rankings: usize, k: usize) -> Result<()> {
    if rankings < 2 {
        return Err(Error::Data(format!("self-overlap needs two rankings or more, but there are {rankings}")));
    }
    if k == 0 {
        return Err(Error::parameter("k", "1 or more", k));
    }
    Ok(())
}

/// For the place of every word, a word of its class: the labels stay as they are.
fn resample(labels: &[usize], sample: usize, seed: u64, names: &[&str]) -> Vec<usize> {
    let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (word, &label) in labels.iter().enumerate() {
        by_class.entry(label).or_default().push(word);
    }
    let number = sample.to_string();
    let names: Vec<&str> = names.iter().copied().chain(["bootstrap", &number]).collect();
    let mut rng = seed::stream(seed, &names);
    labels
        .iter()
        .map(|label| {
            let words = &by_class[label];
            // u64, so that the draw is the same on every machine.
            words[rng.gen_range(0..words.len() as u64) as usize]
        })
        .collect()
}

#[cfg(test)]
#[path = "stability_tests.rs"]
mod tests;
