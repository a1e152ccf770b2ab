//! What is in treebanks, and which cells (a language and an attribute) have enough words for probing.
//!
//! ```text
//! cargo run --release --no-default-features --example treebank -- --treebank es=es_pud-ud-test.conllu --scheme unimorph
//! ```

mod common;

use anyhow::{bail, Result};
use clap::Parser;
use common::{fixture, report, start_log, ReadingOptions};
use isogloss::files;
use isogloss::report::write_csv;
use isogloss::study::Reading;
use isogloss::treebank::{
    CellRow, Cells, ClassRow, Scheme, Source, SplitMethod, SplitSettings, Treebank, UnmappedRow, ValueRow,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what treebanks hold: tokens, types, sentences, attributes and their values, what the scheme has no name for, and
/// which attributes have enough words in each part of a split.
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
    /// How words are split: balanced, lemma-types, sentences or official.
    #[arg(long, default_value_t = SplitMethod::Balanced)]
    split: SplitMethod,
    /// With sentences and official: leave out words of dev and test whose lemma is in a part before.
    #[arg(long)]
    unseen_lemmas: bool,
    /// Words that a class needs in each of train, dev and test.
    #[arg(long, default_value_t = 20)]
    min_per_class: usize,
    /// Seeds of the split.
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', default_value = "0")]
    seed: Vec<u64>,
    /// The attributes to split by; all that a treebank has if not given.
    #[arg(long, value_name = "A[,A...]", value_delimiter = ',')]
    attribute: Vec<String>,
    /// Also write cells.csv, classes.csv, attributes.csv and unmapped.csv into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingOptions,
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
    let mut languages = BTreeSet::new();
    for Source { language, .. } in &arguments.treebank {
        if !languages.insert(language) {
            bail!("the treebank of `{language}` is given twice; name all its files in one --treebank");
        }
    }
    let settings = SplitSettings {
        method: arguments.split,
        min_per_class: arguments.min_per_class,
        unseen_lemmas: arguments.unseen_lemmas,
        ..SplitSettings::default()
    };
    settings.check()?;
    if let Some(out) = &arguments.out {
        files::writable_dir(out)?;
    }
    let reading = arguments.reading.over(Reading::default()).of(arguments.scheme);
    let (mut all, mut values, mut unmapped) = (Cells::default(), Vec::new(), Vec::new());
    for source in &arguments.treebank {
        let treebank = Treebank::read_with(&source.language, &source.files, &reading)?;
        for attribute in &arguments.attribute {
            treebank.check_attribute(attribute)?;
        }
        let cells = Cells::of(&treebank, &arguments.attribute, &settings, &arguments.seed);
        say!("{}", describe(&treebank, settings.method, &cells)?.trim_end_matches('\n'))?;
        all.cells.extend(cells.cells);
        all.classes.extend(cells.classes);
        values.extend(ValueRow::of(&treebank));
        unmapped.extend(UnmappedRow::of(&treebank));
    }
    if let Some(out) = &arguments.out {
        write_csv(out.join("cells.csv"), &all.cells)?;
        write_csv(out.join("classes.csv"), &all.classes)?;
        write_csv(out.join("attributes.csv"), &values)?;
        write_csv(out.join("unmapped.csv"), &unmapped)?;
    }
    Ok(())
}

fn describe(treebank: &Treebank, method: SplitMethod, cells: &Cells) -> Result<String> {
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
    let asked = cells.cells.iter().map(|cell| cell.attribute.as_str());
    let width = classes.keys().map(String::as_str).chain(asked).map(str::len).max().unwrap_or_default();
    for (attribute, values) in &classes {
        writeln!(page, "  {attribute:<width$}  {}", most_frequent_first(values))?;
    }
    list(&mut page, "Without an attribute", &counts.unmapped)?;
    list(&mut page, "Outranked by another value", &counts.outranked)?;
    list(&mut page, "Lost on multiword tokens, because several parts have it", &counts.shared)?;
    for seed in cells.cells.iter().map(|cell| cell.seed).collect::<BTreeSet<_>>() {
        writeln!(page, "\nCells (train/dev/test words a class; split {method}, seed {seed}):")?;
        for cell in cells.cells.iter().filter(|cell| cell.seed == seed) {
            let of_cell = |row: &&ClassRow| row.seed == seed && row.attribute == cell.attribute;
            let rows: Vec<&ClassRow> = cells.classes.iter().filter(of_cell).collect();
            writeln!(page, "  {:<width$}  {}", cell.attribute, line(cell, &rows))?;
        }
    }
    writeln!(page)?;
    Ok(page)
}

/// A cell in a line.
fn line(cell: &CellRow, rows: &[&ClassRow]) -> String {
    let counts = |kept: bool| -> Vec<String> {
        let rows = rows.iter().filter(|row| row.kept == kept);
        rows.map(|row| format!("{} {}/{}/{}", row.class, row.train, row.dev, row.test)).collect()
    };
    if !cell.usable {
        let counts = counts(false).join(" ");
        let reason = || cell.reason.as_deref().unwrap_or_default();
        return if counts.is_empty() { reason().to_string() } else { format!("too few   {counts}") };
    }
    let mut line = format!("usable    {}", counts(true).join(" "));
    let dropped = counts(false);
    if !dropped.is_empty() {
        line += &format!("  (too few: {})", dropped.join(" "));
    }
    let few: Vec<&str> = rows.iter().filter(|row| is_one_lemma(row)).map(|row| row.class.as_str()).collect();
    if !few.is_empty() {
        line += &format!("  (half or more of dev or test is one lemma: {})", few.join(" "));
    }
    line
}

fn is_one_lemma(row: &ClassRow) -> bool {
    [row.largest_lemma_dev, row.largest_lemma_test].into_iter().flatten().any(|share| share >= 0.5)
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
