//! Files of float32 matrices in the safetensors format, written a row at a time.
//!
//! The format: the header's length (8 bytes, little-endian), the header (JSON: each tensor's type, shape and place), the data. The
//! `safetensors` crate writes tensors that are in memory whole; here rows come from elsewhere. It reads what is written here.

use super::Widths;
use crate::{Result, Site};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

/// The one key of the file's metadata: several would be written in random order.
const METADATA_KEY: &str = "isogloss";

#[derive(Serialize)]
struct Tensor {
    dtype: &'static str,
    shape: [usize; 2],
    data_offsets: [usize; 2],
}

/// All of a file before the data: float32 matrices `[rows, width]`, one a site, in the order of the sites; `about` goes into
/// the metadata.
pub(super) fn header(widths: &Widths, rows: usize, about: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let failed = |e: serde_json::Error| e.to_string();
    let metadata = BTreeMap::from([(METADATA_KEY, serde_json::to_string(about).map_err(failed)?)]);
    let mut text = format!("{{\"__metadata__\":{}", serde_json::to_string(&metadata).map_err(failed)?);
    let mut start = 0usize;
    for (site, width) in widths {
        let end = rows.checked_mul(4 * width).and_then(|bytes| start.checked_add(bytes));
        let end = end.ok_or("has more bytes than this machine can count")?;
        let tensor = Tensor { dtype: "F32", shape: [rows, *width], data_offsets: [start, end] };
        text += &format!(",\"{site}\":{}", serde_json::to_string(&tensor).map_err(failed)?);
        start = end;
    }
    text.push('}');
    // Spaces up to a multiple of 8, so that the data can be read in place.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.into_bytes());
    Ok(bytes)
}

/// Writes values as the format has them: little-endian.
pub(super) fn write_values<'a>(
    to: &mut dyn Write,
    values: impl IntoIterator<Item = &'a f32>,
) -> Result<(), std::io::Error> {
    let mut bytes = Vec::with_capacity(1 << 16);
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes());
        if bytes.len() == 1 << 16 {
            to.write_all(&bytes)?;
            bytes.clear();
        }
    }
    to.write_all(&bytes)
}

/// What the metadata says the file is about; nothing where it says nothing, as files made elsewhere do.
pub(super) fn about(file: &[u8]) -> BTreeMap<String, String> {
    let metadata = SafeTensors::read_metadata(file).ok().and_then(|(_, metadata)| metadata.metadata().clone());
    metadata.and_then(|map| serde_json::from_str(map.get(METADATA_KEY)?).ok()).unwrap_or_default()
}

/// Where each site's values lie in a file that must hold exactly float32 `[rows, width]` for each site.
pub(super) fn places(file: &[u8], widths: &Widths, rows: usize) -> Result<BTreeMap<Site, Range<usize>>, String> {
    // Checks that the tensors cover the file exactly.
    SafeTensors::deserialize(file).map_err(|e| format!("is truncated or no safetensors file ({e})"))?;
    let (header, metadata) = SafeTensors::read_metadata(file).map_err(|e| e.to_string())?;
    let mut places = BTreeMap::new();
    for (site, width) in widths {
        let tensor = metadata.info(&site.to_string()).ok_or_else(|| format!("lacks {site}"))?;
        if tensor.dtype != Dtype::F32 || tensor.shape != [rows, *width] {
            let (dtype, shape) = (tensor.dtype, &tensor.shape);
            return Err(format!("holds {site} as {dtype:?} {shape:?}; expected F32 [{rows}, {width}]"));
        }
        let (start, end) = tensor.data_offsets;
        // The data begin after the length and the header.
        places.insert(*site, 8 + header + start..8 + header + end);
    }
    match metadata.tensors().len() == places.len() {
        true => Ok(places),
        false => Err("holds tensors that its manifest does not name".into()),
    }
}

/// Counts and hashes what is written through it.
pub(super) struct Hashing<'a> {
    to: &'a mut dyn Write,
    hash: Sha256,
    bytes: u64,
}

impl<'a> Hashing<'a> {
    pub(super) fn new(to: &'a mut dyn Write) -> Self {
        Hashing { to, hash: Sha256::new(), bytes: 0 }
    }

    /// The number of bytes, and their SHA-256 in hexadecimal digits.
    pub(super) fn finish(self) -> (u64, String) {
        (self.bytes, hexadecimal(self.hash))
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// A hash in hexadecimal digits.
pub(super) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of what `write` writes, in hexadecimal digits.
pub(super) fn sha256(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<String> {
    let mut nowhere = std::io::sink();
    let mut hashing = Hashing::new(&mut nowhere);
    write(&mut hashing)?;
    Ok(hashing.finish().1)
}

/// A site's values in a mapped file, in place.
///
/// # Errors
/// Where the machine's byte order or the file's alignment does not allow it.
pub(super) fn values(bytes: &[u8]) -> Result<&[f32], String> {
    if cfg!(target_endian = "big") {
        return Err("cannot be read in place on a big-endian machine".into());
    }
    // SAFETY: every four bytes are a float32; `align_to` keeps to whole, aligned ones.
    let (before, values, after) = unsafe { bytes.align_to::<f32>() };
    match before.is_empty() && after.is_empty() {
        true => Ok(values),
        false => Err("has data that do not begin at a multiple of 4 bytes".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn the_crate_reads_what_is_written_here() {
        let widths = Widths::from([(Site::Residual(2), 3), (Site::Residual(10), 2)]);
        let about = BTreeMap::from([("model".to_string(), "ti\"ny".to_string())]);
        let mut file = header(&widths, 2, &about).unwrap();
        assert_eq!(file.len() % 8, 0);
        let numbers: Vec<f32> = (0..10).map(|i| i as f32 / 7.0).collect();
        write_values(&mut file, &numbers).unwrap();
        let read = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(read.tensor("residual.10").unwrap().shape(), [2, 2]);
        assert_eq!(super::about(&file), about);
        let places = places(&file, &widths, 2).unwrap();
        for (site, expected) in [(Site::Residual(2), &numbers[..6]), (Site::Residual(10), &numbers[6..])] {
            let place = places[&site].clone();
            let found: Vec<f32> =
                file[place].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn files_of_other_tensors_are_refused() {
        let widths = Widths::from([(Site::Residual(2), 3)]);
        let mut file = header(&widths, 2, &BTreeMap::new()).unwrap();
        write_values(&mut file, &[0.0; 6]).unwrap();
        assert!(places(&file, &widths, 2).is_ok());
        assert!(places(&file, &widths, 3).unwrap_err().contains("expected F32 [3, 3]"));
        let more = Widths::from([(Site::Residual(2), 3), (Site::Residual(3), 3)]);
        assert!(places(&file, &more, 2).unwrap_err().contains("lacks residual.3"));
        assert!(places(&file, &Widths::new(), 2).unwrap_err().contains("does not name"));
        file.pop();
        assert!(places(&file, &widths, 2).unwrap_err().contains("truncated"));
    }

    // printf 'abc' | sha256sum
    #[test]
    fn hashes_are_those_of_the_standard() {
        let found = sha256(|w| w.write_all(b"abc").map_err(Error::io("x", "write"))).unwrap();
        assert_eq!(found, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
