//! Checkpoints and series of them: where weights lie and how they are named.
//!
//! A [`Series`] is a folder of folders `global_stepN` (or `stepN`, or `final`), each a [`Checkpoint`] in Hugging Face
//! layout: `config.json` and weights, with `tokenizer.json` in each or once at the top. Or it is a repository of the Hugging
//! Face Hub with a revision a step, such as `bigscience/bloom-560m-intermediate` (feature `hub`, module `hub`).
//! [`Series::find`] takes either. Whoever computes goes through [`Series::in_turn`]: one checkpoint at a time is on hand, and
//! the next is fetched meanwhile. [`Weights`] maps the weights, safetensors or `pytorch_model.bin`, into memory without reading
//! them, so that a model takes only the tensors it needs.

#[cfg(feature = "hub")]
pub mod hub;

mod in_turn;
mod place;
mod repository;
mod revisions;
mod series;
mod settings;
mod step;
mod summary;
mod weights;

pub use in_turn::{InTurn, Ready};
pub(crate) use place::{absolute, from_folder};
pub use repository::Repository;
pub use revisions::RevisionPattern;
pub use series::{Checkpoint, Series};
pub use settings::SeriesSettings;
pub use step::Step;
pub use summary::WeightSummary;
pub use weights::{Weight, Weights};
