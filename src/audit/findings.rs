use super::{Audit, CheckpointAudit, Part};
use crate::checkpoint::Step;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// When a figure is out of line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// A part's norm is out of line beyond this many times the larger, or below that fraction of the smaller, of its
    /// neighbours' norms. Above 1; default 1.5.
    pub norm: f64,
    /// A perplexity is out of line beyond this many times the larger of its neighbours'. Above 1; default 2.
    pub perplexity: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { norm: 1.5, perplexity: 2.0 }
    }
}

impl Limits {
    /// Checks the factors.
    ///
    /// # Errors
    /// [`Error::Parameter`] for one that is not above 1.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("norm limit", self.norm), ("perplexity limit", self.perplexity)] {
            if value.is_nan() || value <= 1.0 {
                return Err(Error::parameter(name, "above 1", value));
            }
        }
        Ok(())
    }
}

/// What a reader of a series' figures must know. Shown as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// Steps whose weights are the same, value for value.
    SameWeights {
        /// The steps.
        steps: Vec<Step>,
    },
    /// Steps that differ, but not in this part.
    SamePart {
        /// The part.
        part: Part,
        /// The steps.
        steps: Vec<Step>,
    },
    /// A checkpoint whose weights cannot be read.
    Unreadable {
        /// The step.
        step: Step,
        /// Why.
        message: String,
    },
    /// Weights that are no numbers.
    NotFinite {
        /// The step.
        step: Step,
        /// How many values are NaN.
        nan: u64,
        /// How many are infinite.
        infinite: u64,
    },
    /// The norm of a part, or of a tensor in a part that is in line, out of line with its neighbours'.
    Norm {
        /// The step.
        step: Step,
        /// The part.
        part: Part,
        /// The tensor of that part whose norm is furthest out, or `None` where the part as a whole is out of line.
        tensor: Option<String>,
        /// The norm.
        norm: f64,
        /// The steps beside it, and the norm there.
        neighbours: Vec<(Step, f64)>,
    },
    /// A perplexity out of line with its neighbours', or none.
    Perplexity {
        /// The step.
        step: Step,
        /// Its perplexity.
        value: Option<f64>,
        /// The steps beside it, and the perplexity there.
        neighbours: Vec<(Step, f64)>,
    },
}

impl Finding {
    /// The steps that it is about.
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Finding::SameWeights { steps } | Finding::SamePart { steps, .. } => steps.clone(),
            Finding::Unreadable { step, .. }
            | Finding::NotFinite { step, .. }
            | Finding::Norm { step, .. }
            | Finding::Perplexity { step, .. } => vec![*step],
        }
    }

    /// Whether it stays true whatever steps are added after those already read.
    pub fn is_settled(&self) -> bool {
        match self {
            Finding::SameWeights { .. }
            | Finding::SamePart { .. }
            | Finding::Unreadable { .. }
            | Finding::NotFinite { .. } => true,
            Finding::Perplexity { value, .. } => value.is_none(),
            Finding::Norm { .. } => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value: f64| match value {
            v if v == 0.0 || (0.01..100.0).contains(&v) => format!("{v:.2}"),
            v if v < 0.01 => format!("{v:.1e}"),
            v => format!("{v:.0}"),
        };
        let beside = |neighbours: &[(Step, f64)]| {
            let each: Vec<String> =
                neighbours.iter().map(|(step, value)| format!("{} at step {step}", figure(*value))).collect();
            each.join(" and ")
        };
        match self {
            Finding::SameWeights { steps } => {
                write!(f, "steps {} have the same weights: they are one checkpoint under several names", listed(steps))
            }
            Finding::SamePart { part, steps } => write!(f, "steps {} have the same weights in {part}", listed(steps)),
            Finding::NotFinite { step, nan, infinite } => {
                write!(f, "step {step} has {nan} weights that are NaN and {infinite} that are infinite")
            }
            Finding::Unreadable { step, message } => write!(f, "step {step} cannot be read: {message}"),
            Finding::Norm { step, part, tensor, norm, neighbours } => {
                let name = tensor.as_ref().map_or_else(|| part.to_string(), String::clone);
                let (norm, beside) = (figure(*norm), beside(neighbours));
                write!(f, "step {step}: the norm of {name} is {norm}, out of line with {beside}")
            }
            Finding::Perplexity { step, value: Some(value), neighbours } => {
                write!(f, "step {step}: the perplexity is {}, out of line with {}", figure(*value), beside(neighbours))
            }
            Finding::Perplexity { step, value: None, .. } => {
                write!(f, "step {step}: the perplexity is not finite")
            }
        }
    }
}

fn listed(steps: &[Step]) -> String {
    let names: Vec<String> = steps.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

impl Audit {
    /// What is wrong or odd, in the order of the variants of [`Finding`].
    ///
    /// A norm or a perplexity is compared with the steps before and after: one that lies between theirs, or beyond them by
    /// less than a factor of `limits`, is in line, so that steady growth is never odd. Up to three steps in a row may be out of line
    /// together. The worst is judged first and then left out, so that no step is odd for being beside an odd one. The first step is not
    /// judged, because models change much at first; the norm of the last may change by as large a factor more than it did in the
    /// step before. A lower perplexity is never odd.
    ///
    /// Norms are judged for whole parts, then tensor by tensor in the parts that are in line: a tensor that was not written is little of
    /// its block.
    pub fn findings(&self, limits: &Limits) -> Vec<Finding> {
        let mut findings = self.same();
        for (step, message) in &self.unreadable {
            findings.push(Finding::Unreadable { step: *step, message: message.clone() });
        }
        for checkpoint in self.checkpoints.iter().filter(|checkpoint| !checkpoint.whole.is_finite()) {
            let (nan, infinite) = (checkpoint.whole.nan, checkpoint.whole.infinite);
            findings.push(Finding::NotFinite { step: checkpoint.step, nan, infinite });
        }
        findings.extend(self.norms(limits.norm));
        findings.extend(self.perplexities(limits.perplexity));
        findings
    }

    fn same(&self) -> Vec<Finding> {
        let mut whole: BTreeMap<&str, Vec<Step>> = BTreeMap::new();
        // Of steps that are the same altogether one stands for all, so that a part's steps differ elsewhere.
        let mut parts: BTreeMap<(Part, &str), Vec<Step>> = BTreeMap::new();
        for checkpoint in &self.checkpoints {
            let steps = whole.entry(&checkpoint.whole.sha256).or_default();
            steps.push(checkpoint.step);
            if steps.len() == 1 {
                let known = checkpoint.parts.iter().filter(|(part, _)| **part != Part::Other);
                for (part, summary) in known {
                    parts.entry((*part, &summary.sha256)).or_default().push(checkpoint.step);
                }
            }
        }
        let mut whole: Vec<Vec<Step>> = whole.into_values().filter(|steps| steps.len() > 1).collect();
        whole.sort();
        let whole = whole.into_iter().map(|steps| Finding::SameWeights { steps });
        let parts = parts.into_iter().filter(|(_, steps)| steps.len() > 1);
        whole.chain(parts.map(|((part, _), steps)| Finding::SamePart { part, steps })).collect()
    }

    fn norms(&self, limit: f64) -> Vec<Finding> {
        let mut worst: BTreeMap<(Step, Part), (Option<String>, OutOfLine)> = BTreeMap::new();
        let parts: BTreeSet<Part> = self.checkpoints.iter().flat_map(|c| c.parts.keys().copied()).collect();
        for part in parts {
            let norm = |checkpoint: &CheckpointAudit| checkpoint.parts.get(&part).map(|summary| summary.norm);
            for found in norms_out_of_line(self.points(norm), limit) {
                worst.insert((found.point.0, part), (None, found));
            }
        }
        let tensors: BTreeSet<&String> = self.checkpoints.iter().flat_map(|c| c.norms.keys()).collect();
        for tensor in tensors {
            let norm = |checkpoint: &CheckpointAudit| checkpoint.norms.get(tensor).copied();
            for found in norms_out_of_line(self.points(norm), limit) {
                let place = worst.entry((found.point.0, Part::of(tensor)));
                let name = Some(tensor.clone());
                place
                    .and_modify(|known| {
                        if known.0.is_some() && found.distance > known.1.distance {
                            *known = (name.clone(), found.clone());
                        }
                    })
                    .or_insert((name.clone(), found));
            }
        }
        let finding = |((step, part), (tensor, found)): (_, (_, OutOfLine))| {
            let (norm, neighbours) = (found.point.1, found.neighbours);
            Finding::Norm { step, part, tensor, norm, neighbours }
        };
        worst.into_iter().map(finding).collect()
    }

    fn perplexities(&self, limit: f64) -> Vec<Finding> {
        let mut found: Vec<(Step, Option<f64>, Vec<Point>)> = Vec::new();
        for checkpoint in &self.checkpoints {
            if checkpoint.perplexity.is_some_and(|perplexity| perplexity.value.is_none() && perplexity.tokens > 0) {
                found.push((checkpoint.step, None, Vec::new()));
            }
        }
        let mut values = self.points(|checkpoint| checkpoint.perplexity?.value);
        for odd in runs_out_of_line(&mut values, |lowest, _, a, b| lowest > a.max(b) * limit) {
            found.push((odd.point.0, Some(odd.point.1), odd.neighbours));
        }
        if let [.., before, last] = values.as_slice() {
            if last.1 > limit * before.1 {
                found.push((last.0, Some(last.1), vec![*before]));
            }
        }
        found.sort_by_key(|(step, ..)| *step);
        let finding = |(step, value, neighbours)| Finding::Perplexity { step, value, neighbours };
        found.into_iter().map(finding).collect()
    }

    /// A figure at every step that has it.
    fn points(&self, figure: impl Fn(&CheckpointAudit) -> Option<f64>) -> Vec<Point> {
        self.checkpoints.iter().filter_map(|checkpoint| Some((checkpoint.step, figure(checkpoint)?))).collect()
    }
}

/// A step and a figure there.
type Point = (Step, f64);

/// So many steps in a row may be out of line together.
const LONGEST_RUN: usize = 3;

#[derive(Clone, Debug)]
struct OutOfLine {
    point: Point,
    /// By what factor it lies from the geometric mean of its neighbours.
    distance: f64,
    neighbours: Vec<Point>,
}

fn factor(from: f64, to: f64) -> f64 {
    (to / from).max(from / to)
}

/// Takes the runs between two steps that are `odd(lowest, highest, before, after)` out of `points`, the furthest first.
fn runs_out_of_line(points: &mut Vec<Point>, odd: impl Fn(f64, f64, f64, f64) -> bool) -> Vec<OutOfLine> {
    let mut found = Vec::new();
    loop {
        let mut furthest: Option<(usize, usize, f64)> = None;
        for length in 1..=LONGEST_RUN {
            for (i, window) in points.windows(length + 2).enumerate() {
                let [(_, a), run @ .., (_, b)] = window else { continue };
                let lowest = run.iter().map(|(_, x)| *x).fold(f64::INFINITY, f64::min);
                let highest = run.iter().map(|(_, x)| *x).fold(0.0, f64::max);
                let middle = (a * b).sqrt();
                let distance = factor(middle, lowest).max(factor(middle, highest));
                // Of equal distances the shorter run, which came first.
                if odd(lowest, highest, *a, *b) && furthest.is_none_or(|(_, _, known)| distance > known) {
                    furthest = Some((i + 1, length, distance));
                }
            }
        }
        let Some((start, length, distance)) = furthest else { return found };
        let neighbours = vec![points[start - 1], points[start + length]];
        let run = points.drain(start..start + length);
        found.extend(run.map(|point| OutOfLine { point, distance, neighbours: neighbours.clone() }));
    }
}

fn norms_out_of_line(mut norms: Vec<Point>, limit: f64) -> Vec<OutOfLine> {
    let odd = |lowest, highest, a: f64, b: f64| lowest > a.max(b) * limit || highest < a.min(b) / limit;
    let mut found = runs_out_of_line(&mut norms, odd);
    if let [.., (_, earlier), before, last] = norms.as_slice() {
        let distance = factor(before.1, last.1);
        if distance > limit * factor(*earlier, before.1) {
            found.push(OutOfLine { point: *last, distance, neighbours: vec![*before] });
        }
    }
    found
}
