//! What the examples share: a progress bar, a log, the fixtures' place.
#![allow(dead_code)]

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isogloss::checkpoint::{RevisionPattern, SeriesSettings, Step};
use isogloss::files;
use isogloss::study::{Progress, Reading};
use isogloss::treebank::Multiword;
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// Prints a line, as `println!` does, but an error ends the example and no panic; somebody who reads no further (`| head`) is no
/// error.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::common::to_stdout(format_args!($($argument)*)) };
}

/// As [`say!`].
pub fn to_stdout(line: Arguments<'_>) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::anyhow!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// How treebanks are read.
#[derive(Args)]
#[command(next_help_heading = "Treebanks")]
pub struct ReadingOptions {
    /// Multiword tokens as one word of the text (`surface`) or as their syntactic words (`parts`) [default: surface]
    #[arg(long)]
    multiword: Option<Multiword>,
    /// Skip and count defective sentences in place of stopping at the first
    #[arg(long)]
    lenient: bool,
}

impl ReadingOptions {
    /// These settings, each option given in place of its setting.
    pub fn over(&self, settings: Reading) -> Reading {
        Reading { multiword: self.multiword.unwrap_or(settings.multiword), lenient: self.lenient || settings.lenient }
    }
}

/// A folder for output: if it was made here and nothing came to lie in it, it goes again, so that a failed run leaves nothing.
pub struct NewFolder(Option<PathBuf>);

impl NewFolder {
    /// Makes the folder and checks that it can be written.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let folder = NewFolder((!path.exists()).then(|| path.to_path_buf()));
        files::writable_dir(path)?;
        Ok(folder)
    }

    /// The run went well.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Only an empty folder can be removed so.
            let _ = std::fs::remove_dir(path);
        }
    }
}

/// Which checkpoints of a series to take.
#[derive(Args)]
#[command(next_help_heading = "Series")]
pub struct SeriesOptions {
    /// How a Hub repository names the revision of a step [default: global_step{step}]
    #[arg(long, value_name = "PATTERN")]
    revisions: Option<RevisionPattern>,
    /// The steps to take, all if not given
    #[arg(long, value_name = "STEP[,STEP...]", value_delimiter = ',')]
    steps: Vec<Step>,
    /// The released model, as step `final`
    #[arg(long, value_name = "DIR|HUB_ID")]
    released: Option<String>,
    /// Tokenizer of checkpoints that have none; BLOOM's is bigscience/bloom
    #[arg(long, value_name = "FILE|DIR|HUB_ID")]
    tokenizer: Option<String>,
    /// Delete weights that were fetched from the Hub when done with them
    #[arg(long)]
    evict: bool,
}

impl SeriesOptions {
    /// These settings, each option given in place of its setting.
    pub fn over(self, settings: SeriesSettings) -> SeriesSettings {
        SeriesSettings {
            revisions: self.revisions.unwrap_or(settings.revisions),
            steps: if self.steps.is_empty() { settings.steps } else { self.steps },
            released: self.released.or(settings.released),
            tokenizer: self.tokenizer.or(settings.tokenizer),
            evict: self.evict || settings.evict,
        }
    }
}

/// Warnings to standard error, and what is fetched from the Hub; `RUST_LOG=info` for more.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,isogloss::checkpoint::hub=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// A bar on standard error where that is a terminal; elsewhere nothing, or a line now and then.
pub struct Bar {
    bar: ProgressBar,
    lines: Option<Mutex<Lines>>,
}

/// How far it was when a line was last written.
struct Lines {
    began: Instant,
    last: Instant,
    cells: u64,
    resumed: u64,
    done: u64,
}

/// A line is written when a tenth more is done, and after so long at the latest.
const LINE_EVERY: Duration = Duration::from_secs(60);

impl Bar {
    pub fn new() -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} cells, {per_sec}, {eta} left, {msg}");
        let bar = ProgressBar::with_draw_target(None, target);
        Bar { bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())), lines: None }
    }

    /// With lines where there is no terminal.
    pub fn with_lines() -> Self {
        let now = Instant::now();
        let lines = Lines { began: now, last: now, cells: 0, resumed: 0, done: 0 };
        let lines = (!std::io::stderr().is_terminal()).then(|| Mutex::new(lines));
        Bar { lines, ..Bar::new() }
    }

    fn line(&self, cells: u64, place: &str) {
        let Some(lines) = &self.lines else { return };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let tenth = |done: u64| done * 10 / lines.cells.max(1);
        let (before, now) = (tenth(lines.done), tenth(lines.done + cells));
        lines.done += cells;
        if cells == 0 || (now == before && lines.last.elapsed() < LINE_EVERY) {
            return;
        }
        lines.last = Instant::now();
        let rate = (lines.done - lines.resumed) as f64 / lines.began.elapsed().as_secs_f64().max(1e-3);
        let left = lines.cells.saturating_sub(lines.done) as f64 / rate.max(1e-9);
        eprintln!("{} of {} cells, {rate:.1} a second, {left:.0} s left, {place}", lines.done, lines.cells);
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn start(&self, cells: usize) {
        self.bar.set_length(cells as u64);
        if let Some(lines) = &self.lines {
            lines.lock().unwrap_or_else(PoisonError::into_inner).cells = cells as u64;
        }
    }

    fn resume(&self, cells: usize) {
        self.bar.set_position(cells as u64);
        self.bar.reset_eta();
        if let Some(lines) = self.lines.as_ref().filter(|_| cells > 0) {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            (lines.resumed, lines.done) = (cells as u64, cells as u64);
            eprintln!("{cells} of {} cells were done before", lines.cells);
        }
    }

    fn advance(&self, cells: usize, place: &str) {
        self.bar.inc(cells as u64);
        self.bar.set_message(place.to_string());
        self.line(cells as u64, place);
    }
}
