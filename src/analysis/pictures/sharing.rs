//! Neurons that several languages have among their best.

use super::{first_k, Analysis};
use crate::checkpoint::Step;
use crate::overlap::{Control, Sharing};
use crate::report::plot::{CountBar, CountPanel, CountPlot};
use crate::stats::mean;

/// How many neurons exactly m languages have among their best, against what independent rankings would give: a panel an
/// attribute, at the last step. `None` without two languages.
pub(super) fn by_attribute(analysis: &Analysis, model: &str) -> Option<CountPlot> {
    let k = first_k(analysis);
    let last = analysis.measured_rankings().filter(|r| r.cell.model == model).map(|r| r.cell.step).max()?;
    let panels: Vec<CountPanel> = analysis
        .settings
        .attributes
        .iter()
        .map(|attribute| CountPanel { title: attribute.clone(), bars: bars(analysis, model, last, attribute, k) })
        .filter(|panel| panel.bars.len() > 1)
        .collect();
    (!panels.is_empty()).then(|| CountPlot {
        title: format!("{model}: neurons by the number of languages that share them, step {last}"),
        note: format!("{k} best neurons of each language; mean over sites and seeds; heights are square roots"),
        x_label: "languages that share a neuron".into(),
        y_label: "neurons".into(),
        bar_label: "neurons found".into(),
        expected_label: "expected of independent rankings".into(),
        panels,
    })
}

/// The mean over sites and seeds of the numbers of neurons that exactly 1, 2, ... of the languages have; sites and seeds that
/// lack a language are left out, since their counts are of something else.
fn bars(analysis: &Analysis, model: &str, step: Step, attribute: &str, k: usize) -> Vec<CountBar> {
    let here = |row: &&Sharing| {
        row.model == model
            && row.step == step
            && row.attribute == attribute
            && row.k == k
            && row.control == Control::None
    };
    let rows: Vec<&Sharing> = analysis.sharing.iter().filter(here).collect();
    let languages = rows.iter().map(|row| row.languages).max().unwrap_or_default();
    let bar = |m: usize| {
        let of = || rows.iter().filter(move |row| row.languages == languages && row.shared_by == m);
        let expected: Option<Vec<f64>> = of().map(|row| row.expected).collect();
        Some(CountBar { of: m, count: mean(of().map(|row| row.neurons as f64))?, expected: expected.and_then(mean) })
    };
    (1..=languages).filter_map(bar).collect()
}
