//! Probing a language at a checkpoint: what it lacks, in jobs, and what became of them.

use super::cells::Place;
use super::extracting::LanguageRows;
use super::failures::{self, Failed, FailedCell, Failure};
use super::jobs::{Context, Job};
use super::keys::Keys;
use super::languages::Language;
use super::pack::{Appender, Pack};
use super::pipeline::Run;
use super::records::WordsRecord;
use super::source::SourceCells;
use super::Plan;
use crate::activations::Skipped;
use crate::checkpoint::Checkpoint;
use crate::ranking::Control;
use crate::treebank::{split, Cells, NoCell, Split, Word};
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// The words of an attribute and a seed, or why there is nothing to probe.
type Words<'a> = (&'a str, u64, Result<Split, NoCell>);

impl Plan {
    pub(super) fn parts(&self, group: usize) -> Result<(Keys, &Language, bool)> {
        let lost = || Error::Data("a group of cells without a language or a usable checkpoint".into());
        let group = self.groups.get(group).ok_or_else(lost)?;
        let keys = self.keys(group.checkpoint, group.language)?.ok_or_else(lost)?;
        let language = self.languages.get(group.language).ok_or_else(lost)?;
        Ok((keys, language, group.language == 0))
    }

    /// How the words are split for each attribute and seed.
    fn splits(&self, language: &str, words: &[Word]) -> Vec<Words<'_>> {
        let seeds = &self.study.seeds;
        let each =
            self.study.attributes.iter().flat_map(|attribute| seeds.iter().map(move |seed| (&**attribute, *seed)));
        let each: Vec<(&str, u64)> = each.collect();
        let split = |(attribute, seed)| (attribute, seed, split(words, language, attribute, &self.study.split, seed));
        each.into_par_iter().map(split).collect()
    }

    /// What cells lack of rankings, of probes that others are scored by, and of scores.
    fn jobs<'s>(&self, splits: &'s [Words<'_>], keys: &Keys, cells: &Pack, probes: Option<&Pack>) -> Vec<Job<'s>> {
        let mut jobs = Vec::new();
        for (attribute, seed, split) in splits {
            let Ok(split) = split else { continue };
            for &site in &self.study.sites {
                for &control in self.controls() {
                    let real = control == Control::None;
                    let ranked = cells.size(&keys.ranking(attribute, site, *seed, control));
                    let rank = ranked.is_none_or(|k| k < self.k());
                    let kept = |probes: &Pack| probes.contains(&keys.probe(attribute, site, *seed));
                    let probe = real && probes.is_some_and(|probes| !kept(probes));
                    let scored = keys.score(attribute, site, *seed).filter(|_| real);
                    let score = scored.is_some_and(|score| !cells.contains(&score));
                    if rank || probe || score {
                        jobs.push(Job { split, site, seed: *seed, control, rank, probe, score });
                    }
                }
            }
        }
        jobs
    }
}

/// Keeps what words there are for each attribute and seed, where that is not there.
fn keep_words(
    splits: &[Words<'_>],
    language: &Language,
    skipped: Skipped,
    keys: &Keys,
    pack: &Pack,
    appender: &Appender,
) -> Result<()> {
    for (attribute, seed, split) in splits {
        let identity = keys.words(attribute, *seed);
        if pack.contains(&identity) {
            continue;
        }
        let mut cells = Cells::default();
        match split {
            Ok(split) => cells.add(split, *seed),
            Err(reason) => cells.add_missing(&language.treebank.language, attribute, *seed, reason),
        }
        let missing = split.as_ref().err().map(ToString::to_string);
        let Some(cell) = cells.cells.into_iter().next() else { continue };
        let record = WordsRecord { skipped, cell, classes: cells.classes, missing };
        appender.put(&identity, usize::from(split.is_ok()), &record)?;
    }
    Ok(())
}

impl Run<'_> {
    /// Tells that cells of a group are done.
    pub(super) fn advance(&self, checkpoint: &Checkpoint, group: usize, cells: usize) {
        // The cells of another shard's source language, done for its probes, are none of this one's.
        if let Some(group) = self.plan.groups.get(group).filter(|group| group.own) {
            self.plan.tell(self.progress, cells, checkpoint.step(), self.plan.language(group.language));
        }
    }

    /// Probes and ranks what a language lacks, each result kept as it comes.
    pub fn probe_group(
        &self,
        checkpoint: &Checkpoint,
        group: usize,
        LanguageRows { rows, skipped }: LanguageRows,
        source: &mut Option<SourceCells>,
        failed: &mut Failed,
    ) -> Result<()> {
        let plan = self.plan;
        let (keys, language, is_source) = plan.parts(group)?;
        let name = language.treebank.language.as_str();
        let _span = tracing::info_span!("probe", language = name).entered();
        let path = plan.file(checkpoint, name, "cells");
        let appender = Appender::open(&path)?;
        let pack = Pack::read(&path)?;
        let probes_path = plan.file(checkpoint, plan.language(0), "probes");
        let probes = match is_source && keys.measures() {
            true => Some((Appender::open(&probes_path)?, Pack::read(&probes_path)?)),
            false => None,
        };
        let splits = plan.splits(name, rows.words());
        keep_words(&splits, language, skipped, &keys, &pack, &appender)?;
        let jobs = plan.jobs(&splits, &keys, &pack, probes.as_ref().map(|(_, kept)| kept));
        if is_source && keys.measures() {
            let usable =
                splits.iter().map(|(attribute, seed, split)| (((*attribute).to_owned(), *seed), split.is_ok()));
            *source = Some(SourceCells { usable: usable.collect(), ..SourceCells::default() });
        } else if source.is_none() && jobs.iter().any(|job| job.score) {
            *source = Some(plan.read_source(checkpoint, group)?);
        }
        let before = plan.groups.get(group).map_or(0, |group| group.done);
        let pending: usize = jobs.iter().filter(|job| job.rank || job.score).count();
        // Cells that do not exist, or that another process did meanwhile, are done.
        self.advance(checkpoint, group, plan.cells_in_group().saturating_sub(before).saturating_sub(pending));
        let place = Place { model: plan.series.model(), step: checkpoint.step(), language: name };
        let at_once = plan.budget.cells.min(jobs.len()).max(1);
        let source_cells = std::mem::take(source).unwrap_or_default();
        let fresh = Mutex::new(Vec::new());
        let context = Context {
            run: self,
            checkpoint,
            group,
            place,
            keys: &keys,
            rows: &*rows,
            appender: &appender,
            probes: probes.as_ref(),
            source: (!is_source).then_some(&source_cells),
            at_once,
            fresh: &fresh,
        };
        let own = plan.groups.get(group).is_some_and(|group| group.own);
        let mut failures = Vec::new();
        for (job, result) in context.run_jobs(&jobs) {
            let Err(error) = result else { continue };
            if plan.study.fail_fast || plan.is_fatal(&error) {
                return Err(error);
            }
            if job.rank || job.score {
                self.advance(checkpoint, group, 1);
            }
            let cell = FailedCell {
                attribute: job.split.attribute.clone(),
                site: job.site,
                seed: job.seed,
                control: job.control,
            };
            let message = error.to_string();
            failures.push(Failure {
                step: checkpoint.step(),
                language: name.into(),
                cell: Some(cell),
                // One of which only the probe is missing is there, and the source of another shard is that one's to count.
                cells: usize::from(own && (job.rank || job.score)),
                message,
            });
        }
        let fresh = fresh.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut source_cells = source_cells;
        source_cells.probes.extend(fresh);
        if is_source && keys.measures() {
            if let Some((_, kept)) = &probes {
                plan.add_kept(&keys, kept, &mut source_cells);
            }
        }
        *source = Some(source_cells).filter(|cells| !cells.usable.is_empty());
        failures::keep(&plan.file(checkpoint, name, "failed.json"), Some(keys.cells()), &failures)?;
        let whole = failures.is_empty();
        failures.into_iter().for_each(|failure| failed.push(failure));
        drop(rows);
        if whole {
            plan.remove_scratch(checkpoint, name, None)?;
        }
        Ok(())
    }

    /// Keeps why nothing of a language could be done.
    pub fn fail_group(&self, checkpoint: &Checkpoint, group: usize, message: &str, failed: &mut Failed) -> Result<()> {
        let plan = self.plan;
        let Some(about) = plan.groups.get(group) else { return Ok(()) };
        let name = plan.language(about.language);
        let left = plan.cells_in_group().saturating_sub(plan.count_group(about)?);
        // The source of another shard is that one's to count.
        let cells = if about.own { left } else { 0 };
        let failure = Failure::of_language(checkpoint.step(), name, cells, message);
        let identity = plan.keys(about.checkpoint, about.language)?.map(|keys| keys.cells());
        failures::keep(&plan.file(checkpoint, name, "failed.json"), identity, std::slice::from_ref(&failure))?;
        self.advance(checkpoint, group, cells);
        failed.push(failure);
        Ok(())
    }
}
