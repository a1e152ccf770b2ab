use super::*;
use crate::checkpoint::Step;
use crate::ranking::{Cell, CurvePoint, Ranking};
use crate::transfer::TransferScore;
use std::collections::BTreeMap;

/// A ranking of 12 neurons at one site, with a curve that rises.
pub(super) fn ranked(
    model: &str,
    step: u64,
    attribute: &str,
    language: &str,
    seed: u64,
    neurons: &[usize],
) -> RankedCell {
    let nmi = |i: usize| 0.1 + 0.05 * i as f64 + 0.01 * (language.len() + neurons.len() + i * i) as f64;
    let curve = neurons.iter().enumerate().map(|(i, &neuron)| CurvePoint {
        rank: i + 1,
        neuron,
        nmi_dev: None,
        nmi_test: Some(nmi(i)),
        accuracy_test: None,
    });
    let cell = Cell {
        model: model.into(),
        step: Step::Number(step),
        site: "residual.3".parse().unwrap(),
        attribute: attribute.into(),
        language: language.into(),
        method: "poisson".into(),
        seed,
        control: crate::ranking::Control::None,
    };
    RankedCell { cell, ranking: Ranking::new(12, curve.collect()).unwrap() }
}

pub(super) fn analysis(rankings: Vec<RankedCell>, attributes: &[&str], k: usize) -> Analysis {
    let attributes = attributes.iter().map(ToString::to_string).collect();
    let settings = Settings { k: vec![k], source: "a".into(), attributes, cross_attribute: true };
    Analysis::new(rankings, TransferScores::default(), settings).unwrap()
}

/// Three steps, two attributes, four languages of which one lacks an attribute, two seeds, with transfer scores.
fn study(models: &[&str]) -> Analysis {
    let (mut rankings, mut scores) = (Vec::new(), Vec::new());
    for (m, model) in models.iter().enumerate() {
        for (s, step) in [0, 10, 1000].into_iter().enumerate() {
            for (l, language) in ["a", "b", "हिन्दी", "中文"].into_iter().enumerate() {
                for (i, attribute) in ["POS", "Gender<&\">"].into_iter().enumerate() {
                    if (l, i) == (3, 1) {
                        continue;
                    }
                    for seed in 0..2 {
                        let start = (l * (3 - s) + seed as usize + m) % 12;
                        let top: Vec<usize> = (0..4).map(|r| (start + r * (i + 1)) % 12).collect();
                        rankings.push(ranked(model, step, attribute, language, seed, &top));
                    }
                }
                scores.push(TransferScore {
                    model: model.to_string(),
                    step: Step::Number(step),
                    task: "tagging".into(),
                    language: language.into(),
                    score: 0.3 + 0.1 * s as f64 + 0.01 * ((l * 7 + s) % 5) as f64,
                    seed: None,
                });
            }
        }
    }
    let settings = Settings {
        k: vec![4, 2],
        source: "a".into(),
        attributes: vec!["POS".into(), "Gender<&\">".into()],
        cross_attribute: true,
    };
    Analysis::new(rankings, TransferScores::new(scores).unwrap(), settings).unwrap()
}

fn about() -> About {
    let mut words = TextTable::new(["language", "classes"]);
    words.row(["हिन्दी", "<script>alert(1)</script>"]);
    About {
        settings: vec![("scheme".into(), "unimorph & \"more\" <b>".into())],
        tables: vec![("Words <1>".into(), words)],
        notes: vec!["Left out: <img src=x onerror=1>.".into()],
    }
}

fn written(analysis: &Analysis) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let paths = analysis.write(dir.path(), &about()).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let files: BTreeMap<String, Vec<u8>> =
        paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect();
    assert_eq!(files.len(), paths.len(), "a file is written twice");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), paths.len(), "a file is not reported");
    files
}

fn text<'a>(files: &'a BTreeMap<String, Vec<u8>>, name: &str) -> &'a str {
    let bytes = files.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", files.keys()));
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_same_analysis_gives_the_same_bytes() {
    assert_eq!(written(&study(&["m"])), written(&study(&["m"])));
}

#[test]
fn all_tables_come_in_all_formats() {
    let (dir, analysis) = (tempfile::tempdir().unwrap(), study(&["m", "n"]));
    for format in Format::ALL {
        for path in analysis.write_tables(dir.path(), format).unwrap() {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let rows = std::fs::read_to_string(dir.path().join(format!("{stem}.csv"))).unwrap().lines().count() - 1;
            let around = match format {
                Format::Csv => 1,
                Format::JsonLines => 0,
                Format::Markdown => 2,
                Format::Latex => 6,
            };
            assert!(rows > 0 && lines == rows + around, "{}: {lines} lines, {rows} rows", path.display());
        }
    }
    let files = written(&analysis);
    for name in ["overlap_vs_step", "correlation"] {
        let (markdown, latex) = (text(&files, &format!("{name}.md")), text(&files, &format!("{name}.tex")));
        let tables = latex.matches("\\begin{table}").count();
        assert_eq!(tables, if name == "correlation" { 1 } else { 4 });
        assert_eq!(markdown.matches("\n| ---").count(), tables);
        for part in ["\\end{table}", "\\toprule", "\\midrule", "\\bottomrule", "\\caption{", "\\label{tab:"] {
            assert_eq!(latex.matches(part).count(), tables, "{name} {part}");
        }
        assert_eq!(latex.matches('{').count(), latex.matches('}').count(), "{latex}");
    }
    assert!(text(&files, "overlap_vs_step.tex").contains("Gender$<$\\&\"$>$"));
}

#[test]
fn the_page_needs_nothing_and_escapes_everything() {
    for models in [&["m"][..], &["bloom <1>", "नमूना"][..]] {
        let files = written(&study(models));
        let page = text(&files, "report.html");
        assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
        for outside in ["http:", "https:", "<script", "@import", "url(", "<link", "<img", "<iframe"] {
            assert!(!page.contains(outside), "{outside}");
        }
        // Attributes that load or lead somewhere name a place on the page.
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for attribute in [" href=\"", " src=\""] {
            for target in page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(target.strip_prefix('#').is_some_and(|id| ids.contains(&id)), "{target}");
            }
        }
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
        for shown in ["&lt;img src=x onerror=1&gt;", "&lt;script&gt;", "unimorph &amp; &quot;more&quot; &lt;b&gt;"] {
            assert!(page.contains(shown), "{shown}");
        }
        for shown in
            ["Words &lt;1&gt;", "हिन्दी", env!("CARGO_PKG_VERSION"), "Holm-adjusted", "95 % interval", "tagging"]
        {
            assert!(page.contains(shown), "{shown}");
        }
        for model in models {
            assert!(page.contains(&crate::report::escape_html(model)), "{model}");
        }
    }
}

#[cfg(feature = "plots")]
mod plots {
    use super::*;
    use resvg::usvg::roxmltree::{self, Document, ParsingOptions};

    #[test]
    fn every_plot_is_well_formed_and_has_its_data() {
        for models in [&["m"][..], &["m", "नमूना"][..]] {
            let files = written(&study(models));
            let mut plots = 0;
            for name in files.keys().filter_map(|name| name.strip_suffix(".svg")) {
                plots += 1;
                let svg = text(&files, &format!("{name}.svg"));
                let document = Document::parse(svg).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(document.root_element().tag_name().name(), "svg");
                assert_eq!(&files[&format!("{name}.png")][..4], b"\x89PNG");
                let data = format!("{name}.csv");
                assert!(text(&files, &data).lines().count() > 1, "{data}");
            }
            // Steps (attributes, languages, source), pairs, pairs of two attributes, sharing, curves, one task.
            assert_eq!(plots, 9 * models.len(), "{:?}", files.keys());
        }
    }

    #[test]
    fn the_page_is_well_formed_and_holds_every_plot() {
        let files = written(&study(&["m", "नमूना"]));
        let page = text(&files, "report.html");
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(page, options).unwrap();
        let svgs: Vec<_> = document.descendants().filter(|node| node.has_tag_name("svg")).collect();
        assert_eq!(svgs.len(), files.keys().filter(|name| name.ends_with(".svg")).count());
        assert!(svgs.iter().all(|svg| svg.attribute("aria-label").is_some() && svg.attribute("role") == Some("img")));
        let texts = |node: roxmltree::Node<'_, '_>| {
            node.descendants().filter_map(|n| n.text().map(str::to_owned)).collect::<Vec<_>>().join("\n")
        };
        let all = texts(document.root_element());
        for label in ["हिन्दी", "中文", "Gender<&\">", "नमूना: overlap between 4 languages"] {
            assert!(all.contains(label), "{label}");
        }
    }

    #[test]
    fn language_lines_are_means_of_the_table() {
        // Every language has every attribute: the mean over languages is the mean over pairs.
        let mut rankings = Vec::new();
        for (i, language) in ["a", "b", "c", "d"].into_iter().enumerate() {
            for (j, attribute) in ["POS", "Number"].into_iter().enumerate() {
                for seed in 0..2 {
                    let top: Vec<usize> = (0..4).map(|r| (r * (i + 2) + j + seed as usize * 3) % 11).collect();
                    rankings.push(ranked("m", 10, attribute, language, seed, &top));
                }
            }
        }
        let analysis = analysis(rankings, &["POS", "Number"], 4);
        let files = written(&analysis);
        let mut reader = csv::Reader::from_reader(text(&files, "overlap_vs_step_by_language.csv").as_bytes());
        type Row = (String, String, u64, f64, Option<f64>, Option<f64>);
        let rows: Vec<Row> = reader.deserialize().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "chance"]);
        let mean = rows.iter().filter(|row| row.1 == "measured").map(|row| row.3).sum::<f64>() / 4.0;
        let table = analysis.by_step.iter().find(|r| r.site == "mean" && r.attribute == "mean").unwrap();
        approx::assert_relative_eq!(mean, table.overlap, max_relative = 1e-13);
        // With the source alone it is the pair's own overlap.
        let with_source = text(&files, "overlap_vs_step_with_source.csv");
        let of_pair: Vec<f64> = analysis
            .pairs
            .iter()
            .filter(|row| (row.language_a.as_str(), row.language_b.as_str()) == ("a", "c"))
            .map(|row| row.overlap)
            .collect();
        let value = of_pair.iter().sum::<f64>() / of_pair.len() as f64;
        assert!(with_source.contains(&format!("\nc,measured,10,{value:?},,\n")), "{with_source} {value}");
    }

    #[test]
    fn the_curve_is_the_mean_over_languages_with_its_t_interval() {
        // import numpy as np; from scipy import stats
        // v = [.1 + .01 * (n + 4) for n in (1, 2, 6)]
        // np.mean(v), stats.t.interval(.95, 2, np.mean(v), stats.sem(v))
        let rankings = ["a", "bb", "cccccc"].map(|l| ranked("m", 10, "POS", l, 0, &[1, 2, 3, 4])).to_vec();
        let files = written(&analysis(rankings, &["POS"], 4));
        let rows: Vec<Vec<String>> = text(&files, "nmi_by_k.csv")
            .lines()
            .skip(1)
            .map(|line| line.split(',').map(str::to_owned).collect())
            .collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[0][..3], ["POS", "step 10", "1.0"]);
        let values: Vec<f64> = rows[0][3..].iter().map(|value| value.parse().unwrap()).collect();
        for (value, expected) in values.iter().zip([EXPECTED.0, EXPECTED.1, EXPECTED.2]) {
            approx::assert_relative_eq!(*value, expected, max_relative = 1e-9);
        }
    }

    const EXPECTED: (f64, f64, f64) = (0.17, 0.10427589392271573, 0.23572410607728428);

    #[test]
    fn many_steps_are_thinned_and_ends_are_kept() {
        let spread = |count, most| pictures::spread(count, most).collect::<Vec<_>>();
        assert_eq!(spread(0, 4), [0usize; 0]);
        assert_eq!(spread(1, 4), [0]);
        assert_eq!(spread(3, 4), [0, 1, 2]);
        assert_eq!(spread(10, 4), [0, 3, 6, 9]);
        assert_eq!(spread(100, 12).last(), Some(&99));
    }
}
