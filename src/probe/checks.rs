//! What every probe asks of its words.

use crate::{Error, Result};
use ndarray::ArrayView2;

/// Class indices beyond are a mistake (an id taken for a class) and would take all memory.
const MAX_CLASSES: usize = 1 << 16;

/// The number of classes of `labels`, checked.
pub(crate) fn count_classes(records: ArrayView2<f32>, labels: &[usize], n_classes: Option<usize>) -> Result<usize> {
    let n_classes = n_classes.unwrap_or_else(|| labels.iter().max().map_or(0, |max| max.saturating_add(1)));
    check_labels(records.nrows(), labels, n_classes)?;
    if n_classes > MAX_CLASSES {
        return Err(Error::Data(format!("{n_classes} classes are more than a probe takes ({MAX_CLASSES})")));
    }
    check_records(records, records.ncols())?;
    if labels.is_empty() {
        return Err(Error::Data("a probe needs words to train on, but there are none".into()));
    }
    if labels.iter().all(|label| *label == labels[0]) {
        return Err(Error::Data(format!(
            "a probe needs words of two classes or more, but all {} are of class {}",
            labels.len(),
            labels[0]
        )));
    }
    Ok(n_classes)
}

/// Checks that every class has training words: without them a bias has no finite optimum and a density no mean.
pub(crate) fn need_all_classes(labels: &[usize], classes: usize) -> Result<()> {
    let mut seen = vec![false; classes];
    for &label in labels {
        if let Some(seen) = seen.get_mut(label) {
            *seen = true;
        }
    }
    match seen.iter().position(|seen| !seen) {
        None => Ok(()),
        Some(class) => Err(Error::Data(format!(
            "class {class} of {classes} has no words to train on (classes count from 0): leave it out, or split the words anew"
        ))),
    }
}

/// Checks that there is a class index below `n_classes` for each word.
pub(crate) fn check_labels(words: usize, labels: &[usize], n_classes: usize) -> Result<()> {
    if words != labels.len() {
        return Err(Error::Data(format!(
            "{words} words but {} labels: each row of the activations needs the class of its word",
            labels.len()
        )));
    }
    match labels.iter().position(|&label| label >= n_classes) {
        None => Ok(()),
        Some(word) => Err(Error::Data(format!(
            "word {word} has class {}, but the probe knows {n_classes}, counted from 0: leave such words out",
            labels[word]
        ))),
    }
}

/// Checks that records have `n_neurons` columns of finite values.
pub(crate) fn check_records(records: ArrayView2<f32>, n_neurons: usize) -> Result<()> {
    if records.ncols() != n_neurons {
        return Err(Error::Data(format!("expected activations of {n_neurons} neurons, not of {}", records.ncols())));
    }
    for (word, row) in records.outer_iter().enumerate() {
        // A sum is finite only if all its terms are; f64 cannot overflow on f32.
        if !row.iter().map(|&x| f64::from(x)).sum::<f64>().is_finite() {
            if let Some((neuron, x)) = row.iter().enumerate().find(|(_, x)| !x.is_finite()) {
                return Err(Error::Data(format!(
                    "word {word}, neuron {neuron}: the activation is {x}; drop such words"
                )));
            }
        }
    }
    Ok(())
}
