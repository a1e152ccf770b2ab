//! Activations of a treebank's words at one checkpoint, as a file.

mod common;

use anyhow::{Context, Result};
use clap::Parser;
use common::{fixture, report, start_log};
use isogloss::activations::{extract, Activations, ExtractionSettings, Pooling, Tokenisation, Tokenizer};
use isogloss::bloom::{device, Bloom, Extent};
use isogloss::checkpoint::{Checkpoint, Series, SeriesSettings};
use isogloss::study::Dtype;
use isogloss::treebank::{Scheme, Source, Treebank};
use isogloss::Site;
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes the activations of a treebank's words: a tensor `[words, neurons]` a site, and a table of the words beside it.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Folder of a checkpoint in Hugging Face layout, or a repository of the Hub; the last of the fixtures' series if not given
    #[arg(long, value_name = "DIR|HUB_ID[@REVISION]")]
    checkpoint: Option<PathBuf>,
    /// Tokenizer of a checkpoint that has none; BLOOM's is bigscience/bloom
    #[arg(long, value_name = "FILE|DIR|HUB_ID")]
    tokenizer: Option<String>,
    /// The treebank: CoNLL-U files, or a folder of them; the first of the fixtures if not given
    #[arg(long, value_name = "LANG=FILE[,FILE...]")]
    treebank: Option<Source>,
    /// What attributes words carry: `ud` or `unimorph`
    #[arg(long, default_value = "unimorph")]
    scheme: Scheme,
    /// Where to read activations
    #[arg(long = "site", value_name = "S,S", value_delimiter = ',', default_value = "residual.2")]
    sites: Vec<Site>,
    /// The type the model computes in: `f32`, `bf16` or `f16`; the file is float32
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// Where the model computes: `cpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
    /// How subwords become words: `mean`, `first` or `last`
    #[arg(long, default_value = "mean")]
    pooling: Pooling,
    /// How words become subwords: `word` or `sentence`
    #[arg(long, default_value = "word")]
    tokenisation: Tokenisation,
    /// Subwords in a forward pass, at most
    #[arg(long, default_value_t = ExtractionSettings::default().batch_tokens)]
    batch_tokens: usize,
    /// Refuse words without a subword in place of skipping them
    #[arg(long)]
    refuse_empty_words: bool,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors", default_value = "isogloss-out/activations.safetensors")]
    out: PathBuf,
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    isogloss::files::writable_parent(&options.out)?;
    let checkpoint = match options.checkpoint {
        Some(place) => {
            let settings = SeriesSettings { tokenizer: options.tokenizer, ..SeriesSettings::default() };
            Checkpoint::find(place, &settings)?
        }
        None => Series::open(fixture("tiny-bloom"))?
            .checkpoints()
            .last()
            .cloned()
            .context("the fixtures' series is empty")?,
    };
    let source = match options.treebank {
        Some(source) => source,
        None => Source::new("qa", [fixture("treebanks/qa.conllu")])?,
    };
    let treebank = Treebank::read(&source.language, &source.files, options.scheme)?;
    let device = device::parse(&options.device)?;
    let bloom = Bloom::load(&checkpoint, Extent::Sites(&options.sites), options.dtype.into(), device)?;
    let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
    let settings = ExtractionSettings {
        pooling: options.pooling,
        tokenisation: options.tokenisation,
        batch_tokens: options.batch_tokens,
        refuse_empty_words: options.refuse_empty_words,
        ..ExtractionSettings::default()
    };
    let extraction = extract(&bloom, &tokenizer, &treebank, &options.sites, &settings, |_| true)?;
    let about = [
        ("model", checkpoint.model().to_string()),
        ("step", checkpoint.step().to_string()),
        ("language", source.language),
        ("scheme", options.scheme.to_string()),
        ("pooling", options.pooling.to_string()),
        ("tokenisation", options.tokenisation.to_string()),
        ("dtype", options.dtype.to_string()),
    ];
    let repository = checkpoint.repository().map(|repository| ("repository", repository));
    let about = about.into_iter().chain(repository).map(|(name, value)| (name.to_string(), value)).collect();
    let activations = extraction.activations.with_about(about);
    activations.save(&options.out)?;
    let words = activations.words().len();
    println!("{words} words, {} subwords: {}", extraction.tokens, options.out.display());
    println!("their table: {}", Activations::words_path(&options.out).display());
    let skipped = extraction.skipped;
    if skipped.long_sentences + skipped.empty_words > 0 {
        println!(
            "skipped: {} over-long sentences with {} words, {} words without a subword",
            skipped.long_sentences, skipped.words_in_long_sentences, skipped.empty_words
        );
    }
    Ok(())
}
