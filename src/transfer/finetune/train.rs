use super::adamw::AdamW;
use super::tuned::pack;
use super::{Example, Tuned, Watcher};
use crate::seed;
use crate::{Error, Result};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a training went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The loss of every update, before it.
    #[serde(with = "super::runs::exact")]
    pub losses: Vec<f64>,
    /// The dev score after every epoch.
    #[serde(with = "super::runs::exact")]
    pub dev: Vec<f64>,
    /// The epoch whose weights were kept, counted from 1.
    pub best_epoch: usize,
    /// Whether it stopped before its last epoch.
    pub stopped_early: bool,
}

/// Updates that training will make at most.
pub(super) fn updates(sentences: usize, settings: &super::FinetuneSettings) -> usize {
    sentences.div_ceil(settings.update_sentences().max(1)) * settings.epochs
}

/// Trains on `examples` and keeps the weights of the epoch with the highest `dev` score (the first among equals).
///
/// Each epoch's order comes from (seed, epoch) alone, so that all checkpoints of a series see the same sentences in the same order.
///
/// # Errors
/// [`Error::Data`] without examples that have a target, and where the loss or the gradient is not finite, with the update and the learning rate;
/// what `dev` returns; [`Error::Torch`] if libtorch fails.
pub fn train(
    tuned: &Tuned,
    examples: &[Example],
    dev: &mut dyn FnMut(&Tuned) -> Result<f64>,
    seed: u64,
    watcher: &dyn Watcher,
) -> Result<Training> {
    let settings = tuned.settings().clone();
    let sentences: Vec<usize> = (0..examples.len()).filter(|i| examples.get(*i).is_some_and(Example::counts)).collect();
    if sentences.is_empty() {
        return Err(Error::Data("there is no training sentence with a label".into()));
    }
    let trainable = tuned.trainable();
    let mut optimiser = AdamW::new(trainable.iter().map(|(_, tensor)| *tensor), settings.weight_decay)?;
    let total = updates(sentences.len(), &settings);
    let mut training = Training::default();
    let mut best: Option<(f64, Vec<tch::Tensor>)> = None;
    for epoch in 1..=settings.epochs {
        let mut order = sentences.clone();
        if settings.shuffle {
            order.shuffle(&mut seed::stream(seed, &["finetune", "order", &epoch.to_string()]));
        }
        for chunk in order.chunks(settings.update_sentences().max(1)) {
            let update = training.losses.len();
            let rate = settings.rate(update, total);
            let loss = accumulate(tuned, examples, chunk, (seed, epoch))?;
            let wrong = |what: &str, value: f64| {
                Error::Data(format!(
                    "the {what} of update {} of {total} (epoch {epoch}) is {value} at learning rate {rate:e}: training has diverged; \
                     lower the learning rate, or compute in float32",
                    update + 1
                ))
            };
            if !loss.is_finite() {
                return Err(wrong("loss", loss));
            }
            let norm = optimiser.step(rate, settings.clip)?;
            if !norm.is_finite() {
                return Err(wrong("gradient's norm", norm));
            }
            training.losses.push(loss);
            watcher.advance(1);
            tracing::debug!(update = update + 1, loss, rate, norm, "updated");
        }
        let score = dev(tuned)?;
        let of_epoch = training.losses.len().saturating_sub(order.len().div_ceil(settings.update_sentences().max(1)));
        let loss = crate::stats::mean(training.losses.iter().skip(of_epoch).copied());
        tracing::info!(epoch, loss, dev = score, "epoch done");
        training.dev.push(score);
        if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
            best = Some((score, tuned.snapshot()?));
            training.best_epoch = epoch;
        }
        if epoch < settings.epochs && settings.patience.is_some_and(|patience| epoch - training.best_epoch >= patience)
        {
            training.stopped_early = true;
            // So that a bar comes to its end.
            watcher.advance(total - training.losses.len());
            break;
        }
    }
    if let Some((_, weights)) = best {
        tuned.restore(&weights)?;
    }
    Ok(training)
}

/// The gradients and the loss of an update of these sentences.
fn accumulate(tuned: &Tuned, examples: &[Example], sentences: &[usize], noise: (u64, usize)) -> Result<f64> {
    let settings = tuned.settings();
    let micro_batches: Vec<&[usize]> = sentences.chunks(settings.batch).collect();
    let mut weights = BTreeMap::new();
    for micro_batch in &micro_batches {
        let targets: usize =
            micro_batch.iter().filter_map(|i| examples.get(*i)).map(|example| example.targets.len()).sum();
        let weight = 1.0 / (micro_batches.len() * targets.max(1)) as f64;
        weights.extend(micro_batch.iter().map(|sentence| (*sentence, weight)));
    }
    let weight = |sentence: usize| weights.get(&sentence).copied().unwrap_or_default();
    let mut loss = 0.0;
    for packed in pack(examples, sentences.to_vec(), settings.pass_tokens) {
        loss += tuned.accumulate(&packed, &weight, noise)?;
    }
    Ok(loss)
}
