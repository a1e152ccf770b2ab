//! Zero-shot cross-lingual transfer: how well a task learnt in one language does in another.

mod scores;

pub use scores::{MeanScores, TransferScore, TransferScores};
