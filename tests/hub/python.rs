//! The cache is Python's too. Needs a Python with `huggingface_hub`, so that it runs only when asked to:
//!
//! ```sh
//! HUB_PYTHON=python3 cargo test --no-default-features --features hub --test hub python -- --ignored
//! ```

use super::*;
use std::process::Command;

/// Runs a program that gets the repository's name as `ID` and the commit as `COMMIT`; what it prints.
fn python(bench: &Bench, commit: &str, offline: bool, program: &str) -> String {
    let python = std::env::var("HUB_PYTHON").unwrap_or_else(|_| "python3".into());
    let program =
        format!("ID, COMMIT, STEP = '{ID}', '{commit}', 'global_step10'\nfrom huggingface_hub import *\n{program}");
    let output = Command::new(python)
        .args(["-c", &program])
        .env("HF_ENDPOINT", &bench.server.url)
        .env("HF_HUB_CACHE", bench.cache.path())
        .env("HF_HUB_OFFLINE", if offline { "1" } else { "0" })
        .env("HF_HOME", bench.cache.path())
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

#[test]
#[ignore = "needs Python with huggingface_hub, named by HUB_PYTHON"]
fn python_reads_what_was_fetched_here() {
    let bench = Bench::new();
    let weights = noise(300_000, 1);
    let commit = bench.one(&weights);
    let checkpoint = bench.fetch(&bench.hub()).unwrap();
    let file = "print(hf_hub_download(ID, 'model.safetensors', revision=STEP, local_files_only=True))";
    assert_eq!(python(&bench, &commit, false, file), checkpoint.dir().join("model.safetensors").display().to_string());
    let by_commit = "print(hf_hub_download(ID, 'config.json', revision=COMMIT))";
    assert_eq!(python(&bench, &commit, true, by_commit), checkpoint.config().display().to_string());
    let snapshot = "print(snapshot_download(ID, revision=STEP, local_files_only=True))";
    assert_eq!(python(&bench, &commit, false, snapshot), checkpoint.dir().display().to_string());
    let known = "print(try_to_load_from_cache(ID, 'tokenizer.json', revision=STEP))";
    assert_eq!(python(&bench, &commit, true, known), checkpoint.tokenizer().unwrap().display().to_string());
    // Online it asks for the branch and fetches nothing.
    bench.server.requests();
    let online = "print(snapshot_download(ID, revision=STEP))";
    assert_eq!(python(&bench, &commit, false, online), checkpoint.dir().display().to_string());
    let requests = bench.server.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| !request.storage), "{requests:?}");
    let scan = "i = scan_cache_dir(); r, = i.repos; print(r.repo_id, r.nb_files, [sorted(v.refs) for v in r.revisions], len(i.warnings))";
    assert_eq!(python(&bench, &commit, true, scan), format!("{ID} 3 [['global_step10']] 0"));
}

#[test]
#[ignore = "needs Python with huggingface_hub, named by HUB_PYTHON"]
fn what_python_fetched_is_read_here() {
    for program in [
        "print(snapshot_download(ID, revision=STEP))",
        "[hf_hub_download(ID, f, revision=STEP) for f in ('config.json', 'tokenizer.json', 'model.safetensors')]\nprint('')",
    ] {
        let bench = Bench::new();
        let weights = noise(300_000, 2);
        let commit = bench.one(&weights);
        python(&bench, &commit, false, program);
        bench.server.requests();
        let checkpoint = bench.fetch(&bench.offline()).unwrap();
        assert_eq!(std::fs::read(checkpoint.dir().join("model.safetensors")).unwrap(), weights);
        assert!(bench.server.requests().is_empty());
        let series = bench.hub().series(&repository(ID), &SeriesSettings::default()).unwrap();
        assert!(series.checkpoints().iter().all(Checkpoint::is_fetched));
        let paths: Vec<String> = bench.server.requests().into_iter().map(|request| request.path).collect();
        assert_eq!(paths, ["/api/models/owner/tiny-intermediate/refs"]);
    }
}
