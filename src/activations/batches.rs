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

    /// Makes a batch ready, without the device.
    fn prepare(&self, jobs: &[Job]) -> Result<Self::Prepared>;

    /// Queues a batch and the copying of its rows to the host.
    fn start(&self, prepared: Self::Prepared) -> Result<Self::Pending>;

    /// Waits until all that is queued is done.
    fn wait(&self) -> Result<()>;

    /// Puts rows that have come in their places.
    fn take(&mut self, jobs: &[Job], pending: Self::Pending) -> Result<()>;
}

/// How many subwords fit into a batch, and where that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) tokens: usize,
    /// Halvings of an earlier run over the same sentences, to make the same batches again.
    earlier: Vec<Halving>,
    pub(super) halvings: Vec<Halving>,
}

impl Budget {
    pub(super) fn new(tokens: usize, earlier: Vec<Halving>) -> Self {
        Budget { tokens, earlier, halvings: Vec::new() }
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

/// Runs all jobs, the shortest sentences first, and returns the number of tokens computed. While the device computes a batch, the
/// host takes the rows of the one before. Batches depend on the jobs and the budget alone.
pub(super) fn run(compute: &mut impl Compute, jobs: &mut [Job], budget: &mut Budget) -> Result<usize> {
    jobs.sort_by_key(|job| (job.ids.len(), job.first_row));
    let count = |jobs: &[Job]| jobs.iter().map(|job| job.ids.len()).sum::<usize>();
    let mut rest = &*jobs;
    let mut batch = 0;
    let mut pending = None;
    while !rest.is_empty() {
        budget.replay(batch);
        let mut total = 0;
        let fits = rest.iter().take_while(|job| {
            total += job.ids.len();
            total <= budget.tokens
        });
        let (now, later) = rest.split_at(fits.count().max(1));
        let prepared = compute.prepare(now)?;
        compute.wait()?;
        match compute.start(prepared) {
            Ok(started) => {
                (rest, batch) = (later, batch + 1);
                if let Some((jobs, rows)) = pending.replace((now, started)) {
                    compute.take(jobs, rows)?;
                }
            }
            Err(error) if out_of_memory(&error) && now.len() > 1 => {
                // Half of what was tried: the last batch of a shard may be less than the budget.
                budget.set(batch, count(now).div_ceil(2));
                tracing::warn!(batch_tokens = budget.tokens, "out of memory: batches are halved ({error})");
                if let Some((jobs, rows)) = pending.take() {
                    compute.take(jobs, rows)?;
                }
            }
            Err(error) if out_of_memory(&error) => {
                let tokens = count(now);
                return Err(Error::Data(format!(
                    "the device has too little memory for a sentence of {tokens} subwords alone ({error}); free some, lower \
                     `max_subwords`, compute in a narrower type, or take a larger device"
                )));
            }
            Err(error) => return Err(error),
        }
    }
    compute.wait()?;
    pending.into_iter().try_for_each(|(jobs, rows)| compute.take(jobs, rows))?;
    Ok(count(jobs))
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
        taken: Vec<usize>,
        waited: Cell<bool>,
    }

    impl Compute for Device {
        type Prepared = Vec<usize>;
        type Pending = Vec<usize>;

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

        fn take(&mut self, jobs: &[Job], lengths: Vec<usize>) -> Result<()> {
            assert_eq!(jobs.iter().map(|job| job.ids.len()).collect::<Vec<_>>(), lengths);
            self.taken.extend(jobs.iter().map(|job| job.first_row));
            Ok(())
        }
    }

    fn device(memory: usize) -> Device {
        Device { memory: memory.into(), batches: Vec::new().into(), taken: Vec::new(), waited: false.into() }
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

    const SORTED: [usize; 10] = [4, 6, 0, 2, 3, 7, 8, 9, 5, 1];

    #[test]
    fn batches_are_as_large_as_the_budget_allows() {
        let (mut device, mut budget) = (device(100), Budget::new(10, Vec::new()));
        assert_eq!(run(&mut device, &mut jobs(), &mut budget).unwrap(), 48);
        let expected = [vec![1, 2, 3, 4], vec![4, 5], vec![5], vec![7], vec![8], vec![9]];
        assert_eq!(device.batches.into_inner(), expected);
        assert_eq!((device.taken.as_slice(), budget.halvings.len()), (&SORTED[..], 0));
    }

    #[test]
    fn out_of_memory_halves_the_batch_and_goes_on() {
        let (mut first, mut budget) = (device(12), Budget::new(20, Vec::new()));
        run(&mut first, &mut jobs(), &mut budget).unwrap();
        // 1 + 2 + 3 + 4 + 4 + 5 = 19 are too many, half of them are 10.
        let expected = [vec![1, 2, 3, 4], vec![4, 5], vec![5], vec![7], vec![8], vec![9]];
        assert_eq!(*first.batches.borrow(), expected);
        assert_eq!(first.taken, SORTED);
        assert_eq!(budget.halvings, [Halving { batch: 0, batch_tokens: 10 }]);
        assert_eq!(budget.tokens, 10);

        // A later run that has memory enough makes the same batches from the record.
        let (mut again, mut replayed) = (device(100), Budget::new(20, budget.halvings.clone()));
        run(&mut again, &mut jobs(), &mut replayed).unwrap();
        assert_eq!(again.batches, first.batches);
        assert_eq!((replayed.tokens, &replayed.halvings), (budget.tokens, &budget.halvings));
    }

    #[test]
    fn halving_goes_on_until_one_sentence_is_too_long() {
        let (mut device, mut budget) = (device(8), Budget::new(48, Vec::new()));
        let error = run(&mut device, &mut jobs(), &mut budget).unwrap_err();
        assert!(error.to_string().contains("out of memory"), "{error}");
        let tokens: Vec<_> = budget.halvings.iter().map(|halving| (halving.batch, halving.batch_tokens)).collect();
        // 48, 24 and, of 12, 1 + 2 + 3 + 4 are too many.
        assert_eq!(tokens, [(0, 24), (0, 12), (0, 5)]);
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
