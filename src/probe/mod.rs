//! Probes: classifiers that read an attribute of a word off its activations, from any subset of the neurons.
//!
//! A fitted [`Probe`] is *intrinsic* (Torroba Hennigen, Williams and Cotterell 2020, arXiv 2010.02812): fitted once, it
//! scores every subset of neurons without being fitted again, so that [`crate::ranking`] can search for the neurons that
//! carry the attribute. [`Poisson`] and [`ConditionalPoisson`] are the latent-variable probes of Stańczak et al. 2023
//! (arXiv 2201.08214).
//!
//! Estimators follow linfa: `Poisson::params()` is a builder, `fit` takes a [`linfa::Dataset`] and gives the fitted value.
//!
//! # Examples
//! ```
//! use isogloss::probe::{Poisson, Probe, Subset};
//! use linfa::{traits::Fit, Dataset};
//! use ndarray::{Array1, Array2};
//!
//! // 200 words, 8 neurons; neuron 3 tells the two classes apart.
//! let classes = Array1::from_shape_fn(200, |word| word % 2);
//! let words = Array2::from_shape_fn((200, 8), |(word, neuron)| {
//!     let noise = ((word * 7 + neuron * 31) % 17) as f32 / 17.0;
//!     if neuron == 3 { noise + 2.0 * (word % 2) as f32 } else { noise }
//! });
//! let data = Dataset::new(words, classes);
//! let probe = Poisson::params().seed(1).max_epochs(200).fit(&data)?;
//! let labels = data.targets().to_vec();
//! let with_it = probe.evaluate(data.records().view(), &labels, Subset::Of(&[3]))?;
//! let without = probe.evaluate(data.records().view(), &labels, Subset::Of(&[0, 1, 2]))?;
//! assert!(with_it.nmi > Some(0.5) && without.nmi < with_it.nmi);
//! # Ok::<(), isogloss::Error>(())
//! ```

mod bits;
mod checks;
pub mod controls;
mod convergence;
mod elastic_net;
mod estimator;
mod evaluation;
mod fitted;
mod gaussian;
pub(crate) mod lanes;
mod latent;
mod linear;
mod logistic;
mod scorer;

pub(crate) use checks::{check_labels, check_records, count_classes, need_all_classes};
pub use convergence::Convergence;
pub(crate) use elastic_net::{backward, solver, warn, Inputs};
pub use elastic_net::{ElasticNet, ElasticNetParams, ElasticNetProbe, ElasticNetValidParams, PathPoint};
pub use estimator::Estimator;
pub use evaluation::Evaluation;
pub(crate) use evaluation::{entropy, normalised};
pub use fitted::Fitted;
pub use gaussian::{Gaussian, GaussianParams, GaussianPrior, GaussianProbe, GaussianValidParams};
pub(crate) use latent::conditional;
pub use latent::{ConditionalPoisson, LatentParams, LatentProbe, LatentValidParams, Masks, Poisson, Training};
pub(crate) use linear::log_softmax;
pub use linear::{LinearProbe, Standardisation};
pub use logistic::{Logistic, LogisticParams, LogisticProbe, LogisticValidParams};

use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};

/// Which neurons a probe may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset<'a> {
    /// Every neuron.
    All,
    /// These columns, each once, in any order.
    Of(&'a [usize]),
}

impl Subset<'_> {
    /// The columns, in order of the subset.
    ///
    /// # Errors
    /// [`Error::Data`] if a neuron is outside `0..n_neurons` or comes twice.
    pub fn columns(self, n_neurons: usize) -> Result<Vec<usize>> {
        let neurons = match self {
            Subset::All => return Ok((0..n_neurons).collect()),
            Subset::Of(neurons) => neurons,
        };
        let mut seen = vec![false; n_neurons];
        for &neuron in neurons {
            match seen.get_mut(neuron) {
                Some(seen @ false) => *seen = true,
                Some(true) => return Err(Error::Data(format!("neuron {neuron} comes twice in a subset"))),
                None => return Err(Error::Data(format!("neuron {neuron} is outside 0..{n_neurons}"))),
            }
        }
        Ok(neurons.to_vec())
    }
}

/// A fitted probe: the likelihood of each class given the activations of any subset of neurons.
///
/// Records are `[words, neurons]`, activations as the model gives them (a probe that standardises does so itself); labels
/// are class indices from 0.
pub trait Probe: Send + Sync {
    /// The number of neurons (columns) it was fitted on.
    fn n_neurons(&self) -> usize;

    /// The number of classes.
    fn n_classes(&self) -> usize;

    /// Log-likelihoods of the classes, `[words, classes]`, from the neurons of `subset` alone.
    ///
    /// # Errors
    /// [`Error::Data`] if the records have another number of neurons or are not finite, or the subset is none of theirs.
    fn log_likelihoods(&self, records: ArrayView2<f32>, subset: Subset) -> Result<Array2<f64>>;

    /// Starts an incremental evaluation on these words with no neuron selected.
    ///
    /// # Errors
    /// [`Error::Data`] as [`Probe::evaluate`].
    fn scorer<'a>(&'a self, records: ArrayView2<f32>, labels: &[usize]) -> Result<Box<dyn IncrementalScorer + 'a>>;

    /// The most likely class of each word, the first of equals.
    ///
    /// # Errors
    /// As [`Probe::log_likelihoods`].
    fn predict(&self, records: ArrayView2<f32>, subset: Subset) -> Result<Vec<usize>> {
        let log_likelihoods = self.log_likelihoods(records, subset)?;
        Ok(log_likelihoods.outer_iter().map(|row| evaluation::first_maximum(row.iter().copied())).collect())
    }

    /// How well the neurons of `subset` tell the classes of these words.
    ///
    /// # Errors
    /// As [`Probe::log_likelihoods`]; [`Error::Data`] if there is not one label a word or a label is not a class of the
    /// probe's.
    fn evaluate(&self, records: ArrayView2<f32>, labels: &[usize], subset: Subset) -> Result<Evaluation> {
        check_labels(records.nrows(), labels, self.n_classes())?;
        Evaluation::new(self.log_likelihoods(records, subset)?.view(), labels)
    }
}

/// A probe on fixed words with a growing selection of neurons, at the cost of the neuron that is added and not of the
/// whole selection.
pub trait IncrementalScorer: Send + Sync {
    /// Mean negative log-likelihood, in nats, if `neuron` were added to the selection. Equal input gives equal bits.
    /// Infinite where `neuron` does not exist or is selected already, or there are no words.
    fn cross_entropy_with(&self, neuron: usize) -> f64;

    /// Adds a neuron.
    ///
    /// # Errors
    /// [`Error::Data`] if it does not exist or is selected already.
    fn add(&mut self, neuron: usize) -> Result<()>;

    /// How well the selection does.
    ///
    /// # Errors
    /// [`Error::Data`] if the probe's figures for the words cannot be had.
    fn evaluation(&self) -> Result<Evaluation>;
}
