//! Series: steps from revisions, one checkpoint at a time, room on the disk.

use super::server::{sha256, Fault};
use super::*;
use isogloss::checkpoint::Series;
use std::path::PathBuf;

pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny-bloom").join(path)
}

/// The fixtures' series as a repository, its tokenizer in the main revision.
pub fn upload(bench: &Bench, steps: &[u64]) {
    bench.server.repository(ID, |repository| {
        let read = |path: &str| std::fs::read(fixture(path)).unwrap();
        repository.branch("main", &[("tokenizer.json", &read("tokenizer.json")), ("README.md", b"")]);
        for step in steps {
            let of = |file: &str| read(&format!("global_step{step}/{file}"));
            let files = [("config.json", of("config.json")), ("model.safetensors", of("model.safetensors"))];
            repository.branch(
                &format!("global_step{step}"),
                &files.each_ref().map(|(path, bytes)| (*path, bytes.as_slice())),
            );
        }
    });
}

/// Branches `global_stepN` whose weights are these bytes.
fn small(bench: &Bench, steps: &[(u64, &[u8])]) {
    bench.server.repository(ID, |repository| {
        for (step, weights) in steps {
            let files = [("config.json", CONFIG), ("tokenizer.json", TOKENIZER), ("pytorch_model.bin", *weights)];
            repository.branch(&format!("global_step{step}"), &files);
        }
    });
}

fn open(bench: &Bench, settings: SeriesSettings) -> Result<Series, Error> {
    bench.hub().series(&repository(ID), &settings)
}

fn numbers(steps: &[u64]) -> Vec<Step> {
    steps.iter().copied().map(Step::Number).collect()
}

#[test]
fn a_series_gives_the_same_tensors_as_its_folder() {
    let bench = Bench::new();
    upload(&bench, &[10, 0, 3000]);
    let series = open(&bench, SeriesSettings::default()).unwrap();
    assert_eq!((series.model(), series.steps()), ("tiny", numbers(&[0, 10, 3000])));
    for checkpoint in series.checkpoints() {
        assert!(checkpoint.config().is_file() && checkpoint.tokenizer().unwrap().is_file() && !checkpoint.is_fetched());
    }
    series.check_room().unwrap();
    let mut steps = 0;
    for checkpoint in series.in_turn() {
        let checkpoint = checkpoint.unwrap();
        let here = checkpoint.weights().unwrap();
        let there = Checkpoint::open(fixture(&format!("global_step{}", checkpoint.step()))).unwrap().weights().unwrap();
        assert_eq!(here.names().collect::<Vec<_>>(), there.names().collect::<Vec<_>>());
        for name in here.names() {
            assert_eq!(here.get(name).unwrap().data(), there.get(name).unwrap().data(), "{name}");
        }
        assert_eq!(
            std::fs::read(checkpoint.tokenizer().unwrap()).unwrap(),
            std::fs::read(fixture("tokenizer.json")).unwrap()
        );
        steps += 1;
    }
    assert_eq!(steps, 3);
    // All is in the cache: nothing but the revisions is asked for.
    bench.server.requests();
    let again = open(&bench, SeriesSettings::default()).unwrap();
    assert!(again.checkpoints().iter().all(Checkpoint::is_fetched));
    let paths: Vec<String> = bench.server.requests().into_iter().map(|request| request.path).collect();
    assert!(
        paths.iter().all(|path| path.ends_with("/refs") || path.contains("main") || path.contains("/tree/")),
        "{paths:?}"
    );
    assert_eq!(again, series);
}

#[test]
fn steps_are_discovered_by_pattern_among_branches_and_tags() {
    let bench = Bench::new();
    small(&bench, &[(20, b"a"), (5, b"b")]);
    bench.server.repository(ID, |repository| {
        let commit = repository.branch("main", &[]);
        repository.tags.push(("global_step100".into(), repository.branches[0].1.clone()));
        repository.tags.push(("step7-final".into(), repository.branches[1].1.clone()));
        // A branch and a tag of one name: the branch counts.
        repository.tags.push(("global_step5".into(), commit));
        for name in ["global_step", "global_step1e3", "global_step007", "pre/global_step9"] {
            repository.branch(name, &[]);
        }
    });
    assert_eq!(open(&bench, SeriesSettings::default()).unwrap().steps(), numbers(&[5, 20, 100]));
    let revisions = "step{step}-final".parse().unwrap();
    let series = open(&bench, SeriesSettings { revisions, ..SeriesSettings::default() }).unwrap();
    assert_eq!(series.steps(), numbers(&[7]));
    let revisions = "checkpoint-{step}".parse().unwrap();
    let error = open(&bench, SeriesSettings { revisions, ..SeriesSettings::default() });
    let why = ["no revision `checkpoint-{step}`", "global_step007", "owner/tiny-intermediate@REVISION"];
    refused(error, HubErrorKind::RevisionNotFound, &why);
}

#[test]
fn listed_steps_and_the_released_model() {
    let bench = Bench::new();
    small(&bench, &[(1, b"a"), (2, b"b"), (3, b"c")]);
    let files: [(&str, &[u8]); 3] =
        [("config.json", CONFIG), ("tokenizer.json", TOKENIZER), ("model.safetensors", b"f")];
    bench.server.repository("owner/tiny", |repository| _ = repository.branch("main", &files));
    let listed =
        |steps: Vec<Step>| SeriesSettings { steps, released: Some("owner/tiny".into()), ..SeriesSettings::default() };
    let series = open(&bench, listed(vec![Step::Number(3), Step::Number(1), Step::Number(3)])).unwrap();
    assert_eq!(series.steps(), numbers(&[1, 3]));
    let series = open(&bench, listed(vec![Step::Final, Step::Number(2)])).unwrap();
    assert_eq!(series.steps(), [Step::Number(2), Step::Final]);
    let series = open(&bench, listed(Vec::new())).unwrap();
    assert_eq!(series.steps().len(), 4);
    let released = series.checkpoints().last().unwrap();
    assert_eq!((released.model(), released.step()), ("tiny", Step::Final));
    assert!(released.repository().unwrap().starts_with("owner/tiny@"));
    for checkpoint in series.in_turn() {
        assert!(checkpoint.unwrap().is_fetched());
    }
    let alone = SeriesSettings { steps: vec![Step::Final], ..SeriesSettings::default() };
    assert!(open(&bench, alone).unwrap_err().to_string().contains("released"));
    // One revision is a series of one.
    let one =
        bench.hub().series(&repository("owner/tiny-intermediate@global_step2"), &SeriesSettings::default()).unwrap();
    assert_eq!(one.steps(), numbers(&[2]));
}

#[test]
fn the_tokenizer_comes_from_the_revision_or_main_or_where_it_is_said_to_be() {
    let bench = Bench::new();
    let files: [(&str, &[u8]); 2] = [("config.json", CONFIG), ("model.safetensors", b"w")];
    bench.server.repository(ID, |repository| _ = repository.branch("global_step1", &files));
    bench.server.repository("owner/whole", |repository| _ = repository.branch("main", &[("tokenizer.json", b"named")]));
    let read = |tokenizer: Option<&str>| {
        let settings = SeriesSettings { tokenizer: tokenizer.map(str::to_string), ..SeriesSettings::default() };
        let series = open(&bench, settings)?;
        Ok::<_, Error>(std::fs::read_to_string(series.checkpoints()[0].tokenizer()?).unwrap())
    };
    assert!(read(None).unwrap_err().to_string().contains("nor in the repository's main revision"));
    assert_eq!(read(Some("owner/whole")).unwrap(), "named");
    let file = bench.cache.path().join("mine.json");
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(read(file.to_str()).unwrap(), "mine");
    refused(read(Some("owner/absent")), HubErrorKind::RepositoryNotFound, &["owner/absent"]);
    refused(
        read(Some("owner/tiny-intermediate@global_step1")),
        HubErrorKind::FileNotFound,
        &["holds no `tokenizer.json`"],
    );
    bench.server.repository(ID, |repository| _ = repository.branch("main", &[("tokenizer.json", b"main")]));
    assert_eq!(read(Some("owner/whole")).unwrap(), "main");
    bench.server.repository(ID, |repository| {
        let with = [files[0], files[1], ("tokenizer.json", &b"own"[..])];
        repository.branches.clear();
        repository.branch("global_step1", &with);
    });
    assert_eq!(read(Some("owner/whole")).unwrap(), "own");
}

/// Waits until the next checkpoint is there, or fails.
fn comes(checkpoint: &Checkpoint) {
    for _ in 0..200 {
        if checkpoint.is_fetched() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("step {} was not fetched ahead", checkpoint.step());
}

#[test]
fn the_next_is_fetched_while_one_is_in_use() {
    let bench = Bench::new();
    small(&bench, &[(1, b"a"), (2, b"b"), (3, b"c"), (4, b"d")]);
    let series = open(&bench, SeriesSettings::default()).unwrap();
    let [one, two, three, four] = series.checkpoints() else { panic!("four steps") };
    let mut turn = series.in_turn();
    let first = turn.next().unwrap().unwrap();
    assert!(one.is_fetched());
    comes(two);
    std::thread::sleep(Duration::from_millis(100));
    assert!(!three.is_fetched(), "only one is fetched ahead");
    drop(first);
    let _second = turn.next().unwrap().unwrap();
    comes(three);
    assert!(!four.is_fetched());
    assert!(one.is_fetched(), "without eviction all stay");
}

#[test]
fn an_error_comes_in_its_turn_and_ends_the_series() {
    let bench = Bench::new();
    small(&bench, &[(1, b"a"), (2, b"b"), (3, b"c")]);
    bench.server.fault(&sha256(b"b"), &[Fault::Corrupt, Fault::Corrupt]);
    let series = open(&bench, SeriesSettings::default()).unwrap();
    let mut turn = series.in_turn();
    assert!(turn.next().unwrap().is_ok());
    refused(turn.next().unwrap().map(|checkpoint| checkpoint.step()), HubErrorKind::Corrupt, &["pytorch_model.bin"]);
    assert!(turn.next().is_none());
}

#[test]
fn what_was_fetched_is_evicted_but_for_what_is_needed_again() {
    let bench = Bench::new();
    small(&bench, &[(1, b"a"), (2, b"b"), (3, b"c"), (4, b"b"), (5, b"e")]);
    // Step 3 was in the cache before.
    let before = bench
        .hub()
        .checkpoint(&repository("owner/tiny-intermediate@global_step3"), &SeriesSettings::default())
        .unwrap();
    before.fetch().unwrap();
    let series = open(&bench, SeriesSettings { evict: true, ..SeriesSettings::default() }).unwrap();
    let here = |content: &[u8]| bench.blobs().contains(&sha256(content));
    let mut seen = Vec::new();
    for checkpoint in series.in_turn() {
        let checkpoint = checkpoint.unwrap();
        assert!(checkpoint.is_fetched());
        seen.push((here(b"a"), here(b"b")));
    }
    assert!(seen[0].0);
    assert!(seen[2..].iter().all(|(a, _)| !a), "step 1 stays: {seen:?}");
    assert!(seen[1..4].iter().all(|(_, b)| *b), "the weights of steps 2 and 4 go too early: {seen:?}");
    let left: Vec<bool> = [&b"a"[..], b"b", b"c", b"e"].into_iter().map(here).collect();
    assert_eq!(left, [false, false, true, false]);
    assert_eq!(
        bench
            .server
            .requests()
            .iter()
            .filter(|request| request.storage && request.path.contains(&sha256(b"b")))
            .count(),
        1
    );
    // Small files stay, so that the series can be opened again; weights come again.
    for checkpoint in series.in_turn() {
        assert!(checkpoint.unwrap().is_fetched());
    }
}

#[test]
fn what_was_fetched_ahead_goes_when_a_series_is_left_early() {
    let bench = Bench::new();
    small(&bench, &[(1, b"a"), (2, b"b"), (3, b"c")]);
    let series = open(&bench, SeriesSettings { evict: true, ..SeriesSettings::default() }).unwrap();
    let mut turn = series.in_turn();
    let first = turn.next().unwrap().unwrap();
    comes(&series.checkpoints()[1]);
    drop(turn);
    let here = |content: &[u8]| bench.blobs().contains(&sha256(content));
    assert_eq!([here(b"a"), here(b"b"), here(b"c")], [true, false, false], "one is still in use");
    drop(first);
    assert!(!here(b"a"));
}

/// Shards, two of which are the same to the byte, and a released model in the same repository that shares one.
#[test]
fn shards_are_evicted_with_their_twins_and_kept_for_the_released_model() {
    let bench = Bench::new();
    let index =
        br#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-3.safetensors"}}"#;
    let files = |third: &'static [u8]| {
        [
            ("config.json", CONFIG),
            ("tokenizer.json", TOKENIZER),
            ("model.safetensors.index.json", &index[..]),
            ("model-1.safetensors", &b"same"[..]),
            ("model-2.safetensors", &b"same"[..]),
            ("model-3.safetensors", third),
        ]
    };
    bench.server.repository(ID, |repository| {
        repository.branch("global_step1", &files(b"first"));
        repository.branch("main", &files(b"last"));
    });
    let released = Some(format!("{ID}@main"));
    let series = open(&bench, SeriesSettings { evict: true, released, ..SeriesSettings::default() }).unwrap();
    let here = |content: &[u8]| bench.blobs().contains(&sha256(content));
    let mut seen = Vec::new();
    for checkpoint in series.in_turn() {
        let checkpoint = checkpoint.unwrap();
        assert!(checkpoint.is_fetched());
        if seen.is_empty() {
            comes(&series.checkpoints()[1]);
        }
        seen.push([here(b"same"), here(b"first"), here(b"last")]);
    }
    assert_eq!(seen, [[true, true, true], [true, false, true]]);
    assert_eq!([here(b"same"), here(b"first"), here(b"last")], [false; 3]);
    let requests = bench.server.requests();
    let of_twins = requests.iter().filter(|request| request.storage && request.path.contains(&sha256(b"same")));
    assert_eq!(of_twins.count(), 1, "what both have is fetched once");
}

#[test]
fn the_disk_need_is_told_and_what_does_not_fit_is_refused() {
    let bench = Bench::new();
    small(&bench, &[(1, &noise(3_000, 1)), (2, &noise(2_000, 2)), (3, &noise(1_000, 3)), (4, &noise(2_000, 2))]);
    let told = |evict: bool| {
        let (subscriber, log) = log();
        tracing::subscriber::with_default(subscriber, || {
            open(&bench, SeriesSettings { evict, ..SeriesSettings::default() }).unwrap().check_room().unwrap();
        });
        log.text()
    };
    let log = told(false);
    assert!(log.contains("tiny: 6.0 kB to fetch for 4 checkpoints, 6.0 kB on disk at a time"), "{log}");
    assert!(log.contains("the steps 2, 4 have the same weights"), "{log}");
    assert!(told(true).contains("6.0 kB to fetch for 4 checkpoints, 5.0 kB on disk at a time"));

    // More than any disk has.
    bench.server.repository(ID, |repository| {
        for files in repository.commits.values_mut() {
            files.get_mut("pytorch_model.bin").unwrap().listed_size = Some(1 << 60);
        }
    });
    let series = open(&bench, SeriesSettings::default()).unwrap();
    let why = ["TB to fetch", "free: make room, take fewer steps", "HF_HUB_CACHE"];
    refused(series.check_room(), HubErrorKind::NoRoom, &why);
    bench.server.requests();
    refused(series.in_turn().next().unwrap().map(|checkpoint| checkpoint.step()), HubErrorKind::NoRoom, &["TB"]);
    assert!(bench.server.requests().is_empty());
}

#[test]
fn a_fetch_that_nobody_waits_for_stops() {
    let bench = Bench::new();
    let second = noise(50_000, 1);
    small(&bench, &[(1, b"a"), (2, &second)]);
    bench.server.fault(&sha256(&second), &vec![Fault::Cut(0); 100]);
    let retry = Retry {
        attempts: 100,
        first_wait: Duration::from_secs(60),
        longest_wait: Duration::from_secs(60),
        ..Retry::default()
    };
    let hub = Hub::new(HubSettings { retry, ..bench.settings() }).unwrap();
    let series = hub.series(&repository(ID), &SeriesSettings::default()).unwrap();
    let mut turn = series.in_turn();
    turn.next().unwrap().unwrap();
    drop(turn);
    std::thread::sleep(Duration::from_millis(300));
    let asked = bench.server.requests().len();
    std::thread::sleep(Duration::from_millis(300));
    assert!(bench.server.requests().is_empty(), "after {asked}");
    // The lock is free again: another client gets at the file.
    bench.server.fault(&sha256(&second), &[]);
    let quick =
        Hub::new(HubSettings { retry: Retry { attempts: 200, ..bench.settings().retry }, ..bench.settings() }).unwrap();
    let checkpoint =
        quick.checkpoint(&repository("owner/tiny-intermediate@global_step2"), &SeriesSettings::default()).unwrap();
    checkpoint.fetch().unwrap();
}
