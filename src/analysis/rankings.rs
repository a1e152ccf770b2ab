use crate::checkpoint::Step;
use crate::ranking::{Cell, Control, CurvePoint, RankedCell, Ranking};
use crate::report::Record;
use crate::{Error, Result, Site};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A row of `rankings.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingRow {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The attribute.
    pub attribute: String,
    /// The language.
    pub language: String,
    /// The method that ranked.
    pub method: String,
    /// The seed of split and probe.
    pub seed: u64,
    /// Counted from 1.
    pub rank: usize,
    /// The neuron's column.
    pub neuron: usize,
    /// Normalised mutual information on dev with this neuron and all before it.
    pub nmi_dev: Option<f64>,
    /// The same on test.
    pub nmi_test: Option<f64>,
    /// Share of test words right.
    pub accuracy_test: Option<f64>,
    /// Whether the labels were the real ones.
    #[serde(default)]
    pub control: Control,
}

impl Record for RankingRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "step",
        "site",
        "attribute",
        "language",
        "method",
        "seed",
        "rank",
        "neuron",
        "nmi_dev",
        "nmi_test",
        "accuracy_test",
        "control",
    ];
}

impl RankingRow {
    /// The rows of rankings, in order.
    pub fn of(rankings: &[RankedCell]) -> Vec<RankingRow> {
        let rows = rankings.iter().flat_map(|RankedCell { cell, ranking }| {
            ranking.curve().iter().map(move |point| {
                let Cell { model, step, site, attribute, language, method, seed, control } = cell.clone();
                let CurvePoint { rank, neuron, nmi_dev, nmi_test, accuracy_test } = *point;
                RankingRow {
                    model,
                    step,
                    site,
                    attribute,
                    language,
                    method,
                    seed,
                    rank,
                    neuron,
                    nmi_dev,
                    nmi_test,
                    accuracy_test,
                    control,
                }
            })
        });
        rows.collect()
    }
}

/// Reads rankings from a table like `rankings.csv`, so that they can be analysed again: with another `k`, other languages or
/// other scores, without probing anew. Other columns than those of [`RankingRow`] are passed over.
///
/// The table does not hold the size of the population that neurons were ranked from; `neurons` gives it, by model and
/// site, where it is known. A table without the column `control` has none.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Line`] for a line that breaks the format, a figure that is not finite,
/// and a cell whose ranks do not count from 1, that has a neuron twice or outside of its population.
///
/// # Examples
/// ```no_run
/// use isogloss::analysis::{read_rankings, About, Analysis, Settings};
/// use isogloss::transfer::TransferScores;
///
/// let rankings = read_rankings("out/rankings.csv", |_, site| Some(site.width(1024)))?;
/// let scores = TransferScores::read("out/transfer.csv")?;
/// let attributes = vec!["POS".into(), "Number".into()];
/// let settings = Settings { k: vec![20], source: "en".into(), attributes, cross_attribute: true };
/// Analysis::new(rankings, scores, settings)?.write("out-20", &About::default())?;
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn read_rankings(path: impl AsRef<Path>, neurons: impl Fn(&str, Site) -> Option<usize>) -> Result<Vec<RankedCell>> {
    let path = path.as_ref();
    let file = std::fs::File::open(path).map_err(Error::io(path, "read"))?;
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(|e| csv_error(path, e))?.clone();
    if let Some(missing) =
        RankingRow::COLUMNS.iter().find(|name| !header.iter().any(|column| column == **name) && **name != "control")
    {
        let message = format!("the column `{missing}` is missing: expected `{}`", RankingRow::COLUMNS.join(","));
        return Err(Error::line(path, 1, message));
    }
    // The line that a cell begins at, for messages.
    let mut cells: BTreeMap<Cell, (usize, Vec<CurvePoint>)> = BTreeMap::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| csv_error(path, e))? {
        let line = record.position().map_or(0, |position| position.line() as usize);
        let row: RankingRow =
            record.deserialize(Some(&header)).map_err(|e| Error::line(path, line, reason(&e, &header)))?;
        let RankingRow { model, step, site, attribute, language, method, seed, control, .. } = row;
        let RankingRow { rank, neuron, nmi_dev, nmi_test, accuracy_test, .. } = row;
        if let Some(value) = [nmi_dev, nmi_test, accuracy_test].into_iter().flatten().find(|value| !value.is_finite()) {
            return Err(Error::line(path, line, format!("{value} is no figure: leave it empty where there is none")));
        }
        let cell = Cell { model, step, site, attribute, language, method, seed, control };
        let (_, curve) = cells.entry(cell).or_insert_with(|| (line, Vec::new()));
        curve.push(CurvePoint { rank, neuron, nmi_dev, nmi_test, accuracy_test });
    }
    let ranked = cells.into_iter().map(|(cell, (line, curve))| {
        let ranking = match neurons(&cell.model, cell.site) {
            Some(width) => Ranking::new(width, curve),
            None => Ranking::of_unknown_width(curve),
        };
        let ranking = ranking.map_err(|error| {
            let Cell { step, attribute, language, seed, .. } = &cell;
            let cell = format!("{attribute} in {language}, step {step}, seed {seed}");
            Error::line(path, line, format!("in the ranking that begins here ({cell}): {error}"))
        })?;
        Ok(RankedCell { cell, ranking })
    });
    ranked.collect()
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let line = error.position().map_or(0, |position| position.line() as usize);
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(path, "read")(source),
        _ => Error::line(path, line, message),
    }
}

/// What is wrong with a line, by the name of the column.
fn reason(error: &csv::Error, header: &csv::StringRecord) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else { return error.to_string() };
    let column = err.field().and_then(|field| header.get(usize::try_from(field).ok()?));
    column.map_or_else(|| err.to_string(), |column| format!("column `{column}`: {}", err.kind()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::ranked;
    use super::*;
    use crate::report::write_csv;

    #[test]
    fn rankings_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rankings.csv");
        let mut rankings = vec![ranked("m", 0, "POS", "es", 0, &[3, 1]), ranked("m", 10, "POS", "हिन्दी", 1, &[2, 0])];
        rankings.sort_by(|a, b| a.cell.cmp(&b.cell));
        write_csv(&path, &RankingRow::of(&rankings)).unwrap();
        let read =
            read_rankings(&path, |_, site| rankings[0].ranking.n_neurons().map(|width| site.width(width))).unwrap();
        assert_eq!(read, rankings);
        let unknown = read_rankings(&path, |_, _| None).unwrap();
        assert_eq!(unknown[0].ranking.n_neurons(), None);
        let without = std::fs::read_to_string(&path).unwrap().replace(",control", "").replace(",none", "");
        std::fs::write(&path, without).unwrap();
        assert_eq!(read_rankings(&path, |_, _| Some(12)).unwrap(), rankings);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rankings.csv");
        let header = RankingRow::COLUMNS.join(",");
        let message = |lines: &[&str]| {
            std::fs::write(&path, [&[header.as_str()], lines].concat().join("\n")).unwrap();
            read_rankings(&path, |_, _| Some(8)).unwrap_err().to_string()
        };
        let good = "m,0,residual.3,POS,es,poisson,0,1,5,,,,none";
        for (second, line, why) in [
            ("m,0,residual.3,POS,es,poisson,0,2,x,,,,none", 3, "column `neuron`"),
            ("m,soon,residual.3,POS,es,poisson,0,2,1,,,,none", 3, "unknown step `soon`"),
            ("m,0,layer.3,POS,es,poisson,0,2,1,,,,none", 3, "unknown site `layer.3`"),
            ("m,0,residual.3,POS,es,poisson,0,2,1,NaN,,,none", 3, "NaN"),
            ("m,0,residual.3,POS,es,poisson,0,2", 3, "fields"),
            ("m,0,residual.3,POS,es,poisson,0,2,5,,,,none", 2, "twice"),
            ("m,0,residual.3,POS,es,poisson,0,3,6,,,,none", 2, "rank 3"),
            ("m,0,residual.3,POS,es,poisson,0,2,8,,,,none", 2, "outside 0..8"),
        ] {
            let message = message(&[good, second]);
            assert!(message.contains(&format!("rankings.csv:{line}: ")) && message.contains(why), "{why}: {message}");
        }
        std::fs::write(&path, "model,step\nm,0\n").unwrap();
        let error = read_rankings(&path, |_, _| Some(8)).unwrap_err().to_string();
        assert!(error.contains(":1: ") && error.contains("`site`"), "{error}");
        assert!(matches!(read_rankings(dir.path().join("none"), |_, _| Some(8)), Err(Error::Io { .. })));
    }
}
