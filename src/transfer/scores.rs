use crate::checkpoint::Step;
use crate::stats::mean;
use crate::{files, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// One score: a model at a step, fine-tuned or probed on a source language, scored on a language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferScore {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The task, such as `xnli` or `tagging`.
    pub task: String,
    /// The language scored on, ISO 639-1.
    pub language: String,
    /// The score, in the task's own unit (accuracy, F1, ...).
    pub score: f64,
    /// The seed, where there is one.
    pub seed: Option<u64>,
}

/// Scores averaged over seeds, by model, step, task and language.
pub type MeanScores = BTreeMap<(String, Step, String, String), f64>;

/// A table of transfer scores; each row remembers its line, for messages.
///
/// # Examples
/// ```
/// use isogloss::transfer::{TransferScore, TransferScores};
/// let score = |seed, score| TransferScore {
///     model: "bloom".into(), step: isogloss::checkpoint::Step::Number(1000), task: "xnli".into(),
///     language: "es".into(), score, seed: Some(seed),
/// };
/// let scores = TransferScores::new(vec![score(0, 0.5), score(1, 0.75)])?;
/// assert_eq!(scores.means().into_values().collect::<Vec<_>>(), [0.625]);
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransferScores {
    rows: Vec<(usize, TransferScore)>,
}

const REQUIRED: [&str; 5] = ["model", "step", "task", "language", "score"];
const SEED: &str = "seed";

impl TransferScores {
    /// A table of the given rows, whose lines are those that [`write`](Self::write) gives them.
    ///
    /// # Errors
    /// [`Error::Data`] for a score that is not finite and for two scores of one model, step, task, language and seed.
    pub fn new(scores: Vec<TransferScore>) -> Result<Self> {
        let mut table = TransferScores::default();
        let mut seen = BTreeMap::new();
        for (i, score) in scores.into_iter().enumerate() {
            table.insert(&mut seen, i + 2, score).map_err(Error::Data)?;
        }
        Ok(table)
    }

    /// Reads a CSV table with the columns `model`, `step`, `task`, `language`, `score` and optionally `seed`, in any order.
    ///
    /// A step is a whole number, or `final` for the released model. An empty seed is none.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Line`] for a missing, unknown or repeated column, a row of
    /// another length, an empty name, a step, score or seed that is none, a score that is not finite, and a row that
    /// repeats another's model, step, task, language and seed.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            Error::line(path, line, "is not valid UTF-8; save the table as UTF-8")
        })?;
        // Spreadsheets like to begin with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::parse(text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let blank: Vec<bool> = text.lines().map(|line| line.trim().is_empty()).collect();
        let mut columns: Option<Columns> = None;
        let mut table = TransferScores::default();
        let mut seen = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| {
                let line = error.position().map_or(1, |position| position.line() as usize);
                Error::line(path, line, format!("is not a row of CSV: {error}"))
            })?;
            // The reader skips blank lines, but counts a row from where they begin.
            let mut line = record.position().map_or(1, |position| position.line() as usize);
            while blank.get(line.saturating_sub(1)) == Some(&true) {
                line += 1;
            }
            let at = |message: String| Error::line(path, line, message);
            match &columns {
                None => columns = Some(Columns::of(&record).map_err(at)?),
                Some(columns) => {
                    let score = columns.score(&record).map_err(at)?;
                    table.insert(&mut seen, line, score).map_err(at)?;
                }
            }
        }
        match columns {
            Some(_) => Ok(table),
            None => Err(Error::line(path, 1, format!("is empty; give a header line `{}`", REQUIRED.join(",")))),
        }
    }

    fn insert(&mut self, seen: &mut Seen, line: usize, row: TransferScore) -> Result<(), String> {
        if !row.score.is_finite() {
            return Err(format!("score should be a finite number, but is {}; leave the row out", row.score));
        }
        let key = (row.model.clone(), row.step, row.task.clone(), row.language.clone(), row.seed);
        if let Some(first) = seen.insert(key, line) {
            return Err(format!(
                "repeats line {first}: model {}, step {}, task {}, language {}, {}; remove one, or give them seeds",
                row.model,
                row.step,
                row.task,
                row.language,
                row.seed.map_or("no seed".to_owned(), |seed| format!("seed {seed}"))
            ));
        }
        self.rows.push((line, row));
        Ok(())
    }

    /// Writes the table as CSV, whole or not at all; the column `seed` only where a row has one.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let seeds = self.scores().any(|row| row.seed.is_some());
        files::write_atomic(path, |writer| {
            let failed = |error: csv::Error| Error::io(path, "write")(error.into());
            let mut writer = csv::Writer::from_writer(writer);
            writer.write_record(REQUIRED.into_iter().chain(seeds.then_some(SEED))).map_err(failed)?;
            for row in self.scores() {
                if seeds {
                    writer.serialize((&row.model, row.step, &row.task, &row.language, row.score, row.seed))
                } else {
                    writer.serialize((&row.model, row.step, &row.task, &row.language, row.score))
                }
                .map_err(failed)?;
            }
            writer.flush().map_err(Error::io(path, "write"))
        })
    }

    /// The scores, in the order of the table.
    pub fn scores(&self) -> impl ExactSizeIterator<Item = &TransferScore> + '_ {
        self.rows.iter().map(|(_, row)| row)
    }

    /// The scores of both tables, as [`new`](Self::new) makes them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn chain(&self, other: &TransferScores) -> Result<Self> {
        Self::new(self.scores().chain(other.scores()).cloned().collect())
    }

    /// Refuses scores of `model` at a step that is not among `steps`, and a table without any of `model`; `path` is for the
    /// message. Other models' rows are not looked at.
    ///
    /// # Errors
    /// [`Error::Line`] naming the first such row, and the steps there are; [`Error::File`] naming the models there are.
    pub fn check_steps(&self, path: impl AsRef<Path>, model: &str, steps: &[Step]) -> Result<()> {
        let models: BTreeSet<&str> = self.scores().map(|row| row.model.as_str()).collect();
        if !models.contains(model) {
            let models: Vec<&str> = models.into_iter().collect();
            let message = format!(
                "has no scores of the model {model}, only of {}; name models as the series' folder",
                models.join(", ")
            );
            return Err(Error::file(path, message));
        }
        let known: BTreeSet<Step> = steps.iter().copied().collect();
        match self.rows.iter().find(|(_, row)| row.model == model && !known.contains(&row.step)) {
            None => Ok(()),
            Some((line, row)) => {
                let known: Vec<String> = known.iter().map(Step::to_string).collect();
                let message = format!(
                    "step {} is not in the series {model}, whose steps are {}; correct or remove the row",
                    row.step,
                    known.join(", ")
                );
                Err(Error::line(path, *line, message))
            }
        }
    }

    /// The tasks, sorted.
    pub fn tasks(&self) -> BTreeSet<&str> {
        self.scores().map(|row| row.task.as_str()).collect()
    }

    /// The mean over seeds of every model, step, task and language.
    pub fn means(&self) -> MeanScores {
        let mut groups: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for row in self.scores() {
            let key = (row.model.clone(), row.step, row.task.clone(), row.language.clone());
            groups.entry(key).or_default().push(row.score);
        }
        groups.into_iter().filter_map(|(key, scores)| Some((key, mean(scores)?))).collect()
    }
}

/// The lines of the rows so far.
type Seen = BTreeMap<(String, Step, String, String, Option<u64>), usize>;

/// Where the columns stand.
struct Columns {
    required: [usize; 5],
    seed: Option<usize>,
    n: usize,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, String> {
        let expected = || format!("expected the columns {} and optionally {SEED}", REQUIRED.join(", "));
        for (i, name) in header.iter().enumerate() {
            if !REQUIRED.contains(&name) && name != SEED {
                return Err(format!("unknown column `{name}`: {}", expected()));
            }
            if header.iter().take(i).any(|earlier| earlier == name) {
                return Err(format!("column `{name}` comes twice: {}", expected()));
            }
        }
        let find = |name: &str| header.iter().position(|column| column == name);
        let mut required = [0; 5];
        for (slot, name) in required.iter_mut().zip(REQUIRED) {
            *slot = find(name).ok_or_else(|| format!("no column `{name}`: {}", expected()))?;
        }
        Ok(Columns { required, seed: find(SEED), n: header.len() })
    }

    fn score(&self, record: &csv::StringRecord) -> Result<TransferScore, String> {
        if record.len() != self.n {
            return Err(format!("has {} columns, but the header has {}", record.len(), self.n));
        }
        let [model, step, task, language, score] = self.required.map(|i| record.get(i).unwrap_or_default());
        for (name, value) in [("model", model), ("task", task), ("language", language)] {
            if value.is_empty() {
                return Err(format!("{name} is empty; give its name"));
            }
        }
        let seed = match self.seed.and_then(|i| record.get(i)).unwrap_or_default() {
            "" => None,
            text => Some(text.parse().map_err(|_| format!("seed should be a whole number or empty, but is `{text}`"))?),
        };
        Ok(TransferScore {
            model: model.to_owned(),
            step: step.parse().map_err(|error: Error| error.to_string())?,
            task: task.to_owned(),
            language: language.to_owned(),
            score: score.parse().map_err(|_| format!("score should be a number, but is `{score}`"))?,
            seed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TransferScores> {
        TransferScores::parse(text, Path::new("t.csv"))
    }

    #[test]
    fn columns_come_in_any_order() {
        let table =
            parse("score,language,seed,model,task,step\n 0.5 ,es,1,m,xnli,1000\n\n0.25,es,,m,xnli,final\n").unwrap();
        let rows: Vec<_> = table.scores().collect();
        assert_eq!((rows[0].score, rows[0].seed, rows[0].step), (0.5, Some(1), Step::Number(1000)));
        assert_eq!((rows[1].score, rows[1].seed, rows[1].step), (0.25, None, Step::Final));
        assert_eq!(table.tasks().into_iter().collect::<Vec<_>>(), ["xnli"]);
    }

    #[test]
    fn broken_tables_name_line_and_cure() {
        let head = "model,step,task,language,score\n";
        for (text, expected) in [
            ("", "t.csv:1: is empty; give a header line `model,step,task,language,score`"),
            ("model,step,task,language\n", "t.csv:1: no column `score`"),
            ("model,step,task,language,score,lang\n", "t.csv:1: unknown column `lang`"),
            ("model,step,task,language,score,score\n", "t.csv:1: column `score` comes twice"),
            (&format!("{head}m,1,x,es,0.5,7\n"), "t.csv:2: has 6 columns, but the header has 5"),
            (&format!("{head}m,1,x,es,0.5\n\n\nm,1k,x,fr,0.5\n"), "t.csv:5: unknown step `1k`"),
            (&format!("{head}m,,x,es,0.5\n"), "t.csv:2: unknown step ``"),
            (&format!("{head}m,1,x,es,half\n"), "t.csv:2: score should be a number, but is `half`"),
            (&format!("{head}m,1,x,es,NaN\n"), "t.csv:2: score should be a finite number, but is NaN"),
            (&format!("{head}m,1,x,es,inf\n"), "t.csv:2: score should be a finite number"),
            (&format!("{head}m,1,x,,0.5\n"), "t.csv:2: language is empty"),
            (&format!("{head}m,1,x,es,0.5\nm,1,x,es,0.6\n"), "t.csv:3: repeats line 2: model m, step 1, task x"),
            ("model,step,task,language,score,seed\nm,1,x,es,0.5,-1\n", "t.csv:2: seed should be a whole number"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn files_that_are_no_text_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        assert!(TransferScores::read(&path).unwrap_err().to_string().contains("cannot read"));
        fs::write(&path, b"model,step,task,language,score\nm,1,x,\xff,0.5\n").unwrap();
        assert!(TransferScores::read(&path).unwrap_err().to_string().contains("t.csv:2: is not valid UTF-8"));
        fs::write(&path, "\u{feff}model,step,task,language,score\nm,1,x,es,0.5\n").unwrap();
        assert_eq!(TransferScores::read(&path).unwrap().scores().len(), 1, "a byte order mark is no part of a name");
    }

    #[test]
    fn an_unknown_step_is_named_with_its_line() {
        let text = "model,step,task,language,score\nother,7,x,es,0.5\nm,1,x,es,0.5\nm,final,x,es,0.5\n";
        let table = parse(text).unwrap();
        let steps = [Step::Number(100), Step::Number(1)];
        let message = table.check_steps("t.csv", "m", &steps).unwrap_err().to_string();
        assert_eq!(
            message,
            "t.csv:4: step final is not in the series m, whose steps are 1, 100; correct or remove the row"
        );
        assert!(table.check_steps("t.csv", "m", &[Step::Number(1), Step::Final]).is_ok());
    }

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        for head in ["model,step,task,language,score", "model,step,task,language,score,seed"] {
            let seeds = head.ends_with("seed");
            let row = |seed: &str| if seeds { format!(",{seed}") } else { String::new() };
            let text =
                format!("{head}\n\"m,1\",10,x,es,0.1{}\nm,final,x,es,0.30000000000000004{}\n", row("4"), row(""));
            let table = parse(&text).unwrap();
            table.write(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(TransferScores::read(&path).unwrap(), table);
        }
    }

    #[test]
    fn seeds_are_averaged() {
        let text = "model,step,task,language,score,seed\nm,1,x,es,0.25,0\nm,1,x,es,0.75,1\nm,1,x,fr,1,0\n";
        let means = parse(text).unwrap().means();
        assert_eq!(means.into_values().collect::<Vec<_>>(), [0.5, 1.0]);
        let table = parse(text).unwrap();
        assert!(table.chain(&table).unwrap_err().to_string().contains("repeats"));
    }
}
