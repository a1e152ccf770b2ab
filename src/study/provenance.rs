use super::pack::remove;
use crate::checkpoint::Step;
use crate::{files, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A checkpoint as its results depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointHashes {
    /// The step.
    pub step: Step,
    /// SHA-256 of all weights' values; of a repository on the Hub, `OWNER/NAME@COMMIT`.
    pub weights: String,
    /// SHA-256 of the configuration.
    pub config_sha256: String,
    /// SHA-256 of `tokenizer.json`.
    pub tokenizer_sha256: String,
}

/// What made a study's tables: `provenance.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The crate's version.
    pub isogloss: String,
    /// libtorch's.
    pub libtorch: String,
    /// The kind of device: `cpu` or `cuda`.
    pub device: String,
    /// libtorch's threads, on a processor.
    pub threads: Option<usize>,
    /// SHA-256 of the description as it is written beside it.
    pub study_sha256: String,
    /// The model's name.
    pub model: String,
    /// The checkpoints that could be used.
    pub checkpoints: Vec<CheckpointHashes>,
    /// SHA-256 of each language's words as they were read.
    pub treebanks: BTreeMap<String, String>,
    /// SHA-256 of the table of transfer scores, if one was given.
    pub transfer_sha256: Option<String>,
    /// SHA-256 of every file written.
    pub files: BTreeMap<String, String>,
}

impl Provenance {
    /// Writes it beside the files that it is of, and returns its path. Files that a study of other settings wrote here, as the provenance that
    /// it left says, and that this one did not, are removed: they would be taken for this one's.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be read or removed, or it cannot be written.
    pub fn write(&self, out: &Path, written: &[PathBuf]) -> Result<PathBuf> {
        let mut whole = self.clone();
        for path in written {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            whole.files.insert(name, sha256_of_file(path)?);
        }
        let path = out.join("provenance.json");
        let before = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Provenance>(&text).ok());
        let stale = before.into_iter().flat_map(|before| before.files.into_keys());
        // Names alone: a file that was changed by hand must not lead elsewhere.
        let is_name = |name: &String| Path::new(name).file_name().is_some_and(|last| last == name.as_str());
        for name in stale.filter(|name| is_name(name) && !whole.files.contains_key(name)) {
            remove(&out.join(name))?;
        }
        let text = serde_json::to_string_pretty(&whole).map_err(|e| Error::file(&path, e.to_string()))?;
        files::write_atomic(&path, |w| writeln!(w, "{text}").map_err(Error::io(&path, "write")))?;
        Ok(path)
    }
}

pub(super) fn sha256_of_file(path: &Path) -> Result<String> {
    Ok(hexadecimal(&std::fs::read(path).map_err(Error::io(path, "read"))?))
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
