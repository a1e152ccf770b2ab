//! A series of checkpoints looked over before time is spent on it.

mod common;

use anyhow::Result;
use clap::Parser;
use common::{fixture, report, start_log, Bar, SeriesOptions};
use isogloss::audit::{Audit, Limits, Part, Text};
use isogloss::bloom::device;
use isogloss::checkpoint::{Series, SeriesSettings};
use isogloss::files;
use isogloss::report::{number, write_csv, TextTable};
use isogloss::similarity::read_sentences;
use isogloss::study::{Dtype, Progress};
use std::path::PathBuf;
use std::process::ExitCode;

/// Are two steps of a series the same weights, is a weight not finite, is a block's norm or the perplexity out of line?
///
/// Writes `audit.csv`, a row a checkpoint, and `audit_blocks.csv`, a row a block. Without options, on the fixtures.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Folder of checkpoints `global_stepN`, each in Hugging Face layout, or a repository of the Hub with a revision a step
    #[arg(long, value_name = "DIR|HUB_ID")]
    series: Option<PathBuf>,
    /// A text, one document or sentence a line, whose perplexity is measured at every step; none without it
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Tokens that a prediction sees at most: longer lines are cut
    #[arg(long, value_name = "N", default_value_t = 512)]
    window: usize,
    /// A norm is out of line beyond the steps beside it by this factor
    #[arg(long, value_name = "FACTOR", default_value_t = Limits::default().norm)]
    norm_limit: f64,
    /// A perplexity is out of line above the steps beside it by this factor
    #[arg(long, value_name = "FACTOR", default_value_t = Limits::default().perplexity)]
    perplexity_limit: f64,
    /// Where the model computes: `cpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The type the model computes in: `f32`, `bf16` or `f16`
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// Folder for the tables
    #[arg(long, value_name = "DIR", default_value = "isogloss-out")]
    out: PathBuf,
    #[command(flatten)]
    checkpoints: SeriesOptions,
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    let limits = Limits { norm: options.norm_limit, perplexity: options.perplexity_limit };
    limits.check()?;
    files::writable_dir(&options.out)?;
    let device = device::parse(&options.device)?;
    let text = match (&options.series, options.text) {
        (_, Some(file)) => Some(file),
        (None, None) => Some(fixture("parallel/qa.txt")),
        (Some(_), None) => None,
    };
    let text = text.map(read_sentences).transpose()?.map(|lines| Text { window: options.window, ..Text::new(lines) });
    let place = options.series.unwrap_or_else(|| fixture("tiny-bloom"));
    let series = Series::find(place, &options.checkpoints.over(SeriesSettings::default()))?;
    series.check_room()?;
    let bar = Bar::new();
    bar.start(series.checkpoints().len());
    let audit = match &text {
        Some(text) => {
            Audit::with_perplexity(&series, text, options.dtype.into(), device, || bar.advance(1, "checkpoints"))?
        }
        None => Audit::of(&series)?,
    };
    bar.finish();
    let mut shown =
        TextTable::new(["step", "weights", "not finite", "norm", "embedding", "blocks", "perplexity", "same as"]);
    for checkpoint in &audit.checkpoints {
        let blocks = checkpoint.parts.iter().filter(|(part, _)| matches!(part, Part::Block(_)));
        let of_blocks = blocks.map(|(_, summary)| summary.norm.powi(2)).sum::<f64>().sqrt();
        let same = audit
            .checkpoints
            .iter()
            .filter(|other| other.step != checkpoint.step && other.whole.sha256 == checkpoint.whole.sha256);
        shown.row([
            checkpoint.step.to_string(),
            checkpoint.whole.values.to_string(),
            (checkpoint.whole.nan + checkpoint.whole.infinite).to_string(),
            number(Some(checkpoint.whole.norm), 2),
            number(checkpoint.parts.get(&Part::Embedding).map(|summary| summary.norm), 2),
            number(Some(of_blocks), 2),
            number(checkpoint.perplexity.and_then(|perplexity| perplexity.value), 2),
            same.map(|other| other.step.to_string()).collect::<Vec<_>>().join(" "),
        ]);
    }
    say!("The series {}\n\n{}", audit.model, shown.text())?;
    let findings = audit.findings(&limits);
    for finding in &findings {
        say!("Warning: {finding}.")?;
    }
    if findings.is_empty() {
        say!("Nothing odd.")?;
    }
    let (whole, blocks) = (options.out.join("audit.csv"), options.out.join("audit_blocks.csv"));
    write_csv(&whole, &audit.rows(&limits))?;
    write_csv(&blocks, &audit.block_rows())?;
    say!("\n{}, {}", whole.display(), blocks.display())?;
    Ok(())
}
