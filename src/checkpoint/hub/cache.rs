//! The cache on disk, as Python's `huggingface_hub` lays it out:
//!
//! ```text
//! models--OWNER--NAME/
//!     refs/REVISION                  the commit that a branch or tag stood for when it was last asked
//!     blobs/HASH                     a file's content, once, however many commits have it
//!     blobs/HASH.incomplete          what there is so far of one
//!     snapshots/COMMIT/PATH          a relative link to the blob
//! .locks/models--OWNER--NAME/HASH.lock
//! ```

use super::api::{is_hash, RemoteFile, Revision};
use super::error::{HubError, HubErrorKind as Kind};
use super::Repository;
use crate::checkpoint::repository::is_revision;
use crate::{files, Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a wait for another program's download is told of.
const TELL_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
}

/// Keeps other threads and programs from the same blob, until dropped.
#[derive(Debug)]
pub(super) enum Lock {
    /// The system's lock on an open file.
    Of(#[allow(dead_code)] File),
    /// Where the file system knows no such locks, the file itself is the lock as long as it is there; Python has it so too.
    Soft(PathBuf),
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Lock::Soft(path) = self {
            // One that stays is told of by whoever waits for it.
            let _ = fs::remove_file(path);
        }
    }
}

impl Cache {
    pub(super) fn new(root: &Path) -> Self {
        Cache { root: root.to_path_buf() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn folder_name(repository: &Repository) -> String {
        format!("models--{}", repository.id().replace('/', "--"))
    }

    fn folder(&self, repository: &Repository) -> PathBuf {
        self.root.join(Self::folder_name(repository))
    }

    pub(super) fn snapshot(&self, repository: &Repository, commit: &str) -> PathBuf {
        self.folder(repository).join("snapshots").join(commit)
    }

    pub(super) fn blob(&self, repository: &Repository, hash: &str) -> PathBuf {
        self.folder(repository).join("blobs").join(hash)
    }

    pub(super) fn incomplete(&self, repository: &Repository, hash: &str) -> PathBuf {
        self.folder(repository).join("blobs").join(format!("{hash}.incomplete"))
    }

    /// The commit that a revision was last resolved to.
    pub(super) fn commit(&self, repository: &Repository, revision: &str) -> Result<Option<String>> {
        let path = self.folder(repository).join("refs").join(revision);
        if !path.is_file() {
            return Ok(None);
        }
        let commit = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?.trim().to_string();
        if !is_hash(&commit, 40) {
            return Err(Error::file(path, format!("holds `{commit}`, which is no commit; delete the file")));
        }
        Ok(Some(commit))
    }

    /// All revisions that were ever resolved, sorted by name.
    pub(super) fn recorded(&self, repository: &Repository) -> Result<Vec<Revision>> {
        let top = self.folder(repository).join("refs");
        let mut names = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = top.join(&folder);
            if !path.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&path).map_err(Error::io(&path, "read"))? {
                let entry = entry.map_err(Error::io(&path, "read"))?;
                let Some(name) = entry.file_name().to_str().map(|name| format!("{folder}{name}")) else { continue };
                if entry.path().is_dir() {
                    folders.push(format!("{name}/"));
                } else if is_revision(&name) && !name.ends_with(".tmp") && !name.contains(".tmp-") {
                    names.push(name);
                }
            }
        }
        names.sort();
        let mut revisions = Vec::new();
        for name in names {
            if let Some(commit) = self.commit(repository, &name)? {
                revisions.push(Revision { name, commit });
            }
        }
        Ok(revisions)
    }

    /// Writes down what a revision was resolved to.
    pub(super) fn record(&self, repository: &Repository, revision: &str, commit: &str) -> Result<()> {
        if revision == commit || self.commit(repository, revision).ok().flatten().as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder(repository).join("refs").join(revision);
        make_parent(&path)?;
        // Python reads the whole file: no line break.
        files::write_atomic(&path, |out| out.write_all(commit.as_bytes()).map_err(Error::io(&path, "write")))
    }

    /// Makes a commit's file a link to its blob.
    pub(super) fn link(&self, repository: &Repository, commit: &str, file: &RemoteFile) -> Result<()> {
        let pointer = self.snapshot(repository, commit).join(&file.path);
        make_parent(&pointer)?;
        files::replace(&pointer, |temporary| {
            #[cfg(unix)]
            {
                let up = "../".repeat(2 + file.path.matches('/').count());
                let target = format!("{up}blobs/{}", file.hash);
                std::os::unix::fs::symlink(target, temporary).map_err(Error::io(&pointer, "create the link"))
            }
            #[cfg(not(unix))]
            {
                let blob = self.blob(repository, &file.hash);
                fs::copy(&blob, temporary).map(|_| ()).map_err(Error::io(&blob, "copy"))
            }
        })
    }

    /// Removes a commit's file, and its blob unless it is `wanted` or another commit has it; whether the blob went. The caller has
    /// the blob's lock.
    pub(super) fn remove(
        &self,
        repository: &Repository,
        commit: &str,
        file: &RemoteFile,
        wanted: bool,
    ) -> Result<bool> {
        let pointer = self.snapshot(repository, commit).join(&file.path);
        // Another file of the commit may have been the same one.
        super::download::remove(&pointer)?;
        let blob = self.blob(repository, &file.hash);
        let snapshots = self.folder(repository).join("snapshots");
        let used = wanted || is_used(&snapshots, &blob).map_err(Error::io(&snapshots, "read"))?;
        if !used {
            super::download::remove(&blob)?;
        }
        Ok(!used)
    }

    /// The lock at `path`, or `None` if another program has it.
    fn try_lock(&self, path: &Path, lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Option<Lock>> {
        let mut options = File::options();
        options.write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
        let (mut file, made) = match options.clone().create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match options.open(path) {
                Ok(file) => (file, false),
                // Given back in between.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                // Another user's, in a cache that a group shares.
                Err(_) => (File::open(path).map_err(Error::io(path, "open"))?, false),
            },
            Err(error) => return Err(Error::io(path, "create")(error)),
        };
        match lock(&file) {
            // Python deletes the file of a lock that it gives back: then another one is the lock now.
            Ok(()) => Ok(is_there(&file).then_some(Lock::Of(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if unsupported(&error) => {
                if !made {
                    return Ok(None);
                }
                let soft = Lock::Soft(path.to_path_buf());
                let host = rustix::system::uname();
                let holder = format!("{}\n{}\n", std::process::id(), host.nodename().to_string_lossy());
                file.write_all(holder.as_bytes()).map_err(Error::io(path, "write"))?;
                Ok(Some(soft))
            }
            Err(TryLockError::Error(error)) => Err(Error::io(path, "lock")(error)),
        }
    }

    /// The lock of a blob, waited for if need be.
    pub(super) fn lock(&self, repository: &Repository, hash: &str, stop: &AtomicBool) -> Result<Lock> {
        let path = self.root.join(".locks").join(Self::folder_name(repository)).join(format!("{hash}.lock"));
        make_parent(&path)?;
        let mut told = Instant::now();
        loop {
            match self.try_lock(&path, File::try_lock)? {
                Some(lock) => return Ok(lock),
                None if stop.load(Ordering::Relaxed) => {
                    let message = "the wait for another program that fetches the same file was stopped";
                    return Err(HubError::new(Kind::Stopped, path.display(), message).into());
                }
                None => {}
            }
            if told.elapsed() >= TELL_EVERY {
                tracing::info!(
                    "{}: waiting for another program that fetches the same file; delete this file if there is none",
                    path.display()
                );
                told = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether the file system has no locks, rather than somebody else this one.
fn unsupported(error: &std::io::Error) -> bool {
    let codes = [rustix::io::Errno::NOSYS, rustix::io::Errno::OPNOTSUPP, rustix::io::Errno::NOLCK];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error())) || error.kind() == ErrorKind::Unsupported
}

/// Whether any file under `folder` is a link to `blob`.
fn is_used(folder: &Path, blob: &Path) -> std::io::Result<bool> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path())?;
                if target.file_name() == blob.file_name() {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

#[cfg(unix)]
fn is_there(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|about| about.nlink() > 0)
}

#[cfg(not(unix))]
fn is_there(_: &File) -> bool {
    true
}

pub(super) fn make_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), |parent| fs::create_dir_all(parent).map_err(Error::io(parent, "create the folder")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn cache() -> (tempfile::TempDir, Cache, Repository) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        (dir, cache, "owner/name".parse().unwrap())
    }

    #[test]
    fn revisions_are_recorded_as_python_has_them() {
        let (dir, cache, repository) = cache();
        assert_eq!(cache.recorded(&repository).unwrap(), []);
        for revision in ["main", "refs/pr/1", COMMIT] {
            cache.record(&repository, revision, COMMIT).unwrap();
        }
        let refs = dir.path().join("models--owner--name/refs");
        assert_eq!(fs::read_to_string(refs.join("refs/pr/1")).unwrap(), COMMIT);
        let names: Vec<String> = cache.recorded(&repository).unwrap().into_iter().map(|r| r.name).collect();
        assert_eq!(names, ["main", "refs/pr/1"]);
        fs::write(refs.join("main"), "../../..").unwrap();
        assert!(cache.commit(&repository, "main").unwrap_err().to_string().contains("no commit"));
    }

    #[test]
    #[cfg(unix)]
    fn links_are_relative_and_a_blob_goes_with_its_last_link() {
        let (_dir, cache, repository) = cache();
        let hash = "f".repeat(64);
        let other = COMMIT.replace('0', "9");
        let file = |path: &str| RemoteFile { path: path.into(), size: 3, hash: hash.clone() };
        let blob = cache.blob(&repository, &hash);
        make_parent(&blob).unwrap();
        fs::write(&blob, "abc").unwrap();
        cache.link(&repository, COMMIT, &file("model.bin")).unwrap();
        cache.link(&repository, &other, &file("a/b/model.bin")).unwrap();
        let snapshot = cache.snapshot(&repository, COMMIT);
        assert_eq!(fs::read_link(snapshot.join("model.bin")).unwrap(), Path::new("../../blobs").join(&hash));
        assert_eq!(fs::read_to_string(cache.snapshot(&repository, &other).join("a/b/model.bin")).unwrap(), "abc");
        assert!(!cache.remove(&repository, COMMIT, &file("model.bin"), false).unwrap());
        assert!(blob.is_file() && !snapshot.join("model.bin").exists());
        assert!(cache.remove(&repository, &other, &file("a/b/model.bin"), false).unwrap());
        assert!(!blob.exists());
    }

    #[test]
    fn a_lock_is_for_one_at_a_time_and_survives_its_file() {
        let (dir, cache, repository) = cache();
        let go = AtomicBool::new(false);
        let lock = cache.lock(&repository, "h", &go).unwrap();
        let stop = AtomicBool::new(true);
        assert!(cache.lock(&repository, "h", &stop).unwrap_err().to_string().contains("stopped"));
        drop(lock);
        fs::remove_file(dir.path().join(".locks/models--owner--name/h.lock")).unwrap();
        cache.lock(&repository, "h", &stop).unwrap();
    }

    /// As filelock's `SoftFileLock`, which Python falls back to: the file's being there is the lock.
    #[test]
    fn without_locks_of_the_system_the_file_is_the_lock_while_it_is_there() {
        let (dir, cache, _) = cache();
        let path = dir.path().join("h.lock");
        let none = |_: &File| Err(TryLockError::Error(rustix::io::Errno::NOSYS.into()));
        let lock = cache.try_lock(&path, none).unwrap().unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with(&format!("{}\n", std::process::id())));
        assert!(cache.try_lock(&path, none).unwrap().is_none());
        drop(lock);
        assert!(!path.exists());
        assert!(cache.try_lock(&path, none).unwrap().is_some());
        let broken = |_: &File| Err(TryLockError::Error(rustix::io::Errno::IO.into()));
        assert!(cache.try_lock(&path, broken).is_err());
    }
}
