//! From Universal Dependencies to UniMorph.
//!
//! The mapping is data (`unimorph.tsv`); what a table cannot say is here: dimensions that are made of several features,
//! and the corrections for single languages, where a treebank's annotation differs from UniMorph's categories (McCarthy
//! et al. 2018; Wang, Minervini and Ponti 2024, arXiv 2406.13229).
//!
//! The corrections, in this order:
//!
//! | rule | languages |
//! | --- | --- |
//! | a passive participle is past | pt |
//! | imperfective becomes past (not participles, gerunds) | ca es fr pt |
//! | past without an aspect becomes perfective (not participles and gerunds) | ca es fr pt |
//! | the imperfect subjunctive loses its aspect and is past | ca es fr |
//! | conditional and imperative lose the present | ca fr |
//! | the imperative loses the present | es |
//! | the imperative is of positive polarity unless negated | ca es fr |
//! | participles lose gender and number | fr |
//! | indicative and passive go | en |
//! | a present without a person is the infinitive (not participles, gerunds) | en |
//! | finite verbs lose their finiteness | ca en es fr pt |
//! | gender goes | ur |
//!
//! Gerunds are in the table: present participles in Catalan, English and Portuguese and present converbs in Spanish and
//! French, so verbs in the present.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// The mapping's lines.
const TABLE: &str = include_str!("unimorph.tsv");

#[derive(Debug)]
struct Row {
    /// The line, which decides between competing values.
    order: usize,
    /// For these languages alone; for all if there is none.
    languages: Vec<&'static str>,
    /// Dimension and value; no value where the pair says that there is none.
    tags: Vec<(&'static str, Option<&'static str>)>,
}

fn parse_row(order: usize, line: &'static str) -> Option<(&'static str, Row)> {
    let mut columns = line.split('\t');
    let (pair, tags, languages) = (columns.next()?, columns.next()?, columns.next());
    let parse = |tag: &'static str| {
        let (dimension, value) = tag.split_once('=')?;
        Some((dimension, (value != "-").then_some(value)))
    };
    let tags = match tags {
        "-" => Vec::new(),
        _ => tags.split(';').map(parse).collect::<Option<_>>()?,
    };
    let languages = languages.map(|names| names.split(',').collect()).unwrap_or_default();
    Some((pair, Row { order, languages, tags }))
}

/// Rows by pair. A line that breaks the format would be left out; a test sees that there is none.
static ROWS: LazyLock<HashMap<&'static str, Vec<Row>>> = LazyLock::new(|| {
    let mut rows: HashMap<&str, Vec<Row>> = HashMap::new();
    for (order, line) in TABLE.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if let Some((pair, row)) = parse_row(order, line) {
            rows.entry(pair).or_default().push(row);
        }
    }
    rows
});

/// A word's dimensions, and what became of the annotation that gave none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapped {
    /// Dimension to value.
    pub tags: BTreeMap<String, String>,
    /// Pairs `Feature=Value` (and `UPOS=Value`) without a tag.
    pub unmapped: Vec<String>,
    /// Pairs whose tag lost against another of the same dimension.
    pub outranked: Vec<String>,
}

/// Maps one word. `language` is an ISO 639-1 code, with or without a region (`pt-BR`).
pub(super) fn map(language: &str, upos: Option<&str>, feats: &[(String, String)]) -> Mapped {
    let language = language.split(['-', '_']).next().unwrap_or(language);
    let mut mapped = Mapped::default();
    let mut rows: Vec<(&Row, String)> = Vec::new();
    let layered = layered(feats);
    let pairs = upos.map(|upos| ("UPOS", upos)).into_iter();
    for (name, value) in pairs.chain(feats.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
        if layered.iter().any(|layer| name == layer.person || name == layer.number) {
            continue;
        }
        let pair = format!("{name}={value}");
        let found = ROWS.get(pair.as_str()).and_then(|rows| {
            rows.iter()
                .find(|row| row.languages.contains(&language))
                .or_else(|| rows.iter().find(|row| row.languages.is_empty()))
        });
        match found {
            Some(row) if row.tags.iter().any(|(_, value)| value.is_some()) => rows.push((row, pair)),
            Some(row) => {
                mapped.unmapped.push(pair.clone());
                rows.push((row, pair));
            }
            None => mapped.unmapped.push(pair),
        }
    }
    rows.sort_by_key(|(row, _)| row.order);
    let mut tags = Tags::default();
    for (row, pair) in rows {
        for &(dimension, value) in &row.tags {
            let current = tags.0.entry(dimension).or_insert_with(|| value.map(str::to_string));
            // A word's part of speech regularly gives way to its form (participles): that is no loss.
            if dimension != "POS" && current.as_deref() != value {
                mapped.outranked.push(pair.clone());
            }
        }
    }
    for layer in layered {
        tags.join(layer.dimension, layer.tag);
    }
    correct(language, &mut tags, feats);
    mapped.tags = tags.0.into_iter().filter_map(|(dimension, value)| Some((dimension.to_string(), value?))).collect();
    mapped
}

/// Person and number of a layer that UniMorph has as one tag: of the possessor (`PSS1S`) or of an argument that the verb
/// agrees with (`ARGER3P`).
struct Layer {
    person: String,
    number: String,
    dimension: &'static str,
    tag: String,
}

fn layered(feats: &[(String, String)]) -> Vec<Layer> {
    if !feats.iter().any(|(name, _)| name.ends_with(']')) {
        return Vec::new();
    }
    let get = |wanted: &str| feats.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let layers = [
        ("psor", "Possession", "PSS"),
        ("abs", "ArgumentMarking", "ARGAB"),
        ("dat", "ArgumentMarking", "ARGDA"),
        ("erg", "ArgumentMarking", "ARGER"),
    ];
    let mut found = Vec::new();
    for (layer, dimension, prefix) in layers {
        let (person, number) = (format!("Person[{layer}]"), format!("Number[{layer}]"));
        let letter = match get(&number) {
            Some("Sing") => "S",
            Some("Dual") => "D",
            Some("Plur") => "P",
            _ => continue,
        };
        if let Some(digit @ ("1" | "2" | "3")) = get(&person) {
            let tag = format!("{prefix}{digit}{letter}");
            found.push(Layer { person, number, dimension, tag });
        }
    }
    found
}

/// Dimensions under construction.
#[derive(Default)]
struct Tags(BTreeMap<&'static str, Option<String>>);

impl Tags {
    fn is(&self, dimension: &str, value: &str) -> bool {
        self.get(dimension) == Some(value)
    }

    fn get(&self, dimension: &str) -> Option<&str> {
        self.0.get(dimension)?.as_deref()
    }

    fn set(&mut self, dimension: &'static str, value: &str) {
        self.0.insert(dimension, Some(value.to_string()));
    }

    /// Sets the dimension where it has no value yet.
    fn add(&mut self, dimension: &'static str, value: &str) {
        if self.get(dimension).is_none() {
            self.set(dimension, value);
        }
    }

    fn remove(&mut self, dimension: &str, value: &str) {
        if self.is(dimension, value) {
            self.0.remove(dimension);
        }
    }

    /// Values of one dimension that hold together: `ARGAB3S+ARGER1S`.
    fn join(&mut self, dimension: &'static str, value: String) {
        let joined = match self.get(dimension) {
            Some(earlier) => format!("{earlier}+{value}"),
            None => value,
        };
        self.0.insert(dimension, Some(joined));
    }
}

fn correct(language: &str, tags: &mut Tags, feats: &[(String, String)]) {
    if !matches!(language, "ca" | "en" | "es" | "fr" | "pt" | "ur") {
        return;
    }
    let has_form = |form: &str| feats.iter().any(|(name, value)| name == "VerbForm" && value == form);
    let participle = has_form("Part");
    let nominal = participle || has_form("Ger");
    if language == "pt" && participle && tags.is("Voice", "PASS") {
        tags.add("Tense", "PST");
    }
    if matches!(language, "ca" | "es" | "fr" | "pt") && !nominal {
        if tags.is("Aspect", "IPFV") {
            tags.set("Tense", "PST");
        } else if tags.is("Tense", "PST") {
            tags.add("Aspect", "PFV");
        }
    }
    if matches!(language, "ca" | "es" | "fr") {
        if tags.is("Mood", "SBJV") {
            tags.remove("Aspect", "IPFV");
        }
        if tags.is("Mood", "IMP") {
            tags.remove("Tense", "PRS");
            tags.add("Polarity", "POS");
        }
        if tags.is("Mood", "COND") && language != "es" {
            tags.remove("Tense", "PRS");
        }
    }
    match language {
        "fr" if participle => {
            tags.0.remove("Gender");
            tags.0.remove("Number");
        }
        "en" => {
            tags.remove("Mood", "IND");
            tags.remove("Voice", "PASS");
            if tags.is("Tense", "PRS") && tags.get("Person").is_none() && !nominal {
                tags.remove("Tense", "PRS");
                tags.set("Finiteness", "NFIN");
            }
        }
        "ur" => {
            tags.0.remove("Gender");
        }
        _ => {}
    }
    if language != "ur" {
        tags.remove("Finiteness", "FIN");
    }
}

#[cfg(test)]
#[path = "unimorph_tests.rs"]
mod tests;
