//! Similarity of parallel sentences at every checkpoint of a series.
//!
//! ```sh
//! scripts/with-libtorch cargo run --release --example similarity
//! scripts/with-libtorch cargo run --release --example similarity -- --series bloom-560m --parallel en=en.txt \
//!     --parallel es=es.txt --parallel hi=hi.txt --site residual.12,residual.16 --transfer scores.csv --out out
//! ```

mod common;

use anyhow::{anyhow, bail, Result};
use clap::Parser;
use common::{fixture, report, start_log, Bar, NewFolder, SeriesOptions};
use isogloss::activations::{sentence_states, ExtractionSettings, SentencePooling, Tokenizer};
use isogloss::analysis::SimilarityAnalysis;
use isogloss::bloom::{device, Bloom, Config, Extent};
use isogloss::checkpoint::{Checkpoint, Series, SeriesSettings};
use isogloss::similarity::{compare, read_parallel, Pairs, Place, Similarity};
use isogloss::study::{Dtype, Progress};
use isogloss::transfer::TransferScores;
use isogloss::treebank::Source;
use isogloss::Site;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How alike are the states of a sentence and of its translations, step by step?
///
/// Compares the source language's sentences with those of every other language, and writes `similarity.csv`, `similarity_vs_step.csv`
/// and plots; with transfer scores also `correlation.csv` and `influence.csv`. Without options, on the fixtures.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Folder of checkpoints `global_stepN`, each in Hugging Face layout, or a repository of the Hub with a revision a step
    #[arg(long, value_name = "DIR|HUB_ID")]
    series: Option<PathBuf>,
    /// A language's sentences, one a line, line N of each file a translation of the others; or treebanks (.conllu, or folders of
    /// them) for all languages, aligned by sentence id; once a language
    #[arg(long = "parallel", value_name = "LANG=FILE[,FILE...]")]
    parallel: Vec<Source>,
    /// Where to read states; every point of the residual stream if not given
    #[arg(long = "site", value_name = "S,S", value_delimiter = ',')]
    sites: Vec<Site>,
    /// What a sentence's state is: that of its last token, or the mean over tokens
    #[arg(long = "pooling", value_name = "P,P", value_delimiter = ',', default_value = "last,mean")]
    poolings: Vec<SentencePooling>,
    /// The language that the others are compared with; `en` if there is one, else the first
    #[arg(long, value_name = "LANG")]
    source: Option<String>,
    /// Compare every language with every other; correlations stay with the source's
    #[arg(long)]
    all_pairs: bool,
    /// Transfer scores (`model,step,task,language,score`) to correlate with
    #[arg(long, value_name = "FILE.csv")]
    transfer: Option<PathBuf>,
    /// Where the model computes: `cpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The type the model computes in: `f32`, `bf16` or `f16`
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// Folder for tables and plots
    #[arg(long, value_name = "DIR", default_value = "isogloss-out")]
    out: PathBuf,
    #[command(flatten)]
    checkpoints: SeriesOptions,
}

fn main() -> ExitCode {
    report(run())
}

/// The sites to read of a checkpoint.
fn sites_of(checkpoint: &Checkpoint, wanted: &[Site]) -> Result<Vec<Site>> {
    let blocks = Config::read(checkpoint.config())?.n_layer;
    for site in wanted {
        site.blocks_needed(blocks).map_err(|e| anyhow!("step {}: {e}", checkpoint.step()))?;
    }
    Ok(if wanted.is_empty() { (0..=blocks).map(Site::Residual).collect() } else { wanted.to_vec() })
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    let mut parallel = options.parallel;
    if parallel.is_empty() {
        for language in ["qa", "qb", "qc", "qd", "qe", "qf"] {
            parallel.push(Source::new(language, [fixture(&format!("parallel/{language}.txt"))])?);
        }
    }
    if parallel.len() < 2 {
        bail!("similarity needs two or more languages; give --parallel LANG=FILE for each");
    }
    let english = parallel.iter().find(|source| source.language == "en").or(parallel.first());
    let source = options.source.or_else(|| english.map(|source| source.language.clone())).unwrap_or_default();
    if !parallel.iter().any(|other| other.language == source) {
        bail!("the source language `{source}` has no sentences; name its file with --parallel {source}=FILE");
    }
    let texts = read_parallel(&parallel)?;
    let scores = options.transfer.map(TransferScores::read).transpose()?.unwrap_or_default();
    let mut poolings = options.poolings;
    poolings.sort();
    poolings.dedup();
    let device = device::parse(&options.device)?;
    let series = Series::find(
        options.series.unwrap_or_else(|| fixture("tiny-bloom")),
        &options.checkpoints.over(SeriesSettings::default()),
    )?;
    for checkpoint in series.checkpoints() {
        sites_of(checkpoint, &options.sites)?;
        checkpoint.tokenizer()?;
    }
    series.check_room()?;
    let out = NewFolder::create(&options.out)?;
    let settings = ExtractionSettings::on(device);
    let pairs = if options.all_pairs { Pairs::All } else { Pairs::With(&source) };
    let bar = Bar::new();
    bar.start(series.checkpoints().len() * texts.len());
    let (mut extracting, mut comparing) = (Duration::ZERO, Duration::ZERO);
    let mut rows: Vec<Similarity> = Vec::new();
    for checkpoint in series.in_turn() {
        let checkpoint = checkpoint?;
        let step = checkpoint.step();
        let start = Instant::now();
        let sites = sites_of(&checkpoint, &options.sites)?;
        let bloom = Bloom::load(&checkpoint, Extent::Sites(&sites), options.dtype.into(), device)?;
        let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
        let mut states = Vec::new();
        for (language, text) in &texts {
            let of_language = sentence_states(&bloom, &tokenizer, text, &sites, &settings, &poolings)
                .map_err(|e| anyhow!("step {step}, `{language}`: {e}"))?;
            states.push((language.as_str(), of_language));
            bar.advance(1, &format!("step {step}, {language}"));
        }
        extracting += start.elapsed();
        let start = Instant::now();
        for site in &sites {
            for &pooling in &poolings {
                let place = Place { model: series.model().into(), step, site: *site, pooling };
                let here = states.iter().filter_map(|(name, rows)| Some((*name, rows.get(&(*site, pooling))?.view())));
                rows.extend(compare(&place, &here.collect::<Vec<_>>(), pairs));
            }
        }
        comparing += start.elapsed();
    }
    bar.finish();
    let analysis = SimilarityAnalysis::new(rows, &scores, &source);
    let files = analysis.write(&options.out)?;
    out.keep();
    let missing = analysis.rows.iter().filter(|row| row.value.is_none()).count();
    let compared = if options.all_pairs { "every other".to_owned() } else { format!("`{source}`") };
    say!(
        "Similarity of {} languages with {compared}, {} sentences\n\n{}{} rows, {missing} without a value (column `reason`), and \
         plots: {} files in {}\nextraction {:.1} s, measures {:.1} s",
        texts.len() - usize::from(!options.all_pairs),
        texts.first().map_or(0, |(_, text)| text.len()),
        analysis.text(),
        analysis.rows.len(),
        files.len(),
        options.out.display(),
        extracting.as_secs_f64(),
        comparing.as_secs_f64(),
    )
}
