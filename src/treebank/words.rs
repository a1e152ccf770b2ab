//! Words with attributes, from the sentences of a language's treebank.

use super::attributes::{Attributes, Scheme};
use super::conllu::{self, Block, Row, TokenId};
use super::multiword::{Lemmas, Multiword, Parts};
use super::provenance::{hash_forms, names, Ids};
use super::split::spelling;
use super::{source, unimorph};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufRead;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// How a treebank is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadSettings {
    /// How attributes are named.
    pub scheme: Scheme,
    /// What multiword tokens become.
    pub multiword: Multiword,
    /// Skip and count defective sentences instead of stopping at the first.
    pub lenient: bool,
}

/// A word of a treebank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The sentence, counted from 0 over the whole treebank.
    pub sentence: usize,
    /// The word as written; may contain spaces.
    pub form: String,
    /// Its lemma, where the treebank has one.
    pub lemma: Option<String>,
    /// Its attributes in the scheme it was read with.
    pub attributes: Attributes,
    /// The attributes of a multiword token that came from a part of another lemma than the token's own, with the lemma of
    /// that part (its form, if it has none); see [`Word::lemma_of`].
    pub attribute_lemmas: BTreeMap<String, String>,
    /// The treebank's language.
    pub language: Arc<str>,
    /// The file's name without its folder, so that tables do not depend on the machine; of files that share a name, with
    /// as many folders as tell them apart. [`OfficialSplit::of_file`](super::OfficialSplit::of_file) takes it.
    pub file: Arc<str>,
    /// The sentence's `sent_id`; `line-N`, where it begins in the file, for a sentence without one, and `ID@line-N` for
    /// one whose id an earlier sentence of the file has: file, sentence and token are one place in a treebank.
    pub sentence_id: String,
    /// What sentences of the same words have in common, however their letters are encoded and capitalised: a hash of all
    /// words of the sentence, which [`SplitMethod::Sentences`](super::SplitMethod::Sentences) takes where only some of them
    /// are left. `None` where it is not known.
    pub sentence_hash: Option<u64>,
    /// The id in the sentence: `8`, or `8-9` for a multiword token.
    pub token_id: String,
    /// Whether a space follows in the text.
    pub space_after: bool,
}

impl Word {
    /// The lemma that an attribute of the word goes by, where one is known: that of the part of a multiword token that the
    /// attribute came from, else the word's own. No lemma of an attribute is in two parts of a split by lemma.
    ///
    /// # Examples
    /// ```
    /// use isogloss::treebank::{conllu, ReadSettings, Scheme, Treebank};
    /// let text = "1-2\tit's\t_\t_\t_\t_\t_\t_\t_\t_\n\
    ///     1\tit\tit\tPRON\t_\tPerson=3\t2\tnsubj\t_\t_\n\
    ///     2\t's\tbe\tAUX\t_\tTense=Pres|VerbForm=Fin\t0\troot\t_\t_\n";
    /// let stream = conllu::Reader::new(text.as_bytes(), "its.conllu");
    /// let settings = ReadSettings { scheme: Scheme::Ud, ..ReadSettings::default() };
    /// let its = &Treebank::read_stream("en", stream, &settings)?.words[0];
    /// assert_eq!(its.lemma_of("Tense"), Some("be"));
    /// assert_eq!((its.lemma_of("Person"), its.lemma.as_deref()), (Some("it"), Some("it+be")));
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn lemma_of(&self, attribute: &str) -> Option<&str> {
        self.attribute_lemmas.get(attribute).or(self.lemma.as_ref()).map(String::as_str)
    }
}

/// What was read, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Syntactic words: what Universal Dependencies counts as tokens of a treebank.
    pub syntactic_words: usize,
    /// Multiword tokens.
    pub multiword_tokens: usize,
    /// Empty nodes, all dropped.
    pub empty_nodes: usize,
    /// Words without a lemma.
    pub without_lemma: usize,
    /// Sentences without a `sent_id`.
    pub sentences_without_id: usize,
    /// Sentences with the `sent_id` of an earlier one of the same file.
    pub repeated_sentence_ids: usize,
    /// Sentences skipped as defective; 0 unless lenient.
    pub skipped_sentences: usize,
    /// Pairs `Feature=Value` (and `UPOS=Value`) to the syntactic words on which they gave no attribute: unknown, without
    /// a counterpart in the scheme, of several values (`Case=Acc,Dat`), or taken away by a correction for the language; and
    /// to the multiword tokens on whose own line they stand (`Typo=Yes`), which give nothing: attributes come from parts.
    pub unmapped: BTreeMap<String, usize>,
    /// Pairs to the syntactic words on which their value lost against another of the same dimension.
    pub outranked: BTreeMap<String, usize>,
    /// Attributes to the multiword tokens that have none of it because two or more of their parts do; none with
    /// [`Multiword::Parts`].
    pub shared: BTreeMap<String, usize>,
}

/// The words of one language's treebank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treebank {
    /// ISO 639-1 code.
    pub language: String,
    /// How the attributes are named.
    pub scheme: Scheme,
    /// All words, in the order of the files.
    pub words: Vec<Word>,
    /// The words of each sentence: ranges of `words`.
    pub sentences: Vec<Range<usize>>,
    /// What was read, and what was left out.
    pub counts: Counts,
}

impl Treebank {
    /// Reads a language's files, pooled, with multiword tokens as surface words.
    ///
    /// # Errors
    /// As [`Treebank::read_with`].
    pub fn read(language: &str, paths: &[PathBuf], scheme: Scheme) -> Result<Treebank> {
        Treebank::read_with(language, paths, &ReadSettings { scheme, ..ReadSettings::default() })
    }

    /// Reads a language's files, pooled; a folder stands for its files as in [`Source`](super::Source). The language
    /// decides which corrections of the UniMorph mapping apply.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read; [`Error::Line`] for the first defect, unless lenient; [`Error::File`] for
    /// damaged compressed data and a folder without treebank files; [`Error::Data`] for a file named twice, and if the
    /// files have no word.
    pub fn read_with(language: &str, paths: &[PathBuf], settings: &ReadSettings) -> Result<Treebank> {
        let paths = source::files(paths)?;
        let mut builder = Builder::new(language, settings, true);
        for (path, name) in paths.iter().zip(names(&paths)) {
            builder.open(name);
            builder.add_all(conllu::open(path)?)?;
        }
        let treebank = builder.finish();
        if treebank.words.is_empty() {
            let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            return Err(Error::Data(format!(
                "the treebank of `{language}` has no words (files: {})",
                names.join(", ")
            )));
        }
        Ok(treebank)
    }

    /// Reads what is no file: the rest of a stream, which may be without words.
    ///
    /// # Errors
    /// As [`Treebank::read_with`].
    ///
    /// # Examples
    /// ```
    /// use isogloss::treebank::{conllu, ReadSettings, Treebank};
    /// let text = "1\tbares\tbar\tNOUN\t_\tNumber=Plur\t0\troot\t_\t_\n";
    /// let stream = conllu::Reader::new(text.as_bytes(), "bar.conllu");
    /// let treebank = Treebank::read_stream("es", stream, &ReadSettings::default())?;
    /// assert_eq!(treebank.words[0].attributes.to_string(), "Number=PL|POS=N");
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn read_stream<R: BufRead>(
        language: &str,
        stream: conllu::Reader<R>,
        settings: &ReadSettings,
    ) -> Result<Treebank> {
        let mut builder = Builder::new(language, settings, true);
        builder.open(names(&[stream.path().to_path_buf()]).pop().unwrap_or_else(|| Arc::from("")));
        builder.add_all(stream)?;
        Ok(builder.finish())
    }

    /// The words of each sentence.
    pub fn sentences(&self) -> impl Iterator<Item = &[Word]> {
        self.sentences.iter().map(|range| self.words.get(range.clone()).unwrap_or_default())
    }

    /// Words that follow each other as text, with each word's byte range in it: forms, and spaces where the treebank has
    /// them, with none at the end.
    ///
    /// # Examples
    /// ```
    /// # use isogloss::treebank::{Treebank, Scheme};
    /// # let path = std::env::temp_dir().join(format!("isogloss-text-{}.conllu", std::process::id()));
    /// # std::fs::write(&path, "1\tYes\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n2\t,\t_\t_\t_\t_\t_\t_\t_\t_\n3\tmy lord\t_\t_\t_\t_\t_\t_\t_\t_\n")
    /// #     .map_err(isogloss::Error::io(&path, "write"))?;
    /// # let treebank = Treebank::read("en", &[path.clone()], Scheme::Ud)?;
    /// # let _ = std::fs::remove_file(&path);
    /// let (text, ranges) = Treebank::text(&treebank.words);
    /// assert_eq!(text, "Yes, my lord");
    /// assert_eq!(ranges, [0..3, 3..4, 5..12]);
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn text(words: &[Word]) -> (String, Vec<Range<usize>>) {
        let mut text = String::new();
        let mut ranges = Vec::with_capacity(words.len());
        let mut space = false;
        for word in words {
            if space {
                text.push(' ');
            }
            let start = text.len();
            text.push_str(&word.form);
            ranges.push(start..text.len());
            space = word.space_after;
        }
        (text, ranges)
    }

    /// Which words tell all that a [`split`](super::split()) of these attributes needs to know: those that have one, and where some
    /// of these have no lemma, the words of their forms, whose lemmas they may be of. A split of the words that this keeps has
    /// the same parts as one of all words.
    pub fn needed_for(&self, attributes: &[String]) -> impl Fn(&Word) -> bool + Send + Sync + use<> {
        let attributes = attributes.to_vec();
        let mut forms = HashSet::new();
        for word in &self.words {
            let without = |name: &String| word.attributes.get(name).is_some() && word.lemma_of(name).is_none();
            if attributes.iter().any(without) {
                forms.insert(spelling(&word.form));
            }
        }
        move |word| {
            attributes.iter().any(|name| word.attributes.get(name).is_some())
                || (!forms.is_empty() && word.lemma.is_some() && forms.contains(&spelling(&word.form)))
        }
    }

    /// The words of each class of each attribute.
    pub fn class_counts(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for word in &self.words {
            for (name, value) in word.attributes.iter() {
                match counts.get_mut(name).and_then(|classes| classes.get_mut(value)) {
                    Some(count) => *count += 1,
                    None => *counts.entry(name.to_string()).or_default().entry(value.to_string()).or_default() += 1,
                }
            }
        }
        counts
    }

    /// Checks that an attribute is one of the scheme's, or occurs in this treebank.
    ///
    /// # Errors
    /// [`Error::Unknown`], listing the names that exist.
    pub fn check_attribute(&self, attribute: &str) -> Result<()> {
        match self.words.iter().any(|word| word.attributes.get(attribute).is_some()) {
            true => Ok(()),
            false => self.scheme.check_attribute(attribute),
        }
    }
}

/// What a part of speech with features becomes, and how often it came.
struct Entry {
    mapped: unimorph::Mapped,
    attributes: Attributes,
    count: usize,
}

/// Bounds the memory that a file of ever new features takes: their number, and their bytes as written.
const MAX_CACHED: usize = 10_000;
const MAX_CACHED_BYTES: usize = 1 << 20;

pub(super) struct Builder<'a> {
    settings: &'a ReadSettings,
    /// Whether pairs that are not mapped are counted, of which there may be as many as words.
    counts_pairs: bool,
    treebank: Treebank,
    /// Sentences so far.
    sentences: usize,
    language: Arc<str>,
    file: Arc<str>,
    ids: Ids,
    /// By part of speech and features as written: a treebank has few hundred of them.
    cache: HashMap<String, Entry>,
    cached_bytes: usize,
    key: String,
    text: String,
}

impl<'a> Builder<'a> {
    pub(super) fn new(language: &str, settings: &'a ReadSettings, counts_pairs: bool) -> Self {
        let treebank = Treebank {
            language: language.to_string(),
            scheme: settings.scheme,
            words: Vec::new(),
            sentences: Vec::new(),
            counts: Counts::default(),
        };
        Builder {
            settings,
            counts_pairs,
            treebank,
            sentences: 0,
            language: Arc::from(language),
            file: Arc::from(""),
            ids: Ids::default(),
            cache: HashMap::new(),
            cached_bytes: 0,
            key: String::new(),
            text: String::new(),
        }
    }

    /// What follows is from the file of this name.
    pub(super) fn open(&mut self, name: Arc<str>) {
        self.file = name;
        self.ids = Ids::default();
    }

    /// Keeps the words of all sentences of a stream.
    fn add_all<R: BufRead>(&mut self, mut stream: conllu::Reader<R>) -> Result<()> {
        while let Some(block) = stream.next_block() {
            match block {
                Ok(block) => {
                    let start = self.treebank.words.len();
                    self.add(&block);
                    self.treebank.sentences.push(start..self.treebank.words.len());
                }
                Err(error) => self.skip(error, stream.is_lost())?,
            }
        }
        Ok(())
    }

    /// Calls `visit` with the words of each sentence of a stream, and keeps none.
    pub(super) fn visit_all<R: BufRead>(
        &mut self,
        mut stream: conllu::Reader<R>,
        visit: &mut dyn FnMut(&[Word]) -> Result<()>,
    ) -> Result<()> {
        while let Some(block) = stream.next_block() {
            match block {
                Ok(block) => {
                    self.treebank.words.clear();
                    self.add(&block);
                    visit(&self.treebank.words)?;
                }
                Err(error) => self.skip(error, stream.is_lost())?,
            }
        }
        Ok(())
    }

    /// Counts a defective sentence where that is what the settings say, unless what follows is lost with it.
    fn skip(&mut self, error: Error, is_lost: bool) -> Result<()> {
        if !(self.settings.lenient && !is_lost && matches!(error, Error::Line { .. })) {
            return Err(error);
        }
        tracing::warn!("skipped a sentence: {error}");
        self.treebank.counts.skipped_sentences += 1;
        Ok(())
    }

    fn add(&mut self, block: &Block<'_>) {
        let counts = &mut self.treebank.counts;
        let sentence_id = self.ids.name(block.id, block.line, counts);
        let first = self.treebank.words.len();
        let mut range: Option<Parts> = None;
        for row in &block.rows {
            match row.id {
                TokenId::Empty(..) => self.treebank.counts.empty_nodes += 1,
                TokenId::Range(_, last) => {
                    self.treebank.counts.multiword_tokens += 1;
                    self.count_range(row);
                    range = Some(Parts { last, range: row, parts: Vec::new() });
                }
                TokenId::Word(id) => {
                    self.treebank.counts.syntactic_words += 1;
                    let attributes = self.attributes(row);
                    let Some(mut parts) = range.take() else {
                        self.push(&sentence_id, row, Lemmas::of(row), attributes, row.space_after());
                        continue;
                    };
                    let closes = id == parts.last;
                    if self.settings.multiword == Multiword::Parts {
                        let space = !closes || parts.range.space_after();
                        self.push(&sentence_id, row, Lemmas::of(row), attributes, space);
                    } else {
                        parts.parts.push((row, attributes));
                        if closes {
                            let space = parts.range.space_after();
                            let (attributes, lemmas, shared) = parts.joined();
                            for name in shared.into_iter().filter(|_| self.counts_pairs) {
                                *self.treebank.counts.shared.entry(name.to_string()).or_default() += 1;
                            }
                            self.push(&sentence_id, parts.range, lemmas, attributes, space);
                        }
                    }
                    range = Some(parts).filter(|_| !closes);
                }
            }
        }
        self.sentences += 1;
        let words = self.treebank.words.get_mut(first..).unwrap_or_default();
        let hash = Some(hash_forms(words.iter().map(|word| word.form.as_str()), &mut self.text));
        for word in words {
            word.sentence_hash = hash;
        }
    }

    /// Counts what a multiword token's own line says, of which nothing is taken.
    fn count_range(&mut self, row: &Row<'_>) {
        if !self.counts_pairs || (row.feats.is_empty() && row.upos.is_none()) {
            return;
        }
        let pairs = composed(&row.feats).iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        for pair in pairs.into_iter().chain(row.upos.map(|upos| format!("UPOS={upos}"))) {
            *self.treebank.counts.unmapped.entry(pair).or_default() += 1;
        }
    }

    fn push(&mut self, sentence_id: &str, row: &Row<'_>, lemmas: Lemmas, attributes: Attributes, space_after: bool) {
        self.treebank.counts.without_lemma += usize::from(lemmas.own.is_none());
        self.treebank.words.push(Word {
            sentence: self.sentences,
            form: row.form.to_string(),
            lemma: lemmas.own,
            attributes,
            attribute_lemmas: lemmas.of_attributes,
            sentence_hash: None,
            language: self.language.clone(),
            file: self.file.clone(),
            sentence_id: sentence_id.to_string(),
            token_id: match row.id {
                TokenId::Word(word) => word.to_string(),
                id => id.to_string(),
            },
            space_after,
        });
    }

    fn attributes(&mut self, row: &Row<'_>) -> Attributes {
        self.key.clear();
        // Neither column holds a tab.
        self.key.push_str(row.upos.unwrap_or("_"));
        self.key.push('\t');
        self.key.push_str(row.feats_column);
        if let Some(entry) = self.cache.get_mut(&self.key) {
            entry.count += 1;
            return entry.attributes.clone();
        }
        let feats = composed(&row.feats);
        let mut mapped = match self.settings.scheme {
            Scheme::Unimorph => unimorph::map(&self.treebank.language, row.upos, &feats),
            Scheme::Ud => as_annotated(row.upos, &feats),
        };
        let attributes = Attributes::from(std::mem::take(&mut mapped.tags));
        if self.cache.len() >= MAX_CACHED || self.cached_bytes + self.key.len() > MAX_CACHED_BYTES {
            self.settle();
        }
        self.cached_bytes += self.key.len();
        self.cache.insert(self.key.clone(), Entry { mapped, attributes: attributes.clone(), count: 1 });
        attributes
    }

    /// Counts what the cache says was not mapped, and empties it.
    fn settle(&mut self) {
        self.cached_bytes = 0;
        let counts = &mut self.treebank.counts;
        // Sums do not depend on the map's order.
        for (_, Entry { mapped, count, .. }) in self.cache.drain().filter(|_| self.counts_pairs) {
            for pair in mapped.unmapped {
                *counts.unmapped.entry(pair).or_default() += count;
            }
            for pair in mapped.outranked {
                *counts.outranked.entry(pair).or_default() += count;
            }
        }
    }

    pub(super) fn finish(mut self) -> Treebank {
        self.settle();
        self.treebank
    }
}

/// Features in Unicode's composed form (NFC): a value is one class however its letters are encoded.
fn composed(feats: &[(String, String)]) -> Cow<'_, [(String, String)]> {
    if feats.iter().all(|(name, value)| name.is_ascii() && value.is_ascii()) {
        return Cow::Borrowed(feats);
    }
    Cow::Owned(feats.iter().map(|(name, value)| (name.nfc().collect(), value.nfc().collect())).collect())
}

/// Scheme `ud`: features of one value, and the part of speech.
fn as_annotated(upos: Option<&str>, feats: &[(String, String)]) -> unimorph::Mapped {
    let mut mapped = unimorph::Mapped::default();
    for (name, value) in feats {
        // POS is the part of speech, and that stands in its own column.
        if value.contains(',') || name == "POS" {
            mapped.unmapped.push(format!("{name}={value}"));
        } else {
            mapped.tags.insert(name.clone(), value.clone());
        }
    }
    if let Some(upos) = upos {
        mapped.tags.insert("POS".to_string(), upos.to_string());
    }
    mapped
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
