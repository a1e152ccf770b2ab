//! Text files, plain or compressed.

use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

const BUFFER: usize = 1 << 18;
/// How a gzip member begins. No UTF-8 text does.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens a text file, decompressing it if it is gzip, of one or several members, whatever its name; says whether it is.
pub(crate) fn open_text(path: &Path) -> Result<(Box<dyn BufRead + Send>, bool)> {
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut input = BufReader::with_capacity(BUFFER, file);
    let compressed = input.fill_buf().map_err(Error::io(path, "read"))?.starts_with(&GZIP);
    if compressed {
        return Ok((Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input))), true));
    }
    Ok((Box::new(input), false))
}
