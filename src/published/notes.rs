//! What a reader should know of a published study: which figures are chance, which steps are odd.

use super::{Published, SameWeights, StepsAlike};
use crate::checkpoint::Step;
use crate::correlation::PAIR_ATTRIBUTE;
use crate::overlap::{Control, StepOverlap, MEAN};
use crate::ranking::Cell;
use crate::report::{number, TextTable};
use crate::stats::mean;
use crate::Site;
use std::collections::{BTreeMap, BTreeSet};

/// A pair counts as above chance below this, unadjusted.
const ALPHA: f64 = 0.05;

/// A step drops to chance where less than this share is left of the excess before it,
const DROP: f64 = 0.2;

/// if that was at least this.
const LEAST_EXCESS: f64 = 0.02;

/// How many cells of the source language with another language cannot be told from chance: the hypergeometric p-value,
/// unadjusted, is .05 or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LikeChance {
    /// The model.
    pub model: String,
    /// Whether only steps with a transfer score are counted, and not all.
    pub scored_steps: bool,
    /// The number of steps.
    pub steps: usize,
    /// The number of cells: a step, site and language each.
    pub cells: usize,
    /// Those of them that cannot be told from chance.
    pub like_chance: usize,
}

/// The steps of a model whose overlap between languages drops to chance: whose mean excess over attributes and sites is less
/// than a fifth of that at the last step before it that did not drop, if that was at least .02. The first step cannot drop;
/// where chance is not known, none does.
pub fn steps_at_chance<'a>(by_step: &'a [StepOverlap], model: &str, k: usize) -> Vec<&'a StepOverlap> {
    let of_model = |row: &&StepOverlap| row.model == model && row.k == k && row.site == MEAN && row.attribute == MEAN;
    let mut rows: Vec<&StepOverlap> = by_step.iter().filter(of_model).collect();
    rows.sort_by_key(|row| row.step);
    let mut before: Option<f64> = None;
    let mut dropped = Vec::new();
    for row in rows {
        let Some(excess) = row.excess else { continue };
        match before {
            Some(before) if before >= LEAST_EXCESS && excess < DROP * before => dropped.push(row),
            _ => before = Some(excess),
        }
    }
    dropped
}

impl Published {
    fn k(&self) -> usize {
        self.analysis.settings.k.first().copied().unwrap_or_default()
    }

    /// The steps of a model that have a transfer score.
    fn scored(&self, model: &str) -> BTreeSet<Step> {
        self.analysis.scores.scores().filter(|score| score.model == model).map(|score| score.step).collect()
    }

    /// The cells of part of speech that cannot be told from chance, of every model that has it and a known width: of the
    /// steps with a score, and of all steps where those are more.
    pub fn like_chance(&self) -> Vec<LikeChance> {
        let (source, k) = (self.analysis.settings.source.as_str(), self.k());
        let mut found = Vec::new();
        for model in self.analysis.models() {
            let scored = self.scored(model);
            let mut steps = BTreeSet::new();
            let (mut all, mut of_scored) = ([0, 0], [0, 0]);
            for row in &self.analysis.pairs {
                let here =
                    row.model == model && row.k == k && row.attribute == PAIR_ATTRIBUTE && row.control == Control::None;
                let Some(p) = row.p_value.filter(|_| here) else { continue };
                if row.language_a != source && row.language_b != source {
                    continue;
                }
                steps.insert(row.step);
                let counts = [1, usize::from(p >= ALPHA)];
                let add = |to: &mut [usize; 2]| to.iter_mut().zip(counts).for_each(|(to, n)| *to += n);
                add(&mut all);
                if scored.contains(&row.step) {
                    add(&mut of_scored);
                }
            }
            let both = steps.intersection(&scored).count();
            let row = |scored_steps, steps, [cells, like_chance]: [usize; 2]| LikeChance {
                model: model.to_owned(),
                scored_steps,
                steps,
                cells,
                like_chance,
            };
            if both > 0 {
                found.push(row(true, both, of_scored));
            }
            if steps.len() > both {
                found.push(row(false, steps.len(), all));
            }
        }
        found
    }

    pub(super) fn like_chance_table(&self) -> TextTable {
        let source = &self.analysis.settings.source;
        let mut table =
            TextTable::new(["model", "steps", &format!("{PAIR_ATTRIBUTE} cells with {source}"), "p >= .05", "share"]);
        for row in self.like_chance() {
            let kind = if row.scored_steps { "with a score" } else { "in all" };
            let share = number(Some(row.like_chance as f64 / row.cells as f64), 3);
            let steps = format!("{} {kind}", row.steps);
            table.row([row.model, steps, row.cells.to_string(), row.like_chance.to_string(), share]);
        }
        table
    }

    pub(super) fn same_weights_table(&self) -> TextTable {
        let mut table = TextTable::new(["model", "steps", "cells", "overlap", "lowest", "highest"]);
        for group in &self.same_weights {
            for row in self.of_group(group) {
                let steps = format!("{}, {}", row.step_a, row.step_b);
                let numbers = [row.overlap, row.lowest, row.highest].map(|value| number(Some(value), 3));
                table.row([row.model.clone(), steps, row.cells.to_string()].into_iter().chain(numbers));
            }
        }
        table
    }

    fn of_group<'a>(&'a self, group: &'a SameWeights) -> impl Iterator<Item = &'a StepsAlike> + 'a {
        let inside = |row: &&StepsAlike| {
            row.model == group.model && group.steps.contains(&row.step_a) && group.steps.contains(&row.step_b)
        };
        self.steps_alike.iter().filter(inside)
    }

    /// The numbers of cells, for the settings.
    pub(super) fn sizes(&self) -> String {
        let sizes = self.analysis.models().into_iter().map(|model| {
            let of_model = self.analysis.rankings.iter().filter(|ranked| ranked.cell.model == model);
            let steps: BTreeSet<Step> = of_model.clone().map(|ranked| ranked.cell.step).collect();
            format!("{model} {} cells at {} steps", of_model.count(), steps.len())
        });
        sizes.collect::<Vec<_>>().join(", ")
    }

    /// What the tables show, as sentences.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for model in self.analysis.models() {
            remarks.extend(self.missing_cells(model));
            remarks.extend(self.without_score(model));
            for row in steps_at_chance(&self.analysis.by_step, model, self.k()) {
                remarks.push(format!(
                    "The overlap between languages of {model} drops to chance level at step {}: {}, chance {}; its weights \
                     may be broken.",
                    row.step,
                    number(Some(row.overlap), 4),
                    number(row.expected, 4)
                ));
            }
            for group in self.same_weights.iter().filter(|group| group.model == model) {
                remarks.extend(self.same_weights_remark(group));
            }
        }
        let source = &self.analysis.settings.source;
        for row in self.like_chance() {
            let LikeChance { model, scored_steps, steps, cells, like_chance } = row;
            let percent = number(Some(100.0 * like_chance as f64 / cells as f64), 0);
            let kind = if scored_steps { "steps with a score" } else { "steps in all" };
            remarks.push(format!(
                "{like_chance} of {cells} cells of {PAIR_ATTRIBUTE} in `{source}` and another language ({percent} %) cannot be \
                 told from chance at p < .05, unadjusted ({model}, {steps} {kind}, at every site)."
            ));
        }
        remarks
    }

    fn missing_cells(&self, model: &str) -> Option<String> {
        type Key<'a> = (Site, &'a str, &'a str);
        let mut steps: BTreeMap<Step, BTreeSet<Key<'_>>> = BTreeMap::new();
        for ranked in self.analysis.rankings.iter().filter(|ranked| ranked.cell.model == model) {
            let Cell { step, site, attribute, language, .. } = &ranked.cell;
            steps.entry(*step).or_default().insert((*site, attribute, language));
        }
        let all: BTreeSet<Key<'_>> = steps.values().flatten().copied().collect();
        let missing = steps.iter().filter(|(_, cells)| cells.len() < all.len());
        let missing: Vec<String> =
            missing.map(|(step, cells)| format!("{} at step {step}", all.len() - cells.len())).collect();
        (!missing.is_empty()).then(|| {
            format!(
                "Not every step of {model} has the same cells, so that their means are of different ones; of {} are missing: {}.",
                all.len(),
                missing.join(", ")
            )
        })
    }

    fn without_score(&self, model: &str) -> Option<String> {
        let scored = self.scored(model);
        let steps: BTreeSet<Step> = self
            .analysis
            .rankings
            .iter()
            .filter(|ranked| ranked.cell.model == model && !scored.contains(&ranked.cell.step))
            .map(|ranked| ranked.cell.step)
            .collect();
        let names: Vec<String> = steps.iter().map(Step::to_string).collect();
        (!names.is_empty())
            .then(|| format!("Steps of {model} without a score, in no correlation: {}.", names.join(", ")))
    }

    fn same_weights_remark(&self, group: &SameWeights) -> Option<String> {
        let SameWeights { model, steps, misplaced } = group;
        let rows: Vec<&StepsAlike> = self.of_group(group).collect();
        let overlap = mean(rows.iter().map(|row| row.overlap))?;
        let lowest = rows.iter().map(|row| row.lowest).fold(1.0, f64::min);
        let highest = rows.iter().map(|row| row.highest).fold(0.0, f64::max);
        let cells = rows.iter().map(|row| row.cells).max()?;
        let names = |steps: &[Step]| steps.iter().map(Step::to_string).collect::<Vec<_>>().join(" and ");
        let mut remark = format!(
            "Steps {} of {model} share {} of their neurons, mean over {cells} cells, {} to {}: taken for the same weights probed \
             again, a noise ceiling for overlap between languages.",
            names(steps),
            number(Some(overlap), 2),
            number(Some(lowest), 2),
            number(Some(highest), 2)
        );
        if !misplaced.is_empty() {
            remark += &format!(
                " They are more alike than any two neighbours in training; {} fits its place the less.",
                names(misplaced)
            );
        }
        let scored = self.scored(model);
        if steps.iter().filter(|step| scored.contains(step)).count() > 1 {
            remark += " More than one of them has scores: in correlations, one checkpoint counts more than once.";
        }
        Some(remark)
    }
}
