use crate::checkpoint::Step;
use crate::ranking::{Cell, Control, CurvePoint, RankedCell};
use crate::report::Record;
use crate::Site;
use serde::Serialize;

/// A row of `rankings.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankingRow {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The attribute.
    pub attribute: String,
    /// The language.
    pub language: String,
    /// The method that ranked.
    pub method: String,
    /// The seed of split and probe.
    pub seed: u64,
    /// Counted from 1.
    pub rank: usize,
    /// The neuron's column.
    pub neuron: usize,
    /// Normalised mutual information on dev with this neuron and all before it.
    pub nmi_dev: Option<f64>,
    /// The same on test.
    pub nmi_test: Option<f64>,
    /// Share of test words right.
    pub accuracy_test: Option<f64>,
    /// Whether the labels were the real ones.
    pub control: Control,
}

impl Record for RankingRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "attribute",
        "language",
        "method",
        "seed",
        "rank",
        "neuron",
        "nmi_dev",
        "nmi_test",
        "accuracy_test",
        "control",
    ];
}

impl RankingRow {
    /// The rows of rankings, in order.
    pub fn of(rankings: &[RankedCell]) -> Vec<RankingRow> {
        let rows = rankings.iter().flat_map(|RankedCell { cell, ranking }| {
            ranking.curve().iter().map(move |point| {
                let Cell { model, step, site, attribute, language, method, seed, control } = cell.clone();
                let CurvePoint { rank, neuron, nmi_dev, nmi_test, accuracy_test } = *point;
                RankingRow {
                    model,
                    step,
                    site,
                    attribute,
                    language,
                    method,
                    seed,
                    rank,
                    neuron,
                    nmi_dev,
                    nmi_test,
                    accuracy_test,
                    control,
                }
            })
        });
        rows.collect()
    }
}
