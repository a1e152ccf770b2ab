//! What the Hub refuses, and what is refused of what it says.

use super::server::Fault;
use super::*;

fn checkpoint(bench: &Bench, name: &str) -> Result<Checkpoint, Error> {
    bench.hub().checkpoint(&repository(name), &SeriesSettings::default())
}

#[test]
fn a_missing_repository() {
    let bench = Bench::new();
    let why = ["owner/absent", "no such repository", "if it is private, log in with `hf auth login` or set HF_TOKEN"];
    refused(checkpoint(&bench, "owner/absent"), HubErrorKind::RepositoryNotFound, &why);
    refused(
        bench.hub().series(&repository("owner/absent"), &SeriesSettings::default()),
        HubErrorKind::RepositoryNotFound,
        &why[..2],
    );
    bench.server.require_token("hf_right");
    let with_token = bench.with_token("hf_right").series(&repository("owner/absent"), &SeriesSettings::default());
    refused(with_token, HubErrorKind::RepositoryNotFound, &["no such repository", "the token's owner has no access"]);
}

#[test]
fn a_private_repository_and_its_token() {
    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.repository(ID, |repository| repository.private = true);
    bench.server.require_token("hf_right");
    refused(bench.fetch(&bench.hub()), HubErrorKind::RepositoryNotFound, &["if it is private"]);
    let error =
        refused(bench.fetch(&bench.with_token("hf_wrong")), HubErrorKind::Denied, &["does not accept the token"]);
    assert!(!error.to_string().contains("hf_wrong"));
    assert!(bench.fetch(&bench.with_token("hf_right")).is_ok());
}

#[test]
fn the_token_goes_to_no_other_host() {
    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.repository(ID, |repository| repository.private = true);
    bench.server.require_token("hf_right");
    bench.fetch(&bench.with_token("hf_right")).unwrap();
    let requests = bench.server.requests();
    let stored = requests.iter().filter(|request| request.storage).count();
    assert!(stored == 1 && requests.len() > 3, "{requests:?}");
    for request in requests {
        assert_eq!(request.header("authorization").is_some(), !request.storage, "{request:?}");
    }

    // Nor where another host is named in place of the Hub.
    let other = Bench::new();
    other.one(b"weights");
    let elsewhere = format!("{}/api/models/{ID}/revision/global_step10", other.server.url);
    bench.server.fault("/revision/", &[Fault::Status(307, vec![("Location", elsewhere)])]);
    let commit = bench.with_token("hf_right").resolve(&repository("owner/tiny-intermediate@global_step10"));
    assert!(commit.is_ok());
    assert!(other.server.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_gated_repository() {
    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.repository(ID, |repository| repository.gated = true);
    let page = format!("ask for access at {}/{ID}", bench.server.url);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Gated, &[&page, "then log in"]);
    bench.server.require_token("hf_right");
    let refusal = Fault::Status(403, vec![("X-Error-Code", "GatedRepo".into())]);
    bench.server.fault("/resolve/", &[refusal]);
    refused(bench.fetch(&bench.with_token("hf_right")), HubErrorKind::Gated, &[&page, "has not been let in"]);
    assert!(bench.fetch(&bench.with_token("hf_right")).is_ok());
}

#[test]
fn a_missing_revision_names_those_near() {
    let bench = Bench::new();
    bench.server.repository(ID, |repository| {
        for name in ["main", "global_step1000", "global_step10000", "global_step600000"] {
            repository.branch(name, &[("config.json", CONFIG)]);
        }
    });
    let why = ["owner/tiny-intermediate@global_step100:", "near it are global_step1000, global_step10000,"];
    refused(checkpoint(&bench, "owner/tiny-intermediate@global_step100"), HubErrorKind::RevisionNotFound, &why);
    let settings = SeriesSettings { steps: vec![Step::Number(100)], ..SeriesSettings::default() };
    refused(bench.hub().series(&repository(ID), &settings), HubErrorKind::RevisionNotFound, &why);
    let absent = "0123456789012345678901234567890123456789";
    let at = format!("{ID}@{absent}");
    refused(checkpoint(&bench, &at), HubErrorKind::RevisionNotFound, &["has no revision", absent]);
}

#[test]
fn a_renamed_repository_is_followed() {
    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.repository("old/name-intermediate", |repository| repository.renamed = Some(ID.into()));
    let (subscriber, log) = log();
    let checkpoint = tracing::subscriber::with_default(subscriber, || {
        let checkpoint = checkpoint(&bench, "old/name-intermediate@global_step10").unwrap();
        checkpoint.fetch().unwrap();
        checkpoint
    });
    // In the cache it has the name that was asked for, as in Python.
    assert!(checkpoint.dir().starts_with(bench.cache.path().join("models--old--name-intermediate")));
    let log = log.text();
    let told = "old/name-intermediate: the repository has been renamed to owner/tiny-intermediate";
    assert_eq!(log.matches(told).count(), 1, "{log}");
}

/// The Hub answers for small files with a redirect to another route of its own.
#[test]
fn a_redirect_within_the_hub_is_no_renaming() {
    let bench = Bench::new();
    bench.one(b"weights");
    let (subscriber, log) = log();
    tracing::subscriber::with_default(subscriber, || bench.fetch(&bench.hub()).unwrap());
    let requests = bench.server.requests();
    assert!(requests
        .iter()
        .any(|request| request.path.starts_with("/api/resolve-cache/models/owner/tiny-intermediate/")));
    assert!(!log.text().contains("renamed"), "{}", log.text());
}

#[test]
fn files_that_are_missing() {
    let bench = Bench::new();
    let fetch = |files: &[(&str, &[u8])]| {
        bench.server.repository(ID, |repository| {
            repository.branches.clear();
            repository.branch("global_step10", files);
        });
        bench.fetch(&bench.hub())
    };
    refused(
        fetch(&[("README.md", b"")]),
        HubErrorKind::FileNotFound,
        &["no `config.json`", "name a repository with a model"],
    );
    let other: &[(&str, &[u8])] = &[("config.json", CONFIG), ("tf_model.h5", b"")];
    refused(fetch(other), HubErrorKind::FileNotFound, &["no weights that can be read", "pytorch_model.bin.index.json"]);
    let index: &[u8] = br#"{"weight_map": {"a": "one.safetensors"}}"#;
    let files: &[(&str, &[u8])] = &[("config.json", CONFIG), ("model.safetensors.index.json", index)];
    refused(fetch(files), HubErrorKind::FileNotFound, &["lacks `one.safetensors`"]);
    let gone = Fault::Status(404, vec![("X-Error-Code", "EntryNotFound".into())]);
    bench.server.fault("/resolve/", &[gone]);
    refused(
        fetch(&[("config.json", b"{}")]),
        HubErrorKind::FileNotFound,
        &["config.json", "not in the repository at that revision"],
    );
    assert!(fetch(&[("config.json", CONFIG), ("model.safetensors", b"w")])
        .unwrap()
        .tokenizer()
        .unwrap_err()
        .to_string()
        .contains("bigscience/bloom"));
}

#[test]
fn names_that_point_outside_are_refused() {
    let bench = Bench::new();
    let outside: &[(&str, &[u8])] = &[("config.json", CONFIG), ("../../evil", b"x")];
    bench.server.repository(ID, |repository| _ = repository.branch("global_step10", outside));
    refused(bench.fetch(&bench.hub()), HubErrorKind::Answer, &["`../../evil`", "points outside the repository"]);
    let index: &[u8] = br#"{"weight_map": {"a": "../evil"}}"#;
    bench.server.repository(ID, |repository| {
        repository.branches.clear();
        repository.branch("global_step10", &[("config.json", CONFIG), ("model.safetensors.index.json", index)]);
    });
    let error = bench.fetch(&bench.hub()).unwrap_err().to_string();
    assert!(error.contains("`../evil`") && error.contains("outside the checkpoint's folder"), "{error}");
    // A commit becomes the name of a folder.
    let answer = r#"{"sha": "../../../evil"}"#.to_string();
    bench.server.fault("/revision/", &[Fault::Body(answer)]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Answer, &["names `../../../evil` as a commit"]);
    assert_eq!(names(bench.cache.path()), [".locks", "models--owner--tiny-intermediate"]);
}

#[test]
fn answers_that_are_not_the_hubs() {
    let bench = Bench::new();
    bench.one(b"weights");
    bench.server.fault("/revision/", &[Fault::Body("<html>Log in to the network</html>".into())]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Answer, &["something else than the Hub", "check HF_ENDPOINT"]);
    let forbidden = Fault::Status(403, vec![("X-Error-Message", "no read permission".into())]);
    bench.server.fault("/revision/", &[forbidden]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Denied, &["no read permission; use a token that may read it"]);
    let disabled = Fault::Status(403, vec![("X-Error-Message", "Access to this resource is disabled.".into())]);
    bench.server.fault("/revision/", &[disabled]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Denied, &["disabled by the Hub"]);
    let here = format!("/api/models/{ID}/revision/global_step10");
    bench.server.fault("/revision/", &vec![Fault::Status(302, vec![("Location", here)]); 30]);
    refused(bench.fetch(&bench.hub()), HubErrorKind::Answer, &["redirects more than 20 times"]);
}

#[test]
fn settings_that_cannot_be() {
    let bench = Bench::new();
    let error = Hub::new(HubSettings { endpoint: "huggingface.co".into(), ..bench.settings() }).unwrap_err();
    assert!(error.to_string().contains("HF_ENDPOINT should be an address such as https://"), "{error}");
    let retry = Retry { attempts: 0, ..Retry::default() };
    assert!(Hub::new(HubSettings { retry, ..bench.settings() }).is_err());
    let certificates = bench.cache.path().join("certificates.pem");
    std::fs::write(&certificates, "none").unwrap();
    let error = Hub::new(HubSettings { certificates: Some(certificates), ..bench.settings() }).unwrap_err();
    assert!(error.to_string().contains("no certificate"), "{error}");
}
