//! Compares the methods of ranking neurons: on planted data, or on real words from a file of activations. Needs no libtorch.
//!
//! Without options: how many of 20 informative neurons among 1,024 each method finds, by the shape of their signal.

mod common;

use anyhow::{bail, Result};
use clap::Parser;
use common::{report, start_log};
use isogloss::activations::Activations;
use isogloss::ranking::stability::self_overlap;
use isogloss::ranking::{rank_split, Method, Ranker, Ranking, Splits};
use isogloss::report::number;
use isogloss::stats::mean;
use isogloss::treebank::{split, Part, Split, SplitMethod, SplitSettings};
use isogloss::{seed, Error, Site};
use ndarray::{s, Array2};
use rand::seq::SliceRandom;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Prints a Markdown table of methods.
///
/// With --activations: test NMI of the first 10 and 50 neurons and of all, mean over the seeds, self-overlap of the first 50
/// across seeds, and seconds a ranking. A seed is that of split and method, as in a study, unless the split is fixed.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The methods, by name; all by default
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    method: Vec<Method>,
    /// Seeds; by default 0 to 4 for real words, 0 to 2 for planted neurons
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    seed: Vec<u64>,
    /// Activations, with the table of their words beside them
    #[arg(long, value_name = "FILE.safetensors", requires_all = ["site", "attribute"])]
    activations: Option<PathBuf>,
    /// Which tensor of the file
    #[arg(long, requires = "activations")]
    site: Option<Site>,
    /// The attribute
    #[arg(long, requires = "activations")]
    attribute: Option<String>,
    /// How words are split: `balanced`, `lemma-types`, `sentences` or `official`
    #[arg(long, default_value = "balanced", requires = "activations")]
    split: SplitMethod,
    /// Split all words once, with this seed: seeds are then those of the method alone
    #[arg(long, value_name = "N", requires = "activations")]
    fixed_split: Option<u64>,
    /// Shapes of planted signals; all by default
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = clap::value_parser!(Shape))]
    shape: Vec<Shape>,
    /// Neurons of the planted data
    #[arg(long, default_value_t = 1024)]
    neurons: usize,
}

/// How the planted neurons tell the four classes apart. Noise is normal with mean 0 and variance 1 unless said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    /// Every planted neuron has a mean of its own for each class.
    MeanShift,
    /// Every planted neuron is higher on one class, five neurons a class.
    ClassSpecific,
    /// Every planted neuron varies half as much again on one class as on the others; its mean is that of noise.
    Variance,
    /// All neurons are heavy-tailed (Student's t, 3 degrees of freedom); planted ones are, on a tenth of one class's words,
    /// far higher.
    Sparse,
    /// Classes differ along one direction of all planted neurons, little in each, and noise is correlated: all neurons share
    /// eight factors.
    Distributed,
}

const SHAPES: [Shape; 5] = [Shape::MeanShift, Shape::ClassSpecific, Shape::Variance, Shape::Sparse, Shape::Distributed];

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Shape::MeanShift => "mean shift",
            Shape::ClassSpecific => "class-specific",
            Shape::Variance => "variance",
            Shape::Sparse => "sparse",
            Shape::Distributed => "distributed",
        }
    }
}

const PARTS: [usize; 3] = [2000, 500, 500];
const INFORMATIVE: usize = 20;
const CLASSES: usize = 4;

struct Planted {
    x: Array2<f32>,
    labels: Vec<usize>,
    neurons: BTreeSet<usize>,
}

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.gen::<f64>(), rng.gen());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Student's t of 3 degrees of freedom, brought to variance 1.
fn heavy(rng: &mut ChaCha8Rng) -> f64 {
    let squares: f64 = (0..3).map(|_| normal(rng).powi(2)).sum();
    normal(rng) / squares.sqrt()
}

fn plant(shape: Shape, n_neurons: usize, seed: u64) -> Planted {
    let mut rng = seed::stream(seed, &["planted", shape.name()]);
    let words: usize = PARTS.iter().sum();
    let mut order: Vec<usize> = (0..n_neurons).collect();
    order.shuffle(&mut rng);
    let planted = &order[..INFORMATIVE];
    let labels: Vec<usize> = (0..words).map(|_| rng.gen_range(0..CLASSES)).collect();
    let mut x = Array2::<f64>::zeros((words, n_neurons));
    if shape == Shape::Distributed {
        let loadings = Array2::from_shape_fn((8, n_neurons), |_| normal(&mut rng) * 0.3);
        let factors = Array2::from_shape_fn((words, 8), |_| normal(&mut rng));
        x = factors.dot(&loadings);
    }
    for value in x.iter_mut() {
        *value += if shape == Shape::Sparse { heavy(&mut rng) } else { normal(&mut rng) };
    }
    for (place, &neuron) in planted.iter().enumerate() {
        let own = place % CLASSES;
        let means: Vec<f64> = (0..CLASSES).map(|_| 0.25 * normal(&mut rng)).collect();
        // Classes at -3, -1, 1, 3 thirds of the direction; a random sign a neuron.
        let sign = if rng.gen() { 1.0 } else { -1.0 };
        for (value, &class) in x.column_mut(neuron).iter_mut().zip(&labels) {
            match shape {
                Shape::MeanShift => *value += means[class],
                Shape::ClassSpecific if class == own => *value += 0.5,
                Shape::Variance if class == own => *value *= 1.5,
                Shape::Sparse if class == own && rng.gen::<f64>() < 0.1 => *value += 4.0,
                Shape::Distributed => *value += sign * 0.2 * (2.0 * class as f64 - 3.0) / 3.0,
                _ => {}
            }
        }
    }
    Planted { x: x.mapv(|x| x as f32), labels, neurons: planted.iter().copied().collect() }
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let mut options = Options::parse();
    if options.method.is_empty() {
        options.method = Method::NAMES.iter().map(|name| name.parse()).collect::<Result<_, Error>>()?;
    }
    match &options.activations {
        Some(path) => real(&options, path),
        None => planted(&options),
    }
}

fn row(cells: impl IntoIterator<Item = String>) -> Result<()> {
    say!("| {} |", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

fn header(cells: &[&str]) -> Result<()> {
    row(cells.iter().map(|cell| cell.to_string()))?;
    row(cells.iter().map(|_| "---".to_string()))
}

fn planted(options: &Options) -> Result<()> {
    if options.neurons < INFORMATIVE {
        bail!("{INFORMATIVE} neurons are planted: at least as many are needed, not {}", options.neurons);
    }
    let seeds = if options.seed.is_empty() { vec![0, 1, 2] } else { options.seed.clone() };
    let shapes = if options.shape.is_empty() { SHAPES.to_vec() } else { options.shape.clone() };
    let names: Vec<&str> = shapes.iter().map(|shape| shape.name()).collect();
    header(&[&["method"], &names[..], &["seconds"]].concat())?;
    let data: Vec<Vec<Planted>> =
        shapes.iter().map(|&shape| seeds.iter().map(|&seed| plant(shape, options.neurons, seed)).collect()).collect();
    let [train, dev, _] = PARTS;
    for method in &options.method {
        let mut cells = vec![format!("`{method}`")];
        let (mut seconds, mut runs) = (0.0, 0.0);
        for sets in &data {
            let mut found = 0;
            for (planted, &seed) in sets.iter().zip(&seeds) {
                let (x, labels) = (planted.x.view(), &planted.labels[..]);
                let splits = Splits::new(
                    (x.slice(s![..train, ..]), &labels[..train]),
                    (x.slice(s![train..train + dev, ..]), &labels[train..train + dev]),
                    (x.slice(s![train + dev.., ..]), &labels[train + dev..]),
                );
                let start = Instant::now();
                let ranked = method.rank(&splits, INFORMATIVE, seed, &["planted"])?;
                seconds += start.elapsed().as_secs_f64();
                runs += 1.0;
                found += ranked.ranking.neurons().filter(|neuron| planted.neurons.contains(neuron)).count();
            }
            cells.push(number(Some(found as f64 / (INFORMATIVE * sets.len()) as f64), 2));
        }
        cells.push(number(Some(seconds / runs), 2));
        row(cells)?;
    }
    Ok(())
}

fn real(options: &Options, path: &PathBuf) -> Result<()> {
    let (Some(site), Some(attribute)) = (options.site, &options.attribute) else {
        bail!("activations need --site and --attribute");
    };
    let seeds = if options.seed.is_empty() { vec![0, 1, 2, 3, 4] } else { options.seed.clone() };
    let activations = Activations::open(path)?;
    let matrix = activations.site(site)?;
    let languages: BTreeSet<&str> = activations.words().iter().map(|word| &*word.language).collect();
    let [language] = languages.iter().copied().collect::<Vec<_>>()[..] else {
        bail!("the words are of several languages ({languages:?}); extract a file a language");
    };
    let settings = SplitSettings { method: options.split, ..SplitSettings::default() };
    let mut splits = Vec::new();
    for &seed in &seeds {
        splits.push(split(activations.words(), language, attribute, &settings, options.fixed_split.unwrap_or(seed))?);
    }
    let k = matrix.ncols().min(50);
    let few = k.min(10);
    let words = |part: fn(&Split) -> &Part| {
        let sizes: BTreeSet<usize> = splits.iter().map(|split| part(split).words.len()).collect();
        let (least, most) = (sizes.first().copied().unwrap_or(0), sizes.last().copied().unwrap_or(0));
        if least == most {
            least.to_string()
        } else {
            format!("{least} to {most}")
        }
    };
    say!(
        "{attribute} in {language} at {site}: {} classes, {} neurons, {} training, {} dev and {} test words; {} seeds\n",
        splits[0].classes.len(),
        matrix.ncols(),
        words(|split| &split.train),
        words(|split| &split.dev),
        words(|split| &split.test),
        seeds.len()
    )?;
    let titles = [
        format!("test NMI at {few}"),
        format!("test NMI at {k}"),
        "test NMI, all".into(),
        format!("self-overlap at {k} (95 % interval)"),
        "seconds".into(),
    ];
    header(&[&["method"], &titles.each_ref().map(|title| title.as_str())[..]].concat())?;
    let step = activations.about().get("step").map_or("", String::as_str);
    let names = [language, attribute, step, &site.to_string()];
    for method in &options.method {
        let start = Instant::now();
        let mut ranked = Vec::new();
        for (split, &seed) in splits.iter().zip(&seeds) {
            ranked.push(rank_split(method, matrix, split, k, seed, &names)?);
        }
        let seconds = start.elapsed().as_secs_f64() / seeds.len() as f64;
        let average = |values: Option<Vec<f64>>| number(values.and_then(mean), 3);
        let at = |k: usize| {
            average(ranked.iter().map(|ranked| ranked.ranking.curve().get(k.checked_sub(1)?)?.nmi_test).collect())
        };
        let all = average(ranked.iter().map(|ranked| ranked.all.nmi).collect());
        let rankings: Vec<Ranking> = ranked.iter().map(|ranked| ranked.ranking.clone()).collect();
        // One ranking has no overlap.
        let found = if rankings.len() > 1 { Some(self_overlap(&rankings, k)?) } else { None };
        let shown = |value: f64| number(Some(value), 2);
        let overlap = found.map(|found| match found.interval {
            Some((low, high)) => format!("{} ({} to {})", shown(found.self_overlap), shown(low), shown(high)),
            None => shown(found.self_overlap),
        });
        row([format!("`{method}`"), at(few), at(k), all, overlap.unwrap_or_default(), shown(seconds)])?;
    }
    Ok(())
}
