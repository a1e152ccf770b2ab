use super::axis::Linear;
use super::check_finite;
use super::font::text_width;
use super::frame::{cyclic, draw_marker, Frame, Look, Marker, Words, MARKERS, PALETTE};
use super::picture::{Anchor, Picture, Point, Stroke, BLACK};
use super::Plot;
use crate::report::{write_csv, Record};
use crate::Result;
use serde::Serialize;
use std::path::Path;

/// Points of one colour and marker in a [`Scatter`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterGroup {
    /// Its name in the legend.
    pub label: String,
    /// x, y, and a label beside the point.
    pub points: Vec<(f64, f64, Option<String>)>,
}

/// Points of two measures, with a fitted line: overlap against transfer.
///
/// Labels of points move aside from other points and labels where there is room. A single group without a name has no legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    /// Above the plot.
    pub title: String,
    /// What lies to the right, with its unit.
    pub x_label: String,
    /// What lies upwards, with its unit.
    pub y_label: String,
    /// The points.
    pub groups: Vec<ScatterGroup>,
    /// Slope and intercept of the fitted line; drawn as far as the data reach.
    pub line: Option<(f64, f64)>,
    /// Below the title: `n = 42, r = 0.57, p = 8.8e-5`.
    pub note: String,
}

impl Plot for Scatter {
    fn picture(&self) -> Result<Picture> {
        for group in &self.groups {
            for (x, y, _) in &group.points {
                check_finite("the group", &group.label, *x)?;
                check_finite("the group", &group.label, *y)?;
            }
        }
        if let Some((slope, intercept)) = self.line {
            check_finite("the fitted line of", &self.title, slope)?;
            check_finite("the fitted line of", &self.title, intercept)?;
        }
        let points = || self.groups.iter().flat_map(|group| &group.points);
        let x_axis = Linear::around(points().map(|p| p.0), false);
        let y_axis = Linear::around(points().map(|p| p.1), false);
        let looks: Vec<Look> = (0..self.groups.len())
            .map(|i| {
                let marker = cyclic(&MARKERS, i + i / PALETTE.len(), Marker::Circle);
                Look { color: cyclic(&PALETTE, i, BLACK), stroke: None, marker: Some((marker, true)) }
            })
            .collect();
        let fitted = Stroke { color: BLACK, width: 1.3, dash: &[6.0, 3.0] };
        let mut legend: Vec<(&str, Look)> = self
            .groups
            .iter()
            .zip(&looks)
            .filter(|(group, _)| !group.label.is_empty())
            .map(|(group, look)| (group.label.as_str(), look.clone()))
            .collect();
        if self.line.is_some() && points().next().is_some() {
            legend.push(("fitted line", Look { color: BLACK, stroke: Some(fitted.clone()), marker: None }));
        }
        let words = Words { title: &self.title, note: &self.note, x_label: &self.x_label, y_label: &self.y_label };
        let mut frame = Frame::new(&words, &y_axis, &legend);
        // Points at the ends of the axis keep clear of the frame.
        let (left, width) = (frame.left + INSET, frame.right - frame.left - 2.0 * INSET);
        let ticks: Vec<(f64, String)> =
            x_axis.ticks.iter().map(|(value, label)| (left + width * x_axis.share(*value), label.clone())).collect();
        frame.x_axis(&[], &ticks);
        if points().next().is_none() {
            frame.say_empty();
            return Ok(frame.picture);
        }
        let place = |frame: &Frame, x: f64, y: f64| -> Point { (left + width * x_axis.share(x), frame.y(&y_axis, y)) };

        let mut taken: Vec<Box4> = Vec::new();
        if let Some(line) = self.line {
            let range = |(low, high): (f64, f64), x: f64| (low.min(x), high.max(x));
            let reach = points().map(|p| p.0).fold((f64::INFINITY, f64::NEG_INFINITY), range);
            if let Some([a, b]) = clipped(line, reach, (y_axis.low, y_axis.high)) {
                let ends = [place(&frame, a.0, a.1), place(&frame, b.0, b.1)];
                taken.extend(along(ends));
                frame.picture.line(&ends, fitted);
            }
        }
        for (group, look) in self.groups.iter().zip(&looks) {
            for (x, y, _) in &group.points {
                let at = place(&frame, *x, *y);
                taken.push((at.0 - 4.0, at.1 - 4.0, at.0 + 4.0, at.1 + 4.0));
                if let Some((marker, filled)) = look.marker {
                    draw_marker(&mut frame.picture, at, marker, filled, look.color);
                }
            }
        }
        for (group, look) in self.groups.iter().zip(&looks) {
            for (x, y, label) in &group.points {
                if let Some(label) = label {
                    let at = place(&frame, *x, *y);
                    let (label_at, label_box) = place_label(at, label, &taken, &frame);
                    taken.push(label_box);
                    frame.picture.text(label_at, label, LABEL, Anchor::Start, darker(look));
                }
            }
        }
        Ok(frame.picture)
    }

    fn write_data(&self, path: &Path) -> Result<()> {
        let rows = self.groups.iter().flat_map(|group| {
            group.points.iter().map(|(x, y, label)| ScatterRow {
                group: group.label.clone(),
                label: label.clone(),
                x: *x,
                y: *y,
                fitted: self.line.map(|(slope, intercept)| slope * x + intercept),
            })
        });
        write_csv(path, &rows.collect::<Vec<_>>())
    }
}

/// A point that is drawn, and the height of the line there.
#[derive(Serialize)]
struct ScatterRow {
    group: String,
    label: Option<String>,
    x: f64,
    y: f64,
    fitted: Option<f64>,
}

impl Record for ScatterRow {
    const COLUMNS: &'static [&'static str] = &["group", "label", "x", "y", "fitted"];
}

const LABEL: f64 = 8.0;
const INSET: f64 = 12.0;

/// Left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// Boxes along a line, for labels to avoid.
fn along([a, b]: [Point; 2]) -> impl Iterator<Item = Box4> {
    (0..=100).map(move |i| {
        let t = f64::from(i) / 100.0;
        let (x, y) = (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t);
        (x - 2.0, y - 2.0, x + 2.0, y + 2.0)
    })
}

/// Text needs more contrast than a marker does.
fn darker(look: &Look) -> super::picture::Color {
    let rgb = look.color.rgb.map(|c| (f64::from(c) * 0.7) as u8);
    super::picture::Color { rgb, alpha: 1.0 }
}

/// The first of twelve places around a point that is free, else the one that covers least.
fn place_label((x, y): Point, label: &str, taken: &[Box4], frame: &Frame) -> (Point, Box4) {
    let (width, height) = (text_width(label, LABEL), 0.75 * LABEL);
    let right = x + 6.0;
    let left = x - 6.0 - width;
    let middle = x - width / 2.0;
    let places = [
        (right, y + height / 2.0),
        (left, y + height / 2.0),
        (middle, y - 6.5),
        (middle, y + 6.5 + height),
        (right, y - 3.5),
        (right, y + 3.5 + height),
        (left, y - 3.5),
        (left, y + 3.5 + height),
        (right, y - 9.5),
        (right, y + 9.5 + height),
        (left, y - 9.5),
        (left, y + 9.5 + height),
    ];
    let mut best: Option<(f64, Point, Box4)> = None;
    for (x, y) in places {
        let it = (x - 1.0, y - height, x + width + 1.0, y + 1.5);
        let overlap =
            |a: &Box4| ((it.2.min(a.2) - it.0.max(a.0)).max(0.0)) * ((it.3.min(a.3) - it.1.max(a.1)).max(0.0));
        let outside =
            (frame.left + 1.0 - it.0).max(0.0) + (it.2 - frame.right).max(0.0) + (it.3 - frame.bottom).max(0.0);
        let covered = taken.iter().map(overlap).sum::<f64>() + 50.0 * outside;
        if best.is_none_or(|(least, _, _)| covered < least) {
            best = Some((covered, (x, y), it));
        }
    }
    best.map_or(((x, y), (x, y, x, y)), |(_, at, it)| (at, it))
}

/// The part of y = slope x + intercept between two x and two y.
fn clipped((slope, intercept): (f64, f64), x: (f64, f64), y: (f64, f64)) -> Option<[Point; 2]> {
    let (mut from, mut to) = x;
    if slope != 0.0 {
        let (a, b) = ((y.0 - intercept) / slope, (y.1 - intercept) / slope);
        (from, to) = (from.max(a.min(b)), to.min(a.max(b)));
    } else if intercept < y.0 || intercept > y.1 {
        return None;
    }
    (from < to).then(|| [from, to].map(|x| (x, (slope * x + intercept).clamp(y.0, y.1))))
}
