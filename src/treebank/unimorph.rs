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
//! | an imperfective without a tense is past (not participles, gerunds, infinitives) | ca es fr pt |
//! | past without an aspect becomes perfective (not participles and gerunds) | ca es fr pt |
//! | the imperfect subjunctive loses its aspect and is past | ca es fr |
//! | conditional and imperative lose the present | ca fr |
//! | the imperative loses the present | es |
//! | the imperative is of positive polarity unless negated | ca es fr |
//! | participles lose gender and number | fr |
//! | indicative and passive go | en |
//! | a present without a person, a number or a mood is the infinitive (not participles, gerunds) | en |
//! | finite verbs lose their finiteness | ca en es fr pt |
//! | what has no mood (verbal nouns, participles) loses its finiteness | eu |
//! | determiners that are no possessives lose the third person | de hi ta tr ur |
//! | participles and verbal nouns with a case lose the third person | tr |
//! | gender goes | ur |
//!
//! Gerunds are in the table: present participles in Catalan, English and Portuguese and present converbs in Spanish and
//! French, so verbs in the present. Active participles are as annotated, in Portuguese too.
//!
//! A pair whose every tag a correction takes away counts as unmapped, as one without a tag does.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// The mapping's lines.
const TABLE: &str = include_str!("unimorph.tsv");

#[derive(Debug)]
struct Row {
    /// The line, which decides between competing values.
    order: usize,
    /// For words of these parts of speech alone; for all if there is none.
    parts_of_speech: Vec<&'static str>,
    /// For these languages alone; for all if there is none.
    languages: Vec<&'static str>,
    /// Dimension and value; no value where the pair says that there is none.
    tags: Vec<(&'static str, Option<&'static str>)>,
}

impl Row {
    fn fits(&self, language: &str, upos: Option<&str>) -> bool {
        let of_part = self.parts_of_speech.is_empty() || upos.is_some_and(|upos| self.parts_of_speech.contains(&upos));
        of_part && (self.languages.is_empty() || self.languages.contains(&language))
    }

    /// Of the lines that fit a word the one with the greatest is taken.
    fn specificity(&self) -> (bool, bool) {
        (!self.languages.is_empty(), !self.parts_of_speech.is_empty())
    }

    fn has_tag(&self) -> bool {
        self.tags.iter().any(|(_, value)| value.is_some())
    }
}

fn parse_row(order: usize, line: &'static str) -> Option<(&'static str, Row)> {
    let mut columns = line.split('\t');
    let (pair, tags, languages) = (columns.next()?, columns.next()?, columns.next());
    let (parts_of_speech, pair) = match pair.split_once(':') {
        Some((parts_of_speech, pair)) => (parts_of_speech.split(',').collect(), pair),
        None => (Vec::new(), pair),
    };
    let parse = |tag: &'static str| {
        let (dimension, value) = tag.split_once('=')?;
        Some((dimension, (value != "-").then_some(value)))
    };
    let tags = match tags {
        "-" => Vec::new(),
        _ => tags.split(';').map(parse).collect::<Option<_>>()?,
    };
    let languages = languages.map(|names| names.split(',').collect()).unwrap_or_default();
    Some((pair, Row { order, parts_of_speech, languages, tags }))
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

/// Codes of three letters (ISO 639-3, and 639-2 where it differs) of the languages that the table and the corrections
/// name, so that a treebank called `spa` is read as one called `es`.
const ALIASES: [(&str, &str); 26] = [
    ("ara", "ar"),
    ("arb", "ar"),
    ("bam", "bm"),
    ("cat", "ca"),
    ("deu", "de"),
    ("ger", "de"),
    ("eng", "en"),
    ("spa", "es"),
    ("est", "et"),
    ("ekk", "et"),
    ("eus", "eu"),
    ("baq", "eu"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("hun", "hu"),
    ("mar", "mr"),
    ("por", "pt"),
    ("tam", "ta"),
    ("tur", "tr"),
    ("urd", "ur"),
    ("wol", "wo"),
    ("zho", "zh"),
    ("chi", "zh"),
    ("cmn", "zh"),
    ("hin", "hi"),
];

/// The ISO 639-1 code of a language written with a region, in capitals or with three letters: `pt-BR`, `ES`, `spa`.
fn primary(language: &str) -> String {
    let code = language.split(['-', '_']).next().unwrap_or(language).to_ascii_lowercase();
    match ALIASES.iter().find(|(alias, _)| *alias == code) {
        Some((_, short)) => short.to_string(),
        None => code,
    }
}

/// A word's dimensions, and what became of the annotation that gave none; pairs are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapped {
    /// Dimension to value.
    pub tags: BTreeMap<String, String>,
    /// Pairs `Feature=Value` (and `UPOS=Value`) without a tag, or whose tags a correction took away.
    pub unmapped: Vec<String>,
    /// Pairs whose tag lost against another of the same dimension.
    pub outranked: Vec<String>,
}

/// Maps one word. `language` is an ISO 639-1 code, with or without a region (`pt-BR`), or one of ISO 639-3. The order of
/// the features does not matter.
pub(super) fn map(language: &str, upos: Option<&str>, feats: &[(String, String)]) -> Mapped {
    let language = primary(language);
    let mut feats: Vec<(&str, &str)> = feats.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    feats.sort_unstable();
    feats.dedup();
    let mut mapped = Mapped::default();
    let mut rows: Vec<(&Row, String)> = Vec::new();
    let layers = layered(upos, &feats);
    for (name, value) in upos.map(|upos| ("UPOS", upos)).into_iter().chain(feats.iter().copied()) {
        if layers.iter().any(|layer| layer.features.iter().any(|feature| feature == name)) {
            continue;
        }
        let pair = format!("{name}={value}");
        // A feature that calls itself UPOS is none.
        let known = ROWS.get(pair.as_str()).filter(|_| name != "UPOS" || upos == Some(value));
        let fitting = known.into_iter().flatten().filter(|row| row.fits(&language, upos));
        let found = fitting.max_by_key(|row| row.specificity());
        if !found.is_some_and(Row::has_tag) {
            mapped.unmapped.push(pair.clone());
        }
        rows.extend(found.map(|row| (row, pair)));
    }
    rows.sort_by_key(|(row, _)| row.order);
    let mut tags = Tags::default();
    for (row, pair) in &rows {
        for &(dimension, value) in &row.tags {
            let current = tags.0.entry(dimension).or_insert_with(|| value.map(str::to_string));
            // A word's part of speech regularly gives way to its form (participles): that is no loss.
            if dimension != "POS" && current.as_deref() != value {
                mapped.outranked.push(pair.clone());
            }
        }
    }
    for layer in layers {
        tags.join(layer.dimension, layer.tag);
    }
    correct(&language, &mut tags, &feats);
    for (row, pair) in rows {
        let shows = row.tags.iter().any(|(dimension, value)| value.is_some_and(|value| tags.has(dimension, value)));
        if row.has_tag() && !shows && !pair.starts_with("UPOS=") && !mapped.outranked.contains(&pair) {
            mapped.unmapped.push(pair);
        }
    }
    mapped.unmapped.sort_unstable();
    mapped.outranked.sort_unstable();
    mapped.outranked.dedup();
    mapped.tags = tags.0.into_iter().filter_map(|(dimension, value)| Some((dimension.to_string(), value?))).collect();
    mapped
}

/// Features of a layer that UniMorph has as one tag: of the possessor (`PSS1S`) or of an argument that the verb agrees
/// with (`ARGER3P`).
struct Layer {
    /// The features' names, which the tag uses up.
    features: Vec<String>,
    dimension: &'static str,
    tag: String,
}

/// Layer, dimension and the tag's beginning, in the order of the tags.
const LAYERS: [(&str, &str, &str); 6] = [
    ("psor", "Possession", "PSS"),
    ("abs", "ArgumentMarking", "ARGAB"),
    ("obj", "ArgumentMarking", "ARGAC"),
    ("dat", "ArgumentMarking", "ARGDA"),
    ("erg", "ArgumentMarking", "ARGER"),
    ("subj", "ArgumentMarking", "ARGNO"),
];

fn layered(upos: Option<&str>, feats: &[(&str, &str)]) -> Vec<Layer> {
    if !feats.iter().any(|(name, _)| name.ends_with(']')) {
        return Vec::new();
    }
    let get = |wanted: &str| feats.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let mut found = Vec::new();
    for (layer, dimension, prefix) in LAYERS {
        let [person, number] = ["Person", "Number"].map(|name| format!("{name}[{layer}]"));
        let letter = match get(&number) {
            Some("Sing") => "S",
            Some("Dual") => "D",
            Some("Plur") => "P",
            _ => continue,
        };
        let mut features = vec![number];
        let digit = match get(&person) {
            Some(digit) => {
                features.push(person);
                digit
            }
            // The person of a possessive word is the possessor's (Spanish mi, "my"), and stays a person of its own.
            None if layer == "psor" && matches!(upos, Some("PRON" | "DET" | "ADJ")) => {
                get("Person").unwrap_or_default()
            }
            None => continue,
        };
        if !matches!(digit, "1" | "2" | "3") {
            continue;
        }
        let mut tag = format!("{prefix}{digit}{letter}");
        if layer == "psor" {
            let [clusivity, gender, polite] = ["Clusivity", "Gender", "Polite"].map(|name| format!("{name}[psor]"));
            let more = match (digit, letter, get(&clusivity), get(&gender), get(&polite)) {
                ("1", "D" | "P", Some("In"), ..) => Some((clusivity, "I")),
                ("1", "D" | "P", Some("Ex"), ..) => Some((clusivity, "E")),
                ("2" | "3", _, _, Some("Masc"), _) => Some((gender, "M")),
                ("2" | "3", _, _, Some("Fem"), _) => Some((gender, "F")),
                ("2", "S", _, _, Some("Infm")) => Some((polite, "INFM")),
                ("2", "S", _, _, Some("Form")) => Some((polite, "FORM")),
                _ => None,
            };
            if let Some((feature, suffix)) = more {
                tag.push_str(suffix);
                features.push(feature);
            }
        }
        found.push(Layer { features, dimension, tag });
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

    /// Whether the dimension's value is this one, or begins with it and another one joined to it.
    fn has(&self, dimension: &str, value: &str) -> bool {
        let rest = self.get(dimension).and_then(|current| current.strip_prefix(value));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
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

fn correct(language: &str, tags: &mut Tags, feats: &[(&str, &str)]) {
    if !matches!(language, "ca" | "de" | "en" | "es" | "eu" | "fr" | "hi" | "pt" | "ta" | "tr" | "ur") {
        return;
    }
    let has_form = |form: &str| feats.contains(&("VerbForm", form));
    let participle = has_form("Part");
    let nominal = participle || has_form("Ger");
    if language == "pt" && participle && tags.is("Voice", "PASS") {
        tags.add("Tense", "PST");
    }
    if matches!(language, "ca" | "es" | "fr" | "pt") && !nominal {
        if tags.is("Aspect", "IPFV") && !has_form("Inf") {
            tags.add("Tense", "PST");
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
    // A determiner's third person is its noun's, which the table leaves out; a possessive's (seine) is the possessor's.
    let agrees = tags.is("POS", "DET") && !feats.contains(&("Poss", "Yes"));
    if matches!(language, "de" | "hi" | "ta" | "tr" | "ur") && agrees {
        tags.remove("Person", "3");
    }
    match language {
        "fr" if participle => {
            tags.0.remove("Gender");
            tags.0.remove("Number");
        }
        "en" => {
            tags.remove("Mood", "IND");
            tags.remove("Voice", "PASS");
            let bare = ["Person", "Number", "Mood"].iter().all(|dimension| tags.get(dimension).is_none());
            if tags.is("Tense", "PRS") && bare && !nominal {
                tags.remove("Tense", "PRS");
                tags.set("Finiteness", "NFIN");
            }
        }
        // Verbal nouns (egitea, "doing") and participles (adierazi, ari) are annotated as finite, without the mood that
        // finite verbs have.
        "eu" if tags.get("Mood").is_none() => {
            tags.remove("Finiteness", "FIN");
        }
        // A nominalised verb (olduğumu, "that I am") has the person of its possessor; the third is the noun's.
        "tr" if (participle || has_form("Vnoun")) && tags.get("Case").is_some() => {
            tags.remove("Person", "3");
        }
        "ur" => {
            tags.0.remove("Gender");
        }
        _ => {}
    }
    if matches!(language, "ca" | "en" | "es" | "fr" | "pt") {
        tags.remove("Finiteness", "FIN");
    }
}

#[cfg(test)]
#[path = "unimorph_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "unimorph_languages_tests.rs"]
mod languages_tests;

#[cfg(test)]
#[path = "unimorph_schema_tests.rs"]
mod schema_tests;
