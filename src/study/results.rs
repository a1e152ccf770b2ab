use super::pack::remove;
use super::{Provenance, Study, LIBTORCH};
use crate::activations::Skipped;
use crate::analysis::{write_text, About, Analysis, Settings};
use crate::audit::Finding;
use crate::checkpoint::{Checkpoint, Step};
use crate::overlap::Control;
use crate::ranking::{self, RankedCell};
use crate::report::{write_csv, Record, TextTable};
use crate::transfer::TransferScores;
use crate::treebank::{CellRow, Cells, ClassRow, Treebank};
use crate::{files, Result, Site};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a study found.
#[derive(Clone, Debug)]
pub struct Results {
    study: Study,
    /// All tables.
    pub analysis: Analysis,
    /// What was left out on the way.
    pub notes: Notes,
    /// What made it, where the study ran here.
    pub provenance: Option<Provenance>,
}

/// What words a study had, what it left out, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    findings: Vec<Finding>,
    /// Defective sentences by language.
    defective: BTreeMap<String, usize>,
    commits: BTreeMap<Step, String>,
    /// By language, attribute and seed.
    cells: BTreeMap<(String, String, u64), (CellRow, Vec<ClassRow>)>,
    missing: BTreeMap<(String, String), BTreeMap<u64, String>>,
    skipped: BTreeMap<String, Skipped>,
    left_out: BTreeMap<(String, String), usize>,
    without_source: BTreeMap<String, BTreeSet<String>>,
    undone: Vec<MissingRow>,
}

/// A row of `missing.csv`: a cell whose ranking, or whose score by the source's probe, is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MissingRow {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The language.
    pub language: String,
    /// The attribute.
    pub attribute: String,
    /// The site.
    pub site: Site,
    /// The seed.
    pub seed: u64,
    /// Whether labels were to be shuffled.
    pub control: ranking::Control,
    /// Why it is not there.
    pub reason: String,
}

impl Record for MissingRow {
    const COLUMNS: &'static [&'static str] =
        &["model", "step", "language", "attribute", "site", "seed", "control", "reason"];
}

impl Notes {
    /// Keeps what an audit of the series found.
    pub fn findings(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
    }

    /// Keeps how many sentences of a treebank were skipped.
    pub fn treebank(&mut self, treebank: &Treebank) {
        if treebank.counts.skipped_sentences > 0 {
            self.defective.insert(treebank.language.clone(), treebank.counts.skipped_sentences);
        }
    }

    /// Keeps which commit a checkpoint of the Hub is.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        if let Some(repository) = checkpoint.repository() {
            self.commits.insert(checkpoint.step(), repository);
        }
    }

    /// Keeps what words cells were probed on; every checkpoint has the same.
    pub fn cells(&mut self, cells: Cells) {
        let key = |language: &str, attribute: &str, seed| (language.to_string(), attribute.to_string(), seed);
        for cell in cells.cells {
            self.cells.insert(key(&cell.language, &cell.attribute, cell.seed), (cell, Vec::new()));
        }
        for class in cells.classes {
            if let Some((_, classes)) = self.cells.get_mut(&key(&class.language, &class.attribute, class.seed)) {
                classes.push(class);
            }
        }
    }

    /// Keeps what extraction skipped; every checkpoint skips the same.
    pub fn skipped(&mut self, language: &str, skipped: &Skipped) {
        if *skipped != Skipped::default() {
            self.skipped.insert(language.into(), *skipped);
        }
    }

    /// Keeps why cells do not exist: attribute, seed, reason.
    pub fn missing<R: ToString>(&mut self, language: &str, missing: Vec<(String, u64, R)>) {
        for (attribute, seed, reason) in missing {
            let reasons = self.missing.entry((language.into(), attribute)).or_default();
            reasons.insert(seed, reason.to_string());
        }
    }

    /// Keeps how many test words of a cell have a class that the source lacks, by attribute.
    pub fn left_out(&mut self, language: &str, left_out: BTreeMap<String, usize>) {
        for (attribute, words) in left_out {
            let most = self.left_out.entry((language.into(), attribute)).or_default();
            *most = (*most).max(words);
        }
    }

    /// Keeps which attributes have no transfer to a language, because the source has no such cell.
    pub fn without_source(&mut self, language: &str, attributes: BTreeSet<String>) {
        for attribute in attributes {
            self.without_source.entry(attribute).or_default().insert(language.into());
        }
    }

    /// Keeps that a cell is not done, and why.
    pub fn undone(&mut self, row: MissingRow) {
        self.undone.push(row);
    }

    /// The cells that are not done.
    pub fn missing_rows(&self) -> &[MissingRow] {
        &self.undone
    }

    /// The cells that are not done, as sentences: how many by step and reason.
    fn undone_lines(&self) -> Vec<String> {
        let mut reasons: BTreeMap<(Step, &str), (usize, BTreeSet<&str>)> = BTreeMap::new();
        for row in &self.undone {
            let (cells, languages) = reasons.entry((row.step, &row.reason)).or_default();
            *cells += 1;
            languages.insert(&row.language);
        }
        let line = |((step, reason), (cells, languages)): ((Step, &str), (usize, BTreeSet<&str>))| {
            let languages = languages.into_iter().collect::<Vec<_>>().join(", ");
            format!("Missing: {cells} rankings of step {step} ({languages}): {reason}.")
        };
        reasons.into_iter().map(line).collect()
    }

    /// The words of the cells, also of those that do not exist.
    pub fn words(&self) -> Vec<CellRow> {
        self.cells.values().map(|(cell, _)| cell.clone()).collect()
    }

    /// The classes of the cells.
    pub fn classes(&self) -> Vec<ClassRow> {
        self.cells.values().flat_map(|(_, classes)| classes.iter().cloned()).collect()
    }

    /// Why cells do not exist.
    pub fn reasons(&self) -> impl Iterator<Item = String> + '_ {
        self.missing.values().flat_map(|reasons| {
            let same = reasons.values().collect::<BTreeSet<_>>().len() < 2;
            let shown = reasons.iter().take(if same { 1 } else { reasons.len() });
            shown.map(move |(seed, reason)| if same { reason.clone() } else { format!("{reason} (seed {seed})") })
        })
    }

    /// What was left out, as sentences.
    pub fn lines(&self) -> Vec<String> {
        let findings = self.findings.iter().map(|finding| format!("Of the series: {finding}."));
        let left_out = self.reasons().map(|reason| format!("Left out: {reason}."));
        let mut lines: Vec<String> = findings.chain(self.undone_lines()).chain(left_out).collect();
        for (language, sentences) in &self.defective {
            lines.push(format!("Skipped of `{language}`: {sentences} defective sentences of its treebank."));
        }
        for (language, skipped) in &self.skipped {
            let Skipped { long_sentences, words_in_long_sentences, empty_words } = skipped;
            lines.push(format!(
                "Skipped of `{language}`: {long_sentences} over-long sentences with {words_in_long_sentences} words, \
                 {empty_words} words without a subword."
            ));
        }
        for (attribute, languages) in &self.without_source {
            let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
            lines.push(format!("No transfer of {attribute} to {}: the source has no such cell.", languages.join(", ")));
        }
        for ((language, attribute), words) in &self.left_out {
            lines.push(format!(
                "Left out of the transfer of {attribute} to `{language}`: up to {words} test words a cell, of classes that \
                 the source lacks."
            ));
        }
        lines
    }
}

impl Results {
    /// Overlap, ceiling and correlation from rankings and transfer scores.
    ///
    /// # Errors
    /// As [`Analysis::new`].
    pub fn new(study: &Study, rankings: Vec<RankedCell>, scores: TransferScores, notes: Notes) -> Result<Self> {
        let settings = Settings {
            k: study.k.clone(),
            source: study.source.clone(),
            attributes: study.attributes.clone(),
            cross_attribute: study.controls.contains(&Control::CrossAttribute),
        };
        let analysis = Analysis::new(rankings, scores, settings)?;
        Ok(Results { study: study.clone(), analysis, notes, provenance: None })
    }

    /// Writes tables, summary and plots into a folder, each file whole or not at all. Returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if one cannot be written.
    pub fn write(&self, out: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let out = out.as_ref();
        let description = self.study.to_toml()?;
        files::writable_dir(out)?;
        // Two processes that end together write one after the other.
        let lock = out.join("cells").join("tables.lock");
        let _lock = self.provenance.as_ref().map(|_| files::lock(lock)).transpose()?;
        let cells = out.join("cells.csv");
        write_csv(&cells, &self.notes.words())?;
        let classes = out.join("classes.csv");
        write_csv(&classes, &self.notes.classes())?;
        let mut written = vec![cells, classes];
        let missing = out.join("missing.csv");
        if self.notes.undone.is_empty() {
            // Of an earlier run that was not whole.
            remove(&missing)?;
        } else {
            write_csv(&missing, &self.notes.undone)?;
            written.push(missing);
        }
        written.extend(self.analysis.write(out, &self.about())?);
        written.push(write_text(out.join("study.toml"), &description)?);
        if let Some(provenance) = &self.provenance {
            written.push(provenance.write(out, &written)?);
            // Of runs that were killed here; no other writes here now.
            written.iter().try_for_each(files::remove_leftovers)?;
        }
        Ok(written)
    }

    /// The overlap-vs-step table and the correlations, for a terminal.
    pub fn text(&self) -> String {
        self.analysis.text(&self.about())
    }

    fn about(&self) -> About {
        let study = &self.study;
        let setting = |name: &str, value: String| (name.to_string(), value);
        let mut about = About {
            settings: vec![
                setting("scheme", study.scheme.to_string()),
                setting("multiword tokens", study.reading.multiword.to_string()),
                setting("split", study.split.method.to_string()),
                setting("pooling", study.pooling.to_string()),
                setting("tokenisation", study.tokenisation.to_string()),
                setting("dtype", study.dtype.to_string()),
                setting("settings in full", "study.toml".into()),
            ],
            tables: vec![("Words".into(), self.words_table())],
            notes: self.notes.lines(),
        };
        let commits = self.notes.commits.iter();
        about.settings.extend(commits.map(|(step, commit)| setting(&format!("step {step}"), commit.clone())));
        if cfg!(feature = "torch") {
            about.settings.push(setting("libtorch", LIBTORCH.into()));
        }
        about
    }

    fn words_table(&self) -> TextTable {
        let columns = ["language", "attribute", "seed", "classes", "dropped", "train", "dev", "test", "without lemma"];
        let mut table = TextTable::new(columns);
        for cell in self.notes.words().into_iter().filter(|cell| cell.usable) {
            let CellRow { language, attribute, seed, classes, dropped, train, dev, test, without_lemma, .. } = cell;
            let [classes, dropped] = [classes, dropped].map(|names| names.replace('|', ", "));
            let counts = [train, dev, test, without_lemma].map(|n| n.map(|n| n.to_string()).unwrap_or_default());
            table.row([language, attribute, seed.to_string(), classes, dropped].into_iter().chain(counts));
        }
        table
    }
}
