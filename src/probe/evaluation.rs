use super::check_labels;
use crate::Result;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// How well a probe tells the classes of some words.
///
/// What does not exist is `None`: all of it without words, the normalised mutual information where all words are of one
/// class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of words.
    pub words: usize,
    /// Mean negative log-likelihood of the true class, in nats.
    pub cross_entropy: Option<f64>,
    /// Normalised mutual information `1 - cross_entropy / H`, `H` the entropy of these words' classes: 1 is perfect, 0 as
    /// good as knowing the class distribution, below 0 worse.
    pub nmi: Option<f64>,
    /// Share of words whose most likely class (the first of equals) is the true one.
    pub accuracy: Option<f64>,
    /// Mean F1 over the classes that are true or predicted somewhere.
    pub macro_f1: Option<f64>,
}

impl Evaluation {
    /// Of log-likelihoods `[words, classes]` against class indices.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if the numbers of words differ or a label is not a class.
    pub fn new(log_likelihoods: ArrayView2<f64>, labels: &[usize]) -> Result<Self> {
        let (words, n_classes) = log_likelihoods.dim();
        check_labels(words, labels, n_classes)?;
        if words == 0 {
            return Ok(Evaluation { words, cross_entropy: None, nmi: None, accuracy: None, macro_f1: None });
        }
        let mut loss = 0.0;
        // True, predicted and both, by class.
        let mut counts = vec![[0usize; 3]; n_classes];
        for (row, &label) in log_likelihoods.outer_iter().zip(labels) {
            loss -= row[label];
            let predicted = first_maximum(row.iter().copied());
            counts[label][0] += 1;
            counts[predicted][1] += 1;
            counts[label][2] += usize::from(predicted == label);
        }
        let cross_entropy = loss / words as f64;
        let entropy = entropy(labels, n_classes);
        let right: usize = counts.iter().map(|c| c[2]).sum();
        let seen: Vec<f64> = counts
            .iter()
            .filter(|c| c[0] + c[1] > 0)
            .map(|&[truth, predicted, both]| 2.0 * both as f64 / (truth + predicted) as f64)
            .collect();
        Ok(Evaluation {
            words,
            cross_entropy: Some(cross_entropy),
            nmi: normalised(cross_entropy, entropy),
            accuracy: Some(right as f64 / words as f64),
            macro_f1: Some(seen.iter().sum::<f64>() / seen.len() as f64),
        })
    }
}

/// `1 - cross_entropy / entropy`, where it exists.
pub(crate) fn normalised(cross_entropy: f64, entropy: f64) -> Option<f64> {
    let nmi = 1.0 - cross_entropy / entropy;
    (entropy > 0.0 && nmi.is_finite()).then_some(nmi)
}

/// The entropy of the classes' empirical distribution, in nats.
pub(crate) fn entropy(labels: &[usize], n_classes: usize) -> f64 {
    let mut counts = vec![0usize; n_classes];
    for &label in labels {
        counts[label] += 1;
    }
    let shares = counts.iter().filter(|&&count| count > 0).map(|&count| count as f64 / labels.len() as f64);
    // max: one class gives -0.
    shares.map(|p| -p * p.ln()).sum::<f64>().max(0.0)
}

/// The place of the first largest value.
pub(crate) fn first_maximum(values: impl IntoIterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (i, value) in values.into_iter().enumerate() {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    // import numpy as np; from sklearn.metrics import *
    // p = np.array([[.7,.2,.1],[.1,.8,.1],[.3,.3,.4],[.5,.25,.25],[.6,.3,.1]]); y = [0, 1, 1, 2, 0]
    // ce = log_loss(y, p); h = -(2*.4*np.log(.4) + .2*np.log(.2))
    // ce, 1 - ce / h, accuracy_score(y, p.argmax(1)), f1_score(y, p.argmax(1), average="macro", zero_division=0)
    #[test]
    fn figures_agree_with_scikit_learn() {
        let p = array![[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25], [0.6, 0.3, 0.1]];
        let e = Evaluation::new(p.mapv(f64::ln).view(), &[0, 1, 1, 2, 0]).unwrap();
        assert_eq!(e.words, 5);
        assert_relative_eq!(e.cross_entropy.unwrap(), 0.7361822568929519, max_relative = 1e-8);
        assert_relative_eq!(e.nmi.unwrap(), 0.30214410603379305, max_relative = 1e-8);
        assert_relative_eq!(e.accuracy.unwrap(), 0.6, max_relative = 1e-12);
        assert_relative_eq!(e.macro_f1.unwrap(), 0.4888888888888889, max_relative = 1e-8);
    }

    #[test]
    fn what_does_not_exist_is_none() {
        let p = ndarray::Array2::from_elem((3, 2), 0.5f64.ln());
        let one_class = Evaluation::new(p.view(), &[1, 1, 1]).unwrap();
        assert_eq!((one_class.nmi, one_class.accuracy), (None, Some(0.0)));
        let empty = Evaluation::new(ndarray::Array2::zeros((0, 2)).view(), &[]).unwrap();
        assert_eq!((empty.words, empty.nmi, empty.accuracy, empty.macro_f1), (0, None, None, None));
        assert!(Evaluation::new(p.view(), &[0, 1]).is_err());
        let error = Evaluation::new(p.view(), &[0, 1, 2]).unwrap_err().to_string();
        assert!(error.contains("word 2 has class 2") && error.contains("knows 2"), "{error}");
    }
}
