//! Results on disk: many small ones in a file, each whole or absent.
//!
//! A line a result, appended with one write: `IDENTITY SIZE CHECKSUM JSON`. The checksum (the first 64 bits of SHA-256) is of
//! all the rest, so that a line that a kill, a full disk or a power cut left half written, or that the disk has changed, counts for
//! nothing, and its cell is done again. Lines are not synchronised to the disk one by one: what the process has written survives
//! its end; a power cut may take the last lines, never more than the system had not written back.

use super::Identity;
use crate::{files, Error, Result};
use serde::de::DeserializeOwned;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str;
use std::sync::{Mutex, PoisonError};

/// Digits of an identity and of a checksum.
const IDENTITY: usize = 64;
const CHECKSUM: usize = 16;

/// The results of a file.
///
/// # Examples
/// ```
/// use isogloss::study::{Appender, Identity, Pack};
/// let dir = std::env::temp_dir().join(format!("isogloss-pack-{}", std::process::id()));
/// std::fs::create_dir_all(&dir).map_err(isogloss::Error::io(&dir, "create"))?;
/// let (path, identity) = (dir.join("es.cells"), Identity::of("a cell")?);
/// Appender::open(&path)?.put(&identity, 0, &[1, 2, 3])?;
/// assert_eq!(Pack::read(&path)?.get::<Vec<u32>>(&identity), Some(vec![1, 2, 3]));
/// # std::fs::remove_dir_all(&dir).map_err(isogloss::Error::io(&dir, "remove"))?;
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Pack {
    bytes: Vec<u8>,
    /// The size that a result has, and where it lies.
    places: HashMap<Identity, (usize, Range<usize>)>,
    damaged: usize,
}

impl Pack {
    /// Reads a file's results; none if there is no file. Damaged ones are passed over and counted.
    ///
    /// # Errors
    /// [`Error::Io`] if the file is there but cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Pack::default()),
            bytes => bytes.map_err(Error::io(path, "read"))?,
        };
        let mut pack = Pack::default();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &bytes) {
            pack.add(&bytes, start..end);
            start = end + 1;
        }
        // A line without its end.
        pack.damaged += usize::from(start < bytes.len());
        pack.bytes = bytes;
        Ok(pack)
    }

    fn add(&mut self, bytes: &[u8], line: Range<usize>) {
        match bytes.get(line.clone()).and_then(parse) {
            Some((identity, size, text)) => {
                let place = line.end - text..line.end;
                match self.places.get_mut(&identity) {
                    // Of one that was done again, the larger one; of equals, the later.
                    Some(there) if there.0 > size => {}
                    Some(there) => *there = (size, place),
                    None => drop(self.places.insert(identity, (size, place))),
                }
            }
            None => self.damaged += 1,
        }
    }

    /// The size of a result that is there and whole.
    pub fn size(&self, identity: &Identity) -> Option<usize> {
        self.places.get(identity).map(|(size, _)| *size)
    }

    /// Whether a result is there and whole.
    pub fn contains(&self, identity: &Identity) -> bool {
        self.places.contains_key(identity)
    }

    /// A result, or `None` if it is not there (or is of another type, as by an older version).
    pub fn get<T: DeserializeOwned>(&self, identity: &Identity) -> Option<T> {
        let (_, place) = self.places.get(identity)?;
        let read = serde_json::from_slice(self.bytes.get(place.clone())?);
        read.map_err(|error| tracing::warn!(%identity, %error, "a result that cannot be read is done again")).ok()
    }

    /// How many results are there.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is there.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many lines are damaged.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// The identities of the results, with their sizes, as the file stands; without the content of it.
    pub fn into_index(self) -> HashMap<Identity, usize> {
        self.places.into_iter().map(|(identity, (size, _))| (identity, size)).collect()
    }
}

/// A line's identity, size, and the length of its JSON.
fn parse(line: &[u8]) -> Option<(Identity, usize, usize)> {
    let (head, rest) = line.split_at_checked(IDENTITY)?;
    let (size, rest) = rest.strip_prefix(b" ")?.split_at_checked(memchr::memchr(b' ', rest.get(1..)?)?)?;
    let (sum, text) = rest.strip_prefix(b" ")?.split_at_checked(CHECKSUM)?;
    let text = text.strip_prefix(b" ")?;
    if sum != checksum(head, size, text).as_bytes() {
        return None;
    }
    Some((str::from_utf8(head).ok()?.parse().ok()?, str::from_utf8(size).ok()?.parse().ok()?, text.len()))
}

fn checksum(identity: &[u8], size: &[u8], text: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [identity, b" ", size, b" ", text] {
        hash.update(part);
    }
    hash.finalize().iter().take(CHECKSUM / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// Appends results to a file. Whoever has it holds the file's lock, where there is one.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    /// With its length as far as lines are whole.
    file: Mutex<(File, u64)>,
}

impl Appender {
    /// Opens a file, or makes it. If lines of it are damaged, it is written anew without them.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let pack = Pack::read(path)?;
        if pack.damaged() > 0 {
            tracing::warn!(path = %path.display(), lines = pack.damaged(), "damaged results are done again");
            repair(path, &pack)?;
        }
        drop(pack);
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(Error::io(path, "write"))?;
        let length = file.metadata().map_err(Error::io(path, "write"))?.len();
        Ok(Appender { path: path.to_path_buf(), file: Mutex::new((file, length)) })
    }

    /// Appends a result with one write.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written: then nothing of it is left.
    pub fn put<T: Serialize + ?Sized>(&self, identity: &Identity, size: usize, result: &T) -> Result<()> {
        let text = serde_json::to_string(result).map_err(|e| Error::file(&self.path, e.to_string()))?;
        let (identity, size) = (identity.to_string(), size.to_string());
        let sum = checksum(identity.as_bytes(), size.as_bytes(), text.as_bytes());
        let line = format!("{identity} {size} {sum} {text}\n");
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, length) = &mut *file;
        match file.write_all(line.as_bytes()) {
            Ok(()) => *length = length.saturating_add(line.len() as u64),
            Err(error) => {
                // Best effort: what stays of it is damaged, and known to be.
                let _ = file.set_len(*length);
                return Err(Error::io(&self.path, "write")(error));
            }
        }
        Ok(())
    }
}

/// Writes the whole lines of a file anew.
fn repair(path: &Path, pack: &Pack) -> Result<()> {
    files::remove_leftovers(path)?;
    files::write_atomic(path, |w| {
        for line in pack.bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.strip_suffix(b"\n").and_then(parse).is_some() {
                w.write_all(line).map_err(Error::io(path, "write"))?;
            }
        }
        Ok(())
    })
}

/// Appends a line to a file that several processes may append to, each line with one write. A line that was cut off before
/// is ended first.
pub(super) fn append_line(path: &Path, line: &str) -> Result<()> {
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).open(path).map_err(Error::io(path, "write"))?;
    let ended = file.seek(SeekFrom::End(-1)).is_err() || {
        let mut last = [0];
        file.read_exact(&mut last).is_ok() && last == *b"\n"
    };
    let text = format!("{}{line}\n", if ended { "" } else { "\n" });
    file.write_all(text.as_bytes()).map_err(Error::io(path, "write"))
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, "remove")(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity(i: usize) -> Identity {
        Identity::of(&i).unwrap()
    }

    fn written(path: &Path, results: usize) -> Vec<u8> {
        let appender = Appender::open(path).unwrap();
        (0..results).for_each(|i| appender.put(&identity(i), i, &format!("result {i}\n")).unwrap());
        fs::read(path).unwrap()
    }

    #[test]
    fn results_come_back_and_the_larger_of_two_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.cells");
        assert!(Pack::read(&path).unwrap().is_empty());
        let appender = Appender::open(&path).unwrap();
        appender.put(&identity(0), 3, &[0.1f64, 1.0 / 3.0, 5e-324]).unwrap();
        appender.put(&identity(1), 0, "first").unwrap();
        appender.put(&identity(1), 0, "second").unwrap();
        appender.put(&identity(0), 2, &[0.1f64]).unwrap();
        let pack = Pack::read(&path).unwrap();
        assert_eq!((pack.len(), pack.damaged()), (2, 0));
        assert_eq!(pack.get::<Vec<f64>>(&identity(0)).unwrap(), [0.1, 1.0 / 3.0, 5e-324]);
        assert_eq!(pack.get::<String>(&identity(1)).unwrap(), "second");
        assert_eq!((pack.size(&identity(0)), pack.size(&identity(2))), (Some(3), None));
        assert_eq!(pack.get::<Vec<f64>>(&identity(1)), None);
    }

    #[test]
    fn a_file_cut_anywhere_has_its_whole_lines_and_takes_new_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.cells");
        let whole = written(&path, 3);
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(Pack::read(&path).unwrap().len(), lines, "cut at {cut}");
            Appender::open(&path).unwrap().put(&identity(9), 0, "new").unwrap();
            let pack = Pack::read(&path).unwrap();
            assert_eq!((pack.len(), pack.damaged()), (lines + 1, 0), "cut at {cut}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_changed_byte_costs_its_lines_and_no_other(place in 0usize..1000, byte in any::<u8>()) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.cells");
            let mut bytes = written(&path, 5);
            let place = place % bytes.len();
            let changed = bytes[place] != byte;
            bytes[place] = byte;
            fs::write(&path, &bytes).unwrap();
            let pack = Pack::read(&path).unwrap();
            // A line end taken away costs the two lines that it parted.
            prop_assert!(pack.len() >= 3 && (pack.len() == 5) != changed);
            for i in 0..5 {
                if let Some(found) = pack.get::<String>(&identity(i)) {
                    prop_assert_eq!(found, format!("result {i}\n"));
                }
            }
            written(&path, 5);
            prop_assert_eq!((Pack::read(&path).unwrap().len(), Pack::read(&path).unwrap().damaged()), (5, 0));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error() {
        // Whatever is written to it fails as on a full disk.
        let full = Path::new("/dev/full");
        let file = OpenOptions::new().append(true).open(full).unwrap();
        let appender = Appender { path: full.into(), file: Mutex::new((file, 0)) };
        let error = appender.put(&identity(0), 0, "x").unwrap_err();
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull), "{error}");
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        append_line(&path, "{}").unwrap();
        fs::write(&path, "{}\n{\"half").unwrap();
        append_line(&path, "[]").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n{\"half\n[]\n");
    }
}
