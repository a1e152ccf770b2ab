//! A store of activations: the rows that `extract` gives, whenever and however often the run that writes it is killed.
#![cfg(feature = "torch")]

use isogloss::activations::{
    extract, extract_to, Activations, ExtractionSettings, Origin, Skipped, Store, Tokenisation, Tokenizer,
};
use isogloss::bloom::{Bloom, Extent};
use isogloss::checkpoint::Checkpoint;
use isogloss::treebank::{ReadSettings, Scheme, Sentences, Source, Treebank, TreebankFiles, Word};
use isogloss::{Error, Result, Site};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Kind};

const SITES: [Site; 3] = [Site::Residual(1), Site::MlpActivation(0), Site::Residual(2)];

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

struct Model {
    bloom: Bloom,
    tokenizer: Tokenizer,
    origin: Origin,
}

fn model(step: &str) -> Model {
    let checkpoint = Checkpoint::open(fixture("tiny-bloom").join(step)).unwrap();
    let bloom = Bloom::load(&checkpoint, Extent::Sites(&SITES), Kind::Float, Device::Cpu).unwrap();
    let tokenizer = Tokenizer::open(checkpoint.tokenizer().unwrap()).unwrap();
    Model { bloom, tokenizer, origin: Origin::from(&checkpoint) }
}

/// The model with a tokenizer that drops the words `form`, as those that strip control characters do.
fn model_without(form: &str, folder: &Path) -> Model {
    let text = fs::read_to_string(fixture("tiny-bloom/tokenizer.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["normalizer"] =
        serde_json::json!({"type": "Replace", "pattern": {"Regex": format!("^{form}$")}, "content": ""});
    let path = folder.join("tokenizer.json");
    fs::write(&path, json.to_string()).unwrap();
    Model { tokenizer: Tokenizer::open(path).unwrap(), ..model("global_step3000") }
}

fn treebank() -> TreebankFiles {
    let source = Source::new("qa", [fixture("treebanks/qa.conllu")]).unwrap();
    TreebankFiles::new(&source, &ReadSettings { scheme: Scheme::Unimorph, ..ReadSettings::default() })
}

/// Small shards, so that there are several.
fn settings() -> ExtractionSettings {
    ExtractionSettings { shard_words: 1000, batch_tokens: 512, ..ExtractionSettings::default() }
}

fn nouns(word: &Word) -> bool {
    word.attributes.get("Number").is_some()
}

fn write(dir: &Path, model: &Model, sentences: &dyn Sentences, settings: &ExtractionSettings) -> Result<Store> {
    let Model { bloom, tokenizer, origin } = model;
    extract_to(dir, origin, bloom, tokenizer, sentences, &SITES, settings, nouns)
}

fn snapshot(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Sentences that end in an error on the second pass (the first is the description's), after so many.
struct Killed<'a> {
    sentences: &'a dyn Sentences,
    after: usize,
    pass: AtomicUsize,
}

impl Sentences for Killed<'_> {
    fn language(&self) -> &str {
        self.sentences.language()
    }

    fn scheme(&self) -> Scheme {
        self.sentences.scheme()
    }

    fn visit(&self, visit: &mut dyn FnMut(&[Word]) -> Result<()>) -> Result<()> {
        let pass = self.pass.fetch_add(1, Ordering::Relaxed);
        let mut seen = 0;
        self.sentences.visit(&mut |words| {
            if pass == 1 && seen == self.after {
                return Err(Error::Data("killed".into()));
            }
            seen += 1;
            visit(words)
        })
    }
}

#[test]
fn a_store_holds_what_extract_gives() {
    let (model, files) = (model("global_step3000"), treebank());
    let dir = tempfile::tempdir().unwrap();
    for tokenisation in [Tokenisation::Word, Tokenisation::Sentence] {
        let settings = ExtractionSettings { tokenisation, ..settings() };
        let dir = dir.path().join(tokenisation.to_string());
        let store = write(&dir, &model, &files, &settings).unwrap();
        assert!(store.manifest().shards.len() > 3);
        let in_memory = Treebank::read("qa", &[fixture("treebanks/qa.conllu")], Scheme::Unimorph).unwrap();
        let expected = extract(&model.bloom, &model.tokenizer, &in_memory, &SITES, &settings, nouns).unwrap();
        assert_eq!((store.manifest().skipped, store.manifest().tokens), (expected.skipped, expected.tokens));
        let found = store.activations().unwrap();
        for site in SITES {
            // The same batches, so the same bits.
            assert_eq!(found.site(site).unwrap(), expected.activations.site(site).unwrap(), "{site}");
        }
        let with_space = |words: &[Word]| words.iter().map(|w| Word { space_after: true, ..w.clone() }).collect();
        let (found, expected): (Vec<Word>, Vec<Word>) =
            (found.words().to_vec(), with_space(expected.activations.words()));
        assert_eq!(found, expected);
        let nouns: Vec<Word> = in_memory.words.iter().filter(|word| nouns(word)).cloned().collect();
        assert_eq!(found, with_space(&nouns), "words are in the treebank's order");
    }
}

#[test]
fn the_file_made_from_a_store_is_the_file_made_from_memory() {
    let (model, files) = (model("global_step3000"), treebank());
    let dir = tempfile::tempdir().unwrap();
    let store = write(&dir.path().join("store"), &model, &files, &settings()).unwrap();
    let (a, b) = (dir.path().join("a.safetensors"), dir.path().join("b.safetensors"));
    store.save(&a).unwrap();
    let in_memory = extract(&model.bloom, &model.tokenizer, &files, &SITES, &settings(), nouns).unwrap();
    in_memory.activations.with_about(store.manifest().description.about()).save(&b).unwrap();
    assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap());
    assert!(fs::read(Activations::words_path(&a)).unwrap() == fs::read(Activations::words_path(&b)).unwrap());
}

#[test]
fn a_run_killed_at_any_sentence_ends_in_the_same_bytes() {
    let files = treebank();
    let dir = tempfile::tempdir().unwrap();
    let in_memory = Treebank::read("qa", &[fixture("treebanks/qa.conllu")], Scheme::Unimorph).unwrap();
    let form = in_memory.words.iter().find(|word| nouns(word)).unwrap().form.clone();
    let model = model_without(&form, dir.path());
    // Some sentences are too long and some words empty, in shards before and after the kill.
    let settings = ExtractionSettings { max_subwords: 24, ..settings() };
    let whole = dir.path().join("whole");
    let store = write(&whole, &model, &files, &settings).unwrap();
    let Skipped { long_sentences, words_in_long_sentences, empty_words } = store.manifest().skipped;
    assert!(long_sentences > 0 && words_in_long_sentences > 0 && empty_words > 0, "{:?}", store.manifest().skipped);
    let wanted = in_memory.words.iter().filter(|word| nouns(word)).count();
    assert_eq!(store.rows() + words_in_long_sentences + empty_words, wanted);
    let (expected, sentences) = (snapshot(&whole), in_memory.sentences.len());
    for part in 0..10 {
        let dir = dir.path().join(format!("killed-{part}"));
        let killed = Killed { sentences: &files, after: sentences * part / 10, pass: AtomicUsize::new(0) };
        assert_eq!(write(&dir, &model, &killed, &settings).unwrap_err().to_string(), "killed");
        assert!(Store::open(&dir).is_err());
        let there = fs::read_dir(&dir).unwrap().count();
        assert!(part < 5 || there > 3, "{there} files after {part} tenths");
        write(&dir, &model, &files, &settings).unwrap();
        assert!(snapshot(&dir) == expected, "killed after {part} tenths");
    }
}

/// Sentences whose first word is another from the second pass on, as where a file is replaced while it is read.
struct Changing<'a> {
    sentences: &'a dyn Sentences,
    pass: AtomicUsize,
}

impl Sentences for Changing<'_> {
    fn language(&self) -> &str {
        self.sentences.language()
    }

    fn scheme(&self) -> Scheme {
        self.sentences.scheme()
    }

    fn visit(&self, visit: &mut dyn FnMut(&[Word]) -> Result<()>) -> Result<()> {
        let changed = self.pass.fetch_add(1, Ordering::Relaxed) > 0;
        self.sentences.visit(&mut |words| {
            let mut words = words.to_vec();
            if let Some(word) = words.first_mut().filter(|word| changed && word.sentence == 0) {
                word.form.push('x');
            }
            visit(&words)
        })
    }
}

#[test]
fn a_treebank_that_changes_while_it_is_read_is_found() {
    let (model, files) = (model("global_step3000"), treebank());
    let dir = tempfile::tempdir().unwrap();
    let changing = Changing { sentences: &files, pass: AtomicUsize::new(0) };
    let error = write(dir.path(), &model, &changing, &settings()).unwrap_err().to_string();
    assert!(error.contains("changed while it was read; remove the folder and extract again"), "{error}");
    assert!(Store::open(dir.path()).is_err(), "it counts as complete");
}

/// Who may only read a complete store cannot lock its folder either.
#[test]
fn a_complete_store_is_only_read() {
    let (model, files) = (model("global_step3000"), treebank());
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &model, &files, &settings()).unwrap();
    let expected = snapshot(dir.path());
    let folder = fs::File::open(dir.path()).unwrap();
    folder.lock().unwrap();
    write(dir.path(), &model, &files, &settings()).unwrap();
    assert!(snapshot(dir.path()) == expected);
}

#[test]
fn damage_is_found_and_made_good() {
    let (model, files) = (model("global_step3000"), treebank());
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    write(&store, &model, &files, &settings()).unwrap();
    let expected = snapshot(&store);
    for (name, bytes) in &expected {
        if name == "manifest.json" {
            continue;
        }
        let mut damaged = bytes.clone();
        damaged[bytes.len() * 2 / 3] ^= 4;
        fs::write(store.join(name), damaged).unwrap();
        let error = Store::open(&store).and_then(|store| store.verify()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        write(&store, &model, &files, &settings()).unwrap();
        assert!(snapshot(&store) == expected, "{name}");
    }
}

#[test]
fn a_store_of_something_else_is_refused_and_kept() {
    let (model, files) = (model("global_step3000"), treebank());
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    write(&store, &model, &files, &settings()).unwrap();
    let expected = snapshot(&store);
    let refused = |model: &Model, sentences: &dyn Sentences, settings: ExtractionSettings, why: &[&str]| {
        let error = write(&store, model, sentences, &settings).unwrap_err().to_string();
        let fields: Vec<&str> = error.lines().skip(1).map(|line| line.trim().split(' ').next().unwrap()).collect();
        assert_eq!(fields, why, "{error}");
        assert!(snapshot(&store) == expected);
    };
    refused(&model, &files, ExtractionSettings { batch_tokens: 100, ..settings() }, &["batch_tokens"]);
    refused(&model, &files, ExtractionSettings { shard_words: 999, ..settings() }, &["shard_words"]);
    let fewer = Treebank {
        sentences: std::iter::once(0..3).collect(),
        ..Treebank::read("qa", &[fixture("treebanks/qa.conllu")], Scheme::Ud).unwrap()
    };
    refused(&model, &fewer, settings(), &["scheme", "treebank_sha256", "words"]);
    let earlier = self::model("global_step1000");
    refused(&earlier, &files, settings(), &["step", "weights_sha256"]);
    // Other weights under the same name.
    let renamed = Model { origin: model.origin.clone(), ..earlier };
    refused(&renamed, &files, settings(), &["weights_sha256"]);
    let other = model_without("zzz", dir.path());
    refused(&other, &files, settings(), &["tokenizer_sha256"]);
}

#[test]
fn the_command_line_goes_on_after_a_kill() {
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let dir = tempfile::tempdir().unwrap();
    let extract = |store: &str| {
        let mut command = Command::new(folder.join("extract"));
        command
            .args(["--site", "residual.1,mlp_activation.0", "--shard-words", "300", "--store"])
            .arg(dir.path().join(store));
        command.stdout(Stdio::null());
        command
    };
    assert!(extract("whole").status().unwrap().success());
    let expected = snapshot(&dir.path().join("whole"));
    let store = dir.path().join("killed");
    // SIGKILL, once a few more files are there than the last time.
    let mut kills = 0;
    for files in [1, 4, 9, 14, usize::MAX] {
        let mut child = extract("killed").spawn().unwrap();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if fs::read_dir(&store).is_ok_and(|entries| entries.count() >= files) {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
        };
        kills += usize::from(ended.is_none());
        assert!(ended.is_none_or(|status| status.success()));
    }
    assert!(kills > 1, "the test's runs ended before they could be killed");
    assert!(snapshot(&store) == expected);
}
