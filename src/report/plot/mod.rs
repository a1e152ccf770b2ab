//! Plots as SVG and PNG of the same picture: for print (2x a paper's column), for colour-blind readers, and the same
//! bytes on every machine.
//!
//! A plot is a plain value ([`StepPlot`], [`Heatmaps`], [`Scatter`], [`CurvePlot`], [`CountPlot`]); [`Plot::save`] writes
//! `NAME.svg` and `NAME.png`, and [`Plot::write_data`] the values that it shows as CSV.
//! Lines differ in colour (the palette of Okabe and Ito 2008), in marker and in dash, so that they stay apart in grey;
//! the legend lies below the axes, where it hides nothing.
//!
//! Both files come from one list of shapes ([`Picture`]), which this module lays out itself and writes as SVG; the PNG is
//! that SVG drawn by resvg. Text in an SVG stays text (DejaVu Sans where the reader has it, else another sans-serif); in
//! the PNG it is always in the DejaVu Sans that the crate carries, since no font can be assumed on a machine. That font
//! covers Latin, Greek and Cyrillic; letters that it lacks (Devanagari, Han) are intact in the SVG and boxes in the PNG.
//!
//! # Examples
//! ```
//! use isogloss::checkpoint::Step;
//! use isogloss::report::plot::{LineStyle, Plot, StepLine, StepPlot};
//!
//! let plot = StepPlot {
//!     title: "POS".into(),
//!     x_label: "training step".into(),
//!     y_label: "overlap (share of top 50)".into(),
//!     lines: vec![StepLine {
//!         label: "residual.12".into(),
//!         style: LineStyle::Measured,
//!         points: vec![(Step::Number(0), 0.05), (Step::Number(1000), 0.07), (Step::Final, 0.19)],
//!         band: None,
//!     }],
//!     note: String::new(),
//! };
//! assert!(plot.svg()?.contains("training step"));
//! # Ok::<(), isogloss::Error>(())
//! ```

mod axis;
mod counts;
mod curves;
mod font;
mod frame;
mod heatmap;
mod panels;
mod picture;
mod scatter;
mod steps;
#[cfg(test)]
mod tests;

pub use counts::{CountBar, CountPanel, CountPlot};
pub use curves::{CurveLine, CurvePanel, CurvePlot};
pub use heatmap::{Heatmap, Heatmaps, Triangle};
pub use picture::Picture;
pub use scatter::{Scatter, ScatterGroup};
pub use steps::{LineStyle, StepLine, StepPlot};

use crate::{files, Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Anything that can be drawn.
pub trait Plot {
    /// Lays the plot out.
    ///
    /// # Errors
    /// [`Error::Data`] where a value is not finite or the parts do not fit each other. Empty data is no error: the
    /// picture says so.
    fn picture(&self) -> Result<Picture>;

    /// Writes the values that are drawn as CSV at full precision, a row a point or a cell.
    ///
    /// # Errors
    /// As [`write_csv`](crate::report::write_csv).
    fn write_data(&self, path: &Path) -> Result<()>;

    /// The plot as an SVG document.
    ///
    /// # Errors
    /// As [`Plot::picture`].
    fn svg(&self) -> Result<String> {
        Ok(self.picture()?.svg())
    }

    /// The plot as a PNG file's bytes, two pixels a unit.
    ///
    /// # Errors
    /// As [`Plot::picture`].
    fn png(&self) -> Result<Vec<u8>> {
        self.picture()?.png()
    }

    /// Writes `BASE.svg` and `BASE.png`, and returns their paths.
    ///
    /// # Errors
    /// As [`Plot::picture`]; [`Error::Io`] where a file cannot be written.
    fn save(&self, path_without_extension: impl AsRef<Path>) -> Result<Vec<PathBuf>>
    where
        Self: Sized,
    {
        self.picture()?.save(path_without_extension)
    }
}

impl Picture {
    /// Writes `BASE.svg` and `BASE.png`, and returns their paths.
    ///
    /// # Errors
    /// As [`Picture::png`]; [`Error::Io`] where a file cannot be written.
    pub fn save(&self, path_without_extension: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let (svg, png) = (self.svg(), self.png()?);
        let mut paths = Vec::new();
        for (extension, bytes) in [(".svg", svg.as_bytes()), (".png", png.as_slice())] {
            // Appended, not replaced: `overlap.residual.3` has no extension.
            let mut name = OsString::from(path_without_extension.as_ref());
            name.push(extension);
            let path = PathBuf::from(name);
            files::write_atomic(&path, |file| file.write_all(bytes).map_err(Error::io(&path, "write")))?;
            paths.push(path);
        }
        Ok(paths)
    }
}

/// Refuses what cannot be placed on an axis.
fn check_finite(what: &str, label: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(Error::Data(format!(
            "cannot draw {what} `{label}`: it has the value {value}; leave points without a value out"
        )))
    }
}
