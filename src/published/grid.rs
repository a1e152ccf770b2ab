//! The study's own tables: a column a step, or a row a step.

use crate::checkpoint::Step;
use crate::{Error, Result};
use std::fs;
use std::path::Path;

/// A table of numbers with a name a row and a name a column.
pub(super) struct Grid {
    pub columns: Vec<String>,
    pub rows: Vec<GridRow>,
}

pub(super) struct GridRow {
    /// Counted from 1.
    pub line: usize,
    pub label: String,
    /// As many as there are columns; `None` where the field is empty.
    pub values: Vec<Option<f64>>,
}

impl Grid {
    /// Reads a table whose first line names its columns.
    pub fn read(path: &Path) -> Result<Grid> {
        let mut records = records(path)?.into_iter();
        let Some((line, header)) = records.next() else {
            return Err(Error::line(path, 1, "is empty; expected a header line and a row a name"));
        };
        let columns: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
        for (i, column) in columns.iter().enumerate() {
            if columns.iter().take(i).any(|earlier| earlier == column) {
                return Err(Error::line(path, line, format!("column `{column}` comes twice; remove one")));
            }
        }
        Ok(Grid { rows: rows(path, records, columns.len())?, columns })
    }

    /// Reads lines of a name and a number, without a header.
    pub fn read_pairs(path: &Path) -> Result<Grid> {
        Ok(Grid { columns: vec![String::new()], rows: rows(path, records(path)?.into_iter(), 1)? })
    }
}

type Records = Vec<(usize, csv::StringRecord)>;

fn records(path: &Path) -> Result<Records> {
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(1, |position| position.line() as usize);
            Error::line(path, line, format!("is not a row of CSV: {error}"))
        })?;
        records.push((record.position().map_or(1, |position| position.line() as usize), record));
    }
    Ok(records)
}

fn rows(
    path: &Path,
    records: impl Iterator<Item = (usize, csv::StringRecord)>,
    columns: usize,
) -> Result<Vec<GridRow>> {
    let mut rows: Vec<GridRow> = Vec::new();
    for (line, record) in records {
        if record.len() != columns + 1 {
            let message = format!("has {} fields, but the table has {}", record.len(), columns + 1);
            return Err(Error::line(path, line, message));
        }
        let label = record.get(0).unwrap_or_default().to_owned();
        if let Some(first) = rows.iter().find(|row| row.label == label) {
            let message = format!("`{label}` repeats line {}; remove one", first.line);
            return Err(Error::line(path, line, message));
        }
        let value = |text: &str| match text {
            "" => Ok(None),
            text => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Some(value)),
                _ => Err(Error::line(path, line, format!("`{text}` is not a finite number; leave the field empty"))),
            },
        };
        let values = record.iter().skip(1).map(value).collect::<Result<_>>()?;
        rows.push(GridRow { line, label, values });
    }
    Ok(rows)
}

/// A step as the study's tables have it: a number, or `best` for the released model.
pub(super) fn step(text: &str) -> Option<Step> {
    if text == "best" {
        return Some(Step::Final);
    }
    // An empty text is no number.
    text.parse().ok().filter(|_| !text.is_empty())
}
