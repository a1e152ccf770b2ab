use super::{Similarity, MEASURES};
use crate::activations::SentencePooling;
use crate::checkpoint::Step;
use crate::overlap::MEAN;
use crate::stats::mean;
use crate::Site;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A row of `similarity_vs_step.csv`: a measure at one step, mean over pairs of languages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepSimilarity {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model, or [`MEAN`] for the mean over sites.
    pub site: String,
    /// How a sentence's tokens became one state.
    pub pooling: SentencePooling,
    /// The measure; `retrieval` and `retrieval-csls` are means of both ways.
    pub measure: String,
    /// The number of pairs of languages.
    pub pairs: usize,
    /// The number of sites in the mean; 1 for a site's own.
    pub sites: usize,
    /// The number of parallel sentences.
    pub sentences: usize,
    /// The mean; `None` where a pair has no value.
    pub value: Option<f64>,
}

/// Model, pooling and measure, with the measure's place in [`MEASURES`] before it.
type Series<'a> = (&'a str, SentencePooling, (usize, &'a str));

/// The values of one measure at one place, by pair of languages.
type OfPairs<'a> = BTreeMap<(&'a str, &'a str), Vec<Option<f64>>>;

/// A series' places, each with its values.
type Table<'a> = BTreeMap<(Step, Site), OfPairs<'a>>;

/// The measure without its direction: what a mean over pairs can be of.
fn undirected(measure: &str) -> &str {
    measure.strip_suffix("-a-to-b").or_else(|| measure.strip_suffix("-b-to-a")).unwrap_or(measure)
}

/// The mean over pairs of every measure, at every step and site and, as site [`MEAN`], over sites. Sorted by model, step,
/// site (the mean last), pooling and measure, in the order of [`MEASURES`].
///
/// The mean over sites is over those with a value for every pair at every step where any site has one, so that steps
/// compare: where all sentences end in the same token, the last one's embedding tells nothing apart at any step.
pub fn by_step(rows: &[Similarity]) -> Vec<StepSimilarity> {
    let sentences: BTreeMap<(&str, Step), usize> =
        rows.iter().map(|row| ((row.model.as_str(), row.step), row.sentences)).collect();
    let mut sorted = Vec::new();
    for ((model, pooling, (_, measure)), table) in tables(rows) {
        let values = means(&table);
        let row = |step: Step, site: String, pairs: usize, sites: usize, value: Option<f64>| StepSimilarity {
            model: model.to_owned(),
            step,
            site,
            pooling,
            measure: measure.to_owned(),
            pairs,
            sites,
            sentences: sentences.get(&(model, step)).copied().unwrap_or_default(),
            value,
        };
        let pairs_at = |step: Step| {
            let here = table.iter().filter(|((at, _), _)| *at == step);
            here.map(|(_, pairs)| pairs.len()).max().unwrap_or_default()
        };
        for ((step, site), value) in &values {
            let pairs = table.get(&(*step, *site)).map_or(0, BTreeMap::len);
            sorted.push(((model, *step, Some(*site)), row(*step, site.to_string(), pairs, 1, *value)));
        }
        let sites = comparable(&values);
        for step in values.keys().map(|(step, _)| *step).collect::<BTreeSet<_>>() {
            let of_sites: Option<Vec<f64>> =
                sites.iter().map(|site| values.get(&(step, *site)).copied().flatten()).collect();
            let value = of_sites.and_then(mean);
            let sites = if value.is_some() { sites.len() } else { 0 };
            sorted.push(((model, step, None), row(step, MEAN.to_owned(), pairs_at(step), sites, value)));
        }
    }
    // `None`, the mean over sites, after its sites; the order within a place is that of series.
    sorted.sort_by_key(|((model, step, site), _)| (*model, *step, site.is_none(), *site));
    sorted.into_iter().map(|(_, row)| row).collect()
}

/// A measure of one pair of languages at one step, mean over sites.
pub(crate) struct PairSimilarity<'a> {
    pub(crate) model: &'a str,
    pub(crate) step: Step,
    pub(crate) pooling: SentencePooling,
    pub(crate) measure: &'a str,
    pub(crate) language_a: &'a str,
    pub(crate) language_b: &'a str,
    pub(crate) value: f64,
}

/// The mean over sites of every measure of each pair, over the sites that [`by_step`] takes: pairs average to what it has.
pub(crate) fn by_step_and_pair(rows: &[Similarity]) -> Vec<PairSimilarity<'_>> {
    let mut found = Vec::new();
    for ((model, pooling, (_, measure)), table) in tables(rows) {
        let sites = comparable(&means(&table));
        let mut of_pairs: BTreeMap<(Step, &str, &str), Vec<Option<f64>>> = BTreeMap::new();
        for ((step, _), pairs) in table.iter().filter(|((_, site), _)| sites.contains(site)) {
            for ((a, b), ways) in pairs {
                of_pairs.entry((*step, a, b)).or_default().push(over_ways(ways));
            }
        }
        for ((step, language_a, language_b), sites) in of_pairs {
            let value = sites.into_iter().collect::<Option<Vec<f64>>>().and_then(mean);
            found.extend(value.map(|value| PairSimilarity {
                model,
                step,
                pooling,
                measure,
                language_a,
                language_b,
                value,
            }));
        }
    }
    found
}

fn tables(rows: &[Similarity]) -> BTreeMap<Series<'_>, Table<'_>> {
    let mut series: BTreeMap<Series<'_>, Table<'_>> = BTreeMap::new();
    for row in rows {
        let measure = undirected(&row.measure);
        let place = MEASURES.iter().position(|name| undirected(name) == measure).unwrap_or(MEASURES.len());
        let table = series.entry((&row.model, row.pooling, (place, measure))).or_default();
        let pairs = table.entry((row.step, row.site)).or_default();
        pairs.entry((&row.language_a, &row.language_b)).or_default().push(row.value);
    }
    series
}

/// The mean over pairs at each place.
fn means(table: &Table<'_>) -> BTreeMap<(Step, Site), Option<f64>> {
    table.iter().map(|(place, pairs)| (*place, over_pairs(pairs))).collect()
}

fn over_ways(ways: &[Option<f64>]) -> Option<f64> {
    mean(ways.iter().copied().collect::<Option<Vec<f64>>>()?)
}

/// The mean over pairs of the means over directions; `None` where a part is missing.
fn over_pairs(pairs: &OfPairs<'_>) -> Option<f64> {
    mean(pairs.values().map(|ways| over_ways(ways)).collect::<Option<Vec<f64>>>()?)
}

/// The sites with a value at every step where any site has one.
fn comparable(values: &BTreeMap<(Step, Site), Option<f64>>) -> BTreeSet<Site> {
    let steps: BTreeSet<Step> =
        values.iter().filter(|(_, value)| value.is_some()).map(|((step, _), _)| *step).collect();
    let there = |step: &Step, site: Site| values.get(&(*step, site)).copied().flatten().is_some();
    let sites: BTreeSet<Site> = values.keys().map(|(_, site)| *site).collect();
    sites.into_iter().filter(|site| !steps.is_empty() && steps.iter().all(|step| there(step, *site))).collect()
}
