//! A crate that depends on this one by path: it builds, finds libtorch at run time, has `libtorch_cuda` in its process where
//! libtorch is a CUDA build, and uses the library.
#![cfg(all(feature = "torch", target_os = "linux"))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the crate does. It prints the libraries that its process has mapped, one `mapped PATH` a line; every other line is
/// the library's result, checked below.
const MAIN: &str = r#"
use isogloss::activations::{extract, ExtractionSettings, Tokenizer};
use isogloss::bloom::{Bloom, Extent};
use isogloss::checkpoint::Series;
use isogloss::treebank::{Scheme, Treebank};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixtures = std::path::PathBuf::from(std::env::args().nth(1).ok_or("the folder of fixtures")?);
    let series = Series::open(fixtures.join("tiny-bloom"))?;
    let checkpoint = series.checkpoints().last().ok_or("no checkpoint")?;
    let sites = ["residual.1".parse()?, "mlp_output.2".parse()?];
    let bloom = Bloom::load(checkpoint, Extent::Sites(&sites), tch::Kind::Float, tch::Device::Cpu)?;
    let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
    let treebank = Treebank::read("qa", &[fixtures.join("treebanks/qa.conllu")], Scheme::Unimorph)?;
    let nouns = |word: &isogloss::treebank::Word| word.attributes.get("POS") == Some("N");
    let found = extract(&bloom, &tokenizer, &treebank, &sites, &ExtractionSettings::default(), nouns)?.activations;
    let wanted = treebank.words.iter().filter(|word| nouns(word)).count();
    println!("every noun {}", wanted > 0 && found.words().len() == wanted);
    println!("neurons {}", found.site(sites[1])?.ncols());
    for line in std::fs::read_to_string("/proc/self/maps")?.lines() {
        if let Some(start) = line.find('/') {
            println!("mapped {}", &line[start..]);
        }
    }
    Ok(())
}
"#;

/// The build script that docs/setup.md recommends.
const BUILD: &str = r#"
fn main() {
    if let Ok(folder) = std::env::var("DEP_ISOGLOSS_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
"#;

/// Writes the crate. Its features, profiles and versions are this one's, so that cargo finds the dependencies built.
fn write_crate(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let mut profiles = manifest["profile"].as_table().unwrap().clone();
    // `"*"` means dependencies, of which isogloss is one there. A package may not say `lto`, and what the environment says
    // of debugging goes before the manifest.
    let debug = env::var_os("CARGO_PROFILE_DEV_DEBUG").map(|_| "debug");
    let of_all = ["package", "lto"];
    for (_, profile) in &mut profiles {
        let profile = profile.as_table_mut().unwrap();
        let own: toml::Table = profile
            .iter()
            .filter(|(key, _)| !of_all.contains(&key.as_str()) && debug != Some(key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        if let Some(packages) = profile.get_mut("package").and_then(toml::Value::as_table_mut) {
            packages.insert("isogloss".to_owned(), own.into());
        }
    }
    let features =
        [("torch", cfg!(feature = "torch")), ("linalg", cfg!(feature = "linalg")), ("plots", cfg!(feature = "plots"))];
    let features: Vec<&str> = features.iter().filter_map(|&(name, on)| on.then_some(name)).collect();
    // Unused there, but the features that they turn on in shared dependencies decide whether those are built again,
    // torch-sys, with four minutes of C++, among them.
    let mut dependencies = manifest["dev-dependencies"].as_table().unwrap().clone();
    let own = format!("path = {root:?}\ndefault-features = false\nfeatures = {features:?}\n");
    dependencies.insert("tch".to_owned(), manifest["dependencies"]["tch"]["version"].clone());
    dependencies.insert("isogloss".to_owned(), own.parse::<toml::Table>().unwrap().into());
    let mut crate_manifest: toml::Table =
        "workspace = {}\npackage = { name = \"isogloss-downstream\", edition = \"2021\" }\n".parse().unwrap();
    crate_manifest.insert("dependencies".to_owned(), dependencies.into());
    crate_manifest.insert("profile".to_owned(), profiles.into());
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), toml::to_string(&crate_manifest).unwrap()).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("src/main.rs"), MAIN).unwrap();
    fs::write(folder.join("build.rs"), BUILD).unwrap();
}

#[test]
fn a_crate_that_depends_on_this_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    write_crate(folder.path());
    // <target>/<profile>/deps/downstream-...: the folder of the cargo that runs this test, which holds no lock meanwhile.
    let executable = env::current_exe().unwrap();
    let profile = executable.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--offline"]).current_dir(folder.path()).env("CARGO_TARGET_DIR", profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What the outer cargo says of this package: build scripts that watch these variables would run again, here and there.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "DEP_"].iter().any(|prefix| text.starts_with(prefix))
            || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"].contains(&text.as_ref())
        {
            cargo.env_remove(name);
        }
    }
    let output = cargo.output().unwrap();
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());

    // The run path is in the binary: the environment need not know libtorch.
    let output = Command::new(profile.join("isogloss-downstream"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"))
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mapped: BTreeSet<PathBuf> =
        stdout.lines().filter_map(|line| line.strip_prefix("mapped ")).map(PathBuf::from).collect();
    let results: Vec<&str> = stdout.lines().filter(|line| !line.starts_with("mapped ")).collect();

    let libtorch = mapped.iter().find(|path| path.ends_with("libtorch_cpu.so")).expect("libtorch is in the process");
    let cuda = libtorch.with_file_name("libtorch_cuda.so");
    assert_eq!(mapped.contains(&cuda), cuda.exists(), "{}", cuda.display());
    assert_eq!(results, ["every noun true", "neurons 64"]);
}
