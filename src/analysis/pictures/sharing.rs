//! Neurons that several languages have among their best.

use super::{first_k, Analysis};
use crate::checkpoint::Step;
use crate::ranking::{RankedCell, Ranking};
use crate::report::plot::{CountBar, CountPanel, CountPlot};
use crate::stats::mean;
use crate::Site;
use std::collections::BTreeMap;

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
    let mut groups: BTreeMap<(Site, u64), Vec<&RankedCell>> = BTreeMap::new();
    let here = |ranked: &&RankedCell| {
        let cell = &ranked.cell;
        cell.model == model && cell.step == step && cell.attribute == attribute
    };
    for ranked in analysis.measured_rankings().filter(here) {
        groups.entry((ranked.cell.site, ranked.cell.seed)).or_default().push(ranked);
    }
    let languages = groups.values().map(Vec::len).max().unwrap_or_default();
    let counts: Vec<Vec<(usize, Option<f64>)>> =
        groups.values().filter(|group| group.len() == languages).map(|group| sharing(group, k)).collect();
    let bar = |m: usize| {
        let at = |counts: &Vec<(usize, Option<f64>)>| counts.get(m - 1).copied();
        let count = mean(counts.iter().filter_map(at).map(|(count, _)| count as f64))?;
        let expected: Option<Vec<f64>> = counts.iter().filter_map(at).map(|(_, expected)| expected).collect();
        Some(CountBar { of: m, count, expected: expected.and_then(mean) })
    };
    (1..=languages).filter_map(bar).collect()
}

/// Of rankings of one site, how many neurons are among the first `k` of exactly 1, 2, ... of them, and how many would be if
/// they were independent: `D C(n, m) (k / D)^m (1 - k / D)^(n - m)` for `n` rankings out of `D` neurons.
fn sharing(rankings: &[&RankedCell], k: usize) -> Vec<(usize, Option<f64>)> {
    let n = rankings.len();
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    for neuron in rankings.iter().flat_map(|ranked| ranked.ranking.neurons().take(k)) {
        *times.entry(neuron).or_default() += 1;
    }
    let population = rankings.first().and_then(|ranked| population(&ranked.ranking));
    (1..=n)
        .map(|m| {
            let count = times.values().filter(|&&time| time == m).count();
            (count, population.map(|neurons| expected(neurons, k, n, m)))
        })
        .collect()
}

fn population(ranking: &Ranking) -> Option<usize> {
    Some(ranking.n_neurons())
}

fn expected(neurons: usize, k: usize, n: usize, m: usize) -> f64 {
    let share = k as f64 / neurons as f64;
    let mut value = neurons as f64;
    for i in 0..m {
        value *= (n - i) as f64 / (i + 1) as f64 * share;
    }
    for _ in m..n {
        value *= 1.0 - share;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::ranked;
    use approx::assert_relative_eq;

    #[test]
    fn neurons_are_counted_by_hand() {
        let cells = [("a", [0, 1, 2]), ("b", [2, 1, 5]), ("c", [7, 2, 0])]
            .map(|(language, top)| ranked("m", 0, "POS", language, 0, &top));
        let counts = sharing(&cells.iter().collect::<Vec<_>>(), 3);
        // 2 in all three; 0 and 1 in two; 5 and 7 in one.
        assert_eq!(counts.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [2, 2, 1]);
        let two = sharing(&cells.iter().collect::<Vec<_>>(), 2);
        // 0 1 | 2 1 | 7 2
        assert_eq!(two.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [2, 2, 0]);
    }

    // from scipy.stats import binom; 1024 * binom.pmf([1, 2, 13], 13, 50 / 1024)
    #[test]
    fn expectations_equal_scipy_and_use_every_rank() {
        for (m, value) in [(1, SCIPY[0]), (2, SCIPY[1]), (13, SCIPY[2])] {
            assert_relative_eq!(expected(1024, 50, 13, m), value, max_relative = 1e-12);
        }
        let ranks: f64 = (1..=13).map(|m| m as f64 * expected(1024, 50, 13, m)).sum();
        assert_relative_eq!(ranks, 13.0 * 50.0, max_relative = 1e-12);
    }

    const SCIPY: [f64; 3] = [356.4686648676071, 109.795276653267, 9.183549615799122e-15];
}
