//! Tokens a second through BLOOM: sentences one by one, packed, and as far as a middle site alone.
//!
//! `scripts/with-libtorch cargo bench --bench extraction`. The model is of BLOOM-560m's proportions at a quarter of its width,
//! with random weights; 64 sentences have log-normal lengths with median 30.

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use isogloss::bloom::{parameters, Batch, Bloom, Config};
use isogloss::{seed, Result, Site};
use rand::Rng;

fn sentences(vocabulary: u32) -> Vec<Vec<u32>> {
    let mut rng = seed::stream(1, &["bench", "sentences"]);
    let length = |rng: &mut rand_chacha::ChaCha8Rng| {
        let normal: f64 = (0..12).map(|_| rng.gen::<f64>()).sum::<f64>() - 6.0;
        (30.0 * (0.5 * normal).exp()).clamp(2.0, 120.0) as usize
    };
    let mut sentences: Vec<Vec<u32>> =
        (0..64).map(|_| (0..length(&mut rng)).map(|_| rng.gen_range(0..vocabulary)).collect()).collect();
    sentences.sort_by_key(Vec::len);
    sentences
}

fn extraction(c: &mut Criterion) {
    let (bloom, sentences) = match setup() {
        Ok(parts) => parts,
        Err(error) => panic!("{error}"),
    };
    let tokens: usize = sentences.iter().map(Vec::len).sum();
    let last = [Site::Residual(bloom.config().n_layer)];
    let middle = [Site::Residual(16)];
    let _guard = tch::no_grad_guard();
    let mut group = c.benchmark_group("extraction");
    group.sample_size(10).throughput(Throughput::Elements(tokens as u64));
    group.bench_function("one by one, residual.24", |b| {
        b.iter(|| sentences.iter().map(|s| run(&bloom, std::slice::from_ref(s), &last)).collect::<Vec<_>>())
    });
    group.bench_function("packed, residual.24", |b| b.iter(|| run(&bloom, &sentences, &last)));
    group.bench_function("packed, residual.16", |b| b.iter(|| run(&bloom, &sentences, &middle)));
    group.finish();
}

fn setup() -> Result<(Bloom, Vec<Vec<u32>>)> {
    let config = Config::new(8192, 256, 24, 16)?;
    let parameters = parameters::initialise(&config, 1)?;
    Ok((Bloom::from_parameters(config, parameters)?, sentences(8192)))
}

fn run(bloom: &Bloom, sentences: &[Vec<u32>], sites: &[Site]) -> f64 {
    let found = Batch::new(sentences).and_then(|batch| bloom.forward(&batch, sites));
    // Reading a value waits for devices that work ahead.
    found.map_or(f64::NAN, |found| found.values().map(|tensor| tensor.double_value(&[0, 0])).sum())
}

criterion_group!(benches, extraction);
criterion_main!(benches);
