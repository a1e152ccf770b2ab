//! What is said, before any language says it: concepts, and clauses of concepts.
//!
//! All languages talk about one world, so that translation equivalents keep the same company in each of them.

use crate::glosses;
use isogloss::seed::stream;
use rand::seq::SliceRandom;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Kinds of nouns, for selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Human,
    Animal,
    Food,
    Thing,
    Place,
    Idea,
}

/// What a verb takes beside its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    Intransitive,
    Transitive,
    Ditransitive,
    Motion,
    Clausal,
    Modal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Number {
    Sing,
    Plur,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gender {
    Masc,
    Fem,
    Neut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Person {
    First,
    Second,
    Third,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    Past,
    Pres,
    Fut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    Imp,
    Perf,
}

/// A noun, an adjective, an adverb or a name of the world.
pub struct Concept {
    pub gloss: &'static str,
    /// Kinds that it belongs to (nouns: one) or describes (adjectives).
    pub kinds: Vec<Kind>,
    pub topic: usize,
    pub weight: f64,
    /// Position within its kind: frequent concepts have short, and sometimes irregular, words.
    pub rank: usize,
}

/// A verb of the world.
pub struct VerbConcept {
    pub gloss: &'static str,
    pub frame: Frame,
    pub subject: &'static [Kind],
    pub object: &'static [Kind],
    pub topic: usize,
    pub weight: f64,
    pub rank: usize,
}

const TOPICS: usize = 8;

/// All concepts.
pub struct World {
    pub nouns: Vec<Concept>,
    pub verbs: Vec<VerbConcept>,
    pub adjectives: Vec<Concept>,
    pub adverbs: Vec<Concept>,
    /// Women's, men's and places' names, in this order.
    pub names: Vec<Concept>,
}

fn zipf(rank: usize) -> f64 {
    (rank as f64 + 6.0).powf(-0.8)
}

impl World {
    /// The world of `seed`: its topics are drawn, its concepts are fixed.
    pub fn new(seed: u64) -> World {
        let mut rng = stream(seed, &["world"]);
        let mut concepts = |groups: &[(Vec<Kind>, &'static str)]| -> Vec<Concept> {
            let mut out = Vec::new();
            for (kinds, words) in groups {
                for (rank, gloss) in words.split_whitespace().enumerate() {
                    let topic = rng.gen_range(0..TOPICS);
                    out.push(Concept { gloss, kinds: kinds.clone(), topic, weight: zipf(rank), rank });
                }
            }
            out
        };
        let nouns = concepts(&glosses::NOUNS.iter().map(|(k, w)| (vec![*k], *w)).collect::<Vec<_>>());
        let adjectives = concepts(&glosses::ADJECTIVES.iter().map(|(k, w)| (k.to_vec(), *w)).collect::<Vec<_>>());
        let adverbs = concepts(&[(vec![], glosses::ADVERBS)]);
        let mut names = Vec::new();
        for (group, count) in glosses::NAMES.iter().enumerate() {
            for rank in 0..*count {
                let kinds = vec![if group == 2 { Kind::Place } else { Kind::Human }];
                let topic = rng.gen_range(0..TOPICS);
                names.push(Concept { gloss: "", kinds, topic, weight: zipf(rank), rank });
            }
        }
        let mut verbs = Vec::new();
        for (frame, subject, object, words) in glosses::VERBS {
            for (rank, gloss) in words.split_whitespace().enumerate() {
                let topic = rng.gen_range(0..TOPICS);
                let (frame, weight) = (*frame, zipf(rank));
                verbs.push(VerbConcept { gloss, frame, subject, object, topic, weight, rank });
            }
        }
        World { nouns, verbs, adjectives, adverbs, names }
    }
}

/// Relations that languages mark by an adposition, a case or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    In,
    To,
    From,
    With,
    For,
    Near,
    Under,
}

/// What a noun phrase is about.
#[derive(Clone, Debug)]
pub enum Head {
    Noun(usize),
    Name(usize),
    Pronoun(Person, Gender),
    /// The place in a relative clause from where its antecedent is missing.
    Gap,
}

#[derive(Clone, Debug)]
pub struct NounPhrase {
    pub head: Head,
    pub number: Number,
    pub definite: bool,
    pub determiner: Option<usize>,
    pub numeral: Option<usize>,
    pub adjectives: Vec<usize>,
    pub possessor: Option<Box<NounPhrase>>,
    pub relative: Option<Box<Clause>>,
    pub coordinate: Option<(&'static str, Box<NounPhrase>)>,
}

#[derive(Clone, Copy, Debug)]
pub enum Predicate {
    Verb(usize),
    Adjective(usize),
    Noun(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    Statement,
    Question,
    Command,
}

#[derive(Clone, Debug)]
pub struct Clause {
    pub predicate: Predicate,
    pub force: Force,
    pub tense: Tense,
    pub aspect: Aspect,
    pub negative: bool,
    pub subject: NounPhrase,
    pub object: Option<NounPhrase>,
    pub recipient: Option<NounPhrase>,
    pub oblique: Option<(Relation, NounPhrase)>,
    pub adverb: Option<usize>,
    /// A modal verb that takes the predicate as its infinitive.
    pub modal: Option<usize>,
    pub complement: Option<Box<Clause>>,
    pub adjunct: Option<(&'static str, Box<Clause>)>,
    pub coordinate: Option<(&'static str, Box<Clause>)>,
    /// Subject and object of a second clause whose verb is left out because it is the same.
    pub gapped: Option<(NounPhrase, NounPhrase)>,
    pub interjection: bool,
}

/// Someone who says things: a stream of clauses that stays on a topic for a while.
pub struct Speaker<'w> {
    world: &'w World,
    rng: ChaCha8Rng,
    topic: usize,
}

impl<'w> Speaker<'w> {
    pub fn new(world: &'w World, seed: u64, names: &[&str]) -> Self {
        Speaker { world, rng: stream(seed, names), topic: 0 }
    }

    /// Changes the topic: a new document begins.
    pub fn turn(&mut self) {
        self.topic = self.rng.gen_range(0..TOPICS);
    }

    fn chance(&mut self, p: f64) -> bool {
        self.rng.gen_bool(p)
    }

    fn pick(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut left = self.rng.gen::<f64>() * total;
        for (i, w) in weights.iter().enumerate() {
            left -= w;
            if left < 0.0 && *w > 0.0 {
                return i;
            }
        }
        weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
    }

    /// Concepts of the topic at hand, and of `near`, come up more often.
    fn affinity(&self, topic: usize, near: usize) -> f64 {
        let mut factor = 1.0;
        if topic == self.topic {
            factor *= 4.0;
        }
        if topic == near {
            factor *= 3.0;
        }
        factor
    }

    fn noun(&mut self, kinds: &[Kind], near: usize) -> usize {
        let weights: Vec<f64> = self
            .world
            .nouns
            .iter()
            .map(|c| if kinds.contains(&c.kinds[0]) { c.weight * self.affinity(c.topic, near) } else { 0.0 })
            .collect();
        self.pick(&weights)
    }

    fn adjective(&mut self, kind: Kind, near: usize) -> usize {
        let weights: Vec<f64> = self
            .world
            .adjectives
            .iter()
            .map(|c| if c.kinds.contains(&kind) { c.weight * self.affinity(c.topic, near) } else { 0.0 })
            .collect();
        self.pick(&weights)
    }

    fn verb(&mut self, frame: Frame, kind: Option<Kind>) -> usize {
        let weights: Vec<f64> = self
            .world
            .verbs
            .iter()
            .map(|v| {
                let fits = v.frame == frame && kind.is_none_or(|k| v.subject.contains(&k));
                if fits {
                    v.weight * self.affinity(v.topic, TOPICS)
                } else {
                    0.0
                }
            })
            .collect();
        self.pick(&weights)
    }

    fn pronoun(&mut self) -> NounPhrase {
        let person = [Person::First, Person::Second, Person::Third][self.pick(&[0.45, 0.42, 0.13])];
        let gender = if self.chance(0.5) { Gender::Masc } else { Gender::Fem };
        let number = if self.chance(0.4) { Number::Plur } else { Number::Sing };
        bare(Head::Pronoun(person, gender), number)
    }

    fn name(&mut self, kinds: &[Kind], near: usize) -> Option<NounPhrase> {
        let weights: Vec<f64> = self
            .world
            .names
            .iter()
            .map(|c| if kinds.contains(&c.kinds[0]) { c.weight * self.affinity(c.topic, near) } else { 0.0 })
            .collect();
        if weights.iter().all(|w| *w == 0.0) {
            return None;
        }
        Some(bare(Head::Name(self.pick(&weights)), Number::Sing))
    }

    /// A noun phrase of one of `kinds`; `room` bounds what it may contain.
    fn noun_phrase(&mut self, kinds: &[Kind], near: usize, room: usize) -> NounPhrase {
        if self.chance(0.24) {
            if let Some(name) = self.name(kinds, near) {
                return name;
            }
        }
        let noun = self.noun(kinds, near);
        let concept = &self.world.nouns[noun];
        let (kind, topic) = (concept.kinds[0], concept.topic);
        let mut phrase = bare(Head::Noun(noun), if self.chance(0.42) { Number::Plur } else { Number::Sing });
        phrase.definite = self.chance(0.55);
        if self.chance(0.42) {
            phrase.adjectives.push(self.adjective(kind, topic));
            if self.chance(0.12) {
                let second = self.adjective(kind, topic);
                if !phrase.adjectives.contains(&second) {
                    phrase.adjectives.push(second);
                }
            }
        }
        if self.chance(0.14) {
            phrase.determiner = Some(self.rng.gen_range(0..glosses::DETERMINERS.len()));
            if glosses::DETERMINERS[phrase.determiner.unwrap_or(0)].1 {
                phrase.number = Number::Plur;
            }
        } else if self.chance(0.06) {
            phrase.numeral = Some(self.rng.gen_range(0..glosses::NUMERALS.len()));
            phrase.number = Number::Plur;
        }
        if room > 0 {
            if self.chance(0.10) {
                phrase.possessor = Some(Box::new(self.noun_phrase(&[Kind::Human, Kind::Place], topic, 0)));
            } else if self.chance(0.09) {
                phrase.relative = self.relative(kind).map(Box::new);
            }
            if phrase.relative.is_none() && self.chance(0.06) {
                let link = if self.chance(0.8) { "and" } else { "or" };
                phrase.coordinate = Some((link, Box::new(self.noun_phrase(&[kind], topic, 0))));
            }
        }
        phrase
    }

    /// A relative clause on a noun of `kind`, which is missing from it as subject or object.
    fn relative(&mut self, kind: Kind) -> Option<Clause> {
        let gap = bare(Head::Gap, Number::Sing);
        if self.chance(0.6) {
            let frame = if self.chance(0.5) { Frame::Transitive } else { Frame::Intransitive };
            if !self.world.verbs.iter().any(|v| v.frame == frame && v.subject.contains(&kind)) {
                return None;
            }
            let verb = self.verb(frame, Some(kind));
            let mut clause = self.empty(Predicate::Verb(verb), gap);
            let concept = &self.world.verbs[verb];
            if frame == Frame::Transitive {
                clause.object = Some(self.noun_phrase(concept.object, concept.topic, 0));
            } else if self.chance(0.4) {
                clause.adverb = Some(self.adverb());
            }
            Some(clause)
        } else {
            let fits: Vec<f64> = self
                .world
                .verbs
                .iter()
                .map(|v| if v.frame == Frame::Transitive && v.object.contains(&kind) { v.weight } else { 0.0 })
                .collect();
            if fits.iter().all(|w| *w == 0.0) {
                return None;
            }
            let verb = self.pick(&fits);
            let subject = self.subject(self.world.verbs[verb].subject, self.world.verbs[verb].topic, 0);
            let mut clause = self.empty(Predicate::Verb(verb), subject);
            clause.object = Some(gap);
            Some(clause)
        }
    }

    fn subject(&mut self, kinds: &[Kind], near: usize, room: usize) -> NounPhrase {
        if kinds.contains(&Kind::Human) && self.chance(0.58) {
            self.pronoun()
        } else {
            self.noun_phrase(kinds, near, room)
        }
    }

    fn adverb(&mut self) -> usize {
        let weights: Vec<f64> = self.world.adverbs.iter().map(|c| c.weight * self.affinity(c.topic, TOPICS)).collect();
        self.pick(&weights)
    }

    fn empty(&mut self, predicate: Predicate, subject: NounPhrase) -> Clause {
        let tense = [Tense::Past, Tense::Pres, Tense::Fut][self.pick(&[0.37, 0.35, 0.28])];
        let perfective = self.chance(if tense == Tense::Pres { 0.0 } else { 0.5 });
        Clause {
            predicate,
            force: Force::Statement,
            tense,
            aspect: if perfective { Aspect::Perf } else { Aspect::Imp },
            negative: self.chance(0.09),
            subject,
            object: None,
            recipient: None,
            oblique: None,
            adverb: None,
            modal: None,
            complement: None,
            adjunct: None,
            coordinate: None,
            gapped: None,
            interjection: false,
        }
    }

    /// A clause; `room` bounds how many clauses may hang on it.
    fn clause(&mut self, room: usize) -> Clause {
        let shape = self.pick(&[0.25, 0.40, 0.09, 0.13, 0.06, 0.04, if room > 0 { 0.08 } else { 0.0 }]);
        let frames = [Frame::Intransitive, Frame::Transitive, Frame::Ditransitive, Frame::Motion];
        if let Some(frame) = frames.get(shape).copied().or((shape == 6).then_some(Frame::Clausal)) {
            return self.verbal(frame, room);
        }
        // Copular: somebody or something is so, or is a such.
        let kind = if shape == 5 {
            Kind::Human
        } else {
            [Kind::Human, Kind::Animal, Kind::Food, Kind::Thing, Kind::Place, Kind::Idea]
                [self.pick(&[0.35, 0.15, 0.1, 0.2, 0.1, 0.1])]
        };
        let subject = self.subject(&[kind], TOPICS, 1);
        let predicate = if shape == 5 {
            Predicate::Noun(self.noun(&[Kind::Human], TOPICS))
        } else {
            Predicate::Adjective(self.adjective(kind, TOPICS))
        };
        self.empty(predicate, subject)
    }

    fn verbal(&mut self, frame: Frame, room: usize) -> Clause {
        let verb = self.verb(frame, None);
        let concept = &self.world.verbs[verb];
        let subject = self.subject(concept.subject, concept.topic, 1);
        let mut clause = self.empty(Predicate::Verb(verb), subject);
        match frame {
            Frame::Transitive => {
                let pronoun = concept.object.contains(&Kind::Human) && self.chance(0.2);
                let object = if pronoun { self.pronoun() } else { self.noun_phrase(concept.object, concept.topic, 1) };
                clause.object = Some(object);
            }
            Frame::Ditransitive => {
                clause.object = Some(self.noun_phrase(concept.object, concept.topic, 0));
                let pronoun = self.chance(0.3);
                clause.recipient =
                    Some(if pronoun { self.pronoun() } else { self.noun_phrase(&[Kind::Human], concept.topic, 0) });
            }
            Frame::Motion => {
                let relation = if self.chance(0.65) { Relation::To } else { Relation::From };
                clause.oblique = Some((relation, self.noun_phrase(&[Kind::Place], concept.topic, 0)));
            }
            Frame::Clausal => {
                let mut complement = self.clause(0);
                complement.force = Force::Statement;
                clause.complement = Some(Box::new(complement));
            }
            Frame::Intransitive | Frame::Modal => {}
        }
        if clause.oblique.is_none() && clause.complement.is_none() && self.chance(0.18) {
            let relations =
                [Relation::In, Relation::With, Relation::For, Relation::Near, Relation::Under, Relation::From];
            let relation = relations[self.pick(&[0.4, 0.2, 0.15, 0.12, 0.06, 0.07])];
            let kinds: &[Kind] = match relation {
                Relation::With | Relation::For => &[Kind::Human],
                Relation::Under => &[Kind::Thing],
                _ => &[Kind::Place],
            };
            clause.oblique = Some((relation, self.noun_phrase(kinds, concept.topic, 0)));
        }
        if clause.complement.is_none() && self.chance(0.42) {
            clause.adverb = Some(self.adverb());
        }
        let human = concept.subject.contains(&Kind::Human);
        if human && frame != Frame::Clausal && self.chance(0.07) {
            clause.modal = Some(self.verb(Frame::Modal, None));
        } else if human && room > 0 && frame != Frame::Clausal && self.chance(0.06) {
            clause.force = Force::Command;
            clause.tense = Tense::Pres;
            clause.aspect = Aspect::Imp;
            let number = if self.chance(0.4) { Number::Plur } else { Number::Sing };
            clause.subject = bare(Head::Pronoun(Person::Second, Gender::Masc), number);
        }
        clause
    }

    /// One sentence.
    pub fn sentence(&mut self) -> Clause {
        let mut clause = self.clause(1);
        clause.interjection = self.chance(0.03);
        let simple = clause.force == Force::Statement && clause.complement.is_none();
        if simple && self.chance(0.09) {
            let links = ["because", "when", "if", "although"];
            let link = *links.choose(&mut self.rng).unwrap_or(&"because");
            clause.adjunct = Some((link, Box::new(self.clause(0))));
        } else if simple && self.chance(0.11) {
            let link = if self.chance(0.7) { "and" } else { "but" };
            clause.coordinate = Some((link, Box::new(self.clause(0))));
        } else if simple && clause.object.is_some() && clause.modal.is_none() && self.chance(0.07) {
            if let Predicate::Verb(verb) = clause.predicate {
                let concept = &self.world.verbs[verb];
                let subject = self.noun_phrase(concept.subject, concept.topic, 0);
                let object = self.noun_phrase(concept.object, concept.topic, 0);
                if clause.recipient.is_none() {
                    clause.gapped = Some((subject, object));
                }
            }
        }
        if clause.force == Force::Statement && clause.gapped.is_none() && self.chance(0.07) {
            clause.force = Force::Question;
        }
        clause
    }
}

/// A noun phrase of its head alone.
pub fn bare(head: Head, number: Number) -> NounPhrase {
    NounPhrase {
        head,
        number,
        definite: true,
        determiner: None,
        numeral: None,
        adjectives: Vec::new(),
        possessor: None,
        relative: None,
        coordinate: None,
    }
}
