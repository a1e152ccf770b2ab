//! Splits of the words that have an attribute into train, dev and test.
//!
//! A probe must not know a test word from training, so all words of a lemma go to one part. Shuffling lemma types alone
//! (Wang, Minervini and Ponti 2024, arXiv 2406.13229) lets one frequent function word decide what a part looks like; the
//! default here also balances the parts by tokens within each class. Splits by sentence, and a treebank's own, are there for
//! comparison with what uses them.

mod balance;
mod groups;

use super::attributes::serde_as_text;
use super::official::OfficialSplit;
use super::words::Word;
use crate::{seed, Error, Result};
use balance::balance;
pub(super) use groups::spelling;
use groups::{by_lemma, by_sentence, number_lemmas, Group, Member};
use rand::seq::SliceRandom;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// How words go to train, dev and test. Each can be named in a study's file and on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SplitMethod {
    /// `balanced`: lemma by lemma, at random, so that each part has its share of the tokens of each class. A lemma that would be
    /// much of a class in dev or test is for training, as far as other lemmas can take its place; a class that can have
    /// enough words in each part nearly always has them.
    #[default]
    Balanced,
    /// `lemma-types`: lemma by lemma, shuffled and cut by number of types, as in the study of Wang, Minervini and Ponti.
    LemmaTypes,
    /// `sentences`: sentence by sentence, balanced as `balanced` is; sentences of the same words go together. A lemma
    /// may be in several parts.
    Sentences,
    /// `official`: as the names of the treebank's files say (see [`OfficialSplit::of_file`]), the same for every seed. A
    /// lemma may be in several parts.
    Official,
}

impl SplitMethod {
    /// All of them.
    pub const ALL: [SplitMethod; 4] =
        [SplitMethod::Balanced, SplitMethod::LemmaTypes, SplitMethod::Sentences, SplitMethod::Official];
}

impl fmt::Display for SplitMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SplitMethod::Balanced => "balanced",
            SplitMethod::LemmaTypes => "lemma-types",
            SplitMethod::Sentences => "sentences",
            SplitMethod::Official => "official",
        })
    }
}

impl FromStr for SplitMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = SplitMethod::ALL.into_iter().find(|method| method.to_string() == text);
        found.ok_or_else(|| Error::unknown("split method", text, "balanced, lemma-types, sentences or official"))
    }
}

serde_as_text!(SplitMethod);

/// How words are split.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | `method` | `balanced` | how words go to the parts | |
/// | `min_per_class` | 20 | words that a class needs in each part to stay | 1 or more |
/// | `unseen_lemmas` | false | with `sentences` and `official`, whose parts may share lemmas: leave out words of dev and test whose lemma is in a part before | |
/// | `train`, `dev`, `test` | 0.8, 0.1, 0.1 | shares of the parts, relative to their sum; not for `official` | above 0 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitSettings {
    /// How words go to the parts.
    pub method: SplitMethod,
    /// Words that a class needs in each part to stay.
    pub min_per_class: usize,
    /// Whether words of dev and test are left out whose lemma is in a part before; where parts share no lemma, there are none.
    pub unseen_lemmas: bool,
    /// Share of train.
    pub train: f64,
    /// Share of dev.
    pub dev: f64,
    /// Share of test.
    pub test: f64,
}

impl Default for SplitSettings {
    fn default() -> Self {
        SplitSettings {
            method: SplitMethod::default(),
            min_per_class: 20,
            unseen_lemmas: false,
            train: 0.8,
            dev: 0.1,
            test: 0.1,
        }
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

/// One part of a split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The words: indices into the words that were split, ascending.
    pub words: Vec<usize>,
    /// The class of each: indices into [`Split::classes`].
    pub classes: Vec<usize>,
    /// The lemma of each, by number: the same for all words of a lemma, in every part.
    pub lemmas: Vec<usize>,
}

/// The words of one language that have one attribute, in three parts.
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
    /// Words of dev and test, of any class, left out because their lemma is in a part before; 0 unless asked for.
    pub seen_lemmas: usize,
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
    /// The lemmas of its words in train, dev and test.
    pub lemmas: [usize; PARTS],
    /// The words of its most frequent lemma in train, dev and test.
    pub largest_lemma: [usize; PARTS],
}

impl Split {
    /// Train, dev and test.
    pub fn parts(&self) -> [&Part; PARTS] {
        [&self.train, &self.dev, &self.test]
    }

    /// Words, share and lemmas of each class in train, dev and test.
    pub fn balance(&self) -> Vec<ClassBalance> {
        let mut lemmas: Vec<[BTreeMap<usize, usize>; PARTS]> = Vec::new();
        lemmas.resize_with(self.classes.len(), Default::default);
        for (p, part) in self.parts().into_iter().enumerate() {
            for (&class, &lemma) in part.classes.iter().zip(&part.lemmas) {
                if let Some(lemmas) = lemmas.get_mut(class) {
                    *lemmas[p].entry(lemma).or_default() += 1;
                }
            }
        }
        let sizes = self.parts().map(|part| part.words.len().max(1) as f64);
        let row = |(class, lemmas): (&String, [BTreeMap<usize, usize>; PARTS])| {
            let words = lemmas.each_ref().map(|lemmas| lemmas.values().sum());
            ClassBalance {
                class: class.clone(),
                words,
                shares: [0, 1, 2].map(|p| words[p] as f64 / sizes[p]),
                lemmas: lemmas.each_ref().map(BTreeMap::len),
                largest_lemma: lemmas.each_ref().map(|lemmas| lemmas.values().copied().max().unwrap_or(0)),
            }
        };
        self.classes.iter().zip(lemmas).map(row).collect()
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
    /// The treebank has no official split of three parts.
    NoOfficialSplit {
        /// The language.
        language: String,
        /// What it has instead.
        reason: String,
    },
    /// A setting is out of its range.
    Settings(String),
}

impl fmt::Display for NoCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoCell::Settings(message) => f.write_str(message),
            NoCell::NoOfficialSplit { language, reason } => {
                write!(
                    f,
                    "`{language}` has no official split of train, dev and test: {reason}; use another split method"
                )
            }
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

/// Splits the words of one language that have `attribute`.
///
/// Two spellings that differ in case or in Unicode normalisation are one lemma (`Marte` and `marte`). A word without a lemma
/// goes by its form: with the lemma that is written so, and with those that other words of this form have.
/// The random stream is that of (`seed`, `language`, `attribute`) alone, so that every model, step and site
/// sees the same words, and the order of `words` does not matter.
///
/// # Errors
/// [`NoCell`] if fewer than two classes have `min_per_class` words in each part, the method is `official` and the words'
/// files are not of three official parts, or a setting is out of its range.
pub fn split(
    words: &[Word],
    language: &str,
    attribute: &str,
    settings: &SplitSettings,
    seed: u64,
) -> Result<Split, NoCell> {
    settings.check().map_err(|error| NoCell::Settings(error.to_string()))?;
    let values: Vec<Option<&str>> = words.iter().map(|word| word.attributes.get(attribute)).collect();
    let classes: Vec<String> =
        values.iter().flatten().collect::<BTreeSet<_>>().into_iter().map(|v| v.to_string()).collect();
    let mut members: Vec<Member> = Vec::new();
    for (word, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        if let Ok(class) = classes.binary_search_by(|class| class.as_str().cmp(value)) {
            members.push(Member { word, class, lemma: 0 });
        }
    }
    let without_lemma = number_lemmas(words, attribute, &mut members);
    let mut rng = seed::stream(seed, &["split", language, attribute]);
    // Sorted by lemma or text, then shuffled: the order does not depend on that of the words.
    let mut assigned = match settings.method {
        SplitMethod::Balanced => {
            let mut groups = by_lemma(&members);
            groups.shuffle(&mut rng);
            let parts = balance(&groups, classes.len(), settings, true, &mut rng);
            assign(&groups, &parts)
        }
        SplitMethod::LemmaTypes => {
            let mut groups = by_lemma(&members);
            groups.shuffle(&mut rng);
            assign(&groups, &cut(groups.len(), settings.shares()))
        }
        SplitMethod::Sentences => {
            let mut groups = by_sentence(words, &members);
            groups.shuffle(&mut rng);
            let parts = balance(&groups, classes.len(), settings, false, &mut rng);
            assign(&groups, &parts)
        }
        SplitMethod::Official => official(words, &members, language)?,
    };
    let before = assigned.iter().map(Vec::len).sum::<usize>();
    if settings.unseen_lemmas {
        leave_out_seen(&mut assigned);
    }
    let seen_lemmas = before - assigned.iter().map(Vec::len).sum::<usize>();
    match collect(assigned, classes, settings.min_per_class) {
        Ok(Kept { classes, dropped, parts: [train, dev, test] }) => {
            let (language, attribute) = (language.to_string(), attribute.to_string());
            Ok(Split { language, attribute, classes, train, dev, test, dropped, without_lemma, seen_lemmas })
        }
        Err(counts) => Err(NoCell::TooFewClasses {
            language: language.to_string(),
            attribute: attribute.to_string(),
            min_per_class: settings.min_per_class,
            counts,
        }),
    }
}

/// The part of each type if the list is cut in three by length.
fn cut(types: usize, [train, dev, _]: [f64; PARTS]) -> Vec<usize> {
    let end = |share: f64| (share * types as f64).round() as usize;
    let (first, second) = (end(train), end(train + dev));
    (0..types).map(|i| usize::from(i >= first) + usize::from(i >= second)).collect()
}

/// The members of each part.
type Assigned = [Vec<Member>; PARTS];

fn assign(groups: &[Group], parts: &[usize]) -> Assigned {
    let mut assigned = Assigned::default();
    for (group, &part) in groups.iter().zip(parts) {
        assigned[part].extend(&group.members);
    }
    assigned
}

/// The parts that the files' names tell.
fn official(words: &[Word], members: &[Member], language: &str) -> Result<Assigned, NoCell> {
    let mut assigned = Assigned::default();
    let mut files: BTreeMap<&str, Option<OfficialSplit>> = BTreeMap::new();
    for word in words {
        files.entry(&word.file).or_insert_with(|| OfficialSplit::of_file(&word.file));
    }
    let none = |reason| NoCell::NoOfficialSplit { language: language.to_string(), reason };
    if let Some((file, _)) = files.iter().find(|(_, part)| part.is_none()) {
        return Err(none(format!("the name of {file:?} does not tell its part, as `-ud-train.conllu` does")));
    }
    let missing: Vec<String> = [OfficialSplit::Train, OfficialSplit::Dev, OfficialSplit::Test]
        .into_iter()
        .filter(|part| !files.values().flatten().any(|found| found == part))
        .map(|part| part.to_string())
        .collect();
    if !missing.is_empty() && !files.is_empty() {
        let names: Vec<&str> = files.keys().copied().collect();
        return Err(none(format!("none of its files is {} ({})", missing.join(" or "), names.join(", "))));
    }
    for member in members {
        let part = words.get(member.word).and_then(|word| files.get(&*word.file)).copied().flatten();
        assigned[part.map_or(0, |part| part as usize)].push(*member);
    }
    Ok(assigned)
}

/// Leaves out words of dev and test whose lemma is in a part before.
fn leave_out_seen(assigned: &mut Assigned) {
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for part in assigned {
        part.retain(|member| !seen.contains(&member.lemma));
        seen.extend(part.iter().map(|member| member.lemma));
    }
}

/// The classes that stay.
struct Kept {
    classes: Vec<String>,
    dropped: BTreeMap<String, [usize; PARTS]>,
    parts: [Part; PARTS],
}

/// Builds the parts out of the classes that stay; else every class's counts.
fn collect(
    assigned: Assigned,
    classes: Vec<String>,
    min_per_class: usize,
) -> Result<Kept, BTreeMap<String, [usize; PARTS]>> {
    let mut counts = vec![[0; PARTS]; classes.len()];
    for (p, part) in assigned.iter().enumerate() {
        for member in part {
            counts[member.class][p] += 1;
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
    let parts = assigned.map(|mut members| {
        members.sort_unstable_by_key(|member| member.word);
        let mut part = Part::default();
        for Member { word, class, lemma } in members {
            if let Some(class) = new_index[class] {
                part.words.push(word);
                part.classes.push(class);
                part.lemmas.push(lemma);
            }
        }
        part
    });
    Ok(Kept { classes: kept, dropped, parts })
}

#[cfg(test)]
mod tests;
