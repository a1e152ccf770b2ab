//! Multinomial logistic regression with an elastic net.

mod kernels;
mod params;
mod path;
pub(crate) mod solver;
#[cfg(test)]
mod tests;

pub(crate) use kernels::{backward, Inputs};
pub use params::{ElasticNetParams, ElasticNetValidParams};
pub(crate) use path::warn;
pub use path::PathPoint;

use super::linear::by_classifier;
use super::{bits, Convergence, LinearProbe};
use ndarray::{ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// Multinomial logistic regression with an L1 and an L2 penalty (Zou and Hastie 2005), by our own solver; the probe of
/// Dalvi et al. 2019 (arXiv 1812.09355). Start at [`ElasticNet::params`].
pub struct ElasticNet;

impl ElasticNet {
    /// The parameters at their defaults.
    pub fn params() -> ElasticNetParams {
        ElasticNetParams::default()
    }
}

/// A fitted logistic regression with elastic net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElasticNetProbe {
    classifier: LinearProbe,
    #[serde(with = "bits::double")]
    l1: f64,
    #[serde(with = "bits::double")]
    l2: f64,
    #[serde(with = "bits::double")]
    objective: f64,
    convergence: Convergence,
}

impl ElasticNetProbe {
    /// The classifier: weights, biases, standardisation.
    pub fn classifier(&self) -> &LinearProbe {
        &self.classifier
    }

    /// The L1 penalty it was fitted with, the chosen one where it was chosen.
    pub fn l1(&self) -> f64 {
        self.l1
    }

    /// The L2 penalty it was fitted with.
    pub fn l2(&self) -> f64 {
        self.l2
    }

    /// The objective at the solution.
    pub fn objective(&self) -> f64 {
        self.objective
    }

    /// How the solver ended.
    pub fn convergence(&self) -> Convergence {
        self.convergence
    }

    /// The number of neurons with a weight that is not zero.
    pub fn nonzero_neurons(&self) -> usize {
        nonzero_neurons(&self.classifier)
    }
}

fn nonzero_neurons(classifier: &LinearProbe) -> usize {
    classifier.weights().axis_iter(Axis(1)).filter(|column| column.iter().any(|&w| w != 0.0)).count()
}

by_classifier!(ElasticNetProbe);

/// Norm and largest absolute entry of the gradient of `sum_n -log softmax(b + W x_n)_{c_n} + l2/2 |W|_2^2` for inputs
/// `[words, neurons]`, weights `[neurons, classes]`.
pub(super) fn gradient_residual(
    x: ArrayView2<f64>,
    labels: &[usize],
    weights: ArrayView2<f64>,
    bias: ArrayView1<f64>,
    l2: f64,
) -> (f64, f64) {
    let mut residuals = x.dot(&weights) + bias;
    for (mut row, &label) in residuals.outer_iter_mut().zip(labels) {
        super::linear::log_softmax(row.iter_mut());
        row.mapv_inplace(f64::exp);
        row[label] -= 1.0;
    }
    let gradient = x.t().dot(&residuals) + &weights * l2;
    let of_bias = residuals.sum_axis(Axis(0));
    gradient
        .iter()
        .chain(&of_bias)
        .fold((0.0, 0.0), |(squares, most): (f64, f64), g| (squares.hypot(*g), most.max(g.abs())))
}
