//! Reading and writing CoNLL-U, the text format of Universal Dependencies
//! (<https://universaldependencies.org/format.html>), a sentence at a time, plain or compressed by gzip.
//!
//! The reader is strict where a defect would move words, features or provenance: ten columns, ids in sequence, well
//! formed multiword ranges, features that are pairs. It takes what treebanks really contain: a byte order mark, CRLF,
//! sentences without comments, spaces inside forms, underscores that are words, features outside the universal set. Of
//! CoNLL-U Plus (<https://universaldependencies.org/ext-format.html>) it takes the ten columns wherever
//! `# global.columns` puts them, and ignores the others. Text is kept as it is: nothing is normalised.
//!
//! Memory is bounded by a sentence, and a sentence by [`MAX_SENTENCE`].
//!
//! # Examples
//! ```
//! use isogloss::treebank::conllu::Reader;
//! let text = "# sent_id = 1\n1\tIch\tich\tPRON\t_\tNumber=Sing\t2\tnsubj\t_\t_\n2\tlese\tlesen\tVERB\t_\t_\t0\troot\t_\t_\n\n";
//! for sentence in Reader::new(text.as_bytes(), "example.conllu") {
//!     let sentence = sentence?;
//!     assert_eq!(sentence.tokens.len(), 2);
//!     assert_eq!(sentence.to_string(), text);
//! }
//! # Ok::<(), isogloss::Error>(())
//! ```

mod columns;
mod input;
mod parse;
mod reader;

pub(crate) use input::open_text;
pub(super) use parse::{Block, Row};
pub use reader::{open, Reader, MAX_LINE, MAX_SENTENCE};

use std::fmt;
use std::sync::Arc;

/// The first column: what kind of line this is, and where it stands in the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenId {
    /// A syntactic word, `8`; counted from 1.
    Word(u32),
    /// A multiword token, `8-9`: one surface token that stands for the words from the first to the second, inclusive.
    Range(u32, u32),
    /// An empty node, `8.1`: the first after word 8; nothing in the surface text.
    Empty(u32, u32),
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenId::Word(word) => write!(f, "{word}"),
            TokenId::Range(first, last) => write!(f, "{first}-{last}"),
            TokenId::Empty(word, number) => write!(f, "{word}.{number}"),
        }
    }
}

/// A line of a sentence: a word, a multiword token or an empty node. An underscore (no value) is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Column ID.
    pub id: TokenId,
    /// Column FORM; may contain spaces; `_` where the form is an underscore or unspecified.
    pub form: String,
    /// Column LEMMA; `Some("_")` for a word whose form is an underscore too, as the format rules.
    pub lemma: Option<String>,
    /// Column UPOS.
    pub upos: Option<String>,
    /// Column XPOS.
    pub xpos: Option<String>,
    /// Column FEATS, name and value, in the file's order; names keep their layer (`Number[psor]`), values their commas.
    /// Tokens with the same features share them.
    pub feats: Arc<[(String, String)]>,
    /// Column HEAD: a word of the sentence, or 0 for the root.
    pub head: Option<u32>,
    /// Column DEPREL.
    pub deprel: Option<String>,
    /// Column DEPS, as it stands.
    pub deps: Option<String>,
    /// Column MISC, as it stands.
    pub misc: Option<String>,
}

impl Token {
    /// Whether a space follows in the text: unless MISC says `SpaceAfter=No`.
    pub fn space_after(&self) -> bool {
        parse::space_after(self.misc.as_deref())
    }

    /// The value of a feature, commas included.
    pub fn feat(&self, name: &str) -> Option<&str> {
        self.feats.iter().find(|(feat, _)| feat == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Token {
    /// The line, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn or_underscore(value: &Option<String>) -> &str {
            value.as_deref().unwrap_or("_")
        }
        write!(f, "{}\t{}\t{}\t", self.id, self.form, or_underscore(&self.lemma))?;
        write!(f, "{}\t{}\t", or_underscore(&self.upos), or_underscore(&self.xpos))?;
        for (i, (name, value)) in self.feats.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { "|" })?;
        }
        if self.feats.is_empty() {
            f.write_str("_")?;
        }
        match self.head {
            Some(head) => write!(f, "\t{head}")?,
            None => f.write_str("\t_")?,
        }
        write!(f, "\t{}\t{}\t{}", or_underscore(&self.deprel), or_underscore(&self.deps), or_underscore(&self.misc))
    }
}

/// A sentence; [`Display`](fmt::Display) writes it as CoNLL-U, byte for byte what was read from a file with `\n` line
/// ends (without the byte order mark), its closing blank line included. Of CoNLL-U Plus, the ten columns of CoNLL-U.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The comment `# sent_id = ...`, unless it is empty.
    pub id: Option<String>,
    /// The comment `# text = ...`.
    pub text: Option<String>,
    /// All comments, each a whole line with its `#`; but for a `# global.columns` that names other columns than CoNLL-U's.
    pub comments: Vec<String>,
    /// Where the sentence begins in its file; lines count from 1.
    pub line: usize,
    /// Words, multiword tokens and empty nodes in the file's order; at least one word.
    pub tokens: Vec<Token>,
}

impl Sentence {
    /// The text that the tokens make: multiword tokens and the words outside them, with a space after each unless it says
    /// `SpaceAfter=No`; none at the end.
    pub fn surface(&self) -> String {
        let (mut text, mut space, mut covered) = (String::new(), false, 0);
        for token in &self.tokens {
            match token.id {
                TokenId::Range(_, last) => covered = last,
                TokenId::Word(word) if word > covered => {}
                TokenId::Word(_) | TokenId::Empty(..) => continue,
            }
            if space {
                text.push(' ');
            }
            text.push_str(&token.form);
            space = token.space_after();
        }
        text
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for comment in &self.comments {
            writeln!(f, "{comment}")?;
        }
        for token in &self.tokens {
            writeln!(f, "{token}")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests;
