//! What may not be divided: the words of a lemma, or of a sentence.

use crate::treebank::provenance::hash_forms;
use crate::treebank::Word;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use unicode_normalization::{is_nfc_quick, IsNormalized, UnicodeNormalization};

/// Words that go to one part together.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Words, as indices into the words that are split.
    pub members: Vec<Member>,
    /// The classes that it has words of, ascending, and how many.
    pub counts: Vec<(usize, usize)>,
}

/// A word that has the attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Which word.
    pub word: usize,
    /// Its class.
    pub class: usize,
    /// Its lemma, by number.
    pub lemma: usize,
}

/// What two spellings of a lemma have in common: lower case in Unicode's composed normal form.
pub(in crate::treebank) fn spelling(text: &str) -> String {
    let lower = text.to_lowercase();
    match is_nfc_quick(lower.chars()) {
        IsNormalized::Yes => lower,
        _ => lower.nfc().collect(),
    }
}

/// Numbers for texts, the same for those of the same key; each spelling is looked at once.
#[derive(Default)]
struct Keys<'a> {
    spellings: HashMap<&'a str, usize>,
    numbers: BTreeMap<String, usize>,
}

impl<'a> Keys<'a> {
    fn number(&mut self, text: &'a str) -> usize {
        if let Some(&number) = self.spellings.get(text) {
            return number;
        }
        let next = self.numbers.len();
        let number = *self.numbers.entry(spelling(text)).or_insert(next);
        self.spellings.insert(text, number);
        number
    }
}

/// The lemmas that the members' attribute goes by, numbered in the order of their keys, whatever the order of the words; and how many members
/// have none.
///
/// A word without a lemma goes by its form: with the lemma that is written so, with every lemma that a word of this form has
/// anywhere among `words`, and with the other words of that form without one. Lemmas that meet in such a word become one,
/// for it could be of either.
pub(super) fn number_lemmas(words: &[Word], attribute: &str, members: &mut [Member]) -> usize {
    let mut keys = Keys::default();
    let mut without = 0;
    for member in members.iter_mut() {
        let Some(word) = words.get(member.word) else { continue };
        let lemma = word.lemma_of(attribute);
        without += usize::from(lemma.is_none());
        member.lemma = keys.number(lemma.unwrap_or(&word.form));
    }
    let mut sets = Sets::default();
    if without > 0 {
        let mut by_form = vec![false; keys.numbers.len()];
        let has_none = |member: &&Member| words.get(member.word).is_some_and(|word| word.lemma_of(attribute).is_none());
        for member in members.iter().filter(has_none) {
            by_form[member.lemma] = true;
        }
        for word in words {
            let Some(lemma) = word.lemma_of(attribute) else { continue };
            let form = keys.number(&word.form);
            if by_form.get(form) == Some(&true) {
                let lemma = keys.number(lemma);
                sets.join(form, lemma);
            }
        }
    }
    // The first key of each set stands for it.
    let mut order: Vec<Option<usize>> = vec![None; keys.numbers.len()];
    let mut lemmas = vec![0; keys.numbers.len()];
    let mut used = vec![false; keys.numbers.len()];
    for member in members.iter() {
        used[sets.root(member.lemma)] = true;
    }
    let mut next = 0;
    for &number in keys.numbers.values() {
        let root = sets.root(number);
        if used[root] {
            lemmas[number] = *order[root].get_or_insert_with(|| {
                next += 1;
                next - 1
            });
        }
    }
    for member in members.iter_mut() {
        member.lemma = lemmas[member.lemma];
    }
    without
}

/// Disjoint sets of numbers (Galler and Fischer 1964); numbers never joined stand alone.
#[derive(Default)]
struct Sets(HashMap<usize, usize>);

impl Sets {
    fn root(&mut self, mut number: usize) -> usize {
        while let Some(&above) = self.0.get(&number) {
            // Halves the way for those who come after.
            if let Some(&top) = self.0.get(&above) {
                self.0.insert(number, top);
            }
            number = above;
        }
        number
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.0.insert(a.max(b), a.min(b));
        }
    }
}

/// Groups of one lemma each, in the order of the lemmas.
pub(super) fn by_lemma(members: &[Member]) -> Vec<Group> {
    gather(members.iter().map(|member| (member.lemma, *member)))
}

/// Groups of one sentence each, in the order of their hashes; sentences of the same words are one group. Where a hash is not
/// known, it is that of the sentence's words that are there.
pub(super) fn by_sentence(words: &[Word], members: &[Member]) -> Vec<Group> {
    let mut sentences: BTreeMap<usize, (Option<u64>, Vec<&str>)> = BTreeMap::new();
    for word in words {
        let (hash, forms) = sentences.entry(word.sentence).or_default();
        *hash = word.sentence_hash;
        forms.push(&word.form);
    }
    let mut room = String::new();
    let hashes: BTreeMap<usize, u64> = sentences
        .into_iter()
        .map(|(sentence, (hash, forms))| (sentence, hash.unwrap_or_else(|| hash_forms(forms, &mut room))))
        .collect();
    let numbers: BTreeSet<u64> = hashes.values().copied().collect();
    let numbers: BTreeMap<u64, usize> = numbers.into_iter().enumerate().map(|(number, hash)| (hash, number)).collect();
    let of = |member: &Member| {
        let hash = hashes.get(&words.get(member.word)?.sentence)?;
        Some((*numbers.get(hash)?, *member))
    };
    gather(members.iter().filter_map(of)).into_iter().filter(|group| !group.members.is_empty()).collect()
}

fn gather(numbered: impl Iterator<Item = (usize, Member)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, member) in numbered {
        if groups.len() <= number {
            groups.resize_with(number + 1, Group::default);
        }
        let Some(group) = groups.get_mut(number) else { continue };
        group.members.push(member);
        match group.counts.binary_search_by_key(&member.class, |(class, _)| *class) {
            Ok(place) => group.counts[place].1 += 1,
            Err(place) => group.counts.insert(place, (member.class, 1)),
        }
    }
    groups
}
