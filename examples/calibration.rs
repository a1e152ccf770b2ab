//! How often does each test of `stats` call chance significant? Simulated nulls, as Markdown tables; `docs/statistics.md` has them.
//!
//! Needs neither libtorch nor OpenBLAS: `cargo run --release --no-default-features --example calibration`.

use anyhow::Result;
use clap::Parser;
use isogloss::seed;
use isogloss::stats::{
    bootstrap_correlation, differences, hypergeometric_sf, hypergeometric_two_sided, kendall, mantel, mixed_effects,
    partial_mantel, partial_pearson, partial_spearman, pearson, permutation_test, permutation_test_by, spearman,
    Bootstrap, Coefficient, Permutations, Resample, Undefined,
};
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Prints the share of simulated nulls with p at or below .05, for every test.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Simulated nulls of each kind; five times as many where the assumptions are met
    #[arg(long, default_value_t = 1000)]
    replicates: usize,
    /// Random orders and resamples of a test that draws
    #[arg(long, default_value_t = 199)]
    draws: usize,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const LEVEL: f64 = 0.05;

/// Points of languages at checkpoints, language by language.
struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
    language: Vec<usize>,
    checkpoint: Vec<usize>,
    /// Log step.
    time: Vec<f64>,
}

/// What both `x` and `y` are made of, each for itself.
#[derive(Clone, Copy, PartialEq)]
enum Null {
    Independent,
    Intercepts,
    Trend,
    Saturating,
    RandomWalk,
    Drift,
    Families,
    /// No null: languages' effects correlate with .8, beside a trend.
    Linked,
}

impl Null {
    fn name(self) -> &'static str {
        match self {
            Null::Independent => "independent points",
            Null::Intercepts => "effects of language and checkpoint",
            Null::Trend => "linear trend",
            Null::Saturating => "saturating trend",
            Null::RandomWalk => "random walks",
            Null::Drift => "random walks with drift",
            Null::Families => "three families of languages",
            Null::Linked => "*power: linked languages, trend*",
        }
    }

    /// One of the two series; `linked` are effects of the languages that both share.
    fn series(
        self,
        languages: usize,
        checkpoints: usize,
        curve: f64,
        linked: &[f64],
        rng: &mut ChaCha8Rng,
    ) -> Vec<f64> {
        let many = languages > 1;
        let mut own: Vec<f64> = (0..languages).map(|_| if many { normal(rng) } else { 0.0 }).collect();
        let families: Vec<f64> = (0..3).map(|_| 2.0 * normal(rng)).collect();
        match self {
            Null::Families => own.iter_mut().enumerate().for_each(|(l, o)| *o = 0.5 * *o + families[l % 3]),
            Null::Linked => {
                own.iter_mut().zip(linked).for_each(|(o, shared)| *o = 0.8f64.sqrt() * shared + 0.2f64.sqrt() * *o)
            }
            _ => {}
        }
        let mut common = Vec::with_capacity(checkpoints);
        let mut place = 0.0;
        for t in 0..checkpoints {
            let u = t as f64 / (checkpoints - 1) as f64;
            place += normal(rng);
            common.push(match self {
                Null::Independent | Null::Families => 0.0,
                Null::Intercepts => normal(rng),
                Null::Trend | Null::Linked => 3.0 * u,
                Null::Saturating => 3.0 * (1.0 - (-curve * u).exp()),
                Null::RandomWalk => place,
                Null::Drift => place + t as f64,
            });
        }
        let mut values = Vec::with_capacity(languages * checkpoints);
        for own in own {
            let mut wander = 0.0;
            for shared in &common {
                wander += 0.5 * normal(rng);
                values.push(match self {
                    Null::Independent => normal(rng),
                    Null::Intercepts => own + shared + normal(rng),
                    Null::RandomWalk | Null::Drift => own + shared + if many { wander } else { 0.0 },
                    _ => own + shared + 0.5 * normal(rng),
                });
            }
        }
        values
    }

    fn points(self, languages: usize, checkpoints: usize, rng: &mut ChaCha8Rng) -> Points {
        let linked: Vec<f64> = (0..languages).map(|_| normal(rng)).collect();
        let x = self.series(languages, checkpoints, 3.0, &linked, rng);
        let y = self.series(languages, checkpoints, 2.0, &linked, rng);
        let cells = || (0..languages).flat_map(|l| (0..checkpoints).map(move |t| (l, t)));
        let (language, checkpoint): (Vec<usize>, Vec<usize>) = cells().unzip();
        let time = checkpoint.iter().map(|&t| t as f64).collect();
        Points { x, y, language, checkpoint, time }
    }
}

/// A standard normal draw, by Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.gen(), rng.gen());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Whether a test calls the points significant.
type Test = fn(&Points, usize, u64) -> Result<bool, Undefined>;

/// A test by name, its null and the sizes (languages, checkpoints).
type Met = (&'static str, Null, &'static [(usize, usize)]);

/// A p-value of two series.
type PValue = fn(&[f64], &[f64]) -> Result<f64, Undefined>;

fn drawn(draws: usize, seed: u64) -> Permutations {
    Permutations { draws, seed, exact_up_to: 6, ..Permutations::default() }
}

fn significant(p: f64) -> bool {
    p <= LEVEL + 1e-12
}

fn outside(interval: (f64, f64)) -> bool {
    interval.0 > 0.0 || interval.1 < 0.0
}

fn interval(p: &Points, resample: Resample<'_>, draws: usize, seed: u64, accelerated: bool) -> Result<bool, Undefined> {
    let settings = Bootstrap { replicates: draws, seed, ..Bootstrap::default() };
    let result = bootstrap_correlation(Coefficient::Pearson, &p.x, &p.y, resample, &settings)?;
    Ok(outside(if accelerated { result.bca? } else { result.percentile }))
}

fn by_differences(p: &Points, test: PValue) -> Result<bool, Undefined> {
    let changes = differences(&p.x, &p.y, &p.language, &p.time)?;
    Ok(significant(test(&changes.x, &changes.y)?))
}

/// Tests of series alone.
const SINGLE: &[(&str, Test)] = &[
    ("Pearson, t", |p, _, _| Ok(significant(pearson(&p.x, &p.y)?.p_value))),
    ("Pearson, Fisher's z interval", |p, _, _| {
        Ok(outside(Coefficient::Pearson.interval(pearson(&p.x, &p.y)?.coefficient, p.x.len(), 0.95)?))
    }),
    ("Spearman, t", |p, _, _| Ok(significant(spearman(&p.x, &p.y)?.p_value))),
    ("Kendall", |p, _, _| Ok(significant(kendall(&p.x, &p.y)?.p_value))),
    ("permutation of points (Pearson)", |p, d, s| {
        Ok(significant(permutation_test(Coefficient::Pearson, &p.x, &p.y, &drawn(d, s))?.p_value))
    }),
    ("bootstrap of points, percentile", |p, d, s| interval(p, Resample::Points, d, s, false)),
    ("bootstrap of points, BCa", |p, d, s| interval(p, Resample::Points, d, s, true)),
    ("partial given log step, Pearson", |p, _, _| Ok(significant(partial_pearson(&p.x, &p.y, &[&p.time])?.p_value))),
    ("partial given log step, Spearman", |p, _, _| Ok(significant(partial_spearman(&p.x, &p.y, &[&p.time])?.p_value))),
    ("differences, Pearson's t", |p, _, _| by_differences(p, |x, y| Ok(pearson(x, y)?.p_value))),
    ("differences, permutation of intervals", |p, d, s| {
        let c = differences(&p.x, &p.y, &p.language, &p.time)?;
        let test = permutation_test_by(Coefficient::Pearson, &c.x, &c.y, &c.interval, &c.series, &drawn(d, s))?;
        Ok(significant(test.p_value))
    }),
];

/// Tests that see languages and checkpoints.
const CROSSED: &[(&str, Test)] = &[
    ("bootstrap of checkpoints, BCa", |p, d, s| interval(p, Resample::By(&p.checkpoint), d, s, true)),
    ("bootstrap of languages, BCa", |p, d, s| interval(p, Resample::By(&p.language), d, s, true)),
    ("bootstrap of both, percentile", |p, d, s| interval(p, Resample::ByBoth(&p.language, &p.checkpoint), d, s, false)),
    ("bootstrap of both, BCa", |p, d, s| interval(p, Resample::ByBoth(&p.language, &p.checkpoint), d, s, true)),
    ("mixed effects", |p, _, _| Ok(significant(mixed_effects(&p.x, &p.y, &p.language, &p.checkpoint)?.p_value))),
    ("permutation of checkpoints", |p, d, s| {
        let test = permutation_test_by(Coefficient::Pearson, &p.x, &p.y, &p.checkpoint, &p.language, &drawn(d, s))?;
        Ok(significant(test.p_value))
    }),
    ("**permutation of languages**", |p, d, s| {
        let test = permutation_test_by(Coefficient::Pearson, &p.x, &p.y, &p.language, &p.checkpoint, &drawn(d, s))?;
        Ok(significant(test.p_value))
    }),
];

/// The share of replicates that a test calls significant, of those that it answers, and that share.
fn rate(
    replicates: usize,
    options: &Options,
    name: &str,
    test: impl Fn(&mut ChaCha8Rng, u64) -> Result<bool, Undefined> + Sync,
) -> (f64, f64) {
    let answers = (0..replicates).into_par_iter().filter_map(|i| {
        let mut rng = seed::stream(options.seed, &["calibration", name, &i.to_string()]);
        test(&mut rng, i as u64).ok()
    });
    let (answered, significant) =
        answers.map(|yes| (1usize, usize::from(yes))).reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    (significant as f64 / answered.max(1) as f64, answered as f64 / replicates as f64)
}

fn cell((rate, answered): (f64, f64)) -> String {
    let shown = if answered == 0.0 { "none".to_owned() } else { format!("{rate:.3}") };
    if answered < 0.995 && answered > 0.0 {
        return format!("{shown} (of {:.0} %)", 100.0 * answered);
    }
    shown
}

/// Half the width of the 99 % interval of a rate of .05.
fn half_width(replicates: usize) -> f64 {
    2.5758293035489004 * (LEVEL * (1.0 - LEVEL) / replicates as f64).sqrt()
}

fn met(options: &Options) {
    let replicates = 5 * options.replicates;
    let half = half_width(replicates);
    println!("## Continuous tests whose assumptions are met\n");
    println!(
        "{replicates} replicates: a true rate of .05 shows as {:.4} to {:.4} (99 %).\n",
        LEVEL - half,
        LEVEL + half
    );
    println!("| test | null | rate | within |\n| --- | --- | ---: | --- |");
    let find = |name: &str| SINGLE.iter().chain(CROSSED).find(|(n, _)| *n == name).map(|(_, test)| *test);
    let rows: [Met; 7] = [
        ("Pearson, t", Null::Independent, &[(1, 6), (1, 12), (7, 6)]),
        ("permutation of points (Pearson)", Null::Independent, &[(1, 8), (7, 6)]),
        ("partial given log step, Pearson", Null::Trend, &[(1, 8), (1, 42)]),
        ("differences, Pearson's t", Null::Drift, &[(1, 8), (1, 20)]),
        ("differences, permutation of intervals", Null::Drift, &[(1, 9), (7, 9)]),
        ("**permutation of languages**", Null::RandomWalk, &[(7, 6), (13, 9)]),
        ("mixed effects", Null::Intercepts, &[(7, 6), (13, 9)]),
    ];
    for (name, null, sizes) in rows {
        let Some(test) = find(name) else { continue };
        for &(languages, checkpoints) in sizes {
            let key = format!("met {name} {} {languages} {checkpoints}", null.name());
            let result = rate(replicates, options, &key, |rng, s| {
                test(&null.points(languages, checkpoints, rng), options.draws, s)
            });
            let within = if (result.0 - LEVEL).abs() <= half { "yes" } else { "no" };
            println!(
                "| {} | {}, {languages} x {checkpoints} | {:.4} | {within} |",
                name.trim_matches('*'),
                null.name(),
                result.0
            );
        }
    }
    println!();
}

/// All orders of `0..n` as values.
fn orders(n: usize) -> Vec<Vec<f64>> {
    let mut all = vec![vec![]];
    for value in 0..n {
        all = all
            .into_iter()
            .flat_map(|order| {
                (0..=order.len()).map(move |place| {
                    let mut longer = order.clone();
                    longer.insert(place, value as f64);
                    longer
                })
            })
            .collect();
    }
    all
}

fn discrete(options: &Options) {
    let replicates = 5 * options.replicates;
    println!("## Discrete tests\n");
    println!("The attainable level is computed over all orders, or from the distribution; {replicates} replicates.\n");
    println!("| test | n | attainable level | rate |\n| --- | --- | ---: | ---: |");
    let line = |n: usize| (0..n).map(|i| i as f64).collect::<Vec<f64>>();
    let tests: [(&str, PValue, &[usize]); 5] = [
        (
            "Pearson, exact permutation",
            |x, y| Ok(permutation_test(Coefficient::Pearson, x, y, &Permutations::default())?.p_value),
            &[4, 5, 6],
        ),
        (
            "Spearman, exact permutation",
            |x, y| Ok(permutation_test(Coefficient::Spearman, x, y, &Permutations::default())?.p_value),
            &[5, 6],
        ),
        (
            "Kendall, exact permutation",
            |x, y| Ok(permutation_test(Coefficient::Kendall, x, y, &Permutations::default())?.p_value),
            &[5, 6],
        ),
        ("Kendall, exact", |x, y| Ok(kendall(x, y)?.p_value), &[5, 6, 8]),
        ("Spearman, t (an approximation)", |x, y| Ok(spearman(x, y)?.p_value), &[5, 6, 7, 8]),
    ];
    for (name, test, sizes) in tests {
        for &n in sizes {
            let yes = |x: &[f64], y: &[f64]| test(x, y).map(significant);
            // Of Pearson's, orders of any values without ties between coefficients.
            let factorial = (1..=n).product::<usize>() as f64;
            let attainable = if name.starts_with("Pearson") {
                2.0 * (LEVEL / 2.0 * factorial + 1e-9).floor() / factorial
            } else {
                let all = orders(n);
                let significant = all.par_iter().filter(|y| yes(&line(n), y) == Ok(true)).count();
                significant as f64 / factorial
            };
            let key = format!("discrete {name} {n}");
            let (rate, _) = rate(replicates, options, &key, |rng, _| {
                let p = Null::Independent.points(1, n, rng);
                yes(&p.x, &p.y)
            });
            println!("| {name} | {n} | {attainable:.4} | {rate:.4} |");
        }
    }
    for (population, k) in [(192, 20), (1024, 50), (2048, 50)] {
        for (name, p) in [
            ("hypergeometric, upper tail", hypergeometric_sf as fn(usize, usize, usize, usize) -> f64),
            ("hypergeometric, two-sided", hypergeometric_two_sided),
        ] {
            let mass = |t| isogloss::stats::hypergeometric_pmf(t, population, k, k);
            let attainable: f64 = (0..=k).filter(|&t| p(t, population, k, k) <= LEVEL).map(mass).sum();
            let (rate, _) = rate(replicates, options, &format!("{name} {population}"), |rng, _| {
                let chosen = rand::seq::index::sample(rng, population, k);
                Ok(p(chosen.iter().filter(|&i| i < k).count(), population, k, k) <= LEVEL)
            });
            println!("| {name} | {k} and {k} of {population} | {attainable:.4} | {rate:.4} |");
        }
    }
    println!();
}

fn correlated(options: &Options, title: &str, languages: usize, checkpoints: usize, nulls: &[Null]) {
    println!("## {title}\n");
    let names: Vec<&str> = nulls.iter().map(|null| null.name()).collect();
    println!("| test | {} |\n| --- |{}", names.join(" | "), " ---: |".repeat(nulls.len()));
    let tests: Vec<&(&str, Test)> =
        if languages > 1 { SINGLE.iter().chain(CROSSED).collect() } else { SINGLE.iter().collect() };
    for (name, test) in tests {
        let cells: Vec<String> = nulls
            .iter()
            .map(|null| {
                // The same data for every test.
                let key = format!("{} {languages} {checkpoints}", null.name());
                cell(rate(options.replicates, options, &key, |rng, s| {
                    test(&null.points(languages, checkpoints, rng), options.draws, s)
                }))
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
}

/// Distances among languages at random places; of three families, whose places lie apart.
fn distances(languages: usize, families: bool, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let centres: Vec<(f64, f64)> = (0..3).map(|_| (2.0 * normal(rng), 2.0 * normal(rng))).collect();
    let places: Vec<(f64, f64)> = (0..languages)
        .map(|l| {
            let centre = if families { centres[l % 3] } else { (0.0, 0.0) };
            (centre.0 + normal(rng), centre.1 + normal(rng))
        })
        .collect();
    Array2::from_shape_fn((languages, languages), |(i, j)| (places[i].0 - places[j].0).hypot(places[i].1 - places[j].1))
}

fn matrices(options: &Options) {
    println!("## Distances among languages\n");
    println!("| test | 6 languages | 13 languages | 13, in three families |\n| --- | ---: | ---: | ---: |");
    let family = |n: usize| Array2::from_shape_fn((n, n), |(i, j)| f64::from(u8::from(i % 3 != j % 3)));
    let rows: [(&str, usize); 3] =
        [("Mantel", 0), ("partial Mantel given a third, independent", 1), ("partial Mantel given family", 2)];
    for (name, given) in rows {
        let cells: Vec<String> = [(6, false), (13, false), (13, true)]
            .into_iter()
            .map(|(n, families)| {
                let key = format!("mantel {n} {families}");
                cell(rate(options.replicates, options, &key, |rng, s| {
                    let (a, b, c) =
                        (distances(n, families, rng), distances(n, families, rng), distances(n, false, rng));
                    let settings = drawn(options.draws, s);
                    let test = match given {
                        0 => mantel(Coefficient::Pearson, a.view(), b.view(), &settings),
                        1 => partial_mantel(Coefficient::Pearson, a.view(), b.view(), &[c.view()], &settings),
                        _ => partial_mantel(Coefficient::Pearson, a.view(), b.view(), &[family(n).view()], &settings),
                    };
                    Ok(significant(test?.p_value))
                }))
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
}

fn main() -> Result<()> {
    let options = Options::parse();
    met(&options);
    discrete(&options);
    let half = half_width(options.replicates);
    println!(
        "Of {} replicates, a true rate of .05 shows as {:.3} to {:.3} (99 %).\n",
        options.replicates,
        LEVEL - half,
        LEVEL + half
    );
    let single = [Null::Independent, Null::Trend, Null::Saturating, Null::RandomWalk, Null::Drift];
    correlated(&options, "Average level: 8 checkpoints", 1, 8, &single);
    let crossed = [
        Null::Independent,
        Null::Intercepts,
        Null::Trend,
        Null::Saturating,
        Null::RandomWalk,
        Null::Drift,
        Null::Families,
        Null::Linked,
    ];
    correlated(&options, "Pair level: 7 languages, 6 checkpoints", 7, 6, &crossed);
    correlated(&options, "Pair level: 13 languages, 9 checkpoints", 13, 9, &crossed);
    matrices(&options);
    Ok(())
}
