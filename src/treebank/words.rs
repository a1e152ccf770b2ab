//! Words with attributes, from the sentences of a language's treebank.

use super::attributes::{serde_as_text, Attributes, Scheme};
use super::conllu::{self, Sentence, Token, TokenId};
use super::unimorph;
use crate::{Error, Result};
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// What a multiword token (Spanish `dámelo`, French `du`) becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Multiword {
    /// `surface`: one word, as in the text. An attribute survives on it if exactly one part has it. Its lemma is that of
    /// its one content word (`dámelo`: `dar`), so that a lemma cannot enter two parts of a split in clitics' company;
    /// with none or several, the parts' lemmas joined by `+` (`du`: `de+le`).
    #[default]
    Surface,
    /// `parts`: its syntactic words. In the text, spaces part them.
    Parts,
}

impl fmt::Display for Multiword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Multiword::Surface => "surface",
            Multiword::Parts => "parts",
        })
    }
}

impl FromStr for Multiword {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "surface" => Ok(Multiword::Surface),
            "parts" => Ok(Multiword::Parts),
            _ => Err(Error::unknown("multiword option", text, "surface or parts")),
        }
    }
}

serde_as_text!(Multiword);

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The sentence, counted from 0 over the whole treebank.
    pub sentence: usize,
    /// The word as written; may contain spaces.
    pub form: String,
    /// Its lemma, where the treebank has one.
    pub lemma: Option<String>,
    /// Its attributes in the scheme it was read with.
    pub attributes: Attributes,
    /// The treebank's language.
    pub language: Arc<str>,
    /// The file's name without its folder, so that tables do not depend on the machine.
    pub file: Arc<str>,
    /// The sentence's `sent_id`; `line-N`, where it begins in the file, for a sentence without one.
    pub sentence_id: String,
    /// The id in the sentence: `8`, or `8-9` for a multiword token.
    pub token_id: String,
    /// Whether a space follows in the text.
    pub space_after: bool,
}

/// What was read, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Syntactic words: what Universal Dependencies counts as tokens of a treebank.
    pub syntactic_words: usize,
    /// Multiword tokens.
    pub multiword_tokens: usize,
    /// Empty nodes, all dropped.
    pub empty_nodes: usize,
    /// Words without a lemma.
    pub without_lemma: usize,
    /// Sentences skipped as defective; 0 unless lenient.
    pub skipped_sentences: usize,
    /// Pairs `Feature=Value` (and `UPOS=Value`) to the syntactic words on which they gave no attribute: unknown, without
    /// a counterpart in the scheme, of several values (`Case=Acc,Dat`), or taken away by a correction for the language.
    pub unmapped: BTreeMap<String, usize>,
    /// Pairs to the syntactic words on which their value lost against another of the same dimension.
    pub outranked: BTreeMap<String, usize>,
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

    /// Reads a language's files, pooled. The language decides which corrections of the UniMorph mapping apply.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read; [`Error::Line`] for the first defect, unless lenient; [`Error::Data`] if
    /// the files have no word.
    pub fn read_with(language: &str, paths: &[PathBuf], settings: &ReadSettings) -> Result<Treebank> {
        let mut builder = Builder::new(language, settings);
        for path in paths {
            builder.open(path);
            for sentence in conllu::open(path)? {
                match sentence {
                    Ok(sentence) => builder.add(&sentence),
                    Err(error @ Error::Line { .. }) if settings.lenient => {
                        tracing::warn!("skipped a sentence: {error}");
                        builder.treebank.counts.skipped_sentences += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
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

pub(super) struct Builder<'a> {
    settings: &'a ReadSettings,
    treebank: Treebank,
    language: Arc<str>,
    file: Arc<str>,
    /// By part of speech and features as written: a treebank has few hundred of them.
    cache: HashMap<String, Entry>,
    key: String,
}

impl<'a> Builder<'a> {
    pub(super) fn new(language: &str, settings: &'a ReadSettings) -> Self {
        let treebank = Treebank {
            language: language.to_string(),
            scheme: settings.scheme,
            words: Vec::new(),
            sentences: Vec::new(),
            counts: Counts::default(),
        };
        let (cache, key) = (HashMap::new(), String::new());
        Builder { settings, treebank, language: Arc::from(language), file: Arc::from(""), cache, key }
    }

    /// What follows is from this file.
    pub(super) fn open(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        self.file = Arc::from(name.as_ref());
    }

    /// The words of the next sentence, without those of the sentences before.
    pub(super) fn one(&mut self, sentence: &Sentence) -> &[Word] {
        self.treebank.words.clear();
        self.add(sentence);
        &self.treebank.words
    }

    fn add(&mut self, sentence: &Sentence) {
        let start = self.treebank.words.len();
        let mut range: Option<Parts> = None;
        for token in &sentence.tokens {
            match token.id {
                TokenId::Empty(..) => self.treebank.counts.empty_nodes += 1,
                TokenId::Range(_, last) => {
                    self.treebank.counts.multiword_tokens += 1;
                    range = Some(Parts { last, range: token, parts: Vec::new() });
                }
                TokenId::Word(id) => {
                    self.treebank.counts.syntactic_words += 1;
                    let attributes = self.attributes(token);
                    let Some(mut parts) = range.take() else {
                        self.push(sentence, token, token.lemma.clone(), attributes, token.space_after());
                        continue;
                    };
                    let closes = id == parts.last;
                    if self.settings.multiword == Multiword::Parts {
                        let space = !closes || parts.range.space_after();
                        self.push(sentence, token, token.lemma.clone(), attributes, space);
                    } else {
                        parts.parts.push((token, attributes));
                        if closes {
                            let space = parts.range.space_after();
                            self.push(sentence, parts.range, parts.lemma(), parts.attributes(), space);
                        }
                    }
                    range = Some(parts).filter(|_| !closes);
                }
            }
        }
        self.treebank.sentences.push(start..self.treebank.words.len());
    }

    fn push(
        &mut self,
        sentence: &Sentence,
        token: &Token,
        lemma: Option<String>,
        attributes: Attributes,
        space_after: bool,
    ) {
        self.treebank.counts.without_lemma += usize::from(lemma.is_none());
        self.treebank.words.push(Word {
            sentence: self.treebank.sentences.len(),
            form: token.form.clone(),
            lemma,
            attributes,
            language: self.language.clone(),
            file: self.file.clone(),
            sentence_id: sentence.id.clone().unwrap_or_else(|| format!("line-{}", sentence.line)),
            token_id: token.id.to_string(),
            space_after,
        });
    }

    fn attributes(&mut self, token: &Token) -> Attributes {
        self.key.clear();
        for part in token.upos.iter().map(|upos| ("", upos)).chain(token.feats.iter().map(|(n, v)| (n.as_str(), v))) {
            self.key.push_str(part.0);
            self.key.push('=');
            self.key.push_str(part.1);
            self.key.push('|');
        }
        if let Some(entry) = self.cache.get_mut(&self.key) {
            entry.count += 1;
            return entry.attributes.clone();
        }
        let mut mapped = match self.settings.scheme {
            Scheme::Unimorph => unimorph::map(&self.treebank.language, token.upos.as_deref(), &token.feats),
            Scheme::Ud => as_annotated(token),
        };
        let attributes = Attributes::from(std::mem::take(&mut mapped.tags));
        self.cache.insert(self.key.clone(), Entry { mapped, attributes: attributes.clone(), count: 1 });
        attributes
    }

    fn finish(mut self) -> Treebank {
        let counts = &mut self.treebank.counts;
        // Sums do not depend on the map's order.
        for Entry { mapped, count, .. } in self.cache.into_values() {
            for pair in mapped.unmapped {
                *counts.unmapped.entry(pair).or_default() += count;
            }
            for pair in mapped.outranked {
                *counts.outranked.entry(pair).or_default() += count;
            }
        }
        self.treebank
    }
}

/// Scheme `ud`: features of one value, and the part of speech.
fn as_annotated(token: &Token) -> unimorph::Mapped {
    let mut mapped = unimorph::Mapped::default();
    for (name, value) in token.feats.iter() {
        if value.contains(',') {
            mapped.unmapped.push(format!("{name}={value}"));
        } else {
            mapped.tags.insert(name.clone(), value.clone());
        }
    }
    if let Some(upos) = &token.upos {
        mapped.tags.insert("POS".to_string(), upos.clone());
    }
    mapped
}

/// A multiword token in the making.
struct Parts<'a> {
    last: u32,
    range: &'a Token,
    parts: Vec<(&'a Token, Attributes)>,
}

/// Parts of speech of words that a language cannot freely add to, and of what is no word.
const FUNCTION_WORDS: [&str; 10] = ["ADP", "AUX", "CCONJ", "DET", "PART", "PRON", "PUNCT", "SCONJ", "SYM", "X"];

impl Parts<'_> {
    /// The attributes that exactly one part has.
    fn attributes(&self) -> Attributes {
        let mut found: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (name, value) in self.parts.iter().flat_map(|(_, attributes)| attributes.iter()) {
            found.entry(name).and_modify(|value| *value = None).or_insert(Some(value));
        }
        found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The lemma of the one content word, or all joined; none where one of these is missing.
    fn lemma(&self) -> Option<String> {
        let is_content = |token: &Token| token.upos.as_deref().is_some_and(|upos| !FUNCTION_WORDS.contains(&upos));
        let mut content = self.parts.iter().filter(|(token, _)| is_content(token));
        if let (Some((token, _)), None) = (content.next(), content.next()) {
            return token.lemma.clone();
        }
        let lemmas: Option<Vec<&str>> = self.parts.iter().map(|(token, _)| token.lemma.as_deref()).collect();
        lemmas.map(|lemmas| lemmas.join("+"))
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
