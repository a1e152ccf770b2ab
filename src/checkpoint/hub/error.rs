use std::fmt;

/// What went wrong with the Hub: a kind, where, and a message with the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubError {
    kind: HubErrorKind,
    place: String,
    message: String,
}

/// The kinds of [`HubError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubErrorKind {
    /// The repository asks its readers to agree to conditions first.
    Gated,
    /// There is no such repository, or it is private.
    RepositoryNotFound,
    /// The repository has no such branch, tag or commit.
    RevisionNotFound,
    /// The commit has no such file.
    FileNotFound,
    /// The token is wrong or allows too little, or the Hub has disabled the repository.
    Denied,
    /// `HF_HUB_OFFLINE` is set, and the cache lacks what is needed.
    Offline,
    /// No answer, or no good one, in all attempts.
    Unreachable,
    /// An answer that is not what the Hub gives.
    Answer,
    /// A file that is not what the listing says.
    Corrupt,
    /// Not enough free disk.
    NoRoom,
    /// The fetch was stopped, because nobody waits for it.
    Stopped,
}

impl HubError {
    pub(super) fn new(kind: HubErrorKind, place: impl fmt::Display, message: impl Into<String>) -> Self {
        HubError { kind, place: harmless(&place.to_string()), message: harmless(&message.into()) }
    }

    /// The kind.
    pub fn kind(&self) -> HubErrorKind {
        self.kind
    }

    /// The repository, with revision and file where it is about them: `bigscience/bloom@main: config.json`.
    pub fn place(&self) -> &str {
        &self.place
    }
}

/// What a server says may hold what would move a terminal's cursor, or no end.
fn harmless(text: &str) -> String {
    const MOST: usize = 2000;
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(MOST).map(plain).collect()
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for HubError {}
