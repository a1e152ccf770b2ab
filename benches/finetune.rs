//! Updates a second of LoRA tagging, against PEFT with transformers.
//!
//! ```sh
//! scripts/with-libtorch cargo bench --bench finetune -- --checkpoint series/global_step6000 --train en=en_ewt-ud-train.conllu \
//!     --compare 'python3 benches/finetune_peft.py'
//! ```
//!
//! Both sides train on the same sentences in the same order: 4 micro-batches of 8 an update, rank 8 on `query_key_value`, dropout 0.05,
//! AdamW, clipping. They take turns in every round and medians are printed, so that a machine whose speed drifts still gives a
//! ratio that holds.

use anyhow::{Context, Result};
use clap::Parser;
use isogloss::activations::Tokenizer;
use isogloss::checkpoint::Checkpoint;
use isogloss::transfer::finetune::{train, Example, FinetuneSettings, Tagging, Task, Tuned};
use isogloss::treebank::Source;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tch::{Device, Kind};

#[derive(Parser)]
struct Options {
    /// The checkpoint; the last of the fixtures' if not given
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// The treebank; the first of the fixtures' if not given
    #[arg(long, value_name = "LANG=FILE")]
    train: Option<Source>,
    /// Updates a round
    #[arg(long, default_value_t = 10)]
    updates: usize,
    /// Rounds; the first is not counted
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Threads of libtorch
    #[arg(long, default_value_t = 2)]
    threads: i32,
    /// Subwords in a pass; several to compare them
    #[arg(long, value_delimiter = ',', default_value = "2048")]
    pass_tokens: Vec<usize>,
    /// Also with checkpointing
    #[arg(long)]
    checkpointing: bool,
    /// The command of the other side
    #[arg(long)]
    compare: Option<String>,
    /// What cargo passes on
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    tch::set_num_threads(options.threads);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folder = options.checkpoint.clone().unwrap_or_else(|| fixtures.join("tiny-bloom/global_step3000"));
    let checkpoint = Checkpoint::open(&folder)?;
    let train_file = match &options.train {
        Some(source) => source.clone(),
        None => Source::new("qa", [fixtures.join("treebanks/qa.conllu")])?,
    };
    let task = Task::Tagging(Tagging::default());
    let gold = task.read(&train_file)?;
    let labels = task.labels(&gold)?;
    let mut examples = task.encode(&gold, &Tokenizer::open(checkpoint.tokenizer()?)?, &labels, 128)?.examples;
    examples.shuffle(&mut isogloss::seed::stream(0, &["bench"]));
    let usual = FinetuneSettings { epochs: 1, shuffle: false, ..FinetuneSettings::default() };
    let examples: Vec<Example> =
        examples.iter().cycle().take(options.updates * usual.batch * usual.accumulation).cloned().collect();
    let tokens: usize = examples.iter().map(|example| example.ids.len()).sum();
    println!("{} updates of 32 sentences, {tokens} subwords", options.updates);

    let mut sides = Vec::new();
    for pass_tokens in &options.pass_tokens {
        let settings = FinetuneSettings { pass_tokens: *pass_tokens, ..usual.clone() };
        if options.checkpointing {
            let name = format!("{pass_tokens} subwords a pass, checkpointing");
            sides.push((name, FinetuneSettings { checkpointing: true, ..settings.clone() }));
        }
        sides.push((format!("{pass_tokens} subwords a pass"), settings));
    }
    let data = tempfile::NamedTempFile::new()?;
    let rows: Vec<_> = examples.iter().map(|example| (&example.ids, &example.targets)).collect();
    serde_json::to_writer(&data, &rows)?;
    let mut other = None;
    if let Some(command) = &options.compare {
        let mut words = command.split(' ');
        let mut child = Command::new(words.next().context("--compare is empty")?)
            .args(words)
            .arg("--checkpoint")
            .arg(&folder)
            .arg("--data")
            .arg(data.path())
            .args(["--labels", &labels.len().to_string(), "--threads", &options.threads.to_string()])
            // Python has a libtorch of its own.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take().context("no input")?, child.stdout.take().context("no output")?);
        other = Some((child, input, BufReader::new(output)));
    }
    let mut rates: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    for round in 0..options.rounds.max(1) {
        let mut seen = Vec::new();
        for (name, settings) in &sides {
            let tuned = Tuned::load(&checkpoint, &labels, true, settings, 0, (Kind::Float, Device::Cpu))?;
            let start = Instant::now();
            train(&tuned, &examples, &mut |_| Ok(0.0), 0, &())?;
            seen.push((name.clone(), start.elapsed().as_secs_f64()));
        }
        if let Some((_, input, output)) = &mut other {
            writeln!(input)?;
            let mut line = String::new();
            output.read_line(&mut line)?;
            seen.push(("PEFT with transformers".into(), line.trim().parse().context("the other side failed")?));
        }
        for (place, (name, seconds)) in seen.into_iter().enumerate() {
            let rate = options.updates as f64 / seconds;
            eprintln!("round {round}: {name}: {rate:.2} updates/s");
            if round > 0 || options.rounds <= 1 {
                rates.entry((place, name)).or_default().push(rate);
            }
        }
    }
    if let Some((mut child, input, _)) = other {
        drop(input);
        child.wait()?;
    }
    println!("{:<44} {:>8} {:>8} {:>8}", "updates a second", "min", "median", "max");
    for ((_, name), mut rates) in rates {
        rates.sort_by(f64::total_cmp);
        let (low, median, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        println!("{name:<44} {low:>8.2} {median:>8.2} {high:>8.2}");
    }
    Ok(())
}
