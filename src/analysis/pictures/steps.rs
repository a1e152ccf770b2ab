//! Overlap against training step.

use super::{first_k, Analysis};
use crate::analysis::interval::intervals;
use crate::checkpoint::Step;
use crate::overlap::{PairOverlap, StepOverlap, MEAN};
use crate::report::plot::{LineStyle, StepLine, StepPlot};
use crate::stats::mean;
use std::collections::BTreeMap;

fn line(label: &str, style: LineStyle, points: Vec<(Step, f64)>) -> StepLine {
    StepLine { label: label.into(), style, points, band: None }
}

/// A line of the overlap-vs-step table, over sites.
fn of_table(
    analysis: &Analysis,
    model: &str,
    attribute: &str,
    value: impl Fn(&StepOverlap) -> Option<f64>,
) -> Vec<(Step, f64)> {
    let k = first_k(analysis);
    let wanted =
        |row: &&StepOverlap| row.model == model && row.site == MEAN && row.attribute == attribute && row.k == k;
    let rows = analysis.by_step.iter().filter(wanted);
    rows.filter_map(|row| value(row).map(|value| (row.step, value))).collect()
}

/// The mean with its interval, a line an attribute, the ceiling and chance.
pub(super) fn by_attribute(analysis: &Analysis, model: &str) -> StepPlot {
    let k = first_k(analysis);
    let attributes = &analysis.settings.attributes;
    let overlap = |row: &StepOverlap| Some(row.overlap);
    let name = if attributes.len() > 1 { "mean" } else { "overlap" };
    let mut measured = line(name, LineStyle::Measured, of_table(analysis, model, MEAN, overlap));
    let intervals: BTreeMap<Step, Option<(f64, f64)>> = intervals(analysis)
        .into_iter()
        .filter(|row| row.model == model && row.k == k && row.attribute == MEAN)
        .map(|row| (row.step, row.low.zip(row.high)))
        .collect();
    let interval = |step: &Step| intervals.get(step).copied().flatten();
    let note = if measured.points.iter().any(|(step, _)| interval(step).is_some()) {
        // A point without an interval has one of no width, so that the band has an end a point.
        measured.band =
            Some(measured.points.iter().map(|(step, value)| interval(step).unwrap_or((*value, *value))).collect());
        format!("band: 95 % interval of the {name}, leaving out one language at a time (jackknife)")
    } else {
        String::new()
    };
    let mut lines = vec![measured];
    if attributes.len() > 1 {
        lines.extend(
            attributes.iter().map(|name| line(name, LineStyle::Secondary, of_table(analysis, model, name, overlap))),
        );
    }
    lines.push(line("ceiling (probed again)", LineStyle::Ceiling, of_table(analysis, model, MEAN, |row| row.ceiling)));
    lines.push(chance(analysis, model));
    lines.retain(|line| !line.points.is_empty());
    StepPlot {
        title: format!("{model}: overlap between {} languages", analysis.languages_of(model).len()),
        x_label: "training step".into(),
        y_label: format!("share of the {k} best neurons in common"),
        lines,
        note,
    }
}

fn chance(analysis: &Analysis, model: &str) -> StepLine {
    line("chance", LineStyle::Chance, of_table(analysis, model, MEAN, |row| row.expected))
}

/// A line a language: its mean overlap with all others, or with the source language alone.
pub(super) fn by_language(analysis: &Analysis, model: &str, source: Option<&str>) -> StepPlot {
    let k = first_k(analysis);
    let mut cells: BTreeMap<&str, BTreeMap<Step, Vec<&PairOverlap>>> = BTreeMap::new();
    for row in analysis.pairs.iter().filter(|row| row.model == model && row.k == k) {
        let (a, b) = (row.language_a.as_str(), row.language_b.as_str());
        for (language, other) in [(a, b), (b, a)] {
            if source.is_none_or(|source| source == other) {
                cells.entry(language).or_default().entry(row.step).or_default().push(row);
            }
        }
    }
    let lines = cells.into_iter().map(|(language, steps)| {
        let points = steps.into_iter().filter_map(|(step, rows)| Some((step, mean_overlap(&rows)?)));
        line(language, LineStyle::Measured, points.collect())
    });
    let mut lines: Vec<StepLine> = lines.collect();
    if !lines.is_empty() {
        lines.push(chance(analysis, model));
    }
    lines.retain(|line| !line.points.is_empty());
    let attributes = if analysis.settings.attributes.len() > 1 { ", mean over its attributes" } else { "" };
    let with = source.map_or("all others".to_owned(), |source| format!("`{source}`"));
    StepPlot {
        title: format!("{model}: overlap of each language with {with}{attributes}"),
        x_label: "training step".into(),
        y_label: format!("share of the {k} best neurons in common"),
        lines,
        note: String::new(),
    }
}

/// The mean over attributes of the means over sites of the means over pairs, each pair's seeds averaged first.
fn mean_overlap(rows: &[&PairOverlap]) -> Option<f64> {
    type Pairs<'a> = BTreeMap<(&'a str, &'a str), Vec<f64>>;
    let mut attributes: BTreeMap<&str, BTreeMap<crate::Site, Pairs<'_>>> = BTreeMap::new();
    for row in rows {
        let pairs = attributes.entry(&row.attribute).or_default().entry(row.site).or_default();
        pairs.entry((&row.language_a, &row.language_b)).or_default().push(row.overlap);
    }
    let of_pairs = |pairs: &Pairs<'_>| mean(pairs.values().filter_map(|seeds| mean(seeds.iter().copied())));
    mean(attributes.values().filter_map(|sites| mean(sites.values().filter_map(of_pairs))))
}
