//! Neurons one by one, their words grouped by class.

use ndarray::{s, ArrayView2};
use rayon::prelude::*;

/// Neurons that are gathered together: one cache line of a word's activations.
const BLOCK: usize = 16;

/// Words grouped by class; classes without words are left out, and the others count from 0.
pub(super) struct Classes {
    /// Words in order of class.
    order: Vec<usize>,
    /// The class of each word in that order.
    labels: Vec<u32>,
    sizes: Vec<usize>,
}

impl Classes {
    pub(super) fn new(labels: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        // Stable: words of a class stay in their order.
        order.sort_by_key(|&word| labels[word]);
        let sizes: Vec<usize> = order.chunk_by(|&a, &b| labels[a] == labels[b]).map(<[usize]>::len).collect();
        let labels = sizes.iter().zip(0u32..).flat_map(|(&size, class)| std::iter::repeat_n(class, size)).collect();
        Classes { order, labels, sizes }
    }

    pub(super) fn words(&self) -> usize {
        self.order.len()
    }

    /// Words of each class.
    pub(super) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The values of each class.
    pub(super) fn parts<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        let mut rest = values;
        self.sizes.iter().map(move |&size| {
            let (part, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            part
        })
    }
}

/// A neuron's activations, class by class.
pub(super) struct Neuron<'a> {
    /// In the order of [`Classes`]; no negative zeros.
    pub(super) values: &'a [f32],
    labels: &'a [u32],
    keys: &'a mut Vec<u64>,
}

impl<'a> Neuron<'a> {
    /// Activation and class of each word, ascending: see [`value`] and [`class`].
    pub(super) fn sorted(self) -> &'a [u64] {
        self.keys.clear();
        self.keys.extend(self.values.iter().zip(self.labels).map(|(x, &label)| {
            // Flipped so that the order of bits is that of values.
            let bits = x.to_bits();
            let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
            u64::from(ordered) << 32 | u64::from(label)
        }));
        self.keys.sort_unstable();
        self.keys
    }
}

/// A number that orders words by their activation, equal for equal activations.
pub(super) fn value(key: u64) -> u32 {
    (key >> 32) as u32
}

/// The class of a sorted word.
pub(super) fn class(key: u64) -> usize {
    (key & 0xffff_ffff) as usize
}

/// Scores every neuron that changes; the others have 0.
pub(super) fn by_neuron(
    records: ArrayView2<f32>,
    classes: &Classes,
    score: impl Fn(Neuron, &Classes) -> f64 + Sync,
) -> Vec<f64> {
    let words = classes.words();
    let mut scores = vec![0f64; records.ncols()];
    scores.par_chunks_mut(BLOCK).enumerate().for_each_init(
        || (vec![0f32; words * BLOCK], Vec::new()),
        |(block, keys), (place, scores)| {
            let first = place * BLOCK;
            for (i, &word) in classes.order.iter().enumerate() {
                let row = records.slice(s![word, first..first + scores.len()]);
                for (column, &x) in block.chunks_exact_mut(words).zip(row) {
                    // Adding 0 turns -0 into 0.
                    column[i] = x + 0.0;
                }
            }
            for (values, out) in block.chunks_exact(words).zip(scores) {
                if values.iter().any(|x| *x != values[0]) {
                    *out = score(Neuron { values, labels: &classes.labels, keys }, classes);
                }
            }
        },
    );
    scores
}
