//! Incremental evaluation of a Gaussian probe. Adding a neuron appends a row to every class's Cholesky factor; what the
//! selection leaves of every other neuron (its residual on each word, its variance) is kept up to date, so that a candidate
//! costs `words x classes`.

use super::{place, GaussianProbe, LEAST_VARIANCE};
use crate::probe::lanes::{dispatch, Lanes, Tile, LANES};
use crate::probe::linear::log_softmax;
use crate::probe::scorer::select;
use crate::probe::{check_labels, check_records, Evaluation, IncrementalScorer, Probe};
use crate::Result;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use std::sync::OnceLock;

/// What a class knows of the neurons that are not selected, given those that are.
struct Class {
    /// Rows of the factor that belong to the selection, by neuron: `[selected][neuron]`.
    factor: Vec<Vec<f64>>,
    /// The whitened activations of the selection, `[selected][word]`.
    whitened: Vec<Vec<f64>>,
    /// The variance left, `[neuron]`.
    left: Vec<f64>,
}

pub(super) struct GaussianScorer<'a> {
    probe: &'a GaussianProbe,
    labels: Vec<usize>,
    /// Standardised activations, `[neuron][tile of words]`.
    x: Vec<Tile>,
    selected: Vec<bool>,
    classes: Vec<Class>,
    /// `log p(c) + log N(x_S)`, without constants, `[words, classes]`.
    log_joint: Array2<f64>,
    /// The same less each word's maximum, `[tile][class]`.
    base: Vec<Tile>,
    /// Residuals, `[neuron][class][tile]`: made when the first candidate is scored.
    residuals: OnceLock<Vec<Tile>>,
}

/// Padding words have this for every class but the first, where they have 0.
const NEVER: f32 = -1e4;

impl<'a> GaussianScorer<'a> {
    pub(super) fn new(probe: &'a GaussianProbe, records: ArrayView2<f32>, labels: &[usize]) -> Result<Self> {
        check_records(records, probe.n_neurons())?;
        check_labels(records.nrows(), labels, probe.n_classes())?;
        let (words, neurons) = records.dim();
        let tiles = words.div_ceil(LANES);
        let mut x = vec![Tile::default(); tiles * neurons];
        for (word, row) in records.outer_iter().enumerate() {
            for (neuron, &activation) in row.iter().enumerate() {
                x[neuron * tiles + word / LANES].0[word % LANES] = probe.standardisation.apply(neuron, activation);
            }
        }
        let classes = (0..probe.n_classes())
            .map(|class| Class {
                factor: Vec::new(),
                whitened: Vec::new(),
                left: (0..neurons).map(|d| f64::from(probe.covariances[[class, place(d, d)]])).collect(),
            })
            .collect();
        let log_joint = Array2::from_shape_fn((words, probe.n_classes()), |(_, class)| probe.log_share(class));
        let mut base = vec![Tile([NEVER; LANES]); tiles * probe.n_classes()];
        base.chunks_exact_mut(probe.n_classes()).for_each(|tile| tile[0] = Tile::default());
        let mut scorer = GaussianScorer {
            probe,
            labels: labels.to_vec(),
            x,
            selected: vec![false; neurons],
            classes,
            log_joint,
            base,
            residuals: OnceLock::new(),
        };
        scorer.refresh();
        Ok(scorer)
    }

    fn tiles(&self) -> usize {
        self.labels.len().div_ceil(LANES)
    }

    /// Brings `base` up to date with `log_joint`.
    fn refresh(&mut self) {
        let classes = self.probe.n_classes();
        for (word, row) in self.log_joint.outer_iter().enumerate() {
            let most = row.iter().fold(f64::NEG_INFINITY, |most, &value| most.max(value));
            for (class, &value) in row.iter().enumerate() {
                self.base[word / LANES * classes + class].0[word % LANES] = (value - most) as f32;
            }
        }
    }

    /// Writes what the selection leaves of a neuron's activations in a class, tile by tile.
    fn residual(&self, neuron: usize, class: usize, out: &mut [Tile]) {
        let mean = self.probe.means[[class, neuron]];
        let known = &self.classes[class];
        out.copy_from_slice(&self.x[neuron * self.tiles()..][..self.tiles()]);
        let values = out.iter_mut().flat_map(|tile| &mut tile.0);
        for (word, value) in values.enumerate().take(self.labels.len()) {
            let explained: f64 = known.factor.iter().zip(&known.whitened).map(|(l, z)| l[neuron] * z[word]).sum();
            *value = (f64::from(*value) - f64::from(mean) - explained) as f32;
        }
    }

    /// Residuals of all neurons in all classes.
    fn residuals(&self) -> &[Tile] {
        self.residuals.get_or_init(|| {
            let classes = self.probe.n_classes();
            let mut rows = vec![Tile::default(); self.probe.n_neurons() * classes * self.tiles()];
            // On this thread alone: one that waited for others here could take up a candidate and come back for the lock.
            for (row, to) in rows.chunks_exact_mut(self.tiles().max(1)).enumerate() {
                self.residual(row / classes, row % classes, to);
            }
            rows
        })
    }

    /// The mean negative log-likelihood of the selection.
    fn cross_entropy(&self) -> f64 {
        let loss: f64 = self
            .log_joint
            .outer_iter()
            .zip(&self.labels)
            .map(|(row, &label)| {
                let mut row = row.to_vec();
                log_softmax(row.iter_mut());
                -row[label]
            })
            .sum();
        loss / self.labels.len() as f64
    }
}

impl IncrementalScorer for GaussianScorer<'_> {
    fn cross_entropy_with(&self, neuron: usize) -> f64 {
        if self.labels.is_empty() || self.selected.get(neuron) != Some(&false) {
            return f64::INFINITY;
        }
        if !self.probe.informs(neuron) {
            return self.cross_entropy();
        }
        let (words, tiles, classes) = (self.labels.len(), self.tiles(), self.probe.n_classes());
        let residuals = &self.residuals()[neuron * classes * tiles..][..classes * tiles];
        // log N(r; 0, v) = constant + precision r^2.
        let (constants, precisions): (Vec<f32>, Vec<f32>) = self
            .classes
            .iter()
            .map(|class| class.left[neuron].max(LEAST_VARIANCE))
            .map(|v| ((-0.5 * v.ln()) as f32, (-0.5 / v) as f32))
            .unzip();
        let normalisers = log_normalisers(residuals, &self.base, &constants, &precisions);
        let padding = (tiles * LANES - words) as f64 * f64::from(constants[0]);
        let truth: f64 = self
            .labels
            .iter()
            .enumerate()
            .map(|(word, &label)| {
                let residual = residuals[label * tiles + word / LANES].0[word % LANES];
                let base = self.base[word / LANES * classes + label].0[word % LANES];
                f64::from(base) + f64::from(constants[label]) + f64::from(precisions[label] * (residual * residual))
            })
            .sum();
        (normalisers - padding - truth) / words as f64
    }

    fn add(&mut self, neuron: usize) -> Result<()> {
        select(&mut self.selected, neuron)?;
        if !self.probe.informs(neuron) {
            return Ok(());
        }
        let (words, tiles, n_classes) = (self.labels.len(), self.tiles(), self.probe.n_classes());
        for c in 0..n_classes {
            let class = &self.classes[c];
            let deviation = class.left[neuron].max(LEAST_VARIANCE).sqrt();
            let row = |other: usize| {
                let known: f64 = class.factor.iter().map(|l| l[neuron] * l[other]).sum();
                (f64::from(self.probe.covariances[[c, place(neuron, other)]]) - known) / deviation
            };
            let factor: Vec<f64> = (0..self.probe.n_neurons()).map(row).collect();
            let mean = f64::from(self.probe.means[[c, neuron]]);
            let x = &self.x[neuron * tiles..][..tiles];
            let whitened: Vec<f64> = (0..words)
                .map(|word| {
                    let explained: f64 =
                        class.factor.iter().zip(&class.whitened).map(|(l, z)| l[neuron] * z[word]).sum();
                    (f64::from(x[word / LANES].0[word % LANES]) - mean - explained) / deviation
                })
                .collect();
            for (value, z) in self.log_joint.column_mut(c).iter_mut().zip(&whitened) {
                *value -= 0.5 * z * z + deviation.ln();
            }
            if let Some(residuals) = self.residuals.get_mut() {
                let mut z = vec![Tile::default(); tiles];
                let lanes = z.iter_mut().flat_map(|tile| &mut tile.0);
                lanes.zip(&whitened).for_each(|(to, &z)| *to = z as f32);
                let rows = residuals.par_chunks_exact_mut((n_classes * tiles).max(1)).zip(&factor);
                rows.for_each(|(residuals, &l)| {
                    let l = l as f32;
                    for (own, z) in residuals[c * tiles..][..tiles].iter_mut().zip(&z) {
                        own.0.iter_mut().zip(&z.0).for_each(|(r, z)| *r -= l * z);
                    }
                });
            }
            let class = &mut self.classes[c];
            class.left.iter_mut().zip(&factor).for_each(|(left, l)| *left -= l * l);
            class.factor.push(factor);
            class.whitened.push(whitened);
        }
        self.refresh();
        Ok(())
    }

    fn evaluation(&self) -> Result<Evaluation> {
        let mut log_likelihoods = self.log_joint.clone();
        for mut row in log_likelihoods.outer_iter_mut() {
            log_softmax(row.iter_mut());
        }
        Evaluation::new(log_likelihoods.view(), &self.labels)
    }
}

dispatch! {
    /// The sum over words of `log sum over classes of exp(base + constant + precision r^2)`, residuals `[class][tile]`.
    fn log_normalisers(residuals: &[Tile], base: &[Tile], constants: &[f32], precisions: &[f32]) -> f64
        = log_normalisers_body
}

#[inline(always)]
fn log_normalisers_body<L: Lanes>(
    lanes: L,
    residuals: &[Tile],
    base: &[Tile],
    constants: &[f32],
    precisions: &[f32],
) -> f64 {
    let classes = constants.len();
    let tiles = base.len() / classes;
    let term = |tile: usize, class: usize| {
        let r = lanes.load(&residuals[class * tiles + tile]);
        let density =
            lanes.add(lanes.splat(constants[class]), lanes.mul(lanes.splat(precisions[class]), lanes.mul(r, r)));
        lanes.add(lanes.load(&base[tile * classes + class]), density)
    };
    let mut total = 0f64;
    let (mut m, mut p) = (Tile::default(), Tile::default());
    for tile in 0..tiles {
        let mut max = lanes.splat(f32::NEG_INFINITY);
        for class in 0..classes {
            max = lanes.max(max, term(tile, class));
        }
        let mut sum = lanes.splat(0.0);
        for class in 0..classes {
            sum = lanes.add(sum, lanes.exp(lanes.sub(term(tile, class), max)));
        }
        lanes.store(max, &mut m);
        lanes.store(sum, &mut p);
        for (m, p) in m.0.iter().zip(p.0) {
            total += f64::from(*m) + f64::from(p).ln();
        }
    }
    total
}
