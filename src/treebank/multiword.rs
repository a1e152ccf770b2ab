//! Multiword tokens: words of the text that are several syntactic words.

use super::attributes::{serde_as_text, Attributes};
use super::conllu::Row;
use crate::{Error, Result};
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What a multiword token (Spanish `dámelo`, French `du`) becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Multiword {
    /// `surface`: one word, as in the text. An attribute survives on it if exactly one part has it. Its lemma is that of
    /// its one content word (`dámelo`: `dar`), so that this lemma cannot enter two parts of a split in clitics' company;
    /// with none or several, the parts' lemmas joined by `+` (`du`: `de+le`). An attribute goes by the lemma of the part
    /// that gave it ([`Word::lemma_of`](super::Word::lemma_of); `it's`: Tense of `be`).
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

/// A multiword token in the making.
pub(super) struct Parts<'a> {
    pub last: u32,
    pub range: &'a Row<'a>,
    pub parts: Vec<(&'a Row<'a>, Attributes)>,
}

/// Parts of speech of words that a language cannot freely add to, and of what is no word.
const FUNCTION_WORDS: [&str; 10] = ["ADP", "AUX", "CCONJ", "DET", "PART", "PRON", "PUNCT", "SCONJ", "SYM", "X"];

/// What a word goes by.
pub(super) struct Lemmas {
    pub own: Option<String>,
    pub of_attributes: BTreeMap<String, String>,
}

impl Lemmas {
    pub fn of(row: &Row<'_>) -> Lemmas {
        Lemmas { own: row.lemma.map(str::to_string), of_attributes: BTreeMap::new() }
    }
}

impl Parts<'_> {
    /// The attributes that exactly one part has, the lemmas, and the names of attributes that several parts have.
    pub fn joined(&self) -> (Attributes, Lemmas, Vec<&str>) {
        let mut found: BTreeMap<&str, Option<(&str, &Row<'_>)>> = BTreeMap::new();
        for (row, attributes) in &self.parts {
            for (name, value) in attributes.iter() {
                found.entry(name).and_modify(|from| *from = None).or_insert(Some((value, row)));
            }
        }
        let mut lemmas = Lemmas { own: self.lemma(), of_attributes: BTreeMap::new() };
        for (name, from) in &found {
            let Some((_, row)) = from else { continue };
            let lemma = row.lemma.unwrap_or(row.form);
            if lemmas.own.as_deref() != Some(lemma) {
                lemmas.of_attributes.insert(name.to_string(), lemma.to_string());
            }
        }
        let shared = found.iter().filter(|(_, from)| from.is_none()).map(|(name, _)| *name).collect();
        (found.into_iter().filter_map(|(name, from)| Some((name, from?.0))).collect(), lemmas, shared)
    }

    /// The lemma of the one content word, or all joined; none where one of these is missing.
    fn lemma(&self) -> Option<String> {
        let is_content = |row: &Row| row.upos.is_some_and(|upos| !FUNCTION_WORDS.contains(&upos));
        let mut content = self.parts.iter().filter(|(row, _)| is_content(row));
        if let (Some((row, _)), None) = (content.next(), content.next()) {
            return row.lemma.map(str::to_string);
        }
        let lemmas: Option<Vec<&str>> = self.parts.iter().map(|(row, _)| row.lemma).collect();
        lemmas.map(|lemmas| lemmas.join("+"))
    }
}
