//! Fine-tuning on one language and zero-shot scores on all, at every checkpoint of a series.
//!
//! ```sh
//! scripts/with-libtorch cargo run --release --example transfer
//! scripts/with-libtorch cargo run --release --example transfer -- --series bloom-560m --task tagging \
//!     --train en=en_ewt-ud-train.conllu --dev en=en_ewt-ud-dev.conllu --test en=en_ewt-ud-test.conllu \
//!     --test es=UD_Spanish-GSD/es_gsd-ud-test.conllu --seed 0,1,2 --out scores.csv
//! ```

mod common;

use anyhow::{bail, Result};
use clap::Parser;
use common::{fixture, report, SeriesOptions};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isogloss::bloom::device;
use isogloss::checkpoint::{Series, SeriesSettings};
use isogloss::report::{number, TextTable};
use isogloss::study::Dtype;
use isogloss::transfer::finetune::{
    runs_file, summarise, write_summary, Experiment, LabelOn, Method, Tagging, Target, Task, Watcher, WordSplit,
};
use isogloss::treebank::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// How well does a task learnt in one language do in the others, step by step?
///
/// Fine-tunes every checkpoint on the training file, keeps the epoch with the best score on the dev file, and scores every test file.
/// Writes `model,step,task,language,score,seed`, and beside it what is done already: started again with the same options, it goes on.
/// Without options, on the fixtures.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Folder of checkpoints `global_stepN`, each in Hugging Face layout, or a repository of the Hub with a revision a step
    #[arg(long, value_name = "DIR|HUB_ID")]
    series: Option<PathBuf>,
    /// `tagging` (CoNLL-U), `xnli` (XNLI's and MultiNLI's files), or any other name for sentences with a label each (`label<TAB>text`)
    #[arg(long, default_value = "tagging")]
    task: String,
    /// The source language's training files
    #[arg(long, value_name = "LANG=FILE[,FILE...]")]
    train: Option<Source>,
    /// The source language's files that choose the epoch
    #[arg(long, value_name = "LANG=FILE[,FILE...]")]
    dev: Option<Source>,
    /// A language's test files; once a language
    #[arg(long = "test", value_name = "LANG=FILE[,FILE...]")]
    test: Vec<Source>,
    /// The table to write
    #[arg(long, value_name = "FILE.csv", default_value = "isogloss-out/transfer.csv")]
    out: PathBuf,
    /// What is trained besides the head: `lora`, `full`, or `head` for nothing
    #[arg(long, default_value = "lora")]
    method: Method,
    /// The linear layers with a low-rank update
    #[arg(long = "target", value_name = "L,L", value_delimiter = ',', default_value = "query_key_value")]
    targets: Vec<Target>,
    /// Rank of an update
    #[arg(long, default_value_t = 8)]
    rank: usize,
    /// An update is scaled by alpha / rank
    #[arg(long, default_value_t = 32.0)]
    alpha: f64,
    /// Share of an update's inputs left out in training
    #[arg(long, default_value_t = 0.05)]
    dropout: f64,
    /// The highest learning rate; 2e-5 if not given, and 2e-3 on the fixtures
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Share of the updates in which the rate rises from 0
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// AdamW's weight decay
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f64,
    /// Highest norm of a gradient
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Sentences of a micro-batch
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Micro-batches of an update
    #[arg(long, default_value_t = 4)]
    accumulation: usize,
    /// Times through the training file; 10 for tagging and 5 else if not given, and 1 on the fixtures
    #[arg(long)]
    epochs: Option<usize>,
    /// Stop after so many epochs without a better dev score
    #[arg(long)]
    patience: Option<usize>,
    /// Compute each block again for its gradient: slower, in less memory
    #[arg(long)]
    checkpointing: bool,
    /// Subwords in a pass, at most; 512 if not given, and 8192 on a GPU
    #[arg(long)]
    pass_tokens: Option<usize>,
    /// Longer sentences are cut to so many subwords
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// Tagging: the subword of a word that carries the label, `first` or `last`
    #[arg(long, default_value = "first")]
    label_on: LabelOn,
    /// Tagging: words by themselves with the text's spaces (`spaced`) or without (`word`), or in their `sentence`
    #[arg(long, default_value = "spaced")]
    tokenisation: WordSplit,
    /// A run each; several give mean and interval
    #[arg(long = "seed", value_name = "N[,N...]", value_delimiter = ',', default_value = "0")]
    seeds: Vec<u64>,
    /// Where the model computes: `cpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The type the frozen base computes in: `f32` or `bf16`
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// Threads of libtorch; as many as it takes itself if not given, and 1 on the fixtures, whose model is too small to share
    #[arg(long)]
    threads: Option<i32>,
    /// Save what was trained, in PEFT's layout, as STEP/seedN in this folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    #[command(flatten)]
    checkpoints: SeriesOptions,
}

impl Options {
    /// The experiment and where the series lies.
    fn experiment(&self) -> Result<Experiment> {
        let task = match self.task.as_str() {
            "tagging" => Task::Tagging(Tagging { label_on: self.label_on, split: self.tokenisation }),
            "xnli" => Task::Xnli,
            other => Task::Labelled(other.to_string()),
        };
        let (train, dev, test) = match (&self.train, &self.dev, self.test.as_slice()) {
            (Some(train), Some(dev), test) if !test.is_empty() => (train.clone(), dev.clone(), test.to_vec()),
            (None, None, []) if self.task == "tagging" => {
                let source = |language: &str| Source::new(language, [fixture(&format!("treebanks/{language}.conllu"))]);
                let test: Result<Vec<Source>, _> = ["qb", "qd", "qf"].into_iter().map(source).collect();
                (source("qa")?, source("qa")?, test?)
            }
            _ => bail!("give --train LANG=FILE, --dev LANG=FILE and --test LANG=FILE, all three"),
        };
        let fixtures = self.train.is_none();
        let mut experiment = Experiment::new(task, train, dev, test);
        let settings = &mut experiment.settings;
        settings.method = self.method;
        settings.targets = self.targets.iter().copied().collect::<BTreeSet<_>>();
        (settings.rank, settings.alpha, settings.dropout) = (self.rank, self.alpha, self.dropout);
        let usual = if fixtures { 2e-3 } else { settings.learning_rate };
        settings.learning_rate = self.learning_rate.unwrap_or(usual);
        (settings.warm_up, settings.weight_decay, settings.clip) = (self.warm_up, self.weight_decay, self.clip);
        (settings.batch, settings.accumulation) = (self.batch, self.accumulation);
        settings.epochs = self.epochs.unwrap_or(if fixtures { 1 } else { settings.epochs });
        (settings.patience, settings.checkpointing) = (self.patience, self.checkpointing);
        let device = device::parse(&self.device)?;
        let usual = if device.is_cuda() { 8192 } else { settings.pass_tokens };
        settings.pass_tokens = self.pass_tokens.unwrap_or(usual);
        experiment.seeds = self.seeds.clone();
        experiment.max_length = self.max_length;
        experiment.kind = self.dtype.into();
        experiment.device = device;
        experiment.save = self.save.clone();
        Ok(experiment)
    }
}

/// A bar on standard error where that is a terminal; elsewhere the log says how far it is.
struct Bar(ProgressBar);

impl Watcher for Bar {
    fn start(&self, updates: usize) {
        self.0.set_length(self.0.position() + updates as u64);
    }

    fn advance(&self, updates: usize) {
        self.0.inc(updates as u64);
    }

    fn at(&self, place: &str) {
        self.0.set_message(place.to_string());
    }
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let usual = if terminal { "warn,isogloss::checkpoint::hub=info" } else { "warn,isogloss=info" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();

    let options = Options::parse();
    let experiment = options.experiment()?;
    if let Some(threads) = options.threads.or(options.series.is_none().then_some(1)) {
        tch::set_num_threads(threads.max(1));
    }
    let place = options.series.clone().unwrap_or_else(|| fixture("tiny-bloom"));
    let settings = options.checkpoints.over(SeriesSettings::default());
    let series = Series::find(place, &settings)?;
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} updates, {eta} left, {msg}");
    let bar =
        Bar(ProgressBar::with_draw_target(None, target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
    let outcome = experiment.run(&series, &options.out, &bar);
    bar.0.finish_and_clear();
    let outcome = outcome?;

    let summaries = summarise(&outcome.scores);
    let summary = options.out.with_extension("summary.csv");
    write_summary(&summary, &summaries)?;
    let languages: BTreeSet<&str> = summaries.iter().map(|row| row.language.as_str()).collect();
    let mut rows: BTreeMap<(&str, isogloss::checkpoint::Step), BTreeMap<&str, f64>> = BTreeMap::new();
    for row in &summaries {
        rows.entry((&row.task, row.step)).or_default().insert(&row.language, row.mean);
    }
    let mut shown = TextTable::new(["task", "step"].into_iter().chain(languages.iter().copied()));
    for ((task, step), scores) in &rows {
        let cells = languages.iter().map(|language| number(scores.get(language).copied(), 3));
        shown.row([task.to_string(), step.to_string()].into_iter().chain(cells));
    }
    let left = outcome.runs.first().into_iter().flat_map(|run| &run.left);
    let cut = left
        .filter(|(_, left)| left.truncated > 0)
        .map(|(name, left)| format!("{name} {} ({} words)", left.truncated, left.words_cut));
    let cut = cut.collect::<Vec<_>>().join(", ");
    let source = &experiment.train.language;
    say!("Trained on `{source}`, mean over {} seeds\n\n{}", experiment.seeds.len(), shown.text())?;
    say!(
        "{} runs ({} were there) in {}; means in {}; record in {}",
        outcome.runs.len(),
        outcome.resumed,
        options.out.display(),
        summary.display(),
        runs_file(&options.out).display()
    )?;
    if !cut.is_empty() {
        say!("Sentences cut to {} subwords: {cut}", experiment.max_length)?;
    }
    Ok(())
}
