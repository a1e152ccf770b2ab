use super::{overrides, Bytes};
use crate::activations::{Pooling, Tokenisation};
use crate::checkpoint::{from_folder, SeriesSettings};
use crate::overlap::Control;
use crate::ranking::Method;
use crate::treebank::{Multiword, ReadSettings, Scheme, Source, SplitSettings};
use crate::{Error, Result, Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The floating-point type that a model computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// float32.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
    /// float16.
    F16,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::Bf16 => "bf16",
            Dtype::F16 => "f16",
        })
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f32" => Ok(Dtype::F32),
            "bf16" => Ok(Dtype::Bf16),
            "f16" => Ok(Dtype::F16),
            _ => Err(Error::unknown("dtype", text, "f32, bf16 or f16")),
        }
    }
}

#[cfg(feature = "torch")]
impl From<Dtype> for tch::Kind {
    fn from(dtype: Dtype) -> tch::Kind {
        match dtype {
            Dtype::F32 => tch::Kind::Float,
            Dtype::Bf16 => tch::Kind::BFloat16,
            Dtype::F16 => tch::Kind::Half,
        }
    }
}

/// How treebanks are read, besides the scheme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// What multiword tokens become.
    pub multiword: Multiword,
    /// Skip and count defective sentences instead of stopping at the first.
    pub lenient: bool,
}

impl Reading {
    /// The settings in full, for one scheme.
    pub fn of(self, scheme: Scheme) -> ReadSettings {
        ReadSettings { scheme, multiword: self.multiword, lenient: self.lenient }
    }

    fn is_default(&self) -> bool {
        *self == Reading::default()
    }
}

/// What a study is of.
///
/// As TOML, keys are the fields' names; unknown keys are errors, and paths count from the file's folder:
///
/// ```
/// let text = r#"
/// series = "bloom-560m"
/// source = "en"
/// scheme = "unimorph"
/// attributes = ["POS", "Number", "Gender"]
/// sites = ["residual.12", "residual.16"]
/// k = [50]
/// seeds = [0, 1]
///
/// [treebanks]
/// en = ["en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu"]
/// es = ["UD_Spanish-GSD"]
/// "#;
/// let study = isogloss::study::Study::parse(text, "studies/bloom.toml")?;
/// assert_eq!(study.series, std::path::Path::new("studies/bloom-560m"));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// The folder of checkpoints, or a repository of the Hub, `OWNER/NAME`.
    pub series: PathBuf,
    /// The language that transfer starts from.
    pub source: String,
    /// Which attributes words carry.
    #[serde(default = "default_scheme")]
    pub scheme: Scheme,
    /// The attributes to probe for.
    pub attributes: Vec<String>,
    /// Where to read activations.
    pub sites: Vec<Site>,
    /// How many neurons to compare; correlations take the first.
    #[serde(default = "default_k")]
    pub k: Vec<usize>,
    /// Seeds of splits and probes; two or more give a noise ceiling.
    #[serde(default = "default_seeds")]
    pub seeds: Vec<u64>,
    /// What stands beside every overlap: rankings of shuffled labels, which take as long to make as the real ones, and the
    /// overlap of one attribute with another. Both by default.
    #[serde(default = "default_controls")]
    pub controls: Vec<Control>,
    /// A table of transfer scores; without one, zero-shot transfer of the source's probes is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<PathBuf>,
    /// Where the model computes: `cpu` or `cuda:N`.
    #[serde(default = "default_device")]
    pub device: String,
    /// The type it computes in.
    #[serde(default)]
    pub dtype: Dtype,
    /// How subwords become words.
    #[serde(default)]
    pub pooling: Pooling,
    /// How words become subwords.
    #[serde(default)]
    pub tokenisation: Tokenisation,
    /// Whether the series is looked over before time is spent on it ([`crate::audit`]); by
    /// default it is, and what is found is a warning and a note.
    #[serde(default = "default_audit")]
    pub audit: bool,
    /// libtorch's threads on a processor; rounding depends on them. Without a number, a quarter of the cores of the machine that
    /// starts the study, which its folder then keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// The memory that the study may take ([`Needs`](super::Needs)); without a limit, as much as is fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Whether activations stay on disk; else they go once what needs them is there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_activations: bool,
    /// Whether the first cell that fails stops the study; else the others go on, and the tables say what is missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fail_fast: bool,
    /// The folder for results and tables, where the caller does not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// How treebanks are read.
    #[serde(default, skip_serializing_if = "Reading::is_default")]
    pub reading: Reading,
    /// Which checkpoints of the series to take, and where its tokenizer and the released model lie.
    #[serde(default, skip_serializing_if = "SeriesSettings::is_default")]
    pub checkpoints: SeriesSettings,
    /// Files of each language, or folders of them.
    pub treebanks: BTreeMap<String, Vec<PathBuf>>,
    /// How words are split.
    #[serde(default)]
    pub split: SplitSettings,
    /// The probe.
    #[serde(default = "default_method")]
    pub method: Method,
}

fn default_scheme() -> Scheme {
    Scheme::Unimorph
}

fn default_k() -> Vec<usize> {
    vec![50]
}

fn default_seeds() -> Vec<u64> {
    vec![0, 1]
}

fn default_controls() -> Vec<Control> {
    vec![Control::Shuffled, Control::CrossAttribute]
}

fn default_audit() -> bool {
    true
}

fn is_false(value: &bool) -> bool {
    !value
}

fn default_device() -> String {
    "cpu".into()
}

pub(super) fn default_method() -> Method {
    Method::Poisson(crate::probe::Poisson::params())
}

impl Study {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Line`] if it is malformed or has an unknown key or value.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&fs::read_to_string(path).map_err(Error::io(path, "read"))?, path)
    }

    /// Parses TOML that stands, or might stand, in the file `path`.
    ///
    /// # Errors
    /// [`Error::Line`] if it is malformed or has an unknown key or value.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self> {
        Self::parse_with(text, path, &[])
    }

    /// As [`Study::read`], with some keys set to other values: `KEY=VALUE`, the key with dots (`split.min_per_class`) and the
    /// value as in the file, where quotes of a text and brackets of a list of one may be left out.
    ///
    /// # Errors
    /// As [`Study::read`]; [`Error::Data`] for a setting that is no such key or value.
    ///
    /// # Examples
    /// ```no_run
    /// use isogloss::study::Study;
    /// let study = Study::read_with("study.toml", &["k=20".into(), "method.poisson.samples=7".into()])?;
    /// assert_eq!(study.k, [20]);
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn read_with(path: impl AsRef<Path>, settings: &[String]) -> Result<Self> {
        let path = path.as_ref();
        Self::parse_with(&fs::read_to_string(path).map_err(Error::io(path, "read"))?, path, settings)
    }

    fn parse_with(text: &str, path: impl AsRef<Path>, settings: &[String]) -> Result<Self> {
        let path = path.as_ref();
        let mut study: Study = overrides::parse(text, path, settings)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        study.series = from_folder(folder, &study.series);
        for place in [&mut study.checkpoints.released, &mut study.checkpoints.tokenizer].into_iter().flatten() {
            *place = from_folder(folder, Path::new(place)).to_string_lossy().into_owned();
        }
        study.transfer = study.transfer.map(|file| folder.join(file));
        study.output = study.output.map(|folder_of| folder.join(folder_of));
        for file in study.treebanks.values_mut().flatten() {
            *file = folder.join(&*file);
        }
        Ok(study)
    }

    /// The description as TOML, every setting spelled out and paths made absolute: a file with it says the same wherever it
    /// lies on the machine.
    ///
    /// # Errors
    /// [`Error::Data`] if a path is not Unicode or a seed is beyond TOML's integers (2^63 - 1).
    pub fn to_toml(&self) -> Result<String> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let mut study = self.clone();
        study.series = crate::checkpoint::absolute(&study.series);
        for place in [&mut study.checkpoints.released, &mut study.checkpoints.tokenizer].into_iter().flatten() {
            *place = crate::checkpoint::absolute(Path::new(place)).to_string_lossy().into_owned();
        }
        study.transfer = study.transfer.as_ref().map(absolute);
        study.output = study.output.as_ref().map(absolute);
        for file in study.treebanks.values_mut().flatten() {
            *file = absolute(file);
        }
        toml::to_string(&study).map_err(|e| Error::Data(format!("the study cannot be written as TOML: {e}")))
    }

    /// Checks what can be checked without reading anything.
    ///
    /// # Errors
    /// [`Error::Parameter`] for empty or repeated lists and a `k` of 0, [`Error::Unknown`] for an attribute that the
    /// scheme lacks or a source language without a treebank.
    pub fn check(&self) -> Result<()> {
        no_repeats("attribute", &self.attributes)?;
        no_repeats("site", &self.sites)?;
        no_repeats("k", &self.k)?;
        no_repeats("seed", &self.seeds)?;
        if self.controls.contains(&Control::None) {
            return Err(Error::unknown(
                "control",
                Control::None,
                "shuffled or cross-attribute; for no control, an empty list",
            ));
        }
        if !self.controls.is_empty() {
            no_repeats("control", &self.controls)?;
        }
        if self.threads == Some(0) {
            return Err(Error::parameter("threads", "at least 1", 0));
        }
        if self.k.contains(&0) {
            return Err(Error::parameter("k", "at least 1", 0));
        }
        // Treebanks may have features of their own, so that names of scheme `ud` are judged when those are read.
        for attribute in self.attributes.iter().filter(|_| self.scheme == Scheme::Unimorph) {
            self.scheme.check_attribute(attribute)?;
        }
        if self.treebanks.len() < 2 {
            return Err(Error::parameter("treebank", "of two or more languages, to compare", self.treebanks.len()));
        }
        if !self.treebanks.contains_key(&self.source) {
            let languages = self.treebanks.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::unknown("source language", &self.source, format!("one with a treebank: {languages}")));
        }
        self.method.check()?;
        self.split.check()?;
        // What cannot be written down at the end is refused at the start.
        self.to_toml().map(|_| ())
    }

    /// The treebanks' files, the source language first, then by language.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub fn sources(&self) -> Result<Vec<Source>> {
        let mut languages: Vec<_> = self.treebanks.iter().collect();
        languages.sort_by_key(|(language, _)| (**language != self.source, *language));
        languages.into_iter().map(|(language, files)| Source::new(language, files)).collect()
    }
}

fn no_repeats<T: Ord + fmt::Display>(name: &'static str, values: &[T]) -> Result<()> {
    if values.is_empty() {
        return Err(Error::parameter(name, "given at least once", "absent"));
    }
    let mut seen = BTreeSet::new();
    match values.iter().find(|value| !seen.insert(*value)) {
        Some(value) => Err(Error::parameter(name, "given once", format!("given twice: {value}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A whole description.
    pub const TEXT: &str = r#"
series = "models"
source = "qa"
attributes = ["POS"]
sites = ["residual.1"]

[treebanks]
qa = ["a.conllu"]
qb = ["b.conllu"]
"#;

    fn refused(text: &str, why: &str) {
        let error = Study::parse(text, "s.toml").and_then(|study| study.check()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_is_written_says_the_same_from_elsewhere() {
        let study = Study::parse(TEXT, "/somewhere/s.toml").unwrap();
        assert_eq!(study.series, Path::new("/somewhere/models"));
        study.check().unwrap();
        let again = Study::parse(&study.to_toml().unwrap(), "/elsewhere/t.toml").unwrap();
        assert_eq!(again, study);
    }

    #[test]
    fn a_repository_of_the_hub_is_no_path() {
        let text = TEXT.replace("\"models\"", "\"bigscience/bloom-560m-intermediate\"");
        let text = format!("{text}\n[checkpoints]\nsteps = [1000, \"final\"]\nreleased = \"bigscience/bloom-560m\"\ntokenizer = \"t\"\n");
        let study = Study::parse(&text, "/somewhere/s.toml").unwrap();
        assert_eq!(study.series, Path::new("bigscience/bloom-560m-intermediate"));
        assert_eq!(study.checkpoints.steps.len(), 2);
        let written = study.to_toml().unwrap();
        assert!(written.contains("\"bigscience/bloom-560m\"") && written.contains("\"/somewhere/t\""), "{written}");
        assert_eq!(Study::parse(&written, "/elsewhere/t.toml").unwrap(), study);
        assert!(!Study::parse(TEXT, "s.toml").unwrap().to_toml().unwrap().contains("[checkpoints]"));
    }

    #[test]
    fn a_method_is_a_name_or_a_table_of_parameters() {
        let named = Study::parse(&format!("method = \"logistic\"{TEXT}"), "s.toml").unwrap();
        assert_eq!(named.method.to_string(), "logistic");
        let table = Study::parse(&format!("{TEXT}\n[method.poisson]\nsamples = 7\n"), "s.toml").unwrap();
        assert_eq!(table.method, Method::Poisson(crate::probe::Poisson::params().samples(7)));
        refused(&format!("method = \"magic\"{TEXT}"), "s.toml:1: unknown method `magic`");
        refused(&format!("{TEXT}\n[method.poisson]\nsampels = 7\n"), "sampels");
        refused(&format!("{TEXT}\n[method.poisson]\nsamples = 1\n"), "samples should be 2 or more, but is 1");
    }

    #[test]
    fn contradictions_are_named() {
        refused(&TEXT.replace("source = \"qa\"", "source = \"en\""), "unknown source language `en`");
        refused(&TEXT.replace("[\"POS\"]", "[\"POS\", \"POS\"]"), "given twice: POS");
        refused(&TEXT.replace("qb = [\"b.conllu\"]", ""), "two or more languages");
        refused(&format!("seed = 3{TEXT}"), "s.toml:1: unknown field `seed`");
        refused(&format!("seeds = [1, 1]{TEXT}"), "given twice: 1");
        refused(&format!("k = [0]{TEXT}"), "at least 1");
        refused(&format!("{TEXT}\n[reading]\nmultiword = \"both\"\n"), "s.toml:12: unknown multiword option `both`");
        refused(&format!("threads = 0{TEXT}"), "threads should be at least 1");
        refused(&format!("memory = \"much\"{TEXT}"), "s.toml:1: unknown amount of memory `much`");
        refused(&format!("{TEXT}\n[reading]\nmultiwords = \"parts\"\n"), "multiwords");
        refused(&format!("keep_activations = 1{TEXT}"), "s.toml:1: invalid type");
    }
}
