//! Greedy forward selection of neurons by a fitted probe.

use super::{CurvePoint, Ranking};
use crate::probe::{entropy, normalised, IncrementalScorer, Probe};
use crate::{Error, Result};
use ndarray::ArrayView2;
use rayon::prelude::*;

/// Words to evaluate on: activations `[words, neurons]` and class indices.
pub type Split<'a> = (ArrayView2<'a, f32>, &'a [usize]);

/// Selects `k` neurons one by one: always the one that, with those before it, maximises the normalised mutual information
/// `1 - CE / H` on `dev`; of equals the lower index. The probe stays as it is (Torroba Hennigen, Williams and Cotterell
/// 2020, arXiv 2010.02812). The curve gives dev and test figures after every step; a test set without words gives `None`.
///
/// Candidates are scored in parallel; the result does not depend on the number of threads.
///
/// # Errors
/// [`Error::Parameter`] if `k` is more than the probe's neurons; [`Error::Data`] if `dev` has no words or the words do
/// not fit the probe (see [`Probe::evaluate`]).
pub fn select(probe: &dyn Probe, dev: Split, test: Split, k: usize) -> Result<Ranking> {
    let n_neurons = probe.n_neurons();
    if k > n_neurons {
        return Err(too_many(k, n_neurons));
    }
    let mut on_dev = probe.scorer(dev.0, dev.1)?;
    let mut on_test = probe.scorer(test.0, test.1)?;
    if dev.1.is_empty() {
        return Err(Error::Data("neurons are selected on dev words, but there are none".into()));
    }
    let entropy = entropy(dev.1, probe.n_classes());
    let mut left: Vec<usize> = (0..n_neurons).collect();
    let mut curve = Vec::with_capacity(k);
    for rank in 1..=k {
        let scorer: &dyn IncrementalScorer = &*on_dev;
        // Collected in order: the choice does not depend on which thread is first.
        let losses: Vec<f64> =
            left.par_iter().with_min_len(8).map(|&neuron| scorer.cross_entropy_with(neuron)).collect();
        let mut best = (0, f64::INFINITY);
        for (place, &loss) in losses.iter().enumerate() {
            if loss < best.1 {
                best = (place, loss);
            }
        }
        let neuron = left.remove(best.0);
        on_dev.add(neuron)?;
        on_test.add(neuron)?;
        let (dev, test) = (on_dev.evaluation()?, on_test.evaluation()?);
        curve.push(CurvePoint {
            rank,
            neuron,
            nmi_dev: dev.cross_entropy.and_then(|loss| normalised(loss, entropy)),
            nmi_test: test.nmi,
            accuracy_test: test.accuracy,
        });
    }
    Ranking::new(n_neurons, curve)
}

pub(super) fn too_many(k: usize, n_neurons: usize) -> Error {
    Error::parameter("k", format!("at most the {n_neurons} neurons there are"), k)
}
