//! The example `similarity` as a user runs it.
#![cfg(feature = "torch")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// The example on two checkpoints and one site.
fn example(out: &Path) -> Command {
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let path = folder.join("similarity");
    assert!(path.is_file(), "{} is not built: run `cargo test`, or `cargo build --examples` first", path.display());
    let mut command = Command::new(path);
    command.arg("--series").arg(fixture("tiny-bloom")).arg("--out").arg(out);
    command.args(["--steps", "0,1000,3000", "--site", "residual.1"]);
    command
}

/// The first 12 sentences of three languages, and a place for output.
struct Text {
    dir: TempDir,
}

impl Text {
    fn new() -> Text {
        let text = Text { dir: tempfile::tempdir().unwrap() };
        for language in ["qa", "qb", "qc"] {
            let lines = fs::read_to_string(fixture(&format!("parallel/{language}.txt"))).unwrap();
            text.write(
                &format!("{language}.txt"),
                lines.lines().take(12).map(|l| format!("{l}\n")).collect::<String>(),
            );
        }
        text
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn given(&self, language: &str, name: &str) -> String {
        format!("{language}={}", self.path(name).display())
    }

    fn command(&self, parallel: &[(&str, &str)]) -> Command {
        let mut command = example(&self.path("out"));
        for (language, name) in parallel {
            command.arg("--parallel").arg(self.given(language, name));
        }
        command
    }

    /// The run fails, says every one of `why`, does not panic, and leaves no folder.
    fn refused(&self, command: &mut Command, why: &[&str]) {
        let Output { status, stderr, .. } = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(!status.success(), "{why:?} was accepted");
        for why in why {
            assert!(stderr.contains(why), "expected {why:?} in: {stderr}");
        }
        assert!(!stderr.contains("panicked") && stderr.starts_with("error: "), "{stderr}");
        assert!(!self.path("out").exists(), "{why:?} left a folder behind");
    }
}

const ALL: [(&str, &str); 3] = [("qa", "qa.txt"), ("qb", "qb.txt"), ("qc", "qc.txt")];

fn rows(path: &Path) -> (String, Vec<Vec<String>>) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap().to_owned();
    (header, lines.map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

#[test]
fn tables_and_plots_of_every_measure() {
    let text = Text::new();
    let scores: String = [(0, 0.1), (1000, 0.3), (3000, 0.4)]
        .into_iter()
        .flat_map(|(step, score)| ["qa", "qb", "qc"].map(|l| format!("tiny-bloom,{step},task,{l},{score}\n")))
        .collect();
    text.write("scores.csv", format!("model,step,task,language,score\n{scores}"));
    let output = text.command(&ALL).arg("--transfer").arg(text.path("scores.csv")).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in
        ["Similarity of 2 languages with `qa`, 12 sentences", "Pooling `last`", "Pooling `mean`", "anc", "Pearson"]
    {
        assert!(stdout.contains(part), "{part} is not in: {stdout}");
    }
    let (header, similarity) = rows(&text.path("out/similarity.csv"));
    assert_eq!(header, "model,step,site,pooling,language_a,language_b,measure,sentences,neurons,value,reason");
    // Steps, poolings, pairs, measures.
    assert_eq!(similarity.len(), 3 * 2 * 2 * 13);
    let off = ["cosine-all-but-top", "svcca"];
    assert!(similarity
        .iter()
        .all(|row| !row[9].is_empty() || (cfg!(not(feature = "linalg")) && off.contains(&&*row[6]))));
    let (header, by_step) = rows(&text.path("out/similarity_vs_step.csv"));
    assert_eq!(header, "model,step,site,pooling,measure,pairs,sites,sentences,value");
    assert_eq!(by_step.len(), 3 * 2 * 2 * 11, "a site and the mean, the ways of retrieval in one");
    let (header, correlation) = rows(&text.path("out/correlation.csv"));
    assert!(header.starts_with("model,task,level,measure,attribute,n,pearson"));
    let named = correlation.iter().find(|row| row[3] == "similarity:cosine-centred:last" && row[2] == "pair").unwrap();
    assert_eq!((named[4].as_str(), named[5].as_str()), ("", "6"));
    assert!(rows(&text.path("out/influence.csv")).1.iter().any(|row| row[4] == "1000"));
    if cfg!(feature = "plots") {
        for name in ["cosine-last", "retrieval-mean", "representation-mean"] {
            for extension in ["svg", "png", "csv"] {
                assert!(text.path(&format!("out/similarity_vs_step-{name}.{extension}")).is_file(), "{name}");
            }
        }
        let (_, lines) = rows(&text.path("out/similarity_vs_step-cosine-mean.csv"));
        assert!(lines.iter().any(|row| row[0] == "mismatched sentences" && row[1] == "chance"));
    }
}

#[test]
fn pooling_and_pairs_can_be_chosen_and_change_no_value() {
    let text = Text::new();
    assert!(text.command(&ALL).output().unwrap().status.success());
    let (_, first) = rows(&text.path("out/similarity.csv"));
    fs::remove_dir_all(text.path("out")).unwrap();
    let mut command = text.command(&ALL);
    let output =
        command.args(["--pooling", "last,last", "--all-pairs"]).env("RAYON_NUM_THREADS", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (_, second) = rows(&text.path("out/similarity.csv"));
    assert_eq!(second.len(), 3 * 3 * 13);
    let last: Vec<_> = first.iter().filter(|row| row[3] == "last").collect();
    let with_source: Vec<_> = second.iter().filter(|row| row[4] == "qa").collect();
    assert_eq!(last, with_source, "one pass for both poolings gives what one for each does");
}

#[test]
fn treebanks_in_folders_are_aligned_by_id() {
    let text = Text::new();
    for language in ["qa", "qb"] {
        fs::create_dir(text.path(language)).unwrap();
        for (part, ids) in [("train", 0..3), ("test", 3..5)] {
            let sentences =
                ids.map(|i| format!("# sent_id = {i}\n# text = ka{i} lo\n1\tka\t_\tX\t_\t_\t0\troot\t_\t_\n\n"));
            text.write(&format!("{language}/{language}-ud-{part}.conllu"), sentences.collect::<String>());
        }
    }
    let output = text.command(&[("qa", "qa"), ("qb", "qb")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (_, rows) = rows(&text.path("out/similarity.csv"));
    assert!(rows.iter().all(|row| row[7] == "5"));
    let cosine = rows.iter().find(|row| row[6] == "cosine").unwrap();
    assert!((cosine[9].parse::<f64>().unwrap() - 1.0).abs() < 1e-6, "the same sentences: {cosine:?}");
}

#[test]
fn bad_input_is_refused_before_anything_is_written() {
    let text = Text::new();
    let lines = fs::read_to_string(text.path("qa.txt")).unwrap();
    text.write("short.txt", "one\ntwo\n");
    text.write("gap.txt", lines.replacen('\n', "\n\n", 1));
    text.write("bytes.txt", b"one\n\xff\xfe\n");
    text.write("none.txt", "");
    text.write("scores.csv", "model,step,task,language,score\ntiny-bloom,0,task,qa,high\n");
    let with = |name: &'static str| [("qa", "qa.txt"), ("qb", name)];
    text.refused(&mut text.command(&with("short.txt")), &["qa.txt has 12 lines, but ", "short.txt has 2"]);
    text.refused(&mut text.command(&with("gap.txt")), &["gap.txt:2: is blank; remove it"]);
    text.refused(&mut text.command(&with("bytes.txt")), &["bytes.txt:2: is not valid UTF-8"]);
    text.refused(&mut text.command(&with("none.txt")), &["none.txt: holds no sentences"]);
    text.refused(&mut text.command(&with("absent.txt")), &["absent.txt: cannot read"]);
    text.refused(&mut text.command(&[("qa", "qa.txt"), ("qa", "qb.txt")]), &["language qa is given twice"]);
    text.refused(&mut text.command(&[("qa", "qa.txt")]), &["two or more languages", "--parallel"]);
    text.refused(text.command(&ALL).args(["--source", "en"]), &["source language `en`", "--parallel en=FILE"]);
    text.refused(text.command(&ALL).args(["--site", "residual.9"]), &["residual.9"]);
    let scores = text.path("scores.csv");
    text.refused(text.command(&ALL).arg("--transfer").arg(scores), &["scores.csv:2: "]);
    let long = "ka ".repeat(3000);
    text.write("long.txt", lines.replacen('\n', &format!(" {long}\n"), 1));
    text.refused(&mut text.command(&with("long.txt")), &["step 0, `qb`: sentence 1 has ", "expected 1 to 2047"]);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let text = Text::new();
    let mut child = text.command(&ALL).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success() && stderr.is_empty(), "{stderr}");
    assert!(text.path("out/similarity.csv").is_file());
}
