use super::place::Place;
use super::{SeriesSettings, Step, Weights};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One checkpoint: a folder with `config.json` and weights.
///
/// Of a checkpoint on the Hub the folder is that of its commit in the cache. Configuration and tokenizer are in it from the
/// start, the weights after [`Checkpoint::fetch`] or when [`Series::in_turn`] comes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    model: String,
    step: Step,
    dir: PathBuf,
    /// The tokenizer, if the folder has none.
    tokenizer: Option<PathBuf>,
    #[cfg(feature = "hub")]
    remote: Option<std::sync::Arc<super::hub::Remote>>,
}

impl Checkpoint {
    /// A single checkpoint. Where the folder's name is that of a step (`global_step1000`), the model is named after the
    /// folder above; else after the folder itself, and its step is `final`.
    ///
    /// # Errors
    /// [`Error::File`] if the folder is not there or holds no `config.json`.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        if !dir.is_dir() {
            return Err(Error::file(
                dir,
                "is not a folder; give a checkpoint's folder, with `config.json` and weights",
            ));
        }
        if !dir.join("config.json").is_file() {
            return Err(Error::file(dir, "holds no `config.json`; give a checkpoint's folder in Hugging Face layout"));
        }
        let full = dir.canonicalize().map_err(Error::io(dir, "read"))?;
        let (model, step) = match step_of(&name(&full)) {
            Some(step) => (full.parent().map(name).unwrap_or_default(), step),
            None => (name(&full), Step::Final),
        };
        Ok(Checkpoint::new(model, step, dir.to_path_buf()))
    }

    /// The checkpoint at `place`: a folder, or else a repository of the Hub, `OWNER/NAME` or `OWNER/NAME@REVISION` (without
    /// revision, `main`), which is fetched whole. A revision that fits `settings.revisions` has its step, any other is `final`.
    /// Of the other settings only `tokenizer` counts.
    ///
    /// # Errors
    /// As [`Checkpoint::open`]; with the feature `hub` `Error::Hub`, without it [`Error::File`] for a repository.
    pub fn find(place: impl AsRef<Path>, settings: &SeriesSettings) -> Result<Self> {
        let checkpoint = Checkpoint::locate(place.as_ref(), settings)?.or_tokenizer(&settings.tokenizer)?;
        #[cfg(feature = "hub")]
        super::hub::check_room(std::slice::from_ref(&checkpoint), false, true)?;
        checkpoint.fetch()?;
        Ok(checkpoint)
    }

    /// As [`Checkpoint::find`], but without the weights of a repository.
    fn locate(place: &Path, #[allow(unused_variables)] settings: &SeriesSettings) -> Result<Self> {
        match Place::of(place) {
            Place::Disk(dir) => Checkpoint::open(dir),
            #[cfg(feature = "hub")]
            Place::Hub(repository) => super::hub::Hub::from_env()?.checkpoint(&repository, settings),
            #[cfg(not(feature = "hub"))]
            Place::Hub(repository) => super::place::without_hub(&repository),
        }
    }

    fn new(model: String, step: Step, dir: PathBuf) -> Self {
        Checkpoint {
            model,
            step,
            dir,
            tokenizer: None,
            #[cfg(feature = "hub")]
            remote: None,
        }
    }

    /// A checkpoint on the Hub, whose folder may still lack the weights; `tokenizer` is that of the main revision.
    #[cfg(feature = "hub")]
    pub(super) fn on_hub(model: &str, step: Step, tokenizer: Option<PathBuf>, remote: super::hub::Remote) -> Self {
        let dir = remote.dir().to_path_buf();
        Checkpoint { model: model.into(), step, dir, tokenizer, remote: Some(std::sync::Arc::new(remote)) }
    }

    /// As the released model of a series, with the tokenizer at `place` if it has none.
    #[cfg(feature = "hub")]
    pub(super) fn into_final(mut self, place: &Option<String>) -> Result<Self> {
        self.step = Step::Final;
        self.or_tokenizer(place)
    }

    /// With the tokenizer at `place`, if it has none.
    fn or_tokenizer(mut self, place: &Option<String>) -> Result<Self> {
        if let Some(place) = place.as_ref().filter(|_| self.tokenizer().is_err()) {
            self.tokenizer = Some(tokenizer_at(place)?);
        }
        Ok(self)
    }

    /// The model's name without its step.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How far training had come.
    pub fn step(&self) -> Step {
        self.step
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The commit on the Hub, 40 hexadecimal digits, or `None` for a folder.
    pub fn commit(&self) -> Option<&str> {
        #[cfg(feature = "hub")]
        {
            self.remote.as_ref().map(|remote| remote.commit())
        }
        #[cfg(not(feature = "hub"))]
        {
            None
        }
    }

    /// The repository on the Hub and the commit, `OWNER/NAME@COMMIT`, or `None` for a folder.
    pub fn repository(&self) -> Option<String> {
        #[cfg(feature = "hub")]
        {
            self.remote.as_ref().map(|remote| format!("{}@{}", remote.repository().id(), remote.commit()))
        }
        #[cfg(not(feature = "hub"))]
        {
            None
        }
    }

    /// The path of `config.json`.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// The path of `tokenizer.json`: in the checkpoint's folder, else in the one above, else where the repository's main
    /// revision or [`SeriesSettings::tokenizer`] has it.
    ///
    /// # Errors
    /// [`Error::File`] if there is none.
    pub fn tokenizer(&self) -> Result<PathBuf> {
        let beside = self.dir.join(TOKENIZER);
        if beside.is_file() {
            return Ok(beside);
        }
        let above = self.dir.join("..").join(TOKENIZER);
        if above.is_file() {
            return Ok(above);
        }
        if let Some(elsewhere) = &self.tokenizer {
            return Ok(elsewhere.clone());
        }
        let cure = if self.commit().is_some() {
            "is not there, nor in the repository's main revision; name a tokenizer (BLOOM's is the one of the repository \
             `bigscience/bloom`)"
        } else {
            "is not there, nor in the folder above; put the model's tokenizer at the top of the series"
        };
        Err(Error::file(beside, cure))
    }

    /// Maps the weights.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn weights(&self) -> Result<Weights> {
        Weights::open(&self.dir)
    }

    /// Whether the weights are on disk; always so of a folder.
    pub fn is_fetched(&self) -> bool {
        #[cfg(feature = "hub")]
        {
            self.remote.as_ref().is_none_or(|remote| remote.is_fetched())
        }
        #[cfg(not(feature = "hub"))]
        {
            true
        }
    }

    /// Fetches the weights from the Hub, unless they are on disk.
    ///
    /// # Errors
    /// `Error::Hub` if they cannot be fetched, [`Error::Io`] if they cannot be written.
    pub fn fetch(&self) -> Result<()> {
        #[cfg(feature = "hub")]
        if let Some(remote) = &self.remote {
            return remote.fetch(&Default::default());
        }
        Ok(())
    }

    /// Deletes the weights from the Hub's cache, whoever has fetched them; of a folder it does nothing. No other program may be using them.
    pub fn evict(&self) {
        #[cfg(feature = "hub")]
        if let Some(remote) = &self.remote {
            remote.evict_all(std::iter::empty());
        }
    }

    #[cfg(feature = "hub")]
    pub(super) fn remote(&self) -> Option<&std::sync::Arc<super::hub::Remote>> {
        self.remote.as_ref()
    }
}

/// Checkpoints of one model, by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    model: String,
    checkpoints: Vec<Checkpoint>,
    evict: bool,
}

impl Series {
    /// The series in a folder of folders `global_stepN`, `stepN` or `final`; a checkpoint's own folder is a series of one.
    /// Other entries of the folder are passed over. The folder's name is the model's.
    ///
    /// # Errors
    /// [`Error::File`] if there is no checkpoint or two folders are of one step; [`Error::Io`] if it cannot be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        if !dir.is_dir() {
            let message =
                "is not a folder; give a series' folder, with a folder `global_stepN` for each checkpoint, or a \
                           repository of the Hub, `OWNER/NAME`";
            return Err(Error::file(dir, message));
        }
        if dir.join("config.json").is_file() {
            let checkpoint = Checkpoint::open(dir)?;
            return Ok(Series { model: checkpoint.model.clone(), checkpoints: vec![checkpoint], evict: false });
        }
        let model = name(&dir.canonicalize().map_err(Error::io(dir, "read"))?);
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        for entry in fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
            let path = entry.map_err(Error::io(dir, "read"))?.path();
            let Some(step) = step_of(&name(&path)).filter(|_| path.is_dir()) else { continue };
            if !path.join("config.json").is_file() {
                return Err(Error::file(&path, "holds no `config.json`; complete the checkpoint or remove its folder"));
            }
            checkpoints.push(Checkpoint::new(model.clone(), step, path));
        }
        if checkpoints.is_empty() {
            let message = "holds no checkpoint; expected folders named `global_stepN`, `stepN` or `final`, each with \
                           `config.json` and weights";
            return Err(Error::file(dir, message));
        }
        Series::new(model, checkpoints, false)
    }

    /// The series at `place`: a folder as [`Series::open`] takes it, or else a repository of the Hub, `OWNER/NAME`, with a
    /// revision a step; `OWNER/NAME@REVISION` is a series of one.
    ///
    /// Of a repository, configurations and tokenizers are fetched here, so that they can be checked; weights are not.
    ///
    /// # Errors
    /// As [`Series::open`]; [`Error::Unknown`] if a step of `settings` does not exist; with the feature `hub`
    /// `Error::Hub`, without it [`Error::File`] for a repository.
    pub fn find(place: impl AsRef<Path>, settings: &SeriesSettings) -> Result<Self> {
        let dir = match Place::of(place.as_ref()) {
            Place::Disk(dir) => dir,
            #[cfg(feature = "hub")]
            Place::Hub(repository) => return super::hub::Hub::from_env()?.series(&repository, settings),
            #[cfg(not(feature = "hub"))]
            Place::Hub(repository) => return super::place::without_hub(&repository),
        };
        let mut series = Series::open(dir)?;
        if let Some(place) = &settings.released {
            let mut released = Checkpoint::locate(Path::new(place), settings)?;
            released.step = Step::Final;
            series = series.with(released)?;
        }
        if !settings.steps.is_empty() {
            series = series.select(&settings.steps)?;
        }
        let with_tokenizer = |checkpoint: Checkpoint| checkpoint.or_tokenizer(&settings.tokenizer);
        series.checkpoints = series.checkpoints.into_iter().map(with_tokenizer).collect::<Result<_>>()?;
        series.evict = settings.evict;
        Ok(series)
    }

    /// A series of these checkpoints.
    pub(super) fn new(model: String, mut checkpoints: Vec<Checkpoint>, evict: bool) -> Result<Self> {
        checkpoints.sort_by(|a, b| (a.step, &a.dir).cmp(&(b.step, &b.dir)));
        for pair in checkpoints.windows(2) {
            if let [a, b] = pair {
                if a.step == b.step {
                    let message = format!("is of the same step as {}; remove one", a.dir.display());
                    return Err(Error::file(&b.dir, message));
                }
            }
        }
        for checkpoint in &mut checkpoints {
            checkpoint.model.clone_from(&model);
        }
        Ok(Series { model, checkpoints, evict })
    }

    /// With one more checkpoint, which takes the series' name.
    fn with(mut self, checkpoint: Checkpoint) -> Result<Self> {
        self.checkpoints.push(checkpoint);
        Series::new(self.model, self.checkpoints, self.evict)
    }

    /// Only the checkpoints of `steps`.
    ///
    /// # Errors
    /// [`Error::Unknown`] if a step does not exist.
    pub fn select(mut self, steps: &[Step]) -> Result<Self> {
        let there: BTreeSet<Step> = self.steps().into_iter().collect();
        if let Some(absent) = steps.iter().find(|step| !there.contains(*step)) {
            let known: Vec<String> = there.iter().map(Step::to_string).collect();
            return Err(Error::unknown("step", absent, format!("one of {}: {}", self.model, known.join(", "))));
        }
        self.checkpoints.retain(|checkpoint| steps.contains(&checkpoint.step));
        Ok(self)
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The checkpoints, by step. Of a series on the Hub they may lack their weights: [`Series::in_turn`] has them.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// The steps, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.checkpoints.iter().map(Checkpoint::step).collect()
    }

    /// Whether weights go after use: [`SeriesSettings::evict`].
    pub(super) fn evicts(&self) -> bool {
        self.evict
    }
}

const TOKENIZER: &str = "tokenizer.json";

/// `tokenizer.json` at `place`: the file, or a folder with it.
pub(super) fn tokenizer_on_disk(place: &Path) -> Result<PathBuf> {
    let inside = place.join(TOKENIZER);
    if place.is_file() {
        Ok(place.to_path_buf())
    } else if inside.is_file() {
        Ok(inside)
    } else {
        let message =
            "is no tokenizer; give a `tokenizer.json`, a folder with one, or a repository of the Hub such as \
                       bigscience/bloom";
        Err(Error::file(place, message))
    }
}

/// As [`tokenizer_on_disk`], or of a repository of the Hub.
fn tokenizer_at(place: &str) -> Result<PathBuf> {
    match Place::of(Path::new(place)) {
        Place::Disk(path) => tokenizer_on_disk(&path),
        #[cfg(feature = "hub")]
        Place::Hub(repository) => super::hub::Hub::from_env()?.tokenizer(&repository),
        #[cfg(not(feature = "hub"))]
        Place::Hub(repository) => super::place::without_hub(&repository),
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn step_of(name: &str) -> Option<Step> {
    if name == "final" {
        return Some(Step::Final);
    }
    let digits = name.strip_prefix("global_step").or_else(|| name.strip_prefix("step"))?;
    digits.parse().ok().filter(|step| *step != Step::Final)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("config.json"), "{}").unwrap();
        }
        dir
    }

    #[test]
    fn steps_are_sorted_as_numbers_and_final_is_last() {
        let dir = folder(&["global_step1000", "final", "step30", "global_step0", "notes", "stepfinal"]);
        let series = Series::open(dir.path()).unwrap();
        assert_eq!(series.steps(), [Step::Number(0), Step::Number(30), Step::Number(1000), Step::Final]);
        assert_eq!(Series::open(dir.path().join("step30")).unwrap().model(), series.model());
    }

    #[test]
    fn two_folders_of_one_step_are_refused() {
        let dir = folder(&["global_step30", "step30"]);
        assert!(Series::open(dir.path()).unwrap_err().to_string().contains("same step"));
    }

    #[test]
    fn a_folder_without_checkpoints_says_what_is_expected() {
        let dir = folder(&["notes"]);
        assert!(Series::open(dir.path()).unwrap_err().to_string().contains("global_stepN"));
        let absent = dir.path().join("absent");
        assert!(Series::open(absent).unwrap_err().to_string().contains("is not a folder"));
    }

    #[test]
    fn steps_and_the_released_model_are_taken_as_the_settings_say() {
        let dir = folder(&["global_step10", "global_step2", "released"]);
        fs::write(dir.path().join("released").join("tokenizer.json"), "{}").unwrap();
        let released = dir.path().join("released").to_string_lossy().into_owned();
        let settings = SeriesSettings {
            steps: vec![Step::Final, Step::Number(2)],
            released: Some(released.clone()),
            tokenizer: Some(released.clone()),
            ..SeriesSettings::default()
        };
        let series = Series::find(dir.path(), &settings).unwrap();
        assert_eq!(series.steps(), [Step::Number(2), Step::Final]);
        for checkpoint in series.checkpoints() {
            assert_eq!(checkpoint.model(), series.model());
            assert_eq!(checkpoint.tokenizer().unwrap(), Path::new(&released).join("tokenizer.json"));
            assert!(checkpoint.is_fetched() && checkpoint.commit().is_none());
        }
        let settings = SeriesSettings { steps: vec![Step::Number(3)], ..SeriesSettings::default() };
        let error = Series::find(dir.path(), &settings).unwrap_err().to_string();
        assert!(error.starts_with("unknown step `3`") && error.ends_with("2, 10"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "hub"))]
    fn a_repository_needs_the_hub() {
        let error = Series::find("bigscience/bloom-560m", &SeriesSettings::default()).unwrap_err().to_string();
        assert!(error.contains("--features hub"), "{error}");
    }
}
