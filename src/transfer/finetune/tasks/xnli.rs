use super::text::Text;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The labels, sorted.
pub const XNLI_LABELS: [&str; 3] = ["contradiction", "entailment", "neutral"];

/// A row's cells by what they are.
struct Row {
    language: Option<String>,
    label: String,
    parts: Vec<String>,
}

#[derive(Deserialize)]
struct Json {
    language: Option<String>,
    gold_label: String,
    sentence1: String,
    sentence2: String,
}

/// The rows in `language`, and how many of them have no gold label. Files without a column of languages are taken whole.
pub(super) fn read(language: &str, files: &[PathBuf]) -> Result<(Vec<Text>, usize)> {
    let (mut texts, mut without) = (Vec::new(), 0);
    let mut others: BTreeSet<String> = BTreeSet::new();
    for path in files {
        let file: Arc<Path> = Arc::from(path.as_path());
        let json = path.extension().is_some_and(|ending| ending == "jsonl" || ending == "json");
        let rows = if json { json_lines(path)? } else { tab_separated(path)? };
        for (line, row) in rows {
            if let Some(other) = row.language.filter(|other| other != language) {
                others.insert(other);
                continue;
            }
            if row.label == "-" || row.label.is_empty() {
                without += 1;
                continue;
            }
            // The translated training files spell it so.
            let label = if row.label == "contradictory" { "contradiction".to_string() } else { row.label };
            if XNLI_LABELS.binary_search(&label.as_str()).is_err() {
                let expected = XNLI_LABELS.join(", ");
                return Err(Error::line(
                    path,
                    line,
                    format!("unknown gold label `{label}`: expected {expected}, or - for none"),
                ));
            }
            texts.push(Text { label, parts: row.parts, file: Arc::clone(&file), line });
        }
    }
    if texts.is_empty() && without == 0 && !others.is_empty() {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let others: Vec<String> = others.into_iter().collect();
        return Err(Error::Data(format!(
            "`{language}` has no row in {}, whose languages are {}; leave the language out, or give its file",
            names.join(", "),
            others.join(", ")
        )));
    }
    Ok((texts, without))
}

fn json_lines(path: &Path) -> Result<Vec<(usize, Row)>> {
    let row = |(line, text): (usize, String)| {
        let json: Json = serde_json::from_str(&text).map_err(|error| {
            let message = format!("is no object with gold_label, sentence1 and sentence2: {error}");
            Error::line(path, line, message)
        })?;
        let parts = vec![json.sentence1, json.sentence2];
        Ok((line, Row { language: json.language, label: json.gold_label.trim().to_string(), parts }))
    };
    super::lines(path)?.into_iter().map(row).collect()
}

/// Quotes are characters like any other in these files.
fn tab_separated(path: &Path) -> Result<Vec<(usize, Row)>> {
    let mut rows = super::lines(path)?.into_iter();
    let Some((_, header)) = rows.next() else {
        return Err(Error::line(path, 1, "is empty; expected a header with gold_label, sentence1 and sentence2"));
    };
    let header: Vec<&str> = header.split('\t').map(str::trim).collect();
    let find = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| header.iter().position(|cell| cell == name));
        found.ok_or_else(|| {
            let message = format!(
                "has no column `{}`; expected gold_label, sentence1, sentence2 and optionally language, or premise, hypo and label",
                names[0]
            );
            Error::line(path, 1, message)
        })
    };
    let columns = [find(["gold_label", "label"])?, find(["sentence1", "premise"])?, find(["sentence2", "hypo"])?];
    let language = header.iter().position(|cell| *cell == "language");
    let row = |(line, text): (usize, String)| {
        let cells: Vec<&str> = text.split('\t').collect();
        // MultiNLI's rows end with labels of which not all have all.
        let [Some(label), Some(first), Some(second)] = columns.map(|i| cells.get(i)) else {
            let message = format!("has {} cells, too few for the header's {}", cells.len(), header.len());
            return Err(Error::line(path, line, message));
        };
        let language = language.and_then(|i| cells.get(i)).map(|cell| cell.trim().to_string());
        let parts = vec![first.to_string(), second.to_string()];
        Ok((line, Row { language, label: label.trim().to_string(), parts }))
    };
    rows.map(row).collect()
}
