//! An analysis as plots.

mod curves;
mod order;
mod pairs;
mod sharing;
mod similarity;
mod steps;

pub(super) use similarity::similarity_vs_step;

use super::page::Figure;
use super::{file_name, Analysis};
use crate::correlation::{Level, Point};
use crate::report::plot::{Picture, Plot, Scatter, ScatterGroup};
use crate::report::{number, p_value};
use crate::stats::mean;
use crate::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A plot laid out.
pub(super) struct Drawn {
    /// For the page.
    pub figure: Figure,
    picture: Picture,
    plot: Box<dyn Plot>,
}

/// The plot of overlap against step, whose table of the same name is that of the analysis.
const BY_STEP: &str = "overlap_vs_step";

/// All plots, model by model, in the order of the page.
pub(super) fn draw(analysis: &Analysis) -> Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    for model in analysis.models() {
        let mut add = |name: &str, caption: &str, plot: Box<dyn Plot>| -> Result<()> {
            let picture = plot.picture()?;
            let name = analysis.file_of(name, model);
            let label = format!("{name}. {caption}");
            let svg = picture.inline_svg(&label);
            let figure =
                Figure { name, model: model.to_owned(), caption: caption.to_owned(), svg, width: picture.size().0 };
            drawn.push(Drawn { figure, picture, plot });
            Ok(())
        };
        add(BY_STEP, STEPS, Box::new(steps::by_attribute(analysis, model)))?;
        add("overlap_vs_step_by_language", LANGUAGES, Box::new(steps::by_language(analysis, model, None)))?;
        let source = analysis.settings.source.as_str();
        let with_source = steps::by_language(analysis, model, Some(source));
        if !with_source.lines.is_empty() {
            add("overlap_vs_step_with_source", SOURCE, Box::new(with_source))?;
        }
        add("overlap_by_pair", PAIRS, Box::new(pairs::by_attribute(analysis, model)))?;
        for attribute in &analysis.settings.attributes {
            if let Some(plot) = pairs::by_step(analysis, model, attribute) {
                let name = format!("overlap_by_pair-{}", file_name(attribute));
                add(&name, PAIRS_BY_STEP, Box::new(plot))?;
            }
        }
        if let Some(plot) = sharing::by_attribute(analysis, model) {
            add("neurons_shared", SHARED, Box::new(plot))?;
        }
        if let Some(plot) = curves::nmi_by_k(analysis, model) {
            add("nmi_by_k", CURVES, Box::new(plot))?;
        }
        let of_model = analysis.points.iter().filter(|point| point.model == model);
        let tasks: BTreeSet<&str> = of_model.map(|point| point.task.as_str()).collect();
        for task in tasks {
            let name = format!("overlap_vs_transfer-{}", file_name(task));
            add(&name, TRANSFER, Box::new(against_transfer(analysis, model, task)))?;
        }
    }
    Ok(drawn)
}

/// Writes plots and the values that they show. Returns the paths.
pub(super) fn save(drawn: &[Drawn], out: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for Drawn { figure, picture, plot } in drawn {
        written.extend(picture.save(out.join(&figure.name))?);
        // The table of this name holds them.
        if figure.name != BY_STEP {
            let path = out.join(format!("{}.csv", figure.name));
            plot.write_data(&path)?;
            written.push(path);
        }
    }
    Ok(written)
}

const STEPS: &str = "Overlap of two languages' best neurons as training goes on, mean over pairs of languages, sites and seeds. \
Read it between two levels: chance (dashed), what two random choices of neurons share, and the ceiling (dotted; with two \
seeds or more), what the same language shares with itself probed again, and so the most that two languages could. The band is the 95 % interval \
of the mean over languages: with whole languages left out in turn, it says how far another choice of languages could \
move the line. Values: overlap_vs_step.csv, and of the interval overlap_vs_step_interval.csv.";
const LANGUAGES: &str =
    "The same, a line a language: its mean overlap with every other language. A language that stays at \
chance keeps its neurons to itself. Languages that lack an attribute are means over the others.";
const SOURCE: &str = "A line a language: its overlap with the language that transfer starts from.";
const PAIRS: &str =
    "The last step, a panel an attribute: each cell is the overlap of one pair of languages, mean over sites and \
seeds. An asterisk (a dot in large panels) marks pairs above chance at every site and seed.";
const PAIRS_BY_STEP: &str =
    "One attribute over training, a panel a step, all with one colour scale. Languages stand in the order in \
which clustering joins them at the last step, so that groups that share neurons are blocks of dark cells.";
const SHARED: &str =
    "Bars: how many neurons are among the best of exactly so many languages; diamonds: how many would be if languages \
chose independently. Bars above the diamonds on the right are neurons that many languages share.";
const CURVES: &str = "Normalised mutual information between a probe's prediction and the attribute on test words, with the best \
1, 2, ... neurons: 1 is all that there is to know, 0 no more than how frequent each value is. Darker lines are later steps; a line that \
rises fast needs few neurons.";
const TRANSFER: &str =
    "Each point is a language at one step: its overlap with the source language against its transfer score, with \
the least-squares line. Points of one step are not independent, so the p-value and the interval are too good; see \
influence.csv.";

fn first_k(analysis: &Analysis) -> usize {
    analysis.settings.k.first().copied().unwrap_or_default()
}

/// At most `most` of `0..count`, evenly spread, the first and the last among them.
pub(super) fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(most);
    let place = move |i: usize| if shown < 2 { count.saturating_sub(1) } else { i * (count - 1) / (shown - 1) };
    (0..shown).map(place)
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
        let interval = row.ci_low.zip(row.ci_high).map_or(String::new(), |(low, high)| {
            format!(" (95 % interval {} to {})", number(Some(low), 2), number(Some(high), 2))
        });
        let p = row.pearson_p.map_or(String::new(), |p| format!(", p = {}", p_value(Some(p))));
        format!("n = {}{r}{interval}{}", row.n, p.replace("= <", "<"))
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
