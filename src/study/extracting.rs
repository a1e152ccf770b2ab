//! A language's activations at a checkpoint: what is there, or else the forward pass.

use super::keys::Keys;
use super::languages::Language;
use super::pack::Pack;
use super::pipeline::{Model, Run};
use super::rows::{Rows, Stored};
use super::{LogLine, Needs, Plan, Study};
use crate::activations::{extract, extract_to, Origin, Skipped, Store, MANIFEST};
use crate::checkpoint::Checkpoint;
use crate::{files, Error, Result, Site};
use std::fs;
use std::path::{Path, PathBuf};
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
    pub rows: Box<dyn Rows + Send>,
    pub skipped: Skipped,
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
                controls.any(|control| !self.study.is_done(keys, pack, attribute, site, seed, *control))
                    || probes.is_some_and(|probes| !probes.contains(&keys.probe(attribute, site, seed)))
            }
        })
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
    pub(super) fn remove_scratch(&self, checkpoint: &Checkpoint, language: &str, but: Option<&Path>) -> Result<()> {
        let folder = self.scratch().join(language).join(checkpoint.step().to_string());
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| Some(&**path) != but) {
            fs::remove_dir_all(&path).map_err(Error::io(&path, "remove"))?;
        }
        if but.is_none() {
            // The folders above are other processes' too, who may be about to make one in them.
            fs::remove_dir(&folder).map_err(Error::io(&folder, "remove"))?;
        }
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
        let lock = match self.plan.lock_to_work(model.checkpoint, group) {
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
