use super::cells::{rank, score, Place};
use super::failures::{self, Failed, FailedCell, Failure};
use super::keys::Keys;
use super::pack::{Appender, Pack};
use super::plan::Language;
use super::records::{RankingRecord, SourceProbe, WordsRecord};
use super::rows::{Rows, Stored};
use super::run::{Model, Run};
use super::{LogLine, Needs, Plan, SourceProbes, Study};
use crate::activations::{extract, extract_to, Origin, Skipped, Store, MANIFEST};
use crate::checkpoint::Checkpoint;
use crate::ranking::{Cell, Control};
use crate::treebank::{split, Cells, Split};
use crate::{files, Error, Result, Site};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A language at a checkpoint on its way from extraction to probing.
pub(super) struct Extracted {
    pub group: usize,
    /// Held until its cells are done.
    pub lock: Option<files::Lock>,
    pub work: Work,
}

pub(super) enum Work {
    /// Another process has it.
    Busy,
    /// Nothing is to do: another process has done it meanwhile.
    Done,
    Failed(Error),
    Rows(LanguageRows),
}

pub(super) struct LanguageRows {
    rows: Box<dyn Rows + Send>,
    skipped: Skipped,
}

/// What a cell lacks.
struct Job<'a> {
    split: &'a Split,
    site: Site,
    seed: u64,
    control: Control,
    rank: bool,
    probe: bool,
    score: bool,
}

impl Job<'_> {
    fn words(&self) -> usize {
        self.split.parts().iter().map(|part| part.words.len()).sum()
    }
}

/// What is known of the source language's cells at a checkpoint.
#[derive(Default)]
pub(super) struct SourceCells {
    probes: SourceProbes,
    /// Whether an attribute and seed have words enough, where that is known.
    usable: BTreeMap<(String, u64), bool>,
}

impl Plan {
    /// Whether other languages wait for this group, whose probes they are scored by.
    pub(super) fn waits(&self, group: usize) -> bool {
        self.given.is_none() && self.groups.get(group).is_some_and(|group| group.language == 0)
    }

    /// Whether the source lacks a probe that others are scored by.
    pub(super) fn needs_probes(&self, keys: &Keys, cells: &Pack, probes: &Pack) -> bool {
        let Study { attributes, sites, seeds, .. } = &self.study;
        let mut of_words = attributes.iter().flat_map(|attribute| seeds.iter().map(move |seed| (attribute, *seed)));
        of_words.any(|(attribute, seed)| match cells.size(&keys.words(attribute, seed)) {
            None => true,
            Some(0) => false,
            Some(_) => sites.iter().any(|site| !probes.contains(&keys.probe(attribute, *site, seed))),
        })
    }

    fn parts(&self, group: usize) -> Result<(Keys, &Language, bool)> {
        let lost = || Error::Data("a group of cells without a language or a usable checkpoint".into());
        let group = self.groups.get(group).ok_or_else(lost)?;
        let keys = self.keys(group.checkpoint, group.language)?.ok_or_else(lost)?;
        let language = self.languages.get(group.language).ok_or_else(lost)?;
        Ok((keys, language, group.language == 0))
    }

    /// The folder, in the model's, of a language's activations at some sites.
    fn store_name(checkpoint: &Checkpoint, language: &str, keys: &Keys, sites: &[Site]) -> PathBuf {
        let name: String = keys.activations(sites).to_string().chars().take(16).collect();
        Path::new(language).join(checkpoint.step().to_string()).join(name)
    }

    /// Where activations lie that are kept.
    fn kept(&self) -> PathBuf {
        self.out.join("activations").join(self.series.model())
    }

    /// Where activations lie while they are in use.
    fn scratch(&self) -> PathBuf {
        self.out.join("scratch").join(self.series.model())
    }

    /// Removes the activations of a language at a checkpoint that nobody asked to keep, but for one. Its lock is held.
    fn remove_scratch(&self, checkpoint: &Checkpoint, language: &str, but: Option<&Path>) -> Result<()> {
        let folder = self.scratch().join(language).join(checkpoint.step().to_string());
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| Some(&**path) != but) {
            fs::remove_dir_all(&path).map_err(Error::io(&path, "remove"))?;
        }
        // Folders above go when they are empty, and not before.
        let above = folder.ancestors().take_while(|above| *above != self.out);
        above.take_while(|above| fs::remove_dir(above).is_ok()).for_each(drop);
        Ok(())
    }

    /// Takes activations that a run without `keep_activations` began among those that are kept, where they are to be.
    fn keep_scratch(&self, dir: PathBuf) -> Result<PathBuf> {
        let Some(name) = dir.strip_prefix(self.scratch()).ok().filter(|_| self.study.keep_activations && dir.exists())
        else {
            return Ok(dir);
        };
        let kept = self.kept().join(name);
        if let Some(above) = kept.parent() {
            fs::create_dir_all(above).map_err(Error::io(above, "create"))?;
        }
        fs::rename(&dir, &kept).map_err(Error::io(&kept, "rename to"))?;
        Ok(kept)
    }

    /// Removes activations of languages that are done, left by runs that were killed.
    pub(super) fn drop_scratch(&self) -> Result<()> {
        let each = self.cells_in_group();
        for (i, group) in self.groups.iter().enumerate().filter(|(_, group)| group.own && group.done == each) {
            let Some(checkpoint) = self.series.checkpoints().get(group.checkpoint) else { continue };
            let language = self.language(group.language);
            if self.scratch().join(language).join(checkpoint.step().to_string()).is_dir() {
                if let Some(_lock) = self.lock(checkpoint, i)? {
                    self.remove_scratch(checkpoint, language, None)?;
                }
            }
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Locks a group and extracts what its cells lack.
    pub fn extract_group(&self, model: &mut Model<'_>, group: usize) -> Extracted {
        let lock = match self.plan.lock(model.checkpoint, group) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Extracted { group, lock: None, work: Work::Busy },
            Err(error) => return Extracted { group, lock: None, work: Work::Failed(error) },
        };
        let work = match self.extract_missing(model, group) {
            Ok(Some(rows)) => Work::Rows(rows),
            Ok(None) => Work::Done,
            Err(error) => Work::Failed(error),
        };
        if matches!(work, Work::Done) {
            let done = self.plan.groups.get(group).map_or(0, |group| group.done);
            let cells = self.plan.cells_in_group().saturating_sub(done);
            self.advance(model.checkpoint, group, cells);
        }
        Extracted { group, lock: Some(lock), work }
    }

    fn advance(&self, checkpoint: &Checkpoint, group: usize, cells: usize) {
        // The cells of another shard's source language, done for its probes, are none of this one's.
        if let Some(group) = self.plan.groups.get(group).filter(|group| group.own) {
            self.plan.tell(self.progress, cells, checkpoint.step(), self.plan.language(group.language));
        }
    }

    fn extract_missing(&self, model: &mut Model<'_>, group: usize) -> Result<Option<LanguageRows>> {
        let (plan, checkpoint) = (self.plan, model.checkpoint);
        let (keys, language, is_source) = plan.parts(group)?;
        let name = &language.treebank.language;
        let pack = Pack::read(plan.file(checkpoint, name, "cells"))?;
        let probes = match is_source && keys.measures() {
            true => Some(Pack::read(plan.file(checkpoint, name, "probes"))?),
            false => None,
        };
        let sites: Vec<Site> =
            plan.study.sites.iter().copied().filter(|site| plan.lacks(&keys, &pack, probes.as_ref(), *site)).collect();
        if sites.is_empty() {
            return Ok(None);
        }
        let _span = tracing::info_span!("extract", language = %name).entered();
        plan.tell(self.progress, 0, checkpoint.step(), name);
        let began = Instant::now();
        // What is there of all sites serves for some.
        let names = [&plan.study.sites, &sites].map(|sites| Plan::store_name(checkpoint, name, &keys, sites));
        let there = |folder: PathBuf| names.iter().map(|name| folder.join(name)).find(|dir| dir.exists());
        let kept = there(plan.kept());
        let dir = match kept.or_else(|| there(plan.scratch())) {
            Some(dir) => dir,
            None if plan.study.keep_activations => plan.kept().join(&names[1]),
            None => plan.scratch().join(&names[1]),
        };
        let sites = if dir.ends_with(&names[0]) { plan.study.sites.clone() } else { sites };
        let dir = plan.keep_scratch(dir)?;
        let width: usize = plan.widths.iter().filter(|(site, _)| sites.contains(site)).map(|(_, width)| width).sum();
        let bytes = (language.rows as u64).saturating_mul(4 * width as u64);
        let found = if plan.study.keep_activations || bytes > Needs::ON_DISK || dir.exists() {
            let store = match whole(&dir) {
                Some(store) => store,
                None => self.extract_store(model, language, &sites, &dir)?,
            };
            let skipped = store.manifest().skipped;
            LanguageRows { rows: Box::new(Stored::new(store)?), skipped }
        } else {
            let (bloom, tokenizer) = model.get(self)?;
            let extraction = extract(bloom, tokenizer, &language.treebank, &sites, &plan.extraction, &language.wanted)
                .map_err(|error| in_checkpoint(error, checkpoint))?;
            LanguageRows { rows: Box::new(extraction.activations), skipped: extraction.skipped }
        };
        let line = LogLine { kind: "activations".into(), work: language.rows as f64, at_once: 1, ..LogLine::default() };
        self.log.took(began, LogLine { step: Some(checkpoint.step()), language: Some(name.clone()), ..line });
        Ok(Some(found))
    }

    fn extract_store(&self, model: &mut Model<'_>, language: &Language, sites: &[Site], dir: &Path) -> Result<Store> {
        let (plan, checkpoint) = (self.plan, model.checkpoint);
        let (bloom, tokenizer) = model.get(self)?;
        // Of other settings, left by a run that was killed.
        plan.remove_scratch(checkpoint, &language.treebank.language, Some(dir))?;
        let manifest = dir.join(MANIFEST);
        if dir.exists() && !manifest.exists() {
            start_again(dir, "holds no manifest")?;
        }
        let (origin, settings) = (Origin::from(checkpoint), &plan.extraction);
        let extract =
            || extract_to(dir, &origin, bloom, tokenizer, &language.treebank, sites, settings, &language.wanted);
        match extract() {
            // Damaged beyond what a store mends by itself. Any other failure leaves what there is.
            Err(Error::File { path, message }) if path == manifest => {
                start_again(dir, &message)?;
                extract()
            }
            other => other,
        }
        .map_err(|error| in_checkpoint(error, checkpoint))
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
        let mut splits = Vec::new();
        for attribute in &plan.study.attributes {
            for &seed in &plan.study.seeds {
                splits.push((attribute, seed, split(rows.words(), name, attribute, &plan.study.split, seed)));
            }
        }
        let mut absent = 0;
        for (attribute, seed, split) in &splits {
            absent += usize::from(split.is_err()) * plan.study.sites.len() * plan.controls().len();
            let identity = keys.words(attribute, *seed);
            if !pack.contains(&identity) {
                let mut cells = Cells::default();
                match split {
                    Ok(split) => cells.add(split, *seed),
                    Err(reason) => cells.add_missing(name, attribute, *seed, reason),
                }
                let missing = split.as_ref().err().map(ToString::to_string);
                let Some(cell) = cells.cells.into_iter().next() else { continue };
                let record = WordsRecord { skipped, cell, classes: cells.classes, missing };
                appender.put(&identity, usize::from(split.is_ok()), &record)?;
            }
        }
        let mut jobs = Vec::new();
        for (attribute, seed, split) in &splits {
            let Ok(split) = split else { continue };
            for site in &plan.study.sites {
                for &control in plan.controls() {
                    let real = control == Control::None;
                    let ranked = pack.size(&keys.ranking(attribute, *site, *seed, control));
                    let rank = ranked.is_none_or(|k| k < plan.k());
                    let kept = |(_, probes): &(_, Pack)| probes.contains(&keys.probe(attribute, *site, *seed));
                    let probe = real && probes.as_ref().is_some_and(|probes| !kept(probes));
                    let scored = keys.score(attribute, *site, *seed).filter(|_| real);
                    let score = scored.is_some_and(|score| !pack.contains(&score));
                    if rank || probe || score {
                        jobs.push(Job { split, site: *site, seed: *seed, control, rank, probe, score });
                    }
                }
            }
        }
        if is_source && keys.measures() {
            let usable = splits.iter().map(|(attribute, seed, split)| (((*attribute).clone(), *seed), split.is_ok()));
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
        let mut failures = Vec::new();
        for (job, result) in context.run_jobs(&jobs) {
            let Err(error) = result else { continue };
            if plan.study.fail_fast || plan.is_fatal(&error) {
                return Err(error);
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
                cells: 1,
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
        tracing::debug!(language = name, absent, "probed");
        Ok(())
    }

    /// Keeps why nothing of a language could be done.
    pub fn fail_group(&self, checkpoint: &Checkpoint, group: usize, message: &str, failed: &mut Failed) -> Result<()> {
        let plan = self.plan;
        let Some(about) = plan.groups.get(group) else { return Ok(()) };
        let name = plan.language(about.language);
        let cells = plan.cells_in_group().saturating_sub(about.done);
        let failure = Failure::of_language(checkpoint.step(), name, cells, message);
        let identity = plan.keys(about.checkpoint, about.language)?.map(|keys| keys.cells());
        failures::keep(&plan.file(checkpoint, name, "failed.json"), identity, std::slice::from_ref(&failure))?;
        self.advance(checkpoint, group, cells);
        failed.push(failure);
        Ok(())
    }
}

/// A probe with its attribute, site and seed.
type Fresh = ((String, Site, u64), SourceProbe);

/// What the cells of a language have in common while they are probed.
struct Context<'a> {
    run: &'a Run<'a>,
    checkpoint: &'a Checkpoint,
    group: usize,
    place: Place<'a>,
    keys: &'a Keys,
    rows: &'a dyn Rows,
    appender: &'a Appender,
    probes: Option<&'a (Appender, Pack)>,
    /// Of another language; a source's own cells are scored by their own probes.
    source: Option<&'a SourceCells>,
    at_once: usize,
    /// Probes fitted here.
    fresh: &'a Mutex<Vec<Fresh>>,
}

impl Context<'_> {
    /// Runs all jobs, `at_once` at a time and the dearest first. Those that come after a failure which ends the run are not begun.
    fn run_jobs<'j, 'a>(&self, jobs: &'j [Job<'a>]) -> Vec<(&'j Job<'a>, Result<()>)> {
        let cost = |job: &Job<'_>| job.words() * self.run.plan.widths.get(&job.site).copied().unwrap_or(0);
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(jobs.get(*i).map(cost)));
        let (next, stop, done) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(BTreeMap::new()));
        let work = || {
            while let Some((i, job)) = order.get(next.fetch_add(1, Relaxed)).and_then(|i| Some((*i, jobs.get(*i)?))) {
                if stop.load(Relaxed) {
                    break;
                }
                // In rayon's pool, where a job that waits may take over parts of others but never a whole one: so no
                // more than `at_once` are in memory.
                let result = rayon::scope(|_| self.run_job(job));
                if result.as_ref().is_err_and(|error| self.run.plan.study.fail_fast || self.run.plan.is_fatal(error)) {
                    stop.store(true, Relaxed);
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).insert(i, (job, result));
            }
        };
        std::thread::scope(|scope| {
            (1..self.at_once).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    fn run_job(&self, job: &Job<'_>) -> Result<()> {
        let plan = self.run.plan;
        let began = Instant::now();
        let Job { split, site, seed, control, .. } = *job;
        let cell = self.place.cell(&split.attribute, &plan.study.method, site, seed, control);
        let mut own = None;
        let needs_own = job.score && self.source.is_none();
        if job.rank || job.probe || needs_own {
            let ranked = rank(&plan.study.method, plan.k(), &cell, self.rows, split)?;
            if job.rank {
                let identity = self.keys.ranking(&cell.attribute, site, seed, control);
                self.appender.put(&identity, ranked.ranking.curve().len(), &RankingRecord::from(&ranked.ranking))?;
            }
            own = Some(SourceProbe { probe: ranked.probe, classes: split.classes.clone() });
        }
        if job.score {
            let record = match self.source {
                None => score(own.as_ref(), site, self.rows, split)?,
                Some(source) => score(source.of(&cell)?, site, self.rows, split)?,
            };
            if let Some(identity) = self.keys.score(&cell.attribute, site, seed) {
                self.appender.put(&identity, 0, &record)?;
            }
        }
        if let (Some((probes, _)), Some(probe), Control::None) = (self.probes, own, control) {
            if job.probe && probe.is_small() {
                probes.put(&self.keys.probe(&cell.attribute, site, seed), 0, &probe)?;
            }
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            fresh.push(((cell.attribute.clone(), site, seed), probe));
        }
        self.took(job, &cell, began);
        if job.rank || job.score {
            self.run.advance(self.checkpoint, self.group, 1);
        }
        Ok(())
    }

    fn took(&self, job: &Job<'_>, cell: &Cell, began: Instant) {
        let width = self.run.plan.widths.get(&cell.site).copied().unwrap_or(0);
        let words = job.words();
        self.run.log.took(
            began,
            LogLine {
                kind: if job.rank || job.probe { "ranking".into() } else { "score".into() },
                step: Some(cell.step),
                language: Some(cell.language.clone()),
                attribute: Some(cell.attribute.clone()),
                site: Some(cell.site),
                seed: Some(cell.seed),
                control: Some(cell.control),
                method: Some(cell.method.clone()),
                work: (words * width) as f64,
                at_once: self.at_once,
                ..LogLine::default()
            },
        );
    }
}

impl SourceCells {
    /// The probe that a cell is scored by; `None` if the source has no such cell.
    fn of(&self, cell: &Cell) -> Result<Option<&SourceProbe>> {
        match self.usable.get(&(cell.attribute.clone(), cell.seed)) {
            Some(false) => Ok(None),
            Some(true) => {
                let probe = self.probes.get(&(cell.attribute.clone(), cell.site, cell.seed));
                let lost = "the source language's probe, which it would be scored by, could not be fitted";
                probe.map(Some).ok_or_else(|| Error::Data(lost.into()))
            }
            None => {
                Err(Error::Data("the source language, whose probes it would be scored by, could not be probed".into()))
            }
        }
    }
}

impl Plan {
    /// Whether a site of a group has anything to do.
    fn lacks(&self, keys: &Keys, pack: &Pack, probes: Option<&Pack>, site: Site) -> bool {
        let Study { attributes, seeds, .. } = &self.study;
        let mut of_words = attributes.iter().flat_map(|attribute| seeds.iter().map(move |seed| (attribute, *seed)));
        of_words.any(|(attribute, seed)| match pack.size(&keys.words(attribute, seed)) {
            None => true,
            Some(0) => false,
            Some(_) => {
                let mut controls = self.controls().iter();
                controls.any(|control| !self.is_done(keys, pack, attribute, site, seed, *control))
                    || probes.is_some_and(|probes| !probes.contains(&keys.probe(attribute, site, seed)))
            }
        })
    }

    /// What an earlier run kept of the source language at a checkpoint.
    fn read_source(&self, checkpoint: &Checkpoint, group: usize) -> Result<SourceCells> {
        let mut source = SourceCells::default();
        let index = self.groups.get(group).map_or(0, |group| group.checkpoint);
        let Some(keys) = self.keys(index, 0)? else { return Ok(source) };
        let name = self.language(0);
        let cells = Pack::read(self.file(checkpoint, name, "cells"))?;
        let probes = Pack::read(self.file(checkpoint, name, "probes"))?;
        for attribute in &self.study.attributes {
            for &seed in &self.study.seeds {
                if let Some(size) = cells.size(&keys.words(attribute, seed)) {
                    source.usable.insert((attribute.clone(), seed), size > 0);
                }
            }
        }
        self.add_kept(&keys, &probes, &mut source);
        Ok(source)
    }

    /// Adds probes that were kept.
    fn add_kept(&self, keys: &Keys, probes: &Pack, source: &mut SourceCells) {
        for attribute in &self.study.attributes {
            for &seed in &self.study.seeds {
                for site in &self.study.sites {
                    let key = (attribute.clone(), *site, seed);
                    if !source.probes.contains_key(&key) {
                        let probe = probes.get::<SourceProbe>(&keys.probe(attribute, *site, seed));
                        source.probes.extend(probe.map(|probe| (key, probe)));
                    }
                }
            }
        }
    }
}

/// A complete store whose files are as recorded.
fn whole(dir: &Path) -> Option<Store> {
    let store = Store::open(dir).ok()?;
    store.verify().ok().map(|()| store)
}

/// Removes activations that cannot be gone on with.
fn start_again(dir: &Path, message: &str) -> Result<()> {
    tracing::warn!(path = %dir.display(), message, "activations that cannot be used are extracted again");
    fs::remove_dir_all(dir).map_err(Error::io(dir, "remove"))
}

fn in_checkpoint(error: Error, checkpoint: &Checkpoint) -> Error {
    match error {
        Error::Data(message) => Error::file(checkpoint.dir(), message),
        other => other,
    }
}
