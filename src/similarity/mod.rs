//! How alike a model represents translations: sentence states of two languages, compared.
//!
//! All measures take the [`States`] of two languages, `[n_sentences, n_neurons]`, row `i` of one a translation of row `i` of
//! the other. Representations of a language model are anisotropic: any two of its states have a large cosine. So the mean
//! cosine of translations is read against that of mismatched sentences, or corrected: after centring each language on its own
//! mean ([`cosine_centred`]), less what any two of its sentences have in common ([`cosine_adjusted`]), or without the
//! directions of largest variance (`cosine_all_but_top`). `docs/similarity.md` says how to read them.
//!
//! # Examples
//! ```
//! use isogloss::similarity::{cosine, cosine_mismatched, linear_cka, retrieval, States};
//! use ndarray::array;
//! let spanish = array![[1.0f32, 0.0, 0.1], [0.0, 1.0, 0.1], [0.5, 0.5, 1.0]];
//! let portuguese = array![[0.9f32, 0.1, 0.1], [0.1, 0.8, 0.1], [0.4, 0.6, 0.9]];
//! let (a, b) = (States::new(spanish.view())?, States::new(portuguese.view())?);
//! assert!(cosine(&a, &b)? > cosine_mismatched(&a, &b)?);
//! assert_eq!(retrieval(&a, &b)?.a_to_b, 1.0);
//! assert!((linear_cka(&a, &a)? - 1.0).abs() < 1e-12);
//! # Ok::<(), isogloss::stats::Undefined>(())
//! ```

mod by_step;
mod measures;
mod sentences;
mod states;
#[cfg(feature = "linalg")]
mod svcca;
mod table;

pub(crate) use by_step::by_step_and_pair;
pub use by_step::{by_step, StepSimilarity};
pub use measures::{
    anisotropy, cosine, cosine_adjusted, cosine_centred, cosine_mismatched, linear_cka, neuron_correlation, retrieval,
    NeuronCorrelation, Retrieval, NEIGHBOURS,
};
pub use sentences::{read_parallel, read_parallel_treebanks, read_sentences, Aligned};
pub use states::States;
#[cfg(feature = "linalg")]
pub use svcca::{cosine_all_but_top, svcca};
pub use table::{compare, similarities, Measured, Pairs, Place, Similarity, MEASURES};

#[cfg(test)]
mod degenerate_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
