//! The tables of a published study from its raw selections, and what it lacks; needs no libtorch. See docs/published.md.
//!
//! ```text
//! cargo run --release --no-default-features --features plots --example published -- \
//!     --selections selections --scores tables --hidden-size bloom-560m=1024,bloom-1b1=1536 --check --out out
//! ```

mod common;

use anyhow::{bail, Result};
use clap::Parser;
use common::{report, start_log};
use isogloss::published::{CheckedTable, HiddenSize, Published, SameWeightsChoice, Scores, Selections, TOLERANCE};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The overlap tables and correlations of a published study, from its raw selections.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The tree MODEL[-intermediate-global_stepN]/inter-layer-L/UD_Language/ATTRIBUTE/loginfo.json
    #[arg(long, value_name = "DIR")]
    selections: PathBuf,
    /// A folder with MODEL_xnli_acc.csv and MODEL_f1-score.csv: a row a language, a column a step
    #[arg(long, value_name = "DIR")]
    scores: PathBuf,
    /// The width of the models; without it, chance and p-values are empty
    #[arg(long, value_name = "N|MODEL=N,MODEL=N")]
    hidden_size: Option<HiddenSize>,
    /// How many neurons to compare; correlations and pictures take the first
    #[arg(long, value_name = "K[,K...]", value_delimiter = ',', default_value = "50")]
    k: Vec<usize>,
    /// The language that transfer starts from
    #[arg(long, default_value = "en")]
    source: String,
    /// Steps that are the same weights, whose rankings give a noise ceiling: found by likeness, none, or stated
    #[arg(long, value_name = "auto|none|MODEL=STEP+STEP[,...]", default_value = "auto")]
    same_weights: SameWeightsChoice,
    /// Compare the study's own overlap tables, in the folder of the scores, with what was computed; fail if a cell differs
    #[arg(long)]
    check: bool,
    /// The folder to write
    #[arg(long, value_name = "DIR", default_value = "isogloss-out/published")]
    out: PathBuf,
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    let selections = Selections::read(&options.selections, &options.hidden_size.unwrap_or_default())?;
    let scores = Scores::read(&options.scores, &selections.cells)?;
    let mut published = Published::new(selections, scores, &options.k, &options.source, &options.same_weights)?;
    let checked = if options.check { published.check(&options.scores)? } else { Vec::new() };
    let written = published.write(&options.out)?;
    let mut page = published.text();
    page += &format!("\n{} files in {}\n", written.len(), options.out.display());
    if options.check {
        page += &agreement(&checked);
    }
    std::io::stdout().write_all(page.as_bytes())?;
    let differ: Vec<&str> = checked.iter().flat_map(|table| &table.differ).map(String::as_str).collect();
    if !differ.is_empty() {
        bail!("{} published cells do not agree:\n{}", differ.len(), differ.join("\n"));
    }
    Ok(())
}

fn agreement(checked: &[CheckedTable]) -> String {
    let cells: usize = checked.iter().map(|table| table.cells).sum();
    let agree: usize = checked.iter().map(|table| table.agree).sum();
    let largest = checked.iter().map(|table| table.largest_difference).fold(0.0, f64::max);
    let tables = checked.len();
    format!("{agree} of {cells} published cells in {tables} tables agree within {TOLERANCE:e}; largest difference {largest:.1e}\n")
}
