//! Incremental evaluation of a linear probe: adding a neuron adds its activation times its weights to the logits, so a
//! candidate costs `words x classes` and no product with the whole selection.

use super::lanes::{dispatch, Lanes, Tile, LANES};
use super::linear::log_softmax;
use super::{check_labels, check_records, Evaluation, IncrementalScorer, LinearProbe, Probe};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};

pub(super) struct LinearScorer<'a> {
    probe: &'a LinearProbe,
    labels: Vec<usize>,
    /// `[words, classes]`, of the selection.
    logits: Array2<f64>,
    /// The logits, `[tile of words][class]`.
    base: Vec<Tile>,
    /// Activations, `[neuron][tile of words]`.
    x: Vec<Tile>,
    /// The sum over words of the true class's logit.
    truth: f64,
    selected: Vec<bool>,
    /// By neuron, the sum over words of what it adds to the true class's logit.
    gains: Vec<f64>,
}

/// Padding words have this logit for every class but the first, where it is 0: they then add nothing to a sum of
/// log-normalisers.
const NEVER: f32 = -1e4;

impl<'a> LinearScorer<'a> {
    pub(super) fn new(probe: &'a LinearProbe, records: ArrayView2<f32>, labels: &[usize]) -> Result<Self> {
        check_records(records, probe.n_neurons())?;
        check_labels(records.nrows(), labels, probe.n_classes())?;
        let (words, neurons) = records.dim();
        let tiles = words.div_ceil(LANES);
        let mut x = vec![Tile::default(); tiles * neurons];
        let mut gains = vec![0f64; neurons];
        for (word, row) in records.outer_iter().enumerate() {
            let weights = probe.weights().row(labels[word]).to_owned();
            for (neuron, &activation) in row.iter().enumerate() {
                let input = probe.input(neuron, activation);
                x[neuron * tiles + word / LANES].0[word % LANES] = input;
                gains[neuron] += f64::from(input) * f64::from(weights[neuron]);
            }
        }
        let bias = probe.bias();
        let logits = Array2::from_shape_fn((words, probe.n_classes()), |(_, class)| f64::from(bias[class]));
        let mut base = vec![Tile([NEVER; LANES]); tiles * probe.n_classes()];
        for tile in base.chunks_exact_mut(probe.n_classes()) {
            tile[0] = Tile::default();
        }
        let mut scorer = LinearScorer {
            probe,
            labels: labels.to_vec(),
            logits,
            base,
            x,
            truth: 0.0,
            selected: vec![false; neurons],
            gains,
        };
        scorer.refresh();
        Ok(scorer)
    }

    /// Brings `base` and `truth` up to date with `logits`.
    fn refresh(&mut self) {
        self.truth = self.labels.iter().enumerate().map(|(word, &label)| self.logits[[word, label]]).sum();
        let classes = self.probe.n_classes();
        for (word, row) in self.logits.outer_iter().enumerate() {
            for (class, &logit) in row.iter().enumerate() {
                self.base[word / LANES * classes + class].0[word % LANES] = logit as f32;
            }
        }
    }

    fn column(&self, neuron: usize) -> Option<&[Tile]> {
        let tiles = self.labels.len().div_ceil(LANES);
        (neuron < self.probe.n_neurons()).then(|| &self.x[neuron * tiles..][..tiles])
    }
}

/// Marks a neuron as selected.
pub(super) fn select(selected: &mut [bool], neuron: usize) -> Result<()> {
    match selected.get_mut(neuron) {
        Some(selected @ false) => *selected = true,
        Some(true) => return Err(Error::Data(format!("neuron {neuron} is selected already"))),
        None => return Err(Error::Data(format!("neuron {neuron} is outside 0..{}", selected.len()))),
    }
    Ok(())
}

impl IncrementalScorer for LinearScorer<'_> {
    fn cross_entropy_with(&self, neuron: usize) -> f64 {
        let (Some(x), words) = (self.column(neuron), self.labels.len()) else { return f64::INFINITY };
        if words == 0 || self.selected[neuron] {
            return f64::INFINITY;
        }
        let weights = self.probe.weights().column(neuron).to_vec();
        (log_normalisers(x, &self.base, &weights) - self.truth - self.gains[neuron]) / words as f64
    }

    fn add(&mut self, neuron: usize) -> Result<()> {
        select(&mut self.selected, neuron)?;
        let Some(x) = self.column(neuron) else { return Ok(()) };
        let x: Vec<f32> = x.iter().flat_map(|tile| tile.0).collect();
        let weights = self.probe.weights();
        for (mut row, x) in self.logits.outer_iter_mut().zip(x) {
            for (logit, &weight) in row.iter_mut().zip(weights.column(neuron)) {
                *logit += f64::from(x) * f64::from(weight);
            }
        }
        self.refresh();
        Ok(())
    }

    fn evaluation(&self) -> Result<Evaluation> {
        let mut log_likelihoods = self.logits.clone();
        for mut row in log_likelihoods.outer_iter_mut() {
            log_softmax(row.iter_mut());
        }
        Evaluation::new(log_likelihoods.view(), &self.labels)
    }
}

dispatch! {
    /// The sum over words of `log sum over classes of exp(base + x * weight)`.
    fn log_normalisers(x: &[Tile], base: &[Tile], weights: &[f32]) -> f64 = log_normalisers_body
}

#[inline(always)]
fn log_normalisers_body<L: Lanes>(lanes: L, x: &[Tile], base: &[Tile], weights: &[f32]) -> f64 {
    let classes = weights.len();
    // A sum of exponentials is between 1 and the number of classes, so that many can be multiplied before one logarithm.
    let piece = (100.0 / (classes as f64 + 1.0).log2()) as usize + 1;
    let mut total = 0f64;
    for (x, base) in x.chunks(piece).zip(base.chunks(piece * classes)) {
        let mut maxima = lanes.splat(0.0);
        let mut product = lanes.splat(1.0);
        for (x, base) in x.iter().zip(base.chunks_exact(classes)) {
            let x = lanes.load(x);
            let mut max = lanes.splat(f32::NEG_INFINITY);
            for (base, &weight) in base.iter().zip(weights) {
                max = lanes.max(max, lanes.add(lanes.load(base), lanes.mul(x, lanes.splat(weight))));
            }
            let mut sum = lanes.splat(0.0);
            for (base, &weight) in base.iter().zip(weights) {
                let z = lanes.add(lanes.load(base), lanes.mul(x, lanes.splat(weight)));
                sum = lanes.add(sum, lanes.exp(lanes.sub(z, max)));
            }
            maxima = lanes.add(maxima, max);
            product = lanes.mul(product, sum);
        }
        let (mut m, mut p) = (Tile::default(), Tile::default());
        lanes.store(maxima, &mut m);
        lanes.store(product, &mut p);
        for (m, p) in m.0.iter().zip(p.0) {
            total += f64::from(*m) + f64::from(p).ln();
        }
    }
    total
}
