use super::{
    anisotropy, cosine, cosine_adjusted, cosine_centred, cosine_mismatched, linear_cka, neuron_correlation, retrieval,
    Retrieval, States,
};
use crate::activations::SentencePooling;
use crate::checkpoint::Step;
use crate::stats::Undefined;
use crate::Site;
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A row of `similarity.csv`: one measure of two languages at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// How a sentence's tokens became one state.
    pub pooling: SentencePooling,
    /// One language, the first by name.
    pub language_a: String,
    /// The other language.
    pub language_b: String,
    /// The measure, of [`MEASURES`].
    pub measure: String,
    /// The number of parallel sentences.
    pub sentences: usize,
    /// The neurons that entered: the site's, but for `anc` those that vary in both languages.
    pub neurons: usize,
    /// Its value; `None` where it does not exist.
    pub value: Option<f64>,
    /// Why there is no value.
    pub reason: Option<String>,
}

/// The names of the measures, in the order of [`similarities`].
///
/// | name | function |
/// | --- | --- |
/// | `cosine` | [`cosine`] |
/// | `cosine-mismatched` | [`cosine_mismatched`], the baseline of `cosine` |
/// | `cosine-centred` | [`cosine_centred`] |
/// | `anisotropy` | [`anisotropy`], what `cosine-adjusted` takes off |
/// | `cosine-adjusted` | [`cosine_adjusted`] |
/// | `cosine-all-but-top` | `cosine_all_but_top`, with feature `linalg` |
/// | `retrieval-a-to-b`, `retrieval-b-to-a` | [`retrieval`] by cosine |
/// | `retrieval-csls-a-to-b`, `retrieval-csls-b-to-a` | [`retrieval`] by CSLS |
/// | `linear-cka` | [`linear_cka`] |
/// | `svcca` | `svcca`, with feature `linalg` |
/// | `anc` | [`neuron_correlation`] |
pub const MEASURES: [&str; 13] = [
    "cosine",
    "cosine-mismatched",
    "cosine-centred",
    "anisotropy",
    "cosine-adjusted",
    "cosine-all-but-top",
    "retrieval-a-to-b",
    "retrieval-b-to-a",
    "retrieval-csls-a-to-b",
    "retrieval-csls-b-to-a",
    "linear-cka",
    "svcca",
    ANC,
];

const ANC: &str = "anc";

/// A measure of two languages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The measure, of [`MEASURES`].
    pub measure: &'static str,
    /// The neurons that entered.
    pub neurons: usize,
    /// Its value, or why there is none.
    pub value: Result<f64, Undefined>,
}

/// Every measure of [`MEASURES`], in that order. Without feature `linalg` some are [`Undefined::FeatureOff`].
pub fn similarities(a: &States<'_>, b: &States<'_>) -> [Measured; 13] {
    #[cfg(feature = "linalg")]
    let (all_but_top, svcca) = (super::cosine_all_but_top(a, b), super::svcca(a, b));
    #[cfg(not(feature = "linalg"))]
    let (all_but_top, svcca) = (Err(Undefined::FeatureOff("linalg")), Err(Undefined::FeatureOff("linalg")));
    let retrieval = retrieval(a, b);
    let retrieved = |part: fn(Retrieval) -> f64| retrieval.map(part);
    let correlation = neuron_correlation(a, b);
    let named = [
        ("cosine", cosine(a, b)),
        ("cosine-mismatched", cosine_mismatched(a, b)),
        ("cosine-centred", cosine_centred(a, b)),
        ("anisotropy", anisotropy(a, b)),
        ("cosine-adjusted", cosine_adjusted(a, b)),
        ("cosine-all-but-top", all_but_top),
        ("retrieval-a-to-b", retrieved(|r| r.a_to_b)),
        ("retrieval-b-to-a", retrieved(|r| r.b_to_a)),
        ("retrieval-csls-a-to-b", retrieved(|r| r.csls_a_to_b)),
        ("retrieval-csls-b-to-a", retrieved(|r| r.csls_b_to_a)),
        ("linear-cka", linear_cka(a, b)),
        ("svcca", svcca),
        (ANC, correlation.map(|found| found.mean)),
    ];
    let varying = correlation.map_or(0, |found| found.neurons);
    named.map(|(measure, value)| {
        let neurons = if measure == ANC { varying } else { a.neurons() };
        Measured { measure, neurons, value }
    })
}

/// Where states come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// How a sentence's tokens became one state.
    pub pooling: SentencePooling,
}

/// Which languages are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs<'a> {
    /// This language with every other.
    With(&'a str),
    /// Every language with every other.
    All,
}

/// Compares languages at one place: a row a pair and measure, by language and then in the order of [`MEASURES`].
///
/// `states` are the languages with their states `[n_sentences, n_neurons]`. Languages, and then pairs, are computed in
/// parallel; the rows do not depend on the number of threads.
pub fn compare(place: &Place, states: &[(&str, ArrayView2<'_, f32>)], pairs: Pairs<'_>) -> Vec<Similarity> {
    let mut prepared: Vec<(&str, ArrayView2<'_, f32>, Result<States<'_>, Undefined>)> = states
        .par_iter()
        .map(|(language, rows)| {
            let states = States::new(*rows);
            if let Ok(states) = &states {
                states.prepare();
            }
            (*language, *rows, states)
        })
        .collect();
    prepared.sort_by_key(|(language, ..)| *language);
    let wanted = |a: &str, b: &str| match pairs {
        Pairs::All => true,
        Pairs::With(source) => a == source || b == source,
    };
    let mut compared = Vec::new();
    for (i, a) in prepared.iter().enumerate() {
        compared.extend(prepared.iter().skip(i + 1).filter(|b| wanted(a.0, b.0)).map(|b| (a, b)));
    }
    let rows = compared.par_iter().flat_map_iter(|((language_a, rows, a), (language_b, _, b))| {
        let measured = match (a, b) {
            (Ok(a), Ok(b)) => similarities(a, b),
            (Err(reason), _) | (_, Err(reason)) => {
                MEASURES.map(|measure| Measured { measure, neurons: rows.ncols(), value: Err(*reason) })
            }
        };
        let sentences = rows.nrows();
        measured.into_iter().map(move |Measured { measure, neurons, value }| Similarity {
            model: place.model.clone(),
            step: place.step,
            site: place.site,
            pooling: place.pooling,
            language_a: language_a.to_string(),
            language_b: language_b.to_string(),
            measure: measure.to_owned(),
            sentences,
            neurons,
            value: value.ok(),
            reason: value.err().map(|reason| reason.to_string()),
        })
    });
    rows.collect()
}
