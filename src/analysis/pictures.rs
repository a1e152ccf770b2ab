//! An analysis as plots.

use super::summary::ALPHA;
use super::{file_name, Analysis};
use crate::checkpoint::Step;
use crate::correlation::{Level, Point};
use crate::overlap::{Control, PairOverlap, StepOverlap, MEAN};
use crate::report::plot::{Heatmap, Heatmaps, LineStyle, Plot, Scatter, ScatterGroup, StepLine, StepPlot, Triangle};
use crate::report::{number, p_value};
use crate::stats::mean;
use crate::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) fn save(analysis: &Analysis, out: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for model in analysis.models() {
        let path = |name: &str| out.join(analysis.file_of(name, model));
        written.extend(by_step(analysis, model).save(path("overlap_vs_step"))?);
        written.extend(by_pair(analysis, model).save(path("overlap_by_pair"))?);
        let of_model = analysis.points.iter().filter(|point| point.model == model);
        let tasks: BTreeSet<&str> = of_model.map(|point| point.task.as_str()).collect();
        for task in tasks {
            let name = path(&format!("overlap_vs_transfer-{}", file_name(task)));
            written.extend(against_transfer(analysis, model, task).save(name)?);
        }
    }
    Ok(written)
}

fn first_k(analysis: &Analysis) -> usize {
    analysis.settings.k.first().copied().unwrap_or_default()
}

fn by_step(analysis: &Analysis, model: &str) -> StepPlot {
    let k = first_k(analysis);
    let line = |attribute: &str, label: &str, style, value: &dyn Fn(&StepOverlap) -> Option<f64>| {
        let wanted =
            |row: &&StepOverlap| row.model == model && row.site == MEAN && row.attribute == attribute && row.k == k;
        let rows = analysis.by_step.iter().filter(wanted);
        let points: Vec<(Step, f64)> = rows.filter_map(|row| value(row).map(|value| (row.step, value))).collect();
        StepLine { label: label.into(), style, points, band: None }
    };
    let overlap = |row: &StepOverlap| Some(row.overlap);
    let attributes = &analysis.settings.attributes;
    let mut lines =
        vec![line(MEAN, if attributes.len() > 1 { "mean" } else { "overlap" }, LineStyle::Measured, &overlap)];
    if let [_, _, ..] = attributes.as_slice() {
        lines.extend(attributes.iter().map(|attribute| line(attribute, attribute, LineStyle::Secondary, &overlap)));
    }
    lines.push(line(MEAN, "ceiling (other seed)", LineStyle::Ceiling, &|row| row.ceiling));
    lines.push(line(MEAN, "chance", LineStyle::Chance, &|row| row.expected));
    lines.retain(|line| !line.points.is_empty());
    StepPlot {
        title: format!("{model}: overlap between {} languages", analysis.languages().len()),
        x_label: "training step".into(),
        y_label: format!("share of the {k} best neurons in common"),
        lines,
    }
}

fn by_pair(analysis: &Analysis, model: &str) -> Heatmaps {
    let k = first_k(analysis);
    let plain = analysis.pairs.iter().filter(|row| row.control == Control::None);
    let pairs: Vec<&PairOverlap> = plain.filter(|row| row.model == model && row.k == k).collect();
    let last = pairs.iter().map(|row| row.step).max();
    let labels: Vec<String> = analysis.languages().into_iter().map(String::from).collect();
    let panels = analysis.settings.attributes.iter().map(|attribute| {
        let mut cells: BTreeMap<(usize, usize), (Vec<f64>, bool)> = BTreeMap::new();
        let rows = pairs.iter().filter(|row| Some(row.step) == last && row.attribute == *attribute);
        for row in rows {
            let place = |language: &str| labels.iter().position(|label| label == language);
            if let Some((a, b)) = place(&row.language_a).zip(place(&row.language_b)) {
                let (overlaps, significant) = cells.entry((a, b)).or_insert((Vec::new(), true));
                overlaps.push(row.overlap);
                *significant &= row.p_holm.is_some_and(|p| p < ALPHA);
            }
        }
        let cell = |a: usize, b: usize| cells.get(&(a.min(b), a.max(b)));
        let square = 0..labels.len();
        let values = square
            .clone()
            .map(|a| square.clone().map(|b| cell(a, b).and_then(|(v, _)| mean(v.iter().copied()))).collect());
        let marks = square.clone().map(|a| square.clone().map(|b| cell(a, b).is_some_and(|(_, s)| *s)).collect());
        Heatmap { title: attribute.clone(), labels: labels.clone(), values: values.collect(), marks: marks.collect() }
    });
    Heatmaps {
        title: format!(
            "{}: overlap by pair of languages, step {}",
            model,
            last.map_or(String::new(), |s| s.to_string())
        ),
        value_label: format!("share of the {k} best neurons in common"),
        panels: panels.collect(),
        triangle: Triangle::Lower,
        scale_max: None,
        mark_meaning: "Holm-adjusted p < 0.05 at every site and seed".into(),
    }
}

fn against_transfer(analysis: &Analysis, model: &str, task: &str) -> Scatter {
    let wanted = |point: &&Point| {
        point.model == model && point.task == task && point.level == Level::Pair && point.measure == "overlap"
    };
    let mut groups: BTreeMap<String, Vec<(f64, f64, Option<String>)>> = BTreeMap::new();
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for point in analysis.points.iter().filter(wanted) {
        let language = point.language.clone().unwrap_or_default();
        groups.entry(language).or_default().push((point.x, point.y, None));
        xs.push(point.x);
        ys.push(point.y);
    }
    let row = analysis
        .correlation
        .iter()
        .find(|row| row.model == model && row.task == task && row.level == Level::Pair && row.measure == "overlap");
    let note = row.map_or(String::new(), |row| {
        let r = row.pearson.map_or(String::new(), |r| format!(", r = {}", number(Some(r), 2)));
        let p = row.pearson_p.map_or(String::new(), |p| format!(", p = {}", p_value(Some(p))));
        format!("n = {}{r}{}", row.n, p.replace("= <", "<"))
    });
    let attribute = row.map_or(String::new(), |row| row.attribute.clone());
    Scatter {
        title: format!("{model}: overlap against {task}"),
        x_label: format!("overlap with `{}` ({attribute}, k = {})", analysis.settings.source, first_k(analysis)),
        y_label: task.to_string(),
        groups: groups.into_iter().map(|(label, points)| ScatterGroup { label, points }).collect(),
        line: least_squares(&xs, &ys),
        note,
    }
}

fn least_squares(xs: &[f64], ys: &[f64]) -> Option<(f64, f64)> {
    let (x, y) = (mean(xs.iter().copied())?, mean(ys.iter().copied())?);
    let covariance: f64 = xs.iter().zip(ys).map(|(a, b)| (a - x) * (b - y)).sum();
    let variance: f64 = xs.iter().map(|a| (a - x) * (a - x)).sum();
    let slope = covariance / variance;
    slope.is_finite().then_some((slope, y - slope * x))
}
