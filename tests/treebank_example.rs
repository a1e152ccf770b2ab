//! The example `treebank` as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/treebanks").join(name)
}

fn treebank(options: &[&str]) -> Output {
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let path = folder.join("treebank");
    assert!(path.is_file(), "{} is not built: run `cargo test`, or `cargo build --examples` first", path.display());
    Command::new(path).args(options).output().unwrap()
}

fn source(language: &str, file: &Path) -> String {
    format!("{language}={}", file.display())
}

#[test]
fn tables_are_written_for_several_treebanks_and_the_same_every_time() {
    let (a, b) = (source("qa", &fixture("qa.conllu")), source("qb", &fixture("qb.conllu")));
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let options = ["--treebank", &a, "--treebank", &b, "--out", out.to_str().unwrap()];
        let output = treebank(&[&options[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let read = |file: &str| fs::read_to_string(out.join(file)).unwrap();
        (text, ["cells.csv", "classes.csv", "attributes.csv", "unmapped.csv"].map(read))
    };
    let first = run("first", &["--scheme", "unimorph"]);
    assert_eq!(first, run("second", &[]));
    let (text, [cells, classes, attributes, unmapped]) = first;
    for part in ["# qa (unimorph)", "# qb (unimorph)", "syntactic words", "Attributes and their values:", "usable"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let header = |table: &str| table.lines().next().unwrap().to_string();
    assert_eq!(
        header(&cells),
        "language,attribute,seed,usable,reason,classes,dropped,train,dev,test,without_lemma,seen_lemmas"
    );
    assert_eq!(
        header(&classes),
        "language,attribute,seed,class,kept,train,dev,test,lemmas_train,lemmas_dev,lemmas_test,share_dev,share_test,\
         largest_lemma_dev,largest_lemma_test"
    );
    assert_eq!(header(&attributes), "language,attribute,value,words,lemmas");
    assert_eq!(header(&unmapped), "language,feature,value,reason,words");
    assert!(cells.contains("qa,Number,0,true,") && cells.contains("qb,Number,0,true,"));
    // aluz is a preposition and an article, so no part of speech.
    assert!(unmapped.contains("qb,POS,,shared,") && text.contains("Lost on multiword tokens"), "{unmapped}");
    // One attribute, three seeds, another method.
    let (_, [cells, ..]) = run("third", &["--attribute", "Number", "--seed", "0,1,2", "--split", "sentences"]);
    assert_eq!(cells.lines().count(), 1 + 2 * 3);
    // No official split: that is a row, not an error.
    let (text, [cells, ..]) = run("fourth", &["--attribute", "Number", "--split", "official"]);
    assert!(cells.contains("false,") && cells.contains("does not tell its part"), "{cells}");
    assert!(text.contains("does not tell its part"), "{text}");
}

#[test]
fn bad_input_is_named() {
    let good = source("qa", &fixture("qa.conllu"));
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.conllu");
    fs::write(&bad, "1\ta\ta\tNOUN\t_\t_\t0\troot\t_\t_\n3\tb\tb\tNOUN\t_\t_\t1\tdep\t_\t_\n\n").unwrap();
    let bad = source("qb", &bad);
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    for (options, why) in [
        (&["--treebank", &good, "--treebank", &bad, "--out", out][..], "bad.conllu:2"),
        (&["--treebank", &good, "--treebank", &good], "`qa` is given twice"),
        (&["--treebank", &good, "--attribute", "Numbr"], "unknown attribute `Numbr`"),
        (&["--treebank", &good, "--split", "by-hand"], "balanced, lemma-types, sentences or official"),
        (&["--treebank", &good, "--min-per-class", "0"], "min_per_class should be at least 1"),
        (&["--treebank", "qa=absent.conllu"], "absent.conllu"),
    ] {
        let output = treebank(options);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(why), "expected {why:?} in: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    // No table of half the treebanks.
    assert_eq!(fs::read_dir(out).map_or(0, Iterator::count), 0);
}
