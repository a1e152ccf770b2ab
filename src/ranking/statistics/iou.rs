//! Intersection over union of a neuron's highest words with a class's (Bau et al. 2017, arXiv 1704.05796; Mu and Andreas
//! 2020, arXiv 2006.14032).

use super::columns::{class, value, Classes};

pub(super) fn score(sorted: &[u64], classes: &Classes, active: Option<f64>, adjusted: bool) -> f64 {
    let words = sorted.len();
    let mut best = 0f64;
    let mut consider = |active: &[u64], found: usize, size: usize| {
        let (active, found, size) = (active.len() as f64, found as f64, size as f64);
        let by_chance = active * size / words as f64;
        let chance = by_chance / (active + size - by_chance);
        let iou = found / (active + size - found);
        best = best.max(if adjusted { (iou - chance) / (1.0 - chance) } else { iou });
    };
    match active {
        Some(share) => {
            let wanted = (share * words as f64).round() as usize;
            for active in [highest(sorted, wanted), lowest(sorted, wanted)] {
                let mut found = vec![0usize; classes.sizes().len()];
                active.iter().for_each(|&key| found[class(key)] += 1);
                for (&found, &size) in found.iter().zip(classes.sizes()) {
                    consider(active, found, size);
                }
            }
        }
        None => {
            for (label, &size) in classes.sizes().iter().enumerate() {
                for active in [highest(sorted, size), lowest(sorted, size)] {
                    consider(active, active.iter().filter(|&&key| class(key) == label).count(), size);
                }
            }
        }
    }
    best
}

/// The `wanted` highest words and those that tie with the last of them; without these, if else all words were meant. Of a
/// neuron that changes these are neither none nor all.
fn highest(sorted: &[u64], wanted: usize) -> &[u64] {
    let Some(&last) = sorted.get(sorted.len() - wanted.clamp(1, sorted.len())) else { return sorted };
    let start = match sorted.partition_point(|&key| value(key) < value(last)) {
        0 => sorted.partition_point(|&key| value(key) <= value(last)),
        start => start,
    };
    &sorted[start..]
}

/// As [`highest`], from below.
fn lowest(sorted: &[u64], wanted: usize) -> &[u64] {
    let Some(&last) = sorted.get(wanted.clamp(1, sorted.len()) - 1) else { return sorted };
    let mut end = sorted.partition_point(|&key| value(key) <= value(last));
    if end == sorted.len() {
        end = sorted.partition_point(|&key| value(key) < value(last));
    }
    &sorted[..end]
}
