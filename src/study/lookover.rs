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
    /// What it is kept as.
    key: Identity,
    /// Whether it is new, and to be kept.
    is_new: bool,
}

/// A file as the system describes it: one that differs in any of this is another file.
#[derive(Serialize)]
struct Stat {
    path: PathBuf,
    length: u64,
    /// Of content, then of content or attributes, which nobody can set back.
    nanoseconds: [i128; 2],
    number: u64,
}

/// What the folder of the checkpoint's results knows of it, or else what its files say; its weights only if they are `on_disk` to stay. `tokenizers` has the
/// hashes of those that were read.
pub(super) fn look_over(
    checkpoint: &Checkpoint,
    folder: &Path,
    on_disk: bool,
    tokenizers: &mut BTreeMap<PathBuf, String>,
) -> Result<LookOver> {
    let config = hash_of_config(checkpoint)?;
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
    let is_new = audit.is_none() && on_disk;
    if is_new {
        audit = Some(CheckpointAudit::of(checkpoint)?);
    }
    if let Some(audit) = &mut audit {
        audit.step = checkpoint.step();
    }
    let weights = match (repository, &audit) {
        (Some(repository), _) => repository,
        (None, Some(audit)) => audit.whole.sha256.clone(),
        (None, None) => return Err(Error::file(checkpoint.dir(), "has no weights on disk")),
    };
    Ok(LookOver { step: checkpoint.step(), weights, config, tokenizer, tokenizer_path, audit, key, is_new })
}

fn hash_of_config(checkpoint: &Checkpoint) -> Result<String> {
    let config = serde_json::to_vec(&Config::read(checkpoint.config())?).map_err(|e| Error::Data(e.to_string()))?;
    Ok(hexadecimal(&config))
}

impl LookOver {
    /// Keeps what was found, so that the next start need not read all weights. Where another process is doing so, nothing is done.
    pub fn keep(&mut self, folder: &Path) -> Result<()> {
        let Some(audit) = self.audit.as_ref().filter(|_| std::mem::take(&mut self.is_new)) else { return Ok(()) };
        match files::try_lock(folder.join("_weights.lock"))? {
            Some(_lock) => Appender::open(kept(folder))?.put(&self.key, 0, audit),
            None => Ok(()),
        }
    }

    /// Takes over what another process has kept of the weights meanwhile, and says whether there was anything.
    pub fn look_again(&mut self, folder: &Path) -> bool {
        self.audit = Pack::read(kept(folder)).ok().and_then(|pack| pack.get::<CheckpointAudit>(&self.key));
        if let Some(audit) = &mut self.audit {
            audit.step = self.step;
        }
        self.audit.is_some()
    }

    /// Checks that the files of a checkpoint that has just been loaded are those whose hashes results are kept under.
    ///
    /// # Errors
    /// [`Error::File`] for one that has changed meanwhile.
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<()> {
        let changed = |path: &Path| {
            let message =
                "has changed since the study began; run the study again, which then does what depends on it again";
            Err(Error::file(path, message))
        };
        // A commit's files are named by their content.
        if checkpoint.repository().is_none() && key(checkpoint)? != self.key {
            return changed(checkpoint.dir());
        }
        if hash_of_config(checkpoint)? != self.config {
            return changed(&checkpoint.config());
        }
        if sha256_of_file(&self.tokenizer_path)? != self.tokenizer {
            return changed(&self.tokenizer_path);
        }
        Ok(())
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
        Ok(stat_of(full, &about))
    };
    let stats: Vec<Stat> = paths.into_iter().map(stat).collect::<Result<_>>()?;
    Identity::of(&("weights", env!("CARGO_PKG_VERSION"), stats))
}

#[cfg(unix)]
fn stat_of(path: PathBuf, about: &fs::Metadata) -> Stat {
    use std::os::unix::fs::MetadataExt;
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let nanoseconds = [time(about.mtime(), about.mtime_nsec()), time(about.ctime(), about.ctime_nsec())];
    Stat { path, length: about.len(), nanoseconds, number: about.ino() }
}

#[cfg(not(unix))]
fn stat_of(path: PathBuf, about: &fs::Metadata) -> Stat {
    let time = |time: std::io::Result<std::time::SystemTime>| {
        let since = time.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or(0, |time| time.as_nanos() as i128)
    };
    Stat { path, length: about.len(), nanoseconds: [time(about.modified()), time(about.created())], number: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_after_it_was_looked_at_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny-bloom");
        let names = ["config.json", "model.safetensors", "tokenizer.json"];
        let from = |name: &str| {
            if name == "tokenizer.json" {
                fixture.join(name)
            } else {
                fixture.join("global_step0").join(name)
            }
        };
        for name in names {
            fs::copy(from(name), dir.path().join(name)).unwrap();
        }
        let checkpoint = Checkpoint::open(dir.path()).unwrap();
        for name in names {
            let looked = look_over(&checkpoint, dir.path(), true, &mut BTreeMap::new()).unwrap();
            looked.check(&checkpoint).unwrap();
            let path = dir.path().join(name);
            let bytes = fs::read(&path).unwrap();
            let mut other = bytes.clone();
            match name {
                // The same length and, put back below, the same time.
                "model.safetensors" => *other.last_mut().unwrap() ^= 1,
                "config.json" => {
                    other = String::from_utf8(other).unwrap().replace("0.00001", "0.0001").into_bytes();
                    assert_ne!(other, bytes);
                }
                _ => other.push(b' '),
            }
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, other).unwrap();
            fs::File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
            let error = looked.check(&checkpoint).unwrap_err().to_string();
            assert!(error.contains("has changed since the study began"), "{error}");
            fs::write(&path, bytes).unwrap();
        }
    }
}
