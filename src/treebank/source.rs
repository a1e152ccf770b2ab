//! A treebank as a user names it.

use super::OfficialSplit;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A language and its CoNLL-U files, written `LANG=FILE[,FILE...]`.
///
/// A folder stands for its files whose names end in `.conllu`, `.conllup` (CoNLL-U Plus) or one of these and `.gz`: train,
/// dev and test as Universal Dependencies names them ([`OfficialSplit::of_file`]), in this order and as far as they are
/// there, then all others; by name within each. Of a file that lies there both plain and compressed, the plain one.
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
    /// A source from paths, folders replaced by their files.
    ///
    /// # Errors
    /// [`Error::Data`] if the language is no language code, no file is named, or one is named twice; [`Error::File`] if a
    /// folder has no treebank file; [`Error::Io`] if a folder cannot be read. Files are not opened yet.
    pub fn new<P: AsRef<Path>>(language: &str, paths: impl IntoIterator<Item = P>) -> Result<Source> {
        let is_code = language.starts_with(|c: char| c.is_ascii_alphabetic())
            && language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_code {
            return Err(Error::Data(format!("language `{language}` should be an ISO 639-1 code, such as `es`")));
        }
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_path_buf()).collect();
        if paths.iter().any(|path| path.as_os_str().is_empty()) {
            return Err(Error::Data(format!("treebank `{language}`: an empty file name; write LANG=FILE[,FILE...]")));
        }
        if paths.is_empty() {
            return Err(Error::Data(format!("treebank `{language}` has no files; write LANG=FILE[,FILE...]")));
        }
        Ok(Source { language: language.to_string(), files: files(&paths)? })
    }
}

/// The paths with folders replaced by their files.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(files_in(path)?),
            false => files.push(path.clone()),
        }
    }
    let mut seen = BTreeMap::new();
    for file in &files {
        // A file that does not exist is named when it is opened.
        let place = file.canonicalize().unwrap_or_else(|_| file.clone());
        if let Some(earlier) = seen.insert(place, file) {
            let (a, b) = (earlier.display(), file.display());
            let message = match earlier == file {
                true => format!("treebank file {a} is named twice; its words would count twice"),
                false => format!("treebank files {a} and {b} are the same file; its words would count twice"),
            };
            return Err(Error::Data(message));
        }
    }
    Ok(files)
}

/// The name of a treebank file without `.gz`.
fn plain_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    // A name that begins with a dot is hidden, or a temporary one.
    let is_treebank = (plain.ends_with(".conllu") || plain.ends_with(".conllup")) && !plain.starts_with('.');
    is_treebank.then(|| plain.to_string())
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    // By part and name; a plain file before the same one compressed.
    let mut found: BTreeMap<(usize, String), PathBuf> = BTreeMap::new();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder, "read"))? {
        paths.push(entry.map_err(Error::io(folder, "read"))?.path());
    }
    paths.sort();
    for path in paths {
        let Some(name) = plain_name(&path) else { continue };
        // A folder of such a name is none of the treebank's; a link that leads nowhere is a part that is lost.
        match std::fs::metadata(&path) {
            Ok(found) if !found.is_file() => continue,
            Ok(_) => {}
            Err(error) => return Err(Error::io(&path, "read")(error)),
        }
        let part = OfficialSplit::of_file(&name).map_or(usize::MAX, |part| part as usize);
        match found.entry((part, name)) {
            Entry::Vacant(place) => {
                place.insert(path);
            }
            Entry::Occupied(place) => {
                tracing::warn!("{} is left out: {} lies beside it", path.display(), place.get().display());
            }
        }
    }
    if found.is_empty() {
        let message = "has no .conllu or .conllu.gz file; name the files, or the folder that holds them";
        return Err(Error::file(folder, message));
    }
    Ok(found.into_values().collect())
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
        assert!(error.contains("has no .conllu or"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_no_missing_part() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x-ud-test.conllu"), "").unwrap();
        std::fs::create_dir(dir.path().join("old.conllu")).unwrap();
        let source = || Source::new("es", [dir.path()]);
        assert_eq!(source().unwrap().files.len(), 1);
        std::os::unix::fs::symlink("gone.conllu", dir.path().join("x-ud-train.conllu")).unwrap();
        let error = source().unwrap_err().to_string();
        assert!(error.contains("x-ud-train.conllu: cannot read"), "{error}");
    }

    #[test]
    fn broken_sources_say_how_to_write_one() {
        for text in ["", "es", "=a.conllu", "es=", "es=a.conllu,", "a b=c", "../es=c"] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains("LANG=FILE") || error.contains("ISO 639-1"), "{text}: {error}");
        }
    }
}
