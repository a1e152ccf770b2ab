//! Random scores, the control of all others.

use crate::seed;
use rand::RngCore;

/// Puts a random number in (0, 1) for every score above 0. All neurons draw, so that a constant one changes no other.
pub(super) fn draw(scores: &mut [f64], seed: u64, names: &[&str]) {
    let names: Vec<&str> = names.iter().copied().chain(["random statistic"]).collect();
    let mut rng = seed::stream(seed, &names);
    for score in scores {
        let number = ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        if *score > 0.0 {
            *score = number;
        }
    }
}
