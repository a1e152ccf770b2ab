use super::keys::{Keys, Source};
use super::languages::{read_treebanks, Language};
use super::log::Rates;
use super::lookover::{look_over, LookOver};
use super::memory::{Budget, Needs};
use super::pack::Pack;
use super::turns::use_weights;
use super::watch::Watch;
use super::{Bytes, Shard, Study, LIBTORCH};
use crate::activations::ExtractionSettings;
use crate::bloom::{device, parameters, Bloom, Config, Extent};
use crate::checkpoint::{Checkpoint, Series};
use crate::overlap::Control as Beside;
use crate::ranking::{Control, Method};
use crate::transfer::TransferScores;
use crate::{Error, Result, Site};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tch::Device;

/// What is known of a checkpoint, or why it cannot be used.
pub(super) type Looked = Result<LookOver, String>;

/// The cells of one language at one checkpoint, which are computed together.
pub(super) struct Group {
    /// Indices.
    pub checkpoint: usize,
    pub language: usize,
    /// Whether this process is to do it.
    pub own: bool,
    /// Cells that are there.
    pub done: usize,
}

/// What a study has to do, and how much of it is done.
///
/// # Examples
/// ```no_run
/// use isogloss::study::{Plan, Study};
/// let study = Study::read("study.toml")?;
/// let mut plan = Plan::new(&study, "out", None)?;
/// println!("{} of {} cells are done", plan.outlook().done, plan.outlook().cells);
/// plan.run(&())?;
/// plan.results()?.write("out")?;
/// # Ok::<(), isogloss::Error>(())
/// ```
pub struct Plan {
    pub(super) study: Study,
    pub(super) out: PathBuf,
    pub(super) shard: Option<Shard>,
    pub(super) series: Series,
    pub(super) device: Device,
    /// libtorch's, on a processor.
    pub(super) threads: Option<usize>,
    /// The source first.
    pub(super) languages: Vec<Language>,
    /// A checkpoint each; `None` for one that is another shard's.
    pub(super) looked: Vec<Option<Looked>>,
    pub(super) given: Option<TransferScores>,
    pub(super) watch: Option<Watch>,
    pub(super) groups: Vec<Group>,
    pub(super) extraction: ExtractionSettings,
    pub(super) widths: BTreeMap<Site, usize>,
    pub(super) needs: Needs,
    pub(super) budget: Budget,
}

/// What a plan comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Rankings of real and shuffled labels; some may turn out not to exist, for want of words.
    pub cells: usize,
    /// How many are done.
    pub done: usize,
    /// Checkpoints with something to do, whose weights are loaded.
    pub checkpoints: usize,
    /// Checkpoints that cannot be used.
    pub unusable: usize,
    /// Disk that results and activations take at most, beside the checkpoints.
    pub disk: Bytes,
    /// Memory at the peak ([`Needs`]).
    pub memory: Bytes,
    /// How long the rest takes, judged by what has been done in the same folder.
    pub seconds: Option<f64>,
}

impl Plan {
    /// Reads and checks everything that is cheap to read, and looks what of the study is in the folder `out`.
    ///
    /// Treebanks, configurations, headers of weights on disk, sites, `k` and the transfer table are checked here, and weights are hashed: once,
    /// if the folder is there to keep what was found; nothing else is written. Of a series on the Hub, the weights of a checkpoint are fetched and checked when its turn comes.
    /// A checkpoint on disk that cannot be used is an error with `fail_fast`; else its cells are missing.
    ///
    /// # Errors
    /// As what it calls.
    pub fn new(study: &Study, out: impl AsRef<Path>, shard: Option<Shard>) -> Result<Plan> {
        study.check()?;
        let out = out.as_ref().to_path_buf();
        // Whoever merges, or asks what there is to do, may be at a machine without it.
        let device = device::named(&study.device)?;
        let series = Series::find(&study.series, &study.checkpoints)?;
        let given = scores(study, &series)?;
        let languages = read_treebanks(study)?;
        let (widths, hidden_size) = check_configurations(study, &series)?;
        let extraction = ExtractionSettings {
            pooling: study.pooling,
            tokenisation: study.tokenisation,
            ..ExtractionSettings::on(device)
        };
        let extraction = extraction.for_hidden_size(hidden_size)?;
        let needs = find_needs(study, &series, &languages, &widths, device, extraction.shard_words);
        let threads = (device == Device::Cpu).then(|| super::threads::of(study, &out)).transpose()?;
        let mut plan = Plan {
            study: study.clone(),
            out,
            shard,
            series,
            device,
            threads,
            languages,
            looked: Vec::new(),
            given,
            watch: None,
            groups: Vec::new(),
            extraction,
            widths,
            needs,
            budget: needs.within(study.memory, rayon::current_num_threads())?,
        };
        plan.find_groups();
        plan.look()?;
        plan.count()?;
        Ok(plan)
    }

    /// What is to do and what is done.
    pub fn outlook(&self) -> Outlook {
        let own = || self.groups.iter().filter(|group| group.own);
        let each = self.cells_in_group();
        let pending: Vec<&Group> = own().filter(|group| group.done < each).collect();
        let usable = |checkpoint: usize| !matches!(self.looked.get(checkpoint), Some(Some(Err(_))));
        let checkpoints: BTreeSet<usize> = pending.iter().map(|group| group.checkpoint).collect();
        let (usable, unusable): (Vec<usize>, Vec<usize>) = checkpoints.iter().partition(|c| usable(**c));
        let cells = each * own().count();
        // A ranking's line has some 60 bytes a neuron.
        let k = self.k() as u64;
        let results = (cells as u64).saturating_mul(60 * k + 400);
        let kept = if self.study.keep_activations { own().count() as u64 } else { 2 };
        let stored = self.study.keep_activations || self.needs.activations > Needs::ON_DISK;
        let activations = if stored { self.needs.activations.saturating_mul(kept) } else { 0 };
        Outlook {
            cells,
            done: own().map(|group| group.done).sum(),
            checkpoints: usable.len(),
            unusable: unusable.len(),
            disk: Bytes(results.saturating_add(activations)),
            memory: Bytes(self.needs.peak(self.budget)),
            seconds: self.seconds(&pending),
        }
    }

    fn seconds(&self, pending: &[&Group]) -> Option<f64> {
        if pending.is_empty() {
            return Some(0.0);
        }
        let rates = Rates::read(&self.log_path(), &self.study.method.to_string());
        let each = self.cells_in_group() as f64;
        let ranking = rates.ranking?;
        let of_group = |group: &&Group| {
            let language = self.languages.get(group.language)?;
            let left = 1.0 - group.done as f64 / each;
            Some(left * self.work(language) * ranking + language.rows as f64 * rates.activations.unwrap_or(0.0))
        };
        Some(pending.iter().filter_map(of_group).sum())
    }

    /// Words x neurons over all cells of a language.
    fn work(&self, language: &Language) -> f64 {
        let words: usize = language.with_attribute.values().sum();
        let width: usize = self.widths.values().sum();
        (words * width * self.study.seeds.len() * self.controls().len()) as f64
    }

    /// The most neurons that are compared.
    pub(super) fn k(&self) -> usize {
        self.study.most_neurons()
    }

    /// Real labels, and shuffled ones where they are asked for.
    pub(super) fn controls(&self) -> &'static [Control] {
        self.study.labels()
    }

    pub(super) fn cells_in_group(&self) -> usize {
        self.study.cells_in_group()
    }

    /// The folder of a checkpoint's results.
    pub(super) fn folder(&self, checkpoint: &Checkpoint) -> PathBuf {
        self.out.join("cells").join(checkpoint.model()).join(checkpoint.step().to_string())
    }

    /// A file of a language at a checkpoint: `LANGUAGE.cells`, `LANGUAGE.lock`, ...
    pub(super) fn file(&self, checkpoint: &Checkpoint, language: &str, extension: &str) -> PathBuf {
        self.folder(checkpoint).join(format!("{language}.{extension}"))
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.out.join("log.jsonl")
    }

    /// The identities of a group's cells; `None` if the checkpoint cannot be used.
    pub(super) fn keys(&self, checkpoint: usize, language: usize) -> Result<Option<Keys>> {
        let Some(Some(Ok(looked))) = self.looked.get(checkpoint) else { return Ok(None) };
        let of = |language: usize| -> Result<Option<Keys>> {
            let Some(Language { treebank, sha256, .. }) = self.languages.get(language) else { return Ok(None) };
            let source = Source {
                weights: &looked.weights,
                config: &looked.config,
                tokenizer: &looked.tokenizer,
                language: &treebank.language,
                treebank: sha256,
                pooling: self.study.pooling.to_string(),
                tokenisation: self.study.tokenisation.to_string(),
                dtype: self.study.dtype.to_string(),
                device: if self.device == Device::Cpu { "cpu" } else { "cuda" },
                threads: self.threads,
                libtorch: LIBTORCH,
                batch_tokens: self.extraction.batch_tokens,
                max_subwords: self.extraction.max_subwords,
                refuse_empty_words: self.extraction.refuse_empty_words,
                shard_words: self.extraction.shard_words,
            };
            Keys::new(&source, &self.study.split, &self.study.method, &looked.step.to_string()).map(Some)
        };
        let (Some(keys), Some(source)) = (of(language)?, of(0)?) else { return Ok(None) };
        if self.given.is_some() {
            Ok(Some(keys))
        } else {
            keys.scored_by(&source).map(Some)
        }
    }

    /// Which groups there are, and which are this process's. What a checkpoint costs does not depend on which one it is.
    fn find_groups(&mut self) {
        let languages = self.languages.len();
        // Nothing is free: a language without a cell has to be looked at too, and shards are to part at checkpoints.
        let cost = |language: &Language| (self.work(language) + language.rows as f64).max(1.0);
        let costs: Vec<f64> = self.languages.iter().map(cost).collect();
        let pairs: Vec<(usize, usize)> =
            (0..self.series.checkpoints().len()).flat_map(|c| (0..languages).map(move |l| (c, l))).collect();
        let of_pairs: Vec<f64> = pairs.iter().filter_map(|(_, language)| costs.get(*language).copied()).collect();
        let own = self.shard.map_or_else(|| vec![true; pairs.len()], |shard| shard.takes(&of_pairs));
        let groups = pairs.into_iter().zip(own);
        self.groups =
            groups.map(|((checkpoint, language), own)| Group { checkpoint, language, own, done: 0 }).collect();
    }

    /// Looks over the checkpoints of this process's groups.
    fn look(&mut self) -> Result<()> {
        let own: BTreeSet<usize> = self.groups.iter().filter(|group| group.own).map(|group| group.checkpoint).collect();
        let mut watch = self.study.audit.then(|| Watch::new(self.series.model()));
        // A study that ends at the first failure is refused without a trace.
        let keep = self.out.is_dir() && !self.study.fail_fast;
        let mut tokenizers = BTreeMap::new();
        for (i, checkpoint) in self.series.checkpoints().iter().enumerate() {
            if !own.contains(&i) {
                self.looked.push(None);
                continue;
            }
            let folder = self.folder(checkpoint);
            // Another process deletes no weights meanwhile; those that it is deleting are as good as gone.
            let in_use = match self.study.checkpoints.evict && keep {
                true => Some(use_weights(&folder)?),
                false => None,
            };
            let on_disk = checkpoint.is_fetched() && !matches!(in_use, Some(None));
            let found = look_over(checkpoint, &folder, on_disk, &mut tokenizers).and_then(|mut found| {
                // As soon as it is known: all weights together may take an hour.
                if let Some(Err(error)) = keep.then(|| found.keep(&folder)) {
                    tracing::warn!(%error, "what weights are will have to be found again");
                }
                check_sites(&self.study, checkpoint, &Config::read(checkpoint.config())?)?;
                if on_disk {
                    Bloom::check(checkpoint, Extent::Sites(&self.study.sites))?;
                }
                Ok(found)
            });
            if let Some(watch) = &mut watch {
                match &found {
                    Ok(LookOver { audit: Some(audit), .. }) => watch.add(checkpoint.step(), Ok(audit.clone())),
                    Ok(_) => {}
                    Err(error) => watch.add(checkpoint.step(), Err(Error::Data(error.to_string()))),
                }
            }
            self.looked.push(Some(match found {
                Err(error) if self.study.fail_fast => return Err(error),
                found => found.map_err(|error| {
                    tracing::warn!(step = %checkpoint.step(), %error, "this checkpoint cannot be used");
                    error.to_string()
                }),
            }));
        }
        if let Some(watch) = &mut watch {
            watch.say(self.series.checkpoints().iter().all(Checkpoint::is_fetched));
        }
        self.watch = watch;
        Ok(())
    }

    /// Counts what is done.
    pub(super) fn count(&mut self) -> Result<()> {
        let counted: Result<Vec<usize>> = self.groups.par_iter().map(|group| self.count_group(group)).collect();
        for (group, done) in self.groups.iter_mut().zip(counted?) {
            group.done = done;
        }
        Ok(())
    }

    pub(super) fn count_group(&self, group: &Group) -> Result<usize> {
        let (Some(checkpoint), Some(language)) =
            (self.series.checkpoints().get(group.checkpoint), self.languages.get(group.language))
        else {
            return Ok(0);
        };
        let Some(keys) = self.keys(group.checkpoint, group.language)?.filter(|_| group.own) else { return Ok(0) };
        let pack = Pack::read(self.file(checkpoint, &language.treebank.language, "cells"))?;
        Ok(self.study.done(&keys, &pack))
    }
}

impl Study {
    /// The most neurons that are compared.
    fn most_neurons(&self) -> usize {
        self.k.iter().copied().max().unwrap_or(0)
    }

    /// Real labels, and shuffled ones where they are asked for.
    fn labels(&self) -> &'static [Control] {
        if self.controls.contains(&Beside::Shuffled) {
            &[Control::None, Control::Shuffled]
        } else {
            &[Control::None]
        }
    }

    /// The cells of a language at a checkpoint.
    pub(super) fn cells_in_group(&self) -> usize {
        self.attributes.len() * self.sites.len() * self.seeds.len() * self.labels().len()
    }

    /// How many cells of a group are in its file.
    pub(super) fn done(&self, keys: &Keys, pack: &Pack) -> usize {
        let Study { attributes, sites, seeds, .. } = self;
        let mut done = 0;
        for attribute in attributes {
            for &seed in seeds {
                match pack.size(&keys.words(attribute, seed)) {
                    None => {}
                    // There is nothing to probe.
                    Some(0) => done += sites.len() * self.labels().len(),
                    Some(_) => {
                        let cells = sites.iter().flat_map(|site| self.labels().iter().map(move |c| (*site, *c)));
                        done += cells.filter(|(site, c)| self.is_done(keys, pack, attribute, *site, seed, *c)).count();
                    }
                }
            }
        }
        done
    }

    /// Whether a cell's ranking is there, and its score where it has one.
    pub(super) fn is_done(
        &self,
        keys: &Keys,
        pack: &Pack,
        attribute: &str,
        site: Site,
        seed: u64,
        control: Control,
    ) -> bool {
        let ranked = pack.size(&keys.ranking(attribute, site, seed, control)).is_some_and(|k| k >= self.most_neurons());
        let score = keys.score(attribute, site, seed).filter(|_| control == Control::None);
        ranked && score.is_none_or(|score| pack.contains(&score))
    }
}

/// Classes that an attribute is reckoned to have.
const CLASSES: u64 = 12;

/// Bytes of a probe: a covariance a class, or a vector of coefficients.
fn of_probe(study: &Study, width: u64) -> u64 {
    match study.method {
        Method::Gaussian(_) => CLASSES * width.saturating_mul(width) * 8 / 2,
        _ => CLASSES * width * 8,
    }
}

/// Bytes of a cell while it is probed.
pub(super) fn of_cell(study: &Study, words: u64, width: u64) -> u64 {
    words.saturating_mul(3 * 4 * width).saturating_add(of_probe(study, width))
}

/// What the study's memory is made of.
fn find_needs(
    study: &Study,
    series: &Series,
    languages: &[Language],
    widths: &BTreeMap<Site, usize>,
    device: Device,
    shard_words: usize,
) -> Needs {
    let most = |of: fn(&Language) -> usize| languages.iter().map(of).max().unwrap_or(0) as u64;
    let row: usize = widths.values().sum();
    let widest = widths.values().copied().max().unwrap_or(0) as u64;
    let words = most(|language| language.with_attribute.values().copied().max().unwrap_or(0));
    let each = (study.attributes.len() * study.seeds.len()) as u64;
    let of_sites = widths.values().fold(0u64, |sum, width| sum.saturating_add(of_probe(study, *width as u64)));
    let configs = series.checkpoints().iter().filter_map(|checkpoint| Config::read(checkpoint.config()).ok());
    let of_model = |config: Config| {
        let needed: Option<Vec<usize>> =
            study.sites.iter().map(|site| site.blocks_needed(config.n_layer).ok()).collect();
        let shapes = parameters::shapes(&config, needed?.into_iter().max()?, true, false);
        let values: usize = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        Some(values as u64 * if study.dtype == super::Dtype::F32 { 4 } else { 2 })
    };
    let model = if device == Device::Cpu { configs.filter_map(of_model).max().unwrap_or(0) } else { 0 };
    Needs {
        model,
        activations: most(|language| language.rows).saturating_mul(4 * row as u64),
        shard: (shard_words as u64).saturating_mul(4 * row as u64),
        probes: if study.transfer.is_none() { each.saturating_mul(of_sites) } else { 0 },
        cell: of_cell(study, words, widest),
    }
}

/// Checks the sites and `k` against the configurations that can be read, of which one has to fit, and returns the sites' widths and the hidden size.
fn check_configurations(study: &Study, series: &Series) -> Result<(BTreeMap<Site, usize>, usize)> {
    let (mut widths, mut hidden_size, mut misfit) = (BTreeMap::new(), 0, None);
    for checkpoint in series.checkpoints() {
        // One that cannot be read is found when the checkpoint is looked over.
        let Ok(config) = Config::read(checkpoint.config()) else { continue };
        if let Err(error) = check_sites(study, checkpoint, &config) {
            misfit.get_or_insert(error);
            continue;
        }
        hidden_size = hidden_size.max(config.hidden_size);
        for site in &study.sites {
            let width = site.width(config.hidden_size);
            let most = widths.entry(*site).or_insert(width);
            *most = width.max(*most);
        }
    }
    match misfit.filter(|_| hidden_size == 0 || study.fail_fast) {
        Some(error) => Err(error),
        None => Ok((widths, hidden_size)),
    }
}

/// Checks the sites and `k` against a checkpoint's configuration.
fn check_sites(study: &Study, checkpoint: &Checkpoint, config: &Config) -> Result<()> {
    for site in &study.sites {
        let width = site.width(config.hidden_size);
        site.blocks_needed(config.n_layer).map_err(|error| match error {
            Error::Data(message) => Error::file(checkpoint.dir(), message),
            other => other,
        })?;
        if let Some(k) = study.k.iter().find(|k| **k > width) {
            return Err(Error::parameter("k", format!("at most the {width} neurons of {site}"), k));
        }
    }
    Ok(())
}

fn scores(study: &Study, series: &Series) -> Result<Option<TransferScores>> {
    let Some(path) = &study.transfer else { return Ok(None) };
    let scores = TransferScores::read(path)?;
    scores.check_steps(path, series.model(), &series.steps())?;
    let languages: BTreeSet<&str> = scores.scores().map(|row| row.language.as_str()).collect();
    for language in languages.into_iter().filter(|language| !study.treebanks.contains_key(*language)) {
        let path = path.display();
        tracing::warn!("{path}: the language `{language}` has no treebank; its scores enter the averages and no pair");
    }
    Ok(Some(scores))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
