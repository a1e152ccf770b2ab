//! Does sharing neurons go with transfer? Overlap, or the similarity of translations, against zero-shot scores, over
//! checkpoints.
//!
//! Two levels, as in Wang, Minervini and Ponti 2024 (arXiv 2406.13229):
//! - [`Level::Average`]: a point a step; `x` is the step's mean overlap over attributes and sites, `y` the mean score over
//!   languages, the source language included; the released model is left out.
//! - [`Level::Pair`]: a point a language and step; `x` is the overlap of the source language with that language, mean over
//!   sites, for part of speech ([`PAIR_ATTRIBUTE`]) where there is one and else the mean over attributes; `y` is the
//!   language's score. The released model is in, except for [`WITHOUT_FINAL`].
//!
//! [`points()`] are of overlap, [`similarity_points`] of similarity; [`correlate_points`] takes either.
//!
//! Points of one checkpoint, and of one training run, are not independent: p-values and intervals, which take them for
//! independent, are too small, and the [`InfluenceRow`]s, each without one step, say how much hangs on a single checkpoint.
//! [`inference()`] tests the same points in ways that take whole checkpoints or whole languages for independent.

mod inference;
mod points;

pub use inference::{inference, InferenceRow};
pub use points::{points, similarity_points, Level, Point};

use crate::checkpoint::Step;
use crate::overlap::{PairOverlap, StepOverlap};
use crate::stats::{fisher_interval, pearson, spearman, Correlation, Undefined};
use crate::transfer::TransferScores;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The attribute that stands for a language pair, where it was probed.
pub const PAIR_ATTRIBUTE: &str = "POS";

/// Tasks whose scores of the released model are left out at [`Level::Pair`] too, as the study has it.
pub const WITHOUT_FINAL: [&str; 1] = ["xnli"];

/// The confidence level of the intervals.
pub const CONFIDENCE: f64 = 0.95;

/// How the intervals are made, for the column `ci_method`: Fisher's z on Pearson's coefficient, at [`CONFIDENCE`].
pub const CI_METHOD: &str = "fisher-z-95";

/// A row of `correlation.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelationRow {
    /// The series' name.
    pub model: String,
    /// The transfer task.
    pub task: String,
    /// What a point is.
    pub level: Level,
    /// What is correlated with the score: `overlap`, `excess` or `similarity:MEASURE:POOLING`.
    pub measure: String,
    /// The attribute of the measure; `mean` for the mean over attributes, empty for a similarity.
    pub attribute: String,
    /// The number of points.
    pub n: usize,
    /// Pearson's coefficient.
    pub pearson: Option<f64>,
    /// Its two-sided p-value, as if points were independent.
    pub pearson_p: Option<f64>,
    /// Spearman's coefficient.
    pub spearman: Option<f64>,
    /// Its two-sided p-value, as if points were independent.
    pub spearman_p: Option<f64>,
    /// The lower end of Pearson's interval.
    pub ci_low: Option<f64>,
    /// Its upper end.
    pub ci_high: Option<f64>,
    /// How the interval was made; `None` where there is none.
    pub ci_method: Option<String>,
}

/// A row of `influence.csv`: the correlation without one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InfluenceRow {
    /// The series' name.
    pub model: String,
    /// The transfer task.
    pub task: String,
    /// What a point is.
    pub level: Level,
    /// What is correlated with the score.
    pub measure: String,
    /// The step whose points are left out.
    pub left_out: Step,
    /// The number of points that remain.
    pub n: usize,
    /// Pearson's coefficient of those.
    pub pearson: Option<f64>,
    /// Spearman's coefficient of those.
    pub spearman: Option<f64>,
}

/// Correlates overlap, and its excess over chance, with transfer scores: every model and task at both levels, at `k`
/// neurons, from `source`, the language that the task was learnt in. Sorted by the columns of the tables.
///
/// A coefficient that does not exist (fewer than 3 points, a constant input) is `None`, and a debug message says why.
pub fn correlate(
    steps: &[StepOverlap],
    pairs: &[PairOverlap],
    scores: &TransferScores,
    source: &str,
    k: usize,
) -> (Vec<CorrelationRow>, Vec<InfluenceRow>) {
    correlate_points(&points(steps, pairs, scores, source, k))
}

/// As [`correlate`], for points made elsewhere: one row for each model, task, level, measure and attribute among them.
///
/// # Examples
/// ```
/// use isogloss::checkpoint::Step;
/// use isogloss::correlation::{correlate_points, Level, Point};
/// let points: Vec<Point> = [(0, 0.1, 0.3), (10, 0.2, 0.5), (100, 0.3, 0.6), (1000, 0.4, 0.9)]
///     .into_iter()
///     .map(|(step, x, y)| Point {
///         model: "bloom".into(), task: "xnli".into(), level: Level::Average, measure: "overlap".into(),
///         attribute: "mean".into(), step: Step::Number(step), language: None, x, y,
///     })
///     .collect();
/// let (rows, influence) = correlate_points(&points);
/// assert_eq!((rows[0].n, rows[0].spearman), (4, Some(1.0)));
/// assert_eq!((influence.len(), influence[0].left_out, influence[0].n), (4, Step::Number(0), 3));
/// ```
pub fn correlate_points(points: &[Point]) -> (Vec<CorrelationRow>, Vec<InfluenceRow>) {
    let mut groups: BTreeMap<_, Vec<&Point>> = BTreeMap::new();
    for point in points {
        let key = (&point.model, &point.task, point.level, &point.measure, &point.attribute);
        groups.entry(key).or_default().push(point);
    }
    let (mut rows, mut influence) = (Vec::new(), Vec::new());
    for ((model, task, level, measure, attribute), points) in groups {
        let (x, y) = coordinates(&points);
        let name = format!("{measure} ({attribute}) against {task} of {model}, level {level}");
        let defined = |kind: &str, result: Result<Correlation, Undefined>| {
            result.inspect_err(|reason| tracing::debug!("no {kind} correlation of {name}: {reason}")).ok()
        };
        let (r, rho) = (defined("Pearson", pearson(&x, &y)), defined("Spearman", spearman(&x, &y)));
        let interval = r.and_then(|r| {
            let interval = fisher_interval(r.coefficient, r.n, CONFIDENCE);
            interval.inspect_err(|reason| tracing::debug!("no interval for the correlation of {name}: {reason}")).ok()
        });
        rows.push(CorrelationRow {
            model: model.clone(),
            task: task.clone(),
            level,
            measure: measure.clone(),
            attribute: attribute.clone(),
            n: points.len(),
            pearson: r.map(|r| r.coefficient),
            pearson_p: r.map(|r| r.p_value),
            spearman: rho.map(|rho| rho.coefficient),
            spearman_p: rho.map(|rho| rho.p_value),
            ci_low: interval.map(|(low, _)| low),
            ci_high: interval.map(|(_, high)| high),
            ci_method: interval.map(|_| CI_METHOD.to_owned()),
        });
        let steps: BTreeSet<Step> = points.iter().map(|point| point.step).collect();
        for left_out in steps {
            let rest: Vec<&Point> = points.iter().copied().filter(|point| point.step != left_out).collect();
            let (x, y) = coordinates(&rest);
            influence.push(InfluenceRow {
                model: model.clone(),
                task: task.clone(),
                level,
                measure: measure.clone(),
                left_out,
                n: rest.len(),
                pearson: pearson(&x, &y).ok().map(|r| r.coefficient),
                spearman: spearman(&x, &y).ok().map(|rho| rho.coefficient),
            });
        }
    }
    (rows, influence)
}

fn coordinates(points: &[&Point]) -> (Vec<f64>, Vec<f64>) {
    points.iter().map(|point| (point.x, point.y)).unzip()
}

#[cfg(test)]
mod tests;
