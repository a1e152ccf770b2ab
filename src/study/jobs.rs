//! The cells of a language, as many at a time as there are cores and memory for.

use super::cells::{rank, score, Place};
use super::keys::Keys;
use super::pack::{Appender, Pack};
use super::pipeline::Run;
use super::plan::of_cell;
use super::records::{RankingRecord, SourceProbe};
use super::rows::Rows;
use super::source::SourceCells;
use super::{LogLine, Plan};
use crate::checkpoint::Checkpoint;
use crate::ranking::{Cell, Control};
use crate::treebank::Split;
use crate::{Result, Site};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// What a cell lacks.
pub(super) struct Job<'a> {
    pub split: &'a Split,
    pub site: Site,
    pub seed: u64,
    pub control: Control,
    pub rank: bool,
    pub probe: bool,
    pub score: bool,
}

impl Job<'_> {
    fn words(&self) -> usize {
        self.split.parts().iter().map(|part| part.words.len()).sum()
    }
}

/// A probe with its attribute, site and seed.
pub(super) type Fresh = ((String, Site, u64), SourceProbe);

/// What the cells of a language have in common while they are probed.
pub(super) struct Context<'a> {
    pub run: &'a Run<'a>,
    pub checkpoint: &'a Checkpoint,
    pub group: usize,
    pub place: Place<'a>,
    pub keys: &'a Keys,
    pub rows: &'a dyn Rows,
    pub appender: &'a Appender,
    pub probes: Option<&'a (Appender, Pack)>,
    /// Of another language; a source's own cells are scored by their own probes.
    pub source: Option<&'a SourceCells>,
    pub at_once: usize,
    /// Probes fitted here.
    pub fresh: &'a Mutex<Vec<Fresh>>,
}

impl Context<'_> {
    /// Runs all jobs, the dearest first, as many at a time as the budget allows. Those that come after a failure which ends the run
    /// are not begun.
    pub fn run_jobs<'j, 'a>(&self, jobs: &'j [Job<'a>]) -> Vec<(&'j Job<'a>, Result<()>)> {
        let Plan { widths, study, budget, .. } = self.run.plan;
        let width = |job: &Job<'_>| widths.get(&job.site).copied().unwrap_or(0);
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(jobs.get(*i).map(|job| job.words() * width(job))));
        let room = Room::new(budget.bytes);
        let (next, stop, done) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(BTreeMap::new()));
        let work = || {
            while let Some((i, job)) = order.get(next.fetch_add(1, Relaxed)).and_then(|i| Some((*i, jobs.get(*i)?))) {
                let bytes = of_cell(study, job.words() as u64, width(job) as u64);
                let _taken = room.take(bytes);
                if stop.load(Relaxed) {
                    break;
                }
                // No more are in memory than were let in here. Where memory has not room for one a core, each takes several threads of
                // rayon's pool; else one: a job within the pool parts no more.
                let few = bytes.saturating_mul(budget.cells as u64) > budget.bytes || jobs.len() < budget.cells;
                let result = if few { self.run_job(job) } else { rayon::scope(|_| self.run_job(job)) };
                if result.as_ref().is_err_and(|error| study.fail_fast || self.run.plan.is_fatal(error)) {
                    stop.store(true, Relaxed);
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).insert(i, (job, result));
            }
        };
        std::thread::scope(|scope| {
            (1..self.at_once).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    fn run_job(&self, job: &Job<'_>) -> Result<()> {
        let plan = self.run.plan;
        let began = Instant::now();
        let Job { split, site, seed, control, .. } = *job;
        let cell = self.place.cell(&split.attribute, &plan.study.method, site, seed, control);
        let mut own = None;
        let needs_own = job.score && self.source.is_none();
        if job.rank || job.probe || needs_own {
            let ranked = rank(&plan.study.method, plan.k(), &cell, self.rows, split)?;
            if job.rank {
                let identity = self.keys.ranking(&cell.attribute, site, seed, control);
                self.appender.put(&identity, ranked.ranking.curve().len(), &RankingRecord::from(&ranked.ranking))?;
            }
            own = Some(SourceProbe { probe: ranked.probe, classes: split.classes.clone() });
        }
        if job.score {
            let record = match self.source {
                None => score(own.as_ref(), site, self.rows, split)?,
                Some(source) => score(source.of(&cell)?, site, self.rows, split)?,
            };
            if let Some(identity) = self.keys.score(&cell.attribute, site, seed) {
                self.appender.put(&identity, 0, &record)?;
            }
        }
        if let (Some((probes, _)), Some(probe), Control::None) = (self.probes, own, control) {
            if job.probe && probe.is_small() {
                probes.put(&self.keys.probe(&cell.attribute, site, seed), 0, &probe)?;
            }
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            fresh.push(((cell.attribute.clone(), site, seed), probe));
        }
        self.took(job, &cell, began);
        if job.rank || job.score {
            self.run.advance(self.checkpoint, self.group, 1);
        }
        Ok(())
    }

    fn took(&self, job: &Job<'_>, cell: &Cell, began: Instant) {
        let width = self.run.plan.widths.get(&cell.site).copied().unwrap_or(0);
        let words = job.words();
        self.run.log.took(
            began,
            LogLine {
                kind: if job.rank || job.probe { "ranking".into() } else { "score".into() },
                step: Some(cell.step),
                language: Some(cell.language.clone()),
                attribute: Some(cell.attribute.clone()),
                site: Some(cell.site),
                seed: Some(cell.seed),
                control: Some(cell.control),
                method: Some(cell.method.clone()),
                work: (words * width) as f64,
                at_once: self.at_once,
                ..LogLine::default()
            },
        );
    }
}

/// Memory that cells share.
struct Room {
    bytes: u64,
    taken: Mutex<u64>,
    given_back: Condvar,
}

/// A part of it, as long as it lives.
struct Taken<'a>(&'a Room, u64);

impl Room {
    fn new(bytes: u64) -> Room {
        Room { bytes, taken: Mutex::new(0), given_back: Condvar::new() }
    }

    /// Waits until there is room; what is alone always has it.
    fn take(&self, bytes: u64) -> Taken<'_> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |taken: &mut u64| *taken > 0 && taken.saturating_add(bytes) > self.bytes;
        let mut taken = self.given_back.wait_while(taken, full).unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_add(bytes);
        Taken(self, bytes)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Taken(room, bytes) = self;
        *room.taken.lock().unwrap_or_else(PoisonError::into_inner) -= *bytes;
        room.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_in_memory_than_there_is_room_for() {
        let (room, most, now) = (Room::new(10), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for bytes in [4, 3, 20, 6, 1, 10, 5, 2] {
                let (room, most, now) = (&room, &most, &now);
                scope.spawn(move || {
                    let _taken = room.take(bytes);
                    most.fetch_max(now.fetch_add(bytes as usize, Relaxed) + bytes as usize, Relaxed);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    now.fetch_sub(bytes as usize, Relaxed);
                });
            }
        });
        // What alone is more than all the room is let in alone.
        assert_eq!((most.into_inner(), *room.taken.lock().unwrap()), (20, 0));
        assert_eq!(now.into_inner(), 0);
    }
}
