use super::{Step, Weights};
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// One checkpoint: a folder with `config.json` and weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    model: String,
    step: Step,
    dir: PathBuf,
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
        Ok(Checkpoint { model, step, dir: dir.to_path_buf() })
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

    /// The path of `config.json`.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// The path of `tokenizer.json`: in the checkpoint's folder, else in the one above.
    ///
    /// # Errors
    /// [`Error::File`] if neither has one.
    pub fn tokenizer(&self) -> Result<PathBuf> {
        let beside = self.dir.join("tokenizer.json");
        if beside.is_file() {
            return Ok(beside);
        }
        let above = self.dir.join("..").join("tokenizer.json");
        if above.is_file() {
            return Ok(above);
        }
        let cure = "is not there, nor in the folder above; put the model's tokenizer at the top of the series";
        Err(Error::file(beside, cure))
    }

    /// Maps the weights.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn weights(&self) -> Result<Weights> {
        Weights::open(&self.dir)
    }
}

/// Checkpoints of one model, by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    model: String,
    checkpoints: Vec<Checkpoint>,
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
            let message = "is not a folder; give a series' folder, with a folder `global_stepN` for each checkpoint \
                           (download a Hub repository first, one folder a revision)";
            return Err(Error::file(dir, message));
        }
        if dir.join("config.json").is_file() {
            let checkpoint = Checkpoint::open(dir)?;
            return Ok(Series { model: checkpoint.model.clone(), checkpoints: vec![checkpoint] });
        }
        let model = name(&dir.canonicalize().map_err(Error::io(dir, "read"))?);
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        for entry in fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
            let path = entry.map_err(Error::io(dir, "read"))?.path();
            let Some(step) = step_of(&name(&path)).filter(|_| path.is_dir()) else { continue };
            if !path.join("config.json").is_file() {
                return Err(Error::file(&path, "holds no `config.json`; complete the checkpoint or remove its folder"));
            }
            checkpoints.push(Checkpoint { model: model.clone(), step, dir: path });
        }
        checkpoints.sort_by(|a, b| (a.step, &a.dir).cmp(&(b.step, &b.dir)));
        for pair in checkpoints.windows(2) {
            if let [a, b] = pair {
                if a.step == b.step {
                    let message = format!("is of the same step as {}; remove one", a.dir.display());
                    return Err(Error::file(&b.dir, message));
                }
            }
        }
        if checkpoints.is_empty() {
            let message = "holds no checkpoint; expected folders named `global_stepN`, `stepN` or `final`, each with \
                           `config.json` and weights";
            return Err(Error::file(dir, message));
        }
        Ok(Series { model, checkpoints })
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The checkpoints, by step.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// The steps, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.checkpoints.iter().map(Checkpoint::step).collect()
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
}
