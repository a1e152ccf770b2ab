//! Running sentences in batches, one ahead of the copying, in less where memory runs out.

use super::manifest::Halving;
use crate::{Error, Result};
use std::ops::Range;
use tch::TchError;

/// A sentence to run: its pooled units go to rows `first_row..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) ids: Vec<u32>,
    pub(super) first_row: usize,
    pub(super) pooled: Vec<Range<usize>>,
}

/// How a batch is computed.
pub(super) trait Compute {
    /// A batch that is ready to be queued.
    type Prepared;
    /// Rows that are on their way.
    type Pending;
    /// Where rows go.
    type Rows;

    /// Makes a batch ready, without the device.
    fn prepare(&self, jobs: &[Job]) -> Result<Self::Prepared>;

    /// Queues a batch and the copying of its rows to the host.
    fn start(&self, prepared: Self::Prepared) -> Result<Self::Pending>;

    /// Waits until all that is queued is done.
    fn wait(&self) -> Result<()>;

    /// Puts rows that have come in their places.
    fn take(&self, jobs: &[Job], pending: Self::Pending, rows: &mut Self::Rows) -> Result<()>;
}

/// Sentences to run, whose rows go to one place.
#[derive(Debug)]
pub(super) struct Work<R> {
    /// In groups: a batch is of one of them.
    pub(super) groups: Vec<Vec<Job>>,
    pub(super) budget: Budget,
    pub(super) rows: R,
}

/// How many subwords fit into a batch, and where that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// At first.
    pub(super) begun_with: usize,
    pub(super) tokens: usize,
    /// Halvings of an earlier run over the same sentences, to make the same batches again.
    earlier: Vec<Halving>,
    pub(super) halvings: Vec<Halving>,
}

impl Budget {
    pub(super) fn new(tokens: usize, earlier: Vec<Halving>) -> Self {
        Budget { begun_with: tokens, tokens, earlier, halvings: Vec::new() }
    }

    fn set(&mut self, batch: usize, batch_tokens: usize) {
        self.tokens = batch_tokens;
        self.halvings.push(Halving { batch, batch_tokens });
    }

    fn replay(&mut self, batch: usize) {
        let at: Vec<usize> = self.earlier.iter().filter(|h| h.batch == batch).map(|h| h.batch_tokens).collect();
        for tokens in at {
            // This run may have less memory than that one had.
            self.set(batch, tokens.min(self.tokens));
        }
        self.earlier.retain(|halving| halving.batch != batch);
    }
}

/// Runs works in batches, each group's shortest sentences first. While the device computes a batch, the host takes the rows of the one
/// before, also where that is of the work before. Batches depend on the groups and the budget alone.
pub(super) struct Pipeline<C: Compute> {
    compute: C,
    last: Option<Last<C>>,
}

/// A work whose last batch is on its way.
struct Last<C: Compute> {
    work: Work<C::Rows>,
    waiting: Option<Waiting<C>>,
}

/// A batch on its way: a group, and which of its jobs.
struct Waiting<C: Compute> {
    group: usize,
    jobs: Range<usize>,
    pending: C::Pending,
}

impl<C: Compute> Pipeline<C> {
    pub(super) fn new(compute: C) -> Self {
        Pipeline { compute, last: None }
    }

    /// Queues all batches of a work. Returns the work before, whose rows are there by now.
    pub(super) fn run(&mut self, mut work: Work<C::Rows>) -> Result<Option<Work<C::Rows>>> {
        let mut finished = None;
        let mut waiting: Option<Waiting<C>> = None;
        let mut batch = 0;
        for group in 0..work.groups.len() {
            if let Some(jobs) = work.groups.get_mut(group) {
                jobs.sort_by_key(|job| (job.ids.len(), job.first_row));
            }
            let mut start = 0;
            loop {
                let jobs = work.groups.get(group).map(Vec::as_slice).unwrap_or_default();
                let rest = jobs.get(start..).unwrap_or_default();
                if rest.is_empty() {
                    break;
                }
                work.budget.replay(batch);
                let now = fitting(rest, work.budget.tokens);
                let (sentences, tokens) = (now.len(), count(now));
                let prepared = self.compute.prepare(now)?;
                self.compute.wait()?;
                match self.compute.start(prepared) {
                    Ok(pending) => {
                        let jobs = start..start + sentences;
                        (start, batch) = (jobs.end, batch + 1);
                        // The device is at work: the host does its part.
                        let before = waiting.replace(Waiting { group, jobs, pending });
                        self.take(&mut work, before)?;
                    }
                    Err(error) if out_of_memory(&error) && sentences > 1 => {
                        // Half of what was tried: the last batch of a group may be less than the budget.
                        work.budget.set(batch, tokens.div_ceil(2));
                        tracing::warn!(
                            batch_tokens = work.budget.tokens,
                            "out of memory: batches are halved ({error})"
                        );
                        self.take(&mut work, waiting.take())?;
                    }
                    Err(error) if out_of_memory(&error) => {
                        return Err(Error::Data(format!(
                            "the device has too little memory for a sentence of {tokens} subwords alone ({error}); free some, lower \
                             `max_subwords`, compute in a narrower type, or take a larger device"
                        )));
                    }
                    Err(error) => return Err(error),
                }
                finished = self.before()?.or(finished);
            }
        }
        if batch == 0 {
            finished = self.finish()?;
        }
        self.last = Some(Last { work, waiting });
        Ok(finished)
    }

    /// Subwords in a batch, at most, after the last work.
    pub(super) fn batch_tokens(&self) -> Option<usize> {
        self.last.as_ref().map(|last| last.work.budget.tokens)
    }

    /// Waits for the last work's rows.
    pub(super) fn finish(&mut self) -> Result<Option<Work<C::Rows>>> {
        self.compute.wait()?;
        self.before()
    }

    /// Takes the rows of the last work's last batch, which have come.
    fn before(&mut self) -> Result<Option<Work<C::Rows>>> {
        let Some(Last { mut work, waiting }) = self.last.take() else { return Ok(None) };
        self.take(&mut work, waiting)?;
        Ok(Some(work))
    }

    fn take(&self, work: &mut Work<C::Rows>, waiting: Option<Waiting<C>>) -> Result<()> {
        let Some(Waiting { group, jobs, pending }) = waiting else { return Ok(()) };
        let jobs = work.groups.get(group).and_then(|group| group.get(jobs)).unwrap_or_default();
        self.compute.take(jobs, pending, &mut work.rows)
    }
}

/// Subwords of sentences.
pub(super) fn count(jobs: &[Job]) -> usize {
    jobs.iter().map(|job| job.ids.len()).sum()
}

/// The first jobs that have so many tokens together, at most; but one at least.
fn fitting(jobs: &[Job], tokens: usize) -> &[Job] {
    let mut total = 0;
    let fits = jobs.iter().take_while(|job| {
        total += job.ids.len();
        total <= tokens
    });
    let fits = fits.count().max(1);
    jobs.get(..fits).unwrap_or(jobs)
}

/// Whether libtorch failed because the device has no memory left: it says so in words alone.
fn out_of_memory(error: &Error) -> bool {
    const WORDS: [&str; 6] = [
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        "CUBLAS_STATUS_ALLOC_FAILED",
        // From a handle that found no room.
        "CUBLAS_STATUS_NOT_INITIALIZED",
        "CUDNN_STATUS_ALLOC_FAILED",
    ];
    matches!(error, Error::Torch(TchError::Torch(message)) if WORDS.iter().any(|words| message.contains(words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// A device that has memory for so many tokens, and notes what it does.
    struct Device {
        memory: Cell<usize>,
        batches: RefCell<Vec<Vec<usize>>>,
        waited: Cell<bool>,
    }

    impl Compute for Device {
        type Prepared = Vec<usize>;
        type Pending = Vec<usize>;
        type Rows = Vec<usize>;

        fn prepare(&self, jobs: &[Job]) -> Result<Vec<usize>> {
            Ok(jobs.iter().map(|job| job.ids.len()).collect())
        }

        fn start(&self, lengths: Vec<usize>) -> Result<Vec<usize>> {
            assert!(self.waited.replace(false), "the host would read rows that are still on their way");
            if lengths.iter().sum::<usize>() > self.memory.get() {
                let message = "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; ...)";
                return Err(TchError::Torch(message.into()).into());
            }
            self.batches.borrow_mut().push(lengths.clone());
            Ok(lengths)
        }

        fn wait(&self) -> Result<()> {
            self.waited.set(true);
            Ok(())
        }

        fn take(&self, jobs: &[Job], lengths: Vec<usize>, rows: &mut Vec<usize>) -> Result<()> {
            assert_eq!(jobs.iter().map(|job| job.ids.len()).collect::<Vec<_>>(), lengths);
            rows.extend(jobs.iter().map(|job| job.first_row));
            Ok(())
        }
    }

    fn device(memory: usize) -> Device {
        Device { memory: memory.into(), batches: Vec::new().into(), waited: false.into() }
    }

    fn jobs() -> Vec<Job> {
        let lengths = [3, 9, 4, 4, 1, 8, 2, 5, 5, 7];
        let job = |(row, length): (usize, usize)| Job {
            ids: vec![0; length],
            first_row: row,
            pooled: std::iter::once(0..1).collect(),
        };
        lengths.into_iter().enumerate().map(job).collect()
    }

    /// Batches and rows of one work.
    fn run(device: Device, budget: Budget) -> Result<(Vec<Vec<usize>>, Vec<usize>, Budget)> {
        let mut pipeline = Pipeline::new(device);
        let before = pipeline.run(Work { groups: vec![jobs()], budget, rows: Vec::new() })?;
        assert!(before.is_none());
        let work = pipeline.finish()?.unwrap();
        assert!(pipeline.finish()?.is_none());
        Ok((pipeline.compute.batches.into_inner(), work.rows, work.budget))
    }

    const SORTED: [usize; 10] = [4, 6, 0, 2, 3, 7, 8, 9, 5, 1];

    #[test]
    fn batches_are_as_large_as_the_budget_allows() {
        let (batches, taken, budget) = run(device(100), Budget::new(10, Vec::new())).unwrap();
        assert_eq!(batches, [vec![1, 2, 3, 4], vec![4, 5], vec![5], vec![7], vec![8], vec![9]]);
        assert_eq!((taken.as_slice(), budget.halvings.len()), (&SORTED[..], 0));
    }

    #[test]
    fn out_of_memory_halves_the_batch_and_goes_on() {
        let (first, taken, budget) = run(device(12), Budget::new(20, Vec::new())).unwrap();
        // 1 + 2 + 3 + 4 + 4 + 5 = 19 are too many, half of them are 10.
        assert_eq!(first, [vec![1, 2, 3, 4], vec![4, 5], vec![5], vec![7], vec![8], vec![9]]);
        assert_eq!(taken, SORTED);
        assert_eq!(budget.halvings, [Halving { batch: 0, batch_tokens: 10 }]);
        assert_eq!(budget.tokens, 10);

        // A later run that has memory enough makes the same batches from the record.
        let (again, _, replayed) = run(device(100), Budget::new(20, budget.halvings.clone())).unwrap();
        assert_eq!(again, first);
        assert_eq!((replayed.tokens, &replayed.halvings), (budget.tokens, &budget.halvings));
    }

    #[test]
    fn halving_goes_on_until_one_sentence_is_too_long() {
        // 48, 24 and, of 12, 1 + 2 + 3 + 4 are too many; then comes 5 + 5, and 5 and 7 by themselves; 9 is too long.
        let (device, budget) = (device(8), Budget::new(48, Vec::new()));
        let mut pipeline = Pipeline::new(device);
        let error = pipeline.run(Work { groups: vec![jobs()], budget, rows: Vec::new() }).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a sentence of 9 subwords alone (libtorch: Internal torch error: CUDA out of memory"),
            "{error}"
        );
        assert_eq!(
            pipeline.compute.batches.into_inner(),
            [vec![1, 2], vec![3], vec![4], vec![4], vec![5], vec![5], vec![7], vec![8]]
        );
    }

    #[test]
    fn the_device_goes_from_work_to_work_without_a_pause() {
        let mut pipeline = Pipeline::new(device(100));
        let work = |groups: &[&[usize]]| {
            let job = |length: &usize| Job { ids: vec![0; *length], first_row: *length, pooled: Vec::new() };
            Work {
                groups: groups.iter().map(|group| group.iter().map(job).collect()).collect(),
                budget: Budget::new(10, Vec::new()),
                rows: Vec::new(),
            }
        };
        assert!(pipeline.run(work(&[&[9, 3], &[2, 4]])).unwrap().is_none());
        let rows = |work: Option<Work<Vec<usize>>>| work.map(|work| work.rows);
        // The first work's last rows were taken once the second's first batch was on the device; none came from the second yet.
        let before = pipeline.run(work(&[&[7]])).unwrap();
        assert_eq!(rows(before), Some(vec![3, 9, 2, 4]));
        // A work without sentences ends the one before, and is itself there at once.
        assert_eq!(rows(pipeline.run(work(&[&[]])).unwrap()), Some(vec![7]));
        assert_eq!(rows(pipeline.run(work(&[&[5, 6]])).unwrap()), Some(vec![]));
        assert_eq!(rows(pipeline.finish().unwrap()), Some(vec![5, 6]));
        assert_eq!(pipeline.compute.batches.into_inner(), [vec![3], vec![9], vec![2, 4], vec![7], vec![5], vec![6]]);
    }

    #[test]
    fn other_errors_are_no_reason_to_halve() {
        let other: Error = TchError::Torch("mat1 and mat2 shapes cannot be multiplied".into()).into();
        assert!(!out_of_memory(&other) && !out_of_memory(&Error::Data("out of memory".into())));
        let cublas: Error =
            TchError::Torch("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`".into()).into();
        assert!(out_of_memory(&cublas));
    }
}
