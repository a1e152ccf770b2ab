use super::failures::{self, Failure};
use super::log::Log;
use super::lookover::look_over;
use super::pack::Pack;
use super::pipeline::{Run, Worked};
use super::plan::Group;
use super::turns::{delete_weights, Turns, Wanted};
use super::{threads, Plan, Progress};
use crate::activations::Tokenizer;
use crate::bloom::device;
use crate::checkpoint::{Checkpoint, Step};
use crate::{files, Error, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How long to wait before looking again whether another process has done what it holds.
const PAUSE: Duration = Duration::from_millis(300);

/// Groups that are left to do, by checkpoint.
type Todo = BTreeMap<usize, Vec<usize>>;

impl Plan {
    /// Does what is to do: activations, probes, rankings and zero-shot transfer, each result kept as soon as it is there, so that
    /// a run that is killed goes on where it was. Several processes may run the same study: a language at a
    /// checkpoint is done by one of them.
    ///
    /// Returns what failed; with `fail_fast`, the first failure ends it.
    ///
    /// # Errors
    /// [`Error::Io`] if results cannot be written, as on a full disk; with `fail_fast`, whatever a cell returns.
    pub fn run(&mut self, progress: &dyn Progress) -> Result<Vec<Failure>> {
        let _span = tracing::info_span!("study", model = self.series.model()).entered();
        let each = self.cells_in_group();
        if self.groups.iter().any(|group| group.own && group.done < each) {
            // Only now it has to be there.
            self.device = device::parse(&self.study.device)?;
        }
        self.open_tokenizers()?;
        let cells = self.out.join("cells");
        fs::create_dir_all(&cells).map_err(Error::io(&cells, "create"))?;
        if let Some(own) = self.threads {
            let threads = threads::keep(&self.study, &self.out, own)?;
            if threads != own {
                self.threads = Some(threads);
                self.count()?;
            }
        }
        self.keep_looks()?;
        let outlook = self.outlook();
        progress.start(outlook.cells);
        progress.resume(outlook.done);
        let (mut todo, mut failures) = (Todo::new(), Vec::new());
        for (i, group) in self.groups.iter().enumerate().filter(|(_, group)| group.own && group.done < each) {
            match self.looked.get(group.checkpoint) {
                Some(Some(Err(message))) => failures.extend(self.failed_groups(&[i], message)?),
                _ => todo.entry(group.checkpoint).or_default().push(i),
            }
        }
        for failure in &failures {
            self.tell(progress, failure.cells, failure.step, &failure.language);
        }
        if !todo.is_empty() {
            self.series.clone().select(&self.steps(&todo))?.check_room()?;
        }
        let computed = self.compute(todo, progress, &mut failures);
        let dropped = self.drop_weights();
        computed.and(dropped)?;
        self.count()?;
        self.drop_scratch()?;
        self.see_others();
        // What failed here another process may have done since.
        let each = self.cells_in_group();
        failures.retain(|failure| {
            let same = |group: &&Group| {
                let step = self.series.checkpoints().get(group.checkpoint).map(Checkpoint::step);
                step == Some(failure.step) && self.language(group.language) == failure.language
            };
            self.groups.iter().find(same).is_none_or(|group| group.done < each)
        });
        failures.extend(self.lost(&failures));
        Ok(failures)
    }

    /// Deletes weights that a run which was killed, or a fetch that failed, has left.
    fn drop_weights(&self) -> Result<()> {
        let own: BTreeSet<usize> = self.groups.iter().filter(|group| group.own).map(|group| group.checkpoint).collect();
        for checkpoint in own.iter().filter_map(|c| self.series.checkpoints().get(*c)) {
            let folder = self.folder(checkpoint);
            if self.study.checkpoints.evict && folder.is_dir() {
                delete_weights(&folder, self.shard.is_some(), || checkpoint.evict())?;
            }
        }
        Ok(())
    }

    /// Cells that are neither there nor known to have failed: another process has written over them, where there are no locks.
    fn lost(&self, failures: &[Failure]) -> Vec<Failure> {
        let each = self.cells_in_group();
        let of_group = |group: &Group| {
            let checkpoint = self.series.checkpoints().get(group.checkpoint)?;
            let name = self.language(group.language);
            let same = |failure: &&Failure| (failure.step, &*failure.language) == (checkpoint.step(), name);
            let failed: usize = failures.iter().filter(same).map(|failure| failure.cells).sum();
            let cells = each.saturating_sub(group.done).saturating_sub(failed);
            let message =
                "was done, but is not there: do two processes write one file without working locks? run it again";
            (cells > 0).then(|| Failure::of_language(checkpoint.step(), name, cells, message))
        };
        self.groups.iter().filter(|group| group.own).filter_map(of_group).collect()
    }

    /// Checks the tokenizers of what is to do.
    fn open_tokenizers(&mut self) -> Result<()> {
        let each = self.cells_in_group();
        let pending = self.groups.iter().filter(|group| group.own && group.done < each);
        let pending: BTreeSet<usize> = pending.map(|group| group.checkpoint).collect();
        let mut opened: BTreeMap<PathBuf, Option<String>> = BTreeMap::new();
        for i in pending {
            let Some(Some(looked)) = self.looked.get_mut(i) else { continue };
            let Ok(found) = looked else { continue };
            let path = found.tokenizer_path.clone();
            if !opened.contains_key(&path) {
                let tokenizer = Tokenizer::open(&path);
                if self.study.fail_fast {
                    tokenizer?;
                    opened.insert(path.clone(), None);
                } else {
                    opened.insert(path.clone(), tokenizer.err().map(|error| error.to_string()));
                }
            }
            if let Some(Some(message)) = opened.get(&path) {
                *looked = Err(message.clone());
            }
        }
        Ok(())
    }

    fn keep_looks(&mut self) -> Result<()> {
        let folders: Vec<PathBuf> = self.series.checkpoints().iter().map(|c| self.folder(c)).collect();
        for (looked, folder) in self.looked.iter_mut().zip(folders) {
            if let Some(Ok(found)) = looked {
                found.keep(&folder)?;
            }
        }
        Ok(())
    }

    /// Goes over the checkpoints until nothing is left, first those that no other process is at.
    fn compute(&mut self, mut todo: Todo, progress: &dyn Progress, failures: &mut Vec<Failure>) -> Result<()> {
        let mut first = true;
        let own: Vec<bool> = self.groups.iter().map(|group| group.own).collect();
        while !todo.is_empty() {
            let (mut left, mut moved) = (Todo::new(), false);
            // Where others are at work too, one checkpoint at a time, so that nothing is fetched that they will have done.
            let passes: Vec<Todo> = match first {
                true => vec![std::mem::take(&mut todo)],
                false => std::mem::take(&mut todo).into_iter().map(|groups| Todo::from([groups])).collect(),
            };
            for mut ready in passes {
                if !first {
                    let (free, busy): (Todo, Todo) =
                        ready.into_iter().partition(|(c, groups)| self.has_free(*c, groups));
                    left.extend(busy);
                    ready = self.still_to_do(free, progress, &mut moved)?;
                }
                self.pass(ready, first, progress, &mut |checkpoint, mut worked| {
                    // The source of another shard is that one's to do; who needs its probes takes it along.
                    worked.busy.retain(|group| own.get(*group) == Some(&true));
                    failures.extend(worked.failures);
                    moved |= worked.moved;
                    if !worked.busy.is_empty() {
                        left.insert(checkpoint, worked.busy);
                    }
                })?;
            }
            if !left.is_empty() && !moved && !first {
                tracing::debug!("waits for another process");
                std::thread::sleep(PAUSE);
            }
            (todo, first) = (left, false);
        }
        Ok(())
    }

    /// Those of the groups that no other process has done meanwhile, so that no weights are fetched for nothing.
    fn still_to_do(&mut self, groups: Todo, progress: &dyn Progress, moved: &mut bool) -> Result<Todo> {
        let (mut todo, each) = (Todo::new(), self.cells_in_group());
        for (checkpoint, i) in groups.into_iter().flat_map(|(c, groups)| groups.into_iter().map(move |i| (c, i))) {
            let Some(group) = self.groups.get(i) else { continue };
            let done = self.count_group(group)?;
            let step = self.series.checkpoints().get(checkpoint).map(Checkpoint::step);
            let new = done.saturating_sub(group.done);
            if let (Some(step), true) = (step, new > 0) {
                self.tell(progress, new, step, self.language(group.language));
            }
            if let Some(group) = self.groups.get_mut(i) {
                group.done = done;
            }
            if done < each {
                todo.entry(checkpoint).or_default().push(i);
            } else {
                *moved = true;
            }
        }
        Ok(todo)
    }

    /// Whether there is a group that no other process has.
    fn has_free(&self, checkpoint: usize, groups: &[usize]) -> bool {
        let Some(of) = self.series.checkpoints().get(checkpoint) else { return false };
        let is_free = |group: usize| matches!(self.lock(of, group), Ok(Some(_)));
        // Others wait for the source, where its probes are what they are scored by.
        let source = self.groups.iter().position(|group| (group.checkpoint, group.language) == (checkpoint, 0));
        let ready = self.given.is_some() || source.is_none_or(is_free);
        ready && groups.iter().any(|group| is_free(*group))
    }

    /// As [`Plan::lock`], a few times over: somebody may only be looking whether it is free.
    pub(super) fn lock_to_work(&self, checkpoint: &Checkpoint, group: usize) -> Result<Option<files::Lock>> {
        for _ in 0..5 {
            if let Some(lock) = self.lock(checkpoint, group)? {
                return Ok(Some(lock));
            }
            std::thread::sleep(PAUSE / 30);
        }
        Ok(None)
    }

    /// The lock of a group, or `None` if another process has it.
    pub(super) fn lock(&self, checkpoint: &Checkpoint, group: usize) -> Result<Option<files::Lock>> {
        let language = self.groups.get(group).map_or("", |group| self.language(group.language));
        files::try_lock(self.file(checkpoint, language, "lock"))
    }

    pub(super) fn language(&self, language: usize) -> &str {
        self.languages.get(language).map_or("", |language| &language.treebank.language)
    }

    /// Works on checkpoints one after another; a checkpoint that cannot be had fails its groups and no others.
    fn pass(
        &mut self,
        mut ready: Todo,
        first: bool,
        progress: &dyn Progress,
        each: &mut dyn FnMut(usize, Worked),
    ) -> Result<()> {
        while !ready.is_empty() {
            // An iterator that has failed is at its end: another goes on with the rest.
            let series = self.series.clone().select(&self.steps(&ready))?;
            let wanted =
                ready.iter().filter_map(|(c, groups)| self.wanted(*c, groups).transpose()).collect::<Result<_>>()?;
            let turns = Turns { study: self.study.clone(), wanted, first, held: BTreeMap::new(), result: Ok(()) };
            let turns = RefCell::new(turns);
            let mut in_turn = series.in_turn_where(|checkpoint| turns.borrow_mut().take(checkpoint));
            while let Some(found) = in_turn.next() {
                let step = in_turn.step();
                let held = step.and_then(|step| turns.borrow_mut().held.remove(&step));
                let index = self.series.checkpoints().iter().position(|c| Some(c.step()) == step).unwrap_or_default();
                let groups = ready.remove(&index).unwrap_or_default();
                match found {
                    Ok(checkpoint) => {
                        self.see(index, &checkpoint)?;
                        let worked = self.work_on(&checkpoint, index, groups, progress)?;
                        each(index, worked);
                        if let Some(held) = held {
                            held.give_back(self.shard.is_some(), || checkpoint.evict())?;
                        }
                    }
                    Err(error) => {
                        if self.study.fail_fast || self.is_fatal(&error) {
                            return Err(error);
                        }
                        let failures = self.failed_groups(&groups, &error.to_string())?;
                        failures
                            .iter()
                            .for_each(|failure| self.tell(progress, failure.cells, failure.step, &failure.language));
                        each(index, Worked { failures, ..Worked::default() });
                        if let (Some(held), Some(checkpoint)) = (held, self.series.checkpoints().get(index)) {
                            held.give_back(self.shard.is_some(), || checkpoint.evict())?;
                        }
                    }
                }
            }
            let failed = in_turn.failed();
            drop(in_turn);
            turns.into_inner().result?;
            if !failed {
                // Those whose turn another process has.
                std::mem::take(&mut ready)
                    .into_iter()
                    .for_each(|(index, busy)| each(index, Worked { busy, ..Worked::default() }));
            }
        }
        Ok(())
    }

    /// What is wanted of a checkpoint.
    fn wanted(&self, checkpoint: usize, groups: &[usize]) -> Result<Option<(Step, Wanted)>> {
        let Some(of) = self.series.checkpoints().get(checkpoint) else { return Ok(None) };
        let mut wanted = Wanted { folder: self.folder(of), groups: Vec::new() };
        for group in groups.iter().filter_map(|group| self.groups.get(*group)) {
            if let Some(keys) = self.keys(checkpoint, group.language)? {
                wanted.groups.push((self.file(of, self.language(group.language), "cells"), keys));
            }
        }
        Ok(Some((of.step(), wanted)))
    }

    fn steps(&self, todo: &Todo) -> Vec<Step> {
        todo.keys().filter_map(|c| Some(self.series.checkpoints().get(*c)?.step())).collect()
    }

    /// Looks over weights that were not on disk when the study began.
    fn see(&mut self, index: usize, checkpoint: &Checkpoint) -> Result<()> {
        let folder = self.folder(checkpoint);
        let unseen = matches!(self.looked.get(index), Some(Some(Ok(looked))) if looked.audit.is_none());
        if !unseen || self.watch.is_none() {
            return Ok(());
        }
        let found = look_over(checkpoint, &folder, true, &mut BTreeMap::new());
        if let (Some(watch), Ok(mut found)) = (&mut self.watch, found) {
            if let Some(audit) = &found.audit {
                watch.add(checkpoint.step(), Ok(audit.clone()));
                watch.say(false);
            }
            found.keep(&folder)?;
            if let Some(looked) = self.looked.get_mut(index) {
                *looked = Some(Ok(found));
            }
        }
        Ok(())
    }

    /// Takes over what other processes have found in weights that this one has not had.
    fn see_others(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        for (checkpoint, looked) in self.series.checkpoints().iter().zip(&mut self.looked) {
            let Some(Ok(looked)) = looked else { continue };
            let folder = self.out.join("cells").join(checkpoint.model()).join(checkpoint.step().to_string());
            if looked.audit.is_none() && looked.look_again(&folder) {
                if let Some(audit) = &looked.audit {
                    watch.add(checkpoint.step(), Ok(audit.clone()));
                }
            }
        }
    }

    fn work_on(
        &self,
        checkpoint: &Checkpoint,
        index: usize,
        mut groups: Vec<usize>,
        progress: &dyn Progress,
    ) -> Result<Worked> {
        let folder = self.folder(checkpoint);
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "create"))?;
        let _span = tracing::info_span!("checkpoint", step = %checkpoint.step()).entered();
        tracing::info!(commit = checkpoint.commit(), "checkpoint");
        let source = self.groups.iter().position(|group| (group.checkpoint, group.language) == (index, 0));
        let mut worked = Worked::default();
        if let Some(source) = source.filter(|_| self.needs_source(checkpoint, index, &groups)) {
            groups.retain(|group| *group != source);
            groups.insert(0, source);
        }
        let run = Run { plan: self, log: Log::new(self.log_path(), self.series.model()), progress };
        run.languages(checkpoint, groups, &mut worked)?;
        Ok(worked)
    }

    /// Whether the source language has to be probed (again) for the scores of others.
    fn needs_source(&self, checkpoint: &Checkpoint, index: usize, groups: &[usize]) -> bool {
        let Ok(Some(keys)) = self.keys(index, 0) else { return false };
        let others = groups.iter().any(|group| self.groups.get(*group).is_some_and(|group| group.language != 0));
        let is_pending = groups.iter().any(|group| self.groups.get(*group).is_some_and(|group| group.language == 0));
        if is_pending || !others || !keys.measures() {
            return is_pending;
        }
        let cells = Pack::read(self.file(checkpoint, self.language(0), "cells"));
        let probes = Pack::read(self.file(checkpoint, self.language(0), "probes"));
        let (Ok(cells), Ok(probes)) = (cells, probes) else { return true };
        self.needs_probes(&keys, &cells, &probes)
    }

    /// Whether a failure is the disk's and not the cell's: then nothing that follows would be kept.
    pub(super) fn is_fatal(&self, error: &Error) -> bool {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error {
            Error::Io { path, source, .. } => {
                let full = matches!(source.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | FileTooLarge);
                full || path.starts_with(&self.out)
            }
            #[cfg(feature = "hub")]
            Error::Hub(error) => error.kind() == crate::checkpoint::hub::HubErrorKind::NoRoom,
            _ => false,
        }
    }

    /// Groups none of whose cells can be done, and why: kept for whoever makes tables, where no other process is at them.
    fn failed_groups(&self, groups: &[usize], message: &str) -> Result<Vec<Failure>> {
        let each = self.cells_in_group();
        let mut failures = Vec::new();
        for &i in groups {
            let Some(group) = self.groups.get(i).filter(|group| group.own) else { continue };
            let Some(checkpoint) = self.series.checkpoints().get(group.checkpoint) else { continue };
            let (name, cells) = (self.language(group.language), each.saturating_sub(self.count_group(group)?));
            if cells == 0 {
                continue;
            }
            let failure = Failure::of_language(checkpoint.step(), name, cells, message);
            if let Some(_lock) = self.lock_to_work(checkpoint, i)? {
                let identity = self.keys(group.checkpoint, group.language)?.map(|keys| keys.cells());
                let path = self.file(checkpoint, name, "failed.json");
                failures::keep(&path, identity, std::slice::from_ref(&failure))?;
            }
            failures.push(failure);
        }
        Ok(failures)
    }

    pub(super) fn tell(&self, progress: &dyn Progress, cells: usize, step: Step, language: &str) {
        progress.advance(cells, &format!("step {step}, {language}"));
    }
}
