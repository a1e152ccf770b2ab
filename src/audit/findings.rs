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
    /// Weights that are no numbers.
    NotFinite {
        /// The step.
        step: Step,
        /// How many values are NaN.
        nan: u64,
        /// How many are infinite.
        infinite: u64,
    },
    /// A part's norm out of line with its neighbours'.
    Norm {
        /// The step.
        step: Step,
        /// The part.
        part: Part,
        /// Its norm.
        norm: f64,
        /// The steps beside it, and the part's norm there.
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
            Finding::NotFinite { step, .. } | Finding::Norm { step, .. } | Finding::Perplexity { step, .. } => {
                vec![*step]
            }
        }
    }

    /// Whether it stays true whatever steps are added after those already read.
    pub fn is_settled(&self) -> bool {
        match self {
            Finding::SameWeights { .. } | Finding::SamePart { .. } | Finding::NotFinite { .. } => true,
            Finding::Norm { neighbours, .. } => neighbours.len() == 2,
            Finding::Perplexity { value, neighbours, .. } => value.is_none() || neighbours.len() == 2,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value: f64| format!("{value:.*}", if value < 100.0 { 2 } else { 0 });
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
            Finding::Norm { step, part, norm, neighbours } => write!(
                f,
                "step {step}: the norm of {part} is {}, out of line with {}",
                figure(*norm),
                beside(neighbours)
            ),
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
    /// less than a factor of `limits`, is in line, so that steady growth is never odd; where a norm is out of line, its neighbours
    /// are compared with those beyond it. The first step is not judged, because
    /// models change much at first; the norm of the last may change by as large a factor more than it did in the step before.
    /// A lower perplexity is never odd.
    pub fn findings(&self, limits: &Limits) -> Vec<Finding> {
        let mut findings = self.same();
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
                for (part, summary) in &checkpoint.parts {
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
        let parts: BTreeSet<Part> =
            self.checkpoints.iter().flat_map(|checkpoint| checkpoint.parts.keys().copied()).collect();
        let mut findings: Vec<(Step, Part, Finding)> = Vec::new();
        for part in parts {
            let norm = |checkpoint: &CheckpointAudit| Some((checkpoint.step, checkpoint.parts.get(&part)?.norm));
            let norms = self.checkpoints.iter().filter_map(norm).collect();
            for ((step, norm), neighbours) in out_of_line(norms, limit) {
                findings.push((step, part, Finding::Norm { step, part, norm, neighbours }));
            }
        }
        findings.sort_by_key(|(step, part, _)| (*step, *part));
        findings.into_iter().map(|(.., finding)| finding).collect()
    }

    fn perplexities(&self, limit: f64) -> Vec<Finding> {
        let value = |checkpoint: &CheckpointAudit| Some((checkpoint.step, checkpoint.perplexity?.value?));
        let mut findings = Vec::new();
        for (i, checkpoint) in self.checkpoints.iter().enumerate() {
            let Some(found) = checkpoint.perplexity else { continue };
            let before = i.checked_sub(1).and_then(|i| self.checkpoints.get(i)).and_then(value);
            let after = self.checkpoints.get(i + 1).and_then(value);
            let neighbours: Vec<(Step, f64)> = before.into_iter().chain(after).collect();
            let largest = neighbours.iter().map(|(_, value)| *value).fold(0.0, f64::max);
            let odd = match found.value {
                None => found.tokens > 0,
                Some(value) => before.is_some() && value > limit * largest,
            };
            if odd {
                findings.push(Finding::Perplexity { step: checkpoint.step, value: found.value, neighbours });
            }
        }
        findings
    }
}

/// A step and the norm of a part there.
type Norm = (Step, f64);

/// The steps whose norms are out of line, with their neighbours. The worst is judged first, by its distance from the geometric
/// mean of its neighbours, and then left out, so that a step is not odd for being beside an odd one.
fn out_of_line(mut norms: Vec<Norm>, limit: f64) -> Vec<(Norm, Vec<Norm>)> {
    let factor = |from: f64, to: f64| (to / from).max(from / to);
    let mut found = Vec::new();
    loop {
        let odd = norms.windows(3).enumerate().filter_map(|(i, window)| {
            let [(_, a), (_, x), (_, b)] = window else { return None };
            let odd = *x > a.max(*b) * limit || *x < a.min(*b) / limit;
            odd.then(|| (i + 1, factor((a * b).sqrt(), *x)))
        });
        let Some((worst, _)) = odd.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        let neighbours = vec![norms[worst - 1], norms[worst + 1]];
        found.push((norms.remove(worst), neighbours));
    }
    if let [.., (_, earlier), before, last] = norms.as_slice() {
        if factor(before.1, last.1) > limit * factor(*earlier, before.1) {
            found.push((*last, vec![*before]));
        }
    }
    found
}
