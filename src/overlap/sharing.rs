use super::cells::{comparable, distinct, families, Sorted};
use super::Control;
use crate::checkpoint::Step;
use crate::ranking::RankedCell;
use crate::{seed, Error, Result, Site};
use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The number of draws of [`sharing`] where none is given.
pub const DRAWS: usize = 10_000;

/// The draws that one random stream serves.
const CHUNK: usize = 500;

/// A row of `sharing.csv`: how many neurons are among the first `k` of exactly so many languages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sharing {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The grammatical attribute.
    pub attribute: String,
    /// The number of neurons taken from every ranking.
    pub k: usize,
    /// The seed of the rankings.
    pub seed: u64,
    /// The number of languages, `n`.
    pub languages: usize,
    /// Of how many of them, `m`: 1 to `n`.
    pub shared_by: usize,
    /// The number of neurons that are among the first `k` of exactly `m` languages.
    pub neurons: usize,
    /// What independent rankings have on average, `D C(n, m) (k/D)^m (1 - k/D)^(n - m)`; `None` where the size `D` of the
    /// population is not known.
    pub expected: Option<f64>,
    /// The probability that independent rankings have at least so many neurons in `m` *or more* languages as are found.
    pub p_value: Option<f64>,
    /// The number of random draws that the p-value is from; `None` where there is no p-value.
    pub draws: Option<usize>,
    /// Whether the rankings are of probes of shuffled labels.
    pub control: Control,
}

/// How many neurons are shared by exactly `m` of the `n` languages of a model, step, site, attribute, seed and control, for
/// `m` from 1 to `n`; sorted by the columns of the table up to `seed`, then by control and `m`. Families of one language
/// have no rows.
///
/// The p-value is of the count `T_m` of neurons among the first `k` of `m` languages or more, not of exactly `m`: under the
/// null hypothesis that every language draws `k` of the `D` neurons independently and with equal chances, how likely is a
/// `T_m` no smaller than the one found? It is estimated by Monte Carlo, `(1 + b) / (1 + draws)` with `b` the draws of `n`
/// sets that reach it, which never rejects too often (Davison and Hinkley 1997, *Bootstrap Methods and their Application*,
/// section 4.2); [`DRAWS`] will do. At `m = 1` many neurons mean little sharing. The p-values of one family's `m` are not
/// independent, and not corrected.
///
/// The null depends on `D`, `k` and `n` alone: it is drawn once for each such triple, from a stream of `seed` and the three.
///
/// # Errors
/// As [`pairs`](super::pairs()); [`Error::Parameter`] if `draws` is 0.
pub fn sharing(cells: &[RankedCell], ks: &[usize], draws: usize, seed: u64) -> Result<Vec<Sharing>> {
    if draws == 0 {
        return Err(Error::parameter("draws", "1 or more", draws));
    }
    let ks = distinct(ks)?;
    let sorted = Sorted::new(cells)?.check(&ks)?;
    let tables = sorted.tables();
    let families: Vec<&[&RankedCell]> =
        tables.iter().flat_map(|table| families(table)).filter(|family| family.len() > 1).collect();
    let mut needed = BTreeSet::new();
    for family in &families {
        if let Some(neurons) = width(family) {
            needed.extend(ks.iter().map(|&k| (neurons, k, family.len())));
        }
    }
    let nulls: BTreeMap<(usize, usize, usize), SharingNull> =
        needed.into_iter().map(|key| (key, SharingNull::draw(key.0, key.1, key.2, draws, seed))).collect();
    let of_family = |family: &&[&RankedCell]| {
        let Some(first) = family.first().map(|ranked| &ranked.cell) else { return Vec::new() };
        let n = family.len();
        let mut rows = Vec::with_capacity(n * ks.len());
        for &k in &ks {
            let mut exactly = vec![0usize; n + 1];
            for (_, languages) in by_neuron(family, k) {
                if let Some(count) = exactly.get_mut(languages.len()) {
                    *count += 1;
                }
            }
            let null = width(family).and_then(|neurons| nulls.get(&(neurons, k, n)));
            for shared_by in 1..=n {
                let at_least: usize = exactly.iter().skip(shared_by).sum();
                rows.push(Sharing {
                    model: first.model.clone(),
                    step: first.step,
                    site: first.site,
                    attribute: first.attribute.clone(),
                    k,
                    seed: first.seed,
                    languages: n,
                    shared_by,
                    neurons: exactly.get(shared_by).copied().unwrap_or_default(),
                    expected: width(family).map(|neurons| sharing_expected(neurons, k, n, shared_by)),
                    p_value: null.map(|null| null.p_value(shared_by, at_least)),
                    draws: null.map(|null| null.draws),
                    control: first.control.into(),
                });
            }
        }
        rows
    };
    let rows: Vec<Vec<Sharing>> = families.par_iter().map(of_family).collect();
    let mut rows: Vec<Sharing> = rows.into_iter().flatten().collect();
    rows.par_sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(rows)
}

fn order(row: &Sharing) -> impl Ord + '_ {
    (&row.model, row.step, row.site, &row.attribute, row.k, row.seed, row.control, row.shared_by)
}

fn width(family: &[&RankedCell]) -> Option<usize> {
    family.first().and_then(|ranked| ranked.ranking.n_neurons())
}

/// The mean number of neurons, of `n_neurons`, that exactly `shared_by` of `languages` independent draws of `k` neurons hold:
/// `D C(n, m) (k/D)^m (1 - k/D)^(n - m)`, exact since every neuron is in every draw with probability `k / D`. `k` beyond the
/// population counts as the whole population.
///
/// # Examples
/// ```
/// use isogloss::overlap::sharing_expected;
/// // Of 1,024 neurons, in the first 50 of all three languages: 0.12.
/// let all = sharing_expected(1024, 50, 3, 3);
/// assert!((all - 50f64.powi(3) / 1024f64.powi(2)).abs() < 1e-12);
/// ```
pub fn sharing_expected(n_neurons: usize, k: usize, languages: usize, shared_by: usize) -> f64 {
    if shared_by > languages || n_neurons == 0 {
        return 0.0;
    }
    let (held, left) = (k.min(n_neurons), n_neurons - k.min(n_neurons));
    let without = languages - shared_by;
    if (held == 0 && shared_by > 0) || (left == 0 && without > 0) {
        return 0.0;
    }
    // 0 ln 0 is 0.
    let power = |count: usize, n: usize| if n == 0 { 0.0 } else { n as f64 * (count as f64 / n_neurons as f64).ln() };
    let fewer = shared_by.min(without);
    let ln_binomial: f64 = (1..=fewer).map(|i| ((languages - fewer + i) as f64 / i as f64).ln()).sum();
    n_neurons as f64 * (ln_binomial + power(held, shared_by) + power(left, without)).exp()
}

/// How often independent draws share neurons: the null distribution of [`sharing`], by Monte Carlo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharingNull {
    draws: usize,
    /// Of every number of languages `m` from 1, how many draws had how many neurons in `m` or more, or more than that.
    reached: Vec<Vec<usize>>,
}

impl SharingNull {
    /// Draws `languages` sets of `k` of `n_neurons` neurons, `draws` times. `k` beyond the population counts as the whole
    /// population.
    ///
    /// The same seed gives the same draws, whatever the number of threads.
    pub fn draw(n_neurons: usize, k: usize, languages: usize, draws: usize, seed: u64) -> Self {
        let k = k.min(n_neurons);
        let numbers = [n_neurons, k, languages].map(|number| number.to_string());
        let of_chunk = |chunk: usize| {
            let chunk_name = chunk.to_string();
            let names: Vec<&str> =
                ["sharing"].into_iter().chain(numbers.iter().map(String::as_str)).chain([&*chunk_name]).collect();
            let mut rng = seed::stream(seed, &names);
            let mut neurons: Vec<usize> = (0..n_neurons).collect();
            let mut held = vec![0usize; n_neurons];
            let mut exactly = vec![0usize; languages + 1];
            let mut reached = vec![Vec::new(); languages];
            for _ in 0..CHUNK.min(draws - chunk * CHUNK) {
                held.fill(0);
                for _ in 0..languages {
                    // The first places of a shuffle: from whatever order the last one left.
                    for place in 0..k {
                        // u64, so that the draw is the same on every machine.
                        let other = rng.gen_range(place as u64..n_neurons as u64) as usize;
                        neurons.swap(place, other);
                        held[neurons[place]] += 1;
                    }
                }
                exactly.fill(0);
                held.iter().for_each(|&held| exactly[held] += 1);
                let mut at_least = 0;
                for (count, reached) in exactly.iter().skip(1).zip(&mut reached).rev() {
                    at_least += count;
                    add(reached, at_least, 1);
                }
            }
            reached
        };
        let chunks: Vec<Vec<Vec<usize>>> = (0..draws.div_ceil(CHUNK)).into_par_iter().map(of_chunk).collect();
        let mut reached = vec![Vec::new(); languages];
        for chunk in chunks {
            for (all, some) in reached.iter_mut().zip(chunk) {
                some.into_iter().enumerate().for_each(|(neurons, times)| add(all, neurons, times));
            }
        }
        // From counts of draws with so many to counts of draws with so many or more.
        for times in &mut reached {
            let mut sum = 0;
            for times in times.iter_mut().rev() {
                sum += *times;
                *times = sum;
            }
        }
        SharingNull { draws, reached }
    }

    /// `(1 + b) / (1 + draws)`, `b` the draws with at least `neurons` neurons in `shared_by` or more of the sets.
    pub fn p_value(&self, shared_by: usize, neurons: usize) -> f64 {
        let times = match shared_by.checked_sub(1) {
            // As many neurons as there are lie in no set or more.
            None => self.draws,
            Some(place) => self.reached.get(place).and_then(|times| times.get(neurons)).copied().unwrap_or_default(),
        };
        (1.0 + times as f64) / (1.0 + self.draws as f64)
    }
}

fn add(counts: &mut Vec<usize>, at: usize, times: usize) {
    if counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    counts[at] += times;
}

/// A neuron and the languages that have it among their first `k`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedNeuron {
    /// The neuron's column.
    pub neuron: usize,
    /// The languages, in order of the alphabet.
    pub languages: Vec<String>,
}

/// The neurons that most languages have among their first `k`, of one model, step, site, attribute, seed and control: all
/// that `least` languages or more share, those of most languages first, then by neuron.
///
/// # Errors
/// [`Error::Data`] for rankings that differ in more than the language, two of one language, and no rankings;
/// [`Error::Parameter`] for a `k` that is 0, more than the population or more than are ranked.
///
/// # Examples
/// ```
/// use isogloss::overlap::most_shared;
/// use isogloss::ranking::{Cell, CurvePoint, RankedCell, Ranking};
///
/// let ranked = |language: &str, neurons: [usize; 2]| -> isogloss::Result<RankedCell> {
///     let point = |(i, neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
///     let cell = Cell {
///         model: "bloom".into(), step: "1000".parse()?, site: "residual.3".parse()?, attribute: "Case".into(),
///         language: language.into(), method: "poisson".into(), seed: 0, control: Default::default(),
///     };
///     Ok(RankedCell { cell, ranking: Ranking::new(10, neurons.into_iter().enumerate().map(point).collect())? })
/// };
/// let shared = most_shared(&[ranked("fr", [3, 8])?, ranked("es", [8, 1])?, ranked("de", [8, 3])?], 2, 2)?;
/// assert_eq!((shared[0].neuron, shared[0].languages.join(" ")), (8, "de es fr".to_string()));
/// assert_eq!((shared[1].neuron, shared.len()), (3, 2));
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn most_shared(cells: &[RankedCell], k: usize, least: usize) -> Result<Vec<SharedNeuron>> {
    let Some(first) = cells.first() else {
        return Err(Error::Data("there are no rankings whose neurons could be shared".into()));
    };
    for ranked in cells {
        comparable(first, ranked)?;
    }
    let sorted = Sorted::new(cells)?.check(&[k])?;
    let tables = sorted.tables();
    let mut all = tables.iter().flat_map(|table| families(table));
    let family = all.next().unwrap_or_default();
    if let (Some(a), Some(b)) = (family.first(), all.next().and_then(<[_]>::first)) {
        return Err(Error::Data(format!(
            "{} and {} differ in more than the language: give the rankings of one step, attribute, seed and control",
            super::cells::describe(&a.cell),
            super::cells::describe(&b.cell)
        )));
    }
    let mut shared: Vec<SharedNeuron> = by_neuron(family, k)
        .into_iter()
        .filter(|(_, languages)| languages.len() >= least)
        .map(|(neuron, languages)| SharedNeuron {
            neuron,
            languages: languages.into_iter().map(str::to_owned).collect(),
        })
        .collect();
    // Stable: of equals the lower neuron stays first.
    shared.sort_by_key(|neuron| std::cmp::Reverse(neuron.languages.len()));
    Ok(shared)
}

/// The neurons among the first `k` of a family's rankings, with the languages that have them.
fn by_neuron<'a>(family: &[&'a RankedCell], k: usize) -> BTreeMap<usize, Vec<&'a str>> {
    let mut neurons: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for ranked in family {
        for neuron in ranked.ranking.neurons().take(k) {
            neurons.entry(neuron).or_default().push(&ranked.cell.language);
        }
    }
    neurons
}

#[cfg(test)]
#[path = "sharing_tests.rs"]
mod tests;
