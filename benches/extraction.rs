//! Tokens a second from sentences to rows, against the matrix products alone and against Hugging Face transformers.
//!
//! ```sh
//! scripts/with-libtorch cargo bench --bench extraction -- --compare 'python3 benches/extraction_transformers.py'
//! scripts/with-libtorch cargo bench --bench extraction -- --device cuda:0 --dtype bf16 --sentences 20000 --shape 7b1
//! ```
//!
//! Random weights in the shape of a published BLOOM; sentences of log-normal length with a median of 30 tokens. All sides take
//! turns in every round; medians are printed, also of each round's ratio to the matrix products, so that a machine whose speed drifts still gives
//! ratios that hold. Where other programs compete for the processor, `--processor-time` (with `OMP_WAIT_POLICY=passive`) counts the time that it was given.
//! The limit is the model's matrix products alone, with the same weights on the same batches, into memory that is there.

use anyhow::{bail, Context, Result};
use clap::Parser;
use isogloss::activations::{extract, ExtractionSettings, Tokenizer};
use isogloss::bloom::{device, parameters, Bloom, Config};
use isogloss::study::Dtype;
use isogloss::treebank::{Counts, Scheme, Treebank, Word};
use isogloss::Site;
use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tch::{Device, Kind, Tensor};

#[derive(Parser)]
struct Options {
    /// `cpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
    /// `f32`, `bf16` or `f16`
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// BLOOM's shape: `560m`, `7b1` or `tiny`
    #[arg(long, default_value = "560m")]
    shape: String,
    /// Number of sentences
    #[arg(long, default_value_t = 48)]
    sentences: usize,
    /// Rounds; the first is not counted
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Threads of libtorch
    #[arg(long, default_value_t = 2)]
    threads: i32,
    /// Subwords in a forward pass; several to compare them
    #[arg(long, value_delimiter = ',')]
    batch_tokens: Vec<usize>,
    /// Sites to measure, sets of them apart by spaces; the last residual, all residuals and two thirds of the depth if not given
    #[arg(long)]
    sites: Vec<String>,
    /// Count processor time, over the number of threads, in place of the clock's; on Linux, for the processor
    #[arg(long)]
    processor_time: bool,
    /// The command of the transformers side
    #[arg(long)]
    compare: Option<String>,
    /// What cargo passes on
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let device = device::parse(&options.device)?;
    let kind: Kind = options.dtype.into();
    tch::set_num_threads(options.threads);
    let (vocabulary, hidden, layers, heads) = match options.shape.as_str() {
        "560m" => (250_880, 1024, 24, 16),
        "7b1" => (250_880, 4096, 30, 32),
        "tiny" => (1024, 64, 3, 4),
        other => bail!("shape `{other}`: expected 560m, 7b1 or tiny"),
    };
    let config = Config::new(vocabulary, hidden, layers, heads)?;
    let bloom = Bloom::from_parameters(config.clone(), random(&config, kind, device)?)?;
    let lengths = lengths(options.sentences)?;
    let tokens: usize = lengths.iter().sum();
    let (treebank, tokenizer) = (treebank(&lengths), tokenizer(vocabulary)?);
    let per_token = 24.0 * (hidden * hidden * layers) as f64;
    println!("{} sentences, {tokens} tokens, {:.2} GFLOP of matrix products a token", lengths.len(), per_token / 1e9);

    let default = ExtractionSettings::on(device).batch_tokens;
    let budgets = if options.batch_tokens.is_empty() { vec![default] } else { options.batch_tokens.clone() };
    let residuals = |all: std::ops::RangeInclusive<usize>| all.map(Site::Residual).collect::<Vec<_>>();
    let mut sides: Vec<(String, Vec<Site>)> = Vec::new();
    for set in &options.sites {
        sides.push((set.clone(), set.split(' ').map(str::parse).collect::<Result<_, _>>()?));
    }
    if sides.is_empty() {
        let two_thirds = 2 * layers / 3;
        sides.push((format!("residual.{layers}"), residuals(layers..=layers)));
        sides.push(("every residual".into(), residuals(0..=layers)));
        sides.push((format!("residual.{two_thirds}"), residuals(two_thirds..=two_thirds)));
    }
    let mut other = options.compare.as_deref().map(|command| Other::start(command, &options)).transpose()?;
    let clock = Clock { threads: options.processor_time.then_some(f64::from(options.threads)), start: Instant::now() };
    let mut times: BTreeMap<(usize, String), (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for round in 0..options.rounds.max(1) {
        let mut seen = Vec::new();
        for tokens in &budgets {
            let batches = split(&lengths, *tokens);
            seen.push((format!("matrix products, {tokens} a batch"), products(&bloom, &batches, &clock)?));
            for (name, sites) in &sides {
                let settings = ExtractionSettings { batch_tokens: *tokens, ..ExtractionSettings::on(device) };
                let start = clock.now()?;
                extract(&bloom, &tokenizer, &treebank, sites, &settings, |_| true)?;
                seen.push((format!("{name}, {tokens} a batch"), clock.now()? - start));
            }
        }
        if device.is_cuda() {
            seen.push((
                "one product of 8192 x 8192 x 8192 (tokens that rate would allow)".into(),
                square(kind, device)? * per_token * tokens as f64,
            ));
        }
        if let Some(other) = &mut other {
            seen.extend(other.round()?);
        }
        let products = seen.first().map_or(f64::NAN, |(_, seconds)| *seconds);
        for (place, (name, seconds)) in seen.into_iter().enumerate() {
            eprintln!("round {round}: {name}: {:.1} tokens/s", tokens as f64 / seconds);
            if round > 0 || options.rounds <= 1 {
                let (rates, ratios) = times.entry((place, name)).or_default();
                rates.push(tokens as f64 / seconds);
                ratios.push(products / seconds);
            }
        }
    }
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    println!("{:<66} {:>10} {:>10} {:>10} {:>16}", "tokens a second", "min", "median", "max", "of the products");
    for ((_, name), (rates, ratios)) in times {
        let (rates, ratios) = (sorted(rates), sorted(ratios));
        let (low, median, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        println!("{name:<66} {low:>10.1} {median:>10.1} {high:>10.1} {:>16.3}", ratios[ratios.len() / 2]);
    }
    Ok(())
}

/// The clock, or this process's processor time a thread.
struct Clock {
    threads: Option<f64>,
    start: Instant,
}

impl Clock {
    /// Seconds.
    fn now(&self) -> Result<f64> {
        let Some(threads) = self.threads else { return Ok(self.start.elapsed().as_secs_f64()) };
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // After the name, which is in brackets: user and system time are the 12th and 13th, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| -> Result<f64> { Ok(fields.get(place).context("/proc/self/stat")?.parse()?) };
        Ok((ticks(11)? + ticks(12)?) / 100.0 / threads)
    }
}

/// Lengths at the quantiles of a log-normal distribution with a median of 30, in an order that is none of length.
fn lengths(sentences: usize) -> Result<Vec<usize>> {
    let normal = Normal::new(0.0, 1.0)?;
    let divisor = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    // Prime to the number: every quantile comes once.
    let stride = (7..).find(|stride| divisor(*stride, sentences) == 1).unwrap_or(1);
    let length = |i: usize| {
        let quantile = ((i * stride % sentences) as f64 + 0.5) / sentences as f64;
        (30.0 * (0.5 * normal.inverse_cdf(quantile)).exp()).round().max(1.0) as usize
    };
    Ok((0..sentences).map(length).collect())
}

/// Sentences whose words are of one token each.
fn treebank(lengths: &[usize]) -> Treebank {
    let mut treebank = Treebank {
        language: "en".into(),
        scheme: Scheme::Ud,
        words: Vec::new(),
        sentences: Vec::new(),
        counts: Counts::default(),
    };
    for (sentence, length) in lengths.iter().enumerate() {
        let start = treebank.words.len();
        treebank.words.extend((0..*length).map(|i| Word {
            sentence,
            form: format!("w{}", (sentence * 31 + i * 7) % 1000),
            language: "en".into(),
            file: "bench".into(),
            sentence_id: sentence.to_string(),
            token_id: (i + 1).to_string(),
            space_after: true,
            ..Word::default()
        }));
        treebank.sentences.push(start..treebank.words.len());
    }
    treebank
}

/// A tokenizer of a thousand words over the whole vocabulary.
fn tokenizer(vocabulary: usize) -> Result<Tokenizer> {
    let words: BTreeMap<String, usize> = (0..1000).map(|i| (format!("w{i}"), i * vocabulary / 1000)).collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}
    });
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("tokenizer.json");
    std::fs::write(&path, json.to_string())?;
    Ok(Tokenizer::open(&path)?)
}

fn random(config: &Config, kind: Kind, device: Device) -> Result<parameters::Parameters> {
    tch::manual_seed(1);
    let mut parameters = parameters::Parameters::new();
    for (name, shape) in parameters::shapes(config, config.n_layer, true, true) {
        let size: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
        let tensor = match (name.contains("layernorm") || name.starts_with("ln_f"), name.ends_with("weight")) {
            (true, true) => Tensor::f_ones(&size, (kind, device))?,
            (_, false) => Tensor::f_zeros(&size, (kind, device))?,
            (false, true) => Tensor::f_empty(&size, (kind, device))?.f_normal_(0.0, config.initializer_range)?,
        };
        parameters.insert(name, tensor);
    }
    Ok(parameters)
}

/// The numbers of tokens of the batches that extraction makes.
fn split(lengths: &[usize], batch_tokens: usize) -> Vec<i64> {
    let mut lengths = lengths.to_vec();
    lengths.sort_unstable();
    let mut batches: Vec<usize> = Vec::new();
    for length in lengths {
        match batches.last_mut().filter(|tokens| **tokens + length <= batch_tokens) {
            Some(tokens) => *tokens += length,
            None => batches.push(length),
        }
    }
    batches.into_iter().map(|tokens| tokens as i64).collect()
}

/// Seconds of the matrix products alone.
fn products(bloom: &Bloom, batches: &[i64], clock: &Clock) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let options = (bloom.kind(), bloom.device());
    let hidden = bloom.config().hidden_size as i64;
    let most = batches.iter().copied().max().unwrap_or(0);
    let input = Tensor::f_randn([most, 4 * hidden], options)?;
    let narrow = input.f_narrow(1, 0, hidden)?.f_contiguous()?;
    let outputs = [3 * hidden, hidden, 4 * hidden, hidden].map(|width| Tensor::f_zeros([most, width], options));
    let names = ["self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"];
    let outputs: Vec<Tensor> = outputs.into_iter().collect::<Result<_, _>>()?;
    bloom.wait()?;
    let start = clock.now()?;
    for tokens in batches {
        for i in 0..bloom.config().n_layer {
            for (name, output) in names.iter().zip(&outputs) {
                let weight = &bloom.parameters()[&format!("h.{i}.{name}.weight")];
                let input = if weight.size()[1] == hidden { &narrow } else { &input };
                let output = output.f_narrow(0, 0, *tokens)?;
                let _ = input.f_narrow(0, 0, *tokens)?.f_matmul_out(&output, &weight.f_transpose(0, 1)?)?;
            }
        }
    }
    bloom.wait()?;
    Ok(clock.now()? - start)
}

/// Seconds a floating-point operation takes in a large product.
fn square(kind: Kind, device: Device) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let side = 8192;
    let (a, b) = (Tensor::f_randn([side, side], (kind, device))?, Tensor::f_randn([side, side], (kind, device))?);
    let sum = || a.f_matmul(&b)?.f_double_value(&[0, 0]);
    sum()?;
    let start = Instant::now();
    let repeats = 20;
    for _ in 1..repeats {
        let _ = a.f_matmul(&b)?;
    }
    sum()?;
    Ok(start.elapsed().as_secs_f64() / (f64::from(repeats) * 2.0 * (side as f64).powi(3)))
}

/// The transformers side: a process that runs a round for each line it is given and answers `name<TAB>seconds` lines and a
/// blank one.
struct Other {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(command: &str, options: &Options) -> Result<Self> {
        let mut words = command.split(' ');
        let mut child = Command::new(words.next().context("an empty command")?)
            .args(words)
            .args([
                "--serve",
                "--device",
                &options.device,
                "--dtype",
                &options.dtype.to_string(),
                "--shape",
                &options.shape,
            ])
            .args(["--sentences", &options.sentences.to_string(), "--threads", &options.threads.to_string()])
            .args(options.processor_time.then_some("--processor-time"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| command.to_string())?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Other { child, answers })
    }

    fn round(&mut self) -> Result<Vec<(String, f64)>> {
        writeln!(self.child.stdin.as_mut().context("no standard input")?, "round")?;
        let mut found = Vec::new();
        for line in (&mut self.answers).lines() {
            let line = line?;
            match line.split_once('\t') {
                Some((name, seconds)) => found.push((name.to_string(), seconds.parse()?)),
                None if line.is_empty() => return Ok(found),
                None => bail!("the other side says: {line}"),
            }
        }
        bail!("the other side has ended")
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Without input it ends by itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
