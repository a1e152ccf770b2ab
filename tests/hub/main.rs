//! The Hub as a source of checkpoints, against a small Hub of our own (`server.rs`).

mod faults;
mod python;
mod refusals;
mod series;
mod server;
#[cfg(feature = "torch")]
mod study;

use isogloss::checkpoint::hub::{Hub, HubError, HubErrorKind, HubSettings, Retry, Token};
use isogloss::checkpoint::{Checkpoint, Repository, SeriesSettings, Step};
use isogloss::Error;
use server::Server;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const ID: &str = "owner/tiny-intermediate";
const CONFIG: &[u8] = br#"{"model_type": "bloom"}"#;
const TOKENIZER: &[u8] = b"{}";

/// A server, a cache of its own, and a client that does not wait long.
struct Bench {
    server: Server,
    cache: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { server: Server::start(), cache: tempfile::tempdir().unwrap() }
    }

    fn settings(&self) -> HubSettings {
        HubSettings {
            endpoint: self.server.url.clone(),
            cache: self.cache.path().to_path_buf(),
            token: None,
            offline: false,
            retry: Retry {
                attempts: 3,
                first_wait: Duration::from_millis(1),
                longest_wait: Duration::from_millis(4),
                longest_asked: Duration::from_secs(2),
                timeout: Duration::from_secs(2),
            },
            certificates: None,
        }
    }

    fn hub(&self) -> Hub {
        Hub::new(self.settings()).unwrap()
    }

    fn with_token(&self, token: &str) -> Hub {
        Hub::new(HubSettings { token: Token::new(token), ..self.settings() }).unwrap()
    }

    fn offline(&self) -> Hub {
        Hub::new(HubSettings { offline: true, ..self.settings() }).unwrap()
    }

    /// A repository with one branch, whose weights are `weights` in one file.
    fn one(&self, weights: &[u8]) -> String {
        let files = [("config.json", CONFIG), ("tokenizer.json", TOKENIZER), ("model.safetensors", weights)];
        let mut commit = String::new();
        self.server.repository(ID, |repository| commit = repository.branch("global_step10", &files));
        commit
    }

    /// The checkpoint of [`Bench::one`], with its weights.
    fn fetch(&self, hub: &Hub) -> Result<Checkpoint, Error> {
        let checkpoint =
            hub.checkpoint(&repository("owner/tiny-intermediate@global_step10"), &SeriesSettings::default())?;
        checkpoint.fetch()?;
        Ok(checkpoint)
    }

    /// Names of the cache's blobs.
    fn blobs(&self) -> Vec<String> {
        names(&self.cache.path().join("models--owner--tiny-intermediate/blobs"))
    }
}

fn repository(name: &str) -> Repository {
    name.parse().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Bytes that no other seed gives.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    use rand::RngCore;
    let mut noise = vec![0; bytes];
    isogloss::seed::stream(seed, &["noise"]).fill_bytes(&mut noise);
    noise
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, kind: HubErrorKind, why: &[&str]) -> HubError {
    match result {
        Err(Error::Hub(error)) => {
            let message = error.to_string();
            assert_eq!(error.kind(), kind, "{message}");
            for why in why {
                assert!(message.contains(why), "expected {why:?} in: {message}");
            }
            error
        }
        other => panic!("expected an error of kind {kind:?}, not {other:?}"),
    }
}

#[test]
fn a_checkpoint_is_fetched_into_the_standard_layout_and_not_again() {
    let bench = Bench::new();
    let weights = noise(300_000, 1);
    let commit = bench.one(&weights);
    bench.server.repository(ID, |repository| {
        let files = repository.commits.get_mut(&commit).unwrap();
        for other in ["README.md", "pytorch_model.bin", "optimizer.bin"] {
            files.insert(other.into(), files["config.json"].clone());
        }
    });
    let checkpoint = bench.fetch(&bench.hub()).unwrap();
    assert_eq!((checkpoint.model(), checkpoint.step()), ("tiny", Step::Number(10)));
    assert_eq!(checkpoint.commit(), Some(commit.as_str()));
    assert_eq!(checkpoint.repository().unwrap(), format!("{ID}@{commit}"));

    let top = bench.cache.path().join("models--owner--tiny-intermediate");
    assert_eq!(checkpoint.dir(), top.join("snapshots").join(&commit));
    assert_eq!(names(checkpoint.dir()), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert_eq!(std::fs::read_to_string(top.join("refs/global_step10")).unwrap(), commit);
    let mut blobs = vec![server::git_hash(CONFIG), server::git_hash(TOKENIZER), server::sha256(&weights)];
    blobs.sort();
    assert_eq!(bench.blobs(), blobs);
    assert_eq!(std::fs::read(checkpoint.dir().join("model.safetensors")).unwrap(), weights);
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(checkpoint.dir().join("model.safetensors")).unwrap(),
        Path::new("../../blobs").join(server::sha256(&weights))
    );

    // The second time only the branch is asked for; a commit needs no question at all.
    bench.server.requests();
    bench.fetch(&bench.hub()).unwrap();
    let paths: Vec<String> = bench.server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/api/models/owner/tiny-intermediate/revision/global_step10"]);
    let at_commit = repository(&format!("{ID}@{commit}"));
    bench.hub().checkpoint(&at_commit, &SeriesSettings::default()).unwrap();
    assert!(bench.server.requests().is_empty());
}

#[test]
fn shards_are_those_of_the_index() {
    let bench = Bench::new();
    let index =
        br#"{"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}}"#;
    bench.server.repository(ID, |repository| {
        let files: [(&str, &[u8]); 6] = [
            ("config.json", CONFIG),
            ("pytorch_model.bin.index.json", index),
            ("pytorch_model-00001-of-00002.bin", b"one"),
            ("pytorch_model-00002-of-00002.bin", b"two"),
            ("pytorch_model-00003-of-00002.bin", b"three"),
            ("tokenizer.json", TOKENIZER),
        ];
        repository.branch("global_step10", &files);
    });
    bench.server.page(2);
    let checkpoint = bench.fetch(&bench.hub()).unwrap();
    let expected = [
        "config.json",
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model-00002-of-00002.bin",
        "pytorch_model.bin.index.json",
        "tokenizer.json",
    ];
    assert_eq!(names(checkpoint.dir()), expected);
    assert!(checkpoint.is_fetched());
    std::fs::remove_file(checkpoint.dir().join("pytorch_model-00002-of-00002.bin")).unwrap();
    assert!(!checkpoint.is_fetched());
    // One shard alone is fetched anew, and as its blob is there, only linked.
    bench.server.requests();
    bench.fetch(&bench.hub()).unwrap();
    assert!(bench.server.requests().iter().all(|request| !request.path.contains(".bin")));
}

#[test]
fn two_threads_fetch_a_file_once() {
    let bench = Bench::new();
    let weights = noise(500_000, 2);
    bench.one(&weights);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // Clients of their own, as two programs have.
            scope.spawn(|| assert!(bench.fetch(&bench.hub()).unwrap().is_fetched()));
        }
    });
    let stored: Vec<_> = bench.server.requests().into_iter().filter(|request| request.storage).collect();
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(bench.blobs().len(), 3);
}

#[test]
fn offline_the_cache_has_to_do() {
    let bench = Bench::new();
    let commit = bench.one(b"weights");
    let offline = bench.offline();
    let why = ["HF_HUB_OFFLINE is set", "no record of that revision", "unset it"];
    refused(bench.fetch(&offline), HubErrorKind::Offline, &why);
    refused(offline.series(&repository(ID), &SeriesSettings::default()), HubErrorKind::Offline, &["global_step{step}"]);

    bench.fetch(&bench.hub()).unwrap();
    bench.server.requests();
    let checkpoint = bench.fetch(&offline).unwrap();
    assert_eq!(checkpoint.commit(), Some(commit.as_str()));
    let series = offline.series(&repository(ID), &SeriesSettings::default()).unwrap();
    assert_eq!(series.steps(), [Step::Number(10)]);
    for checkpoint in series.in_turn() {
        assert!(checkpoint.unwrap().is_fetched());
    }
    let settings = SeriesSettings { steps: vec![Step::Number(20)], ..SeriesSettings::default() };
    refused(offline.series(&repository(ID), &settings), HubErrorKind::Offline, &["no record of step 20"]);
    std::fs::remove_file(checkpoint.dir().join("model.safetensors")).unwrap();
    refused(bench.fetch(&offline), HubErrorKind::Offline, &["lacks files of commit", &commit]);
    assert!(bench.server.requests().is_empty(), "offline, something was sent");
}

/// A log that a test can read; for events of the thread that it is set for.
fn log() -> (impl tracing::Subscriber + Send + Sync, Log) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone()).finish();
    (subscriber, log)
}

#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
