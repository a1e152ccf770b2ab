use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Reads a file of one sentence a line, without the line ends (`\n` or `\r\n`), which are no part of a sentence.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Line`] for a line that is blank or not valid UTF-8;
/// [`Error::File`] where there are none.
pub fn read_sentences(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    if text.is_empty() {
        return Err(Error::file(path, "holds no sentences; give one a line"));
    }
    let sentence = |(i, line): (usize, &[u8])| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| Error::line(path, i + 1, "is not valid UTF-8"))?;
        if line.trim().is_empty() {
            let message = "is blank; remove it here and its translations from the other files";
            return Err(Error::line(path, i + 1, message));
        }
        Ok(line.to_owned())
    };
    text.split(|byte| *byte == b'\n').enumerate().map(sentence).collect()
}

/// Reads parallel files, line N of each a translation of the others': pairs of a language and its file.
///
/// # Errors
/// As [`read_sentences`]; [`Error::Data`] for files of different lengths, naming both, and a language given twice.
pub fn read_parallel(files: &[(String, PathBuf)]) -> Result<Vec<(String, Vec<String>)>> {
    let mut read: Vec<(String, Vec<String>)> = Vec::with_capacity(files.len());
    for (language, path) in files {
        let sentences = read_sentences(path)?;
        if let (Some((_, first)), Some((_, first_path))) = (read.first(), files.first()) {
            if first.len() != sentences.len() {
                return Err(Error::Data(format!(
                    "{} has {} lines, but {} has {}: line N of each should be a translation of the others'",
                    first_path.display(),
                    first.len(),
                    path.display(),
                    sentences.len()
                )));
            }
        }
        if read.iter().any(|(other, _)| other == language) {
            return Err(Error::Data(format!("language {language} has two files; give one")));
        }
        read.push((language.clone(), sentences));
    }
    Ok(read)
}
