//! Training by itself: what changes a result and what does not.

use crate::{bloom, examples, root, tuned};
use isogloss::transfer::finetune::*;
use isogloss::Error;
use tch::{Kind, Tensor};

fn settings() -> FinetuneSettings {
    FinetuneSettings { learning_rate: 2e-3, epochs: 1, ..FinetuneSettings::default() }
}

fn data(count: usize) -> Vec<Example> {
    let labels = UPOS.map(str::to_string);
    examples(&Task::Tagging(Tagging::default()), "qa", &labels)[..count].to_vec()
}

fn losses(tuned: &Tuned, data: &[Example]) -> Vec<f64> {
    train(tuned, data, &mut |_| Ok(0.0), 0, &()).unwrap().losses
}

fn values(tuned: &Tuned) -> Vec<Vec<f32>> {
    let flat = |tensor: &Tensor| Vec::<f32>::try_from(tensor.detach().reshape([-1])).unwrap();
    tuned.trainable().into_iter().map(|(_, tensor)| flat(tensor)).collect()
}

#[test]
fn packing_and_checkpointing_change_rounding_alone() {
    tch::set_num_threads(1);
    let data = data(96);
    let all = Target::ALL.into_iter().collect();
    let base = FinetuneSettings { targets: all, dropout: 0.3, ..settings() };
    for method in [Method::Lora, Method::Full] {
        let base = FinetuneSettings { method, learning_rate: 5e-4, ..base.clone() };
        let expected = losses(&tuned(&base), &data);
        assert_eq!(expected.len(), 3);
        for other in [
            FinetuneSettings { pass_tokens: 60, ..base.clone() },
            FinetuneSettings { checkpointing: true, ..base.clone() },
            FinetuneSettings { checkpointing: true, pass_tokens: 100, ..base.clone() },
        ] {
            let found = losses(&tuned(&other), &data);
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-5), "{found:?} {expected:?}");
        }
    }
    // The same settings give the same bits, and dropout something else than none.
    assert_eq!(losses(&tuned(&base), &data), losses(&tuned(&base), &data));
    let none = FinetuneSettings { dropout: 0.0, ..base.clone() };
    assert_ne!(losses(&tuned(&base), &data)[1..], losses(&tuned(&none), &data)[1..]);
}

#[test]
fn accumulation_is_a_mean_of_means() {
    tch::set_num_threads(1);
    let data = data(8);
    let loss = |batch: usize, accumulation: usize, data: &[Example]| {
        let settings = FinetuneSettings { batch, accumulation, shuffle: false, ..settings() };
        losses(&tuned(&settings), data)[0]
    };
    let halves = (loss(4, 1, &data[..4]) + loss(4, 1, &data[4..])) / 2.0;
    assert!((loss(4, 2, &data) - halves).abs() < 1e-5);
    // Not the mean over all words.
    assert!((loss(8, 1, &data) - halves).abs() > 1e-5);
}

#[test]
fn every_method_learns_and_touches_only_what_it_should() {
    tch::set_num_threads(1);
    let data = data(256);
    for (method, kind, rate) in [
        (Method::Lora, Kind::Float, 5e-3),
        (Method::Lora, Kind::BFloat16, 5e-3),
        (Method::Full, Kind::Float, 1e-3),
        (Method::Head, Kind::Float, 2e-2),
    ] {
        let settings = FinetuneSettings { method, learning_rate: rate, epochs: 2, ..settings() };
        let tuned = Tuned::new(bloom(kind), &UPOS.map(str::to_string), true, &settings, 0).unwrap();
        let before = values(&tuned);
        let base = bloom(kind);
        let losses = losses(&tuned, &data);
        let (first, last) = (losses[0], *losses.last().unwrap());
        assert!(last < 0.8 * first, "{method} {kind:?}: {first} to {last}");
        assert!(values(&tuned).iter().zip(&before).all(|(a, b)| a != b), "{method}: something was not trained");
        for (name, tensor) in tuned.bloom().parameters() {
            let same = tensor.equal(&base.parameters()[name]);
            assert_eq!(same, method != Method::Full, "{method}: {name}");
        }
    }
}

#[test]
fn the_best_epoch_is_restored_and_patience_ends_training() {
    tch::set_num_threads(1);
    let data = data(32);
    let script = [0.1, 0.9, 0.9, 0.5, 0.4, 0.3];
    let run = |patience: Option<usize>| {
        let tuned = tuned(&FinetuneSettings { epochs: 6, patience, ..settings() });
        let mut seen = Vec::new();
        let mut dev = |tuned: &Tuned| {
            seen.push(values(tuned));
            Ok(script[seen.len() - 1])
        };
        let training = train(&tuned, &data, &mut dev, 0, &()).unwrap();
        assert_eq!(training.best_epoch, 2);
        assert_eq!(values(&tuned), seen[1]);
        assert_ne!(values(&tuned), *seen.last().unwrap());
        (training.dev.len(), training.stopped_early)
    };
    assert_eq!(run(None), (6, false));
    assert_eq!(run(Some(2)), (4, true));
}

#[test]
fn a_loss_that_is_not_finite_stops_with_update_and_rate() {
    tch::set_num_threads(1);
    let tuned = tuned(&FinetuneSettings { learning_rate: 1e30, batch: 4, accumulation: 1, ..settings() });
    let error = train(&tuned, &data(8), &mut |_| Ok(0.0), 0, &()).unwrap_err().to_string();
    assert!(error.contains("of update 2 of 2 (epoch 1) is") && error.contains("at learning rate 5e29"), "{error}");
}

#[test]
fn nothing_to_train_on_or_with_is_refused() {
    tch::set_num_threads(1);
    let empty = Example { ids: vec![5, 6], targets: vec![] };
    let error = train(&tuned(&settings()), &[empty], &mut |_| Ok(0.0), 0, &()).unwrap_err().to_string();
    assert!(error.contains("no training sentence with a label"), "{error}");
    let labels = UPOS.map(str::to_string);
    let full = FinetuneSettings { method: Method::Full, ..settings() };
    let error = Tuned::new(bloom(Kind::BFloat16), &labels, true, &full, 0).unwrap_err().to_string();
    assert!(error.contains("float32"), "{error}");
    assert!(matches!(Tuned::new(bloom(Kind::Float), &labels[..1], true, &settings(), 0), Err(Error::Parameter { .. })));
    let foreign = Example { ids: vec![5, 1_000_000], targets: vec![(0, 0)] };
    let error = tuned(&settings()).predict(&[foreign]).unwrap_err().to_string();
    assert!(error.contains("outside the model's vocabulary"), "{error}");
}

#[test]
fn an_adapter_goes_to_files_and_back() {
    tch::set_num_threads(1);
    let (task, data) = (Task::Tagging(Tagging::default()), data(64));
    let trained = tuned(&settings());
    losses(&trained, &data);
    let dir = tempfile::tempdir().unwrap();
    trained.save(dir.path(), &task, "fixtures/tiny-bloom/global_step3000").unwrap();
    let again = tuned(&settings());
    assert_ne!(again.predict(&data).unwrap(), trained.predict(&data).unwrap());
    again.load_adapter(dir.path()).unwrap();
    assert_eq!(values(&again), values(&trained));
    assert_eq!(again.predict(&data).unwrap(), trained.predict(&data).unwrap());
    let labels: Vec<String> =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("labels.json")).unwrap()).unwrap();
    assert_eq!(labels, UPOS);
    // PEFT reads the same names that it writes.
    let names = |folder: &std::path::Path| {
        let bytes = std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names: Vec<String> = file.names().into_iter().map(String::from).collect();
        names.sort();
        names
    };
    assert_eq!(names(dir.path()), names(&root("tests/finetune/initial")));
    // What does not fit is refused, and nothing is changed.
    let other = tuned(&FinetuneSettings { rank: 4, ..settings() });
    let before = values(&other);
    let error = other.load_adapter(dir.path()).unwrap_err().to_string();
    assert!(error.contains("rank 8, alpha 32 on query_key_value, but expected plain LORA, rank 4"), "{error}");
    let pairs = Tuned::new(bloom(Kind::Float), &["a".into(), "b".into()], true, &settings(), 0).unwrap();
    let error = pairs.load_adapter(dir.path()).unwrap_err().to_string();
    assert!(error.contains("classifier.weight` [17, 64], but expected [2, 64]"), "{error}");
    assert_eq!(values(&other), before);
}
