//! What plots with two axes share: the frame, its labels, the legend, markers and colours.

use super::axis::Linear;
use super::font::{text_width, wrap};
use super::picture::{Anchor, Color, Picture, Point, Stroke, BLACK, GREY, LIGHT, WHITE};

/// Okabe and Ito 2008, darkest first; its yellow is too faint for a line on white and is left out.
pub(super) const PALETTE: [Color; 7] = [
    Color::new(0x00, 0x72, 0xb2),
    Color::new(0xd5, 0x5e, 0x00),
    Color::new(0x00, 0x9e, 0x73),
    Color::new(0xcc, 0x79, 0xa7),
    Color::new(0xe6, 0x9f, 0x00),
    Color::new(0x56, 0xb4, 0xe9),
    Color::new(0x44, 0x44, 0x44),
];

/// Four, where colours and markers are seven: 28 lines pass before one of the three pairs repeats.
pub(super) const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.0], &[2.0, 2.5], &[8.0, 3.0, 2.0, 3.0]];

pub(super) const TITLE_SIZE: f64 = 13.0;
pub(super) const LABEL_SIZE: f64 = 11.0;
pub(super) const TICK_SIZE: f64 = 10.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Wedge,
    Plus,
    Cross,
}

pub(super) const MARKERS: [Marker; 7] =
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Wedge, Marker::Plus, Marker::Cross];

/// How a line or a group of points looks.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub color: Color,
    pub stroke: Option<Stroke>,
    /// And whether it is filled.
    pub marker: Option<(Marker, bool)>,
}

/// The item at `index` of a list that is begun anew at its end.
pub(super) fn cyclic<T: Copy>(list: &[T], index: usize, or: T) -> T {
    list.iter().copied().cycle().nth(index).unwrap_or(or)
}

pub(super) fn draw_marker(picture: &mut Picture, (x, y): Point, marker: Marker, filled: bool, color: Color) {
    // A white rim keeps markers apart where they lie on one another.
    let (fill, stroke) = if filled { (color, Stroke::solid(WHITE, 0.6)) } else { (WHITE, Stroke::solid(color, 1.2)) };
    let bar = |turned: bool| -> Vec<Point> {
        let (long, thin) = (4.2, 1.1);
        let corners = [
            (-thin, -long),
            (thin, -long),
            (thin, -thin),
            (long, -thin),
            (long, thin),
            (thin, thin),
            (thin, long),
            (-thin, long),
            (-thin, thin),
            (-long, thin),
            (-long, -thin),
            (-thin, -thin),
        ];
        let half = std::f64::consts::FRAC_1_SQRT_2;
        corners.iter().map(|&(a, b)| if turned { ((a - b) * half, (a + b) * half) } else { (a, b) }).collect()
    };
    let outline = match marker {
        Marker::Circle => return picture.circle((x, y), 3.4, fill, Some(stroke)),
        Marker::Square => vec![(-3.1, -3.1), (3.1, -3.1), (3.1, 3.1), (-3.1, 3.1)],
        Marker::Triangle => vec![(0.0, -4.3), (3.9, 2.9), (-3.9, 2.9)],
        Marker::Wedge => vec![(0.0, 4.3), (-3.9, -2.9), (3.9, -2.9)],
        Marker::Diamond => vec![(0.0, -4.5), (4.0, 0.0), (0.0, 4.5), (-4.0, 0.0)],
        Marker::Plus => bar(false),
        Marker::Cross => bar(true),
    };
    let points: Vec<Point> = outline.into_iter().map(|(a, b)| (x + a, y + b)).collect();
    picture.area(&points, fill, Some(stroke));
}

/// The plot area in a picture that already has its title, axis labels and legend.
pub(super) struct Frame {
    pub picture: Picture,
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// The words around a plot area.
pub(super) struct Words<'a> {
    pub title: &'a str,
    pub note: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
}

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 250.0;
const SAMPLE: f64 = 30.0;

impl Frame {
    /// Lays out everything but the data, the x ticks and the x axis line.
    pub fn new(words: &Words<'_>, y_axis: &Linear, legend: &[(&str, Look)]) -> Frame {
        Frame::sized(words, y_axis, legend, (WIDTH, HEIGHT))
    }

    /// As [`Frame::new`], for a picture of a given width and a plot area of a given height.
    pub fn sized(
        words: &Words<'_>,
        y_axis: &Linear,
        legend: &[(&str, Look)],
        (full_width, full_height): (f64, f64),
    ) -> Frame {
        let y_label = wrap(words.y_label, LABEL_SIZE, full_height);
        let tick_width = y_axis.ticks.iter().map(|(_, label)| text_width(label, TICK_SIZE)).fold(0.0, f64::max);
        let left = 14.0 + 14.0 * y_label.len() as f64 + tick_width + 8.0;
        let right = full_width - 14.0;
        let title = wrap(words.title, TITLE_SIZE, right - left);
        let note = wrap(words.note, TICK_SIZE, right - left);
        let top = 14.0 + 17.0 * title.len() as f64 + 14.0 * note.len() as f64 + 4.0;
        let bottom = top + full_height;
        let x_label = wrap(words.x_label, LABEL_SIZE, right - left);
        let legend_top = bottom + 24.0 + 14.0 * x_label.len() as f64 + 10.0;
        let (entries, legend_height) = place_legend(legend, left, right, legend_top);

        let mut picture = Picture::new(full_width, legend_top + legend_height + 6.0);
        let mut y = 10.0;
        for line in &title {
            y += 17.0;
            picture.text((left, y - 3.0), line, TITLE_SIZE, Anchor::Start, BLACK);
        }
        for line in &note {
            y += 14.0;
            picture.text((left, y - 2.0), line, TICK_SIZE, Anchor::Start, GREY);
        }
        for (value, label) in &y_axis.ticks {
            let y = bottom - full_height * y_axis.share(*value);
            let color = if *value == 0.0 && y_axis.low < 0.0 { GREY } else { LIGHT };
            picture.line(&[(left, y), (right, y)], Stroke::solid(color, 0.8));
            picture.text((left - 6.0, y + 3.6), label, TICK_SIZE, Anchor::End, BLACK);
        }
        picture.line(&[(left, top), (left, bottom)], Stroke::solid(BLACK, 1.0));
        for (i, line) in y_label.iter().enumerate() {
            let at = (20.0 + 14.0 * i as f64, (top + bottom) / 2.0);
            picture.turned_text(at, line, LABEL_SIZE, Anchor::Middle, BLACK);
        }
        for (i, line) in x_label.iter().enumerate() {
            let at = ((left + right) / 2.0, bottom + 32.0 + 14.0 * i as f64);
            picture.text(at, line, LABEL_SIZE, Anchor::Middle, BLACK);
        }
        draw_legend(&mut picture, &entries);
        Frame { picture, left, top, right, bottom }
    }

    /// The height of a value.
    pub fn y(&self, axis: &Linear, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * axis.share(value)
    }

    /// The x axis: a line, broken by two slashes where it is told to be, and ticks with their labels.
    pub fn x_axis(&mut self, breaks: &[f64], ticks: &[(f64, String)]) {
        let black = Stroke::solid(BLACK, 1.0);
        let mut from = self.left;
        for &at in breaks {
            self.picture.line(&[(from, self.bottom), (at - 2.5, self.bottom)], black.clone());
            for x in [at - 2.5, at + 2.5] {
                self.picture.line(&[(x - 2.5, self.bottom + 5.0), (x + 2.5, self.bottom - 5.0)], black.clone());
            }
            from = at + 2.5;
        }
        self.picture.line(&[(from, self.bottom), (self.right, self.bottom)], black.clone());
        for (x, label) in ticks {
            let length = if label.is_empty() { 3.0 } else { 5.0 };
            self.picture.line(&[(*x, self.bottom), (*x, self.bottom + length)], black.clone());
            self.picture.text((*x, self.bottom + 16.0), label, TICK_SIZE, Anchor::Middle, BLACK);
        }
    }

    /// Says in the middle of the plot area that there is nothing to draw.
    pub fn say_empty(&mut self) {
        let at = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        self.picture.text(at, "no data", LABEL_SIZE, Anchor::Middle, GREY);
    }
}

pub(super) fn draw_legend(picture: &mut Picture, entries: &[Entry<'_>]) {
    for ((x, y), lines, look) in entries {
        if let Some(stroke) = &look.stroke {
            picture.line(&[(*x, *y), (x + SAMPLE, *y)], stroke.clone());
        }
        if let Some((marker, filled)) = look.marker {
            draw_marker(picture, (x + SAMPLE / 2.0, *y), marker, filled, look.color);
        }
        for (i, line) in lines.iter().enumerate() {
            picture.text((x + SAMPLE + 6.0, y + 3.6 + 13.0 * i as f64), line, TICK_SIZE, Anchor::Start, BLACK);
        }
    }
}

/// Where a legend's sample begins, its label's lines, and how it looks.
pub(super) type Entry<'a> = (Point, Vec<String>, &'a Look);

/// One row where all entries fit; else entries of equal width in rows from left to right; a long label takes several lines.
pub(super) fn place_legend<'a>(legend: &'a [(&str, Look)], left: f64, right: f64, top: f64) -> (Vec<Entry<'a>>, f64) {
    if legend.is_empty() {
        return (Vec::new(), 0.0);
    }
    let room = right - left;
    let lines: Vec<Vec<String>> =
        legend.iter().map(|(label, _)| wrap(label, TICK_SIZE, room - SAMPLE - 10.0)).collect();
    let width =
        |lines: &[String]| lines.iter().map(|line| text_width(line, TICK_SIZE)).fold(0.0, f64::max) + SAMPLE + 24.0;
    if lines.iter().map(|lines| width(lines)).sum::<f64>() <= room + 18.0 {
        let mut x = left;
        let mut entries = Vec::new();
        for (lines, (_, look)) in lines.into_iter().zip(legend) {
            let step = width(&lines);
            entries.push(((x, top + 4.0), lines, look));
            x += step;
        }
        return (entries, 17.0);
    }
    let cell = lines.iter().map(|lines| width(lines)).fold(0.0, f64::max);
    let columns = ((room + 18.0) / cell).floor().max(1.0) as usize;
    // As few columns as the same number of rows allows, so that rows are evenly filled.
    let rows = legend.len().div_ceil(columns).max(1);
    let columns = legend.len().div_ceil(rows).max(1);
    let mut entries = Vec::new();
    let mut y = top;
    for (row_lines, row) in lines.chunks(columns).zip(legend.chunks(columns)) {
        let tallest = row_lines.iter().map(Vec::len).max().unwrap_or(1).max(1);
        for (i, (lines, (_, look))) in row_lines.iter().zip(row).enumerate() {
            entries.push(((left + cell * i as f64, y + 4.0), lines.clone(), look));
        }
        y += 4.0 + 13.0 * tallest as f64;
    }
    (entries, y - top)
}
