//! A checkpoint's tensors in the four layouts that the Hub knows, mapped into memory.
//!
//! A safetensors file says in its header where each tensor lies. What `torch.save` writes is a zip archive with a pickle that says
//! it; `pickle` reads that pickle without running anything. Either way a tensor is bytes of a mapped file, which no one has read
//! before it is used.

mod archive;
mod operation;
mod pickle;
mod torch_file;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;

use self::archive::shown;
use crate::{Error, Result};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

/// Where weights may be, in the order in which they are looked for.
const LAYOUTS: [(&str, Format, Parts); 4] = [
    ("model.safetensors", Format::Safetensors, Parts::One),
    ("model.safetensors.index.json", Format::Safetensors, Parts::Shards),
    ("pytorch_model.bin", Format::Torch, Parts::One),
    ("pytorch_model.bin.index.json", Format::Torch, Parts::Shards),
];

/// The index of the largest BLOOM is a few hundred kilobytes.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// What a clone without Git LFS has in place of large files.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Safetensors,
    Torch,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Parts {
    One,
    Shards,
}

/// A checkpoint's tensors, mapped into memory and named without the prefix `transformer.`.
///
/// The files must not be cut or rewritten while they are mapped, which holds as long as this value lives: the system stops a
/// process that reads a mapped page whose file has ended.
#[derive(Debug)]
pub struct Weights {
    dir: PathBuf,
    files: Vec<(PathBuf, Mmap)>,
    tensors: BTreeMap<String, (usize, Place)>,
}

/// A tensor's place in its file, which lies inside that file.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    dtype: Dtype,
    shape: Vec<usize>,
    /// In elements; `None` if elements lie one after another, row by row.
    strides: Option<Vec<usize>>,
    /// From the first element to the last.
    start: usize,
    end: usize,
}

/// One tensor of a checkpoint.
#[derive(Clone, Debug)]
pub struct Weight<'a> {
    /// The file that holds it.
    pub path: &'a Path,
    /// `F32`, `F16`, `BF16`, ...
    pub dtype: Dtype,
    /// The shape.
    pub shape: &'a [usize],
    bytes: &'a [u8],
    strides: Option<&'a [usize]>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Maps the first of these that a folder has: `model.safetensors`, the shards that `model.safetensors.index.json` names,
    /// `pytorch_model.bin`, the shards that `pytorch_model.bin.index.json` names.
    ///
    /// A `.bin` file is a pickle, which Python runs as a program. Here it is read by a machine that knows the names and
    /// operations of a state dict alone and refuses all others, so that no code of the file can run. Files may be symbolic
    /// links, as they are in the Hub's cache.
    ///
    /// # Errors
    /// [`Error::File`] if there are no weights, a file is truncated or malformed, its pickle names something that no state
    /// dict needs, a shard is missing or lies outside the folder, a tensor comes twice, or one that the index names is absent;
    /// [`Error::Io`] if a file cannot be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let mut weights = Weights { dir: dir.to_path_buf(), files: Vec::new(), tensors: BTreeMap::new() };
        // A link to nowhere counts as found: what it should lead to is missing, and no other layout is meant.
        let found = LAYOUTS.iter().find(|(name, ..)| dir.join(name).symlink_metadata().is_ok());
        let Some((name, format, parts)) = found else {
            let names = LAYOUTS.map(|(name, ..)| format!("`{name}`")).join(", ");
            return Err(Error::file(dir, format!("holds no weights; expected one of {names}")));
        };
        match parts {
            Parts::One => weights.map(dir.join(name), *format)?,
            Parts::Shards => weights.map_shards(&dir.join(name), *format)?,
        }
        Ok(weights)
    }

    /// The tensor `name` (without the prefix `transformer.`), or `None` if there is none.
    pub fn get(&self, name: &str) -> Option<Weight<'_>> {
        let (file, Place { dtype, shape, strides, start, end }) = self.tensors.get(name)?;
        let (path, map) = self.files.get(*file)?;
        let bytes = map.get(*start..*end)?;
        Some(Weight { path, dtype: *dtype, shape, bytes, strides: strides.as_deref() })
    }

    /// The tensors' names without the prefix `transformer.`, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The checkpoint's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Of two tensors that are one, lets the one that is there stand for the one that is not.
    #[cfg(feature = "torch")]
    pub(crate) fn tie(&mut self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            if let (Some(place), false) = (self.tensors.get(from), self.tensors.contains_key(to)) {
                self.tensors.insert(to.to_string(), place.clone());
            }
        }
    }

    fn map_shards(&mut self, path: &Path, format: Format) -> Result<()> {
        let size = fs::metadata(path).map_err(Error::io(path, "read"))?.len();
        if size > MAX_INDEX_BYTES {
            return Err(Error::file(path, format!("is {size} bytes long; an index has at most {MAX_INDEX_BYTES}")));
        }
        let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let index: Index = serde_json::from_str(&text)
            .map_err(|e| Error::file(path, format!("is not an index of shards ({e}); download it again")))?;
        let shards: BTreeSet<&String> = index.weight_map.values().collect();
        if shards.is_empty() {
            return Err(Error::file(path, "names no shard; download it again"));
        }
        for shard in shards {
            let file = self.dir.join(shard);
            if !self.holds(shard)? {
                let message = format!("names the shard `{}`, which lies outside the checkpoint's folder", shown(shard));
                return Err(Error::file(path, message));
            }
            if file.symlink_metadata().is_err() {
                let index = path.file_name().unwrap_or_default().to_string_lossy();
                let message = format!("is not there, but {index} names it as a shard; download it again");
                return Err(Error::file(&file, message));
            }
            self.map(file, format)?;
        }
        for (name, shard) in &index.weight_map {
            let found = self.tensors.get(bare(name)).and_then(|(file, _)| self.files.get(*file));
            if found.is_none_or(|(file, _)| *file != self.dir.join(shard)) {
                let (shard, name) = (shown(shard), shown(name));
                let message = format!("says that `{shard}` holds the tensor `{name}`, but it does not");
                return Err(Error::file(path, message));
            }
        }
        Ok(())
    }

    /// Whether a shard's name means a file of the checkpoint's folder or of one below it. The file itself may be a link to
    /// elsewhere, as all are in the Hub's cache, but no folder on the way to it.
    fn holds(&self, shard: &str) -> Result<bool> {
        let plain = Path::new(shard).components().all(|c| matches!(c, Component::Normal(_)));
        let Some(folder) = Path::new(shard).parent().filter(|_| plain) else { return Ok(false) };
        if folder.as_os_str().is_empty() {
            return Ok(true);
        }
        let top = self.dir.canonicalize().map_err(Error::io(&self.dir, "read"))?;
        // A folder that is not there holds nothing outside; that the shard is missing is said next.
        Ok(self.dir.join(folder).canonicalize().map_or(true, |folder| folder.starts_with(top)))
    }

    fn map(&mut self, path: PathBuf, format: Format) -> Result<()> {
        if !path.is_file() {
            return Err(Error::file(&path, "is not a file, or a link to one that is not there; download it again"));
        }
        let file = File::open(&path).map_err(Error::io(&path, "read"))?;
        if file.metadata().map_err(Error::io(&path, "read"))?.len() == 0 {
            return Err(Error::file(&path, "is empty; download it again"));
        }
        // SAFETY: the map is read-only and every range taken from it was checked against its length. A file that another
        // process cuts while it is mapped would raise SIGBUS, as with every mapped file; checkpoints are not rewritten.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path, "map"))?;
        if map.starts_with(LFS_POINTER) {
            return Err(Error::file(&path, "is a pointer of Git LFS in place of the weights; run `git lfs pull`"));
        }
        let places = match format {
            Format::Safetensors => safetensors_places(&map),
            Format::Torch => torch_file::places(&map),
        };
        for (name, place) in places.map_err(|message| Error::file(&path, message))? {
            let name = bare(&name);
            if self.tensors.insert(name.to_string(), (self.files.len(), place)).is_some() {
                let message = format!("holds the tensor `{}` for the second time", shown(name));
                return Err(Error::file(&path, message));
            }
        }
        self.files.push((path, map));
        Ok(())
    }
}

impl<'a> Weight<'a> {
    /// A tensor whose elements lie row by row in `bytes`.
    #[cfg(test)]
    pub(crate) fn new(path: &'a Path, dtype: Dtype, shape: &'a [usize], bytes: &'a [u8]) -> Self {
        Weight { path, dtype, shape, bytes, strides: None }
    }

    /// The values, little-endian and row by row: as they lie in the file, or a copy where a `.bin` file has them in another
    /// order.
    pub fn data(&self) -> Cow<'a, [u8]> {
        match self.strides {
            None => Cow::Borrowed(self.bytes),
            Some(strides) => Cow::Owned(self.gather(strides)),
        }
    }

    /// The bytes from the first element to the last, and the steps between elements where they do not lie row by row.
    #[cfg(feature = "torch")]
    pub(crate) fn in_place(&self) -> (&'a [u8], Option<&'a [usize]>) {
        (self.bytes, self.strides)
    }

    /// Whether two tensors have the same type, shape and bits.
    #[cfg(feature = "torch")]
    pub(crate) fn same(&self, other: &Weight<'_>) -> bool {
        let place = self.bytes.as_ptr_range() == other.bytes.as_ptr_range() && self.strides == other.strides;
        self.dtype == other.dtype && self.shape == other.shape && (place || self.data() == other.data())
    }

    fn gather(&self, strides: &[usize]) -> Vec<u8> {
        let width = self.dtype.size();
        let mut data = Vec::with_capacity(self.shape.iter().product::<usize>() * width);
        let mut index = vec![0; self.shape.len()];
        loop {
            let start = index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>() * width;
            data.extend_from_slice(self.bytes.get(start..start + width).unwrap_or_default());
            // The next index: the last dimension runs fastest.
            let Some(dimension) = (0..index.len()).rev().find(|d| index[*d] + 1 < self.shape[*d]) else { return data };
            index[dimension] += 1;
            index[dimension + 1..].fill(0);
        }
    }
}

fn safetensors_places(bytes: &[u8]) -> Result<Vec<(String, Place)>, String> {
    let (header, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|e| format!("is truncated or no safetensors file ({e}); download it again"))?;
    let base = header.checked_add(8).ok_or("has a header of impossible length")?;
    let mut places = Vec::new();
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        let (start, end) = (base.saturating_add(start), base.saturating_add(end));
        let length = info.shape.iter().try_fold(info.dtype.size(), |n, d| n.checked_mul(*d));
        if end > bytes.len() || length != end.checked_sub(start) {
            return Err(format!(
                "gives the tensor `{}` a place that does not fit its shape or the file; download it again",
                shown(&name)
            ));
        }
        places.push((name, Place { dtype: info.dtype, shape: info.shape.clone(), strides: None, start, end }));
    }
    // Two names may be one without their prefix: the first is always the same one.
    places.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(places)
}

/// The name as BLOOM's base model has it; models with a language-model head put `transformer.` before it.
fn bare(name: &str) -> &str {
    name.strip_prefix("transformer.").unwrap_or(name)
}
