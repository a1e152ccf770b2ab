//! An analysis as a person reads it: on a terminal and as Markdown.

use super::{About, Analysis};
use crate::correlation::{CorrelationRow, InferenceRow};
use crate::overlap::{PairOverlap, StepOverlap, MEAN};
use crate::report::{number, p_value, TextTable};
use std::collections::BTreeSet;

/// Level at which a pair counts as more than chance.
pub(super) const ALPHA: f64 = 0.05;

/// A table with what it is of.
pub(super) struct Titled {
    pub model: String,
    pub caption: String,
    pub table: TextTable,
    /// Whether it is of one site of several, beside a table over all.
    pub of_site: bool,
}

pub(super) const CAVEAT: &str =
    "Empty: too few points, or no variation; inference.csv says which. The intervals and the p-values beside a coefficient take points for independent, which \
points of one checkpoint and checkpoints of one run are not. p by language: whole languages change places, so that what all do \
together over training counts for nothing. p of changes: of the changes from one checkpoint to the next. influence.csv leaves out one \
checkpoint at a time.";

pub(super) fn text(analysis: &Analysis, about: &About) -> String {
    let mut parts = Vec::new();
    for model in analysis.models() {
        for k in &analysis.settings.k {
            let table = overlap_table(analysis, model, *k, MEAN);
            parts.push(format!("{}\n\n{}", heading(analysis, model, *k), table.text()));
        }
    }
    parts.push(format!("{LEGEND}\n"));
    let correlations = correlation_table(analysis);
    if correlations.is_empty() {
        parts.push("Overlap against transfer: no scores to correlate with.\n".into());
    } else {
        parts.push(format!("{}\n\n{}\n{CAVEAT}\n", correlation_heading(analysis), correlations.text()));
    }
    if !about.notes.is_empty() {
        parts.push(about.notes.join("\n") + "\n");
    }
    parts.join("\n")
}

pub(super) fn markdown(analysis: &Analysis, about: &About) -> String {
    let sites: Vec<String> = analysis.sites().iter().map(ToString::to_string).collect();
    let mut text = format!("# Overlap against training step: {}\n\n", analysis.models().join(", "));
    for (name, value) in settings(analysis, about) {
        text += &format!("- {name}: {value}\n");
    }
    text.push('\n');
    for model in analysis.models() {
        for k in &analysis.settings.k {
            let table = overlap_table(analysis, model, *k, MEAN);
            text += &format!("## {}\n\n{}\n", heading(analysis, model, *k), table.markdown());
            if sites.len() > 1 {
                for site in &sites {
                    let table = overlap_table(analysis, model, *k, site);
                    text += &format!("### {site}\n\n{}\n", table.markdown());
                }
            }
        }
        if cfg!(feature = "plots") {
            let [by_step, by_pair] = ["overlap_vs_step", "overlap_by_pair"].map(|name| analysis.file_of(name, model));
            text += &format!(
                "![Overlap against training step]({by_step}.svg)\n\n![Overlap by pair of languages]({by_pair}.svg)\n\n"
            );
            text += "All plots are in `report.html`.\n\n";
        }
    }
    text += &format!("{LEGEND}\n\n");
    text += &format!("## {}\n\n", correlation_heading(analysis));
    let correlations = correlation_table(analysis);
    if correlations.is_empty() {
        text += "No scores to correlate with.\n";
    } else {
        text += &format!("{}\n{CAVEAT}\n", correlations.markdown());
    }
    for (heading, table) in &about.tables {
        text += &format!("\n## {heading}\n\n{}", table.markdown());
    }
    if !about.notes.is_empty() {
        text += "\n## Notes\n\n";
        text.extend(about.notes.iter().map(|note| format!("- {note}\n")));
    }
    text
}

/// All settings as names and values: the analysis's own, then the rest.
pub(super) fn settings(analysis: &Analysis, about: &About) -> Vec<(String, String)> {
    let joined = |values: Vec<String>| values.join(", ");
    let methods: BTreeSet<String> = analysis.rankings.iter().map(|ranked| ranked.cell.method.clone()).collect();
    let own = [
        ("languages", analysis.languages().join(", ")),
        ("attributes", analysis.settings.attributes.join(", ")),
        ("sites", joined(analysis.sites().iter().map(ToString::to_string).collect())),
        ("method", joined(methods.into_iter().collect())),
        ("seeds", joined(analysis.seeds().iter().map(ToString::to_string).collect())),
        ("source language", analysis.settings.source.clone()),
    ];
    let mut settings: Vec<(String, String)> = own.map(|(name, value)| (name.to_owned(), value)).into();
    settings.extend(about.settings.iter().cloned());
    settings.push(("isogloss".into(), env!("CARGO_PKG_VERSION").into()));
    settings
}

pub(super) const LEGEND: &str =
    "chance: k / neurons. shuffled: the same with shuffled labels. crossed: one attribute in one language, another in \
the other. excess: (overlap - chance) / (1 - chance). ceiling: the same cell under another seed, or the same weights \
probed again. significant: pairs of languages whose overlap is above chance (hypergeometric, Holm-adjusted p < 0.05), out of all \
pairs, over attributes, sites and seeds.";

fn heading(analysis: &Analysis, model: &str, k: usize) -> String {
    let (languages, seeds) = (analysis.languages_of(model).len(), analysis.seeds().len());
    let plural = if seeds == 1 { "seed" } else { "seeds" };
    format!(
        "Overlap of the {k} best neurons between {languages} languages, {model}, mean over pairs and {seeds} {plural}"
    )
}

/// The overlap-vs-step tables: of every model and `k` over sites, and where there are several sites, of each.
pub(super) fn overlap(analysis: &Analysis) -> Vec<Titled> {
    let sites = analysis.sites();
    let mut tables = Vec::new();
    for model in analysis.models() {
        for &k in &analysis.settings.k {
            let mut add = |site: &str, caption: String| {
                let table = overlap_table(analysis, model, k, site);
                if !table.is_empty() {
                    tables.push(Titled { model: model.to_owned(), caption, table, of_site: site != MEAN });
                }
            };
            let over = if sites.len() > 1 { ", over sites" } else { "" };
            add(MEAN, format!("{}{over}", heading(analysis, model, k)));
            if sites.len() > 1 {
                for site in &sites {
                    add(&site.to_string(), format!("{}, {site}", heading(analysis, model, k)));
                }
            }
        }
    }
    tables
}

/// The table of correlations; none without scores.
pub(super) fn correlation(analysis: &Analysis) -> Vec<Titled> {
    let table = correlation_table(analysis);
    let titled = Titled { model: String::new(), caption: correlation_heading(analysis), table, of_site: false };
    (!titled.table.is_empty()).then_some(titled).into_iter().collect()
}

/// Tables as a Markdown and as a LaTeX document's part, by the name of their files.
pub(super) fn documents(name: &str, tables: &[Titled]) -> (String, String) {
    let markdown: Vec<String> = tables.iter().map(|t| format!("## {}\n\n{}", t.caption, t.table.markdown())).collect();
    let latex = tables.iter().enumerate().map(|(i, titled)| {
        titled.table.latex_table(&titled.caption, &format!("tab:{}-{}", name.replace('_', "-"), i + 1))
    });
    let latex: Vec<String> = latex.collect();
    let comment =
        "% \\usepackage{booktabs}; of scripts other than Latin: XeLaTeX or LuaLaTeX with a font that has them.\n";
    (markdown.join("\n"), format!("{comment}\n{}", latex.join("\n")))
}

fn correlation_heading(analysis: &Analysis) -> String {
    let k = analysis.settings.k.first().copied().unwrap_or_default();
    format!("Overlap at k = {k} against transfer from `{}`", analysis.settings.source)
}

type Reading = fn(&StepOverlap) -> Option<f64>;

/// What the mean overlap is read against.
const READ_AGAINST: [(&str, Reading); 5] = [
    ("chance", |row| row.expected),
    ("shuffled", |row| row.shuffled),
    ("crossed", |row| row.cross_attribute),
    ("excess", |row| row.excess),
    ("ceiling", |row| row.ceiling),
];

fn overlap_table(analysis: &Analysis, model: &str, k: usize, site: &str) -> TextTable {
    let mut attributes: Vec<&str> = analysis.settings.attributes.iter().map(String::as_str).collect();
    if attributes.len() > 1 {
        attributes.push(MEAN);
    }
    let here = |row: &&StepOverlap| row.model == model && row.k == k && row.site == site;
    let rows: Vec<&StepOverlap> = analysis.by_step.iter().filter(here).collect();
    // Columns that no row has a value for are left out.
    let read_against: Vec<(&str, Reading)> = READ_AGAINST
        .into_iter()
        .filter(|(_, value)| rows.iter().any(|row| row.attribute == MEAN && value(row).is_some()))
        .collect();
    let header = std::iter::once("step")
        .chain(attributes.iter().copied())
        .chain(read_against.iter().map(|(name, _)| *name))
        .chain(["significant"]);
    let mut table = TextTable::new(header);
    let here = |row: &&PairOverlap| row.model == model && row.k == k && (site == MEAN || row.site.to_string() == site);
    let pairs: Vec<&PairOverlap> = analysis.pairs.iter().filter(here).collect();
    let steps: BTreeSet<_> = rows.iter().map(|row| row.step).collect();
    for step in steps {
        let row = |attribute: &str| rows.iter().find(|row| row.step == step && row.attribute == attribute);
        // With one attribute, its row is the mean.
        let mean = row(MEAN);
        let mut cells = vec![step.to_string()];
        cells.extend(attributes.iter().map(|attribute| number(row(attribute).map(|row| row.overlap), 3)));
        cells.extend(read_against.iter().map(|(_, value)| number(mean.and_then(|row| value(row)), 3)));
        let p_values: Vec<f64> = pairs.iter().filter(|row| row.step == step).filter_map(|row| row.p_holm).collect();
        let significant = p_values.iter().filter(|p| **p < ALPHA).count();
        cells.push(if p_values.is_empty() { String::new() } else { format!("{significant} of {}", p_values.len()) });
        table.row(cells);
    }
    table
}

fn correlation_table(analysis: &Analysis) -> TextTable {
    let rows = analysis.correlation.iter().filter(|row| row.measure == "overlap");
    correlations(rows, &analysis.inference, analysis.models().len() > 1, "overlap of", |row| &row.attribute)
}

/// Correlations with their intervals and p-values; `name` is what stands below `title`.
pub(super) fn correlations<'a>(
    rows: impl Iterator<Item = &'a CorrelationRow>,
    inference: &[InferenceRow],
    several_models: bool,
    title: &str,
    name: impl Fn(&CorrelationRow) -> &str,
) -> TextTable {
    let columns = [
        "task",
        "level",
        title,
        "n",
        "Pearson",
        "95 % interval",
        "p",
        "Spearman",
        "p",
        "p by language",
        "p of changes",
    ];
    let mut table = TextTable::new(several_models.then_some("model").into_iter().chain(columns));
    for row in rows {
        let cells = [
            row.task.clone(),
            row.level.to_string(),
            name(row).to_owned(),
            row.n.to_string(),
            number(row.pearson, 3),
            interval(row),
            p_value(row.pearson_p),
            number(row.spearman, 3),
            p_value(row.spearman_p),
            p_value(permuted(inference, row, "pearson", "languages")),
            p_value(permuted(inference, row, "pearson-of-changes", "changes")),
        ];
        table.row(several_models.then(|| row.model.clone()).into_iter().chain(cells));
    }
    table
}

/// Pearson's interval.
fn interval(row: &CorrelationRow) -> String {
    match (row.ci_low, row.ci_high) {
        (Some(low), Some(high)) => format!("{} to {}", number(Some(low), 2), number(Some(high), 2)),
        _ => String::new(),
    }
}

/// The p-value of a correlation by permutation of `unit`s.
fn permuted(inference: &[InferenceRow], row: &CorrelationRow, estimator: &str, unit: &str) -> Option<f64> {
    let key = (&row.model, &row.task, row.level, &row.measure, &row.attribute);
    let same = |other: &&InferenceRow| {
        (&other.model, &other.task, other.level, &other.measure, &other.attribute) == key
            && (other.estimator.as_str(), other.method.as_str(), other.unit.as_str())
                == (estimator, "permutation", unit)
    };
    inference.iter().find(same).and_then(|found| found.p_value)
}
