//! Cost of comparing parallel sentences at one site.
//!
//! `scripts/with-libtorch cargo bench --bench similarity`; without `--features linalg` neither SVCCA nor all-but-the-top is in.

use criterion::{criterion_group, criterion_main, Criterion};
use isogloss::activations::SentencePooling;
use isogloss::checkpoint::Step;
use isogloss::similarity::{compare, similarities, Pairs, Place, States};
use isogloss::Site;
use ndarray::Array2;
use rand::Rng;

const SENTENCES: usize = 1000;

/// Languages whose sentences share half of what they are; later neurons vary less, as in a model.
fn languages(count: usize, neurons: usize) -> Vec<Array2<f32>> {
    let mut rng = isogloss::seed::stream(1, &["bench", "similarity"]);
    let mut states = || {
        let scale = |j: usize| 1.0 / (1.0 + j as f32).sqrt();
        Array2::from_shape_fn((SENTENCES, neurons), |(_, j)| rng.gen_range(-1.0f32..1.0) * scale(j) + 0.3)
    };
    let common = states();
    (0..count).map(|_| states() + &common).collect()
}

fn similarity(c: &mut Criterion) {
    let mut group = c.benchmark_group("similarity");
    group.sample_size(10);
    for neurons in [192, 1024] {
        let languages = languages(8, neurons);
        group.bench_function(format!("prepare a language, {SENTENCES} x {neurons}"), |b| {
            b.iter(|| languages.first().and_then(|rows| States::new(rows.view()).ok()).map(|states| states.prepare()))
        });
        let prepared: Vec<States<'_>> =
            languages.iter().filter_map(|rows| States::new(rows.view()).ok()).inspect(States::prepare).collect();
        if let [first, second, ..] = prepared.as_slice() {
            group
                .bench_function(format!("a pair, {SENTENCES} x {neurons}"), |b| b.iter(|| similarities(first, second)));
        }
        let names: Vec<String> = (0..languages.len()).map(|i| format!("l{i}")).collect();
        let states: Vec<_> = names.iter().zip(&languages).map(|(name, rows)| (name.as_str(), rows.view())).collect();
        let place = Place {
            model: "bloom".into(),
            step: Step::Number(0),
            site: Site::Residual(0),
            pooling: SentencePooling::Mean,
        };
        group.bench_function(format!("eight languages with one, {SENTENCES} x {neurons}"), |b| {
            b.iter(|| compare(&place, &states, Pairs::With("l0")))
        });
    }
    group.finish();
}

criterion_group!(benches, similarity);
criterion_main!(benches);
