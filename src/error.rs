//! The crate's one error type.
//!
//! Messages are lower-case, carry the path, the value and what was expected, and name the cure where the user can act.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("{path}: cannot {action}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: `read`, `write`, `create`, ...
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A text file (CoNLL-U, CSV, TOML) breaks its format at a line.
    #[error("{path}:{line}: {message}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and the cure.
        message: String,
    },
    /// A file (weights, configuration, tokenizer) breaks its format.
    #[error("{path}: {message}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the cure.
        message: String,
    },
    /// A parameter is out of its range.
    #[error("{name} should be {expected}, but is {value}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its range.
        expected: String,
        /// The value given.
        value: String,
    },
    /// A name (site, attribute, method, ...) that does not exist.
    #[error("unknown {kind} `{value}`: expected {expected}")]
    Unknown {
        /// The kind of name.
        kind: &'static str,
        /// The name given.
        value: String,
        /// The names that exist.
        expected: String,
    },
    /// Well-formed data that does not fit the operation.
    #[error("{0}")]
    Data(String),
    /// An estimator of linfa failed.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
    /// The Hugging Face Hub, or its cache, does not give what is asked for.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] crate::checkpoint::hub::HubError),
    /// libtorch failed.
    #[cfg(feature = "torch")]
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    /// An [`Error::Io`]; made for `map_err`: `.map_err(Error::io(path, "read"))`.
    pub fn io(path: impl AsRef<Path>, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { path, action, source }
    }

    /// An [`Error::Line`].
    pub fn line(path: impl AsRef<Path>, line: usize, message: impl Into<String>) -> Error {
        Error::Line { path: path.as_ref().to_path_buf(), line, message: message.into() }
    }

    /// An [`Error::File`].
    pub fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Error {
        Error::File { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// An [`Error::Parameter`].
    pub fn parameter(name: &'static str, expected: impl Into<String>, value: impl Display) -> Error {
        Error::Parameter { name, expected: expected.into(), value: value.to_string() }
    }

    /// An [`Error::Unknown`].
    pub fn unknown(kind: &'static str, value: impl Display, expected: impl Into<String>) -> Error {
        Error::Unknown { kind, value: value.to_string(), expected: expected.into() }
    }
}
