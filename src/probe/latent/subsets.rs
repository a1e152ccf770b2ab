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

use crate::probe::lanes::LANES;

/// Log-odds further than this from their middle count as this far: beyond, an f64 holds no sums of the weights.
const FARTHEST: f64 = 340.0;

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
        let mut subsets = Subsets { size, most, w, weights, thresholds: Vec::new() };
        let scale = f64::from(1u32 << BITS);
        let mut thresholds = Vec::with_capacity(subsets.n_neurons() * (most + 1));
        subsets.walk(|_, weight, ratios| {
            thresholds.push(0);
            thresholds.extend(ratios.iter().map(|ratio| (scale * (weight / (weight + ratio))).round() as u32));
        });
        subsets.thresholds = thresholds;
        subsets
    }

    pub(super) fn n_neurons(&self) -> usize {
        self.w.len()
    }

    /// Calls `visit` for each neuron in turn with its weight and `R_j(k)` of the neurons before it, `k` from 1 to `most`;
    /// returns the ratios of all. `R_j(k)` is 0 where `k > j`.
    fn walk(&self, mut visit: impl FnMut(usize, f64, &[f64])) -> Vec<f64> {
        let (mut ratios, mut next) = (vec![0f64; self.most], vec![0f64; self.most]);
        for (j, &weight) in self.weights.iter().enumerate() {
            visit(j, weight, &ratios);
            // R(0) is infinite: below the empty subset there is nothing.
            if let (Some(next), Some(ratio)) = (next.first_mut(), ratios.first()) {
                *next = ratio + weight;
            }
            let sizes = self.most.min(j + 1);
            let pairs = ratios[..sizes].windows(2);
            for (next, pair) in next.iter_mut().skip(1).zip(pairs) {
                *next = (pair[1] + weight) / (1.0 + weight / pair[0]);
            }
            std::mem::swap(&mut ratios, &mut next);
        }
        ratios
    }

    /// Where the chain starts: the probabilities of `k` from 1 to `most`.
    fn start(&self) -> Vec<f64> {
        match self.size {
            Some(_) => (1..=self.most).map(|k| if k == self.most { 1.0 } else { 0.0 }).collect(),
            None => vec![1.0 / self.most as f64; self.most],
        }
    }

    /// The table of `R_j(k)`, `[j][k in 1..=most]`.
    fn table(&self) -> Vec<f64> {
        let mut table = Vec::with_capacity(self.n_neurons() * self.most);
        self.walk(|_, _, ratios| table.extend_from_slice(ratios));
        table
    }

    /// Runs the chain over probabilities: `visit(neuron, its weight, the probabilities of k to choose before it is seen,
    /// its ratios)`, last neuron first.
    fn chain(&self, mut visit: impl FnMut(usize, f64, &[f64], &[f64])) {
        let table = self.table();
        let mut state = self.start();
        for (neuron, ratios) in table.chunks_exact(self.most.max(1)).enumerate().rev() {
            let weight = self.weights[neuron];
            visit(neuron, weight, &state, ratios);
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
        self.chain(|neuron, weight, state, ratios| {
            marginals[neuron] =
                state.iter().zip(ratios).map(|(state, ratio)| state * (weight / (weight + ratio))).sum();
        });
        marginals
    }

    /// The entropy, in nats: that of the size, and of each choice given those before.
    pub(super) fn entropy(&self) -> f64 {
        let mut entropy = if self.size.is_none() { (self.most.max(1) as f64).ln() } else { 0.0 };
        self.chain(|_, weight, state, ratios| {
            for (state, ratio) in state.iter().zip(ratios) {
                if *state > 0.0 && *ratio > 0.0 {
                    let p = weight / (weight + ratio);
                    let not = ratio / (weight + ratio);
                    // x log x is 0 at 0.
                    let part = |x: f64| if x > 0.0 { -x * x.ln() } else { 0.0 };
                    entropy += state * (part(p) + part(not));
                }
            }
        });
        entropy
    }

    /// The gradient of the entropy, `[neurons]`: `-sum over e of w_e Cov(m_d, m_e)` within a size, mean over sizes. That is
    /// minus the derivative of the marginals in the direction of `w`, carried through the chain.
    pub(super) fn entropy_gradient(&self) -> Vec<f64> {
        let (neurons, most) = (self.n_neurons(), self.most);
        // d log R_j(k) in the direction of w, beside R_j(k).
        let mut table = Vec::with_capacity(neurons * most);
        let (mut slopes, mut next) = (vec![0f64; most], vec![0f64; most]);
        let mut slope_table = Vec::with_capacity(neurons * most);
        self.walk(|j, weight, ratios| {
            table.extend_from_slice(ratios);
            slope_table.extend_from_slice(&slopes);
            let v = self.w[j];
            let sizes = most.min(j + 1);
            // R' = (R_k + a) / (1 + a / R_(k-1)).
            let first = ratios.first().copied().unwrap_or(0.0);
            if let Some(next) = next.first_mut() {
                *next = (first * slopes[0] + weight * v) / (first + weight);
            }
            for k in 1..sizes {
                let (below, ratio) = (ratios[k - 1], ratios[k]);
                let top = (ratio * slopes[k] + weight * v) / (ratio + weight);
                let bottom = weight / (below + weight) * (v - slopes[k - 1]);
                next[k] = top - bottom;
            }
            std::mem::swap(&mut slopes, &mut next);
        });
        let mut gradient = vec![0.0; neurons];
        let (mut state, mut moved) = (self.start(), vec![0f64; most]);
        let rows = table.chunks_exact(most.max(1)).zip(slope_table.chunks_exact(most.max(1)));
        for (neuron, (ratios, slopes)) in rows.enumerate().rev() {
            let (weight, v) = (self.weights[neuron], self.w[neuron]);
            let (mut above, mut above_moved, mut total) = (0.0, 0.0, 0.0);
            for k in (0..most).rev() {
                let p = weight / (weight + ratios[k]);
                let not = ratios[k] / (weight + ratios[k]);
                let p_moved = p * not * (v - slopes[k]);
                let chosen = state[k] * p;
                let chosen_moved = moved[k] * p + state[k] * p_moved;
                total += chosen_moved;
                state[k] = state[k] * not + above;
                moved[k] += above_moved - chosen_moved;
                (above, above_moved) = (chosen, chosen_moved);
            }
            gradient[neuron] = -total;
        }
        gradient
    }

    /// Draws `samples` subsets of one size into masks `[tile][sample]`, a bit a neuron, from `draws` of 32 random bits:
    /// one, and one for each neuron and subset.
    pub(super) fn draw(&self, draws: &[u32], samples: usize, masks: &mut [u16]) {
        masks.fill(0);
        let Some((first, draws)) = draws.split_first() else { return };
        let size = self.size.unwrap_or(1 + ((u64::from(*first) * self.most as u64) >> 32) as usize).min(self.most);
        let rows = self.thresholds.chunks_exact(self.most + 1).enumerate().rev();
        let mut left = vec![size; samples];
        for ((neuron, thresholds), draws) in rows.zip(draws.chunks_exact(samples)) {
            let masks = &mut masks[neuron / LANES * samples..][..samples];
            for ((left, draw), mask) in left.iter_mut().zip(draws).zip(masks) {
                let chosen = draw >> (32 - BITS) < thresholds[*left];
                *left -= usize::from(chosen);
                *mask |= u16::from(chosen) << (neuron % LANES);
            }
        }
    }
}

#[cfg(test)]
#[path = "subsets_tests.rs"]
mod tests;
