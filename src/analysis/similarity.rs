//! From similarities and transfer scores to tables and plots.

use super::distinct;
use super::summary::correlations;
use crate::correlation::{self, CorrelationRow, InferenceRow, InfluenceRow, Point};
use crate::overlap::MEAN;
use crate::report::{number, write_csv, TextTable};
use crate::similarity::{by_step, Similarity, StepSimilarity};
use crate::transfer::TransferScores;
use crate::{files, Result};
use std::path::{Path, PathBuf};

/// All that follows from similarities and transfer scores, of one model or several.
///
/// # Examples
/// ```
/// use isogloss::analysis::SimilarityAnalysis;
/// use isogloss::similarity::{compare, Pairs, Place};
/// use ndarray::array;
/// let (spanish, english) = (array![[1.0f32, 0.0], [0.1, 1.0]], array![[0.9f32, 0.1], [0.0, 1.0]]);
/// let place = Place { model: "bloom".into(), step: "1000".parse()?, site: "residual.3".parse()?, pooling: "mean".parse()? };
/// let rows = compare(&place, &[("es", spanish.view()), ("en", english.view())], Pairs::With("en"));
/// let analysis = SimilarityAnalysis::new(rows, &Default::default(), "en");
/// assert_eq!((analysis.rows[0].measure.as_str(), analysis.by_step[0].pairs), ("cosine", 1));
/// println!("{}", analysis.text());
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SimilarityAnalysis {
    /// Every measure of every pair of languages.
    pub rows: Vec<Similarity>,
    /// The means over pairs.
    pub by_step: Vec<StepSimilarity>,
    /// Similarity against transfer; nothing without scores.
    pub correlation: Vec<CorrelationRow>,
    /// The same with one checkpoint left out.
    pub influence: Vec<InfluenceRow>,
    /// The same tested by checkpoint, by language, of changes, given the step.
    pub inference: Vec<InferenceRow>,
    /// The points behind the correlations.
    pub points: Vec<Point>,
}

impl SimilarityAnalysis {
    /// Means over pairs, and the correlation of the pairs with `source` with transfer scores, if there are any.
    pub fn new(rows: Vec<Similarity>, scores: &TransferScores, source: &str) -> Self {
        let points = match scores.scores().next() {
            Some(_) => correlation::similarity_points(&rows, scores, source),
            None => Vec::new(),
        };
        let (correlation, influence) = correlation::correlate_points(&points);
        let inference = correlation::inference(&points, 0);
        SimilarityAnalysis { by_step: by_step(&rows), rows, correlation, influence, inference, points }
    }

    /// Writes `similarity.csv` and `similarity_vs_step.csv`, plots of the latter (feature `plots`), each with its values, and
    /// where there are transfer scores `correlation.csv`, `influence.csv` and `inference.csv`, into a folder; each file whole or not at all.
    /// Returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if one cannot be written.
    pub fn write(&self, out: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let out = out.as_ref();
        files::writable_dir(out)?;
        let mut written = vec![out.join("similarity.csv"), out.join("similarity_vs_step.csv")];
        write_csv(out.join("similarity.csv"), &self.rows)?;
        write_csv(out.join("similarity_vs_step.csv"), &self.by_step)?;
        if !self.points.is_empty() {
            written.extend(["correlation.csv", "influence.csv", "inference.csv"].map(|name| out.join(name)));
            write_csv(out.join("correlation.csv"), &self.correlation)?;
            write_csv(out.join("influence.csv"), &self.influence)?;
            write_csv(out.join("inference.csv"), &self.inference)?;
        }
        #[cfg(feature = "plots")]
        written.extend(self.draw(out)?);
        Ok(written)
    }

    #[cfg(feature = "plots")]
    fn draw(&self, out: &Path) -> Result<Vec<PathBuf>> {
        use super::file_name;
        use crate::report::plot::Plot;
        let mut written = Vec::new();
        let models = distinct(self.by_step.iter().map(|row| row.model.as_str()));
        for model in &models {
            let suffix = if models.len() > 1 { format!("-{}", file_name(model)) } else { String::new() };
            for (name, plot) in super::pictures::similarity_vs_step(&self.by_step, model) {
                written.extend(plot.save(out.join(format!("{name}{suffix}")))?);
                let values = out.join(format!("{name}{suffix}.csv"));
                plot.write_data(&values)?;
                written.push(values);
            }
        }
        Ok(written)
    }

    /// The means over pairs and sites, and the correlations, for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let several = distinct(self.by_step.iter().map(|row| row.model.as_str())).len() > 1;
        for pooling in distinct(self.by_step.iter().map(|row| row.pooling)) {
            let rows: Vec<&StepSimilarity> =
                self.by_step.iter().filter(|row| row.pooling == pooling && row.site == MEAN).collect();
            let mut measures: Vec<&str> = Vec::new();
            for row in &rows {
                if row.value.is_some() && !measures.contains(&row.measure.as_str()) {
                    measures.push(&row.measure);
                }
            }
            let model = several.then_some("model");
            let mut table = TextTable::new(model.into_iter().chain(["step"]).chain(measures.iter().copied()));
            for (model, step) in distinct(rows.iter().map(|row| (row.model.as_str(), row.step))) {
                let value = |measure: &&str| {
                    let here =
                        rows.iter().find(|row| row.model == model && row.step == step && row.measure == *measure);
                    number(here.and_then(|row| row.value), 3)
                };
                let head = several.then(|| model.to_owned()).into_iter().chain([step.to_string()]);
                table.row(head.chain(measures.iter().map(value)));
            }
            text += &format!("Pooling `{pooling}`, mean over pairs and sites\n\n{}\n", table.text());
        }
        if !self.correlation.is_empty() {
            let table = correlations(self.correlation.iter(), &self.inference, several, "similarity", |row| {
                row.measure.trim_start_matches("similarity:")
            });
            text += &format!(
                "Similarity against transfer; intervals, and p beside a coefficient, as if points were independent; p by language: \
                 whole languages change places\n\n{}\n",
                table.text()
            );
        }
        text
    }
}
