//! Differences of class means (Antverg and Belinkov 2022, arXiv 2110.07483).

use super::columns::Classes;

pub(super) fn score(values: &[f32], classes: &Classes, standardise: bool) -> f64 {
    // Differences to the first word: no sum grows with a constant added.
    let first = values.first().map_or(0.0, |&x| f64::from(x));
    let centred = |x: &f32| f64::from(*x) - first;
    let mut means: Vec<f64> =
        classes.parts(values).map(|part| part.iter().map(centred).sum::<f64>() / part.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    // In order, the mean of rank i is the larger one in i pairs and the smaller one in the others.
    let others = means.len().saturating_sub(1) as f64;
    let sum: f64 = means.iter().enumerate().map(|(i, mean)| (2.0 * i as f64 - others) * mean).sum();
    let scale = if standardise {
        let words = values.len() as f64;
        let mean = values.iter().map(centred).sum::<f64>() / words;
        (values.iter().map(|x| (centred(x) - mean).powi(2)).sum::<f64>() / words).sqrt()
    } else {
        1.0
    };
    // max: equal means may differ by rounding.
    (sum / scale).max(0.0)
}
