//! Products with the training words: activations in f32, `[neuron][word]`; sums in f64, of approximate steps in f32.

use crate::probe::lanes::{dispatch, Lanes};
use crate::probe::linear::Standardisation;
use ndarray::ArrayView2;
use rayon::prelude::*;
use std::ops::{AddAssign, Mul};

/// Words a block: what a block of a neuron's column is multiplied with stays in the nearest cache.
const BLOCK: usize = 512;

/// Words of a piece of work for one thread.
const PIECE: usize = 1024;

/// Words whose logits and gradients follow each other while their activations are in a cache.
const FEW: usize = 256;

/// Columns read side by side.
const COLUMNS: usize = 16;

/// The training words as the solver reads them.
pub(crate) struct Inputs {
    /// `[neuron][word]`, (standardised) activations; words are padded with zeros to whole lanes.
    pub(crate) x: Vec<f32>,
    pub(crate) stride: usize,
    pub(crate) labels: Vec<usize>,
    pub(crate) classes: usize,
    pub(crate) neurons: usize,
}

impl Inputs {
    /// Checked records and labels, copied.
    pub(crate) fn new(
        records: ArrayView2<f32>,
        labels: &[usize],
        classes: usize,
        standardisation: Option<&Standardisation>,
    ) -> Self {
        let (words, neurons) = records.dim();
        let stride = words.div_ceil(8) * 8;
        let mut x = vec![0f32; neurons * stride];
        for (word, row) in records.outer_iter().enumerate() {
            for (neuron, &activation) in row.iter().enumerate() {
                x[neuron * stride + word] = standardisation.map_or(activation, |s| s.apply(neuron, activation));
            }
        }
        Inputs { x, stride, labels: labels.to_vec(), classes, neurons }
    }

    /// The number of words.
    pub(crate) fn words(&self) -> usize {
        self.labels.len()
    }

    /// A neuron's activations, padded.
    pub(crate) fn column(&self, neuron: usize) -> &[f32] {
        &self.x[neuron * self.stride..][..self.stride]
    }
}

/// The work on each piece of the words: pieces are the same whatever the number of threads, and so are sums over them in order.
fn over_pieces<T: Send>(inputs: &Inputs, work: impl Fn(usize, usize) -> T + Sync) -> Vec<T> {
    let piece = |start: usize| work(start, (start + PIECE).min(inputs.stride));
    if inputs.stride <= PIECE {
        return vec![piece(0)];
    }
    (0..inputs.stride.div_ceil(PIECE)).into_par_iter().map(|i| piece(i * PIECE)).collect()
}

/// Adds to `out` `[class][word]` the logits of weights `[column][class]`, `columns` being neurons.
pub(super) fn forward(inputs: &Inputs, columns: &[usize], weights: &[f64], out: &mut [f64]) {
    // With an L1 part most are 0.
    let (used, weights): (Vec<usize>, Vec<&[f64]>) = columns
        .iter()
        .zip(weights.chunks_exact(inputs.classes))
        .filter(|(_, weights)| weights.iter().any(|&weight| weight != 0.0))
        .unzip();
    let weights = weights.concat();
    let parts = over_pieces(inputs, |start, end| {
        let mut part = vec![0.0; inputs.classes * (end - start)];
        logits(inputs, &used, &weights, start, &mut part);
        part
    });
    for (part, start) in parts.iter().zip((0..).step_by(PIECE)) {
        let words = part.len() / inputs.classes;
        for (out, part) in out.chunks_exact_mut(inputs.stride).zip(part.chunks_exact(words)) {
            out[start..start + words].iter_mut().zip(part).for_each(|(out, part)| *out += part);
        }
    }
}

/// Fills `out` `[column][class]` with the products of the columns with `residuals` `[class][word]`.
pub(crate) fn backward(inputs: &Inputs, columns: &[usize], residuals: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    if inputs.stride <= PIECE {
        return gradients(inputs, columns, residuals, out);
    }
    let out = out.par_chunks_mut(COLUMNS * inputs.classes);
    columns.par_chunks(COLUMNS).zip(out).for_each(|(columns, out)| gradients(inputs, columns, residuals, out));
}

/// Fills `out` (weights `[column][class]`, then biases) with the product of the loss's Hessian with a direction, given the
/// probabilities `[class][word]`: to f32, enough for a step that is approximate anyway.
pub(super) fn times_hessian(
    inputs: &Inputs,
    columns: &[usize],
    direction: &[f64],
    probabilities: &[f32],
    out: &mut [f64],
) {
    let direction: Vec<f32> = direction.iter().map(|&d| d as f32).collect();
    let parts = over_pieces(inputs, |start, end| {
        let mut part = vec![0.0; direction.len()];
        hessian_part(inputs, columns, &direction, probabilities, start, end, &mut part);
        part
    });
    out.fill(0.0);
    for part in parts {
        out.iter_mut().zip(part).for_each(|(out, part)| *out += part);
    }
}

dispatch! {
    /// Adds to `out` `[class][word]` the logits of the words from `start` on.
    fn logits(inputs: &Inputs, columns: &[usize], weights: &[f64], start: usize, out: &mut [f64]) = logits_body
}

/// Floats of either width.
trait Number: Copy + Default + From<f32> + AddAssign + Mul<Output = Self> {}

impl Number for f32 {}
impl Number for f64 {}

#[inline(always)]
fn logits_body<L: Lanes, T: Number>(
    _lanes: L,
    inputs: &Inputs,
    columns: &[usize],
    weights: &[T],
    start: usize,
    out: &mut [T],
) {
    let classes = inputs.classes;
    let words = out.len() / classes;
    for (columns, weights) in columns.chunks(COLUMNS).zip(weights.chunks(COLUMNS * classes)) {
        for class in (0..classes).step_by(4) {
            let out = &mut out[class * words..];
            match classes - class {
                1 => logits_of::<T, 1>(inputs, columns, &weights[class..], start, words, out),
                2 => logits_of::<T, 2>(inputs, columns, &weights[class..], start, words, out),
                3 => logits_of::<T, 3>(inputs, columns, &weights[class..], start, words, out),
                _ => logits_of::<T, 4>(inputs, columns, &weights[class..], start, words, out),
            }
        }
    }
}

/// Of `C` classes, eight words at a time: sums stay in registers over the columns.
#[inline(always)]
fn logits_of<T: Number, const C: usize>(
    inputs: &Inputs,
    columns: &[usize],
    weights: &[T],
    start: usize,
    words: usize,
    out: &mut [T],
) {
    for word in (0..words).step_by(8) {
        let mut sums = [[T::default(); 8]; C];
        for (&neuron, weights) in columns.iter().zip(weights.chunks(inputs.classes)) {
            let x = &inputs.x[neuron * inputs.stride + start + word..][..8];
            let weights = &weights[..C];
            for (sums, &weight) in sums.iter_mut().zip(weights) {
                for lane in 0..8 {
                    sums[lane] += weight * T::from(x[lane]);
                }
            }
        }
        for (class, sums) in sums.iter().enumerate() {
            let out = &mut out[class * words + word..][..8];
            out.iter_mut().zip(sums).for_each(|(out, &sum)| *out += sum);
        }
    }
}

dispatch! {
    /// Adds to `out` `[column][class]` the products of the columns with `residuals` `[class][word]`.
    fn gradients(inputs: &Inputs, columns: &[usize], residuals: &[f64], out: &mut [f64]) = gradients_body
}

#[inline(always)]
fn gradients_body<L: Lanes>(_lanes: L, inputs: &Inputs, columns: &[usize], residuals: &[f64], out: &mut [f64]) {
    let stride = inputs.stride;
    for start in (0..stride).step_by(BLOCK) {
        let end = (start + BLOCK).min(stride);
        for (&neuron, out) in columns.iter().zip(out.chunks_exact_mut(inputs.classes)) {
            let x = &inputs.column(neuron)[start..end];
            for (out, residuals) in out.iter_mut().zip(residuals.chunks_exact(stride)) {
                // Eight sums of fixed lanes: the same bits whatever the instruction set.
                let mut sums = [0f64; 8];
                for (x, r) in x.chunks_exact(8).zip(residuals[start..end].chunks_exact(8)) {
                    for lane in 0..8 {
                        sums[lane] += f64::from(x[lane]) * r[lane];
                    }
                }
                *out += sums.iter().sum::<f64>();
            }
        }
    }
}

dispatch! {
    /// Adds to `out` what the words from `start` to `end` give to [`times_hessian`].
    fn hessian_part(
        inputs: &Inputs,
        columns: &[usize],
        direction: &[f32],
        probabilities: &[f32],
        start: usize,
        end: usize,
        out: &mut [f64],
    ) = hessian_part_body
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn hessian_part_body<L: Lanes>(
    lanes: L,
    inputs: &Inputs,
    columns: &[usize],
    direction: &[f32],
    probabilities: &[f32],
    start: usize,
    end: usize,
    out: &mut [f64],
) {
    let (classes, n_weights) = (inputs.classes, columns.len() * inputs.classes);
    let (weights, biases) = direction.split_at(n_weights);
    let (of_weights, of_biases) = out.split_at_mut(n_weights);
    let mut room = vec![0f32; classes * FEW];
    let mut means = [0f32; FEW];
    let mut sums = vec![[0f32; 16]; n_weights];
    for start in (start..end).step_by(FEW) {
        let words = FEW.min(end - start);
        let v = &mut room[..classes * words];
        v.chunks_exact_mut(words).zip(biases).for_each(|(v, bias)| v.fill(*bias));
        logits_body(lanes, inputs, columns, weights, start, v);
        // `v` becomes `p * (v - sum over classes of p v)`; padding words have no probabilities.
        let means = &mut means[..words];
        means.fill(0.0);
        for (p, v) in probabilities.chunks_exact(inputs.stride).zip(v.chunks_exact(words)) {
            for ((mean, p), v) in means.iter_mut().zip(&p[start..]).zip(v) {
                *mean += p * v;
            }
        }
        for (p, v) in probabilities.chunks_exact(inputs.stride).zip(v.chunks_exact_mut(words)) {
            for ((mean, p), v) in means.iter().zip(&p[start..]).zip(v) {
                *v = p * (*v - mean);
            }
        }
        for (v, bias) in v.chunks_exact(words).zip(of_biases.iter_mut()) {
            *bias += v.iter().map(|&v| f64::from(v)).sum::<f64>();
        }
        for (&neuron, sums) in columns.iter().zip(sums.chunks_exact_mut(classes)) {
            let x = &inputs.column(neuron)[start..start + words];
            sums.iter_mut().zip(v.chunks_exact(words)).for_each(|(sums, v)| add_products(x, v, sums));
        }
    }
    for (out, sums) in of_weights.iter_mut().zip(sums) {
        *out += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>();
    }
}

/// Adds the products of two vectors of whole lanes to sixteen sums, which are left apart: a total taken here would keep the
/// compiler from computing them in lanes.
#[inline(always)]
fn add_products(a: &[f32], b: &[f32], out: &mut [f32; 16]) {
    let mut sums = *out;
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = a.len() / 16 * 16;
    for ((sum, a), b) in sums.iter_mut().zip(&a[rest..]).zip(&b[rest..]) {
        *sum += a * b;
    }
    *out = sums;
}

dispatch! {
    /// The sum over words of `x * p * (v - s)`.
    pub(super) fn model_gradient(x: &[f32], p: &[f32], v: &[f32], s: &[f32]) -> f64 = model_gradient_body
}

#[inline(always)]
fn model_gradient_body<L: Lanes>(_lanes: L, x: &[f32], p: &[f32], v: &[f32], s: &[f32]) -> f64 {
    let mut total = 0f64;
    let pieces = x.chunks(BLOCK).zip(p.chunks(BLOCK)).zip(v.chunks(BLOCK).zip(s.chunks(BLOCK)));
    for ((x, p), (v, s)) in pieces {
        let mut sums = [0f32; 16];
        let (mut x, mut p, mut v, mut s) = (x, p, v, s);
        while x.len() >= 16 && p.len() >= 16 && v.len() >= 16 && s.len() >= 16 {
            for lane in 0..16 {
                sums[lane] += x[lane] * p[lane] * (v[lane] - s[lane]);
            }
            (x, p, v, s) = (&x[16..], &p[16..], &v[16..], &s[16..]);
        }
        for (((x, p), v), s) in x.iter().zip(p).zip(v).zip(s) {
            total += f64::from(x * p * (v - s));
        }
        total += sums.iter().map(|&x| f64::from(x)).sum::<f64>();
    }
    total
}

dispatch! {
    /// After a step on one weight: `v += step * x`, `s += step * p * x`.
    pub(super) fn model_step(x: &[f32], p: &[f32], step: f32, v: &mut [f32], s: &mut [f32]) = model_step_body
}

#[inline(always)]
fn model_step_body<L: Lanes>(_lanes: L, x: &[f32], p: &[f32], step: f32, v: &mut [f32], s: &mut [f32]) {
    for (((x, p), v), s) in x.iter().zip(p).zip(v).zip(s) {
        let change = step * x;
        *v += change;
        *s += change * p;
    }
}

dispatch! {
    /// The sum over words of `x^2 p (1 - p)`.
    pub(super) fn curvature(x: &[f32], p: &[f32]) -> f64 = curvature_body
}

#[inline(always)]
fn curvature_body<L: Lanes>(_lanes: L, x: &[f32], p: &[f32]) -> f64 {
    let mut sums = [0f64; 8];
    for (x, p) in x.chunks_exact(8).zip(p.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += f64::from(x[lane] * x[lane] * (p[lane] * (1.0 - p[lane])));
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use rand::Rng;

    #[test]
    fn products_agree_with_their_definitions() {
        // One piece and several, blocks that end within one; one class to five.
        for (words, neurons, classes) in [(13, 3, 2), (600, 40, 3), (1030, 35, 4), (2500, 19, 5)] {
            let mut rng = crate::seed::stream(7, &["kernels", &words.to_string()]);
            let x = Array2::from_shape_fn((words, neurons), |_| rng.gen::<f32>() - 0.5);
            let labels = vec![0; words];
            let inputs = Inputs::new(x.view(), &labels, classes, None);
            let columns: Vec<usize> = (0..neurons).rev().filter(|d| d % 4 != 1).collect();
            let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.gen::<f64>() - 0.5).collect() };
            let mut weights = draw(columns.len() * classes);
            weights[..classes].fill(0.0);
            let bias = draw(classes);
            let x = |word: usize, column: usize| f64::from(x[[word, columns[column]]]);
            let logit = |word: usize, class: usize| -> f64 {
                (0..columns.len()).map(|i| weights[i * classes + class] * x(word, i)).sum()
            };
            let close = |got: f64, expected: f64, epsilon: f64| {
                assert!((got - expected).abs() <= epsilon, "{words} words, {classes} classes: {got}, not {expected}");
            };

            let stride = inputs.stride;
            let mut out = vec![1.0; classes * stride];
            forward(&inputs, &columns, &weights, &mut out);
            for class in 0..classes {
                (0..words).for_each(|word| close(out[class * stride + word], 1.0 + logit(word, class), 1e-12));
            }

            let residuals: Vec<f64> = (0..classes * stride).map(|i| ((i * 7 % 13) as f64 - 6.0) / 6.0).collect();
            let mut out = vec![5.0; weights.len()];
            backward(&inputs, &columns, &residuals, &mut out);
            for (i, out) in out.iter().enumerate() {
                let product = |word: usize| x(word, i / classes) * residuals[i % classes * stride + word];
                close(*out, (0..words).map(product).sum(), 1e-10);
            }

            // Probabilities that add up to 1, none for padding words.
            let mut p = vec![0f32; classes * stride];
            for word in 0..words {
                let odds: Vec<f32> = (0..classes).map(|class| 1.0 + ((word + class * 5) % 7) as f32).collect();
                (0..classes).for_each(|class| p[class * stride + word] = odds[class] / odds.iter().sum::<f32>());
            }
            let direction = [&weights[..], &bias].concat();
            let mut out = vec![5.0; direction.len()];
            times_hessian(&inputs, &columns, &direction, &p, &mut out);
            let mut expected = vec![0.0; direction.len()];
            for word in 0..words {
                let p = |class: usize| f64::from(p[class * stride + word]);
                let v: Vec<f64> = (0..classes).map(|class| logit(word, class) + bias[class]).collect();
                let mean: f64 = (0..classes).map(|class| p(class) * v[class]).sum();
                for (class, v) in v.iter().enumerate() {
                    let u = p(class) * (v - mean);
                    (0..columns.len()).for_each(|i| expected[i * classes + class] += u * x(word, i));
                    expected[weights.len() + class] += u;
                }
            }
            let scale = expected.iter().fold(0.0f64, |most, e| most.max(e.abs()));
            out.iter().zip(expected).for_each(|(&out, expected)| close(out, expected, 1e-6 * scale));
        }
    }
}
