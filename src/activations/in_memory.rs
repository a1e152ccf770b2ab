use super::words_table::{read_words, write_words};
use super::{check_finite, tensors, Store};
use crate::treebank::Word;
use crate::{files, Error, Result, Site};
use memmap2::Mmap;
use ndarray::{Array2, ArrayView2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Words and, for each site, their activations `[n_words, n_neurons]`: row `i` is word `i`.
///
/// On disk: `NAME.safetensors` with one float32 tensor a site, named after it, and beside it `NAME.words.csv` with one row
/// a word (`word,sentence,form,lemma,attributes,language,file,sentence_id,token_id,attribute_lemmas,sentence_hash`; `word` counts
/// from 0; the first five are needed).
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
        self.sites.iter().try_for_each(|(site, matrix)| check_finite(*site, matrix.view(), &self.words))
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
        let widths = self.sites.iter().map(|(site, matrix)| (*site, matrix.ncols())).collect();
        let header = tensors::header(&widths, self.words.len(), &self.about).map_err(|e| Error::file(path, e))?;
        // The table is in place only after the tensors are, and neither before both are written.
        files::write_atomic(&words_path, |w| {
            write_words(w, &words_path, &self.words, 0)?;
            files::write_atomic(path, |w| {
                w.write_all(&header).map_err(Error::io(path, "write"))?;
                self.sites
                    .values()
                    .try_for_each(|matrix| tensors::write_values(w, matrix).map_err(Error::io(path, "write")))
            })
        })
    }

    /// Reads both files. Tensors may be float32, float16 or bfloat16; of the table of words only the first five columns
    /// are needed, and rows must be in the tensors' order. A folder is read as a [`Store`].
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::File`] or [`Error::Line`] if a file is absent or malformed, [`Error::Data`] if the two
    /// do not fit together.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Store::open(path)?.activations();
        }
        let words = read_words(&Self::words_path(path), 0)?;
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
        let fitting = Activations::new(words, sites)
            .map_err(|e| Error::file(path, format!("{e}; is the table of words another file's?")))?;
        fitting.check_finite().map_err(|e| Error::file(path, e.to_string()))?;
        Ok(fitting.with_about(tensors::about(&map)))
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
