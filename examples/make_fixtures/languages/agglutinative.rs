//! Etzur: verb-final, with postpositions, vowel harmony, one suffix a feature, and no gender.

use super::{person_index, Case, Finite, Grammar, Morphology, Order, Relative};
use crate::lexicon::{Phonology, Word};
use crate::meaning::{Gender, Number, Person, Relation, Tense};

/// The first half of the vowels is back, the second front: a root has those of one half.
pub const SOUNDS: Phonology = Phonology {
    onsets: &["b", "d", "g", "h", "j", "k", "l", "m", "n", "s", "t", "z", "tz", "sh"],
    vowels: &["a", "o", "u", "e", "ö", "ü"],
    codas: &["", "", "k", "l", "n", "r", "z"],
    finals: &["k", "l", "n", "r", "t", "z", "sh", "tz", "rt", "lk"],
    harmony: true,
};

pub struct Etzur;

static GRAMMAR: Grammar = Grammar {
    code: "qe",
    name: "Etzur",
    order: Order::Sov,
    relative: Relative::Participle,
    adjective_first: true,
    genitive_first: true,
    determiner_first: true,
    postpositions: true,
    pro_drop: true,
    clitics: false,
    zero_copula: true,
    future_auxiliary: false,
    negative_suffix: true,
    plural_numerals: false,
    noun_features: &["Case", "Number"],
    adjective_features: &[],
    plural_gender: true,
    pronoun_features: &["Case", "Number", "Person"],
    adverb_ending: "",
    particles: &[
        ("and", "ete"),
        ("or", "udo"),
        ("but", "baan"),
        ("that", "dela"),
        ("because", "ochun"),
        ("when", "zuman"),
        ("if", "ezel"),
        ("although", "aren"),
        ("not", "deil"),
        ("question", "mu"),
        ("oh", "ai"),
    ],
};

/// Writes `A`, `O` and `U` of a suffix with the vowel that fits the stem.
fn harmonic(stem: &str, suffix: &str) -> String {
    // Names have any vowels: their last one decides. `i` is back here, a choice like another.
    let front = stem.chars().rev().find(|c| "aouieöü".contains(*c)).is_some_and(|c| "eöü".contains(c));
    let suffix: String = suffix
        .chars()
        .map(|c| match (c, front) {
            ('A', false) => 'a',
            ('A', true) => 'e',
            ('O', false) => 'o',
            ('O', true) => 'ö',
            ('U', false) => 'u',
            ('U', true) => 'ü',
            (c, _) => c,
        })
        .collect();
    format!("{stem}{suffix}")
}

const PERSON: [&str; 6] = ["m", "s", "", "mOk", "sOk", "lOk"];

impl Morphology for Etzur {
    fn grammar(&self) -> &'static Grammar {
        &GRAMMAR
    }
    fn noun(&self, word: &Word, number: Number, case: Case, _: bool) -> String {
        let mut form = match (&word.alternate, number) {
            (Some(stem), Number::Plur) => stem.clone(),
            _ => word.stem.clone(),
        };
        if word.name && word.gender == Gender::Fem {
            form.push('a');
        }
        if number == Number::Plur {
            form = harmonic(&form, "lOk");
        }
        let suffix = match case {
            Case::Nom => "",
            Case::Acc => "vA",
            Case::Gen => "dUn",
            Case::Dat => "shA",
            Case::Loc => "zO",
            Case::Abl => "tAk",
        };
        harmonic(&form, suffix)
    }
    fn adjective(&self, word: &Word, _: Gender, _: Number, _: Case, _: bool) -> String {
        word.stem.clone()
    }
    fn finite(&self, word: &Word, form: Finite) -> String {
        let stem = match (&word.alternate, form.tense) {
            (Some(stem), Tense::Past) => stem,
            _ => &word.stem,
        };
        let negative = if form.negative { "mA" } else { "" };
        let tense = match form.tense {
            Tense::Past => "dU",
            Tense::Pres => "jO",
            Tense::Fut => "shAnO",
        };
        harmonic(stem, &format!("{negative}{tense}{}", PERSON[person_index(form.person, form.number)]))
    }
    fn finite_features(&self, _: Finite) -> &'static [&'static str] {
        &["Number", "Person", "Tense"]
    }
    fn infinitive(&self, word: &Word) -> String {
        harmonic(&word.stem, "mAk")
    }
    fn imperative(&self, word: &Word, number: Number) -> String {
        if number == Number::Sing {
            word.stem.clone()
        } else {
            harmonic(&word.stem, "Un")
        }
    }
    fn participle(&self, word: &Word) -> String {
        harmonic(&word.stem, "On")
    }
    fn pronoun(&self, person: Person, number: Number, _: Gender, case: Case) -> String {
        let stem = ["ben", "zen", "on", "bezler", "zezler", "onlok"][person_index(person, number)];
        let suffix = match case {
            Case::Nom => "",
            Case::Acc => "vA",
            Case::Gen => "dUn",
            Case::Dat => "shA",
            Case::Loc => "zO",
            Case::Abl => "tAk",
        };
        harmonic(stem, suffix)
    }
    fn relation(&self, relation: Relation) -> (Option<&'static str>, Case) {
        match relation {
            Relation::In => (None, Case::Loc),
            Relation::To => (None, Case::Dat),
            Relation::From => (None, Case::Abl),
            Relation::With => (Some("bile"), Case::Gen),
            Relation::For => (Some("gorra"), Case::Nom),
            Relation::Near => (Some("ondo"), Case::Loc),
            Relation::Under => (Some("azpi"), Case::Gen),
        }
    }
    fn genitive(&self) -> (Option<&'static str>, Case) {
        (None, Case::Gen)
    }
    fn object_case(&self, definite: bool) -> Case {
        if definite {
            Case::Acc
        } else {
            Case::Nom
        }
    }
}
