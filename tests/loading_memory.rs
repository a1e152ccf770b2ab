//! Loading takes as much private memory as the model and no more.
//!
//! One test, so that no other takes memory in the same process.
#![cfg(all(feature = "torch", target_os = "linux"))]

use isogloss::bloom::{parameters, Bloom, Config, Extent};
use isogloss::checkpoint::Checkpoint;
use std::fs;
use std::path::Path;
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

/// BLOOM-560m's proportions at a fifth of its width, so that the embedding is half of the model.
#[test]
fn private_memory_holds_the_parameters_once_in_their_type() {
    let config = Config::new(245 * 208, 208, 24, 16).unwrap();
    let fresh = parameters::initialise(&config, 1).unwrap();
    let values: usize = fresh.values().map(tch::Tensor::numel).sum();
    let dir = tempfile::tempdir().unwrap();
    let dirs = [Kind::Float, Kind::Half].map(|kind| {
        let dir = dir.path().join(format!("{kind:?}"));
        parameters::save(&fresh, &config, &dir, kind).unwrap();
        dir
    });
    drop(fresh);
    // What libtorch takes for itself on its first use is no part of a model.
    drop(load(&dirs[0], Extent::Sites(&["residual.1".parse().unwrap()]), Kind::BFloat16));
    let before = private_bytes();
    for (dir, kind, width) in [
        (&dirs[0], Kind::Float, 4),
        (&dirs[1], Kind::Float, 4),
        (&dirs[0], Kind::BFloat16, 2),
        (&dirs[1], Kind::Half, 2),
    ] {
        let (bloom, peak) = peak(|| load(dir, Extent::Full, kind));
        let (taken, model) = (peak.saturating_sub(before), values * width);
        eprintln!("{} to {kind:?}: {} kB of {} kB", dir.display(), taken / 1024, model / 1024);
        assert!(taken as f64 <= 1.1 * model as f64, "{taken} bytes for a model of {model}");
        assert!(taken as f64 >= 0.5 * model as f64, "{taken} bytes cannot hold a model of {model}");
        assert_eq!(bloom.parameters().values().map(tch::Tensor::numel).sum::<usize>(), values);
    }
}
