use super::{fit, GaussianProbe};
use crate::probe::estimator::{linfa_fit, Estimator};
use crate::{Error, Result};
use linfa::ParamGuard;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// How the covariance of a class is estimated, from the scatter matrix `S` of its `n` words around their mean, `D` being
/// the number of all neurons of the probe.
///
/// The published prior divides variances as well as covariances by more than `n`: with as many neurons as a class has words
/// its standard deviations are 0.58 of those of the words, and posteriors are far too sure. Selections of few
/// neurons out of many suffer as much, since `D` counts all of them. The default keeps the family and places the prior's
/// mode at the class's variances, so that only covariances shrink; it is as strong as the published one at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GaussianPrior {
    /// `S / n`, without a prior. A class needs more words than neurons for its covariance to be invertible; where it has
    /// fewer, what others leave of a neuron's variance is mostly the floor (see [`GaussianProbe`]).
    MaximumLikelihood,
    /// The largest posterior density under a normal-inverse-Wishart prior around the class mean with `D + 2` degrees of
    /// freedom and scale `Lambda = diag(S) / n`, as published (Torroba Hennigen, Williams and Cotterell 2020,
    /// arXiv 2010.02812): `(Lambda + S) / ((D + 2) + n + D + 2)`.
    NormalInverseWishart,
    /// A normal-inverse-Wishart prior whose mode is `diag(S) / n` and that weighs as much as `m` words:
    /// `(m diag(S) / n + S) / (m + n)`. Variances are those of the words, covariances are multiplied by `n / (n + m)`.
    ///
    /// `m` is at least the published `2D + 4`. It is more where the words' correlations are mostly those that chance
    /// gives, and without bound where they are all: `m / (n + m)` is then the expected share of noise in the squared
    /// correlations (Schäfer and Strimmer 2005, "A shrinkage approach to large-scale covariance matrix estimation").
    #[default]
    DiagonalMode,
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
/// | [prior](Self::prior) | `DiagonalMode` | how covariances are estimated | [`GaussianPrior`] |
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
