//! The model series: a tiny BLOOM trained from nothing on the text of all languages, saved at log-spaced steps.

use anyhow::{anyhow, ensure, Context, Result};
use isogloss::bloom::{parameters, Batch, Bloom, Config};
use isogloss::seed::stream;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};
use tokenizers::Tokenizer;

/// Hidden size, blocks and heads.
const SHAPE: (usize, usize, usize) = (64, 4, 4);
/// Tokens that one document predicts.
const LENGTH: usize = 96;
/// Documents a step: the same number of each of the six languages.
const BATCH: usize = 18;
/// Sentences a language to train on, and to measure the loss on.
const SENTENCES: usize = 24_000;
const HELD_OUT: usize = 300;
const PEAK_RATE: f64 = 4e-3;
const WARM_UP: u64 = 60;
/// Results depend on the number of threads; two is what every machine has.
const THREADS: i32 = 2;

/// The end of a sentence: `</s>`.
const END: u32 = 2;

/// Trains and saves the checkpoints `series/global_stepN`; `series` holds the tokenizer.
pub fn train(seed: u64, steps: &[u64], series: &Path) -> Result<()> {
    tch::set_num_threads(THREADS);
    let path = series.join("tokenizer.json");
    let tokenizer =
        Tokenizer::from_file(&path).map_err(|e| anyhow!("{}: {e}; make it with --only tokenizer", path.display()))?;
    let mut steps = steps.to_vec();
    steps.sort_unstable();
    steps.dedup();
    let last = *steps.last().context("--steps is empty: give at least one step")?;

    let training = documents(&tokenizer, &crate::training_text(seed, SENTENCES), seed)?;
    let held_out = documents(&tokenizer, &crate::text(seed, "held-out", HELD_OUT), seed)?;
    let mut order = Order::new(&training);

    let (hidden, layers, heads) = SHAPE;
    let config = Config::new(tokenizer.get_vocab_size(true), hidden, layers, heads)?;
    let store = nn::VarStore::new(Device::Cpu);
    // Variables share their storage with the model: a step of the optimiser is seen by the next pass.
    let variables: BTreeMap<String, Tensor> = parameters::initialise(&config, seed)?
        .into_iter()
        .map(|(name, tensor)| {
            let variable = store.root().var_copy(&name.replace('.', "|"), &tensor);
            (name, variable)
        })
        .collect();
    let share = || variables.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    let model = Bloom::from_parameters(config.clone(), share())?;
    let adam = nn::AdamW { beta1: 0.9, beta2: 0.95, wd: 0.01, eps: 1e-8, amsgrad: false };
    let mut optimiser = adam.build(&store, PEAK_RATE)?;

    let started = Instant::now();
    let (mut total, mut count) = (0.0, 0_u32);
    for step in 0..=last {
        if steps.contains(&step) {
            let held_out = tch::no_grad(|| mean_loss(&model, &held_out))?;
            let mean = if count == 0 { "none".to_string() } else { format!("{:.4}", total / f64::from(count)) };
            eprintln!(
                "step {step}: held-out loss {held_out:.4}, mean training loss since the last checkpoint {mean}, \
                 {:.0} s",
                started.elapsed().as_secs_f64()
            );
            (total, count) = (0.0, 0);
            parameters::save(&variables, &config, series.join(format!("global_step{step}")), Kind::Half)?;
        }
        if step == last {
            break;
        }
        optimiser.set_lr(rate(step, last));
        let loss = loss(&model, &order.next(BATCH))?;
        optimiser.backward_step_clip_norm(&loss, 1.0);
        let value = loss.double_value(&[]);
        ensure!(value.is_finite(), "the loss at step {step} is {value}: training has diverged");
        total += value;
        count += 1;
    }
    Ok(())
}

/// Linear warm-up, then half a cosine down to a tenth of the peak.
fn rate(step: u64, last: u64) -> f64 {
    let warm = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
    let progress = step as f64 / last.max(1) as f64;
    PEAK_RATE * warm * (0.55 + 0.45 * (std::f64::consts::PI * progress).cos())
}

/// Documents of `LENGTH + 1` tokens, by language.
///
/// Each language's text is read twice: as it is written, and word by word without spaces, as probing studies feed
/// words to a model.
fn documents(tokenizer: &Tokenizer, text: &[(String, String)], seed: u64) -> Result<BTreeMap<String, Vec<Vec<u32>>>> {
    let mut out: BTreeMap<String, Vec<Vec<u32>>> = BTreeMap::new();
    let mut running: BTreeMap<(&str, bool), Vec<u32>> = BTreeMap::new();
    for spaced in [true, false] {
        for (language, sentence) in text {
            // Punctuation has tokens of its own: to leave the spaces out is to read word by word.
            let words: Vec<&str> = if spaced { vec![sentence] } else { sentence.split(' ').collect() };
            let document = running.entry((language.as_str(), spaced)).or_default();
            for word in words {
                let encoding = tokenizer.encode_fast(word, false).map_err(|e| anyhow!("`{word}`: {e}"))?;
                document.extend(encoding.get_ids());
            }
            document.push(END);
            if document.len() > LENGTH {
                document.truncate(LENGTH + 1);
                out.entry(language.clone()).or_default().push(std::mem::take(document));
            }
        }
    }
    for (language, documents) in &mut out {
        documents.shuffle(&mut stream(seed, &["order", language]));
    }
    Ok(out)
}

/// Goes round the languages, and over each one's documents again and again.
struct Order<'d> {
    documents: Vec<&'d [Vec<u32>]>,
    next: Vec<usize>,
    turn: usize,
}

impl<'d> Order<'d> {
    fn new(documents: &'d BTreeMap<String, Vec<Vec<u32>>>) -> Self {
        let documents: Vec<&[Vec<u32>]> = documents.values().map(Vec::as_slice).collect();
        Order { next: vec![0; documents.len()], documents, turn: 0 }
    }

    fn next(&mut self, count: usize) -> Vec<&'d [u32]> {
        (0..count)
            .map(|_| {
                let language = self.turn % self.documents.len();
                self.turn += 1;
                let documents = self.documents[language];
                let document = &documents[self.next[language] % documents.len()];
                self.next[language] += 1;
                document.as_slice()
            })
            .collect()
    }
}

/// Mean next-token cross-entropy in nats.
fn loss(model: &Bloom, documents: &[&[u32]]) -> Result<Tensor> {
    let inputs: Vec<&[u32]> = documents.iter().map(|d| &d[..LENGTH]).collect();
    let targets: Vec<i64> = documents.iter().flat_map(|d| d[1..].iter().map(|id| i64::from(*id))).collect();
    let logits = model.logits(&Batch::new(&inputs)?)?;
    Ok(logits.cross_entropy_for_logits(&Tensor::from_slice(&targets)))
}

fn mean_loss(model: &Bloom, documents: &BTreeMap<String, Vec<Vec<u32>>>) -> Result<f64> {
    let (mut total, mut count) = (0.0, 0.0);
    for documents in documents.values() {
        for chunk in documents.chunks(BATCH) {
            let chunk: Vec<&[u32]> = chunk.iter().map(Vec::as_slice).collect();
            total += loss(model, &chunk)?.double_value(&[]) * chunk.len() as f64;
            count += chunk.len() as f64;
        }
    }
    Ok(total / count)
}
