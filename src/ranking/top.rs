use super::Ranking;
use crate::{Error, Result};

/// The first `k` neurons of a ranking as a bit set: a pair costs `n_neurons / 64` operations.
pub(crate) struct Top(Vec<u64>);

impl Top {
    pub(crate) fn new(ranking: &Ranking, k: usize) -> Result<Self> {
        if k == 0 || k > ranking.n_neurons() {
            return Err(Error::parameter("k", format!("from 1 to {}, the neurons there are", ranking.n_neurons()), k));
        }
        let mut bits = vec![0u64; ranking.n_neurons().div_ceil(64)];
        for neuron in ranking.top(k)? {
            if let Some(word) = bits.get_mut(neuron / 64) {
                *word |= 1 << (neuron % 64);
            }
        }
        Ok(Top(bits))
    }

    /// The number of neurons in both.
    pub(crate) fn shared(&self, other: &Top) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }
}
