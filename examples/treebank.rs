//! What is in treebanks, and which cells (a language and an attribute) have enough words for probing.
//!
//! ```text
//! cargo run --release --no-default-features --example treebank -- --treebank es=es_pud-ud-test.conllu --scheme unimorph
//! ```

mod common;

use anyhow::Result;
use clap::Parser;
use common::{fixture, report, start_log};
use isogloss::treebank::{
    split, Multiword, NoCell, ReadSettings, Scheme, Source, SplitMethod, SplitSettings, Treebank,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Show what treebanks hold: tokens, types, sentences, attributes and their values, what the scheme has no name for, and
/// which attributes have enough words in a lemma-disjoint split.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A language and its CoNLL-U files, LANG=FILE[,FILE...]; a folder means all its .conllu files. May be repeated; the
    /// fixtures' treebanks if not given.
    #[arg(long, value_name = "LANG=FILE[,FILE...]")]
    treebank: Vec<Source>,
    /// Attributes as annotated (ud) or as UniMorph dimensions (unimorph).
    #[arg(long, default_value_t = Scheme::Unimorph)]
    scheme: Scheme,
    /// Multiword tokens as one word of the text (surface) or as their syntactic words (parts).
    #[arg(long, default_value_t = Multiword::Surface)]
    multiword: Multiword,
    /// Skip and count defective sentences instead of stopping at the first.
    #[arg(long)]
    lenient: bool,
    /// How lemmas are split: balanced or lemma-types.
    #[arg(long, default_value_t = SplitMethod::Balanced)]
    split: SplitMethod,
    /// Words that a class needs in each of train, dev and test.
    #[arg(long, default_value_t = 20)]
    min_per_class: usize,
    /// Seed of the split.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let mut arguments = Arguments::parse();
    if arguments.treebank.is_empty() {
        for language in ["qa", "qb", "qc", "qd", "qe", "qf"] {
            arguments.treebank.push(Source::new(language, [fixture(&format!("treebanks/{language}.conllu"))])?);
        }
    }
    let settings =
        SplitSettings { method: arguments.split, min_per_class: arguments.min_per_class, ..SplitSettings::default() };
    settings.check()?;
    let reading = ReadSettings { scheme: arguments.scheme, multiword: arguments.multiword, lenient: arguments.lenient };
    for source in &arguments.treebank {
        let treebank = Treebank::read_with(&source.language, &source.files, &reading)?;
        let page = describe(&treebank, &settings, arguments.seed)?;
        std::io::stdout().write_all(page.as_bytes())?;
    }
    Ok(())
}

fn describe(treebank: &Treebank, settings: &SplitSettings, seed: u64) -> Result<String> {
    let mut page = String::new();
    let counts = &treebank.counts;
    let forms: BTreeSet<&str> = treebank.words.iter().map(|word| word.form.as_str()).collect();
    let lemmas: BTreeSet<&str> = treebank.words.iter().filter_map(|word| word.lemma.as_deref()).collect();
    let scheme = treebank.scheme;
    writeln!(page, "# {} ({scheme})\n", treebank.language)?;
    let numbers = [
        ("sentences", treebank.sentences.len()),
        ("words", treebank.words.len()),
        ("syntactic words", counts.syntactic_words),
        ("types (forms)", forms.len()),
        ("types (lemmas)", lemmas.len()),
        ("words without a lemma", counts.without_lemma),
        ("multiword tokens", counts.multiword_tokens),
        ("empty nodes, dropped", counts.empty_nodes),
        ("sentences skipped", counts.skipped_sentences),
    ];
    for (name, number) in numbers {
        writeln!(page, "{name:<22} {number:>9}")?;
    }
    writeln!(page, "\nAttributes and their values:")?;
    let classes = treebank.class_counts();
    let width = classes.keys().map(String::len).max().unwrap_or_default();
    for (attribute, values) in &classes {
        writeln!(page, "  {attribute:<width$}  {}", most_frequent_first(values))?;
    }
    list(&mut page, "Without an attribute", &counts.unmapped)?;
    list(&mut page, "Outranked by another value", &counts.outranked)?;
    let method = settings.method;
    writeln!(page, "\nCells (train/dev/test words a class; split {method}, seed {seed}):")?;
    for attribute in classes.keys() {
        match split(&treebank.words, &treebank.language, attribute, settings, seed) {
            Ok(split) => {
                write!(page, "  {attribute:<width$}  usable   ")?;
                for row in split.balance() {
                    let [train, dev, test] = row.words;
                    write!(page, " {} {train}/{dev}/{test}", row.class)?;
                }
                let dropped: Vec<&str> = split.dropped.keys().map(String::as_str).collect();
                let dropped =
                    if dropped.is_empty() { String::new() } else { format!("  (too few: {})", dropped.join(" ")) };
                writeln!(page, "{dropped}")?;
            }
            Err(NoCell::TooFewClasses { counts, .. }) => {
                write!(page, "  {attribute:<width$}  too few  ")?;
                for (class, [train, dev, test]) in counts {
                    write!(page, " {class} {train}/{dev}/{test}")?;
                }
                writeln!(page)?;
            }
            Err(reason) => writeln!(page, "  {attribute:<width$}  {reason}")?,
        }
    }
    writeln!(page)?;
    Ok(page)
}

fn list(page: &mut String, title: &str, counts: &BTreeMap<String, usize>) -> Result<()> {
    if !counts.is_empty() {
        writeln!(page, "\n{title}:\n  {}", most_frequent_first(counts))?;
    }
    Ok(())
}

fn most_frequent_first(counts: &BTreeMap<String, usize>) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(name, &count)| (std::cmp::Reverse(count), name.as_str()));
    sorted.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
