//! A treebank as a user names it.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A language and its CoNLL-U files, written `LANG=FILE[,FILE...]`; a folder stands for all its `.conllu` files, sorted
/// by name.
///
/// # Examples
/// ```
/// use isogloss::treebank::Source;
/// let source: Source = "en=en_ewt-ud-dev.conllu,en_ewt-ud-test.conllu".parse()?;
/// assert_eq!((source.language.as_str(), source.files.len()), ("en", 2));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// ISO 639-1 code.
    pub language: String,
    /// The files, in the order in which their sentences count.
    pub files: Vec<PathBuf>,
}

impl Source {
    /// A source from paths, folders replaced by their `.conllu` files.
    ///
    /// # Errors
    /// [`Error::Data`] if the language is no language code or no file is named; [`Error::File`] if a folder has no
    /// `.conllu` file; [`Error::Io`] if a folder cannot be read. Files are not opened yet.
    pub fn new<P: AsRef<Path>>(language: &str, paths: impl IntoIterator<Item = P>) -> Result<Source> {
        let is_code = language.starts_with(|c: char| c.is_ascii_alphabetic())
            && language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_code {
            return Err(Error::Data(format!("language `{language}` should be an ISO 639-1 code, such as `es`")));
        }
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            if path.as_os_str().is_empty() {
                return Err(Error::Data(format!(
                    "treebank `{language}`: an empty file name; write LANG=FILE[,FILE...]"
                )));
            }
            if path.is_dir() {
                files.extend(conllu_files(path)?);
            } else {
                files.push(path.to_path_buf());
            }
        }
        if files.is_empty() {
            return Err(Error::Data(format!("treebank `{language}` has no files; write LANG=FILE[,FILE...]")));
        }
        Ok(Source { language: language.to_string(), files })
    }
}

fn conllu_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder, "read"))? {
        let path = entry.map_err(Error::io(folder, "read"))?.path();
        if path.extension().is_some_and(|extension| extension == "conllu") && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::file(folder, "has no .conllu file; name the files, or the folder that holds them"));
    }
    files.sort();
    Ok(files)
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (language, files) = text.split_once('=').ok_or_else(|| {
            Error::Data(format!("treebank `{text}` should be LANG=FILE[,FILE...], such as es=es.conllu"))
        })?;
        Source::new(language, files.split(','))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, file) in self.files.iter().enumerate() {
            let before = if i == 0 { format!("{}=", self.language) } else { ",".to_string() };
            write!(f, "{before}{}", file.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_conllu_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.conllu", "a.conllu", "README.md", "a.conllu.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let source: Source = format!("es={},x.conllu", dir.path().display()).parse().unwrap();
        let names: Vec<_> = source.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.conllu", "b.conllu", "x.conllu"]);
        assert_eq!(source.to_string().parse::<Source>().unwrap(), source);
        let empty = tempfile::tempdir().unwrap();
        let error = format!("es={}", empty.path().display()).parse::<Source>().unwrap_err().to_string();
        assert!(error.contains("has no .conllu file"), "{error}");
    }

    #[test]
    fn broken_sources_say_how_to_write_one() {
        for text in ["", "es", "=a.conllu", "es=", "es=a.conllu,", "a b=c", "../es=c"] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains("LANG=FILE") || error.contains("ISO 639-1"), "{text}: {error}");
        }
    }
}
