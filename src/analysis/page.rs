//! An analysis as one HTML page that needs nothing else: style and plots are in it, there are no scripts and no links out.
//!
//! The page is well-formed XML as well, so that programs can read it. Plots keep their white ground in the dark, as they
//! are printed: their colours were chosen on it.

use super::summary;
use super::{About, Analysis};
use crate::overlap::MEAN;
use crate::report::{escape_html, number, TextTable};

/// A plot on the page.
pub(super) struct Figure {
    /// The name of its files, without extension.
    pub name: String,
    /// Whose plot it is.
    pub model: String,
    /// How to read it.
    pub caption: String,
    /// The plot, an `svg` element.
    pub svg: String,
    /// Its width in CSS pixels.
    pub width: f64,
}

impl Figure {
    fn of_transfer(&self) -> bool {
        self.name.starts_with("overlap_vs_transfer")
    }
}

const STYLE: &str = include_str!("page.css");

const INTRODUCTION: &str = "As a multilingual language model trains, does it come to use the same neurons for the same grammatical \
feature in different languages, and does that sharing go with zero-shot cross-lingual transfer? For every language and attribute a \
probe ranks the neurons of a checkpoint; the overlap of two languages is the share of their best neurons that they have in common.";

/// The whole page. No text from outside is taken for markup, and the same analysis gives the same bytes.
pub(super) fn html(analysis: &Analysis, about: &About, figures: &[&Figure]) -> String {
    // Numbers follow the page, where plots of transfer come last.
    let mut ordered = figures.to_vec();
    ordered.sort_by_key(|figure| figure.of_transfer());
    let mut page = Page { numbered: &ordered, body: String::new(), contents: Vec::new() };
    let models = analysis.models();
    let title = format!("Overlap against training step: {}", models.join(", "));

    page.section("In short");
    page.body += &in_short(analysis);
    page.paragraph(summary::LEGEND, "soft");

    let overlaps = summary::overlap(analysis);
    for model in &models {
        page.section(model);
        let of_model = |of_site: bool| overlaps.iter().filter(move |t| t.model == *model && t.of_site == of_site);
        for table in of_model(false) {
            page.table(&table.caption, &table.table);
        }
        let here: Vec<&Figure> = figures.iter().copied().filter(|f| f.model == *model && !f.of_transfer()).collect();
        let mut rest = here.as_slice();
        while let Some((first, _)) = rest.split_first() {
            let alike = rest.iter().take_while(|figure| figure.caption == first.caption).count().max(1);
            let (group, others) = rest.split_at(alike);
            page.figures(group);
            rest = others;
        }
        for table in of_model(true) {
            page.table(&table.caption, &table.table);
        }
    }

    page.section("Overlap and transfer");
    let correlations = summary::correlation(analysis);
    if correlations.is_empty() {
        page.paragraph("No scores to correlate with.", "");
    }
    for table in &correlations {
        page.table(&table.caption, &table.table);
    }
    if !correlations.is_empty() {
        page.paragraph(summary::CAVEAT, "soft");
    }
    page.figures(&figures.iter().copied().filter(|figure| figure.of_transfer()).collect::<Vec<_>>());

    for (heading, table) in &about.tables {
        page.section(heading);
        page.table("", table);
    }
    if !about.notes.is_empty() {
        page.section("Notes");
        let notes = about.notes.iter().map(|note| format!("<li>{}</li>\n", escape_html(note)));
        page.body += &format!("<ul>\n{}</ul>\n", notes.collect::<String>());
    }
    page.section("Settings and versions");
    page.body += "<dl>\n";
    for (name, value) in summary::settings(analysis, about) {
        page.body += &format!("<dt>{}</dt><dd>{}</dd>\n", escape_html(&name), escape_html(&value));
    }
    page.body += "</dl>\n";
    page.section("Files beside this page");
    page.body += &files(figures);
    page.finish(&title)
}

struct Page<'a> {
    numbered: &'a [&'a Figure],
    body: String,
    contents: Vec<String>,
}

impl Page<'_> {
    fn section(&mut self, heading: &str) {
        if !self.contents.is_empty() {
            self.body += "</section>\n";
        }
        let id = format!("section-{}", self.contents.len() + 1);
        let heading = escape_html(heading);
        self.body += &format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n");
        self.contents.push(format!("<li><a href=\"#{id}\">{heading}</a></li>\n"));
    }

    fn paragraph(&mut self, text: &str, class: &str) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.body += &format!("<p{class}>{}</p>\n", escape_html(text));
    }

    /// A table that scrolls by itself where it is wider than the page.
    fn table(&mut self, caption: &str, table: &TextTable) {
        let label = if caption.is_empty() { "Table" } else { caption };
        self.body += &format!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n{}</div>\n",
            escape_html(label),
            table.html(caption)
        );
    }

    /// Figures that are read in the same way: the first says how, narrow ones stand side by side.
    fn figures(&mut self, group: &[&Figure]) {
        let number =
            |figure: &Figure| self.numbered.iter().position(|other| other.name == figure.name).unwrap_or(0) + 1;
        let Some(first) = group.first() else { return };
        let narrow = group.len() > 1 && group.iter().all(|figure| figure.width <= 560.0);
        let mut text = String::new();
        if narrow {
            text += &format!("<p class=\"soft\">{}</p>\n<div class=\"several\">\n", escape_html(&first.caption));
        }
        for (i, figure) in group.iter().enumerate() {
            let caption = match i {
                _ if narrow => String::new(),
                0 => escape_html(&figure.caption),
                _ => format!("Read as <a href=\"#figure-{n}\">figure {n}</a>.", n = number(first)),
            };
            text += &format!(
                "<figure id=\"figure-{n}\">\n{}<figcaption><strong>Figure {n}.</strong> {caption} File: <code>{}</code></figcaption>\n</figure>\n",
                figure.svg,
                escape_html(&figure.name),
                n = number(figure)
            );
        }
        if narrow {
            text += "</div>\n";
        }
        self.body += &text;
    }

    fn finish(self, title: &str) -> String {
        let title = escape_html(title);
        let Page { mut body, contents, .. } = self;
        if !contents.is_empty() {
            body += "</section>\n";
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
             <p>{INTRODUCTION}</p>\n</header>\n<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n\
             <ul>\n{}</ul>\n</nav>\n<main>\n{body}</main>\n</body>\n</html>\n",
            contents.concat()
        )
    }
}

/// A sentence a model: from where to where overlap goes, and between which levels.
fn in_short(analysis: &Analysis) -> String {
    let k = analysis.settings.k.first().copied().unwrap_or_default();
    let intervals = analysis.intervals();
    let mut text = String::from("<ul>\n");
    for model in analysis.models() {
        let wanted = |m: &str, site: &str, attribute: &str, at: usize| {
            m == model && site == MEAN && attribute == MEAN && at == k
        };
        let rows = || analysis.by_step.iter().filter(|row| wanted(&row.model, &row.site, &row.attribute, row.k));
        let (Some(first), Some(last)) = (rows().next(), rows().next_back()) else { continue };
        let value = |overlap: f64, step| {
            let row = intervals.iter().find(|row| wanted(&row.model, MEAN, &row.attribute, row.k) && row.step == step);
            let interval = row.and_then(|row| row.low.zip(row.high)).map_or(String::new(), |(low, high)| {
                format!(" (95 % interval {} to {})", number(Some(low), 3), number(Some(high), 3))
            });
            format!("{}{interval}", number(Some(overlap), 3))
        };
        let mut sentence = format!(
            "{model}: the overlap of two languages' {k} best neurons is {} at step {}",
            value(last.overlap, last.step),
            last.step
        );
        if first.step != last.step {
            sentence += &format!(", and was {} at step {}", value(first.overlap, first.step), first.step);
        }
        sentence += &format!(" (mean over {} languages)", analysis.languages_of(model).len());
        if let Some(expected) = last.expected {
            sentence += &format!("; chance gives {}", number(Some(expected), 3));
        }
        if let Some(ceiling) = last.ceiling {
            sentence += &format!("; the same language probed again, {}", number(Some(ceiling), 3));
        }
        text += &format!("<li>{}.</li>\n", escape_html(&sentence));
    }
    text + "</ul>\n"
}

fn files(figures: &[&Figure]) -> String {
    let rows = [
        ("rankings.csv", "the neurons of every cell in order, with what a probe knows up to each"),
        ("overlap.csv", "every pair of languages: overlap, chance, excess, p-values; controls beside it"),
        (
            "overlap_measures.csv",
            "the same pairs: Jaccard, area, rank-biased and weighted overlap, share of the ceiling",
        ),
        ("overlap_by_k.csv", "overlap of the best one, two, ... neurons, mean over pairs"),
        ("sharing.csv", "how many neurons so many languages share, with chance and p-values"),
        ("ceiling.csv", "every cell's overlap with itself under other seeds"),
        ("overlap_vs_step.csv, .jsonl, .md, .tex", "the means over pairs; the last two as a paper prints them"),
        ("overlap_vs_step_interval.csv", "intervals of those means over languages"),
        ("correlation.csv, .jsonl, .md, .tex", "overlap against transfer"),
        ("influence.csv", "the same with one step left out at a time"),
        ("inference.csv", "the same tested in other ways: by checkpoint, by language, of changes, given the step"),
        ("transfer.csv", "the transfer scores"),
        ("summary.md", "the tables of this page as Markdown"),
    ];
    let mut table = TextTable::new(["file", "what it holds"]);
    for (name, holds) in rows {
        table.row([name, holds]);
    }
    if !figures.is_empty() {
        table.row(["NAME.svg, .png, .csv", "each figure by its name, and the values that it shows"]);
    }
    format!("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Files\">\n{}</div>\n", table.html(""))
}
