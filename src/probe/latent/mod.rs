//! Latent-variable probes: one linear classifier for every subset of neurons, trained on random subsets.

mod adam;
mod independent;
mod masked;
mod params;
mod sampler;
mod subsets;
#[cfg(test)]
mod tests;
mod train;

pub(crate) use params::conditional;
pub use params::{LatentParams, LatentValidParams, Masks};

use super::linear::by_classifier;
use super::{bits, LinearProbe, Probe};
use crate::{Error, Result};
use ndarray::{Array1, ArrayView1, ArrayView2};
use sampler::Sampler;
use serde::{Deserialize, Serialize};

/// The Poisson probe, the latent-variable probe of Stańczak et al. 2023 (arXiv 2201.08214) with independent neurons;
/// start at [`Poisson::params`].
pub struct Poisson;

impl Poisson {
    /// The parameters at their defaults.
    pub fn params() -> LatentParams {
        LatentParams::new(Masks::Independent)
    }
}

/// The conditional Poisson probe, that of Stańczak et al. 2023 (arXiv 2201.08214) with subsets of a given size; start at
/// [`ConditionalPoisson::params`].
///
/// Subsets are drawn exactly and the score function is that of the distribution they are drawn from, each size with its own
/// normaliser.
pub struct ConditionalPoisson;

impl ConditionalPoisson {
    /// The parameters at their defaults: sizes uniform; [`LatentParams::masks`] fixes one.
    pub fn params() -> LatentParams {
        LatentParams::new(Masks::OfUniformSize)
    }
}

/// A fitted latent-variable probe: a [`LinearProbe`] trained under random masks, and how likely its masks keep each neuron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct LatentProbe {
    classifier: LinearProbe,
    masks: Masks,
    #[serde(with = "bits::doubles")]
    relevances: Array1<f64>,
    training: Training,
}

/// What is read from a file, not checked yet.
#[derive(Deserialize)]
struct Parts {
    classifier: LinearProbe,
    masks: Masks,
    #[serde(with = "bits::doubles")]
    relevances: Array1<f64>,
    training: Training,
}

impl TryFrom<Parts> for LatentProbe {
    type Error = Error;

    fn try_from(Parts { classifier, masks, relevances, training }: Parts) -> Result<Self> {
        let neurons = classifier.n_neurons();
        if relevances.len() != neurons || !relevances.iter().all(|w| w.is_finite()) {
            return Err(Error::Data(format!("expected a finite relevance for each of the probe's {neurons} neurons")));
        }
        match masks {
            Masks::OfSize(size) if size == 0 || size > neurons => {
                Err(Error::parameter("masks", format!("of 1 to {neurons} neurons"), size))
            }
            _ => Ok(LatentProbe { classifier, masks, relevances, training }),
        }
    }
}

/// How the training of a probe went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Training {
    /// Epochs run.
    pub epochs: usize,
    /// The epoch, counted from 1, whose weights are kept: the best on the words held out.
    pub best_epoch: usize,
    /// Whether it stopped for want of improvement; else it ran to the largest number of epochs and may not have
    /// converged.
    pub stopped_early: bool,
}

impl LatentProbe {
    /// Weights `[classes, neurons]`, for standardised activations where the probe standardises.
    pub fn weights(&self) -> ArrayView2<'_, f32> {
        self.classifier.weights()
    }

    /// Biases, `[classes]`.
    pub fn bias(&self) -> ArrayView1<'_, f32> {
        self.classifier.bias()
    }

    /// How the masks it was trained under are distributed.
    pub fn masks(&self) -> Masks {
        self.masks
    }

    /// The variational parameters `w`, `[neurons]`, the neurons' relevances. A mask is `exp(w_d)` times as likely with neuron
    /// `d` as without it, or, where its size is given, `exp(w_d - w_e)` times as likely with `d` in place of `e`.
    pub fn relevances(&self) -> ArrayView1<'_, f64> {
        self.relevances.view()
    }

    /// `q(m_d = 1)`, `[neurons]`: how likely a mask keeps each neuron.
    pub fn inclusion(&self) -> Array1<f64> {
        Array1::from(Sampler::new(self.masks, &self.relevances.to_vec()).marginals())
    }

    /// How training went.
    pub fn training(&self) -> Training {
        self.training
    }

    /// The classifier by itself.
    pub fn classifier(&self) -> &LinearProbe {
        &self.classifier
    }
}

by_classifier!(LatentProbe);
