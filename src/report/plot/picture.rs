use super::font;
use crate::{Error, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;
use std::fmt::Write as _;

/// Pixels of the PNG a unit.
const SCALE: f64 = 2.0;

/// The most pixels along a side; a larger picture is a mistake, and would not fit in memory.
const MAX_PIXELS: f64 = 30_000.0;

/// A point, in units from the upper left corner; x to the right, y down.
pub(super) type Point = (f64, f64);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color {
    pub rgb: [u8; 3],
    pub alpha: f64,
}

impl Color {
    pub const fn new(r: u8, g: u8, b: u8) -> Color {
        Color { rgb: [r, g, b], alpha: 1.0 }
    }

    pub fn alpha(self, alpha: f64) -> Color {
        Color { alpha, ..self }
    }

    /// Relative luminance in 0 to 1 (WCAG 2.1).
    pub fn luminance(self) -> f64 {
        let [r, g, b] = self.rgb.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

pub(super) const BLACK: Color = Color::new(0x1a, 0x1a, 0x1a);
pub(super) const GREY: Color = Color::new(0x70, 0x70, 0x70);
pub(super) const LIGHT: Color = Color::new(0xe4, 0xe4, 0xe4);
pub(super) const WHITE: Color = Color::new(0xff, 0xff, 0xff);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stroke {
    pub color: Color,
    pub width: f64,
    /// Lengths drawn and left out in turn; empty for a solid line.
    pub dash: &'static [f64],
}

impl Stroke {
    pub fn solid(color: Color, width: f64) -> Stroke {
        Stroke { color, width, dash: &[] }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Line {
        points: Vec<Point>,
        stroke: Stroke,
    },
    Area {
        points: Vec<Point>,
        fill: Color,
        stroke: Option<Stroke>,
    },
    Circle {
        center: Point,
        radius: f64,
        fill: Color,
        stroke: Option<Stroke>,
    },
    /// `at` is the baseline; `turned` text reads upwards.
    Text {
        at: Point,
        text: String,
        size: f64,
        anchor: Anchor,
        color: Color,
        turned: bool,
    },
}

/// A plot laid out: shapes and text on a white ground, ready to be written as SVG or PNG.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Picture {
    pub(super) fn new(width: f64, height: f64) -> Picture {
        Picture { width: width.ceil(), height: height.ceil(), shapes: Vec::new() }
    }

    pub(super) fn line(&mut self, points: &[Point], stroke: Stroke) {
        self.shapes.push(Shape::Line { points: points.iter().copied().map(rounded).collect(), stroke });
    }

    pub(super) fn area(&mut self, points: &[Point], fill: Color, stroke: Option<Stroke>) {
        self.shapes.push(Shape::Area { points: points.iter().copied().map(rounded).collect(), fill, stroke });
    }

    pub(super) fn rectangle(&mut self, (x, y): Point, width: f64, height: f64, fill: Color) {
        self.area(&[(x, y), (x + width, y), (x + width, y + height), (x, y + height)], fill, None);
    }

    pub(super) fn circle(&mut self, center: Point, radius: f64, fill: Color, stroke: Option<Stroke>) {
        self.shapes.push(Shape::Circle { center: rounded(center), radius, fill, stroke });
    }

    pub(super) fn text(&mut self, at: Point, text: &str, size: f64, anchor: Anchor, color: Color) {
        let at = rounded(at);
        self.shapes.push(Shape::Text { at, text: text.to_string(), size, anchor, color, turned: false });
    }

    pub(super) fn turned_text(&mut self, at: Point, text: &str, size: f64, anchor: Anchor, color: Color) {
        let at = rounded(at);
        self.shapes.push(Shape::Text { at, text: text.to_string(), size, anchor, color, turned: true });
    }

    /// Draws another picture into this one, its upper left corner at a point.
    pub(super) fn place(&mut self, other: Picture, (dx, dy): Point) {
        let moved = |(x, y): Point| rounded((x + dx, y + dy));
        let all = |points: Vec<Point>| points.into_iter().map(moved).collect();
        self.shapes.extend(other.shapes.into_iter().map(|shape| match shape {
            Shape::Line { points, stroke } => Shape::Line { points: all(points), stroke },
            Shape::Area { points, fill, stroke } => Shape::Area { points: all(points), fill, stroke },
            Shape::Circle { center, radius, fill, stroke } => {
                Shape::Circle { center: moved(center), radius, fill, stroke }
            }
            Shape::Text { at, text, size, anchor, color, turned } => {
                Shape::Text { at: moved(at), text, size, anchor, color, turned }
            }
        }));
    }

    /// Width and height in units; the SVG has that many CSS pixels, the PNG twice as many pixels.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// The picture as an SVG document.
    pub fn svg(&self) -> String {
        self.document("xmlns=\"http://www.w3.org/2000/svg\"")
    }

    /// The picture as an element of an HTML page: no namespace, which HTML implies, and a label for readers who do not see it.
    pub fn inline_svg(&self, label: &str) -> String {
        self.document(&format!("role=\"img\" aria-label=\"{}\"", escape(label).replace('"', "&quot;")))
    }

    fn document(&self, attributes: &str) -> String {
        let (width, height) = (number(self.width), number(self.height));
        let mut svg = format!(
            "<svg {attributes} width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"{}, Verdana, Arial, sans-serif\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
            font::FAMILY
        );
        for shape in &self.shapes {
            // Writing to a string cannot fail.
            let _ = match shape {
                Shape::Line { points, stroke } => {
                    writeln!(svg, "<polyline points=\"{}\" fill=\"none\"{}/>", list(points), stroke_attributes(stroke))
                }
                Shape::Area { points, fill, stroke } => {
                    let stroke = stroke.as_ref().map(stroke_attributes).unwrap_or_default();
                    writeln!(svg, "<polygon points=\"{}\"{}{stroke}/>", list(points), paint("fill", *fill))
                }
                Shape::Circle { center: (x, y), radius, fill, stroke } => {
                    let stroke = stroke.as_ref().map(stroke_attributes).unwrap_or_default();
                    let (x, y, radius) = (number(*x), number(*y), number(*radius));
                    writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"{}{stroke}/>", paint("fill", *fill))
                }
                Shape::Text { at: (x, y), text, size, anchor, color, turned } => {
                    let anchor = match anchor {
                        Anchor::Start => "",
                        Anchor::Middle => " text-anchor=\"middle\"",
                        Anchor::End => " text-anchor=\"end\"",
                    };
                    let (x, y) = (number(*x), number(*y));
                    let turn = if *turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
                    let (size, fill, text) = (number(*size), paint("fill", *color), escape(text));
                    writeln!(svg, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{fill}{turn}>{text}</text>")
                }
            };
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The SVG document drawn as a PNG file's bytes, two pixels a unit.
    ///
    /// # Errors
    /// [`Error::Data`] where it is too large to encode.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = (self.width * SCALE, self.height * SCALE);
        let too_large = || {
            let size = format!("a picture of {width} x {height} pixels");
            Error::Data(format!("{size} cannot be written as PNG: draw fewer panels or languages at once"))
        };
        let fits = |side: f64| (1.0..=MAX_PIXELS).contains(&side);
        if !fits(width) || !fits(height) {
            return Err(too_large());
        }
        let options =
            usvg::Options { font_family: font::FAMILY.into(), fontdb: font::database(), ..usvg::Options::default() };
        let tree = usvg::Tree::from_str(&self.svg(), &options)
            .map_err(|e| Error::Data(format!("cannot draw a picture's SVG: {e}")))?;
        let mut pixels = Pixmap::new(width as u32, height as u32).ok_or_else(too_large)?;
        resvg::render(&tree, Transform::from_scale(SCALE as f32, SCALE as f32), &mut pixels.as_mut());
        pixels.encode_png().map_err(|e| Error::Data(format!("cannot encode a PNG: {e}")))
    }
}

/// Hundredths of a unit: finer is invisible, and coarse enough to be the same whatever the maths library's last bit.
fn rounded((x, y): Point) -> Point {
    ((x * 100.0).round() / 100.0, (y * 100.0).round() / 100.0)
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_string()
}

fn list(points: &[Point]) -> String {
    points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect::<Vec<_>>().join(" ")
}

fn paint(attribute: &str, color: Color) -> String {
    let [r, g, b] = color.rgb;
    let opacity =
        if color.alpha < 1.0 { format!(" {attribute}-opacity=\"{}\"", number(color.alpha)) } else { String::new() };
    format!(" {attribute}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

fn stroke_attributes(stroke: &Stroke) -> String {
    let dash = if stroke.dash.is_empty() {
        String::new()
    } else {
        let lengths: Vec<String> = stroke.dash.iter().map(|&length| number(length)).collect();
        format!(" stroke-dasharray=\"{}\"", lengths.join(" "))
    };
    let width = number(stroke.width);
    format!("{} stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash}", paint("stroke", stroke.color))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // XML 1.0 has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
