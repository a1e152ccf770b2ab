use super::axis::Linear;
use super::check_finite;
use super::frame::{cyclic, draw_marker, Frame, Look, Marker, Words, DASHES, MARKERS};
use super::heatmap::shade;
use super::panels::{compose, PANEL};
use super::picture::{Picture, Point, Stroke};
use super::Plot;
use crate::report::{write_csv, Record};
use crate::{Error, Result};
use serde::Serialize;
use std::path::Path;

/// A line of a [`CurvePanel`].
#[derive(Clone, Debug, PartialEq)]
pub struct CurveLine {
    /// Its name in the legend; lines of the same name look the same in every panel.
    pub label: String,
    /// Its points, x ascending.
    pub points: Vec<(f64, f64)>,
    /// An interval around each point, low and high, in the points' order.
    pub band: Option<Vec<(f64, f64)>>,
}

/// A panel of a [`CurvePlot`].
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePanel {
    /// Above the panel.
    pub title: String,
    /// The lines, in the order of the legend.
    pub lines: Vec<CurveLine>,
}

/// Curves over a linear axis from 0, as small multiples with the same axes: normalised mutual information against the number
/// of neurons, a panel an attribute, a line a step.
///
/// The lines are an ordered series: they darken from the first name to the last, in steps of equal lightness, and differ in
/// dash and in the marker at their end. The y axis holds zero; what lies below `floor` is cut off there.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePlot {
    /// Above all panels.
    pub title: String,
    /// Below the title, smaller: what a band is.
    pub note: String,
    /// What lies to the right, with its unit.
    pub x_label: String,
    /// What lies upwards, with its unit.
    pub y_label: String,
    /// The names of lines, in the order of the legend.
    pub names: Vec<String>,
    /// The panels, three a row.
    pub panels: Vec<CurvePanel>,
    /// The least value shown, if any: a few far below zero would flatten all others.
    pub floor: Option<f64>,
}

impl Plot for CurvePlot {
    fn picture(&self) -> Result<Picture> {
        self.panels.iter().flat_map(|panel| &panel.lines).try_for_each(check)?;
        let floor = self.floor.filter(|floor| floor.is_finite()).unwrap_or(f64::NEG_INFINITY);
        let lines = || self.panels.iter().flat_map(|panel| &panel.lines);
        let heights =
            self.floor.into_iter().filter(|floor| lines().any(|line| line.points.iter().any(|(_, y)| y < floor)));
        let heights = heights.chain(lines().flat_map(|line| {
            let band = line.band.iter().flatten().flat_map(|&(low, high)| [low, high]);
            line.points.iter().map(|(_, y)| *y).chain(band).map(|y| y.max(floor))
        }));
        let y_axis = Linear::around(heights, true);
        let x_axis = Linear::around(lines().flat_map(|line| line.points.iter().map(|(x, _)| *x)), true);
        let looks: Vec<(&str, Look)> = self.names.iter().map(String::as_str).zip(looks(self.names.len())).collect();
        let panels = self.panels.iter().map(|panel| {
            let words = Words { title: &panel.title, note: "", x_label: &self.x_label, y_label: &self.y_label };
            let mut frame = Frame::sized(&words, &y_axis, &[], PANEL);
            let (left, width) = (frame.left, frame.right - frame.left);
            let ticks: Vec<(f64, String)> =
                x_axis.ticks.iter().map(|(x, label)| (left + width * x_axis.share(*x), label.clone())).collect();
            frame.x_axis(&[], &ticks);
            if panel.lines.iter().all(|line| line.points.is_empty()) {
                frame.say_empty();
            }
            let place = |x: f64, y: f64| -> Point { (left + width * x_axis.share(x), frame.y(&y_axis, y.max(floor))) };
            let mut shapes = Picture::new(1.0, 1.0);
            let look = |line: &CurveLine| looks.iter().find(|(name, _)| *name == line.label).map(|(_, look)| look);
            for line in &panel.lines {
                let (Some(look), Some(band)) = (look(line), &line.band) else { continue };
                let edge = |high: bool| {
                    let ends = band.iter().map(move |&(a, b)| if high { b } else { a });
                    line.points.iter().zip(ends).map(|((x, _), y)| place(*x, y)).collect::<Vec<Point>>()
                };
                let outline: Vec<Point> = edge(true).into_iter().chain(edge(false).into_iter().rev()).collect();
                shapes.area(&outline, look.color.alpha(0.16), None);
            }
            for line in &panel.lines {
                let Some(look) = look(line) else { continue };
                for run in above(&line.points, floor) {
                    let points: Vec<Point> = run.iter().map(|(x, y)| place(*x, *y)).collect();
                    if let Some(stroke) = &look.stroke {
                        shapes.line(&points, stroke.clone());
                    }
                }
                let end = line.points.last().filter(|(_, y)| *y >= floor);
                if let (Some((marker, filled)), Some(&(x, y))) = (look.marker, end) {
                    draw_marker(&mut shapes, place(x, y), marker, filled, look.color);
                }
            }
            frame.picture.place(shapes, (0.0, 0.0));
            frame.picture
        });
        let mut panels: Vec<Picture> = panels.collect();
        if panels.is_empty() {
            let words = Words { title: "", note: "", x_label: &self.x_label, y_label: &self.y_label };
            let mut frame = Frame::sized(&words, &y_axis, &[], PANEL);
            frame.say_empty();
            panels.push(frame.picture);
        }
        Ok(compose(&self.title, &self.note, panels, &looks))
    }

    fn write_data(&self, path: &Path) -> Result<()> {
        let mut rows = Vec::new();
        for panel in &self.panels {
            for line in &panel.lines {
                for (i, &(x, y)) in line.points.iter().enumerate() {
                    let band = line.band.as_ref().and_then(|band| band.get(i));
                    let (low, high) = (band.map(|band| band.0), band.map(|band| band.1));
                    rows.push(CurveRow { panel: &panel.title, line: &line.label, x, y, low, high });
                }
            }
        }
        write_csv(path, &rows)
    }
}

/// A point that is drawn.
#[derive(Serialize)]
struct CurveRow<'a> {
    panel: &'a str,
    line: &'a str,
    x: f64,
    y: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl Record for CurveRow<'_> {
    const COLUMNS: &'static [&'static str] = &["panel", "line", "x", "y", "low", "high"];
}

fn looks(count: usize) -> impl Iterator<Item = Look> {
    (0..count).map(move |i| {
        let share = if count == 1 { 1.0 } else { i as f64 / (count - 1) as f64 };
        // The lightest colours of the scale are too faint for a line on white.
        let color = shade(0.36 + 0.64 * share);
        let width = 1.2 + 0.8 * share;
        let marker = (cyclic(&MARKERS, i, Marker::Circle), true);
        Look { color, stroke: Some(Stroke { color, width, dash: dash(i, count) }), marker: Some(marker) }
    })
}

/// The stretches of a line that lie above the floor, cut where they cross it.
fn above(points: &[(f64, f64)], floor: f64) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut run = Vec::new();
    let mut before: Option<(f64, f64)> = None;
    for &(x, y) in points {
        if let Some((x0, y0)) = before.filter(|(_, y0)| (*y0 < floor) != (y < floor)) {
            run.push((x0 + (x - x0) * (floor - y0) / (y - y0), floor));
        }
        if y >= floor {
            run.push((x, y));
        } else if !run.is_empty() {
            runs.push(std::mem::take(&mut run));
        }
        before = Some((x, y));
    }
    runs.extend((!run.is_empty()).then_some(run));
    runs
}

/// The last line is solid.
fn dash(index: usize, count: usize) -> &'static [f64] {
    cyclic(&DASHES, count - 1 - index.min(count - 1), &[])
}

fn check(line: &CurveLine) -> Result<()> {
    if line.band.as_ref().is_some_and(|band| band.len() != line.points.len()) {
        let message = format!("the line `{}` has a band that is not one interval a point", line.label);
        return Err(Error::Data(message));
    }
    let values = line.points.iter().flat_map(|&(x, y)| [x, y]);
    let ends = line.band.iter().flatten().flat_map(|&(low, high)| [low, high]);
    values.chain(ends).try_for_each(|value| check_finite("the line", &line.label, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(floor: Option<f64>) -> CurvePlot {
        let line = |label: &str, y: [f64; 3]| CurveLine {
            label: label.into(),
            points: y.iter().enumerate().map(|(i, &y)| (1.0 + i as f64, y)).collect(),
            band: (label == "last").then(|| y.map(|y| (y - 0.1, y + 0.1)).to_vec()),
        };
        let lines = vec![line("first", [-0.5, -0.3, 0.1]), line("last", [0.1, 0.2, 0.35])];
        CurvePlot {
            title: "t".into(),
            note: "हिन्दी & <note>".into(),
            x_label: "number of neurons".into(),
            y_label: "NMI".into(),
            names: vec!["first".into(), "last".into()],
            panels: vec![
                CurvePanel { title: "POS".into(), lines: lines.clone() },
                CurvePanel { title: "none".into(), lines: vec![] },
            ],
            floor,
        }
    }

    #[test]
    fn the_data_are_the_values_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        plot(None).write_data(&path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let expected = "panel,line,x,y,low,high\nPOS,first,1.0,-0.5,,\nPOS,first,2.0,-0.3,,\nPOS,first,3.0,0.1,,\n\
            POS,last,1.0,0.1,0.0,0.2\n";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn lines_begin_where_they_rise_above_the_floor() {
        // From -0.3 at 2 to 0.1 at 3 the line passes -0.2 at 2.25.
        let runs = above(&[(1.0, -0.5), (2.0, -0.3), (3.0, 0.1), (4.0, -0.3)], -0.2);
        assert_eq!(runs.len(), 1);
        for (at, expected) in runs[0].iter().zip([(2.25, -0.2), (3.0, 0.1), (3.75, -0.2)]) {
            assert!((at.0 - expected.0).abs() < 1e-12 && (at.1 - expected.1).abs() < 1e-12, "{runs:?}");
        }
        assert!(above(&[(1.0, -0.5)], -0.2).is_empty());
        let (all, cut) = (plot(None).svg().unwrap(), plot(Some(-0.2)).svg().unwrap());
        assert!(all.contains(">-0.6<") && !cut.contains(">-0.4<") && cut.contains(">-0.2<"));
        assert!(cut.contains("हिन्दी &amp; &lt;note&gt;") && cut.contains("no data") && cut.contains(">first<"));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let mut wrong = plot(None);
        wrong.panels[0].lines[0].points[1].1 = f64::NAN;
        assert!(wrong.svg().unwrap_err().to_string().contains("`first`"));
        let mut wrong = plot(None);
        wrong.panels[0].lines[1].band.as_mut().unwrap().pop();
        assert!(wrong.svg().unwrap_err().to_string().contains("one interval a point"));
        let empty = CurvePlot { panels: vec![], names: vec![], ..plot(None) };
        assert!(empty.svg().unwrap().contains("no data") && empty.png().is_ok());
    }
}
