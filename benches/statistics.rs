//! Cost of the statistics of single neurons over words, neurons and classes.
//!
//! `cargo bench --no-default-features --bench statistics`

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion};
use isogloss::ranking::statistics::Statistic;
use ndarray::Array2;
use rand::Rng;

fn scores(c: &mut Criterion) {
    for name in Statistic::NAMES {
        let Ok(statistic) = name.parse::<Statistic>() else { continue };
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        for (words, neurons, classes) in [(8000, 1024, 4), (8000, 2048, 4), (16000, 1024, 4), (8000, 1024, 16)] {
            let mut rng = isogloss::seed::stream(1, &["bench"]);
            let labels: Vec<usize> = (0..words).map(|_| rng.gen_range(0..classes)).collect();
            let x = Array2::from_shape_fn((words, neurons), |_| (0..4).map(|_| rng.gen::<f32>() - 0.5).sum::<f32>());
            group.bench_function(BenchmarkId::from_parameter(format!("{words}x{neurons}x{classes}")), |b| {
                b.iter(|| statistic.scores(x.view(), &labels, classes, 1, &[]))
            });
        }
    }
}

criterion_group!(benches, scores);
criterion_main!(benches);
