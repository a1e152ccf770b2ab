//! From sentences to rows: what `extract` gives is what a forward pass over the sentence gives, whatever the batches.
#![cfg(feature = "torch")]

use isogloss::activations::{extract, Activations, Extraction, ExtractionSettings, Pooling, Tokenisation, Tokenizer};
use isogloss::bloom::{Batch, Bloom, Extent};
use isogloss::checkpoint::Checkpoint;
use isogloss::treebank::{Scheme, Treebank};
use isogloss::Site;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The order of sums differs between matrix products of different sizes, nothing else.
const TOLERANCE: f32 = 1e-5;

const SITES: [Site; 3] = [Site::Residual(1), Site::MlpActivation(1), Site::Residual(4)];

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn model() -> (Bloom, Tokenizer) {
    let checkpoint = Checkpoint::open(fixture("tiny-bloom/global_step3000")).unwrap();
    let bloom = Bloom::load(&checkpoint, Extent::Sites(&SITES), Kind::Float, Device::Cpu).unwrap();
    (bloom, Tokenizer::open(checkpoint.tokenizer().unwrap()).unwrap())
}

/// The first sentences of a fixture, as a file of their own.
fn treebank(language: &str, sentences: usize) -> Treebank {
    let text = fs::read_to_string(fixture(&format!("treebanks/{language}.conllu"))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.conllu");
    let some: Vec<&str> = text.split_inclusive("\n\n").take(sentences).collect();
    fs::write(&path, some.concat()).unwrap();
    Treebank::read(language, &[path], Scheme::Ud).unwrap()
}

fn run(treebank: &Treebank, settings: &ExtractionSettings) -> Extraction {
    let (bloom, tokenizer) = model();
    extract(&bloom, &tokenizer, treebank, &SITES, settings, |_| true).unwrap()
}

fn difference(a: &Activations, b: &Activations) -> f32 {
    assert_eq!(a.words(), b.words());
    let each = SITES.iter().map(|site| {
        let (a, b) = (a.site(*site).unwrap(), b.site(*site).unwrap());
        (&a - &b).iter().fold(0f32, |worst, d| worst.max(d.abs()))
    });
    each.fold(0.0, f32::max)
}

#[test]
fn batched_equals_one_by_one() {
    for language in ["qb", "qd"] {
        let treebank = treebank(language, 60);
        let batched = run(&treebank, &ExtractionSettings::default());
        let alone = run(&treebank, &ExtractionSettings { batch_tokens: 1, ..ExtractionSettings::default() });
        assert_eq!(batched.tokens, alone.tokens);
        assert_eq!(batched.activations.words(), treebank.words);
        let difference = difference(&batched.activations, &alone.activations);
        assert!(difference < TOLERANCE, "{language}: {difference}");
    }
}

#[test]
fn rows_are_pooled_subwords_of_the_sentence() {
    let treebank = treebank("qb", 20);
    let (bloom, tokenizer) = model();
    let _guard = tch::no_grad_guard();
    for pooling in [Pooling::Mean, Pooling::First, Pooling::Last] {
        let found = run(&treebank, &ExtractionSettings { pooling, ..ExtractionSettings::default() }).activations;
        let mut row = 0;
        for sentence in treebank.sentences() {
            // By hand: each word tokenised by itself, the pieces one after the other, one forward pass.
            let pieces: Vec<Vec<u32>> = sentence.iter().map(|word| tokenizer.encode(&word.form).unwrap()).collect();
            let states = bloom.forward(&Batch::new(&[pieces.concat()]).unwrap(), &SITES).unwrap();
            let mut start = 0;
            for piece in &pieces {
                let n = piece.len() as i64;
                for site in SITES {
                    let rows = states[&site].narrow(0, start, n);
                    let expected = match pooling {
                        Pooling::Mean => rows.mean_dim(0, false, Kind::Float),
                        Pooling::First => rows.get(0),
                        Pooling::Last => rows.get(n - 1),
                    };
                    let got = Tensor::from_slice(&found.site(site).unwrap().row(row).to_vec());
                    let difference = (got - expected).abs().max().double_value(&[]);
                    assert!(difference < f64::from(TOLERANCE), "{pooling} {site} word {row}: {difference}");
                }
                start += n;
                row += 1;
            }
        }
        assert_eq!(row, found.words().len());
    }
}

#[test]
fn in_context_a_word_has_the_subwords_of_its_characters() {
    // In the fixtures' tokenizer a space is a token of its own, so that a word's own tokens are the same with and without
    // the sentence around it, and the sentence has as many more tokens as it has spaces.
    let treebank = treebank("qd", 40);
    let (_, tokenizer) = model();
    let alone = tokenizer.treebank(&treebank, Tokenisation::Word).unwrap();
    let together = tokenizer.treebank(&treebank, Tokenisation::Sentence).unwrap();
    for (words, (a, b)) in treebank.sentences().zip(alone.iter().zip(&together)) {
        let (text, spans) = Treebank::text(words);
        assert_eq!(spans.len(), words.len());
        assert_eq!(b.ids.len(), a.ids.len() + text.matches(' ').count());
        for (word, (in_a, in_b)) in words.iter().zip(a.words.iter().zip(&b.words)) {
            assert_eq!(a.ids[in_a.clone()], b.ids[in_b.clone()], "{} in {text}", word.form);
        }
    }
    let found =
        run(&treebank, &ExtractionSettings { tokenisation: Tokenisation::Sentence, ..ExtractionSettings::default() });
    assert_eq!(found.activations.words(), treebank.words);
}

#[test]
fn over_long_sentences_are_skipped_and_counted() {
    let treebank = treebank("qa", 30);
    let (_, tokenizer) = model();
    let lengths: Vec<usize> =
        tokenizer.treebank(&treebank, Tokenisation::Word).unwrap().iter().map(|s| s.ids.len()).collect();
    let bound = *lengths.iter().max().unwrap();
    let long = lengths.iter().filter(|length| **length >= bound).count();
    let found = run(&treebank, &ExtractionSettings { max_subwords: bound, ..ExtractionSettings::default() });
    assert_eq!(found.skipped.long_sentences, long);
    assert_eq!(found.activations.words().len() + found.skipped.words_in_long_sentences, treebank.words.len());
    assert!(found.skipped.words_in_long_sentences > 0);
}

#[test]
fn a_word_without_a_subword_is_skipped_or_refused_and_never_a_row_of_zeros() {
    let treebank = treebank("qa", 30);
    let form = treebank.words[3].form.clone();
    // A tokenizer that drops one word, as those that strip control characters do.
    let mut json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(fixture("tiny-bloom/tokenizer.json")).unwrap()).unwrap();
    json["normalizer"] =
        serde_json::json!({"type": "Replace", "pattern": {"Regex": format!("^{form}$")}, "content": ""});
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    fs::write(&path, json.to_string()).unwrap();
    let (bloom, _) = model();
    let tokenizer = Tokenizer::open(&path).unwrap();
    let settings = ExtractionSettings::default();
    let found = extract(&bloom, &tokenizer, &treebank, &SITES, &settings, |_| true).unwrap();
    let empty = treebank.words.iter().filter(|word| word.form == form).count();
    assert_eq!(found.skipped.empty_words, empty);
    assert!(found.activations.words().iter().all(|word| word.form != form));
    assert!(found.activations.site(SITES[0]).unwrap().outer_iter().all(|row| row.iter().any(|x| *x != 0.0)));
    let strict = ExtractionSettings { refuse_empty_words: true, ..settings };
    let error = extract(&bloom, &tokenizer, &treebank, &SITES, &strict, |_| true).unwrap_err().to_string();
    assert!(error.contains(&form) && error.contains("some.conllu"), "{error}");
}

#[test]
fn files_are_read_as_they_were_written() {
    let treebank = treebank("qb", 20);
    let about = [("model".to_string(), "tiny".to_string())].into();
    let written = run(&treebank, &ExtractionSettings::default()).activations.with_about(about);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    written.save(&path).unwrap();
    let again = Activations::open(&path).unwrap();
    assert_eq!(again.about(), written.about());
    for site in SITES {
        assert_eq!(again.site(site).unwrap(), written.site(site).unwrap());
    }
    for (a, b) in again.words().iter().zip(written.words()) {
        assert_eq!((&a.form, &a.lemma, &a.attributes, a.sentence), (&b.form, &b.lemma, &b.attributes, b.sentence));
        assert_eq!(
            (&a.language, &a.file, &a.sentence_id, &a.token_id),
            (&b.language, &b.file, &b.sentence_id, &b.token_id)
        );
    }
    // The same words give the same bytes.
    let bytes = fs::read(&path).unwrap();
    written.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);

    let table = Activations::words_path(&path);
    let whole = fs::read_to_string(&table).unwrap();
    let damage = |text: String, why: &str| {
        fs::write(&table, text).unwrap();
        let error = Activations::open(&path).unwrap_err().to_string();
        assert!(error.contains("a.words.csv") || error.contains("a.safetensors"), "{error}");
        assert!(error.contains(why), "{error}");
    };
    damage(whole.replacen("lemma", "lemmas", 1), "lacks the column `lemma`");
    damage(whole.replacen("\n1,", "\n7,", 1), "`word` should be 1");
    let last = whole.trim_end().rfind('\n').unwrap();
    damage(whole[..=last].to_string(), "is the table of words another file's?");
    // Five columns are enough.
    let mut five = csv::Writer::from_path(&table).unwrap();
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(whole.as_bytes()).records() {
        five.write_record(record.unwrap().iter().take(5)).unwrap();
    }
    drop(five);
    assert_eq!(Activations::open(&path).unwrap().words().len(), written.words().len());
}
