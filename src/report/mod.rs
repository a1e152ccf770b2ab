//! Reports: tidy tables as files and as text, and plots as SVG and PNG.
//!
//! - [`table`] writes rows of any [`Record`] as CSV or JSON Lines at full precision, and lays out a [`TextTable`] as
//!   Markdown, LaTeX (booktabs), HTML or aligned text for a terminal, rounded for a reader. [`Format`] is any of the
//!   formats of files.
//! - `plot` (feature `plots`) draws overlap against step, language-by-language heat maps and scatter plots.
//!
//! Nothing here knows where the data came from: rows and pictures are plain values that other modules fill.

mod format;
#[cfg(feature = "plots")]
pub mod plot;
mod records;
pub mod table;

pub use format::{escape_html, Format};
pub use table::{number, p_value, write_csv, write_json_lines, Record, TextTable};
