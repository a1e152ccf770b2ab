//! Zero-shot cross-lingual transfer: how well a task learnt in one language does in another.

#[cfg(feature = "torch")]
pub mod finetune;
mod scores;
mod zero_shot;

pub use scores::{MeanScores, TransferScore, TransferScores};
pub use zero_shot::{zero_shot, ZeroShot};
