//! The conditional Poisson distribution: subsets of a given size, exactly.
//!
//! A subset of `k` neurons has probability `prod e^w / Z_k`, `Z_k` the elementary symmetric polynomial of degree `k` of all
//! `e^w`. What is computed with are the ratios `R_j(k) = Z_k / Z_(k-1)` over the first `j` neurons, which obey
//!
//! ```text
//! R_j(k) = (R_(j-1)(k) + e^w_j) / (1 + e^w_j / R_(j-1)(k-1))
//! ```
//!
//! Sums and quotients of positive numbers: nothing cancels, and nothing overflows where the polynomials would. A subset is
//! drawn as a chain from the last neuron to the first: with `k` still to choose among the first `j`, neuron `j` is chosen
//! with probability `e^w_j / (e^w_j + R_(j-1)(k))`. The same chain, run over probabilities instead of draws, gives marginals
//! and entropy, and with derivatives carried along the gradient of the entropy.

use crate::probe::lanes::{dispatch, Lanes, LANES};

/// Log-odds further than this from their middle count as this far: beyond, an f64 holds no sums of the weights.
const FARTHEST: f64 = 340.0;

/// How many neurons ahead the chain asks for memory.
const AHEAD: usize = 16;

/// The bits of a draw.
const BITS: u32 = 31;

/// Subsets of `D` neurons: of one size, or of a size drawn uniformly from `1..=D` first.
pub(super) struct Subsets {
    size: Option<usize>,
    /// The largest size.
    most: usize,
    /// Log-odds less their middle.
    w: Vec<f64>,
    weights: Vec<f64>,
    /// Times 2^31, the chance that neuron `j` is chosen with `k` to choose among the first `j + 1`: `[j][k in 0..=most]`.
    thresholds: Vec<u32>,
}

impl Subsets {
    /// Of log-odds `w` (`[neurons]`, finite) and a size from 1 to their number, or `None` for a uniform one.
    pub(super) fn new(w: &[f64], size: Option<usize>) -> Self {
        let most = size.map_or(w.len(), |size| size.min(w.len()));
        let (low, high) = w.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &w| (l.min(w), h.max(w)));
        let middle = 0.5 * (low + high);
        // The middle adds the same to every subset of a size and so changes none of their probabilities.
        let w: Vec<f64> = w.iter().map(|w| (w - middle).clamp(-FARTHEST, FARTHEST)).collect();
        let weights: Vec<f64> = w.iter().map(|w| w.exp()).collect();
        let mut thresholds = vec![0; w.len() * (most + 1)];
        fill_thresholds(&weights, most, &mut thresholds);
        Subsets { size, most, w, weights, thresholds }
    }

    pub(super) fn n_neurons(&self) -> usize {
        self.w.len()
    }

    /// Where the chain starts: the probabilities of `k` from 1 to `most`.
    fn start(&self) -> Vec<f64> {
        match self.size {
            Some(_) => (1..=self.most).map(|k| if k == self.most { 1.0 } else { 0.0 }).collect(),
            None => vec![1.0 / self.most as f64; self.most],
        }
    }

    /// Runs the chain over probabilities, last neuron first: `visit(neuron, the probabilities of k to choose before it is
    /// seen, its ratios)`.
    fn chain(&self, mut visit: impl FnMut(usize, &[f64], &[f64])) {
        let mut table = Vec::with_capacity(self.n_neurons() * self.most);
        let mut ratios = Ratios::new(self.most);
        for &weight in &self.weights {
            table.extend_from_slice(&ratios.of);
            ratios.step(weight);
        }
        let mut state = self.start();
        for (neuron, ratios) in table.chunks_exact(self.most.max(1)).enumerate().rev() {
            let weight = self.weights[neuron];
            visit(neuron, &state, ratios);
            let mut chosen_above = 0.0;
            for (state, ratio) in state.iter_mut().zip(ratios).rev() {
                let chosen = *state * (weight / (weight + ratio));
                *state = *state * (ratio / (weight + ratio)) + chosen_above;
                chosen_above = chosen;
            }
        }
    }

    /// The chance that a subset has each neuron, `[neurons]`.
    pub(super) fn marginals(&self) -> Vec<f64> {
        let mut marginals = vec![0.0; self.n_neurons()];
        self.chain(|neuron, state, ratios| {
            let weight = self.weights[neuron];
            marginals[neuron] =
                state.iter().zip(ratios).map(|(state, ratio)| state * (weight / (weight + ratio))).sum();
        });
        marginals
    }

    /// The entropy, in nats: that of the size, and of each choice given those before.
    pub(super) fn entropy(&self) -> f64 {
        let mut entropy = if self.size.is_none() { (self.most.max(1) as f64).ln() } else { 0.0 };
        // x log x is 0 at 0.
        let part = |x: f64| if x > 0.0 { -x * x.ln() } else { 0.0 };
        self.chain(|neuron, state, ratios| {
            let weight = self.weights[neuron];
            for (state, ratio) in state.iter().zip(ratios).filter(|(state, _)| **state > 0.0) {
                entropy += state * (part(weight / (weight + ratio)) + part(ratio / (weight + ratio)));
            }
        });
        entropy
    }

    /// The gradient of the entropy, `[neurons]`: `-sum over e of w_e Cov(m_d, m_e)` within a size, mean over sizes. That is
    /// minus the derivative of the marginals in the direction of `w`, carried through the chain.
    pub(super) fn entropy_gradient(&self) -> Vec<f64> {
        let mut gradient = vec![0.0; self.n_neurons()];
        entropy_gradient(self, &mut gradient);
        gradient
    }

    /// Draws `samples` subsets of one size into masks `[piece of 32][sample]`, a bit a neuron, from `draws` of 32 random bits:
    /// one, and one for each neuron and subset.
    #[inline(always)]
    pub(super) fn draw<L: Lanes>(&self, lanes: L, draws: &[u32], samples: usize, masks: &mut [u32]) {
        masks.fill(0);
        let Some((first, draws)) = draws.split_first() else { return };
        let size = self.size.unwrap_or(1 + ((u64::from(*first) * self.most as u64) >> 32) as usize).min(self.most);
        let mut left = vec![size; samples];
        let mut draws = draws.chunks_exact(samples);
        let mut neuron = self.n_neurons().saturating_sub(1);
        // Masks have padding: only as many pieces as there are thresholds.
        let masks = &mut masks[..self.n_neurons().div_ceil(2 * LANES) * samples];
        let pieces = self.thresholds.chunks(2 * LANES * (self.most + 1)).zip(masks.chunks_exact_mut(samples));
        for (thresholds, masks) in pieces.rev() {
            for thresholds in thresholds.chunks_exact(self.most + 1).rev() {
                let Some(draws) = draws.next() else { return };
                // The table is larger than the near caches, and where the chain will be is well known.
                if let Some(ahead) = neuron.checked_sub(AHEAD) {
                    let column = left.first().map_or(0, |left| left * ahead / neuron);
                    if let Some(threshold) = self.thresholds.get(ahead * (self.most + 1) + column) {
                        lanes.prefetch(threshold);
                    }
                }
                neuron = neuron.saturating_sub(1);
                for ((left, draw), mask) in left.iter_mut().zip(draws).zip(masks.iter_mut()) {
                    let chosen = draw >> (32 - BITS) < thresholds[*left];
                    *left -= usize::from(chosen);
                    *mask = *mask << 1 | u32::from(chosen);
                }
            }
        }
    }
}

/// `R_j(k)` for `k` from 1 to `most`, of more and more neurons; 0 where `k > j`.
struct Ratios {
    of: Vec<f64>,
    next: Vec<f64>,
}

impl Ratios {
    fn new(most: usize) -> Self {
        Ratios { of: vec![0.0; most], next: vec![0.0; most] }
    }

    /// Takes in a neuron more.
    #[inline(always)]
    fn step(&mut self, weight: f64) {
        // R(0) is infinite: below the empty subset there is nothing.
        if let (Some(next), Some(ratio)) = (self.next.first_mut(), self.of.first()) {
            *next = ratio + weight;
        }
        // Zeros stay zeros: the numerator's `below` is 0 for every k > j + 1.
        for (next, pair) in self.next.iter_mut().skip(1).zip(self.of.windows(2)) {
            let (below, ratio) = (pair[0], pair[1]);
            *next = (ratio + weight) * (below / (below + weight));
        }
        std::mem::swap(&mut self.of, &mut self.next);
    }
}

dispatch! {
    fn fill_thresholds(weights: &[f64], most: usize, thresholds: &mut [u32]) = fill_thresholds_body
}

#[inline(always)]
fn fill_thresholds_body<L: Lanes>(_lanes: L, weights: &[f64], most: usize, thresholds: &mut [u32]) {
    let scale = f64::from(1u32 << BITS);
    let mut ratios = Ratios::new(most);
    for (&weight, thresholds) in weights.iter().zip(thresholds.chunks_exact_mut(most + 1)) {
        for (threshold, ratio) in thresholds[1..].iter_mut().zip(&ratios.of) {
            *threshold = (scale * (weight / (weight + ratio)) + 0.5) as u32;
        }
        ratios.step(weight);
    }
}

dispatch! {
    fn entropy_gradient(subsets: &Subsets, gradient: &mut [f64]) = entropy_gradient_body
}

#[inline(always)]
fn entropy_gradient_body<L: Lanes>(_lanes: L, subsets: &Subsets, gradient: &mut [f64]) {
    let most = subsets.most;
    if most == 0 {
        return;
    }
    // By neuron and k, the chance to be chosen and its derivative in the direction of w.
    let mut table = vec![0f64; subsets.n_neurons() * 2 * most];
    let mut ratios = Ratios::new(most);
    // d log R_j(k).
    let (mut slopes, mut next) = (vec![0f64; most], vec![0f64; most]);
    for ((row, &weight), &v) in table.chunks_exact_mut(2 * most).zip(&subsets.weights).zip(&subsets.w) {
        let (chances, moves) = row.split_at_mut(most);
        for k in 0..most {
            let inverse = 1.0 / (weight + ratios.of[k]);
            chances[k] = weight * inverse;
            moves[k] = chances[k] * (ratios.of[k] * inverse) * (v - slopes[k]);
            // R' = (R_k + a) / (1 + a / R_(k-1)): of the numerator ...
            next[k] = (ratios.of[k] * slopes[k] + weight * v) * inverse;
        }
        for k in 1..most {
            // ... and of the denominator.
            next[k] -= chances[k - 1] * (v - slopes[k - 1]);
        }
        ratios.step(weight);
        std::mem::swap(&mut slopes, &mut next);
    }
    let (mut state, mut moved) = (subsets.start(), vec![0f64; most]);
    let (mut chosen, mut chosen_moved) = (vec![0f64; most + 1], vec![0f64; most + 1]);
    for (row, gradient) in table.chunks_exact(2 * most).zip(gradient).rev() {
        let (chances, moves) = row.split_at(most);
        for k in 0..most {
            chosen[k] = state[k] * chances[k];
            chosen_moved[k] = moved[k] * chances[k] + state[k] * moves[k];
        }
        *gradient = -chosen_moved.iter().sum::<f64>();
        for k in 0..most {
            // Subtracting leaves rounding errors of 1e-16 where 1 - chance would be exact: they do not grow.
            state[k] = state[k] - chosen[k] + chosen[k + 1];
            moved[k] = moved[k] - chosen_moved[k] + chosen_moved[k + 1];
        }
    }
}

#[cfg(test)]
#[path = "subsets_tests.rs"]
mod tests;
