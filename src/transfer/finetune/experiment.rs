use super::runs::{hash_weights, Run, Runs};
use super::train::{train, updates};
use super::{predictions, Encoded, FinetuneSettings, Gold, Left, Task, Tuned, Watcher};
use crate::activations::Tokenizer;
use crate::bloom::Config;
use crate::checkpoint::{Checkpoint, Series};
use crate::transfer::TransferScores;
use crate::treebank::Source;
use crate::{files, Error, Result};
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

/// A task, its files and settings: trained on one language and scored on all, for every checkpoint of a series and every seed.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The task.
    pub task: Task,
    /// The source language's training files.
    pub train: Source,
    /// The source language's files that choose the epoch.
    pub dev: Source,
    /// What is scored, a language each; the source language may be among them.
    pub test: Vec<Source>,
    /// How to fine-tune.
    pub settings: FinetuneSettings,
    /// A run each.
    pub seeds: Vec<u64>,
    /// Longer sentences are cut to so many subwords.
    pub max_length: usize,
    /// The type the base computes in: float32 or bfloat16.
    pub kind: Kind,
    /// Where.
    pub device: Device,
    /// Where to save what was trained, `STEP/seedN` a run.
    pub save: Option<PathBuf>,
}

/// What an experiment gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Scores of the runs that were asked for.
    pub scores: TransferScores,
    /// The runs, by step and seed.
    pub runs: Vec<Run>,
    /// How many of them were there already.
    pub resumed: usize,
}

/// Where the runs of a table are recorded: `scores.csv` has `scores.csv.runs.json` beside it.
pub fn runs_file(table: &Path) -> PathBuf {
    let mut name = table.as_os_str().to_os_string();
    name.push(".runs.json");
    PathBuf::from(name)
}

/// The files as read.
struct Data {
    train: Gold,
    dev: Gold,
    test: Vec<Gold>,
    labels: Vec<String>,
}

/// The same, tokenised.
struct Tokenised {
    sha256: String,
    train: Encoded,
    dev: Encoded,
    test: Vec<(String, Encoded)>,
}

impl Experiment {
    /// An experiment with the study's settings: ten epochs of tagging, five of anything else, length 128, seed 0, float32 on the
    /// processor.
    pub fn new(task: Task, train: Source, dev: Source, test: Vec<Source>) -> Self {
        let epochs = if matches!(task, Task::Tagging(_)) { 10 } else { 5 };
        Experiment {
            task,
            train,
            dev,
            test,
            settings: FinetuneSettings { epochs, ..FinetuneSettings::default() },
            seeds: vec![0],
            max_length: 128,
            kind: Kind::Float,
            device: Device::Cpu,
            save: None,
        }
    }

    /// Reads all files and checks them and the settings, before anything is computed.
    fn read(&self) -> Result<Data> {
        self.settings.check()?;
        if self.seeds.is_empty() || self.seeds.iter().collect::<BTreeSet<_>>().len() < self.seeds.len() {
            return Err(Error::parameter("seeds", "one or more, each once", format!("{:?}", self.seeds)));
        }
        if self.dev.language != self.train.language {
            return Err(Error::Data(format!(
                "the dev file is in `{}`, but training is in `{}`: the epoch is chosen by the source language alone",
                self.dev.language, self.train.language
            )));
        }
        if self.test.is_empty() {
            return Err(Error::Data("there is no language to score; name a test file".into()));
        }
        let mut languages = BTreeSet::new();
        if let Some(twice) = self.test.iter().find(|source| !languages.insert(&source.language)) {
            return Err(Error::Data(format!(
                "the test language `{}` comes twice; give its files together",
                twice.language
            )));
        }
        let train = self.task.read(&self.train)?;
        let dev = self.task.read(&self.dev)?;
        let test: Vec<Gold> = self.test.iter().map(|source| self.task.read(source)).collect::<Result<_>>()?;
        let labels = self.task.labels(&train)?;
        for gold in test.iter().chain([&dev]) {
            self.task.check_labels(gold, &labels)?;
        }
        Ok(Data { train, dev, test, labels })
    }

    /// What the runs are of: all that may change a score but the checkpoint, its tokenizer and the seed.
    fn identity(&self, data: &Data) -> Result<BTreeMap<String, Value>> {
        let value = |value: serde_json::Result<Value>| value.map_err(|error| Error::Data(error.to_string()));
        let of = |gold: &Gold| json!({ "language": gold.language, "sha256": gold.sha256 });
        let mut identity = BTreeMap::new();
        identity.insert("task".into(), value(serde_json::to_value(&self.task))?);
        identity.insert("train".into(), of(&data.train));
        identity.insert("dev".into(), of(&data.dev));
        let mut tests: Vec<&Gold> = data.test.iter().collect();
        tests.sort_by(|a, b| a.language.cmp(&b.language));
        identity.insert("test".into(), tests.into_iter().map(of).collect());
        identity.insert("max_length".into(), json!(self.max_length));
        identity.insert("dtype".into(), json!(format!("{:?}", self.kind)));
        identity.insert("device".into(), json!(if self.device == Device::Cpu { "cpu" } else { "gpu" }));
        if let Value::Object(settings) = value(serde_json::to_value(&self.settings))? {
            // Numbers as text: not every value comes back from JSON with the same bits.
            let text = |value: Value| if value.is_number() { value.to_string().into() } else { value };
            identity.extend(settings.into_iter().map(|(name, value)| (name, text(value))));
        }
        Ok(identity)
    }

    /// Runs what is not done yet. After every run the record beside `table` and the table are written anew, each whole, so
    /// that nothing done is lost, whatever stops the next one. A run whose checkpoint has another configuration, other weights or another
    /// tokenizer by now is done again, and so is one whose adapter is to be saved but is not there.
    ///
    /// The table has the columns `model,step,task,language,score,seed`, a row a language and metric of the task.
    ///
    /// # Errors
    /// What reading, loading, tokenising, training and writing may return, with step and seed where a run fails; [`Error::File`] if the record is of
    /// other settings or files.
    pub fn run(&self, series: &Series, table: &Path, watcher: &dyn Watcher) -> Result<Outcome> {
        let data = self.read()?;
        self.check(series)?;
        files::writable_parent(table)?;
        let record = runs_file(table);
        let mut runs = Runs::open(&record, series.model(), self.identity(&data)?)?;
        series.check_room()?;
        let mut resumed = 0;
        let mut tokenised: Option<Tokenised> = None;
        for (i, checkpoint) in series.in_turn().enumerate() {
            let checkpoint = checkpoint?;
            let weights = hash_weights(&checkpoint)?;
            let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
            let is_done = |seed: &u64| {
                let saved = self.saved(&checkpoint, *seed).is_none_or(|folder| folder.is_dir());
                saved && runs.has(checkpoint.step(), *seed, &weights, tokenizer.sha256())
            };
            let todo: Vec<u64> = self.seeds.iter().copied().filter(|seed| !is_done(seed)).collect();
            resumed += self.seeds.len() - todo.len();
            if todo.is_empty() {
                continue;
            }
            let texts = match tokenised.take().filter(|texts| texts.sha256 == tokenizer.sha256()) {
                Some(texts) => texts,
                None => self.tokenise(&data, &tokenizer)?,
            };
            let each = updates(texts.train.examples.iter().filter(|example| example.counts()).count(), &self.settings);
            watcher.start(each * (todo.len() + (series.checkpoints().len() - i - 1) * self.seeds.len()));
            for seed in todo {
                watcher.at(&format!("step {}, seed {seed}", checkpoint.step()));
                let run =
                    self.one(&checkpoint, &weights, &texts, &data.labels, seed, watcher).map_err(
                        |error| match error {
                            // It names its file.
                            Error::Io { .. } => error,
                            other => Error::Data(format!("step {}, seed {seed}: {other}", checkpoint.step())),
                        },
                    )?;
                tracing::info!(step = %run.step, seed, best_epoch = run.training.best_epoch, "run done");
                runs.add(run);
                runs.write(&record)?;
                runs.scores(&|_| true)?.write(table)?;
            }
            tokenised = Some(texts);
        }
        let steps: BTreeSet<_> = series.checkpoints().iter().map(Checkpoint::step).collect();
        let wanted = |run: &Run| steps.contains(&run.step) && self.seeds.contains(&run.seed);
        // Runs of other steps and seeds stay in the record and in the table.
        runs.scores(&|_| true)?.write(table)?;
        let scores = runs.scores(&wanted)?;
        Ok(Outcome { scores, runs: runs.runs.into_iter().filter(wanted).collect(), resumed })
    }

    /// Where the adapter of a run is saved, if it is.
    fn saved(&self, checkpoint: &Checkpoint, seed: u64) -> Option<PathBuf> {
        let folder = self.save.as_ref()?;
        Some(folder.join(checkpoint.step().to_string()).join(format!("seed{seed}")))
    }

    fn tokenise(&self, data: &Data, tokenizer: &Tokenizer) -> Result<Tokenised> {
        let encode = |gold: &Gold| self.task.encode(gold, tokenizer, &data.labels, self.max_length);
        let test = data.test.iter().map(|gold| Ok((gold.language.clone(), encode(gold)?)));
        Ok(Tokenised {
            sha256: tokenizer.sha256().to_string(),
            train: encode(&data.train)?,
            dev: encode(&data.dev)?,
            test: test.collect::<Result<_>>()?,
        })
    }

    fn one(
        &self,
        checkpoint: &Checkpoint,
        weights_sha256: &str,
        texts: &Tokenised,
        labels: &[String],
        seed: u64,
        watcher: &dyn Watcher,
    ) -> Result<Run> {
        let place = (self.kind, self.device);
        let tuned = Tuned::load(checkpoint, labels, self.task.bias(), &self.settings, seed, place)?;
        let scored = |tuned: &Tuned, encoded: &Encoded| -> Result<Vec<(String, Option<f64>)>> {
            Ok(self.task.scores(&predictions(&encoded.examples, tuned.predict(&encoded.examples)?)))
        };
        let mut dev = |tuned: &Tuned| {
            let scores = scored(tuned, &texts.dev)?;
            scores.first().and_then(|(_, score)| *score).ok_or_else(|| Error::Data("the dev file has no target".into()))
        };
        let training = train(&tuned, &texts.train.examples, &mut dev, seed, watcher)?;
        let mut scores: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for (language, encoded) in &texts.test {
            let found = scored(&tuned, encoded)?.into_iter().filter_map(|(task, score)| Some((task, score?)));
            scores.insert(language.clone(), found.collect());
        }
        if let Some(folder) = self.saved(checkpoint, seed) {
            tuned.save(folder, &self.task, &checkpoint.dir().display().to_string())?;
        }
        let mut left: BTreeMap<String, Left> =
            texts.test.iter().map(|(language, encoded)| (language.clone(), encoded.left)).collect();
        left.insert("train".into(), texts.train.left);
        left.insert("dev".into(), texts.dev.left);
        let tokenizer_sha256 = texts.sha256.clone();
        let weights_sha256 = weights_sha256.to_string();
        Ok(Run { step: checkpoint.step(), seed, weights_sha256, tokenizer_sha256, training, scores, left })
    }

    /// Checks every checkpoint's configuration, weights and tokenizer without reading values; of those on disk.
    ///
    /// # Errors
    /// As [`Tuned::load`].
    pub fn check(&self, series: &Series) -> Result<()> {
        for checkpoint in series.checkpoints().iter().filter(|checkpoint| checkpoint.is_fetched()) {
            let last = crate::Site::Residual(Config::read(checkpoint.config())?.n_layer);
            crate::bloom::Bloom::check(checkpoint, crate::bloom::Extent::Sites(&[last]))?;
            checkpoint.tokenizer()?;
        }
        Ok(())
    }
}
