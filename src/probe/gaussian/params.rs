use super::{fit, GaussianProbe};
use crate::probe::estimator::{linfa_fit, Estimator};
use crate::{Error, Result};
use linfa::ParamGuard;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// How the covariance of a class is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GaussianPrior {
    /// `S / n`, with `S` the scatter matrix of the class's `n` words around their mean.
    MaximumLikelihood,
    /// The largest posterior density under a normal-inverse-Wishart prior around the class mean with `D + 2` degrees of
    /// freedom and scale `Lambda = diag(S) / n`, `D` the number of all neurons:
    /// `(Lambda + S) / ((D + 2) + n + D + 2)`. The fewer words to a neuron, the less neurons covary.
    #[default]
    NormalInverseWishart,
}

/// Checked parameters of the Gaussian probe; see [`GaussianParams`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianValidParams {
    pub(super) prior: GaussianPrior,
    #[serde(skip)]
    pub(super) n_classes: Option<usize>,
}

/// Parameters of the Gaussian probe.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | [prior](Self::prior) | normal-inverse-Wishart | how covariances are estimated | [`GaussianPrior`] |
/// | [n_classes](Self::n_classes) | largest label + 1 | the number of classes, all of which must have words | 2 or more |
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GaussianParams(GaussianValidParams);

impl GaussianParams {
    /// Sets how covariances are estimated.
    pub fn prior(mut self, prior: GaussianPrior) -> Self {
        self.0.prior = prior;
        self
    }

    /// Sets the number of classes.
    pub fn n_classes(mut self, n_classes: usize) -> Self {
        self.0.n_classes = Some(n_classes);
        self
    }
}

impl ParamGuard for GaussianParams {
    type Checked = GaussianValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&GaussianValidParams> {
        match self.0.n_classes {
            Some(n_classes @ 0..=1) => Err(Error::parameter("n_classes", "2 or more", n_classes)),
            _ => Ok(&self.0),
        }
    }

    fn check(self) -> Result<GaussianValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl Estimator for GaussianValidParams {
    type Fitted = GaussianProbe;

    /// As [`Estimator::fit_view`]; an error also if a class has no words.
    fn fit_view(&self, records: ArrayView2<f32>, labels: &[usize]) -> Result<GaussianProbe> {
        fit::fit(self, records, labels)
    }
}

linfa_fit!(GaussianValidParams);
