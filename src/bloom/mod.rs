//! BLOOM, with its activations read out at named sites.
//!
//! The forward pass follows Hugging Face transformers to 1e-5 in float32: an embedding with a LayerNorm of its own, blocks of
//! attention with ALiBi biases and an MLP with the tanh form of GELU, a final LayerNorm and a head tied to the embedding
//! (BigScience Workshop 2022, arXiv 2211.05100; ALiBi: Press, Smith and Lewis 2022, arXiv 2108.12409).
//!
//! Sentences are packed without padding into a `Batch` of `[tokens]`: every linear layer sees one matrix
//! `[tokens, hidden]`, and only attention looks at sentences one length at a time. No work is spent on padding, and a
//! sentence's activations depend on its neighbours by rounding alone.
//!
//! The pass builds a graph unless the caller turns that off (`tch::no_grad`), so that the same code serves probing and
//! fine-tuning.

mod alibi;
mod config;

#[cfg(feature = "torch")]
mod batch;
#[cfg(feature = "torch")]
pub mod device;
#[cfg(feature = "torch")]
mod likelihood;
#[cfg(feature = "torch")]
mod model;
#[cfg(feature = "torch")]
pub mod parameters;
#[cfg(feature = "torch")]
mod pass;
#[cfg(all(test, feature = "torch"))]
mod tests;

pub use alibi::alibi_slopes;
pub use config::Config;

#[cfg(feature = "torch")]
pub use batch::Batch;
#[cfg(feature = "torch")]
pub use model::{Bloom, Extent};
#[cfg(feature = "torch")]
pub use pass::{Pass, Update};
