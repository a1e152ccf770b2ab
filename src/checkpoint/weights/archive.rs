//! The container that `torch.save` writes: a zip archive whose entries are stored as they are, so that tensors can be used in
//! their places in the file.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// What may be read of headers and the directory, together; memory is at most a few times as much. A model of 500 tensors in one
/// file has less than 200 kB of them.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// An archive's entries by name without the folder at their top, each with its place in the file.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: BTreeMap<String, Range<usize>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory and checks it against the headers of the entries: all lie in the file, none overlap, none comes
    /// twice, none is compressed or encrypted.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let broken =
            |error: ZipError| format!("is truncated or no archive that torch.save wrote ({error}); download it again");
        let reader = Metered { inner: Cursor::new(bytes), left: MAX_HEADER_BYTES };
        let mut archive = ZipArchive::new(reader).map_err(broken)?;
        archive.validate_header_consistency().map_err(broken)?;
        let mut places = Vec::with_capacity(archive.len());
        for i in 0..archive.len() {
            let entry = archive.by_index_raw(i).map_err(broken)?;
            let name = entry.name().map_err(broken)?.into_owned();
            if entry.encrypted() {
                return Err(format!("holds the entry `{}` encrypted, which torch.save never does", shown(&name)));
            }
            if entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size() {
                let name = shown(&name);
                return Err(format!(
                    "holds the entry `{name}` compressed; write it anew with torch.save, which stores"
                ));
            }
            let place = entry.data_start().and_then(|start| {
                let end = start.checked_add(entry.size()).filter(|end| *end <= bytes.len() as u64)?;
                Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
            });
            let Some(place) = place else {
                return Err(format!("ends before its entry `{}` does; download it again", shown(&name)));
            };
            places.push((name, place));
        }
        let mut tops = places.iter().filter_map(|(name, _)| name.strip_suffix("/data.pkl"));
        let top = match (tops.next(), tops.next()) {
            (Some(top), None) => format!("{top}/"),
            (None, _) => return Err("is a zip archive without `data.pkl`, so not one of torch.save".into()),
            _ => return Err("holds more than one `data.pkl`, which torch.save never writes".into()),
        };
        let inside = |(name, place): (String, _)| name.strip_prefix(&top).map(|name| (name.to_owned(), place));
        Ok(Archive { bytes, entries: places.into_iter().filter_map(inside).collect() })
    }

    /// Where an entry lies.
    pub(super) fn place(&self, name: &str) -> Option<Range<usize>> {
        self.entries.get(name).cloned()
    }

    /// An entry's bytes.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.bytes.get(self.place(name)?)
    }
}

/// A text from a file, short enough for a message and without control characters.
pub(super) fn shown(text: &str) -> String {
    const MAX_CHARACTERS: usize = 80;
    let mut shown: String = text
        .chars()
        .take(MAX_CHARACTERS)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

/// Reads that end in an error once `left` bytes have been read.
struct Metered<'a> {
    inner: Cursor<&'a [u8]>,
    left: usize,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n)
            .ok_or_else(|| io::Error::other(format!("its directory and headers exceed {MAX_HEADER_BYTES} bytes")))?;
        Ok(n)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}
