use super::*;
use crate::study::pack::Appender;
use crate::study::records::{RankingRecord, ScoreRecord, WordsRecord};
use crate::treebank::Cells;
use std::time::Instant;

fn study(seeds: u64, out: &Path) -> Study {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/study.toml");
    let mut study = Study::read(fixture).unwrap();
    study.seeds = (0..seeds).collect();
    study.threads = Some(1);
    study.output = Some(out.to_path_buf());
    study
}

/// Writes results of every cell, as if all had been computed.
fn fill(plan: &mut Plan) {
    let k = plan.k();
    let curve: Vec<_> = (0..k).map(|i| (i, 1.0 / (i + 3) as f64, 0.7, 1.0 / 3.0)).collect();
    let ranking = serde_json::json!({ "neurons": 64, "curve": curve });
    let ranking: RankingRecord = serde_json::from_value(ranking).unwrap();
    let score = ScoreRecord::Scored { accuracy: Some(0.5), nmi: Some(0.25), left_out: 0 };
    for group in &plan.groups {
        let checkpoint = &plan.series.checkpoints()[group.checkpoint];
        let name = plan.languages[group.language].treebank.language.clone();
        let keys = plan.keys(group.checkpoint, group.language).unwrap().unwrap();
        std::fs::create_dir_all(plan.folder(checkpoint)).unwrap();
        let appender = Appender::open(plan.file(checkpoint, &name, "cells")).unwrap();
        for attribute in &plan.study.attributes {
            for &seed in &plan.study.seeds {
                let mut cells = Cells::default();
                let reason = crate::treebank::NoCell::Settings("a measurement".into());
                cells.add_missing(&name, attribute, seed, &reason);
                let cell = cells.cells.remove(0);
                let words = WordsRecord { skipped: Default::default(), cell, classes: Vec::new(), missing: None };
                appender.put(&keys.words(attribute, seed), 1, &words).unwrap();
                for &site in &plan.study.sites {
                    for &control in plan.controls() {
                        appender.put(&keys.ranking(attribute, site, seed, control), k, &ranking).unwrap();
                    }
                    appender.put(&keys.score(attribute, site, seed).unwrap(), 0, &score).unwrap();
                }
            }
        }
    }
    let folders: Vec<PathBuf> = plan.series.checkpoints().iter().map(|c| plan.folder(c)).collect();
    for (looked, folder) in plan.looked.iter_mut().zip(folders) {
        looked.as_mut().unwrap().as_mut().ok().unwrap().keep(&folder).unwrap();
    }
}

#[test]
fn shards_cover_a_study_and_know_what_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let study = study(1, dir.path());
    let mut plan = Plan::new(&study, dir.path(), None).unwrap();
    let each = plan.cells_in_group();
    assert_eq!(each, 4 * 2);
    assert_eq!((plan.outlook().cells, plan.outlook().done), (7 * 6 * each, 0));
    assert_eq!(plan.outlook().seconds, None);
    fill(&mut plan);
    let again = Plan::new(&study, dir.path(), None).unwrap();
    assert_eq!((again.outlook().done, again.outlook().checkpoints), (7 * 6 * each, 0));
    assert_eq!(again.outlook().seconds, Some(0.0));
    let (mut cells, mut loads) = (0, 0);
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        let plan = Plan::new(&study, dir.path().join("other"), Some(shard.parse().unwrap())).unwrap();
        cells += plan.outlook().cells;
        loads += plan.outlook().checkpoints;
    }
    assert_eq!(cells, 7 * 6 * each);
    assert!(loads <= 7 + 3, "{loads}");
    let larger = Study { k: vec![11], ..study };
    assert_eq!(Plan::new(&larger, dir.path(), None).unwrap().outlook().done, 0);
}

/// `cargo test --release --lib study::plan -- --ignored --nocapture`: the figures are in docs/benchmarks.md.
#[test]
#[ignore = "a measurement"]
fn start_up_on_a_hundred_thousand_cells() {
    let dir = tempfile::tempdir().unwrap();
    let study = Study { k: vec![50], ..study(300, dir.path()) };
    let began = Instant::now();
    let mut plan = Plan::new(&study, dir.path(), None).unwrap();
    println!("empty: {:.2} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    fill(&mut plan);
    println!("{} cells written in {:.2} s", plan.outlook().cells, began.elapsed().as_secs_f64());
    let began = Instant::now();
    let plan = Plan::new(&study, dir.path(), None).unwrap();
    let took = began.elapsed().as_secs_f64();
    println!("complete: {} of {} cells in {took:.2} s", plan.outlook().done, plan.outlook().cells);
    assert_eq!(plan.outlook().done, plan.outlook().cells);
}
