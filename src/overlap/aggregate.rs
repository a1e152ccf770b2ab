use super::{Control, PairOverlap, SelfOverlap, MEAN};
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
    /// `overlap / ceiling`; `None` where there is no ceiling or it is 0.
    #[serde(default)]
    pub of_ceiling: Option<f64>,
    /// `(overlap - expected) / (ceiling - expected)`: 0 at chance, 1 at the ceiling; `None` where either is not known or the
    /// ceiling is not above chance.
    #[serde(default)]
    pub excess_of_ceiling: Option<f64>,
    /// The mean overlap of rankings of shuffled labels; `None` where a part has none.
    #[serde(default)]
    pub shuffled: Option<f64>,
    /// The mean overlap of the attribute's rankings with those of other attributes in other languages, over all of
    /// [`cross_attribute`](super::cross_attribute())'s pairs that it has a part in; `None` where a part has none.
    #[serde(default)]
    pub cross_attribute: Option<f64>,
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
    shuffled: Option<f64>,
    cross_attribute: Option<f64>,
}

/// The table of overlap against step, as Wang, Minervini and Ponti 2024 (arXiv 2406.13229) aggregate it.
///
/// The rate of an attribute at a site is the mean over pairs of languages (each pair's seeds averaged first); attribute
/// [`MEAN`] is the unweighted mean of the attributes' rates at a site, whatever the number of pairs of each; site [`MEAN`]
/// is the mean over sites, of one attribute or of the sites' [`MEAN`]. Rows come by model, step, site, attribute and `k`,
/// each [`MEAN`] after what it is of.
///
/// Of `pairs`, rows of controls enter the columns of the controls alone ([`cross_attribute`](super::cross_attribute()) makes
/// those that [`pairs`](super::pairs()) does not).
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
                of_ceiling: rate.ceiling.filter(|ceiling| *ceiling > 0.0).map(|ceiling| rate.overlap / ceiling),
                excess_of_ceiling: rate.ceiling.zip(rate.expected).and_then(|(ceiling, expected)| {
                    (ceiling > expected).then(|| (rate.overlap - expected) / (ceiling - expected))
                }),
                shuffled: rate.shuffled,
                cross_attribute: rate.cross_attribute,
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
    let mut self_overlaps: BTreeMap<CellKey<'a>, Vec<f64>> = BTreeMap::new();
    for row in ceilings {
        let key = (row.model.as_str(), row.step, row.k, row.site, row.attribute.as_str());
        self_overlaps.entry(key).or_default().push(row.self_overlap);
    }
    let own = |row: &'a PairOverlap| row.attribute.as_str();
    let mut shuffled = BTreeMap::new();
    for_cells(pairs, Control::Shuffled, own, |key, cell| {
        shuffled.insert(key, over_pairs(cell, |row| Some(row.overlap)));
    });
    // A crossed pair is of both its attributes.
    let mut crossed: BTreeMap<CellKey<'a>, (f64, usize)> = BTreeMap::new();
    let other = |row: &'a PairOverlap| row.attribute_b.as_deref().unwrap_or_default();
    for attribute in [&own as &dyn Fn(&'a PairOverlap) -> &'a str, &other] {
        for_cells(pairs, Control::CrossAttribute, attribute, |key, cell| {
            let (sum, count) = crossed.entry(key).or_default();
            if let Some(mean) = over_pairs(cell, |row| Some(row.overlap)) {
                *sum += mean * cell.len() as f64;
                *count += cell.len();
            }
        });
    }
    let mut rates = BTreeMap::new();
    for_cells(pairs, Control::None, own, |key, cell| {
        let Some(overlap) = over_pairs(cell, |row| Some(row.overlap)) else { return };
        let rate = Rate {
            pairs: cell.len(),
            overlap,
            expected: over_pairs(cell, |row| row.expected),
            excess: over_pairs(cell, |row| row.excess),
            ceiling: self_overlaps.get(&key).and_then(|values| mean(values.iter().copied())),
            shuffled: shuffled.get(&key).copied().flatten(),
            cross_attribute: crossed.get(&key).map(|(sum, count)| sum / *count as f64),
        };
        rates.insert(key, rate);
    });
    rates
}

/// Calls `each` with the rows of every cell, pair by pair, of the rows of one control.
fn for_cells<'a>(
    pairs: &'a [PairOverlap],
    control: Control,
    attribute: impl Fn(&'a PairOverlap) -> &'a str + Copy,
    mut each: impl FnMut(CellKey<'a>, &[&[&'a PairOverlap]]),
) {
    let cell = |row: &'a PairOverlap| (row.model.as_str(), row.step, row.k, row.site, attribute(row));
    let pair = |row: &'a PairOverlap| (&row.language_a, &row.language_b, &row.attribute, &row.attribute_b);
    let mut rows: Vec<&PairOverlap> = pairs.iter().filter(|row| row.control == control).collect();
    // Stable, and next to nothing for rows in the order of the table.
    rows.sort_by(|a, b| cell(a).cmp(&cell(b)).then_with(|| pair(a).cmp(&pair(b))));
    for of_cell in rows.chunk_by(|a, b| cell(a) == cell(b)) {
        let Some(&first) = of_cell.first() else { continue };
        let by_pair: Vec<&[&PairOverlap]> = of_cell.chunk_by(|a, b| pair(a) == pair(b)).collect();
        each(cell(first), &by_pair);
    }
}

/// The mean over pairs of the means over seeds: a pair with more seeds than another counts once all the same.
fn over_pairs(pairs: &[&[&PairOverlap]], value: impl Fn(&PairOverlap) -> Option<f64>) -> Option<f64> {
    mean_of_all(pairs.iter().map(|seeds| mean_of_all(seeds.iter().map(|row| value(row)))))
}

/// The mean, or `None` where a part is missing: a mean over other parts than its neighbour's would mislead.
pub(crate) fn mean_of_all(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0usize);
    for value in values {
        sum += value?;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

fn mean_rate(rates: &[Rate], pairs: impl FnOnce(&mut dyn Iterator<Item = usize>) -> usize) -> Option<Rate> {
    Some(Rate {
        pairs: pairs(&mut rates.iter().map(|rate| rate.pairs)),
        overlap: mean(rates.iter().map(|rate| rate.overlap))?,
        expected: mean_of_all(rates.iter().map(|rate| rate.expected)),
        excess: mean_of_all(rates.iter().map(|rate| rate.excess)),
        ceiling: mean_of_all(rates.iter().map(|rate| rate.ceiling)),
        shuffled: mean_of_all(rates.iter().map(|rate| rate.shuffled)),
        cross_attribute: mean_of_all(rates.iter().map(|rate| rate.cross_attribute)),
    })
}
