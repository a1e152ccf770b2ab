//! What goes wrong on the way and passes: connections cut, wrong lengths and hashes, busy servers.

use super::server::{git_hash, sha256, Fault};
use super::*;
use std::time::Instant;

/// The ranges that the storage was asked for.
fn ranges(bench: &Bench) -> Vec<Option<String>> {
    let requests = bench.server.requests();
    requests
        .iter()
        .filter(|request| request.storage)
        .map(|request| request.header("range").map(str::to_string))
        .collect()
}

fn weights_of(checkpoint: &Checkpoint) -> Vec<u8> {
    std::fs::read(checkpoint.dir().join("model.safetensors")).unwrap()
}

#[test]
fn a_file_that_is_cut_is_taken_up_where_it_broke_off() {
    let bench = Bench::new();
    let weights = noise(200_000, 1);
    bench.one(&weights);
    // More cuts than attempts: each brings something new.
    let cuts = [50_000, 60_000, 10_000, 30_000].map(Fault::Cut);
    bench.server.fault(&sha256(&weights), &cuts);
    assert_eq!(weights_of(&bench.fetch(&bench.hub()).unwrap()), weights);
    let asked = [None, Some(50_000), Some(110_000), Some(120_000), Some(150_000)];
    assert_eq!(ranges(&bench), asked.map(|from| from.map(|from| format!("bytes={from}-"))));
    assert!(bench.blobs().iter().all(|blob| !blob.contains("incomplete")));
}

#[test]
fn another_run_takes_up_what_one_left() {
    let bench = Bench::new();
    let weights = noise(200_000, 1);
    bench.one(&weights);
    bench.server.fault(&sha256(&weights), &[Fault::Cut(70_000), Fault::Cut(0), Fault::Cut(0)]);
    let why = ["3 times", "goes on where this stopped"];
    refused(bench.fetch(&bench.hub()), HubErrorKind::Unreachable, &why);
    let incomplete = format!("{}.incomplete", sha256(&weights));
    assert!(bench.blobs().contains(&incomplete));
    ranges(&bench);
    assert_eq!(weights_of(&bench.fetch(&bench.hub()).unwrap()), weights);
    assert_eq!(ranges(&bench), [Some("bytes=70000-".to_string())]);
    assert!(!bench.blobs().contains(&incomplete));
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_again() {
    let bench = Bench::new();
    let weights = noise(100_000, 1);
    bench.one(&weights);
    bench.server.fault(&sha256(&weights), &[Fault::Cut(40_000), Fault::WholeFile]);
    assert_eq!(weights_of(&bench.fetch(&bench.hub()).unwrap()), weights);
    assert_eq!(ranges(&bench), [None, Some("bytes=40000-".to_string())]);
}

#[test]
fn a_wrong_range_starts_anew() {
    let bench = Bench::new();
    let weights = noise(100_000, 1);
    bench.one(&weights);
    let other = Fault::Status(206, vec![("Content-Range", "bytes 0-9/100000".into())]);
    let beyond = Fault::Status(416, Vec::new());
    bench.server.fault(&sha256(&weights), &[Fault::Cut(40_000), other, Fault::Cut(30_000), beyond]);
    // What starts anew has brought nothing new.
    let retry = Retry { attempts: 6, ..bench.settings().retry };
    let hub = Hub::new(HubSettings { retry, ..bench.settings() }).unwrap();
    assert_eq!(weights_of(&bench.fetch(&hub).unwrap()), weights);
    let asked = [None, Some("bytes=40000-".to_string()), None, Some("bytes=30000-".to_string()), None];
    assert_eq!(ranges(&bench), asked);
}

#[test]
fn a_short_answer_is_asked_for_the_rest() {
    let bench = Bench::new();
    let weights = noise(100_000, 1);
    bench.one(&weights);
    bench.server.fault(&sha256(&weights), &[Fault::Short(1_000)]);
    assert_eq!(weights_of(&bench.fetch(&bench.hub()).unwrap()), weights);
    assert_eq!(ranges(&bench), [None, Some("bytes=99000-".to_string())]);
}

#[test]
fn a_file_that_is_too_long_or_too_short_is_refused() {
    let bench = Bench::new();
    let weights = noise(100_000, 1);
    let commit = bench.one(&weights);
    bench.server.fault(&sha256(&weights), &[Fault::Long(5)]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Corrupt, &["longer than the 100000 bytes"]);
    bench.server.repository(ID, |repository| {
        let files = repository.commits.get_mut(&commit).unwrap();
        files.get_mut("model.safetensors").unwrap().listed_size = Some(100_001);
    });
    refused(bench.fetch(&bench.hub()), HubErrorKind::Unreachable, &["ended after 100000 of 100001 bytes"]);
    assert!(!bench.blobs().contains(&sha256(&weights)));
}

#[test]
fn a_wrong_hash_is_tried_once_more_and_then_refused() {
    let bench = Bench::new();
    let weights = noise(100_000, 1);
    bench.one(&weights);
    bench.server.fault(&sha256(&weights), &[Fault::Corrupt]);
    assert_eq!(weights_of(&bench.fetch(&bench.hub()).unwrap()), weights);

    let bench = Bench::new();
    bench.one(&weights);
    bench.server.fault(&sha256(&weights), &[Fault::Corrupt, Fault::Corrupt]);
    let why = ["model.safetensors", "SHA-256", &sha256(&weights), "does not arrive as listed"];
    refused(bench.fetch(&bench.hub()), HubErrorKind::Corrupt, &why);
    assert_eq!(bench.blobs(), {
        let mut small = [git_hash(CONFIG), git_hash(TOKENIZER)];
        small.sort();
        small
    });

    // Small files have git's hash.
    let bench = Bench::new();
    bench.one(&weights);
    bench.server.fault("resolve", &[Fault::Corrupt, Fault::Corrupt]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Corrupt, &["config.json", "git's hash", &git_hash(CONFIG)]);
}

#[test]
fn a_storage_with_another_file_than_listed_is_told_before_it_is_read() {
    let bench = Bench::new();
    let commit = bench.one(b"weights");
    let hub = bench.hub();
    let checkpoint =
        hub.checkpoint(&repository("owner/tiny-intermediate@global_step10"), &SeriesSettings::default()).unwrap();
    bench.server.repository(ID, |repository| {
        repository.commits.get_mut(&commit).unwrap().get_mut("model.safetensors").unwrap().bytes = b"WEIGHTS".to_vec();
    });
    bench.server.requests();
    refused(checkpoint.fetch(), HubErrorKind::Corrupt, &["listing says", &sha256(b"weights"), &sha256(b"WEIGHTS")]);
}

#[test]
fn a_blob_that_has_gone_is_fetched_anew() {
    let bench = Bench::new();
    let weights = noise(100_000, 1);
    bench.one(&weights);
    let checkpoint = bench.fetch(&bench.hub()).unwrap();
    let blob = bench.cache.path().join("models--owner--tiny-intermediate/blobs").join(sha256(&weights));
    std::fs::remove_file(&blob).unwrap();
    assert!(!checkpoint.is_fetched());
    assert_eq!(weights_of(&bench.fetch(&bench.hub()).unwrap()), weights);
}

#[test]
fn busy_servers_are_asked_again() {
    let bench = Bench::new();
    bench.one(b"weights");
    let busy = |status| Fault::Status(status, Vec::new());
    bench.server.fault("/revision/", &[busy(500), busy(503)]);
    bench.server.fault("/tree/", &[Fault::Cut(5), busy(504)]);
    bench.server.fault("resolve", &[busy(502), busy(408)]);
    bench.server.fault(&sha256(b"weights"), &[busy(500)]);
    bench.fetch(&bench.hub()).unwrap();

    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.fault("/revision/", &[busy(500), busy(500), busy(500)]);
    let why = ["answers with status 500, 3 times", "HF_HUB_OFFLINE=1"];
    refused(bench.fetch(&bench.hub()), HubErrorKind::Unreachable, &why);
    let requests = bench.server.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
}

#[test]
fn a_server_is_given_the_time_it_asks_for() {
    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.fault("/revision/", &[Fault::Status(429, vec![("Retry-After", "1".into())])]);
    let start = Instant::now();
    bench.fetch(&bench.hub()).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.fault("/revision/", &[Fault::Status(429, vec![("RateLimit", "\"api\";r=0;t=3600".into())])]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Unreachable, &["come back in 3600 s"]);
}

#[test]
fn a_silent_server_is_given_up() {
    let bench = Bench::new();
    bench.one(b"weights");
    let retry = Retry { attempts: 2, timeout: Duration::from_millis(200), ..bench.settings().retry };
    let hub = Hub::new(HubSettings { retry, ..bench.settings() }).unwrap();
    let silence = Fault::Silence(Duration::from_secs(3));
    bench.server.fault("/revision/", &[silence.clone(), silence]);
    let start = Instant::now();
    refused(bench.fetch(&hub), HubErrorKind::Unreachable, &["no answer from 127.0.0.1"]);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn nobody_there() {
    let bench = Bench::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hub = Hub::new(HubSettings { endpoint: format!("http://127.0.0.1:{port}"), ..bench.settings() }).unwrap();
    refused(bench.fetch(&hub), HubErrorKind::Unreachable, &["no answer from 127.0.0.1", "HF_HUB_OFFLINE=1"]);
}
