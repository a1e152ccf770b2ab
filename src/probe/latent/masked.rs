//! A linear softmax classifier over masked words: its log-likelihood and gradients for given masks.
//!
//! Neurons lie in tiles of sixteen, padded with zeros to a multiple of 32. A mask only ever selects products, so for one
//! word the products of activation and weight are made once for all its masks, and the gradient of the weights is the
//! activation times a sum of selected residuals.

use super::sampler::Sampler;
use crate::probe::lanes::{dispatch, Generator, Lanes, Tile, CHOICES, LANES};

/// Words as tiles of neurons, with their classes.
pub(super) struct Words {
    pub(super) tiles: usize,
    pub(super) classes: usize,
    x: Vec<Tile>,
    labels: Vec<usize>,
}

impl Words {
    /// Words from rows of standardised activations: `input(word, neuron)`; the labels are below `classes`.
    pub(super) fn new(
        n_neurons: usize,
        classes: usize,
        labels: Vec<usize>,
        input: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let tiles = tiles(n_neurons);
        let mut x = vec![Tile::default(); tiles * labels.len()];
        for (word, row) in x.chunks_exact_mut(tiles.max(1)).enumerate() {
            for (neuron, to) in row.iter_mut().flat_map(|tile| &mut tile.0).take(n_neurons).enumerate() {
                *to = input(word, neuron);
            }
        }
        Words { tiles, classes, x, labels }
    }

    #[inline(always)]
    fn row(&self, word: usize) -> &[Tile] {
        &self.x[word * self.tiles..][..self.tiles]
    }
}

/// The tiles, an even number, that hold `n_neurons`.
pub(super) fn tiles(n_neurons: usize) -> usize {
    2 * n_neurons.div_ceil(2 * LANES)
}

/// Classifier weights `[tile][class]` and a bias per class; also holds their gradient.
#[derive(Clone, Debug)]
pub(super) struct Classifier {
    pub(super) weights: Vec<Tile>,
    pub(super) bias: Vec<f32>,
}

impl Classifier {
    /// All zeros.
    pub(super) fn zeros(tiles: usize, classes: usize) -> Self {
        Classifier { weights: vec![Tile::default(); tiles * classes], bias: vec![0.0; classes] }
    }

    /// The weight of a neuron for a class.
    pub(super) fn weight(&self, class: usize, neuron: usize) -> f32 {
        self.weights[neuron / LANES * self.bias.len() + class].0[neuron % LANES]
    }

    /// Moves by a share of the way towards another.
    pub(super) fn approach(&mut self, other: &Classifier, share: f32) {
        for_each(&mut self.weights, &other.weights, |own, other| *own += share * (other - *own));
        self.bias.iter_mut().zip(&other.bias).for_each(|(own, other)| *own += share * (other - *own));
    }
}

/// Applies `change` to each value of tiles and its counterpart.
#[inline]
fn for_each(own: &mut [Tile], other: &[Tile], change: impl Fn(&mut f32, f32)) {
    for (own, other) in own.iter_mut().zip(other) {
        own.0.iter_mut().zip(other.0).for_each(|(own, other)| change(own, other));
    }
}

fn lanes_of_mut(tiles: &mut [Tile]) -> impl Iterator<Item = &mut f32> {
    tiles.iter_mut().flat_map(|tile| &mut tile.0)
}

/// Gradients of `sum over words and samples of log p(class | word . mask)`.
#[derive(Clone, Debug)]
pub(super) struct Gradient {
    /// For the classifier.
    pub(super) classifier: Classifier,
    /// For the variational parameters by the score function: `sum of advantage * mask` in tiles. The advantage is the
    /// log-likelihood less the mean of the word's other samples.
    pub(super) score: Vec<Tile>,
}

impl Gradient {
    /// All zeros.
    pub(super) fn zeros(tiles: usize, classes: usize) -> Self {
        Gradient { classifier: Classifier::zeros(tiles, classes), score: vec![Tile::default(); tiles] }
    }

    fn clear(&mut self) {
        self.classifier.weights.fill(Tile::default());
        self.classifier.bias.fill(0.0);
        self.score.fill(Tile::default());
    }

    /// Makes `score` the gradient of the objective: a mean over words and masks, and that of the entropy, `[neurons]`.
    pub(super) fn score_with(&mut self, scale: f32, entropy_weight: f64, entropy: &[f64]) {
        for (score, entropy) in lanes_of_mut(&mut self.score).zip(entropy) {
            *score = *score * scale + (entropy_weight * entropy) as f32;
        }
    }

    /// Adds another.
    pub(super) fn add(&mut self, other: &Gradient) {
        for_each(&mut self.classifier.weights, &other.classifier.weights, |own, other| *own += other);
        for_each(&mut self.score, &other.score, |own, other| *own += other);
        self.classifier.bias.iter_mut().zip(&other.classifier.bias).for_each(|(own, other)| *own += other);
    }
}

/// How many words go forward before they go backward.
pub(super) const WORDS_AT_ONCE: usize = 4;

/// Room for the masks, logits and residuals of one word.
pub(super) struct Scratch {
    samples: usize,
    /// `[piece of two tiles][sample]`, a bit a neuron.
    pub(super) masks: Vec<u32>,
    /// Random numbers, where masks are not drawn lane by lane.
    draws: Vec<[u32; LANES]>,
    logits: Vec<f32>,
    /// Probabilities `[sample][class]`, padded to full lanes.
    exps: Vec<Tile>,
    /// `[class][sample]`, and one row more: the advantages.
    residuals: Vec<f32>,
    /// Sums of a few samples' residuals, `[class]`.
    tables: Vec<[Tile; 2]>,
    log_likelihoods: Vec<f32>,
    /// Their sum.
    total: f64,
}

impl Scratch {
    /// For words of `tiles` with `samples` masks each.
    pub(super) fn new(tiles: usize, classes: usize, samples: usize) -> Self {
        Scratch {
            samples,
            masks: vec![0; tiles / 2 * samples],
            draws: Vec::new(),
            logits: vec![0.0; samples * classes],
            exps: vec![Tile::default(); (samples * classes).div_ceil(LANES)],
            residuals: vec![0.0; (classes + 1) * samples],
            tables: vec![[Tile::default(); 2]; classes + 1],
            log_likelihoods: vec![0.0; samples],
            total: 0.0,
        }
    }
}

dispatch! {
    /// Draws masks for each of `words` (by index) and returns the sum of log-likelihoods; fills `gradient`, if wanted, with
    /// the sums over the batch.
    pub(super) fn batch(data: &Words, words: &[usize], classifier: &Classifier, sampler: &Sampler,
        generator: &mut Generator, scratch: &mut [Scratch], gradient: Option<&mut Gradient>) -> f64 = batch_body
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn batch_body<L: Lanes>(
    lanes: L,
    data: &Words,
    words: &[usize],
    classifier: &Classifier,
    sampler: &Sampler,
    generator: &mut Generator,
    scratch: &mut [Scratch],
    mut gradient: Option<&mut Gradient>,
) -> f64 {
    if let Some(gradient) = &mut gradient {
        gradient.clear();
    }
    let mut total = 0f64;
    // A few words forward, then the same words backward: weights, then gradients, stay in the nearest cache.
    for (block, these) in words.chunks(scratch.len().max(1)).enumerate() {
        for (scratch, &word) in scratch.iter_mut().zip(these) {
            sampler.draw(lanes, generator, scratch.samples, &mut scratch.draws, &mut scratch.masks);
            total += word_value(lanes, data, word, classifier, scratch);
        }
        if let Some(gradient) = &mut gradient {
            let ahead = words.get((block + 1) * scratch.len()..).unwrap_or_default();
            for (place, (scratch, &word)) in scratch.iter_mut().zip(these).enumerate() {
                let next = ahead.get(place).map_or(&[][..], |&word| data.row(word));
                word_gradient(lanes, data, word, next, scratch, gradient);
            }
        }
    }
    total
}

/// The sum over the masks in `scratch` of one word's log-likelihood; leaves probabilities behind.
#[inline(always)]
fn word_value<L: Lanes>(lanes: L, words: &Words, word: usize, classifier: &Classifier, scratch: &mut Scratch) -> f64 {
    let classes = words.classes;
    let x = words.row(word);
    let (masks, logits, samples) = (&scratch.masks[..], &mut scratch.logits[..], scratch.samples);
    let mut first_class = 0;
    while first_class < classes {
        let class_block = block(classes - first_class, L::CLASSES, &[4, 2, 1]);
        let mut first_sample = 0;
        while first_sample < samples {
            let sample_block = block(samples - first_sample, L::SAMPLES, &[5, 3, 2, 1]);
            macro_rules! forward {
                ($($c:literal $s:literal),*) => {
                    match (class_block, sample_block) {
                        $(($c, $s) if const { $c <= L::CLASSES && $s <= L::SAMPLES } => forward::<L, $c, $s>(
                            lanes, x, classifier, masks, samples, first_class, first_sample, logits,
                        ),)*
                        _ => {}
                    }
                };
            }
            forward!(1 1, 1 2, 1 3, 1 5, 2 1, 2 2, 2 3, 2 5, 4 1, 4 2, 4 3, 4 5);
            first_sample += sample_block;
        }
        first_class += class_block;
    }

    let label = words.labels[word];
    let mut exps = scratch.exps.iter_mut().flat_map(|tile| &mut tile.0);
    for (logits, log_likelihood) in logits.chunks_exact_mut(classes).zip(&mut scratch.log_likelihoods) {
        let mut max = f32::NEG_INFINITY;
        for (logit, bias) in logits.iter_mut().zip(&classifier.bias) {
            *logit += bias;
            max = if *logit > max { *logit } else { max };
        }
        *log_likelihood = logits[label] - max;
        for (logit, exp) in logits.iter().zip(&mut exps) {
            *exp = logit - max;
        }
    }
    for exps in &mut scratch.exps {
        let e = lanes.exp(lanes.load(exps));
        lanes.store(e, exps);
    }
    let mut total = 0f64;
    let mut exps = scratch.exps.iter().flat_map(|tile| &tile.0);
    for (probabilities, log_likelihood) in logits.chunks_exact_mut(classes).zip(&mut scratch.log_likelihoods) {
        let mut sum = 0f32;
        for (to, exp) in probabilities.iter_mut().zip(&mut exps) {
            *to = *exp;
            sum += exp;
        }
        *log_likelihood -= sum.ln();
        let inverse = 1.0 / sum;
        probabilities.iter_mut().for_each(|p| *p *= inverse);
        total += f64::from(*log_likelihood);
    }
    scratch.total = total;
    total
}

/// After [`word_value`]: adds the gradients, and asks for the `next` word's activations.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn word_gradient<L: Lanes>(
    lanes: L,
    words: &Words,
    word: usize,
    next: &[Tile],
    scratch: &mut Scratch,
    gradient: &mut Gradient,
) {
    let (classes, samples, label) = (words.classes, scratch.samples, words.labels[word]);
    // f - mean of the others = samples / (samples - 1) * (f - mean of all). They sum to zero over the samples, and
    // with them what the score m - E[m] subtracts.
    let mean = scratch.total as f32 / samples as f32;
    let scale = samples as f32 / (samples as f32 - 1.0);
    // The logits are probabilities by now.
    for (sample, probabilities) in scratch.logits.chunks_exact(classes).enumerate() {
        scratch.residuals[classes * samples + sample] = scale * (scratch.log_likelihoods[sample] - mean);
        for (class, probability) in probabilities.iter().enumerate() {
            let target = if class == label { 1.0 } else { 0.0 };
            let residual = target - probability;
            scratch.residuals[class * samples + sample] = residual;
            gradient.classifier.bias[class] += residual;
        }
    }
    let x = words.row(word);
    for first in (0..samples).step_by(CHOICES) {
        for (table, residuals) in scratch.tables.iter_mut().zip(scratch.residuals.chunks_exact(samples)) {
            let mut values = [0f32; CHOICES];
            values.iter_mut().zip(&residuals[first..]).for_each(|(value, residual)| *value = *residual);
            *table = lanes.tabulate(values);
        }
        backward(lanes, x, &scratch.masks, samples, first, &scratch.tables, next, gradient);
    }
}

/// The largest of the block sizes that is at most `most` and fits in what is left.
#[inline(always)]
fn block(left: usize, most: usize, sizes: &[usize]) -> usize {
    sizes.iter().copied().find(|&size| size <= most && size <= left).unwrap_or(1)
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn forward<L: Lanes, const C: usize, const S: usize>(
    lanes: L,
    x: &[Tile],
    classifier: &Classifier,
    masks: &[u32],
    samples: usize,
    first_class: usize,
    first_sample: usize,
    logits: &mut [f32],
) {
    let classes = classifier.bias.len();
    let mut sums = [[lanes.splat(0.0); C]; S];
    let pieces = x.chunks_exact(2).zip(classifier.weights.chunks_exact(2 * classes)).zip(masks.chunks_exact(samples));
    for ((x, weights), masks) in pieces {
        let masks = &masks[first_sample..first_sample + S];
        for half in 0..2 {
            let x = lanes.load(&x[half]);
            let weights = &weights[half * classes + first_class..][..C];
            let mut products = [x; C];
            for c in 0..C {
                products[c] = lanes.mul(x, lanes.load(&weights[c]));
            }
            for s in 0..S {
                for c in 0..C {
                    sums[s][c] = lanes.add_where(sums[s][c], products[c], (masks[s] >> (half * LANES)) as u16);
                }
            }
        }
    }
    for s in 0..S {
        for c in 0..C {
            logits[(first_sample + s) * classes + first_class + c] = lanes.sum(sums[s][c]);
        }
    }
}

/// Adds what the samples from `first` on give.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn backward<L: Lanes>(
    lanes: L,
    x: &[Tile],
    masks: &[u32],
    samples: usize,
    first: usize,
    tables: &[[Tile; 2]],
    next: &[Tile],
    gradient: &mut Gradient,
) {
    let Some((advantages, residuals)) = tables.split_last() else { return };
    let classes = residuals.len();
    let weights = gradient.classifier.weights.chunks_exact_mut(2 * classes);
    let pieces =
        x.chunks_exact(2).zip(weights).zip(gradient.score.chunks_exact_mut(2)).zip(masks.chunks_exact(samples));
    for (piece, (((x, weights), score), masks)) in pieces.enumerate() {
        let mut these = [0u32; CHOICES];
        for (i, own) in these.iter_mut().enumerate() {
            // Unrolled: a copy of unknown length would be a call.
            *own = if first + i < samples { masks[first + i] } else { 0 };
        }
        // Loads come before stores: an address that lies a page's multiple from one just written to would wait for it.
        let inputs = [lanes.load(&x[0]), lanes.load(&x[1])];
        for half in 0..2 {
            if let Some(next) = next.get(2 * piece + half) {
                lanes.prefetch(next);
            }
        }
        for half in 0..2 {
            let choice = lanes.choice(these.map(|mask| (mask >> (half * LANES)) as u16));
            for (weights, residuals) in weights[half * classes..][..classes].iter_mut().zip(residuals) {
                let change = lanes.mul(inputs[half], lanes.chosen(residuals, choice));
                lanes.store(lanes.add(lanes.load(weights), change), weights);
            }
            let sum = lanes.add(lanes.load(&score[half]), lanes.chosen(advantages, choice));
            lanes.store(sum, &mut score[half]);
        }
    }
}

#[cfg(test)]
#[path = "masked_tests.rs"]
mod tests;
