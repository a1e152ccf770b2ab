use super::{PoissonProbe, PoissonValidParams, Training};
use crate::probe::lanes::Generator;
use crate::probe::linear::{LinearProbe, Standardisation};
use crate::probe::masked::{batch_gradient, batch_value, thresholds, tiles, Classifier, Gradient, Scratch, Words};
use crate::probe::{check_labels, check_records};
use crate::{seed, Error, Result};
use ndarray::{Array1, Array2, ArrayView2};
use rand::seq::SliceRandom;
use rand::Rng;

/// `1 / (1 + exp(-w))`.
pub(super) fn sigmoid(w: f64) -> f64 {
    1.0 / (1.0 + (-w).exp())
}

/// The entropy of independent masks with log-odds `w`, in nats.
pub(super) fn mask_entropy(w: &[f64]) -> f64 {
    // log(1 + e^w) = max(w, 0) + log(1 + e^-|w|) does not overflow.
    w.iter().map(|&w| w.max(0.0) + (-w.abs()).exp().ln_1p() - w * sigmoid(w)).sum()
}

/// Its gradient.
pub(super) fn mask_entropy_gradient(w: f64) -> f64 {
    let q = sigmoid(w);
    -w * q * (1.0 - q)
}

/// Class indices beyond are a mistake (an id taken for a class) and would take all memory.
const MAX_CLASSES: usize = 1 << 16;

/// The number of classes of `labels`, checked.
pub(crate) fn count_classes(records: ArrayView2<f32>, labels: &[usize], n_classes: Option<usize>) -> Result<usize> {
    let n_classes = n_classes.unwrap_or_else(|| labels.iter().max().map_or(0, |max| max.saturating_add(1)));
    check_labels(records.nrows(), labels, n_classes)?;
    if n_classes > MAX_CLASSES {
        return Err(Error::Data(format!("{n_classes} classes are more than a probe takes ({MAX_CLASSES})")));
    }
    check_records(records, records.ncols())?;
    if labels.is_empty() {
        return Err(Error::Data("a probe needs words to train on, but there are none".into()));
    }
    if labels.iter().all(|label| *label == labels[0]) {
        return Err(Error::Data(format!(
            "a probe needs words of two classes or more, but all {} are of class {}",
            labels.len(),
            labels[0]
        )));
    }
    Ok(n_classes)
}

/// Adam (Kingma and Ba 2015, arXiv 1412.6980), ascending.
struct Adam {
    rate: f64,
    decays: [f64; 2],
    /// The step size of this update with the corrections for starting at zero.
    step: f32,
    epsilon: f32,
}

impl Adam {
    fn new(rate: f64) -> Self {
        Adam { rate, decays: [1.0; 2], step: 0.0, epsilon: 0.0 }
    }

    fn next(&mut self) {
        self.decays[0] *= 0.9;
        self.decays[1] *= 0.999;
        let root = (1.0 - self.decays[1]).sqrt();
        self.step = (self.rate * root / (1.0 - self.decays[0])) as f32;
        self.epsilon = (1e-8 * root) as f32;
    }

    #[inline]
    fn update(&self, moments: &mut [f32; 2], gradient: f32) -> f32 {
        moments[0] += 0.1 * (gradient - moments[0]);
        moments[1] += 0.001 * (gradient * gradient - moments[1]);
        self.step * moments[0] / (moments[1].sqrt() + self.epsilon)
    }
}

pub(super) fn fit(params: &PoissonValidParams, records: ArrayView2<f32>, labels: &[usize]) -> Result<PoissonProbe> {
    let classes = count_classes(records, labels, params.n_classes)?;
    let (n_words, neurons) = records.dim();
    let mut names = vec!["probe", "poisson"];
    names.extend(params.names.iter().map(String::as_str));
    let mut rng = seed::stream(params.seed, &names);

    let standardisation = params.standardise.then(|| Standardisation::fit(records));
    let words = {
        // Only for its inputs: weights come later.
        let inputs =
            LinearProbe::new(Array2::zeros((classes, neurons)), Array1::zeros(classes), standardisation.clone())?;
        Words::new(neurons, classes, labels.to_vec(), |word, to| {
            for (neuron, (to, &x)) in to.iter_mut().zip(records.row(word)).enumerate() {
                *to = inputs.input(neuron, x);
            }
        })
    };

    let mut order: Vec<usize> = (0..n_words).collect();
    order.shuffle(&mut rng);
    let n_held_out = ((n_words as f64 * params.held_out) as usize).clamp(1, n_words - 1);
    let (held_out, train) = order.split_at_mut(n_held_out);
    let mut relevances: Vec<f64> = (0..neurons).map(|_| rng.gen::<f64>()).collect();
    let mut generator = Generator::new(&mut rng);
    let for_stopping = Generator::new(&mut rng);

    let tiles = tiles(neurons);
    let mut classifier = Classifier::zeros(tiles, classes);
    let mut gradient = Gradient::zeros(tiles, classes);
    let mut scratch = Scratch::new(tiles, classes, params.samples);
    let mut weight_moments = vec![[0f32; 2]; tiles * classes * 8];
    let mut bias_moments = vec![[0f32; 2]; classes];
    let mut relevance_moments = vec![[0f32; 2]; neurons];
    let mut adam = Adam::new(params.learning_rate);

    let probabilities = |relevances: &[f64]| relevances.iter().map(|&w| sigmoid(w)).collect::<Vec<_>>();
    // Averages of the last epochs: what single updates scatter around, and what is judged and kept.
    let mut averaged = classifier.clone();
    let mut averaged_relevances = relevances.clone();
    let mut best = (f64::NEG_INFINITY, classifier.clone(), relevances.clone());
    let mut training = Training { epochs: 0, best_epoch: 0, stopped_early: false };
    while training.epochs < params.max_epochs {
        train.shuffle(&mut rng);
        for batch in train.chunks(params.batch_size) {
            let thresholds = thresholds(&probabilities(&relevances));
            batch_gradient(&words, batch, &classifier, &thresholds, &mut generator, &mut scratch, &mut gradient);
            adam.next();
            let scale = 1.0 / (batch.len() * params.samples) as f32;
            let (l1, l2) = (params.l1 as f32, 2.0 * params.l2 as f32);
            let weights = classifier.weights.as_flattened_mut().iter_mut();
            let gradients = gradient.classifier.weights.as_flattened();
            for ((weight, gradient), moments) in weights.zip(gradients).zip(&mut weight_moments) {
                let penalty = l2 * *weight + if *weight == 0.0 { 0.0 } else { l1 * weight.signum() };
                *weight += adam.update(moments, gradient * scale - penalty);
            }
            let biases = classifier.bias.iter_mut().zip(&gradient.classifier.bias);
            for ((bias, gradient), moments) in biases.zip(&mut bias_moments) {
                *bias += adam.update(moments, gradient * scale);
            }
            let scores = relevances.iter_mut().zip(gradient.score.as_flattened());
            for ((w, score), moments) in scores.zip(&mut relevance_moments) {
                let entropy = params.entropy_weight * mask_entropy_gradient(*w);
                *w += f64::from(adam.update(moments, score * scale + entropy as f32));
            }
        }
        training.epochs += 1;

        // The plain mean of the epochs so far until there are enough of them.
        let share = (1.0 - params.averaging).max(1.0 / training.epochs as f64);
        averaged.approach(&classifier, share as f32);
        for (average, w) in averaged_relevances.iter_mut().zip(&relevances) {
            *average += share * (w - *average);
        }
        let thresholds = thresholds(&probabilities(&averaged_relevances));
        let mut same = for_stopping;
        let value = batch_value(&words, held_out, &averaged, &thresholds, &mut same, &mut scratch);
        let objective = value / (held_out.len() * params.samples) as f64
            + params.entropy_weight * mask_entropy(&averaged_relevances);
        if !objective.is_finite() {
            return Err(Error::Data(format!(
                "training of the Poisson probe diverged in epoch {}: lower the learning rate or standardise",
                training.epochs
            )));
        }
        if objective > best.0 {
            best.0 = objective;
            best.1.weights.copy_from_slice(&averaged.weights);
            best.1.bias.copy_from_slice(&averaged.bias);
            best.2.copy_from_slice(&averaged_relevances);
            training.best_epoch = training.epochs;
        } else if training.epochs - training.best_epoch >= params.patience {
            training.stopped_early = true;
            break;
        }
    }
    if !training.stopped_early {
        tracing::warn!(
            epochs = training.epochs,
            best = training.best_epoch,
            "the Poisson probe was still improving at max_epochs or within its patience: it may not have converged"
        );
    }
    let (_, classifier, relevances) = best;
    let weights = Array2::from_shape_fn((classes, neurons), |(class, neuron)| classifier.weight(class, neuron));
    let classifier = LinearProbe::new(weights, Array1::from(classifier.bias), standardisation)?;
    Ok(PoissonProbe { classifier, relevances: Array1::from(relevances), training })
}
