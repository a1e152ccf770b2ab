use super::axis::Linear;
use super::check_finite;
use super::frame::{draw_marker, Frame, Look, Marker, Words, PALETTE};
use super::panels::{compose, PANEL};
use super::picture::{Picture, Point, Stroke, BLACK};
use super::Plot;
use crate::report::{write_csv, Record};
use crate::Result;
use serde::Serialize;
use std::path::Path;

/// A bar of a [`CountPanel`]: how many there are of one kind, and how many are expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountBar {
    /// What is counted, in the number of which bars are ordered: 3 for neurons shared by three languages.
    pub of: usize,
    /// How many there are; a mean of several counts need not be whole.
    pub count: f64,
    /// How many there would be by chance, where that is known.
    pub expected: Option<f64>,
}

/// A panel of a [`CountPlot`].
#[derive(Clone, Debug, PartialEq)]
pub struct CountPanel {
    /// Above the panel.
    pub title: String,
    /// The bars, from left to right.
    pub bars: Vec<CountBar>,
}

/// Counts as bars, and what is expected as markers, on an axis of square roots: how many neurons are shared by exactly one, two,
/// three languages.
///
/// On square roots counts of 1 and of 100 can both be read, zero has a place, and chance moves every bar by about as much
/// (Tukey's rootogram).
#[derive(Clone, Debug, PartialEq)]
pub struct CountPlot {
    /// Above all panels.
    pub title: String,
    /// Below the title, smaller.
    pub note: String,
    /// What the bars' numbers count.
    pub x_label: String,
    /// What is counted.
    pub y_label: String,
    /// What the bars are, for the legend.
    pub bar_label: String,
    /// What the markers are, for the legend.
    pub expected_label: String,
    /// The panels, three a row.
    pub panels: Vec<CountPanel>,
}

const BAR: usize = 5;

impl Plot for CountPlot {
    fn picture(&self) -> Result<Picture> {
        let bars = || self.panels.iter().flat_map(|panel| &panel.bars);
        for panel in &self.panels {
            for bar in &panel.bars {
                check_finite("the bars of", &panel.title, bar.count)?;
                check_finite("the bars of", &panel.title, bar.expected.unwrap_or_default())?;
            }
        }
        let y_axis = Linear::root(bars().flat_map(|bar| [bar.count, bar.expected.unwrap_or_default()]), PANEL.1);
        let color = PALETTE.get(BAR).copied().unwrap_or(BLACK);
        let bar_look = Look { color, stroke: Some(Stroke::solid(color, 9.0)), marker: None };
        let marker = Some((Marker::Diamond, false));
        let line = Stroke { color: BLACK, width: 1.2, dash: &[5.0, 3.5] };
        let expected_look = Look { color: BLACK, stroke: Some(line.clone()), marker };
        let mut legend = vec![(self.bar_label.as_str(), bar_look)];
        if bars().any(|bar| bar.expected.is_some()) {
            legend.push((self.expected_label.as_str(), expected_look));
        }
        let empty = CountPanel { title: String::new(), bars: Vec::new() };
        let none = self.panels.is_empty().then_some(&empty);
        let panels = self.panels.iter().chain(none).map(|panel| {
            let words = Words { title: &panel.title, note: "", x_label: &self.x_label, y_label: &self.y_label };
            let mut frame = Frame::sized(&words, &y_axis, &[], PANEL);
            if panel.bars.is_empty() {
                frame.say_empty();
            }
            let slot = (frame.right - frame.left) / panel.bars.len().max(1) as f64;
            let middle = |i: usize| frame.left + slot * (i as f64 + 0.5);
            // Numbers of two digits and more are left out where they would touch.
            let every = (16.0 / slot).ceil().max(1.0) as usize;
            let label = |(i, bar): (usize, &CountBar)| {
                (middle(i), if i % every == 0 { bar.of.to_string() } else { String::new() })
            };
            let ticks: Vec<(f64, String)> = panel.bars.iter().enumerate().map(label).collect();
            let places: Vec<(f64, &CountBar)> =
                panel.bars.iter().enumerate().map(|(i, bar)| (middle(i), bar)).collect();
            for (x, bar) in &places {
                let top = frame.y(&y_axis, bar.count);
                let width = (slot * 0.7).min(30.0);
                frame.picture.rectangle((x - width / 2.0, top), width, frame.bottom - top, color);
            }
            let expected: Vec<Point> =
                places.iter().filter_map(|(x, bar)| Some((*x, frame.y(&y_axis, bar.expected?)))).collect();
            if expected.len() > 1 {
                frame.picture.line(&expected, line.clone());
            }
            for at in expected {
                draw_marker(&mut frame.picture, at, Marker::Diamond, false, BLACK);
            }
            frame.x_axis(&[], &ticks);
            frame.picture
        });
        Ok(compose(&self.title, &self.note, panels.collect(), &legend))
    }

    fn write_data(&self, path: &Path) -> Result<()> {
        let rows = self.panels.iter().flat_map(|panel| {
            panel.bars.iter().map(|bar| CountRow {
                panel: &panel.title,
                of: bar.of,
                count: bar.count,
                expected: bar.expected,
            })
        });
        write_csv(path, &rows.collect::<Vec<_>>())
    }
}

/// A bar that is drawn.
#[derive(Serialize)]
struct CountRow<'a> {
    panel: &'a str,
    of: usize,
    count: f64,
    expected: Option<f64>,
}

impl Record for CountRow<'_> {
    const COLUMNS: &'static [&'static str] = &["panel", "of", "count", "expected"];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> CountPlot {
        let bar = |of, count, expected| CountBar { of, count, expected };
        let bars = vec![bar(1, 100.0, Some(81.0)), bar(2, 25.0, Some(4.5)), bar(3, 0.0, None)];
        CountPlot {
            title: "t".into(),
            note: String::new(),
            x_label: "languages that share a neuron".into(),
            y_label: "neurons".into(),
            bar_label: "found".into(),
            expected_label: "expected".into(),
            panels: vec![CountPanel { title: "POS".into(), bars }],
        }
    }

    #[test]
    fn heights_are_square_roots() {
        let svg = plot().svg().unwrap();
        let bars = svg.lines().filter(|line| line.starts_with("<polygon") && line.contains("#56b4e9"));
        let heights: Vec<f64> = bars
            .map(|line| {
                let points = line.split('"').nth(1).unwrap().split(' ');
                let y: Vec<f64> = points.map(|point| point.split_once(',').unwrap().1.parse().unwrap()).collect();
                y.iter().copied().fold(f64::MIN, f64::max) - y.iter().copied().fold(f64::MAX, f64::min)
            })
            .collect();
        assert_eq!(heights.len(), 3, "{svg}");
        assert!((heights[0] / heights[1] - 2.0).abs() < 1e-3 && heights[2] == 0.0, "{heights:?}");
        for label in [">1<", ">100<", ">found<", ">expected<"] {
            assert!(svg.contains(label), "{label}");
        }
    }

    #[test]
    fn the_data_are_the_values_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        plot().write_data(&path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "panel,of,count,expected\nPOS,1,100.0,81.0\nPOS,2,25.0,4.5\nPOS,3,0.0,\n");
    }

    #[test]
    fn nothing_to_count_is_said_and_nonsense_refused() {
        assert!(CountPlot { panels: vec![], ..plot() }.svg().unwrap().contains("no data"));
        let mut wrong = plot();
        wrong.panels[0].bars[1].expected = Some(f64::NAN);
        assert!(wrong.svg().unwrap_err().to_string().contains("`POS`"));
        // Without an expectation there is no sign for it.
        let mut unknown = plot();
        unknown.panels[0].bars.iter_mut().for_each(|bar| bar.expected = None);
        assert!(!unknown.svg().unwrap().contains(">expected<"));
    }
}
