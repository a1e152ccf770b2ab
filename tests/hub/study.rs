//! A study whose series is on the Hub: by one process, by two, and one that is killed.
//!
//! With both `hub` and `torch`: `scripts/with-libtorch cargo test --features hub --test hub`.

use super::series::{fixture, upload};
use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const STEPS: [u64; 4] = [0, 10, 300, 3000];

/// A study with quick probes that deletes weights after use.
fn study(bench: &Bench, out: &Path) -> Command {
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let mut command = Command::new(folder.join("overlap_vs_step"));
    command.arg("--series").arg(ID).arg("--evict").arg("--out").arg(out);
    for language in ["qa", "qb"] {
        let file = fixture(&format!("../treebanks/{language}.conllu"));
        command.arg("--treebank").arg(format!("{language}={}", file.display()));
    }
    for setting in ["attributes=Number", "sites=residual.1", "k=3", "seeds=0,1", "threads=1"] {
        command.args(["--set", setting]);
    }
    command.args(["--set", "method.poisson.max_epochs=2"]).env("RUST_LOG", "error");
    command.env("HF_ENDPOINT", &bench.server.url).env("HF_HUB_CACHE", bench.cache.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn tables(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file() && !path.ends_with("log.jsonl"));
    files.map(|path| (path.file_name().unwrap().into(), std::fs::read(path).unwrap())).collect()
}

fn computed(out: &Path) -> usize {
    let log = std::fs::read_to_string(out.join("log.jsonl")).unwrap();
    log.lines().filter(|line| line.contains(r#""kind":"ranking""#)).count()
}

/// Hashes of the checkpoints' weights.
fn hashes() -> [String; 4] {
    STEPS.map(|step| server::sha256(&std::fs::read(fixture(&format!("global_step{step}/model.safetensors"))).unwrap()))
}

/// Weights in the cache.
fn weights(bench: &Bench) -> usize {
    let blobs = bench.blobs();
    hashes().iter().filter(|hash| blobs.contains(hash)).count()
}

/// How often weights were fetched.
fn fetches(bench: &Bench) -> Vec<usize> {
    let requests = bench.server.requests();
    let of = |hash: &String| requests.iter().filter(|request| request.storage && request.path.contains(hash)).count();
    hashes().iter().map(of).collect()
}

#[test]
fn two_processes_fetch_each_checkpoint_once_and_leave_none() {
    let (bench, dir) = (Bench::new(), tempfile::tempdir().unwrap());
    upload(&bench, &STEPS);
    let [alone, shared, killed] = ["alone", "shared", "killed"].map(|name| dir.path().join(name));
    assert!(study(&bench, &alone).status().unwrap().success());
    assert_eq!((weights(&bench), computed(&alone)), (0, STEPS.len() * 8));
    let once = fetches(&bench);
    let mut both: Vec<Child> = (0..2).map(|_| study(&bench, &shared).spawn().unwrap()).collect();
    both.iter_mut().for_each(|child| assert!(child.wait().unwrap().success()));
    assert_eq!((weights(&bench), computed(&shared)), (0, STEPS.len() * 8));
    assert!(tables(&alone) == tables(&shared));
    // One that helps at a checkpoint may come when its weights have just gone.
    let by_both = fetches(&bench);
    assert!(by_both.iter().sum::<usize>() <= once.iter().sum::<usize>() + once[0], "{by_both:?}, alone {once:?}");
    // The one that comes later helps, and what the first has fetched goes with the last.
    let late = dir.path().join("late");
    let mut first = study(&bench, &late).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let mut second = study(&bench, &late).spawn().unwrap();
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    assert!(tables(&alone) == tables(&late) && weights(&bench) == 0);
    // Shards that share a checkpoint, the later one first.
    let shards = dir.path().join("shards");
    let mut parts = [3, 2, 1].map(|i| {
        std::thread::sleep(Duration::from_millis(300));
        study(&bench, &shards).args(["--shard", &format!("{i}/3")]).spawn().unwrap()
    });
    parts.iter_mut().for_each(|part| assert!(part.wait().unwrap().success()));
    assert!(study(&bench, &shards).arg("--merge").status().unwrap().success());
    assert!(tables(&alone) == tables(&shards) && weights(&bench) == 0);
    // Killed in the middle, it goes on, with what it had fetched, and leaves none of that.
    let mut child = study(&bench, &killed).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(study(&bench, &killed).status().unwrap().success());
    assert!(tables(&alone) == tables(&killed) && weights(&bench) == 0);
}
