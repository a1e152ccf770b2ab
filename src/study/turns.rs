//! Whose turn a checkpoint is, where several processes run one study.

use crate::checkpoint::Step;
use crate::{files, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which checkpoints this process may take, and what keeps others from them.
pub(super) struct Turns {
    pub folders: BTreeMap<Step, PathBuf>,
    pub first: bool,
    pub evict: bool,
    pub held: BTreeMap<Step, Held>,
    pub result: Result<()>,
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
    pub fn take(&mut self, step: Step) -> bool {
        match self.try_take(step) {
            Ok(Some(held)) => self.held.insert(step, held).is_none(),
            Ok(None) => false,
            Err(error) => {
                self.result = Err(error);
                false
            }
        }
    }

    fn try_take(&self, step: Step) -> Result<Option<Held>> {
        let Some(folder) = self.folders.get(&step).filter(|_| self.result.is_ok()) else { return Ok(None) };
        let turn = files::try_lock(folder.join("_checkpoint.lock"))?;
        if self.first && turn.is_none() {
            return Ok(None);
        }
        if !self.evict {
            return Ok(Some(Held { _turn: turn, in_use: None }));
        }
        let path = folder.join("_in_use.lock");
        // Nobody shares it while they are deleted.
        let lock = files::try_lock_shared(&path)?;
        Ok(lock.map(|lock| Held { _turn: turn, in_use: Some((lock, path)) }))
    }
}

impl Held {
    /// A lock that keeps others from the weights while they are deleted, or `None` if somebody is at them. Where there are no locks
    /// nobody can say: then the weights go unless there are shards.
    pub fn alone(self, shards: bool) -> Result<Option<files::Lock>> {
        let Some((lock, path)) = self.in_use else { return Ok(None) };
        if !lock.is_real() {
            return Ok(Some(lock).filter(|_| !shards));
        }
        drop(lock);
        files::try_lock(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_taken_once_and_its_weights_go_with_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let step = Step::Number(3);
        let turns = |first: bool| {
            let folders = BTreeMap::from([(step, dir.path().join("3"))]);
            Turns { folders, first, evict: true, held: BTreeMap::new(), result: Ok(()) }
        };
        let (mut one, mut other, mut helper) = (turns(true), turns(true), turns(false));
        assert!(one.take(step) && !other.take(step) && helper.take(step));
        assert!(!one.take(Step::Final) && one.result.is_ok());
        let held = |turns: &mut Turns| turns.held.remove(&step).unwrap();
        assert!(held(&mut one).alone(false).unwrap().is_none(), "the helper is at them");
        let deleting = held(&mut helper).alone(false).unwrap();
        assert!(deleting.is_some() && !other.take(step), "nobody begins while they are deleted");
        drop(deleting);
        assert!(other.take(step));
    }
}
