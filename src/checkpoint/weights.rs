use crate::{Error, Result};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// The index of the largest BLOOM is a few hundred kilobytes.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// A checkpoint's tensors, mapped into memory and named without the prefix `transformer.`.
#[derive(Debug)]
pub struct Weights {
    dir: PathBuf,
    shards: Vec<(PathBuf, Mmap)>,
    tensors: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    shard: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

/// One tensor as it lies in the file: little-endian, row-major.
#[derive(Clone, Debug)]
pub struct Weight<'a> {
    /// The file that holds it.
    pub path: &'a Path,
    /// `F32`, `F16`, `BF16`, ...
    pub dtype: Dtype,
    /// The shape.
    pub shape: &'a [usize],
    /// The bytes.
    pub data: &'a [u8],
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Maps `model.safetensors`, or else the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// [`Error::File`] if there are no weights, a file is truncated or malformed, a shard is missing or lies outside the
    /// folder, a tensor comes twice, or one that the index names is absent; [`Error::Io`] if a file cannot be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let mut weights = Weights { dir: dir.to_path_buf(), shards: Vec::new(), tensors: BTreeMap::new() };
        let single = dir.join(SINGLE);
        let index = dir.join(INDEX);
        if single.is_file() {
            weights.map(&single)?;
        } else if index.is_file() {
            weights.map_index(&index)?;
        } else {
            let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"].iter().any(|f| dir.join(f).is_file());
            let message = if pickled {
                "holds pickled weights (`pytorch_model.bin`) alone; convert them to `model.safetensors`, for instance \
                 with transformers' `save_pretrained(..., safe_serialization=True)`"
                    .to_string()
            } else {
                format!("holds no weights; expected `{SINGLE}` or `{INDEX}`")
            };
            return Err(Error::file(dir, message));
        }
        Ok(weights)
    }

    /// The tensor `name` (without the prefix `transformer.`), or `None` if there is none.
    pub fn get(&self, name: &str) -> Option<Weight<'_>> {
        let entry = self.tensors.get(name)?;
        let (path, map) = self.shards.get(entry.shard)?;
        let data = map.get(entry.start..entry.end)?;
        Some(Weight { path, dtype: entry.dtype, shape: &entry.shape, data })
    }

    /// The tensors' names without the prefix `transformer.`, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The checkpoint's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn map_index(&mut self, path: &Path) -> Result<()> {
        let size = fs::metadata(path).map_err(Error::io(path, "read"))?.len();
        if size > MAX_INDEX_BYTES {
            return Err(Error::file(path, format!("is {size} bytes long; an index has at most {MAX_INDEX_BYTES}")));
        }
        let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let index: Index = serde_json::from_str(&text)
            .map_err(|e| Error::file(path, format!("is not an index of shards ({e}); download it again")))?;
        let shards: BTreeSet<&String> = index.weight_map.values().collect();
        for shard in shards {
            let plain = Path::new(shard).components().all(|c| matches!(c, Component::Normal(_)));
            if !plain || shard.is_empty() {
                return Err(Error::file(
                    path,
                    format!("names the shard `{shard}`, which lies outside the checkpoint's folder"),
                ));
            }
            let file = self.dir.join(shard);
            if !file.is_file() {
                return Err(Error::file(
                    &file,
                    format!("is not there, but {INDEX} names it as a shard; download it again"),
                ));
            }
            self.map(&file)?;
        }
        for (name, shard) in &index.weight_map {
            let found = self.tensors.get(bare(name)).and_then(|entry| self.shards.get(entry.shard));
            if found.is_none_or(|(file, _)| *file != self.dir.join(shard)) {
                return Err(Error::file(
                    path,
                    format!("says that `{shard}` holds the tensor `{name}`, but it does not"),
                ));
            }
        }
        Ok(())
    }

    fn map(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(Error::io(path, "read"))?;
        if file.metadata().map_err(Error::io(path, "read"))?.len() == 0 {
            return Err(Error::file(path, "is empty; download it again"));
        }
        // SAFETY: the map is read-only and every range taken from it was checked against its length. A file that another
        // process cuts while it is mapped would raise SIGBUS, as with every mapped file; checkpoints are not rewritten.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path, "map"))?;
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|e| Error::file(path, format!("is truncated or no safetensors file ({e}); download it again")))?;
        let base = header.checked_add(8).ok_or_else(|| Error::file(path, "has a header of impossible length"))?;
        let shard = self.shards.len();
        for (name, info) in metadata.tensors() {
            let (start, end) = info.data_offsets;
            let (start, end) = (base.saturating_add(start), base.saturating_add(end));
            let bytes = info.shape.iter().try_fold(info.dtype.size(), |n, d| n.checked_mul(*d));
            if end > map.len() || bytes != end.checked_sub(start) {
                let message = format!(
                    "gives the tensor `{name}` a place that does not fit its shape or the file; download it again"
                );
                return Err(Error::file(path, message));
            }
            let entry = Entry { shard, dtype: info.dtype, shape: info.shape.clone(), start, end };
            if self.tensors.insert(bare(&name).to_string(), entry).is_some() {
                return Err(Error::file(path, format!("holds the tensor `{}` for the second time", bare(&name))));
            }
        }
        self.shards.push((path.to_path_buf(), map));
        Ok(())
    }
}

/// The name as BLOOM's base model has it; models with a language-model head put `transformer.` before it.
fn bare(name: &str) -> &str {
    name.strip_prefix("transformer.").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn tensor_file(names: &[&str]) -> Vec<u8> {
        let data = [0u8; 8];
        let view = TensorView::new(Dtype::F32, vec![2], &data).unwrap();
        safetensors::serialize(names.iter().map(|n| (n.to_string(), view.clone())), &None).unwrap()
    }

    fn open(files: &[(&str, &[u8])]) -> Result<Weights> {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        Weights::open(dir.path())
    }

    fn refused(files: &[(&str, &[u8])], why: &str) {
        let error = open(files).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn the_prefix_is_dropped() {
        let weights = open(&[(SINGLE, &tensor_file(&["transformer.ln_f.bias", "lm_head.weight"]))]).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["lm_head.weight", "ln_f.bias"]);
        assert_eq!(weights.get("ln_f.bias").unwrap().data.len(), 8);
        assert!(weights.get("transformer.ln_f.bias").is_none());
    }

    #[test]
    fn the_same_tensor_with_and_without_prefix_is_refused() {
        refused(&[(SINGLE, &tensor_file(&["transformer.ln_f.bias", "ln_f.bias"]))], "second time");
    }

    #[test]
    fn cut_files_are_refused() {
        let whole = tensor_file(&["a", "b"]);
        for length in [0, 7, 20, whole.len() - 1] {
            let error = open(&[(SINGLE, &whole[..length])]).unwrap_err().to_string();
            assert!(error.contains("download it again") && error.contains(SINGLE), "{error}");
        }
    }

    #[test]
    fn a_header_longer_than_the_file_is_refused() {
        let mut bytes = tensor_file(&["a"]);
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        refused(&[(SINGLE, &bytes)], "truncated or no safetensors");
    }

    #[test]
    fn shards_must_be_there_inside_the_folder_and_hold_what_the_index_says() {
        let shard = tensor_file(&["a"]);
        let index = |file: &str, name: &str| format!(r#"{{"weight_map": {{"{name}": "{file}"}}}}"#).into_bytes();
        assert!(open(&[(INDEX, &index("one", "transformer.a")), ("one", &shard)]).is_ok());
        refused(&[(INDEX, &index("one", "a"))], "is not there");
        refused(&[(INDEX, &index("../one", "a"))], "outside");
        refused(&[(INDEX, &index("/etc/one", "a"))], "outside");
        refused(&[(INDEX, &index("", "a"))], "outside");
        refused(&[(INDEX, &index("one", "b")), ("one", &shard)], "but it does not");
        refused(&[(INDEX, b"{")], "not an index");
        let two = br#"{"weight_map": {"a": "one", "b": "two"}}"#;
        refused(&[(INDEX, two), ("one", &shard), ("two", &tensor_file(&["a", "b"]))], "second time");
    }

    #[test]
    fn pickled_weights_name_the_cure() {
        refused(&[("pytorch_model.bin", b"x")], "convert them");
        refused(&[], "holds no weights");
    }
}
