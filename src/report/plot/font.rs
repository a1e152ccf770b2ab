//! The font the crate carries: what text is measured with, and all that the PNG is written with.

use resvg::usvg::fontdb::{Database, Source};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use std::sync::{Arc, OnceLock};

/// DejaVu Sans 2.37; its licence lies beside it.
static DEJAVU_SANS: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");

pub(super) const FAMILY: &str = "DejaVu Sans";

/// The one font, whatever a machine has installed.
pub(super) fn database() -> Arc<Database> {
    static DATABASE: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut database = Database::new();
        database.load_font_source(Source::Binary(Arc::new(DEJAVU_SANS)));
        database.set_sans_serif_family(FAMILY);
        Arc::new(database)
    };
    DATABASE.get_or_init(load).clone()
}

/// The width of a text in units without kerning, in the font of the PNG, which is as wide as any that an SVG viewer would
/// take.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let Ok(font) = FontRef::new(DEJAVU_SANS) else { return 0.6 * size * text.chars().count() as f64 };
    let letters = font.charmap();
    let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
    let units = font.metrics(Size::unscaled(), LocationRef::default()).units_per_em;
    let advance = |c: char| metrics.advance_width(letters.map(c).unwrap_or_default()).unwrap_or(0.0);
    text.chars().map(|c| f64::from(advance(c))).sum::<f64>() * size / f64::from(units.max(1))
}

/// A text cut into lines no wider than `width` units: at spaces where it can be, inside a word where it must.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
        if text_width(&longer, size) <= width {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if text_width(&line, size) > width && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::take(&mut line));
                line.push(c);
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
