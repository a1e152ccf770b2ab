//! Rankings in the order of the tables, checked to be comparable.

use crate::checkpoint::Step;
use crate::ranking::{Cell, Control, RankedCell};
use crate::{Error, Result, Site};
use std::collections::BTreeMap;

/// What a row's sets of neurons have in common: model, step, site, attribute.
pub(super) type TableKey<'a> = (&'a str, Step, Site, &'a str);

/// Rankings sorted by model, step, site, attribute, control, seed and language.
pub(super) struct Sorted<'a>(Vec<&'a RankedCell>);

impl<'a> Sorted<'a> {
    /// # Errors
    /// [`Error::Data`] for rankings by several methods, two rankings of one cell, populations of different sizes at one site
    /// of one model, and rankings of different lengths in one family.
    pub(super) fn new(cells: &'a [RankedCell]) -> Result<Self> {
        one_method(cells)?;
        let mut widths: BTreeMap<(&str, Site), &RankedCell> = BTreeMap::new();
        for ranked in cells {
            let first = widths.entry((&ranked.cell.model, ranked.cell.site)).or_insert(ranked);
            same_width(first, ranked)?;
        }
        let mut sorted: Vec<&RankedCell> = cells.iter().collect();
        sorted.sort_by(|a, b| order(a).cmp(&order(b)));
        for neighbours in sorted.windows(2) {
            let [a, b] = neighbours else { continue };
            if order(a) == order(b) {
                return Err(Error::Data(format!("{} is ranked twice", describe(&a.cell))));
            }
            if same_family(a, b) {
                same_length(a, b)?;
            }
        }
        Ok(Sorted(sorted))
    }

    /// Checks that every ranking has each of `ks`.
    pub(super) fn check(self, ks: &[usize]) -> Result<Self> {
        for ranked in &self.0 {
            for &k in ks {
                check_k(ranked, k)?;
            }
        }
        Ok(self)
    }

    /// All rankings.
    pub(super) fn cells(&self) -> &[&'a RankedCell] {
        &self.0
    }

    /// The rankings of one model, step, site and attribute after the other.
    pub(super) fn tables(&self) -> Vec<&[&'a RankedCell]> {
        self.0.chunk_by(|a, b| table_key(&a.cell) == table_key(&b.cell)).collect()
    }

    /// The rankings of one model, step and site after the other, without those of controls.
    pub(super) fn places(&self) -> Vec<Vec<&'a RankedCell>> {
        let real: Vec<&'a RankedCell> = self.0.iter().copied().filter(|r| r.cell.control == Control::None).collect();
        let place = |r: &RankedCell| (r.cell.step, r.cell.site);
        let same = |a: &&RankedCell, b: &&RankedCell| a.cell.model == b.cell.model && place(a) == place(b);
        real.chunk_by(same).map(<[_]>::to_vec).collect()
    }
}

/// The rankings of a table that are tested together: those of one control and seed, by language.
pub(super) fn families<'t, 'a>(table: &'t [&'a RankedCell]) -> impl Iterator<Item = &'t [&'a RankedCell]> {
    table.chunk_by(|a, b| same_family(a, b))
}

fn same_family(a: &RankedCell, b: &RankedCell) -> bool {
    table_key(&a.cell) == table_key(&b.cell) && (a.cell.control, a.cell.seed) == (b.cell.control, b.cell.seed)
}

pub(super) fn table_key(cell: &Cell) -> TableKey<'_> {
    (&cell.model, cell.step, cell.site, &cell.attribute)
}

fn order(ranked: &RankedCell) -> impl Ord + '_ {
    let cell = &ranked.cell;
    (table_key(cell), cell.control, cell.seed, &cell.language)
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

/// Refuses what is not of the same neurons or not ranked alike.
pub(super) fn comparable(a: &RankedCell, b: &RankedCell) -> Result<()> {
    let refuse = |what: &str, one: &dyn std::fmt::Display, other: &dyn std::fmt::Display| {
        let cells = format!("{} and {}", describe(&a.cell), describe(&b.cell));
        Err(Error::Data(format!("{cells} cannot be compared: the {what} differs, `{one}` and `{other}`")))
    };
    if a.cell.model != b.cell.model {
        return refuse("model", &a.cell.model, &b.cell.model);
    }
    if a.cell.site != b.cell.site {
        return refuse("site", &a.cell.site, &b.cell.site);
    }
    same_method(a, b)?;
    same_width(a, b)?;
    same_length(a, b)
}

/// Refuses rankings by several methods: their overlap would mix what methods and what languages share.
pub(super) fn one_method(cells: &[RankedCell]) -> Result<()> {
    let Some(first) = cells.first() else { return Ok(()) };
    cells.iter().try_for_each(|ranked| same_method(first, ranked))
}

fn same_method(a: &RankedCell, b: &RankedCell) -> Result<()> {
    if a.cell.method == b.cell.method {
        return Ok(());
    }
    Err(Error::Data(format!(
        "rankings by `{}` and by `{}` cannot be compared: give the rankings of one method (the one is of {}, the other of {})",
        a.cell.method,
        b.cell.method,
        describe(&a.cell),
        describe(&b.cell)
    )))
}

/// Refuses rankings of populations of different sizes.
pub(super) fn same_width(a: &RankedCell, b: &RankedCell) -> Result<()> {
    let (one, other) = (a.ranking.n_neurons(), b.ranking.n_neurons());
    if one == other {
        return Ok(());
    }
    let number = |n: Option<usize>| n.map_or("an unknown number of neurons".to_owned(), |n| format!("{n} neurons"));
    Err(Error::Data(format!(
        "{} ranks {}, but {} ranks {}: compare rankings of one site of one model",
        describe(&a.cell),
        number(one),
        describe(&b.cell),
        number(other)
    )))
}

/// Refuses rankings of different `k`.
pub(super) fn same_length(a: &RankedCell, b: &RankedCell) -> Result<()> {
    let (one, other) = (a.ranking.curve().len(), b.ranking.curve().len());
    if one == other {
        return Ok(());
    }
    Err(Error::Data(format!(
        "{} has its first {one} neurons, but {} its first {other}: rank as many in both",
        describe(&a.cell),
        describe(&b.cell)
    )))
}

/// As [`crate::ranking::Ranking::top`] checks it, with an error that names the cell.
pub(super) fn check_k(ranked: &RankedCell, k: usize) -> Result<()> {
    ranked.ranking.check_k(k).map_err(|error| match error {
        Error::Parameter { name, expected, value } => {
            Error::Parameter { name, expected: format!("{expected} for {}", describe(&ranked.cell)), value }
        }
        error => error,
    })
}

/// A cell in words, for messages.
pub(super) fn describe(cell: &Cell) -> String {
    let Cell { model, step, site, attribute, language, seed, .. } = cell;
    let control = match cell.control {
        Control::None => "",
        Control::Shuffled => ", shuffled labels",
    };
    format!("{attribute} in {language} ({model}, step {step}, {site}, seed {seed}{control})")
}
