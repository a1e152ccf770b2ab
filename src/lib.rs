//! **isogloss** probes multilingual language models neuron by neuron: as a model trains, does it come to use the
//! same neurons for the same grammatical feature in different languages, and does that sharing go with zero-shot
//! cross-lingual transfer?
#![forbid(unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]

pub mod activations;
pub mod bloom;
pub mod checkpoint;
pub mod correlation;
pub mod error;
pub mod files;
pub mod overlap;
pub mod probe;
pub mod ranking;
pub mod report;
pub mod seed;
pub mod similarity;
pub mod site;
pub mod stats;
pub mod study;
pub mod transfer;
pub mod treebank;

pub use error::{Error, Result};
pub use site::Site;
