use super::params::ElasticNetValidParams;
use super::solver::{self, Problem, State};
use super::{nonzero_neurons, ElasticNetProbe, Inputs};
use crate::probe::linear::Standardisation;
use crate::probe::{count_classes, need_all_classes, Convergence, Estimator, LinearProbe, Probe, Subset};
use crate::{seed, Error, Result};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// One point of a regularisation path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathPoint {
    /// The L1 penalty.
    pub l1: f64,
    /// The L2 penalty.
    pub l2: f64,
    /// The classifier.
    pub classifier: LinearProbe,
    /// The number of neurons with a weight that is not zero.
    pub nonzero_neurons: usize,
    /// The objective at the solution.
    pub objective: f64,
    /// How the solver ended.
    pub convergence: Convergence,
}

/// The L1 share that stands in for none when the path's start is sought: without L1, no penalty makes all weights zero.
const LEAST_L1_SHARE: f64 = 1e-3;

/// Data to fit on, copied and standardised.
struct Prepared {
    inputs: Inputs,
    standardisation: Option<Standardisation>,
    columns: Vec<usize>,
}

impl Prepared {
    fn new(params: &ElasticNetValidParams, records: ArrayView2<f32>, labels: &[usize]) -> Result<Self> {
        let classes = count_classes(records, labels, params.n_classes)?;
        need_all_classes(labels, classes)?;
        let standardisation = params.standardise.then(|| Standardisation::fit(records));
        let inputs = Inputs::new(records, labels, classes, standardisation.as_ref());
        Ok(Prepared { columns: (0..inputs.neurons).collect(), inputs, standardisation })
    }

    fn problem(params: &ElasticNetValidParams, l1: f64, l2: f64) -> Problem {
        Problem { l1, l2, tolerance: params.tolerance, max_iterations: params.max_iterations }
    }

    fn point(&self, problem: &Problem, state: &State, convergence: Convergence) -> Result<PathPoint> {
        let state = &self.with_equal_twins(problem, state);
        let classifier = classifier(state, self.inputs.classes, self.standardisation.clone())?;
        Ok(PathPoint {
            l1: problem.l1,
            l2: problem.l2,
            nonzero_neurons: nonzero_neurons(&classifier),
            classifier,
            objective: solver::objective(problem, &self.inputs, &self.columns, state),
            convergence,
        })
    }

    /// The state with the mean of their weights for neurons of equal activations. So they stand at the optimum with an L2
    /// part, which coordinate descent nears slowly; the mean is never worse, the penalty being convex.
    fn with_equal_twins(&self, problem: &Problem, state: &State) -> State {
        let mut state = state.clone();
        if problem.l2 == 0.0 {
            return state;
        }
        let mut alike: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for &neuron in &self.columns {
            // FNV; equality is checked below.
            let hash = self.inputs.column(neuron).iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, x| {
                (hash ^ u64::from(x.to_bits())).wrapping_mul(0x0100_0000_01b3)
            });
            alike.entry(hash).or_default().push(neuron);
        }
        let classes = self.inputs.classes;
        for mut group in alike.into_values() {
            while let Some(first) = group.first().copied() {
                let is_twin = |other: usize| self.inputs.column(other) == self.inputs.column(first);
                let (twins, rest): (Vec<usize>, Vec<usize>) = group.into_iter().partition(|&other| is_twin(other));
                for class in (0..classes).filter(|_| twins.len() > 1) {
                    let sum: f64 = twins.iter().map(|twin| state.weights[twin * classes + class]).sum();
                    twins.iter().for_each(|twin| state.weights[twin * classes + class] = sum / twins.len() as f64);
                }
                group = rest;
            }
        }
        state
    }

    fn path(&self, params: &ElasticNetValidParams, n_alphas: usize) -> Result<Vec<PathPoint>> {
        let share = params.l1 / (params.l1 + params.l2);
        let mut state = State::empty(&self.inputs, self.columns.len());
        let most = largest_gradient(&self.inputs, &self.columns, &state);
        let start = most / share.max(LEAST_L1_SHARE);
        let mut before = start * share;
        let mut points = Vec::with_capacity(n_alphas);
        for i in 0..n_alphas {
            let place = i as f64 / (n_alphas.max(2) - 1) as f64;
            let alpha = start * params.ratio.powf(place);
            let problem = Prepared::problem(params, alpha * share, alpha * (1.0 - share));
            let strong = (problem.l1 > 0.0).then_some(2.0 * problem.l1 - before);
            let convergence = solver::solve(&problem, &self.inputs, &self.columns, &mut state, strong);
            warn(&convergence, &problem);
            points.push(self.point(&problem, &state, convergence)?);
            before = problem.l1;
        }
        Ok(points)
    }

    fn fit(&self, params: &ElasticNetValidParams, l1: f64, l2: f64) -> Result<ElasticNetProbe> {
        let problem = Prepared::problem(params, l1, l2);
        let mut state = State::empty(&self.inputs, self.columns.len());
        let convergence = solver::solve(&problem, &self.inputs, &self.columns, &mut state, None);
        warn(&convergence, &problem);
        Ok(self.point(&problem, &state, convergence)?.into())
    }
}

impl From<PathPoint> for ElasticNetProbe {
    fn from(point: PathPoint) -> Self {
        let PathPoint { l1, l2, classifier, objective, convergence, .. } = point;
        ElasticNetProbe { classifier, l1, l2, objective, convergence }
    }
}

/// A probe of the solver's weights `[neuron][class]`.
fn classifier(state: &State, classes: usize, standardisation: Option<Standardisation>) -> Result<LinearProbe> {
    let neurons = state.weights.len() / classes;
    let weights = Array2::from_shape_fn((classes, neurons), |(c, d)| state.weights[d * classes + c] as f32);
    let bias = Array1::from_iter(state.bias.iter().map(|&b| b as f32));
    LinearProbe::new(weights, bias, standardisation)
}

/// The largest absolute entry of the loss's gradient by the weights.
fn largest_gradient(inputs: &Inputs, columns: &[usize], state: &State) -> f64 {
    let residuals = solver::Point::new(inputs, columns, state).residuals(inputs);
    let mut gradient = vec![0.0; columns.len() * inputs.classes];
    super::kernels::backward(inputs, columns, &residuals, &mut gradient);
    gradient.iter().fold(0.0, |most, g| most.max(g.abs()))
}

pub(crate) fn warn(convergence: &Convergence, problem: &Problem) {
    if !convergence.converged {
        tracing::warn!(
            l1 = problem.l1,
            l2 = problem.l2,
            residual = convergence.residual,
            tolerance = problem.tolerance,
            "an elastic net has not converged: raise max_iterations, tolerance or the penalties"
        );
    }
}

impl ElasticNetValidParams {
    /// The regularisation path: `n_alphas` penalties in a geometric sequence, in the proportion of `l1` and `l2`, from the
    /// smallest at which all weights are zero down to `ratio` of it, each fit starting at the one before. (Without an L1
    /// part it starts where a share of 0.001 would.)
    ///
    /// # Errors
    /// As [`Estimator::fit_view`].
    pub fn path(&self, records: ArrayView2<f32>, labels: &[usize], n_alphas: usize) -> Result<Vec<PathPoint>> {
        Prepared::new(self, records, labels)?.path(self, n_alphas)
    }

    /// Fits with the penalty of the path with the highest normalised mutual information on given words; of equals the
    /// largest penalty. The path has `n_alphas` points, or 20 where that is 0.
    ///
    /// # Errors
    /// As [`Estimator::fit_view`]; [`Error::Data`] if the dev words do not fit the probe or are of one class.
    pub fn fit_chosen(
        &self,
        train: (ArrayView2<f32>, &[usize]),
        dev: (ArrayView2<f32>, &[usize]),
    ) -> Result<ElasticNetProbe> {
        let n_alphas = if self.n_alphas == 0 { 20 } else { self.n_alphas };
        Ok(best(self.path(train.0, train.1, n_alphas)?, dev)?.into())
    }

    fn fit_on_held_out(&self, records: ArrayView2<f32>, labels: &[usize]) -> Result<ElasticNetProbe> {
        let prepared = Prepared::new(self, records, labels)?;
        let mut names = vec!["probe", "elastic_net"];
        names.extend(self.names.iter().map(String::as_str));
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut seed::stream(self.seed, &names));
        let mut left = vec![0usize; prepared.inputs.classes];
        labels.iter().for_each(|&label| left[label] += 1);
        let wanted = ((labels.len() as f64 * self.held_out) as usize).max(1);
        let (mut held_out, mut train) = (Vec::new(), Vec::new());
        for word in order {
            // A class keeps a word to train on.
            if held_out.len() < wanted && left[labels[word]] > 1 {
                left[labels[word]] -= 1;
                held_out.push(word);
            } else {
                train.push(word);
            }
        }
        let rows = |words: &[usize]| {
            let labels: Vec<usize> = words.iter().map(|&word| labels[word]).collect();
            (records.select(Axis(0), words), labels)
        };
        let chosen = {
            let (train, held_out) = (rows(&train), rows(&held_out));
            let mut params = self.clone();
            params.n_classes = Some(prepared.inputs.classes);
            let path = params.path(train.0.view(), &train.1, self.n_alphas)?;
            best(path, (held_out.0.view(), &held_out.1))?
        };
        // Penalties are of sums over words: more words, more penalty.
        let more = labels.len() as f64 / train.len() as f64;
        prepared.fit(self, chosen.l1 * more, chosen.l2 * more)
    }
}

fn best(path: Vec<PathPoint>, dev: (ArrayView2<f32>, &[usize])) -> Result<PathPoint> {
    let mut best: Option<(f64, PathPoint)> = None;
    for point in path {
        let nmi = point.classifier.evaluate(dev.0, dev.1, Subset::All)?.nmi;
        if let Some(nmi) = nmi.filter(|nmi| best.as_ref().is_none_or(|(most, _)| nmi > most)) {
            best = Some((nmi, point));
        }
    }
    best.map(|(_, point)| point).ok_or_else(|| {
        Error::Data("a penalty is chosen on words of two classes or more, but there is one at most: fix it".into())
    })
}

impl Estimator for ElasticNetValidParams {
    type Fitted = ElasticNetProbe;

    /// As [`Estimator::fit_view`]; an error also if a class has no words. A fit that has not converged is no error: see
    /// [`ElasticNetProbe::convergence`].
    fn fit_view(&self, records: ArrayView2<f32>, labels: &[usize]) -> Result<ElasticNetProbe> {
        if self.n_alphas > 0 {
            return self.fit_on_held_out(records, labels);
        }
        Prepared::new(self, records, labels)?.fit(self, self.l1, self.l2)
    }
}

crate::probe::estimator::linfa_fit!(ElasticNetValidParams);
