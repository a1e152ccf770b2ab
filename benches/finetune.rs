//! Updates a second of LoRA tagging, against PEFT with transformers.
//!
//! ```sh
//! scripts/with-libtorch cargo bench --bench finetune -- --checkpoint series/global_step6000 --train en=en_ewt-ud-train.conllu \
//!     --compare 'python3 benches/finetune_peft.py'
//! ```
//!
//! Both sides train on the same sentences in the same order: 4 micro-batches of 8 an update, rank 8 on `query_key_value`, dropout 0.05,
//! AdamW, clipping. They take turns in every round and medians are printed, so that a machine whose speed drifts still gives a
//! ratio that holds; where others share it, one thread and processor seconds are the figures to compare (waiting threads spin).

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
    #[arg(long, value_delimiter = ',', default_value = "512")]
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
    let mut times: BTreeMap<(usize, String), Vec<[f64; 2]>> = BTreeMap::new();
    for round in 0..options.rounds.max(1) {
        let mut seen = Vec::new();
        for (name, settings) in &sides {
            let tuned = Tuned::load(&checkpoint, &labels, true, settings, 0, (Kind::Float, Device::Cpu))?;
            let (start, worked) = (Instant::now(), processor_seconds()?);
            train(&tuned, &examples, &mut |_| Ok(0.0), 0, &())?;
            seen.push((name.clone(), [start.elapsed().as_secs_f64(), processor_seconds()? - worked]));
        }
        if let Some((_, input, output)) = &mut other {
            writeln!(input)?;
            let mut line = String::new();
            output.read_line(&mut line)?;
            let seconds = line.trim().split_once(' ').context("the other side failed")?;
            seen.push(("PEFT with transformers".into(), [seconds.0.parse()?, seconds.1.parse()?]));
        }
        for (place, (name, seconds)) in seen.into_iter().enumerate() {
            let [clock, worked] = seconds.map(|seconds| seconds / options.updates as f64);
            eprintln!("round {round}: {name}: {clock:.3} s an update, {worked:.3} of the processors");
            if round > 0 || options.rounds <= 1 {
                times.entry((place, name)).or_default().push([clock, worked]);
            }
        }
    }
    if let Some((mut child, input, _)) = other {
        drop(input);
        child.wait()?;
    }
    println!("{:<40} {:>12} {:>16} {:>16}", "medians", "updates/s", "s an update", "processor s");
    for ((_, name), times) in times {
        let [clock, worked] = [0, 1].map(|i| {
            let mut values: Vec<f64> = times.iter().map(|pair: &[f64; 2]| pair[i]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        });
        println!("{name:<40} {:>12.2} {clock:>16.3} {worked:>16.3}", 1.0 / clock);
    }
    Ok(())
}

/// What this process has used of the processors, in hundredths of a second.
fn processor_seconds() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // User and system time are the 14th and 15th fields; the second is a name in brackets.
    let (_, rest) = text.rsplit_once(") ").context("no process statistics")?;
    let ticks: f64 = rest.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}
