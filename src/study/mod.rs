//! The whole study: a series of checkpoints, treebanks, attributes and sites in, tables and plots out.
//!
//! [`Study`] says what to do (from code or from a TOML file). `Plan` (feature `torch`) finds what of it is done, does the rest and
//! gives [`Results`], and [`Results::write`] writes them; `Study::run` is all of that but the writing. The work is a graph of
//! cells. For each checkpoint, and in it for each language, one forward pass extracts all sites; the
//! cells (attribute, site, seed, and the same with shuffled labels) of that language are then probed and ranked in parallel and its activations dropped. The
//! source language comes first, because its probes are what zero-shot transfer scores on the others.
//!
//! Each result is kept as it comes, in a [`Pack`] of its language and checkpoint, under an [`Identity`] made from everything it depends on.
//! What is there under its identity is not done again: a run that is killed goes on where it was, and a changed
//! setting redoes just what depends on it. Several processes may run one study, or each a [`Shard`] of it.
//!
//! With activations from elsewhere, [`rank_language`] takes the place of extraction: it needs no libtorch.

mod cells;
#[cfg(feature = "torch")]
mod collect;
#[cfg(feature = "torch")]
mod extracting;
#[cfg(feature = "torch")]
mod failures;
mod identity;
#[cfg(feature = "torch")]
mod jobs;
#[cfg(feature = "torch")]
mod keys;
#[cfg(feature = "torch")]
mod languages;
// Of this and what is marked so below, only running uses all.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
mod log;
#[cfg(feature = "torch")]
mod lookover;
mod memory;
mod overrides;
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
mod pack;
mod partition;
#[cfg(feature = "torch")]
mod pipeline;
#[cfg(feature = "torch")]
mod plan;
#[cfg(feature = "torch")]
mod probing;
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
mod provenance;
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
mod records;
mod results;
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
mod rows;
#[cfg(feature = "torch")]
mod run;
mod settings;
#[cfg(feature = "torch")]
mod source;
#[cfg(feature = "torch")]
mod threads;
#[cfg(feature = "torch")]
mod turns;
#[cfg(feature = "torch")]
mod watch;

pub use cells::{rank_language, CellSettings, LanguageCells, SourceProbes};
#[cfg(feature = "torch")]
pub use failures::{FailedCell, Failure};
pub use identity::Identity;
pub use log::LogLine;
pub use memory::{Budget, Bytes, Needs};
pub use pack::{Appender, Pack};
pub use partition::Shard;
#[cfg(feature = "torch")]
pub use plan::{Outlook, Plan};
pub use provenance::{CheckpointHashes, Provenance};
pub use records::SourceProbe;
pub use results::{MissingRow, Notes, Results};
pub use settings::{Dtype, Reading, Study};

/// The libtorch that the crate is built against.
const LIBTORCH: &str = "2.11 (through tch 0.24)";

/// Is told how far a study has come.
pub trait Progress: Sync {
    /// The study has so many cells, some of which may turn out not to exist.
    fn start(&self, cells: usize);
    /// So many of them were done before.
    fn resume(&self, cells: usize) {
        self.advance(cells, "done before");
    }
    /// So many more cells are done; the study is at `place`.
    fn advance(&self, cells: usize, place: &str);
}

/// Tells nobody.
impl Progress for () {
    fn start(&self, _: usize) {}
    fn advance(&self, _: usize, _: &str) {}
}
