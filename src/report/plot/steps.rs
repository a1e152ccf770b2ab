use super::axis::{Linear, StepAxis};
use super::check_finite;
use super::font::text_width;
use super::frame::{cyclic, draw_marker, Frame, Look, Marker, Words, DASHES, MARKERS, PALETTE, TICK_SIZE};
use super::picture::{Picture, Point, Stroke, BLACK, GREY};
use super::Plot;
use crate::checkpoint::Step;
use crate::report::{write_csv, Record};
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What a line stands for, and so how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LineStyle {
    /// What was measured: a colour and a filled marker of its own.
    Measured,
    /// What chance gives: grey, dashed, without markers.
    Chance,
    /// What a rerun of the same cell gives: black, dotted, without markers.
    Ceiling,
    /// Something beside the main matter: thinner, with a hollow marker.
    Secondary,
}

/// A line of a [`StepPlot`].
#[derive(Clone, Debug, PartialEq)]
pub struct StepLine {
    /// Its name in the legend.
    pub label: String,
    /// What it stands for.
    pub style: LineStyle,
    /// Its points, in any order, at most one a step.
    pub points: Vec<(Step, f64)>,
    /// An interval around each point, low and high, in the points' order.
    pub band: Option<Vec<(f64, f64)>>,
}

/// Values against the training step, on a logarithmic axis.
///
/// Step 0 and the released model (`final`) have no place on a logarithmic axis: they stand apart, behind a break that two
/// slashes mark, and measured lines cross it faintly. A line is interrupted where it lacks a step that another line has.
/// The y axis holds zero.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPlot {
    /// Above the plot.
    pub title: String,
    /// For example `training step`.
    pub x_label: String,
    /// What is measured, with its unit.
    pub y_label: String,
    /// The lines, in the order of the legend.
    pub lines: Vec<StepLine>,
    /// Below the title, smaller: what a band is.
    pub note: String,
}

impl Plot for StepPlot {
    fn picture(&self) -> Result<Picture> {
        let lines = self.lines.iter().map(checked).collect::<Result<Vec<_>>>()?;
        let mut steps: Vec<Step> = lines.iter().flat_map(|line| line.keys().copied()).collect();
        steps.sort();
        steps.dedup();
        let values = lines.iter().flat_map(BTreeMap::values).flat_map(|v| {
            let (low, high) = v.band.unwrap_or((v.value, v.value));
            [v.value, low, high]
        });
        let y_axis = Linear::around(values, true);

        let looks = looks(&self.lines);
        let legend: Vec<(&str, Look)> =
            self.lines.iter().map(|line| line.label.as_str()).zip(looks.iter().cloned()).collect();
        let words = Words { title: &self.title, note: &self.note, x_label: &self.x_label, y_label: &self.y_label };
        let mut frame = Frame::new(&words, &y_axis, &legend);
        let x_axis = StepAxis::new(&steps, frame.left, frame.right);
        let ticks = x_axis.ticks(&steps, |label| text_width(label, TICK_SIZE));
        frame.x_axis(&x_axis.breaks, &ticks);
        if steps.is_empty() {
            frame.say_empty();
        }

        let runs: Vec<Vec<Vec<(Step, Value)>>> = lines.iter().map(|line| runs(line, &steps)).collect();
        // Bands below every line, what was measured above all.
        for (line, look) in runs.iter().zip(&looks) {
            for run in line {
                draw_band(&mut frame, &x_axis, &y_axis, run, look);
            }
        }
        let layers: [&[LineStyle]; 3] =
            [&[LineStyle::Chance, LineStyle::Ceiling], &[LineStyle::Secondary], &[LineStyle::Measured]];
        for layer in layers {
            for ((line, look), source) in runs.iter().zip(&looks).zip(&self.lines) {
                if layer.contains(&source.style) {
                    for run in line {
                        draw_run(&mut frame, &x_axis, &y_axis, run, look);
                    }
                }
            }
        }
        Ok(frame.picture)
    }

    fn write_data(&self, path: &Path) -> Result<()> {
        let rows = self.lines.iter().flat_map(|line| {
            line.points.iter().enumerate().map(move |(i, &(step, value))| {
                let band = line.band.as_ref().and_then(|band| band.get(i));
                let (low, high) = (band.map(|band| band.0), band.map(|band| band.1));
                StepRow { line: line.label.clone(), style: line.style, step, value, low, high }
            })
        });
        write_csv(path, &rows.collect::<Vec<_>>())
    }
}

/// A point that is drawn.
#[derive(Serialize)]
struct StepRow {
    line: String,
    style: LineStyle,
    step: Step,
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl Record for StepRow {
    const COLUMNS: &'static [&'static str] = &["line", "style", "step", "value", "low", "high"];
}

#[derive(Clone, Copy)]
struct Value {
    value: f64,
    band: Option<(f64, f64)>,
}

fn checked(line: &StepLine) -> Result<BTreeMap<Step, Value>> {
    if line.band.as_ref().is_some_and(|band| band.len() != line.points.len()) {
        let (points, band) = (line.points.len(), line.band.as_ref().map_or(0, Vec::len));
        let message =
            format!("the line `{}` has {points} points but a band of {band}: give one interval a point", line.label);
        return Err(Error::Data(message));
    }
    let mut values = BTreeMap::new();
    for (i, &(step, value)) in line.points.iter().enumerate() {
        let band = line.band.as_ref().and_then(|band| band.get(i)).copied();
        check_finite("the line", &line.label, value)?;
        for end in band.iter().flat_map(|&(low, high)| [low, high]) {
            check_finite("the band of", &line.label, end)?;
        }
        if let Some((low, high)) = band.filter(|(low, high)| low > high) {
            return Err(Error::Data(format!("the band of `{}` at step {step} has {low} below {high}", line.label)));
        }
        if values.insert(step, Value { value, band }).is_some() {
            return Err(Error::Data(format!(
                "the line `{}` has two points at step {step}: give their mean",
                line.label
            )));
        }
    }
    Ok(values)
}

fn looks(lines: &[StepLine]) -> Vec<Look> {
    let mut next = 0;
    lines
        .iter()
        .map(|line| match line.style {
            LineStyle::Chance => {
                Look { color: GREY, stroke: Some(Stroke { color: GREY, width: 1.6, dash: &[5.0, 3.5] }), marker: None }
            }
            LineStyle::Ceiling => Look {
                color: BLACK,
                stroke: Some(Stroke { color: BLACK, width: 1.6, dash: &[1.6, 2.4] }),
                marker: None,
            },
            LineStyle::Measured | LineStyle::Secondary => {
                let main = line.style == LineStyle::Measured;
                let color = cyclic(&PALETTE, next, BLACK);
                let dash = cyclic(&DASHES, next, &[]);
                let marker = cyclic(&MARKERS, next + next / PALETTE.len(), Marker::Circle);
                next += 1;
                let width = if main { 1.8 } else { 1.0 };
                Look { color, stroke: Some(Stroke { color, width, dash }), marker: Some((marker, main)) }
            }
        })
        .collect()
}

/// The line's stretches without a missing step.
fn runs(line: &BTreeMap<Step, Value>, steps: &[Step]) -> Vec<Vec<(Step, Value)>> {
    let mut runs = Vec::new();
    let mut run = Vec::new();
    for step in steps {
        match line.get(step) {
            Some(&value) => run.push((*step, value)),
            None if !run.is_empty() => runs.push(std::mem::take(&mut run)),
            None => {}
        }
    }
    if !run.is_empty() {
        runs.push(run);
    }
    runs
}

fn draw_band(frame: &mut Frame, x_axis: &StepAxis, y_axis: &Linear, run: &[(Step, Value)], look: &Look) {
    let edges: Vec<(f64, f64, f64)> = run
        .iter()
        .filter_map(|(step, v)| {
            v.band.map(|(low, high)| (x_axis.place(*step), frame.y(y_axis, low), frame.y(y_axis, high)))
        })
        .collect();
    if let [(x, low, high)] = edges.as_slice() {
        let whisker = Stroke::solid(look.color, 1.0);
        frame.picture.line(&[(*x, *low), (*x, *high)], whisker.clone());
        for y in [*low, *high] {
            frame.picture.line(&[(x - 4.0, y), (x + 4.0, y)], whisker.clone());
        }
        return;
    }
    let upper = edges.iter().map(|&(x, _, high)| (x, high));
    let lower = edges.iter().rev().map(|&(x, low, _)| (x, low));
    let outline: Vec<Point> = upper.chain(lower).collect();
    if !outline.is_empty() {
        frame.picture.area(&outline, look.color.alpha(0.16), None);
    }
}

fn draw_run(frame: &mut Frame, x_axis: &StepAxis, y_axis: &Linear, run: &[(Step, Value)], look: &Look) {
    let points: Vec<(Step, Point)> =
        run.iter().map(|(step, v)| (*step, (x_axis.place(*step), frame.y(y_axis, v.value)))).collect();
    match (&look.stroke, points.as_slice()) {
        // A reference has no markers: alone, its point would not be seen.
        (Some(stroke), [(_, (x, y))]) if look.marker.is_none() => {
            frame.picture.line(&[(x - 10.0, *y), (x + 10.0, *y)], stroke.clone());
        }
        // And it is a level, which a break does not concern.
        (Some(stroke), _) if look.marker.is_none() => {
            let level: Vec<Point> = points.iter().map(|(_, at)| *at).collect();
            frame.picture.line(&level, stroke.clone());
        }
        (Some(stroke), _) => draw_stretches(frame, x_axis, &points, stroke),
        (None, _) => {}
    }
    if let Some((marker, filled)) = look.marker {
        for (_, at) in points {
            draw_marker(&mut frame.picture, at, marker, filled, look.color);
        }
    }
}

/// The line from point to point, faint across a break.
fn draw_stretches(frame: &mut Frame, x_axis: &StepAxis, points: &[(Step, Point)], stroke: &Stroke) {
    let mut stretch: Vec<Point> = Vec::new();
    for (&(step, at), next) in points.iter().zip(points.iter().skip(1).map(Some).chain([None])) {
        stretch.push(at);
        let crossing = next.filter(|(next, _)| x_axis.broken_between(step, *next));
        if next.is_none() || crossing.is_some() {
            if stretch.len() > 1 {
                frame.picture.line(&stretch, stroke.clone());
            }
            stretch.clear();
        }
        if let Some(&(_, next_at)) = crossing {
            frame.picture.line(&[at, next_at], Stroke { color: stroke.color.alpha(0.4), ..stroke.clone() });
        }
    }
}
