//! How alike a model represents translations: sentence states of two languages, compared.
//!
//! All measures take two arrays `[n_sentences, n_neurons]`, row `i` of one a translation of row `i` of the other.
//! Representations of a language model are anisotropic: any two of its states have a large cosine. So the mean cosine of
//! translations is read against that of mismatched sentences, or after centring each language on its own mean; retrieval,
//! linear CKA (Kornblith et al. 2019, arXiv 1905.00414) and SVCCA (Raghu et al. 2017, arXiv 1706.05806) are free of a
//! common shift from the start or by definition.
//!
//! # Examples
//! ```
//! use isogloss::similarity::{cosine, cosine_mismatched, linear_cka, retrieval};
//! use ndarray::array;
//! let spanish = array![[1.0f32, 0.0, 0.1], [0.0, 1.0, 0.1], [0.5, 0.5, 1.0]];
//! let portuguese = array![[0.9f32, 0.1, 0.1], [0.1, 0.8, 0.1], [0.4, 0.6, 0.9]];
//! let (a, b) = (spanish.view(), portuguese.view());
//! assert!(cosine(a, b)? > cosine_mismatched(a, b)?);
//! assert_eq!(retrieval(a, b)?, 1.0);
//! assert!((linear_cka(a, a)? - 1.0).abs() < 1e-12);
//! # Ok::<(), isogloss::stats::Undefined>(())
//! ```

mod measures;
mod sentences;
#[cfg(feature = "linalg")]
mod svcca;

pub use measures::{cosine, cosine_centred, cosine_mismatched, linear_cka, retrieval};
pub use sentences::{read_parallel, read_parallel_treebanks, read_sentences, Aligned};
#[cfg(feature = "linalg")]
pub use svcca::svcca;

use crate::checkpoint::Step;
use crate::stats::Undefined;
use crate::Site;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// A row of the table of similarities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// One language.
    pub language_a: String,
    /// The other language.
    pub language_b: String,
    /// The measure, of [`MEASURES`].
    pub measure: String,
    /// The number of parallel sentences.
    pub sentences: usize,
    /// Its value; `None` where it does not exist.
    pub value: Option<f64>,
}

/// The names of the measures, in the order of [`similarities`].
///
/// | name | function |
/// | --- | --- |
/// | `cosine` | [`cosine`] |
/// | `cosine-mismatched` | [`cosine_mismatched`], the baseline of `cosine` |
/// | `cosine-centred` | [`cosine_centred`] |
/// | `retrieval-a-to-b` | [`retrieval`] |
/// | `retrieval-b-to-a` | [`retrieval`] with the languages swapped |
/// | `linear-cka` | [`linear_cka`] |
/// | `svcca` | `svcca`, with feature `linalg` |
pub const MEASURES: [&str; 7] =
    ["cosine", "cosine-mismatched", "cosine-centred", "retrieval-a-to-b", "retrieval-b-to-a", "linear-cka", "svcca"];

/// Every measure of [`MEASURES`] for two arrays `[n_sentences, n_neurons]` of parallel sentences; `None` where it does not
/// exist (one sentence, a state of zeros, constant states), with the reason as a warning. Without feature `linalg`,
/// `svcca` is `None`.
pub fn similarities(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Vec<(&'static str, Option<f64>)> {
    #[cfg(not(feature = "linalg"))]
    let svcca = |_, _| Err(Undefined::FeatureOff("linalg"));
    let values: [Result<f64, Undefined>; 7] = [
        cosine(a, b),
        cosine_mismatched(a, b),
        cosine_centred(a, b),
        retrieval(a, b),
        retrieval(b, a),
        linear_cka(a, b),
        svcca(a, b),
    ];
    let warn = |name: &str, reason: &Undefined| match reason {
        Undefined::FeatureOff(_) => tracing::debug!("no {name}: {reason}"),
        _ => tracing::warn!("no {name}: {reason}"),
    };
    let named = MEASURES.into_iter().zip(values);
    named.map(|(name, value)| (name, value.inspect_err(|reason| warn(name, reason)).ok())).collect()
}

#[cfg(test)]
mod tests;
