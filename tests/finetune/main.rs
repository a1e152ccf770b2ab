//! Fine-tuning: against PEFT, by itself, and as a whole experiment.
#![cfg(feature = "torch")]

mod metrics;
mod parity;
mod runs;
mod training;

use isogloss::activations::Tokenizer;
use isogloss::bloom::{Bloom, Extent};
use isogloss::checkpoint::Checkpoint;
use isogloss::transfer::finetune::{Example, FinetuneSettings, Task, Tuned, UPOS};
use isogloss::treebank::Source;
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The sentences of a fixture's treebank.
fn examples(task: &Task, language: &str, labels: &[String]) -> Vec<Example> {
    let tokenizer = Tokenizer::open(root("fixtures/tiny-bloom/tokenizer.json")).unwrap();
    let file = root(&format!("fixtures/treebanks/{language}.conllu"));
    let gold = task.read(&Source::new(language, [file]).unwrap()).unwrap();
    task.encode(&gold, &tokenizer, labels, 128).unwrap().examples
}

fn bloom(kind: Kind) -> Bloom {
    let checkpoint = Checkpoint::open(root("fixtures/tiny-bloom/global_step3000")).unwrap();
    Bloom::load(&checkpoint, Extent::Full, kind, Device::Cpu).unwrap()
}

/// The last checkpoint of the fixtures' series, with a head for tagging.
fn tuned(settings: &FinetuneSettings) -> Tuned {
    Tuned::new(bloom(Kind::Float), &UPOS.map(str::to_string), true, settings, 0).unwrap()
}
