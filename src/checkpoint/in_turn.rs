use super::{Checkpoint, Series, Step};
use crate::{Error, Result};
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

impl Series {
    /// The checkpoints one after another, each with its weights on disk. While one is in use, the weights of the next are
    /// fetched on a thread of their own; those of one that is dropped are deleted where
    /// [`SeriesSettings::evict`](super::SeriesSettings::evict) says so. Of a folder everything is there and stays.
    ///
    /// What does not fit on the disk is refused before anything is fetched; [`Series::check_room`] does the same and tells the
    /// figures.
    ///
    /// # Examples
    /// ```no_run
    /// use isogloss::checkpoint::{Series, SeriesSettings};
    /// let series = Series::find("bigscience/bloom-560m-intermediate", &SeriesSettings::default())?;
    /// for checkpoint in series.in_turn() {
    ///     let checkpoint = checkpoint?;
    ///     println!("{}: {} tensors", checkpoint.step(), checkpoint.weights()?.names().count());
    /// }
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn in_turn(&self) -> InTurn<'_> {
        let mut turns = self.in_turn_where(|_| true);
        turns.evict = self.evicts();
        turns
    }

    /// As [`Series::in_turn`], without the checkpoints that `wanted` says no to: it is asked once a checkpoint, when its turn comes or before
    /// its weights are fetched. Whatever the settings say, weights go only by [`Checkpoint::evict`]: another program may be at them.
    pub fn in_turn_where<'a>(&'a self, wanted: impl FnMut(&Checkpoint) -> bool + 'a) -> InTurn<'a> {
        InTurn {
            series: self,
            wanted: Box::new(wanted),
            evict: false,
            next: 0,
            asked: false,
            checked: false,
            last: None,
            failed: false,
            ahead: None,
            stop: Arc::default(),
        }
    }

    /// Says (`tracing`, level `INFO`) how many bytes the series will fetch and how many it needs on disk at a time, and refuses
    /// what does not fit. A folder needs nothing.
    ///
    /// # Errors
    /// `Error::Hub` with the figures if the cache's disk has not enough room.
    pub fn check_room(&self) -> Result<()> {
        #[cfg(feature = "hub")]
        super::hub::check_room(self.checkpoints(), self.evicts(), true)?;
        Ok(())
    }
}

/// See [`Series::in_turn`]. After an error it ends.
pub struct InTurn<'a> {
    series: &'a Series,
    wanted: Box<dyn FnMut(&Checkpoint) -> bool + 'a>,
    /// Whether weights go after use.
    evict: bool,
    next: usize,
    /// Whether the checkpoint `next` is known to be wanted.
    asked: bool,
    /// Whether it is known that there is room.
    #[cfg_attr(not(feature = "hub"), allow(dead_code))]
    checked: bool,
    last: Option<Step>,
    failed: bool,
    /// The fetch of the checkpoint `next`.
    ahead: Option<JoinHandle<Result<()>>>,
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for InTurn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTurn").field("series", self.series).field("next", &self.next).finish_non_exhaustive()
    }
}

impl<'a> InTurn<'a> {
    /// The step of the checkpoint that came last, or that could not be fetched.
    pub fn step(&self) -> Option<Step> {
        self.last
    }

    /// Whether it has ended because a checkpoint could not be fetched.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Goes to the next checkpoint that is wanted.
    fn seek(&mut self) -> Option<&'a Checkpoint> {
        while !self.asked {
            let checkpoint = self.series.checkpoints().get(self.next)?;
            self.asked = (self.wanted)(checkpoint);
            self.next += usize::from(!self.asked);
        }
        self.series.checkpoints().get(self.next)
    }

    /// Starts to fetch the next checkpoint, if it lacks its weights. One that is there is not asked about before its turn.
    fn fetch_ahead(&mut self) {
        #[cfg(feature = "hub")]
        let series = self.series;
        #[cfg(feature = "hub")]
        while let Some(remote) = series.checkpoints().get(self.next).and_then(Checkpoint::remote) {
            if remote.is_fetched() {
                return;
            }
            let place = self.next;
            self.seek();
            if self.next == place {
                let (remote, stop) = (Arc::clone(remote), Arc::clone(&self.stop));
                let thread = std::thread::Builder::new().name("checkpoint-fetch".into());
                // Without a thread it is fetched when its turn comes.
                self.ahead = thread.spawn(move || remote.fetch(&stop)).ok();
                return;
            }
        }
    }

    fn ready(&mut self) -> Result<()> {
        #[cfg(feature = "hub")]
        if !self.checked {
            self.checked = true;
            super::hub::check_room(self.series.checkpoints(), self.series.evicts(), false)?;
        }
        match self.ahead.take() {
            Some(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(Error::Data("the thread that fetches checkpoints has panicked".into()))),
            None => self.series.checkpoints().get(self.next).map_or(Ok(()), Checkpoint::fetch),
        }
    }
}

impl<'a> Iterator for InTurn<'a> {
    type Item = Result<Ready<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let checkpoint = self.seek()?;
        self.last = Some(checkpoint.step());
        if let Err(error) = self.ready() {
            (self.next, self.asked) = (self.series.checkpoints().len(), false);
            self.failed = true;
            return Some(Err(error));
        }
        (self.next, self.asked) = (self.next + 1, false);
        self.fetch_ahead();
        let later = self.series.checkpoints().get(self.next..).unwrap_or_default();
        Some(Ok(Ready { checkpoint, later, evict: self.evict }))
    }
}

impl Drop for InTurn<'_> {
    /// A fetch that nobody waits for any more stops soon; what it has of a file is kept, and another run resumes it. With eviction,
    /// what was fetched ahead and will not be used goes too.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        #[cfg(feature = "hub")]
        if let Some(thread) = self.ahead.take() {
            // Whether it succeeded is nobody's question any more, but it is to be at its end.
            let _ = thread.join();
            if self.evict {
                if let Some(remote) = self.series.checkpoints().get(self.next).and_then(Checkpoint::remote) {
                    remote.evict(std::iter::empty());
                }
            }
        }
    }
}

/// A checkpoint with its weights on disk.
#[derive(Debug)]
pub struct Ready<'a> {
    checkpoint: &'a Checkpoint,
    /// Those still to come, which may share files with this one.
    #[cfg_attr(not(feature = "hub"), allow(dead_code))]
    later: &'a [Checkpoint],
    #[cfg_attr(not(feature = "hub"), allow(dead_code))]
    evict: bool,
}

impl Deref for Ready<'_> {
    type Target = Checkpoint;

    fn deref(&self) -> &Checkpoint {
        self.checkpoint
    }
}

#[cfg(feature = "hub")]
impl Drop for Ready<'_> {
    fn drop(&mut self) {
        if let Some(remote) = self.checkpoint.remote().filter(|_| self.evict) {
            remote.evict(self.later.iter().filter_map(|later| later.remote().map(Arc::as_ref)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_gone_through_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        for step in ["step10", "step2"] {
            std::fs::create_dir(dir.path().join(step)).unwrap();
            std::fs::write(dir.path().join(step).join("config.json"), "{}").unwrap();
        }
        let series = Series::open(dir.path()).unwrap();
        series.check_room().unwrap();
        let steps: Vec<String> = series.in_turn().map(|checkpoint| checkpoint.unwrap().step().to_string()).collect();
        assert_eq!(steps, ["2", "10"]);
        let mut asked = Vec::new();
        let mut turns = series.in_turn_where(|checkpoint| {
            asked.push(checkpoint.step().to_string());
            checkpoint.step() != Step::Number(2)
        });
        assert_eq!(turns.next().map(|checkpoint| checkpoint.unwrap().step()), Some(Step::Number(10)));
        assert_eq!(turns.step(), Some(Step::Number(10)));
        assert!(turns.next().is_none());
        drop(turns);
        assert_eq!(asked, ["2", "10"]);
        assert!(series.checkpoints().iter().all(|checkpoint| checkpoint.config().is_file()));
    }
}
