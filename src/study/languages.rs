//! The languages of a study, with their words.

use super::Study;
use crate::activations::hash_words;
use crate::treebank::{Sentences, Source, Treebank, Word};
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A language with what is known of its words.
pub(super) struct Language {
    pub treebank: Treebank,
    /// Of the words as they were read.
    pub sha256: String,
    /// Words that have each attribute of the study.
    pub with_attribute: BTreeMap<String, usize>,
    /// Words that get a row.
    pub rows: usize,
    /// The words that get one: all that have an attribute, whichever the study asks for, so that another attribute changes nothing;
    /// and those that tell of what lemma these may be.
    pub wanted: Box<dyn Fn(&Word) -> bool + Send + Sync>,
}

/// Reads the treebanks, and checks that every attribute is in one of them.
pub(super) fn read_treebanks(study: &Study) -> Result<Vec<Language>> {
    let sources = study.sources()?;
    let settings = study.reading.of(study.scheme);
    let read = |source: &Source| Treebank::read_with(&source.language, &source.files, &settings);
    // The first error in order, whichever thread is first.
    let treebanks: Vec<Result<Treebank>> = sources.par_iter().map(read).collect();
    let treebanks: Vec<Treebank> = treebanks.into_iter().collect::<Result<_>>()?;
    for attribute in &study.attributes {
        let found = |treebank: &Treebank| treebank.words.iter().any(|word| word.attributes.get(attribute).is_some());
        if !treebanks.iter().any(found) {
            let words = treebanks.iter().flat_map(|treebank| &treebank.words);
            let known: BTreeSet<&str> = words.flat_map(|word| word.attributes.iter()).map(|(name, _)| name).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Error::unknown("attribute", attribute, format!("one that the treebanks have: {known}")));
        }
    }
    treebanks.into_par_iter().map(|treebank| language(study, treebank)).collect()
}

fn language(study: &Study, treebank: Treebank) -> Result<Language> {
    let with = |attribute: &String| {
        let words = treebank.words.iter().filter(|word| word.attributes.get(attribute).is_some());
        (attribute.clone(), words.count())
    };
    let sentences: &dyn Sentences = &treebank;
    let attributes: BTreeSet<&str> =
        treebank.words.iter().flat_map(|word| word.attributes.iter()).map(|(name, _)| name).collect();
    let attributes: Vec<String> = attributes.into_iter().map(str::to_string).collect();
    let wanted = treebank.needed_for(&attributes);
    let sha256 = hash_words(sentences, &wanted)?;
    let rows = treebank.words.iter().filter(|word| wanted(word)).count();
    Ok(Language {
        with_attribute: study.attributes.iter().map(with).collect(),
        sha256,
        rows,
        wanted: Box::new(wanted),
        treebank,
    })
}
