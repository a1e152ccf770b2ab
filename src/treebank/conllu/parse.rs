//! A sentence's lines, taken apart and checked; nothing is copied.

use super::columns::{comment_value, global_columns, split, Layout, COLUMNS, NAMES};
use super::{Sentence, Token, TokenId};
use std::collections::HashMap;
use std::sync::Arc;

/// Names and values of a FEATS column.
pub(super) type Feats = Arc<[(String, String)]>;

/// FEATS columns already parsed: a treebank has a few hundred, on a million lines.
#[derive(Default)]
pub(super) struct Features {
    seen: HashMap<String, Feats>,
    bytes: usize,
}

/// Bounds the memory that a file of ever new features takes: the number of columns, and their bytes.
const MAX_SEEN: usize = 10_000;
const MAX_SEEN_BYTES: usize = 1 << 20;
/// The longest FEATS column, in bytes: a hundred times what treebanks contain.
const MAX_FEATS: usize = 1 << 16;

impl Features {
    fn get(&mut self, text: &str) -> Result<Feats, String> {
        if let Some(feats) = self.seen.get(text) {
            return Ok(feats.clone());
        }
        if text.len() > MAX_FEATS {
            return Err(format!("column FEATS has {} bytes, more than {MAX_FEATS}; is this CoNLL-U?", text.len()));
        }
        let feats: Feats = parse_feats(text)?.into();
        if self.seen.len() >= MAX_SEEN || self.bytes + text.len() > MAX_SEEN_BYTES {
            self.seen.clear();
            self.bytes = 0;
        }
        self.bytes += text.len();
        self.seen.insert(text.to_string(), feats.clone());
        Ok(feats)
    }
}

/// A line of a sentence, as [`Token`], borrowed from the reader's buffer.
#[derive(Clone)]
pub(in crate::treebank) struct Row<'a> {
    pub id: TokenId,
    pub form: &'a str,
    pub lemma: Option<&'a str>,
    pub upos: Option<&'a str>,
    pub xpos: Option<&'a str>,
    /// Column FEATS as it stands, `_` for none.
    pub feats_column: &'a str,
    pub feats: Feats,
    pub head: Option<u32>,
    pub deprel: Option<&'a str>,
    pub deps: Option<&'a str>,
    pub misc: Option<&'a str>,
}

impl Row<'_> {
    /// As [`Token::space_after`].
    pub fn space_after(&self) -> bool {
        space_after(self.misc)
    }
}

pub(super) fn space_after(misc: Option<&str>) -> bool {
    !misc.is_some_and(|misc| misc.split('|').any(|pair| pair == "SpaceAfter=No"))
}

/// A sentence, as [`Sentence`], borrowed from the reader's buffer.
pub(in crate::treebank) struct Block<'a> {
    pub id: Option<&'a str>,
    pub text: Option<&'a str>,
    pub comments: Vec<&'a str>,
    pub line: usize,
    pub rows: Vec<Row<'a>>,
}

impl From<Row<'_>> for Token {
    fn from(row: Row<'_>) -> Token {
        let owned = |column: Option<&str>| column.map(str::to_string);
        Token {
            id: row.id,
            form: row.form.to_string(),
            lemma: owned(row.lemma),
            upos: owned(row.upos),
            xpos: owned(row.xpos),
            feats: row.feats,
            head: row.head,
            deprel: owned(row.deprel),
            deps: owned(row.deps),
            misc: owned(row.misc),
        }
    }
}

impl From<Block<'_>> for Sentence {
    fn from(block: Block<'_>) -> Sentence {
        Sentence {
            id: block.id.map(str::to_string),
            text: block.text.map(str::to_string),
            comments: block.comments.into_iter().map(str::to_string).collect(),
            line: block.line,
            tokens: block.rows.into_iter().map(Token::from).collect(),
        }
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

    /// `first` is the line where the sentence begins.
    fn finish(self, first: usize) -> Result<(), (usize, String)> {
        if self.words == 0 {
            return Err((
                first,
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

/// Takes a sentence's lines apart: those of `bytes` that end at `ends`, the first of them line `first` of the file.
/// An error is a line and a message.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    ends: &[usize],
    first: usize,
    layout: Option<&Layout>,
    features: &mut Features,
) -> Result<Block<'a>, (usize, String)> {
    let mut block =
        Block { id: None, text: None, comments: Vec::new(), line: first, rows: Vec::with_capacity(ends.len()) };
    let mut order = Order::default();
    let mut start = 0;
    for (i, &end) in ends.iter().enumerate() {
        let line = bytes.get(start..end).unwrap_or_default();
        start = end;
        add_line(&mut block, &mut order, line, first + i, layout, features).map_err(|message| (first + i, message))?;
    }
    order.finish(first)?;
    Ok(block)
}

fn add_line<'a>(
    block: &mut Block<'a>,
    order: &mut Order,
    bytes: &'a [u8],
    number: usize,
    layout: Option<&Layout>,
    features: &mut Features,
) -> Result<(), String> {
    let line = std::str::from_utf8(bytes).map_err(|error| {
        format!("invalid UTF-8 at byte {} of the line; convert the file to UTF-8", error.valid_up_to())
    })?;
    if line.starts_with('#') {
        if !block.rows.is_empty() {
            return Err("a comment inside a sentence; comments stand before the first word".into());
        }
        // Written back with the ten columns, it would not be true.
        if layout.is_some() && global_columns(line).is_some() {
            return Ok(());
        }
        block.id = block.id.or_else(|| comment_value(line, "sent_id")).filter(|id| !id.is_empty());
        block.text = block.text.or_else(|| comment_value(line, "text"));
        block.comments.push(line);
        return Ok(());
    }
    let row = parse_row(split(line, layout)?, memchr::memchr(b' ', bytes).is_some(), features)?;
    order.check(row.id, number)?;
    if let Some(head) = row.head.filter(|&head| order.highest_head.is_none_or(|(highest, _)| head > highest)) {
        order.highest_head = Some((head, number));
    }
    block.rows.push(row);
    Ok(())
}

fn parse_row<'a>(columns: [&'a str; COLUMNS], spaces: bool, features: &mut Features) -> Result<Row<'a>, String> {
    let [id, form, lemma, upos, xpos, feats, head, deprel, deps, misc] = columns;
    // Only FORM, LEMMA and MISC may contain spaces.
    if spaces {
        for (name, column) in NAMES.iter().zip(columns).filter(|(name, _)| !matches!(**name, "FORM" | "LEMMA" | "MISC"))
        {
            if column.contains(' ') {
                return Err(format!("column {name} `{column}` contains a space; separate columns by tabs"));
            }
        }
    }
    let id = parse_id(id).ok_or_else(|| wrong_id(id))?;
    // It would end the attribute where a word's attributes are written.
    if upos.contains('|') {
        return Err(format!("column UPOS `{upos}` should be one tag, such as NOUN"));
    }
    let optional = |column: &'a str| (column != "_").then_some(column);
    let is_underscore_word = form == "_" && lemma == "_" && matches!(id, TokenId::Word(_));
    Ok(Row {
        id,
        form,
        lemma: if is_underscore_word { Some("_") } else { optional(lemma) },
        upos: optional(upos),
        xpos: optional(xpos),
        feats_column: feats,
        feats: features.get(feats)?,
        head: match head {
            "_" => None,
            _ => Some(number(head).ok_or_else(|| format!("head `{head}` should be a word's number, 0 or `_`"))?),
        },
        deprel: optional(deprel),
        deps: optional(deps),
        misc: optional(misc),
    })
}

fn wrong_id(id: &str) -> String {
    if id.starts_with('\u{feff}') {
        return "a byte order mark inside the file; remove it (files were joined?)".to_string();
    }
    format!("id `{id}` is neither a word (8), a range (8-9) nor an empty node (8.1)")
}

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
        feats.push((name.to_string(), value.to_string()));
    }
    // Many are sorted first: comparing each with each would take a hostile file minutes.
    let twice = match feats.len() {
        0..=16 => (1..feats.len()).find_map(|i| {
            let (name, _) = feats.get(i)?;
            feats.iter().take(i).any(|(earlier, _)| earlier == name).then_some(name)
        }),
        _ => {
            let mut names: Vec<&String> = feats.iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names.windows(2).find_map(|pair| pair.first().copied().filter(|first| pair.last() == Some(first)))
        }
    };
    match twice {
        Some(name) => Err(format!("feature `{name}` is given twice; join its values by a comma")),
        None => Ok(feats),
    }
}
