//! Words in a row with their heads, and their way into CoNLL-U.

use std::collections::BTreeMap;
use std::fmt::Write;

/// One syntactic word.
#[derive(Clone, Debug)]
pub struct Node {
    pub form: String,
    pub lemma: String,
    pub upos: &'static str,
    pub feats: BTreeMap<&'static str, String>,
    /// Index of the head in the same phrase; the phrase's own head points to itself.
    pub head: usize,
    pub deprel: &'static str,
    pub gloss: &'static str,
    /// No space before this word.
    pub glued: bool,
    /// A word that is understood after this one.
    pub empty: Option<Box<Node>>,
}

impl Node {
    pub fn new(form: impl Into<String>, lemma: impl Into<String>, upos: &'static str, gloss: &'static str) -> Node {
        Node {
            form: form.into(),
            lemma: lemma.into(),
            upos,
            feats: BTreeMap::new(),
            head: 0,
            deprel: "root",
            gloss,
            glued: false,
            empty: None,
        }
    }

    pub fn feature(mut self, name: &'static str, value: impl Into<String>) -> Node {
        self.feats.insert(name, value.into());
        self
    }

    pub fn phrase(self) -> Phrase {
        Phrase { nodes: vec![self], head: 0 }
    }
}

/// A row of words with one head.
#[derive(Clone, Debug)]
pub struct Phrase {
    pub nodes: Vec<Node>,
    pub head: usize,
}

/// The relation of the part of [`join`] that heads the whole.
pub const HEAD: &str = "head";

/// Puts `parts` in a row; each but the one marked [`HEAD`] depends on that one's head.
pub fn join(parts: Vec<(Phrase, &'static str)>) -> Phrase {
    let mut nodes = Vec::new();
    let mut heads = Vec::new();
    let mut head = 0;
    for (part, relation) in parts {
        let offset = nodes.len();
        if relation == HEAD {
            head = offset + part.head;
        } else {
            heads.push((offset + part.head, relation));
        }
        nodes.extend(part.nodes.into_iter().map(|mut node| {
            node.head += offset;
            node
        }));
    }
    for (index, relation) in heads {
        nodes[index].head = head;
        nodes[index].deprel = relation;
    }
    Phrase { nodes, head }
}

/// A punctuation mark, glued to the word before it.
pub fn punctuation(mark: &str) -> Phrase {
    let mut node = Node::new(mark, mark, "PUNCT", "");
    node.glued = true;
    node.phrase()
}

/// A sentence with its contractions: `(first, form)` spells the words `first` and `first + 1` as one.
pub struct Sentence {
    pub nodes: Vec<Node>,
    pub contractions: Vec<(usize, String)>,
}

impl Sentence {
    /// Surface words with whether a space comes before each.
    fn surface(&self) -> Vec<(&str, bool)> {
        let mut words: Vec<(&str, bool)> = Vec::new();
        let mut index = 0;
        while let Some(node) = self.nodes.get(index) {
            match self.contractions.iter().find(|(first, _)| *first == index) {
                Some((_, form)) => {
                    words.push((form, !node.glued));
                    index += 2;
                }
                None => {
                    words.push((&node.form, !node.glued));
                    index += 1;
                }
            }
        }
        words
    }

    /// The text as it is written.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (index, (word, spaced)) in self.surface().into_iter().enumerate() {
            if spaced && index > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// Appends the sentence in CoNLL-U.
    pub fn conllu(&self, id: &str, out: &mut String) {
        let _ = writeln!(out, "# sent_id = {id}\n# text = {}", self.text());
        // Enhanced dependencies only where an empty node makes them differ from the tree.
        let enhanced = self.nodes.iter().any(|n| n.empty.is_some());
        for (index, node) in self.nodes.iter().enumerate() {
            let contraction = self.contractions.iter().find(|(first, _)| *first == index);
            let inside = self.contractions.iter().any(|(first, _)| *first == index || first + 1 == index);
            if let Some((_, form)) = contraction {
                let glued = self.nodes.get(index + 2).is_some_and(|n| n.glued);
                let misc = if glued { "SpaceAfter=No" } else { "_" };
                let _ = writeln!(out, "{}-{}\t{form}\t_\t_\t_\t_\t_\t_\t_\t{misc}", index + 1, index + 2);
            }
            let glued = !inside && self.nodes.get(index + 1).is_some_and(|n| n.glued);
            let id = (index + 1).to_string();
            let root = node.head == index;
            let head = if root { 0 } else { node.head + 1 };
            let deprel = if root { "root" } else { node.deprel };
            let deps = match (enhanced, &node.empty, self.orphanage(node)) {
                (false, _, _) => "_".to_string(),
                // The gap's own subject and object hang on the empty node that stands for the verb.
                (true, Some(_), _) => format!("{id}.1:nsubj"),
                (true, None, Some(empty)) => format!("{empty}.1:{}", if deprel == "orphan" { "obj" } else { deprel }),
                (true, None, None) => format!("{head}:{deprel}"),
            };
            line(out, &id, node, &head.to_string(), deprel, &deps, glued);
            if let Some(empty) = &node.empty {
                let deps = format!("{head}:{deprel}");
                line(out, &format!("{id}.1"), empty, "_", "_", &deps, false);
            }
        }
        out.push('\n');
    }

    /// The id of the word before the empty node on which `node`, in the plain tree a dependent of that word, belongs.
    fn orphanage(&self, node: &Node) -> Option<usize> {
        let gapped = self.nodes.get(node.head)?.empty.is_some();
        (gapped && matches!(node.deprel, "orphan" | "cc" | "punct")).then_some(node.head + 1)
    }
}

fn line(out: &mut String, id: &str, node: &Node, head: &str, deprel: &str, deps: &str, glued: bool) {
    let feats: Vec<String> = node.feats.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let feats = if feats.is_empty() { "_".to_string() } else { feats.join("|") };
    let mut misc = Vec::new();
    if !node.gloss.is_empty() {
        misc.push(format!("Gloss={}", node.gloss.trim_end_matches(|c: char| c.is_ascii_digit())));
    }
    if glued {
        misc.push("SpaceAfter=No".to_string());
    }
    let misc = if misc.is_empty() { "_".to_string() } else { misc.join("|") };
    let Node { form, lemma, upos, .. } = node;
    let _ = writeln!(out, "{id}\t{form}\t{lemma}\t{upos}\t_\t{feats}\t{head}\t{deprel}\t{deps}\t{misc}");
}
