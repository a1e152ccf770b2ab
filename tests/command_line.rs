//! The examples as a user runs them: the same bytes every time, and a clear error for every kind of bad input.
#![cfg(feature = "torch")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn example(name: &str) -> Command {
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let path = folder.join(name);
    assert!(path.is_file(), "{} is not built: run `cargo test`, or `cargo build --examples` first", path.display());
    Command::new(path)
}

/// A study small enough for a test: two languages, one attribute, one site.
fn study(series: &Path, out: &Path) -> Command {
    let mut command = example("overlap_vs_step");
    command.arg("--series").arg(series).arg("--out").arg(out);
    for language in ["qa", "qb"] {
        let file = fixture(&format!("treebanks/{language}.conllu"));
        command.arg("--treebank").arg(format!("{language}={}", file.display()));
    }
    command.args(["--attribute", "Number", "--site", "residual.1", "--k", "3", "--seed", "0,1"]);
    command
}

/// A series of two checkpoints that a test may damage.
fn series() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for step in ["global_step0", "global_step3000"] {
        fs::create_dir(dir.path().join(step)).unwrap();
        for file in ["config.json", "model.safetensors"] {
            let from = fixture("tiny-bloom").join(step).join(file);
            fs::copy(from, dir.path().join(step).join(file)).unwrap();
        }
    }
    fs::copy(fixture("tiny-bloom/tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    dir
}

/// The files of a folder; not those in folders below, nor a study's log, which has times.
fn tables(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file() && !path.ends_with("log.jsonl"));
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

/// The run fails, says every one of `why`, does not panic, and leaves an empty folder.
fn refused(command: &mut Command, out: &Path, why: &[&str]) {
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(!status.success(), "{why:?} was accepted");
    for why in why {
        assert!(stderr.contains(why), "expected {why:?} in: {stderr}");
    }
    assert!(!stderr.contains("panicked") && stderr.starts_with("error: "), "{stderr}");
    assert_eq!(fs::read_dir(out).map_or(0, Iterator::count), 0, "{why:?} left files behind");
}

#[test]
fn the_same_study_gives_the_same_bytes_with_any_number_of_threads() {
    let (series, out) = (series(), tempfile::tempdir().unwrap());
    // Twenty epochs are as good here as hundreds.
    let short = out.path().join("short.toml");
    let text = "series = \"s\"\nsource = \"qa\"\nattributes = [\"POS\"]\nsites = [\"residual.1\"]\n\n[treebanks]\nqa = [\"qa\"]\n\n\
                [method.poisson]\nmax_epochs = 20\n";
    fs::write(&short, text).unwrap();
    let run = |name: &str, threads: &str| {
        let folder = out.path().join(name);
        let mut study = study(series.path(), &folder);
        let output = study.arg("--study").arg(&short).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("chance") && text.contains("ceiling") && text.contains("Pearson"), "{text}");
        tables(&folder)
    };
    let first = run("first", "2");
    for name in ["rankings", "overlap", "ceiling", "overlap_vs_step", "correlation", "influence", "transfer"] {
        assert!(first.contains_key(&format!("{name}.csv")), "{name}.csv is not there");
    }
    for name in [
        "summary.md",
        "report.html",
        "overlap_vs_step.svg",
        "overlap_vs_step.png",
        "overlap_by_pair.svg",
        "overlap_by_pair.png",
    ] {
        assert!(!cfg!(feature = "plots") && !name.ends_with(".md") || first.contains_key(name), "{name} is not there");
    }
    assert!(!first.values().any(|bytes| bytes.windows(3).any(|w| w == b"NaN") && bytes.starts_with(b"model,")));
    assert_eq!(run("second", "2"), first);
    assert_eq!(run("third", "1"), first);
    let header = |name: &str| String::from_utf8_lossy(&first[name]).lines().next().unwrap().to_string();
    assert_eq!(
        header("overlap_vs_step.csv"),
        "model,step,site,attribute,k,pairs,overlap,expected,excess,ceiling,of_ceiling,excess_of_ceiling,shuffled,\
         cross_attribute"
    );
    assert_eq!(
        header("overlap.csv"),
        "model,step,site,attribute,language_a,language_b,k,seed,neurons,shared,overlap,expected,excess,p_value,p_holm,p_bh,\
         p_by,jaccard,control,attribute_b"
    );
}

#[test]
fn bad_weights_and_configurations_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let damaged = |damage: &dyn Fn(&Path), why: &[&str]| {
        let series = series();
        damage(&series.path().join("global_step3000"));
        refused(study(series.path(), out.path()).arg("--fail-fast"), out.path(), why);
    };
    let weights = "model.safetensors";
    damaged(
        &|dir| {
            let bytes = fs::read(dir.join(weights)).unwrap();
            fs::write(dir.join(weights), &bytes[..bytes.len() / 2]).unwrap();
        },
        &["global_step3000/model.safetensors", "truncated"],
    );
    damaged(
        &|dir| {
            fs::remove_file(dir.join(weights)).unwrap();
            let index = r#"{"weight_map": {"transformer.ln_f.weight": "model-00001-of-00002.safetensors"}}"#;
            fs::write(dir.join("model.safetensors.index.json"), index).unwrap();
        },
        &["model-00001-of-00002.safetensors", "is not there"],
    );
    damaged(&|dir| fs::remove_file(dir.join(weights)).unwrap(), &["global_step3000", "holds no weights"]);
    let edit = |dir: &Path, from: &str, to: &str| {
        let text = fs::read_to_string(dir.join("config.json")).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(dir.join("config.json"), text.replace(from, to)).unwrap();
    };
    damaged(&|dir| edit(dir, r#""model_type": "bloom""#, r#""model_type": "gpt2""#), &["config.json", "gpt2", "bloom"]);
    damaged(
        &|dir| edit(dir, r#""vocab_size": 1400"#, r#""vocab_size": 1401"#),
        &["word_embeddings.weight", "[1400, 64]", "[1401, 64]"],
    );
    // One tensor less than the configuration calls for.
    damaged(
        &|dir| {
            let bytes = fs::read(dir.join(weights)).unwrap();
            let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let kept = file.iter().filter(|(name, _)| !name.contains("h.0.self_attention.dense.bias"));
            let shorter = safetensors::serialize(kept, &None).unwrap();
            fs::write(dir.join(weights), shorter).unwrap();
        },
        &["lacks the tensor `h.0.self_attention.dense.bias`"],
    );
    damaged(&|dir| fs::write(dir.join("../tokenizer.json"), "{").unwrap(), &["tokenizer.json"]);
    damaged(&|dir| fs::remove_file(dir.join("config.json")).unwrap(), &["global_step3000", "config.json"]);
}

#[test]
fn bad_treebanks_are_refused() {
    let (series, out, dir) = (series(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("bad.conllu");
    let good = "1\ta\ta\tNOUN\t_\t_\t0\troot\t_\t_\n";
    for (text, why) in [
        (b"1\ta\ta\tNOUN\t_\t_\t0\troot\t_\n\n".to_vec(), "bad.conllu:1"),
        (format!("{good}3\tb\tb\tNOUN\t_\t_\t1\tdep\t_\t_\n\n").into_bytes(), "bad.conllu:2"),
        ([good.as_bytes(), b"2\t\xff\xfe\tb\tNOUN\t_\t_\t1\tdep\t_\t_\n\n"].concat(), "bad.conllu:2"),
    ] {
        fs::write(&file, text).unwrap();
        let mut command = study(series.path(), out.path());
        command.arg("--treebank").arg(format!("qc={}", file.display()));
        refused(&mut command, out.path(), &[why]);
    }
    let mut command = study(series.path(), out.path());
    command.arg("--treebank").arg(format!("qc={}", dir.path().join("absent.conllu").display()));
    refused(&mut command, out.path(), &["absent.conllu"]);
}

#[test]
fn bad_options_are_refused() {
    let (series, out, dir) = (series(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let with = |options: &[&str], why: &[&str]| {
        let mut command = example("overlap_vs_step");
        command.arg("--series").arg(series.path()).arg("--out").arg(out.path());
        refused(command.args(options), out.path(), why);
    };
    with(&["--attribute", "Nmber"], &["unknown attribute `Nmber`", "Number"]);
    with(&["--site", "residual.9"], &["residual.9", "4 blocks"]);
    with(&["--site", "residual.1", "--k", "65"], &["k should be at most the 64 neurons", "65"]);
    with(&["--k", "0", "--site", "residual.1"], &["k should be at least 1"]);
    with(&["--source", "en"], &["unknown source language `en`", "qa"]);
    with(&["--device", "tpu"], &["unknown device `tpu`"]);
    let table = dir.path().join("scores.csv");
    let model = series.path().file_name().unwrap().to_str().unwrap();
    for (row, why) in [
        (format!("{model},7,xnli,qa,0.5"), ["scores.csv:2", "3000"]),
        (format!("{model},soon,xnli,qa,0.5"), ["scores.csv:2", "soon"]),
        (format!("{model},0,xnli,qa,much"), ["scores.csv:2", "much"]),
        ("bloom,0,xnli,qa,0.5".to_string(), ["scores.csv", "bloom"]),
    ] {
        fs::write(&table, format!("model,step,task,language,score\n{row}\n")).unwrap();
        with(&["--transfer", table.to_str().unwrap()], &why);
    }
    let description = dir.path().join("study.toml");
    let text = fs::read_to_string(fixture("study.toml")).unwrap().replace("attributes =", "atributes =");
    fs::write(&description, text).unwrap();
    with(&["--study", description.to_str().unwrap()], &["study.toml:", "atributes"]);
    // Names that the command line itself can judge.
    for (options, why) in
        [(["--site", "layer.3"], "layer.3"), (["--method", "magic"], "poisson"), (["--scheme", "x"], "unimorph")]
    {
        let output = example("overlap_vs_step").args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(why));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_any_work() {
    let (series, dir) = (series(), tempfile::tempdir().unwrap());
    // A file where the folder should be: unlike permissions, it stops the superuser too.
    let out = dir.path().join("file");
    fs::write(&out, "").unwrap();
    let output = study(series.path(), &out).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("output folder") && stderr.contains("file"), "{stderr}");
}

#[test]
fn extract_then_probe() {
    let out = tempfile::tempdir().unwrap();
    let activations = out.path().join("a.safetensors");
    let output =
        example("extract").args(["--site", "residual.1,mlp_output.2", "--out"]).arg(&activations).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = out.path().join("probe.json");
    let probe = |site: &str, attribute: &str| {
        let mut command = example("probe");
        command.arg("--activations").arg(&activations).args([
            "--site",
            site,
            "--attribute",
            attribute,
            "--k",
            "4",
            "--out",
        ]);
        command.arg(&json).output().unwrap()
    };
    let output = probe("mlp_output.2", "Number");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(found["neurons"].as_array().unwrap().len(), 4);
    assert_eq!(found["curve"][3]["rank"], 4);
    assert!(found["curve"][0]["nmi_dev"].is_number() && found["all"]["accuracy_test"].is_number());
    assert_eq!(found["classes"], serde_json::json!(["PL", "SG"]));
    assert!(found["words"]["train"].as_u64().unwrap() > found["words"]["dev"].as_u64().unwrap());
    assert_eq!(found["parameters"]["language"], "qa");
    for (site, attribute, why) in [("residual.2", "Number", "residual.1"), ("residual.1", "Nmber", "Number")] {
        let output = probe(site, attribute);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains("unknown") && stderr.contains(why), "{stderr}");
    }
}

#[test]
fn an_audit_and_a_study_name_steps_of_the_same_weights() {
    let (series, out) = (series(), tempfile::tempdir().unwrap());
    let copy = series.path().join("global_step5000");
    fs::create_dir(&copy).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(series.path().join("global_step0").join(file), copy.join(file)).unwrap();
    }
    let mut audit = example("audit");
    audit.arg("--series").arg(series.path()).arg("--text").arg(fixture("parallel/qa.txt")).arg("--out").arg(out.path());
    let output = audit.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Warning: steps 0 and 5000 have the same weights"), "{text}");
    assert!(text.contains("Warning: step 5000: the perplexity is 1418, out of line with 6.17 at step 3000."), "{text}");
    let table = &tables(out.path())["audit.csv"];
    let table = String::from_utf8_lossy(table);
    assert_eq!(table.lines().count(), 4);
    assert!(table.starts_with("model,step,tensors,values,nan,infinite,norm,tokens,perplexity,sha256,findings\n"));
    let quick = |name: &str| {
        let mut study = study(series.path(), &out.path().join(name));
        study.args(["--method", "mean_difference"]);
        study
    };
    let found = quick("study").output().unwrap();
    let (text, log) = (String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&found.stderr));
    assert!(text.contains("Of the series: steps 0 and 5000 have the same weights"), "{text}");
    assert!(log.contains("steps 0 and 5000 have the same weights"), "{log}");
    let mut silent = quick("silent");
    let found = silent.arg("--no-audit").output().unwrap();
    assert!(!String::from_utf8_lossy(&found.stdout).contains("Of the series:"));
    let folder = tempfile::tempdir().unwrap();
    let mut bad = example("audit");
    bad.arg("--series").arg(series.path()).args(["--norm-limit", "1"]).arg("--out").arg(folder.path());
    refused(&mut bad, folder.path(), &["norm limit should be above 1"]);
}
