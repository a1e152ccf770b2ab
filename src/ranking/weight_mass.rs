//! Neurons by the weights that a linear probe gives them.

use super::{CurvePoint, Ranked, Ranking, Splits};
use crate::probe::{Fitted, LinearProbe, Probe, Subset};
use crate::Result;
use ndarray::Axis;

/// All neurons by falling weight mass `sum over classes of |w_{c,d}|`, the linguistic correlation analysis of Dalvi et al.
/// 2019 (arXiv 1812.09355) with a single order for all classes; of equals the lower index.
///
/// Weights are those of standardised activations where the probe standardises; else a neuron's scale enters.
pub fn order(probe: &LinearProbe) -> Vec<usize> {
    let mass: Vec<f64> =
        probe.weights().axis_iter(Axis(1)).map(|weights| weights.iter().map(|&w| f64::from(w).abs()).sum()).collect();
    let mut order: Vec<usize> = (0..mass.len()).collect();
    // The sort is stable.
    order.sort_by(|&a, &b| mass[b].total_cmp(&mass[a]));
    order
}

/// The first `k` neurons of an order, with the figures of a fitted probe that sees only them.
///
/// # Errors
/// [`crate::Error::Parameter`] if `k` is more than the neurons in order; [`crate::Error::Data`] if the order or the words
/// do not fit the probe (see [`Probe::evaluate`]).
pub fn rank_along(probe: Fitted, splits: &Splits, order: &[usize], k: usize) -> Result<Ranked> {
    let order = order.get(..k).ok_or_else(|| super::rank::too_many(k, order.len()))?;
    let mut on_dev = probe.scorer(splits.dev.0, splits.dev.1)?;
    let mut on_test = probe.scorer(splits.test.0, splits.test.1)?;
    let mut curve = Vec::with_capacity(k);
    for (i, &neuron) in order.iter().enumerate() {
        on_dev.add(neuron)?;
        on_test.add(neuron)?;
        let (dev, test) = (on_dev.evaluation()?, on_test.evaluation()?);
        let (nmi_dev, nmi_test) = (dev.nmi, test.nmi);
        curve.push(CurvePoint { rank: i + 1, neuron, nmi_dev, nmi_test, accuracy_test: test.accuracy });
    }
    drop((on_dev, on_test));
    let ranking = Ranking::new(probe.n_neurons(), curve)?;
    let all = probe.evaluate(splits.test.0, splits.test.1, Subset::All)?;
    Ok(Ranked { ranking, probe, all })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, Array2};

    #[test]
    fn mass_sums_over_classes_and_ties_go_by_index() {
        let weights = array![[1.0f32, -2.0, 0.5, 0.0, 2.0], [-1.0, 2.0, -0.5, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0, 0.0]];
        let probe = LinearProbe::new(weights, array![0.0, 0.0, 0.0], None).unwrap();
        // Masses 2, 4, 4, 0, 2.
        assert_eq!(order(&probe), [1, 2, 0, 4, 3]);
    }

    #[test]
    fn the_curve_is_the_masked_probe_s() {
        let labels: Vec<usize> = (0..90).map(|word| word % 3).collect();
        let x = Array2::from_shape_fn((90, 6), |(word, d)| {
            ((word * 13 + d * 29) % 23) as f32 / 23.0 + if d < 3 && word % 3 == d { 1.0 } else { 0.0 }
        });
        let split = (x.view(), &labels[..]);
        let splits = Splits::new(split, split, split);
        let params = linfa::ParamGuard::check(crate::probe::ElasticNet::params()).unwrap();
        let probe = crate::probe::Estimator::fit_view(&params, x.view(), &labels).unwrap();
        let order = order(probe.classifier());
        let ranked = rank_along(Fitted::ElasticNet(probe.clone()), &splits, &order, 6).unwrap();
        for point in ranked.ranking.curve() {
            let expected = probe.evaluate(x.view(), &labels, Subset::Of(&order[..point.rank])).unwrap();
            approx::assert_relative_eq!(point.nmi_dev.unwrap(), expected.nmi.unwrap(), epsilon = 1e-9);
            assert_eq!(point.accuracy_test, expected.accuracy);
        }
        assert!(rank_along(Fitted::ElasticNet(probe), &splits, &order, 7).is_err());
    }
}
