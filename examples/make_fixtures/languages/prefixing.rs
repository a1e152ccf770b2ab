//! Fumali: verb-initial, with prefixes for gender, number and definiteness on nouns and on all that agrees with them.

use super::{gender_index, number_index, person_index, Case, Finite, Grammar, Morphology, Order, Relative};
use crate::lexicon::{Phonology, Word};
use crate::meaning::{Gender, Number, Person, Relation, Tense};

pub const SOUNDS: Phonology = Phonology {
    onsets: &["b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "s", "t", "w", "y", "nd", "mb", "ng"],
    vowels: &["a", "e", "i", "o", "u"],
    codas: &[""],
    finals: &[],
    harmony: false,
};

pub struct Fumali;

static GRAMMAR: Grammar = Grammar {
    code: "qf",
    name: "Fumali",
    order: Order::Vso,
    relative: Relative::Particle,
    adjective_first: false,
    genitive_first: false,
    determiner_first: false,
    postpositions: false,
    pro_drop: true,
    clitics: false,
    zero_copula: true,
    future_auxiliary: false,
    negative_suffix: false,
    plural_numerals: true,
    noun_features: &["Definite", "Gender", "Number"],
    adjective_features: &["Definite", "Gender", "Number"],
    plural_gender: true,
    pronoun_features: &["Number", "Person"],
    adverb_ending: "",
    particles: &[
        ("and", "ne"),
        ("or", "wo"),
        ("but", "laki"),
        ("that", "koma"),
        ("because", "sabu"),
        ("when", "waka"),
        ("if", "kame"),
        ("although", "inga"),
        ("not", "si"),
        ("question", "je"),
        ("relative", "yo"),
        ("oh", "ee"),
    ],
};

/// Noun classes: gender, number.
const CLASS: [[&str; 2]; 3] = [["mo", "ba"], ["ki", "vi"], ["e", "ma"]];

impl Morphology for Fumali {
    fn grammar(&self) -> &'static Grammar {
        &GRAMMAR
    }
    fn noun(&self, word: &Word, number: Number, _: Case, definite: bool) -> String {
        if word.name {
            return format!("{}{}", word.stem, if word.gender == Gender::Fem { "a" } else { "i" });
        }
        let stem = match (&word.alternate, number) {
            (Some(stem), Number::Plur) => stem,
            _ => &word.stem,
        };
        // Neuters of some stems have no prefix in the singular.
        let class = match (word.gender, number, word.class < 3) {
            (Gender::Neut, Number::Sing, true) => "",
            _ => CLASS[gender_index(word.gender)][number_index(number)],
        };
        format!("{}{class}{stem}", if definite { "a" } else { "" })
    }
    fn adjective(&self, word: &Word, gender: Gender, number: Number, _: Case, definite: bool) -> String {
        let article = if definite { "a" } else { "" };
        format!("{article}{}{}", CLASS[gender_index(gender)][number_index(number)], word.stem)
    }
    fn finite(&self, word: &Word, form: Finite) -> String {
        let stem = match (&word.alternate, form.tense) {
            (Some(stem), Tense::Past) => stem,
            _ => &word.stem,
        };
        let person = match form.person {
            Person::Third => {
                [["a", "wa"], ["ki", "vi"], ["e", "ma"]][gender_index(form.gender)][number_index(form.number)]
            }
            other => ["ni", "u", "", "tu", "mu", ""][person_index(other, form.number)],
        };
        let tense = match form.tense {
            Tense::Past => "ko",
            Tense::Pres => "sa",
            Tense::Fut => "ju",
        };
        format!("{person}{tense}{stem}")
    }
    fn finite_features(&self, form: Finite) -> &'static [&'static str] {
        match form.person {
            Person::Third => &["Gender", "Number", "Person", "Tense"],
            _ => &["Number", "Person", "Tense"],
        }
    }
    fn infinitive(&self, word: &Word) -> String {
        format!("hu{}", word.stem)
    }
    fn imperative(&self, word: &Word, number: Number) -> String {
        format!("{}{}", word.stem, if number == Number::Sing { "" } else { "ni" })
    }
    fn pronoun(&self, person: Person, number: Number, _: Gender, _: Case) -> String {
        ["miwi", "wele", "yame", "situ", "ninu", "wabo"][person_index(person, number)].into()
    }
    fn relation(&self, relation: Relation) -> (Option<&'static str>, Case) {
        let form = match relation {
            Relation::In => "kati",
            Relation::To => "kwa",
            Relation::From => "toka",
            Relation::With => "pamo",
            Relation::For => "bili",
            Relation::Near => "kabu",
            Relation::Under => "chini",
        };
        (Some(form), Case::Nom)
    }
    fn genitive(&self) -> (Option<&'static str>, Case) {
        (Some("ya"), Case::Nom)
    }
}
