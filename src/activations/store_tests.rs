use super::super::manifest::tests::description;
use super::super::manifest::{Description, Halving};
use super::super::writer::{Computed, Writer};
use super::super::Skipped;
use super::*;
use crate::treebank::Attributes;
use proptest::prelude::*;

/// Rows of each shard; the second has none.
const ROWS: [usize; 4] = [5, 0, 4, 1];

fn words(first: usize, rows: usize) -> Vec<Word> {
    let word = |i: usize| Word {
        sentence: i / 3,
        form: format!("w,\"{i}\n"),
        lemma: i.is_multiple_of(2).then(|| "l".to_string()),
        attributes: [("Number", "SG")].into_iter().collect::<Attributes>(),
        language: "qa".into(),
        file: "some.conllu".into(),
        sentence_id: format!("s{}", i / 3),
        token_id: (i % 3 + 1).to_string(),
        attribute_lemmas: (i % 4 == 1).then(|| ("Number".to_string(), "a|b=\"c".to_string())).into_iter().collect(),
        sentence_hash: (i != 2).then_some(u64::MAX - i as u64),
        space_after: true,
    };
    (first..first + rows).map(word).collect()
}

fn matrix(site: Site, width: usize, first: usize, rows: usize) -> Array2<f32> {
    let base = if site == Site::Residual(2) { 0.0 } else { 1000.0 };
    Array2::from_shape_fn((rows, width), |(i, j)| base + (first + i) as f32 + j as f32 / 64.0)
}

fn asked() -> Description {
    Description { words: ROWS.iter().sum::<usize>() + ROWS.len(), ..description() }
}

fn computed(shard: usize) -> Computed {
    let first = ROWS[..shard].iter().sum();
    let rows = ROWS[shard];
    let sites = description().sites.into_iter().map(|(site, width)| (site, matrix(site, width, first, rows))).collect();
    let halvings = if shard == 2 { vec![Halving { batch: 1, batch_tokens: 7 }] } else { Vec::new() };
    Computed {
        shard,
        words: rows + 1,
        tokens: 2 * rows,
        skipped: Skipped { empty_words: 1, ..Skipped::default() },
        batch_tokens: if shard > 2 { 7 } else { 2048 },
        threads: Some(2),
        halvings,
        table: words(first, rows),
        sites,
    }
}

/// Runs until all is done, or is killed before shard `until`.
fn write(dir: &Path, until: usize) -> Result<Vec<usize>> {
    let mut writer = Writer::open(dir, asked())?;
    let known = writer.known();
    let mut written = Vec::new();
    for shard in 0..ROWS.len() {
        if shard == until {
            return Ok(written);
        }
        if !known.get(&shard).is_some_and(|(_, valid)| *valid) {
            writer.write(computed(shard))?;
            written.push(shard);
        }
    }
    writer.finish(ROWS.len())?;
    Ok(written)
}

fn snapshot(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn whole() -> (tempfile::TempDir, BTreeMap<String, Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), usize::MAX).unwrap();
    let files = snapshot(dir.path());
    assert_eq!(files.len(), 1 + 2 * ROWS.len());
    (dir, files)
}

#[test]
fn a_store_is_read_as_it_was_written() {
    let (dir, _) = whole();
    let store = Store::open(dir.path()).unwrap();
    store.verify().unwrap();
    let rows = ROWS.iter().sum();
    assert_eq!((store.rows(), store.manifest().tokens, store.manifest().skipped.empty_words), (rows, 2 * rows, 4));
    assert_eq!(store.manifest().halvings(), 1);
    assert_eq!(store.words().unwrap(), words(0, rows));
    for (site, width) in description().sites {
        let expected = matrix(site, width, 0, rows);
        assert_eq!(store.site(site).unwrap(), expected);
        assert_eq!(store.activations().unwrap().site(site).unwrap(), expected);
        let some = [9, 0, 5, 5, 4];
        assert_eq!(store.select(site, &some).unwrap(), expected.select(Axis(0), &some));
        let parts: Vec<usize> = store.parts(site).unwrap().iter().map(|part| part.nrows()).collect();
        assert_eq!(parts, ROWS);
    }
    let beyond = store.select(Site::Residual(2), &[3, 10]).unwrap_err().to_string();
    assert_eq!(beyond, "row should be below the store's 10, but is 10");
    let absent = store.site(Site::Residual(3)).unwrap_err().to_string();
    assert!(absent.contains("residual.2"), "{absent}");
}

#[test]
fn the_pair_of_files_has_the_bytes_of_the_one_from_memory() {
    let (dir, _) = whole();
    let store = Store::open(dir.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let (a, b) = (out.path().join("a.safetensors"), out.path().join("b.safetensors"));
    store.save(&a).unwrap();
    store.activations().unwrap().save(&b).unwrap();
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    assert_eq!(fs::read(Activations::words_path(&a)).unwrap(), fs::read(Activations::words_path(&b)).unwrap());
    assert_eq!(Activations::open(&a).unwrap(), Activations::open(dir.path()).unwrap());
}

#[test]
fn a_run_that_was_killed_is_gone_on_with() {
    let (_dir, expected) = whole();
    for until in 0..=ROWS.len() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), until).unwrap();
        if until < ROWS.len() {
            let error = Store::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains("not complete"), "{error}");
            // Killed while it wrote a shard, and between a shard and its manifest.
            fs::write(dir.path().join(".tmp-1-0-00003.safetensors"), b"half").unwrap();
            fs::write(tensors_path(dir.path(), until), b"not in the manifest").unwrap();
        }
        assert_eq!(write(dir.path(), usize::MAX).unwrap(), (until..ROWS.len()).collect::<Vec<_>>());
        assert!(snapshot(dir.path()) == expected, "killed before shard {until}");
    }
}

#[test]
fn damaged_shards_are_computed_again_and_no_others() {
    type Damage = fn(&Path);
    let damages: [Damage; 4] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, b"").unwrap(),
        |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        },
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let last = bytes.len() - 2;
            bytes[last] ^= 1;
            fs::write(path, bytes).unwrap();
        },
    ];
    let (dir, expected) = whole();
    for damage in damages {
        for shard in 0..ROWS.len() {
            for path in [tensors_path(dir.path(), shard), table_path(dir.path(), shard)] {
                damage(&path);
                if let Ok(store) = Store::open(dir.path()) {
                    let error = store.verify().unwrap_err().to_string();
                    assert!(error.contains(&path.display().to_string()), "{error}");
                }
                assert_eq!(write(dir.path(), usize::MAX).unwrap(), [shard]);
                assert!(snapshot(dir.path()) == expected, "{}", path.display());
            }
        }
    }
    assert!(write(dir.path(), usize::MAX).unwrap().is_empty());
}

#[test]
fn another_description_is_refused_field_by_field() {
    let (dir, expected) = whole();
    let other = Description { dtype: "bf16".into(), batch_tokens: 512, ..asked() };
    let error = Writer::open(dir.path(), other).unwrap_err().to_string();
    let differences = "\n  batch_tokens is 2048, asked is 512\n  dtype is \"f32\", asked is \"bf16\"";
    assert!(error.ends_with(differences) && error.contains("manifest.json"), "{error}");
    assert!(snapshot(dir.path()) == expected);
}

#[test]
fn two_writers_and_other_files_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let first = Writer::open(dir.path(), asked()).unwrap();
    let error = Writer::open(dir.path(), asked()).unwrap_err().to_string();
    assert!(error.contains("is being written by another process"), "{error}");
    drop(first);
    Writer::open(dir.path(), asked()).unwrap();

    let thesis = tempfile::tempdir().unwrap();
    fs::write(thesis.path().join("thesis.tex"), "").unwrap();
    fs::write(thesis.path().join(".tmp-7"), "").unwrap();
    let error = Writer::open(thesis.path(), asked()).unwrap_err().to_string();
    assert!(error.contains("thesis.tex") && error.contains("empty folder"), "{error}");
    assert_eq!(snapshot(thesis.path()).len(), 2);
}

#[test]
fn values_that_are_not_finite_are_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), asked()).unwrap();
    let mut bad = computed(0);
    bad.sites.get_mut(&Site::Residual(2)).unwrap()[[3, 1]] = f32::NAN;
    let error = writer.write(bad).unwrap_err().to_string();
    assert!(error.contains("neuron 1 of residual.2 is not finite") && error.contains("sentence s1"), "{error}");
    // Its lock goes with it.
    drop(writer);
    assert_eq!(snapshot(dir.path()).len(), 1);
}

#[test]
fn hostile_manifests_are_errors() {
    let (dir, files) = whole();
    let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
    let big = u64::MAX.to_string();
    for (from, to) in [
        ("\"rows\": 5", format!("\"rows\": {big}")),
        ("\"words\": 6", format!("\"words\": {big}")),
        ("\"residual.2\": 3", format!("\"residual.2\": {big}")),
        ("\"residual.2\": 3", "\"residual.2\": 0".into()),
        ("\"residual.2\": 3", "\"residual.4\": 3".into()),
        (",\n      \"residual.2\": 3", String::new()),
        ("\"residual.2\": 3,", String::new()),
        ("\"shard\": 2", "\"shard\": 1".into()),
        ("\"shard\": 3", "\"shard\": 9".into()),
    ] {
        if text.contains(from) {
            fs::write(dir.path().join(MANIFEST), text.replacen(from, &to, 1)).unwrap();
            assert!(Store::open(dir.path()).is_err(), "{from} as {to}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_byte_of_a_manifest_may_change_without_a_panic(place in 0usize..4000, byte in any::<u8>()) {
        let (dir, files) = whole();
        let mut bytes = files["manifest.json"].clone();
        let place = place % bytes.len();
        bytes[place] = byte;
        fs::write(dir.path().join(MANIFEST), bytes).unwrap();
        if let Ok(store) = Store::open(dir.path()) {
            let _ = (store.verify(), store.words(), store.activations());
        }
    }
}
