//! What a study costs beside its probes: keeping results, and finding out what is there.
//!
//! `cargo bench --no-default-features --bench study`

use criterion::{criterion_group, criterion_main, BatchSize, Criterion};
use isogloss::study::{Appender, Identity, Pack};
use isogloss::{Error, Result};
use std::path::{Path, PathBuf};

/// A ranking's neurons with three figures each, as results have them.
fn ranking() -> Vec<(usize, f64, f64, f64)> {
    (0..50).map(|i| (i * 17, 1.0 / (i + 3) as f64, (i as f64).sqrt() / 9.0, 1.0 / 3.0)).collect()
}

/// Cells that do nothing: each gets its identity and keeps its result.
fn write(dir: &Path, files: usize, cells: usize) -> Result<Vec<PathBuf>> {
    let (study, ranking) = (Identity::of("a study")?, ranking());
    (0..files)
        .map(|file| {
            let path = dir.join(format!("{file}.cells"));
            let appender = Appender::open(&path)?;
            for cell in 0..cells / files {
                let identity = study.of_part(&["Number", "residual.12", &file.to_string(), &cell.to_string()]);
                appender.put(&identity, ranking.len(), &ranking)?;
            }
            Ok(path)
        })
        .collect()
}

fn folder(name: &str) -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("isogloss-bench-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(Error::io(&dir, "create"))?;
    Ok(dir)
}

fn remove(dir: &Path) {
    // What stays in the temporary folder is the system's to remove.
    let _ = std::fs::remove_dir_all(dir);
}

fn study(c: &mut Criterion) {
    let mut group = c.benchmark_group("study");
    group.sample_size(10);
    let mut turn = 0;
    group.bench_function("10,000 cells that do nothing, in 20 files", |b| {
        b.iter_batched(
            || {
                turn += 1;
                folder(&turn.to_string())
            },
            |dir| {
                let dir = dir?;
                let written = write(&dir, 20, 10_000)?.len();
                remove(&dir);
                Ok::<usize, Error>(written)
            },
            BatchSize::PerIteration,
        )
    });
    let complete = folder("complete").and_then(|dir| Ok((write(&dir, 234, 100_000)?, dir)));
    if let Ok((paths, dir)) = complete {
        group.bench_function("what of 100,000 cells is there, in 234 files", |b| {
            b.iter(|| paths.iter().map(|path| Pack::read(path).map_or(0, |pack| pack.len())).sum::<usize>())
        });
        remove(&dir);
    }
    group.finish();
}

criterion_group!(benches, study);
criterion_main!(benches);
