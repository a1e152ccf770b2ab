//! Shapes to pixels: outlines filled with their exact coverage, text from the outlines of the font the crate carries.

use super::picture::{Anchor, Color, Picture, Point, Shape, Stroke};
use crate::{Error, Result};
use ab_glyph::{Font, FontRef, OutlineCurve};
use ab_glyph_rasterizer::{point, Rasterizer};

/// DejaVu Sans 2.37; its licence lies beside it.
static DEJAVU_SANS: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");

/// Pixels a unit.
const SCALE: f64 = 2.0;

/// The most pixels along a side; a larger picture is a mistake, and would not fit in memory.
const MAX_PIXELS: f64 = 30_000.0;

fn font() -> Option<FontRef<'static>> {
    FontRef::try_from_slice(DEJAVU_SANS).ok()
}

/// The width of a text in units, in the font of the PNG, which is as wide as any that an SVG viewer would take.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let Some(font) = font() else { return 0.6 * size * text.chars().count() as f64 };
    let advance: f32 = text.chars().map(|c| font.h_advance_unscaled(font.glyph_id(c))).sum();
    f64::from(advance) * size / f64::from(font.units_per_em().unwrap_or(2048.0))
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

pub(super) fn png(picture: &Picture) -> Result<Vec<u8>> {
    let (width, height) = (picture.width * SCALE, picture.height * SCALE);
    if !(width >= 1.0 && height >= 1.0 && width <= MAX_PIXELS && height <= MAX_PIXELS) {
        return Err(Error::Data(format!(
            "a picture of {width} x {height} pixels cannot be written as PNG: draw fewer panels or languages at once"
        )));
    }
    let font = font().ok_or_else(|| Error::Data("the font of this build is damaged: build the crate again".into()))?;
    let mut canvas = Canvas::new(width as usize, height as usize);
    for shape in &picture.shapes {
        match shape {
            Shape::Line { points, stroke } => canvas.stroke(points, stroke),
            Shape::Area { points, fill, stroke } => {
                canvas.fill(std::slice::from_ref(points), *fill);
                if let Some(stroke) = stroke {
                    let closed: Vec<Point> = points.iter().chain(points.first()).copied().collect();
                    canvas.stroke(&closed, stroke);
                }
            }
            Shape::Text { at, text, size, anchor, color, turned } => {
                let width = text_width(text, *size);
                let back = match anchor {
                    Anchor::Start => 0.0,
                    Anchor::Middle => width / 2.0,
                    Anchor::End => width,
                };
                canvas.text(&font, *at, back, text, *size, *turned, *color);
            }
        }
    }
    canvas.encode()
}

struct Canvas {
    width: usize,
    height: usize,
    /// Red, green, blue in 0 to 255, [height x width x 3].
    pixels: Vec<f32>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Canvas {
        Canvas { width, height, pixels: vec![255.0; width * height * 3] }
    }

    /// Fills outlines; where several overlap, the coverage is that of their union if they run the same way round.
    fn fill(&mut self, outlines: &[Vec<Point>], color: Color) {
        let pixels: Vec<Vec<Point>> =
            outlines.iter().map(|o| o.iter().map(|&(x, y)| (x * SCALE, y * SCALE)).collect()).collect();
        let Some((left, top, right, bottom)) = bounds(pixels.iter().flatten()) else { return };
        let mut rasterizer = Rasterizer::new((right - left) as usize, (bottom - top) as usize);
        let local = |(x, y): Point| point((x - left) as f32, (y - top) as f32);
        for outline in &pixels {
            for (&a, &b) in outline.iter().zip(outline.iter().cycle().skip(1)) {
                rasterizer.draw_line(local(a), local(b));
            }
        }
        self.blend(&rasterizer, left, top, color);
    }

    fn blend(&mut self, rasterizer: &Rasterizer, left: f64, top: f64, color: Color) {
        let (width, height) = (self.width as i64, self.height as i64);
        let pixels = &mut self.pixels;
        rasterizer.for_each_pixel_2d(|x, y, coverage| {
            let (x, y) = (left as i64 + i64::from(x), top as i64 + i64::from(y));
            // Rounding leaves specks of coverage in empty rows.
            if coverage < 1.0 / 512.0 || x < 0 || y < 0 || x >= width || y >= height {
                return;
            }
            let opacity = coverage.min(1.0) * color.alpha as f32;
            let start = ((y * width + x) * 3) as usize;
            for (pixel, &new) in pixels.iter_mut().skip(start).zip(&color.rgb) {
                *pixel += (f32::from(new) - *pixel) * opacity;
            }
        });
    }

    /// A line of some width: a rectangle a segment, a disc a joint, all the same way round.
    fn stroke(&mut self, points: &[Point], stroke: &Stroke) {
        let half = stroke.width / 2.0;
        let mut outlines = Vec::new();
        for piece in dashes(points, stroke.dash) {
            for (&a, &b) in piece.iter().zip(piece.iter().skip(1)) {
                let length = (b.0 - a.0).hypot(b.1 - a.1);
                if length > 0.0 {
                    let (nx, ny) = (-(b.1 - a.1) / length * half, (b.0 - a.0) / length * half);
                    let corners =
                        [(a.0 - nx, a.1 - ny), (b.0 - nx, b.1 - ny), (b.0 + nx, b.1 + ny), (a.0 + nx, a.1 + ny)];
                    outlines.push(corners.to_vec());
                }
            }
            let joints = piece.len().saturating_sub(2);
            for &joint in piece.iter().skip(1).take(joints) {
                outlines.push(circle(joint, half));
            }
        }
        self.fill(&outlines, stroke.color);
    }

    #[allow(clippy::too_many_arguments)]
    fn text(&mut self, font: &FontRef<'_>, at: Point, back: f64, text: &str, size: f64, turned: bool, color: Color) {
        let scale = size * SCALE / f64::from(font.units_per_em().unwrap_or(2048.0));
        let mut pen = -back * SCALE;
        for c in text.chars() {
            let glyph = font.glyph_id(c);
            let Some(outline) = font.outline(glyph) else {
                pen += f64::from(font.h_advance_unscaled(glyph)) * scale;
                continue;
            };
            // From font units, y up, to pixels.
            let place = |p: ab_glyph::Point| -> Point {
                let (x, y) = (pen + f64::from(p.x) * scale, f64::from(p.y) * scale);
                let (x, y) = if turned { (-y, -x) } else { (x, -y) };
                (at.0 * SCALE + x, at.1 * SCALE + y)
            };
            let corners = [place(outline.bounds.min), place(outline.bounds.max)];
            if let Some((left, top, right, bottom)) = bounds(corners.iter()) {
                let mut rasterizer = Rasterizer::new((right - left) as usize, (bottom - top) as usize);
                let local = |p: ab_glyph::Point| {
                    let (x, y) = place(p);
                    point((x - left) as f32, (y - top) as f32)
                };
                for curve in &outline.curves {
                    match *curve {
                        OutlineCurve::Line(a, b) => rasterizer.draw_line(local(a), local(b)),
                        OutlineCurve::Quad(a, b, c) => rasterizer.draw_quad(local(a), local(b), local(c)),
                        OutlineCurve::Cubic(a, b, c, d) => {
                            rasterizer.draw_cubic(local(a), local(b), local(c), local(d));
                        }
                    }
                }
                self.blend(&rasterizer, left, top, color);
            }
            pen += f64::from(font.h_advance_unscaled(glyph)) * scale;
        }
    }

    fn encode(self) -> Result<Vec<u8>> {
        let bytes: Vec<u8> = self.pixels.iter().map(|&p| p.round().clamp(0.0, 255.0) as u8).collect();
        let failed = |e: png::EncodingError| Error::Data(format!("cannot encode a PNG: {e}"));
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // Flat colours compress best as they are.
        encoder.set_filter(png::FilterType::NoFilter);
        encoder.set_compression(png::Compression::Best);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&bytes).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(file)
    }
}

/// Whole pixels around points, with the room that the rasteriser needs to the right.
fn bounds<'a>(points: impl Iterator<Item = &'a Point>) -> Option<(f64, f64, f64, f64)> {
    let mut found: Option<(f64, f64, f64, f64)> = None;
    for &(x, y) in points {
        let (left, top, right, bottom) = found.unwrap_or((x, y, x, y));
        found = Some((left.min(x), top.min(y), right.max(x), bottom.max(y)));
    }
    let (left, top, right, bottom) = found?;
    let bounds = (left.floor() - 1.0, top.floor() - 1.0, right.ceil() + 2.0, bottom.ceil() + 1.0);
    let fits = [bounds.0, bounds.1, bounds.2, bounds.3].iter().all(|b| b.abs() <= 2.0 * MAX_PIXELS);
    fits.then_some(bounds)
}

pub(super) fn circle((x, y): Point, radius: f64) -> Vec<Point> {
    let corners = 24;
    (0..corners)
        .map(|i| {
            let angle = std::f64::consts::TAU * f64::from(i) / f64::from(corners);
            (x + radius * angle.cos(), y + radius * angle.sin())
        })
        .collect()
}

/// Cuts a line into the pieces that a dash pattern draws.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if pattern.iter().sum::<f64>() <= 0.0 {
        return vec![points.to_vec()];
    }
    let mut pieces = Vec::new();
    let mut piece: Vec<Point> = points.first().copied().into_iter().collect();
    let mut lengths = pattern.iter().copied().cycle();
    let (mut left, mut drawn) = (lengths.next().unwrap_or(1.0), true);
    for (&a, &b) in points.iter().zip(points.iter().skip(1)) {
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let at = (a.0 + (b.0 - a.0) * done / length, a.1 + (b.1 - a.1) * done / length);
            if drawn {
                piece.push(at);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![at];
            }
            drawn = !drawn;
            left = lengths.next().unwrap_or(1.0).max(0.1);
        }
        left -= length - done;
        if drawn {
            piece.push(b);
        }
    }
    if drawn && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}
