//! A study that is killed, damaged, shared or changed ends with the bytes of one that was not, and does no more than it must.
#![cfg(feature = "torch")]

use rand::Rng;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const STEPS: [&str; 2] = ["global_step0", "global_step3000"];
/// Steps x languages x seeds, with real and with shuffled labels.
const CELLS: usize = 2 * 2 * 2 * 2;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// A folder with a series and treebanks that a test may damage, and the folders that studies write.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        for step in STEPS {
            fs::create_dir_all(place.path("series").join(step)).unwrap();
            for file in ["config.json", "model.safetensors"] {
                place.mend(step, file);
            }
        }
        fs::copy(fixture("tiny-bloom/tokenizer.json"), place.path("series/tokenizer.json")).unwrap();
        for language in ["qa", "qb"] {
            let file = format!("{language}.conllu");
            fs::copy(fixture("treebanks").join(&file), place.path(&file)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file of a checkpoint as it should be.
    fn mend(&self, step: &str, file: &str) {
        fs::copy(fixture("tiny-bloom").join(step).join(file), self.path("series").join(step).join(file)).unwrap();
    }

    /// The study, with quick probes.
    fn study(&self, out: &str) -> Command {
        let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
        let mut command = Command::new(folder.join("overlap_vs_step"));
        command.arg("--series").arg(self.path("series")).arg("--out").arg(self.path(out));
        for language in ["qa", "qb"] {
            let file = self.path(&format!("{language}.conllu"));
            command.arg("--treebank").arg(format!("{language}={}", file.display()));
        }
        // Later settings win.
        for setting in ["attributes=Number", "sites=residual.1", "k=3", "seeds=[0,1]", "threads=1"] {
            command.args(["--set", setting]);
        }
        command.args(["--set", "method.poisson.max_epochs=2"]).env("RUST_LOG", "error");
        command
    }

    fn run(&self, out: &str, options: &[&str]) -> Output {
        self.study(out).args(options).output().unwrap()
    }

    #[track_caller]
    fn succeed(&self, out: &str, options: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(out, options);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// The files that a study writes for its reader, but for the log. Where the series lies is no part of them.
    fn tables(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        let here = self.0.path().to_string_lossy().into_owned();
        let files = fs::read_dir(self.path(out)).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.is_file() && !path.ends_with("log.jsonl"));
        let read = |path: PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = fs::read(&path).unwrap();
            match name.as_str() {
                "study.toml" => (name, String::from_utf8(bytes).unwrap().replace(&here, "HERE").into_bytes()),
                // It has the hash of `study.toml`.
                "provenance.json" => (name, Vec::new()),
                _ => (name, bytes),
            }
        };
        files.map(read).collect()
    }

    /// How many cells have been computed in a folder so far: lines of the log.
    fn computed(&self, out: &str) -> usize {
        let log = fs::read_to_string(self.path(out).join("log.jsonl")).unwrap_or_default();
        log.lines().filter(|line| line.contains(r#""kind":"ranking""#)).count()
    }

    /// How many cells a run computes.
    #[track_caller]
    fn computes(&self, out: &str, options: &[&str]) -> usize {
        let before = self.computed(out);
        self.succeed(out, options);
        self.computed(out) - before
    }

    fn cells(&self, out: &str, step: &str, file: &str) -> PathBuf {
        self.path(out).join("cells/series").join(step).join(file)
    }
}

/// The tables of a run that nothing happened to, and how long it took.
fn undisturbed() -> &'static (BTreeMap<String, Vec<u8>>, Duration) {
    static TABLES: OnceLock<(BTreeMap<String, Vec<u8>>, Duration)> = OnceLock::new();
    TABLES.get_or_init(|| {
        let place = Place::new();
        let began = Instant::now();
        place.succeed("out", &[]);
        let took = began.elapsed();
        assert_eq!(place.computed("out"), CELLS);
        (place.tables("out"), took)
    })
}

#[track_caller]
fn same(found: &BTreeMap<String, Vec<u8>>) {
    let (expected, _) = undisturbed();
    let differ = |name: &&String| expected.get(*name) != found.get(*name);
    let names: Vec<&String> = expected.keys().chain(found.keys()).filter(differ).collect();
    assert!(names.is_empty(), "{names:?} differ");
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    let place = Place::new();
    let took = undisturbed().1;
    let mut rng = isogloss::seed::stream(1, &["kill"]);
    let kills = 12;
    for kill in 0..kills {
        // Activations on disk or in memory: both go on.
        let options: &[&str] = if kill % 2 == 0 { &[] } else { &["--set", "keep_activations=true"] };
        let mut child = start(place.study("out").args(options));
        std::thread::sleep(took.mul_f64(rng.gen_range(0.05..0.9)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.succeed("out", &[]);
    same(&place.tables("out"));
    // A kill costs at most the cells that were being computed.
    let threads = std::thread::available_parallelism().unwrap().get();
    assert!(place.computed("out") <= CELLS + kills * threads);
    assert_eq!(place.computes("out", &[]), 0);
}

#[test]
fn damaged_results_are_done_again_and_no_others() {
    let place = Place::new();
    place.succeed("out", &["--keep-activations"]);
    let whole = fs::read(place.cells("out", "0", "qa.cells")).unwrap();
    // A byte of the last line, so of one cell; half a file; a file; what is kept of weights and probes.
    let mut flipped = whole.clone();
    let last = flipped.len() - 20;
    flipped[last] ^= 1;
    fs::write(place.cells("out", "0", "qa.cells"), flipped).unwrap();
    let half = fs::read(place.cells("out", "0", "qb.cells")).unwrap();
    fs::write(place.cells("out", "0", "qb.cells"), &half[..half.len() / 2]).unwrap();
    fs::remove_file(place.cells("out", "3000", "qb.cells")).unwrap();
    fs::write(place.cells("out", "3000", "_checkpoint.weights"), "nonsense\n").unwrap();
    fs::write(place.cells("out", "3000", "qa.probes"), "").unwrap();
    let activations = fs::read_dir(place.path("out/activations/series/qa/0")).unwrap().next().unwrap().unwrap().path();
    fs::write(activations.join("manifest.json"), "{").unwrap();
    let again = place.computes("out", &["--keep-activations"]);
    assert!((4..CELLS).contains(&again), "{again}");
    let mut tables = place.tables("out");
    // It says that activations are kept.
    tables.insert("study.toml".into(), undisturbed().0["study.toml"].clone());
    same(&tables);
    assert_eq!(place.computes("out", &["--keep-activations"]), 0);
}

#[test]
fn a_checkpoint_that_cannot_be_loaded_fails_alone() {
    let place = Place::new();
    let weights = place.path("series/global_step3000/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let Output { status, stderr, stdout } = place.run("out", &[]);
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && stderr.contains("error: 8 rankings are missing"), "{stderr}");
    assert!(stderr.contains("truncated") && !stderr.contains("panicked"), "{stderr}");
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(stdout.contains("Missing: 8 rankings of step 3000 (qa, qb)"), "{stdout}");
    let tables = place.tables("out");
    let missing = String::from_utf8_lossy(&tables["missing.csv"]);
    assert_eq!(missing.lines().count(), 9, "{missing}");
    assert!(missing.lines().skip(1).all(|line| line.starts_with("series,3000,q") && line.contains("truncated")));
    assert!(String::from_utf8_lossy(&tables["overlap_vs_step.csv"]).contains("series,0,"));
    // Without a checkpoint that can be used there is nothing to write.
    let Output { status, stderr, .. } = place.run("other", &["--steps", "3000"]);
    assert!(!status.success() && String::from_utf8_lossy(&stderr).contains("no cell is done"));
    // With --fail-fast it is refused before any work.
    let Output { status, .. } = place.run("strict", &["--fail-fast"]);
    assert!(!status.success() && !place.path("strict").exists());
    place.mend(STEPS[1], "model.safetensors");
    // So does one that has not the blocks that the site needs, unless no other has them.
    let config = place.path("series/global_step3000/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"n_layer\": 4", "\"n_layer\": 0")).unwrap();
    let Output { status, stderr, .. } = place.run("out", &[]);
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && stderr.contains("error: 8 rankings are missing"), "{stderr}");
    let Output { status, stderr, .. } = place.run("out", &["--steps", "3000"]);
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && !stderr.contains("missing"), "{stderr}");
    place.mend(STEPS[1], "config.json");
    assert_eq!(place.computes("out", &[]), CELLS / 2);
    same(&place.tables("out"));
}

#[test]
fn a_full_disk_stops_it_and_a_rerun_completes_it() {
    let place = Place::new();
    let study = place.study("out");
    // No file may grow beyond a few kilobytes: writes fail as they do on a full disk.
    let mut limited = Command::new("bash");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\""])
        .arg(study.get_program())
        .args(study.get_args());
    let Output { status, stderr, .. } = limited.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && stderr.contains("cannot write") && !stderr.contains("panicked"), "{stderr}");
    place.succeed("out", &[]);
    same(&place.tables("out"));
}

#[test]
fn what_only_merges_or_asks_needs_no_gpu() {
    let place = Place::new();
    place.succeed("out", &[]);
    let on_gpu = ["--set", "device=cuda:0"];
    let dry = place.succeed("out", &[&on_gpu[..], &["--dry-run"]].concat());
    assert!(dry.contains("of which 0 are done and 16 would be computed"), "{dry}");
    let Output { status, stderr, .. } = place.run("out", &[&on_gpu[..], &["--merge"]].concat());
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && stderr.contains("no cell is done: not done yet"), "{stderr}");
}

#[test]
fn a_description_is_not_written_over() {
    let place = Place::new();
    let out = place.path("out");
    place.succeed("out", &[]);
    let file = out.join("study.toml");
    let in_full = fs::read_to_string(&file).unwrap();
    let run = |options: &[&str]| {
        let program = place.study("out").get_program().to_owned();
        let out = out.to_str().unwrap();
        Command::new(program)
            .args(["--study", &format!("{out}/study.toml"), "--out", out])
            .args(options)
            .output()
            .unwrap()
    };
    // What a study wrote describes it, and may be given again.
    assert!(run(&[]).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), in_full);
    fs::write(&file, format!("# Mine.\n{in_full}")).unwrap();
    let Output { status, stderr, .. } = run(&[]);
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && stderr.contains("another folder with --out"), "{stderr}");
    assert!(fs::read_to_string(&file).unwrap().starts_with("# Mine."));
}

#[test]
fn activations_left_by_a_kill_go_and_kept_ones_stay() {
    let place = Place::new();
    place.succeed("out", &["--keep-activations"]);
    let kept = place.path("out/activations/series");
    let left = place.path("out/scratch/series/qa/0/0123456789abcdef");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("00000.safetensors"), "x").unwrap();
    assert_eq!(place.computes("out", &[]), 0);
    assert!(kept.join("qa/0").is_dir() && !place.path("out/scratch/series/qa/0").exists());
}

#[test]
fn two_processes_share_a_study() {
    let place = Place::new();
    let mut both = [start(&mut place.study("out")), start(&mut place.study("out"))];
    for child in &mut both {
        assert!(child.wait().unwrap().success());
    }
    same(&place.tables("out"));
    assert_eq!(place.computed("out"), CELLS);
}

#[test]
fn shards_and_a_merge_are_one_study() {
    let place = Place::new();
    let mut first = start(place.study("out").args(["--shard", "1/3"]));
    assert!(first.wait().unwrap().success());
    assert!(!place.path("out/overlap.csv").exists());
    let Output { status, .. } = place.run("out", &["--merge"]);
    assert!(!status.success() && place.path("out/missing.csv").exists());
    let mut others = ["2/3", "3/3"].map(|shard| start(place.study("out").args(["--shard", shard])));
    for child in &mut others {
        assert!(child.wait().unwrap().success());
    }
    place.succeed("out", &["--merge"]);
    same(&place.tables("out"));
    assert_eq!(place.computed("out"), CELLS);
}

#[test]
fn the_script_for_slurm_submits_shards_and_a_merge_and_does_them() {
    let place = Place::new();
    let name = "out of 100% 'quoted'";
    let script = place.path("study.sbatch");
    fs::write(&script, place.succeed(name, &["--slurm", "3"])).unwrap();
    assert!(!place.path(name).exists());
    // Slurm's program, which here keeps what it is given and names jobs 71 and 72.
    let sbatch = place.path("sbatch");
    let text = "#!/bin/bash\nprintf '%s\\n' \"$@\" END >>\"$0.log\"\necho \"7$(grep -c END \"$0.log\");cluster\"\n";
    fs::write(&sbatch, text).unwrap();
    Command::new("chmod").arg("+x").arg(&sbatch).status().unwrap();
    let mut paths = vec![place.path("")];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let bash = |task: Option<usize>, options: &[&str]| {
        let mut bash = Command::new("bash");
        bash.arg(&script)
            .args(options)
            .env("PATH", std::env::join_paths(&paths).unwrap())
            .env("SLURM_CPUS_PER_TASK", "2");
        task.map(|task| bash.env("SLURM_ARRAY_TASK_ID", task.to_string()));
        let Output { status, stdout, stderr } = bash.output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    };
    let told = bash(None, &["--time=1:00:00", "--mem=4G"]);
    assert!(told.starts_with("job 71 does 3 shards, then job 72 writes the tables"), "{told}");
    let submitted = fs::read_to_string(place.path("sbatch.log")).unwrap();
    let jobs: Vec<Vec<&str>> = submitted.split("END\n").map(|job| job.lines().collect()).collect();
    let logs = place.path(name).join("slurm").to_string_lossy().replace('%', "%%");
    let script = script.to_str().unwrap();
    let logs = [format!("--output={logs}/%A_%a.log"), format!("--output={logs}/%A_merge.log")];
    assert_eq!(jobs[0], ["--parsable", &logs[0], "--time=1:00:00", "--mem=4G", script]);
    let merge = ["--array=0", "--dependency=afterany:71", script];
    assert_eq!(jobs[1], [&["--parsable", &logs[1], "--time=1:00:00", "--mem=4G"][..], &merge].concat());
    (1..=3).for_each(|task| drop(bash(Some(task), &[])));
    assert_eq!(place.computed(name), CELLS);
    bash(Some(0), &[]);
    same(&place.tables(name));
}

#[test]
fn a_changed_setting_redoes_just_what_depends_on_it() {
    let place = Place::new();
    let out = "out";
    let dry = place.succeed(out, &["--dry-run"]);
    assert!(dry.contains("cells        16, of which 0 are done and 16 would be computed"), "{dry}");
    assert!(dry.contains("2 would be loaded") && !place.path(out).exists(), "{dry}");
    assert_eq!(place.computes(out, &[]), CELLS);
    // Fewer neurons, another table of transfer, another measure of memory: the analysis alone.
    assert_eq!(place.computes(out, &["--set", "k=2", "--set", "memory=4 GiB"]), 0);
    let scores = "model,step,task,language,score\nseries,0,x,qb,0.5\nseries,3000,x,qb,0.75\n";
    fs::write(place.path("scores.csv"), scores).unwrap();
    let table = place.path("scores.csv");
    assert_eq!(place.computes(out, &["--transfer", table.to_str().unwrap()]), 0);
    // A seed, a site and an attribute more: theirs alone.
    assert_eq!(place.computes(out, &["--set", "seeds=[0,1,2]"]), CELLS / 2);
    assert_eq!(place.computes(out, &["--set", "sites=[\"residual.1\", \"residual.2\"]"]), CELLS);
    assert_eq!(place.computes(out, &["--set", "attributes=[\"Number\", \"Gender\"]"]), CELLS);
    // More neurons: all rankings, and the first of them are as they were.
    let before = place.tables(out);
    assert_eq!(place.computes(out, &["--set", "k=[3,5]"]), CELLS);
    assert_eq!(place.computes(out, &[]), 0);
    same(&place.tables(out));
    assert_eq!(place.computes(out, &["--set", "attributes=[\"Number\", \"Gender\"]"]), 0);
    assert!(before == place.tables(out));
    // Other words of one language: that language.
    let text = fs::read_to_string(place.path("qb.conllu")).unwrap();
    let (sentence, _) = text.split_once("\n\n").unwrap();
    fs::write(place.path("qb.conllu"), format!("{text}{sentence}\n\n")).unwrap();
    assert_eq!(place.computes(out, &[]), CELLS / 2);
    fs::write(place.path("qb.conllu"), text).unwrap();
    assert_eq!(place.computes(out, &[]), 0);
    same(&place.tables(out));
}
