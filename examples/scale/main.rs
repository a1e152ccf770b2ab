//! What a study takes on machines that are not at hand: cells, disk, memory and hours, by simulation from measured rates.
//!
//! ```sh
//! cargo run --release --no-default-features --example scale                  # the table in docs/cluster.md
//! cargo run --release --no-default-features --example scale -- FILE.toml     # other models, treebanks, machines or rates
//! ```
//!
//! The file says what there is (docs/scale.toml explains it). The simulation does what a study does: shards are stretches of the
//! same order, a process goes through its checkpoints, a thread extracts a language while the one before is probed, and cells
//! go to the cores as they become free, the dearest first.

#[path = "../common/mod.rs"]
mod common;
mod simulate;

use anyhow::{Context, Result};
use clap::Parser;
use common::report;
use isogloss::report::TextTable;
use isogloss::study::Bytes;
use simulate::{Scale, Taken};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a study takes on machines that are not at hand: cells, disk, memory and hours, by simulation from measured rates.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Models, treebanks, machines and rates
    #[arg(value_name = "FILE.toml")]
    file: Option<PathBuf>,
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scale.toml");
    let file = Options::parse().file.unwrap_or(here);
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let scale: Scale = toml::from_str(&text).with_context(|| file.display().to_string())?;
    scale.check().with_context(|| file.display().to_string())?;
    say!("{}", table(&scale)?.markdown())
}

/// A row a study and kind of machines.
fn table(scale: &Scale) -> Result<TextTable> {
    let hours = |seconds: f64| match seconds / 3600.0 {
        hours if hours < 10.0 => format!("{hours:.1}"),
        hours => format!("{hours:.0}"),
    };
    let columns = ["study", "machines", "cells", "results", "activations", "least memory", "hours", "of cores busy"];
    let mut table = TextTable::new(columns);
    for study in &scale.studies {
        for machines in &scale.machines {
            let Taken { cells, results, activations, memory, seconds, busy } = scale.simulate(study, machines)?;
            table.row([
                study.name.clone(),
                machines.name.clone(),
                cells.to_string(),
                Bytes(results).to_string(),
                Bytes(activations).to_string(),
                Bytes(memory).to_string(),
                hours(seconds),
                format!("{:.0} %", 100.0 * busy),
            ]);
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_this_table() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let scale: Scale = toml::from_str(&std::fs::read_to_string(docs.join("scale.toml")).unwrap()).unwrap();
        scale.check().unwrap();
        let guide = std::fs::read_to_string(docs.join("cluster.md")).unwrap();
        let table = table(&scale).unwrap().markdown();
        assert!(guide.contains(&table), "docs/cluster.md should have:\n{table}");
    }
}
