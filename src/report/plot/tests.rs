use super::heatmap::shade;
use super::*;
use crate::checkpoint::Step;
use resvg::tiny_skia::Pixmap;

const STEPS: [u64; 10] = [0, 30, 100, 200, 400, 800, 1500, 3000, 4500, 6000];

fn line(label: &str, style: LineStyle, points: Vec<(Step, f64)>) -> StepLine {
    StepLine { label: label.into(), style, points, band: None }
}

fn series() -> StepPlot {
    let curve = |from: f64, to: f64| -> Vec<(Step, f64)> {
        STEPS
            .iter()
            .enumerate()
            .map(|(i, &s)| (Step::Number(s), from + (to - from) * (i as f64 / 9.0).powi(2)))
            .collect()
    };
    let mut lines: Vec<StepLine> = [("POS", 0.31), ("Number", 0.24), ("Gender", 0.19), ("Person & Число < χ", 0.16)]
        .iter()
        .map(|(label, to)| line(label, LineStyle::Measured, curve(0.1, *to)))
        .collect();
    lines[0].band = Some(lines[0].points.iter().map(|(_, v)| (v - 0.03, v + 0.03)).collect());
    lines[1].points.remove(4);
    lines.iter_mut().for_each(|line| {
        let last = line.points.last().unwrap().1;
        line.points.push((Step::Final, last + 0.01));
        if let Some(band) = &mut line.band {
            band.push((last - 0.02, last + 0.04));
        }
    });
    lines.push(line("mean of attributes", LineStyle::Secondary, curve(0.1, 0.22)));
    let flat = |value| STEPS.iter().map(|&s| (Step::Number(s), value)).chain([(Step::Final, value)]).collect();
    lines.push(line("chance (k / D)", LineStyle::Chance, flat(0.104)));
    lines.push(line("ceiling (same cell, another seed)", LineStyle::Ceiling, flat(0.58)));
    StepPlot {
        title: "Overlap between languages, residual.3, k = 20".into(),
        x_label: "training step".into(),
        y_label: "overlap (share of the top k)".into(),
        lines,
        note: String::new(),
    }
}

fn languages() -> Heatmaps {
    let labels: Vec<String> =
        ["ar", "ca", "en", "es", "eu", "fr", "hi", "mr", "pt", "ta", "ur", "vi", "zh"].map(String::from).to_vec();
    let n = labels.len();
    let panel = |title: &str, top: f64| {
        let value = |i: usize, j: usize| match (i, j) {
            _ if i == j => None,
            (4, 1) | (1, 4) => None,
            _ => Some(top * (((i * 7 + j * 7 + i * j) % 11) as f64 / 10.0)),
        };
        let values: Vec<Vec<Option<f64>>> = (0..n).map(|i| (0..n).map(|j| value(i, j)).collect()).collect();
        let marks = values.iter().map(|row| row.iter().map(|v| v.is_some_and(|v| v > 0.2)).collect()).collect();
        Heatmap { title: title.into(), labels: labels.clone(), values, marks }
    };
    Heatmaps {
        title: "POS overlap of each pair of languages".into(),
        value_label: "overlap (share of the top 50)".into(),
        panels: vec![panel("step 1000", 0.15), panel("step 100000", 0.3), panel("final", 0.5)],
        triangle: Triangle::Lower,
        scale_max: None,
        mark_meaning: "Holm-adjusted p < 0.05".into(),
        note: String::new(),
    }
}

fn five_languages(panels: usize) -> Heatmaps {
    let maps = languages();
    let panel = |mut panel: Heatmap| {
        panel.labels.truncate(5);
        panel.values.truncate(5);
        panel.values.iter_mut().for_each(|row| row.truncate(5));
        panel.marks.clear();
        panel
    };
    let panels = maps.panels.iter().cloned().map(panel).cycle().take(panels).collect();
    Heatmaps { panels, value_label: "share of the 10 best neurons in common".into(), ..maps }
}

fn transfer() -> Scatter {
    let group = |label: &str, shift: f64| ScatterGroup {
        label: label.into(),
        points: (0..7)
            .map(|i| {
                let x = 0.05 + 0.02 * f64::from(i) + shift;
                (x, 0.3 + 1.4 * x + 0.03 * f64::from((i * 5) % 7 - 3), Some(format!("{label} {i}k")))
            })
            .collect(),
    };
    Scatter {
        title: "Zero-shot tagging and overlap with English".into(),
        x_label: "POS overlap with English".into(),
        y_label: "token accuracy".into(),
        groups: vec![group("fr", 0.03), group("hi", 0.0), group("zh", -0.01), group("ελ", 0.02)],
        line: Some((1.4, 0.3)),
        note: "n = 28, r = 0.57 [0.25, 0.78], p = 8.8e-5".into(),
    }
}

fn texts(svg: &str) -> String {
    // Labels may be wrapped, one text a line.
    let mut all = String::new();
    for part in svg.split("<text ").skip(1) {
        let text = part.split_once('>').and_then(|(_, rest)| rest.split_once('<')).map_or("", |(text, _)| text);
        all.push_str(&text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
        all.push(' ');
    }
    all
}

/// Writes every picture into the folder that `PLOTS` names, for looking at them.
#[test]
fn pictures_for_the_eye() {
    let Some(dir) = std::env::var_os("PLOTS").map(PathBuf::from) else { return };
    series().save(dir.join("steps")).unwrap();
    languages().save(dir.join("heatmap")).unwrap();
    transfer().save(dir.join("scatter")).unwrap();
    for (name, plot) in edge_cases() {
        let picture = plot.picture().unwrap();
        std::fs::write(dir.join(format!("{name}.png")), picture.png().unwrap()).unwrap();
        std::fs::write(dir.join(format!("{name}.svg")), picture.svg()).unwrap();
    }
}

fn edge_cases() -> Vec<(&'static str, Box<dyn Plot>)> {
    let steps = |lines| StepPlot { title: "t".into(), y_label: "overlap".into(), lines, ..series() };
    let long = "a label that goes on and on, naming the attribute, the site, the method and its settings, so that no row holds it";
    let one = |at| {
        let mut measured = line("POS", LineStyle::Measured, vec![(at, 0.2)]);
        measured.band = Some(vec![(0.1, 0.25)]);
        steps(vec![measured, line("chance", LineStyle::Chance, vec![(at, 0.05)])])
    };
    let empty_panel = Heatmap { title: "e".into(), labels: vec![], values: vec![], marks: vec![] };
    let map = |panels, triangle, scale_max| Heatmaps { panels, triangle, scale_max, ..languages() };
    let many = |n: usize| Heatmap {
        title: format!("{n} languages"),
        labels: (0..n).map(|i| format!("language {i}")).collect(),
        values: (0..n).map(|i| (0..n).map(|j| (i != j).then_some((i + j) as f64 / (2 * n) as f64)).collect()).collect(),
        marks: (0..n).map(|i| (0..n).map(|j| (i + j) % 3 == 0).collect()).collect(),
    };
    let two = |v: f64| Heatmap {
        title: "two".into(),
        labels: vec!["español".into(), "русский".into()],
        values: vec![vec![Some(1.0), Some(v)], vec![Some(v), Some(1.0)]],
        marks: vec![],
    };
    let points = |points| Scatter {
        groups: vec![ScatterGroup { label: String::new(), points }],
        note: long.into(),
        ..transfer()
    };
    let many_steps = (0..=60).map(|i| (Step::Number(i * 1000), (i as f64 / 60.0).sqrt())).collect();
    let zero_one = vec![(Step::Number(0), 0.0), (Step::Number(10), 1.0), (Step::Final, 1.0)];
    let eleven: Vec<StepLine> = (0..11)
        .map(|i| {
            line(
                &format!("language {i}"),
                LineStyle::Measured,
                STEPS[1..].iter().map(|&s| (Step::Number(s), 0.05 * f64::from(i))).collect(),
            )
        })
        .collect();
    vec![
        ("empty", Box::new(steps(vec![]))),
        ("empty-line", Box::new(steps(vec![line("nothing", LineStyle::Measured, vec![])]))),
        ("one-step", Box::new(one(Step::Number(1000)))),
        ("one-final", Box::new(one(Step::Final))),
        (
            "zero-final",
            Box::new(steps(vec![line("a", LineStyle::Measured, vec![(Step::Number(0), 0.1), (Step::Final, 0.2)])])),
        ),
        (
            "equal",
            Box::new(steps(vec![line("a", LineStyle::Measured, STEPS.map(|s| (Step::Number(s), 0.3)).to_vec())])),
        ),
        (
            "zero-one",
            Box::new(steps(vec![line(long, LineStyle::Measured, zero_one), line("b", LineStyle::Secondary, vec![])])),
        ),
        (
            "negative",
            Box::new(steps(vec![line(
                "excess",
                LineStyle::Measured,
                vec![(Step::Number(1), -0.02), (Step::Number(9), 0.1)],
            )])),
        ),
        ("many-steps", Box::new(steps(vec![line("a", LineStyle::Measured, many_steps)]))),
        ("eleven", Box::new(steps(eleven))),
        ("no-panels", Box::new(map(vec![], Triangle::Full, None))),
        ("empty-panel", Box::new(map(vec![empty_panel], Triangle::Full, None))),
        ("two-full", Box::new(map(vec![two(0.0)], Triangle::Full, Some(0.5)))),
        ("one-row", Box::new(five_languages(3))),
        ("two-rows", Box::new(five_languages(5))),
        ("four-panels", Box::new(map(vec![many(5), many(5), many(8), two(0.3)], Triangle::Lower, None))),
        ("fifty", Box::new(map(vec![many(50)], Triangle::Lower, None))),
        ("no-points", Box::new(points(vec![]))),
        ("one-point", Box::new(points(vec![(0.5, 0.5, Some("here".into()))]))),
        ("same-points", Box::new(points(vec![(0.0, 0.0, Some("a".into())), (0.0, 0.0, Some("b".into()))]))),
    ]
}

#[test]
fn every_edge_case_gives_both_files() {
    for (name, plot) in edge_cases() {
        let svg = plot.svg().unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
        let png = plot.png().unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n", "{name}");
        let empty = ["empty", "empty-line", "no-panels", "empty-panel", "no-points"].contains(&name);
        assert_eq!(svg.contains("no data"), empty, "{name}");
    }
}

#[test]
fn the_same_plot_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    type Save<'a> = &'a dyn Fn(&Path) -> Vec<PathBuf>;
    let plots: [(&str, Save); 3] = [
        ("a.steps.3", &|p| series().save(p).unwrap()),
        ("b", &|p| languages().save(p).unwrap()),
        ("c", &|p| transfer().save(p).unwrap()),
    ];
    for (name, save) in plots {
        let paths = save(&dir.path().join(name));
        assert_eq!(paths, [dir.path().join(format!("{name}.svg")), dir.path().join(format!("{name}.png"))]);
        let first: Vec<Vec<u8>> = paths.iter().map(|p| std::fs::read(p).unwrap()).collect();
        let second: Vec<Vec<u8>> = save(&dir.path().join(name)).iter().map(|p| std::fs::read(p).unwrap()).collect();
        assert_eq!(first, second);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
}

#[test]
fn the_svg_holds_every_label_as_text() {
    let plot = series();
    let svg = plot.svg().unwrap();
    let text = texts(&svg);
    let labels = plot.lines.iter().map(|line| line.label.as_str());
    for label in labels.chain([&*plot.title, &*plot.x_label, &*plot.y_label, "30", "1.5k", "6k", "final"]) {
        assert!(text.contains(label), "{label}: {text}");
    }
    // The raw text must be escaped: `&` and `<` would end the document.
    assert!(svg.contains("Person &amp; Число &lt; χ"));

    let text = texts(&languages().svg().unwrap());
    for label in
        ["ar", "zh", "step 1000", "final", "0.50", "*: Holm-adjusted p < 0.05", "overlap (share of the top 50)"]
    {
        assert!(text.contains(label), "{label}: {text}");
    }
    let text = texts(&transfer().svg().unwrap());
    for label in ["ελ", "ελ 6k", "n = 28, r = 0.57", "token accuracy", "fitted line"] {
        assert!(text.contains(label), "{label}: {text}");
    }
}

#[test]
fn a_lower_triangle_draws_each_pair_once() {
    let mut maps = languages();
    let cells = |maps: &Heatmaps| texts(&maps.svg().unwrap()).matches("0.").count();
    maps.panels.truncate(1);
    let lower = cells(&maps);
    maps.triangle = Triangle::Full;
    // 13 languages have 78 pairs, one of which has no value; both pictures have the same colour bar and caption.
    assert_eq!(cells(&maps) - lower, 77);
}

/// Where the text lies whose line is `label`: x and y.
fn place_of(svg: &str, label: &str) -> (f64, f64) {
    let line = svg.lines().find(|line| line.ends_with(&format!(">{label}</text>"))).unwrap();
    let value = |name: &str| line.split_once(name).unwrap().1.split_once('"').unwrap().0.parse().unwrap();
    (value(" x=\""), value(" y=\""))
}

#[test]
fn a_triangle_begins_right_below_its_title() {
    let first_name = |triangle, name| {
        let svg = Heatmaps { triangle, ..languages() }.svg().unwrap();
        place_of(&svg, name).1 - place_of(&svg, "step 1000").1
    };
    // `ar` has no row in a triangle whose diagonal is empty: `ca` lies where `ar` does in the full matrix.
    assert_eq!(first_name(Triangle::Lower, "ca"), first_name(Triangle::Full, "ar"));
    // With a diagonal every row is drawn.
    let mut maps = languages();
    maps.panels.truncate(1);
    (0..13).for_each(|i| maps.panels[0].values[i][i] = Some(0.1));
    let svg = maps.svg().unwrap();
    assert_eq!(place_of(&svg, "ar").1 - place_of(&svg, "step 1000").1, first_name(Triangle::Full, "ar"));
}

#[test]
fn the_colour_bar_grows_for_its_label_where_panels_leave_room() {
    let maps = |panels| five_languages(panels).svg().unwrap();
    let one_line = format!(">{}</text>", five_languages(1).value_label);
    // Two rows of panels are taller than the label is long, one is not.
    assert!(maps(6).contains(&one_line));
    assert!(!maps(3).contains(&one_line) && texts(&maps(3)).contains(&five_languages(1).value_label));
}

#[test]
fn lines_are_interrupted_only_where_a_step_is_missing() {
    let at = |steps: &[u64]| steps.iter().map(|&s| (Step::Number(s), 0.1)).collect::<Vec<_>>();
    let count = |second: &[u64]| {
        let lines = vec![line("a", LineStyle::Measured, at(&[1, 2, 4, 8])), line("b", LineStyle::Measured, at(second))];
        let plot = StepPlot { lines, ..series() };
        plot.svg().unwrap().matches("stroke=\"#d55e00\"").count()
    };
    // One stroke in the legend, one a stretch; a point alone is a marker.
    assert_eq!(count(&[1, 2, 4, 8]), 2);
    assert_eq!(count(&[1, 2, 4]), 2);
    assert_eq!(count(&[1, 2, 8]), 2);
    assert_eq!(count(&[2]), 1);
}

#[test]
fn values_that_are_not_finite_are_refused() {
    for value in [f64::NAN, f64::INFINITY] {
        let mut plot = series();
        plot.lines[2].points[3].1 = value;
        assert!(plot.svg().unwrap_err().to_string().contains("`Gender`"));
        let mut plot = series();
        plot.lines[0].band.as_mut().unwrap()[0].1 = value;
        assert!(plot.svg().is_err());
        let mut maps = languages();
        maps.panels[1].values[3][2] = Some(value);
        assert!(maps.svg().unwrap_err().to_string().contains("`step 100000`"));
        assert!(Heatmaps { scale_max: Some(value), ..languages() }.svg().is_err());
        let mut scatter = transfer();
        scatter.groups[0].points[0].0 = value;
        assert!(scatter.svg().is_err());
        assert!(Scatter { line: Some((value, 0.0)), ..transfer() }.svg().is_err());
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let mut plot = series();
    plot.lines[0].band.as_mut().unwrap().pop();
    assert!(plot.svg().unwrap_err().to_string().contains("11 points but a band of 10"));
    let mut plot = series();
    plot.lines[0].points[1].0 = Step::Number(0);
    assert!(plot.svg().unwrap_err().to_string().contains("two points at step 0"));
    let mut maps = languages();
    maps.panels[0].values[2].pop();
    assert!(maps.svg().unwrap_err().to_string().contains("13 x 13"));
}

#[test]
fn the_colour_scale_darkens_evenly() {
    // Lightness in CIELAB, another space than the one the scale is made in.
    let lightness = |share: f64| 116.0 * shade(share).luminance().cbrt() - 16.0;
    let values: Vec<f64> = (0..=20).map(|i| lightness(f64::from(i) / 20.0)).collect();
    let falls: Vec<f64> = values.windows(2).map(|w| w[0] - w[1]).collect();
    assert!(falls.iter().all(|&fall| fall > 2.0 && fall < 5.5), "{falls:?}");
    assert!(values[0] > 94.0 && values[20] < 30.0);
}

#[test]
fn the_png_shows_the_shapes_of_the_svg() {
    let mut picture = Picture::new(20.0, 10.0);
    picture.rectangle((2.0, 3.0), 5.0, 4.0, picture::Color::new(200, 0, 0));
    let decode = |bytes: &[u8]| {
        let pixels = Pixmap::decode_png(bytes).unwrap();
        (pixels.width(), pixels.height(), pixels.take())
    };
    let (width, height, pixels) = decode(&picture.png().unwrap());
    assert_eq!((width, height), (40, 20));
    for (i, pixel) in pixels.chunks(4).enumerate() {
        let (x, y) = (i % 40, i / 40);
        let inside = (4..14).contains(&x) && (6..14).contains(&y);
        assert_eq!(pixel, if inside { [200, 0, 0, 255] } else { [255; 4] }, "{x} {y}");
    }
    // Text leaves ink of about its own width, to the left of its end.
    let mut picture = Picture::new(100.0, 20.0);
    picture.text((90.0, 15.0), "Ωмега", 10.0, picture::Anchor::End, picture::BLACK);
    let (_, _, pixels) = decode(&picture.png().unwrap());
    let dark: Vec<usize> = pixels.chunks(4).enumerate().filter(|(_, p)| p[0] < 128).map(|(i, _)| i % 200).collect();
    let expected = 180.0 - 2.0 * font::text_width("Ωмега", 10.0);
    assert!((*dark.iter().min().unwrap() as f64 - expected).abs() < 4.0);
    assert!((*dark.iter().max().unwrap() as f64 - 180.0).abs() < 4.0);
}

#[test]
fn the_png_needs_no_font_of_the_machine() {
    assert_eq!(font::database().len(), 1);
    let ink = |text: &str| {
        let mut picture = Picture::new(100.0, 20.0);
        picture.text((5.0, 15.0), text, 10.0, picture::Anchor::Start, picture::BLACK);
        let pixels = Pixmap::decode_png(&picture.png().unwrap()).unwrap();
        pixels.data().chunks(4).filter(|pixel| pixel[0] < 128).count()
    };
    // Letters that the font lacks are boxes; what XML cannot hold is a space.
    assert!(ink("hi") > 0 && ink("हिन्दी") > 0 && ink("中文") > 0);
    assert_eq!(ink("\u{0}\u{fffe}\u{ffff}"), 0);
    assert_eq!(font::text_width("\u{10ffff}", 10.0), font::text_width("中", 10.0));
}

#[test]
fn a_picture_that_is_too_large_is_refused() {
    for (width, height) in [(15_001.0, 10.0), (10.0, 1e300), (0.0, 10.0), (f64::NAN, 10.0)] {
        let error = Picture::new(width, height).png().unwrap_err().to_string();
        assert!(error.contains("cannot be written as PNG"), "{error}");
    }
}
