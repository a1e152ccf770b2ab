//! What a checkpoint is: hashes that tell it from every other, found once and kept.

use super::pack::{Appender, Pack};
use super::provenance::{hexadecimal, sha256_of_file};
use super::Identity;
use crate::audit::CheckpointAudit;
use crate::bloom::Config;
use crate::checkpoint::{Checkpoint, Step};
use crate::{files, Error, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The hashes that a checkpoint's results depend on.
pub(super) struct LookOver {
    pub step: Step,
    /// Of all values, whatever type and layout they are stored in; of a repository on the Hub, its commit.
    pub weights: String,
    pub config: String,
    pub tokenizer: String,
    pub tokenizer_path: PathBuf,
    /// What is known of the weights, where they are on disk.
    pub audit: Option<CheckpointAudit>,
    /// Where it is to be kept, if it is new.
    kept_as: Option<Identity>,
}

/// A file as the system describes it: another length or time, another file.
#[derive(Serialize)]
struct Stat {
    path: PathBuf,
    length: u64,
    nanoseconds: u128,
}

/// What the folder of the checkpoint's results knows of it, or else what its files say. `tokenizers` has the hashes of those that were read.
pub(super) fn look_over(
    checkpoint: &Checkpoint,
    folder: &Path,
    tokenizers: &mut BTreeMap<PathBuf, String>,
) -> Result<LookOver> {
    let config = Config::read(checkpoint.config())?;
    let config = serde_json::to_vec(&config).map_err(|e| Error::Data(e.to_string()))?;
    let tokenizer_path = checkpoint.tokenizer()?;
    let tokenizer = match tokenizers.get(&tokenizer_path) {
        Some(hash) => hash.clone(),
        None => {
            let hash = sha256_of_file(&tokenizer_path)?;
            tokenizers.insert(tokenizer_path.clone(), hash.clone());
            hash
        }
    };
    let repository = checkpoint.repository();
    let key = match &repository {
        // What is known of a commit stays so when its weights have gone from the cache.
        Some(repository) => Identity::of(&("weights", env!("CARGO_PKG_VERSION"), repository))?,
        None => key(checkpoint)?,
    };
    let mut audit = Pack::read(kept(folder))?.get::<CheckpointAudit>(&key);
    let mut kept_as = None;
    if audit.is_none() && checkpoint.is_fetched() {
        audit = Some(CheckpointAudit::of(checkpoint)?);
        kept_as = Some(key);
    }
    if let Some(audit) = &mut audit {
        audit.step = checkpoint.step();
    }
    let weights = match (repository, &audit) {
        (Some(repository), _) => repository,
        (None, Some(audit)) => audit.whole.sha256.clone(),
        (None, None) => return Err(Error::file(checkpoint.dir(), "has no weights on disk")),
    };
    let config = hexadecimal(&config);
    Ok(LookOver { step: checkpoint.step(), weights, config, tokenizer, tokenizer_path, audit, kept_as })
}

impl LookOver {
    /// Keeps what was found, so that the next start need not read all weights. Where another process is doing so, nothing is done.
    pub fn keep(&mut self, folder: &Path) -> Result<()> {
        let (Some(key), Some(audit)) = (self.kept_as.take(), &self.audit) else { return Ok(()) };
        fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
        let lock = folder.join("_weights.lock");
        let file = fs::File::create(&lock).map_err(Error::io(&lock, "create"))?;
        match files::try_lock(file, &lock)? {
            Some(_lock) => Appender::open(kept(folder))?.put(&key, 0, audit),
            None => Ok(()),
        }
    }
}

fn kept(folder: &Path) -> PathBuf {
    // No language's name begins so.
    folder.join("_checkpoint.weights")
}

/// The weights' files as the system describes them.
fn key(checkpoint: &Checkpoint) -> Result<Identity> {
    let weights = checkpoint.weights()?;
    let paths: BTreeSet<&Path> = weights.names().filter_map(|name| Some(weights.get(name)?.path)).collect();
    let stat = |path: &Path| {
        let full = path.canonicalize().map_err(Error::io(path, "read"))?;
        let about = fs::metadata(&full).map_err(Error::io(path, "read"))?;
        let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Stat { path: full, length: about.len(), nanoseconds: modified.map_or(0, |time| time.as_nanos()) })
    };
    let stats: Vec<Stat> = paths.into_iter().map(stat).collect::<Result<_>>()?;
    Identity::of(&("weights", env!("CARGO_PKG_VERSION"), stats))
}
