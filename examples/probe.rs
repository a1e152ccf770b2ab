//! Probes and ranks the neurons of one site for one attribute, from a file of activations; needs no libtorch.
//!
//! Without options, on what the example `extract` wrote from the fixtures.

mod common;

use anyhow::{bail, Result};
use clap::Parser;
use common::{report, start_log};
use isogloss::activations::Activations;
use isogloss::ranking::{rank_split, Method};
use isogloss::treebank::{split, SplitMethod, SplitSettings};
use isogloss::{files, Error, Site};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Ranks the neurons of activations by a probe or a statistic, and writes the ranking with its curve as JSON.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Activations, with the table of their words beside them; by default what the example `extract` writes
    #[arg(long, value_name = "FILE.safetensors", default_value = "isogloss-out/activations.safetensors")]
    activations: PathBuf,
    /// Which tensor of the file
    #[arg(long, default_value = "residual.2")]
    site: Site,
    /// The attribute
    #[arg(long, default_value = "Number")]
    attribute: String,
    /// How neurons are ranked (docs/methods.md), such as `poisson` or `f_statistic`
    #[arg(long, default_value = "poisson")]
    method: Method,
    /// How many neurons to rank
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// Seed of split and probe
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How words are split: `balanced`, `lemma-types`, `sentences` or `official`
    #[arg(long, default_value = "balanced")]
    split: SplitMethod,
    /// The file to write
    #[arg(long, value_name = "FILE.json", default_value = "isogloss-out/probe.json")]
    out: PathBuf,
}

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<()> {
    start_log();
    let options = Options::parse();
    files::writable_parent(&options.out)?;
    let activations = Activations::open(&options.activations)?;
    let matrix = activations.site(options.site)?;
    let languages: BTreeSet<&str> = activations.words().iter().map(|word| &*word.language).collect();
    if languages.len() > 1 {
        bail!("the words are of several languages ({languages:?}); extract a file a language");
    }
    let language = languages.into_iter().next().unwrap_or_default();
    let names: BTreeSet<&str> =
        activations.words().iter().flat_map(|word| word.attributes.iter().map(|(name, _)| name)).collect();
    if !names.contains(options.attribute.as_str()) {
        let names: Vec<&str> = names.into_iter().collect();
        return Err(Error::unknown("attribute", &options.attribute, names.join(", ")).into());
    }
    let settings = SplitSettings { method: options.split, ..SplitSettings::default() };
    let split = split(activations.words(), language, &options.attribute, &settings, options.seed)?;
    let step = activations.about().get("step").map_or("", String::as_str);
    let names = [language, &options.attribute, step, &options.site.to_string()];
    let ranked = rank_split(&options.method, matrix, &split, options.k, options.seed, &names)?;
    let found = json!({
        "neurons": ranked.ranking.neurons().collect::<Vec<_>>(),
        "curve": ranked.ranking.curve(),
        "all": {"nmi_test": ranked.all.nmi, "accuracy_test": ranked.all.accuracy},
        "classes": split.classes,
        "words": {"train": split.train.words.len(), "dev": split.dev.words.len(), "test": split.test.words.len()},
        "parameters": {
            "site": options.site, "attribute": options.attribute, "language": language, "seed": options.seed, "k": options.k,
            "method": options.method, "split": settings, "about": activations.about(),
        },
    });
    files::write_atomic(&options.out, |w| {
        serde_json::to_writer_pretty(&mut *w, &found).map_err(|e| Error::file(&options.out, e.to_string()))?;
        writeln!(w).map_err(Error::io(&options.out, "write"))
    })?;
    say!("{}: classes {}; the first neurons:", options.attribute, split.classes.join(", "))?;
    let shown = |value: Option<f64>| isogloss::report::number(value, 3);
    for point in ranked.ranking.curve().iter().take(10) {
        say!("{:>4}  NMI {} on dev, {} on test", point.neuron, shown(point.nmi_dev), shown(point.nmi_test))?;
    }
    say!(" all  NMI {} on test, accuracy {}", shown(ranked.all.nmi), shown(ranked.all.accuracy))?;
    say!("{}", options.out.display())?;
    Ok(())
}
