//! The simulation.

use anyhow::{ensure, Result};
use isogloss::study::{Budget, Bytes, Needs, Shard};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A file of scales.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    rates: Rates,
    /// The language that transfer starts from, and that others wait for.
    source: String,
    /// By language.
    treebanks: BTreeMap<String, Treebank>,
    #[serde(rename = "study")]
    pub studies: Vec<Study>,
    #[serde(rename = "machines")]
    pub machines: Vec<Machines>,
}

/// How fast a core and a device are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    /// Seconds of a core for each word and neuron of a cell: so many, and so many more for each class.
    cell: f64,
    cell_class: f64,
    /// The share of it that several threads cannot divide among them.
    cell_serial: f64,
    /// Floating-point operations a second of a core in forward passes, float32.
    core_flops: f64,
    /// Bytes a second from disk into the model.
    load: f64,
    /// Subwords a word.
    subwords: f64,
}

/// Words of a language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Treebank {
    /// All that the forward pass sees.
    words: f64,
    /// Those that get a row: they have an attribute.
    rows: f64,
    /// Words and classes by attribute, where there are enough of them.
    attributes: BTreeMap<String, (f64, f64)>,
}

/// A series of checkpoints and what is asked of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    pub name: String,
    hidden_size: u64,
    /// Blocks that the deepest site needs.
    blocks: u64,
    vocabulary: u64,
    /// Bytes of a checkpoint's weights on disk.
    weights: f64,
    checkpoints: usize,
    sites: u64,
    /// All that the treebanks have, if empty.
    #[serde(default)]
    attributes: Vec<String>,
    seeds: u64,
    k: u64,
}

/// Processes, one a machine or a GPU.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machines {
    pub name: String,
    processes: usize,
    /// Of each process.
    cores: usize,
    /// Limit of each process (`--memory`).
    memory: Bytes,
    /// libtorch's, of each process, where cores compute.
    #[serde(default = "one")]
    threads: usize,
    /// Floating-point operations a second of each process's GPU; without, the cores compute.
    #[serde(default)]
    gpu_flops: Option<f64>,
    /// Bytes a second from the Hub, of each process; without, the weights are on disk.
    #[serde(default)]
    fetch: Option<f64>,
}

fn one() -> usize {
    1
}

/// A cell, in seconds of a core and in bytes.
#[derive(Clone, Copy)]
struct Cell {
    seconds: f64,
    bytes: u64,
}

/// A language's cells.
struct Language<'a> {
    treebank: &'a Treebank,
    cells: Vec<Cell>,
    /// Words x neurons, by which shards are cut.
    work: f64,
}

/// What a study takes.
pub struct Taken {
    pub cells: u64,
    /// Bytes.
    pub results: u64,
    pub activations: u64,
    /// The least that a process can do with.
    pub memory: u64,
    /// Of wall-clock time.
    pub seconds: f64,
    /// Share of the time of all cores in which they probe.
    pub busy: f64,
}

impl Scale {
    /// Whether every number can be reckoned with.
    pub fn check(&self) -> Result<()> {
        let Rates { cell, cell_class, cell_serial, core_flops, load, subwords } = self.rates;
        let positive = |name: &str, value: f64| {
            ensure!(value.is_finite() && value > 0.0, "{name} should be above 0, but is {value}");
            Ok(())
        };
        for (name, value) in [("core_flops", core_flops), ("load", load), ("subwords", subwords)] {
            positive(name, value)?;
        }
        positive("cell and cell_class together", cell + cell_class)?;
        ensure!((0.0..=1.0).contains(&cell_serial), "cell_serial should be 0 to 1, but is {cell_serial}");
        for machines in &self.machines {
            ensure!(machines.processes > 0 && machines.cores > 0, "{}: no processes or no cores", machines.name);
            machines.gpu_flops.map_or(Ok(()), |flops| positive("gpu_flops", flops))?;
            machines.fetch.map_or(Ok(()), |fetch| positive("fetch", fetch))?;
        }
        ensure!(self.treebanks.contains_key(&self.source), "the source `{}` has no treebank", self.source);
        for study in &self.studies {
            ensure!(study.hidden_size > 0 && study.sites > 0, "{}: no neurons", study.name);
            for attribute in &study.attributes {
                let known = self.treebanks.values().any(|treebank| treebank.attributes.contains_key(attribute));
                ensure!(known, "{}: no treebank has the attribute `{attribute}`", study.name);
            }
        }
        Ok(())
    }

    /// The languages, the source first.
    fn languages(&self, study: &Study) -> Vec<Language<'_>> {
        let mut names: Vec<&String> = self.treebanks.keys().collect();
        names.sort_by_key(|name| (**name != self.source, *name));
        names.into_iter().filter_map(|name| self.treebanks.get(name)).map(|t| self.language(study, t)).collect()
    }

    fn language<'a>(&'a self, study: &Study, treebank: &'a Treebank) -> Language<'a> {
        let asked = |name: &String| study.attributes.is_empty() || study.attributes.contains(name);
        // With real and with shuffled labels.
        let each = usize::try_from(study.sites * study.seeds * 2).unwrap_or(usize::MAX);
        let (mut cells, mut work) = (Vec::new(), treebank.rows);
        for (_, (words, classes)) in treebank.attributes.iter().filter(|(name, _)| asked(name)) {
            let size = words * study.hidden_size as f64;
            let seconds = size * (self.rates.cell + self.rates.cell_class * classes);
            let bytes = study.hidden_size * (*words as u64 * 3 * 4 + 12 * 8);
            cells.extend(std::iter::repeat_n(Cell { seconds, bytes }, each));
            work += size * each as f64;
        }
        Language { treebank, cells, work }
    }

    /// Parameters of the blocks that are needed.
    fn in_blocks(study: &Study) -> f64 {
        12.0 * (study.hidden_size * study.hidden_size * study.blocks) as f64
    }

    /// What a study takes on some machines.
    ///
    /// # Errors
    /// Where a process has too little memory.
    pub fn simulate(&self, study: &Study, machines: &Machines) -> Result<Taken> {
        let languages = self.languages(study);
        let needs = Self::needs(study, machines, &languages);
        let budget = needs.within(Some(machines.memory), machines.cores)?;
        let work: Vec<f64> =
            (0..study.checkpoints).flat_map(|_| languages.iter().map(|language| language.work)).collect();
        let mut shards: Vec<Vec<bool>> = (1..=machines.processes)
            .filter_map(|i| format!("{i}/{}", machines.processes).parse::<Shard>().ok())
            .map(|shard| shard.takes(&work))
            .collect();
        let waits = share_sources(&mut shards, languages.len());
        let process =
            |(shard, waits): (&Vec<bool>, &bool)| self.process(study, machines, budget, &languages, shard, *waits);
        let seconds = shards.iter().zip(&waits).map(process).fold(0.0, f64::max);
        let of_cells = |language: &Language<'_>| language.cells.iter().map(|cell| cell.seconds).sum::<f64>();
        let probing = languages.iter().map(of_cells).sum::<f64>() * study.checkpoints as f64;
        let cells = (study.checkpoints * languages.iter().map(|language| language.cells.len()).sum::<usize>()) as u64;
        // The language that is probed and the one that is extracted.
        let stored = if needs.activations > Needs::ON_DISK { 2 * needs.activations } else { 0 };
        let cores = (machines.processes * machines.cores) as f64;
        Ok(Taken {
            cells,
            results: cells * (60 * study.k + 400),
            activations: stored * machines.processes as u64,
            memory: needs.peak(Budget { overlap: false, cells: 1, bytes: needs.cell }),
            seconds,
            busy: probing / (seconds * cores),
        })
    }

    fn needs(study: &Study, machines: &Machines, languages: &[Language<'_>]) -> Needs {
        let most = |of: &dyn Fn(&Treebank) -> f64| languages.iter().map(|l| of(l.treebank)).fold(0.0, f64::max) as u64;
        let row = 4 * study.hidden_size * study.sites;
        let parameters = Self::in_blocks(study) as u64 + study.vocabulary * study.hidden_size;
        let probes = languages.first().map_or(0, |source| source.cells.len() / 2) as u64;
        Needs {
            model: if machines.gpu_flops.is_some() { 0 } else { 4 * parameters },
            activations: row * most(&|treebank| treebank.rows),
            shard: row * ((512 << 20) / (32 * study.hidden_size)).min(65536),
            probes: 12 * 8 * study.hidden_size * probes,
            cell: languages.iter().flat_map(|language| &language.cells).map(|cell| cell.bytes).max().unwrap_or(0),
        }
    }

    /// Seconds that a process takes for its shard.
    fn process(
        &self,
        study: &Study,
        machines: &Machines,
        budget: Budget,
        languages: &[Language<'_>],
        takes: &[bool],
        waits: bool,
    ) -> f64 {
        let (mut now, mut fetch_from) = (0.0, 0.0);
        if let Some(source) = languages.first().filter(|_| waits) {
            // Loading is counted below.
            now = self.extraction(study, machines, source.treebank)
                + makespan(&source.cells, budget, self.rates.cell_serial);
        }
        for own in takes.chunks(languages.len()).filter(|own| own.contains(&true)) {
            // The next checkpoint's weights are fetched as soon as those of this one are there.
            let fetched: f64 = fetch_from + machines.fetch.map_or(0.0, |rate| study.weights / rate);
            let begin = fetched.max(now);
            fetch_from = begin;
            now = begin + study.weights / self.rates.load;
            let own = languages.iter().zip(own).filter(|(_, own)| **own).map(|(language, _)| language);
            let mut probing = 0.0;
            for Language { treebank, cells, .. } in own {
                // One is extracted while the one before is probed, and handed over when both are done.
                let extraction = self.extraction(study, machines, treebank);
                now += if budget.overlap { beside(machines, extraction, probing) } else { extraction + probing };
                probing = makespan(cells, budget, self.rates.cell_serial);
            }
            now += probing;
        }
        now
    }

    fn extraction(&self, study: &Study, machines: &Machines, treebank: &Treebank) -> f64 {
        let operations = 2.0 * Self::in_blocks(study) * treebank.words * self.rates.subwords;
        operations / machines.gpu_flops.unwrap_or(machines.threads as f64 * self.rates.core_flops)
    }
}

/// Others at a checkpoint need the source's probes. Of shards that share one, the source is done by the first that comes: not by its own, whose last
/// checkpoint it is, but by the next, which begins with it; if both begin with it, by its own. Gives which shards wait for that.
fn share_sources(shards: &mut [Vec<bool>], languages: usize) -> Vec<bool> {
    let mut waits = vec![false; shards.len()];
    let firsts: Vec<Option<usize>> = shards.iter().map(|takes| takes.iter().position(|own| *own)).collect();
    for (i, first) in firsts.iter().enumerate() {
        let Some(first) = first.filter(|first| first % languages > 0) else { continue };
        let source = first - first % languages;
        let Some(owner) = shards.iter().position(|takes| takes.get(source) == Some(&true)) else { continue };
        // The owner begins at this checkpoint, with the source or, if it was given that before, with another language.
        if firsts.get(owner).is_some_and(|first| first.is_some_and(|first| first >= source)) {
            waits[i] = true;
            continue;
        }
        for (shard, takes) in shards.iter_mut().enumerate() {
            if let Some(takes) = takes.get_mut(source) {
                *takes = shard == i;
            }
        }
    }
    waits
}

/// Seconds until extraction and probing, which take so long alone, are both done. Where both are on the cores, each is slower
/// as long as the other goes on.
fn beside(machines: &Machines, extraction: f64, probing: f64) -> f64 {
    let more = if machines.gpu_flops.is_some() { 0.0 } else { machines.threads as f64 / machines.cores as f64 };
    extraction.max(probing) + more * extraction.min(probing)
}

/// Seconds that cells take on as many cores as the budget has, the dearest first, each as soon as there are a core and memory. Where memory has
/// room for fewer than cores, several cores do one.
fn makespan(cells: &[Cell], budget: Budget, serial: f64) -> f64 {
    let mut cells = cells.to_vec();
    cells.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    // When it ends, and the memory and cores that it takes.
    let mut running: Vec<(f64, u64, usize)> = Vec::new();
    let (mut now, mut end): (f64, f64) = (0.0, 0.0);
    for Cell { seconds, bytes } in cells {
        let fit = usize::try_from(budget.bytes / bytes.max(1)).unwrap_or(usize::MAX).clamp(1, budget.cells);
        let threads = budget.cells / fit;
        let full = |running: &[(f64, u64, usize)]| {
            let (taken, busy) = running.iter().fold((0, 0), |(taken, busy), cell| (taken + cell.1, busy + cell.2));
            busy > 0 && (busy + threads > budget.cells || taken + bytes > budget.bytes)
        };
        while full(&running) {
            running.sort_by(|a, b| b.0.total_cmp(&a.0));
            now = running.pop().map_or(now, |cell| cell.0);
        }
        let seconds = seconds * (serial + (1.0 - serial) / threads as f64);
        running.push((now + seconds, bytes, threads));
        end = end.max(now + seconds);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(seconds: f64, bytes: u64) -> Cell {
        Cell { seconds, bytes }
    }

    #[test]
    fn cells_wait_for_a_core_and_for_memory() {
        let cells = [cell(1.0, 1), cell(3.0, 1), cell(2.0, 1), cell(2.0, 1)];
        let with = |cells: usize, bytes| Budget { overlap: true, cells, bytes };
        assert_eq!(makespan(&cells, with(1, 9), 0.5), 8.0);
        // 3 and 1 on one core, 2 and 2 on the other.
        assert_eq!(makespan(&cells, with(2, 9), 0.5), 4.0);
        assert_eq!(makespan(&cells, with(9, 9), 0.5), 3.0);
        // One after another, both cores at each: half of it twice as fast.
        assert_eq!(makespan(&cells, with(2, 1), 0.5), 6.0);
        assert_eq!(makespan(&[cell(1.0, 5), cell(1.0, 5)], with(2, 4), 1.0), 2.0);
    }

    /// One process, one checkpoint, two languages: all by hand.
    #[test]
    fn a_small_study_takes_what_it_takes_by_hand() {
        let text = r#"
            rates = { cell = 1e-3, cell_class = 0.0, cell_serial = 1.0, core_flops = 12e4, load = 10.0, subwords = 1.0 }
            source = "a"
            treebanks.a = { words = 100, rows = 50, attributes = { POS = [20, 2] } }
            treebanks.b = { words = 300, rows = 50, attributes = { POS = [10, 2], Case = [5, 2] } }
            machines = [
                { name = "m", processes = 1, cores = 1, memory = "1 GiB" },
                { name = "g", processes = 1, cores = 2, memory = "1 GiB", gpu_flops = 12e4, fetch = 5.0 },
            ]
            [[study]]
            name = "s"
            hidden_size = 100
            blocks = 1
            vocabulary = 10
            weights = 50.0
            checkpoints = 1
            sites = 1
            attributes = ["POS"]
            seeds = 1
            k = 5
        "#;
        let scale: Scale = toml::from_str(text).unwrap();
        scale.check().unwrap();
        let taken = |machines: usize| scale.simulate(&scale.studies[0], &scale.machines[machines]).unwrap();
        // Loaded in 5 s; a: extracted in 2 x 12 x 100^2 x 100 / 12e4 = 200 s, two cells of 2 s each; b: 600 s, two of 1 s. Four seconds
        // of cells beside 600 of extraction on one core, and two seconds in the end.
        assert_eq!((taken(0).seconds, taken(0).cells), (5.0 + 200.0 + 604.0 + 2.0, 4));
        assert!((taken(0).busy - 6.0 / 811.0).abs() < 1e-12);
        // Fetched in 10 s; cells on cores of their own.
        assert_eq!(taken(1).seconds, 10.0 + 5.0 + 200.0 + 600.0 + 1.0);
    }
}
