//! The example `transfer` as a user runs it: a table that a second run leaves as it is, and a clear error for bad input.
#![cfg(feature = "torch")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// The first sentences of a fixture's treebank in a file of their own.
fn treebank(dir: &Path, language: &str, sentences: usize) -> String {
    let text = fs::read_to_string(fixture(&format!("treebanks/{language}.conllu"))).unwrap();
    let blocks: Vec<&str> = text.split("\n\n").take(sentences).collect();
    let path = dir.join(format!("{language}.conllu"));
    fs::write(&path, blocks.join("\n\n") + "\n\n").unwrap();
    format!("{language}={}", path.display())
}

fn transfer(options: &[&str]) -> Output {
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let path = folder.join("transfer");
    assert!(path.is_file(), "{} is not built: run `cargo test`, or `cargo build --examples` first", path.display());
    Command::new(path).args(["--threads", "1", "--steps", "0,3000"]).args(options).output().unwrap()
}

#[test]
fn a_second_run_finds_everything_done_and_changes_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (train, test) = (treebank(dir.path(), "qa", 40), treebank(dir.path(), "qb", 12));
    let out = dir.path().join("made/scores.csv");
    let options = ["--train", &train, "--dev", &train, "--test", &test, "--test", &train, "--epochs", "1"];
    let run = |more: &[&str]| {
        let series = fixture("tiny-bloom");
        let place = ["--series", series.to_str().unwrap(), "--out", out.to_str().unwrap(), "--learning-rate", "2e-3"];
        let output = transfer(&[&place, &options[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let table = |path: &Path| fs::read_to_string(path).unwrap();
        (String::from_utf8(output.stdout).unwrap(), table(&out), table(&out.with_extension("summary.csv")))
    };
    let (text, scores, summary) = run(&[]);
    assert!(text.contains("2 runs (0 were there)"), "{text}");
    // Three scores for two languages at two steps.
    assert_eq!(scores.lines().count(), 13, "{scores}");
    assert_eq!(scores.lines().next(), Some("model,step,task,language,score,seed"));
    assert!(scores.contains("tiny-bloom,3000,tagging-accuracy,qb,"), "{scores}");
    let again = run(&[]);
    assert!(again.0.contains("2 runs (2 were there)"), "{}", again.0);
    assert_eq!((&again.1, &again.2), (&scores, &summary));
    let more = run(&["--seed", "0,1"]);
    assert!(more.0.contains("4 runs (2 were there)"), "{}", more.0);
    assert!(scores.lines().all(|line| more.1.lines().any(|other| other == line)), "{}", more.1);
}

#[test]
fn bad_input_is_named_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let train = treebank(dir.path(), "qa", 4);
    let bare = dir.path().join("bare.conllu");
    fs::write(&bare, "1\ta\ta\t_\t_\t_\t0\troot\t_\t_\n\n").unwrap();
    let bare = format!("qb={}", bare.display());
    let labels = dir.path().join("labels.tsv");
    fs::write(&labels, "good\tyes\nbad without a tab\n").unwrap();
    let labels = format!("qb={}", labels.display());
    let cases: &[(&[&str], &str)] = &[
        (&["--train", &train], "--test LANG=FILE, all three"),
        (&["--train", &train, "--dev", &train, "--test", "qb=nowhere.conllu"], "nowhere.conllu: cannot read"),
        (&["--train", &train, "--dev", &train, "--test", &bare], "bare.conllu"),
        (&["--train", &labels, "--dev", &labels, "--test", &labels, "--task", "mood"], "labels.tsv:2: "),
        (&["--train", &train, "--dev", &train, "--test", &train, "--rank", "0"], "rank should be"),
        (
            &["--train", &train, "--dev", &train, "--test", &train, "--learning-rate=-1"],
            "learning_rate should be above 0",
        ),
        (&["--series", "nowhere"], "nowhere"),
    ];
    for (options, why) in cases {
        let out = dir.path().join("scores.csv");
        let output = transfer(&[options, &["--out", out.to_str().unwrap()][..]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(why) && !stderr.contains("panicked"), "{why}: {stderr}");
        assert!(!out.exists(), "{why}");
    }
}
