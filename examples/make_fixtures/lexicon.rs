//! Roots: what each concept is called, by the sound shapes of a language or by sound laws from an ancestor.

use crate::glosses;
use crate::meaning::{Gender, Kind, World};
use isogloss::seed::stream;
use rand::seq::SliceRandom;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// What a language's roots sound like.
pub struct Phonology {
    pub onsets: &'static [&'static str],
    pub vowels: &'static [&'static str],
    /// After a vowel inside a root; an empty one leaves the syllable open.
    pub codas: &'static [&'static str],
    /// At the end of a root; none at all leaves every root ending in a vowel.
    pub finals: &'static [&'static str],
    /// Vowels of one root are all of one half of `vowels`.
    pub harmony: bool,
}

/// A word before inflection.
#[derive(Clone, Debug)]
pub struct Word {
    pub stem: String,
    /// Another stem, for the plural of nouns and the past of verbs.
    pub alternate: Option<String>,
    pub gender: Gender,
    /// 0 to 9, for inflection classes.
    pub class: u8,
    pub animate: bool,
    pub name: bool,
    pub gloss: &'static str,
}

/// The words of a language, in the order of the world's concepts.
#[derive(Clone)]
pub struct Lexicon {
    pub nouns: Vec<Word>,
    pub verbs: Vec<Word>,
    pub adjectives: Vec<Word>,
    pub adverbs: Vec<Word>,
    pub names: Vec<Word>,
    pub numerals: Vec<Word>,
    pub determiners: Vec<Word>,
    pub copula: Word,
    pub auxiliary: Word,
}

fn root(rng: &mut ChaCha8Rng, sounds: &Phonology, rank: usize) -> String {
    let syllables = match rank {
        0..=5 => rng.gen_range(1..=2),
        6..=25 => 2,
        _ => rng.gen_range(2..=3),
    };
    let half = sounds.vowels.len() / 2;
    let vowels = match (sounds.harmony, rng.gen_bool(0.5)) {
        (false, _) => sounds.vowels,
        (true, true) => &sounds.vowels[..half],
        (true, false) => &sounds.vowels[half..],
    };
    let mut out = String::new();
    let mut one = |from: &[&'static str], out: &mut String| out.push_str(from.choose(rng).copied().unwrap_or(""));
    for syllable in 0..syllables {
        one(sounds.onsets, &mut out);
        one(vowels, &mut out);
        if syllable + 1 < syllables {
            one(sounds.codas, &mut out);
        }
    }
    if sounds.finals.is_empty() && syllables == 1 {
        one(sounds.onsets, &mut out);
        one(vowels, &mut out);
    }
    one(sounds.finals, &mut out);
    out
}

struct Maker<'s> {
    rng: ChaCha8Rng,
    sounds: &'s Phonology,
    used: BTreeSet<String>,
}

impl Maker<'_> {
    /// A root that no other word of the language has.
    fn fresh(&mut self, rank: usize) -> String {
        let mut tries = 0;
        loop {
            tries += 1;
            // Short shapes run out: longer ones always follow.
            let root = root(&mut self.rng, self.sounds, rank + tries / 4);
            if self.used.insert(root.clone()) {
                return root;
            }
        }
    }

    fn word(&mut self, gloss: &'static str, rank: usize) -> Word {
        let stem = self.fresh(rank);
        let gender = [Gender::Masc, Gender::Fem, Gender::Neut][self.rng.gen_range(0..3)];
        let class = self.rng.gen_range(0..10);
        Word { stem, alternate: None, gender, class, animate: false, name: false, gloss }
    }
}

/// Natural gender, the same in all languages that have gender.
fn natural_gender(gloss: &str) -> Option<Gender> {
    const WOMEN: &str = " woman mother girl sister queen aunt grandmother daughter widow nurse weaver singer dancer ";
    const MEN: &str = " man father boy king brother soldier uncle grandfather son priest sailor smith shepherd monk ";
    let padded = format!(" {gloss} ");
    if WOMEN.contains(&padded) {
        Some(Gender::Fem)
    } else if MEN.contains(&padded) {
        Some(Gender::Masc)
    } else {
        None
    }
}

impl Lexicon {
    /// Draws a language's words; `name` names the stream.
    pub fn new(world: &World, seed: u64, name: &str, sounds: &Phonology) -> Lexicon {
        let mut make = Maker { rng: stream(seed, &["lexicon", name]), sounds, used: BTreeSet::new() };
        let mut nouns = Vec::new();
        for concept in &world.nouns {
            let mut word = make.word(concept.gloss, concept.rank);
            word.animate = matches!(concept.kinds[0], Kind::Human | Kind::Animal);
            if let Some(gender) = natural_gender(concept.gloss) {
                word.gender = gender;
            } else if concept.kinds[0] == Kind::Human && word.gender == Gender::Neut {
                word.gender = Gender::Masc;
            }
            if concept.rank < 4 && make.rng.gen_bool(0.5) {
                word.alternate = Some(make.fresh(0));
            }
            nouns.push(word);
        }
        let mut verbs = Vec::new();
        for concept in &world.verbs {
            let mut word = make.word(concept.gloss, concept.rank);
            if concept.rank < 3 && make.rng.gen_bool(0.5) {
                word.alternate = Some(make.fresh(0));
            }
            verbs.push(word);
        }
        let adjectives = world.adjectives.iter().map(|c| make.word(c.gloss, c.rank)).collect();
        let adverbs = world.adverbs.iter().map(|c| make.word(c.gloss, c.rank)).collect();
        let numerals = glosses::NUMERALS.iter().map(|g| make.word(g, 0)).collect();
        let determiners = glosses::DETERMINERS.iter().map(|(g, _)| make.word(g, 0)).collect();
        let mut copula = make.word("be", 0);
        copula.alternate = Some(make.fresh(0));
        let auxiliary = make.word("will", 0);
        let mut lexicon =
            Lexicon { nouns, verbs, adjectives, adverbs, names: Vec::new(), numerals, determiners, copula, auxiliary };
        lexicon.names = names(world, seed);
        lexicon
    }

    /// A daughter of this language: `law` changes each root, and a share `1 - kept` of the words is replaced by
    /// words of `own`; a word that came to sound as another one is replaced too. Genders change as often.
    pub fn daughter(&self, seed: u64, name: &str, kept: f64, own: &Lexicon, law: fn(&str) -> String) -> Lexicon {
        let mut rng = stream(seed, &["daughter", name]);
        let mut used: BTreeSet<String> = BTreeSet::new();
        let mut inherit = |old: &Word, new: &Word| -> Word {
            let mut word = old.clone();
            word.stem = law(&old.stem);
            word.alternate = old.alternate.as_deref().map(law);
            let keep = rng.gen_bool(kept);
            if !keep || !used.insert(word.stem.clone()) {
                word.stem = new.stem.clone();
                word.alternate = new.alternate.clone();
                used.insert(new.stem.clone());
                if natural_gender(word.gloss).is_none() {
                    word.gender = new.gender;
                }
            }
            word
        };
        let mut all = |old: &[Word], new: &[Word]| old.iter().zip(new).map(|(o, n)| inherit(o, n)).collect::<Vec<_>>();
        // Names and function words first: they keep their roots.
        let numerals = all(&self.numerals, &own.numerals);
        let determiners = all(&self.determiners, &own.determiners);
        let nouns = all(&self.nouns, &own.nouns);
        let verbs = all(&self.verbs, &own.verbs);
        let adjectives = all(&self.adjectives, &own.adjectives);
        let adverbs = all(&self.adverbs, &own.adverbs);
        let one =
            |old: &Word| Word { stem: law(&old.stem), alternate: old.alternate.as_deref().map(law), ..old.clone() };
        Lexicon {
            nouns,
            verbs,
            adjectives,
            adverbs,
            names: self.names.clone(),
            numerals,
            determiners,
            copula: one(&self.copula),
            auxiliary: one(&self.auxiliary),
        }
    }
}

const NAME_SOUNDS: Phonology = Phonology {
    onsets: &["b", "d", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v"],
    vowels: &["a", "e", "i", "o", "u"],
    codas: &["", "", "l", "n", "r"],
    finals: &["d", "k", "l", "m", "n", "r", "s", "t"],
    harmony: false,
};

/// Names of women (in -a), men and places (in a consonant), which travel from language to language.
fn names(world: &World, seed: u64) -> Vec<Word> {
    let mut make = Maker { rng: stream(seed, &["names"]), sounds: &NAME_SOUNDS, used: BTreeSet::new() };
    let women = glosses::NAMES[0];
    world
        .names
        .iter()
        .enumerate()
        .map(|(index, concept)| {
            let mut word = make.word("", 10);
            let mut letters = word.stem.chars();
            if let Some(first) = letters.next() {
                word.stem = first.to_uppercase().chain(letters).collect();
            }
            word.gender = if index < women { Gender::Fem } else { Gender::Masc };
            word.animate = concept.kinds[0] == Kind::Human;
            word.name = true;
            word
        })
        .collect()
}
