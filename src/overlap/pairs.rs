use super::excess;
use crate::checkpoint::Step;
use crate::ranking::{Cell, RankedCell, Ranking, Top};
use crate::stats::{benjamini_hochberg, holm, hypergeometric_sf};
use crate::{Error, Result, Site};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of `overlap.csv`: how many of their first `k` neurons two languages share, under one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairOverlap {
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
    /// The size of the population, `None` where it is not known; chance and p-values are then not known either.
    pub neurons: Option<usize>,
    /// The number of neurons in both.
    pub shared: usize,
    /// `shared / k`.
    pub overlap: f64,
    /// The mean overlap of independent rankings, `k / neurons`.
    pub expected: Option<f64>,
    /// `(overlap - expected) / (1 - expected)`.
    pub excess: Option<f64>,
    /// `P(X >= shared)` of independent rankings, hypergeometric.
    pub p_value: Option<f64>,
    /// Holm's correction over the pairs of one model, step, site, attribute, `k` and seed.
    pub p_holm: Option<f64>,
    /// Benjamini and Hochberg's correction over the same family.
    pub p_bh: Option<f64>,
}

/// The number of neurons that are among the first `k` of both rankings.
///
/// # Errors
/// [`Error::Parameter`] if `k` is 0, more than the population or more than either ranks; [`Error::Data`] if the rankings
/// are of populations of different sizes, whose neurons are not the same.
pub fn shared(a: &Ranking, b: &Ranking, k: usize) -> Result<usize> {
    if a.n_neurons() != b.n_neurons() {
        return Err(Error::Data(format!(
            "rankings of {} and of {} neurons cannot be compared: compare rankings of one site of one model",
            a.n_neurons(),
            b.n_neurons()
        )));
    }
    Ok(Top::new(a, k)?.shared(&Top::new(b, k)?))
}

/// The overlap of every pair of languages that both have a ranking of one model, step, site, attribute and seed, for
/// every `k`; sorted by the columns of the table up to `seed`.
///
/// # Errors
/// [`Error::Data`] for rankings by several methods, two rankings of one cell, and populations of different sizes at one
/// site; [`Error::Parameter`] if no `k` is given, and for a `k` that is 0, more than the population or more than are ranked.
pub fn pairs(cells: &[RankedCell], ks: &[usize]) -> Result<Vec<PairOverlap>> {
    let ks = distinct(ks)?;
    let families: Vec<_> = families(cells)?.into_iter().collect();
    let rows: Result<Vec<Vec<PairOverlap>>> = families
        .par_iter()
        .flat_map(|family| ks.par_iter().map(move |&k| (family, k)))
        .map(|((key, members), k)| family_pairs(*key, members, k))
        .collect();
    let mut rows: Vec<PairOverlap> = rows?.into_iter().flatten().collect();
    rows.par_sort_by(|a, b| row_order(a).cmp(&row_order(b)));
    Ok(rows)
}

/// What the tests of one correction have in common, apart from `k`: model, step, site, attribute, seed.
type FamilyKey<'a> = (&'a str, Step, Site, &'a str, u64);

fn row_order(row: &PairOverlap) -> impl Ord + '_ {
    (&row.model, row.step, row.site, &row.attribute, &row.language_a, &row.language_b, row.k, row.seed)
}

/// The given numbers of neurons, each once, ascending.
pub(super) fn distinct(ks: &[usize]) -> Result<Vec<usize>> {
    let mut ks = ks.to_vec();
    ks.sort_unstable();
    ks.dedup();
    if ks.is_empty() {
        return Err(Error::parameter("k", "one number of neurons or more", "absent"));
    }
    Ok(ks)
}

/// The rankings by family and language, checked to be comparable.
fn families(cells: &[RankedCell]) -> Result<BTreeMap<FamilyKey<'_>, BTreeMap<&str, &RankedCell>>> {
    one_method(cells)?;
    let mut families: BTreeMap<FamilyKey<'_>, BTreeMap<&str, &RankedCell>> = BTreeMap::new();
    for ranked in cells {
        let cell = &ranked.cell;
        let family = families.entry((&cell.model, cell.step, cell.site, &cell.attribute, cell.seed)).or_default();
        if let Some((_, other)) = family.first_key_value() {
            same_width(other, ranked)?;
        }
        if family.insert(&cell.language, ranked).is_some() {
            return Err(Error::Data(format!("{} is ranked twice", describe(cell))));
        }
    }
    Ok(families)
}

/// Refuses rankings by several methods: their overlap would mix what methods and what languages share.
pub(super) fn one_method(cells: &[RankedCell]) -> Result<()> {
    let mut methods = cells.iter().map(|ranked| ranked.cell.method.as_str());
    let first = methods.next();
    match methods.find(|method| Some(*method) != first) {
        Some(other) => Err(Error::Data(format!(
            "rankings by `{}` and by `{other}` cannot share a table: give the rankings of one method",
            first.unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

/// Refuses rankings of populations of different sizes.
pub(super) fn same_width(a: &RankedCell, b: &RankedCell) -> Result<()> {
    if a.ranking.n_neurons() == b.ranking.n_neurons() {
        return Ok(());
    }
    Err(Error::Data(format!(
        "{} ranks {} neurons, but {} ranks {}: compare rankings of one site of one model",
        describe(&a.cell),
        a.ranking.n_neurons(),
        describe(&b.cell),
        b.ranking.n_neurons()
    )))
}

/// A cell in words, for messages.
pub(super) fn describe(cell: &Cell) -> String {
    let Cell { model, step, site, attribute, language, seed, .. } = cell;
    format!("{attribute} in {language} ({model}, step {step}, {site}, seed {seed})")
}

fn family_pairs(key: FamilyKey<'_>, members: &BTreeMap<&str, &RankedCell>, k: usize) -> Result<Vec<PairOverlap>> {
    let (model, step, site, attribute, seed) = key;
    let Some(neurons) = members.first_key_value().map(|(_, ranked)| ranked.ranking.n_neurons()) else {
        return Ok(Vec::new());
    };
    let tops = members
        .iter()
        .map(|(&language, ranked)| Ok((language, Top::of_cell(ranked, k)?)))
        .collect::<Result<Vec<(&str, Top)>>>()?;
    // A family has few distinct counts, and each has one p-value.
    let mut p_values: BTreeMap<usize, f64> = BTreeMap::new();
    let mut rows = Vec::with_capacity(tops.len() * tops.len().saturating_sub(1) / 2);
    for (i, (language_a, a)) in tops.iter().enumerate() {
        for (language_b, b) in tops.iter().skip(i + 1) {
            let shared = a.shared(b);
            let overlap = shared as f64 / k as f64;
            let expected = k as f64 / neurons as f64;
            let p_value = *p_values.entry(shared).or_insert_with(|| hypergeometric_sf(shared, neurons, k, k));
            rows.push(PairOverlap {
                model: model.to_owned(),
                step,
                site,
                attribute: attribute.to_owned(),
                language_a: (*language_a).to_owned(),
                language_b: (*language_b).to_owned(),
                k,
                seed,
                neurons: Some(neurons),
                shared,
                overlap,
                expected: Some(expected),
                excess: excess(overlap, expected),
                p_value: Some(p_value),
                p_holm: None,
                p_bh: None,
            });
        }
    }
    let family: Vec<f64> = rows.iter().filter_map(|row| row.p_value).collect();
    for ((row, p_holm), p_bh) in rows.iter_mut().zip(holm(&family)).zip(benjamini_hochberg(&family)) {
        row.p_holm = Some(p_holm);
        row.p_bh = Some(p_bh);
    }
    Ok(rows)
}

impl Top {
    /// As [`Top::new`], with an error that names the cell.
    pub(super) fn of_cell(ranked: &RankedCell, k: usize) -> Result<Self> {
        Top::new(&ranked.ranking, k).map_err(|error| match error {
            Error::Parameter { name, expected, value } => {
                Error::Parameter { name, expected: format!("{expected} for {}", describe(&ranked.cell)), value }
            }
            error => error,
        })
    }
}
