//! Minimises `sum_n -log softmax(b + W x_n)_{c_n} + l1 |W|_1 + l2/2 |W|_2^2` over some of the neurons.
//!
//! Newton's method (Lee, Sun and Saunders 2014, proximal Newton-type methods): without an L1 part the quadratic model is
//! minimised by conjugate gradients, with one by coordinate descent (Friedman, Hastie and Tibshirani 2010) on the weights
//! that are not zero or break the KKT conditions; every step ends with a line search on the true objective. The gradient
//! of all neurons is had at every step, so that no weight can be screened out for good.

use super::kernels::{backward, curvature, forward, model_gradient, model_step, times_hessian, Inputs};
use crate::probe::Convergence;

/// What to minimise over, and how far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    /// The residual at which to stop, a word.
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
}

/// Weights `[column][class]` and biases.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) weights: Vec<f64>,
    pub(crate) bias: Vec<f64>,
}

impl State {
    /// No weights; biases that give the classes their shares.
    pub(crate) fn empty(inputs: &Inputs, columns: usize) -> Self {
        let mut counts = vec![0usize; inputs.classes];
        inputs.labels.iter().for_each(|&label| counts[label] += 1);
        let logs: Vec<f64> = counts.iter().map(|&count| (count.max(1) as f64).ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        State { weights: vec![0.0; columns * inputs.classes], bias: logs.iter().map(|l| l - mean).collect() }
    }
}

/// The state's logits and what follows from them, `[class][word]`.
pub(crate) struct Point {
    pub(super) logits: Vec<f64>,
    pub(crate) probabilities: Vec<f64>,
    /// Sum over words of the negative log-likelihood.
    pub(crate) loss: f64,
}

impl Point {
    pub(crate) fn new(inputs: &Inputs, columns: &[usize], state: &State) -> Self {
        let mut logits = vec![0.0; inputs.classes * inputs.stride];
        add_bias(inputs, &state.bias, &mut logits);
        forward(inputs, columns, &state.weights, &mut logits);
        let mut point = Point { probabilities: vec![0.0; logits.len()], logits, loss: 0.0 };
        point.refresh(inputs);
        point
    }

    fn refresh(&mut self, inputs: &Inputs) {
        let stride = inputs.stride;
        self.loss = 0.0;
        for (word, &label) in inputs.labels.iter().enumerate() {
            let max = (0..inputs.classes).fold(f64::NEG_INFINITY, |m, c| m.max(self.logits[c * stride + word]));
            let mut sum = 0.0;
            for class in 0..inputs.classes {
                let e = (self.logits[class * stride + word] - max).exp();
                self.probabilities[class * stride + word] = e;
                sum += e;
            }
            for class in 0..inputs.classes {
                self.probabilities[class * stride + word] /= sum;
            }
            self.loss += sum.ln() + max - self.logits[label * stride + word];
        }
    }

    /// Probabilities less the true classes' ones: the loss's gradient by the logits.
    pub(crate) fn residuals(&self, inputs: &Inputs) -> Vec<f64> {
        let mut residuals = self.probabilities.clone();
        for (word, &label) in inputs.labels.iter().enumerate() {
            residuals[label * inputs.stride + word] -= 1.0;
        }
        residuals
    }
}

fn add_bias(inputs: &Inputs, bias: &[f64], out: &mut [f64]) {
    for (out, bias) in out.chunks_exact_mut(inputs.stride).zip(bias) {
        out[..inputs.words()].iter_mut().for_each(|out| *out += bias);
    }
}

fn penalty(problem: &Problem, weights: &[f64]) -> f64 {
    let (absolute, squares) = weights.iter().fold((0.0, 0.0), |(a, s), w| (a + w.abs(), s + w * w));
    problem.l1 * absolute + 0.5 * problem.l2 * squares
}

/// The objective.
pub(crate) fn objective(problem: &Problem, inputs: &Inputs, columns: &[usize], state: &State) -> f64 {
    Point::new(inputs, columns, state).loss + penalty(problem, &state.weights)
}

/// By how much a weight breaks the KKT conditions, `gradient` being that of loss and L2 penalty.
pub(crate) fn violation(l1: f64, weight: f64, gradient: f64) -> f64 {
    if weight != 0.0 {
        (gradient + l1 * weight.signum()).abs()
    } else {
        (gradient.abs() - l1).max(0.0)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Minimises from `state` on. `strong` (0 for none) is the bound on the gradient beyond which a weight is expected to move
/// (Tibshirani et al. 2012, the strong rule), which saves steps and decides nothing.
pub(crate) fn solve(
    problem: &Problem,
    inputs: &Inputs,
    columns: &[usize],
    state: &mut State,
    strong: Option<f64>,
) -> Convergence {
    let (classes, words) = (inputs.classes, inputs.words());
    let mut point = Point::new(inputs, columns, state);
    let mut value = point.loss + penalty(problem, &state.weights);
    let mut working = vec![false; state.weights.len()];
    // Parameters: weights, then biases.
    let n_weights = state.weights.len();
    let mut gradient = vec![0.0; n_weights + classes];
    let mut iterations = 0;
    loop {
        let residuals = point.residuals(inputs);
        backward(inputs, columns, &residuals, &mut gradient[..n_weights]);
        for (class, residuals) in residuals.chunks_exact(inputs.stride).enumerate() {
            gradient[n_weights + class] = residuals.iter().sum();
        }
        let mut worst = gradient[n_weights..].iter().fold(0.0f64, |m, g| m.max(g.abs()));
        for (i, (g, &w)) in gradient.iter_mut().zip(&state.weights).enumerate() {
            let strongly = iterations == 0 && strong.is_some_and(|bound| g.abs() >= bound);
            *g += problem.l2 * w;
            let violation = violation(problem.l1, w, *g);
            worst = worst.max(violation);
            working[i] |= w != 0.0 || violation > 0.0 || strongly;
        }
        let residual = worst / words as f64;
        let converged = residual <= problem.tolerance;
        let end = Convergence { iterations: Some(iterations), residual, converged };
        if converged || iterations >= problem.max_iterations {
            return end;
        }
        let step = if problem.l1 == 0.0 {
            conjugate_gradients(problem, inputs, columns, &point, &gradient)
        } else {
            let model = Model { problem, inputs, columns, gradient: &gradient, tolerance: 0.1 * worst };
            model.descend(&point, state, &working)
        };
        let (step_weights, step_bias) = step.split_at(n_weights);
        let mut change = vec![0.0; point.logits.len()];
        add_bias(inputs, step_bias, &mut change);
        forward(inputs, columns, step_weights, &mut change);
        // The decrease that a first-order model promises, less than 0.
        let moved = |t: f64| -> Vec<f64> { state.weights.iter().zip(step_weights).map(|(w, d)| w + t * d).collect() };
        let absolute = |weights: &[f64]| weights.iter().map(|w| w.abs()).sum::<f64>();
        let slope = dot(&gradient, &step) + problem.l1 * (absolute(&moved(1.0)) - absolute(&state.weights));
        let mut t = 1.0;
        let accepted = loop {
            let weights = moved(t);
            let mut logits = point.logits.clone();
            logits.iter_mut().zip(&change).for_each(|(z, c)| *z += t * c);
            let mut next = Point { probabilities: vec![0.0; logits.len()], logits, loss: 0.0 };
            next.refresh(inputs);
            let next_value = next.loss + penalty(problem, &weights);
            // Beyond rounding there is nothing to gain: a step that keeps the value may still bring the gradient down.
            if next_value <= value + 1e-4 * t * slope.min(0.0) + 1e-13 * value.abs() {
                break Some((weights, next, next_value));
            }
            t *= 0.5;
            if t < 1e-10 {
                break None;
            }
        };
        let Some((weights, next, next_value)) = accepted else { return end };
        state.weights = weights;
        state.bias.iter_mut().zip(step_bias).for_each(|(b, d)| *b += t * d);
        (point, value) = (next, next_value);
        iterations += 1;
    }
}

/// An approximate Newton step: conjugate gradients, preconditioned by the Hessian's diagonal, until the model's gradient
/// is a fraction of the gradient that shrinks with it.
fn conjugate_gradients(
    problem: &Problem,
    inputs: &Inputs,
    columns: &[usize],
    point: &Point,
    gradient: &[f64],
) -> Vec<f64> {
    let (classes, stride, n) = (inputs.classes, inputs.stride, gradient.len());
    let n_weights = n - classes;
    // The mean of p (1 - p) by class stands for its sum with x^2: a neuron's variance is about 1.
    let scales: Vec<f64> = point
        .probabilities
        .chunks_exact(stride)
        .map(|p| p.iter().map(|p| p * (1.0 - p)).sum::<f64>().max(1e-8 * inputs.words() as f64))
        .collect();
    let scale = |i: usize| scales[i % classes] + if i < n_weights { problem.l2 } else { 0.0 };
    let start = dot(gradient, gradient).sqrt();
    let goal = start * (start / inputs.words() as f64).sqrt().min(0.1);
    let mut step = vec![0.0; n];
    let mut left: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut scaled: Vec<f64> = left.iter().enumerate().map(|(i, r)| r / scale(i)).collect();
    let mut direction = scaled.clone();
    let mut rho = dot(&left, &scaled);
    let mut product = vec![0.0; n];
    let probabilities: Vec<f32> = point.probabilities.iter().map(|&p| p as f32).collect();
    for _ in 0..250 {
        times_hessian(inputs, columns, &direction, &probabilities, &mut product);
        for (p, d) in product[..n_weights].iter_mut().zip(&direction) {
            *p += problem.l2 * d;
        }
        let curvature = dot(&direction, &product);
        if curvature <= 0.0 || !curvature.is_finite() {
            break;
        }
        let t = rho / curvature;
        for i in 0..n {
            step[i] += t * direction[i];
            left[i] -= t * product[i];
            scaled[i] = left[i] / scale(i);
        }
        if dot(&left, &left).sqrt() <= goal {
            break;
        }
        let next = dot(&left, &scaled);
        let beta = next / rho;
        rho = next;
        direction.iter_mut().zip(&scaled).for_each(|(d, s)| *d = s + beta * *d);
    }
    step
}

/// The quadratic model of the objective with its L1 part.
struct Model<'a> {
    problem: &'a Problem,
    inputs: &'a Inputs,
    columns: &'a [usize],
    gradient: &'a [f64],
    /// The largest violation to leave.
    tolerance: f64,
}

impl Model<'_> {
    /// Coordinate descent over the working weights and the biases; returns the step.
    fn descend(&self, point: &Point, state: &State, working: &[bool]) -> Vec<f64> {
        let (classes, stride, n_weights) = (self.inputs.classes, self.inputs.stride, state.weights.len());
        let p: Vec<f32> = point.probabilities.iter().map(|&p| p as f32).collect();
        let mut ones = vec![1f32; self.inputs.words()];
        ones.resize(stride, 0.0);
        let column = |i: usize| match self.columns.get(i / classes) {
            Some(&neuron) => self.inputs.column(neuron),
            None => &ones[..],
        };
        let all: Vec<usize> = (0..n_weights + classes).filter(|&i| working.get(i).copied().unwrap_or(true)).collect();
        let curvatures: Vec<f64> =
            all.iter().map(|&i| curvature(column(i), &p[i % classes * stride..][..stride])).collect();
        let mut step = vec![0.0; n_weights + classes];
        let mut v = vec![0f32; classes * stride];
        let mut s = vec![0f32; stride];
        let mut visit = |place: usize, step: &mut [f64]| -> f64 {
            let i = all[place];
            let (x, class) = (column(i), i % classes);
            let p = &p[class * stride..][..stride];
            let v = &mut v[class * stride..][..stride];
            let (l1, l2) = if i < n_weights { (self.problem.l1, self.problem.l2) } else { (0.0, 0.0) };
            let h = curvatures[place] + l2;
            // A class that is certain everywhere, or a constant neuron.
            if h <= 1e-12 {
                return 0.0;
            }
            let gradient = self.gradient[i] + l2 * step[i] + model_gradient(x, p, v, &s);
            let start = state.weights.get(i).copied().unwrap_or(0.0);
            let old = start + step[i];
            let target = old - gradient / h;
            let new = target.signum() * (target.abs() - l1 / h).max(0.0);
            let change = new - old;
            if change != 0.0 {
                step[i] = new - start;
                model_step(x, p, change as f32, v, &mut s);
            }
            (change * h).abs()
        };
        for _ in 0..50 {
            let worst = (0..all.len()).fold(0.0f64, |worst, place| worst.max(visit(place, &mut step)));
            if worst <= self.tolerance {
                break;
            }
            // The weights that are not zero, until they rest; then all again.
            let some: Vec<usize> = (0..all.len())
                .filter(|&place| {
                    let i = all[place];
                    state.weights.get(i).is_none_or(|w| w + step[i] != 0.0)
                })
                .collect();
            for _ in 0..50 {
                let worst = some.iter().fold(0.0f64, |worst, &place| worst.max(visit(place, &mut step)));
                if worst <= self.tolerance {
                    break;
                }
            }
        }
        step
    }
}
