use crate::activations::Activations;
use crate::checkpoint::Step;
use crate::probe::{Fitted, Method};
use crate::ranking::{self, Cell, RankedCell};
use crate::transfer::{zero_shot, TransferScore, ZeroShot};
use crate::treebank::{split, NoCell, Part, Split, SplitSettings};
use crate::{Error, Result, Site};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use std::collections::BTreeMap;

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

/// What one language at one checkpoint gave.
#[derive(Clone, Debug, Default)]
pub struct LanguageCells {
    /// A ranking a cell.
    pub rankings: Vec<RankedCell>,
    /// The language's own probes.
    pub probes: SourceProbes,
    /// How the source's probes do on this language's test words.
    pub scores: Vec<TransferScore>,
    /// Test words left out of the scores, because the source lacks their class.
    pub left_out: usize,
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
/// [`Error::Unknown`] for a site that the activations lack; as [`ranking::rank`].
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
                Ok(split) => jobs.extend(settings.sites.iter().map(|site| (split.clone(), *site, *seed))),
                Err(reason) => found.missing.push((attribute.clone(), *seed, reason)),
            }
        }
    }
    let ranked: Result<Vec<_>> = jobs
        .par_iter()
        .with_max_len(1)
        .map(|(split, site, seed)| {
            let matrix = activations.site(*site)?;
            let rows = |part: &Part| matrix.select(Axis(0), &part.words);
            let (train, dev, test) = (rows(&split.train), rows(&split.dev), rows(&split.test));
            let names = [language, split.attribute.as_str(), &step.to_string(), &site.to_string()];
            let ranked = ranking::rank(
                &settings.method,
                (train.view(), &split.train.classes),
                (dev.view(), &split.dev.classes),
                (test.view(), &split.test.classes),
                settings.k,
                *seed,
                &names,
            )
            .map_err(|e| in_cell(e, step, *site, &split.attribute, language))?;
            let own = SourceProbe { probe: ranked.probe, classes: split.classes.clone() };
            let key = (split.attribute.clone(), *site, *seed);
            let scored = match source {
                None => Some(score(&own, split, &test)?),
                Some(probes) => probes.get(&key).map(|probe| score(probe, split, &test)).transpose()?,
            };
            let cell = Cell {
                model: model.into(),
                step,
                site: *site,
                attribute: split.attribute.clone(),
                language: language.into(),
                method: settings.method.to_string(),
                seed: *seed,
            };
            Ok((RankedCell { cell, ranking: ranked.ranking }, key, own, scored))
        })
        .collect();
    for (ranked, key, probe, scored) in ranked? {
        if let Some(scored) = scored {
            found.left_out += scored.left_out;
            found.scores.extend(rows(&ranked.cell, &scored));
        }
        found.rankings.push(ranked);
        found.probes.insert(key, probe);
    }
    Ok(found)
}

fn score(source: &SourceProbe, split: &Split, test: &Array2<f32>) -> Result<ZeroShot> {
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
