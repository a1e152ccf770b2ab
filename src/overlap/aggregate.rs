use super::{PairOverlap, SelfOverlap, MEAN};
use crate::checkpoint::Step;
use crate::stats::mean;
use crate::Site;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of `overlap_vs_step.csv`: overlap at one step, mean over pairs of languages and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOverlap {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model, or [`MEAN`] for the mean over sites.
    pub site: String,
    /// The grammatical attribute, or [`MEAN`] for the unweighted mean over attributes.
    pub attribute: String,
    /// The number of neurons taken from either ranking.
    pub k: usize,
    /// The number of distinct pairs of languages, counted once an attribute: seeds and sites add none, and an
    /// aggregate over attributes has the sum over them.
    pub pairs: usize,
    /// The mean overlap.
    pub overlap: f64,
    /// The mean of chance; `None` where it is not known of every part.
    pub expected: Option<f64>,
    /// The mean excess over chance; `None` where it is not known of every part.
    pub excess: Option<f64>,
    /// The mean over the languages with two seeds or more of their overlap with themselves; `None` where a part has none.
    pub ceiling: Option<f64>,
}

/// Model, step, k, site, attribute.
type CellKey<'a> = (&'a str, Step, usize, Site, &'a str);

/// Attributes' rates by site.
type Table<'a> = BTreeMap<Site, BTreeMap<&'a str, Rate>>;

/// What a row holds beside its key.
#[derive(Clone, Copy)]
struct Rate {
    pairs: usize,
    overlap: f64,
    expected: Option<f64>,
    excess: Option<f64>,
    ceiling: Option<f64>,
}

/// The table of overlap against step, as Wang, Minervini and Ponti 2024 (arXiv 2406.13229) aggregate it.
///
/// The rate of an attribute at a site is the mean over pairs of languages (each pair's seeds averaged first); attribute
/// [`MEAN`] is the unweighted mean of the attributes' rates at a site, whatever the number of pairs of each; site [`MEAN`]
/// is the mean over sites, of one attribute or of the sites' [`MEAN`]. Rows come by model, step, site, attribute and `k`,
/// each [`MEAN`] after what it is of.
pub fn by_step(pairs: &[PairOverlap], ceilings: &[SelfOverlap]) -> Vec<StepOverlap> {
    let rates = cell_rates(pairs, ceilings);
    let mut rows = Vec::new();
    // Models, steps and numbers of neurons each have a table of sites and attributes of their own.
    let mut tables: BTreeMap<(&str, Step, usize), Table<'_>> = BTreeMap::new();
    for ((model, step, k, site, attribute), rate) in rates {
        tables.entry((model, step, k)).or_default().entry(site).or_default().insert(attribute, rate);
    }
    for ((model, step, k), table) in tables {
        let mut push = |site_order: Option<Site>, attribute: Option<&str>, rate: Rate| {
            let site = site_order.map_or_else(|| MEAN.to_owned(), |site| site.to_string());
            let row = StepOverlap {
                model: model.to_owned(),
                step,
                site,
                attribute: attribute.unwrap_or(MEAN).to_owned(),
                k,
                pairs: rate.pairs,
                overlap: rate.overlap,
                expected: rate.expected,
                excess: rate.excess,
                ceiling: rate.ceiling,
            };
            // `None`, an aggregate, sorts last.
            let order = (site_order.is_none(), site_order, attribute.is_none(), attribute.map(str::to_owned));
            rows.push(((row.model.clone(), step, order, k), row));
        };
        let mut of_attribute: BTreeMap<&str, Vec<Rate>> = BTreeMap::new();
        let mut of_site = Vec::new();
        for (&site, attributes) in &table {
            for (&attribute, &rate) in attributes {
                push(Some(site), Some(attribute), rate);
                of_attribute.entry(attribute).or_default().push(rate);
            }
            let rates: Vec<Rate> = attributes.values().copied().collect();
            if let Some(rate) = mean_rate(&rates, |pairs| pairs.sum()) {
                push(Some(site), None, rate);
                of_site.push(rate);
            }
        }
        // Sites hold the same pairs, save where a cell is missing.
        let most = |pairs: &mut dyn Iterator<Item = usize>| pairs.max().unwrap_or_default();
        let mut pairs_in_all = 0;
        for (attribute, rates) in of_attribute {
            if let Some(rate) = mean_rate(&rates, most) {
                pairs_in_all += rate.pairs;
                push(None, Some(attribute), rate);
            }
        }
        if let Some(rate) = mean_rate(&of_site, |_| pairs_in_all) {
            push(None, None, rate);
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The rate of every attribute at every site.
fn cell_rates<'a>(pairs: &'a [PairOverlap], ceilings: &'a [SelfOverlap]) -> BTreeMap<CellKey<'a>, Rate> {
    let mut cells: BTreeMap<CellKey<'a>, BTreeMap<(&str, &str), Vec<&PairOverlap>>> = BTreeMap::new();
    for row in pairs {
        let cell = cells.entry((&row.model, row.step, row.k, row.site, &row.attribute)).or_default();
        cell.entry((&row.language_a, &row.language_b)).or_default().push(row);
    }
    let mut self_overlaps: BTreeMap<CellKey<'a>, Vec<f64>> = BTreeMap::new();
    for row in ceilings {
        let key = (row.model.as_str(), row.step, row.k, row.site, row.attribute.as_str());
        self_overlaps.entry(key).or_default().push(row.self_overlap);
    }
    let rate = |(key, cell): (CellKey<'a>, BTreeMap<(&str, &str), Vec<&PairOverlap>>)| {
        // A pair with more seeds than another counts once all the same.
        let over_pairs = |value: fn(&PairOverlap) -> Option<f64>| {
            mean_of_all(cell.values().map(|seeds| mean_of_all(seeds.iter().map(|row| value(row)))))
        };
        let rate = Rate {
            pairs: cell.len(),
            overlap: over_pairs(|row| Some(row.overlap))?,
            expected: over_pairs(|row| row.expected),
            excess: over_pairs(|row| row.excess),
            ceiling: self_overlaps.get(&key).and_then(|values| mean(values.iter().copied())),
        };
        Some((key, rate))
    };
    cells.into_iter().filter_map(rate).collect()
}

/// The mean, or `None` where a part is missing: a mean over other parts than its neighbour's would mislead.
pub(crate) fn mean_of_all(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    values.collect::<Option<Vec<f64>>>().and_then(mean)
}

fn mean_rate(rates: &[Rate], pairs: impl FnOnce(&mut dyn Iterator<Item = usize>) -> usize) -> Option<Rate> {
    Some(Rate {
        pairs: pairs(&mut rates.iter().map(|rate| rate.pairs)),
        overlap: mean(rates.iter().map(|rate| rate.overlap))?,
        expected: mean_of_all(rates.iter().map(|rate| rate.expected)),
        excess: mean_of_all(rates.iter().map(|rate| rate.excess)),
        ceiling: mean_of_all(rates.iter().map(|rate| rate.ceiling)),
    })
}
