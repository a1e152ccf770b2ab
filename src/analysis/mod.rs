//! From rankings and transfer scores to every table and picture: what a study of checkpoints and a study read from its raw
//! selections have in common.
//!
//! [`Analysis::new`] computes, [`Analysis::write`] writes, [`Analysis::text`] is for a terminal. What a reader must know
//! besides (settings, words, what was left out) comes with [`About`]. [`SimilarityAnalysis`] does the same for the similarity of
//! translations.
//!
//! # Examples
//! ```
//! use isogloss::analysis::{About, Analysis, Settings};
//! use isogloss::ranking::{Cell, CurvePoint, RankedCell, Ranking};
//! use isogloss::transfer::TransferScores;
//!
//! let ranked = |language: &str, neurons: [usize; 3]| -> isogloss::Result<RankedCell> {
//!     let curve = neurons.iter().enumerate().map(|(i, &neuron)| CurvePoint {
//!         rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None,
//!     });
//!     let cell = Cell {
//!         model: "bloom".into(), step: "1000".parse()?, site: "residual.3".parse()?, attribute: "Number".into(),
//!         language: language.into(), method: "poisson".into(), seed: 0, control: Default::default(),
//!     };
//!     Ok(RankedCell { cell, ranking: Ranking::new(10, curve.collect())? })
//! };
//! let rankings = vec![ranked("es", [1, 2, 3])?, ranked("pt", [3, 2, 9])?];
//! let settings = Settings { k: vec![3], source: "es".into(), attributes: vec!["Number".into()], cross_attribute: true };
//! let analysis = Analysis::new(rankings, TransferScores::default(), settings)?;
//! assert_eq!(analysis.pairs[0].shared, 2);
//! println!("{}", analysis.text(&About::default()));
//! # Ok::<(), isogloss::Error>(())
//! ```

mod interval;
mod page;
#[cfg(feature = "plots")]
mod pictures;
mod rankings;
mod similarity;
mod summary;
#[cfg(test)]
mod tests;

pub use interval::{IntervalRow, INTERVAL_METHOD};
pub use rankings::{read_rankings, RankingRow};
pub use similarity::SimilarityAnalysis;

use crate::correlation::{self, CorrelationRow, InferenceRow, InfluenceRow, Point};
use crate::overlap::{
    self, Control, OverlapByK, OverlapMeasures, PairOverlap, SelfOverlap, Sharing, StepOverlap, DRAWS, RBO_P,
};
use crate::ranking::RankedCell;
use crate::report::{write_json_lines, Format, Record, TextTable};
use crate::transfer::TransferScores;
use crate::{files, Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the tables of an [`Analysis`] depend on, besides rankings and scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many neurons to compare; correlations and pictures take the first.
    pub k: Vec<usize>,
    /// The language that transfer starts from.
    pub source: String,
    /// The attributes, in the order of columns.
    pub attributes: Vec<String>,
    /// Whether the overlap of one attribute with another stands beside as a control; their rows grow with the square of the
    /// attributes.
    pub cross_attribute: bool,
}

/// What a reader must know besides the tables.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Settings, as names and values.
    pub settings: Vec<(String, String)>,
    /// Tables of one's own, under headings.
    pub tables: Vec<(String, TextTable)>,
    /// What was left out and why, as sentences.
    pub notes: Vec<String>,
}

/// All that follows from rankings and transfer scores, of one model or several.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// What it was made with.
    pub settings: Settings,
    /// A ranking a cell.
    pub rankings: Vec<RankedCell>,
    /// Overlap of every pair of languages.
    pub pairs: Vec<PairOverlap>,
    /// The controls beside it: of shuffled labels, where there are such rankings, and of one attribute with another.
    pub controls: Vec<PairOverlap>,
    /// Other measures of the same pairs.
    pub measures: Vec<OverlapMeasures>,
    /// Overlap of the best one, two, ... neurons, mean over pairs.
    pub by_k: Vec<OverlapByK>,
    /// Neurons that so many languages share.
    pub sharing: Vec<Sharing>,
    /// Overlap of every cell with itself under other seeds: the noise ceiling.
    pub ceiling: Vec<SelfOverlap>,
    /// The overlap-vs-step table.
    pub by_step: Vec<StepOverlap>,
    /// Transfer, read or measured.
    pub scores: TransferScores,
    /// Overlap against transfer.
    pub correlation: Vec<CorrelationRow>,
    /// The same with one checkpoint left out.
    pub influence: Vec<InfluenceRow>,
    /// The points behind the correlations.
    pub points: Vec<Point>,
    /// The same correlations tested in other ways, which take points for what they are.
    pub inference: Vec<InferenceRow>,
}

impl Analysis {
    /// Overlap, ceiling and correlation from rankings and transfer scores.
    ///
    /// # Errors
    /// As [`overlap::pairs`].
    pub fn new(mut rankings: Vec<RankedCell>, scores: TransferScores, settings: Settings) -> Result<Self> {
        rankings.sort_by(|a, b| a.cell.cmp(&b.cell));
        let ks = &settings.k;
        let mut all = overlap::pairs(&rankings, ks)?;
        if settings.cross_attribute {
            all.extend(overlap::cross_attribute(&rankings, ks)?);
        }
        let ceiling = overlap::ceiling(&rankings, ks)?;
        let by_step = overlap::by_step(&all, &ceiling);
        let (pairs, controls): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.control == Control::None);
        let measures = overlap::measures(&rankings, ks, &ceiling, RBO_P)?;
        let by_k = overlap::by_k(&rankings, ks.iter().copied().max().unwrap_or_default())?;
        let sharing = overlap::sharing(&rankings, ks, DRAWS, 0)?;
        let k = ks.first().copied().unwrap_or_default();
        let (correlation, influence) = correlation::correlate(&by_step, &pairs, &scores, &settings.source, k);
        let points = correlation::points(&by_step, &pairs, &scores, &settings.source, k);
        Ok(Analysis {
            settings,
            rankings,
            pairs,
            controls,
            measures,
            by_k,
            sharing,
            ceiling,
            by_step,
            scores,
            correlation,
            influence,
            inference: correlation::inference(&points, 0),
            points,
        })
    }

    /// Adds to the noise ceiling what is known from elsewhere, such as another run on the same weights, and reads overlaps
    /// against it.
    ///
    /// # Errors
    /// As [`overlap::measures`].
    pub fn add_ceiling(&mut self, rows: Vec<SelfOverlap>) -> Result<()> {
        self.ceiling.extend(rows);
        let all: Vec<PairOverlap> = self.pairs.iter().chain(&self.controls).cloned().collect();
        self.by_step = overlap::by_step(&all, &self.ceiling);
        self.measures = overlap::measures(&self.rankings, &self.settings.k, &self.ceiling, RBO_P)?;
        Ok(())
    }

    /// The names of the models, sorted.
    pub fn models(&self) -> Vec<&str> {
        distinct(self.rankings.iter().map(|ranked| ranked.cell.model.as_str()))
    }

    /// The languages with a ranking, sorted.
    pub fn languages(&self) -> Vec<&str> {
        distinct(self.rankings.iter().map(|ranked| ranked.cell.language.as_str()))
    }

    /// The languages with a ranking of one model, sorted.
    pub fn languages_of(&self, model: &str) -> Vec<&str> {
        let of_model = self.rankings.iter().filter(|ranked| ranked.cell.model == model);
        distinct(of_model.map(|ranked| ranked.cell.language.as_str()))
    }

    /// The rankings of real labels, for pictures.
    #[cfg(feature = "plots")]
    fn measured_rankings(&self) -> impl Iterator<Item = &RankedCell> {
        self.rankings.iter().filter(|ranked| ranked.cell.control == crate::ranking::Control::None)
    }

    /// The intervals of the overlap-vs-step table's means: the band of its plot.
    pub fn intervals(&self) -> Vec<IntervalRow> {
        interval::intervals(self)
    }

    /// The seeds, sorted.
    pub fn seeds(&self) -> Vec<u64> {
        distinct(self.rankings.iter().map(|ranked| ranked.cell.seed))
    }

    /// The sites, sorted.
    pub fn sites(&self) -> Vec<crate::Site> {
        distinct(self.rankings.iter().map(|ranked| ranked.cell.site))
    }

    /// Writes tables, `summary.md`, `report.html` and pictures into a folder, each file whole or not at all. Returns their
    /// paths.
    ///
    /// Every table is CSV, every plot SVG and PNG with a CSV of the values that it shows. The two tables that a paper prints,
    /// `overlap_vs_step` and `correlation`, come as Markdown and LaTeX as well, rounded and laid out for a reader, and as JSON
    /// Lines. [`Analysis::write_tables`] writes all tables in any format.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be written.
    pub fn write(&self, out: impl AsRef<Path>, about: &About) -> Result<Vec<PathBuf>> {
        let out = out.as_ref();
        // What can fail is made first, so that a failure leaves the folder as it was.
        let summary = summary::markdown(self, about);
        #[cfg(feature = "plots")]
        let pictures = pictures::draw(self)?;
        #[cfg(feature = "plots")]
        let figures: Vec<&page::Figure> = pictures.iter().map(|drawn| &drawn.figure).collect();
        #[cfg(not(feature = "plots"))]
        let figures: Vec<&page::Figure> = Vec::new();
        let page = page::html(self, about, &figures);
        let path = |name: &str| out.join(name);
        let mut written = self.write_tables(out, Format::Csv)?;
        self.scores.write(path("transfer.csv"))?;
        written.push(path("transfer.csv"));
        written.extend(self.write_reports(out)?);
        written.push(write_text(path("summary.md"), &summary)?);
        written.push(write_text(path("report.html"), &page)?);
        #[cfg(feature = "plots")]
        written.extend(pictures::save(&pictures, out)?);
        Ok(written)
    }

    /// The tables that a paper prints, in the other formats.
    fn write_reports(&self, out: &Path) -> Result<Vec<PathBuf>> {
        let path = |name: &str| out.join(name);
        write_json_lines(path("overlap_vs_step.jsonl"), &self.by_step)?;
        write_json_lines(path("correlation.jsonl"), &self.correlation)?;
        let mut written = ["overlap_vs_step.jsonl", "correlation.jsonl"].map(path).to_vec();
        for (name, tables) in [("overlap_vs_step", summary::overlap(self)), ("correlation", summary::correlation(self))]
        {
            let (markdown, latex) = summary::documents(name, &tables);
            written.push(write_text(path(&format!("{name}.md")), &markdown)?);
            written.push(write_text(path(&format!("{name}.tex")), &latex)?);
        }
        Ok(written)
    }

    /// Writes every table into a folder in one format, with all its rows and columns; transfer scores, which are input as
    /// well, are CSV alone. Returns the paths.
    ///
    /// # Errors
    /// As [`Format::write`].
    pub fn write_tables(&self, out: impl AsRef<Path>, format: Format) -> Result<Vec<PathBuf>> {
        fn write<R: Record>(out: &Path, format: Format, name: &str, rows: &[R]) -> Result<PathBuf> {
            let path = out.join(format!("{name}.{}", format.extension()));
            format.write(&path, rows)?;
            Ok(path)
        }
        let out = out.as_ref();
        files::writable_dir(out)?;
        let pairs: Vec<&PairOverlap> = self.pairs.iter().chain(&self.controls).collect();
        Ok(vec![
            write(out, format, "rankings", &RankingRow::of(&self.rankings))?,
            write(out, format, "overlap", &pairs)?,
            write(out, format, "overlap_measures", &self.measures)?,
            write(out, format, "overlap_by_k", &self.by_k)?,
            write(out, format, "sharing", &self.sharing)?,
            write(out, format, "ceiling", &self.ceiling)?,
            write(out, format, "overlap_vs_step", &self.by_step)?,
            write(out, format, "overlap_vs_step_interval", &self.intervals())?,
            write(out, format, "correlation", &self.correlation)?,
            write(out, format, "influence", &self.influence)?,
            write(out, format, "inference", &self.inference)?,
        ])
    }

    /// The name of a file of one model's, without extension: the model is in it where there are several.
    fn file_of(&self, name: &str, model: &str) -> String {
        match self.models().len() {
            1 => name.to_owned(),
            _ => format!("{name}-{}", file_name(model)),
        }
    }

    /// The overlap-vs-step table and the correlations, for a terminal.
    pub fn text(&self, about: &About) -> String {
        summary::text(self, about)
    }
}

/// A task's or a model's name as part of a file's.
fn file_name(name: &str) -> String {
    name.replace([':', '/', '\\', ' '], "-")
}

/// Writes a text, whole or not at all, and returns its path.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub(crate) fn write_text(path: PathBuf, text: &str) -> Result<PathBuf> {
    files::write_atomic(&path, |w| w.write_all(text.as_bytes()).map_err(Error::io(&path, "write")))?;
    Ok(path)
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<BTreeSet<T>>().into_iter().collect()
}
