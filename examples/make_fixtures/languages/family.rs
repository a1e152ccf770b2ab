//! Ardan and Bresh: close relatives with articles, two genders and verbs that agree.

use super::{gender_index, number_index, person_index, Case, Finite, Grammar, Morphology, Order, Relative};
use crate::lexicon::{Phonology, Word};
use crate::meaning::{Gender, Number, Person, Relation, Tense};

/// The sounds of the ancestor of Ardan, Bresh and half of Corvath.
pub const SOUNDS: Phonology = Phonology {
    onsets: &["p", "t", "k", "b", "d", "g", "m", "n", "l", "r", "s", "f", "v", "pr", "tr", "kl", "gr", "st"],
    vowels: &["a", "e", "i", "o", "u"],
    codas: &["", "", "", "n", "r", "l", "s"],
    finals: &["p", "t", "k", "d", "m", "n", "l", "r", "s", "nt", "rt", "ld"],
    harmony: false,
};

/// Ardan keeps the ancestor's roots.
pub fn ardan_law(root: &str) -> String {
    root.to_string()
}

/// Bresh: stops between vowels are voiced, `o` is raised, `kl` is palatal, initial `f` is a breath.
pub fn bresh_law(root: &str) -> String {
    let letters: Vec<char> = root.replace("kl", "ch").replace('o', "u").chars().collect();
    let vowel = |c: Option<&char>| c.is_some_and(|c| "aeiou".contains(*c));
    let mut out = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|j| letters.get(j));
        // A root ends before an affix, which begins with a vowel.
        let after = letters.get(i + 1).is_none() || vowel(letters.get(i + 1));
        let between = vowel(before) && after;
        out.push(match letter {
            'p' if between => 'b',
            't' if between => 'd',
            'k' if between => 'g',
            's' if between => 'z',
            'f' if i == 0 => 'h',
            other => *other,
        });
    }
    out
}

/// Endings of nouns by inflection: masculine, feminine, and one for both; singular and plural.
struct Endings {
    noun: [[&'static str; 2]; 3],
    /// Adjectives of four forms, and of two.
    adjective: [[&'static str; 2]; 3],
    /// First singular to third plural, without the theme vowel where they begin with a consonant.
    person: [&'static str; 6],
    past: &'static str,
    future: &'static str,
    infinitive: &'static str,
    command: [&'static str; 2],
}

const ARDAN: Endings = Endings {
    noun: [["o", "os"], ["a", "as"], ["e", "es"]],
    adjective: [["o", "os"], ["a", "as"], ["e", "es"]],
    person: ["u", "s", "", "mu", "tis", "n"],
    past: "v",
    future: "rk",
    infinitive: "r",
    command: ["i", "te"],
};

const BRESH: Endings = Endings {
    noun: [["u", "us"], ["a", "as"], ["i", "is"]],
    adjective: [["u", "us"], ["a", "as"], ["i", "is"]],
    person: ["u", "z", "", "mu", "d", "n"],
    past: "b",
    future: "rg",
    infinitive: "l",
    command: ["i", "de"],
};

impl Endings {
    fn noun(&self, word: &Word, number: Number, gender: Gender) -> String {
        if word.name {
            return format!("{}{}", word.stem, if word.gender == Gender::Fem { "a" } else { "" });
        }
        let row = match word.class {
            // One noun in five has the ending of either gender; a few end in a consonant and never change.
            0 | 1 => 2,
            _ => gender_index(gender),
        };
        if word.class == 9 && word.alternate.is_none() && !word.animate {
            return format!("{}is", word.stem);
        }
        let stem = match (&word.alternate, number) {
            (Some(stem), Number::Plur) => stem,
            _ => &word.stem,
        };
        format!("{stem}{}", self.noun[row][number_index(number)])
    }

    fn adjective(&self, word: &Word, gender: Gender, number: Number) -> String {
        let row = if word.class < 3 { 2 } else { gender_index(gender) };
        format!("{}{}", word.stem, self.adjective[row][number_index(number)])
    }

    fn theme(word: &Word) -> &'static str {
        if word.class < 6 {
            "a"
        } else {
            "e"
        }
    }

    fn finite(&self, word: &Word, form: Finite) -> String {
        let theme = Self::theme(word);
        let index = person_index(form.person, form.number);
        let ending = self.person[index];
        let stem = match (&word.alternate, form.tense) {
            (Some(stem), Tense::Past) => stem,
            _ => &word.stem,
        };
        match form.tense {
            Tense::Pres if index == 0 => format!("{stem}{ending}"),
            Tense::Pres => format!("{stem}{theme}{ending}"),
            // The first person singular of the past is that of the third: no `u`.
            Tense::Past if index == 0 => format!("{stem}{theme}{}a", self.past),
            Tense::Past => format!("{stem}{theme}{}a{ending}", self.past),
            Tense::Fut if index == 0 => format!("{stem}{theme}{}{ending}", self.future),
            Tense::Fut => format!("{stem}{theme}{}a{ending}", self.future),
        }
    }

    fn infinitive(&self, word: &Word) -> String {
        format!("{}{}{}", word.stem, Self::theme(word), self.infinitive)
    }

    fn imperative(&self, word: &Word, number: Number) -> String {
        match number {
            Number::Sing => format!("{}{}", word.stem, self.command[0]),
            Number::Plur => format!("{}{}{}", word.stem, Self::theme(word), self.command[1]),
        }
    }
}

fn two_genders(gender: Gender) -> Gender {
    if gender == Gender::Fem {
        Gender::Fem
    } else {
        Gender::Masc
    }
}

pub struct Ardan;

static ARDAN_GRAMMAR: Grammar = Grammar {
    code: "qa",
    name: "Ardan",
    order: Order::Svo,
    relative: Relative::Pronoun,
    adjective_first: false,
    genitive_first: false,
    determiner_first: true,
    postpositions: false,
    pro_drop: false,
    clitics: false,
    zero_copula: false,
    future_auxiliary: false,
    negative_suffix: false,
    plural_numerals: true,
    noun_features: &["Gender", "Number"],
    adjective_features: &["Gender", "Number"],
    plural_gender: true,
    pronoun_features: &["Case", "Number", "Person"],
    adverb_ending: "et",
    particles: &[
        ("and", "i"),
        ("or", "vel"),
        ("but", "mas"),
        ("that", "kel"),
        ("because", "pork"),
        ("when", "kand"),
        ("if", "se"),
        ("although", "bel"),
        ("not", "ne"),
        ("oh", "ha"),
    ],
};

const FAMILY_FEATURES: &[&str] = &["Number", "Person", "Tense"];

impl Morphology for Ardan {
    fn grammar(&self) -> &'static Grammar {
        &ARDAN_GRAMMAR
    }
    fn gender(&self, gender: Gender) -> Gender {
        two_genders(gender)
    }
    fn noun(&self, word: &Word, number: Number, _: Case, _: bool) -> String {
        ARDAN.noun(word, number, two_genders(word.gender))
    }
    fn adjective(&self, word: &Word, gender: Gender, number: Number, _: Case, _: bool) -> String {
        ARDAN.adjective(word, gender, number)
    }
    fn finite(&self, word: &Word, form: Finite) -> String {
        ARDAN.finite(word, form)
    }
    fn finite_features(&self, _: Finite) -> &'static [&'static str] {
        FAMILY_FEATURES
    }
    fn infinitive(&self, word: &Word) -> String {
        ARDAN.infinitive(word)
    }
    fn imperative(&self, word: &Word, number: Number) -> String {
        ARDAN.imperative(word, number)
    }
    fn article(&self, definite: bool, gender: Gender, number: Number) -> Option<&'static str> {
        let row = match (definite, number) {
            (true, Number::Sing) => ["lu", "la"],
            (true, Number::Plur) => ["lus", "las"],
            (false, Number::Sing) => ["um", "uma"],
            (false, Number::Plur) => return None,
        };
        Some(row[gender_index(gender).min(1)])
    }
    fn pronoun(&self, person: Person, number: Number, gender: Gender, case: Case) -> String {
        let nominative = ["eku", "tu", "el", "nus", "vus", "els"];
        let accusative = ["mei", "tei", "lei", "nusi", "vusi", "leis"];
        let index = person_index(person, number);
        let form = if case == Case::Nom { nominative[index] } else { accusative[index] };
        let feminine = person == Person::Third && gender == Gender::Fem;
        match (feminine, form) {
            (true, "el") => "ela".into(),
            (true, "els") => "elas".into(),
            _ => form.into(),
        }
    }
    fn relative_pronoun(&self, _: Gender, _: Number, case: Case) -> String {
        if case == Case::Nom { "ki" } else { "kem" }.into()
    }
    fn relation(&self, relation: Relation) -> (Option<&'static str>, Case) {
        let form = match relation {
            Relation::In => "en",
            Relation::To => "a",
            Relation::From => "des",
            Relation::With => "kom",
            Relation::For => "pro",
            Relation::Near => "sert",
            Relation::Under => "sub",
        };
        (Some(form), Case::Acc)
    }
    fn genitive(&self) -> (Option<&'static str>, Case) {
        (Some("de"), Case::Acc)
    }
}

pub struct Bresh;

static BRESH_GRAMMAR: Grammar = Grammar {
    code: "qb",
    name: "Bresh",
    order: Order::Svo,
    relative: Relative::Pronoun,
    adjective_first: false,
    genitive_first: false,
    determiner_first: true,
    postpositions: false,
    pro_drop: true,
    clitics: true,
    zero_copula: false,
    future_auxiliary: false,
    negative_suffix: false,
    plural_numerals: true,
    noun_features: &["Gender", "Number"],
    adjective_features: &["Gender", "Number"],
    plural_gender: true,
    pronoun_features: &["Case", "Number", "Person"],
    adverb_ending: "ed",
    particles: &[
        ("and", "i"),
        ("or", "vel"),
        ("but", "maz"),
        ("that", "ke"),
        ("because", "purk"),
        ("when", "kand"),
        ("if", "si"),
        ("although", "bel"),
        ("not", "nu"),
        ("oh", "ha"),
    ],
};

impl Morphology for Bresh {
    fn grammar(&self) -> &'static Grammar {
        &BRESH_GRAMMAR
    }
    fn gender(&self, gender: Gender) -> Gender {
        two_genders(gender)
    }
    fn noun(&self, word: &Word, number: Number, _: Case, _: bool) -> String {
        BRESH.noun(word, number, two_genders(word.gender))
    }
    fn adjective(&self, word: &Word, gender: Gender, number: Number, _: Case, _: bool) -> String {
        BRESH.adjective(word, gender, number)
    }
    fn finite(&self, word: &Word, form: Finite) -> String {
        BRESH.finite(word, form)
    }
    fn finite_features(&self, _: Finite) -> &'static [&'static str] {
        FAMILY_FEATURES
    }
    fn infinitive(&self, word: &Word) -> String {
        BRESH.infinitive(word)
    }
    fn imperative(&self, word: &Word, number: Number) -> String {
        BRESH.imperative(word, number)
    }
    fn article(&self, definite: bool, gender: Gender, number: Number) -> Option<&'static str> {
        let row = match (definite, number) {
            (true, Number::Sing) => ["lu", "la"],
            (true, Number::Plur) => ["luz", "laz"],
            (false, Number::Sing) => ["um", "uma"],
            (false, Number::Plur) => ["umuz", "umaz"],
        };
        Some(row[gender_index(gender).min(1)])
    }
    fn pronoun(&self, person: Person, number: Number, gender: Gender, case: Case) -> String {
        let nominative = ["egu", "tu", "el", "nuz", "vuz", "elz"];
        let accusative = ["me", "te", "le", "nuz", "vuz", "lez"];
        let index = person_index(person, number);
        let form = if case == Case::Nom { nominative[index] } else { accusative[index] };
        let feminine = person == Person::Third && gender == Gender::Fem;
        match (feminine, form) {
            (true, "el") => "ela".into(),
            (true, "elz") => "elaz".into(),
            _ => form.into(),
        }
    }
    fn relative_pronoun(&self, _: Gender, _: Number, _: Case) -> String {
        "ki".into()
    }
    fn relation(&self, relation: Relation) -> (Option<&'static str>, Case) {
        let form = match relation {
            Relation::In => "en",
            Relation::To => "a",
            Relation::From => "dez",
            Relation::With => "kum",
            Relation::For => "pru",
            Relation::Near => "zert",
            Relation::Under => "zub",
        };
        (Some(form), Case::Acc)
    }
    fn genitive(&self) -> (Option<&'static str>, Case) {
        (Some("de"), Case::Acc)
    }
    fn contraction(&self, adposition: &str, article: &str) -> Option<String> {
        let ending = article.strip_prefix('l')?;
        match adposition {
            "de" => Some(format!("d{ending}")),
            "en" => Some(format!("n{ending}")),
            "a" => Some(format!("al{ending}")),
            _ => None,
        }
    }
}
