use super::States;
use crate::stats::{mean, Undefined};
use ndarray::{Array2, ArrayView2};

/// How many neighbours say how crowded a sentence's surroundings are in [`retrieval`], as in Conneau et al. 2018; all, where
/// there are fewer sentences.
pub const NEIGHBOURS: usize = 10;

/// The mean cosine of translations, `mean_i cos(a_i, b_i)` (the sentence similarity of Wang, Minervini and Ponti 2024,
/// arXiv 2406.13229).
///
/// # Errors
/// [`Undefined`] for languages of different numbers of sentences or neurons, and for a state of zeros.
pub fn cosine(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    check(a, b, 1)?;
    mean_of_products(&a.directed()?.rows, &b.directed()?.rows)
}

/// The mean cosine of sentences that are no translations, over all `i != j`: `(|sum a|.|sum b| - sum_i cos(a_i, b_i)) /
/// (n (n - 1))`, the sums over rows of length 1. The baseline that [`cosine`] is read against.
///
/// # Errors
/// As [`cosine`], and for a single sentence.
pub fn cosine_mismatched(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    check(a, b, 2)?;
    let (a, b) = (a.directed()?, b.directed()?);
    off_diagonal(a.sum.dot(&b.sum), mean_of_products(&a.rows, &b.rows)?, a.rows.nrows())
}

/// As [`cosine`], after each language's mean over sentences is taken off its states: free of what all its sentences share.
///
/// # Errors
/// As [`cosine`], for a single sentence, and for a sentence whose state is the mean.
pub fn cosine_centred(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    check(a, b, 2)?;
    let (a, b) = (a.centred()?, b.centred()?);
    if a.lengths.iter().chain(&b.lengths).any(|length| *length == 0.0) {
        return Err(Undefined::ZeroVector);
    }
    let rows = a.rows.outer_iter().zip(b.rows.outer_iter()).zip(a.lengths.iter().zip(&b.lengths));
    mean(rows.map(|((a, b), (length_a, length_b))| a.dot(&b) / length_a / length_b)).ok_or(Undefined::Constant)
}

/// How narrow the cone is in which a language's states lie: the mean cosine of two different sentences of the same language,
/// mean over the two languages (Ethayarajh 2019, arXiv 1909.00512, over all pairs instead of a sample).
///
/// # Errors
/// As [`cosine_mismatched`].
pub fn anisotropy(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    check(a, b, 2)?;
    let of = |states: &States<'_>| {
        let states = states.directed()?;
        off_diagonal(states.sum.dot(&states.sum), mean_of_products(&states.rows, &states.rows)?, states.rows.nrows())
    };
    Ok((of(a)? + of(b)?) / 2.0)
}

/// The anisotropy-adjusted cosine of Ethayarajh 2019 (arXiv 1909.00512): [`cosine`] less [`anisotropy`].
///
/// The paper adjusts for random pairs of the kind that is compared; here they are of one language, so that the value says how much
/// further a translation is than a sentence of the same language: 0 where it is as near, negative where languages lie apart.
/// [`cosine`] less [`cosine_mismatched`] is what translation adds across the two languages.
///
/// # Errors
/// As [`cosine_mismatched`].
pub fn cosine_adjusted(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    Ok(cosine(a, b)? - anisotropy(a, b)?)
}

/// How often a sentence's nearest sentence in the other language is its translation, by cosine and by CSLS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retrieval {
    /// By cosine, from the first language to the second.
    pub a_to_b: f64,
    /// By cosine, from the second to the first.
    pub b_to_a: f64,
    /// By CSLS, from the first to the second.
    pub csls_a_to_b: f64,
    /// By CSLS, from the second to the first.
    pub csls_b_to_a: f64,
}

/// The accuracy of sentence retrieval both ways: the share of sentences whose nearest sentence in the other language is their
/// translation. Of equally near ones the first counts, so that states which are all alike score `1 / n`.
///
/// CSLS, cross-domain similarity local scaling (Conneau et al. 2018, arXiv 1710.04087), takes off what is near to everything:
/// `2 cos(a_i, b_j) - r_i - r_j`, where `r_i` is the mean cosine of `a_i` with its [`NEIGHBOURS`] nearest sentences of the other
/// language, and `r_j` that of `b_j`.
///
/// # Errors
/// As [`cosine`].
pub fn retrieval(a: &States<'_>, b: &States<'_>) -> Result<Retrieval, Undefined> {
    check(a, b, 1)?;
    let forth = a.directed()?.rows.dot(&b.directed()?.rows.t());
    let back = forth.t().as_standard_layout().into_owned();
    let (near_a, near_b) = (neighbourhood(&forth), neighbourhood(&back));
    let none = vec![0.0; forth.nrows()];
    Ok(Retrieval {
        a_to_b: hits(forth.view(), &none)?,
        b_to_a: hits(back.view(), &none)?,
        // What is taken off of the query itself changes no order.
        csls_a_to_b: hits(forth.view(), &near_b)?,
        csls_b_to_a: hits(back.view(), &near_a)?,
    })
}

/// The mean of each row's [`NEIGHBOURS`] greatest cosines.
fn neighbourhood(cosines: &Array2<f64>) -> Vec<f64> {
    let nearest = NEIGHBOURS.min(cosines.ncols());
    let mut row = Vec::with_capacity(cosines.ncols());
    let of_row = |cosines: ndarray::ArrayView1<'_, f64>| {
        row.clear();
        row.extend(cosines);
        if nearest < row.len() {
            row.select_nth_unstable_by(nearest, |x: &f64, y| y.total_cmp(x));
        }
        row.iter().take(nearest).sum::<f64>() / nearest as f64
    };
    cosines.outer_iter().map(of_row).collect()
}

/// The share of rows `i` where `2 cos(i, j) - crowded(j)` is greatest at `j = i`.
fn hits(cosines: ArrayView2<'_, f64>, crowded: &[f64]) -> Result<f64, Undefined> {
    let hit = cosines.outer_iter().enumerate().map(|(i, row)| {
        let scores = row.iter().zip(crowded).map(|(cosine, crowded)| 2.0 * cosine - crowded).enumerate();
        let best = scores.reduce(|best, next| if next.1 > best.1 { next } else { best });
        if best.is_some_and(|(j, _)| j == i) {
            1.0
        } else {
            0.0
        }
    });
    mean(hit).ok_or(Undefined::TooFewPoints { n: 0, needed: 1 })
}

/// Linear centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414): `|Y'X|^2 / (|X'X| |Y'Y|)`, Frobenius norms of
/// columns centred over sentences. From 0 to 1; free of rotation and of a common scale.
///
/// The languages' states may differ in width. With fewer sentences than neurons the same value comes from the products of
/// sentences, `<XX', YY'> / (|XX'| |YY'|)`, which are then smaller.
///
/// # Errors
/// [`Undefined`] for fewer than 2 sentences, numbers of sentences that differ, and states that are equal for all sentences.
pub fn linear_cka(a: &States<'_>, b: &States<'_>) -> Result<f64, Undefined> {
    check_sentences(a, b, 2)?;
    let (products_a, products_b) = (a.products()?, b.products()?);
    let common = if products_a.of_sentences && products_b.of_sentences {
        products_a.matrix.iter().zip(&products_b.matrix).map(|(x, y)| x * y).sum()
    } else {
        squared(&a.centred()?.rows.t().dot(&b.centred()?.rows))
    };
    Ok((common / products_a.norm / products_b.norm).clamp(0.0, 1.0))
}

fn squared(matrix: &Array2<f64>) -> f64 {
    matrix.iter().map(|value| value * value).sum()
}

/// What [`neuron_correlation`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronCorrelation {
    /// The mean of the neurons' correlations.
    pub mean: f64,
    /// The neurons that entered: those that vary in both languages.
    pub neurons: usize,
}

/// Average neuron-wise correlation, ANC (Del and Fishel 2022, arXiv 2212.01924): the mean over neurons of Pearson's
/// correlation, over translations, of a neuron with itself in the other language. From -1 to 1.
///
/// Unlike [`linear_cka`] it wants the same neuron to do the same: a rotation changes it. A neuron that is constant in either
/// language has no correlation and is left out.
///
/// # Errors
/// As [`cosine`], for a single sentence, and where no neuron varies in both languages.
pub fn neuron_correlation(a: &States<'_>, b: &States<'_>) -> Result<NeuronCorrelation, Undefined> {
    check(a, b, 2)?;
    let (a, b) = (a.centred()?, b.centred()?);
    let mut products = ndarray::Array1::<f64>::zeros(a.rows.ncols());
    for (row_a, row_b) in a.rows.outer_iter().zip(b.rows.outer_iter()) {
        ndarray::Zip::from(&mut products).and(&row_a).and(&row_b).for_each(|sum, x, y| *sum += x * y);
    }
    let spreads = a.spreads.iter().zip(&b.spreads);
    let correlations: Vec<f64> = products
        .iter()
        .zip(spreads)
        .filter(|(_, (a, b))| **a > 0.0 && **b > 0.0)
        .map(|(product, (a, b))| (product / a / b).clamp(-1.0, 1.0))
        .collect();
    let neurons = correlations.len();
    Ok(NeuronCorrelation { mean: mean(correlations).ok_or(Undefined::Constant)?, neurons })
}

/// Refuses languages of different numbers of sentences, and fewer than `needed`.
pub(super) fn check_sentences(a: &States<'_>, b: &States<'_>, needed: usize) -> Result<(), Undefined> {
    if a.sentences() != b.sentences() {
        return Err(Undefined::LengthsDiffer { x: a.sentences(), y: b.sentences() });
    }
    if a.sentences() < needed {
        return Err(Undefined::TooFewPoints { n: a.sentences(), needed });
    }
    Ok(())
}

/// As [`check_sentences`], and of different numbers of neurons.
pub(super) fn check(a: &States<'_>, b: &States<'_>, needed: usize) -> Result<(), Undefined> {
    if a.neurons() != b.neurons() {
        return Err(Undefined::LengthsDiffer { x: a.neurons(), y: b.neurons() });
    }
    check_sentences(a, b, needed)
}

/// The mean of `n^2` cosines, which sum to `all`, without those of the diagonal.
fn off_diagonal(all: f64, of_diagonal: f64, n: usize) -> Result<f64, Undefined> {
    if n < 2 {
        return Err(Undefined::TooFewPoints { n, needed: 2 });
    }
    let n = n as f64;
    Ok((all - n * of_diagonal) / (n * (n - 1.0)))
}

pub(super) fn mean_of_products(a: &Array2<f64>, b: &Array2<f64>) -> Result<f64, Undefined> {
    let products = a.outer_iter().zip(b.outer_iter()).map(|(a, b)| a.dot(&b));
    mean(products).ok_or(Undefined::TooFewPoints { n: 0, needed: 1 })
}
