use crate::Error;
use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

/// A repository of the Hugging Face Hub, and a revision of it where one is given: `bigscience/bloom-560m`,
/// `bigscience/bloom-560m-intermediate@global_step1000`.
///
/// Names have one `/`, an owner and a name of letters, digits, `-`, `_` and `.`, as on the Hub.
///
/// # Examples
/// ```
/// use isogloss::checkpoint::Repository;
/// let repository: Repository = "bigscience/bloom-560m-intermediate@global_step1000".parse()?;
/// assert_eq!(repository.id(), "bigscience/bloom-560m-intermediate");
/// assert_eq!(repository.revision(), Some("global_step1000"));
/// assert_eq!(repository.model(), "bloom-560m");
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    id: String,
    revision: Option<String>,
}

impl Repository {
    /// Owner and name: `bigscience/bloom-560m`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// The model's name: the repository's, without the owner and without `-intermediate`.
    pub fn model(&self) -> &str {
        let name = self.id.split_once('/').map_or(self.id.as_str(), |(_, name)| name);
        name.strip_suffix("-intermediate").filter(|name| !name.is_empty()).unwrap_or(name)
    }

    /// The same repository at `revision`.
    ///
    /// # Errors
    /// [`Error::Unknown`] if `revision` cannot be the name of one.
    pub fn at(&self, revision: &str) -> Result<Repository, Error> {
        if !is_revision(revision) {
            let expected = "the name of a branch or tag, or a commit";
            return Err(Error::unknown("revision", revision, expected));
        }
        Ok(Repository { id: self.id.clone(), revision: Some(revision.to_string()) })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (text, None),
        };
        let named = id.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name));
        // `--` separates owner and name in the cache.
        if !named || id.len() > 96 || id.contains("--") || id.contains("..") || id.ends_with(".git") {
            let expected = "owner and name on the Hub, such as bigscience/bloom-560m, and @REVISION if need be";
            return Err(Error::unknown("repository", text, expected));
        }
        let repository = Repository { id: id.to_string(), revision: None };
        revision.map_or(Ok(repository.clone()), |revision| repository.at(revision))
    }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: char| matches!(c, '-' | '.');
    !text.is_empty() && text.chars().all(plain) && !text.starts_with(end) && !text.ends_with(end)
}

/// Whether `text` can be the name of a revision, which becomes a path in the cache.
pub(crate) fn is_revision(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, ' ' | '\\' | '~' | '^' | ':' | '?' | '*' | '[');
    !text.is_empty() && text.len() <= 250 && !text.contains(forbidden) && is_inside(text)
}

/// Whether the path `text` stays inside the folder it counts from.
pub(crate) fn is_inside(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['\\', '\0'])
        && text.split('/').all(|part| !part.is_empty() && part != ".")
        && Path::new(text).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_hub() {
        for name in ["bigscience/bloom", "a/b.c_d-1", "bigscience/bloom@refs/pr/1", "a/b@0123456789abcdef"] {
            assert_eq!(name.parse::<Repository>().unwrap().to_string(), name);
        }
        let wrong = [
            "bloom",
            "/models/bloom",
            "a/b/c",
            "../bloom",
            "a/..",
            "a/b--c",
            "a/-b",
            "a/b.git",
            "a/b@",
            "a/b@../x",
            "a/ b",
            "a/b@x y",
            "./a",
            "a/",
        ];
        for name in wrong {
            assert!(name.parse::<Repository>().is_err(), "{name}");
        }
    }

    #[test]
    fn the_model_is_named_without_intermediate() {
        let model = |name: &str| name.parse::<Repository>().unwrap().model().to_string();
        assert_eq!(model("bigscience/bloom-1b1-intermediate"), "bloom-1b1");
        assert_eq!(model("bigscience/bloom-1b1"), "bloom-1b1");
    }

    #[test]
    fn paths_that_point_outside_are_told() {
        assert!(is_inside("a") && is_inside("a/b.bin") && is_inside("..a/b"));
        for path in ["", "/a", "../a", "a/../b", "a/./b", "a//b", "a/", "a\\b", "."] {
            assert!(!is_inside(path), "{path}");
        }
    }
}
