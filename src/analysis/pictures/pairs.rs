//! Overlap of each pair of languages.

use super::order::average_linkage;
use super::{first_k, spread, Analysis};
use crate::analysis::summary::ALPHA;
use crate::checkpoint::Step;
use crate::overlap::PairOverlap;
use crate::report::plot::{Heatmap, Heatmaps, Triangle};
use crate::stats::mean;
use std::collections::{BTreeMap, BTreeSet};

/// More panels than these would make letters too small to read on paper.
const MOST_PANELS: usize = 12;

/// A panel an attribute, at the last step.
pub(super) fn by_attribute(analysis: &Analysis, model: &str) -> Heatmaps {
    let rows = rows_of(analysis, model);
    let last = rows.iter().map(|row| row.step).max();
    let labels: Vec<String> = analysis.languages_of(model).into_iter().map(String::from).collect();
    let panels = analysis.settings.attributes.iter().map(|attribute| {
        let here = rows.iter().filter(|row| Some(row.step) == last && row.attribute == *attribute);
        panel(attribute.clone(), &labels, here.copied())
    });
    let step = last.map_or(String::new(), |step| step.to_string());
    heatmaps(analysis, format!("{model}: overlap by pair of languages, step {step}"), panels.collect(), String::new())
}

/// A panel a step, for one attribute; languages in the order of a clustering at the last step. `None` without a pair.
pub(super) fn by_step(analysis: &Analysis, model: &str, attribute: &str) -> Option<Heatmaps> {
    let mut rows = rows_of(analysis, model);
    rows.retain(|row| row.attribute == attribute);
    let steps: Vec<Step> = rows.iter().map(|row| row.step).collect::<BTreeSet<Step>>().into_iter().collect();
    let last = *steps.last()?;
    let languages: BTreeSet<&str> = rows.iter().flat_map(|row| [&*row.language_a, &*row.language_b]).collect();
    let sorted: Vec<String> = languages.into_iter().map(String::from).collect();
    let at_last = panel(String::new(), &sorted, rows.iter().filter(|row| row.step == last).copied());
    // A pair without a value has nothing in common.
    let distances = at_last.values.iter().map(|row| row.iter().map(|v| 1.0 - v.unwrap_or(0.0)).collect());
    let order = average_linkage(&distances.collect::<Vec<Vec<f64>>>());
    let labels: Vec<String> = order.into_iter().filter_map(|i| sorted.get(i).cloned()).collect();
    let shown: Vec<Step> = spread(steps.len(), MOST_PANELS).filter_map(|i| steps.get(i).copied()).collect();
    let panels = shown
        .iter()
        .map(|step| panel(format!("step {step}"), &labels, rows.iter().filter(|row| row.step == *step).copied()));
    let mut note = format!("order of languages: average linkage on 1 - overlap at step {last}");
    if shown.len() < steps.len() {
        note += &format!("; {} of {} steps", shown.len(), steps.len());
    }
    Some(heatmaps(analysis, format!("{model}: {attribute} overlap by pair of languages"), panels.collect(), note))
}

fn heatmaps(analysis: &Analysis, title: String, panels: Vec<Heatmap>, note: String) -> Heatmaps {
    Heatmaps {
        title,
        value_label: format!("share of the {} best neurons in common", first_k(analysis)),
        panels,
        triangle: Triangle::Lower,
        scale_max: None,
        mark_meaning: "Holm-adjusted p < 0.05 at every site and seed".into(),
        note,
    }
}

fn rows_of<'a>(analysis: &'a Analysis, model: &str) -> Vec<&'a PairOverlap> {
    let k = first_k(analysis);
    analysis.pairs.iter().filter(|row| row.model == model && row.k == k).collect()
}

/// The mean over sites and seeds of each pair.
fn panel<'a>(title: String, labels: &[String], rows: impl Iterator<Item = &'a PairOverlap>) -> Heatmap {
    let places: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(i, label)| (label.as_str(), i)).collect();
    let mut cells: BTreeMap<(usize, usize), (Vec<f64>, bool)> = BTreeMap::new();
    for row in rows {
        let place = |language: &str| places.get(language).copied();
        if let Some((a, b)) = place(&row.language_a).zip(place(&row.language_b)) {
            let (overlaps, significant) = cells.entry((a.min(b), a.max(b))).or_insert((Vec::new(), true));
            overlaps.push(row.overlap);
            *significant &= row.p_holm.is_some_and(|p| p < ALPHA);
        }
    }
    let cell = |a: usize, b: usize| cells.get(&(a.min(b), a.max(b)));
    let square = 0..labels.len();
    let values =
        square.clone().map(|a| square.clone().map(|b| cell(a, b).and_then(|(v, _)| mean(v.iter().copied()))).collect());
    let marks = square.clone().map(|a| square.clone().map(|b| cell(a, b).is_some_and(|(_, s)| *s)).collect());
    Heatmap { title, labels: labels.to_vec(), values: values.collect(), marks: marks.collect() }
}
