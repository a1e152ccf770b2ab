//! Neurons as detectors of a class (Suau, Zappella and Apostoloff 2022, arXiv 2110.02802).

use super::columns::{class, value, Classes};

pub(super) fn score(sorted: &[u64], classes: &Classes, adjusted: bool) -> f64 {
    let ties = sorted.chunk_by(|&a, &b| value(a) == value(b));
    let signs = [average_precisions(ties.clone().rev(), classes), average_precisions(ties, classes)];
    let mut best = 0f64;
    for precisions in signs {
        for (precision, &size) in precisions.into_iter().zip(classes.sizes()) {
            let share = size as f64 / classes.words() as f64;
            best = best.max(if adjusted { (precision - share) / (1.0 - share) } else { precision });
        }
    }
    best
}

/// The average precision for each class; words of equal activation come together, best ones first.
fn average_precisions<'a>(ties: impl Iterator<Item = &'a [u64]>, classes: &Classes) -> Vec<f64> {
    let mut found = vec![0usize; classes.sizes().len()];
    let mut sums = vec![0f64; classes.sizes().len()];
    let mut seen = 0;
    for tie in ties {
        seen += tie.len();
        // Words of equal activation are sorted by class.
        for run in tie.chunk_by(|&a, &b| class(a) == class(b)) {
            let class = class(run[0]);
            found[class] += run.len();
            sums[class] += run.len() as f64 * (found[class] as f64 / seen as f64);
        }
    }
    sums.into_iter().zip(classes.sizes()).map(|(sum, &size)| sum / size as f64).collect()
}
