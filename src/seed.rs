//! Random streams that are named, not shared.
//!
//! Every random choice draws from a stream of its own, made from a user's seed and the names of what the choice is for.
//! A stream depends neither on the order of the work nor on threads nor on the machine, and adding a language does not
//! change the draws of another.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The stream for `seed` and `names`, the same on every machine.
///
/// # Examples
/// ```
/// use rand::Rng;
/// let a: u64 = isogloss::seed::stream(7, &["split", "es", "Number"]).gen();
/// let b: u64 = isogloss::seed::stream(7, &["split", "es", "Number"]).gen();
/// let c: u64 = isogloss::seed::stream(7, &["split", "fr", "Number"]).gen();
/// assert!(a == b && a != c);
/// ```
pub fn stream(seed: u64, names: &[&str]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for name in names {
        // Lengths keep ["ab", "c"] apart from ["a", "bc"].
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}
