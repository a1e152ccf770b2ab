//! One-way analysis of variance (Fisher 1925).

use super::columns::Classes;

pub(super) fn score(values: &[f32], classes: &Classes) -> f64 {
    let reference = values.first().map_or(0.0, |&x| f64::from(x));
    let mut within = 0.0;
    let mut means = Vec::with_capacity(classes.sizes().len());
    for part in classes.parts(values) {
        // Differences to the class's first word: a class that never changes adds exactly 0.
        let first = part.first().map_or(0.0, |&x| f64::from(x));
        let shift = part.iter().map(|&x| f64::from(x) - first).sum::<f64>() / part.len() as f64;
        within += part.iter().map(|&x| (f64::from(x) - first - shift).powi(2)).sum::<f64>();
        means.push(first - reference + shift);
    }
    let words = values.len() as f64;
    let mean = means.iter().zip(classes.sizes()).map(|(mean, &size)| mean * size as f64).sum::<f64>() / words;
    let between: f64 = means.iter().zip(classes.sizes()).map(|(m, &size)| size as f64 * (m - mean).powi(2)).sum();
    let degrees = (words - means.len() as f64, means.len() as f64 - 1.0);
    // Within is 0 only where a neuron changes between classes alone: infinite, and never 0 / 0.
    if within > 0.0 {
        (between / degrees.1) / (within / degrees.0)
    } else {
        f64::INFINITY
    }
}
