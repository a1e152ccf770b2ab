use super::axis::Linear;
use super::check_finite;
use super::font::{text_width, wrap};
use super::frame::{LABEL_SIZE, TICK_SIZE, TITLE_SIZE};
use super::picture::{Anchor, Color, Picture, Stroke, BLACK, GREY, WHITE};
use super::Plot;
use crate::report::{write_csv, Record};
use crate::{Error, Result};
use serde::Serialize;
use std::path::Path;

/// Which cells of a matrix are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Triangle {
    /// Those below the diagonal, and the diagonal where it has values: a symmetric matrix without its repetition.
    Lower,
    /// All.
    Full,
}

/// A panel of [`Heatmaps`]: a square matrix of languages by languages.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// Above the panel.
    pub title: String,
    /// The languages, in the order of rows and of columns.
    pub labels: Vec<String>,
    /// `[n_labels, n_labels]`, a row a language; grey where there is no value.
    pub values: Vec<Vec<Option<f64>>>,
    /// `[n_labels, n_labels]`: cells with an asterisk (significant ones); empty for none.
    pub marks: Vec<Vec<bool>>,
}

/// Heat maps side by side, three a row, with one colour scale: overlap of each pair of languages, a panel a step, site or attribute.
///
/// Light is low and dark is high, in steps of equal lightness (OKLab), so that the scale reads in grey as well. Up to 24
/// languages each cell says its value; with more, the colour alone does.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmaps {
    /// Above all panels.
    pub title: String,
    /// What is shown, with its unit: beside the colour bar.
    pub value_label: String,
    /// The panels, from left to right, three a row.
    pub panels: Vec<Heatmap>,
    /// Which cells are drawn.
    pub triangle: Triangle,
    /// The top of the colour scale, where several pictures share it; otherwise the greatest value, rounded up.
    pub scale_max: Option<f64>,
    /// What an asterisk means, for the caption: `Holm-adjusted p < 0.05`.
    pub mark_meaning: String,
    /// Below the panels, before what the marks mean.
    pub note: String,
}

const MISSING: Color = Color::new(0xd4, 0xd4, 0xd4);
const NUMBER_SIZE: f64 = 8.0;
const NAME_SIZE: f64 = 9.5;
const MOST_NUMBERED: usize = 24;
const PANELS_A_ROW: usize = 3;
const GAP: f64 = 26.0;
const ROW_GAP: f64 = 12.0;
/// Between a panel and the names to its left and below it.
const NAME_GAP: f64 = 6.0;
/// The widest title on a line of its own above a narrow panel.
const TITLE_WIDTH: f64 = 180.0;
/// Width and height of a panel that has no cells.
const EMPTY: (f64, f64) = (100.0, 60.0);
/// The colour bar's height: the first panels', if it lies between these.
const BAR_HEIGHTS: (f64, f64) = (120.0, 300.0);

impl Plot for Heatmaps {
    fn picture(&self) -> Result<Picture> {
        for panel in &self.panels {
            check(panel)?;
        }
        let scale = self.scale()?;
        let numbered = self.panels.iter().all(|panel| panel.labels.len() <= MOST_NUMBERED);
        let cell = if numbered { 27.0 } else { 12.0 };
        let mut grid = Grid::new(self, cell);
        let left = 14.0;
        let bar_left = left + grid.width + 24.0;
        let ticks_width = scale.ticks.iter().map(|(_, label)| text_width(label, TICK_SIZE)).fold(0.0, f64::max) + 10.0;
        // The bar may be as tall as all panels, if that puts its label on one line.
        let bar_height = grid.first_height.clamp(BAR_HEIGHTS.0, BAR_HEIGHTS.1);
        let bar_label = wrap(&self.value_label, LABEL_SIZE, bar_height.max(grid.height - grid.first_top));
        let label_length = bar_label.iter().map(|line| text_width(line, LABEL_SIZE)).fold(0.0, f64::max);
        let bar_height = bar_height.max(label_length.ceil());
        let width = bar_left + 12.0 + 8.0 + ticks_width + 14.0 * bar_label.len() as f64 + 14.0;
        // Few languages make a picture narrower than its title.
        let width = width.max((text_width(&self.title, TITLE_SIZE) + 2.0 * left).min(400.0));
        let title = wrap(&self.title, TITLE_SIZE, width - 2.0 * left);
        let top = 12.0 + 17.0 * title.len() as f64 + 4.0;
        let bottom = top + grid.height.max(grid.first_top + bar_height + 4.0);
        let caption = wrap(&self.caption(numbered), TICK_SIZE, width - 2.0 * left);
        let mut picture = Picture::new(width, bottom + 10.0 + 14.0 * caption.len() as f64 + 8.0);

        for (i, line) in title.iter().enumerate() {
            picture.text((left, 24.0 + 17.0 * i as f64), line, TITLE_SIZE, Anchor::Start, BLACK);
        }
        if self.panels.is_empty() {
            let at = (left + grid.width / 2.0, top + grid.height / 2.0);
            picture.text(at, "no data", LABEL_SIZE, Anchor::Middle, GREY);
        }
        for (panel, place) in self.panels.iter().zip(&mut grid.places) {
            (place.x, place.y) = (left + place.x, top + place.y);
            for (i, line) in place.title.iter().enumerate() {
                let above = 8.0 + 14.0 * (place.title.len() - 1 - i) as f64;
                picture.text((place.x, place.y - above), line, LABEL_SIZE, Anchor::Start, BLACK);
            }
            self.draw_panel(&mut picture, panel, &scale, place, grid.turned, numbered);
        }
        self.draw_bar(&mut picture, &scale, (bar_left, top + grid.first_top), bar_height, &bar_label, ticks_width);
        for (i, line) in caption.iter().enumerate() {
            let at = (left, bottom + 10.0 + 14.0 * (i + 1) as f64 - 4.0);
            picture.text(at, line, TICK_SIZE, Anchor::Start, GREY);
        }
        Ok(picture)
    }

    fn write_data(&self, path: &Path) -> Result<()> {
        let rows = self.panels.iter().flat_map(|panel| {
            self.cells(panel).map(move |(row, column, value)| HeatmapRow {
                panel: panel.title.clone(),
                row: panel.labels.get(row).cloned().unwrap_or_default(),
                column: panel.labels.get(column).cloned().unwrap_or_default(),
                value,
                marked: marked(panel, row, column),
            })
        });
        write_csv(path, &rows.collect::<Vec<_>>())
    }
}

/// A cell that is drawn.
#[derive(Serialize)]
struct HeatmapRow {
    panel: String,
    row: String,
    column: String,
    value: Option<f64>,
    marked: bool,
}

impl Record for HeatmapRow {
    const COLUMNS: &'static [&'static str] = &["panel", "row", "column", "value", "marked"];
}

/// Where a panel's first drawn cell is, and which of its rows and columns are drawn.
struct Place {
    x: f64,
    y: f64,
    cell: f64,
    first_row: usize,
    rows: usize,
    columns: usize,
    title: Vec<String>,
}

impl Place {
    fn new(panel: &Heatmap, triangle: Triangle, cell: f64) -> Place {
        let count = panel.labels.len();
        let no_value = |i: usize| panel.values.get(i).and_then(|row| row.get(i)).is_some_and(Option::is_none);
        let lower = triangle == Triangle::Lower && count > 0;
        // A triangle has nothing but the diagonal in its first row and its last column.
        let first_row = usize::from(lower && no_value(0));
        let columns = count - usize::from(lower && no_value(count - 1));
        let mut place = Place { x: 0.0, y: 0.0, cell, first_row, rows: count - first_row, columns, title: Vec::new() };
        let narrow = text_width(&panel.title, LABEL_SIZE).ceil().min(TITLE_WIDTH);
        place.title = wrap(&panel.title, LABEL_SIZE, place.size().0.max(narrow));
        place
    }

    fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    fn size(&self) -> (f64, f64) {
        if self.is_empty() {
            return EMPTY;
        }
        (self.cell * self.columns as f64, self.cell * self.rows as f64)
    }
}

/// All panels in rows and columns that are as large as what they hold.
struct Grid {
    places: Vec<Place>,
    width: f64,
    height: f64,
    /// Where the cells of the first row of panels begin, and how tall they are.
    first_top: f64,
    first_height: f64,
    /// Names of columns stand upright where they are wider than a column.
    turned: bool,
}

impl Grid {
    fn new(maps: &Heatmaps, cell: f64) -> Grid {
        let mut places: Vec<Place> = maps.panels.iter().map(|p| Place::new(p, maps.triangle, cell)).collect();
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let names: Vec<f64> = maps
            .panels
            .iter()
            .map(|panel| most(&mut panel.labels.iter().map(|name| text_width(name, NAME_SIZE))))
            .collect();
        let turned = names.iter().any(|&width| width > cell - 2.0);

        let mut right = 0.0;
        for column in 0..PANELS_A_ROW.min(places.len()) {
            let inside = || places.iter().zip(&names).skip(column).step_by(PANELS_A_ROW);
            let x = right + most(&mut inside().map(|(_, &name)| name)) + NAME_GAP;
            let title = |place: &Place| most(&mut place.title.iter().map(|line| text_width(line, LABEL_SIZE)));
            right = x + most(&mut inside().map(|(place, _)| place.size().0.max(title(place)))) + GAP;
            places.iter_mut().skip(column).step_by(PANELS_A_ROW).for_each(|place| place.x = x);
        }
        let mut bottom = 0.0;
        let mut first = None;
        for (row, names) in places.chunks_mut(PANELS_A_ROW).zip(names.chunks(PANELS_A_ROW)) {
            let lines = most(&mut row.iter().map(|place| place.title.len() as f64));
            let y = bottom + 14.0 * lines + 6.0;
            let height = most(&mut row.iter().map(|place| place.size().1));
            first.get_or_insert((y, height));
            // A panel's names hang from its own last row, so a small one with long names may yet be the tallest.
            let name_height = |name: f64| if turned { name } else { NAME_SIZE };
            let below = row.iter().zip(names).map(|(place, &name)| place.size().1 + NAME_GAP + name_height(name));
            bottom = y + most(&mut below.into_iter()) + ROW_GAP;
            row.iter_mut().for_each(|place| place.y = y);
        }
        let (first_top, first_height) = first.unwrap_or((6.0, EMPTY.1));
        let (width, height) = if places.is_empty() { EMPTY } else { (right - GAP, bottom - ROW_GAP) };
        Grid { places, width, height, first_top, first_height, turned }
    }
}

impl Heatmaps {
    /// The cells that are drawn: panel, row, column, value.
    fn cells<'a>(&self, panel: &'a Heatmap) -> impl Iterator<Item = (usize, usize, Option<f64>)> + 'a {
        let triangle = self.triangle;
        panel.values.iter().enumerate().flat_map(move |(row, values)| {
            values.iter().enumerate().filter_map(move |(column, &value)| {
                let hidden = triangle == Triangle::Lower && column > row || column == row && value.is_none();
                (!hidden).then_some((row, column, value))
            })
        })
    }

    fn scale(&self) -> Result<Linear> {
        let values = self.panels.iter().flat_map(|panel| self.cells(panel)).filter_map(|(_, _, value)| value);
        let Some(max) = self.scale_max else { return Ok(Linear::around(values, true)) };
        if !max.is_finite() || max <= 0.0 {
            return Err(Error::parameter("scale_max", "a finite number above 0", max));
        }
        let low = values.fold(0.0, f64::min);
        let round = Linear::around([low, max], true);
        // The scale ends exactly where it was told to, for pictures that share it.
        let mut ticks: Vec<(f64, String)> =
            round.ticks.into_iter().filter(|(value, _)| *value <= max * 1.000_001).collect();
        ticks.dedup_by(|a, b| a.0 == b.0);
        Ok(Linear { low: round.low, high: max, ticks, root: false })
    }

    fn caption(&self, numbered: bool) -> String {
        let mut parts: Vec<String> = (!self.note.is_empty()).then(|| self.note.clone()).into_iter().collect();
        if self.panels.iter().any(|panel| self.cells(panel).any(|(row, column, _)| marked(panel, row, column))) {
            let sign = if numbered { "*" } else { "dot" };
            let meaning = if self.mark_meaning.is_empty() { "significant" } else { &self.mark_meaning };
            parts.push(format!("{sign}: {meaning}"));
        }
        if self.panels.iter().any(|panel| self.cells(panel).any(|(_, _, value)| value.is_none())) {
            parts.push("grey with a stroke: no value".to_string());
        }
        parts.join("; ")
    }

    fn draw_panel(
        &self,
        picture: &mut Picture,
        panel: &Heatmap,
        scale: &Linear,
        place: &Place,
        turned: bool,
        numbered: bool,
    ) {
        let cell = place.cell;
        if place.is_empty() {
            let at = (place.x + EMPTY.0 / 2.0, place.y + EMPTY.1 / 2.0);
            picture.text(at, "no data", LABEL_SIZE, Anchor::Middle, GREY);
            return;
        }
        let top = |row: usize| place.y + cell * row.saturating_sub(place.first_row) as f64;
        for (row, column, value) in self.cells(panel) {
            let (x, y) = (place.x + cell * column as f64, top(row));
            let color = value.map_or(MISSING, |v| shade(scale.share(v)));
            picture.rectangle((x, y), cell - 0.6, cell - 0.6, color);
            let ink = if contrast(color, WHITE) > contrast(color, BLACK) { WHITE } else { BLACK };
            let center = (x + (cell - 0.6) / 2.0, y + (cell - 0.6) / 2.0);
            let mark = marked(panel, row, column);
            match value {
                None => {
                    let ends = [(x + 3.0, y + cell - 3.6), (x + cell - 3.6, y + 3.0)];
                    picture.line(&ends, Stroke::solid(GREY, 0.8));
                }
                Some(value) if numbered => {
                    let text = cell_number(value);
                    picture.text((center.0, center.1 + 3.0), &text, NUMBER_SIZE, Anchor::Middle, ink);
                    if mark {
                        // Beside the number, so that numbers stay in line.
                        let at = (center.0 + text_width(&text, NUMBER_SIZE) / 2.0 + 0.2, center.1 + 3.6);
                        picture.text(at, "*", NUMBER_SIZE, Anchor::Start, ink);
                    }
                }
                Some(_) if mark => picture.circle(center, 1.8, ink, None),
                Some(_) => {}
            }
        }
        for (i, name) in panel.labels.iter().enumerate().skip(place.first_row) {
            picture.text((place.x - 5.0, top(i) + cell / 2.0 + 3.2), name, NAME_SIZE, Anchor::End, BLACK);
        }
        let below = top(panel.labels.len());
        for (i, name) in panel.labels.iter().enumerate().take(place.columns) {
            let middle = place.x + cell * (i as f64 + 0.5);
            if turned {
                picture.turned_text((middle + 3.2, below + 5.0), name, NAME_SIZE, Anchor::End, BLACK);
            } else {
                picture.text((middle, below + 12.0), name, NAME_SIZE, Anchor::Middle, BLACK);
            }
        }
    }

    fn draw_bar(
        &self,
        picture: &mut Picture,
        scale: &Linear,
        (x, y): (f64, f64),
        height: f64,
        label: &[String],
        ticks_width: f64,
    ) {
        let bands = 64;
        for i in 0..bands {
            let (from, to) = (f64::from(i) / f64::from(bands), f64::from(i + 1) / f64::from(bands));
            // Reaching below the next band, so that no seam shows between them.
            let overlap = if i == 0 { 0.0 } else { 0.5 };
            let top = y + height * (1.0 - to);
            picture.rectangle((x, top), 12.0, height * (to - from) + overlap, shade((from + to) / 2.0));
        }
        let outline = [(x, y), (x + 12.0, y), (x + 12.0, y + height), (x, y + height), (x, y)];
        picture.line(&outline, Stroke::solid(GREY, 0.6));
        let cut =
            self.panels.iter().flat_map(|panel| self.cells(panel)).any(|(_, _, v)| v.is_some_and(|v| v > scale.high));
        for (i, (value, text)) in scale.ticks.iter().enumerate() {
            let at = y + height * (1.0 - scale.share(*value));
            picture.line(&[(x + 12.0, at), (x + 15.0, at)], Stroke::solid(BLACK, 0.8));
            let last = i + 1 == scale.ticks.len();
            let text = if cut && last { format!("≥{text}") } else { text.clone() };
            picture.text((x + 18.0, at + 3.6), &text, TICK_SIZE, Anchor::Start, BLACK);
        }
        for (i, line) in label.iter().enumerate() {
            let at = (x + 22.0 + ticks_width + 14.0 * (i as f64 + 0.5), y + height / 2.0);
            picture.turned_text(at, line, LABEL_SIZE, Anchor::Middle, BLACK);
        }
    }
}

fn check(panel: &Heatmap) -> Result<()> {
    let n = panel.labels.len();
    let square = panel.values.len() == n && panel.values.iter().all(|row| row.len() == n);
    let marked = panel.marks.is_empty() || panel.marks.len() == n && panel.marks.iter().all(|row| row.len() == n);
    if !square || !marked {
        let message =
            format!("the heat map `{}` has {n} labels: values (and marks, if any) should be {n} x {n}", panel.title);
        return Err(Error::Data(message));
    }
    panel.values.iter().flatten().flatten().try_for_each(|&value| check_finite("the heat map", &panel.title, value))
}

fn marked(panel: &Heatmap, row: usize, column: usize) -> bool {
    panel.marks.get(row).and_then(|marks| marks.get(column)).copied().unwrap_or(false)
}

/// As `0.07`, or shorter where it would not fit: `-0.1`, `12`.
fn cell_number(value: f64) -> String {
    let decimals = match value {
        v if v.abs() >= 99.5 => 0,
        v if !(-0.005..9.995).contains(&v) => 1,
        _ => 2,
    };
    crate::report::number(Some(value), decimals)
}

fn contrast(a: Color, b: Color) -> f64 {
    let (a, b) = (a.luminance() + 0.05, b.luminance() + 0.05);
    (a / b).max(b / a)
}

/// The colour at a share of the scale: lightness falls evenly from near white to dark blue while the hue turns from yellow
/// through green to blue (OKLab, Ottosson 2020, in polar form).
pub(super) fn shade(share: f64) -> Color {
    let t = share.clamp(0.0, 1.0);
    let lightness = 0.975 - 0.645 * t;
    let hue = (105.0 + 160.0 * t).to_radians();
    // Weak at the light end, strongest in the middle: as far as the screen's colours reach.
    let chroma = 0.03 + 0.36 * t * (1.0 - t) + 0.075 * t;
    // Less where the hue is blue-green, of which screens show the least.
    let chroma = chroma.min(0.118);
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    let red = 4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s;
    let green = -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s;
    let blue = -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s;
    let encode = |c: f64| {
        let c = c.clamp(0.0, 1.0);
        let c = if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
        (c * 255.0).round() as u8
    };
    Color::new(encode(red), encode(green), encode(blue))
}
