//! Mutual information of class and binned activation.

use super::columns::{class, value, Classes};

pub(super) fn score(sorted: &[u64], classes: &Classes, bins: usize, miller_madow: bool) -> f64 {
    let words = sorted.len();
    // More bins than words stay empty.
    let bins = bins.min(words);
    let n_classes = classes.sizes().len();
    let mut counts = vec![0usize; bins * n_classes];
    let mut done = 0;
    for tie in sorted.chunk_by(|&a, &b| value(a) == value(b)) {
        // The mid-rank less 1/2 is the middle of the places done to done + ties; below `words`, so a bin.
        let middle = (2 * done + tie.len()) as u128;
        let bin = (bins as u128 * middle / (2 * words as u128)) as usize;
        tie.iter().for_each(|&key| counts[bin * n_classes + class(key)] += 1);
        done += tie.len();
    }
    let mut information = 0.0;
    let (mut bins_met, mut cells_met) = (0usize, 0usize);
    for bin in counts.chunks_exact(n_classes) {
        let in_bin: usize = bin.iter().sum();
        bins_met += usize::from(in_bin > 0);
        for (&both, &size) in bin.iter().zip(classes.sizes()).filter(|(&both, _)| both > 0) {
            cells_met += 1;
            let ratio = (both as f64 / in_bin as f64) / (size as f64 / words as f64);
            information += both as f64 / words as f64 * ratio.ln();
        }
    }
    if miller_madow {
        information += (bins_met as f64 + n_classes as f64 - cells_met as f64 - 1.0) / (2.0 * words as f64);
    }
    // max: independence may come out below 0 by rounding, and by the correction.
    information.max(0.0)
}
