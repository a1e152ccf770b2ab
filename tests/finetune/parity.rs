//! Fine-tuning against PEFT with transformers.
//!
//! `tests/finetune/parity.py` made the initial adapter and the expected values (PyTorch 2.11, transformers 5.23, PEFT 0.21, seqeval 1.2).
use crate::{examples, root, tuned};
use isogloss::transfer::finetune::*;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Expected {
    losses: Vec<f64>,
    predictions: BTreeMap<String, Vec<Vec<usize>>>,
    span_f1: BTreeMap<String, f64>,
}

/// The settings of the script.
pub fn settings() -> FinetuneSettings {
    FinetuneSettings {
        dropout: 0.0,
        learning_rate: 2e-3,
        weight_decay: 0.01,
        warm_up: 0.1,
        batch: 4,
        accumulation: 2,
        epochs: 1,
        shuffle: false,
        ..FinetuneSettings::default()
    }
}

#[test]
fn losses_and_zero_shot_predictions_equal_peft() {
    tch::set_num_threads(1);
    let task = Task::Tagging(Tagging::default());
    let expected: Expected =
        serde_json::from_str(&std::fs::read_to_string(root("tests/finetune/expected.json")).unwrap()).unwrap();
    // With one pass an update, with many, and block by block.
    for (pass_tokens, checkpointing) in [(2048, false), (40, false), (2048, true)] {
        let settings = FinetuneSettings { pass_tokens, checkpointing, ..settings() };
        let tuned = tuned(&settings);
        tuned.load_adapter(root("tests/finetune/initial")).unwrap();
        let training = &examples(&task, "qa", tuned.labels())[..160];
        let done = train(&tuned, training, &mut |_| Ok(0.0), 0, &()).unwrap();
        assert_eq!(done.losses.len(), 20);
        for (update, (loss, expected)) in done.losses.iter().zip(&expected.losses).enumerate() {
            assert!((loss - expected).abs() < 1e-4, "update {update}: {loss}, but PEFT has {expected}");
        }
        for (language, expected_classes) in &expected.predictions {
            let test = &examples(&task, language, tuned.labels())[..60];
            let predicted = tuned.predict(test).unwrap();
            assert_eq!(&predicted, expected_classes, "{language}");
            let (name, score) = &task.scores(&predictions(test, predicted))[0];
            assert_eq!(name, "tagging");
            assert!((score.unwrap() - expected.span_f1[language]).abs() < 1e-12);
        }
    }
}
