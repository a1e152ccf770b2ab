use super::manifest::{Manifest, Shard};
use super::words_table::{read_words, without_header};
use super::writer::{table_path, tensors_path, verify, MANIFEST};
use super::{tensors, Activations};
use crate::treebank::Word;
use crate::{files, Error, Result, Site};
use memmap2::Mmap;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Activations on disk, mapped into memory: what `extract_to` wrote, read with neither the model nor the treebank.
///
/// A folder: `manifest.json` (a [`Manifest`]), and for each shard, the rows of consecutive sentences, `NNNNN.safetensors` with a
/// float32 tensor `[rows, n_neurons]` a site, and `NNNNN.words.csv` with the rows' words, as in the table beside the file of
/// [`Activations`]. Rows are numbered over all shards, in the treebank's order.
///
/// # Examples
/// ```no_run
/// use isogloss::activations::Store;
/// let store = Store::open("bloom-560m-es")?;
/// for site in store.sites() {
///     for rows in store.parts(site)? {
///         println!("{site}: {} rows of {} neurons", rows.nrows(), rows.ncols());
///     }
/// }
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    manifest: Manifest,
    shards: Vec<Mapped>,
}

#[derive(Debug)]
struct Mapped {
    path: PathBuf,
    map: Mmap,
    /// The number of the first row.
    first: usize,
    rows: usize,
    places: BTreeMap<Site, Range<usize>>,
}

impl Store {
    /// Opens a complete store. Lengths and headers of all files are checked, [`Store::verify`] checks the rest.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`] if a file is absent, malformed or of another length than recorded, or if the store is
    /// not complete.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let path = dir.join(MANIFEST);
        let manifest = Manifest::read(&path)?;
        if !manifest.complete {
            let message = format!(
                "is of a store that is not complete ({} rows are there); run its extraction again, which goes on where it stopped",
                manifest.rows
            );
            return Err(Error::file(&path, message));
        }
        let mut shards = Vec::new();
        let mut first = 0;
        for shard in &manifest.shards {
            shards.push(map(dir, shard, first, &manifest)?);
            first = first.saturating_add(shard.rows);
        }
        Ok(Store { dir: dir.to_path_buf(), manifest, shards })
    }

    /// What the store holds and how it was made.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The number of rows, one a word.
    pub fn rows(&self) -> usize {
        self.manifest.rows
    }

    /// The sites held.
    pub fn sites(&self) -> impl Iterator<Item = Site> + '_ {
        self.manifest.description.sites.keys().copied()
    }

    /// Checks every file against its checksum.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be read, [`Error::File`] if it is not as recorded.
    pub fn verify(&self) -> Result<()> {
        self.manifest.shards.par_iter().try_for_each(|shard| verify(&self.dir, shard))
    }

    /// The words, in the order of the rows.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Line`] or [`Error::File`] if a table is malformed or of another length than its tensors.
    pub fn words(&self) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        for (shard, mapped) in self.manifest.shards.iter().zip(&self.shards) {
            let path = table_path(&self.dir, shard.shard);
            let more = read_words(&path, mapped.first)?;
            if more.len() != mapped.rows {
                return Err(Error::file(&path, format!("has {} words; expected {}", more.len(), mapped.rows)));
            }
            words.extend(more);
        }
        Ok(words)
    }

    /// A site's rows shard by shard, in order, in place: `[rows of the shard, n_neurons]` each.
    ///
    /// # Errors
    /// [`Error::Unknown`] if the site is not held; [`Error::File`] where the file cannot be read in place.
    pub fn parts(&self, site: Site) -> Result<Vec<ArrayView2<'_, f32>>> {
        let width = self.width(site)?;
        self.shards
            .iter()
            .map(|shard| {
                let bytes = shard.bytes(site)?;
                let values = tensors::values(bytes).map_err(|e| Error::file(&shard.path, e))?;
                ArrayView2::from_shape((shard.rows, width), values).map_err(|e| Error::file(&shard.path, e.to_string()))
            })
            .collect()
    }

    /// A copy of a site's rows, `[n_words, n_neurons]`.
    ///
    /// # Errors
    /// As [`Store::parts`].
    pub fn site(&self, site: Site) -> Result<Array2<f32>> {
        let parts = self.parts(site)?;
        if parts.is_empty() {
            return Ok(Array2::zeros((0, self.width(site)?)));
        }
        ndarray::concatenate(Axis(0), &parts).map_err(|e| Error::file(&self.dir, e.to_string()))
    }

    /// A copy of some rows of a site, in the order given: `[rows.len(), n_neurons]`. No other rows are read from disk.
    ///
    /// # Errors
    /// As [`Store::parts`]; [`Error::Parameter`] for a row beyond the last.
    pub fn select(&self, site: Site, rows: &[usize]) -> Result<Array2<f32>> {
        let parts = self.parts(site)?;
        let mut found = Array2::zeros((rows.len(), self.width(site)?));
        for (mut to, row) in found.outer_iter_mut().zip(rows) {
            let shard = self.shards.partition_point(|shard| shard.first.saturating_add(shard.rows) <= *row);
            let from = self.shards.get(shard).zip(parts.get(shard));
            let from = from.and_then(|(shard, part)| Some((part, row.checked_sub(shard.first)?)));
            let beyond = || Error::parameter("row", format!("below the store's {}", self.rows()), row);
            let (part, place) = from.filter(|(part, place)| *place < part.nrows()).ok_or_else(beyond)?;
            to.assign(&part.row(place));
        }
        Ok(found)
    }

    /// A copy of everything, in memory.
    ///
    /// # Errors
    /// As [`Store::words`] and [`Store::parts`].
    pub fn activations(&self) -> Result<Activations> {
        let sites: Result<_> = self.sites().map(|site| Ok((site, self.site(site)?))).collect();
        let held = Activations::new(self.words()?, sites?)?.with_about(self.manifest.description.about());
        held.check_finite().map_err(|e| Error::file(&self.dir, e.to_string()))?;
        Ok(held)
    }

    /// Writes the pair of files that [`Activations::save`] writes, without holding more than a few rows in memory.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read or written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let words_path = Activations::words_path(path);
        let description = &self.manifest.description;
        let header = tensors::header(&description.sites, self.rows(), &description.about());
        let header = header.map_err(|e| Error::file(path, e))?;
        // The table is in place only after the tensors are, and neither before both are written.
        files::write_atomic(&words_path, |w| {
            super::words_table::write_words(w, &words_path, &[], 0)?;
            for shard in &self.manifest.shards {
                let from = table_path(&self.dir, shard.shard);
                let table = fs::read(&from).map_err(Error::io(&from, "read"))?;
                w.write_all(without_header(&table)).map_err(Error::io(&words_path, "write"))?;
            }
            files::write_atomic(path, |w| {
                w.write_all(&header).map_err(Error::io(path, "write"))?;
                for site in self.sites() {
                    for shard in &self.shards {
                        w.write_all(shard.bytes(site)?).map_err(Error::io(path, "write"))?;
                    }
                }
                Ok(())
            })
        })
    }

    fn width(&self, site: Site) -> Result<usize> {
        let held = || self.sites().map(|site| site.to_string()).collect::<Vec<_>>().join(", ");
        let width = self.manifest.description.sites.get(&site).copied();
        width.ok_or_else(|| Error::unknown("site", site, held()))
    }
}

impl Mapped {
    fn bytes(&self, site: Site) -> Result<&[u8]> {
        let bytes = self.places.get(&site).and_then(|place| self.map.get(place.clone()));
        bytes.ok_or_else(|| Error::file(&self.path, format!("lacks {site}")))
    }
}

fn map(dir: &Path, shard: &Shard, first: usize, manifest: &Manifest) -> Result<Mapped> {
    let path = tensors_path(dir, shard.shard);
    let file = File::open(&path).map_err(Error::io(&path, "read"))?;
    // SAFETY: read-only; the files of a store are replaced by renaming, never rewritten.
    let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path, "map"))?;
    if map.len() as u64 != shard.tensors.bytes {
        let message = format!("is {} bytes long, not {} as recorded; extract again", map.len(), shard.tensors.bytes);
        return Err(Error::file(&path, message));
    }
    let places = tensors::places(&map, &manifest.description.sites, shard.rows)
        .map_err(|e| Error::file(&path, format!("{e}; extract again")))?;
    Ok(Mapped { path, map, first, rows: shard.rows, places })
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
