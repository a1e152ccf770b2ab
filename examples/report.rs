//! Tables, plots and the report of rankings that are there already: with another `k`, other languages or other scores,
//! without probing anew. Needs no libtorch.
//!
//! ```sh
//! cargo run --release --no-default-features --features plots --example report -- \
//!     --rankings isogloss-out/rankings.csv --transfer isogloss-out/transfer.csv --hidden-size 64 --k 5 --out isogloss-k5
//! ```

mod common;

use anyhow::{bail, Context, Result};
use clap::Parser;
use common::{report, start_log};
use isogloss::analysis::{read_rankings, About, Analysis, Settings};
use isogloss::report::Format;
use isogloss::transfer::TransferScores;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

/// Overlap, correlation, plots and report from a table of rankings.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Rankings, as `overlap_vs_step` writes them
    #[arg(long, value_name = "FILE.csv", default_value = "isogloss-out/rankings.csv")]
    rankings: PathBuf,
    /// Transfer scores (`model,step,task,language,score`)
    #[arg(long, value_name = "FILE.csv")]
    transfer: Option<PathBuf>,
    /// The models' hidden size, which the table does not hold
    #[arg(long, value_name = "N|MODEL=N[,MODEL=N]", value_delimiter = ',')]
    hidden_size: Vec<String>,
    /// How many neurons to compare; correlations and plots take the first
    #[arg(long, value_name = "K[,K...]", value_delimiter = ',', default_value = "10")]
    k: Vec<usize>,
    /// Attributes, in the order of columns; all without
    #[arg(long = "attribute", value_name = "A,B", value_delimiter = ',')]
    attributes: Vec<String>,
    /// Languages; all without
    #[arg(long = "language", value_name = "L,L", value_delimiter = ',')]
    languages: Vec<String>,
    /// Leave out the overlap of one attribute with another, the control whose rows grow with the square of the attributes
    #[arg(long)]
    no_cross_attribute: bool,
    /// The language that transfer starts from; `en` if there is one, else the first
    #[arg(long, value_name = "LANG")]
    source: Option<String>,
    /// Other formats of all tables, into the folder `tables`: `jsonl`, `markdown`, `latex`
    #[arg(long = "format", value_name = "F,F", value_delimiter = ',')]
    formats: Vec<Format>,
    /// Folder for tables, report and plots
    #[arg(long, value_name = "DIR", default_value = "isogloss-report")]
    out: PathBuf,
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    let sizes = hidden_sizes(&options.hidden_size)?;
    let size = |model: &str| sizes.get(&Some(model.to_owned())).or_else(|| sizes.get(&None)).copied();
    let mut rankings = read_rankings(&options.rankings, |model, site| size(model).map(|hidden| site.width(hidden)))?;
    let wanted = |list: &[String], name: &String| list.is_empty() || list.contains(name);
    rankings.retain(|ranked| {
        wanted(&options.attributes, &ranked.cell.attribute) && wanted(&options.languages, &ranked.cell.language)
    });
    let of = |name: fn(&isogloss::ranking::Cell) -> &String| -> BTreeSet<String> {
        rankings.iter().map(|ranked| name(&ranked.cell)).cloned().collect()
    };
    let (languages, attributes) = (of(|cell| &cell.language), of(|cell| &cell.attribute));
    let Some(first) = languages.first() else { bail!("{}: no ranking is left", options.rankings.display()) };
    let source = options.source.or_else(|| languages.get("en").cloned()).unwrap_or_else(|| first.clone());
    let attributes = if options.attributes.is_empty() { attributes.into_iter().collect() } else { options.attributes };
    let scores = options.transfer.map(TransferScores::read).transpose()?.unwrap_or_default();
    let settings = Settings { k: options.k, source, attributes, cross_attribute: !options.no_cross_attribute };
    let analysis = Analysis::new(rankings, scores, settings)?;
    let about =
        About { settings: vec![("rankings".into(), options.rankings.display().to_string())], ..About::default() };
    let mut written = analysis.write(&options.out, &about)?;
    for format in options.formats.into_iter().filter(|format| *format != Format::Csv) {
        written.extend(analysis.write_tables(options.out.join("tables"), format)?);
    }
    say!("{}", analysis.text(&about))?;
    say!("{} files in {}; start with report.html", written.len(), options.out.display())?;
    Ok(())
}

/// Hidden sizes by model; that of `None` is for all others.
fn hidden_sizes(options: &[String]) -> Result<BTreeMap<Option<String>, usize>> {
    let size = |text: &str| text.parse().with_context(|| format!("--hidden-size {text}: give a whole number"));
    let pair = |option: &String| {
        Ok(match option.split_once('=') {
            Some((model, text)) => (Some(model.to_owned()), size(text)?),
            None => (None, size(option)?),
        })
    };
    options.iter().map(pair).collect()
}
