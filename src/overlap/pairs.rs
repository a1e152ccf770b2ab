use super::cells::{distinct, families, same_length, Sorted};
use super::counts::Counts;
use super::excess;
use crate::checkpoint::Step;
use crate::ranking::{self, RankedCell, Ranking};
use crate::stats::{benjamini_hochberg, benjamini_yekutieli, holm, hypergeometric_sf};
use crate::{Error, Result, Site};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What an overlap is there for: to be read, or to be read against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// No control: two languages, one attribute, probes of the real labels.
    #[default]
    None,
    /// Two languages and one attribute, but probes of shuffled labels: what dominant neurons share without any grammar.
    Shuffled,
    /// Probes of the real labels, but of one attribute in the one language and of another in the other: what is shared by
    /// neurons that tell of words in general.
    CrossAttribute,
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Control::None => "none",
            Control::Shuffled => "shuffled",
            Control::CrossAttribute => "cross-attribute",
        })
    }
}

impl FromStr for Control {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Control::None, Control::Shuffled, Control::CrossAttribute]
            .into_iter()
            .find(|control| control.to_string() == text)
            .ok_or_else(|| Error::unknown("control", text, "none, shuffled or cross-attribute"))
    }
}

impl From<ranking::Control> for Control {
    fn from(control: ranking::Control) -> Self {
        match control {
            ranking::Control::None => Control::None,
            ranking::Control::Shuffled => Control::Shuffled,
        }
    }
}

/// A row of `overlap.csv`: how many of their first `k` neurons two languages share, under one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairOverlap {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The grammatical attribute; of [`Control::CrossAttribute`], that of `language_a`.
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
    /// Holm's correction over the pairs of one model, step, site, attribute, `k`, seed and control (and other attribute).
    pub p_holm: Option<f64>,
    /// Benjamini and Hochberg's correction over the same family.
    pub p_bh: Option<f64>,
    /// Benjamini and Yekutieli's correction over the same family.
    #[serde(default)]
    pub p_by: Option<f64>,
    /// `|A and B| / |A or B|`.
    pub jaccard: f64,
    /// What the row is there for.
    #[serde(default)]
    pub control: Control,
    /// The attribute of `language_b` where it is another one: of [`Control::CrossAttribute`] alone.
    #[serde(default)]
    pub attribute_b: Option<String>,
}

/// The overlap of every pair of languages that both have a ranking of one model, step, site, attribute, seed and control,
/// for every `k`; sorted by the columns of the table up to `seed`, then by control.
///
/// Rankings of probes of shuffled labels ([`ranking::Control::Shuffled`]) are compared with one another, and their rows
/// are marked; [`cross_attribute`] makes the other control.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) for rankings by several methods, two rankings of one cell, populations of different
/// sizes at one site and rankings of different lengths to compare, naming both cells;
/// [`Error::Parameter`](crate::Error::Parameter) if no `k` is given, and for a `k` that is 0, more than the population or
/// more than are ranked.
pub fn pairs(cells: &[RankedCell], ks: &[usize]) -> Result<Vec<PairOverlap>> {
    let ks = distinct(ks)?;
    let sorted = Sorted::new(cells)?.check(&ks)?;
    let tails = Tails::new(sorted.cells(), &ks);
    Ok(rows(sorted.tables().par_iter().map(|table| table_pairs(table, &ks, &tails)).collect()))
}

/// The control that crosses attributes: the overlap of one attribute's ranking in language `a` with another attribute's in
/// language `b`, of one model, step, site and seed, for every two languages, both ways round; sorted by the columns of the
/// table up to `seed`, then by the other attribute. Rankings of shuffled labels are left out.
///
/// With `L` languages of `T` attributes there are `L (L - 1) / 2` times `T (T - 1)` rows a step, site, seed and `k`.
///
/// # Errors
/// As [`pairs`].
///
/// # Examples
/// ```
/// use isogloss::overlap::{cross_attribute, Control};
/// use isogloss::ranking::{Cell, CurvePoint, RankedCell, Ranking};
///
/// let ranked = |attribute: &str, language: &str, neurons: [usize; 2]| -> isogloss::Result<RankedCell> {
///     let point = |(i, neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
///     let cell = Cell {
///         model: "bloom".into(), step: "1000".parse()?, site: "residual.3".parse()?, attribute: attribute.into(),
///         language: language.into(), method: "poisson".into(), seed: 0, control: Default::default(),
///     };
///     Ok(RankedCell { cell, ranking: Ranking::new(10, neurons.into_iter().enumerate().map(point).collect())? })
/// };
/// let rows = cross_attribute(&[ranked("Number", "es", [1, 2])?, ranked("Case", "de", [2, 7])?], &[2])?;
/// let row = &rows[0];
/// assert_eq!((row.language_a.as_str(), row.attribute.as_str()), ("de", "Case"));
/// assert_eq!((row.language_b.as_str(), row.attribute_b.as_deref()), ("es", Some("Number")));
/// assert_eq!((row.shared, row.control), (1, Control::CrossAttribute));
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn cross_attribute(cells: &[RankedCell], ks: &[usize]) -> Result<Vec<PairOverlap>> {
    let ks = distinct(ks)?;
    let sorted = Sorted::new(cells)?.check(&ks)?;
    let tails = Tails::new(sorted.cells(), &ks);
    let pairs: Result<Vec<_>> = sorted.places().par_iter().map(|place| place_pairs(place, &ks, &tails)).collect();
    Ok(rows(pairs?))
}

/// The number of neurons that are among the first `k` of both rankings.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) if `k` is 0, more than the population or more than either ranks;
/// [`Error::Data`](crate::Error::Data) if the rankings are of populations of different sizes, whose neurons are not the
/// same, or of different lengths.
pub fn shared(a: &Ranking, b: &Ranking, k: usize) -> Result<usize> {
    let last = super::measures::shared_by_k(a, b, k)?.last().copied();
    Ok(last.unwrap_or_default())
}

/// The pairs of one model, step, site and attribute, in the order of the table.
fn table_pairs<'a>(table: &[&'a RankedCell], ks: &[usize], tails: &Tails) -> Vec<Pair<'a>> {
    let of_family = |family: &[_]| family.len() * family.len().saturating_sub(1) / 2 * ks.len();
    let mut pairs = Vec::with_capacity(families(table).map(of_family).sum());
    for family in families(table) {
        let counts = counts(family, ks);
        for (at, &k) in ks.iter().enumerate() {
            let begin = pairs.len();
            for (i, a) in family.iter().enumerate() {
                for (j, b) in family.iter().enumerate().skip(i + 1) {
                    pairs.extend(Pair::new(a, b, k, counts.of(i, j).get(at), tails));
                }
            }
            correct(pairs.get_mut(begin..).unwrap_or_default());
        }
    }
    // Rows of one family and k are in order already.
    if families(table).nth(1).is_some() || ks.len() > 1 {
        pairs.sort_by(|a, b| a.order().cmp(&b.order()));
    }
    pairs
}

/// The crossed pairs of one model, step and site, in the order of the table.
fn place_pairs<'a>(place: &[&'a RankedCell], ks: &[usize], tails: &Tails) -> Result<Vec<Pair<'a>>> {
    let mut by_seed: BTreeMap<u64, Vec<&RankedCell>> = BTreeMap::new();
    for ranked in place {
        by_seed.entry(ranked.cell.seed).or_default().push(ranked);
    }
    let mut pairs = Vec::new();
    for members in by_seed.into_values() {
        for neighbours in members.windows(2) {
            let [a, b] = neighbours else { continue };
            same_length(a, b)?;
        }
        let counts = counts(&members, ks);
        let mut families: BTreeMap<(usize, &str, &str), Vec<Pair<'_>>> = BTreeMap::new();
        for (i, first) in members.iter().enumerate() {
            for (j, second) in members.iter().enumerate().skip(i + 1) {
                if first.cell.attribute == second.cell.attribute || first.cell.language == second.cell.language {
                    continue;
                }
                let (a, b) = if first.cell.language < second.cell.language { (first, second) } else { (second, first) };
                for (&k, count) in ks.iter().zip(counts.of(i, j)) {
                    let family = families.entry((k, &a.cell.attribute, &b.cell.attribute)).or_default();
                    family.extend(Pair::new(a, b, k, Some(count), tails));
                }
            }
        }
        for mut family in families.into_values() {
            correct(&mut family);
            pairs.extend(family);
        }
    }
    pairs.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(pairs)
}

pub(super) fn counts(members: &[&RankedCell], ks: &[usize]) -> Counts {
    let rankings: Vec<&Ranking> = members.iter().map(|ranked| &ranked.ranking).collect();
    Counts::new(&rankings, ks)
}

/// The hypergeometric tail for every number of shared neurons, of every size of population and `k`: a table has few of
/// them, and millions of rows.
struct Tails(BTreeMap<(usize, usize), Vec<f64>>);

impl Tails {
    fn new(cells: &[&RankedCell], ks: &[usize]) -> Self {
        let mut tails = BTreeMap::new();
        for neurons in cells.iter().filter_map(|ranked| ranked.ranking.n_neurons()) {
            for &k in ks {
                tails
                    .entry((neurons, k))
                    .or_insert_with(|| (0..=k).map(|shared| hypergeometric_sf(shared, neurons, k, k)).collect());
            }
        }
        Tails(tails)
    }

    fn p_value(&self, neurons: usize, k: usize, shared: usize) -> Option<f64> {
        self.0.get(&(neurons, k))?.get(shared).copied()
    }
}

/// A row before its names are written out.
struct Pair<'a> {
    a: &'a RankedCell,
    b: &'a RankedCell,
    k: usize,
    shared: usize,
    /// As it is, and by Holm, by Benjamini and Hochberg, by Benjamini and Yekutieli.
    p_values: Option<[f64; 4]>,
}

impl<'a> Pair<'a> {
    fn new(a: &'a RankedCell, b: &'a RankedCell, k: usize, shared: Option<&u32>, tails: &Tails) -> Option<Self> {
        let shared = *shared? as usize;
        let p_value = a.ranking.n_neurons().and_then(|neurons| tails.p_value(neurons, k, shared));
        Some(Pair { a, b, k, shared, p_values: p_value.map(|p| [p; 4]) })
    }

    fn order(&self) -> impl Ord + 'a {
        let (a, b) = (&self.a.cell, &self.b.cell);
        (&a.attribute, &a.language, &b.language, self.k, a.seed, a.control, &b.attribute)
    }

    fn row(&self) -> PairOverlap {
        let Pair { a, b, k, shared, p_values } = *self;
        let neurons = a.ranking.n_neurons();
        let overlap = shared as f64 / k as f64;
        let expected = neurons.map(|neurons| k as f64 / neurons as f64);
        let crossed = a.cell.attribute != b.cell.attribute;
        PairOverlap {
            model: a.cell.model.clone(),
            step: a.cell.step,
            site: a.cell.site,
            attribute: a.cell.attribute.clone(),
            language_a: a.cell.language.clone(),
            language_b: b.cell.language.clone(),
            k,
            seed: a.cell.seed,
            neurons,
            shared,
            overlap,
            expected,
            excess: expected.and_then(|expected| excess(overlap, expected)),
            p_value: p_values.map(|p| p[0]),
            p_holm: p_values.map(|p| p[1]),
            p_bh: p_values.map(|p| p[2]),
            p_by: p_values.map(|p| p[3]),
            jaccard: shared as f64 / (2 * k - shared) as f64,
            control: if crossed { Control::CrossAttribute } else { a.cell.control.into() },
            attribute_b: crossed.then(|| b.cell.attribute.clone()),
        }
    }
}

/// Corrects the p-values of a family.
fn correct(family: &mut [Pair<'_>]) {
    let p: Vec<f64> = family.iter().filter_map(|pair| pair.p_values.map(|p| p[0])).collect();
    let corrected = holm(&p).into_iter().zip(benjamini_hochberg(&p)).zip(benjamini_yekutieli(&p));
    let tested = family.iter_mut().filter_map(|pair| pair.p_values.as_mut());
    for (p_values, ((holm, bh), by)) in tested.zip(corrected) {
        *p_values = [p_values[0], holm, bh, by];
    }
}

/// Writes rows out, in order.
fn rows(pairs: Vec<Vec<Pair<'_>>>) -> Vec<PairOverlap> {
    let pairs: Vec<Pair<'_>> = pairs.into_iter().flatten().collect();
    pairs.par_iter().map(Pair::row).collect()
}
