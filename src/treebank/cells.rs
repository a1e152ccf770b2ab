//! Cells: which attributes of a language have enough words to probe for, and what their parts hold, as rows of tables.

use super::split::{split, NoCell, Split, SplitSettings};
use super::words::Treebank;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A row of `cells.csv`: a language, an attribute and a seed; whether its words can be probed, and which they are. What only a
/// cell that exists has is `None` elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CellRow {
    /// The language.
    pub language: String,
    /// The attribute.
    pub attribute: String,
    /// The seed of the split.
    pub seed: u64,
    /// Whether two or more classes have enough words in each part.
    pub usable: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The classes that have, separated by `|`.
    pub classes: String,
    /// Classes with too few words, separated by `|`.
    pub dropped: String,
    /// Words to fit on.
    pub train: Option<usize>,
    /// Words to select neurons on.
    pub dev: Option<usize>,
    /// Words to report on.
    pub test: Option<usize>,
    /// Words that went by their form, because they have no lemma.
    pub without_lemma: Option<usize>,
    /// Words left out because their lemma is in a part before.
    pub seen_lemmas: Option<usize>,
}

/// A row of `classes.csv`: a class of a cell, and how it is spread over train, dev and test. Lemmas and shares are those of a class that is kept.
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct ClassRow {
    /// The language.
    pub language: String,
    /// The attribute.
    pub attribute: String,
    /// The seed of the split.
    pub seed: u64,
    /// The class.
    pub class: String,
    /// Whether it is probed for: the cell is usable, and the class has enough words in each part.
    pub kept: bool,
    /// Its words in train.
    pub train: usize,
    /// Its words in dev.
    pub dev: usize,
    /// Its words in test.
    pub test: usize,
    /// Its lemmas in train.
    pub lemmas_train: Option<usize>,
    /// Its lemmas in dev.
    pub lemmas_dev: Option<usize>,
    /// Its lemmas in test.
    pub lemmas_test: Option<usize>,
    /// Share of its words that dev has, of those in all parts.
    pub share_dev: Option<f64>,
    /// Share of its words that test has.
    pub share_test: Option<f64>,
    /// Share of its words in dev that are of its most frequent lemma there.
    pub largest_lemma_dev: Option<f64>,
    /// Share of its words in test that are of its most frequent lemma there.
    pub largest_lemma_test: Option<f64>,
}

/// A row of `attributes.csv`: a value of an attribute in a treebank.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ValueRow {
    /// The language.
    pub language: String,
    /// The attribute.
    pub attribute: String,
    /// The value.
    pub value: String,
    /// Words that have it.
    pub words: usize,
    /// Lemmas of these words; a word without one counts by its form.
    pub lemmas: usize,
}

/// A row of `unmapped.csv`: a feature as annotated that gave words no attribute, or an attribute that multiword tokens lack
/// because several of their parts have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnmappedRow {
    /// The language.
    pub language: String,
    /// The feature, or `UPOS`; where the reason is `shared`, the attribute.
    pub feature: String,
    /// Its value, or values separated by commas; empty where the reason is `shared`.
    pub value: String,
    /// `unmapped`: the scheme has nothing for it, or it has several values, or a correction for the language takes it away.
    /// `outranked`: another value took its dimension. `shared`: two or more parts of a multiword token have it.
    pub reason: String,
    /// Syntactic words that have it; where the reason is `shared`, multiword tokens.
    pub words: usize,
}

/// The cells of a treebank, with their classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// A row an attribute and seed.
    pub cells: Vec<CellRow>,
    /// A row an attribute, seed and class.
    pub classes: Vec<ClassRow>,
}

impl Cells {
    /// Splits the words of each attribute with each seed. No attributes mean all that the treebank has.
    ///
    /// # Examples
    /// ```no_run
    /// use isogloss::treebank::{Cells, Scheme, SplitSettings, Treebank};
    /// let treebank = Treebank::read("es", &["es_pud-ud-test.conllu".into()], Scheme::Unimorph)?;
    /// let cells = Cells::of(&treebank, &[], &SplitSettings::default(), &[0]);
    /// for cell in cells.cells.iter().filter(|cell| cell.usable) {
    ///     println!("{}: {}", cell.attribute, cell.classes);
    /// }
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn of(treebank: &Treebank, attributes: &[String], settings: &SplitSettings, seeds: &[u64]) -> Cells {
        let mut cells = Cells::default();
        let all: Vec<String> = match attributes {
            [] => treebank.class_counts().into_keys().collect(),
            some => some.to_vec(),
        };
        for attribute in &all {
            for &seed in seeds {
                match split(&treebank.words, &treebank.language, attribute, settings, seed) {
                    Ok(split) => cells.add(&split, seed),
                    Err(reason) => cells.add_missing(&treebank.language, attribute, seed, &reason),
                }
            }
        }
        cells
    }

    /// Adds the rows of a cell that exists.
    pub fn add(&mut self, split: &Split, seed: u64) {
        let [train, dev, test] = split.parts().map(|part| Some(part.words.len()));
        let (language, attribute) = (&split.language, &split.attribute);
        self.cells.push(CellRow {
            language: language.clone(),
            attribute: attribute.clone(),
            seed,
            usable: true,
            reason: None,
            classes: split.classes.join("|"),
            dropped: split.dropped.keys().cloned().collect::<Vec<_>>().join("|"),
            train,
            dev,
            test,
            without_lemma: Some(split.without_lemma),
            seen_lemmas: Some(split.seen_lemmas),
        });
        let mut rows: Vec<ClassRow> = Vec::new();
        for balance in split.balance() {
            let total: usize = balance.words.iter().sum();
            let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
            let [_, dev, test] = balance.words;
            let [lemmas_train, lemmas_dev, lemmas_test] = balance.lemmas.map(Some);
            let [_, largest_dev, largest_test] = balance.largest_lemma;
            rows.push(ClassRow {
                lemmas_train,
                lemmas_dev,
                lemmas_test,
                share_dev: share(dev, total),
                share_test: share(test, total),
                largest_lemma_dev: share(largest_dev, dev),
                largest_lemma_test: share(largest_test, test),
                kept: true,
                ..ClassRow::without(language, attribute, seed, &balance.class, balance.words)
            });
        }
        let dropped = split.dropped.iter();
        rows.extend(dropped.map(|(class, words)| ClassRow::without(language, attribute, seed, class, *words)));
        rows.sort_by(|a, b| a.class.cmp(&b.class));
        self.classes.extend(rows);
    }

    /// Adds the rows of a cell that does not exist.
    pub fn add_missing(&mut self, language: &str, attribute: &str, seed: u64, reason: &NoCell) {
        let mut dropped = Vec::new();
        if let NoCell::TooFewClasses { counts, .. } = reason {
            for (class, words) in counts {
                dropped.push(class.as_str());
                self.classes.push(ClassRow::without(language, attribute, seed, class, *words));
            }
        }
        self.cells.push(CellRow {
            language: language.to_string(),
            attribute: attribute.to_string(),
            seed,
            usable: false,
            reason: Some(reason.to_string()),
            classes: String::new(),
            dropped: dropped.join("|"),
            train: None,
            dev: None,
            test: None,
            without_lemma: None,
            seen_lemmas: None,
        });
    }
}

impl ClassRow {
    fn without(language: &str, attribute: &str, seed: u64, class: &str, [train, dev, test]: [usize; 3]) -> ClassRow {
        ClassRow {
            language: language.to_string(),
            attribute: attribute.to_string(),
            seed,
            class: class.to_string(),
            kept: false,
            train,
            dev,
            test,
            lemmas_train: None,
            lemmas_dev: None,
            lemmas_test: None,
            share_dev: None,
            share_test: None,
            largest_lemma_dev: None,
            largest_lemma_test: None,
        }
    }
}

impl ValueRow {
    /// The values of every attribute of a treebank.
    pub fn of(treebank: &Treebank) -> Vec<ValueRow> {
        let mut found: BTreeMap<(&str, &str), (usize, BTreeSet<&str>)> = BTreeMap::new();
        for word in &treebank.words {
            for pair in word.attributes.iter() {
                let (words, lemmas) = found.entry(pair).or_default();
                *words += 1;
                lemmas.insert(word.lemma_of(pair.0).unwrap_or(&word.form));
            }
        }
        let row = |((attribute, value), (words, lemmas)): ((&str, &str), (usize, BTreeSet<&str>))| ValueRow {
            language: treebank.language.clone(),
            attribute: attribute.to_string(),
            value: value.to_string(),
            words,
            lemmas: lemmas.len(),
        };
        found.into_iter().map(row).collect()
    }
}

impl UnmappedRow {
    /// What gave words of a treebank no attribute.
    pub fn of(treebank: &Treebank) -> Vec<UnmappedRow> {
        let counts = &treebank.counts;
        let rows = |reason: &'static str, counts: &BTreeMap<String, usize>| -> Vec<UnmappedRow> {
            let row = |(pair, words): (&String, &usize)| {
                let (feature, value) = pair.split_once('=').unwrap_or((pair, ""));
                UnmappedRow {
                    language: treebank.language.clone(),
                    feature: feature.to_string(),
                    value: value.to_string(),
                    reason: reason.to_string(),
                    words: *words,
                }
            };
            counts.iter().map(row).collect()
        };
        let [unmapped, outranked] = [rows("unmapped", &counts.unmapped), rows("outranked", &counts.outranked)];
        [unmapped, outranked, rows("shared", &counts.shared)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::treebank::Scheme;
    use std::path::Path;

    fn treebank() -> Treebank {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/treebanks/qa.conllu");
        Treebank::read("qa", &[file], Scheme::Unimorph).unwrap()
    }

    #[test]
    fn rows_say_what_splits_hold_and_why_others_do_not_exist() {
        let treebank = treebank();
        let mut names: Vec<String> = treebank.class_counts().into_keys().collect();
        names.push("Evidentiality".into());
        let settings = SplitSettings::default();
        let found = Cells::of(&treebank, &names, &settings, &[0, 1]);
        assert_eq!(found.cells.len(), 2 * names.len());
        assert!(found.cells.iter().any(|cell| cell.usable));
        for cell in &found.cells {
            let classes: Vec<&ClassRow> =
                found.classes.iter().filter(|row| (&row.attribute, row.seed) == (&cell.attribute, cell.seed)).collect();
            match split(&treebank.words, "qa", &cell.attribute, &settings, cell.seed) {
                Ok(split) => {
                    assert!(cell.usable && cell.reason.is_none());
                    assert_eq!(cell.train, Some(split.train.words.len()));
                    let kept: Vec<&str> = classes.iter().filter(|row| row.kept).map(|row| &*row.class).collect();
                    assert_eq!(kept.join("|"), cell.classes);
                    let dev: usize = classes.iter().filter(|row| row.kept).map(|row| row.dev).sum();
                    assert_eq!(Some(dev), cell.dev);
                    for row in classes.iter().filter(|row| row.kept) {
                        assert!(row.largest_lemma_test.unwrap() * row.test as f64 >= 1.0);
                        assert!(row.lemmas_test.unwrap() <= row.test);
                    }
                }
                Err(reason) => {
                    assert!(!cell.usable && cell.classes.is_empty() && cell.train.is_none());
                    assert_eq!(cell.reason, Some(reason.to_string()));
                    assert!(classes.iter().all(|row| !row.kept && row.share_dev.is_none()));
                }
            }
        }
        let none = found.cells.last().unwrap();
        assert_eq!(none.reason.as_deref(), Some("no word of `qa` has the attribute Evidentiality"));
        let all = Cells::of(&treebank, &[], &settings, &[0]);
        assert_eq!(all.cells.len(), names.len() - 1);
    }

    #[test]
    fn values_and_what_is_unmapped_are_rows() {
        let treebank = treebank();
        let rows = ValueRow::of(&treebank);
        let counts = treebank.class_counts();
        assert_eq!(rows.len(), counts.values().map(BTreeMap::len).sum::<usize>());
        for row in &rows {
            assert_eq!(row.words, counts[&row.attribute][&row.value]);
            assert!(0 < row.lemmas && row.lemmas <= row.words);
        }
        let mut treebank = treebank;
        treebank.counts.unmapped = [("Case=Acc,Dat".to_string(), 3), ("UPOS=X".to_string(), 2)].into();
        treebank.counts.outranked = [("VerbForm=Fin".to_string(), 1)].into();
        treebank.counts.shared = [("POS".to_string(), 4)].into();
        let shown: Vec<String> = UnmappedRow::of(&treebank)
            .iter()
            .map(|row| format!("{} {} {} {}", row.feature, row.value, row.reason, row.words))
            .collect();
        let expected = ["Case Acc,Dat unmapped 3", "UPOS X unmapped 2", "VerbForm Fin outranked 1", "POS  shared 4"];
        assert_eq!(shown, expected);
    }
}
