//! Masks that keep each neuron independently, with probability `sigmoid(w)`.

use super::masked::tiles;
use crate::probe::lanes::LANES;

/// `1 / (1 + exp(-w))`.
pub(super) fn sigmoid(w: f64) -> f64 {
    1.0 / (1.0 + (-w).exp())
}

/// The entropy of independent masks with log-odds `w`, in nats.
pub(super) fn entropy(w: &[f64]) -> f64 {
    // log(1 + e^w) = max(w, 0) + log(1 + e^-|w|) does not overflow.
    w.iter().map(|&w| w.max(0.0) + (-w.abs()).exp().ln_1p() - w * sigmoid(w)).sum()
}

/// Its gradient, `[neurons]`.
pub(super) fn entropy_gradient(w: &[f64]) -> Vec<f64> {
    let gradient = |&w: &f64| {
        let q = sigmoid(w);
        -w * q * (1.0 - q)
    };
    w.iter().map(gradient).collect()
}

/// Thresholds of 16-bit draws, two tiles a piece, for masks with log-odds `w`.
///
/// Probabilities are exact to 2^-16; neurons of the padding are never drawn.
pub(super) fn thresholds(w: &[f64]) -> Vec<[i16; 2 * LANES]> {
    let mut out = vec![[i16::MIN; 2 * LANES]; tiles(w.len()) / 2];
    for (threshold, &w) in out.as_flattened_mut().iter_mut().zip(w) {
        *threshold = ((sigmoid(w) * 65536.0).round() - 32768.0).clamp(-32768.0, 32767.0) as i16;
    }
    out
}
