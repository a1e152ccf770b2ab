use super::table::{escape_latex, one_line};
use super::{number, p_value, write_csv, write_json_lines, Record, TextTable};
use crate::{files, Error, Result};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A format of tables.
///
/// CSV and JSON Lines keep full precision; Markdown and LaTeX are for readers and round, see [`TextTable::of`].
///
/// # Examples
/// ```
/// use isogloss::report::Format;
/// let format: Format = "latex".parse()?;
/// assert_eq!((format, format.extension()), (Format::Latex, "tex"));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// An object a row.
    JsonLines,
    /// A GitHub pipe table.
    Markdown,
    /// A `tabular` with the rules of the package booktabs.
    Latex,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [Format::Csv, Format::JsonLines, Format::Markdown, Format::Latex];

    /// How files' names end: `csv`, `jsonl`, `md`, `tex`.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
            Format::Markdown => "md",
            Format::Latex => "tex",
        }
    }

    /// Writes rows into a file, whole or not at all; the columns are those of the record, in order.
    ///
    /// # Errors
    /// As [`write_csv`].
    pub fn write<R: Record>(self, path: impl AsRef<Path>, rows: &[R]) -> Result<()> {
        let path = path.as_ref();
        let text = match self {
            Format::Csv => return write_csv(path, rows),
            Format::JsonLines => return write_json_lines(path, rows),
            Format::Markdown => TextTable::of(rows)?.markdown(),
            Format::Latex => TextTable::of(rows)?.latex(),
        };
        files::write_atomic(path, |file| file.write_all(text.as_bytes()).map_err(Error::io(path, "write")))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
            Format::Markdown => "markdown",
            Format::Latex => "latex",
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Format::ALL.into_iter().find(|format| text == format.to_string() || text == format.extension());
        found.ok_or_else(|| Error::unknown("format", text, "csv, jsonl, markdown or latex"))
    }
}

impl TextTable {
    /// Rows of any record for a reader: numbers with three decimals, p-values (columns `p_...` and `..._p`) as [`p_value`] has
    /// them, underscores in the names of columns as spaces.
    ///
    /// # Errors
    /// [`Error::Data`] for a row that is no record: its fields are not its columns, or hold a number that is not finite.
    ///
    /// # Examples
    /// ```
    /// use isogloss::report::{Record, TextTable};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Row {
    ///     step: u64,
    ///     overlap: f64,
    ///     p_value: Option<f64>,
    /// }
    /// impl Record for Row {
    ///     const COLUMNS: &'static [&'static str] = &["step", "overlap", "p_value"];
    /// }
    /// let table = TextTable::of(&[Row { step: 1000, overlap: 0.12345, p_value: Some(2.5e-7) }])?;
    /// assert!(table.markdown().ends_with("| 1000 | 0.123 | 2.5e-7 |\n"));
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn of<R: Record>(rows: &[R]) -> Result<TextTable> {
        let mut table = TextTable::new(R::COLUMNS.iter().map(|column| column.replace('_', " ")));
        for (index, row) in rows.iter().enumerate() {
            let typed = serde_json::to_value(row).map_err(|e| Error::Data(format!("row {index}: {e}")))?;
            let cells = R::COLUMNS.iter().map(|column| {
                let value = typed.get(column);
                let value = value.ok_or_else(|| Error::Data(format!("row {index} has no column `{column}`")))?;
                Ok(match value {
                    serde_json::Value::Null => String::new(),
                    serde_json::Value::Bool(true) => "yes".into(),
                    serde_json::Value::Bool(false) => "no".into(),
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Number(value) if value.is_f64() => {
                        if column.starts_with("p_") || column.ends_with("_p") {
                            p_value(value.as_f64())
                        } else {
                            number(value.as_f64(), 3)
                        }
                    }
                    other => other.to_string(),
                })
            });
            table.row(cells.collect::<Result<Vec<String>>>()?);
        }
        Ok(table)
    }

    /// As an HTML `table`, numbers to the right; the first column heads its row.
    pub fn html(&self, caption: &str) -> String {
        let numeric = self.numeric();
        let class = |right: &bool| if *right { " class=\"number\"" } else { "" };
        let escape = |cell: &String| escape_html(&one_line(cell));
        let mut text = String::from("<table>\n");
        if !caption.is_empty() {
            text += &format!("<caption>{}</caption>\n", escape_html(caption));
        }
        text += "<thead><tr>";
        for (cell, right) in self.header.iter().zip(&numeric) {
            text += &format!("<th scope=\"col\"{}>{}</th>", class(right), escape(cell));
        }
        text += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            text += "<tr>";
            for (i, (cell, right)) in row.iter().zip(&numeric).enumerate() {
                let (class, cell) = (class(right), escape(cell));
                text += &match i {
                    0 => format!("<th scope=\"row\"{class}>{cell}</th>"),
                    _ => format!("<td{class}>{cell}</td>"),
                };
            }
            text += "</tr>\n";
        }
        text + "</tbody>\n</table>\n"
    }

    /// As a LaTeX `table` with caption and label around [`TextTable::latex`].
    pub fn latex_table(&self, caption: &str, label: &str) -> String {
        format!(
            "\\begin{{table}}\n\\centering\n\\caption{{{}}}\n\\label{{{label}}}\n{}\\end{{table}}\n",
            escape_latex(&one_line(caption)),
            self.latex()
        )
    }
}

/// A text with what HTML would take for markup written out; what no document may hold becomes a space.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Row {
        task: String,
        n: usize,
        pearson: Option<f64>,
        pearson_p: Option<f64>,
    }

    impl Record for Row {
        const COLUMNS: &'static [&'static str] = &["task", "n", "pearson", "pearson_p"];
    }

    fn rows() -> Vec<Row> {
        let row = |task: &str, pearson, pearson_p| Row { task: task.into(), n: 42, pearson, pearson_p };
        vec![row("tagging_f1 & <b>", Some(0.123456789), Some(2.0e-9)), row("नमूना", None, None)]
    }

    #[test]
    fn every_format_holds_every_row() {
        let dir = tempfile::tempdir().unwrap();
        let text = |format: Format| {
            let path = dir.path().join(format!("t.{}", format.extension()));
            format.write(&path, &rows()).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        assert_eq!(text(Format::Csv).lines().nth(1).unwrap(), "tagging_f1 & <b>,42,0.123456789,2e-9");
        assert_eq!(
            text(Format::JsonLines).lines().nth(1).unwrap(),
            "{\"task\":\"नमूना\",\"n\":42,\"pearson\":null,\"pearson_p\":null}"
        );
        assert_eq!(
            text(Format::Markdown),
            "| task | n | pearson | pearson p |\n| --- | ---: | ---: | ---: |\n\
             | tagging_f1 & <b> | 42 | 0.123 | 2.0e-9 |\n| नमूना | 42 |  |  |\n"
        );
        assert_eq!(
            text(Format::Latex),
            "\\begin{tabular}{lrrr}\n\\toprule\ntask & n & pearson & pearson p \\\\\n\\midrule\n\
             tagging\\_f1 \\& $<$b$>$ & 42 & 0.123 & 2.0e-9 \\\\\nनमूना & 42 &  &  \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
    }

    #[test]
    fn formats_are_named() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
            assert_eq!(format.extension().parse::<Format>().unwrap(), format);
        }
        assert!("xlsx".parse::<Format>().unwrap_err().to_string().contains("`xlsx`"));
    }

    #[test]
    fn html_escapes_all_text() {
        let html = TextTable::of(&rows()).unwrap().html("a <script> & \"b\"");
        assert!(html.contains("<caption>a &lt;script&gt; &amp; &quot;b&quot;</caption>"), "{html}");
        assert!(
            html.contains("<th scope=\"row\">tagging_f1 &amp; &lt;b&gt;</th><td class=\"number\">42</td>"),
            "{html}"
        );
        assert_eq!(html.matches("<tr>").count(), 3);
    }
}
