use crate::checkpoint::Step;
use crate::transfer::TransferScores;
use crate::{files, Error, Result};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;
use std::path::Path;

/// A score's mean over seeds, with the 95 % interval of Student's t distribution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedSummary {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The task.
    pub task: String,
    /// The language scored on.
    pub language: String,
    /// Number of seeds.
    pub seeds: usize,
    /// The mean.
    pub mean: f64,
    /// The interval's ends, with two seeds or more.
    pub ci_low: Option<f64>,
    /// The upper end.
    pub ci_high: Option<f64>,
}

/// Means over seeds: `mean -+ t sqrt(s^2 / n)`, s^2 the sample variance and t the 0.975 quantile with n - 1 degrees of freedom.
///
/// # Examples
/// ```
/// # use isogloss::transfer::{finetune::summarise, TransferScore, TransferScores};
/// # let row = |seed, score| TransferScore { model: "m".into(), step: "1".parse().unwrap_or(isogloss::checkpoint::Step::Final),
/// #     task: "xnli".into(), language: "es".into(), score, seed: Some(seed) };
/// let scores = TransferScores::new(vec![row(0, 0.5), row(1, 0.75)])?;
/// let summary = &summarise(&scores)[0];
/// assert_eq!((summary.seeds, summary.mean), (2, 0.625));
/// // scipy.stats.t.interval(.95, 1, .625, .125)[0]
/// assert!((summary.ci_low.unwrap_or_default() + 0.963275592).abs() < 1e-8);
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn summarise(scores: &TransferScores) -> Vec<SeedSummary> {
    let mut groups: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for row in scores.scores() {
        let key = (row.model.clone(), row.step, row.task.clone(), row.language.clone());
        groups.entry(key).or_default().push(row.score);
    }
    let summary = |((model, step, task, language), scores): ((String, Step, String, String), Vec<f64>)| {
        let n = scores.len() as f64;
        let mean = crate::stats::mean(scores.iter().copied())?;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        let half =
            StudentsT::new(0.0, 1.0, n - 1.0).ok().map(|t| t.inverse_cdf(0.975) * (squares / (n - 1.0) / n).sqrt());
        let end = |sign: f64| half.map(|half| mean + sign * half).filter(|end| end.is_finite());
        let (ci_low, ci_high) = (end(-1.0), end(1.0));
        Some(SeedSummary { model, step, task, language, seeds: scores.len(), mean, ci_low, ci_high })
    };
    groups.into_iter().filter_map(summary).collect()
}

/// Writes summaries as CSV, `model,step,task,language,seeds,mean,ci_low,ci_high`, whole or not at all.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written.
pub fn write_summary(path: impl AsRef<Path>, summaries: &[SeedSummary]) -> Result<()> {
    let path = path.as_ref();
    files::write_atomic(path, |writer| {
        let mut writer = csv::Writer::from_writer(writer);
        for summary in summaries {
            writer.serialize(summary).map_err(|error| Error::io(path, "write")(error.into()))?;
        }
        writer.flush().map_err(Error::io(path, "write"))
    })
}
