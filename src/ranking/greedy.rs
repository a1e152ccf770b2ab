//! Greedy forward selection of neurons by a fitted probe.

use super::rank::too_many;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{LinearProbe, Subset};
    use approx::assert_relative_eq;
    use ndarray::{Array1, Array2};
    use rand::Rng;

    /// A random linear probe and words of its neurons.
    fn case(words: usize, neurons: usize, classes: usize) -> (LinearProbe, Array2<f32>, Vec<usize>) {
        let mut rng = crate::seed::stream(23, &["greedy"]);
        let weights = Array2::from_shape_fn((classes, neurons), |_| rng.gen::<f32>() * 2.0 - 1.0);
        let bias = Array1::from_shape_fn(classes, |_| rng.gen::<f32>() - 0.5);
        let x = Array2::from_shape_fn((words, neurons), |_| rng.gen::<f32>() * 3.0 - 1.5);
        // Labels from the probe's own guess, with noise, so that NMI can rise.
        let probe = LinearProbe::new(weights, bias, None).unwrap();
        let mut labels = probe.predict(x.view(), Subset::All).unwrap();
        labels.iter_mut().for_each(|label| {
            if rng.gen::<f32>() < 0.2 {
                *label = rng.gen_range(0..classes);
            }
        });
        (probe, x, labels)
    }

    fn brute_force(probe: &LinearProbe, dev: Split, k: usize) -> (Vec<usize>, Vec<f64>) {
        let (mut chosen, mut nmis) = (Vec::new(), Vec::new());
        for _ in 0..k {
            let mut best = (0, f64::NEG_INFINITY);
            for neuron in (0..probe.n_neurons()).filter(|d| !chosen.contains(d)) {
                let grown: Vec<usize> = chosen.iter().copied().chain([neuron]).collect();
                let nmi = probe.evaluate(dev.0, dev.1, Subset::Of(&grown)).unwrap().nmi.unwrap();
                if nmi > best.1 {
                    best = (neuron, nmi);
                }
            }
            chosen.push(best.0);
            nmis.push(best.1);
        }
        (chosen, nmis)
    }

    #[test]
    fn selection_and_curve_agree_with_brute_force() {
        for (words, neurons, classes, k) in
            [(60, 8, 2, 8), (61, 7, 3, 7), (203, 6, 12, 6), (150, 200, 4, 12), (5, 8, 17, 8)]
        {
            let (probe, x, labels) = case(words + 40, neurons, classes);
            let (dev, test) = (x.slice(ndarray::s![..words, ..]), x.slice(ndarray::s![words.., ..]));
            let (dev, test) = ((dev, &labels[..words]), (test, &labels[words..]));
            let ranking = select(&probe, dev, test, k).unwrap();
            let (neurons, nmis) = brute_force(&probe, dev, k);
            assert_eq!(ranking.top(k).unwrap(), neurons);
            for (point, nmi) in ranking.curve().iter().zip(nmis) {
                assert_relative_eq!(point.nmi_dev.unwrap(), nmi, epsilon = 1e-9);
                let expected = probe.evaluate(test.0, test.1, Subset::Of(&neurons[..point.rank])).unwrap();
                assert_relative_eq!(point.nmi_test.unwrap(), expected.nmi.unwrap(), epsilon = 1e-9);
                assert_eq!(point.accuracy_test, expected.accuracy);
            }
        }
    }

    #[test]
    fn candidates_are_scored_as_evaluation_does() {
        let (probe, x, labels) = case(333, 50, 5);
        let mut scorer = probe.scorer(x.view(), &labels).unwrap();
        for chosen in [vec![], vec![3], vec![3, 49, 17]] {
            if let Some(last) = chosen.last() {
                (chosen.len() == 3).then(|| scorer.add(49).unwrap());
                scorer.add(*last).unwrap();
            }
            for neuron in [0, 25, 48] {
                let grown: Vec<usize> = chosen.iter().copied().chain([neuron]).collect();
                let expected = probe.evaluate(x.view(), &labels, Subset::Of(&grown)).unwrap().cross_entropy.unwrap();
                assert_relative_eq!(scorer.cross_entropy_with(neuron), expected, max_relative = 2e-7);
            }
        }
        assert!(scorer.add(50).is_err());
        assert_eq!(scorer.cross_entropy_with(50), f64::INFINITY);
    }

    #[test]
    fn of_equal_neurons_the_first_is_picked_whatever_the_threads() {
        let (probe, mut x, labels) = case(100, 64, 3);
        let mut weights = probe.weights().to_owned();
        for twin in [9, 40, 63] {
            let (column, w) = (x.column(20).to_owned(), weights.column(20).to_owned());
            x.column_mut(twin).assign(&column);
            weights.column_mut(twin).assign(&w);
        }
        let probe = LinearProbe::new(weights, probe.bias().to_owned(), None).unwrap();
        let split = (x.view(), &labels[..]);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| select(&probe, split, split, 64).unwrap())
        };
        let ranking = run(1);
        assert_eq!(ranking, run(3));
        let twins: Vec<usize> = ranking.neurons().filter(|d| [9, 20, 40, 63].contains(d)).collect();
        assert_eq!(twins, [9, 20, 40, 63]);
    }

    #[test]
    fn the_ends_of_k_and_missing_figures() {
        let (probe, x, labels) = case(30, 5, 2);
        let (split, none) = ((x.view(), &labels[..]), Array2::zeros((0, 5)));
        assert_eq!(select(&probe, split, split, 0).unwrap().curve(), []);
        assert_eq!(select(&probe, split, split, 5).unwrap().curve().len(), 5);
        let error = select(&probe, split, split, 6).unwrap_err().to_string();
        assert_eq!(error, "k should be at most the 5 neurons there are, but is 6");
        assert!(select(&probe, (none.view(), &[]), split, 1).is_err());
        let curve = select(&probe, split, (none.view(), &[]), 2).unwrap();
        assert_eq!((curve.curve()[1].nmi_test, curve.curve()[1].accuracy_test), (None, None));
        let one_class = vec![0; 30];
        let curve = select(&probe, (x.view(), &one_class), split, 2).unwrap();
        assert_eq!(curve.curve()[0].nmi_dev, None);
    }
}
