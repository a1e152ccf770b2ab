//! Loading a model against a plain read of its file.
//!
//! `scripts/with-libtorch cargo bench --bench loading`. The model has BLOOM-560m's proportions at a quarter of its width, with
//! random weights; `ISOGLOSS_BENCH_HIDDEN=1024` makes it as large (2.2 GB in float32, in the system's temporary folder, which
//! `TMPDIR` names). Files are read once before, so they come from the page cache.

use criterion::{criterion_group, criterion_main, BenchmarkGroup, Criterion, Throughput};
use isogloss::bloom::{parameters, Bloom, Config, Extent};
use isogloss::checkpoint::Checkpoint;
use isogloss::{Error, Result};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use tch::{Device, Kind};

/// BLOOM-560m has a vocabulary of 250,880 and a hidden size of 1,024.
const VOCABULARY_BY_WIDTH: usize = 245;
const BLOCKS: usize = 24;

fn loading(c: &mut Criterion) {
    if let Err(error) = run(c) {
        panic!("{error}");
    }
}

fn run(c: &mut Criterion) -> Result<()> {
    let hidden = match std::env::var("ISOGLOSS_BENCH_HIDDEN") {
        Ok(text) => text.parse().map_err(|_| Error::parameter("ISOGLOSS_BENCH_HIDDEN", "a number", text))?,
        Err(_) => 256,
    };
    let config = Config::new(VOCABULARY_BY_WIDTH * hidden, hidden, BLOCKS, 16)?;
    let top = std::env::temp_dir().join(format!("isogloss-bench-{}", std::process::id()));
    let result = measure(c, &config, &top);
    // Gigabytes are not left behind, whatever happened.
    let _ = fs::remove_dir_all(&top);
    result
}

fn measure(c: &mut Criterion, config: &Config, top: &Path) -> Result<()> {
    let fresh = parameters::initialise(config, 1)?;
    let (single, half) = (top.join("float32"), top.join("float16"));
    parameters::save(&fresh, config, &single, Kind::Float)?;
    parameters::save(&fresh, config, &half, Kind::Half)?;
    drop(fresh);
    let mut group = c.benchmark_group("loading");
    group.sample_size(10);
    for (name, dir) in [("float32", &single), ("float16", &half)] {
        let file = dir.join("model.safetensors");
        let size = fs::metadata(&file).map_err(Error::io(&file, "read"))?.len();
        group.throughput(Throughput::Bytes(size));
        group.bench_function(format!("plain read of {name}"), |b| b.iter(|| fs::read(&file).map(black_box)));
    }
    for (dir, kind, name) in [
        (&single, Kind::Float, "float32 to float32"),
        (&single, Kind::BFloat16, "float32 to bfloat16"),
        (&half, Kind::Float, "float16 to float32"),
    ] {
        load(&mut group, name, dir, kind)?;
    }
    group.finish();
    Ok(())
}

fn load(
    group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    dir: &Path,
    kind: Kind,
) -> Result<()> {
    let checkpoint = Checkpoint::open(dir)?;
    group.bench_function(name, |b| b.iter(|| Bloom::load(&checkpoint, Extent::Full, kind, Device::Cpu)));
    Ok(())
}

criterion_group!(benches, loading);
criterion_main!(benches);
