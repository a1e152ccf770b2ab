//! The languages: how each inflects and orders its words.

mod agglutinative;
mod family;
mod northern;
mod prefixing;

use crate::lexicon::{Lexicon, Word};
use crate::meaning::{Aspect, Gender, Number, Person, Relation, Tense, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    Nom,
    Acc,
    Gen,
    Dat,
    Loc,
    Abl,
}

/// Basic order of subject, verb and object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Svo,
    Sov,
    Vso,
}

/// How a relative clause is tied to its noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relative {
    /// By a pronoun that agrees with the noun.
    Pronoun,
    /// By a word that never changes.
    Particle,
    /// By a participle before the noun.
    Participle,
}

/// What syntax needs to know of a language.
pub struct Grammar {
    pub code: &'static str,
    pub name: &'static str,
    pub order: Order,
    pub relative: Relative,
    pub adjective_first: bool,
    pub genitive_first: bool,
    pub determiner_first: bool,
    pub postpositions: bool,
    /// Subject pronouns are left out.
    pub pro_drop: bool,
    /// Object pronouns come before the verb.
    pub clitics: bool,
    /// No copula in the present.
    pub zero_copula: bool,
    /// The future is an auxiliary with an infinitive.
    pub future_auxiliary: bool,
    /// Negation is a suffix of the verb.
    pub negative_suffix: bool,
    /// A noun is plural after a numeral.
    pub plural_numerals: bool,
    pub noun_features: &'static [&'static str],
    /// Of adjectives, determiners and relative pronouns.
    pub adjective_features: &'static [&'static str],
    /// Adjectives differ by gender in the plural too.
    pub plural_gender: bool,
    pub pronoun_features: &'static [&'static str],
    pub adverb_ending: &'static str,
    /// Words that do not inflect, by gloss.
    pub particles: &'static [(&'static str, &'static str)],
}

impl Grammar {
    /// The particle for `gloss`, if the language has one.
    pub fn particle(&self, gloss: &str) -> Option<&'static str> {
        self.particles.iter().find(|(g, _)| *g == gloss).map(|(_, form)| *form)
    }
}

/// What a finite verb may mark.
#[derive(Clone, Copy, Debug)]
pub struct Finite {
    pub tense: Tense,
    pub aspect: Aspect,
    pub person: Person,
    pub number: Number,
    pub gender: Gender,
    pub negative: bool,
}

/// Inflection. What a language does not mark, it ignores.
pub trait Morphology: Sync {
    fn grammar(&self) -> &'static Grammar;
    /// The gender that a word's drawn one counts as.
    fn gender(&self, gender: Gender) -> Gender {
        gender
    }
    fn noun(&self, word: &Word, number: Number, case: Case, definite: bool) -> String;
    fn adjective(&self, word: &Word, gender: Gender, number: Number, case: Case, definite: bool) -> String;
    fn finite(&self, word: &Word, form: Finite) -> String;
    /// The features that a finite verb shows, beside mood and verb form.
    fn finite_features(&self, form: Finite) -> &'static [&'static str];
    fn infinitive(&self, word: &Word) -> String;
    fn imperative(&self, word: &Word, number: Number) -> String;
    fn participle(&self, word: &Word) -> String {
        self.infinitive(word)
    }
    /// The lemma of a verb of an aspect.
    fn verb_lemma(&self, word: &Word, _aspect: Aspect) -> String {
        self.infinitive(word)
    }
    fn article(&self, _definite: bool, _gender: Gender, _number: Number) -> Option<&'static str> {
        None
    }
    fn pronoun(&self, person: Person, number: Number, gender: Gender, case: Case) -> String;
    /// The lemma of a pronoun.
    fn pronoun_lemma(&self, person: Person, number: Number) -> String {
        self.pronoun(person, number, self.gender(Gender::Masc), Case::Nom)
    }
    fn relative_pronoun(&self, _gender: Gender, _number: Number, _case: Case) -> String {
        String::new()
    }
    /// Adposition and case of a relation.
    fn relation(&self, relation: Relation) -> (Option<&'static str>, Case);
    /// Adposition and case of a possessor.
    fn genitive(&self) -> (Option<&'static str>, Case);
    fn object_case(&self, _definite: bool) -> Case {
        Case::Acc
    }
    /// The form of an adposition and the article after it, where they melt into one word.
    fn contraction(&self, _adposition: &str, _article: &str) -> Option<String> {
        None
    }
}

/// A language: its inflection and its words.
pub struct Language {
    pub morphology: &'static dyn Morphology,
    pub lexicon: Lexicon,
}

/// All languages of `seed`; the first is the source of transfer.
pub fn all(world: &World, seed: u64) -> Vec<Language> {
    let ancestor = Lexicon::new(world, seed, "ancestor", &family::SOUNDS);
    let own = |name: &str| Lexicon::new(world, seed, name, &family::SOUNDS);
    let mut ardan = ancestor.daughter(seed, "ardan", 1.0, &own("ardan"), family::ardan_law);
    let mut bresh = ancestor.daughter(seed, "bresh", 0.93, &own("bresh"), family::bresh_law);
    // The ancestor's neuters have gone to the other genders.
    for noun in ardan.nouns.iter_mut().chain(&mut bresh.nouns).filter(|n| n.gender == Gender::Neut) {
        noun.gender = if noun.class < 7 { Gender::Fem } else { Gender::Masc };
    }
    let cold = Lexicon::new(world, seed, "corvath", &northern::CORVATH_SOUNDS);
    let corvath = ancestor.daughter(seed, "corvath", 0.5, &cold, northern::corvath_law);
    let mut dolmir = Lexicon::new(world, seed, "dolmir", &northern::DOLMIR_SOUNDS);
    for name in &mut dolmir.names {
        name.stem = northern::cyrillic(&name.stem);
    }
    vec![
        Language { morphology: &family::Ardan, lexicon: ardan },
        Language { morphology: &family::Bresh, lexicon: bresh },
        Language { morphology: &northern::Corvath, lexicon: corvath },
        Language { morphology: &northern::Dolmir, lexicon: dolmir },
        Language {
            morphology: &agglutinative::Etzur,
            lexicon: Lexicon::new(world, seed, "etzur", &agglutinative::SOUNDS),
        },
        Language { morphology: &prefixing::Fumali, lexicon: Lexicon::new(world, seed, "fumali", &prefixing::SOUNDS) },
    ]
}

/// 0 to 5: first singular to third plural.
fn person_index(person: Person, number: Number) -> usize {
    let person = match person {
        Person::First => 0,
        Person::Second => 1,
        Person::Third => 2,
    };
    person + if number == Number::Plur { 3 } else { 0 }
}

fn number_index(number: Number) -> usize {
    usize::from(number == Number::Plur)
}

fn gender_index(gender: Gender) -> usize {
    match gender {
        Gender::Masc => 0,
        Gender::Fem => 1,
        Gender::Neut => 2,
    }
}
