//! Checkpoints and series of them: where weights lie and how they are named.

mod step;

pub use step::Step;
