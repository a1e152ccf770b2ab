//! Writing a store shard by shard, and going on where another run was killed.

use super::manifest::{Description, FileRecord, Halving, Manifest, Shard};
use super::tensors::{self, Hashing};
use super::words_table::write_words;
use super::{check_finite, Skipped};
use crate::treebank::Word;
use crate::{files, Error, Result, Site};
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) const MANIFEST: &str = "manifest.json";
/// There while a store is written.
const LOCK: &str = ".lock";

pub(super) fn tensors_path(dir: &Path, shard: usize) -> PathBuf {
    dir.join(format!("{shard:05}.safetensors"))
}

pub(super) fn table_path(dir: &Path, shard: usize) -> PathBuf {
    dir.join(format!("{shard:05}.words.csv"))
}

/// A shard: computed, or about to be.
#[derive(Debug, Default)]
pub(super) struct Computed {
    pub(super) shard: usize,
    pub(super) words: usize,
    pub(super) tokens: usize,
    pub(super) skipped: Skipped,
    pub(super) threads: Option<usize>,
    pub(super) batch_tokens: usize,
    pub(super) halvings: Vec<Halving>,
    pub(super) table: Vec<Word>,
    pub(super) sites: BTreeMap<Site, Array2<f32>>,
}

/// A store that is being written. Every file is written whole and then named; a shard's files come before the manifest
/// that names it, so that what the manifest says is true at any moment.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    manifest: Manifest,
    valid: BTreeSet<usize>,
    _lock: Option<Alone>,
}

impl Writer {
    /// Begins a store in a folder that is absent or empty, or goes on with one of the same description.
    ///
    /// # Errors
    /// [`Error::File`] for a store of another description, listing the differences; for a folder of other files; for one
    /// that another process writes. [`Error::Io`] if it cannot be read or written.
    pub(super) fn open(dir: &Path, description: Description) -> Result<Self> {
        let path = dir.join(MANIFEST);
        if let Some(manifest) = complete(dir, &path, &description)? {
            let valid = manifest.shards.iter().map(|shard| shard.shard).collect();
            return Ok(Writer { dir: dir.to_path_buf(), manifest, valid, _lock: None });
        }
        files::writable_dir(dir)?;
        let lock = lock(dir)?;
        let (manifest, valid) = match path.exists() {
            true => {
                let (manifest, valid) = resume(dir, Manifest::read(&path)?, &description)?;
                if !manifest.complete {
                    // Before a damaged shard of a complete store is written anew.
                    manifest.write(&path)?;
                }
                (manifest, valid)
            }
            false => {
                clear(dir, true)?;
                let manifest = Manifest::new(description);
                manifest.write(&path)?;
                (manifest, BTreeSet::new())
            }
        };
        Ok(Writer { dir: dir.to_path_buf(), manifest, valid, _lock: Some(lock) })
    }

    /// What is known of the shards: their records, and whether their files are as recorded.
    pub(super) fn known(&self) -> BTreeMap<usize, (Shard, bool)> {
        let known = |shard: &Shard| (shard.shard, (shard.clone(), self.valid.contains(&shard.shard)));
        self.manifest.shards.iter().map(known).collect()
    }

    /// Writes a shard. They come in order, but for those that are there.
    ///
    /// # Errors
    /// [`Error::Data`] for a value that is not finite, [`Error::Io`] if a file cannot be written.
    pub(super) fn write(&mut self, computed: Computed) -> Result<()> {
        let Computed { shard, words, tokens, skipped, threads, batch_tokens, halvings, table, sites } = computed;
        for (site, matrix) in &sites {
            check_finite(*site, matrix.view(), &table)?;
        }
        let before = self.manifest.shards.iter().take_while(|other| other.shard < shard);
        let first = before.map(|shard| shard.rows).sum();
        let table_record = record(&table_path(&self.dir, shard), |w, path| write_words(w, path, &table, first))?;
        let tensors = record(&tensors_path(&self.dir, shard), |w, path| {
            let widths = sites.iter().map(|(site, matrix)| (*site, matrix.ncols())).collect();
            let header = tensors::header(&widths, table.len(), &BTreeMap::new()).map_err(|e| Error::file(path, e))?;
            w.write_all(&header).map_err(Error::io(path, "write"))?;
            sites.values().try_for_each(|matrix| tensors::write_values(w, matrix).map_err(Error::io(path, "write")))
        })?;
        let rows = table.len();
        let table = table_record;
        self.manifest.put(Shard {
            shard,
            words,
            rows,
            tokens,
            skipped,
            threads,
            batch_tokens,
            halvings,
            tensors,
            table,
        });
        self.valid.insert(shard);
        self.manifest.write(&self.dir.join(MANIFEST))
    }

    /// Ends a store of `shards` shards.
    ///
    /// # Errors
    /// [`Error::File`] if it has others, [`Error::Io`] if the manifest cannot be written.
    pub(super) fn finish(mut self, shards: usize) -> Result<()> {
        let path = self.dir.join(MANIFEST);
        if !self.valid.iter().copied().eq(0..shards) || self.manifest.shards.len() != shards {
            let message = format!("should name {shards} shards; remove the folder and extract again");
            return Err(Error::file(&path, message));
        }
        if !self.manifest.complete {
            self.manifest.complete = true;
            self.manifest.write(&path)?;
        }
        Ok(())
    }
}

/// The manifest of a complete store of this description whose files are as recorded: nothing is to be written, and the folder need not be
/// writable.
fn complete(dir: &Path, path: &Path, asked: &Description) -> Result<Option<Manifest>> {
    if !path.exists() {
        return Ok(None);
    }
    let manifest = Manifest::read(path)?;
    let whole = manifest.complete
        && manifest.description == *asked
        && manifest.shards.par_iter().all(|shard| verify(dir, shard).is_ok());
    Ok(whole.then_some(manifest))
}

/// Keeps other processes from writing the same store, as long as it lives. Its file is gone with it.
#[derive(Debug)]
struct Alone {
    path: PathBuf,
    _lock: files::Lock,
}

impl Drop for Alone {
    fn drop(&mut self) {
        // While it is locked: who opened it before is refused, and who comes now makes another, of a store that nobody writes any more.
        // What stays is an empty file.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock(dir: &Path) -> Result<Alone> {
    let busy = || Error::file(dir, "is being written by another process; wait for it, or give another folder");
    let path = dir.join(LOCK);
    let lock = files::try_lock(&path)?.ok_or_else(busy)?;
    Ok(Alone { path, _lock: lock })
}

/// Removes what a killed run left half written. Where there is no manifest yet, other files may not be there.
fn clear(dir: &Path, alone: bool) -> Result<()> {
    let mut leftovers = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let path = entry.map_err(Error::io(dir, "read"))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp-")) {
            leftovers.push(path);
        } else if alone && !path.ends_with(LOCK) {
            let message = format!("holds {} but no `{MANIFEST}`; give an empty folder or a store", path.display());
            return Err(Error::file(dir, message));
        }
    }
    leftovers.into_iter().try_for_each(|path| fs::remove_file(&path).map_err(Error::io(&path, "remove")))
}

/// Checks that a store is what is asked, and which of its shards are as recorded.
fn resume(dir: &Path, mut manifest: Manifest, asked: &Description) -> Result<(Manifest, BTreeSet<usize>)> {
    let differences = manifest.description.differences(asked);
    if !differences.is_empty() {
        let message = format!(
            "is of other activations than asked; give another folder, or remove this one:\n  {}",
            differences.join("\n  ")
        );
        return Err(Error::file(dir.join(MANIFEST), message));
    }
    clear(dir, false)?;
    let valid: BTreeSet<usize> = manifest
        .shards
        .par_iter()
        .filter(|shard| {
            let defect = verify(dir, shard).err();
            defect.iter().for_each(|defect| tracing::warn!("damaged, and computed again: {defect}"));
            defect.is_none()
        })
        .map(|shard| shard.shard)
        .collect();
    manifest.complete &= valid.len() == manifest.shards.len();
    tracing::info!(shards = valid.len(), folder = %dir.display(), "goes on with a store");
    Ok((manifest, valid))
}

/// Checks that a shard's files are those recorded.
///
/// # Errors
/// [`Error::Io`] if one cannot be read, [`Error::File`] if it is another.
pub(super) fn verify(dir: &Path, shard: &Shard) -> Result<()> {
    for (path, record) in
        [(tensors_path(dir, shard.shard), &shard.tensors), (table_path(dir, shard.shard), &shard.table)]
    {
        let mut file = File::open(&path).map_err(Error::io(&path, "read"))?;
        let bytes = file.metadata().map_err(Error::io(&path, "read"))?.len();
        if bytes != record.bytes {
            return Err(Error::file(
                &path,
                format!("is {bytes} bytes long, not {} as recorded; run the extraction again", record.bytes),
            ));
        }
        let hash =
            tensors::sha256(|mut w| std::io::copy(&mut file, &mut w).map(drop).map_err(Error::io(&path, "read")))?;
        if hash != record.sha256 {
            return Err(Error::file(
                &path,
                format!("has the SHA-256 {hash}, not {} as recorded; run the extraction again", record.sha256),
            ));
        }
    }
    Ok(())
}

/// Writes a file whole or not at all, and says what it is.
fn record(path: &Path, write: impl FnOnce(&mut dyn Write, &Path) -> Result<()>) -> Result<FileRecord> {
    let mut found = (0, String::new());
    files::write_atomic(path, |w| {
        let mut hashing = Hashing::new(w);
        write(&mut hashing, path)?;
        found = hashing.finish();
        Ok(())
    })?;
    let (bytes, sha256) = found;
    Ok(FileRecord { bytes, sha256 })
}
