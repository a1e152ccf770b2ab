use super::watch::Watch;
use super::{rank_language, CellSettings, Notes, Progress, Results, Study};
use crate::activations::{extract, ExtractionSettings, Tokenizer};
use crate::bloom::{device, Bloom, Config, Extent};
use crate::checkpoint::{Checkpoint, Series};
use crate::overlap::Control;
use crate::transfer::TransferScores;
use crate::treebank::Treebank;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use tch::Device;

impl Study {
    /// Runs the study: activations, probes, rankings, overlap, transfer, correlation.
    ///
    /// Everything that can be checked early is: treebanks, configurations, the presence and shape of all weights on disk, sites,
    /// `k` and the transfer table are read before the first forward pass. Of a series on the Hub, the weights of a checkpoint
    /// are fetched while the one before it is in use, and checked when they are there.
    ///
    /// # Errors
    /// As what it calls; [`Error::Data`] if no cell exists at all.
    pub fn run(&self, progress: &dyn Progress) -> Result<Results> {
        self.check()?;
        let device = device::parse(&self.device)?;
        let series = Series::find(&self.series, &self.checkpoints)?;
        self.check_checkpoints(&series)?;
        series.check_room()?;
        let given = self.scores(&series)?;
        let treebanks = self.read_treebanks()?;
        let mut notes = Notes::default();
        treebanks.iter().for_each(|treebank| notes.treebank(treebank));
        let mut watch = self.audit.then(|| Watch::over(&series)).transpose()?;
        let settings = CellSettings {
            attributes: self.attributes.clone(),
            sites: self.sites.clone(),
            seeds: self.seeds.clone(),
            k: self.k.iter().copied().max().unwrap_or(0),
            split: self.split,
            method: self.method.clone(),
            shuffled: self.controls.contains(&Control::Shuffled),
        };
        let cells = self.attributes.len() * self.sites.len() * self.seeds.len();
        progress.start(series.checkpoints().len() * treebanks.len() * cells);
        let mut rankings = Vec::new();
        let mut scores = Vec::new();
        for checkpoint in series.in_turn() {
            let checkpoint = checkpoint?;
            let step = checkpoint.step();
            tracing::info!(model = series.model(), %step, commit = checkpoint.commit(), "checkpoint");
            notes.checkpoint(&checkpoint);
            if let Some(watch) = &mut watch {
                watch.see(&checkpoint);
            }
            let bloom = Bloom::load(&checkpoint, Extent::Sites(&self.sites), self.dtype.into(), device)?;
            let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
            let mut source = None;
            for treebank in &treebanks {
                let language = treebank.language.as_str();
                progress.advance(0, &format!("step {step}, {language}"));
                let wanted = treebank.needed_for(&self.attributes);
                let extraction = extract(&bloom, &tokenizer, treebank, &self.sites, &self.extraction(device), wanted)
                    .map_err(|e| in_checkpoint(e, &checkpoint))?;
                tracing::debug!(language, tokens = extraction.tokens, words = extraction.activations.words().len());
                notes.skipped(language, &extraction.skipped);
                let place = (series.model(), step, language);
                let found = rank_language(&settings, place, &extraction.activations, source.as_ref())?;
                notes.missing(language, found.missing);
                notes.cells(found.cells);
                if given.is_none() {
                    notes.left_out(language, found.left_out);
                    notes.without_source(language, found.without_source);
                }
                rankings.extend(found.rankings);
                scores.extend(found.scores);
                // The source language comes first.
                source.get_or_insert(found.probes);
                progress.advance(cells, &format!("step {step}, {language}"));
            }
        }
        notes.findings(watch.map_or_else(Vec::new, Watch::findings));
        if rankings.is_empty() {
            let reasons: Vec<String> = notes.reasons().collect();
            return Err(Error::Data(format!("no language has enough words of any attribute: {}", reasons.join("; "))));
        }
        let scores = given.map_or_else(|| TransferScores::new(scores), Ok)?;
        Results::new(self, rankings, scores, notes)
    }

    fn check_checkpoints(&self, series: &Series) -> Result<()> {
        for checkpoint in series.checkpoints() {
            let config = Config::read(checkpoint.config())?;
            for site in &self.sites {
                let width = site.width(config.hidden_size);
                site.blocks_needed(config.n_layer).map_err(|e| in_checkpoint(e, checkpoint))?;
                if let Some(k) = self.k.iter().find(|k| **k > width) {
                    return Err(Error::parameter("k", format!("at most the {width} neurons of {site}"), k));
                }
            }
            if checkpoint.is_fetched() {
                Bloom::check(checkpoint, Extent::Sites(&self.sites))?;
            }
            checkpoint.tokenizer()?;
        }
        Ok(())
    }

    fn scores(&self, series: &Series) -> Result<Option<TransferScores>> {
        let Some(path) = &self.transfer else { return Ok(None) };
        let scores = TransferScores::read(path)?;
        scores.check_steps(path, series.model(), &series.steps())?;
        let languages: BTreeSet<&str> = scores.scores().map(|row| row.language.as_str()).collect();
        for language in languages.into_iter().filter(|language| !self.treebanks.contains_key(*language)) {
            let path = path.display();
            tracing::warn!(
                "{path}: the language `{language}` has no treebank; its scores enter the averages and no pair"
            );
        }
        Ok(Some(scores))
    }

    fn read_treebanks(&self) -> Result<Vec<Treebank>> {
        let sources = self.sources()?;
        let treebanks: Result<Vec<_>> =
            sources.iter().map(|s| Treebank::read_with(&s.language, &s.files, &self.reading.of(self.scheme))).collect();
        let treebanks = treebanks?;
        for attribute in &self.attributes {
            let found =
                |treebank: &Treebank| treebank.words.iter().any(|word| word.attributes.get(attribute).is_some());
            if !treebanks.iter().any(found) {
                let known: BTreeMap<&str, ()> = treebanks
                    .iter()
                    .flat_map(|treebank| treebank.words.iter().flat_map(|word| word.attributes.iter()))
                    .map(|(name, _)| (name, ()))
                    .collect();
                let known: Vec<&str> = known.into_keys().collect();
                return Err(Error::unknown(
                    "attribute",
                    attribute,
                    format!("one that the treebanks have: {}", known.join(", ")),
                ));
            }
        }
        Ok(treebanks)
    }

    fn extraction(&self, device: Device) -> ExtractionSettings {
        ExtractionSettings { pooling: self.pooling, tokenisation: self.tokenisation, ..ExtractionSettings::on(device) }
    }
}

fn in_checkpoint(error: Error, checkpoint: &Checkpoint) -> Error {
    match error {
        Error::Data(message) => Error::file(checkpoint.dir(), message),
        other => other,
    }
}
