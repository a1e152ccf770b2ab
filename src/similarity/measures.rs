use crate::stats::{mean, Undefined};
use ndarray::{Array2, ArrayView2, Axis};

/// The mean cosine of parallel rows, `mean_i cos(a_i, b_i)`, of two arrays `[n_sentences, n_neurons]` (the sentence
/// similarity of Wang, Minervini and Ponti 2024, arXiv 2406.13229).
///
/// # Errors
/// [`Undefined`] for no sentences, arrays of different shapes, values that are not finite and a row of zeros.
pub fn cosine(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<f64, Undefined> {
    let (a, b) = checked(a, b, 1)?;
    mean_of_products(&normalised(a)?, &normalised(b)?)
}

/// The mean cosine of rows that are no translations, over all `i != j`: `(|sum a|.|sum b| - sum_i cos(a_i, b_i)) /
/// (n (n - 1))`, the sums over normalised rows. The baseline that [`cosine`] is read against.
///
/// # Errors
/// As [`cosine`], and for a single sentence.
pub fn cosine_mismatched(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<f64, Undefined> {
    let (a, b) = checked(a, b, 2)?;
    let (a, b) = (normalised(a)?, normalised(b)?);
    let n = a.nrows() as f64;
    let all = a.sum_axis(Axis(0)).dot(&b.sum_axis(Axis(0)));
    Ok((all - n * mean_of_products(&a, &b)?) / (n * (n - 1.0)))
}

/// As [`cosine`], after each language's mean over sentences is taken off its rows: free of what all its sentences share.
///
/// # Errors
/// As [`cosine`], and for a single sentence.
pub fn cosine_centred(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<f64, Undefined> {
    let (a, b) = checked(a, b, 2)?;
    mean_of_products(&normalised(centred(a))?, &normalised(centred(b))?)
}

/// The share of sentences of `a` whose nearest row of `b` by cosine is their translation; of equally near rows the first
/// counts, so that states which are all alike score `1 / n`.
///
/// # Errors
/// As [`cosine`].
pub fn retrieval(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<f64, Undefined> {
    let (a, b) = checked(a, b, 1)?;
    let cosines = normalised(a)?.dot(&normalised(b)?.t());
    let nearest = cosines.outer_iter().map(|row| {
        let best = row.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(j, _)| j)
    });
    let hits = nearest.enumerate().map(|(i, j)| if j == Some(i) { 1.0 } else { 0.0 });
    mean(hits).ok_or(Undefined::TooFewPoints { n: 0, needed: 1 })
}

/// Linear centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414), in feature space:
/// `|Y'X|^2 / (|X'X| |Y'Y|)`, Frobenius norms of columns centred over sentences. From 0 to 1; free of rotation and of a
/// common scale.
///
/// The arrays may differ in width. With fewer sentences than neurons the same value comes from the sentences' Gram
/// matrices, `<XX', YY'> / (|XX'| |YY'|)`, which are then smaller.
///
/// # Errors
/// [`Undefined`] for fewer than 2 sentences, numbers of sentences that differ, values that are not finite, and states
/// that are equal for all sentences.
pub fn linear_cka(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<f64, Undefined> {
    let (a, b) = aligned(a, b, 2)?;
    let (a, b) = (centred(a), centred(b));
    let dot = |x: &Array2<f64>, y: &Array2<f64>| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (cross, norm_a, norm_b) = if a.nrows() < a.ncols().min(b.ncols()) {
        let (gram_a, gram_b) = (a.dot(&a.t()), b.dot(&b.t()));
        (dot(&gram_a, &gram_b), dot(&gram_a, &gram_a).sqrt(), dot(&gram_b, &gram_b).sqrt())
    } else {
        let [cross, own_a, own_b] = [(&a, &b), (&a, &a), (&b, &b)].map(|(x, y)| x.t().dot(y));
        (dot(&cross, &cross), dot(&own_a, &own_a).sqrt(), dot(&own_b, &own_b).sqrt())
    };
    if norm_a == 0.0 || norm_b == 0.0 {
        return Err(Undefined::Constant);
    }
    Ok((cross / norm_a / norm_b).clamp(0.0, 1.0))
}

/// Both arrays in double precision, with as many rows, `needed` at least, and finite.
pub(super) fn aligned(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    needed: usize,
) -> Result<(Array2<f64>, Array2<f64>), Undefined> {
    if a.nrows() != b.nrows() {
        return Err(Undefined::LengthsDiffer { x: a.nrows(), y: b.nrows() });
    }
    if a.nrows() < needed {
        return Err(Undefined::TooFewPoints { n: a.nrows(), needed });
    }
    if !a.iter().chain(&b).all(|value| value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    Ok((a.mapv(f64::from), b.mapv(f64::from)))
}

/// As [`aligned`], with as many columns too.
fn checked(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    needed: usize,
) -> Result<(Array2<f64>, Array2<f64>), Undefined> {
    if a.ncols() != b.ncols() {
        return Err(Undefined::LengthsDiffer { x: a.ncols(), y: b.ncols() });
    }
    aligned(a, b, needed)
}

/// Columns less their mean; a column that does not vary becomes exactly 0.
pub(super) fn centred(mut rows: Array2<f64>) -> Array2<f64> {
    for mut column in rows.columns_mut() {
        // Taking the first value off leaves no rounding where all are equal.
        if let Some(&first) = column.first() {
            column -= first;
        }
        if let Some(centre) = column.mean() {
            column -= centre;
        }
    }
    rows
}

/// Rows scaled to length 1.
fn normalised(mut rows: Array2<f64>) -> Result<Array2<f64>, Undefined> {
    for mut row in rows.rows_mut() {
        let length = row.dot(&row).sqrt();
        if length == 0.0 {
            return Err(Undefined::ZeroVector);
        }
        row /= length;
    }
    Ok(rows)
}

fn mean_of_products(a: &Array2<f64>, b: &Array2<f64>) -> Result<f64, Undefined> {
    let products = a.outer_iter().zip(b.outer_iter()).map(|(a, b)| a.dot(&b));
    mean(products).ok_or(Undefined::TooFewPoints { n: 0, needed: 1 })
}
