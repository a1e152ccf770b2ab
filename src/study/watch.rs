use crate::audit::{Audit, CheckpointAudit, Finding, Limits};
use crate::checkpoint::{Checkpoint, Series};
use crate::Result;

/// The audit of the series that a study runs over, whose findings are said as soon as no later step can take them back.
///
/// Of a series on disk that is before the study spends time. Weights that are still on the Hub are looked over when they come;
/// that two steps have the same files, the Hub's listing told before.
pub struct Watch {
    audit: Audit,
    /// Whether all checkpoints have been seen.
    ahead: bool,
    said: Vec<Finding>,
}

impl Watch {
    pub fn over(series: &Series) -> Result<Self> {
        let ahead = series.checkpoints().iter().all(Checkpoint::is_fetched);
        let audit = if ahead { Audit::of(series)? } else { Audit::new(series.model()) };
        let mut watch = Watch { audit, ahead, said: Vec::new() };
        watch.say(|_| ahead);
        Ok(watch)
    }

    /// Looks over a checkpoint whose turn has come.
    pub fn see(&mut self, checkpoint: &Checkpoint) {
        if !self.ahead {
            self.audit.add(checkpoint.step(), CheckpointAudit::of(checkpoint));
            self.say(Finding::is_settled);
        }
    }

    /// What was found, once all checkpoints have been seen.
    pub fn findings(mut self) -> Vec<Finding> {
        self.say(|_| true);
        self.audit.findings(&Limits::default())
    }

    fn say(&mut self, certain: impl Fn(&Finding) -> bool) {
        for finding in self.audit.findings(&Limits::default()) {
            if certain(&finding) && !self.said.contains(&finding) {
                tracing::warn!("{}: {finding}", self.audit.model);
                self.said.push(finding);
            }
        }
    }
}
