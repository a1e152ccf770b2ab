//! Files that are either whole or absent.
//!
//! Every file this crate writes goes to a temporary name in the same folder and is renamed when complete, so that a
//! reader never sees half of one, whatever kills the writer.

use crate::{Error, Result};
use std::fs::{self, TryLockError};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

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
    let temporary = path.with_file_name(format!(".tmp-{}-{unique}-{}", std::process::id(), name.to_string_lossy()));
    let made = make(&temporary).and_then(|()| fs::rename(&temporary, path).map_err(Error::io(path, "rename to")));
    if made.is_err() {
        // Best effort: the first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    made
}

/// A lock on a file or folder, as long as it lives; the system frees it when the process ends, however it does.
#[derive(Debug)]
pub struct Lock {
    /// None where the file system has no locks.
    _file: Option<fs::File>,
}

/// Locks an open file or folder against other processes, or `None` if another has it. Some network file systems have no
/// locks: there it warns, and everybody gets it.
///
/// # Errors
/// [`Error::Io`] if the system cannot say.
pub fn try_lock(file: fs::File, path: impl AsRef<Path>) -> Result<Option<Lock>> {
    let path = path.as_ref();
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: Some(file) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "cannot be locked: let no two processes write it");
            Ok(Some(Lock { _file: None }))
        }
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
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
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
    let trial = path.join(format!(".tmp-{}-trial", std::process::id()));
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
            [".tmp-12-0-a.csv", ".tmp-7-13-a.csv", ".tmp-12-0-b-a.csv", ".tmp-12-0-b.csv", "a.csv", ".tmp-x-a.csv"];
        for name in names {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        remove_leftovers(dir.path().join("a.csv")).unwrap();
        let there: Vec<bool> = names.iter().map(|name| dir.path().join(name).exists()).collect();
        assert_eq!(there, [false, false, true, true, true, true]);
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
