use crate::activations::Activations;
use crate::checkpoint::Step;
use crate::probe::Fitted;
use crate::ranking::{self, Cell, Method, RankedCell};
use crate::report::Record;
use crate::transfer::{zero_shot, TransferScore, ZeroShot};
use crate::treebank::{split, NoCell, Split, SplitSettings};
use crate::{Error, Result, Site};
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use serde::Serialize;
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
}

/// A probe of the source language, to score on others.
#[derive(Clone, Debug)]
pub struct SourceProbe {
    probe: Fitted,
    classes: Vec<String>,
}

/// Probes of the source language by attribute, site and seed.
pub type SourceProbes = BTreeMap<(String, Site, u64), SourceProbe>;

/// A row of `cells.csv`: what words a cell was probed on, the same at every step and site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CellWords {
    /// The language.
    pub language: String,
    /// The attribute.
    pub attribute: String,
    /// The seed of the split.
    pub seed: u64,
    /// The classes probed for, separated by `|`.
    pub classes: String,
    /// Classes with too few words, separated by `|`.
    pub dropped: String,
    /// Words to fit on.
    pub train: usize,
    /// Words to select neurons on.
    pub dev: usize,
    /// Words to score on.
    pub test: usize,
    /// Words that went by their form in the split, because they have no lemma.
    pub without_lemma: usize,
}

impl Record for CellWords {
    const COLUMNS: &'static [&'static str] =
        &["language", "attribute", "seed", "classes", "dropped", "train", "dev", "test", "without_lemma"];
}

impl CellWords {
    fn of(split: &Split, seed: u64) -> CellWords {
        CellWords {
            language: split.language.clone(),
            attribute: split.attribute.clone(),
            seed,
            classes: split.classes.join("|"),
            dropped: split.dropped.keys().cloned().collect::<Vec<_>>().join("|"),
            train: split.train.words.len(),
            dev: split.dev.words.len(),
            test: split.test.words.len(),
            without_lemma: split.without_lemma,
        }
    }
}

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
    /// What words the cells were probed on.
    pub words: Vec<CellWords>,
    /// Cells that do not exist, and why: attribute, seed, reason.
    pub missing: Vec<(String, u64, NoCell)>,
}

/// Probes one language at one checkpoint: for each attribute, site and seed, splits the words, fits the method, ranks `k`
/// neurons. With `source` the probes of the source language are scored on each cell's test words; give `None` for the
/// source language itself, whose own probes are then scored.
///
/// Cells run in parallel; the result does not depend on the number of threads.
///
/// # Errors
/// [`Error::Unknown`] for a site that the activations lack; as [`ranking::Ranker::rank`].
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
                    found.words.push(CellWords::of(&split, *seed));
                    jobs.extend(settings.sites.iter().map(|site| (split.clone(), *site, *seed)));
                }
                Err(reason) => found.missing.push((attribute.clone(), *seed, reason)),
            }
        }
    }
    let ranked: Result<Vec<_>> = jobs
        .par_iter()
        .with_max_len(1)
        .map(|(split, site, seed)| {
            let matrix = activations.site(*site)?;
            let names = [language, split.attribute.as_str(), &step.to_string(), &site.to_string()];
            let ranked = ranking::rank_split(&settings.method, matrix, split, settings.k, *seed, &names)
                .map_err(|e| in_cell(e, step, *site, &split.attribute, language))?;
            let own = SourceProbe { probe: ranked.probe, classes: split.classes.clone() };
            let key = (split.attribute.clone(), *site, *seed);
            let scored = match source {
                None => Some(score(&own, split, matrix)?),
                Some(probes) => probes.get(&key).map(|probe| score(probe, split, matrix)).transpose()?,
            };
            let cell = Cell {
                model: model.into(),
                step,
                site: *site,
                attribute: split.attribute.clone(),
                language: language.into(),
                method: settings.method.to_string(),
                seed: *seed,
                control: ranking::Control::None,
            };
            Ok((RankedCell { cell, ranking: ranked.ranking }, key, own, scored))
        })
        .collect();
    for (ranked, key, probe, scored) in ranked? {
        let attribute = &ranked.cell.attribute;
        if let Some(scored) = scored {
            if scored.left_out > 0 {
                let most = found.left_out.entry(attribute.clone()).or_default();
                *most = (*most).max(scored.left_out);
            }
            found.scores.extend(rows(&ranked.cell, &scored));
        } else {
            found.without_source.insert(attribute.clone());
        }
        found.rankings.push(ranked);
        found.probes.insert(key, probe);
    }
    Ok(found)
}

fn score(source: &SourceProbe, split: &Split, activations: ArrayView2<f32>) -> Result<ZeroShot> {
    let test = activations.select(Axis(0), &split.test.words);
    zero_shot(&source.probe, &source.classes, test.view(), &split.test.classes, &split.classes)
}

fn rows(cell: &Cell, scored: &ZeroShot) -> Vec<TransferScore> {
    let Cell { model, step, site, attribute, language, seed, .. } = cell;
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
    [row("accuracy", scored.evaluation.accuracy), row("nmi", scored.evaluation.nmi)].into_iter().flatten().collect()
}

fn in_cell(error: Error, step: Step, site: Site, attribute: &str, language: &str) -> Error {
    match error {
        Error::Data(message) => Error::Data(format!("step {step}, {site}, {attribute} of `{language}`: {message}")),
        other => other,
    }
}
