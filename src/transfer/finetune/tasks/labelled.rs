use super::text::Text;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The rows of tab-separated files: `label<TAB>text`, or a header with these two columns among others. Rows without a label are
/// counted.
pub(super) fn read(files: &[PathBuf]) -> Result<(Vec<Text>, usize)> {
    let (mut texts, mut without) = (Vec::new(), 0);
    for path in files {
        let file: Arc<Path> = Arc::from(path.as_path());
        let mut columns = (0, 1, 2);
        for (i, (line, row)) in super::lines(path)?.into_iter().enumerate() {
            let cells: Vec<&str> = row.split('\t').collect();
            if i == 0 {
                let find = |name: &str| cells.iter().position(|cell| cell.trim() == name);
                if let (Some(label), Some(text)) = (find("label"), find("text")) {
                    columns = (label, text, cells.len());
                    continue;
                }
            }
            let (Some(label), Some(text), true) =
                (cells.get(columns.0), cells.get(columns.1), cells.len() == columns.2)
            else {
                let message = format!(
                    "has {} cells, but expected {}: label<TAB>text, or the columns of a header with `label` and `text`",
                    cells.len(),
                    columns.2
                );
                return Err(Error::line(path, line, message));
            };
            if label.trim().is_empty() {
                without += 1;
                continue;
            }
            let (label, parts) = (label.trim().to_string(), vec![text.to_string()]);
            texts.push(Text { label, parts, file: Arc::clone(&file), line });
        }
    }
    Ok((texts, without))
}
