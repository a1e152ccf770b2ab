//! Reading and writing CoNLL-U, the text format of Universal Dependencies
//! (<https://universaldependencies.org/format.html>), a sentence at a time.
//!
//! The reader is strict where a defect would move words, features or provenance: ten columns, ids in sequence, well
//! formed multiword ranges, features that are pairs. It takes what treebanks really contain: a byte order mark, CRLF,
//! sentences without comments, spaces inside forms, underscores that are words, features outside the universal set.
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

use crate::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const COLUMNS: usize = 10;

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
        !self.misc.as_deref().is_some_and(|misc| misc.split('|').any(|pair| pair == "SpaceAfter=No"))
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
/// ends (without the byte order mark), its closing blank line included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The comment `# sent_id = ...`.
    pub id: Option<String>,
    /// The comment `# text = ...`.
    pub text: Option<String>,
    /// All comments, each a whole line with its `#`.
    pub comments: Vec<String>,
    /// Where the sentence begins in its file; lines count from 1.
    pub line: usize,
    /// Words, multiword tokens and empty nodes in the file's order; at least one word.
    pub tokens: Vec<Token>,
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

/// The sentences of a CoNLL-U stream, one in memory at a time.
///
/// After a defective sentence the iterator goes on with the next one, so that a caller may skip and count; it ends
/// after an error of the operating system.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    line: usize,
    buffer: Vec<u8>,
    done: bool,
    seen: Seen,
}

/// FEATS columns already parsed: a treebank has a few hundred, on a million lines.
type Seen = HashMap<String, Arc<[(String, String)]>>;
/// Bounds the memory that a file of ever new features takes.
const MAX_SEEN: usize = 10_000;

/// Opens a CoNLL-U file.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened.
pub fn open(path: impl AsRef<Path>) -> Result<Reader<BufReader<File>>> {
    let path = path.as_ref();
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    Ok(Reader::new(BufReader::with_capacity(1 << 18, file), path))
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`; `path` names it in errors.
    pub fn new(input: R, path: impl AsRef<Path>) -> Self {
        Reader { input, path: path.as_ref().to_path_buf(), line: 0, buffer: Vec::new(), done: false, seen: Seen::new() }
    }

    /// Reads the next line into the buffer, without its end; `false` at the end of the file.
    fn next_line(&mut self) -> Result<bool> {
        self.buffer.clear();
        let read = self.input.read_until(b'\n', &mut self.buffer);
        if read.map_err(|error| self.fail(error))? == 0 {
            self.done = true;
            return Ok(false);
        }
        self.line += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        if self.line == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.buffer.drain(..3);
        }
        Ok(true)
    }

    fn fail(&mut self, error: std::io::Error) -> Error {
        self.done = true;
        Error::io(&self.path, "read")(error)
    }

    fn read_sentence(&mut self) -> Result<Option<Sentence>> {
        let mut sentence = Sentence { id: None, text: None, comments: Vec::new(), line: 0, tokens: Vec::new() };
        let mut order = Order::default();
        while self.next_line()? {
            if self.buffer.is_empty() {
                if sentence.line == 0 {
                    continue;
                }
                return self.finish(sentence, order);
            }
            if sentence.line == 0 {
                sentence.line = self.line;
            }
            if let Err(message) = add_line(&mut sentence, &mut order, &self.buffer, self.line, &mut self.seen) {
                let error = Error::line(&self.path, self.line, message);
                while self.next_line()? && !self.buffer.is_empty() {}
                return Err(error);
            }
        }
        if sentence.line == 0 {
            return Ok(None);
        }
        self.finish(sentence, order)
    }

    fn finish(&self, sentence: Sentence, order: Order) -> Result<Option<Sentence>> {
        match order.finish(&sentence) {
            Ok(()) => Ok(Some(sentence)),
            Err((line, message)) => Err(Error::line(&self.path, line, message)),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Sentence>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        self.read_sentence().transpose()
    }
}

/// What the lines so far demand of the next ones.
#[derive(Default)]
struct Order {
    words: u32,
    empty: u32,
    range: Option<(u32, u32, usize)>,
    highest_head: Option<(u32, usize)>,
}

impl Order {
    fn check(&mut self, id: TokenId, line: usize) -> Result<(), String> {
        match id {
            TokenId::Word(word) => {
                let expected = self.words.saturating_add(1);
                if word != expected {
                    return Err(format!("word id {word} where {expected} was expected; number words 1, 2, 3, ..."));
                }
                self.words = word;
                self.empty = 0;
            }
            TokenId::Range(first, last) => {
                let next = self.words.saturating_add(1);
                if last <= first {
                    return Err(format!("multiword range {id} should go from a lower to a higher word"));
                }
                if first != next {
                    return Err(format!("multiword range {id} should stand directly before its first word {first}, but word {next} comes next"));
                }
                if let Some((a, b, _)) = self.range.filter(|&(_, end, _)| end >= first) {
                    return Err(format!(
                        "multiword range {id} overlaps the range {a}-{b}; a word belongs to one at most"
                    ));
                }
                self.range = Some((first, last, line));
            }
            TokenId::Empty(word, number) => {
                let expected = TokenId::Empty(self.words, self.empty.saturating_add(1));
                if id != expected {
                    return Err(format!("empty node {id} where {expected} was expected; number empty nodes after word {word} {word}.1, {word}.2, ..."));
                }
                self.empty = number;
            }
        }
        Ok(())
    }

    fn finish(self, sentence: &Sentence) -> Result<(), (usize, String)> {
        if self.words == 0 {
            return Err((
                sentence.line,
                "a block of lines without a word; comments belong directly before their sentence".into(),
            ));
        }
        if let Some((first, last, line)) = self.range.filter(|&(_, last, _)| last > self.words) {
            return Err((
                line,
                format!("multiword range {first}-{last} goes beyond the sentence's last word {}", self.words),
            ));
        }
        match self.highest_head {
            Some((head, line)) if head > self.words => {
                Err((line, format!("head {head} is not in the sentence; it has words 1 to {}", self.words)))
            }
            _ => Ok(()),
        }
    }
}

fn add_line(
    sentence: &mut Sentence,
    order: &mut Order,
    bytes: &[u8],
    number: usize,
    seen: &mut Seen,
) -> Result<(), String> {
    let line = std::str::from_utf8(bytes).map_err(|error| {
        format!("invalid UTF-8 at byte {} of the line; convert the file to UTF-8", error.valid_up_to())
    })?;
    if line.starts_with('#') {
        if !sentence.tokens.is_empty() {
            return Err("a comment inside a sentence; comments stand before the first word".into());
        }
        let value = |key| {
            let comment: &str = line.get(1..)?.trim_start().strip_prefix(key)?;
            comment.trim_start().strip_prefix('=').map(|value| value.trim().to_string())
        };
        sentence.id = sentence.id.take().or_else(|| value("sent_id"));
        sentence.text = sentence.text.take().or_else(|| value("text"));
        sentence.comments.push(line.to_string());
        return Ok(());
    }
    let token = parse_token(line, seen)?;
    order.check(token.id, number)?;
    if let Some(head) = token.head.filter(|&head| order.highest_head.is_none_or(|(highest, _)| head > highest)) {
        order.highest_head = Some((head, number));
    }
    sentence.tokens.push(token);
    Ok(())
}

fn parse_token(line: &str, seen: &mut Seen) -> Result<Token, String> {
    let mut columns = [""; COLUMNS];
    let mut count = 0;
    for column in line.split('\t') {
        if let Some(slot) = columns.get_mut(count) {
            *slot = column;
        }
        count += 1;
    }
    if count != COLUMNS {
        return Err(format!(
            "{count} columns where 10 were expected; separate them by single tabs, write `_` for no value, and end a sentence with an empty line"
        ));
    }
    if let Some(empty) = columns.iter().position(|column| column.is_empty()) {
        return Err(format!("column {} is empty; write `_` for no value", NAMES[empty]));
    }
    let [id, form, lemma, upos, xpos, feats, head, deprel, deps, misc] = columns;
    // Only FORM, LEMMA and MISC may contain spaces.
    if line.contains(' ') {
        for (name, column) in NAMES.iter().zip(columns).filter(|(name, _)| !matches!(**name, "FORM" | "LEMMA" | "MISC"))
        {
            if column.contains(' ') {
                return Err(format!("column {name} `{column}` contains a space; separate columns by tabs"));
            }
        }
    }
    let id = parse_id(id)
        .ok_or_else(|| format!("id `{id}` is neither a word (8), a range (8-9) nor an empty node (8.1)"))?;
    let optional = |column: &str| (column != "_").then(|| column.to_string());
    let is_underscore_word = form == "_" && lemma == "_" && matches!(id, TokenId::Word(_));
    Ok(Token {
        id,
        form: form.to_string(),
        lemma: if is_underscore_word { Some("_".to_string()) } else { optional(lemma) },
        upos: optional(upos),
        xpos: optional(xpos),
        feats: shared_feats(feats, seen)?,
        head: match head {
            "_" => None,
            _ => Some(number(head).ok_or_else(|| format!("head `{head}` should be a word's number, 0 or `_`"))?),
        },
        deprel: optional(deprel),
        deps: optional(deps),
        misc: optional(misc),
    })
}

const NAMES: [&str; COLUMNS] = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"];

/// A whole number in its one spelling: no sign, no leading zero.
fn number(text: &str) -> Option<u32> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    text.parse().ok().filter(|_| canonical)
}

fn parse_id(text: &str) -> Option<TokenId> {
    let positive = |text| number(text).filter(|&n| n > 0);
    if let Some((first, last)) = text.split_once('-') {
        return Some(TokenId::Range(positive(first)?, positive(last)?));
    }
    if let Some((word, empty)) = text.split_once('.') {
        return Some(TokenId::Empty(number(word)?, positive(empty)?));
    }
    positive(text).map(TokenId::Word)
}

fn shared_feats(text: &str, seen: &mut Seen) -> Result<Arc<[(String, String)]>, String> {
    if let Some(feats) = seen.get(text) {
        return Ok(feats.clone());
    }
    let feats: Arc<[(String, String)]> = parse_feats(text)?.into();
    if seen.len() >= MAX_SEEN {
        seen.clear();
    }
    seen.insert(text.to_string(), feats.clone());
    Ok(feats)
}

fn parse_feats(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut feats: Vec<(String, String)> = Vec::new();
    if text == "_" {
        return Ok(feats);
    }
    feats.reserve_exact(1 + text.bytes().filter(|&b| b == b'|').count());
    for pair in text.split('|') {
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .ok_or_else(|| format!("feature `{pair}` should be Name=Value, pairs separated by `|`"))?;
        if feats.iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("feature `{name}` is given twice; join its values by a comma"));
        }
        feats.push((name.to_string(), value.to_string()));
    }
    Ok(feats)
}

#[cfg(test)]
#[path = "conllu_tests.rs"]
mod tests;
