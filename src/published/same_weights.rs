//! Steps whose rankings are alike, and uploads that are the same weights.
//!
//! A model drifts as it trains: the further apart two steps, the fewer neurons a cell (site, attribute, language) keeps. Two
//! steps that are more alike than drift allows are one file under two names, and what their rankings share is what a
//! rerun of the whole probe shares: a noise ceiling, where a study has only one seed.

use crate::checkpoint::Step;
use crate::overlap::{self, SelfOverlap};
use crate::ranking::{Cell, RankedCell};
use crate::report::Record;
use crate::stats::mean;
use crate::{Error, Result, Site};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A step is set aside if it is less like every other step than this share of what is usual.
const UNLIKE: f64 = 0.25;

/// By how many standard errors two steps must be more alike than neighbours are.
const STANDARD_ERRORS: f64 = 3.0;

/// A row of `steps_alike.csv`: how many neurons the cells of two steps have in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepsAlike {
    /// The model.
    pub model: String,
    /// The earlier step.
    pub step_a: Step,
    /// The later step.
    pub step_b: Step,
    /// The number of neurons taken from either ranking.
    pub k: usize,
    /// The number of cells (site, attribute, language) that both steps have.
    pub cells: usize,
    /// The overlap of a cell with itself at the other step, mean over cells.
    pub overlap: f64,
    /// The least of the cells.
    pub lowest: f64,
    /// The greatest of the cells.
    pub highest: f64,
    /// The mean overlap of independent rankings; `None` where the population is not known.
    pub expected: Option<f64>,
}

impl Record for StepsAlike {
    const COLUMNS: &'static [&'static str] =
        &["model", "step_a", "step_b", "k", "cells", "overlap", "lowest", "highest", "expected"];
}

/// Steps of one model that hold the same weights.
#[derive(Clone, Debug, PartialEq)]
pub struct SameWeights {
    /// The model.
    pub model: String,
    /// The steps, two or more, ascending.
    pub steps: Vec<Step>,
    /// Those of them that are less like their neighbours in training than the others, if that was looked at: they are
    /// likely to hold the others' weights.
    pub misplaced: Vec<Step>,
}

/// Where knowledge of the same weights comes from: written `auto`, `none`, or `MODEL=STEP+STEP[,...]`.
///
/// # Examples
/// ```
/// use isogloss::published::SameWeightsChoice;
/// let choice: SameWeightsChoice = "bloom-560m=10000+500000".parse()?;
/// let SameWeightsChoice::Given(groups) = choice else { unreachable!() };
/// assert_eq!((groups[0].model.as_str(), groups[0].steps.len()), ("bloom-560m", 2));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SameWeightsChoice {
    /// From likeness, as [`find_same_weights`] does.
    #[default]
    Auto,
    /// No two steps are.
    None,
    /// These are.
    Given(Vec<SameWeights>),
}

impl FromStr for SameWeightsChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => return Ok(SameWeightsChoice::Auto),
            "none" => return Ok(SameWeightsChoice::None),
            _ => {}
        }
        let wrong = |part: &str| Error::parameter("same weights", "`auto`, `none` or MODEL=STEP+STEP[,...]", part);
        let group = |part: &str| {
            let (model, steps) = part.rsplit_once('=').ok_or_else(|| wrong(part))?;
            let steps = steps.split('+').map(|step| step.parse().map_err(|_| wrong(part)));
            let steps: BTreeSet<Step> = steps.collect::<Result<_>>()?;
            if model.is_empty() || steps.len() < 2 {
                return Err(wrong(part));
            }
            Ok(SameWeights { model: model.to_owned(), steps: steps.into_iter().collect(), misplaced: Vec::new() })
        };
        Ok(SameWeightsChoice::Given(text.split(',').map(group).collect::<Result<_>>()?))
    }
}

/// A cell apart from model and step.
type Key<'a> = (Site, &'a str, &'a str, u64);

/// The overlap of every cell at two steps.
struct Comparison<'a> {
    cells: BTreeMap<Key<'a>, f64>,
    expected: Option<f64>,
}

impl Comparison<'_> {
    fn overlap(&self) -> f64 {
        mean(self.cells.values().copied()).unwrap_or_default()
    }

    /// Overlap above chance where chance is known.
    fn likeness(&self) -> f64 {
        let overlap = self.overlap();
        self.expected.and_then(|expected| overlap::excess(overlap, expected)).unwrap_or(overlap)
    }

    /// Whether cells agree more here than in `other`, by more than [`STANDARD_ERRORS`] of the mean difference.
    fn exceeds(&self, other: &Self) -> bool {
        let differences: Vec<f64> =
            self.cells.iter().filter_map(|(key, overlap)| Some(overlap - other.cells.get(key)?)).collect();
        let n = differences.len() as f64;
        let Some(difference) = mean(differences.iter().copied()) else { return false };
        let squares: f64 = differences.iter().map(|d| (d - difference) * (d - difference)).sum();
        n > 1.0 && difference > STANDARD_ERRORS * (squares / (n - 1.0) / n).sqrt()
    }
}

/// Two steps, the earlier first, and their comparison.
type Comparisons<'a> = BTreeMap<(Step, Step), Comparison<'a>>;

/// Every pair of steps of every model.
fn compare(cells: &[RankedCell], k: usize) -> Result<BTreeMap<&str, Comparisons<'_>>> {
    let mut models: BTreeMap<&str, BTreeMap<Step, BTreeMap<Key<'_>, &RankedCell>>> = BTreeMap::new();
    for ranked in cells {
        let Cell { model, step, site, attribute, language, seed, .. } = &ranked.cell;
        let steps = models.entry(model).or_default().entry(*step).or_default();
        steps.insert((*site, attribute.as_str(), language.as_str(), *seed), ranked);
    }
    let mut compared = BTreeMap::new();
    for (model, steps) in models {
        let steps: Vec<(Step, BTreeMap<Key<'_>, &RankedCell>)> = steps.into_iter().collect();
        let pairs = steps.iter().enumerate().flat_map(|(i, a)| steps.iter().skip(i + 1).map(move |b| (a, b)));
        let pairs: Vec<_> = pairs.collect();
        let comparisons: Comparisons<'_> = pairs
            .into_par_iter()
            .map(|((step_a, a), (step_b, b))| Ok(((*step_a, *step_b), comparison(a, b, k)?)))
            .collect::<Result<_>>()?;
        compared.insert(model, comparisons);
    }
    Ok(compared)
}

fn comparison<'a>(
    a: &BTreeMap<Key<'a>, &RankedCell>,
    b: &BTreeMap<Key<'a>, &RankedCell>,
    k: usize,
) -> Result<Comparison<'a>> {
    let (mut cells, mut widths) = (BTreeMap::new(), Vec::new());
    for (key, a) in a {
        let Some(b) = b.get(key) else { continue };
        cells.insert(*key, overlap::shared(&a.ranking, &b.ranking, k)? as f64 / k as f64);
        widths.push(a.ranking.n_neurons());
    }
    let chance = |width: &Option<usize>| Some(k as f64 / (*width)? as f64);
    let same = widths.windows(2).all(|pair| pair.first() == pair.last());
    // Rounding in a mean of equal values would show.
    let expected = if same {
        widths.first().and_then(chance)
    } else {
        widths.iter().map(chance).collect::<Option<Vec<f64>>>().and_then(mean)
    };
    Ok(Comparison { cells, expected })
}

/// The table of every pair of steps of a model, the most alike first.
///
/// # Errors
/// As [`overlap::shared`].
pub fn steps_alike(cells: &[RankedCell], k: usize) -> Result<Vec<StepsAlike>> {
    let mut rows = Vec::new();
    for (model, comparisons) in compare(cells, k)? {
        let mut of_model: Vec<StepsAlike> = comparisons
            .iter()
            .filter(|(_, comparison)| !comparison.cells.is_empty())
            .map(|(&(step_a, step_b), comparison)| StepsAlike {
                model: model.to_owned(),
                step_a,
                step_b,
                k,
                cells: comparison.cells.len(),
                overlap: comparison.overlap(),
                lowest: comparison.cells.values().copied().fold(1.0, f64::min),
                highest: comparison.cells.values().copied().fold(0.0, f64::max),
                expected: comparison.expected,
            })
            .collect();
        // Stable: ties stay in the order of steps.
        of_model.sort_by(|a, b| b.overlap.total_cmp(&a.overlap));
        rows.extend(of_model);
    }
    Ok(rows)
}

/// Steps that are the same weights probed twice, as far as their likeness tells. In each model:
///
/// 1. Steps unlike all others are set aside, as broken weights are: those whose overlap with the step most like them is,
///    above chance (where that is known), less than a quarter of the median of all steps'.
/// 2. Of the steps that are left, in the order of training, the two most alike that are not neighbours are the same weights
///    if they are more alike than every pair of neighbours, the same cells compared, by more than three standard errors of
///    the mean difference.
/// 3. The one that is less like its own neighbours is set aside as misplaced, and 2 begins again.
///
/// Neighbours that are the same weights cannot be told from slow training in this way, and three steps or more of the same
/// weights only where no two of them are neighbours. A damaged step that is still somewhat like the others can make the
/// steps before and after it look the same; look at `steps_alike.csv`.
///
/// # Errors
/// As [`overlap::shared`].
pub fn find_same_weights(cells: &[RankedCell], k: usize) -> Result<Vec<SameWeights>> {
    let compared = compare(cells, k)?;
    Ok(compared.into_iter().flat_map(|(model, comparisons)| of_model(model, &comparisons)).collect())
}

fn of_model(model: &str, comparisons: &Comparisons<'_>) -> Vec<SameWeights> {
    let between = |a: Step, b: Step| comparisons.get(&(a.min(b), a.max(b)));
    let likeness = |a: Step, b: Step| between(a, b).map(Comparison::likeness);
    let steps: BTreeSet<Step> = comparisons.keys().flat_map(|&(a, b)| [a, b]).collect();
    let best = |step: Step| {
        let others = steps.iter().filter(|other| **other != step);
        others.filter_map(|&other| likeness(step, other)).max_by(f64::total_cmp)
    };
    let mut bests: Vec<f64> = steps.iter().filter_map(|&step| best(step)).collect();
    bests.sort_by(f64::total_cmp);
    let Some(&usual) = bests.get(bests.len() / 2) else { return Vec::new() };
    let mut kept: Vec<Step> =
        steps.iter().copied().filter(|&step| best(step).is_some_and(|best| best >= UNLIKE * usual)).collect();
    let mut groups: Vec<SameWeights> = Vec::new();
    loop {
        let distant = kept.iter().enumerate().flat_map(|(i, &a)| kept.iter().skip(i + 2).map(move |&b| (a, b)));
        let distant = distant.filter_map(|(a, b)| Some((a, b, between(a, b)?)));
        let most_alike = distant.max_by(|a, b| a.2.likeness().total_cmp(&b.2.likeness()));
        let Some((a, b, comparison)) = most_alike else { return groups };
        let neighbours = kept.windows(2).filter_map(|pair| between(*pair.first()?, *pair.last()?));
        if neighbours.into_iter().any(|neighbours| !comparison.exceeds(neighbours)) {
            return groups;
        }
        let fit = |step: Step| {
            let place = kept.iter().position(|kept| *kept == step).unwrap_or_default();
            let beside = [place.checked_sub(1), Some(place + 1)].into_iter().flatten();
            mean(beside.filter_map(|place| likeness(step, *kept.get(place)?))).unwrap_or_default()
        };
        let misplaced = if fit(a) < fit(b) { a } else { b };
        match groups.iter_mut().find(|group| group.steps.contains(&a) || group.steps.contains(&b)) {
            Some(group) => {
                group.steps.extend([a, b]);
                group.steps.sort_unstable();
                group.steps.dedup();
                group.misplaced.push(misplaced);
                group.misplaced.sort_unstable();
            }
            None => {
                groups.push(SameWeights { model: model.to_owned(), steps: vec![a, b], misplaced: vec![misplaced] });
            }
        }
        kept.retain(|step| *step != misplaced);
    }
}

/// The noise ceiling that reruns on the same weights give: as [`overlap::ceiling`], the steps of a group taken for seeds of
/// one; the rows stand at each of the steps.
///
/// # Errors
/// As [`overlap::ceiling`].
pub fn rerun_ceiling(cells: &[RankedCell], groups: &[SameWeights], ks: &[usize]) -> Result<Vec<SelfOverlap>> {
    let mut rows = Vec::new();
    for group in groups {
        let mut runs: BTreeMap<Cell, u64> = BTreeMap::new();
        let Some(&first) = group.steps.first() else { continue };
        let of_group =
            cells.iter().filter(|ranked| ranked.cell.model == group.model && group.steps.contains(&ranked.cell.step));
        let reruns: Vec<RankedCell> = of_group
            .map(|ranked| {
                let mut cell = Cell { step: first, seed: 0, ..ranked.cell.clone() };
                let run = runs.entry(cell.clone()).or_default();
                cell.seed = *run;
                *run += 1;
                RankedCell { cell, ranking: ranked.ranking.clone() }
            })
            .collect();
        for row in overlap::ceiling(&reruns, ks)? {
            rows.extend(group.steps.iter().map(|&step| SelfOverlap { step, ..row.clone() }));
        }
    }
    Ok(rows)
}
