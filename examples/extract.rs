//! Activations of a treebank's words at one checkpoint, as a file or a store.

mod common;

use anyhow::{ensure, Context, Result};
use clap::Parser;
use common::{fixture, report, start_log, ReadingOptions};
use isogloss::activations::{extract_to, Activations, ExtractionSettings, Origin, Pooling, Tokenisation, Tokenizer};
use isogloss::bloom::{device, Bloom, Extent};
use isogloss::checkpoint::{Checkpoint, Series, SeriesSettings};
use isogloss::study::{Dtype, Reading};
use isogloss::treebank::{Scheme, Source, TreebankFiles};
use isogloss::Site;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes the activations of a treebank's words: a tensor `[words, neurons]` a site, and a table of the words beside it.
///
/// Rows go to disk as they come. A run that was killed goes on where it stopped when it is started again with the same options.
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
    /// Subwords in a forward pass, at most; 2048 if not given, and 16384 on a GPU
    #[arg(long)]
    batch_tokens: Option<usize>,
    /// Words whose sentences are batched together, and that a store's shard is of, at most
    #[arg(long, default_value_t = ExtractionSettings::default().shard_words)]
    shard_words: usize,
    /// Refuse words without a subword in place of skipping them
    #[arg(long)]
    refuse_empty_words: bool,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors", default_value = "isogloss-out/activations.safetensors")]
    out: PathBuf,
    /// Write a store into this folder in place of the file: shards, and a manifest that says what they are of
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingOptions,
}

fn main() -> ExitCode {
    report(run())
}

/// Deletes a folder, if it is there.
fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    // A file is made from a store, which is what can be gone on with. When the file is there, the store is renamed before it is
    // deleted, so that half of one is never taken for one.
    let dir = options.store.clone().unwrap_or_else(|| options.out.with_extension("partial"));
    let done = options.out.with_extension("partial-done");
    if options.store.is_none() {
        let safetensors = options.out.extension().is_some_and(|extension| extension == "safetensors");
        ensure!(safetensors, "{}: should end in .safetensors; give such a name to --out", options.out.display());
        isogloss::files::writable_parent(&options.out)?;
        remove(&done)?;
    }
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
    let treebank = TreebankFiles::new(&source, &options.reading.over(Reading::default()).of(options.scheme));
    let device = device::parse(&options.device)?;
    let bloom = Bloom::load(&checkpoint, Extent::Sites(&options.sites), options.dtype.into(), device)?;
    let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
    let defaults = ExtractionSettings::on(device);
    let settings = ExtractionSettings {
        pooling: options.pooling,
        tokenisation: options.tokenisation,
        batch_tokens: options.batch_tokens.unwrap_or(defaults.batch_tokens),
        refuse_empty_words: options.refuse_empty_words,
        shard_words: options.shard_words,
        ..defaults
    };
    let origin = Origin::from(&checkpoint);
    let store = extract_to(&dir, &origin, &bloom, &tokenizer, &treebank, &options.sites, &settings, |_| true)?;
    let manifest = store.manifest().clone();
    ensure!(manifest.description.words > 0, "the treebank of `{}` has no words", source.language);
    let (words, tokens) = (manifest.rows, manifest.tokens);
    match &options.store {
        Some(dir) => say!("{words} words, {tokens} subwords, {} shards: {}", manifest.shards.len(), dir.display())?,
        None => {
            let words_path = Activations::words_path(&options.out);
            for file in [&options.out, &words_path] {
                isogloss::files::remove_leftovers(file)?;
            }
            store.save(&options.out)?;
            drop(store);
            std::fs::rename(&dir, &done).with_context(|| format!("cannot rename {}", dir.display()))?;
            remove(&done)?;
            say!("{words} words, {tokens} subwords: {}", options.out.display())?;
            say!("their table: {}", words_path.display())?;
        }
    }
    let skipped = manifest.skipped;
    if skipped.long_sentences + skipped.empty_words > 0 {
        say!(
            "skipped: {} over-long sentences with {} words, {} words without a subword",
            skipped.long_sentences,
            skipped.words_in_long_sentences,
            skipped.empty_words
        )?;
    }
    if manifest.halvings() > 0 {
        say!("memory ran out {} times, and batches were made smaller", manifest.halvings())?;
    }
    Ok(())
}
