//! Loading takes as much private memory as the model and no more.
#![cfg(all(feature = "torch", target_os = "linux"))]

use isogloss::bloom::{parameters, Bloom, Config, Extent};
use isogloss::checkpoint::Checkpoint;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tch::{Device, Kind};

/// Private memory: pages of mapped files are not in it.
fn private_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

/// The most that `f` takes at any time, looked at every half millisecond.
fn peak<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = private_bytes();
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(private_bytes());
                std::thread::sleep(Duration::from_micros(500));
            }
            peak
        });
        let value = f();
        done.store(true, Ordering::Relaxed);
        (value, watch.join().unwrap())
    })
}

fn load(dir: &Path, extent: Extent<'_>, kind: Kind) -> Bloom {
    Bloom::load(&Checkpoint::open(dir).unwrap(), extent, kind, Device::Cpu).unwrap()
}

/// Names the job of a process that only loads: folder and type.
const JOB: &str = "ISOGLOSS_LOADING_JOB";
const NAME: &str = "private_memory_holds_the_parameters_once_in_their_type";
const KINDS: [(&str, Kind); 3] = [("f32", Kind::Float), ("f16", Kind::Half), ("bf16", Kind::BFloat16)];

/// The folder, beside the others, of a model that takes next to nothing.
const SMALL: &str = "small";

/// Loads, and prints the bytes that it took at most and the values it has.
fn work(job: &str) {
    let (kind, dir) = job.split_once(' ').unwrap();
    let (_, kind) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    let dir = Path::new(dir);
    // What libtorch takes for itself on its first use is no part of a model.
    drop(load(&dir.with_file_name(SMALL), Extent::Full, *kind));
    let before = private_bytes();
    let (bloom, peak) = peak(|| load(dir, Extent::Full, *kind));
    let values: usize = bloom.parameters().values().map(tch::Tensor::numel).sum();
    println!("took {} {values}", peak.saturating_sub(before));
}

/// What [`work`] prints in a process of its own, which has no memory to spare from what it did before.
fn taken(dir: &Path, kind: &str) -> (usize, usize) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let job = format!("{kind} {}", dir.display());
    let output = command.args(["--exact", NAME, "--nocapture"]).env(JOB, job).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures = text.lines().find_map(|line| line.split_once("took ")).map(|(_, figures)| figures.trim());
    let figures = figures.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let (taken, values) = figures.split_once(' ').unwrap();
    (taken.parse().unwrap(), values.parse().unwrap())
}

/// BLOOM-560m's proportions at a fifth of its width, so that the embedding is half of the model.
#[test]
fn private_memory_holds_the_parameters_once_in_their_type() {
    if let Ok(job) = std::env::var(JOB) {
        return work(&job);
    }
    let config = Config::new(245 * 208, 208, 24, 16).unwrap();
    let fresh = parameters::initialise(&config, 1).unwrap();
    let values: usize = fresh.values().map(tch::Tensor::numel).sum();
    let dir = tempfile::tempdir().unwrap();
    let dirs = [Kind::Float, Kind::Half].map(|kind| {
        let dir = dir.path().join(format!("{kind:?}"));
        parameters::save(&fresh, &config, &dir, kind).unwrap();
        dir
    });
    let small = Config::new(64, 16, 1, 2).unwrap();
    let weights = parameters::initialise(&small, 1).unwrap();
    parameters::save(&weights, &small, dir.path().join(SMALL), Kind::Float).unwrap();
    for (dir, kind, width) in [(&dirs[0], "f32", 4), (&dirs[1], "f32", 4), (&dirs[0], "bf16", 2), (&dirs[1], "f16", 2)]
    {
        let (taken, loaded) = taken(dir, kind);
        let model = values * width;
        eprintln!("{} to {kind}: {} kB of {} kB", dir.display(), taken / 1024, model / 1024);
        assert_eq!(loaded, values);
        assert!(taken as f64 <= 1.1 * model as f64, "{taken} bytes for a model of {model}");
        assert!(taken as f64 >= 0.9 * model as f64, "{taken} bytes cannot hold a model of {model}");
    }
}
