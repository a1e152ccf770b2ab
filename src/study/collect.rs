use super::cells::{score_rows, Place};
use super::failures::{self, Failure};
use super::keys::Keys;
use super::pack::Pack;
use super::provenance::{hexadecimal, sha256_of_file};
use super::records::{RankingRecord, ScoreRecord, WordsRecord};
use super::{CheckpointHashes, MissingRow, Notes, Plan, Provenance, Results, Study, LIBTORCH};
use crate::checkpoint::Checkpoint;
use crate::ranking::{Control, RankedCell};
use crate::transfer::{TransferScore, TransferScores};
use crate::treebank::Cells;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use tch::Device;

/// Why a cell is not there that nobody has tried, or that is being done.
const NOT_YET: &str = "not done yet; run the study again, which goes on where it stopped";

/// What is read from the results of all groups.
#[derive(Default)]
struct Collected {
    rankings: Vec<RankedCell>,
    scores: Vec<TransferScore>,
    notes: Notes,
}

impl Plan {
    /// Tables from all results that are there, whoever made them; what is not there is named in them.
    ///
    /// # Errors
    /// [`Error::Data`] if there is nothing at all; as [`Results::new`].
    pub fn results(&self) -> Result<Results> {
        let mut found = Collected::default();
        if let Some(watch) = &self.watch {
            found.notes.findings(watch.findings());
        }
        self.languages.iter().for_each(|language| found.notes.treebank(&language.treebank));
        for (i, checkpoint) in self.series.checkpoints().iter().enumerate() {
            found.notes.checkpoint(checkpoint);
            for language in 0..self.languages.len() {
                self.collect(i, checkpoint, language, &mut found)?;
            }
        }
        let Collected { rankings, scores, notes } = found;
        if rankings.is_empty() {
            return Err(nothing(&notes));
        }
        let scores = self.given.clone().map_or_else(|| TransferScores::new(scores), Ok)?;
        let mut results = Results::new(&self.study, rankings, scores, notes)?;
        results.provenance = Some(self.provenance()?);
        Ok(results)
    }

    fn collect(&self, index: usize, checkpoint: &Checkpoint, language: usize, found: &mut Collected) -> Result<()> {
        let name = self.language(language);
        let place = Place { model: self.series.model(), step: checkpoint.step(), language: name };
        let keys = self.keys(index, language)?;
        let identity = keys.as_ref().map(super::keys::Keys::cells);
        let failures = failures::read(&self.file(checkpoint, name, "failed.json"), identity);
        let Some(keys) = keys else {
            let unusable = match self.looked.get(index) {
                Some(Some(Err(message))) => vec![Failure::of_language(place.step, name, 0, message)],
                _ => failures,
            };
            for attribute in &self.study.attributes {
                for &seed in &self.study.seeds {
                    self.miss(place, attribute, seed, &unusable, found);
                }
            }
            return Ok(());
        };
        let pack = Pack::read(self.file(checkpoint, name, "cells"))?;
        for attribute in &self.study.attributes {
            for &seed in &self.study.seeds {
                let Some(words) = pack.get::<WordsRecord>(&keys.words(attribute, seed)) else {
                    self.miss(place, attribute, seed, &failures, found);
                    continue;
                };
                let WordsRecord { skipped, cell, classes, missing } = words;
                found.notes.skipped(name, &skipped);
                found.notes.cells(Cells { cells: vec![cell], classes });
                match missing {
                    Some(reason) => found.notes.missing(name, vec![(attribute.clone(), seed, reason)]),
                    None => self.collect_cells(place, (attribute, seed), &keys, &pack, &failures, found)?,
                }
            }
        }
        Ok(())
    }

    /// The rankings and scores of an attribute and a seed.
    fn collect_cells(
        &self,
        place: Place<'_>,
        (attribute, seed): (&str, u64),
        keys: &Keys,
        pack: &Pack,
        failures: &[Failure],
        found: &mut Collected,
    ) -> Result<()> {
        for &site in &self.study.sites {
            for &control in self.controls() {
                let cell = place.cell(attribute, &self.study.method, site, seed, control);
                let record = pack.get::<RankingRecord>(&keys.ranking(attribute, site, seed, control));
                let ranking = record.map(|record| record.ranking(self.k())).transpose()?;
                let Some(ranking) = ranking.filter(|ranking| ranking.curve().len() >= self.k()) else {
                    self.miss_cell(place, (attribute, site, seed, control), failures, found);
                    continue;
                };
                if let Some(score) = keys.score(attribute, site, seed).filter(|_| control == Control::None) {
                    match pack.get::<ScoreRecord>(&score) {
                        Some(score) => {
                            note_score(&mut found.notes, place.language, attribute, &score);
                            found.scores.extend(score_rows(&cell, &score));
                        }
                        None => self.miss_cell(place, (attribute, site, seed, control), failures, found),
                    }
                }
                found.rankings.push(RankedCell { cell, ranking });
            }
        }
        Ok(())
    }

    /// All cells of an attribute and a seed are missing.
    fn miss(&self, place: Place<'_>, attribute: &str, seed: u64, failures: &[Failure], found: &mut Collected) {
        for &site in &self.study.sites {
            for &control in self.controls() {
                self.miss_cell(place, (attribute, site, seed, control), failures, found);
            }
        }
    }

    fn miss_cell(
        &self,
        place: Place<'_>,
        (attribute, site, seed, control): (&str, crate::Site, u64, Control),
        failures: &[Failure],
        found: &mut Collected,
    ) {
        let of_cell = |failure: &&Failure| {
            let same = |cell: &super::FailedCell| {
                (cell.attribute.as_str(), cell.site, cell.seed, cell.control) == (attribute, site, seed, control)
            };
            failure.cell.as_ref().is_none_or(same)
        };
        let reason = failures.iter().find(of_cell).map_or(NOT_YET, |failure| &failure.message);
        found.notes.undone(MissingRow {
            model: place.model.into(),
            step: place.step,
            language: place.language.into(),
            attribute: attribute.into(),
            site,
            seed,
            control,
            reason: reason.into(),
        });
    }

    fn provenance(&self) -> Result<Provenance> {
        let of_checkpoint = |looked: &Option<super::plan::Looked>| {
            let looked = looked.as_ref()?.as_ref().ok()?;
            Some(CheckpointHashes {
                step: looked.step,
                weights: looked.weights.clone(),
                config_sha256: looked.config.clone(),
                tokenizer_sha256: looked.tokenizer.clone(),
            })
        };
        let language =
            |language: &super::languages::Language| (language.treebank.language.clone(), language.sha256.clone());
        Ok(Provenance {
            isogloss: env!("CARGO_PKG_VERSION").into(),
            libtorch: LIBTORCH.into(),
            device: if self.device == Device::Cpu { "cpu" } else { "cuda" }.into(),
            threads: self.threads,
            study_sha256: hexadecimal(self.study.to_toml()?.as_bytes()),
            model: self.series.model().into(),
            checkpoints: self.looked.iter().filter_map(of_checkpoint).collect(),
            treebanks: self.languages.iter().map(language).collect(),
            transfer_sha256: self.study.transfer.as_ref().map(|path| sha256_of_file(path)).transpose()?,
            files: BTreeMap::new(),
        })
    }
}

fn note_score(notes: &mut Notes, language: &str, attribute: &str, score: &ScoreRecord) {
    match score {
        ScoreRecord::NoSource => notes.without_source(language, BTreeSet::from([attribute.to_owned()])),
        ScoreRecord::Scored { left_out: 0, .. } => {}
        ScoreRecord::Scored { left_out, .. } => {
            notes.left_out(language, BTreeMap::from([(attribute.to_owned(), *left_out)]));
        }
    }
}

/// Why there is no ranking at all.
fn nothing(notes: &Notes) -> Error {
    let reasons: BTreeSet<&str> = notes.missing_rows().iter().map(|row| row.reason.as_str()).collect();
    if !reasons.is_empty() {
        return Error::Data(format!("no cell is done: {}", reasons.into_iter().collect::<Vec<_>>().join("; ")));
    }
    let reasons: Vec<String> = notes.reasons().collect();
    Error::Data(format!("no language has enough words of any attribute: {}", reasons.join("; ")))
}

impl Study {
    /// Plans the study in the folder `out`, runs what is to do, and gives all its tables ([`Plan`] does so in steps). A run that was
    /// killed goes on.
    ///
    /// # Errors
    /// As [`Plan::new`], [`Plan::run`] and [`Plan::results`].
    pub fn run(&self, out: impl AsRef<std::path::Path>, progress: &dyn super::Progress) -> Result<Results> {
        let mut plan = Plan::new(self, out, None)?;
        plan.run(progress)?;
        plan.results()
    }
}
