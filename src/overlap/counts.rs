//! How many neurons rankings share, of all pairs and at many `k` in one pass.

use crate::ranking::Ranking;

/// Of every pair of rankings, the neurons that are among the first `k` of both, for each of `ks`.
///
/// A neuron is among the first `k` of both from the larger of its two ranks on. So every neuron is looked up once, with the
/// rankings that have it, and counts in each pair of those at its larger rank: the cost is the number of neurons ranked
/// and of those shared, whatever the size of the population and however many `k`.
pub(super) struct Counts {
    members: usize,
    ks: usize,
    counts: Vec<u32>,
}

impl Counts {
    /// `ks` ascending, each once. A ranking shorter than a `k` counts with what it has.
    pub(super) fn new(rankings: &[&Ranking], ks: &[usize]) -> Self {
        // (neuron, ranking, place of the first k that takes it in)
        let mut ranked: Vec<(usize, u32, u32)> = Vec::new();
        for (member, ranking) in rankings.iter().enumerate() {
            let mut at = 0;
            for (i, neuron) in ranking.neurons().enumerate() {
                while ks.get(at).is_some_and(|&k| k <= i) {
                    at += 1;
                }
                if at == ks.len() {
                    break;
                }
                ranked.push((neuron, member as u32, at as u32));
            }
        }
        ranked.sort_unstable();
        let members = rankings.len();
        let mut table =
            Counts { members, ks: ks.len(), counts: vec![0; members * members.saturating_sub(1) / 2 * ks.len()] };
        for same_neuron in ranked.chunk_by(|a, b| a.0 == b.0) {
            for (i, &(_, a, at_a)) in same_neuron.iter().enumerate() {
                for &(_, b, at_b) in same_neuron.iter().skip(i + 1) {
                    let first = table.pair(a as usize, b as usize) * table.ks;
                    if let Some(count) = table.counts.get_mut(first + at_a.max(at_b) as usize) {
                        *count += 1;
                    }
                }
            }
        }
        for pair in table.counts.chunks_exact_mut(ks.len().max(1)) {
            let mut sum = 0;
            for count in pair {
                sum += *count;
                *count = sum;
            }
        }
        table
    }

    /// The place of a pair, `a < b`, among all: those of the first ranking, then those of the second, ...
    fn pair(&self, a: usize, b: usize) -> usize {
        a * (2 * self.members - a - 1) / 2 + (b - a - 1)
    }

    /// The counts of rankings `a < b`, one a `k`.
    pub(super) fn of(&self, a: usize, b: usize) -> &[u32] {
        let first = self.pair(a, b) * self.ks;
        self.counts.get(first..first + self.ks).unwrap_or_default()
    }
}
