use super::cells::{families, table_key, Sorted};
use super::pairs::counts;
use super::Control;
use crate::checkpoint::Step;
use crate::ranking::{self, RankedCell};
use crate::{Error, Result, Site};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of `overlap_by_k.csv`: overlap at one number of neurons, mean over pairs of languages and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverlapByK {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The grammatical attribute.
    pub attribute: String,
    /// The number of neurons taken from either ranking.
    pub k: usize,
    /// The number of pairs of languages.
    pub pairs: usize,
    /// The mean overlap; each pair's seeds are averaged first.
    pub overlap: f64,
    /// Chance, `k / D`; `None` where the size of the population is not known.
    pub expected: Option<f64>,
    /// Whether the rankings are of probes of shuffled labels.
    pub control: Control,
}

/// The overlap at every `k` from 1 to that given, mean over the pairs of languages of a model, step, site, attribute and
/// control; sorted by the columns of the table up to `attribute`, then by control and `k`.
///
/// # Errors
/// As [`pairs`](super::pairs()).
pub fn by_k(cells: &[RankedCell], k: usize) -> Result<Vec<OverlapByK>> {
    if k == 0 {
        return Err(Error::parameter("k", "1 or more", k));
    }
    let sorted = Sorted::new(cells)?.check(&[k])?;
    let ks: Vec<usize> = (1..=k).collect();
    let of_table = |table: &&[&RankedCell]| {
        let mut by_control: BTreeMap<ranking::Control, Vec<&[&RankedCell]>> = BTreeMap::new();
        for family in families(table) {
            let control = family.first().map(|ranked| ranked.cell.control).unwrap_or_default();
            by_control.entry(control).or_default().push(family);
        }
        by_control.into_iter().flat_map(|(control, seeds)| of_seeds(control, &seeds, &ks)).collect()
    };
    let rows: Vec<Vec<OverlapByK>> = sorted.tables().par_iter().map(of_table).collect();
    Ok(rows.into_iter().flatten().collect())
}

/// The rows of one control: its rankings, seed by seed.
fn of_seeds(control: ranking::Control, seeds: &[&[&RankedCell]], ks: &[usize]) -> Vec<OverlapByK> {
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (a, b) in seeds.iter().flat_map(|family| in_pairs(family)).map(|((_, a), (_, b))| (a, b)) {
        *pairs.entry((&a.cell.language, &b.cell.language)).or_default() += 1;
    }
    let Some(first) = seeds.first().and_then(|family| family.first()).filter(|_| !pairs.is_empty()) else {
        return Vec::new();
    };
    // Pairs by their number of seeds: whole numbers are added, which lose nothing.
    let mut shared: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for family in seeds {
        let counts = counts(family, ks);
        for ((i, a), (j, b)) in in_pairs(family) {
            let seeds = pairs.get(&(&*a.cell.language, &*b.cell.language)).copied().unwrap_or(1);
            let sums = shared.entry(seeds).or_insert_with(|| vec![0; ks.len()]);
            for (sum, &count) in sums.iter_mut().zip(counts.of(i, j)) {
                *sum += u64::from(count);
            }
        }
    }
    let (model, step, site, attribute) = table_key(&first.cell);
    let row = |(at, &k): (usize, &usize)| {
        let sum = |(&seeds, sums): (&usize, &Vec<u64>)| sums.get(at).map_or(0.0, |&sum| sum as f64 / seeds as f64);
        let shared: f64 = shared.iter().map(sum).sum();
        OverlapByK {
            model: model.to_owned(),
            step,
            site,
            attribute: attribute.to_owned(),
            k,
            pairs: pairs.len(),
            overlap: shared / (k as f64 * pairs.len() as f64),
            expected: first.ranking.n_neurons().map(|neurons| k as f64 / neurons as f64),
            control: control.into(),
        }
    };
    ks.iter().enumerate().map(row).collect()
}

/// A ranking and its place in the family.
type Placed<'a> = (usize, &'a RankedCell);

fn in_pairs<'f, 'a>(family: &'f [&'a RankedCell]) -> impl Iterator<Item = (Placed<'a>, Placed<'a>)> + 'f {
    let placed = || family.iter().copied().enumerate();
    placed().flat_map(move |a| placed().skip(a.0 + 1).map(move |b| (a, b)))
}
