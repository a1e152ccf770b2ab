use super::scorer::LinearScorer;
use super::{bits, check_records, IncrementalScorer, Probe, Subset};
use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// Per neuron, the mean and standard deviation (dividing by the number of words) that a probe subtracts and divides by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardisation {
    #[serde(with = "bits::doubles")]
    mean: Array1<f64>,
    #[serde(with = "bits::doubles")]
    scale: Array1<f64>,
}

impl Standardisation {
    /// Of finite activations `[words, neurons]`, at least one word.
    pub(crate) fn fit(records: ArrayView2<f32>) -> Self {
        let (words, neurons) = records.dim();
        // Sums of differences to the first word: exact zeros for a constant neuron, and a constant added changes little.
        let first: Array1<f64> = records.outer_iter().next().map_or(Array1::zeros(neurons), |r| r.mapv(f64::from));
        let (mut sum, mut squares) = (Array1::<f64>::zeros(neurons), Array1::<f64>::zeros(neurons));
        for row in records.outer_iter() {
            ndarray::Zip::from(&mut sum).and(row).and(&first).for_each(|s, &x, &f| *s += f64::from(x) - f);
        }
        let shift = sum / words as f64;
        for row in records.outer_iter() {
            ndarray::Zip::from(&mut squares).and(row).and(&first).and(&shift).for_each(|s, &x, &f, &m| {
                let d = f64::from(x) - f - m;
                *s += d * d;
            });
        }
        Standardisation { mean: first + shift, scale: squares.mapv(|s| (s / words as f64).sqrt()) }
    }

    /// Means, `[neurons]`.
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    /// Standard deviations, `[neurons]`; 0 for a neuron that never changed, which then counts as 0 everywhere.
    pub fn scale(&self) -> ArrayView1<'_, f64> {
        self.scale.view()
    }

    pub(crate) fn apply(&self, neuron: usize, x: f32) -> f32 {
        let scale = self.scale[neuron];
        if scale > 0.0 {
            ((f64::from(x) - self.mean[neuron]) / scale) as f32
        } else {
            0.0
        }
    }
}

/// A linear softmax classifier: `log p(c | x) = log softmax(b + W z)`, `z` the (standardised) activations, zero for every
/// neuron that is not selected. With standardisation such a neuron stands at its training mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct LinearProbe {
    #[serde(with = "bits::matrix")]
    weights: Array2<f32>,
    #[serde(with = "bits::vector")]
    bias: Array1<f32>,
    standardisation: Option<Standardisation>,
}

/// What is read from a file, not checked yet.
#[derive(Deserialize)]
struct Parts {
    #[serde(with = "bits::matrix")]
    weights: Array2<f32>,
    #[serde(with = "bits::vector")]
    bias: Array1<f32>,
    standardisation: Option<Standardisation>,
}

impl TryFrom<Parts> for LinearProbe {
    type Error = Error;

    fn try_from(parts: Parts) -> Result<Self> {
        LinearProbe::new(parts.weights, parts.bias, parts.standardisation)
    }
}

impl LinearProbe {
    /// A probe from weights `[classes, neurons]`, a bias `[classes]` and, where it standardises, means and scales.
    ///
    /// # Errors
    /// [`Error::Data`] if the shapes do not fit together, a value is not finite, or there are fewer than two classes.
    pub fn new(weights: Array2<f32>, bias: Array1<f32>, standardisation: Option<Standardisation>) -> Result<Self> {
        let (classes, neurons) = weights.dim();
        let fits = standardisation.as_ref().is_none_or(|s| s.mean.len() == neurons && s.scale.len() == neurons);
        if classes < 2 || bias.len() != classes || !fits {
            return Err(Error::Data(format!(
                "a probe of weights [{classes}, {neurons}] and {} biases: expected two classes or more, a bias for each, \
                 and a mean and scale for each neuron",
                bias.len()
            )));
        }
        let finite = standardisation.iter().all(|s| s.mean.iter().chain(&s.scale).all(|x| x.is_finite()));
        if !finite || !weights.iter().chain(&bias).all(|x| x.is_finite()) {
            return Err(Error::Data("a probe's weights, biases, means and scales should be finite".into()));
        }
        Ok(LinearProbe { weights, bias, standardisation })
    }

    /// Weights `[classes, neurons]`, for standardised activations where the probe standardises.
    pub fn weights(&self) -> ArrayView2<'_, f32> {
        self.weights.view()
    }

    /// Biases, `[classes]`.
    pub fn bias(&self) -> ArrayView1<'_, f32> {
        self.bias.view()
    }

    /// Means and scales of the training words, if the probe standardises.
    pub fn standardisation(&self) -> Option<&Standardisation> {
        self.standardisation.as_ref()
    }

    /// A neuron's activation as the classifier sees it.
    pub(super) fn input(&self, neuron: usize, x: f32) -> f32 {
        self.standardisation.as_ref().map_or(x, |s| s.apply(neuron, x))
    }
}

impl Probe for LinearProbe {
    fn n_neurons(&self) -> usize {
        self.weights.ncols()
    }

    fn n_classes(&self) -> usize {
        self.weights.nrows()
    }

    fn log_likelihoods(&self, records: ArrayView2<f32>, subset: Subset) -> Result<Array2<f64>> {
        check_records(records, self.n_neurons())?;
        let columns = subset.columns(self.n_neurons())?;
        let mut logits = Array2::from_shape_fn((records.nrows(), self.n_classes()), |(_, c)| f64::from(self.bias[c]));
        // By neuron: its weights, [columns, classes], lie together.
        let weights: Vec<f64> =
            columns.iter().flat_map(|&d| self.weights.column(d).into_iter().map(|&w| f64::from(w))).collect();
        for (row, mut logits) in records.outer_iter().zip(logits.outer_iter_mut()) {
            for (&neuron, weights) in columns.iter().zip(weights.chunks_exact(self.n_classes())) {
                let x = f64::from(self.input(neuron, row[neuron]));
                for (logit, weight) in logits.iter_mut().zip(weights) {
                    *logit += x * weight;
                }
            }
            log_softmax(logits.iter_mut());
        }
        Ok(logits)
    }

    fn scorer<'a>(&'a self, records: ArrayView2<f32>, labels: &[usize]) -> Result<Box<dyn IncrementalScorer + 'a>> {
        Ok(Box::new(LinearScorer::new(self, records, labels)?))
    }
}

/// Makes a type with a field `classifier`, a [`LinearProbe`], the probe that this classifier is.
macro_rules! by_classifier {
    ($probe:ty) => {
        impl $crate::probe::Probe for $probe {
            fn n_neurons(&self) -> usize {
                self.classifier.n_neurons()
            }

            fn n_classes(&self) -> usize {
                self.classifier.n_classes()
            }

            fn log_likelihoods(
                &self,
                records: ::ndarray::ArrayView2<f32>,
                subset: $crate::probe::Subset,
            ) -> $crate::Result<::ndarray::Array2<f64>> {
                self.classifier.log_likelihoods(records, subset)
            }

            fn scorer<'a>(
                &'a self,
                records: ::ndarray::ArrayView2<f32>,
                labels: &[usize],
            ) -> $crate::Result<Box<dyn $crate::probe::IncrementalScorer + 'a>> {
                self.classifier.scorer(records, labels)
            }
        }
    };
}
pub(super) use by_classifier;

/// Subtracts the log of the sum of exponentials.
pub(crate) fn log_softmax<'a>(logits: impl Iterator<Item = &'a mut f64>) {
    let mut logits: Vec<&mut f64> = logits.collect();
    let max = logits.iter().fold(f64::NEG_INFINITY, |max, z| max.max(**z));
    let normaliser = max + logits.iter().map(|z| (**z - max).exp()).sum::<f64>().ln();
    logits.iter_mut().for_each(|z| **z -= normaliser);
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    fn probe() -> LinearProbe {
        let records = array![[1.0f32, 5.0, 0.0], [3.0, 5.0, 1.0], [8.0, 5.0, -1.0]];
        let standardisation = Standardisation::fit(records.view());
        LinearProbe::new(array![[1.0, 2.0, -0.5], [0.3, -1.0, 1.0 / 3.0]], array![0.1, -0.2], Some(standardisation))
            .unwrap()
    }

    #[test]
    fn neurons_left_out_stand_at_their_mean_and_constant_ones_count_for_nothing() {
        let probe = probe();
        let scale = probe.standardisation().unwrap().scale().to_vec();
        assert_relative_eq!(scale[0], (26.0f64 / 3.0).sqrt(), max_relative = 1e-15);
        assert_eq!(scale[1], 0.0);
        let records = array![[2.0f32, 7.0, 0.5]];
        let got = probe.log_likelihoods(records.view(), Subset::Of(&[0, 1])).unwrap();
        let x = (2.0 - 4.0) / scale[0];
        let logits = [0.1 + x, -0.2 + 0.3 * x];
        let normaliser = (logits[0].exp() + logits[1].exp()).ln();
        assert_relative_eq!(got[[0, 0]], logits[0] - normaliser, epsilon = 1e-6);
        assert_relative_eq!(got[[0, 1]], logits[1] - normaliser, epsilon = 1e-6);
        let none = probe.log_likelihoods(records.view(), Subset::Of(&[])).unwrap();
        assert_relative_eq!(none[[0, 0]], -(1.0 + (-0.3f64).exp()).ln(), epsilon = 1e-6);
        let all = probe.log_likelihoods(records.view(), Subset::All).unwrap();
        assert_eq!(all, probe.log_likelihoods(records.view(), Subset::Of(&[0, 1, 2])).unwrap());
    }

    #[test]
    fn bad_records_and_subsets_are_named() {
        let probe = probe();
        let mut records = Array2::zeros((3, 3));
        for (neurons, part) in [(&[3][..], "neuron 3 is outside 0..3"), (&[1, 1], "neuron 1 comes twice")] {
            let error = probe.log_likelihoods(records.view(), Subset::Of(neurons)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        records[[2, 1]] = f32::NAN;
        let error = probe.log_likelihoods(records.view(), Subset::Of(&[0])).unwrap_err().to_string();
        assert!(error.contains("word 2, neuron 1") && error.contains("NaN"), "{error}");
        assert!(probe.log_likelihoods(Array2::zeros((3, 4)).view(), Subset::All).is_err());
    }

    #[test]
    fn a_round_trip_through_json_is_exact_and_checked() {
        let probe = probe();
        let text = serde_json::to_string(&probe).unwrap();
        assert_eq!(serde_json::from_str::<LinearProbe>(&text).unwrap(), probe);
        let broken = text.replacen("\"bias\":[", "\"bias\":[1,", 1);
        assert!(serde_json::from_str::<LinearProbe>(&broken).unwrap_err().to_string().contains("3 biases"));
    }
}
