//! The Gaussian probe: a normal distribution of each class's activations.

mod cholesky;
mod fit;
mod params;
mod scorer;
#[cfg(test)]
mod tests;

pub use params::{GaussianParams, GaussianPrior, GaussianValidParams};

use super::linear::{log_softmax, Standardisation};
use super::{bits, check_records, IncrementalScorer, Probe, Subset};
use crate::{Error, Result};
use cholesky::Factor;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use scorer::GaussianScorer;
use serde::{Deserialize, Serialize};

/// The Gaussian probe of Torroba Hennigen, Williams and Cotterell 2020 (arXiv 2010.02812); start at [`Gaussian::params`].
pub struct Gaussian;

impl Gaussian {
    /// The parameters at their defaults.
    pub fn params() -> GaussianParams {
        GaussianParams::default()
    }
}

/// What is left of a neuron's variance in a class, once others are known, is at least this share of its variance over all
/// words: less would be rounding, or a neuron that never changes within a class.
const LEAST_VARIANCE: f64 = 1e-6;

/// A fitted Gaussian probe: the classes' shares, means and covariances, in units of each neuron's standard deviation over all
/// training words.
///
/// The activations of a subset `S` of neurons in class `c` are normal with the means and the covariances of `S`, so that every
/// subset has its probabilities in closed form:
///
/// ```text
/// p(c | x_S) = p(c) N(x_S; mu_cS, Sigma_cSS) / sum over classes c' of p(c') N(x_S; mu_c'S, Sigma_c'SS)
/// ```
///
/// A neuron that never changed in training says nothing of any class. The variance that a neuron has left within a class,
/// given those before it, counts as at least a millionth of its variance over all words: neurons that determine each other, or
/// that never change within one class, do no harm. A class of one word has no variances, only that floor, and probabilities
/// of little meaning.
///
/// It holds `classes x neurons x (neurons + 1) / 2` numbers of 4 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct GaussianProbe {
    standardisation: Standardisation,
    #[serde(with = "bits::vector")]
    shares: Array1<f32>,
    #[serde(with = "bits::matrix")]
    means: Array2<f32>,
    #[serde(with = "bits::matrix")]
    covariances: Array2<f32>,
}

/// What is read from a file, not checked yet.
#[derive(Deserialize)]
struct Parts {
    standardisation: Standardisation,
    #[serde(with = "bits::vector")]
    shares: Array1<f32>,
    #[serde(with = "bits::matrix")]
    means: Array2<f32>,
    #[serde(with = "bits::matrix")]
    covariances: Array2<f32>,
}

impl TryFrom<Parts> for GaussianProbe {
    type Error = Error;

    fn try_from(parts: Parts) -> Result<Self> {
        GaussianProbe::new(parts.standardisation, parts.shares, parts.means, parts.covariances)
    }
}

/// Where the covariance of two neurons stands in a class's row, in either order.
fn place(a: usize, b: usize) -> usize {
    let (row, column) = (a.max(b), a.min(b));
    row * (row + 1) / 2 + column
}

impl GaussianProbe {
    fn new(
        standardisation: Standardisation,
        shares: Array1<f32>,
        means: Array2<f32>,
        covariances: Array2<f32>,
    ) -> Result<Self> {
        let (classes, neurons) = means.dim();
        let known = [standardisation.mean().len(), standardisation.scale().len()];
        let fits = shares.len() == classes && covariances.dim() == (classes, neurons * (neurons + 1) / 2);
        if classes < 2 || known != [neurons; 2] || !fits {
            return Err(Error::Data(format!(
                "a Gaussian probe of {classes} classes and {neurons} neurons: expected two classes or more, and for each a \
                 share, means and covariances of the same neurons"
            )));
        }
        let finite = means.iter().chain(&covariances).all(|x| x.is_finite())
            && standardisation.mean().iter().chain(standardisation.scale()).all(|x| x.is_finite());
        if !finite || !shares.iter().all(|&share| share > 0.0 && share <= 1.0) {
            return Err(Error::Data(
                "a Gaussian probe's means and covariances should be finite, its classes' shares in (0, 1]".into(),
            ));
        }
        Ok(GaussianProbe { standardisation, shares, means, covariances })
    }

    /// Means of the classes, `[classes, neurons]`, in standardised units.
    pub fn means(&self) -> ArrayView2<'_, f32> {
        self.means.view()
    }

    /// Shares of the classes among the training words, `[classes]`.
    pub fn shares(&self) -> ArrayView1<'_, f32> {
        self.shares.view()
    }

    /// The covariance of two neurons in a class, in standardised units; `None` for a class or neuron that does not exist.
    pub fn covariance(&self, class: usize, a: usize, b: usize) -> Option<f32> {
        let exists = class < self.n_classes() && a.max(b) < self.n_neurons();
        exists.then(|| self.covariances[[class, place(a, b)]])
    }

    /// What was subtracted from and divided by for each neuron.
    pub fn standardisation(&self) -> &Standardisation {
        &self.standardisation
    }

    /// Whether the neuron changed in training.
    fn informs(&self, neuron: usize) -> bool {
        self.standardisation.scale()[neuron] > 0.0
    }

    fn log_share(&self, class: usize) -> f64 {
        f64::from(self.shares[class]).ln()
    }
}

/// Words a block: bounds what is held beside the probe.
const BLOCK: usize = 512;

impl Probe for GaussianProbe {
    fn n_neurons(&self) -> usize {
        self.means.ncols()
    }

    fn n_classes(&self) -> usize {
        self.means.nrows()
    }

    fn log_likelihoods(&self, records: ArrayView2<f32>, subset: Subset) -> Result<Array2<f64>> {
        check_records(records, self.n_neurons())?;
        let mut columns = subset.columns(self.n_neurons())?;
        columns.retain(|&neuron| self.informs(neuron));
        // In one order, whatever the subset's: the floor of variances depends on it.
        columns.sort_unstable();
        let mut out = Array2::zeros((records.nrows(), self.n_classes()));
        for class in 0..self.n_classes() {
            let covariance = Array2::from_shape_fn((columns.len(), columns.len()), |(i, j)| {
                f64::from(self.covariances[[class, place(columns[i], columns[j])]])
            });
            let factor = Factor::new(covariance, LEAST_VARIANCE);
            let constant = self.log_share(class) - factor.half_log_determinant();
            for (block, mut out) in
                records.axis_chunks_iter(Axis(0), BLOCK).zip(out.axis_chunks_iter_mut(Axis(0), BLOCK))
            {
                let centred = Array2::from_shape_fn((columns.len(), block.nrows()), |(i, word)| {
                    let neuron = columns[i];
                    f64::from(self.standardisation.apply(neuron, block[[word, neuron]]))
                        - f64::from(self.means[[class, neuron]])
                });
                for (value, square) in out.column_mut(class).iter_mut().zip(factor.squares(centred)) {
                    *value = constant - 0.5 * square;
                }
            }
        }
        for mut row in out.outer_iter_mut() {
            log_softmax(row.iter_mut());
        }
        Ok(out)
    }

    fn scorer<'a>(&'a self, records: ArrayView2<f32>, labels: &[usize]) -> Result<Box<dyn IncrementalScorer + 'a>> {
        Ok(Box::new(GaussianScorer::new(self, records, labels)?))
    }
}
