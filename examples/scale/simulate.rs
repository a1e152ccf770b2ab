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

/// A language's words and cells.
type Language<'a> = (&'a Treebank, Vec<Cell>);

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
        for study in &self.studies {
            for attribute in &study.attributes {
                let known = self.treebanks.values().any(|treebank| treebank.attributes.contains_key(attribute));
                ensure!(known, "{}: no treebank has the attribute `{attribute}`", study.name);
            }
        }
        Ok(())
    }

    /// What each cell of a language takes.
    fn cells(&self, study: &Study, treebank: &Treebank) -> Vec<Cell> {
        let asked = |name: &String| study.attributes.is_empty() || study.attributes.contains(name);
        // With real and with shuffled labels.
        let each = usize::try_from(study.sites * study.seeds * 2).unwrap_or(usize::MAX);
        let of_attribute = |(words, classes): &(f64, f64)| {
            let seconds = words * study.hidden_size as f64 * (self.rates.cell + self.rates.cell_class * classes);
            let bytes = study.hidden_size * (*words as u64 * 3 * 4 + 12 * 8);
            std::iter::repeat_n(Cell { seconds, bytes }, each)
        };
        let attributes = treebank.attributes.iter().filter(|(name, _)| asked(name));
        attributes.flat_map(|(_, about)| of_attribute(about)).collect()
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
        let languages: Vec<Language<'_>> =
            self.treebanks.values().map(|treebank| (treebank, self.cells(study, treebank))).collect();
        let needs = Self::needs(study, machines, &languages);
        let budget = needs.within(Some(machines.memory), machines.cores)?;
        let sum = |cells: &Vec<Cell>| cells.iter().map(|cell| cell.seconds).sum();
        let costs: Vec<f64> = languages.iter().map(|(_, cells)| sum(cells)).collect();
        let all: Vec<f64> = (0..study.checkpoints).flat_map(|_| costs.clone()).collect();
        let seconds = (1..=machines.processes)
            .filter_map(|i| format!("{i}/{}", machines.processes).parse::<Shard>().ok())
            .map(|shard| self.process(study, machines, budget, &languages, &shard.takes(&all)))
            .fold(0.0, f64::max);
        let cells = (study.checkpoints * languages.iter().map(|(_, cells)| cells.len()).sum::<usize>()) as u64;
        // The language that is probed and the one that is extracted.
        let stored = if needs.activations > Needs::ON_DISK { 2 * needs.activations } else { 0 };
        let cores = (machines.processes * machines.cores) as f64;
        Ok(Taken {
            cells,
            results: cells * (60 * study.k + 400),
            activations: stored * machines.processes as u64,
            memory: needs.peak(Budget { overlap: false, cells: 1, bytes: needs.cell }),
            seconds,
            busy: all.iter().sum::<f64>() / (seconds * cores),
        })
    }

    fn needs(study: &Study, machines: &Machines, languages: &[Language<'_>]) -> Needs {
        let most = |of: &dyn Fn(&Treebank) -> f64| languages.iter().map(|(t, _)| of(t)).fold(0.0, f64::max) as u64;
        let row = 4 * study.hidden_size * study.sites;
        let parameters = Self::in_blocks(study) as u64 + study.vocabulary * study.hidden_size;
        let attributes = languages.iter().map(|(t, _)| t.attributes.len()).max().unwrap_or(0) as u64;
        Needs {
            model: if machines.gpu_flops.is_some() { 0 } else { 4 * parameters },
            activations: row * most(&|treebank| treebank.rows),
            shard: row * ((512 << 20) / (32 * study.hidden_size)).min(65536),
            probes: 12 * 8 * study.hidden_size * study.sites * study.seeds * attributes,
            cell: languages.iter().flat_map(|(_, cells)| cells).map(|cell| cell.bytes).max().unwrap_or(0),
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
    ) -> f64 {
        let (mut now, mut fetch_from) = (0.0, 0.0);
        for own in takes.chunks(languages.len()).filter(|own| own.contains(&true)) {
            // The next checkpoint's weights are fetched as soon as those of this one are there.
            let fetched: f64 = fetch_from + machines.fetch.map_or(0.0, |rate| study.weights / rate);
            let begin = fetched.max(now);
            fetch_from = begin;
            now = begin + study.weights / self.rates.load;
            let own = languages.iter().zip(own).filter(|(_, own)| **own).map(|(language, _)| language);
            let mut probing = 0.0;
            for (treebank, cells) in own {
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
    let mut running: Vec<(f64, u64)> = Vec::new();
    let (mut now, mut end): (f64, f64) = (0.0, 0.0);
    for Cell { seconds, bytes } in cells {
        let full = |running: &[(f64, u64)]| {
            let taken: u64 = running.iter().map(|(_, bytes)| bytes).sum();
            running.len() >= budget.cells || (taken > 0 && taken + bytes > budget.bytes)
        };
        while full(&running) {
            running.sort_by(|a, b| b.0.total_cmp(&a.0));
            now = running.pop().map_or(now, |(end, _)| end);
        }
        let fit = (budget.bytes / bytes.max(1)).clamp(1, budget.cells as u64);
        let threads = budget.cells as f64 / fit as f64;
        let seconds = seconds * (serial + (1.0 - serial) / threads);
        running.push((now + seconds, bytes));
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
