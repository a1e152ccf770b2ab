//! What a probe knows with so many neurons.

use super::{spread, Analysis};
use crate::analysis::interval::t_interval;
use crate::checkpoint::Step;
use crate::ranking::Ranking;
use crate::report::plot::{CurveLine, CurvePanel, CurvePlot};
use crate::stats::mean;
use std::collections::{BTreeMap, BTreeSet};

/// As many lines as stay apart.
const MOST_LINES: usize = 6;

/// The least NMI shown: worse than knowing only how frequent classes are, it says little how much worse.
const FLOOR: f64 = -0.2;

/// Test NMI against the number of neurons, mean over languages: a panel an attribute, a line a step; `None` where the
/// rankings have no such figures.
pub(super) fn nmi_by_k(analysis: &Analysis, model: &str) -> Option<CurvePlot> {
    type Cells<'a> = BTreeMap<&'a str, BTreeMap<Step, BTreeMap<&'a str, Vec<&'a Ranking>>>>;
    let mut cells: Cells<'_> = BTreeMap::new();
    let here = analysis.measured_rankings().filter(|ranked| ranked.cell.model == model);
    for ranked in here.filter(|ranked| ranked.ranking.curve().iter().any(|point| point.nmi_test.is_some())) {
        let steps = cells.entry(&ranked.cell.attribute).or_default().entry(ranked.cell.step).or_default();
        steps.entry(&ranked.cell.language).or_default().push(&ranked.ranking);
    }
    let steps: BTreeSet<Step> = cells.values().flat_map(BTreeMap::keys).copied().collect();
    let steps: Vec<Step> = steps.into_iter().collect();
    let last = steps.last().copied()?;
    let shown: Vec<Step> = spread(steps.len(), MOST_LINES).filter_map(|i| steps.get(i).copied()).collect();
    let label = |step: &Step| format!("step {step}");
    let panels: Vec<CurvePanel> = analysis
        .settings
        .attributes
        .iter()
        .filter_map(|attribute| {
            let by_step = cells.get(attribute.as_str())?;
            let lines = shown.iter().filter_map(|step| {
                let (points, band) = curve(by_step.get(step)?);
                Some(CurveLine { label: label(step), points, band: band.filter(|_| *step == last) })
            });
            Some(CurvePanel { title: attribute.clone(), lines: lines.collect() })
        })
        .collect();
    let lines = || panels.iter().flat_map(|panel| &panel.lines);
    let mut note = "mean over languages, sites and seeds".to_owned();
    if lines().any(|line| line.band.is_some()) {
        note += &format!("; band: 95 % t interval over languages at step {last}");
    }
    let lowest = lines().flat_map(|line| {
        let band = line.band.iter().flatten().map(|band| band.0);
        line.points.iter().map(|point| point.1).chain(band)
    });
    if lowest.fold(0.0, f64::min) < FLOOR {
        note += &format!("; lines are cut off below {FLOOR}");
    }
    Some(CurvePlot {
        title: format!("{model}: what probes know, by number of neurons"),
        note,
        x_label: "number of neurons".into(),
        y_label: "NMI on test words".into(),
        names: shown.iter().map(label).collect(),
        panels,
        floor: Some(FLOOR),
    })
}

type Curve = (Vec<(f64, f64)>, Option<Vec<(f64, f64)>>);

/// The mean over languages, each the mean over its sites and seeds, as far as every curve reaches.
fn curve(languages: &BTreeMap<&str, Vec<&Ranking>>) -> Curve {
    let known = |ranking: &&Ranking| ranking.curve().iter().take_while(|point| point.nmi_test.is_some()).count();
    let length = languages.values().flatten().map(known).min().unwrap_or_default();
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for i in 0..length {
        let at = |ranking: &&Ranking| ranking.curve().get(i).and_then(|point| point.nmi_test);
        let values: Vec<f64> = languages.values().filter_map(|rankings| mean(rankings.iter().filter_map(at))).collect();
        let Some((value, interval)) = t_interval(&values) else { continue };
        points.push(((i + 1) as f64, value));
        band.extend(interval);
    }
    let whole = !points.is_empty() && band.len() == points.len();
    (points, whole.then_some(band))
}
