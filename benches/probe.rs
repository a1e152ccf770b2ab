//! Cost of the latent-variable probes, the elastic net and of greedy selection over words, neurons and classes.
//!
//! `cargo bench --no-default-features --bench probe`; `cell` is a whole cell: fit to early stopping, 50 neurons, curves.

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion};
use isogloss::probe::{ElasticNet, Estimator, LinearProbe, Masks, Poisson};
use isogloss::ranking::upper_bound::{self, UpperBoundParams};
use isogloss::ranking::{greedy, Method, Ranker, Splits};
use linfa::ParamGuard;
use ndarray::{s, Array1, Array2};
use rand::Rng;

/// Words of random classes; one neuron in ten has a mean that depends on the class.
fn words(n_words: usize, n_neurons: usize, n_classes: usize, name: &str) -> (Array2<f32>, Vec<usize>) {
    let mut means = isogloss::seed::stream(1, &["bench", "means"]);
    let means = Array2::from_shape_fn((n_classes, n_neurons), |(_, neuron)| {
        let mean = means.gen::<f32>() - 0.5;
        if neuron % 10 == 0 {
            mean
        } else {
            0.0
        }
    });
    let mut rng = isogloss::seed::stream(1, &["bench", name]);
    let labels: Vec<usize> = (0..n_words).map(|_| rng.gen_range(0..n_classes)).collect();
    let words = Array2::from_shape_fn((n_words, n_neurons), |(word, neuron)| {
        (0..6).map(|_| rng.gen::<f32>() - 0.5).sum::<f32>() + means[[labels[word], neuron]]
    });
    (words, labels)
}

fn fit(c: &mut Criterion) {
    let mut group = c.benchmark_group("five epochs of fitting");
    group.sample_size(10);
    for (n_words, neurons, classes) in [
        (4000, 1024, 4),
        (8000, 1024, 4),
        (8000, 512, 4),
        (8000, 2048, 4),
        (8000, 1024, 2),
        (8000, 1024, 12),
        (16000, 192, 12),
    ] {
        let (x, labels) = words(n_words, neurons, classes, "train");
        let Ok(probe) = Poisson::params().max_epochs(5).n_classes(classes).check() else { continue };
        group.bench_function(BenchmarkId::from_parameter(format!("{n_words}x{neurons}x{classes}")), |b| {
            b.iter(|| probe.fit_view(x.view(), &labels))
        });
    }
}

fn masks(c: &mut Criterion) {
    let mut group = c.benchmark_group("five epochs by masks, 2000x512x4");
    group.sample_size(10);
    let (x, labels) = words(2000, 512, 4, "train");
    for (name, masks) in [
        ("independent", Masks::Independent),
        ("of size 50", Masks::OfSize(50)),
        ("of uniform size", Masks::OfUniformSize),
    ] {
        let Ok(probe) = Poisson::params().masks(masks).max_epochs(5).check() else { continue };
        group.bench_function(name, |b| b.iter(|| probe.fit_view(x.view(), &labels)));
    }
}

fn select(c: &mut Criterion) {
    let mut group = c.benchmark_group("selecting 50 neurons");
    group.sample_size(10);
    for (n_words, neurons, classes) in [
        (500, 1024, 4),
        (1000, 1024, 4),
        (1000, 512, 4),
        (1000, 2048, 4),
        (1000, 1024, 2),
        (1000, 1024, 12),
        (2000, 192, 12),
    ] {
        let (dev, test) = (words(n_words, neurons, classes, "dev"), words(n_words, neurons, classes, "test"));
        let weights = Array2::from_shape_fn((classes, neurons), |(c, d)| ((c * 31 + d * 17) % 13) as f32 / 40.0 - 0.15);
        let Ok(probe) = LinearProbe::new(weights, Array1::zeros(classes), None) else { continue };
        group.bench_function(BenchmarkId::from_parameter(format!("{n_words}x{neurons}x{classes}")), |b| {
            b.iter(|| greedy::select(&probe, (dev.0.view(), &dev.1), (test.0.view(), &test.1), 50))
        });
    }
}

fn cell(c: &mut Criterion) {
    let mut group = c.benchmark_group("cell");
    group.sample_size(10);
    for (n_words, neurons, classes) in [
        (8000, 1024, 2),
        (8000, 1024, 4),
        (8000, 1024, 12),
        (32000, 1024, 4),
        (8000, 2048, 4),
        (8000, 4096, 4),
        (8000, 192, 2),
        (16000, 192, 12),
    ] {
        let [train, dev, test] = [("train", n_words), ("dev", n_words / 8), ("test", n_words / 8)]
            .map(|(name, n_words)| words(n_words, neurons, classes, name));
        let method = Method::Poisson(Poisson::params());
        group.bench_function(BenchmarkId::from_parameter(format!("{n_words}x{neurons}x{classes}")), |b| {
            b.iter(|| {
                let [train, dev, test] = [&train, &dev, &test].map(|(x, labels)| (x.view(), &labels[..]));
                method.rank(&Splits::new(train, dev, test), 50, 1, &[])
            })
        });
    }
}

fn elastic_net(c: &mut Criterion) {
    let mut group = c.benchmark_group("elastic net");
    group.sample_size(10);
    let (x, labels) = words(8000, 1024, 4, "train");
    for (name, l1, l2) in [("l2", 0.0, 1.0), ("l1 and l2", 1.0, 1.0)] {
        let Ok(params) = ElasticNet::params().l1(l1).l2(l2).check() else { continue };
        group.bench_function(BenchmarkId::new("8000x1024x4", name), |b| b.iter(|| params.fit_view(x.view(), &labels)));
    }
    if let Ok(params) = ElasticNet::params().check() {
        group.bench_function("path of 20, 8000x1024x4", |b| b.iter(|| params.path(x.view(), &labels, 20)));
    }
    let order: Vec<usize> = (0..1024).step_by(10).take(50).collect();
    if let Ok(params) = UpperBoundParams::default().check() {
        let train = (x.view(), &labels[..]);
        let dev = (x.slice(s![..1000, ..]), &labels[..1000]);
        group.bench_function("refit curve, 50 of 8000x1024x4", |b| {
            b.iter(|| upper_bound::refit_curve(&Splits::new(train, dev, dev), &order, &params))
        });
    }
}

criterion_group!(benches, fit, masks, select, cell, elastic_net);
criterion_main!(benches);
