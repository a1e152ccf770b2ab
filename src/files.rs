//! Files that are either whole or absent.
//!
//! Every file this crate writes goes to a temporary name in the same folder and is renamed when complete, so that a
//! reader never sees half of one, whatever kills the writer.

use crate::{Error, Result};
use std::fs::{self, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;
use std::time::Duration;

/// Writes `path` through a temporary file that is renamed once `write` has succeeded.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be written; whatever `write` returns. In both cases nothing is left behind.
pub fn write_atomic(path: impl AsRef<Path>, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let path = path.as_ref();
    replace(path, |temporary| {
        let file = fs::File::create(temporary).map_err(Error::io(path, "create"))?;
        let mut writer = BufWriter::new(file);
        write(&mut writer)?;
        let file = writer.into_inner().map_err(|e| Error::io(path, "write")(e.into_error()))?;
        file.sync_all().map_err(Error::io(path, "write"))
    })
}

/// As [`write_atomic`], for writers that want a path of their own: `make` gets the temporary one.
///
/// # Errors
/// As [`write_atomic`].
pub fn replace(path: impl AsRef<Path>, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let path = path.as_ref();
    let name = path
        .file_name()
        .ok_or_else(|| Error::file(path, "is not the name of a file; give one inside an existing folder"))?;
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    // The extension stays last: some writers choose their format by it.
    let temporary = path.with_file_name(format!(".tmp-{}-{unique}-{}", process(), name.to_string_lossy()));
    let made = make(&temporary).and_then(|()| fs::rename(&temporary, path).map_err(Error::io(path, "rename to")));
    if made.is_err() {
        // Best effort: the first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    made
}

/// Sixteen hexadecimal digits that tell this process from every other, also from those of other machines, whose process
/// numbers may be the same.
pub(crate) fn process() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        // The hasher's keys are drawn anew by each process from the system's random numbers.
        let drawn = RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()));
        format!("{drawn:016x}")
    })
}

/// A lock on a file, as long as it lives; the system frees it when the process ends, however it does.
#[derive(Debug)]
pub struct Lock {
    /// None where the file system has no locks.
    _file: Option<fs::File>,
}

impl Lock {
    /// Whether others are kept out: not where the file system has no locks.
    pub fn is_real(&self) -> bool {
        self._file.is_some()
    }
}

/// Locks the file at `path`, which is made if need be, against other processes, or `None` if another has it. Some network file
/// systems have no locks: there it warns, and everybody gets it. (The file is opened for writing: elsewhere on networks no other can be
/// locked.)
///
/// # Errors
/// [`Error::Io`] if it cannot be opened.
pub fn try_lock(path: impl AsRef<Path>) -> Result<Option<Lock>> {
    lock_with(path.as_ref(), fs::File::try_lock)
}

/// As [`try_lock`], for a lock that any number of processes have at a time, but none beside one of [`try_lock`].
///
/// # Errors
/// As [`try_lock`].
pub fn try_lock_shared(path: impl AsRef<Path>) -> Result<Option<Lock>> {
    lock_with(path.as_ref(), fs::File::try_lock_shared)
}

fn lock_with(path: &Path, lock: impl Fn(&fs::File) -> Result<(), TryLockError>) -> Result<Option<Lock>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
    }
    let mut options = fs::File::options();
    let file = options.read(true).append(true).create(true).open(path).map_err(Error::io(path, "open"))?;
    match lock(&file) {
        Ok(()) => Ok(Some(Lock { _file: Some(file) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "cannot be locked: let no two processes write it");
            Ok(Some(Lock { _file: None }))
        }
    }
}

/// Waits for the lock that [`try_lock`] takes.
///
/// # Errors
/// As [`try_lock`].
pub fn lock(path: impl AsRef<Path>) -> Result<Lock> {
    loop {
        if let Some(lock) = try_lock(path.as_ref())? {
            return Ok(lock);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Deletes what writers of `path` that were killed have left under temporary names. No other process may be writing it.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read or a file not deleted.
pub fn remove_leftovers(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in fs::read_dir(folder).map_err(Error::io(folder, "read"))? {
        let entry = entry.map_err(Error::io(folder, "read"))?;
        let found = entry.file_name().to_string_lossy().into_owned();
        // `.tmp-PROCESS-COUNT-NAME`
        let rest = found.strip_prefix(".tmp-").and_then(|rest| rest.strip_suffix(&format!("-{name}")));
        let numbers = rest.and_then(|rest| rest.split_once('-'));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if numbers.is_some_and(|(process, count)| number(process) && number(count)) {
            fs::remove_file(entry.path()).map_err(Error::io(entry.path(), "remove"))?;
        }
    }
    Ok(())
}

/// Creates a folder and checks that it can be written, before hours of work go into it.
///
/// # Errors
/// [`Error::Io`] where it cannot be made or written.
pub fn writable_dir(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    fs::create_dir_all(path).map_err(Error::io(path, "create the output folder"))?;
    let trial = path.join(format!(".tmp-{}-trial", process()));
    fs::write(&trial, b"").map_err(Error::io(path, "write to the output folder"))?;
    fs::remove_file(&trial).map_err(Error::io(path, "write to the output folder"))
}

/// As [`writable_dir`], for the folder that a file is to lie in.
///
/// # Errors
/// As [`writable_dir`].
pub fn writable_parent(file: impl AsRef<Path>) -> Result<()> {
    match file.as_ref().parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => writable_dir(parent),
        None => writable_dir("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_one_file_go_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let names =
            [".tmp-12-0-a.csv", ".tmp-7f-13-a.csv", ".tmp-12-0-b-a.csv", ".tmp-12-0-b.csv", "a.csv", ".tmp-x-a.csv"];
        for name in names {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        remove_leftovers(dir.path().join("a.csv")).unwrap();
        let there: Vec<bool> = names.iter().map(|name| dir.path().join(name).exists()).collect();
        assert_eq!(there, [false, false, true, true, true, true]);
    }

    #[test]
    fn one_has_the_lock_or_several_share_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below").join("a.lock");
        let one = try_lock(&path).unwrap().unwrap();
        assert!(one.is_real() && try_lock(&path).unwrap().is_none() && try_lock_shared(&path).unwrap().is_none());
        drop(one);
        let both = [try_lock_shared(&path).unwrap().unwrap(), try_lock_shared(&path).unwrap().unwrap()];
        assert!(try_lock(&path).unwrap().is_none());
        drop(both);
        assert!(lock(&path).unwrap().is_real());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.csv");
        write_atomic(&path, |w| w.write_all(b"old").map_err(Error::io(&path, "write"))).unwrap();
        let failed = write_atomic(&path, |w| {
            w.write_all(b"half").map_err(Error::io(&path, "write"))?;
            Err(Error::Data("stop".into()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
