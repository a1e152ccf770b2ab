use super::{ElasticNetProbe, GaussianProbe, IncrementalScorer, LatentProbe, LogisticProbe, Probe, Subset};
use crate::Result;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// A fitted probe of any family, as [`crate::ranking::Ranked`] holds it and a file keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fitted {
    /// A latent-variable probe: Poisson or conditional Poisson.
    Latent(LatentProbe),
    /// A logistic regression.
    Logistic(LogisticProbe),
    /// A logistic regression with elastic net.
    ElasticNet(ElasticNetProbe),
    /// A Gaussian probe.
    Gaussian(GaussianProbe),
}

impl Fitted {
    fn probe(&self) -> &dyn Probe {
        match self {
            Fitted::Latent(probe) => probe,
            Fitted::Logistic(probe) => probe,
            Fitted::ElasticNet(probe) => probe,
            Fitted::Gaussian(probe) => probe,
        }
    }
}

impl Probe for Fitted {
    fn n_neurons(&self) -> usize {
        self.probe().n_neurons()
    }

    fn n_classes(&self) -> usize {
        self.probe().n_classes()
    }

    fn log_likelihoods(&self, records: ArrayView2<f32>, subset: Subset) -> Result<Array2<f64>> {
        self.probe().log_likelihoods(records, subset)
    }

    fn scorer<'a>(&'a self, records: ArrayView2<f32>, labels: &[usize]) -> Result<Box<dyn IncrementalScorer + 'a>> {
        self.probe().scorer(records, labels)
    }
}
