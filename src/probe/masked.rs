//! A linear softmax classifier over masked words: its log-likelihood and gradients for given masks.
//!
//! Neurons lie in tiles of eight, padded with zeros to a multiple of sixteen. A mask only ever selects products, so for
//! one word the products of activation and weight are made once for all its masks, and the gradient of the weights is
//! the activation times a sum of selected residuals.

use super::lanes::{dispatch, Generator, Lanes};

/// Words as tiles of eight neurons, with their classes.
pub(super) struct Words {
    tiles: usize,
    classes: usize,
    x: Vec<[f32; 8]>,
    labels: Vec<usize>,
}

impl Words {
    /// Words from rows of standardised activations, written by `row(word, to)` into `n_neurons` places; the labels
    /// are below `classes`.
    pub(super) fn new(
        n_neurons: usize,
        classes: usize,
        labels: Vec<usize>,
        mut row: impl FnMut(usize, &mut [f32]),
    ) -> Self {
        let tiles = tiles(n_neurons);
        let mut x = vec![[0f32; 8]; tiles * labels.len()];
        for (word, tile) in x.chunks_exact_mut(tiles.max(1)).enumerate() {
            row(word, &mut tile.as_flattened_mut()[..n_neurons]);
        }
        Words { tiles, classes, x, labels }
    }
}

/// The tiles of eight, an even number, that hold `n_neurons`.
pub(super) fn tiles(n_neurons: usize) -> usize {
    2 * n_neurons.div_ceil(16)
}

/// Thresholds of 16-bit draws, two tiles a piece, for Bernoulli masks with probabilities `q` ([n_neurons]).
///
/// They are exact to 2^-17; neurons of the padding are never drawn.
pub(super) fn thresholds(q: &[f64]) -> Vec<[i16; 16]> {
    let mut out = vec![[i16::MIN; 16]; tiles(q.len()) / 2];
    for (threshold, q) in out.as_flattened_mut().iter_mut().zip(q) {
        *threshold = ((q * 65536.0).round() - 32768.0).clamp(-32768.0, 32767.0) as i16;
    }
    out
}

/// Classifier weights `[tile][class]` of eight neurons and a bias per class; also holds their gradient.
#[derive(Clone, Debug)]
pub(super) struct Classifier {
    pub(super) weights: Vec<[f32; 8]>,
    pub(super) bias: Vec<f32>,
}

impl Classifier {
    /// All zeros.
    pub(super) fn zeros(tiles: usize, classes: usize) -> Self {
        Classifier { weights: vec![[0.0; 8]; tiles * classes], bias: vec![0.0; classes] }
    }

    /// The weight of a neuron for a class.
    pub(super) fn weight(&self, class: usize, neuron: usize) -> f32 {
        self.weights[neuron / 8 * self.bias.len() + class][neuron % 8]
    }

    /// Moves by a share of the way towards another.
    pub(super) fn approach(&mut self, other: &Classifier, share: f32) {
        let weights = self.weights.as_flattened_mut().iter_mut().zip(other.weights.as_flattened());
        for (own, other) in weights.chain(self.bias.iter_mut().zip(&other.bias)) {
            *own += share * (other - *own);
        }
    }

    fn fill(&mut self, value: f32) {
        self.weights.fill([value; 8]);
        self.bias.fill(value);
    }
}

/// Gradients of `sum over words and samples of log p(class | word . mask)`.
#[derive(Clone, Debug)]
pub(super) struct Gradient {
    /// For the classifier.
    pub(super) classifier: Classifier,
    /// For the variational parameters by the score function: `sum of advantage * mask` in tiles. The advantage is the
    /// log-likelihood less the mean of the word's other samples.
    pub(super) score: Vec<[f32; 8]>,
}

impl Gradient {
    /// All zeros.
    pub(super) fn zeros(tiles: usize, classes: usize) -> Self {
        Gradient { classifier: Classifier::zeros(tiles, classes), score: vec![[0.0; 8]; tiles] }
    }
}

/// Room for the masks, logits and residuals of one word.
pub(super) struct Scratch {
    samples: usize,
    /// `[tile][sample]`, eight neurons each, 0 or 0xff.
    pub(super) masks: Vec<[u8; 8]>,
    logits: Vec<f32>,
    /// Probabilities, padded to full lanes.
    exps: Vec<[f32; 8]>,
    /// `[class][sample]`, each in eight equal lanes.
    residuals: Vec<[f32; 8]>,
    advantages: Vec<[f32; 8]>,
    log_likelihoods: Vec<f32>,
}

impl Scratch {
    /// For words of `tiles` with `samples` masks each.
    pub(super) fn new(tiles: usize, classes: usize, samples: usize) -> Self {
        Scratch {
            samples,
            masks: vec![[0; 8]; tiles * samples],
            logits: vec![0.0; samples * classes],
            exps: vec![[0.0; 8]; (samples * classes).div_ceil(8)],
            residuals: vec![[0.0; 8]; classes * samples],
            advantages: vec![[0.0; 8]; samples],
            log_likelihoods: vec![0.0; samples],
        }
    }
}

dispatch! {
    /// Draws masks for each of `batch` (indices of words) and fills `gradient` with the sums over the batch; returns the
    /// sum of log-likelihoods.
    pub(super) fn batch_gradient(words: &Words, batch: &[usize], classifier: &Classifier, thresholds: &[[i16; 16]],
        generator: &mut Generator, scratch: &mut Scratch, gradient: &mut Gradient) -> f64 = batch_gradient_body
}

dispatch! {
    /// Draws masks for each of `batch` and returns the sum of log-likelihoods.
    pub(super) fn batch_value(words: &Words, batch: &[usize], classifier: &Classifier, thresholds: &[[i16; 16]],
        generator: &mut Generator, scratch: &mut Scratch) -> f64 = batch_value_body
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn batch_gradient_body<L: Lanes>(
    lanes: L,
    words: &Words,
    batch: &[usize],
    classifier: &Classifier,
    thresholds: &[[i16; 16]],
    generator: &mut Generator,
    scratch: &mut Scratch,
    gradient: &mut Gradient,
) -> f64 {
    gradient.classifier.fill(0.0);
    gradient.score.fill([0.0; 8]);
    let mut total = 0f64;
    for &word in batch {
        generator.draw(lanes, thresholds, scratch.samples, &mut scratch.masks);
        total += word_gradient(lanes, words, word, classifier, scratch, gradient);
    }
    total
}

#[inline(always)]
fn batch_value_body<L: Lanes>(
    lanes: L,
    words: &Words,
    batch: &[usize],
    classifier: &Classifier,
    thresholds: &[[i16; 16]],
    generator: &mut Generator,
    scratch: &mut Scratch,
) -> f64 {
    let mut total = 0f64;
    for &word in batch {
        generator.draw(lanes, thresholds, scratch.samples, &mut scratch.masks);
        total += word_value(lanes, words, word, classifier, scratch);
    }
    total
}

/// The sum over the masks in `scratch` of one word's log-likelihood; leaves probabilities behind.
#[inline(always)]
fn word_value<L: Lanes>(lanes: L, words: &Words, word: usize, classifier: &Classifier, scratch: &mut Scratch) -> f64 {
    let classes = words.classes;
    let x = &words.x[word * words.tiles..][..words.tiles];
    let (masks, logits, samples) = (&scratch.masks[..], &mut scratch.logits[..], scratch.samples);
    let mut first_class = 0;
    while first_class < classes {
        let class_block = block(classes - first_class, 4);
        let mut first_sample = 0;
        while first_sample < samples {
            let sample_block = block(samples - first_sample, 3);
            macro_rules! forward {
                ($($c:literal $s:literal),*) => {
                    match (class_block, sample_block) {
                        $(($c, $s) => forward::<L, $c, $s>(
                            lanes, x, classifier, masks, samples, first_class, first_sample, logits,
                        ),)*
                        _ => {}
                    }
                };
            }
            forward!(1 1, 1 2, 1 3, 2 1, 2 2, 2 3, 3 1, 3 2, 3 3, 4 1, 4 2, 4 3);
            first_sample += sample_block;
        }
        first_class += class_block;
    }

    let label = words.labels[word];
    let exps = scratch.exps.as_flattened_mut();
    for (sample, logits) in logits.chunks_exact_mut(classes).enumerate() {
        let mut max = f32::NEG_INFINITY;
        for (logit, bias) in logits.iter_mut().zip(&classifier.bias) {
            *logit += bias;
            max = if *logit > max { *logit } else { max };
        }
        for (logit, exp) in logits.iter().zip(&mut exps[sample * classes..]) {
            *exp = logit - max;
        }
    }
    // Now exps holds logits less their maximum, of every sample.
    let mut total = 0f64;
    for sample in 0..samples {
        scratch.log_likelihoods[sample] = exps[sample * classes + label];
    }
    for exps in &mut scratch.exps {
        let e = lanes.exp(lanes.load(exps));
        lanes.store(e, exps);
    }
    let exps = scratch.exps.as_flattened_mut();
    for (exps, log_likelihood) in exps.chunks_exact_mut(classes).zip(&mut scratch.log_likelihoods) {
        let sum: f32 = exps.iter().sum();
        *log_likelihood -= sum.ln();
        let inverse = 1.0 / sum;
        exps.iter_mut().for_each(|e| *e *= inverse);
        total += f64::from(*log_likelihood);
    }
    total
}

/// As [`word_value`], and adds the gradients.
#[inline(always)]
fn word_gradient<L: Lanes>(
    lanes: L,
    words: &Words,
    word: usize,
    classifier: &Classifier,
    scratch: &mut Scratch,
    gradient: &mut Gradient,
) -> f64 {
    let total = word_value(lanes, words, word, classifier, scratch);
    let (classes, samples, label) = (words.classes, scratch.samples, words.labels[word]);
    // f - mean of the others = samples / (samples - 1) * (f - mean of all). They sum to zero over the samples, and
    // with them the sigmoid in the score m - sigmoid(w).
    let mean = total as f32 / samples as f32;
    let scale = samples as f32 / (samples as f32 - 1.0);
    let probabilities = scratch.exps.as_flattened();
    for sample in 0..samples {
        scratch.advantages[sample] = [scale * (scratch.log_likelihoods[sample] - mean); 8];
        for class in 0..classes {
            let target = if class == label { 1.0 } else { 0.0 };
            let residual = target - probabilities[sample * classes + class];
            scratch.residuals[class * samples + sample] = [residual; 8];
            gradient.classifier.bias[class] += residual;
        }
    }
    let x = &words.x[word * words.tiles..][..words.tiles];
    let mut first = 0;
    while first < samples {
        let count = block(samples - first, 5);
        macro_rules! backward {
            ($($s:literal),*) => {
                match count {
                    $($s => backward::<L, $s>(lanes, x, scratch, classes, first, gradient),)*
                    _ => {}
                }
            };
        }
        backward!(1, 2, 3, 4, 5);
        first += count;
    }
    total
}

/// The next block of at most `most` out of `left`, evened out: 5 with at most 4 is 3 + 2.
#[inline(always)]
fn block(left: usize, most: usize) -> usize {
    left.div_ceil(left.div_ceil(most))
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn forward<L: Lanes, const C: usize, const S: usize>(
    lanes: L,
    x: &[[f32; 8]],
    classifier: &Classifier,
    masks: &[[u8; 8]],
    samples: usize,
    first_class: usize,
    first_sample: usize,
    logits: &mut [f32],
) {
    let classes = classifier.bias.len();
    let mut sums = [[lanes.splat(0.0); C]; S];
    let tiles = x.iter().zip(classifier.weights.chunks_exact(classes)).zip(masks.chunks_exact(samples));
    for ((x, weights), masks) in tiles {
        let x = lanes.load(x);
        let weights = &weights[first_class..first_class + C];
        let masks = &masks[first_sample..first_sample + S];
        let mut products = [x; C];
        for c in 0..C {
            products[c] = lanes.mul(x, lanes.load(&weights[c]));
        }
        for s in 0..S {
            let mask = lanes.widen(&masks[s]);
            for c in 0..C {
                sums[s][c] = lanes.add(sums[s][c], lanes.keep(products[c], mask));
            }
        }
    }
    for s in 0..S {
        for c in 0..C {
            logits[(first_sample + s) * classes + first_class + c] = lanes.sum(sums[s][c]);
        }
    }
}

#[inline(always)]
fn backward<L: Lanes, const S: usize>(
    lanes: L,
    x: &[[f32; 8]],
    scratch: &Scratch,
    classes: usize,
    first: usize,
    gradient: &mut Gradient,
) {
    let samples = scratch.samples;
    let mut advantages = [lanes.splat(0.0); S];
    for (lane, advantage) in advantages.iter_mut().zip(&scratch.advantages[first..]) {
        *lane = lanes.load(advantage);
    }
    let tiles = x
        .iter()
        .zip(gradient.classifier.weights.chunks_exact_mut(classes))
        .zip(&mut gradient.score)
        .zip(scratch.masks.chunks_exact(samples));
    for (((x, weights), score), masks) in tiles {
        let x = lanes.load(x);
        let masks = &masks[first..first + S];
        let mut wide = [lanes.splat_u(0); S];
        let mut sum = lanes.load(score);
        for s in 0..S {
            wide[s] = lanes.widen(&masks[s]);
            sum = lanes.add(sum, lanes.keep(advantages[s], wide[s]));
        }
        lanes.store(sum, score);
        for (weights, residuals) in weights.iter_mut().zip(scratch.residuals.chunks_exact(samples)) {
            let residuals = &residuals[first..first + S];
            let mut sum = lanes.keep(lanes.load(&residuals[0]), wide[0]);
            for s in 1..S {
                sum = lanes.add(sum, lanes.keep(lanes.load(&residuals[s]), wide[s]));
            }
            let updated = lanes.add(lanes.load(weights), lanes.mul(x, sum));
            lanes.store(updated, weights);
        }
    }
}

#[cfg(test)]
#[path = "masked_tests.rs"]
mod tests;
