//! Results as a person reads them: on a terminal, as Markdown, as plots.

use super::{CellWords, Results};
use crate::correlation::CorrelationRow;
use crate::overlap::{Control, PairOverlap, StepOverlap, MEAN};
use crate::report::{number, p_value, Record, TextTable};
use std::collections::BTreeSet;

/// Level at which a pair counts as more than chance.
const ALPHA: f64 = 0.05;

const CAVEAT: &str =
    "Empty: too few points, or no variation. Points of one checkpoint, and checkpoints of one run, are not independent: read p-values and intervals \
with influence.csv, which leaves out one checkpoint at a time.";

pub(super) fn text(results: &Results) -> String {
    let mut parts = Vec::new();
    for k in &results.study.k {
        parts.push(format!("{}\n\n{}", heading(results, *k), overlap_table(results, *k, MEAN).text()));
    }
    parts.push(format!("{LEGEND}\n"));
    let correlations = correlation_table(results);
    if correlations.is_empty() {
        parts.push("Overlap against transfer: no scores to correlate with.\n".into());
    } else {
        parts.push(format!("{}\n\n{}\n{CAVEAT}\n", correlation_heading(results), correlations.text()));
    }
    let notes = results.notes.lines();
    if !notes.is_empty() {
        parts.push(notes.join("\n") + "\n");
    }
    parts.join("\n")
}

pub(super) fn markdown(results: &Results) -> String {
    let study = &results.study;
    let languages: Vec<&str> = study.treebanks.keys().map(String::as_str).collect();
    let seeds: Vec<String> = study.seeds.iter().map(u64::to_string).collect();
    let sites: Vec<String> = study.sites.iter().map(ToString::to_string).collect();
    let mut text = format!("# Overlap against training step: {}\n\n", results.model);
    text += &format!(
        "Languages {}; attributes {} (scheme {}); sites {}; method {}; seeds {}; isogloss {}. Settings in full: `study.toml`.\n\n",
        languages.join(", "),
        study.attributes.join(", "),
        study.scheme,
        sites.join(", "),
        study.method,
        seeds.join(", "),
        env!("CARGO_PKG_VERSION"),
    );
    for k in &study.k {
        text += &format!("## {}\n\n{}\n", heading(results, *k), overlap_table(results, *k, MEAN).markdown());
        if study.sites.len() > 1 {
            for site in &sites {
                text += &format!("### {site}\n\n{}\n", overlap_table(results, *k, site).markdown());
            }
        }
    }
    text += &format!("{LEGEND}\n\n");
    if cfg!(feature = "plots") {
        text += "![Overlap against training step](overlap_vs_step.svg)\n\n![Overlap by pair of languages](overlap_by_pair.svg)\n\n";
    }
    text += &format!("## {}\n\n", correlation_heading(results));
    let correlations = correlation_table(results);
    if correlations.is_empty() {
        text += "No scores to correlate with.\n";
    } else {
        text += &format!("{}\n{CAVEAT}\n", correlations.markdown());
    }
    text += &format!("\n## Words\n\n{}", words_table(results).markdown());
    let notes = results.notes.lines();
    if !notes.is_empty() {
        text += "\n## Left out\n\n";
        text.extend(notes.iter().map(|note| format!("- {note}\n")));
    }
    text
}

const LEGEND: &str =
    "chance: k / neurons. excess: (overlap - chance) / (1 - chance). ceiling: the same cell under another seed. \
significant: pairs of languages whose overlap is above chance (hypergeometric, Holm-adjusted p < 0.05), out of all \
pairs, over attributes, sites and seeds.";

fn heading(results: &Results, k: usize) -> String {
    let (languages, seeds) = (results.study.treebanks.len(), results.study.seeds.len());
    let plural = if seeds == 1 { "seed" } else { "seeds" };
    format!(
        "Overlap of the {k} best neurons between {languages} languages, {}, mean over pairs and {seeds} {plural}",
        results.model
    )
}

fn correlation_heading(results: &Results) -> String {
    let k = results.study.k.first().copied().unwrap_or_default();
    format!("Overlap at k = {k} against transfer from `{}`", results.study.source)
}

fn overlap_table(results: &Results, k: usize, site: &str) -> TextTable {
    let mut attributes: Vec<&str> = results.study.attributes.iter().map(String::as_str).collect();
    if attributes.len() > 1 {
        attributes.push(MEAN);
    }
    let header =
        std::iter::once("step").chain(attributes.iter().copied()).chain(["chance", "excess", "ceiling", "significant"]);
    let mut table = TextTable::new(header);
    let steps: BTreeSet<_> = results.by_step.iter().map(|row| row.step).collect();
    for step in steps {
        let row = |attribute: &str| {
            let fits = |row: &&StepOverlap| {
                (row.step, row.site.as_str(), row.attribute.as_str(), row.k) == (step, site, attribute, k)
            };
            results.by_step.iter().find(fits)
        };
        // With one attribute, its row is the mean.
        let mean = row(MEAN);
        let mut cells = vec![step.to_string()];
        cells.extend(attributes.iter().map(|attribute| number(row(attribute).map(|row| row.overlap), 3)));
        cells.push(number(mean.and_then(|row| row.expected), 3));
        cells.push(number(mean.and_then(|row| row.excess), 3));
        cells.push(number(mean.and_then(|row| row.ceiling), 3));
        let here =
            |row: &&PairOverlap| row.step == step && row.k == k && (site == MEAN || row.site.to_string() == site);
        let (significant, all) = results
            .pairs
            .iter()
            .filter(|row| row.control == Control::None)
            .filter(here)
            .fold((0, 0), |(significant, all), row| {
                (significant + usize::from(row.p_holm.is_some_and(|p| p < ALPHA)), all + 1)
            });
        cells.push(format!("{significant} of {all}"));
        table.row(cells);
    }
    table
}

fn words_table(results: &Results) -> TextTable {
    let mut table = TextTable::new(CellWords::COLUMNS.iter().map(|name| name.replace('_', " ")));
    for cell in results.notes.words() {
        let CellWords { language, attribute, seed, classes, dropped, train, dev, test, without_lemma } = cell;
        let [classes, dropped] = [classes, dropped].map(|names| names.replace('|', ", "));
        let counts = [train, dev, test, without_lemma].map(|n| n.to_string());
        table.row([language, attribute, seed.to_string(), classes, dropped].into_iter().chain(counts));
    }
    table
}

fn correlation_table(results: &Results) -> TextTable {
    let mut table =
        TextTable::new(["task", "level", "overlap of", "n", "Pearson", "95 % interval", "p", "Spearman", "p"]);
    for row in results.correlation.iter().filter(|row| row.measure == "overlap") {
        let CorrelationRow { task, level, attribute, n, .. } = row;
        let CorrelationRow { pearson, pearson_p, spearman, spearman_p, ci_low, ci_high, .. } = row;
        let interval = match (ci_low, ci_high) {
            (Some(low), Some(high)) => format!("{} to {}", number(Some(*low), 2), number(Some(*high), 2)),
            _ => String::new(),
        };
        table.row([
            task.clone(),
            level.to_string(),
            attribute.clone(),
            n.to_string(),
            number(*pearson, 3),
            interval,
            p_value(*pearson_p),
            number(*spearman, 3),
            p_value(*spearman_p),
        ]);
    }
    table
}

#[cfg(feature = "plots")]
pub(super) use pictures::plots;

#[cfg(feature = "plots")]
mod pictures {
    use super::*;
    use crate::checkpoint::Step;
    use crate::correlation::{Level, Point};
    use crate::report::plot::{
        Heatmap, Heatmaps, LineStyle, Plot, Scatter, ScatterGroup, StepLine, StepPlot, Triangle,
    };
    use crate::stats::mean;
    use crate::Result;
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    pub(in super::super) fn plots(results: &Results, out: &Path) -> Result<Vec<PathBuf>> {
        let mut written = by_step(results).save(out.join("overlap_vs_step"))?;
        written.extend(by_pair(results).save(out.join("overlap_by_pair"))?);
        let tasks: BTreeSet<&str> = results.points.iter().map(|point| point.task.as_str()).collect();
        for task in tasks {
            let name = format!("overlap_vs_transfer-{}", task.replace([':', '/', '\\', ' '], "-"));
            written.extend(against_transfer(results, task).save(out.join(name))?);
        }
        Ok(written)
    }

    fn first_k(results: &Results) -> usize {
        results.study.k.first().copied().unwrap_or_default()
    }

    fn by_step(results: &Results) -> StepPlot {
        let k = first_k(results);
        let line = |attribute: &str, label: &str, style, value: &dyn Fn(&StepOverlap) -> Option<f64>| {
            let rows =
                results.by_step.iter().filter(|row| row.site == MEAN && row.attribute == attribute && row.k == k);
            let points: Vec<(Step, f64)> = rows.filter_map(|row| value(row).map(|value| (row.step, value))).collect();
            StepLine { label: label.into(), style, points, band: None }
        };
        let overlap = |row: &StepOverlap| Some(row.overlap);
        let attributes = &results.study.attributes;
        let mut lines =
            vec![line(MEAN, if attributes.len() > 1 { "mean" } else { "overlap" }, LineStyle::Measured, &overlap)];
        if let [_, _, ..] = attributes.as_slice() {
            lines.extend(attributes.iter().map(|attribute| line(attribute, attribute, LineStyle::Secondary, &overlap)));
        }
        lines.push(line(MEAN, "ceiling (other seed)", LineStyle::Ceiling, &|row| row.ceiling));
        lines.push(line(MEAN, "chance", LineStyle::Chance, &|row| row.expected));
        lines.retain(|line| !line.points.is_empty());
        StepPlot {
            title: format!("{}: overlap between {} languages", results.model, results.study.treebanks.len()),
            x_label: "training step".into(),
            y_label: format!("share of the {k} best neurons in common"),
            lines,
        }
    }

    fn by_pair(results: &Results) -> Heatmaps {
        let k = first_k(results);
        let last = results.pairs.iter().map(|row| row.step).max();
        let labels: Vec<String> = results.study.treebanks.keys().cloned().collect();
        let panels = results.study.attributes.iter().map(|attribute| {
            let mut cells: BTreeMap<(usize, usize), (Vec<f64>, bool)> = BTreeMap::new();
            let rows = results
                .pairs
                .iter()
                .filter(|row| row.control == Control::None)
                .filter(|row| Some(row.step) == last && row.k == k && row.attribute == *attribute);
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
            Heatmap {
                title: attribute.clone(),
                labels: labels.clone(),
                values: values.collect(),
                marks: marks.collect(),
            }
        });
        Heatmaps {
            title: format!(
                "{}: overlap by pair of languages, step {}",
                results.model,
                last.map_or(String::new(), |s| s.to_string())
            ),
            value_label: format!("share of the {k} best neurons in common"),
            panels: panels.collect(),
            triangle: Triangle::Lower,
            scale_max: None,
            mark_meaning: "Holm-adjusted p < 0.05 at every site and seed".into(),
        }
    }

    fn against_transfer(results: &Results, task: &str) -> Scatter {
        let wanted = |point: &&Point| point.task == task && point.level == Level::Pair && point.measure == "overlap";
        let mut groups: BTreeMap<String, Vec<(f64, f64, Option<String>)>> = BTreeMap::new();
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for point in results.points.iter().filter(wanted) {
            let language = point.language.clone().unwrap_or_default();
            groups.entry(language).or_default().push((point.x, point.y, None));
            xs.push(point.x);
            ys.push(point.y);
        }
        let row = results
            .correlation
            .iter()
            .find(|row| row.task == task && row.level == Level::Pair && row.measure == "overlap");
        let note = row.map_or(String::new(), |row| {
            let r = row.pearson.map_or(String::new(), |r| format!(", r = {}", number(Some(r), 2)));
            let p = row.pearson_p.map_or(String::new(), |p| format!(", p = {}", p_value(Some(p))));
            format!("n = {}{r}{}", row.n, p.replace("= <", "<"))
        });
        let attribute = row.map_or(String::new(), |row| row.attribute.clone());
        Scatter {
            title: format!("{}: overlap against {task}", results.model),
            x_label: format!("overlap with `{}` ({attribute}, k = {})", results.study.source, first_k(results)),
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
}
