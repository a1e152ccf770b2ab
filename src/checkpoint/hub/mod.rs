//! The Hugging Face Hub as a source of checkpoints (feature `hub`).
//!
//! A [`Hub`] speaks to the Hub, or to a mirror of it, and keeps what it fetches in the cache that Python's `huggingface_hub`
//! keeps too, under the same variables; what one of the two has fetched, the other does not fetch again.
//! [`Series::find`](super::Series::find) and [`Checkpoint::find`](super::Checkpoint::find) make one from the environment; a
//! program with settings of its own makes one itself:
//!
//! ```no_run
//! use isogloss::checkpoint::hub::{Hub, HubSettings};
//! use isogloss::checkpoint::SeriesSettings;
//!
//! let hub = Hub::new(HubSettings { cache: "/scratch/hub".into(), ..HubSettings::from_env()? })?;
//! let settings = SeriesSettings { tokenizer: Some("bigscience/bloom".into()), ..SeriesSettings::default() };
//! let series = hub.series(&"bigscience/bloom-560m-intermediate".parse()?, &settings)?;
//! for checkpoint in series.in_turn() {
//!     let checkpoint = checkpoint?;
//!     println!("{} is commit {:?}", checkpoint.step(), checkpoint.commit());
//! }
//! # Ok::<(), isogloss::Error>(())
//! ```
//!
//! # What is fetched
//!
//! A revision (branch or tag) is resolved to a commit, which is recorded in the cache (`refs`), and everything is read from that
//! commit. Of its files, those that [`Weights`](super::Weights) reads are fetched and no others: `config.json`,
//! `tokenizer.json`, and the first of `model.safetensors`, its index with the shards, `pytorch_model.bin`, its index with the
//! shards. A commit of which these are in the cache needs no listing.
//!
//! # What can go wrong
//!
//! Connections that break are taken up where they broke ([`Retry`]); a file gets its name in the cache when its length, and its
//! SHA-256 or git hash, are what the listing says. The token goes to the endpoint and to no other host, wherever that redirects
//! to. Names from the Hub become paths only if they stay inside the cache. Every error is a [`HubError`] with a kind and a cure.

mod api;
mod cache;
mod client;
mod download;
mod error;
mod remote;
mod room;
mod series;
mod settings;
mod url;

pub use api::{RemoteFile, Revision};
pub use error::{HubError, HubErrorKind};
pub(super) use remote::Remote;
pub(super) use room::check_room;
pub use settings::{HubSettings, Retry, Token};

use super::Repository;
use crate::Result;
use cache::Cache;
use client::Client;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

/// The revision that stands for a repository where none is named.
const MAIN: &str = "main";

/// A connection to the Hub with a cache on disk. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    cache: Cache,
    settings: HubSettings,
}

impl Hub {
    /// With the settings of the environment.
    ///
    /// # Errors
    /// As [`HubSettings::from_env`] and [`Hub::new`].
    pub fn from_env() -> Result<Self> {
        Hub::new(HubSettings::from_env()?)
    }

    /// With settings of one's own. Nothing is read or sent yet.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) if the endpoint is no `http` or `https` address, or a setting of
    /// [`Retry`] is out of range; [`Error::File`](crate::Error::File) if the file of certificates in `SSL_CERT_FILE` is none.
    pub fn new(settings: HubSettings) -> Result<Self> {
        let client = Client::new(&settings)?;
        Ok(Hub(Arc::new(Inner { client, cache: Cache::new(&settings.cache), settings })))
    }

    /// The settings.
    pub fn settings(&self) -> &HubSettings {
        &self.0.settings
    }

    /// The branches and tags of a repository with their commits, branches first, each sorted by name. Offline, those that the
    /// cache has recorded.
    ///
    /// # Errors
    /// [`Error::Hub`](crate::Error::Hub) if the repository is missing, private or gated, or the Hub cannot be reached.
    pub fn revisions(&self, repository: &Repository) -> Result<Vec<Revision>> {
        if self.0.settings.offline {
            return self.0.cache.recorded(repository);
        }
        self.0.client.revisions(repository)
    }

    /// The commit of the repository's revision, or of `main`, recorded in the cache. A commit stands for itself. Offline, what
    /// the cache has recorded.
    ///
    /// # Errors
    /// [`Error::Hub`](crate::Error::Hub), of kind [`HubErrorKind::RevisionNotFound`] with the names that come near if there is
    /// no such revision.
    pub fn resolve(&self, repository: &Repository) -> Result<String> {
        let revision = repository.revision().unwrap_or(MAIN);
        if api::is_hash(revision, 40) {
            return Ok(revision.to_string());
        }
        if self.0.settings.offline {
            let recorded = self.0.cache.commit(repository, revision)?;
            return recorded.ok_or_else(|| self.offline(repository, "has no record of that revision").into());
        }
        let commit = self.0.client.resolve(repository, revision)?;
        self.record(repository, revision, &commit);
        Ok(commit)
    }

    /// Writes down a revision's commit, for a time without the Hub. A cache that may only be read can do without.
    fn record(&self, repository: &Repository, revision: &str, commit: &str) {
        if let Err(error) = self.0.cache.record(repository, revision, commit) {
            tracing::warn!("{repository}: {revision} is not recorded for use offline: {error}");
        }
    }

    /// The files of a commit, sorted by path.
    ///
    /// # Errors
    /// [`Error::Hub`](crate::Error::Hub) if it cannot be had, or names a file outside the repository.
    pub fn files(&self, repository: &Repository, commit: &str) -> Result<Vec<RemoteFile>> {
        if self.0.settings.offline {
            return Err(self.offline(repository, "keeps no listings of files").into());
        }
        self.0.client.files(repository, commit)
    }

    /// The path of a commit's file in the cache, where it is fetched to if it is not there.
    ///
    /// # Errors
    /// [`Error::Hub`](crate::Error::Hub) if it cannot be fetched or does not arrive as listed; [`Error::Io`](crate::Error::Io)
    /// if the cache cannot be written.
    pub fn fetch(&self, repository: &Repository, commit: &str, file: &RemoteFile) -> Result<PathBuf> {
        self.download(repository, commit, file, &AtomicBool::new(false))?;
        Ok(self.snapshot(repository, commit).join(&file.path))
    }

    /// The folder in which the cache has a commit's files.
    pub fn snapshot(&self, repository: &Repository, commit: &str) -> PathBuf {
        self.0.cache.snapshot(repository, commit)
    }

    fn cache_dir(&self) -> &Path {
        self.0.cache.root()
    }

    fn offline(&self, repository: &Repository, lacks: &str) -> HubError {
        let cache = self.cache_dir().display();
        let message = format!("HF_HUB_OFFLINE is set, and the cache {cache} {lacks}; unset it, or fetch it first");
        HubError::new(HubErrorKind::Offline, repository, message)
    }
}
