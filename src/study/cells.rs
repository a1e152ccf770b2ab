use crate::activations::Activations;
use crate::checkpoint::Step;
use crate::probe::controls::ControlLabels;
use crate::probe::Fitted;
use crate::ranking::{self, Cell, Method, RankedCell};
use crate::transfer::{zero_shot, TransferScore, ZeroShot};
use crate::treebank::{split, Cells, NoCell, Split, SplitSettings};
use crate::{Error, Result, Site};
use ndarray::{ArrayView2, Axis};
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
/// [`Error::Unknown`] for a site that the activations lack; as [`ranking::Ranker::rank`].
pub fn rank_language(
    settings: &CellSettings,
    (model, step, language): (&str, Step, &str),
    activations: &Activations,
    source: Option<&SourceProbes>,
) -> Result<LanguageCells> {
    let mut found = LanguageCells::default();
    let mut jobs: Vec<Job> = Vec::new();
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
    let real = jobs.par_iter().with_max_len(1).map(|job| rank_cell(settings, place, activations, job, source));
    let ranked: Vec<RankedJob> = real.collect::<Result<_>>()?;
    if settings.shuffled {
        let shuffled = jobs.par_iter().with_max_len(1).map(|job| rank_shuffled(settings, place, activations, job));
        found.rankings = shuffled.collect::<Result<_>>()?;
    }
    for RankedJob { ranked, probe, scored } in ranked {
        let cell = &ranked.cell;
        if let Some(scored) = scored {
            if scored.left_out > 0 {
                let most = found.left_out.entry(cell.attribute.clone()).or_default();
                *most = (*most).max(scored.left_out);
            }
            found.scores.extend(rows(cell, &scored));
        } else {
            found.without_source.insert(cell.attribute.clone());
        }
        found.probes.insert((cell.attribute.clone(), cell.site, cell.seed), probe);
        found.rankings.push(ranked);
    }
    Ok(found)
}

/// A split, the site and the seed that it is probed at.
type Job = (Split, Site, u64);

#[derive(Clone, Copy)]
struct Place<'a> {
    model: &'a str,
    step: Step,
    language: &'a str,
}

struct RankedJob {
    ranked: RankedCell,
    probe: SourceProbe,
    scored: Option<ZeroShot>,
}

fn rank_cell(
    settings: &CellSettings,
    place: Place<'_>,
    activations: &Activations,
    (split, site, seed): &Job,
    source: Option<&SourceProbes>,
) -> Result<RankedJob> {
    let matrix = activations.site(*site)?;
    let names = [place.language, &split.attribute, &place.step.to_string(), &site.to_string()];
    let ranked = ranking::rank_split(&settings.method, matrix, split, settings.k, *seed, &names)
        .map_err(|e| in_cell(e, place, *site, &split.attribute))?;
    let probe = SourceProbe { probe: ranked.probe, classes: split.classes.clone() };
    let scored = match source {
        None => Some(score(&probe, split, matrix)?),
        Some(probes) => {
            let key = (split.attribute.clone(), *site, *seed);
            probes.get(&key).map(|probe| score(probe, split, matrix)).transpose()?
        }
    };
    let cell = cell(settings, place, split, *site, *seed, ranking::Control::None);
    Ok(RankedJob { ranked: RankedCell { cell, ranking: ranked.ranking }, probe, scored })
}

/// The same words with labels that mean nothing, shuffled in the same way at every step and site.
fn rank_shuffled(
    settings: &CellSettings,
    place: Place<'_>,
    activations: &Activations,
    (split, site, seed): &Job,
) -> Result<RankedCell> {
    let mut split = split.clone();
    let labels = [&split.train, &split.dev, &split.test].map(|part| &part.classes[..]);
    let ControlLabels { train, dev, test, .. } =
        ControlLabels::shuffled(labels, *seed, &[place.language, &split.attribute]);
    (split.train.classes, split.dev.classes, split.test.classes) = (train, dev, test);
    let names = [place.language, &split.attribute, &place.step.to_string(), &site.to_string(), "shuffled"];
    let ranked = ranking::rank_split(&settings.method, activations.site(*site)?, &split, settings.k, *seed, &names)
        .map_err(|e| in_cell(e, place, *site, &split.attribute))?;
    let cell = cell(settings, place, &split, *site, *seed, ranking::Control::Shuffled);
    Ok(RankedCell { cell, ranking: ranked.ranking })
}

fn cell(
    settings: &CellSettings,
    place: Place<'_>,
    split: &Split,
    site: Site,
    seed: u64,
    control: ranking::Control,
) -> Cell {
    Cell {
        model: place.model.into(),
        step: place.step,
        site,
        attribute: split.attribute.clone(),
        language: place.language.into(),
        method: settings.method.to_string(),
        seed,
        control,
    }
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

fn in_cell(error: Error, place: Place<'_>, site: Site, attribute: &str) -> Error {
    let Place { step, language, .. } = place;
    match error {
        Error::Data(message) => Error::Data(format!("step {step}, {site}, {attribute} of `{language}`: {message}")),
        other => other,
    }
}
