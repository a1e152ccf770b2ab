//! **isogloss** probes multilingual language models neuron by neuron: as a model trains, does it come to use the same
//! neurons for the same grammatical feature in different languages, and does that sharing go with zero-shot
//! cross-lingual transfer?
//!
//! An isogloss is the line on a map where languages begin to share a feature; this crate draws it among neurons. It does
//! the whole study of Wang, Minervini and Ponti 2024 ([arXiv 2406.13229](https://arxiv.org/abs/2406.13229)): activations of
//! BLOOM's training checkpoints, words of Universal Dependencies treebanks, a latent-variable probe for each language and
//! attribute, a ranking of neurons, the overlap of rankings between languages against chance and a noise ceiling, transfer,
//! and the correlation of the two.
//!
//! # Examples
//!
//! The overlap of two rankings, and what it is worth:
//!
//! ```
//! use isogloss::overlap::shared;
//! use isogloss::ranking::{CurvePoint, Ranking};
//! use isogloss::stats::hypergeometric_sf;
//!
//! let ranking = |neurons: [usize; 3]| {
//!     let point = |(i, neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
//!     Ranking::new(1024, neurons.into_iter().enumerate().map(point).collect())
//! };
//! let (spanish, french) = (ranking([7, 391, 12])?, ranking([391, 500, 7])?);
//! let common = shared(&spanish, &french, 3)?;
//! assert_eq!(common, 2);
//! // Two or more of three in common, by chance:
//! assert!(hypergeometric_sf(common, 1024, 3, 3) < 2e-5);
//! # Ok::<(), isogloss::Error>(())
//! ```
//!
//! A whole study, from a file that describes it to tables and plots (feature `torch`):
//!
//! ```no_run
//! # #[cfg(feature = "torch")] {
//! use isogloss::study::Study;
//!
//! let study = Study::read("study.toml")?;
//! let results = study.run("out", &())?;
//! println!("{}", results.text());
//! results.write("out")?;
//! # }
//! # Ok::<(), isogloss::Error>(())
//! ```
//!
//! # Modules
//!
//! In the order in which data goes through them: [`treebank`] and [`checkpoint`] read input; [`bloom`] and [`activations`]
//! turn it into rows of neurons; [`probe`] and [`ranking`] find the neurons that matter; [`overlap`] compares languages;
//! [`transfer`], [`similarity`] and [`correlation`] say what that is good for; [`report`] writes it down, [`analysis`] does so for all of it; [`published`] reads
//! another study's selections; [`study`] does the whole.
//! [`stats`] is usable alone.
//!
//! # Features
//!
//! | feature | default | gives | needs |
//! | --- | --- | --- | --- |
//! | `torch` | yes | BLOOM, extraction, `Study::run` | libtorch 2.11 |
//! | `linalg` | yes | SVCCA in [`similarity`] | OpenBLAS |
//! | `plots` | yes | plots in [`report`] | |
//! | `hub` | no | checkpoints from the Hugging Face Hub in [`checkpoint`] | |
//! | `doc-only` | no | documentation without libtorch | |
#![forbid(unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]

pub mod error;
pub mod files;
pub mod seed;
pub mod site;

pub mod stats;

pub mod treebank;

pub mod checkpoint;

pub mod bloom;

pub mod activations;

pub mod audit;

pub mod probe;

pub mod ranking;

pub mod overlap;

pub mod transfer;

pub mod similarity;

pub mod correlation;

pub mod report;

pub mod analysis;

pub mod published;

pub mod study;

pub use error::{Error, Result};
pub use site::Site;

/// The README's code, compiled with the crate's tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
