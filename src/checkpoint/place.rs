use super::Repository;
use std::path::{Path, PathBuf};

/// What a user names: something on disk, or a repository of the Hub.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Disk(PathBuf),
    Hub(Repository),
}

impl Place {
    /// What is there on disk comes first, as in Python; else what reads as a repository's name is one.
    pub(super) fn of(place: &Path) -> Place {
        match place.to_str().map(str::parse::<Repository>) {
            Some(Ok(repository)) if !place.exists() => Place::Hub(repository),
            _ => Place::Disk(place.to_path_buf()),
        }
    }
}

/// A path of a description that stands in `folder`: the name of a Hub repository stays as it is, if there is no such file.
pub(crate) fn from_folder(folder: &Path, place: &Path) -> PathBuf {
    let path = folder.join(place);
    match Place::of(place) {
        Place::Hub(_) if !path.exists() => place.to_path_buf(),
        _ => path,
    }
}

/// As [`std::path::absolute`], but for the name of a Hub repository.
pub(crate) fn absolute(place: &Path) -> PathBuf {
    match Place::of(place) {
        Place::Hub(_) => place.to_path_buf(),
        Place::Disk(path) => std::path::absolute(&path).unwrap_or(path),
    }
}

/// The error of a build that cannot read the Hub.
#[cfg(not(feature = "hub"))]
pub(super) fn without_hub<T>(repository: &Repository) -> crate::Result<T> {
    let message = format!(
        "is neither a folder nor a file, and this program is built without the Hub; to fetch the repository \
         `{repository}`, build it with `--features hub`"
    );
    Err(crate::Error::file(repository.to_string(), message))
}
