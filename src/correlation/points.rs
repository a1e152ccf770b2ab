use super::{PAIR_ATTRIBUTE, WITHOUT_FINAL};
use crate::checkpoint::Step;
use crate::overlap::{excess, Control, PairOverlap, StepOverlap, MEAN};
use crate::stats::mean;
use crate::transfer::{MeanScores, TransferScores};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a point of a correlation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A step, averaged over languages.
    Average,
    /// A language at a step, against the source language.
    Pair,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Average => "average",
            Level::Pair => "pair",
        })
    }
}

/// A point of a correlation: a measure and the score that goes with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The series' name.
    pub model: String,
    /// The transfer task.
    pub task: String,
    /// What the point is.
    pub level: Level,
    /// What `x` measures: `overlap`, `excess` or a similarity.
    pub measure: String,
    /// The attribute of the measure; `mean` for the mean over attributes.
    pub attribute: String,
    /// The checkpoint.
    pub step: Step,
    /// The language at [`Level::Pair`].
    pub language: Option<String>,
    /// The measure.
    pub x: f64,
    /// The transfer score.
    pub y: f64,
}

/// The points that [`correlate`](super::correlate()) correlates, for plots and tables of one's own; sorted by model, task,
/// level, measure, attribute, step and language.
///
/// A step or language enters where it has both an overlap at `k` and a score.
pub fn points(
    steps: &[StepOverlap],
    pairs: &[PairOverlap],
    scores: &TransferScores,
    source: &str,
    k: usize,
) -> Vec<Point> {
    let scores = scores.means();
    let mut points = average_points(steps, &scores, k);
    points.extend(pair_points(pairs, &scores, source, k));
    points.sort_by(|a, b| order(a).cmp(&order(b)));
    points
}

fn order(point: &Point) -> impl Ord + '_ {
    (&point.model, &point.task, point.level, &point.measure, &point.attribute, point.step, &point.language)
}

fn average_points(steps: &[StepOverlap], scores: &MeanScores, k: usize) -> Vec<Point> {
    let mut by_step: BTreeMap<(&str, Step, &str), BTreeMap<&str, f64>> = BTreeMap::new();
    for ((model, step, task, language), &score) in scores {
        by_step.entry((model, *step, task)).or_default().insert(language, score);
    }
    let mut points = Vec::new();
    // A task's languages at the first step that enters, to notice a step that has others.
    let mut languages: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for ((model, step, task), by_language) in &by_step {
        let (model, step, task) = (*model, *step, *task);
        let row = steps.iter().find(|row| {
            row.model == model && row.step == step && row.k == k && row.site == MEAN && row.attribute == MEAN
        });
        let (Some(row), false) = (row, step == Step::Final) else { continue };
        let Some(y) = mean(by_language.values().copied()) else { continue };
        let here: Vec<&str> = by_language.keys().copied().collect();
        let first = languages.entry((model, task)).or_insert_with(|| here.clone());
        if *first != here {
            tracing::warn!(
                "the mean {task} score of {model} is over {} at step {step}, but over {} at an earlier step: \
                 the two are not comparable",
                here.join(", "),
                first.join(", ")
            );
        }
        for (measure, x) in [("overlap", Some(row.overlap)), ("excess", row.excess)] {
            let Some(x) = x else { continue };
            points.push(Point {
                model: model.to_owned(),
                task: task.to_owned(),
                level: Level::Average,
                measure: measure.to_owned(),
                attribute: MEAN.to_owned(),
                step,
                language: None,
                x,
                y,
            });
        }
    }
    let models: BTreeSet<&str> = steps.iter().map(|row| row.model.as_str()).collect();
    for model in models {
        if !scores.keys().any(|(scored, ..)| scored == model) {
            tracing::warn!("no transfer scores of {model}: it enters no correlation");
        }
    }
    points
}

/// The pairs that the source is in, by model, and then by step and the other language.
type Pairs<'a> = BTreeMap<&'a str, BTreeMap<(Step, &'a str), Vec<&'a PairOverlap>>>;

fn pair_points(pairs: &[PairOverlap], scores: &MeanScores, source: &str, k: usize) -> Vec<Point> {
    let mut with_source: Pairs<'_> = BTreeMap::new();
    for row in pairs.iter().filter(|row| row.k == k && row.control == Control::None) {
        let other = match (row.language_a.as_str(), row.language_b.as_str()) {
            (a, b) if a == source => b,
            (a, b) if b == source => a,
            _ => continue,
        };
        with_source.entry(&row.model).or_default().entry((row.step, other)).or_default().push(row);
    }
    if with_source.is_empty() && !pairs.is_empty() {
        tracing::warn!("no overlap of the source language {source} with another: nothing correlates at level pair");
    }
    let mut points = Vec::new();
    for (model, cells) in with_source {
        let has_pos = cells.values().flatten().any(|row| row.attribute == PAIR_ATTRIBUTE);
        let attribute = if has_pos { PAIR_ATTRIBUTE } else { MEAN };
        for ((step, language), rows) in cells {
            let rows: Vec<&PairOverlap> =
                rows.into_iter().filter(|row| !has_pos || row.attribute == PAIR_ATTRIBUTE).collect();
            let overlap = mean_of_means(&rows, |row| Some(row.overlap));
            let measures = [("overlap", overlap), ("excess", mean_excess(&rows, overlap))];
            let of_cell = scores
                .iter()
                .filter(|((scored, at, _, in_language), _)| scored == model && *at == step && in_language == language);
            for ((_, _, task, _), &y) in of_cell {
                if step == Step::Final && WITHOUT_FINAL.iter().any(|name| name.eq_ignore_ascii_case(task)) {
                    continue;
                }
                for (measure, x) in measures {
                    let Some(x) = x else { continue };
                    points.push(Point {
                        model: model.to_owned(),
                        task: task.clone(),
                        level: Level::Pair,
                        measure: measure.to_owned(),
                        attribute: attribute.to_owned(),
                        step,
                        language: Some(language.to_owned()),
                        x,
                        y,
                    });
                }
            }
        }
    }
    points
}

/// The mean over attributes of the means over sites of the means over seeds; `None` where a part is missing.
fn mean_of_means(rows: &[&PairOverlap], value: impl Fn(&PairOverlap) -> Option<f64>) -> Option<f64> {
    let mut attributes: BTreeMap<&str, BTreeMap<crate::Site, Vec<f64>>> = BTreeMap::new();
    for row in rows {
        attributes.entry(&row.attribute).or_default().entry(row.site).or_default().push(value(row)?);
    }
    mean(attributes.values().filter_map(|sites| mean(sites.values().filter_map(|seeds| mean(seeds.iter().copied())))))
}

/// The mean excess. Where chance is the same of all rows it follows from the mean overlap, so that points which tie in
/// overlap tie in excess too and rounding does not rank them.
fn mean_excess(rows: &[&PairOverlap], overlap: Option<f64>) -> Option<f64> {
    let chance = rows.first()?.expected;
    if rows.iter().all(|row| row.expected == chance) {
        return excess(overlap?, chance?);
    }
    mean_of_means(rows, |row| row.excess)
}
