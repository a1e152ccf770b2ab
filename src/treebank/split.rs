//! Lemma-disjoint splits of the words that have an attribute.
//!
//! A probe must not know a test word from training, so all words of a lemma go to one part. Shuffling lemma types alone
//! (Wang, Minervini and Ponti 2024, arXiv 2406.13229) lets one frequent function word decide what a part looks like; the
//! default here also balances the parts by tokens within each class.

use super::attributes::serde_as_text;
use super::words::Word;
use crate::{seed, Error, Result};
use rand::seq::SliceRandom;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How lemma types go to train, dev and test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SplitMethod {
    /// `balanced`: in random order, each to the part whose classes are furthest below their share of the tokens. A lemma
    /// with more than 3 % of a class's tokens goes to train; afterwards, a class that is short of words in dev or test
    /// gets lemmas from train if that saves it.
    #[default]
    Balanced,
    /// `lemma-types`: shuffled and cut by number of types, as in the study of Wang, Minervini and Ponti.
    LemmaTypes,
}

impl fmt::Display for SplitMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SplitMethod::Balanced => "balanced",
            SplitMethod::LemmaTypes => "lemma-types",
        })
    }
}

impl FromStr for SplitMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "balanced" => Ok(SplitMethod::Balanced),
            "lemma-types" => Ok(SplitMethod::LemmaTypes),
            _ => Err(Error::unknown("split method", text, "balanced or lemma-types")),
        }
    }
}

serde_as_text!(SplitMethod);

/// How words are split.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | `method` | `balanced` | how lemma types go to the parts | |
/// | `min_per_class` | 20 | words that a class needs in each part to stay | 1 or more |
/// | `train`, `dev`, `test` | 0.8, 0.1, 0.1 | shares of the parts, relative to their sum | above 0 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitSettings {
    /// How lemma types go to the parts.
    pub method: SplitMethod,
    /// Words that a class needs in each part to stay.
    pub min_per_class: usize,
    /// Share of train.
    pub train: f64,
    /// Share of dev.
    pub dev: f64,
    /// Share of test.
    pub test: f64,
}

impl Default for SplitSettings {
    fn default() -> Self {
        SplitSettings { method: SplitMethod::default(), min_per_class: 20, train: 0.8, dev: 0.1, test: 0.1 }
    }
}

impl SplitSettings {
    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is not.
    pub fn check(&self) -> Result<()> {
        for (name, share) in [("train share", self.train), ("dev share", self.dev), ("test share", self.test)] {
            if !(share.is_finite() && share > 0.0) {
                return Err(Error::parameter(name, "a number above 0", share));
            }
        }
        if self.min_per_class == 0 {
            return Err(Error::parameter("min_per_class", "at least 1", self.min_per_class));
        }
        // No treebank comes near it, and its products do not overflow.
        if self.min_per_class > 1 << 40 {
            return Err(Error::parameter("min_per_class", "at most 2^40", self.min_per_class));
        }
        Ok(())
    }

    /// The shares, scaled to sum to 1.
    fn shares(&self) -> [f64; PARTS] {
        let sum = self.train + self.dev + self.test;
        [self.train / sum, self.dev / sum, self.test / sum]
    }
}

/// Train, dev, test.
const PARTS: usize = 3;
/// Above this share of a class's tokens, a lemma is for training: it would be most of a test set's class.
const HEAVY: f64 = 0.03;

/// One part of a split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The words: indices into the words that were split, ascending.
    pub words: Vec<usize>,
    /// The class of each: indices into [`Split::classes`].
    pub classes: Vec<usize>,
}

/// The words of one language that have one attribute, in three parts without a lemma in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The language.
    pub language: String,
    /// The attribute.
    pub attribute: String,
    /// The classes that have enough words, sorted.
    pub classes: Vec<String>,
    /// Words to fit probes on.
    pub train: Part,
    /// Words to select neurons on.
    pub dev: Part,
    /// Words to report on.
    pub test: Part,
    /// Classes left out, with their words in train, dev and test.
    pub dropped: BTreeMap<String, [usize; PARTS]>,
    /// Words that went by their form because they have no lemma.
    pub without_lemma: usize,
}

/// How a class is spread over the parts.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassBalance {
    /// The class.
    pub class: String,
    /// Its words in train, dev and test.
    pub words: [usize; PARTS],
    /// Its share of the words of train, dev and test; the closer, the better the balance.
    pub shares: [f64; PARTS],
}

impl Split {
    /// Words and share of each class in train, dev and test.
    pub fn balance(&self) -> Vec<ClassBalance> {
        let parts = [&self.train, &self.dev, &self.test];
        let mut rows: Vec<ClassBalance> = self
            .classes
            .iter()
            .map(|class| ClassBalance { class: class.clone(), words: [0; PARTS], shares: [0.0; PARTS] })
            .collect();
        for (p, part) in parts.iter().enumerate() {
            for &class in &part.classes {
                if let Some(row) = rows.get_mut(class) {
                    row.words[p] += 1;
                }
            }
            for row in &mut rows {
                row.shares[p] = row.words[p] as f64 / part.words.len().max(1) as f64;
            }
        }
        rows
    }
}

/// Why a cell (a language and an attribute) does not exist.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NoCell {
    /// Fewer than two classes have enough words in each part.
    TooFewClasses {
        /// The language.
        language: String,
        /// The attribute.
        attribute: String,
        /// How many words a class needs in each part.
        min_per_class: usize,
        /// Every class with its words in train, dev and test; none if no word has the attribute.
        counts: BTreeMap<String, [usize; PARTS]>,
    },
    /// A setting is out of its range.
    Settings(String),
}

impl fmt::Display for NoCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoCell::Settings(message) => f.write_str(message),
            NoCell::TooFewClasses { language, attribute, counts, .. } if counts.is_empty() => {
                write!(f, "no word of `{language}` has the attribute {attribute}")
            }
            NoCell::TooFewClasses { language, attribute, min_per_class, counts } => {
                write!(
                    f,
                    "{attribute} of `{language}` has fewer than two classes with {min_per_class} words in each of train, dev and test: "
                )?;
                for (i, (class, [train, dev, test])) in counts.iter().enumerate() {
                    write!(f, "{}{class} {train}/{dev}/{test}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for NoCell {}

impl From<NoCell> for Error {
    fn from(reason: NoCell) -> Self {
        Error::Data(reason.to_string())
    }
}

/// A lemma and its words.
struct Type {
    /// Indices of words, ascending, and their classes.
    words: Vec<(usize, usize)>,
    /// Words of each class.
    counts: Vec<usize>,
}

/// Splits the words of one language that have `attribute`, lemma by lemma; a word without a lemma goes by its form in
/// lower case. The random stream is that of (`seed`, `language`, `attribute`) alone, so that every model, step and site
/// sees the same words.
///
/// # Errors
/// [`NoCell`] if fewer than two classes have `min_per_class` words in each part, or a setting is out of its range.
pub fn split(
    words: &[Word],
    language: &str,
    attribute: &str,
    settings: &SplitSettings,
    seed: u64,
) -> Result<Split, NoCell> {
    settings.check().map_err(|error| NoCell::Settings(error.to_string()))?;
    let mut classes: Vec<String> = Vec::new();
    for value in words.iter().filter_map(|word| word.attributes.get(attribute)) {
        if let Err(place) = classes.binary_search_by(|class| class.as_str().cmp(value)) {
            classes.insert(place, value.to_string());
        }
    }
    let mut types: BTreeMap<Cow<'_, str>, Type> = BTreeMap::new();
    let mut without_lemma = 0;
    for (index, word) in words.iter().enumerate() {
        let Some(value) = word.attributes.get(attribute) else { continue };
        let Ok(class) = classes.binary_search_by(|class| class.as_str().cmp(value)) else { continue };
        let key = match &word.lemma {
            Some(lemma) => Cow::Borrowed(lemma.as_str()),
            None => {
                without_lemma += 1;
                Cow::Owned(word.form.to_lowercase())
            }
        };
        let entry = types.entry(key).or_insert_with(|| Type { words: Vec::new(), counts: vec![0; classes.len()] });
        entry.words.push((index, class));
        entry.counts[class] += 1;
    }
    // Sorted by lemma, then shuffled: the order does not depend on that of the words.
    let mut types: Vec<Type> = types.into_values().collect();
    types.shuffle(&mut seed::stream(seed, &["split", language, attribute]));
    let parts = match settings.method {
        SplitMethod::LemmaTypes => cut(types.len(), settings.shares()),
        SplitMethod::Balanced => Balance::new(&types, classes.len(), settings).run(),
    };
    collect(&types, &parts, classes, settings.min_per_class)
        .map(|found| Split { language: language.to_string(), attribute: attribute.to_string(), without_lemma, ..found })
        .map_err(|counts| NoCell::TooFewClasses {
            language: language.to_string(),
            attribute: attribute.to_string(),
            min_per_class: settings.min_per_class,
            counts,
        })
}

/// The part of each type if the list is cut in three by length.
fn cut(types: usize, [train, dev, _]: [f64; PARTS]) -> Vec<usize> {
    let end = |share: f64| (share * types as f64).round() as usize;
    let (first, second) = (end(train), end(train + dev));
    (0..types).map(|i| usize::from(i >= first) + usize::from(i >= second)).collect()
}

/// Builds the parts out of the classes that stay; else every class's counts.
fn collect(
    types: &[Type],
    parts: &[usize],
    classes: Vec<String>,
    min_per_class: usize,
) -> Result<Split, BTreeMap<String, [usize; PARTS]>> {
    let mut counts = vec![[0; PARTS]; classes.len()];
    for (kind, &part) in types.iter().zip(parts) {
        for (count, n) in counts.iter_mut().zip(&kind.counts) {
            count[part] += n;
        }
    }
    let stays = |count: &[usize; PARTS]| count.iter().all(|&n| n >= min_per_class);
    if counts.iter().filter(|count| stays(count)).count() < 2 {
        return Err(classes.into_iter().zip(counts).collect());
    }
    let mut new_index = Vec::with_capacity(classes.len());
    let mut kept = Vec::new();
    let mut dropped = BTreeMap::new();
    for (class, count) in classes.into_iter().zip(counts) {
        if stays(&count) {
            new_index.push(Some(kept.len()));
            kept.push(class);
        } else {
            new_index.push(None);
            dropped.insert(class, count);
        }
    }
    let mut members: [Vec<(usize, usize)>; PARTS] = Default::default();
    for (kind, &part) in types.iter().zip(parts) {
        members[part].extend(kind.words.iter().filter_map(|&(word, class)| Some((word, new_index[class]?))));
    }
    let [train, dev, test] = members.map(|mut part| {
        part.sort_unstable();
        let (words, classes) = part.into_iter().unzip();
        Part { words, classes }
    });
    let (language, attribute) = (String::new(), String::new());
    Ok(Split { language, attribute, classes: kept, train, dev, test, dropped, without_lemma: 0 })
}

/// The balanced assignment.
struct Balance<'a> {
    types: &'a [Type],
    shares: [f64; PARTS],
    min: usize,
    /// Words of each class.
    totals: Vec<usize>,
    /// Words of each class in each part so far.
    counts: Vec<[usize; PARTS]>,
    /// The part of each type.
    parts: Vec<usize>,
}

impl<'a> Balance<'a> {
    fn new(types: &'a [Type], classes: usize, settings: &SplitSettings) -> Self {
        let mut totals = vec![0; classes];
        for kind in types {
            for (total, n) in totals.iter_mut().zip(&kind.counts) {
                *total += n;
            }
        }
        Balance {
            types,
            shares: settings.shares(),
            min: settings.min_per_class,
            counts: vec![[0; PARTS]; classes],
            parts: vec![0; types.len()],
            totals,
        }
    }

    fn run(mut self) -> Vec<usize> {
        // Heavy types first, so that what train already has counts when the others are dealt out.
        let heavy: Vec<bool> = self.types.iter().map(|kind| self.weight(kind) > HEAVY).collect();
        for (i, _) in heavy.iter().enumerate().filter(|(_, &heavy)| heavy) {
            self.put(i, 0);
        }
        for (i, _) in heavy.iter().enumerate().filter(|(_, &heavy)| !heavy) {
            let part = self.neediest(&self.types[i]);
            self.put(i, part);
        }
        // Frequent classes first: rarer ones may not undo them.
        let mut order: Vec<usize> = (0..self.totals.len()).collect();
        order.sort_by_key(|&class| std::cmp::Reverse(self.totals[class]));
        for class in order {
            if self.totals[class] >= PARTS * self.min && !self.stays(class) {
                let _ = self.rescue(class, smallest_first) || self.rescue(class, best_fit) || self.redeal(class);
            }
        }
        self.parts
    }

    /// The largest share of a class's tokens that a type holds. Classes that cannot stay do not count.
    fn weight(&self, kind: &Type) -> f64 {
        let shares = kind.counts.iter().zip(&self.totals).filter(|(_, &total)| total >= PARTS * self.min);
        shares.map(|(&n, &total)| n as f64 / total as f64).fold(0.0, f64::max)
    }

    fn put(&mut self, index: usize, part: usize) {
        self.parts[index] = part;
        for (count, n) in self.counts.iter_mut().zip(&self.types[index].counts) {
            count[part] += n;
        }
    }

    fn take(&mut self, index: usize) {
        let part = self.parts[index];
        for (count, n) in self.counts.iter_mut().zip(&self.types[index].counts) {
            count[part] -= n;
        }
    }

    /// The part whose share of the type's classes is furthest below its target, relative to the target.
    fn neediest(&self, kind: &Type) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for part in 0..PARTS {
            let mut need = 0.0;
            for (class, &n) in kind.counts.iter().enumerate().filter(|(_, &n)| n > 0) {
                let share = self.counts[class][part] as f64 / self.totals[class] as f64;
                need += n as f64 * (1.0 - share / self.shares[part]);
            }
            if need > best.1 {
                best = (part, need);
            }
        }
        best.0
    }

    fn stays(&self, class: usize) -> bool {
        self.counts[class].iter().all(|&n| n >= self.min)
    }

    /// Moves types from train to dev and test, and between these, until the class has enough words in each part, no class
    /// being lost for it; leaves all as it was where that fails.
    fn rescue(&mut self, class: usize, choose: Choose) -> bool {
        let before = (self.counts.clone(), self.parts.clone());
        let safe: Vec<usize> = (0..self.totals.len()).filter(|&other| self.stays(other)).collect();
        // Every move brings a type to the part that lacks most; parts never give what they need themselves.
        for _ in 0..self.types.len() {
            let (part, need) = self.lacks_most(class);
            if need == 0 {
                return true;
            }
            let mut candidates: Vec<Candidate> = Vec::new();
            for (index, kind) in self.types.iter().enumerate() {
                let (from, words) = (self.parts[index], kind.counts[class]);
                let spare = |class: usize, n: usize| self.counts[class][from] >= self.min.saturating_add(n);
                // Nor may it bring more of another class than the part's whole share.
                let harmless = safe.iter().all(|&other| {
                    let n = kind.counts[other];
                    n == 0 || (spare(other, n) && n as f64 <= self.shares[part] * self.totals[other] as f64)
                });
                if words > 0 && from != part && harmless && spare(class, words) {
                    candidates.push(Candidate { words, weight: self.weight(kind), index });
                }
            }
            let Some(index) = choose(&candidates, need) else { break };
            self.take(index);
            self.put(index, part);
        }
        if self.stays(class) {
            return true;
        }
        (self.counts, self.parts) = before;
        false
    }

    /// The part that lacks most words of a class (train where several do), and how many.
    fn lacks_most(&self, class: usize) -> (usize, usize) {
        let lacks = |part: usize| self.min.saturating_sub(self.counts[class][part]);
        let part = (0..PARTS).rev().max_by_key(|&part| lacks(part)).unwrap_or(0);
        (part, lacks(part))
    }

    /// Deals a class's types anew, the largest first, to the parts that lack most and then to train; types with words of
    /// classes that are safe stay where they are. Leaves all as it was where that fails.
    fn redeal(&mut self, class: usize) -> bool {
        let before = (self.counts.clone(), self.parts.clone());
        let safe: Vec<bool> = (0..self.totals.len()).map(|other| self.stays(other)).collect();
        let is_free = |kind: &Type| kind.counts.iter().zip(&safe).all(|(&n, &safe)| n == 0 || !safe);
        let mut free: Vec<usize> = (0..self.types.len())
            .filter(|&index| self.types[index].counts[class] > 0 && is_free(&self.types[index]))
            .collect();
        free.sort_by_key(|&index| std::cmp::Reverse(self.types[index].counts[class]));
        for &index in &free {
            self.take(index);
        }
        for index in free {
            let (part, _) = self.lacks_most(class);
            self.put(index, part);
        }
        if self.stays(class) {
            return true;
        }
        (self.counts, self.parts) = before;
        false
    }
}

/// A type that may move.
struct Candidate {
    /// Its words of the class that is short.
    words: usize,
    /// The largest share of any class's tokens that it holds.
    weight: f64,
    /// The type.
    index: usize,
}

/// Picks a type to move to a part that needs so many words.
type Choose = fn(&[Candidate], usize) -> Option<usize>;

/// The type that moves the balance least.
fn smallest_first(candidates: &[Candidate], _: usize) -> Option<usize> {
    let lightest = candidates.iter().min_by(|a, b| a.weight.total_cmp(&b.weight).then(a.index.cmp(&b.index)));
    lightest.map(|candidate| candidate.index)
}

/// The smallest type that is enough by itself, or the largest: uses up fewer types.
fn best_fit(candidates: &[Candidate], need: usize) -> Option<usize> {
    let enough = candidates.iter().filter(|candidate| candidate.words >= need).min_by_key(|c| (c.words, c.index));
    let most = || candidates.iter().max_by_key(|c| (c.words, std::cmp::Reverse(c.index)));
    enough.or_else(most).map(|candidate| candidate.index)
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
