//! A small study on disk, of invented models, languages and neurons, and what checks its tables by brute force.

use isogloss::checkpoint::Step;
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

pub const LANGUAGES: [&str; 4] = ["UD_Basque", "UD_English", "UD_High_Valyrian-X", "UD_Old_French"];
pub const CODES: [&str; 4] = ["eu", "en", "high_valyrian", "fro"];
pub const ATTRIBUTES: [&str; 2] = ["Number", "POS"];
pub const LAYERS: [usize; 2] = [3, 8];
pub const PICKED: usize = 30;

/// Model, step, layer, language's place, attribute.
pub type Key = (&'static str, Step, usize, usize, &'static str);
pub type Rankings = BTreeMap<Key, Vec<usize>>;

/// A plain generator, so that the test needs none of the library's.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    /// Swaps `n` of the neurons for others.
    pub fn drift(&mut self, neurons: &mut [usize], n: usize, width: usize) {
        for _ in 0..n {
            let (place, neuron) = (self.below(neurons.len()), self.below(width));
            if !neurons.contains(&neuron) {
                neurons[place] = neuron;
            }
        }
    }

    pub fn ranking(&mut self, width: usize) -> Vec<usize> {
        let mut neurons: Vec<usize> = (0..PICKED).collect();
        self.drift(&mut neurons, 400, width);
        neurons
    }
}

pub fn number(step: u64) -> Step {
    Step::Number(step)
}

/// Rankings that drift from step to step; languages share some of their neurons.
pub fn drifting(model: &'static str, width: usize, steps: &[Step]) -> Rankings {
    let mut random = Random(width as u64);
    let mut rankings = Rankings::new();
    for layer in LAYERS {
        for attribute in ATTRIBUTES {
            let common = random.ranking(width);
            for language in 0..LANGUAGES.len() {
                // The last language lacks an attribute.
                if (language, attribute) == (3, "Number") {
                    continue;
                }
                let mut neurons = common.clone();
                random.drift(&mut neurons, 15, width);
                for &step in steps {
                    rankings.insert((model, step, layer, language, attribute), neurons.clone());
                    random.drift(&mut neurons, 12, width);
                }
            }
        }
    }
    rankings
}

pub fn log_of(neurons: &[usize]) -> Value {
    let metrics = |i: usize| json!({"mi": 0.01 * i as f64 - 0.1, "accuracy": 0.5 + 0.001 * i as f64});
    let entry =
        |i: usize| json!({"iteration_dimension": neurons[i], "dimensions": neurons[..=i], "metrics": metrics(i)});
    let mut entries: Vec<Value> = (0..neurons.len()).map(entry).collect();
    entries.push(json!({"dimensions": "ALL", "metrics": {"mi": -0.2, "accuracy": 0.4}}));
    Value::Array(entries)
}

pub fn folder((model, step, layer, language, attribute): Key) -> PathBuf {
    let model = match step {
        Step::Final => model.to_owned(),
        Step::Number(step) => format!("{model}-intermediate-global_step{step}"),
    };
    [&model, &format!("inter-layer-{layer}"), LANGUAGES[language], attribute].iter().collect()
}

/// A folder with selections and scores that a test may damage.
pub struct Tree {
    pub dir: TempDir,
    pub rankings: Rankings,
}

impl Tree {
    pub fn of(rankings: Rankings) -> Self {
        let tree = Tree { dir: tempfile::tempdir().unwrap(), rankings };
        for (key, neurons) in &tree.rankings {
            let path = tree.log(*key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, log_of(neurons).to_string()).unwrap();
        }
        fs::create_dir(tree.scores()).unwrap();
        tree
    }

    /// Two models of different widths; scores at all steps of `aa`, of `bb` at some.
    pub fn usual() -> Self {
        let mut rankings = drifting("aa", 64, &[number(10), number(100), number(1000), Step::Final]);
        rankings.extend(drifting("bb", 96, &[number(5), number(50), number(500)]));
        let tree = Self::of(rankings);
        let write = |name: &str, text: &str| fs::write(tree.scores().join(name), text).unwrap();
        write(
            "aa_xnli_acc.csv",
            ",best,10,100,1000\neu,0.9,0.1,0.25,0.5\nen,0.8,0.6,0.7,0.9\nUD_Old_French,0.3,0.4,0.2,0.45\nxx,1,1,1,1\n",
        );
        write("aa_f1-score.csv", ",1000,best,10,100\nBasque,0.3,0.35,0.2,\nen,0.6,0.7,0.3,0.5\n");
        write("bb_f1-score.csv", ",5,500\neu,0.3,0.4\n");
        write("aa_cos-similarity.csv", "not a table that is read");
        tree
    }

    pub fn selections(&self) -> PathBuf {
        self.dir.path().join("selections")
    }

    pub fn scores(&self) -> PathBuf {
        self.dir.path().join("scores")
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    pub fn log(&self, key: Key) -> PathBuf {
        self.selections().join(folder(key)).join("loginfo.json")
    }

    pub fn some_log(&self) -> PathBuf {
        self.log(("aa", number(100), 3, 0, "POS"))
    }

    pub fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let examples = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
        let path = examples.join("published");
        assert!(path.is_file(), "{} is not built: run `cargo build --examples` first", path.display());
        let mut command = Command::new(path);
        command.arg("--selections").arg(self.selections()).arg("--scores").arg(self.scores());
        if !more.contains(&"--k") {
            command.args(["--k", "30"]);
        }
        command.arg("--out").arg(self.out()).args(more);
        command
    }

    /// The run fails, says every one of `why`, does not panic, and leaves no files.
    pub fn refused(&self, more: &[&str], why: &[&str]) {
        let Output { status, stderr, .. } = self.run(more);
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(!status.success(), "{why:?} was accepted");
        for why in why {
            assert!(stderr.contains(why), "expected {why:?} in: {stderr}");
        }
        // Warnings may come before it.
        assert!(!stderr.contains("panicked") && stderr.lines().any(|line| line.starts_with("error: ")), "{stderr}");
        assert!(!self.out().exists(), "{why:?} left files behind");
    }

    pub fn succeeds(&self, more: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(more);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// A table as maps from columns to fields.
    pub fn table(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(self.out().join(name)).unwrap();
        reader.deserialize().map(|row| row.unwrap()).collect()
    }
}

pub fn shared(a: &[usize], b: &[usize], k: usize) -> usize {
    let b: BTreeSet<_> = b[..k].iter().collect();
    a[..k].iter().filter(|neuron| b.contains(neuron)).count()
}

pub fn choose(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
}

pub fn close(text: &str, expected: f64, tolerance: f64) {
    let value: f64 = text.parse().unwrap_or_else(|_| panic!("`{text}` is no number, expected {expected}"));
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}

pub fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean overlap of a step at a layer, by attribute.
pub fn rate(tree: &Tree, model: &'static str, step: Step, layer: usize, attribute: &'static str) -> f64 {
    let rankings: Vec<&Vec<usize>> =
        (0..4).filter_map(|language| tree.rankings.get(&(model, step, layer, language, attribute))).collect();
    let pairs = rankings.iter().enumerate().flat_map(|(i, a)| rankings.iter().skip(i + 1).map(move |b| (a, b)));
    average(&pairs.map(|(a, b)| shared(a, b, 30) as f64 / 30.0).collect::<Vec<_>>())
}
