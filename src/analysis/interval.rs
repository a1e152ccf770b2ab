//! Intervals of mean overlaps, with whole languages as what was drawn at random.

use super::Analysis;
use crate::checkpoint::Step;
use crate::overlap::{PairOverlap, MEAN};
use crate::report::Record;
use crate::stats::mean;
use crate::Site;
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;
use std::collections::{BTreeMap, BTreeSet};

/// How the intervals of `overlap_vs_step_interval.csv` are made.
pub const INTERVAL_METHOD: &str = "jackknife-languages-t-95";

/// A row of `overlap_vs_step_interval.csv`: the 95 % interval of a mean over pairs of languages, at one step, over sites.
///
/// Pairs share languages and are not independent, so the unit that is left out is a language with all its pairs: with
/// the means `t(i)` without language `i` of `n`, the standard error is `sqrt((n - 1) / n * sum (t(i) - mean t)^2)` (the
/// jackknife of a U-statistic, Arvesen 1969), and the interval `overlap +- t(0.975, n - 1) * standard_error`, cut to 0..1.
/// It says how much hangs on the choice of languages, not on words or seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalRow {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The attribute, or [`MEAN`] for the mean over attributes.
    pub attribute: String,
    /// The number of neurons compared.
    pub k: usize,
    /// The number of languages.
    pub languages: usize,
    /// The mean overlap, as in `overlap_vs_step.csv` at site [`MEAN`].
    pub overlap: f64,
    /// Its standard error; `None` with fewer than three languages, or where an attribute has no pair without one of them.
    pub standard_error: Option<f64>,
    /// The lower end.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How the interval was made: [`INTERVAL_METHOD`]; `None` where there is none.
    pub ci_method: Option<String>,
}

impl Record for IntervalRow {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "attribute", "k", "languages", "overlap", "standard_error", "low", "high", "ci_method"];
}

/// The overlaps of one attribute at one site: a sum and a number of pairs, in all and by language.
#[derive(Default)]
struct Cell<'a> {
    all: (f64, usize),
    with: BTreeMap<&'a str, (f64, usize)>,
}

impl Cell<'_> {
    fn mean_without(&self, language: Option<&str>) -> Option<f64> {
        let (sum, pairs) = language.and_then(|language| self.with.get(language)).copied().unwrap_or_default();
        let pairs = self.all.1 - pairs;
        (pairs > 0).then(|| (self.all.0 - sum) / pairs as f64)
    }
}

/// By site, then attribute.
type Cells<'a> = BTreeMap<Site, BTreeMap<&'a str, Cell<'a>>>;

/// The intervals of every model, step, `k` and attribute, and of the mean over attributes, in that order of columns.
pub(super) fn intervals(analysis: &Analysis) -> Vec<IntervalRow> {
    let mut rows = Vec::new();
    for ((model, step, k), cells) in tables(analysis.pairs.iter()) {
        let attributes: BTreeSet<&str> = cells.values().flat_map(BTreeMap::keys).copied().collect();
        for attribute in attributes.into_iter().map(Some).chain([None]) {
            let Some(overlap) = statistic(&cells, attribute, None) else { continue };
            let wanted = |name: &&str| attribute.is_none_or(|attribute| **name == *attribute);
            let here = cells.values().flatten().filter(|(name, _)| wanted(name));
            let languages: BTreeSet<&str> = here.flat_map(|(_, cell)| cell.with.keys().copied()).collect();
            let without: Option<Vec<f64>> =
                languages.iter().map(|language| statistic(&cells, attribute, Some(language))).collect();
            let standard_error = without.and_then(|values| jackknife(&values));
            let reach = standard_error.map(|error| error * t_quantile(languages.len().saturating_sub(1)));
            rows.push(IntervalRow {
                model: model.to_owned(),
                step,
                attribute: attribute.unwrap_or(MEAN).to_owned(),
                k,
                languages: languages.len(),
                overlap,
                standard_error,
                low: reach.map(|reach| (overlap - reach).max(0.0)),
                high: reach.map(|reach| (overlap + reach).min(1.0)),
                ci_method: reach.map(|_| INTERVAL_METHOD.to_owned()),
            });
        }
    }
    rows
}

/// The overlap of each pair, its seeds averaged first, by model, step and `k`.
fn tables<'a>(pairs: impl Iterator<Item = &'a PairOverlap>) -> BTreeMap<(&'a str, Step, usize), Cells<'a>> {
    type Seeds<'a> = BTreeMap<(&'a str, &'a str), (f64, usize)>;
    let mut seeds: BTreeMap<(&str, Step, usize, Site, &str), Seeds<'a>> = BTreeMap::new();
    for row in pairs {
        let cell = seeds.entry((&row.model, row.step, row.k, row.site, &row.attribute)).or_default();
        add(cell.entry((&row.language_a, &row.language_b)).or_default(), row.overlap);
    }
    let mut tables: BTreeMap<(&str, Step, usize), Cells<'a>> = BTreeMap::new();
    for ((model, step, k, site, attribute), pairs) in seeds {
        let cell = tables.entry((model, step, k)).or_default().entry(site).or_default().entry(attribute).or_default();
        for ((a, b), (sum, count)) in pairs {
            let value = sum / count as f64;
            add(&mut cell.all, value);
            for language in [a, b] {
                add(cell.with.entry(language).or_default(), value);
            }
        }
    }
    tables
}

fn add(total: &mut (f64, usize), value: f64) {
    *total = (total.0 + value, total.1 + 1);
}

/// The mean over sites, of one attribute or of the mean over attributes, without a language; `None` where a part has no pair.
fn statistic(cells: &Cells<'_>, attribute: Option<&str>, without: Option<&str>) -> Option<f64> {
    let sites = cells.values().filter_map(|attributes| match attribute {
        Some(attribute) => attributes.get(attribute).map(|cell| cell.mean_without(without)),
        None => {
            let parts: Option<Vec<f64>> = attributes.values().map(|cell| cell.mean_without(without)).collect();
            Some(parts.and_then(mean))
        }
    });
    sites.collect::<Option<Vec<f64>>>().and_then(mean)
}

/// The standard error from what is left without each of `n` units; `None` for fewer than three.
fn jackknife(without: &[f64]) -> Option<f64> {
    let n = without.len() as f64;
    let centre = mean(without.iter().copied()).filter(|_| without.len() > 2)?;
    let squares: f64 = without.iter().map(|value| (value - centre) * (value - centre)).sum();
    Some(((n - 1.0) / n * squares).sqrt())
}

/// The 0.975 quantile of Student's t distribution, by bisection on its two-sided tail.
pub(super) fn t_quantile(degrees: usize) -> f64 {
    let degrees = degrees.max(1) as f64;
    let tail = |t: f64| beta_reg(degrees / 2.0, 0.5, degrees / (degrees + t * t));
    // Of one degree it is 12.7, the greatest.
    let (mut low, mut high) = (0.0, 13.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if tail(middle) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// Mean and 95 % t interval of values that are independent; the interval is `None` for fewer than three.
#[cfg(feature = "plots")]
pub(super) fn t_interval(values: &[f64]) -> Option<(f64, Option<(f64, f64)>)> {
    let centre = mean(values.iter().copied())?;
    let n = values.len() as f64;
    let interval = (values.len() > 2).then(|| {
        let squares: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
        let reach = (squares / (n - 1.0) / n).sqrt() * t_quantile(values.len() - 1);
        (centre - reach, centre + reach)
    });
    Some((centre, interval))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{analysis, ranked};
    use super::*;
    use approx::assert_relative_eq;

    // import numpy as np; from scipy import stats
    // o = {('a','b'): .5, ('a','c'): .5, ('a','d'): .5, ('b','c'): .75, ('b','d'): .75, ('c','d'): .5}
    // t = [np.mean([v for p, v in o.items() if l not in p]) for l in 'abcd']
    // se = np.sqrt(3 / 4 * np.sum((t - np.mean(t)) ** 2)); m = np.mean(list(o.values()))
    // m, se, m - stats.t.ppf(.975, 3) * se, m + stats.t.ppf(.975, 3) * se
    #[test]
    fn the_interval_is_the_jackknife_of_numpy() {
        let cells =
            [("a", vec![1, 2, 3, 4]), ("b", vec![1, 2, 5, 6]), ("c", vec![1, 3, 5, 6]), ("d", vec![1, 2, 5, 7])];
        let rankings = cells.into_iter().map(|(language, top)| ranked("m", 10, "POS", language, 0, &top)).collect();
        let analysis = analysis(rankings, &["POS"], 4);
        let rows = intervals(&analysis);
        assert_eq!(rows.iter().map(|row| row.attribute.as_str()).collect::<Vec<_>>(), ["POS", MEAN]);
        for row in &rows {
            assert_eq!((row.languages, row.ci_method.as_deref()), (4, Some(INTERVAL_METHOD)));
            assert_relative_eq!(row.overlap, 0.5833333333333334, max_relative = 1e-14);
            assert_relative_eq!(row.standard_error.unwrap(), 0.10206207261596574, max_relative = 1e-12);
            assert_relative_eq!(row.low.unwrap(), 0.2585262674270557, max_relative = 1e-12);
            assert_relative_eq!(row.high.unwrap(), 0.9081403992396111, max_relative = 1e-12);
        }
    }

    #[test]
    fn the_means_are_those_of_the_table() {
        let mut rankings = Vec::new();
        for (i, language) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            for (j, attribute) in ["Number", "POS"].into_iter().enumerate() {
                if (i, j) == (4, 0) {
                    continue;
                }
                for seed in 0..2 {
                    let top: Vec<usize> = (0..4).map(|r| (r * (i + 2) + j + seed as usize * 3) % 11).collect();
                    rankings.push(ranked("m", 10, attribute, language, seed, &top));
                }
            }
        }
        let analysis = analysis(rankings, &["POS", "Number"], 4);
        let rows = intervals(&analysis);
        assert_eq!(rows.len(), 3);
        for row in &rows {
            let table = analysis.by_step.iter().find(|r| r.site == MEAN && r.attribute == row.attribute).unwrap();
            assert_relative_eq!(row.overlap, table.overlap, max_relative = 1e-13);
            assert!(row.low.unwrap() <= row.overlap && row.overlap <= row.high.unwrap());
        }
        assert_eq!(rows.iter().map(|row| row.languages).collect::<Vec<_>>(), [4, 5, 5]);
    }

    #[test]
    fn two_languages_have_no_interval() {
        let rankings = ["a", "b"].map(|language| ranked("m", 0, "POS", language, 0, &[1, 2])).to_vec();
        let rows = intervals(&analysis(rankings, &["POS"], 2));
        assert_eq!((rows[0].languages, rows[0].low, rows[0].ci_method.clone()), (2, None, None));
    }

    // from scipy import stats; [stats.t.ppf(.975, d) for d in (1, 2, 5, 12, 100)]
    #[test]
    fn quantiles_equal_scipy() {
        let expected = [
            (1, 12.706204736174694),
            (2, 4.302652729749462),
            (5, 2.5705818356363146),
            (12, 2.1788128296672284),
            (100, 1.9839715185235518),
        ];
        for (degrees, value) in expected {
            assert_relative_eq!(t_quantile(degrees), value, max_relative = 1e-10);
        }
    }
}
