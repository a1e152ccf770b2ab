//! The stream, cut into sentences.

use super::columns::{global_columns, Layout};
use super::input::open_text;
use super::parse::{parse, Block, Features};
use super::Sentence;
use crate::{Error, Result};
use std::fmt;
use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};

/// The longest line that is read, in bytes: a hundred times what treebanks contain.
pub const MAX_LINE: usize = 1 << 20;
/// The longest sentence that is read, comments included, in bytes.
pub const MAX_SENTENCE: usize = 1 << 24;

/// The sentences of a CoNLL-U stream, one in memory at a time.
///
/// After a defective sentence the iterator goes on with the next one, so that a caller may skip and count; it ends
/// after an error of the operating system, where compressed data are damaged, and where columns are named in a way that leaves
/// unknown which they are.
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    compressed: bool,
    /// Lines read so far.
    line: usize,
    /// The lines of the sentence, without their ends and end to end.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    layout: Option<Layout>,
    done: bool,
    /// Nobody knows which columns follow.
    lost: bool,
    features: Features,
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).field("line", &self.line).finish_non_exhaustive()
    }
}

/// Opens a CoNLL-U file; one that is compressed by gzip is decompressed on the way.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened.
pub fn open(path: impl AsRef<Path>) -> Result<Reader<Box<dyn BufRead + Send>>> {
    let path = path.as_ref();
    let (input, compressed) = open_text(path)?;
    Ok(Reader { compressed, ..Reader::new(input, path) })
}

/// What a look for the next line finds.
enum Line {
    Text,
    TooLong,
    End,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`; `path` names it in errors.
    pub fn new(input: R, path: impl AsRef<Path>) -> Self {
        Reader {
            input,
            path: path.as_ref().to_path_buf(),
            compressed: false,
            line: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
            layout: None,
            done: false,
            lost: false,
            features: Features::default(),
        }
    }

    /// What errors call the input.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the last error leaves unknown what the rest of the stream says.
    pub(in crate::treebank) fn is_lost(&self) -> bool {
        self.lost
    }

    /// The next sentence as the buffer holds it.
    pub(in crate::treebank) fn next_block(&mut self) -> Option<Result<Block<'_>>> {
        let first = match self.fill() {
            Ok(first) => first?,
            Err(error) => return Some(Err(error)),
        };
        let parsed = parse(&self.bytes, &self.ends, first, self.layout.as_ref(), &mut self.features);
        Some(parsed.map_err(|(line, message)| Error::line(&self.path, line, message)))
    }

    /// Reads the lines of the next sentence and the blank one after it; returns where it begins.
    fn fill(&mut self) -> Result<Option<usize>> {
        self.bytes.clear();
        self.ends.clear();
        let mut first = None;
        let mut defect: Option<(usize, String)> = None;
        let mut only_names_columns = true;
        while !self.done {
            let start = self.bytes.len();
            let found = self.next_line()?;
            let line = self.bytes.get(start..).unwrap_or_default();
            let message = match found {
                Line::End => break,
                Line::TooLong => Some(format!("a line of more than {MAX_LINE} bytes; is this CoNLL-U?")),
                Line::Text if line.is_empty() && (first.is_none() || only_names_columns && defect.is_none()) => {
                    // A header that stands alone is no sentence.
                    self.bytes.clear();
                    self.ends.clear();
                    first = None;
                    continue;
                }
                Line::Text if line.is_empty() => break,
                Line::Text => match global_columns_of(line) {
                    Some(names) => match Layout::parse(names) {
                        Ok(layout) => {
                            self.layout = layout;
                            None
                        }
                        Err(message) => {
                            (self.done, self.lost) = (true, true);
                            Some(message)
                        }
                    },
                    None => {
                        only_names_columns = false;
                        let too_long = self.bytes.len() > MAX_SENTENCE;
                        too_long.then(|| {
                            format!("a sentence of more than {MAX_SENTENCE} bytes; end sentences with an empty line")
                        })
                    }
                },
            };
            first = first.or(Some(self.line));
            if let Some(message) = message {
                defect.get_or_insert((self.line, message));
            }
            if defect.is_some() {
                self.bytes.truncate(start);
            } else {
                self.ends.push(self.bytes.len());
            }
        }
        match defect {
            Some((line, message)) => Err(Error::line(&self.path, line, message)),
            None => Ok(first.filter(|_| !(self.done && only_names_columns))),
        }
    }

    /// Appends the next line to the buffer, without its end; of one that is too long, nothing.
    fn next_line(&mut self) -> Result<Line> {
        let start = self.bytes.len();
        let (mut any, mut too_long) = (false, false);
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.fail(error)),
            };
            any |= !available.is_empty();
            let end = memchr::memchr(b'\n', available);
            let piece = end.and_then(|end| available.get(..end)).unwrap_or(available);
            too_long |= self.bytes.len() - start + piece.len() > MAX_LINE;
            if !too_long {
                self.bytes.extend_from_slice(piece);
            }
            let (at_end, used) = (available.is_empty(), piece.len() + usize::from(end.is_some()));
            self.input.consume(used);
            if at_end || end.is_some() {
                break;
            }
        }
        if !any {
            self.done = true;
            return Ok(Line::End);
        }
        self.line += 1;
        if too_long {
            self.bytes.truncate(start);
            return Ok(Line::TooLong);
        }
        while self.bytes.len() > start && self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        if self.line == 1 && self.bytes.starts_with(b"\xef\xbb\xbf") {
            self.bytes.drain(..3);
        }
        Ok(Line::Text)
    }

    fn fail(&mut self, error: std::io::Error) -> Error {
        self.done = true;
        if self.compressed {
            let line = self.line;
            return Error::file(
                &self.path,
                format!("the compressed data are damaged or cut off after line {line} ({error}); fetch the file again"),
            );
        }
        Error::io(&self.path, "read")(error)
    }
}

/// As [`global_columns`], quick to say no.
fn global_columns_of(line: &[u8]) -> Option<&str> {
    if !line.starts_with(b"#") {
        return None;
    }
    global_columns(std::str::from_utf8(line).ok()?)
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Sentence>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_block()?.map(Sentence::from))
    }
}
