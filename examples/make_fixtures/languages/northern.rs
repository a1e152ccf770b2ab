//! Corvath, a distant cousin of Ardan with four cases, and Dolmir, a stranger in Cyrillic letters; both have three
//! genders and a definite suffix on nouns.

use super::{gender_index, number_index, person_index, Case, Finite, Grammar, Morphology, Order, Relative};
use crate::lexicon::{Phonology, Word};
use crate::meaning::{Aspect, Gender, Number, Person, Relation, Tense};

pub const CORVATH_SOUNDS: Phonology = Phonology {
    onsets: &["f", "th", "h", "p", "t", "k", "m", "n", "l", "r", "s", "w", "hr", "sk", "gl", "br", "st"],
    vowels: &["a", "e", "i", "u", "o"],
    codas: &["", "", "n", "r", "l", "s"],
    finals: &["f", "th", "k", "t", "m", "n", "l", "r", "s", "rk", "lt", "ng"],
    harmony: false,
};

/// Corvath: stops have shifted (`p t k` to `f th h`, `b d g` to `p t k`) and `o` is `a`.
pub fn corvath_law(root: &str) -> String {
    root.chars()
        .map(|c| match c {
            'p' => "f",
            't' => "th",
            'k' => "h",
            'b' => "p",
            'd' => "t",
            'g' => "k",
            'v' => "w",
            'o' => "a",
            'a' => "a",
            'e' => "e",
            'i' => "i",
            'u' => "u",
            'm' => "m",
            'n' => "n",
            'l' => "l",
            'r' => "r",
            's' => "s",
            _ => "f",
        })
        .collect()
}

/// Column of a case in tables of nominative, accusative, genitive, dative.
fn four(case: Case) -> usize {
    match case {
        Case::Nom => 0,
        Case::Acc => 1,
        Case::Gen => 2,
        _ => 3,
    }
}

/// Noun endings: gender, number, case.
const CORVATH_NOUN: [[[&str; 4]; 2]; 3] = [
    [["ur", "", "is", "i"], ["ar", "a", "ra", "um"]],
    [["e", "e", "ar", "u"], ["ir", "ir", "ra", "um"]],
    [["", "", "is", "i"], ["u", "u", "ra", "um"]],
];
/// Weak nouns have one ending for all cases but the nominative.
const CORVATH_WEAK: [[&str; 4]; 2] = [["i", "an", "an", "an"], ["an", "an", "na", "um"]];
const CORVATH_ADJECTIVE: [[[&str; 4]; 2]; 3] = [
    [["er", "an", "es", "um"], ["ir", "a", "ra", "um"]],
    [["", "a", "rar", "ri"], ["ar", "ar", "ra", "um"]],
    [["t", "t", "es", "u"], ["", "", "ra", "um"]],
];

pub struct Corvath;

static CORVATH_GRAMMAR: Grammar = Grammar {
    code: "qc",
    name: "Corvath",
    order: Order::Svo,
    relative: Relative::Pronoun,
    adjective_first: true,
    genitive_first: false,
    determiner_first: true,
    postpositions: false,
    pro_drop: false,
    clitics: false,
    zero_copula: false,
    future_auxiliary: true,
    negative_suffix: false,
    plural_numerals: true,
    noun_features: &["Case", "Definite", "Gender", "Number"],
    adjective_features: &["Case", "Gender", "Number"],
    plural_gender: true,
    pronoun_features: &["Case", "Number", "Person"],
    adverb_ending: "la",
    particles: &[
        ("and", "ok"),
        ("or", "etha"),
        ("but", "en"),
        ("that", "at"),
        ("because", "thvi"),
        ("when", "tha"),
        ("if", "ef"),
        ("although", "tho"),
        ("not", "ekki"),
        ("oh", "ah"),
    ],
};

/// The past stem of strong verbs: the last vowel changes.
fn ablaut(stem: &str) -> String {
    let Some(at) = stem.rfind(|c| "aeiou".contains(c)) else {
        return stem.to_string();
    };
    let vowel = match stem.get(at..at + 1) {
        Some("a") => "o",
        Some("e") => "a",
        Some("i") => "u",
        Some("o") => "e",
        _ => "i",
    };
    format!("{}{vowel}{}", stem.get(..at).unwrap_or(""), stem.get(at + 1..).unwrap_or(""))
}

impl Morphology for Corvath {
    fn grammar(&self) -> &'static Grammar {
        &CORVATH_GRAMMAR
    }
    fn noun(&self, word: &Word, number: Number, case: Case, definite: bool) -> String {
        if word.name {
            let vowel = if word.gender == Gender::Fem { "a" } else { "" };
            return format!("{}{vowel}{}", word.stem, if case == Case::Gen { "s" } else { "" });
        }
        let stem = match (&word.alternate, number) {
            (Some(stem), Number::Plur) => stem,
            _ => &word.stem,
        };
        let row = if word.class < 2 { &CORVATH_WEAK } else { &CORVATH_NOUN[gender_index(word.gender)] };
        let article = match (definite, number, word.gender) {
            (false, ..) => "",
            (true, Number::Plur, _) => "ne",
            (true, Number::Sing, Gender::Masc) => "in",
            (true, Number::Sing, Gender::Fem) => "en",
            (true, Number::Sing, Gender::Neut) => "id",
        };
        format!("{stem}{}{article}", row[number_index(number)][four(case)])
    }
    fn adjective(&self, word: &Word, gender: Gender, number: Number, case: Case, _: bool) -> String {
        format!("{}{}", word.stem, CORVATH_ADJECTIVE[gender_index(gender)][number_index(number)][four(case)])
    }
    fn finite(&self, word: &Word, form: Finite) -> String {
        let index = person_index(form.person, form.number);
        let stem = &word.stem;
        if form.tense != Tense::Past {
            return format!("{stem}{}", ["e", "ir", "ir", "um", "id", "a"][index]);
        }
        match (&word.alternate, word.class < 4) {
            (Some(past), _) => format!("{past}{}", ["", "t", "", "um", "ud", "u"][index]),
            (None, true) => format!("{}{}", ablaut(stem), ["", "t", "", "um", "ud", "u"][index]),
            (None, false) => format!("{stem}d{}", ["i", "ir", "i", "um", "ud", "u"][index]),
        }
    }
    fn finite_features(&self, _: Finite) -> &'static [&'static str] {
        &["Number", "Person", "Tense"]
    }
    fn infinitive(&self, word: &Word) -> String {
        format!("{}an", word.stem)
    }
    fn imperative(&self, word: &Word, number: Number) -> String {
        format!("{}{}", word.stem, if number == Number::Sing { "" } else { "id" })
    }
    fn pronoun(&self, person: Person, number: Number, gender: Gender, case: Case) -> String {
        let table = [
            ["ek", "mik", "min", "mer"],
            ["thu", "thik", "thin", "ther"],
            ["han", "hann", "hans", "hanum"],
            ["wer", "oss", "war", "ossi"],
            ["ther", "ithr", "ithar", "ithri"],
            ["their", "tha", "theira", "theim"],
        ];
        let feminine = ["hun", "hana", "hennar", "henni"];
        let index = person_index(person, number);
        if index == 2 && gender == Gender::Fem { feminine[four(case)] } else { table[index][four(case)] }.into()
    }
    fn relative_pronoun(&self, gender: Gender, number: Number, case: Case) -> String {
        format!("sw{}", CORVATH_ADJECTIVE[gender_index(gender)][number_index(number)][four(case)])
    }
    fn relation(&self, relation: Relation) -> (Option<&'static str>, Case) {
        match relation {
            Relation::In => (Some("in"), Case::Dat),
            Relation::To => (Some("til"), Case::Gen),
            Relation::From => (Some("fra"), Case::Dat),
            Relation::With => (Some("meth"), Case::Dat),
            Relation::For => (Some("fyr"), Case::Acc),
            Relation::Near => (Some("hja"), Case::Dat),
            Relation::Under => (Some("undir"), Case::Acc),
        }
    }
    fn genitive(&self) -> (Option<&'static str>, Case) {
        (None, Case::Gen)
    }
}

pub const DOLMIR_SOUNDS: Phonology = Phonology {
    onsets: &["б", "в", "г", "д", "ж", "з", "к", "л", "м", "н", "п", "р", "т", "х", "ч", "ш", "бр", "кр", "сл", "зв"],
    vowels: &["а", "е", "и", "о", "у"],
    codas: &["", "", "", "л", "н", "р", "с"],
    finals: &["б", "в", "г", "д", "з", "к", "л", "м", "н", "р", "т", "ш", "ск", "рт"],
    harmony: false,
};

/// A Latin name in Cyrillic letters.
pub fn cyrillic(name: &str) -> String {
    const PAIRS: &str = "aаbбdдeеgгiиkкlлmмnнoоpпrрsсtтuуvв";
    let letters: Vec<char> = PAIRS.chars().collect();
    name.chars()
        .map(|c| {
            let found = letters.chunks(2).find(|pair| pair[0] == c.to_ascii_lowercase()).map_or(c, |pair| pair[1]);
            found.to_uppercase().next().filter(|_| c.is_uppercase()).unwrap_or(found)
        })
        .collect()
}

/// Column of a case in tables of nominative, accusative, genitive, dative, locative.
fn five(case: Case) -> usize {
    match case {
        Case::Loc => 4,
        other => four(other),
    }
}

const DOLMIR_NOUN: [[[&str; 5]; 2]; 3] = [
    [["", "ун", "аш", "им", "ох"], ["ы", "ын", "ищ", "амы", "ох"]],
    [["а", "у", "аш", "е", "ох"], ["ир", "ир", "ищ", "амы", "ах"]],
    [["о", "о", "еш", "им", "ех"], ["а", "а", "ищ", "амы", "ех"]],
];
const DOLMIR_ADJECTIVE: [[[&str; 5]; 2]; 3] = [
    [["ек", "ек", "ога", "ому", "ем"], ["ие", "ие", "их", "им", "их"]],
    [["ая", "ую", "ой", "ой", "ой"], ["ие", "ие", "их", "им", "их"]],
    [["ое", "ое", "ога", "ому", "ем"], ["ие", "ие", "их", "им", "их"]],
];

pub struct Dolmir;

static DOLMIR_GRAMMAR: Grammar = Grammar {
    code: "qd",
    name: "Dolmir",
    order: Order::Svo,
    relative: Relative::Pronoun,
    adjective_first: true,
    genitive_first: false,
    determiner_first: true,
    postpositions: false,
    pro_drop: false,
    clitics: false,
    zero_copula: true,
    future_auxiliary: false,
    negative_suffix: false,
    plural_numerals: true,
    noun_features: &["Case", "Definite", "Gender", "Number"],
    adjective_features: &["Case", "Gender", "Number"],
    plural_gender: false,
    pronoun_features: &["Case", "Number", "Person"],
    adverb_ending: "о",
    particles: &[
        ("and", "и"),
        ("or", "аль"),
        ("but", "зо"),
        ("that", "чо"),
        ("because", "бочо"),
        ("when", "кода"),
        ("if", "еже"),
        ("although", "хоч"),
        ("not", "ни"),
        ("question", "ле"),
        ("oh", "эх"),
    ],
};

impl Morphology for Dolmir {
    fn grammar(&self) -> &'static Grammar {
        &DOLMIR_GRAMMAR
    }
    fn noun(&self, word: &Word, number: Number, case: Case, definite: bool) -> String {
        let stem = match (&word.alternate, number) {
            (Some(stem), Number::Plur) => stem,
            _ => &word.stem,
        };
        let gender = gender_index(word.gender);
        // The accusative of what does not live is its nominative, but for feminines in -а.
        let case = match (case, word.animate, word.gender, number) {
            (Case::Acc, false, Gender::Masc, _) | (Case::Acc, false, _, Number::Plur) => Case::Nom,
            _ => case,
        };
        let article = match (definite && !word.name, number, word.gender) {
            (false, ..) => "",
            (true, Number::Plur, _) => "те",
            (true, Number::Sing, Gender::Masc) => "от",
            (true, Number::Sing, Gender::Fem) => "та",
            (true, Number::Sing, Gender::Neut) => "то",
        };
        format!("{stem}{}{article}", DOLMIR_NOUN[gender][number_index(number)][five(case)])
    }
    fn adjective(&self, word: &Word, gender: Gender, number: Number, case: Case, _: bool) -> String {
        format!("{}{}", word.stem, DOLMIR_ADJECTIVE[gender_index(gender)][number_index(number)][five(case)])
    }
    fn finite(&self, word: &Word, form: Finite) -> String {
        let prefix = if form.aspect == Aspect::Perf { "вы" } else { "" };
        let stem = match (&word.alternate, form.tense) {
            (Some(stem), Tense::Past) => stem,
            _ => &word.stem,
        };
        let index = person_index(form.person, form.number);
        let theme = if word.class < 6 { "а" } else { "и" };
        match (form.tense, form.number) {
            (Tense::Past, Number::Plur) => format!("{prefix}{stem}{theme}ли"),
            (Tense::Past, Number::Sing) => {
                format!("{prefix}{stem}{theme}{}", ["л", "ла", "ло"][gender_index(form.gender)])
            }
            (Tense::Pres, _) => format!("{prefix}{stem}{}", ["ам", "иш", "ит", "емо", "ете", "ют"][index]),
            (Tense::Fut, _) => format!("зу{prefix}{stem}{}", ["ам", "иш", "ит", "емо", "ете", "ют"][index]),
        }
    }
    fn finite_features(&self, form: Finite) -> &'static [&'static str] {
        match (form.tense, form.number) {
            (Tense::Past, Number::Sing) => &["Aspect", "Gender", "Number", "Tense"],
            (Tense::Past, Number::Plur) => &["Aspect", "Number", "Tense"],
            _ => &["Aspect", "Number", "Person", "Tense"],
        }
    }
    fn infinitive(&self, word: &Word) -> String {
        format!("{}{}ть", word.stem, if word.class < 6 { "а" } else { "и" })
    }
    fn verb_lemma(&self, word: &Word, aspect: Aspect) -> String {
        let prefix = if aspect == Aspect::Perf { "вы" } else { "" };
        format!("{prefix}{}", self.infinitive(word))
    }
    fn imperative(&self, word: &Word, number: Number) -> String {
        format!("{}{}", word.stem, if number == Number::Sing { "ай" } else { "айте" })
    }
    fn pronoun(&self, person: Person, number: Number, gender: Gender, case: Case) -> String {
        let table = [
            ["аз", "мене", "мене", "мни", "мни"],
            ["ти", "тебе", "тебе", "тби", "тби"],
            ["он", "ега", "ега", "ему", "ем"],
            ["ми", "наса", "наса", "нам", "нас"],
            ["ви", "васа", "васа", "вам", "вас"],
            ["они", "иха", "иха", "им", "их"],
        ];
        let feminine = ["она", "еу", "ей", "ей", "ей"];
        let index = person_index(person, number);
        if index == 2 && gender == Gender::Fem { feminine[five(case)] } else { table[index][five(case)] }.into()
    }
    fn relative_pronoun(&self, gender: Gender, number: Number, case: Case) -> String {
        format!("котор{}", DOLMIR_ADJECTIVE[gender_index(gender)][number_index(number)][five(case)])
    }
    fn relation(&self, relation: Relation) -> (Option<&'static str>, Case) {
        match relation {
            Relation::In => (Some("ва"), Case::Loc),
            Relation::To => (None, Case::Dat),
            Relation::From => (Some("од"), Case::Gen),
            Relation::With => (Some("со"), Case::Loc),
            Relation::For => (Some("дле"), Case::Gen),
            Relation::Near => (Some("при"), Case::Loc),
            Relation::Under => (Some("пад"), Case::Acc),
        }
    }
    fn genitive(&self) -> (Option<&'static str>, Case) {
        (None, Case::Gen)
    }
}
