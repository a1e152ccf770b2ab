use crate::treebank::{Attributes, Word};
use crate::{files, Error, Result, Site};
use memmap2::Mmap;
use ndarray::{Array2, ArrayView2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use safetensors::View;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const COLUMNS: [&str; 9] =
    ["word", "sentence", "form", "lemma", "attributes", "language", "file", "sentence_id", "token_id"];
/// What a table made elsewhere must have: the first five.
const REQUIRED: usize = 5;
/// The one key of the file's metadata: several would be written in random order.
const METADATA_KEY: &str = "isogloss";

/// Words and, for each site, their activations `[n_words, n_neurons]`: row `i` is word `i`.
///
/// On disk: `NAME.safetensors` with one float32 tensor a site, named after it, and beside it `NAME.words.csv` with one row
/// a word (`word,sentence,form,lemma,attributes,language,file,sentence_id,token_id`; `word` counts from 0).
#[derive(Clone, Debug, PartialEq)]
pub struct Activations {
    words: Vec<Word>,
    sites: BTreeMap<Site, Array2<f32>>,
    about: BTreeMap<String, String>,
}

impl Activations {
    /// Puts words and their rows together.
    ///
    /// # Errors
    /// [`Error::Data`] if a site's number of rows is not that of the words.
    pub fn new(words: Vec<Word>, sites: BTreeMap<Site, Array2<f32>>) -> Result<Self> {
        for (site, matrix) in &sites {
            if matrix.nrows() != words.len() {
                return Err(Error::Data(format!("{site} has {} rows for {} words", matrix.nrows(), words.len())));
            }
        }
        Ok(Activations { words, sites, about: BTreeMap::new() })
    }

    /// Says how they were made: `model`, `step`, `pooling`, ... by name.
    pub fn with_about(mut self, about: BTreeMap<String, String>) -> Self {
        self.about = about;
        self
    }

    /// How they were made, where that is known.
    pub fn about(&self) -> &BTreeMap<String, String> {
        &self.about
    }

    /// Checks that every value is finite.
    ///
    /// # Errors
    /// [`Error::Data`] naming the site, neuron and word of the first that is not.
    pub fn check_finite(&self) -> Result<()> {
        for (site, matrix) in &self.sites {
            for (row, word) in matrix.outer_iter().zip(&self.words) {
                if let Some(neuron) = row.iter().position(|value| !value.is_finite()) {
                    let Word { form, file, sentence_id, token_id, .. } = word;
                    return Err(Error::Data(format!(
                        "neuron {neuron} of {site} is not finite for {form:?} ({file}, sentence {sentence_id}, token {token_id}): \
                         the weights are damaged, or the type is too narrow (float32 and bfloat16 reach further than float16)"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The words, in the order of the rows.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The sites held.
    pub fn sites(&self) -> impl Iterator<Item = Site> + '_ {
        self.sites.keys().copied()
    }

    /// One site's rows, `[n_words, n_neurons]`.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it is not held.
    pub fn site(&self, site: Site) -> Result<ArrayView2<'_, f32>> {
        let held = || self.sites.keys().map(Site::to_string).collect::<Vec<_>>().join(", ");
        self.sites.get(&site).map(Array2::view).ok_or_else(|| Error::unknown("site", site, held()))
    }

    /// The path of the table of words that belongs to a file of activations.
    pub fn words_path(path: impl AsRef<Path>) -> PathBuf {
        path.as_ref().with_extension("words.csv")
    }

    /// Writes both files, each whole or not at all; what they are about goes into the metadata as JSON under the key
    /// `isogloss`.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let words_path = Self::words_path(path);
        let about = serde_json::to_string(&self.about).map_err(|e| Error::file(path, e.to_string()))?;
        let metadata = Some([(METADATA_KEY.to_string(), about)].into());
        // The table is in place only after the tensors are, and neither before both are written.
        files::write_atomic(&words_path, |w| {
            self.write_words(w, &words_path)?;
            files::replace(path, |temporary| {
                let tensors = self.sites.iter().map(|(site, matrix)| (site.to_string(), Rows::new(matrix)));
                safetensors::serialize_to_file(tensors, &metadata, temporary)
                    .map_err(|e| Error::file(path, format!("cannot write: {e}")))
            })
        })
    }

    fn write_words(&self, to: &mut dyn Write, path: &Path) -> Result<()> {
        let mut table = csv::Writer::from_writer(to);
        let failed = |e: csv::Error| Error::file(path, format!("cannot write: {e}"));
        table.write_record(COLUMNS).map_err(failed)?;
        for (i, word) in self.words.iter().enumerate() {
            let (i, sentence, attributes) = (i.to_string(), word.sentence.to_string(), word.attributes.to_string());
            let lemma = word.lemma.as_deref().unwrap_or_default();
            let row = [&i, &sentence, &word.form, lemma, &attributes];
            let origin = [&*word.language, &*word.file, &word.sentence_id, &word.token_id];
            table.write_record(row.iter().chain(&origin)).map_err(failed)?;
        }
        table.flush().map_err(Error::io(path, "write"))
    }

    /// Reads both files. Tensors may be float32, float16 or bfloat16; of the table of words only the first five columns
    /// are needed, and rows must be in the tensors' order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::File`] or [`Error::Line`] if a file is absent or malformed, [`Error::Data`] if the two
    /// do not fit together.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let words = read_words(&Self::words_path(path))?;
        let file = File::open(path).map_err(Error::io(path, "read"))?;
        // SAFETY: read-only, and copied out before the map goes; files are replaced by renaming, never rewritten.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path, "map"))?;
        let tensors = SafeTensors::deserialize(&map)
            .map_err(|e| Error::file(path, format!("is truncated or no safetensors file ({e}); extract again")))?;
        let mut sites = BTreeMap::new();
        for (name, view) in tensors.tensors() {
            let site: Site = name.parse().map_err(|e: Error| Error::file(path, e.to_string()))?;
            sites.insert(site, matrix(&view).map_err(|message| Error::file(path, format!("{site}: {message}")))?);
        }
        if sites.is_empty() {
            return Err(Error::file(path, "holds no tensor; expected one a site"));
        }
        // Files made elsewhere need not say anything about themselves.
        let header = SafeTensors::read_metadata(&map).ok().and_then(|(_, metadata)| metadata.metadata().clone());
        let about = header.and_then(|map| serde_json::from_str(map.get(METADATA_KEY)?).ok()).unwrap_or_default();
        let fitting = Activations::new(words, sites)
            .map_err(|e| Error::file(path, format!("{e}; is the table of words another file's?")))?;
        fitting.check_finite().map_err(|e| Error::file(path, e.to_string()))?;
        Ok(fitting.with_about(about))
    }
}

fn matrix(view: &TensorView<'_>) -> Result<Array2<f32>, String> {
    let [rows, columns] = view.shape() else {
        return Err(format!("has shape {:?}; expected [words, neurons]", view.shape()));
    };
    let data = view.data();
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default())).collect(),
        Dtype::F16 => {
            data.chunks_exact(2).map(|b| half::f16::from_le_bytes(b.try_into().unwrap_or_default()).to_f32()).collect()
        }
        Dtype::BF16 => {
            data.chunks_exact(2).map(|b| half::bf16::from_le_bytes(b.try_into().unwrap_or_default()).to_f32()).collect()
        }
        other => return Err(format!("is {other:?}; expected F32, F16 or BF16")),
    };
    Array2::from_shape_vec((*rows, *columns), values).map_err(|e| e.to_string())
}

fn read_words(path: &Path) -> Result<Vec<Word>> {
    let file = File::open(path).map_err(Error::io(path, "read the table of words"))?;
    let mut table = csv::Reader::from_reader(std::io::BufReader::new(file));
    let failed = |e: csv::Error| Error::line(path, e.position().map_or(1, |p| p.line() as usize), e.to_string());
    let header: Vec<String> = table.headers().map_err(failed)?.iter().map(str::to_string).collect();
    let mut place = [None; COLUMNS.len()];
    for (column, place) in COLUMNS.iter().zip(&mut place) {
        *place = header.iter().position(|name| name == column);
    }
    if let Some((column, _)) = COLUMNS.iter().zip(&place).take(REQUIRED).find(|(_, place)| place.is_none()) {
        let message = format!("lacks the column `{column}`; expected {}", COLUMNS[..REQUIRED].join(","));
        return Err(Error::line(path, 1, message));
    }
    let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let mut shared = |text: &str| -> Arc<str> { names.entry(text.to_string()).or_insert_with(|| text.into()).clone() };
    let mut words = Vec::new();
    for (i, record) in table.records().enumerate() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        let [word, sentence, form, lemma, attributes, language, file, sentence_id, token_id] =
            place.map(|place| place.and_then(|place| record.get(place)).unwrap_or_default());
        if word.parse() != Ok(i) {
            return Err(Error::line(
                path,
                line,
                format!("`word` should be {i} (rows are in the tensors' order), but is `{word}`"),
            ));
        }
        let sentence = sentence.parse().map_err(|_| {
            Error::line(path, line, format!("`sentence` should be a whole number, but is `{sentence}`"))
        })?;
        let attributes: Attributes = attributes.parse().map_err(|e: Error| Error::line(path, line, e.to_string()))?;
        words.push(Word {
            sentence,
            form: form.to_string(),
            lemma: (!lemma.is_empty()).then(|| lemma.to_string()),
            attributes,
            language: shared(language),
            file: shared(file),
            sentence_id: sentence_id.to_string(),
            token_id: token_id.to_string(),
            space_after: true,
        });
    }
    Ok(words)
}

/// A matrix as safetensors wants it, converted to bytes only while it is written.
struct Rows<'a> {
    matrix: &'a Array2<f32>,
    shape: [usize; 2],
}

impl<'a> Rows<'a> {
    fn new(matrix: &'a Array2<f32>) -> Self {
        Rows { matrix, shape: [matrix.nrows(), matrix.ncols()] }
    }
}

impl View for Rows<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.matrix.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        4 * self.matrix.len()
    }
}
