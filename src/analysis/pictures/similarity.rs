//! Similarity against training step.

use super::super::distinct;
use crate::activations::SentencePooling;
use crate::checkpoint::Step;
use crate::overlap::MEAN;
use crate::report::plot::{LineStyle, StepLine, StepPlot};
use crate::similarity::StepSimilarity;

/// A family of measures that share an axis: the end of the file's name, the title, the y axis, the measures with the labels
/// of their lines, and those that are baselines.
struct Family {
    name: &'static str,
    title: &'static str,
    y_label: &'static str,
    measures: &'static [(&'static str, &'static str)],
    baselines: &'static [(&'static str, &'static str)],
    /// Whether `1 / sentences` is a baseline.
    has_chance: bool,
}

const FAMILIES: [Family; 3] = [
    Family {
        name: "cosine",
        title: "cosine of translations",
        y_label: "mean cosine",
        measures: &[
            ("cosine", "translations"),
            ("cosine-centred", "centred"),
            ("cosine-adjusted", "adjusted for anisotropy"),
            ("cosine-all-but-top", "centred, all but the top"),
        ],
        baselines: &[("cosine-mismatched", "mismatched sentences")],
        has_chance: false,
    },
    Family {
        name: "retrieval",
        title: "translations that are retrieved",
        y_label: "accuracy, mean of both ways",
        measures: &[("retrieval", "by cosine"), ("retrieval-csls", "by CSLS")],
        baselines: &[],
        has_chance: true,
    },
    Family {
        name: "representation",
        title: "similarity of representations",
        y_label: "similarity",
        measures: &[("linear-cka", "linear CKA"), ("svcca", "SVCCA"), ("anc", "neuron-wise correlation")],
        baselines: &[],
        has_chance: false,
    },
];

/// A plot a family and pooling of one model, mean over pairs and sites, with the name of its file.
pub(in crate::analysis) fn similarity_vs_step(rows: &[StepSimilarity], model: &str) -> Vec<(String, StepPlot)> {
    let rows: Vec<&StepSimilarity> = rows.iter().filter(|row| row.model == model && row.site == MEAN).collect();
    let mut plots = Vec::new();
    for pooling in distinct(rows.iter().map(|row| row.pooling)) {
        for family in &FAMILIES {
            let lines = lines(family, &rows, pooling);
            if lines.is_empty() {
                continue;
            }
            let states = match pooling {
                SentencePooling::Last => "last token",
                SentencePooling::Mean => "mean over tokens",
            };
            let pairs = rows.iter().map(|row| row.pairs).max().unwrap_or_default();
            let plural = if pairs == 1 { "" } else { "s" };
            let plot = StepPlot {
                title: format!("{model}: {}, {states}", family.title),
                x_label: "training step".into(),
                y_label: family.y_label.into(),
                lines,
                note: format!("mean over {pairs} pair{plural} of languages and over sites"),
            };
            plots.push((format!("similarity_vs_step-{}-{pooling}", family.name), plot));
        }
    }
    plots
}

fn lines(family: &Family, rows: &[&StepSimilarity], pooling: SentencePooling) -> Vec<StepLine> {
    let points = |measure: &str| -> Vec<(Step, f64)> {
        let of_measure = rows.iter().filter(|row| row.pooling == pooling && row.measure == measure);
        of_measure.filter_map(|row| Some((row.step, row.value?))).collect()
    };
    let line = |label: &str, style: LineStyle, points: Vec<(Step, f64)>| StepLine {
        label: label.into(),
        style,
        points,
        band: None,
    };
    let measured = family.measures.iter().map(|(name, label)| line(label, LineStyle::Measured, points(name)));
    let mut lines: Vec<StepLine> = measured.filter(|line| !line.points.is_empty()).collect();
    if lines.is_empty() {
        return lines;
    }
    lines.extend(family.baselines.iter().map(|(name, label)| line(label, LineStyle::Chance, points(name))));
    if family.has_chance {
        let of_family =
            rows.iter().filter(|row| row.pooling == pooling && row.measure == "retrieval" && row.sentences > 0);
        let chance = of_family.map(|row| (row.step, 1.0 / row.sentences as f64)).collect();
        lines.push(line("chance", LineStyle::Chance, chance));
    }
    lines.retain(|line| !line.points.is_empty());
    lines
}
