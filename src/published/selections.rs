//! The tree of a published study's raw selections.

use super::languages::code_or_name;
use crate::checkpoint::Step;
use crate::ranking::{Cell, Control, CurvePoint, RankedCell, Ranking};
use crate::{Error, Result, Site};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The file of a cell.
const LOG: &str = "loginfo.json";

/// What stands between a model's name and its step.
const STEP_MARK: &str = "-intermediate-global_step";

/// The method that the cells of [`Selections`] are given: the selections were made with the Poisson probe of Stanczak et
/// al. 2023 (arXiv 2201.08214).
pub const METHOD: &str = "poisson";

/// The widths of models, which a study's files do not have: written `1024`, or `MODEL=1024,MODEL=1536`.
///
/// # Examples
/// ```
/// use isogloss::published::HiddenSize;
/// let sizes: HiddenSize = "small=1024,large=1536".parse()?;
/// assert_eq!((sizes.of("large"), sizes.of("other")), (Some(1536), None));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HiddenSize {
    /// Not known of any model: overlaps have no chance level.
    #[default]
    Unknown,
    /// The same for all.
    All(usize),
    /// A model's own; not known of others.
    ByModel(BTreeMap<String, usize>),
}

impl HiddenSize {
    /// The width of a model, where it is known.
    pub fn of(&self, model: &str) -> Option<usize> {
        match self {
            HiddenSize::Unknown => None,
            HiddenSize::All(size) => Some(*size),
            HiddenSize::ByModel(sizes) => sizes.get(model).copied(),
        }
    }
}

impl FromStr for HiddenSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |value: &str| Error::parameter("hidden size", "N, or MODEL=N,MODEL=N with N from 1", value);
        let size = |text: &str| text.parse().ok().filter(|&size| size > 0usize).ok_or_else(|| wrong(text));
        if !text.contains('=') {
            return Ok(HiddenSize::All(size(text)?));
        }
        let mut sizes = BTreeMap::new();
        for part in text.split(',') {
            let (model, value) =
                part.rsplit_once('=').filter(|(model, _)| !model.is_empty()).ok_or_else(|| wrong(part))?;
            if sizes.insert(model.to_owned(), size(value)?).is_some() {
                return Err(Error::parameter("hidden size", format!("given once for {model}"), text));
            }
        }
        Ok(HiddenSize::ByModel(sizes))
    }
}

/// Rankings of a published study, and what was left out.
#[derive(Clone, Debug, Default)]
pub struct Selections {
    /// A ranking a cell, sorted.
    pub cells: Vec<RankedCell>,
    /// The file of each.
    pub files: Vec<PathBuf>,
    /// What was left out and why, as sentences.
    pub notes: Vec<String>,
}

impl Selections {
    /// Reads `MODEL[-intermediate-global_stepN]/inter-layer-L/UD_Language/ATTRIBUTE/loginfo.json` under a folder.
    ///
    /// `MODEL` without a step is the released model. Layer `L` counts the embeddings as 1: it is the site `residual.(L-1)`.
    /// Other folders beside `inter-layer-L` (`last-layer`, whose number the files do not tell) are left out with a note. The
    /// language is its [`language_code`](super::language_code), or its name in small letters with a note.
    ///
    /// # Errors
    /// [`Error::Io`] where a file or folder cannot be read; [`Error::Line`] and [`Error::File`] for a file that is no
    /// selection, naming the entry, for a neuron beyond the hidden size, for folders of other names and for a cell given
    /// twice; [`Error::Unknown`] for a hidden size of a model that is not there.
    pub fn read(dir: impl AsRef<Path>, hidden_size: &HiddenSize) -> Result<Self> {
        let dir = dir.as_ref();
        let mut notes = Vec::new();
        let found = cells(dir, &mut notes)?;
        let models: BTreeSet<&str> = found.keys().map(|cell| cell.model.as_str()).collect();
        if models.is_empty() {
            let message = format!(
                "has no selections; expected MODEL[{STEP_MARK}N]/inter-layer-L/UD_Language/ATTRIBUTE/{LOG} under it"
            );
            return Err(Error::file(dir, message));
        }
        if let HiddenSize::ByModel(sizes) = hidden_size {
            if let Some(model) = sizes.keys().find(|model| !models.contains(model.as_str())) {
                let models: Vec<&str> = models.into_iter().collect();
                return Err(Error::unknown("model of a hidden size", model, models.join(", ")));
            }
        }
        for model in models.iter().filter(|model| hidden_size.of(model).is_none()) {
            notes.push(format!("The hidden size of {model} is not given: no chance level, excess or p-values."));
        }
        let (found, files): (Vec<Cell>, Vec<PathBuf>) = found.into_iter().unzip();
        let cells = found
            .into_par_iter()
            .zip(&files)
            .map(|(cell, path)| {
                let ranking = read_log(path, hidden_size.of(&cell.model))?;
                Ok(RankedCell { cell, ranking })
            })
            .collect::<Result<Vec<RankedCell>>>()?;
        Ok(Selections { cells, files, notes })
    }

    /// Refuses selections of fewer neurons than the largest `k`, and makes all of one length, since rankings of different
    /// lengths are not comparable.
    pub(super) fn even(&mut self, ks: &[usize]) -> Result<()> {
        let most = ks.iter().copied().max().unwrap_or_default();
        for (ranked, path) in self.cells.iter().zip(&self.files) {
            let picked = ranked.ranking.curve().len();
            if picked < most {
                let message =
                    format!("selects {picked} neurons, fewer than k = {most}; compare fewer (`--k {picked}`)");
                return Err(Error::file(path, message));
            }
        }
        let lengths: BTreeSet<usize> = self.cells.iter().map(|ranked| ranked.ranking.curve().len()).collect();
        if lengths.len() > 1 {
            for ranked in &mut self.cells {
                let curve = ranked.ranking.curve().iter().take(most).copied().collect();
                ranked.ranking = ranking(ranked.ranking.n_neurons(), curve)?;
            }
            self.notes.push(format!("Selections are of different lengths; the first {most} neurons of each are kept."));
        }
        Ok(())
    }
}

/// The cells of a tree and their files.
fn cells(dir: &Path, notes: &mut Vec<String>) -> Result<BTreeMap<Cell, PathBuf>> {
    let mut found: BTreeMap<Cell, PathBuf> = BTreeMap::new();
    let mut unknown: BTreeSet<(String, String)> = BTreeSet::new();
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    for (name, checkpoint) in folders(dir)? {
        let (model, step) = model_and_step(&name).map_err(|message| Error::file(&checkpoint, message))?;
        for (name, layer) in folders(&checkpoint)? {
            let Some(number) = name.strip_prefix("inter-layer-") else {
                *skipped.entry(name).or_default() += 1;
                continue;
            };
            let site = match number.parse::<usize>() {
                Ok(number) if number > 0 => Site::Residual(number - 1),
                _ => return Err(Error::file(&layer, "expected `inter-layer-L`, L a whole number from 1")),
            };
            for (name, treebank) in folders(&layer)? {
                if !name.starts_with("UD_") || name.len() == 3 {
                    return Err(Error::file(&treebank, "expected the name of a treebank, `UD_Language`"));
                }
                let (language, known) = code_or_name(&name);
                if !known {
                    unknown.insert((name, language.clone()));
                }
                for (attribute, folder) in folders(&treebank)? {
                    let (model, language, path) = (model.to_owned(), language.clone(), folder.join(LOG));
                    if !path.is_file() {
                        let message = format!("holds no {LOG}; complete the cell or remove its folder");
                        return Err(Error::file(folder, message));
                    }
                    let cell = cell(model, step, site, attribute, language);
                    if let Some(other) = found.insert(cell, path.clone()) {
                        let message = format!(
                            "is of the same language, attribute, site and step as {}; keep one treebank a language",
                            other.display()
                        );
                        return Err(Error::file(path, message));
                    }
                }
            }
        }
    }
    notes.extend(skipped.into_iter().map(|(name, n)| {
        let models = if n == 1 { "a model".to_owned() } else { format!("{n} models and steps") };
        format!("Left out: `{name}` of {models}, whose number among the layers is not known (`inter-layer-L`).")
    }));
    notes.extend(
        unknown.into_iter().map(|(name, code)| {
            format!("The language of {name} has no code that is known here: it is called `{code}`.")
        }),
    );
    Ok(found)
}

fn cell(model: String, step: Step, site: Site, attribute: String, language: String) -> Cell {
    Cell { model, step, site, attribute, language, method: METHOD.into(), seed: 0, control: Control::None }
}

fn model_and_step(name: &str) -> Result<(&str, Step), String> {
    match name.rsplit_once(STEP_MARK) {
        None if name.contains("-intermediate") => Err(format!("expected a step in its name: `MODEL{STEP_MARK}N`")),
        None => Ok((name, Step::Final)),
        Some((model, number)) => match number.parse() {
            Ok(step @ Step::Number(_)) if !model.is_empty() && !number.is_empty() => Ok((model, step)),
            _ => Err(format!("step `{number}` is not a whole number; expected `MODEL{STEP_MARK}N`")),
        },
    }
}

/// The folders in a folder by name, sorted; hidden ones and files apart.
fn folders(dir: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut folders = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir, "read the folder"))? {
        let path = entry.map_err(Error::io(dir, "read the folder"))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            return Err(Error::file(&path, "has a name that is not valid UTF-8; rename it"));
        };
        if !name.starts_with('.') && path.is_dir() {
            folders.insert(name, path);
        }
    }
    Ok(folders)
}

fn read_log(path: &Path, width: Option<usize>) -> Result<Ranking> {
    let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
    let json = parse(&text).map_err(|error| {
        Error::line(path, error.line().max(1), format!("is not JSON: {error}; copy the file again"))
    })?;
    let curve = curve(&json).map_err(|message| Error::file(path, message))?;
    if let Some((point, width)) =
        width.and_then(|width| Some((curve.iter().find(|point| point.neuron >= width)?, width)))
    {
        let message = format!(
            "entry {} picks neuron {}, which a hidden size of {width} does not have; give the model's own (`--hidden-size`)",
            point.rank, point.neuron
        );
        return Err(Error::file(path, message));
    }
    ranking(width, curve).map_err(|error| Error::file(path, error.to_string()))
}

fn ranking(width: Option<usize>, curve: Vec<CurvePoint>) -> Result<Ranking> {
    match width {
        Some(width) => Ranking::new(width, curve),
        None => Ranking::of_unknown_width(curve),
    }
}

/// JSON as Python writes it, with `NaN` and `Infinity` for numbers that do not exist.
fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text).or_else(|error| {
        if !text.contains("NaN") && !text.contains("Infinity") {
            return Err(error);
        }
        let text = text.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
        serde_json::from_str(&text)
    })
}

/// The selection in a file: an entry a neuron, the last one of all neurons together.
fn curve(json: &Value) -> Result<Vec<CurvePoint>, String> {
    let entries = json.as_array().ok_or("should be a list of entries, one a neuron picked")?;
    let mut curve: Vec<CurvePoint> = Vec::with_capacity(entries.len());
    for (i, entry) in entries.iter().enumerate() {
        let wrong = |what: String| format!("entry {}: {what}", i + 1);
        let metrics = entry.get("metrics");
        let metric = |name: &str| match metrics.and_then(|metrics| metrics.get(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| wrong(format!("{name} is {value}, not a number"))),
        };
        let (nmi_test, accuracy_test) = (metric("mi")?, metric("accuracy")?);
        let picked = match entry.get("dimensions") {
            Some(Value::String(all)) if all == "ALL" && i + 1 == entries.len() => break,
            Some(Value::String(all)) if all == "ALL" => {
                return Err(wrong("`dimensions` is \"ALL\", which should be the last entry".into()))
            }
            Some(Value::Array(picked)) => picked,
            _ => return Err(wrong("expected `dimensions`, the neurons picked so far or \"ALL\"".into())),
        };
        let neuron = entry.get("iteration_dimension").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let neuron = neuron.ok_or_else(|| wrong("expected `iteration_dimension`, the number of a neuron".into()))?;
        if curve.iter().any(|point| point.neuron == neuron) {
            return Err(wrong(format!("picks neuron {neuron}, which an entry before has picked")));
        }
        let so_far = curve.iter().map(|point| point.neuron).chain([neuron]);
        if !so_far.map(|neuron| Some(neuron as u64)).eq(picked.iter().map(Value::as_u64)) {
            return Err(wrong("`dimensions` should be the neurons picked so far, in order".into()));
        }
        curve.push(CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test, accuracy_test });
    }
    Ok(curve)
}
