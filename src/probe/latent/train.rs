use super::adam::{Adam, Penalty, State};
use super::masked::{batch, Classifier, Gradient, Scratch, Words, WORDS_AT_ONCE};
use super::sampler::Sampler;
use super::{LatentProbe, LatentValidParams, Masks, Training};
use crate::probe::count_classes;
use crate::probe::lanes::{Generator, Tile};
use crate::probe::linear::{LinearProbe, Standardisation};
use crate::{seed, Error, Result};
use ndarray::{Array1, Array2, ArrayView2};
use rand::seq::SliceRandom;
use rand::Rng;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A batch is cut into this many parts, each with random numbers and sums of its own: results are those of any number of
/// threads.
const PARTS: usize = 4;

/// Fewer products than this (words x masks x neurons x classes) are not worth another thread.
const WORTH_A_THREAD: usize = 1 << 21;

/// What works on one part of every batch.
struct Worker {
    generator: Generator,
    /// Draws the masks that training is judged with, from the same start every time.
    for_stopping: Generator,
    scratch: Vec<Scratch>,
    gradient: Gradient,
}

/// Calls `work` for every worker with its part of `batch`, in parallel if that pays, and gives the sum of what it returns.
///
/// Within a pool's thread there is none: many cells are fitted at once there, and a thread that waits would take up another.
fn in_parts(
    workers: &mut [Worker],
    batch: &[usize],
    products: usize,
    work: impl Fn(&mut Worker, &[usize]) -> f64 + Sync,
) -> f64 {
    let parts = batch.chunks(batch.len().div_ceil(PARTS)).chain(std::iter::repeat(&[][..]));
    let parts: Vec<(&mut Worker, &[usize])> = workers.iter_mut().zip(parts).collect();
    let values: Vec<f64> = if batch.len() * products > WORTH_A_THREAD && rayon::current_thread_index().is_none() {
        parts.into_par_iter().map(|(worker, part)| work(worker, part)).collect()
    } else {
        parts.into_iter().map(|(worker, part)| work(worker, part)).collect()
    };
    values.iter().sum()
}

/// Puts words of whole lemmas first, as many as `wanted` or little less, lemmas and words in the order as given otherwise.
/// Gives their number. A lemma that would be too many is for training.
pub(super) fn lemmas_first(order: &mut [usize], lemmas: &[usize], wanted: usize) -> Result<usize> {
    let mut words: BTreeMap<usize, usize> = BTreeMap::new();
    lemmas.iter().for_each(|&lemma| *words.entry(lemma).or_default() += 1);
    let mut held_out = BTreeSet::new();
    let (mut first, mut seen) = (0, BTreeSet::new());
    for &word in order.iter() {
        let n = words.get(&lemmas[word]).copied().unwrap_or(0);
        if seen.insert(lemmas[word]) && first + n <= wanted {
            held_out.insert(lemmas[word]);
            first += n;
        }
    }
    if first == 0 {
        return Err(Error::Data(format!(
            "every lemma has more than the {wanted} words to be held out: raise held_out, or leave held_out_lemmas"
        )));
    }
    // Stable: equals stay in order.
    order.sort_by_key(|&word| !held_out.contains(&lemmas[word]));
    Ok(first)
}

pub(super) fn fit(params: &LatentValidParams, records: ArrayView2<f32>, labels: &[usize]) -> Result<LatentProbe> {
    let classes = count_classes(records, labels, params.n_classes)?;
    let (n_words, neurons) = records.dim();
    let name = match params.masks {
        Masks::Independent => "poisson",
        Masks::OfSize(size) if size > neurons => {
            return Err(Error::parameter("masks", format!("of at most the {neurons} neurons there are"), size))
        }
        Masks::OfSize(_) | Masks::OfUniformSize => "conditional_poisson",
    };
    let mut names = vec!["probe", name];
    names.extend(params.names.iter().map(String::as_str));
    let mut rng = seed::stream(params.seed, &names);

    let standardisation = params.standardise.then(|| Standardisation::fit(records));
    let words = Words::new(neurons, classes, labels.to_vec(), |word, neuron| {
        let x = records[[word, neuron]];
        standardisation.as_ref().map_or(x, |s| s.apply(neuron, x))
    });

    let mut order: Vec<usize> = (0..n_words).collect();
    order.shuffle(&mut rng);
    let mut n_held_out = ((n_words as f64 * params.held_out) as usize).clamp(1, n_words - 1);
    if params.held_out_lemmas {
        let lemmas = params.lemmas.as_deref().filter(|lemmas| lemmas.len() == n_words).ok_or_else(|| {
            Error::Data(format!(
                "held_out_lemmas needs the lemma of each of the {n_words} words: see LatentParams::lemmas"
            ))
        })?;
        n_held_out = lemmas_first(&mut order, lemmas, n_held_out)?;
    }
    let (held_out, train) = order.split_at_mut(n_held_out);

    let tiles = words.tiles;
    let mut state = State { classifier: Classifier::zeros(tiles, classes), relevances: vec![Tile::default(); tiles] };
    for w in state.relevances.iter_mut().flat_map(|tile| &mut tile.0).take(neurons) {
        *w = rng.gen::<f32>();
    }
    let mut workers: Vec<Worker> = (0..PARTS)
        .map(|_| Worker {
            generator: Generator::new(&mut rng),
            for_stopping: Generator::new(&mut rng),
            scratch: (0..WORDS_AT_ONCE).map(|_| Scratch::new(tiles, classes, params.samples)).collect(),
            gradient: Gradient::zeros(tiles, classes),
        })
        .collect();
    let mut adam = Adam::new(params.learning_rate, &state);
    let penalty = Penalty { l1: params.l1 as f32, two_l2: 2.0 * params.l2 as f32 };
    let products = params.samples * neurons * classes;

    // Averages of the last epochs: what single updates scatter around, and what is judged and kept.
    let mut averaged = state.clone();
    let mut best = (f64::NEG_INFINITY, state.clone());
    let mut training = Training { epochs: 0, best_epoch: 0, stopped_early: false };
    while training.epochs < params.max_epochs {
        train.shuffle(&mut rng);
        for chosen in train.chunks(params.batch_size) {
            let sampler = Sampler::new(params.masks, &state.log_odds(neurons));
            in_parts(&mut workers, chosen, products, |worker, part| {
                let Worker { generator, scratch, gradient, .. } = worker;
                batch(&words, part, &state.classifier, &sampler, generator, scratch, Some(gradient))
            });
            let Some((first, others)) = workers.split_first_mut() else { break };
            others.iter().for_each(|other| first.gradient.add(&other.gradient));
            let scale = 1.0 / (chosen.len() * params.samples) as f32;
            first.gradient.score_with(scale, params.entropy_weight, &sampler.entropy_gradient());
            adam.update(&mut state, &first.gradient, scale, penalty);
        }
        training.epochs += 1;

        // The plain mean of the epochs so far until there are enough of them.
        let share = (1.0 - params.averaging).max(1.0 / training.epochs as f64);
        averaged.approach(&state, share as f32);
        let sampler = Sampler::new(params.masks, &averaged.log_odds(neurons));
        let value = in_parts(&mut workers, held_out, products, |worker, part| {
            let mut same = worker.for_stopping;
            batch(&words, part, &averaged.classifier, &sampler, &mut same, &mut worker.scratch, None)
        });
        let objective = value / (held_out.len() * params.samples) as f64 + params.entropy_weight * sampler.entropy();
        if !objective.is_finite() {
            return Err(Error::Data(format!(
                "training of the {name} probe diverged in epoch {}: lower the learning rate or standardise",
                training.epochs
            )));
        }
        if objective > best.0 {
            best.0 = objective;
            best.1.copy_from(&averaged);
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
            "the {name} probe was still improving at max_epochs or within its patience: it may not have converged"
        );
    }
    let best = best.1;
    let weights = Array2::from_shape_fn((classes, neurons), |(class, neuron)| best.classifier.weight(class, neuron));
    let relevances = Array1::from(best.log_odds(neurons));
    let classifier = LinearProbe::new(weights, Array1::from(best.classifier.bias), standardisation)?;
    Ok(LatentProbe { classifier, masks: params.masks, relevances, training })
}
