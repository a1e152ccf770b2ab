//! How many threads libtorch computes with: rounding depends on it, so that a study keeps to one number.

use super::Study;
use crate::{files, Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

fn path(out: &Path) -> PathBuf {
    out.join("cells").join("threads")
}

/// The number of the description, or that of the study's folder, or a quarter of this machine's cores: probing, which runs beside it,
/// has more to do.
pub(super) fn of(study: &Study, out: &Path) -> Result<usize> {
    if let Some(threads) = study.threads {
        return Ok(threads);
    }
    if let Some(threads) = read(&path(out))? {
        return Ok(threads);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok((cores / 4).max(1))
}

/// Keeps the number in the study's folder, unless there is one by now: then it is that one.
pub(super) fn keep(study: &Study, out: &Path, threads: usize) -> Result<usize> {
    if study.threads.is_some() {
        return Ok(threads);
    }
    let path = path(out);
    if let Some(there) = read(&path)? {
        return Ok(there);
    }
    // Whoever links first decides, for all that start at the same time.
    let own = path.with_file_name(format!("threads-{}", files::process()));
    fs::write(&own, format!("{threads}\n")).map_err(Error::io(&own, "write"))?;
    let linked = fs::hard_link(&own, &path);
    let _ = fs::remove_file(&own);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists && read(&path)?.is_some() => {}
        // No links on this file system, or the file is damaged.
        Err(_) => files::write_atomic(&path, |w| writeln!(w, "{threads}").map_err(Error::io(&path, "write")))?,
    }
    Ok(read(&path)?.unwrap_or(threads))
}

fn read(path: &Path) -> Result<Option<usize>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        bytes => {
            let bytes = bytes.map_err(Error::io(path, "read"))?;
            let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
            Ok(number.filter(|threads| *threads > 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_start_decides_unless_the_description_does() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("cells")).unwrap();
        let text = "series = \"m\"\nsource = \"a\"\nattributes = [\"POS\"]\nsites = [\"residual.1\"]\n[treebanks]\n";
        let study = Study::parse(text, "s.toml").unwrap();
        assert_eq!(keep(&study, dir.path(), 3).unwrap(), 3);
        assert_eq!(keep(&study, dir.path(), 5).unwrap(), 3);
        assert_eq!(of(&study, dir.path()).unwrap(), 3);
        let told = Study { threads: Some(7), ..study.clone() };
        assert_eq!((of(&told, dir.path()).unwrap(), keep(&told, dir.path(), 7).unwrap()), (7, 7));
        assert_eq!(fs::read_dir(dir.path().join("cells")).unwrap().count(), 1);
        fs::write(path(dir.path()), b"\xff").unwrap();
        assert!(of(&study, dir.path()).unwrap() >= 1);
        assert_eq!((keep(&study, dir.path(), 4).unwrap(), of(&study, dir.path()).unwrap()), (4, 4));
    }
}
