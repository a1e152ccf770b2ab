//! The whole study: a series of checkpoints, treebanks, attributes and sites in, tables and plots out.
//!
//! [`Study`] says what to do (from code or from a TOML file), `Study::run` (feature `torch`) does it and gives [`Results`], and
//! [`Results::write`] writes them. For each checkpoint, and in it for each language, one forward pass extracts all sites; the
//! cells (attribute, site, seed) of that language are then probed and ranked in parallel and its activations dropped. The
//! source language comes first, because its probes are what zero-shot transfer scores on the others.
//!
//! With activations from elsewhere, [`rank_language`] takes the place of extraction: it needs no libtorch.

mod cells;
mod results;
#[cfg(feature = "torch")]
mod run;
mod settings;
#[cfg(feature = "torch")]
mod watch;

pub use cells::{rank_language, CellSettings, LanguageCells, SourceProbe, SourceProbes};
pub use results::{Notes, Results};
pub use settings::{Dtype, Reading, Study};

/// Is told how far a study has come.
pub trait Progress: Sync {
    /// The study has so many cells, some of which may turn out not to exist.
    fn start(&self, cells: usize);
    /// So many more cells are done; the study is at `place`.
    fn advance(&self, cells: usize, place: &str);
}

/// Tells nobody.
impl Progress for () {
    fn start(&self, _: usize) {}
    fn advance(&self, _: usize, _: &str) {}
}
