use super::records::{ScoreRecord, SourceProbe};
use super::rows::Rows;
use crate::activations::Activations;
use crate::checkpoint::Step;
use crate::probe::controls::ControlLabels;
use crate::ranking::{Cell, Control, Method, Ranked, RankedCell, Ranker, Splits};
use crate::transfer::{zero_shot, TransferScore};
use crate::treebank::{split, Cells, NoCell, Part, Split, SplitSettings};
use crate::{Error, Result, Site};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What the cells of a study have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct CellSettings {
    /// The attributes to probe for.
    pub attributes: Vec<String>,
    /// Where.
    pub sites: Vec<Site>,
    /// Seeds of splits and probes.
    pub seeds: Vec<u64>,
    /// How many neurons to rank.
    pub k: usize,
    /// How words are split.
    pub split: SplitSettings,
    /// The probe.
    pub method: Method,
    /// Whether shuffled labels are ranked too.
    pub shuffled: bool,
}

/// Probes of the source language by attribute, site and seed.
pub type SourceProbes = BTreeMap<(String, Site, u64), SourceProbe>;

/// What one language at one checkpoint gave.
#[derive(Clone, Debug, Default)]
pub struct LanguageCells {
    /// A ranking a cell.
    pub rankings: Vec<RankedCell>,
    /// The language's own probes.
    pub probes: SourceProbes,
    /// How the source's probes do on this language's test words.
    pub scores: Vec<TransferScore>,
    /// Test words left out of a cell's scores, because the source lacks their class: by attribute, the most of any cell.
    pub left_out: BTreeMap<String, usize>,
    /// Attributes without scores, because the source has no such cell.
    pub without_source: BTreeSet<String>,
    /// What words the cells were probed on, the same at every step and site, and which do not exist.
    pub cells: Cells,
    /// Cells that do not exist, and why: attribute, seed, reason.
    pub missing: Vec<(String, u64, NoCell)>,
}

/// Probes one language at one checkpoint: for each attribute, site and seed, splits the words, fits the method, ranks `k`
/// neurons; and if wanted once more with the labels shuffled among the words of each part. With `source` the probes of the source language are scored on each cell's test words; give `None` for the
/// source language itself, whose own probes are then scored.
///
/// Cells run in parallel; the result does not depend on the number of threads.
///
/// # Errors
/// [`Error::Unknown`] for a site that the activations lack; as [`crate::ranking::Ranker::rank`].
pub fn rank_language(
    settings: &CellSettings,
    (model, step, language): (&str, Step, &str),
    activations: &Activations,
    source: Option<&SourceProbes>,
) -> Result<LanguageCells> {
    let mut found = LanguageCells::default();
    let mut jobs: Vec<(Split, Site, u64)> = Vec::new();
    for attribute in &settings.attributes {
        for seed in &settings.seeds {
            match split(activations.words(), language, attribute, &settings.split, *seed) {
                Ok(split) => {
                    found.cells.add(&split, *seed);
                    jobs.extend(settings.sites.iter().map(|site| (split.clone(), *site, *seed)));
                }
                Err(reason) => {
                    found.cells.add_missing(language, attribute, *seed, &reason);
                    found.missing.push((attribute.clone(), *seed, reason));
                }
            }
        }
    }
    let place = Place { model, step, language };
    if settings.shuffled {
        let shuffled = jobs.par_iter().with_max_len(1).map(|(split, site, seed)| {
            let cell = place.cell(&split.attribute, &settings.method, *site, *seed, Control::Shuffled);
            let ranked = rank(&settings.method, settings.k, &cell, activations, split)?;
            Ok(RankedCell { cell, ranking: ranked.ranking })
        });
        found.rankings = shuffled.collect::<Result<_>>()?;
    }
    let real = jobs.par_iter().with_max_len(1).map(|(split, site, seed)| {
        let cell = place.cell(&split.attribute, &settings.method, *site, *seed, Control::None);
        let ranked = rank(&settings.method, settings.k, &cell, activations, split)?;
        let probe = SourceProbe { probe: ranked.probe, classes: split.classes.clone() };
        let key = (split.attribute.clone(), *site, *seed);
        let source = source.map_or(Some(&probe), |probes| probes.get(&key));
        let score = score(source, *site, activations, split)?;
        Ok((RankedCell { cell, ranking: ranked.ranking }, probe, score))
    });
    let ranked: Vec<(RankedCell, SourceProbe, ScoreRecord)> = real.collect::<Result<_>>()?;
    for (ranked, probe, score) in ranked {
        let cell = &ranked.cell;
        match &score {
            ScoreRecord::NoSource => drop(found.without_source.insert(cell.attribute.clone())),
            ScoreRecord::Scored { left_out: 0, .. } => {}
            ScoreRecord::Scored { left_out, .. } => {
                let most = found.left_out.entry(cell.attribute.clone()).or_default();
                *most = (*most).max(*left_out);
            }
        }
        found.scores.extend(score_rows(cell, &score));
        found.probes.insert((cell.attribute.clone(), cell.site, cell.seed), probe);
        found.rankings.push(ranked);
    }
    Ok(found)
}

/// Where a language's cells are.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub model: &'a str,
    pub step: Step,
    pub language: &'a str,
}

impl Place<'_> {
    pub fn cell(self, attribute: &str, method: &Method, site: Site, seed: u64, control: Control) -> Cell {
        Cell {
            model: self.model.into(),
            step: self.step,
            site,
            attribute: attribute.into(),
            language: self.language.into(),
            method: method.to_string(),
            seed,
            control,
        }
    }
}

/// Ranks the neurons of one cell. Shuffled labels are shuffled in the same way at every step and site.
pub(super) fn rank(method: &Method, k: usize, cell: &Cell, rows: &dyn Rows, split: &Split) -> Result<Ranked> {
    let Cell { language, attribute, seed, .. } = cell;
    let (step, site) = (cell.step.to_string(), cell.site.to_string());
    let mut names = vec![&**language, attribute, &step, &site];
    let parts = split.parts();
    let mut labels = parts.map(|part| part.classes.clone());
    if cell.control == Control::Shuffled {
        let real = parts.map(|part| &part.classes[..]);
        let ControlLabels { train, dev, test } = ControlLabels::shuffled(real, *seed, &[language, attribute]);
        labels = [train, dev, test];
        names.push("shuffled");
    }
    let copy = |part: &Part| rows.rows(cell.site, &part.words);
    let [train, dev, test] = [copy(&split.train)?, copy(&split.dev)?, copy(&split.test)?];
    let [train, dev, test] =
        [(&train, &labels[0]), (&dev, &labels[1]), (&test, &labels[2])].map(|(x, y)| (x.view(), &y[..]));
    let splits = Splits::new(train, dev, test).with_lemmas(&split.train.lemmas);
    method.rank(&splits, k, *seed, &names).map_err(|error| in_cell(error, cell))
}

/// Scores the source's probe, where there is one, on a cell's test words.
pub(super) fn score(source: Option<&SourceProbe>, site: Site, rows: &dyn Rows, split: &Split) -> Result<ScoreRecord> {
    let Some(SourceProbe { probe, classes }) = source else { return Ok(ScoreRecord::NoSource) };
    let test = rows.rows(site, &split.test.words)?;
    let scored = zero_shot(probe, classes, test.view(), &split.test.classes, &split.classes)?;
    let (accuracy, nmi) = (scored.evaluation.accuracy, scored.evaluation.nmi);
    Ok(ScoreRecord::Scored { accuracy, nmi, left_out: scored.left_out })
}

/// The rows that a score has in the table of transfer.
pub(super) fn score_rows(cell: &Cell, score: &ScoreRecord) -> Vec<TransferScore> {
    let Cell { model, step, site, attribute, language, seed, .. } = cell;
    let ScoreRecord::Scored { accuracy, nmi, .. } = score else { return Vec::new() };
    let row = |measure: &str, score: Option<f64>| {
        score.map(|score| TransferScore {
            model: model.clone(),
            step: *step,
            task: format!("probe-{measure}:{attribute}:{site}"),
            language: language.clone(),
            score,
            seed: Some(*seed),
        })
    };
    [row("accuracy", *accuracy), row("nmi", *nmi)].into_iter().flatten().collect()
}

fn in_cell(error: Error, cell: &Cell) -> Error {
    let Cell { step, site, attribute, language, .. } = cell;
    match error {
        Error::Data(message) => Error::Data(format!("step {step}, {site}, {attribute} of `{language}`: {message}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// A ranking of more neurons stands for one of fewer.
    #[test]
    fn the_first_neurons_do_not_depend_on_how_many_are_ranked() {
        let labels: Vec<usize> = (0..150).map(|word| word % 3).collect();
        let words = Array2::from_shape_fn((150, 7), |(word, neuron)| {
            let noise = ((word * (7 + neuron) + neuron * 31) % 29) as f32 / 29.0;
            noise + if neuron == 2 || neuron == 5 { 0.4 * (word % 3) as f32 } else { 0.0 }
        });
        let split = (words.view(), &labels[..]);
        for name in Method::NAMES {
            let method: Method = name.parse().unwrap();
            let rank =
                |k| method.rank(&Splits::new(split, split, split), k, 3, &["es", "Number", "10"]).unwrap().ranking;
            assert_eq!(rank(6).curve()[..3], *rank(3).curve(), "{name}");
        }
    }
}
