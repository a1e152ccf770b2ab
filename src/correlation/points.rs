use super::{PAIR_ATTRIBUTE, WITHOUT_FINAL};
use crate::activations::SentencePooling;
use crate::checkpoint::Step;
use crate::overlap::{excess, Control, PairOverlap, StepOverlap, MEAN};
use crate::similarity::{by_step, by_step_and_pair, Similarity};
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
    /// What `x` measures: `overlap`, `excess` or `similarity:MEASURE:POOLING`.
    pub measure: String,
    /// The attribute of the measure; `mean` for the mean over attributes, empty for a similarity.
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

/// A measure of a step, or of a language at a step, before it meets its scores.
struct Measured<'a> {
    model: &'a str,
    step: Step,
    /// The language that is compared with the source; `None` at [`Level::Average`].
    language: Option<&'a str>,
    measure: String,
    attribute: &'a str,
    value: f64,
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
    let mut measured = Vec::new();
    let averages =
        steps.iter().filter(|row| row.k == k && row.site == MEAN && row.attribute == MEAN && row.step != Step::Final);
    for row in averages {
        for (measure, value) in [("overlap", Some(row.overlap)), ("excess", row.excess)] {
            measured.extend(value.map(|value| Measured {
                model: &row.model,
                step: row.step,
                language: None,
                measure: measure.to_owned(),
                attribute: MEAN,
                value,
            }));
        }
    }
    let of_pairs = overlaps(pairs, source, k);
    if of_pairs.is_empty() && !pairs.is_empty() {
        without_source("overlap", source);
    }
    measured.extend(of_pairs);
    join(&measured, &models(steps.iter().map(|row| row.model.as_str())), scores)
}

/// The points of similarity, as [`points`] are of overlap. The measure is named `similarity:MEASURE:POOLING`, such as
/// `similarity:cosine-centred:mean`, and has no attribute. Retrieval is the mean of both ways.
///
/// `x` is the mean over sites: at [`Level::Pair`] of the source language with that language, at [`Level::Average`] over these
/// languages too. Languages that have no score of the model enter neither level, and `y` at [`Level::Average`] is the mean over those that
/// enter, without the source: both sides are of the same languages. The sites are those where the measure has a value for every pair with the source at every step
/// ([`by_step`](crate::similarity::by_step()) has the same).
pub fn similarity_points(rows: &[Similarity], scores: &TransferScores, source: &str) -> Vec<Point> {
    fn other<'a>(row: &'a Similarity, source: &str) -> Option<(&'a str, &'a str)> {
        match (row.language_a.as_str(), row.language_b.as_str()) {
            (a, b) if a == source => Some((&row.model, b)),
            (a, b) if b == source => Some((&row.model, a)),
            _ => None,
        }
    }
    let others: BTreeSet<(&str, &str)> = rows.iter().filter_map(|row| other(row, source)).collect();
    if others.is_empty() && !rows.is_empty() {
        without_source("similarity", source);
    }
    let scored: BTreeSet<(&str, &str)> =
        scores.scores().map(|row| (row.model.as_str(), row.language.as_str())).collect();
    for (model, language) in others.difference(&scored) {
        tracing::warn!("no transfer scores of `{language}` by {model}: its similarity enters no correlation");
    }
    let common: BTreeSet<(&str, &str)> = others.intersection(&scored).copied().collect();
    let with_source: Vec<Similarity> =
        rows.iter().filter(|row| other(row, source).is_some_and(|key| common.contains(&key))).cloned().collect();
    let of_common =
        scores.scores().filter(|row| common.contains(&(row.model.as_str(), row.language.as_str()))).cloned();
    // A part of a table without repetitions has none.
    let Ok(scores) = TransferScores::new(of_common.collect()) else { return Vec::new() };
    let name = |measure: &str, pooling: SentencePooling| format!("similarity:{measure}:{pooling}");
    let averages = by_step(&with_source);
    let mut measured = Vec::new();
    for row in averages.iter().filter(|row| row.site == MEAN && row.step != Step::Final) {
        measured.extend(row.value.map(|value| Measured {
            model: &row.model,
            step: row.step,
            language: None,
            measure: name(&row.measure, row.pooling),
            attribute: "",
            value,
        }));
    }
    for row in by_step_and_pair(&with_source) {
        measured.push(Measured {
            model: row.model,
            step: row.step,
            language: Some(if row.language_a == source { row.language_b } else { row.language_a }),
            measure: name(row.measure, row.pooling),
            attribute: "",
            value: row.value,
        });
    }
    join(&measured, &models(rows.iter().map(|row| row.model.as_str())), &scores)
}

fn models<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    names.collect()
}

fn without_source(what: &str, source: &str) {
    tracing::warn!("no {what} of the source language {source} with another: nothing correlates at level pair");
}

fn order(point: &Point) -> impl Ord + '_ {
    (&point.model, &point.task, point.level, &point.measure, &point.attribute, point.step, &point.language)
}

/// A task and its score.
type TaskScore<'a> = (&'a str, f64);

/// Every measure with each score that goes with it, sorted.
fn join(measured: &[Measured<'_>], models: &BTreeSet<&str>, scores: &TransferScores) -> Vec<Point> {
    let scores = scores.means();
    let averages = average_scores(measured, &scores);
    let mut of_language: BTreeMap<(&str, Step, &str), Vec<TaskScore>> = BTreeMap::new();
    for ((model, step, task, language), &score) in &scores {
        let left_out = *step == Step::Final && WITHOUT_FINAL.iter().any(|name| name.eq_ignore_ascii_case(task));
        if !left_out {
            of_language.entry((model, *step, language)).or_default().push((task, score));
        }
    }
    let mut points = Vec::new();
    for row in measured {
        let (level, scores) = match row.language {
            None => (Level::Average, averages.get(&(row.model, row.step))),
            Some(language) => (Level::Pair, of_language.get(&(row.model, row.step, language))),
        };
        points.extend(scores.into_iter().flatten().map(|(task, score)| Point {
            model: row.model.to_owned(),
            task: (*task).to_owned(),
            level,
            measure: row.measure.clone(),
            attribute: row.attribute.to_owned(),
            step: row.step,
            language: row.language.map(str::to_owned),
            x: row.value,
            y: *score,
        }));
    }
    for model in models {
        if !scores.keys().any(|(scored, ..)| scored == model) {
            tracing::warn!("no transfer scores of {model}: it enters no correlation");
        }
    }
    points.sort_by(|a, b| order(a).cmp(&order(b)));
    points
}

/// The tasks' mean scores over languages, of every model and step that has a measure at [`Level::Average`].
fn average_scores<'a>(
    measured: &[Measured<'a>],
    scores: &'a MeanScores,
) -> BTreeMap<(&'a str, Step), Vec<TaskScore<'a>>> {
    let steps: BTreeSet<(&str, Step)> =
        measured.iter().filter(|row| row.language.is_none()).map(|row| (row.model, row.step)).collect();
    let mut by_step: BTreeMap<(&str, Step, &str), BTreeMap<&str, f64>> = BTreeMap::new();
    for ((model, step, task, language), &score) in scores {
        if steps.contains(&(model.as_str(), *step)) {
            by_step.entry((model, *step, task)).or_default().insert(language, score);
        }
    }
    let mut averages: BTreeMap<(&str, Step), Vec<TaskScore>> = BTreeMap::new();
    // A task's languages at the first step that enters, to notice a step that has others.
    let mut languages: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for ((model, step, task), by_language) in by_step {
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
        averages.entry((model, step)).or_default().extend(mean(by_language.into_values()).map(|score| (task, score)));
    }
    averages
}

/// The pairs that the source is in, by model, and then by step and the other language.
type Pairs<'a> = BTreeMap<&'a str, BTreeMap<(Step, &'a str), Vec<&'a PairOverlap>>>;

/// The overlaps of the source with each language.
fn overlaps<'a>(pairs: &'a [PairOverlap], source: &str, k: usize) -> Vec<Measured<'a>> {
    let mut with_source: Pairs<'_> = BTreeMap::new();
    for row in pairs.iter().filter(|row| row.k == k && row.control == Control::None) {
        let other = match (row.language_a.as_str(), row.language_b.as_str()) {
            (a, b) if a == source => b,
            (a, b) if b == source => a,
            _ => continue,
        };
        with_source.entry(&row.model).or_default().entry((row.step, other)).or_default().push(row);
    }
    let mut measured = Vec::new();
    for (model, cells) in with_source {
        let has_pos = cells.values().flatten().any(|row| row.attribute == PAIR_ATTRIBUTE);
        let attribute = if has_pos { PAIR_ATTRIBUTE } else { MEAN };
        for ((step, language), rows) in cells {
            let rows: Vec<&PairOverlap> =
                rows.into_iter().filter(|row| !has_pos || row.attribute == PAIR_ATTRIBUTE).collect();
            let overlap = mean_of_means(&rows, |row| Some(row.overlap));
            for (measure, value) in [("overlap", overlap), ("excess", mean_excess(&rows, overlap))] {
                let measure = measure.to_owned();
                let language = Some(language);
                measured.extend(value.map(|value| Measured { model, step, language, measure, attribute, value }));
            }
        }
    }
    measured
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
