//! The main job: overlap against training step, from weights and treebanks to tables and plots.
//!
//! ```sh
//! scripts/with-libtorch cargo run --release --example overlap_vs_step
//! scripts/with-libtorch cargo run --release --example overlap_vs_step -- --series bloom-560m \
//!     --treebank en=UD_English-EWT --treebank es=UD_Spanish-GSD --attribute POS,Number,Gender \
//!     --site residual.12,residual.16 --k 50 --seed 0,1 --source en --transfer scores.csv --out out
//! scripts/with-libtorch cargo run --release --example overlap_vs_step -- --study study.toml --out out --dry-run
//! ```
//!
//! Every result is kept in the folder `--out` as soon as it is there. The same command goes on where the one before was stopped,
//! however it was; several machines take a `--shard` each, and `--merge` writes the tables (docs/cluster.md).

mod common;
mod slurm;

use anyhow::{bail, ensure, Result};
use clap::{Args, Parser};
use common::{fixture, report, start_log, Bar, ReadingOptions, SeriesOptions};
use isogloss::activations::{Pooling, Tokenisation};
use isogloss::bloom::Config;
use isogloss::checkpoint::Series;
use isogloss::overlap::Control;
use isogloss::ranking::Method;
use isogloss::study::{Bytes, Dtype, Failure, Outlook, Plan, Shard, Study};
use isogloss::treebank::{Scheme, Source, SplitMethod};
use isogloss::{files, Site};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Do languages come to share neurons as a model trains, and does sharing go with transfer?
///
/// Without options, the study in fixtures/study.toml; each option given replaces a setting of that study, or of the one
/// named by --study.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// A study described in TOML
    #[arg(long, value_name = "FILE.toml")]
    study: Option<PathBuf>,
    /// Folder of checkpoints `global_stepN`, each in Hugging Face layout, or a repository of the Hub with a revision a step
    #[arg(long, value_name = "DIR|HUB_ID")]
    series: Option<PathBuf>,
    /// A language's treebank: CoNLL-U files, or a folder of them; once a language
    #[arg(long = "treebank", value_name = "LANG=FILE[,FILE...]")]
    treebanks: Vec<Source>,
    /// What attributes words carry: `ud` or `unimorph`
    #[arg(long)]
    scheme: Option<Scheme>,
    /// Attributes to probe for
    #[arg(long = "attribute", value_name = "A,B", value_delimiter = ',')]
    attributes: Vec<String>,
    /// Where to read activations; with --series alone, the residual stream at half and at two thirds of the blocks
    #[arg(long = "site", value_name = "S,S", value_delimiter = ',')]
    sites: Vec<Site>,
    /// How neurons are ranked (docs/methods.md), such as `poisson` or `f_statistic`
    #[arg(long)]
    method: Option<Method>,
    /// How many neurons to compare; correlations take the first
    #[arg(long, value_name = "K[,K...]", value_delimiter = ',')]
    k: Vec<usize>,
    /// Seeds of splits and probes; two or more give a noise ceiling
    #[arg(long = "seed", value_name = "N[,N...]", value_delimiter = ',')]
    seeds: Vec<u64>,
    /// What stands beside every overlap: `shuffled` (labels), `cross-attribute`, or `none`; by default both
    #[arg(long = "control", value_name = "C,C", value_delimiter = ',')]
    controls: Vec<Control>,
    /// The language that transfer starts from; `en` if there is one, else the first treebank's
    #[arg(long, value_name = "LANG")]
    source: Option<String>,
    /// Transfer scores (`model,step,task,language,score`); without, zero-shot transfer of probes is measured
    #[arg(long, value_name = "FILE.csv")]
    transfer: Option<PathBuf>,
    /// How words are split: `balanced`, `lemma-types`, `sentences` or `official`
    #[arg(long)]
    split: Option<SplitMethod>,
    /// How subwords become words: `mean`, `first` or `last`
    #[arg(long)]
    pooling: Option<Pooling>,
    /// How words become subwords: `word` or `sentence`
    #[arg(long)]
    tokenisation: Option<Tokenisation>,
    /// Where the model computes: `cpu` or `cuda:N`
    #[arg(long)]
    device: Option<String>,
    /// The type the model computes in: `f32`, `bf16` or `f16`
    #[arg(long)]
    dtype: Option<Dtype>,
    /// Do not look the series over for faults before starting (weights are read once all the same, to tell one step's from another's)
    #[arg(long)]
    no_audit: bool,
    /// Folder for results, tables, summary and plots [default: the description's `output`, or isogloss-out]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set a key of the description to another value, such as `k=20` or `split.min_per_class=5`; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Memory that the study may take, such as `16 GiB`
    #[arg(long, value_name = "AMOUNT")]
    memory: Option<Bytes>,
    /// Keep activations on disk
    #[arg(long)]
    keep_activations: bool,
    /// Stop at the first cell that fails; without, the others go on and the tables say what is missing
    #[arg(long)]
    fail_fast: bool,
    #[command(flatten)]
    mode: Mode,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    checkpoints: SeriesOptions,
}

/// What to do with the study, if not all of it.
#[derive(Args, Clone)]
#[command(next_help_heading = "Parts of a study")]
struct Mode {
    /// Print what would be done, on how much disk and in what time, and do nothing
    #[arg(long, conflicts_with_all = ["merge", "slurm"])]
    dry_run: bool,
    /// Do the I-th of N equal parts, without tables; parts share the folder --out
    #[arg(long, value_name = "I/N", conflicts_with_all = ["merge", "slurm"])]
    shard: Option<Shard>,
    /// Write the tables of what is there, and compute nothing
    #[arg(long, conflicts_with = "slurm")]
    merge: bool,
    /// Print a script for Slurm: an array of N tasks, a shard each, and a job that merges (docs/cluster.md)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    slurm: Option<u32>,
}

impl Options {
    fn study(self) -> Result<Study> {
        let described = self.study.is_some();
        let file = self.study.unwrap_or_else(|| fixture("study.toml"));
        let mut study = Study::read_with(file, &self.settings)?;
        study.checkpoints = self.checkpoints.over(study.checkpoints);
        if let Some(series) = self.series {
            study.series = series;
            let set = self.settings.iter().any(|setting| setting.trim_start().starts_with("sites"));
            if self.sites.is_empty() && !described && !set {
                study.sites = usual_sites(&study)?;
            }
        }
        if let Some(first) = self.treebanks.first() {
            study.source = first.language.clone();
            study.treebanks.clear();
        }
        for Source { language, files } in self.treebanks {
            if language == "en" {
                study.source = "en".into();
            }
            if study.treebanks.insert(language.clone(), files).is_some() {
                bail!("--treebank {language}=... is given twice; give a language's files with one option, separated by commas");
            }
        }
        if !self.attributes.is_empty() {
            study.attributes = self.attributes;
        }
        if !self.sites.is_empty() {
            study.sites = self.sites;
        }
        if !self.k.is_empty() {
            study.k = self.k;
        }
        if !self.seeds.is_empty() {
            study.seeds = self.seeds;
        }
        match self.controls.as_slice() {
            [] => {}
            [Control::None] => study.controls.clear(),
            controls => study.controls = controls.to_vec(),
        }
        study.audit &= !self.no_audit;
        study.keep_activations |= self.keep_activations;
        study.fail_fast |= self.fail_fast;
        study.memory = self.memory.or(study.memory);
        study.transfer = self.transfer.or(study.transfer);
        study.scheme = self.scheme.unwrap_or(study.scheme);
        study.reading = self.reading.over(study.reading);
        study.method = self.method.unwrap_or(study.method);
        study.source = self.source.unwrap_or(study.source);
        study.split.method = self.split.unwrap_or(study.split.method);
        study.pooling = self.pooling.unwrap_or(study.pooling);
        study.tokenisation = self.tokenisation.unwrap_or(study.tokenisation);
        study.device = self.device.unwrap_or(study.device);
        study.dtype = self.dtype.unwrap_or(study.dtype);
        Ok(study)
    }
}

/// The study of Wang, Minervini and Ponti reads BLOOM's 24 blocks after 12 and 16.
fn usual_sites(study: &Study) -> Result<Vec<Site>> {
    let series = Series::find(&study.series, &study.checkpoints)?;
    let Some(first) = series.checkpoints().first() else { bail!("the series is empty") };
    let blocks = Config::read(first.config())?.n_layer;
    let mut sites = vec![Site::Residual(blocks.div_ceil(2)), Site::Residual((2 * blocks).div_ceil(3))];
    sites.dedup();
    Ok(sites)
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    let (mode, out, file) = (options.mode.clone(), options.out.clone(), options.study.clone());
    let study = options.study()?;
    study.check()?;
    let out = out.or(study.output.clone()).unwrap_or_else(|| PathBuf::from("isogloss-out"));
    file.map_or(Ok(()), |file| spare(&file, &study, &out))?;
    if let Some(tasks) = mode.slurm {
        say!("{}", slurm::script(tasks, &out)?)?;
        return Ok(());
    }
    if mode.dry_run {
        print_outlook(&Plan::new(&study, &out, mode.shard)?.outlook());
        return Ok(());
    }
    let new = !out.exists();
    files::writable_dir(&out)?;
    let done = compute(&study, &out, &mode);
    if done.is_err() && new {
        // Only an empty folder goes; the study's error is the one to report.
        let _ = std::fs::remove_dir(&out);
    }
    let (plan, failures) = done?;
    if mode.shard.is_none() {
        let results = plan.results()?;
        let written = results.write(&out)?;
        say!("{}", results.text())?;
        say!("{} files in {}; start with report.html", written.len(), out.display())?;
        let missing = results.notes.missing_rows().len();
        ensure!(missing == 0, "{missing} rankings are missing (missing.csv in {}){}", out.display(), first(&failures));
    }
    let failed: usize = failures.iter().map(|failure| failure.cells).sum();
    ensure!(failed == 0, "{failed} cells failed; run the study again to try them again{}", first(&failures));
    Ok(())
}

/// Refuses to write the description in full over the one that was read, unless they are the same.
fn spare(file: &Path, study: &Study, out: &Path) -> Result<()> {
    let written = out.join("study.toml");
    let same_file = matches!((file.canonicalize(), written.canonicalize()), (Ok(a), Ok(b)) if a == b);
    ensure!(
        !same_file || std::fs::read_to_string(file)? == study.to_toml()?,
        "{}: the study would write its description in full over this one; give another folder with --out",
        file.display()
    );
    Ok(())
}

/// Does the cells that are to be done.
fn compute(study: &Study, out: &Path, mode: &Mode) -> Result<(Plan, Vec<Failure>)> {
    let mut plan = Plan::new(study, out, mode.shard)?;
    if mode.merge {
        return Ok((plan, Vec::new()));
    }
    let bar = Bar::with_lines();
    let failures = plan.run(&bar);
    bar.finish();
    Ok((plan, failures?))
}

/// The first of what failed, as the end of a message.
fn first(failures: &[Failure]) -> String {
    failures.first().map_or_else(String::new, |failure| format!("; {failure}"))
}

fn print_outlook(outlook: &Outlook) {
    let Outlook { cells, done, checkpoints, unusable, disk, memory, seconds } = outlook;
    println!("cells        {cells}, of which {done} are done and {} would be computed", cells - done);
    let unusable = if *unusable > 0 { format!("; {unusable} more cannot be used") } else { String::new() };
    println!("checkpoints  {checkpoints} would be loaded{unusable}");
    println!("disk         {disk} at most, beside the checkpoints");
    println!("memory       {memory} at the peak");
    let time = match seconds {
        Some(seconds) if *seconds < 120.0 => format!("{seconds:.0} s"),
        Some(seconds) if *seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        Some(seconds) => format!("{:.1} h", seconds / 3600.0),
        None => "not known before some cells have been done in this folder".into(),
    };
    println!("time         {time}");
}
