use super::cells::{comparable, distinct, families, Sorted};
use super::pairs::counts;
use super::{Control, SelfOverlap};
use crate::checkpoint::Step;
use crate::ranking::{CurvePoint, RankedCell, Ranking};
use crate::{Error, Result, Site};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The persistence of [`rank_biased`] where none is given: each rank weighs 0.98 of the one before, a reader goes 50 deep
/// on average, and the first 50 ranks carry 0.85 of the weight (Webber, Moffat and Zobel 2010, equation 21).
pub const RBO_P: f64 = 0.98;

/// The numbers of neurons among the first 1, 2, ..., `k` of both rankings.
///
/// # Errors
/// As [`shared`](super::shared).
pub fn shared_by_k(a: &Ranking, b: &Ranking, k: usize) -> Result<Vec<usize>> {
    a.check_comparable(b)?;
    a.check_k(k)?;
    b.check_k(k)?;
    let ks: Vec<usize> = (1..=k).collect();
    Ok(super::counts::Counts::new(&[a, b], &ks).of(0, 1).iter().map(|&count| count as usize).collect())
}

/// The overlap at every `k` from 1 to that given: `shared / 1, shared / 2, ...`.
///
/// # Errors
/// As [`shared`](super::shared).
pub fn overlap_by_k(a: &Ranking, b: &Ranking, k: usize) -> Result<Vec<f64>> {
    let shared = shared_by_k(a, b, k)?;
    Ok(shared.into_iter().zip(1usize..).map(|(shared, k)| shared as f64 / k as f64).collect())
}

/// The area under the overlap at every `k` from 1 to that given: its mean over `k` ("average overlap" of Fagin, Kumar and
/// Sivakumar 2003), 0 to 1. Unlike the overlap at the last `k` it is larger where the shared neurons are ranked high.
///
/// # Errors
/// As [`shared`](super::shared).
pub fn area(a: &Ranking, b: &Ranking, k: usize) -> Result<f64> {
    Ok(area_under(&shared_by_k(a, b, k)?))
}

/// What [`area`] is on average for independent rankings of `n_neurons`: the mean of `1 / D` to `k / D`, `(k + 1) / (2 D)`.
pub fn area_expected(n_neurons: usize, k: usize) -> f64 {
    (k as f64 + 1.0) / (2.0 * n_neurons as f64)
}

/// `|A and B| / |A or B|`, 0 to 1, of the first `k` of both (Jaccard 1912): with `s` neurons shared, `s / (2 k - s)`.
///
/// # Errors
/// As [`shared`](super::shared).
pub fn jaccard(a: &Ranking, b: &Ranking, k: usize) -> Result<f64> {
    let shared = super::shared(a, b, k)?;
    Ok(shared as f64 / (2 * k - shared) as f64)
}

/// Rank-biased overlap of two rankings of which the first `k` neurons are known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankBiased {
    /// What it is at least, whatever comes after: no other neuron is shared.
    pub min: f64,
    /// How much more it may be: all that comes after is shared as soon as can be.
    pub residual: f64,
    /// With the overlap at `k` carried on, `RBO_ext`: the figure to report.
    pub extrapolated: f64,
}

/// Rank-biased overlap (Webber, Moffat and Zobel 2010, "A similarity measure for indefinite rankings"): the overlap at every
/// depth, weighted by how likely a reader who goes on from each rank with probability `p` gets there.
///
/// With `X_d` neurons shared among the first `d` of both, and `f = 2 k - X_k`:
///
/// ```text
/// RBO_ext = X_k / k p^k + (1 - p) / p  sum over d = 1..k of X_d / d p^d
/// RBO_min = (1 - p) / p  [sum over d = 1..k of (X_d - X_k) p^d / d  -  X_k ln(1 - p)]
/// RBO_res = p^f + (1 - p) / p  [2 sum over d = k+1..f of (d - k) p^d / d  -  X_k (-ln(1 - p) - sum over d = 1..f of p^d / d)]
/// ```
///
/// # Errors
/// As [`shared`](super::shared); [`Error::Parameter`] if `p` does not lie between 0 and 1.
///
/// # Examples
/// ```
/// use isogloss::overlap::rank_biased;
/// use isogloss::ranking::{CurvePoint, Ranking};
/// let ranking = |neurons: [usize; 2]| {
///     let point = |(i, neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
///     Ranking::new(8, neurons.into_iter().enumerate().map(point).collect())
/// };
/// let found = rank_biased(&ranking([3, 5])?, &ranking([3, 6])?, 2, 0.5)?;
/// // 1/2 (1 + 1/2 1/2) by the first two ranks, and 1/2 carried on for the rest, which weighs 1/4.
/// assert!((found.extrapolated - (0.625 + 0.125)).abs() < 1e-15);
/// assert!(found.min < found.extrapolated && found.extrapolated < found.min + found.residual);
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn rank_biased(a: &Ranking, b: &Ranking, k: usize, p: f64) -> Result<RankBiased> {
    check_p(p)?;
    let shared = shared_by_k(a, b, k)?;
    let last = shared.last().copied().unwrap_or_default();
    let union = 2 * k - last;
    let weights = Weights::new(p, union);
    let x_k = last as f64;
    let weighted = |d: usize| weights.of(d);
    let known: f64 = shared.iter().zip(1..).map(|(&x, d)| (x as f64 - x_k) * weighted(d)).sum();
    let rate = (1.0 - p) / p;
    let log = -(-p).ln_1p();
    let seen: f64 = (1..=union).map(weighted).sum();
    let later: f64 = (k + 1..=union).map(|d| (d - k) as f64 * weighted(d)).sum();
    let residual = weights.of(union) * union as f64 + rate * (2.0 * later - x_k * (log - seen));
    Ok(RankBiased {
        min: (rate * (known + x_k * log)).clamp(0.0, 1.0),
        residual: residual.clamp(0.0, 1.0),
        extrapolated: weights.extrapolated(&shared),
    })
}

/// How much of their relevance two rankings have on the same neurons: Ruzicka's similarity (the weighted Jaccard index) of
/// their first `k` neurons, 0 to 1,
///
/// ```text
/// sum over neurons of min(w_a, w_b)  /  sum over neurons of max(w_a, w_b)
/// ```
///
/// A neuron's relevance `w` is what it adds to the normalised mutual information of those before it: how much the curve rises
/// there above its highest point so far, from 0, and no less than 0; those of a ranking are divided by their sum, so that
/// a language whose attribute is easier weighs no more. The curve on dev is taken where both rankings have it, else that on
/// test. `None` where they have neither in common up to `k`, or a curve never rises above 0.
///
/// # Errors
/// As [`shared`](super::shared).
pub fn weighted(a: &Ranking, b: &Ranking, k: usize) -> Result<Option<f64>> {
    a.check_comparable(b)?;
    a.check_k(k)?;
    b.check_k(k)?;
    Ok(Relevance::new(a, k).similarity(&Relevance::new(b, k)))
}

/// Ruzicka's similarity of two sets of neurons with non-negative weights `(neuron, weight)`, each divided by its sum: the
/// weighted overlap for relevances that a curve does not tell, such as the weight mass of a probe.
///
/// `None` if a sum of weights is 0.
///
/// # Errors
/// [`Error::Data`] for a weight that is negative or not finite and for a neuron that comes twice.
///
/// # Examples
/// ```
/// use isogloss::overlap::ruzicka;
/// // Half and half against one and three quarters: 3/4 in common of 5/4.
/// assert_eq!(ruzicka(&[(3, 1.0), (5, 1.0)], &[(5, 3.0), (3, 1.0)])?, Some(0.75 / 1.25));
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn ruzicka(a: &[(usize, f64)], b: &[(usize, f64)]) -> Result<Option<f64>> {
    for weights in [a, b] {
        if let Some((neuron, weight)) = weights.iter().find(|(_, weight)| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(Error::Data(format!(
                "a weight should be finite and 0 or more, but neuron {neuron} has {weight}"
            )));
        }
        let mut neurons: Vec<usize> = weights.iter().map(|&(neuron, _)| neuron).collect();
        neurons.sort_unstable();
        if let Some(twice) = neurons.windows(2).find(|two| two.first() == two.last()).and_then(<[_]>::first) {
            return Err(Error::Data(format!("neuron {twice} has two weights")));
        }
    }
    Ok(normalised(a.to_vec()).zip(normalised(b.to_vec())).map(|(a, b)| similarity(&a, &b)))
}

/// A row of `overlap_measures.csv`: other measures of how alike two languages' rankings are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverlapMeasures {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The grammatical attribute.
    pub attribute: String,
    /// The language that comes first in the alphabet.
    pub language_a: String,
    /// The other language.
    pub language_b: String,
    /// The number of neurons taken from either ranking.
    pub k: usize,
    /// The seed of both rankings.
    pub seed: u64,
    /// What the row is there for.
    pub control: Control,
    /// [`jaccard`].
    pub jaccard: f64,
    /// [`area`].
    pub area: f64,
    /// [`area_expected`]; `None` where the size of the population is not known.
    pub area_expected: Option<f64>,
    /// [`RankBiased::extrapolated`].
    pub rbo: f64,
    /// The persistence that it was computed with.
    pub rbo_p: f64,
    /// [`weighted`].
    pub weighted: Option<f64>,
    /// The overlap over its noise ceiling, the mean of the two languages' overlaps with themselves under other seeds;
    /// `None` where either has none or the mean is 0. Rows of shuffled labels are read against the same ceiling.
    pub of_ceiling: Option<f64>,
}

/// Other measures of all that [`pairs`](super::pairs()) compares, in its order; `ceilings` of the same cells, from
/// [`ceiling`](super::ceiling()), and the persistence of rank-biased overlap, [`RBO_P`] if there is no other.
///
/// # Errors
/// As [`pairs`](super::pairs()); [`Error::Parameter`] if `rbo_p` does not lie between 0 and 1.
pub fn measures(
    cells: &[RankedCell],
    ks: &[usize],
    ceilings: &[SelfOverlap],
    rbo_p: f64,
) -> Result<Vec<OverlapMeasures>> {
    check_p(rbo_p)?;
    let ks = distinct(ks)?;
    let sorted = Sorted::new(cells)?.check(&ks)?;
    let depths: Vec<usize> = (1..=ks.last().copied().unwrap_or_default()).collect();
    let weights = Weights::new(rbo_p, depths.len());
    let mut self_overlaps = BTreeMap::new();
    for row in ceilings {
        let cell = (row.model.as_str(), row.step, row.site, row.attribute.as_str(), row.language.as_str());
        self_overlaps.insert((cell, row.k), row.self_overlap);
    }
    let of_table = |table: &&[&RankedCell]| {
        let mut rows = Vec::new();
        for family in families(table) {
            let counts = counts(family, &depths);
            for &k in &ks {
                let members: Vec<(&RankedCell, Relevance, Option<f64>)> = family
                    .iter()
                    .map(|ranked| {
                        let cell = &ranked.cell;
                        let key = (cell.model.as_str(), cell.step, cell.site, &*cell.attribute, &*cell.language);
                        (*ranked, Relevance::new(&ranked.ranking, k), self_overlaps.get(&(key, k)).copied())
                    })
                    .collect();
                for (i, (a, relevance_a, ceiling_a)) in members.iter().enumerate() {
                    for (j, (b, relevance_b, ceiling_b)) in members.iter().enumerate().skip(i + 1) {
                        let shared = counts.of(i, j).get(..k).unwrap_or_default();
                        let last = shared.last().copied().unwrap_or_default() as usize;
                        let ceiling = ceiling_a.zip(*ceiling_b).map(|(a, b)| (a + b) / 2.0).filter(|c| *c > 0.0);
                        rows.push(OverlapMeasures {
                            model: a.cell.model.clone(),
                            step: a.cell.step,
                            site: a.cell.site,
                            attribute: a.cell.attribute.clone(),
                            language_a: a.cell.language.clone(),
                            language_b: b.cell.language.clone(),
                            k,
                            seed: a.cell.seed,
                            control: a.cell.control.into(),
                            jaccard: last as f64 / (2 * k - last) as f64,
                            area: area_under(shared),
                            area_expected: a.ranking.n_neurons().map(|neurons| area_expected(neurons, k)),
                            rbo: weights.extrapolated(shared),
                            rbo_p,
                            weighted: relevance_a.similarity(relevance_b),
                            of_ceiling: ceiling.map(|ceiling| last as f64 / k as f64 / ceiling),
                        });
                    }
                }
            }
        }
        if families(table).nth(1).is_some() || ks.len() > 1 {
            rows.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        rows
    };
    let rows: Vec<Vec<OverlapMeasures>> = sorted.tables().par_iter().map(of_table).collect();
    Ok(rows.into_iter().flatten().collect())
}

fn order(row: &OverlapMeasures) -> impl Ord + '_ {
    (&row.language_a, &row.language_b, row.k, row.seed, row.control)
}

/// Several measures of two rankings at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The number of neurons in both.
    pub shared: usize,
    /// `shared / k`.
    pub overlap: f64,
    /// [`jaccard`].
    pub jaccard: f64,
    /// [`area`].
    pub area: f64,
    /// [`rank_biased`].
    pub rank_biased: RankBiased,
    /// [`weighted`].
    pub weighted: Option<f64>,
}

/// All measures of two rankings at `k`, which must be of one model, site and method; step, language, attribute and seed may
/// differ.
///
/// # Errors
/// As [`rank_biased`]; [`Error::Data`], naming both cells, for rankings of different models, sites, methods, widths or
/// lengths.
pub fn compare(a: &RankedCell, b: &RankedCell, k: usize, rbo_p: f64) -> Result<Comparison> {
    comparable(a, b)?;
    let (a, b) = (&a.ranking, &b.ranking);
    let shared = super::shared(a, b, k)?;
    Ok(Comparison {
        shared,
        overlap: shared as f64 / k as f64,
        jaccard: jaccard(a, b, k)?,
        area: area(a, b, k)?,
        rank_biased: rank_biased(a, b, k, rbo_p)?,
        weighted: weighted(a, b, k)?,
    })
}

fn check_p(p: f64) -> Result<()> {
    if p > 0.0 && p < 1.0 {
        return Ok(());
    }
    Err(Error::parameter("the persistence p of rank-biased overlap", "between 0 and 1, both excluded", p))
}

/// Counts of either width, as numbers.
trait Count: Copy {
    fn number(self) -> f64;
}

impl Count for u32 {
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Count for usize {
    fn number(self) -> f64 {
        self as f64
    }
}

fn area_under<C: Count>(shared: &[C]) -> f64 {
    let sum: f64 = shared.iter().zip(1u32..).map(|(shared, k)| shared.number() / f64::from(k)).sum();
    if shared.is_empty() {
        return 0.0;
    }
    sum / shared.len() as f64
}

/// `p^d / d` of the depths 1, 2, ...
struct Weights {
    p: f64,
    by_depth: Vec<f64>,
}

impl Weights {
    fn new(p: f64, depth: usize) -> Self {
        let powers = std::iter::successors(Some(p), |power| Some(power * p));
        Weights { p, by_depth: powers.zip(1usize..).take(depth).map(|(power, d)| power / d as f64).collect() }
    }

    fn of(&self, depth: usize) -> f64 {
        depth.checked_sub(1).and_then(|i| self.by_depth.get(i)).copied().unwrap_or_default()
    }

    fn extrapolated<C: Count>(&self, shared: &[C]) -> f64 {
        let Some(last) = shared.last() else { return 0.0 };
        let sum: f64 = shared.iter().zip(&self.by_depth).map(|(shared, weight)| shared.number() * weight).sum();
        // p^k / k carries the last overlap on.
        (last.number() * self.of(shared.len()) + (1.0 - self.p) / self.p * sum).clamp(0.0, 1.0)
    }
}

/// The relevances of a ranking's first neurons, by neuron, of sum 1.
struct Relevance {
    dev: Option<Vec<(usize, f64)>>,
    test: Option<Vec<(usize, f64)>>,
}

impl Relevance {
    fn new(ranking: &Ranking, k: usize) -> Self {
        let points = ranking.curve().get(..k).unwrap_or_default();
        let gains = |nmi: fn(&CurvePoint) -> Option<f64>| {
            let mut highest = 0.0f64;
            let gain = |point: &CurvePoint| {
                let nmi = nmi(point).filter(|nmi| nmi.is_finite())?;
                let gain = (nmi - highest).max(0.0);
                highest = highest.max(nmi);
                Some((point.neuron, gain))
            };
            points.iter().map(gain).collect::<Option<Vec<(usize, f64)>>>()
        };
        // A curve that exists but does not rise has no relevances: it stays chosen, and nothing can be said.
        let [dev, test] = [gains(|point| point.nmi_dev), gains(|point| point.nmi_test)]
            .map(|gains| gains.map(|gains| normalised(gains).unwrap_or_default()));
        Relevance { dev, test }
    }

    fn similarity(&self, other: &Relevance) -> Option<f64> {
        let both = |a: &Option<Vec<(usize, f64)>>, b: &Option<Vec<(usize, f64)>>| match (a, b) {
            (Some(a), Some(b)) => Some((!a.is_empty() && !b.is_empty()).then(|| similarity(a, b))),
            _ => None,
        };
        both(&self.dev, &other.dev).or_else(|| both(&self.test, &other.test))?
    }
}

/// Weights by neuron, divided by their sum; `None` if that is 0.
fn normalised(mut weights: Vec<(usize, f64)>) -> Option<Vec<(usize, f64)>> {
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if !(sum > 0.0 && sum.is_finite()) {
        return None;
    }
    weights.iter_mut().for_each(|(_, weight)| *weight /= sum);
    weights.sort_unstable_by_key(|(neuron, _)| *neuron);
    Some(weights)
}

/// The smaller of two weights over the larger, sums of both over the neurons, which are sorted and whose weights sum to 1.
fn similarity(a: &[(usize, f64)], b: &[(usize, f64)]) -> f64 {
    let mut others = b.iter().peekable();
    let mut smaller = 0.0;
    for (neuron, weight) in a {
        while others.next_if(|(other, _)| other < neuron).is_some() {}
        if let Some((_, other)) = others.next_if(|(other, _)| other == neuron) {
            smaller += weight.min(*other);
        }
    }
    // min + max = w_a + w_b, whose sum is 2.
    (smaller / (2.0 - smaller)).clamp(0.0, 1.0)
}

#[cfg(test)]
#[path = "measures_tests.rs"]
mod tests;
