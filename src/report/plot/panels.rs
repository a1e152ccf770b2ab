//! Small multiples: plots with axes of their own in rows, under one title and above one legend.

use super::font::wrap;
use super::frame::{draw_legend, place_legend, Look, TICK_SIZE, TITLE_SIZE};
use super::picture::{Anchor, Picture, BLACK, GREY};

/// The width of a panel and the height of its plot area, in units.
pub(super) const PANEL: (f64, f64) = (330.0, 170.0);

const PANELS_A_ROW: usize = 3;
const MARGIN: f64 = 14.0;

/// Puts panels three a row.
pub(super) fn compose(title: &str, note: &str, panels: Vec<Picture>, legend: &[(&str, Look)]) -> Picture {
    let columns = panels.len().clamp(1, PANELS_A_ROW);
    // One panel alone would leave its title and legend no room.
    let width = PANEL.0 * columns.max(if title.is_empty() { 1 } else { 2 }) as f64;
    let title = wrap(title, TITLE_SIZE, width - 2.0 * MARGIN);
    let note = wrap(note, TICK_SIZE, width - 2.0 * MARGIN);
    let top = 10.0 + 17.0 * title.len() as f64 + 14.0 * note.len() as f64;
    let heights: Vec<f64> =
        panels.chunks(columns).map(|row| row.iter().map(|panel| panel.height).fold(0.0, f64::max)).collect();
    let bottom = top + heights.iter().sum::<f64>();
    let (entries, legend_height) = place_legend(legend, 2.0 * MARGIN, width - MARGIN, bottom + 4.0);
    let mut picture = Picture::new(width, bottom + 10.0 + legend_height);
    let mut y = 10.0;
    for line in &title {
        y += 17.0;
        picture.text((MARGIN, y - 3.0), line, TITLE_SIZE, Anchor::Start, BLACK);
    }
    for line in &note {
        y += 14.0;
        picture.text((MARGIN, y - 2.0), line, TICK_SIZE, Anchor::Start, GREY);
    }
    let mut y = top;
    let mut panels = panels.into_iter();
    for height in heights {
        for (column, panel) in panels.by_ref().take(columns).enumerate() {
            picture.place(panel, (PANEL.0 * column as f64, y));
        }
        y += height;
    }
    draw_legend(&mut picture, &entries);
    picture
}
