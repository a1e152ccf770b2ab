//! From a clause of concepts to a sentence of a language.

use crate::glosses;
use crate::languages::{Case, Finite, Grammar, Language, Order, Relative};
use crate::lexicon::Word;
use crate::meaning::{Aspect, Clause, Force, Gender, Head, NounPhrase, Number, Person, Predicate, Relation, Tense};
use crate::phrase::{join, punctuation, Node, Phrase, Sentence, HEAD};

/// What a verb or an adjective agrees with.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    person: Person,
    number: Number,
    gender: Gender,
}

fn person_value(person: Person) -> &'static str {
    match person {
        Person::First => "1",
        Person::Second => "2",
        Person::Third => "3",
    }
}

/// Values of the features that a language may mark on a word.
struct Values {
    agreement: Agreement,
    case: Case,
    definite: bool,
    tense: Tense,
    aspect: Aspect,
}

impl Values {
    fn nominal(agreement: Agreement, case: Case, definite: bool) -> Values {
        Values { agreement, case, definite, tense: Tense::Pres, aspect: Aspect::Imp }
    }

    fn mark(&self, mut node: Node, names: &[&'static str]) -> Node {
        for name in names {
            let value = match *name {
                "Number" => format!("{:?}", self.agreement.number),
                "Gender" => format!("{:?}", self.agreement.gender),
                "Person" => person_value(self.agreement.person).to_string(),
                "Case" => format!("{:?}", self.case),
                "Definite" => if self.definite { "Def" } else { "Ind" }.to_string(),
                "Tense" => format!("{:?}", self.tense),
                _ => format!("{:?}", self.aspect),
            };
            node = node.feature(name, value);
        }
        node
    }
}

/// The sentence of `clause` in `language`.
pub fn realise(language: &Language, clause: &Clause) -> Sentence {
    let realiser = Realiser { language, grammar: language.morphology.grammar() };
    let phrase = realiser.sentence(clause);
    let mut contractions = Vec::new();
    for (index, pair) in phrase.nodes.windows(2).enumerate() {
        if let [adposition, article] = pair {
            let art = article.feats.get("PronType").is_some_and(|v| v == "Art");
            if adposition.upos == "ADP" && art {
                if let Some(form) = language.morphology.contraction(&adposition.form, &article.form) {
                    contractions.push((index, form));
                }
            }
        }
    }
    Sentence { nodes: phrase.nodes, contractions }
}

struct Realiser<'l> {
    language: &'l Language,
    grammar: &'static Grammar,
}

/// The parts of a clause in a row, each with its relation.
type Parts = Vec<(Phrase, &'static str)>;

impl Realiser<'_> {
    fn noun_word(&self, head: &Head) -> Option<&Word> {
        match head {
            Head::Noun(index) => self.language.lexicon.nouns.get(*index),
            Head::Name(index) => self.language.lexicon.names.get(*index),
            _ => None,
        }
    }

    fn agreement(&self, phrase: &NounPhrase, gap: Option<Agreement>) -> Agreement {
        let mut own = match &phrase.head {
            Head::Pronoun(person, gender) => Agreement { person: *person, number: phrase.number, gender: *gender },
            Head::Gap => {
                gap.unwrap_or(Agreement { person: Person::Third, number: phrase.number, gender: Gender::Masc })
            }
            head => {
                let gender = self.noun_word(head).map_or(Gender::Masc, |w| w.gender);
                Agreement { person: Person::Third, number: phrase.number, gender }
            }
        };
        own.gender = self.language.morphology.gender(own.gender);
        if let Some((_, other)) = &phrase.coordinate {
            let other = self.agreement(other, None);
            own.number = Number::Plur;
            if own.gender != other.gender {
                own.gender = Gender::Masc;
            }
        }
        own
    }

    fn particle(&self, gloss: &'static str, upos: &'static str) -> Option<Phrase> {
        let form = self.grammar.particle(gloss)?;
        let gloss = if matches!(gloss, "question" | "relative") { "" } else { gloss };
        Some(Node::new(form, form, upos, gloss).phrase())
    }

    /// A noun phrase with its case and adposition; `None` for a gap.
    fn noun_phrase(&self, phrase: &NounPhrase, adposition: Option<&'static str>, case: Case) -> Option<Phrase> {
        let core = match &phrase.head {
            Head::Gap => return None,
            Head::Pronoun(person, gender) => self.pronoun(*person, phrase.number, *gender, case),
            _ => self.full(phrase, case),
        };
        let core = match &phrase.coordinate {
            Some((link, other)) => {
                let other = self.noun_phrase(other, None, case)?;
                let link = self.particle(link, "CCONJ")?;
                join(vec![(core, HEAD), (join(vec![(link, "cc"), (other, HEAD)]), "conj")])
            }
            None => core,
        };
        let Some(form) = adposition else {
            return Some(core);
        };
        let adposition = Node::new(form, form, "ADP", "").phrase();
        Some(if self.grammar.postpositions {
            join(vec![(core, HEAD), (adposition, "case")])
        } else {
            join(vec![(adposition, "case"), (core, HEAD)])
        })
    }

    fn pronoun(&self, person: Person, number: Number, gender: Gender, case: Case) -> Phrase {
        let morphology = self.language.morphology;
        let gender = morphology.gender(gender);
        let node = Node::new(
            morphology.pronoun(person, number, gender, case),
            morphology.pronoun_lemma(person, number),
            "PRON",
            ["I", "you", "he", "we", "you", "they"][match (person, number) {
                (Person::First, Number::Sing) => 0,
                (Person::Second, Number::Sing) => 1,
                (Person::Third, Number::Sing) => 2,
                (Person::First, Number::Plur) => 3,
                (Person::Second, Number::Plur) => 4,
                (Person::Third, Number::Plur) => 5,
            }],
        );
        let values = Values::nominal(Agreement { person, number, gender }, case, true);
        values.mark(node, self.grammar.pronoun_features).feature("PronType", "Prs").phrase()
    }

    /// What an adjective shows in a number.
    fn adjective_features(&self, number: Number) -> Vec<&'static str> {
        let shown = |f: &&'static str| *f != "Gender" || number == Number::Sing || self.grammar.plural_gender;
        self.grammar.adjective_features.iter().copied().filter(shown).collect()
    }

    /// An adjective or a determiner that inflects like one.
    fn adjective(&self, word: &Word, upos: &'static str, agreement: Agreement, case: Case, definite: bool) -> Node {
        let morphology = self.language.morphology;
        let Agreement { gender, number, .. } = agreement;
        let form = morphology.adjective(word, gender, number, case, definite);
        let lemma = morphology.adjective(word, morphology.gender(Gender::Masc), Number::Sing, Case::Nom, false);
        let node = Node::new(form, lemma, upos, word.gloss);
        Values::nominal(agreement, case, definite).mark(node, &self.adjective_features(number))
    }

    fn full(&self, phrase: &NounPhrase, case: Case) -> Phrase {
        let (morphology, grammar, lexicon) = (self.language.morphology, self.grammar, &self.language.lexicon);
        let Some(word) = self.noun_word(&phrase.head) else {
            return self.pronoun(Person::Third, phrase.number, Gender::Masc, case);
        };
        let mut agreement =
            Agreement { person: Person::Third, number: phrase.number, gender: morphology.gender(word.gender) };
        if phrase.numeral.is_some() && !grammar.plural_numerals {
            agreement.number = Number::Sing;
        }
        let pointed = phrase.determiner.is_some_and(|d| d < 5);
        let definite = pointed || (phrase.definite && phrase.determiner.is_none());
        let form = morphology.noun(word, agreement.number, case, definite);
        let lemma = morphology.noun(word, Number::Sing, Case::Nom, false);
        let node = Node::new(form, lemma, if word.name { "PROPN" } else { "NOUN" }, word.gloss);
        let features: Vec<&'static str> =
            grammar.noun_features.iter().copied().filter(|f| !(word.name && *f == "Definite")).collect();
        let noun = Values::nominal(agreement, case, definite).mark(node, &features).phrase();

        let mut before: Parts = Vec::new();
        let mut after: Parts = Vec::new();
        let mut determiner: Option<Phrase> = None;
        if let Some((index, word)) = phrase.determiner.and_then(|d| Some((d, lexicon.determiners.get(d)?))) {
            let node = self.adjective(word, "DET", agreement, case, definite);
            determiner = Some(
                match index {
                    0 | 1 => node.feature("PronType", "Dem"),
                    2..=4 => node.feature("Poss", "Yes").feature("PronType", "Prs"),
                    7 => node.feature("PronType", "Tot"),
                    _ => node.feature("PronType", "Ind"),
                }
                .phrase(),
            );
        } else if !word.name && phrase.numeral.is_none_or(|_| definite) {
            determiner = morphology.article(definite, agreement.gender, agreement.number).map(|form| {
                let lemma = morphology.article(definite, Gender::Masc, Number::Sing).unwrap_or(form);
                let node = Node::new(form, lemma, "DET", if definite { "the" } else { "a" });
                Values::nominal(agreement, case, definite)
                    .mark(node, &["Definite", "Gender", "Number"])
                    .feature("PronType", "Art")
                    .phrase()
            });
        }
        let numeral = phrase
            .numeral
            .and_then(|n| lexicon.numerals.get(n))
            .map(|word| Node::new(&word.stem, &word.stem, "NUM", word.gloss).feature("NumType", "Card").phrase());
        let adjectives: Parts = phrase
            .adjectives
            .iter()
            .filter_map(|a| lexicon.adjectives.get(*a))
            .map(|word| (self.adjective(word, "ADJ", agreement, case, definite).phrase(), "amod"))
            .collect();
        let possessor = phrase.possessor.as_ref().and_then(|possessor| {
            let (adposition, case) = morphology.genitive();
            self.noun_phrase(possessor, adposition, case)
        });

        let mut relative_after = None;
        if let Some(clause) = &phrase.relative {
            if grammar.relative == Relative::Participle {
                before.push((self.clause(clause, Some(agreement)), "acl"));
            } else {
                let inner = self.clause(clause, Some(agreement));
                relative_after = Some(join(vec![(punctuation(","), "punct"), (inner, HEAD)]));
            }
        }
        if grammar.determiner_first {
            before.extend(determiner.map(|d| (d, "det")));
            if grammar.genitive_first {
                before.extend(possessor.clone().map(|p| (p, "nmod")));
            }
            before.extend(numeral.map(|n| (n, "nummod")));
        } else {
            after.extend(numeral.map(|n| (n, "nummod")));
            after.extend(determiner.map(|d| (d, "det")));
        }
        if grammar.adjective_first {
            before.extend(adjectives);
        } else {
            after.splice(0..0, adjectives);
        }
        if !grammar.genitive_first {
            after.extend(possessor.map(|p| (p, "nmod")));
        }
        after.extend(relative_after.map(|r| (r, "acl:relcl")));
        before.push((noun, HEAD));
        before.extend(after);
        join(before)
    }

    fn finite(&self, word: &Word, clause: &Clause, agreement: Agreement, upos: &'static str) -> Node {
        let morphology = self.language.morphology;
        // Where the auxiliary carries the future, it stands in the present.
        let tense =
            if self.grammar.future_auxiliary && clause.tense == Tense::Fut { Tense::Pres } else { clause.tense };
        let aspect = if upos == "VERB" { clause.aspect } else { Aspect::Imp };
        let Agreement { person, number, gender } = agreement;
        let negative = clause.negative && self.grammar.negative_suffix;
        let finite = Finite { tense, aspect, person, number, gender, negative };
        let form = morphology.finite(word, finite);
        let node = Node::new(form, morphology.verb_lemma(word, aspect), upos, word.gloss);
        let values = Values { agreement, case: Case::Nom, definite: false, tense, aspect };
        let mut features = morphology.finite_features(finite).to_vec();
        // Auxiliaries have no pair of the other aspect.
        features.retain(|f| *f != "Aspect" || upos == "VERB");
        let node = values.mark(node, &features).feature("Mood", "Ind").feature("VerbForm", "Fin");
        if negative {
            node.feature("Polarity", "Neg")
        } else {
            node
        }
    }

    fn infinitive(&self, word: &Word) -> Node {
        let form = self.language.morphology.infinitive(word);
        let lemma = self.language.morphology.verb_lemma(word, Aspect::Imp);
        Node::new(form, lemma, "VERB", word.gloss).feature("VerbForm", "Inf")
    }

    /// The verb with its negation and auxiliary (or, in front of it, an object pronoun).
    fn verb(&self, word: &Word, clause: &Clause, agreement: Agreement, clitic: Option<Phrase>) -> Phrase {
        let (grammar, lexicon) = (self.grammar, &self.language.lexicon);
        let mut parts: Parts = Vec::new();
        if clause.negative && !(grammar.negative_suffix && clause.force != Force::Command) {
            let negation = self.particle("not", "PART").map(|mut p| {
                p.nodes[0].feats.insert("Polarity", "Neg".into());
                (p, "advmod")
            });
            parts.extend(negation);
        }
        if clause.force == Force::Command {
            let number = agreement.number;
            let morphology = self.language.morphology;
            let node = Node::new(
                morphology.imperative(word, number),
                morphology.verb_lemma(word, Aspect::Imp),
                "VERB",
                word.gloss,
            );
            let node = node
                .feature("Mood", "Imp")
                .feature("Number", format!("{number:?}"))
                .feature("Person", "2")
                .feature("VerbForm", "Fin");
            parts.extend(clitic.map(|c| (c, "obj")));
            parts.push((node.phrase(), HEAD));
        } else if grammar.future_auxiliary && clause.tense == Tense::Fut {
            let auxiliary = self.finite(&lexicon.auxiliary, clause, agreement, "AUX").phrase();
            parts.insert(0, (auxiliary, "aux"));
            parts.push((self.infinitive(word).phrase(), HEAD));
        } else {
            parts.extend(clitic.map(|c| (c, "obj")));
            parts.push((self.finite(word, clause, agreement, "VERB").phrase(), HEAD));
        }
        join(parts)
    }

    /// Objects and obliques, in the order of a verb-medial clause, with the object pronoun apart where it is a clitic.
    fn complements(&self, clause: &Clause) -> (Parts, Option<Phrase>) {
        let morphology = self.language.morphology;
        let mut parts: Parts = Vec::new();
        let mut clitic = None;
        if let Some(object) = &clause.object {
            let weak = matches!(object.head, Head::Pronoun(..));
            let definite = match object.determiner {
                Some(d) => d < 5,
                None => object.definite,
            };
            let phrase = self.noun_phrase(object, None, morphology.object_case(definite));
            if weak && self.grammar.clitics && clause.modal.is_none() {
                clitic = phrase;
            } else {
                parts.extend(phrase.map(|p| (p, "obj")));
            }
        }
        if let Some(recipient) = &clause.recipient {
            let (adposition, case) = morphology.relation(Relation::To);
            let case = if case == Case::Gen { Case::Dat } else { case };
            let adposition = adposition.filter(|_| case != Case::Dat);
            let relation = if adposition.is_some() { "obl" } else { "iobj" };
            parts.extend(self.noun_phrase(recipient, adposition, case).map(|p| (p, relation)));
        }
        if let Some((relation, phrase)) = &clause.oblique {
            let (adposition, case) = morphology.relation(*relation);
            parts.extend(self.noun_phrase(phrase, adposition, case).map(|p| (p, "obl")));
        }
        if self.grammar.order == Order::Sov {
            parts.reverse();
        }
        (parts, clitic)
    }

    fn adverb(&self, clause: &Clause) -> Option<(Phrase, &'static str)> {
        let word = self.language.lexicon.adverbs.get(clause.adverb?)?;
        let form = format!("{}{}", word.stem, self.grammar.adverb_ending);
        Some((Node::new(&form, &form, "ADV", word.gloss).phrase(), "advmod"))
    }

    /// A clause without its final mark; `gap` is the antecedent of a relative clause.
    fn clause(&self, clause: &Clause, gap: Option<Agreement>) -> Phrase {
        let (morphology, grammar, lexicon) = (self.language.morphology, self.grammar, &self.language.lexicon);
        let agreement = self.agreement(&clause.subject, gap);
        let dropped = clause.force == Force::Command
            || (grammar.pro_drop
                && matches!(clause.subject.head, Head::Pronoun(..))
                && clause.subject.coordinate.is_none());
        let subject =
            if dropped { None } else { self.noun_phrase(&clause.subject, None, Case::Nom) }.map(|p| (p, "nsubj"));

        let mut front: Parts = Vec::new();
        if let Some(antecedent) = gap {
            let subject_gap = matches!(clause.subject.head, Head::Gap);
            match grammar.relative {
                Relative::Participle => {}
                Relative::Particle => front.extend(self.particle("relative", "SCONJ").map(|p| (p, "mark"))),
                Relative::Pronoun => {
                    let case = if subject_gap { Case::Nom } else { Case::Acc };
                    let Agreement { gender, number, .. } = antecedent;
                    let form = morphology.relative_pronoun(gender, number, case);
                    let masculine = morphology.gender(Gender::Masc);
                    let lemma = morphology.relative_pronoun(masculine, Number::Sing, Case::Nom);
                    let node = Node::new(form, lemma, "PRON", "who");
                    let values = Values::nominal(antecedent, case, true);
                    // One that never changes marks nothing.
                    let features = if grammar.adjective_features.contains(&"Case") {
                        self.adjective_features(number)
                    } else {
                        vec![]
                    };
                    let node = values.mark(node, &features).feature("PronType", "Rel");
                    front.push((node.phrase(), if subject_gap { "nsubj" } else { "obj" }));
                }
            }
        }

        let (mut rest, clitic) = self.complements(clause);
        let adverb = self.adverb(clause);
        let head: Parts;
        match clause.predicate {
            Predicate::Verb(index) => {
                let Some(word) = lexicon.verbs.get(index) else {
                    return punctuation(".");
                };
                if gap.is_some() && grammar.relative == Relative::Participle {
                    let form = morphology.participle(word);
                    let lemma = morphology.verb_lemma(word, Aspect::Imp);
                    let node = Node::new(form, lemma, "VERB", word.gloss).feature("VerbForm", "Part");
                    head = vec![(node.phrase(), HEAD)];
                } else if let Some(modal) = clause.modal.and_then(|m| lexicon.verbs.get(m)) {
                    let infinitive = (self.infinitive(word).phrase(), HEAD);
                    let mut inner = std::mem::take(&mut rest);
                    if grammar.order == Order::Sov {
                        inner.push(infinitive);
                    } else {
                        inner.insert(0, infinitive);
                    }
                    rest = vec![(join(inner), "xcomp")];
                    head = vec![(self.verb(modal, clause, agreement, None), HEAD)];
                } else {
                    head = vec![(self.verb(word, clause, agreement, clitic), HEAD)];
                }
            }
            Predicate::Adjective(_) | Predicate::Noun(_) => head = self.copular(clause, agreement),
        }
        if let Some(complement) = &clause.complement {
            let inner = self.clause(complement, None);
            let mark = self.particle("that", "SCONJ").map(|p| (p, "mark"));
            let inner = self.marked(inner, mark);
            rest.push((inner, "ccomp"));
        }

        let mut parts = front;
        match grammar.order {
            Order::Svo => {
                parts.extend(subject);
                parts.extend(head);
                parts.extend(rest);
                parts.extend(adverb);
            }
            Order::Sov => {
                parts.extend(subject);
                parts.extend(rest);
                parts.extend(adverb);
                parts.extend(head);
            }
            Order::Vso => {
                // The copula, if any, and a predicate that is no verb come first too.
                parts.extend(head);
                parts.extend(subject);
                parts.extend(rest);
                parts.extend(adverb);
            }
        }
        join(parts)
    }

    /// A predicate that is no verb, with copula and negation around it.
    fn copular(&self, clause: &Clause, agreement: Agreement) -> Parts {
        let (grammar, lexicon) = (self.grammar, &self.language.lexicon);
        let predicate = match clause.predicate {
            Predicate::Adjective(index) => lexicon
                .adjectives
                .get(index)
                .map(|word| self.adjective(word, "ADJ", agreement, Case::Nom, false).phrase()),
            Predicate::Noun(index) => {
                let mut phrase = crate::meaning::bare(Head::Noun(index), agreement.number);
                phrase.definite = false;
                self.noun_phrase(&phrase, None, Case::Nom)
            }
            Predicate::Verb(_) => None,
        };
        let mut around: Parts = Vec::new();
        let silent = grammar.zero_copula && clause.tense == Tense::Pres;
        if !silent {
            // The auxiliary of the future has the copula's infinitive after it.
            if grammar.future_auxiliary && clause.tense == Tense::Fut {
                around.push((self.finite(&lexicon.auxiliary, clause, agreement, "AUX").phrase(), "aux"));
                let mut infinitive = self.infinitive(&lexicon.copula);
                infinitive.upos = "AUX";
                around.push((infinitive.phrase(), "cop"));
            } else {
                around.push((self.finite(&lexicon.copula, clause, agreement, "AUX").phrase(), "cop"));
            }
        }
        if clause.negative && (silent || !grammar.negative_suffix) {
            let negation = self.particle("not", "PART").map(|mut p| {
                p.nodes[0].feats.insert("Polarity", "Neg".into());
                (p, "advmod")
            });
            around.extend(negation);
        }
        let predicate = predicate.map(|p| (p, HEAD));
        if grammar.order == Order::Sov {
            around.reverse();
            predicate.into_iter().chain(around).collect()
        } else {
            around.into_iter().chain(predicate).collect()
        }
    }

    /// A clause with its subordinator on the language's side.
    fn marked(&self, clause: Phrase, mark: Option<(Phrase, &'static str)>) -> Phrase {
        let mut parts: Parts = vec![(clause, HEAD)];
        if self.grammar.order == Order::Sov {
            parts.extend(mark);
        } else {
            parts.splice(0..0, mark);
        }
        join(parts)
    }

    fn sentence(&self, clause: &Clause) -> Phrase {
        let grammar = self.grammar;
        let mut before: Parts = Vec::new();
        let mut after: Parts = Vec::new();
        if clause.interjection {
            before.extend(self.particle("oh", "INTJ").map(|p| (p, "discourse")));
            before.push((punctuation(","), "punct"));
        }
        if let Some((link, adjunct)) = &clause.adjunct {
            let inner = self.clause(adjunct, None);
            let mark = self.particle(link, "SCONJ").map(|p| (p, "mark"));
            let inner = self.marked(inner, mark);
            if grammar.order == Order::Sov {
                before.push((join(vec![(inner, HEAD), (punctuation(","), "punct")]), "advcl"));
            } else {
                after.push((join(vec![(punctuation(","), "punct"), (inner, HEAD)]), "advcl"));
            }
        }
        if let Some((link, other)) = &clause.coordinate {
            let mut parts: Parts = vec![(punctuation(","), "punct")];
            parts.extend(self.particle(link, "CCONJ").map(|p| (p, "cc")));
            parts.push((self.clause(other, None), HEAD));
            after.push((join(parts), "conj"));
        }
        after.extend(self.gapped(clause));
        let main = self.clause(clause, None);
        if clause.force == Force::Question {
            if let Some(particle) = self.particle("question", "PART") {
                if grammar.order == Order::Vso {
                    before.push((particle, "discourse"));
                } else {
                    after.push((particle, "discourse"));
                }
            }
        }
        let mark = match clause.force {
            Force::Statement => ".",
            Force::Question => "?",
            Force::Command => "!",
        };
        after.push((punctuation(mark), "punct"));
        before.push((main, HEAD));
        before.extend(after);
        join(before)
    }

    /// `, and SUBJECT OBJECT`, the verb understood: the subject takes its place in the tree.
    fn gapped(&self, clause: &Clause) -> Option<(Phrase, &'static str)> {
        let (subject, object) = clause.gapped.as_ref()?;
        let Predicate::Verb(verb) = clause.predicate else {
            return None;
        };
        let word = self.language.lexicon.verbs.get(verb)?;
        let agreement = self.agreement(subject, None);
        let mut subject_phrase = self.noun_phrase(subject, None, Case::Nom)?;
        let future = self.grammar.future_auxiliary && clause.tense == Tense::Fut;
        let mut understood = Clause { negative: false, ..clause.clone() };
        understood.force = Force::Statement;
        let empty = if future { self.infinitive(word) } else { self.finite(word, &understood, agreement, "VERB") };
        let head = subject_phrase.head;
        subject_phrase.nodes.get_mut(head)?.empty = Some(Box::new(empty));
        let definite = match object.determiner {
            Some(d) => d < 5,
            None => object.definite,
        };
        let object_phrase = self.noun_phrase(object, None, self.language.morphology.object_case(definite))?;
        let link = self.particle("and", "CCONJ")?;
        let parts = vec![(punctuation(","), "punct"), (link, "cc"), (subject_phrase, HEAD), (object_phrase, "orphan")];
        Some((join(parts), "conj"))
    }
}

/// The determiners' count is part of the meaning: lexica must have as many.
const _: () = assert!(glosses::DETERMINERS.len() == 10);
