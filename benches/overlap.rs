//! Cost of the tables of overlap.
//!
//! `cargo bench --no-default-features --bench overlap`

use criterion::{criterion_group, criterion_main, Criterion};
use isogloss::checkpoint::Step;
use isogloss::overlap::{by_k, by_step, ceiling, cross_attribute, measures, pairs, sharing, DRAWS, RBO_P};
use isogloss::ranking::{Cell, Control, CurvePoint, RankedCell, Ranking};
use isogloss::Site;
use rand::seq::index::sample;

const NEURONS: usize = 1024;
const K: usize = 50;

/// Rankings drawn independently: their overlap is what chance gives.
fn grid(languages: usize, attributes: usize, steps: usize, seeds: u64) -> Vec<RankedCell> {
    let mut rng = isogloss::seed::stream(1, &["bench", "overlap"]);
    let mut cells = Vec::new();
    for step in 0..steps {
        for attribute in 0..attributes {
            for language in 0..languages {
                for seed in 0..seeds {
                    let point = |(i, neuron)| CurvePoint {
                        rank: i + 1,
                        neuron,
                        nmi_dev: Some((i as f64 + 1.0).ln()),
                        nmi_test: None,
                        accuracy_test: None,
                    };
                    let curve = sample(&mut rng, NEURONS, K).into_iter().enumerate().map(point).collect();
                    let Ok(ranking) = Ranking::new(NEURONS, curve) else { continue };
                    let cell = Cell {
                        model: "bloom-560m".into(),
                        step: Step::Number(1000 * step as u64),
                        site: Site::Residual(12),
                        attribute: format!("attribute-{attribute:02}"),
                        language: format!("l{language:02}"),
                        method: "poisson".into(),
                        seed,
                        control: Control::None,
                    };
                    cells.push(RankedCell { cell, ranking });
                }
            }
        }
    }
    cells
}

fn tables(c: &mut Criterion) {
    let mut group = c.benchmark_group("overlap");
    group.sample_size(10);
    let cells = grid(50, 20, 100, 1);
    group.bench_function("pairs, 50 languages x 20 attributes x 100 steps", |b| b.iter(|| pairs(&cells, &[K])));
    if let Ok(rows) = pairs(&cells, &[K]) {
        group.bench_function("by_step of the same", |b| b.iter(|| by_step(&rows, &[])));
    }
    group.bench_function("by_k of the same", |b| b.iter(|| by_k(&cells, K)));
    group.bench_function("sharing of the same", |b| b.iter(|| sharing(&cells, &[K], DRAWS, 0)));

    let cells = grid(20, 5, 50, 2);
    let Ok(ceilings) = ceiling(&cells, &[K]) else { return };
    group.bench_function("measures, 20 languages x 5 attributes x 50 steps x 2 seeds", |b| {
        b.iter(|| measures(&cells, &[K], &ceilings, RBO_P))
    });
    group.bench_function("ceiling of the same", |b| b.iter(|| ceiling(&cells, &[K])));
    group.bench_function("cross_attribute of the same", |b| b.iter(|| cross_attribute(&cells, &[K])));
    group.finish();
}

criterion_group!(benches, tables);
criterion_main!(benches);
