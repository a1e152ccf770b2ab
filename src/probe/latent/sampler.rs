use super::subsets::Subsets;
use super::{independent, Masks};
use crate::probe::lanes::{Generator, Lanes, LANES};

/// The distribution of masks at given variational parameters, ready to draw from.
///
/// All masks of a word are drawn with one size where sizes are fixed or drawn first. Given that size, the advantages of a
/// word's masks sum to zero, and with them what the score function `m - E[m | size]` subtracts: `sum of advantage * m` is
/// the whole estimate for every distribution, and the baseline is that of the size.
pub(super) enum Sampler {
    Independent { thresholds: Vec<[i16; 2 * LANES]>, w: Vec<f64> },
    Subsets(Subsets),
}

impl Sampler {
    /// At parameters `w`, `[neurons]`.
    pub(super) fn new(masks: Masks, w: &[f64]) -> Self {
        match masks {
            Masks::Independent => Sampler::Independent { thresholds: independent::thresholds(w), w: w.to_vec() },
            Masks::OfSize(size) => Sampler::Subsets(Subsets::new(w, Some(size))),
            Masks::OfUniformSize => Sampler::Subsets(Subsets::new(w, None)),
        }
    }

    /// The entropy, in nats.
    pub(super) fn entropy(&self) -> f64 {
        match self {
            Sampler::Independent { w, .. } => independent::entropy(w),
            Sampler::Subsets(subsets) => subsets.entropy(),
        }
    }

    /// Its gradient, `[neurons]`.
    pub(super) fn entropy_gradient(&self) -> Vec<f64> {
        match self {
            Sampler::Independent { w, .. } => independent::entropy_gradient(w),
            Sampler::Subsets(subsets) => subsets.entropy_gradient(),
        }
    }

    /// The chance that a mask keeps each neuron, `[neurons]`.
    pub(super) fn marginals(&self) -> Vec<f64> {
        match self {
            Sampler::Independent { w, .. } => w.iter().map(|&w| independent::sigmoid(w)).collect(),
            Sampler::Subsets(subsets) => subsets.marginals(),
        }
    }

    /// Draws the masks of one word, `[piece of 32][sample]`, a bit a neuron; `draws` is room to work in.
    #[inline(always)]
    pub(super) fn draw<L: Lanes>(
        &self,
        lanes: L,
        generator: &mut Generator,
        samples: usize,
        draws: &mut Vec<[u32; LANES]>,
        masks: &mut [u32],
    ) {
        match self {
            Sampler::Independent { thresholds, .. } => generator.draw(lanes, thresholds, samples, masks),
            Sampler::Subsets(subsets) => {
                draws.resize((subsets.n_neurons() * samples + 1).div_ceil(LANES), [0; LANES]);
                generator.fill(lanes, draws);
                subsets.draw(lanes, draws.as_flattened(), samples, masks);
            }
        }
    }
}
