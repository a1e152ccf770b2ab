//! Tables as files (CSV, JSON Lines) and as text (Markdown, LaTeX, terminal).
//!
//! Files keep full precision: every number is its shortest form that reads back to the same bits. A value that does not
//! exist is `None` in a row and an empty field in the file; a NaN or an infinity is refused, because a reader of the
//! file could not tell where it came from. Text is rounded with [`number`] and [`p_value`].

use crate::{files, Error, Result};
use std::fmt::Write as _;
use std::path::Path;
use unicode_width::UnicodeWidthStr;

/// One observation: a row of a tidy table.
///
/// # Examples
/// ```
/// use isogloss::report::Record;
///
/// #[derive(serde::Serialize)]
/// struct Row {
///     step: u64,
///     overlap: Option<f64>,
/// }
/// impl Record for Row {
///     const COLUMNS: &'static [&'static str] = &["step", "overlap"];
/// }
///
/// let dir = std::env::temp_dir();
/// isogloss::report::write_csv(dir.join("rows.csv"), &[Row { step: 0, overlap: None }])?;
/// # Ok::<(), isogloss::Error>(())
/// ```
pub trait Record: serde::Serialize {
    /// The columns, in order; the same as the names under which the fields are serialised.
    const COLUMNS: &'static [&'static str];
}

impl<R: Record> Record for &R {
    const COLUMNS: &'static [&'static str] = R::COLUMNS;
}

/// Writes rows as CSV; the header is there for an empty table too.
///
/// # Errors
/// [`Error::File`] where [`Record::COLUMNS`] are not the names of the serialised fields, or where a row holds a number that
/// is not finite; [`Error::Io`] where the file cannot be written. No file is left behind then.
pub fn write_csv<R: Record>(path: impl AsRef<Path>, rows: &[R]) -> Result<()> {
    let path = path.as_ref();
    check_columns(path, rows)?;
    files::write_atomic(path, |file| {
        let mut header = csv::WriterBuilder::new().has_headers(false).from_writer(&mut *file);
        header.write_record(R::COLUMNS).map_err(|e| csv_error(path, e))?;
        header.flush().map_err(Error::io(path, "write"))?;
        drop(header);
        for (index, row) in rows.iter().enumerate() {
            let line = csv_line(path, row)?;
            // Only a spelling that could be a number's is worth a second, typed look.
            if looks_like_a_non_number(&line) {
                check_finite(path, index, row)?;
            }
            file.write_all(&line).map_err(Error::io(path, "write"))?;
        }
        Ok(())
    })
}

/// One row as CSV, line end included.
fn csv_line<R: Record>(path: &Path, row: &R) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.serialize(row).map_err(|e| csv_error(path, e))?;
    writer.into_inner().map_err(|e| Error::io(path, "write")(e.into_error()))
}

/// Writes rows as JSON Lines: one object a row, its keys in column order, `null` where there is no value.
///
/// # Errors
/// As [`write_csv`].
pub fn write_json_lines<R: Record>(path: impl AsRef<Path>, rows: &[R]) -> Result<()> {
    let path = path.as_ref();
    check_columns(path, rows)?;
    files::write_atomic(path, |file| {
        for (index, row) in rows.iter().enumerate() {
            check_finite(path, index, row)?;
            let line = serde_json::to_string(row).map_err(|e| Error::file(path, e.to_string()))?;
            writeln!(file, "{line}").map_err(Error::io(path, "write"))?;
        }
        Ok(())
    })
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(path, "write")(source),
        _ => Error::file(path, message),
    }
}

/// Compares [`Record::COLUMNS`] with the header that serde itself would write.
fn check_columns<R: Record>(path: &Path, rows: &[R]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.serialize(first).map_err(|e| csv_error(path, e))?;
    let bytes = writer.into_inner().map_err(|e| Error::io(path, "write")(e.into_error()))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().map_err(|e| csv_error(path, e))?;
    if header.iter().ne(R::COLUMNS.iter().copied()) {
        let fields: Vec<&str> = header.iter().collect();
        let message = format!("the columns should be `{}`, but a row has `{}`", R::COLUMNS.join(","), fields.join(","));
        return Err(Error::file(path, message));
    }
    Ok(())
}

fn looks_like_a_non_number(line: &[u8]) -> bool {
    line.trim_ascii_end().split(|&b| b == b',').any(|field| matches!(field, b"NaN" | b"inf" | b"-inf"))
}

/// Refuses NaN and infinities, which JSON turns into null where CSV spells them out; the *word* `inf` stays a string.
fn check_finite<R: Record>(path: &Path, index: usize, row: &R) -> Result<()> {
    let bytes = csv_line(path, row)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    let typed = serde_json::to_value(row).map_err(|e| Error::file(path, e.to_string()))?;
    for record in reader.records() {
        let record = record.map_err(|e| csv_error(path, e))?;
        for (column, field) in R::COLUMNS.iter().zip(record.iter()) {
            if matches!(field, "NaN" | "inf" | "-inf") && typed.get(column).is_none_or(serde_json::Value::is_null) {
                let message =
                    format!("row {index} has {field} in column `{column}`; a value that does not exist is empty");
                return Err(Error::file(path, message));
            }
        }
    }
    Ok(())
}

/// A number rounded for a reader, `0.070`; empty where there is none.
///
/// # Examples
/// ```
/// use isogloss::report::number;
/// assert_eq!(number(Some(0.0704), 3), "0.070");
/// assert_eq!(number(Some(-0.0001), 3), "0.000");
/// assert_eq!(number(None, 3), "");
/// ```
pub fn number(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else { return String::new() };
    let text = format!("{value:.decimals$}");
    // A negative number that rounds to zero is zero.
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_string(),
        _ => text,
    }
}

/// A p-value for a reader: three decimals down to 0.001, scientific below, `< 1e-300` where it underflows; empty where
/// there is none.
///
/// # Examples
/// ```
/// use isogloss::report::p_value;
/// assert_eq!(p_value(Some(0.05197)), "0.052");
/// assert_eq!(p_value(Some(8.774e-5)), "8.8e-5");
/// assert_eq!(p_value(None), "");
/// ```
pub fn p_value(value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite()) {
        None => String::new(),
        Some(p) if p >= 0.001 => format!("{p:.3}"),
        Some(p) if p >= 1e-300 => format!("{p:.1e}"),
        Some(_) => "< 1e-300".to_string(),
    }
}

/// A table as a person reads it: cells that are already rounded, laid out with numbers to the right.
///
/// A column is numeric if every cell in it that is not empty is a number (or a p-value).
///
/// # Examples
/// ```
/// use isogloss::report::{number, TextTable};
/// let mut table = TextTable::new(["attribute", "overlap"]);
/// table.row(["POS".to_string(), number(Some(0.1243), 3)]);
/// assert_eq!(table.markdown(), "| attribute | overlap |\n| --- | ---: |\n| POS | 0.124 |\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTable {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table without rows.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> TextTable {
        TextTable { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty, cells beyond the header are left out.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut TextTable {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells);
        self
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As a GitHub pipe table.
    pub fn markdown(&self) -> String {
        let escape = |cell: &String| one_line(cell).replace('\\', "\\\\").replace('|', "\\|");
        let mut text = String::new();
        let mut line = |cells: Vec<String>| {
            text.push_str("| ");
            text.push_str(&cells.join(" | "));
            text.push_str(" |\n");
        };
        line(self.header.iter().map(escape).collect());
        line(self.numeric().iter().map(|&right| if right { "---:" } else { "---" }.to_string()).collect());
        for row in &self.rows {
            line(row.iter().map(escape).collect());
        }
        text
    }

    /// As a LaTeX `tabular` with the rules of the package booktabs.
    pub fn latex(&self) -> String {
        let columns: String = self.numeric().iter().map(|&right| if right { 'r' } else { 'l' }).collect();
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escape_latex(&one_line(cell))).collect();
            format!("{} \\\\\n", cells.join(" & "))
        };
        let mut text = format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n{}\\midrule\n", line(&self.header));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text.push_str("\\bottomrule\n\\end{tabular}\n");
        text
    }

    /// As aligned text for a terminal: columns two spaces apart, a rule under the header, no space at a line's end.
    pub fn text(&self) -> String {
        let numeric = self.numeric();
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                self.column(column).chain(self.header.get(column)).map(|c| one_line(c).width()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        let mut line = |cells: &[String]| {
            let mut out = String::new();
            for ((cell, &width), &right) in cells.iter().zip(&widths).zip(&numeric) {
                let cell = one_line(cell);
                let padding = " ".repeat(width.saturating_sub(cell.width()));
                let (before, after) = if right { (padding, String::new()) } else { (String::new(), padding) };
                let _ = write!(out, "{before}{cell}{after}  ");
            }
            text.push_str(out.trim_end());
            text.push('\n');
        };
        line(&self.header);
        let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        line(&rules);
        for row in &self.rows {
            line(row);
        }
        text
    }

    fn column(&self, column: usize) -> impl Iterator<Item = &String> {
        self.rows.iter().filter_map(move |row| row.get(column))
    }

    pub(super) fn numeric(&self) -> Vec<bool> {
        (0..self.header.len())
            .map(|column| {
                let mut filled = self.column(column).filter(|cell| !cell.is_empty()).peekable();
                filled.peek().is_some() && filled.all(|cell| is_number(cell))
            })
            .collect()
    }
}

fn is_number(cell: &str) -> bool {
    let digits = cell.trim_start_matches(['<', '>', ' ']).trim_end_matches(['%', '*', ' ']);
    digits.bytes().any(|b| b.is_ascii_digit()) && digits.parse::<f64>().is_ok()
}

pub(super) fn one_line(cell: &str) -> String {
    cell.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ")
}

pub(super) fn escape_latex(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    for c in cell.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                text.push('\\');
                text.push(c);
            }
            '\\' => text.push_str("\\textbackslash{}"),
            '~' => text.push_str("\\textasciitilde{}"),
            '^' => text.push_str("\\textasciicircum{}"),
            '<' => text.push_str("$<$"),
            '>' => text.push_str("$>$"),
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Row {
        model: String,
        step: u64,
        overlap: Option<f64>,
    }

    impl Record for Row {
        const COLUMNS: &'static [&'static str] = &["model", "step", "overlap"];
    }

    fn row(model: &str, step: u64, overlap: Option<f64>) -> Row {
        Row { model: model.into(), step, overlap }
    }

    #[test]
    fn csv_bytes_are_the_shortest_that_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let rows = [
            row("bloom, \"small\"", 0, None),
            row("NaN", 1000, Some(0.1 + 0.2)),
            row("नमूना", 1, Some(1e-7)),
            row("x", 2, Some(1.0)),
        ];
        write_csv(&path, &rows).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "model,step,overlap\n\"bloom, \"\"small\"\"\",0,\nNaN,1000,0.30000000000000004\nनमूना,1,1e-7\nx,2,1.0\n"
        );
        let read: f64 = text.lines().nth(2).unwrap().split(',').nth(2).unwrap().parse().unwrap();
        assert_eq!(read.to_bits(), (0.1f64 + 0.2).to_bits());
    }

    #[test]
    fn an_empty_table_has_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        write_csv::<Row>(&path, &[]).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "model,step,overlap\n");
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_and_leave_no_file() {
        let dir = tempfile::tempdir().unwrap();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let path = dir.path().join("t.csv");
            let rows = [row("a", 0, Some(0.5)), row("inf", 1, Some(value))];
            let message = write_csv(&path, &rows).unwrap_err().to_string();
            assert!(message.contains("row 1") && message.contains("`overlap`"), "{message}");
            assert!(write_json_lines(&path, &rows).is_err());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn columns_that_are_not_the_fields_are_refused() {
        #[derive(Serialize)]
        struct Wrong {
            step: u64,
            value: f64,
        }
        impl Record for Wrong {
            const COLUMNS: &'static [&'static str] = &["value", "step"];
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let message = write_csv(&path, &[Wrong { step: 1, value: 0.5 }]).unwrap_err().to_string();
        assert!(message.contains("`value,step`") && message.contains("`step,value`"), "{message}");
        assert!(!path.exists());
    }

    #[test]
    fn json_lines_keep_column_order_and_null() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        write_json_lines(&path, &[row("NaN", 3, None), row("b", 4, Some(0.25))]).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text,
            "{\"model\":\"NaN\",\"step\":3,\"overlap\":null}\n{\"model\":\"b\",\"step\":4,\"overlap\":0.25}\n"
        );
    }

    fn table() -> TextTable {
        let mut table = TextTable::new(["site|layer", "p", "язык"]);
        table.row(["residual.3", "0.052", "русский"]);
        table.row(["a|b\nc", "< 1e-300", "हिन्दी"]);
        table.row(["only one"]);
        table
    }

    #[test]
    fn markdown_escapes_pipes_and_line_ends() {
        assert_eq!(
            table().markdown(),
            "| site\\|layer | p | язык |\n| --- | ---: | --- |\n| residual.3 | 0.052 | русский |\n\
             | a\\|b c | < 1e-300 | हिन्दी |\n| only one |  |  |\n"
        );
    }

    #[test]
    fn text_is_aligned_by_width_and_numbers_go_right() {
        let text = table().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "site|layer         p  язык");
        assert_eq!(lines[2], "residual.3     0.052  русский");
        assert_eq!(lines[3], "a|b c       < 1e-300  हिन्दी");
        assert_eq!(lines[4], "only one");
    }

    #[test]
    fn latex_escapes_its_special_characters() {
        let mut table = TextTable::new(["a_b", "r"]);
        table.row(["50 % & {x}", "-0.5"]);
        assert_eq!(
            table.latex(),
            "\\begin{tabular}{lr}\n\\toprule\na\\_b & r \\\\\n\\midrule\n50 \\% \\& \\{x\\} & -0.5 \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
    }

    #[test]
    fn rounding_is_for_readers() {
        assert_eq!(number(Some(0.12345), 3), "0.123");
        assert_eq!(number(Some(-0.0), 2), "0.00");
        assert_eq!(number(Some(-1.25), 1), "-1.2");
        assert_eq!(number(Some(f64::NAN), 2), "");
        assert_eq!(p_value(Some(1.0)), "1.000");
        assert_eq!(p_value(Some(0.001)), "0.001");
        assert_eq!(p_value(Some(0.00099)), "9.9e-4");
        assert_eq!(p_value(Some(0.0)), "< 1e-300");
    }
}
