//! Fine-tuning on one language and zero-shot evaluation on others, at every checkpoint of a series.
//!
//! A [`Task`] turns files into sentences with targets; [`Tuned`] is a checkpoint with a head and, by default, low-rank updates of
//! its linear layers (Hu et al. 2022, arXiv 2106.09685) beside frozen weights; [`train`] trains it, and [`Experiment`] does all of
//! it for a series and several seeds, resumably, into a table of [`TransferScores`](super::TransferScores). The defaults are the
//! recipe of Wang, Minervini and Ponti 2024 (arXiv 2406.13229).
//!
//! # Examples
//!
//! ```no_run
//! use isogloss::checkpoint::{Series, SeriesSettings};
//! use isogloss::transfer::finetune::{summarise, Experiment, Tagging, Task};
//!
//! let source = |text: &str| text.parse::<isogloss::treebank::Source>();
//! let (train, dev) = (source("en=en_ewt-ud-train.conllu")?, source("en=en_ewt-ud-dev.conllu")?);
//! let test = vec![source("en=en_ewt-ud-test.conllu")?, source("es=es_gsd-ud-test.conllu")?];
//! let mut experiment = Experiment::new(Task::Tagging(Tagging::default()), train, dev, test);
//! experiment.seeds = vec![0, 1, 2];
//! let series = Series::find("bloom-560m", &SeriesSettings::default())?;
//! let outcome = experiment.run(&series, "scores.csv".as_ref(), &())?;
//! for row in summarise(&outcome.scores) {
//!     println!("{} {} {}: {:.3}", row.step, row.task, row.language, row.mean);
//! }
//! # Ok::<(), isogloss::Error>(())
//! ```
//!
//! # How it computes
//!
//! An update is of `batch * accumulation` sentences. They are sorted by length and packed end to end without padding, as many to
//! a pass as `pass_tokens` allows: gradients add up, so how sentences share passes changes rounding alone, while weights keep
//! each micro-batch's mean what it is. Only tokens that carry a target go through the final LayerNorm and the head. With
//! `checkpointing` a pass keeps the blocks' inputs alone and computes each block again when the gradient comes to it.
//!
//! Everything random has a stream of its own: the head, every layer's update, each epoch's order, and for each epoch, sentence and
//! layer the dropout mask. Nothing depends on the step, so checkpoints differ in their weights alone.

mod adamw;
mod adapter;
mod experiment;
mod head;
mod lora;
mod metrics;
mod runs;
mod settings;
mod summary;
mod tasks;
mod train;
mod tuned;

pub use experiment::{runs_file, Experiment, Outcome};
pub use metrics::Predictions;
pub use runs::Run;
pub use settings::{FinetuneSettings, Method, Target};
pub use summary::{summarise, write_summary, SeedSummary};
pub use tasks::{predictions, Encoded, Example, Gold, LabelOn, Left, Tagging, Task, WordSplit, UPOS, XNLI_LABELS};
pub use train::{train, Training};
pub use tuned::Tuned;

/// Hears how far the work is.
pub trait Watcher {
    /// So many updates are to come.
    fn start(&self, _updates: usize) {}

    /// So many updates more are done.
    fn advance(&self, _updates: usize) {}

    /// What is being done now.
    fn at(&self, _place: &str) {}
}

impl Watcher for () {}
