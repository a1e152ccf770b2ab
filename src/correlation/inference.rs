//! Tests and intervals that take points for what they are: languages at checkpoints of one training run.

use super::{Level, Point};
use crate::checkpoint::Step;
use crate::stats::{
    bootstrap_correlation, differences, fisher_interval, kendall, kendall_interval, labels, mixed_effects,
    partial_pearson, pearson, permutation_test, permutation_test_by, spearman, spearman_interval, Bootstrap,
    Coefficient, Correlation, Permutations, Resample, Undefined,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The confidence level of all intervals.
const LEVEL: f64 = super::CONFIDENCE;

/// A row of `inference.csv`: one way of testing one correlation, or of putting an interval around it.
///
/// What a method takes for independent is its unit. `docs/statistics.md` has the false-positive rates of each under
/// simulated training runs, and which to believe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InferenceRow {
    /// The series' name.
    pub model: String,
    /// The transfer task.
    pub task: String,
    /// What a point is.
    pub level: Level,
    /// What is correlated with the score.
    pub measure: String,
    /// The attribute of the measure.
    pub attribute: String,
    /// What is estimated: `pearson`, `spearman`, `kendall`, `partial-pearson` (given log step), `pearson-of-changes` (between
    /// one checkpoint and the next), `slope` (of a mixed model).
    pub estimator: String,
    /// How: `t`, `kendall`, `permutation`, `bootstrap-bca`, `mixed-effects`.
    pub method: String,
    /// What is taken for independent: `points`, `checkpoints`, `languages`, `languages-and-checkpoints`, `changes`.
    pub unit: String,
    /// The points that entered.
    pub n: usize,
    /// The units among them; of two kinds, the fewer.
    pub units: Option<usize>,
    /// The estimate.
    pub estimate: Option<f64>,
    /// The lower end of the 95 % interval, where the method has one.
    pub ci_low: Option<f64>,
    /// Its upper end.
    pub ci_high: Option<f64>,
    /// The two-sided p-value, where the method has one.
    pub p_value: Option<f64>,
    /// Whether the p-value counts all permutations; empty where there are none.
    pub exact: Option<bool>,
    /// Why there is no estimate.
    pub reason: Option<String>,
}

/// An interval of a coefficient, of so many points at a level.
type Interval = fn(f64, usize, f64) -> Result<(f64, f64), Undefined>;

/// What a method found.
#[derive(Default)]
struct Found {
    n: usize,
    units: Option<usize>,
    estimate: f64,
    interval: Option<(f64, f64)>,
    p_value: Option<f64>,
    exact: Option<bool>,
}

/// Every way of testing every correlation: of one model, task, level, measure and attribute each. Rows come in the order of
/// those and then of methods, from those that take points for independent to those that do not.
///
/// `final`, which has no number of updates, is left out where the step enters as a number (`partial-pearson`). Where whole
/// languages change places, those that lack a step are left out. Random numbers come from `seed`.
///
/// # Examples
/// ```
/// use isogloss::checkpoint::Step;
/// use isogloss::correlation::{inference, Level, Point};
/// let points: Vec<Point> = [(1, 0.1, 0.3), (10, 0.2, 0.5), (100, 0.3, 0.6), (1000, 0.4, 0.9), (3000, 0.45, 0.8)]
///     .into_iter()
///     .map(|(step, x, y)| Point {
///         model: "bloom".into(), task: "xnli".into(), level: Level::Average, measure: "overlap".into(),
///         attribute: "mean".into(), step: Step::Number(step), language: None, x, y,
///     })
///     .collect();
/// let rows = inference(&points, 0);
/// let permuted = rows.iter().find(|row| row.method == "permutation" && row.estimator == "pearson").unwrap();
/// // All 120 orders of five points: one is as high, and twice the smaller tail counts.
/// assert_eq!((permuted.exact, permuted.n), (Some(true), 5));
/// ```
pub fn inference(points: &[Point], seed: u64) -> Vec<InferenceRow> {
    let mut groups: BTreeMap<_, Vec<&Point>> = BTreeMap::new();
    for point in points {
        let key = (&point.model, &point.task, point.level, &point.measure, &point.attribute);
        groups.entry(key).or_default().push(point);
    }
    let groups: Vec<Vec<&Point>> = groups.into_values().collect();
    let rows: Vec<Vec<InferenceRow>> = groups.par_iter().map(|points| of_group(points, seed)).collect();
    rows.concat()
}

/// The points of a group as the functions of `stats` want them.
struct Columns {
    x: Vec<f64>,
    y: Vec<f64>,
    steps: Vec<Step>,
    /// The checkpoint of each point, numbered in the order of training.
    checkpoint: Vec<usize>,
    /// The language of each; all the same at level average.
    language: Vec<usize>,
}

impl Columns {
    fn of<'a>(points: impl Iterator<Item = &'a Point> + Clone) -> Self {
        let steps: Vec<Step> = points.clone().map(|point| point.step).collect();
        let languages: Vec<Option<&str>> = points.clone().map(|point| point.language.as_deref()).collect();
        Columns {
            x: points.clone().map(|point| point.x).collect(),
            y: points.map(|point| point.y).collect(),
            checkpoint: labels(&steps),
            language: labels(&languages),
            steps,
        }
    }

    fn n(&self) -> usize {
        self.x.len()
    }
}

fn of_group(points: &[&Point], seed: u64) -> Vec<InferenceRow> {
    let Some(first) = points.first() else { return Vec::new() };
    let all = Columns::of(points.iter().copied());
    let (x, y) = (&all.x[..], &all.y[..]);
    let mut rows = Vec::new();
    let mut add = |estimator: &str, method: &str, unit: &str, found: Result<Found, Undefined>| {
        let (found, reason) = match found {
            Ok(found) => (Some(found), None),
            Err(reason) => (None, Some(reason.to_string())),
        };
        rows.push(InferenceRow {
            model: first.model.clone(),
            task: first.task.clone(),
            level: first.level,
            measure: first.measure.clone(),
            attribute: first.attribute.clone(),
            estimator: estimator.to_owned(),
            method: method.to_owned(),
            unit: unit.to_owned(),
            n: found.as_ref().map_or(all.n(), |found| found.n),
            units: found.as_ref().and_then(|found| found.units),
            estimate: found.as_ref().map(|found| found.estimate),
            ci_low: found.as_ref().and_then(|found| found.interval).map(|(low, _)| low),
            ci_high: found.as_ref().and_then(|found| found.interval).map(|(_, high)| high),
            p_value: found.as_ref().and_then(|found| found.p_value),
            exact: found.as_ref().and_then(|found| found.exact),
            reason,
        });
    };
    let of_points = |found: Result<Correlation, Undefined>, interval: Interval| {
        found.map(|r| Found {
            n: r.n,
            units: Some(r.n),
            estimate: r.coefficient,
            interval: interval(r.coefficient, r.n, LEVEL).ok(),
            p_value: Some(r.p_value),
            exact: None,
        })
    };
    add("pearson", "t", "points", of_points(pearson(x, y), fisher_interval));
    add("spearman", "t", "points", of_points(spearman(x, y), spearman_interval));
    add("kendall", "kendall", "points", of_points(kendall(x, y), kendall_interval));
    let permutations = Permutations { seed, ..Permutations::default() };
    for coefficient in [Coefficient::Pearson, Coefficient::Spearman, Coefficient::Kendall] {
        let found = permutation_test(coefficient, x, y, &permutations).map(|test| permuted(all.n(), &test));
        add(coefficient.name(), "permutation", "points", found);
    }
    let pair = first.level == Level::Pair;
    let mut resamples = vec![("points", Resample::Points)];
    if pair {
        resamples.push(("checkpoints", Resample::By(&all.checkpoint)));
        resamples.push(("languages", Resample::By(&all.language)));
        resamples.push(("languages-and-checkpoints", Resample::ByBoth(&all.language, &all.checkpoint)));
    }
    let settings = Bootstrap { seed, level: LEVEL, ..Bootstrap::default() };
    for (unit, resample) in resamples {
        let found = bootstrap_correlation(Coefficient::Pearson, x, y, resample, &settings).and_then(|result| {
            let interval = Some(result.bca?);
            Ok(Found {
                n: all.n(),
                units: Some(result.units),
                estimate: result.statistic,
                interval,
                ..Found::default()
            })
        });
        add("pearson", "bootstrap-bca", unit, found);
    }
    add("partial-pearson", "t", "points", given_log_step(points));
    add("pearson-of-changes", "permutation", "changes", of_changes(&all, &permutations));
    if pair {
        add("slope", "mixed-effects", "languages-and-checkpoints", slope(&all));
        add("pearson", "permutation", "languages", languages_permuted(points, &permutations));
    }
    rows
}

fn permuted(n: usize, test: &crate::stats::PermutationTest) -> Found {
    Found {
        n,
        units: Some(test.units),
        estimate: test.statistic,
        p_value: Some(test.p_value),
        exact: Some(test.exact),
        ..Found::default()
    }
}

/// Given the logarithm of one more than the step, so that step 0 has one.
fn given_log_step(points: &[&Point]) -> Result<Found, Undefined> {
    let numbered = points.iter().copied().filter(|point| point.step != Step::Final);
    let columns = Columns::of(numbered);
    let log_step: Vec<f64> = columns
        .steps
        .iter()
        .map(|step| match step {
            Step::Number(number) => (*number as f64).ln_1p(),
            Step::Final => f64::NAN,
        })
        .collect();
    partial_pearson(&columns.x, &columns.y, &[&log_step]).map(|r| Found {
        n: r.n,
        units: Some(r.n),
        estimate: r.coefficient,
        p_value: Some(r.p_value),
        ..Found::default()
    })
}

/// The correlation of changes between neighbouring checkpoints: exact for random walks with any drift.
fn of_changes(columns: &Columns, permutations: &Permutations) -> Result<Found, Undefined> {
    let time: Vec<f64> = columns.checkpoint.iter().map(|&checkpoint| checkpoint as f64).collect();
    let changes = differences(&columns.x, &columns.y, &columns.language, &time)?;
    let test = permutation_test_by(
        Coefficient::Pearson,
        &changes.x,
        &changes.y,
        &changes.interval,
        &changes.series,
        permutations,
    )?;
    Ok(permuted(changes.x.len(), &test))
}

fn slope(columns: &Columns) -> Result<Found, Undefined> {
    let fit = mixed_effects(&columns.x, &columns.y, &columns.language, &columns.checkpoint)?;
    let units = [&columns.language, &columns.checkpoint].map(|labels| labels.iter().collect::<BTreeSet<_>>().len());
    Ok(Found {
        n: fit.n,
        units: units.into_iter().min(),
        estimate: fit.slope,
        p_value: Some(fit.p_value),
        ..Found::default()
    })
}

/// Whole languages change places, those that have every step.
fn languages_permuted(points: &[&Point], permutations: &Permutations) -> Result<Found, Undefined> {
    let steps: BTreeSet<Step> = points.iter().map(|point| point.step).collect();
    let mut of_language: BTreeMap<&Option<String>, usize> = BTreeMap::new();
    for point in points {
        *of_language.entry(&point.language).or_default() += 1;
    }
    let whole = points.iter().copied().filter(|point| of_language.get(&point.language) == Some(&steps.len()));
    let columns = Columns::of(whole);
    let test = permutation_test_by(
        Coefficient::Pearson,
        &columns.x,
        &columns.y,
        &columns.language,
        &columns.checkpoint,
        permutations,
    )?;
    Ok(permuted(columns.n(), &test))
}
