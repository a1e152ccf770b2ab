//! The descriptions that come with the crate are read, make sense, and say the same when they are written out in full.

use isogloss::checkpoint::Step;
use isogloss::study::Study;
use std::fs;
use std::path::{Path, PathBuf};

fn descriptions() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> =
        fs::read_dir(here.join("docs/studies")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 3);
    paths.push(here.join("fixtures/study.toml"));
    paths
}

#[test]
fn descriptions_are_whole() {
    for path in descriptions() {
        let study = Study::read(&path).unwrap();
        study.check().unwrap();
        let again = Study::parse(&study.to_toml().unwrap(), "/elsewhere/study.toml").unwrap();
        // Written out, paths are absolute.
        assert_eq!(again.to_toml().unwrap(), study.to_toml().unwrap(), "{}", path.display());
    }
}

#[test]
fn the_published_studies_are_complete() {
    let mut checkpoints = 0;
    for path in &descriptions()[..3] {
        let study = Study::read(path).unwrap();
        let steps = &study.checkpoints.steps;
        assert_eq!(steps.iter().filter(|step| **step == Step::Final).count(), 1);
        checkpoints += steps.len() - 1;
        assert_eq!((study.treebanks.len(), study.k.as_slice()), (13, &[50][..]));
        assert_eq!(study.attributes, ["Gender", "Number", "POS"]);
        let sites: Vec<String> = study.sites.iter().map(ToString::to_string).collect();
        assert_eq!(sites, ["residual.12", "residual.16"]);
        let model = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(study.series, Path::new(&format!("bigscience/{model}-intermediate")));
        assert_eq!(study.checkpoints.released, Some(format!("bigscience/{model}")));
    }
    assert_eq!(checkpoints, 18);
}
