//! Makes the project's fixtures from a seed: treebanks and parallel sentences of six invented languages, a tokenizer,
//! and a series of BLOOM checkpoints trained on the languages' text.
//!
//! `docs/fixtures.md` describes the languages. Without the feature `torch` the series cannot be made; the rest can.

mod glosses;
mod languages;
mod lexicon;
mod meaning;
mod phrase;
mod realise;
#[cfg(test)]
mod tests;
mod tokenizer;
#[cfg(feature = "torch")]
mod training;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use isogloss::files::{writable_dir, write_atomic};
use languages::Language;
use meaning::{Speaker, World};
use std::path::{Path, PathBuf};

/// Makes the project's fixtures from a seed.
#[derive(Parser, Debug)]
#[command(version, about, long_about = None)]
struct Arguments {
    /// Folder to write to.
    #[arg(long, default_value = "fixtures")]
    out: PathBuf,
    /// Seed of everything: words, sentences, initial weights, order of training.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps whose weights are kept; the last one is where training ends.
    #[arg(long, value_delimiter = ',', default_value = "0,10,30,100,300,1000,3000")]
    steps: Vec<u64>,
    /// Make one part alone.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Sentences in each treebank.
    #[arg(long, default_value_t = 900)]
    sentences: usize,
    /// Entries of the tokenizer's vocabulary.
    #[arg(long, default_value_t = 1400)]
    vocabulary: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Treebanks and parallel sentences.
    Treebanks,
    /// The tokenizer.
    Tokenizer,
    /// The model series (needs libtorch and the tokenizer).
    Series,
}

/// Sentences a language on which the tokenizer is trained.
const TOKENIZER_SENTENCES: usize = 4_000;
/// Parallel sentences a language.
const PARALLEL_SENTENCES: usize = 200;
/// Sentences that stay on one topic.
const DOCUMENT: usize = 10;
/// The series' folder, whose name is the model's name in tables.
const SERIES: &str = "tiny-bloom";

/// Training text: `n_sentences` sentences of each language as `(language, sentence)`, in runs of [`DOCUMENT`]
/// sentences on one topic. It shares grammar and words with the treebanks, not their sentences' random stream.
pub fn training_text(seed: u64, n_sentences: usize) -> Vec<(String, String)> {
    text(seed, "training", n_sentences)
}

/// As [`training_text`], from the random stream called `name`.
fn text(seed: u64, name: &str, n_sentences: usize) -> Vec<(String, String)> {
    let world = World::new(seed);
    let mut text = Vec::new();
    for language in languages::all(&world, seed) {
        let code = language.morphology.grammar().code;
        let mut speaker = Speaker::new(&world, seed, &[name, code]);
        for index in 0..n_sentences {
            if index % DOCUMENT == 0 {
                speaker.turn();
            }
            text.push((code.to_string(), realise::realise(&language, &speaker.sentence()).text()));
        }
    }
    text
}

/// The treebank of a language in CoNLL-U.
fn treebank(world: &World, language: &Language, seed: u64, n_sentences: usize) -> String {
    let code = language.morphology.grammar().code;
    let mut speaker = Speaker::new(world, seed, &["treebank", code]);
    let mut out = String::new();
    for index in 0..n_sentences {
        if index % DOCUMENT == 0 {
            speaker.turn();
            out.push_str(&format!("# newdoc id = {code}-{:03}\n", index / DOCUMENT + 1));
        }
        let id = format!("{code}-{:03}-{:02}", index / DOCUMENT + 1, index % DOCUMENT + 1);
        realise::realise(language, &speaker.sentence()).conllu(&id, &mut out);
    }
    out
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |w| w.write_all(text.as_bytes()).map_err(isogloss::Error::io(path, "write")))?;
    Ok(())
}

fn treebanks(arguments: &Arguments) -> Result<()> {
    let world = World::new(arguments.seed);
    let (treebanks, parallel) = (arguments.out.join("treebanks"), arguments.out.join("parallel"));
    writable_dir(&treebanks)?;
    writable_dir(&parallel)?;
    for language in languages::all(&world, arguments.seed) {
        let code = language.morphology.grammar().code;
        let path = treebanks.join(format!("{code}.conllu"));
        write(&path, &treebank(&world, &language, arguments.seed, arguments.sentences))?;
        // One stream for all languages: the same meanings in each.
        let mut speaker = Speaker::new(&world, arguments.seed, &["parallel"]);
        let mut text = String::new();
        for _ in 0..PARALLEL_SENTENCES {
            speaker.turn();
            text.push_str(&realise::realise(&language, &speaker.sentence()).text());
            text.push('\n');
        }
        write(&parallel.join(format!("{code}.txt")), &text)?;
        eprintln!("{}: {}", path.display(), language.morphology.grammar().name);
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |part: Part| arguments.only.is_none_or(|only| only == part);
    if wanted(Part::Treebanks) {
        treebanks(&arguments)?;
    }
    let series = arguments.out.join(SERIES);
    if wanted(Part::Tokenizer) {
        writable_dir(&series)?;
        let text = training_text(arguments.seed, TOKENIZER_SENTENCES);
        let path = series.join("tokenizer.json");
        tokenizer::train(text.iter().map(|(_, sentence)| sentence.as_str()), arguments.vocabulary, &path)?;
        eprintln!("{}", path.display());
    }
    if wanted(Part::Series) {
        train(&arguments, &series).context("cannot make the model series")?;
    }
    Ok(())
}

#[cfg(feature = "torch")]
fn train(arguments: &Arguments, series: &Path) -> Result<()> {
    training::train(arguments.seed, &arguments.steps, series)
}

#[cfg(not(feature = "torch"))]
fn train(arguments: &Arguments, series: &Path) -> Result<()> {
    anyhow::bail!(
        "{} at steps {:?}: training needs the feature `torch`; without it, give --only treebanks or --only tokenizer",
        series.display(),
        arguments.steps
    )
}
