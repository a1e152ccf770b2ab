//! Which columns there are: CoNLL-U's ten, or those that CoNLL-U Plus names.

/// The columns of CoNLL-U, in their order.
pub(super) const NAMES: [&str; COLUMNS] =
    ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"];
pub(super) const COLUMNS: usize = 10;

/// Where a CoNLL-U Plus file has the columns of CoNLL-U.
#[derive(Debug)]
pub(super) struct Layout {
    /// For each of the file's columns, the place of its name in [`NAMES`]; none for a column of other formats.
    places: Vec<Option<usize>>,
}

impl Layout {
    /// Reads the names after `# global.columns =`; no layout where they are CoNLL-U's own.
    pub(super) fn parse(names: &str) -> Result<Option<Layout>, String> {
        let names: Vec<&str> = names.split_whitespace().collect();
        if names == NAMES {
            return Ok(None);
        }
        for required in ["ID", "FORM"] {
            if !names.contains(&required) {
                return Err(format!("global.columns lacks the column {required}; words have ID and FORM at least"));
            }
        }
        for (i, name) in names.iter().enumerate() {
            if names.iter().take(i).any(|earlier| earlier == name) {
                return Err(format!("global.columns names the column {name} twice"));
            }
        }
        let place = |name: &&str| NAMES.iter().position(|known| known == name);
        Ok(Some(Layout { places: names.iter().map(place).collect() }))
    }
}

/// The value of a comment line `# KEY = VALUE`, spaces around it cut off.
pub(super) fn comment_value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = line.strip_prefix('#')?.trim_start().strip_prefix(key)?.trim_start();
    rest.strip_prefix('=').map(str::trim)
}

/// The names that a comment gives to the columns.
pub(super) fn global_columns(line: &str) -> Option<&str> {
    comment_value(line, "global.columns")
}

/// A line's columns, in the order of [`NAMES`]; `_` for those that the layout lacks.
pub(super) fn split<'a>(line: &'a str, layout: Option<&Layout>) -> Result<[&'a str; COLUMNS], String> {
    let mut columns = [""; COLUMNS];
    let mut count = 0;
    if let Some(layout) = layout {
        columns = ["_"; COLUMNS];
        for column in line.split('\t') {
            if let Some(slot) = layout.places.get(count).copied().flatten().and_then(|place| columns.get_mut(place)) {
                *slot = column;
            }
            count += 1;
        }
        let expected = layout.places.len();
        if count != expected {
            return Err(format!("{count} columns where global.columns names {expected}; write `_` for no value"));
        }
    } else {
        let mut start = 0;
        // Columns are too short for a search to pay.
        for (end, _) in line.as_bytes().iter().enumerate().filter(|(_, byte)| **byte == b'\t') {
            if let Some(slot) = columns.get_mut(count) {
                *slot = line.get(start..end).unwrap_or_default();
            }
            start = end + 1;
            count += 1;
        }
        if let Some(slot) = columns.get_mut(count) {
            *slot = line.get(start..).unwrap_or_default();
        }
        count += 1;
        if count != COLUMNS {
            return Err(wrong_count(line, count));
        }
    }
    match NAMES.iter().zip(columns).find(|(_, column)| column.is_empty()) {
        Some((name, _)) => Err(format!("column {name} is empty; write `_` for no value")),
        None => Ok(columns),
    }
}

fn wrong_count(line: &str, count: usize) -> String {
    if line.trim().is_empty() {
        return "a line of spaces; end a sentence with an empty line".to_string();
    }
    let cure = if count > COLUMNS {
        "separate them by single tabs; CoNLL-U Plus names its columns in a first line `# global.columns = ID FORM ...`"
    } else {
        "separate them by single tabs, write `_` for no value, and end a sentence with an empty line"
    };
    format!("{count} columns where 10 were expected; {cure}")
}
