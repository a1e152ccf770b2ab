use crate::audit::{Audit, CheckpointAudit, Finding, Limits};
use crate::checkpoint::Step;
use crate::Result;

/// The audit of the series that a study runs over, whose findings are said as soon as no later step can take them back.
///
/// Of a series on disk that is before the study spends time. Weights that are still on the Hub are looked over when they come;
/// that two steps have the same files, the Hub's listing told before.
pub(super) struct Watch {
    audit: Audit,
    said: Vec<Finding>,
}

impl Watch {
    pub fn new(model: &str) -> Self {
        Watch { audit: Audit::new(model), said: Vec::new() }
    }

    /// Adds a checkpoint that has been looked over, or cannot be.
    pub fn add(&mut self, step: Step, found: Result<CheckpointAudit>) {
        self.audit.add(step, found);
        self.audit.checkpoints.sort_by_key(|checkpoint| checkpoint.step);
    }

    /// Warns of what was found and not said before; of all if no checkpoint is to come.
    pub fn say(&mut self, all: bool) {
        for finding in self.audit.findings(&Limits::default()) {
            if (all || finding.is_settled()) && !self.said.contains(&finding) {
                tracing::warn!("{}: {finding}", self.audit.model);
                self.said.push(finding);
            }
        }
    }

    /// What was found.
    pub fn findings(&self) -> Vec<Finding> {
        self.audit.findings(&Limits::default())
    }
}
