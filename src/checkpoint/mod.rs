//! Checkpoints and series of them: where weights lie and how they are named.
//!
//! A [`Series`] is a folder of folders `global_stepN` (or `stepN`, or `final`), each a [`Checkpoint`] in Hugging Face
//! layout: `config.json` and weights, with `tokenizer.json` in each or once at the top. [`Weights`] maps the weights,
//! safetensors or `pytorch_model.bin`, into memory without reading them, so that a model takes only the tensors it needs.

mod series;
mod step;
mod summary;
mod weights;

pub use series::{Checkpoint, Series};
pub use step::Step;
pub use summary::WeightSummary;
pub use weights::{Weight, Weights};
