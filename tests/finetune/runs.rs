//! Whole experiments: tables, going on after a stop, and bad input.

use crate::root;
use isogloss::checkpoint::Series;
use isogloss::transfer::finetune::*;
use isogloss::transfer::TransferScores;
use isogloss::treebank::Source;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The first sentences of a fixture's treebank in a file of their own.
fn treebank(dir: &Path, language: &str, sentences: usize) -> PathBuf {
    let text = fs::read_to_string(root(&format!("fixtures/treebanks/{language}.conllu"))).unwrap();
    let blocks: Vec<&str> = text.split("\n\n").take(sentences).collect();
    let path = dir.join(format!("{language}.conllu"));
    fs::write(&path, blocks.join("\n\n") + "\n\n").unwrap();
    path
}

fn source(language: &str, path: &Path) -> Source {
    Source::new(language, [path]).unwrap()
}

fn series(dir: &Path, steps: &[u64]) -> PathBuf {
    let to = dir.join("tiny");
    for step in steps {
        let name = format!("global_step{step}");
        fs::create_dir_all(to.join(&name)).unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(root("fixtures/tiny-bloom").join(&name).join(file), to.join(&name).join(file)).unwrap();
        }
    }
    fs::copy(root("fixtures/tiny-bloom/tokenizer.json"), to.join("tokenizer.json")).unwrap();
    to
}

/// Tagging on 48 sentences of `qa`, scored on 20 of `qb` and `qf`.
fn experiment(dir: &Path) -> Experiment {
    tch::set_num_threads(1);
    let train = treebank(dir, "qa", 48);
    let test = ["qf", "qb"].map(|language| source(language, &treebank(dir, language, 20)));
    let mut experiment =
        Experiment::new(Task::Tagging(Tagging::default()), source("qa", &train), source("qa", &train), test.to_vec());
    experiment.settings.epochs = 1;
    experiment.settings.learning_rate = 2e-3;
    experiment
}

#[test]
fn a_run_goes_on_where_it_stopped_and_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let place = series(dir.path(), &[0, 3000]);
    let (a, b) = (dir.path().join("a.csv"), dir.path().join("b.csv"));
    let mut experiment = experiment(dir.path());
    experiment.seeds = vec![0, 1];
    let whole = experiment.run(&Series::open(&place).unwrap(), &a, &()).unwrap();
    assert_eq!((whole.runs.len(), whole.resumed), (4, 0));
    let header = fs::read_to_string(&a).unwrap().lines().next().unwrap().to_string();
    assert_eq!(header, "model,step,task,language,score,seed");
    // Two steps, two seeds, two languages, three metrics.
    let scores = TransferScores::read(&a).unwrap();
    assert_eq!(scores.scores().len(), 24);
    assert_eq!(scores.tasks().into_iter().collect::<Vec<_>>(), ["tagging", "tagging-accuracy", "tagging-macro-f1"]);
    let summary = summarise(&scores);
    assert!(summary.len() == 12 && summary.iter().all(|row| row.seeds == 2 && row.ci_low < Some(row.mean)));
    // Seeds differ, and so do steps.
    assert_ne!(whole.runs[0].training.losses, whole.runs[1].training.losses);
    assert_ne!(whole.runs[0].training.losses, whole.runs[2].training.losses);

    experiment.seeds = vec![0];
    experiment.run(&Series::open(&place).unwrap(), &b, &()).unwrap();
    experiment.seeds = vec![0, 1];
    let resumed = experiment.run(&Series::open(&place).unwrap(), &b, &()).unwrap();
    assert_eq!((resumed.runs.len(), resumed.resumed), (4, 2));
    assert_eq!(fs::read_to_string(&a).unwrap(), fs::read_to_string(&b).unwrap());
    assert_eq!(fs::read_to_string(runs_file(&a)).unwrap(), fs::read_to_string(runs_file(&b)).unwrap());
    let again = experiment.run(&Series::open(&place).unwrap(), &b, &()).unwrap();
    assert_eq!(again.resumed, 4);

    // Other settings are refused, and what is there stays.
    experiment.settings.rank = 4;
    let error = experiment.run(&Series::open(&place).unwrap(), &b, &()).unwrap_err().to_string();
    assert!(error.contains("4 runs of another experiment, which differs in rank"), "{error}");
    assert_eq!(fs::read_to_string(runs_file(&a)).unwrap(), fs::read_to_string(runs_file(&b)).unwrap());
    fs::write(runs_file(&b), "{").unwrap();
    let error = experiment.run(&Series::open(&place).unwrap(), &b, &()).unwrap_err().to_string();
    assert!(error.contains("is no record of fine-tuning runs"), "{error}");
}

#[test]
fn a_run_that_diverges_names_its_step_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = series(dir.path(), &[0, 3000]);
    // The last tensor of the second checkpoint is not finite.
    let weights = place.join("global_step3000/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let end = bytes.len();
    bytes[end - 128..].fill(0xff);
    fs::write(&weights, bytes).unwrap();
    let out = dir.path().join("scores.csv");
    let mut experiment = experiment(dir.path());
    experiment.save = Some(dir.path().join("adapters"));
    let error = experiment.run(&Series::open(&place).unwrap(), &out, &()).unwrap_err().to_string();
    for part in ["step 3000, seed 0: the loss of update 1 of 2 (epoch 1) is NaN at learning rate 2e-3", "float32"] {
        assert!(error.contains(part), "{error}");
    }
    let scores = TransferScores::read(&out).unwrap();
    assert!(scores.scores().len() == 6 && scores.scores().all(|row| row.step.to_string() == "0"));
    assert!(dir.path().join("adapters/0/seed0/adapter_config.json").is_file());
    assert!(!dir.path().join("adapters/3000").exists());
    // With the weights put right, the first step is not done again.
    fs::copy(root("fixtures/tiny-bloom/global_step3000/model.safetensors"), &weights).unwrap();
    let outcome = experiment.run(&Series::open(&place).unwrap(), &out, &()).unwrap();
    assert_eq!((outcome.runs.len(), outcome.resumed), (2, 1));
}

#[test]
fn sentences_with_labels_and_pairs_are_learnt_too() {
    let dir = tempfile::tempdir().unwrap();
    let place = series(dir.path(), &[3000]);
    let read = |language: &str| fs::read_to_string(root(&format!("fixtures/parallel/{language}.txt"))).unwrap();
    let (a, f) = (read("qa"), read("qf"));
    // Which of two languages is a sentence in?
    let rows: Vec<String> =
        a.lines().zip(f.lines()).flat_map(|(a, f)| [format!("qa\t{a}"), format!("qf\t{f}")]).collect();
    let (train, test) = (dir.path().join("train.tsv"), dir.path().join("test.tsv"));
    fs::write(&train, rows[..160].join("\n")).unwrap();
    fs::write(&test, rows[160..240].join("\n")).unwrap();
    let mut experiment = Experiment::new(
        Task::Labelled("language".into()),
        source("xx", &train),
        source("xx", &train),
        vec![source("xx", &test)],
    );
    tch::set_num_threads(1);
    experiment.settings.learning_rate = 5e-3;
    let out = dir.path().join("language.csv");
    let outcome = experiment.run(&Series::open(&place).unwrap(), &out, &()).unwrap();
    let rows: Vec<_> = outcome.scores.scores().collect();
    assert_eq!(rows.iter().map(|row| row.task.as_str()).collect::<Vec<_>>(), ["language", "language-macro-f1"]);
    assert!(rows[0].score > 0.9, "{}", rows[0].score);

    // Entailment is a sentence repeated, contradiction one in the other language.
    let lines: Vec<(&str, &str)> = a.lines().zip(f.lines()).take(90).collect();
    let row = |(i, (a, f)): (usize, &(&str, &str))| match i % 3 {
        0 => format!("entailment\t{a}\t{a}"),
        1 => format!("contradiction\t{a}\t{f}"),
        _ => "-\tx\ty".to_string(),
    };
    let text: Vec<String> = lines.iter().enumerate().map(row).collect();
    let pairs = dir.path().join("pairs.tsv");
    fs::write(&pairs, format!("gold_label\tsentence1\tsentence2\n{}\n", text.join("\n"))).unwrap();
    let xnli = source("en", &pairs);
    let mut experiment = Experiment::new(Task::Xnli, xnli.clone(), xnli.clone(), vec![xnli]);
    experiment.settings.learning_rate = 5e-3;
    experiment.max_length = 20;
    let outcome = experiment.run(&Series::open(&place).unwrap(), &dir.path().join("xnli.csv"), &()).unwrap();
    let run = &outcome.runs[0];
    assert!(run.scores["en"]["xnli"] > 0.7, "{:?}", run.scores);
    assert_eq!(run.left["en"].without_label, 30);
    assert!(run.left["en"].truncated > 0);
}

#[test]
fn bad_input_is_refused_before_anything_is_computed() {
    let dir = tempfile::tempdir().unwrap();
    let place = series(dir.path(), &[0]);
    let out = dir.path().join("out/scores.csv");
    let good = experiment(dir.path());
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let unlabelled = file("u.conllu", "1\tw\tw\t_\t_\t_\t0\troot\t_\t_\n\n");
    let (few, many) = (file("few.tsv", "a\tx\nb\ty\n"), file("many.tsv", "a\tx\nc\ty\n"));
    let labelled = Experiment::new(
        Task::Labelled("mood".into()),
        source("en", &few),
        source("en", &few),
        vec![source("es", &many)],
    );
    let french = file("fr.tsv", "language\tgold_label\tsentence1\tsentence2\nfr\tneutral\ta\tb\n");
    let xnli = Experiment::new(Task::Xnli, source("fr", &french), source("fr", &french), vec![source("sw", &french)]);
    let twice = [&good.test[..], &good.test[..1]].concat();
    let none = dir.path().join("none.conllu");
    for (experiment, why) in [
        (Experiment { test: vec![source("qz", &unlabelled)], ..good.clone() }, "`qz` has no gold label in"),
        (labelled, "many.tsv:2: the label `c` is not in the training data, whose labels are a, b"),
        (xnli, "`sw` has no row in"),
        (Experiment { test: twice, ..good.clone() }, "the test language `qf` comes twice"),
        (Experiment { test: vec![], ..good.clone() }, "there is no language to score"),
        (Experiment { dev: good.test[0].clone(), ..good.clone() }, "the dev file is in `qf`, but training is in `qa`"),
        (Experiment { seeds: vec![1, 1], ..good.clone() }, "seeds should be one or more, each once"),
        (Experiment { max_length: 0, ..good.clone() }, "the maximum length should be above 0"),
        (Experiment { train: source("qa", &none), ..good.clone() }, "none.conllu: cannot"),
    ] {
        let error = experiment.run(&Series::open(&place).unwrap(), &out, &()).unwrap_err().to_string();
        assert!(error.contains(why), "expected {why:?} in {error:?}");
        assert!(!out.exists() && !runs_file(&out).exists(), "{why}");
    }
    let _: TempDir = dir;
}
