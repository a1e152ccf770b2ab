//! Products with the training words: activations in f32, `[neuron][word]`, sums in f64.

use crate::probe::lanes::{dispatch, Lanes};
use crate::probe::linear::Standardisation;
use ndarray::ArrayView2;

/// Words a block: what a block of a neuron's column is multiplied with stays in the nearest cache.
const BLOCK: usize = 512;

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

dispatch! {
    /// Adds to `out` `[class][word]` the logits of weights `[column][class]`, `columns` being neurons.
    pub(super) fn forward(inputs: &Inputs, columns: &[usize], weights: &[f64], out: &mut [f64]) = forward_body
}

#[inline(always)]
fn forward_body<L: Lanes>(_lanes: L, inputs: &Inputs, columns: &[usize], weights: &[f64], out: &mut [f64]) {
    let stride = inputs.stride;
    for start in (0..stride).step_by(BLOCK) {
        let end = (start + BLOCK).min(stride);
        for (&neuron, weights) in columns.iter().zip(weights.chunks_exact(inputs.classes)) {
            let x = &inputs.column(neuron)[start..end];
            for (out, &weight) in out.chunks_exact_mut(stride).zip(weights) {
                if weight != 0.0 {
                    for (out, &x) in out[start..end].iter_mut().zip(x) {
                        *out += weight * f64::from(x);
                    }
                }
            }
        }
    }
}

dispatch! {
    /// Fills `out` `[column][class]` with the products of the columns with `residuals` `[class][word]`.
    pub(crate) fn backward(inputs: &Inputs, columns: &[usize], residuals: &[f64], out: &mut [f64]) = backward_body
}

#[inline(always)]
fn backward_body<L: Lanes>(_lanes: L, inputs: &Inputs, columns: &[usize], residuals: &[f64], out: &mut [f64]) {
    let stride = inputs.stride;
    out.fill(0.0);
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
