//! Whose turn a checkpoint is, where several processes run one study.

use super::keys::Keys;
use super::pack::{remove, Pack};
use super::Study;
use crate::checkpoint::{Checkpoint, Step};
use crate::{files, Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which checkpoints this process may take, and what keeps others from them.
pub(super) struct Turns {
    pub study: Study,
    pub wanted: BTreeMap<Step, Wanted>,
    pub first: bool,
    pub held: BTreeMap<Step, Held>,
    pub result: Result<()>,
}

/// What is wanted of a checkpoint.
pub(super) struct Wanted {
    /// The folder of its results.
    pub folder: PathBuf,
    /// The files of the groups that are to do, and what is to be in them.
    pub groups: Vec<(PathBuf, Keys)>,
}

/// Locks on a checkpoint.
pub(super) struct Held {
    /// While there are checkpoints that nobody is at, two processes do not load the same weights.
    _turn: Option<files::Lock>,
    /// The file that is locked, by any number of processes, while weights that may be deleted are in use.
    in_use: Option<(files::Lock, PathBuf)>,
}

impl Turns {
    /// Takes a checkpoint, unless its turn is another's.
    pub fn take(&mut self, checkpoint: &Checkpoint) -> bool {
        let step = checkpoint.step();
        match self.try_take(step, || checkpoint.is_fetched()) {
            Ok(Some(held)) => self.held.insert(step, held).is_none(),
            Ok(None) => false,
            Err(error) => {
                self.result = Err(error);
                false
            }
        }
    }

    fn try_take(&self, step: Step, is_fetched: impl Fn() -> bool) -> Result<Option<Held>> {
        let Some(Wanted { folder, groups }) = self.wanted.get(&step).filter(|_| self.result.is_ok()) else {
            return Ok(None);
        };
        let turn = files::try_lock(folder.join("_checkpoint.lock"))?;
        if self.first && turn.is_none() {
            return Ok(None);
        }
        // Nothing is fetched that another process has used and done with.
        let done = |(path, keys): &(PathBuf, Keys)| {
            Pack::read(path).map(|pack| self.study.done(keys, &pack) == self.study.cells_in_group())
        };
        let done: Vec<bool> = groups.iter().map(done).collect::<Result<_>>()?;
        if !done.is_empty() && done.into_iter().all(|done| done) {
            return Ok(None);
        }
        if !self.study.checkpoints.evict {
            return Ok(Some(Held { _turn: turn, in_use: None }));
        }
        let Some(lock) = use_weights(folder)? else { return Ok(None) };
        // Asked while nobody deletes them.
        if !is_fetched() {
            mark_absent(folder)?;
        }
        Ok(Some(Held { _turn: turn, in_use: Some((lock, folder.clone())) }))
    }
}

impl Held {
    /// Deletes the weights by `evict`, if the study fetched them and nobody else is at them; who is will do it. Where there are no
    /// locks nobody can say: then they go unless there are shards.
    pub fn give_back(self, shards: bool, evict: impl FnOnce()) -> Result<()> {
        let Some((lock, folder)) = self.in_use else { return Ok(()) };
        drop(lock);
        delete_weights(&folder, shards, evict)
    }
}

/// A lock that keeps others from deleting weights, or `None` while they are deleted.
pub(super) fn use_weights(folder: &Path) -> Result<Option<files::Lock>> {
    files::try_lock_shared(folder.join("_in_use.lock"))
}

/// Notes that weights are not in the cache, so that they are the study's to delete, whichever process fetches them and whichever is the last
/// to use them.
fn mark_absent(folder: &Path) -> Result<()> {
    let mark = folder.join("_fetched");
    fs::write(&mark, "").map_err(Error::io(&mark, "write"))
}

/// Deletes weights by `evict`, if the study fetched them and nobody is at them. Where there are no locks nobody can say: then they go unless
/// there are shards.
pub(super) fn delete_weights(folder: &Path, shards: bool, evict: impl FnOnce()) -> Result<()> {
    let Some(lock) = files::try_lock(folder.join("_in_use.lock"))? else { return Ok(()) };
    let mark = folder.join("_fetched");
    if mark.exists() && (lock.is_real() || !shards) {
        evict();
        remove(&mark)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_taken_once_and_its_weights_go_with_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let step = Step::Number(3);
        let mut study = Study::parse(crate::study::settings::tests::TEXT, "s.toml").unwrap();
        study.checkpoints.evict = true;
        let turns = |first: bool| {
            let wanted = BTreeMap::from([(step, Wanted { folder: dir.path().join("3"), groups: Vec::new() })]);
            Turns { study: study.clone(), wanted, first, held: BTreeMap::new(), result: Ok(()) }
        };
        let (one, other, helper) = (turns(true), turns(true), turns(false));
        let first = one.try_take(step, || false).unwrap().unwrap();
        assert!(
            other.try_take(step, || true).unwrap().is_none() && one.try_take(Step::Final, || false).unwrap().is_none()
        );
        let second = helper.try_take(step, || true).unwrap().unwrap();
        let mut deleted = 0;
        first.give_back(false, || deleted += 1).unwrap();
        assert_eq!(deleted, 0, "the helper is at them");
        // Nobody begins while they are deleted.
        second.give_back(false, || assert!(other.try_take(step, || true).unwrap().is_none())).unwrap();
        let again = other.try_take(step, || true).unwrap().unwrap();
        again.give_back(false, || deleted += 1).unwrap();
        assert_eq!(deleted, 0, "they were there before");
        mark_absent(&dir.path().join("3")).unwrap();
        delete_weights(&dir.path().join("3"), false, || deleted += 1).unwrap();
        delete_weights(&dir.path().join("3"), false, || deleted += 1).unwrap();
        assert_eq!(deleted, 1);
    }
}
