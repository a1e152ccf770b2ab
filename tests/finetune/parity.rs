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

/// Needs a Python with torch, transformers, peft and seqeval: `ISOGLOSS_PEFT_PYTHON=.../python cargo test --test finetune -- --ignored`
#[test]
#[ignore = "needs PEFT: name its Python in ISOGLOSS_PEFT_PYTHON"]
fn peft_loads_our_adapters_and_predicts_the_same() {
    tch::set_num_threads(1);
    let python = std::env::var_os("ISOGLOSS_PEFT_PYTHON").expect("ISOGLOSS_PEFT_PYTHON names no Python");
    let task = Task::Tagging(Tagging::default());
    for targets in [vec![Target::QueryKeyValue], Target::ALL.to_vec()] {
        let settings = FinetuneSettings { targets: targets.into_iter().collect(), shuffle: true, ..settings() };
        let tuned = tuned(&settings);
        let data = &examples(&task, "qa", tuned.labels())[..160];
        train(&tuned, data, &mut |_| Ok(0.0), 0, &()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        tuned.save(dir.path(), &task, "fixtures/tiny-bloom/global_step3000").unwrap();
        let script = root("tests/finetune/parity.py");
        let mut command = std::process::Command::new(&python);
        command.arg(script).arg("--load").arg(dir.path()).env_remove("LD_LIBRARY_PATH");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        for language in ["qa", "qb", "qf"] {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{language} "))).unwrap();
            let (score, rows) = line.split_once(' ').unwrap();
            let rows: Vec<Vec<usize>> = serde_json::from_str(rows).unwrap();
            let test = &examples(&task, language, tuned.labels())[..60];
            let predicted = tuned.predict(test).unwrap();
            assert_eq!(predicted, rows, "{language}");
            let ours = task.scores(&predictions(test, predicted))[0].1.unwrap();
            assert!((ours - score.parse::<f64>().unwrap()).abs() < 1e-12);
        }
    }
}
