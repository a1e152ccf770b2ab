//! A checkpoint: its languages one after another, the next extracted while one is probed.

use super::extracting::{Extracted, Work};
use super::failures::{Failed, Failure};
use super::log::Log;
use super::{LogLine, Plan, Progress};
use crate::activations::Tokenizer;
use crate::bloom::{Bloom, Extent};
use crate::checkpoint::Checkpoint;
use crate::{Error, Result};
use std::sync::mpsc;
use std::time::Instant;
use tch::Device;

/// What a run shares among its parts.
pub(super) struct Run<'a> {
    pub plan: &'a Plan,
    pub log: Log,
    pub progress: &'a dyn Progress,
}

/// What became of a checkpoint's groups.
#[derive(Default)]
pub(super) struct Worked {
    /// Groups that another process has.
    pub busy: Vec<usize>,
    pub failures: Vec<Failure>,
    /// Whether anything was done.
    pub moved: bool,
}

impl Plan {
    /// Checks that what was loaded is what the identities say.
    fn check_loaded(&self, checkpoint: &Checkpoint) -> Result<()> {
        let of_step = self.looked.iter().flatten().flatten().find(|looked| looked.step == checkpoint.step());
        of_step.map_or(Ok(()), |looked| looked.check(checkpoint))
    }
}

impl Run<'_> {
    /// Extracts and probes languages of a checkpoint, the next one extracted while one is probed.
    pub fn languages(&self, checkpoint: &Checkpoint, groups: Vec<usize>, worked: &mut Worked) -> Result<()> {
        let plan = self.plan;
        let (send, receive) = mpsc::sync_channel::<Extracted>(0);
        let (ready, proceed) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let extractor = scope.spawn(move || {
                // libtorch counts threads by the thread that asks.
                if plan.device == Device::Cpu {
                    tch::set_num_threads(i32::try_from(plan.threads.unwrap_or(1)).unwrap_or(1));
                }
                let mut model = Model { checkpoint, loaded: None };
                for (place, group) in groups.iter().enumerate() {
                    // Without overlap, the next one waits until the one before has been probed.
                    if place > 0 && !plan.budget.overlap && proceed.recv().is_err() {
                        break;
                    }
                    let extracted = self.extract_group(&mut model, *group);
                    // Others would be scored by the probes of a source that somebody else is at.
                    let stuck = matches!(&extracted, Extracted { work: Work::Busy, group, .. } if plan.waits(*group));
                    if send.send(extracted).is_err() {
                        break;
                    }
                    if stuck {
                        for group in groups.iter().skip(place + 1) {
                            if send.send(Extracted { group: *group, lock: None, work: Work::Busy }).is_err() {
                                break;
                            }
                        }
                        break;
                    }
                }
            });
            let mut failed = Failed::default();
            let result = self.probe_groups(checkpoint, receive, ready, worked, &mut failed);
            let joined = extractor.join();
            result?;
            joined.map_err(|_| Error::Data("the thread that extracts has panicked".into()))?;
            worked.failures.extend(failed.into_list());
            Ok(())
        })
    }

    fn probe_groups(
        &self,
        checkpoint: &Checkpoint,
        receive: mpsc::Receiver<Extracted>,
        ready: mpsc::Sender<()>,
        worked: &mut Worked,
        failed: &mut Failed,
    ) -> Result<()> {
        let mut source = None;
        for Extracted { group, lock, work } in receive {
            match work {
                Work::Busy => worked.busy.push(group),
                Work::Done => worked.moved = true,
                Work::Failed(error) => {
                    worked.moved = true;
                    if self.plan.study.fail_fast || self.plan.is_fatal(&error) {
                        return Err(error);
                    }
                    self.fail_group(checkpoint, group, &error.to_string(), failed)?;
                }
                Work::Rows(rows) => {
                    worked.moved = true;
                    self.probe_group(checkpoint, group, rows, &mut source, failed)?;
                }
            }
            drop(lock);
            // Nobody may be waiting any more.
            let _ = ready.send(());
        }
        Ok(())
    }
}

/// A checkpoint's model, loaded when it is needed for the first time.
pub(super) struct Model<'a> {
    pub checkpoint: &'a Checkpoint,
    loaded: Option<Result<(Bloom, Tokenizer), String>>,
}

impl Model<'_> {
    pub fn get(&mut self, run: &Run<'_>) -> Result<&(Bloom, Tokenizer)> {
        let checkpoint = self.checkpoint;
        let loaded = match self.loaded.take() {
            Some(loaded) => loaded,
            None => {
                let began = Instant::now();
                let plan = run.plan;
                let _span = tracing::info_span!("load").entered();
                let kind = plan.study.dtype.into();
                let loaded = Bloom::load(checkpoint, Extent::Sites(&plan.study.sites), kind, plan.device)
                    .and_then(|bloom| Ok((bloom, Tokenizer::open(checkpoint.tokenizer()?)?)))
                    .and_then(|loaded| plan.check_loaded(checkpoint).map(|()| loaded));
                run.log.took(
                    began,
                    LogLine { kind: "load".into(), step: Some(checkpoint.step()), at_once: 1, ..Default::default() },
                );
                match loaded {
                    Err(error) if plan.study.fail_fast => return Err(error),
                    loaded => loaded.map_err(|error| error.to_string()),
                }
            }
        };
        match self.loaded.insert(loaded) {
            Ok(model) => Ok(model),
            Err(message) => Err(Error::Data(message.clone())),
        }
    }
}
