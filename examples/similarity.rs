//! Similarity of parallel sentences at every checkpoint of a series.

mod common;

use anyhow::{anyhow, bail, Result};
use clap::Parser;
use common::{fixture, report, start_log, Bar, SeriesOptions};
use isogloss::activations::{sentence_states, ExtractionSettings, SentencePooling, Tokenizer};
use isogloss::bloom::{device, Bloom, Config, Extent};
use isogloss::checkpoint::{Series, SeriesSettings};
use isogloss::report::{number, write_csv, TextTable};
use isogloss::similarity::{read_parallel, similarities, Similarity, MEASURES};
use isogloss::study::{Dtype, Progress};
use isogloss::treebank::Source;
use isogloss::{files, Site};
use std::path::PathBuf;
use std::process::ExitCode;

/// How alike are the states of a sentence and of its translations, step by step?
///
/// Compares the last token's states of the source language's sentences with those of every other language, and writes
/// `similarity.csv`. Without options, on the fixtures.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Folder of checkpoints `global_stepN`, each in Hugging Face layout, or a repository of the Hub with a revision a step
    #[arg(long, value_name = "DIR|HUB_ID")]
    series: Option<PathBuf>,
    /// A language's sentences, one a line, line N of each file a translation of the others; or treebanks (.conllu) for all
    /// languages, aligned by sentence id; once a language
    #[arg(long = "parallel", value_name = "LANG=FILE")]
    parallel: Vec<Source>,
    /// Where to read states; every point of the residual stream if not given
    #[arg(long = "site", value_name = "S,S", value_delimiter = ',')]
    sites: Vec<Site>,
    /// The language that the others are compared with; `en` if there is one, else the first
    #[arg(long, value_name = "LANG")]
    source: Option<String>,
    /// Where the model computes: `cpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The type the model computes in: `f32`, `bf16` or `f16`
    #[arg(long, default_value = "f32")]
    dtype: Dtype,
    /// Folder for the table
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
    files::writable_dir(&options.out)?;
    let place = options.series.unwrap_or_else(|| fixture("tiny-bloom"));
    let series = Series::find(place, &options.checkpoints.over(SeriesSettings::default()))?;
    let mut parallel = options.parallel;
    if parallel.is_empty() {
        for language in ["qa", "qb", "qc", "qd", "qe", "qf"] {
            parallel.push(Source::new(language, [fixture(&format!("parallel/{language}.txt"))])?);
        }
    }
    let mut sources = Vec::new();
    for Source { language, files } in parallel {
        let [file] = files.as_slice() else { bail!("--parallel {language}=... should name one file") };
        sources.push((language, file.clone()));
    }
    let texts = read_parallel(&sources)?;
    let first = texts.iter().find(|(language, _)| language == "en").or(texts.first());
    let source = options.source.or_else(|| first.map(|(language, _)| language.clone())).unwrap_or_default();
    let Some((_, pivot)) = texts.iter().find(|(language, _)| *language == source) else {
        bail!("the source language `{source}` has no sentences; name its file with --parallel {source}=FILE");
    };
    if texts.len() < 2 {
        bail!("similarity needs two or more languages; give --parallel LANG=FILE for each");
    }
    let device = device::parse(&options.device)?;
    series.check_room()?;
    let settings = ExtractionSettings::on(device);
    let bar = Bar::new();
    bar.start(series.checkpoints().len() * texts.len());
    let mut rows = Vec::new();
    let mut shown = TextTable::new(["step", "site"].into_iter().chain(MEASURES));
    for checkpoint in series.in_turn() {
        let checkpoint = checkpoint?;
        let blocks = Config::read(checkpoint.config())?.n_layer;
        let sites =
            if options.sites.is_empty() { (0..=blocks).map(Site::Residual).collect() } else { options.sites.clone() };
        let bloom = Bloom::load(&checkpoint, Extent::Sites(&sites), options.dtype.into(), device)?;
        let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
        let states = |language: &str, text: &[String]| {
            sentence_states(&bloom, &tokenizer, text, &sites, &settings, SentencePooling::Last)
                .map_err(|e| anyhow!("step {}, `{language}`: {e}", checkpoint.step()))
        };
        let of_source = states(&source, pivot)?;
        bar.advance(1, &format!("step {}, {source}", checkpoint.step()));
        let start = rows.len();
        for (language, text) in texts.iter().filter(|(language, _)| *language != source) {
            let of_language = states(language, text)?;
            for (site, a) in &of_source {
                let Some(b) = of_language.get(site) else { continue };
                let ((language_a, a), (language_b, b)) =
                    if source < *language { ((&source, a), (language, b)) } else { ((language, b), (&source, a)) };
                rows.extend(similarities(a.view(), b.view()).into_iter().map(|(measure, value)| Similarity {
                    model: series.model().into(),
                    step: checkpoint.step(),
                    site: *site,
                    language_a: language_a.clone(),
                    language_b: language_b.clone(),
                    measure: measure.into(),
                    sentences: text.len(),
                    value,
                }));
            }
            bar.advance(1, &format!("step {}, {language}", checkpoint.step()));
        }
        for site in of_source.keys() {
            let mut cells = vec![checkpoint.step().to_string(), site.to_string()];
            for measure in MEASURES {
                let here = rows[start..].iter().filter(|row| row.site == *site && row.measure == measure);
                cells.push(number(isogloss::stats::mean(here.filter_map(|row| row.value)), 3));
            }
            shown.row(cells);
        }
    }
    bar.finish();
    let path = options.out.join("similarity.csv");
    write_csv(&path, &rows)?;
    println!("Similarity of `{source}` with {} languages, mean over languages\n\n{}", texts.len() - 1, shown.text());
    println!("{} rows in {}", rows.len(), path.display());
    Ok(())
}
