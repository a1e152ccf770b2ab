//! What a set of neurons can tell at most to a linear probe: the probe is fitted anew for every set.
//!
//! A probe fitted once and masked bounds a set's information from below, one fitted for the set from above (Torroba
//! Hennigen, Williams and Cotterell 2020, arXiv 2010.02812; Stańczak et al. 2023, arXiv 2201.08214).

use super::{CurvePoint, Ranked, Ranking, Splits};
use crate::probe::solver::{self, Point, Problem, State};
use crate::probe::{
    backward, check_labels, check_records, count_classes, need_all_classes, warn, ElasticNet, Estimator, Evaluation,
    Fitted, Inputs, Probe, Standardisation, Subset,
};
use crate::{Error, Result};
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Checked parameters of the upper bound; see [`UpperBoundParams`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpperBoundValidParams {
    l2: f64,
    candidates: usize,
    tolerance: f64,
    max_iterations: usize,
}

impl Default for UpperBoundValidParams {
    fn default() -> Self {
        UpperBoundParams::default().0
    }
}

/// Parameters of refitted probes, multinomial logistic regressions on standardised neurons that minimise
/// `sum_n -log softmax(b + W x_n)_{c_n} + l2/2 |W|_2^2`, and of the search with them.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | [l2](Self::l2) | 1 | penalty on the squared weights; scikit-learn's `1 / C` | `(0, inf)` |
/// | [candidates](Self::candidates) | 16 | neurons refitted a step; 0: all, an exact search | |
/// | [tolerance](Self::tolerance) | 1e-6 | largest entry of the gradient, a word, at which to stop | `(0, inf)` |
/// | [max_iterations](Self::max_iterations) | 100 | Newton steps a fit at most | 1 or more |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpperBoundParams(UpperBoundValidParams);

impl Default for UpperBoundParams {
    fn default() -> Self {
        UpperBoundParams(UpperBoundValidParams { l2: 1.0, candidates: 16, tolerance: 1e-6, max_iterations: 100 })
    }
}

impl UpperBoundParams {
    /// Sets the weight of half the squared weights' sum.
    pub fn l2(mut self, l2: f64) -> Self {
        self.0.l2 = l2;
        self
    }

    /// Sets how many neurons are refitted at each step, the most promising by the score test; 0 for all.
    pub fn candidates(mut self, candidates: usize) -> Self {
        self.0.candidates = candidates;
        self
    }

    /// Sets the largest absolute entry of the gradient, a word, at which to stop.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Sets the largest number of Newton steps a fit.
    pub fn max_iterations(mut self, max_iterations: usize) -> Self {
        self.0.max_iterations = max_iterations;
        self
    }
}

impl ParamGuard for UpperBoundParams {
    type Checked = UpperBoundValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&UpperBoundValidParams> {
        let p = &self.0;
        for (name, value) in [("l2", p.l2), ("tolerance", p.tolerance)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, "in (0, inf)", value));
            }
        }
        if p.max_iterations == 0 {
            return Err(Error::parameter("max_iterations", "1 or more", 0));
        }
        Ok(p)
    }

    fn check(self) -> Result<UpperBoundValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// The words of a cell, ready to be refitted on.
struct Refit<'a, 'b> {
    splits: &'a Splits<'b>,
    inputs: Inputs,
    standardisation: Standardisation,
    problem: Problem,
}

impl<'a, 'b> Refit<'a, 'b> {
    fn new(splits: &'a Splits<'b>, params: &UpperBoundValidParams) -> Result<Self> {
        let (records, labels) = splits.train;
        let classes = count_classes(records, labels, Some(splits.n_classes))?;
        need_all_classes(labels, classes)?;
        for (records, labels) in [splits.dev, splits.test] {
            check_records(records, splits.n_neurons())?;
            check_labels(records.nrows(), labels, classes)?;
        }
        let standardisation = Standardisation::fit(records);
        let inputs = Inputs::new(records, labels, classes, Some(&standardisation));
        let UpperBoundValidParams { l2, tolerance, max_iterations, .. } = *params;
        Ok(Refit { splits, inputs, standardisation, problem: Problem { l1: 0.0, l2, tolerance, max_iterations } })
    }

    /// Fits on `columns` from a state on all but the last of them.
    fn grow(&self, columns: &[usize], before: &State) -> State {
        let mut state = before.clone();
        state.weights.resize(columns.len() * self.inputs.classes, 0.0);
        let convergence = solver::solve(&self.problem, &self.inputs, columns, &mut state, None);
        warn(&convergence, &self.problem);
        state
    }

    fn evaluate(&self, columns: &[usize], state: &State, on: super::Split) -> Result<Evaluation> {
        // Weights as a stored probe has them, in f32.
        let weights = state.weights.iter().map(|&w| f64::from(w as f32)).collect();
        let weights = Array2::from_shape_vec((columns.len(), self.inputs.classes), weights)
            .map_err(|e| Error::Data(e.to_string()))?;
        let x: Array2<f64> = Array2::from_shape_fn((on.0.nrows(), columns.len()), |(word, i)| {
            f64::from(self.standardisation.apply(columns[i], on.0[[word, columns[i]]]))
        });
        let mut logits = x.dot(&weights);
        for mut row in logits.outer_iter_mut() {
            row.iter_mut().zip(&state.bias).for_each(|(z, b)| *z += f64::from(*b as f32));
            crate::probe::log_softmax(row.iter_mut());
        }
        Evaluation::new(logits.view(), on.1)
    }

    fn point(&self, columns: &[usize], state: &State) -> Result<CurvePoint> {
        let dev = self.evaluate(columns, state, self.splits.dev)?;
        let test = self.evaluate(columns, state, self.splits.test)?;
        Ok(CurvePoint {
            rank: columns.len(),
            neuron: columns.last().copied().unwrap_or_default(),
            nmi_dev: dev.nmi,
            nmi_test: test.nmi,
            accuracy_test: test.accuracy,
        })
    }

    /// By how much each neuron of `left` would lower the objective by its quadratic model with the others fixed: half
    /// `g' (H + l2 I)^-1 g` with gradient `g` and curvature `H` of its weights (Rao's score test).
    fn gains(&self, columns: &[usize], state: &State, left: &[usize]) -> Vec<f64> {
        let (inputs, classes) = (&self.inputs, self.inputs.classes);
        let point = Point::new(inputs, columns, state);
        let mut gradient = vec![0.0; left.len() * classes];
        backward(inputs, left, &point.residuals(inputs), &mut gradient);
        let p: Vec<&[f64]> = point.probabilities.chunks_exact(inputs.stride).collect();
        left.par_iter()
            .zip(gradient.par_chunks_exact(classes))
            .map(|(&neuron, gradient)| {
                let mut hessian = Array2::<f64>::zeros((classes, classes));
                let squares: Vec<f64> = inputs.column(neuron).iter().map(|&x| f64::from(x).powi(2)).collect();
                for a in 0..classes {
                    for b in 0..=a {
                        let product: f64 = squares.iter().zip(p[a]).zip(p[b]).map(|((x, p), q)| x * p * q).sum();
                        let diagonal: f64 =
                            if a == b { squares.iter().zip(p[a]).map(|(x, p)| x * p).sum() } else { 0.0 };
                        hessian[[a, b]] = diagonal - product;
                    }
                    hessian[[a, a]] += self.problem.l2;
                }
                0.5 * quadratic_form(hessian, gradient)
            })
            .collect()
    }
}

/// `g' A^-1 g` of a positive definite matrix, its lower half given, by Cholesky.
fn quadratic_form(mut a: Array2<f64>, g: &[f64]) -> f64 {
    let mut y = g.to_vec();
    for i in 0..y.len() {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| a[[i, k]] * a[[j, k]]).sum();
            a[[i, j]] =
                if i == j { (a[[i, i]] - sum).max(f64::MIN_POSITIVE).sqrt() } else { (a[[i, j]] - sum) / a[[j, j]] };
        }
        let sum: f64 = (0..i).map(|k| a[[i, k]] * y[k]).sum();
        y[i] = (y[i] - sum) / a[[i, i]];
    }
    y.iter().map(|y| y * y).sum()
}

/// The figures of probes refitted on the first 1, 2, ... neurons of an order, each fit starting at the one before: a judge
/// of any ranking.
///
/// # Errors
/// [`Error::Data`] if a neuron does not exist or comes twice, the words do not fit together, or a class has no words to
/// train on.
///
/// # Examples
/// ```
/// use isogloss::ranking::{upper_bound, Splits};
/// use ndarray::Array2;
///
/// let labels: Vec<usize> = (0..120).map(|word| word % 2).collect();
/// let words = Array2::from_shape_fn((120, 3), |(word, neuron)| {
///     let noise = ((word * 13 + neuron * 29) % 23) as f32 / 23.0;
///     if neuron == 2 { noise + 2.0 * (word % 2) as f32 } else { noise }
/// });
/// let split = (words.view(), &labels[..]);
/// let params = linfa::ParamGuard::check(upper_bound::UpperBoundParams::default())?;
/// let curve = upper_bound::refit_curve(&Splits::new(split, split, split), &[0, 2], &params)?;
/// assert!(curve[0].nmi_test < Some(0.1) && curve[1].nmi_test > Some(0.9));
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn refit_curve(splits: &Splits, order: &[usize], params: &UpperBoundValidParams) -> Result<Vec<CurvePoint>> {
    let order = Subset::Of(order).columns(splits.n_neurons())?;
    // Only the neurons in order are copied.
    let rows = |records: ArrayView2<f32>| -> Result<Array2<f32>> {
        check_records(records, splits.n_neurons())?;
        Ok(records.select(Axis(1), &order))
    };
    let (train, dev, test) = (rows(splits.train.0)?, rows(splits.dev.0)?, rows(splits.test.0)?);
    let few = Splits {
        train: (train.view(), splits.train.1),
        dev: (dev.view(), splits.dev.1),
        test: (test.view(), splits.test.1),
        n_classes: splits.n_classes,
        lemmas: None,
    };
    let refit = Refit::new(&few, params)?;
    let columns: Vec<usize> = (0..order.len()).collect();
    let mut state = State::empty(&refit.inputs, 0);
    let mut curve = Vec::with_capacity(order.len());
    for (i, &neuron) in order.iter().enumerate() {
        state = refit.grow(&columns[..=i], &state);
        curve.push(CurvePoint { neuron, ..refit.point(&columns[..=i], &state)? });
    }
    Ok(curve)
}

/// Selects `k` neurons one by one: always the one with which a probe refitted on it and those before it has the highest
/// normalised mutual information on dev (the lowest cross-entropy); of equals the lower index. Only the `candidates` with
/// the highest score-test gain on the training words are refitted.
///
/// The probe that comes with the ranking is fitted with the same penalty on all neurons.
///
/// # Errors
/// [`Error::Parameter`] if `k` is more than the neurons; [`Error::Data`] as [`refit_curve`], or without dev words.
pub fn select(splits: &Splits, k: usize, params: &UpperBoundValidParams) -> Result<Ranked> {
    splits.check_k(k)?;
    let refit = Refit::new(splits, params)?;
    if splits.dev.1.is_empty() {
        return Err(Error::Data("neurons are selected on dev words, but there are none".into()));
    }
    let mut left: Vec<usize> = (0..splits.n_neurons()).collect();
    let mut columns = Vec::with_capacity(k);
    let mut state = State::empty(&refit.inputs, 0);
    let mut curve = Vec::with_capacity(k);
    for _ in 0..k {
        let candidates = if params.candidates == 0 || params.candidates >= left.len() {
            left.clone()
        } else {
            let gains = refit.gains(&columns, &state, &left);
            let mut places: Vec<usize> = (0..left.len()).collect();
            places.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]));
            let mut best: Vec<usize> = places.iter().take(params.candidates).map(|&place| left[place]).collect();
            best.sort_unstable();
            best
        };
        let fits = candidates
            .par_iter()
            .map(|&neuron| {
                let mut grown = columns.clone();
                grown.push(neuron);
                let state = refit.grow(&grown, &state);
                let dev = refit.evaluate(&grown, &state, splits.dev)?;
                Ok((dev.cross_entropy.unwrap_or(f64::INFINITY), neuron, state))
            })
            .collect::<Result<Vec<_>>>()?;
        let best = fits.into_iter().reduce(|best, next| if next.0 < best.0 { next } else { best });
        let Some((_, neuron, grown)) = best else { break };
        state = grown;
        columns.push(neuron);
        left.retain(|&other| other != neuron);
        curve.push(refit.point(&columns, &state)?);
    }
    with_dense(splits, curve, params)
}

/// A given order of neurons with the curve of refitted probes (see [`refit_curve`]), and the probe fitted with the same
/// penalty on all neurons.
///
/// # Errors
/// As [`refit_curve`].
pub fn rank_along(splits: &Splits, order: &[usize], params: &UpperBoundValidParams) -> Result<Ranked> {
    with_dense(splits, refit_curve(splits, order, params)?, params)
}

fn with_dense(splits: &Splits, curve: Vec<CurvePoint>, params: &UpperBoundValidParams) -> Result<Ranked> {
    let ranking = Ranking::new(splits.n_neurons(), curve)?;
    let dense = ElasticNet::params().l1(0.0).l2(params.l2).n_classes(splits.n_classes).check()?;
    let probe = Fitted::ElasticNet(dense.fit_view(splits.train.0, splits.train.1)?);
    let all = probe.evaluate(splits.test.0, splits.test.1, Subset::All)?;
    Ok(Ranked { ranking, probe, all })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::Rng;

    fn words(n: usize, neurons: usize, classes: usize, name: &str) -> (Array2<f32>, Vec<usize>) {
        let mut rng = crate::seed::stream(5, &["upper", name]);
        let labels: Vec<usize> = (0..n).map(|_| rng.gen_range(0..classes)).collect();
        let x = Array2::from_shape_fn((n, neurons), |(word, d)| {
            rng.gen::<f32>() * 2.0 + if d < classes && labels[word] == d { 0.3 * d as f32 + 0.4 } else { 0.0 }
        });
        (x, labels)
    }

    /// Dev, test NMI of a probe fitted from scratch on some neurons.
    fn scratch(splits: &Splits, neurons: &[usize]) -> (f64, f64) {
        let params = ElasticNet::params().l1(0.0).l2(2.0).tolerance(1e-9).check().unwrap();
        let rows = |x: ArrayView2<f32>| x.select(Axis(1), neurons);
        let probe = params.fit_view(rows(splits.train.0).view(), splits.train.1).unwrap();
        let nmi = |(x, labels)| probe.evaluate(rows(x).view(), labels, Subset::All).unwrap().nmi.unwrap();
        (nmi(splits.dev), nmi(splits.test))
    }

    #[test]
    fn greedy_and_curve_agree_with_refits_from_scratch() {
        let (train, dev, test) = (words(240, 7, 3, "train"), words(120, 7, 3, "dev"), words(90, 7, 3, "test"));
        let splits = Splits::new((train.0.view(), &train.1), (dev.0.view(), &dev.1), (test.0.view(), &test.1));
        let params = UpperBoundParams::default().l2(2.0).candidates(0).tolerance(1e-9).check().unwrap();
        let ranked = select(&splits, 5, &params).unwrap();
        let mut chosen: Vec<usize> = Vec::new();
        for point in ranked.ranking.curve() {
            let mut best = (0, f64::NEG_INFINITY);
            for neuron in (0..7).filter(|d| !chosen.contains(d)) {
                let grown: Vec<usize> = chosen.iter().copied().chain([neuron]).collect();
                let nmi = scratch(&splits, &grown).0;
                if nmi > best.1 {
                    best = (neuron, nmi);
                }
            }
            chosen.push(best.0);
            assert_eq!(point.neuron, best.0);
            assert_relative_eq!(point.nmi_dev.unwrap(), best.1, epsilon = 1e-6);
            assert_relative_eq!(point.nmi_test.unwrap(), scratch(&splits, &chosen).1, epsilon = 1e-6);
        }
        let curve = refit_curve(&splits, &chosen, &params).unwrap();
        for (a, b) in curve.iter().zip(ranked.ranking.curve()) {
            assert_eq!((a.rank, a.neuron, a.accuracy_test), (b.rank, b.neuron, b.accuracy_test));
            assert_relative_eq!(a.nmi_test.unwrap(), b.nmi_test.unwrap(), epsilon = 1e-6);
        }
        // Screening keeps the neuron that says most.
        let screened = UpperBoundParams::default().l2(2.0).candidates(3).check().unwrap();
        assert_eq!(select(&splits, 1, &screened).unwrap().ranking.top(1).unwrap(), chosen[..1]);
        assert!(refit_curve(&splits, &[1, 1], &params).is_err() && refit_curve(&splits, &[7], &params).is_err());
    }
}
