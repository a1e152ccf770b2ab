//! What the examples share: a progress bar, a log, the fixtures' place.
#![allow(dead_code)]

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isogloss::study::Progress;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// A file or folder of the fixtures, wherever the example is run.
pub fn fixture(path: &str) -> PathBuf {
    let here = PathBuf::from("fixtures").join(path);
    if here.exists() {
        return here;
    }
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// Ends an example: an error goes to standard error as one line, since the library's messages say it all.
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Warnings to standard error; `RUST_LOG=info` for more.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// A bar on standard error where that is a terminal, nothing elsewhere.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} cells, {eta} left, {msg}");
        Bar(ProgressBar::with_draw_target(None, target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn start(&self, cells: usize) {
        self.0.set_length(cells as u64);
    }

    fn advance(&self, cells: usize, place: &str) {
        self.0.inc(cells as u64);
        self.0.set_message(place.to_string());
    }
}
