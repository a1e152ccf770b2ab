use super::*;
use crate::meaning::Frame;
use isogloss::seed::stream;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};

const SEED: u64 = 1;
const SENTENCES: usize = 900;

/// A basic word of a treebank: lemma, part of speech, features, head, relation.
struct Row {
    id: String,
    lemma: String,
    upos: String,
    feats: BTreeMap<String, String>,
    head: String,
    deprel: String,
}

fn all_treebanks() -> BTreeMap<String, String> {
    let world = World::new(SEED);
    languages::all(&world, SEED)
        .iter()
        .map(|l| (l.morphology.grammar().code.to_string(), treebank(&world, l, SEED, SENTENCES)))
        .collect()
}

fn sentences(text: &str) -> Vec<Vec<Row>> {
    let rows = |block: &str| {
        let lines = block.lines().filter(|l| !l.starts_with('#'));
        lines
            .map(|line| {
                let columns: Vec<&str> = line.split('\t').collect();
                assert_eq!(columns.len(), 10, "{line}");
                assert!(columns.iter().all(|c| !c.is_empty()), "{line}");
                let feats: Vec<(String, String)> = columns[5]
                    .split('|')
                    .filter_map(|f| f.split_once('='))
                    .map(|(name, value)| (name.to_string(), value.to_string()))
                    .collect();
                let mut sorted = feats.clone();
                sorted.sort_by_key(|(name, _)| name.to_lowercase());
                assert_eq!(feats, sorted, "features out of order: {line}");
                Row {
                    id: columns[0].to_string(),
                    lemma: columns[2].to_string(),
                    upos: columns[3].to_string(),
                    feats: feats.into_iter().collect(),
                    head: columns[6].to_string(),
                    deprel: columns[7].to_string(),
                }
            })
            .collect()
    };
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(rows).collect()
}

#[test]
fn every_sentence_is_a_tree_with_consecutive_ids() {
    for (code, text) in all_treebanks() {
        let sentences = sentences(&text);
        assert_eq!(sentences.len(), SENTENCES, "{code}");
        for rows in sentences {
            let words: Vec<&Row> = rows.iter().filter(|r| !r.id.contains(['-', '.'])).collect();
            let heads: Vec<usize> = words.iter().map(|r| r.head.parse().unwrap()).collect();
            assert_eq!(heads.iter().filter(|h| **h == 0).count(), 1);
            for (index, word) in words.iter().enumerate() {
                assert_eq!(word.id, (index + 1).to_string());
                assert_eq!(word.deprel == "root", heads[index] == 0);
                let (mut at, mut steps) = (index + 1, 0);
                while at != 0 {
                    at = heads[at - 1];
                    steps += 1;
                    assert!(steps <= words.len(), "{code}: a cycle");
                }
            }
        }
    }
}

#[test]
fn modifiers_agree_with_their_noun_and_the_format_is_used_in_full() {
    let treebanks = all_treebanks();
    for (code, text) in &treebanks {
        assert!(text.contains(".1\t"), "{code} has no empty node");
        assert!(text.contains("SpaceAfter=No"), "{code}");
        let mut checked = 0;
        for rows in sentences(text) {
            for row in rows.iter().filter(|r| matches!(r.deprel.as_str(), "amod" | "det")) {
                let noun = rows.iter().find(|r| r.id == row.head).unwrap();
                for name in ["Gender", "Number", "Case"] {
                    if let (Some(a), Some(b)) = (row.feats.get(name), noun.feats.get(name)) {
                        assert_eq!(a, b, "{code}: {} and {} in {name}", row.lemma, noun.lemma);
                        checked += 1;
                    }
                }
            }
        }
        assert_eq!(checked > 500, code != "qe", "{code}: {checked}");
    }
    assert!(treebanks["qb"].lines().filter(|l| l.split('\t').next().unwrap().contains('-')).count() > 50);
}

/// Classes with at least 20 words in each part of an 80/10/10 split of the lemmas.
fn usable(words: &[(&str, &str)], seed: u64) -> usize {
    let mut lemmas: Vec<&str> = words.iter().map(|w| w.0).collect::<BTreeSet<_>>().into_iter().collect();
    lemmas.shuffle(&mut stream(seed, &["test split"]));
    let (train, dev) = (lemmas.len() * 8 / 10, lemmas.len() * 9 / 10);
    let part: BTreeMap<&str, usize> =
        lemmas.iter().enumerate().map(|(i, l)| (*l, usize::from(i >= train) + usize::from(i >= dev))).collect();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (lemma, class) in words {
        counts.entry(class).or_default()[part[lemma]] += 1;
    }
    counts.values().filter(|parts| parts.iter().all(|n| *n >= 20)).count()
}

#[test]
fn the_cells_of_the_study_have_two_classes_under_every_split() {
    let cells = [
        ("POS", "qa qb qc qd qe qf"),
        ("Number", "qa qb qc qd qe qf"),
        ("Gender", "qa qb qc qd qf"),
        ("Tense", "qa qb qc qd qe qf"),
        ("Case", "qc qd"),
        ("Definite", "qc qd qf"),
    ];
    let treebanks = all_treebanks();
    for (attribute, codes) in cells {
        for code in codes.split(' ') {
            let rows: Vec<Row> = sentences(&treebanks[code]).into_iter().flatten().collect();
            let basic = rows.iter().filter(|r| !r.id.contains(['-', '.']));
            let words: Vec<(&str, &str)> = basic
                .filter_map(|r| {
                    let class = match attribute {
                        "POS" => Some(&r.upos).filter(|p| *p != "PUNCT"),
                        name => r.feats.get(name),
                    };
                    Some((r.lemma.as_str(), class?.as_str()))
                })
                .collect();
            for seed in 0..10 {
                let classes = usable(&words, seed);
                assert!(classes >= 2, "{code} {attribute}, split {seed}: {classes} classes");
            }
        }
    }
}

/// Letters to change, add or drop to make one word of the other, as a share of the longer one.
fn distance(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        row[0] = left;
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = best;
            left = best;
        }
    }
    row[b.len()] as f64 / a.len().max(b.len()) as f64
}

#[test]
fn relatives_have_like_roots_and_strangers_have_not() {
    let world = World::new(SEED);
    let languages = languages::all(&world, SEED);
    let mean = |other: usize| {
        let (a, b) = (&languages[0].lexicon.nouns, &languages[other].lexicon.nouns);
        a.iter().zip(b).map(|(x, y)| distance(&x.stem, &y.stem)).sum::<f64>() / a.len() as f64
    };
    let distances: Vec<f64> = (1..languages.len()).map(mean).collect();
    assert!(distances[0] < 0.35, "Bresh: {distances:?}");
    assert!(distances[0] + 0.15 < distances[1], "Corvath: {distances:?}");
    assert!(distances[2..].iter().all(|d| *d > distances[1] + 0.05), "strangers: {distances:?}");
}

#[test]
fn no_two_concepts_of_a_part_of_speech_share_a_root() {
    let world = World::new(SEED);
    assert!(world.verbs.iter().filter(|v| v.frame == Frame::Transitive).count() > 80);
    for language in languages::all(&world, SEED) {
        let code = language.morphology.grammar().code;
        let stems: BTreeSet<&str> = language.lexicon.nouns.iter().map(|w| w.stem.as_str()).collect();
        assert_eq!(stems.len(), world.nouns.len(), "{code}");
    }
}

#[test]
fn training_text_repeats_the_grammar_and_not_the_treebank() {
    let training: BTreeSet<String> = training_text(SEED, 500).into_iter().map(|(_, sentence)| sentence).collect();
    for (code, text) in all_treebanks() {
        let texts: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# text = ")).collect();
        let shared = texts.iter().filter(|t| training.contains(**t)).count();
        // Only the shortest sentences come up twice.
        assert!(shared * 20 < texts.len(), "{code}: {shared} of {}", texts.len());
    }
}

#[test]
fn the_tokenizer_is_deterministic_and_blind_to_spaces() {
    let dir = tempfile::tempdir().unwrap();
    let text = training_text(SEED, 300);
    let mut bytes = Vec::new();
    for name in ["a.json", "b.json"] {
        let path = dir.path().join(name);
        tokenizer::train(text.iter().map(|(_, s)| s.as_str()), 700, &path).unwrap();
        bytes.push(std::fs::read(&path).unwrap());
    }
    assert!(bytes[0] == bytes[1]);
    let tokenizer = tokenizers::Tokenizer::from_file(dir.path().join("a.json")).unwrap();
    for (id, token) in tokenizer::SPECIAL_TOKENS.iter().enumerate() {
        assert_eq!(tokenizer.token_to_id(token), Some(id as u32));
    }
    assert_eq!(tokenizer.get_vocab_size(true), 700);
    let ids = |text: &str| tokenizer.encode(text, true).unwrap().get_ids().to_vec();
    let (_, sentence) = text.iter().find(|(code, s)| code == "qd" && s.contains(' ')).unwrap();
    let (first, rest) = sentence.split_once(' ').unwrap();
    assert_eq!(ids(sentence), [ids(first), ids(" "), ids(rest)].concat());
    assert_eq!(tokenizer.decode(&ids(sentence), true).unwrap(), *sentence);
}
