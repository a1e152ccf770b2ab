//! Cost of reading treebanks, beside that of reading the same file without looking at what it says.
//!
//! `cargo bench --no-default-features --bench treebank`; the fixtures' treebanks over and over, 65 MB, or the file that
//! `ISOGLOSS_BENCH_TREEBANK` names.

use criterion::{criterion_group, criterion_main, Criterion};
use flate2::{write::GzEncoder, Compression};
use isogloss::treebank::{conllu, ReadSettings, Scheme, Source, Treebank, TreebankFiles};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

const BYTES: usize = 65_000_000;

fn text() -> std::io::Result<Vec<u8>> {
    if let Some(path) = std::env::var_os("ISOGLOSS_BENCH_TREEBANK") {
        return fs::read(path);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/treebanks");
    let mut once = Vec::new();
    for language in ["qa", "qb", "qc", "qd", "qe", "qf"] {
        once.extend(fs::read(folder.join(format!("{language}.conllu")))?);
    }
    let mut text = Vec::with_capacity(BYTES + once.len());
    while text.len() < BYTES {
        text.extend_from_slice(&once);
    }
    Ok(text)
}

/// The file and its compressed twin.
fn files(folder: &Path) -> std::io::Result<(PathBuf, PathBuf)> {
    let (plain, packed) = (folder.join("bench.conllu"), folder.join("bench.conllu.gz"));
    let text = text()?;
    fs::write(&plain, &text)?;
    let mut encoder = GzEncoder::new(fs::File::create(&packed)?, Compression::default());
    encoder.write_all(&text)?;
    encoder.finish()?;
    Ok((plain, packed))
}

fn lines(path: &Path) -> usize {
    let Ok(file) = fs::File::open(path) else { return 0 };
    let mut input = BufReader::with_capacity(1 << 18, file);
    let (mut line, mut count) = (Vec::new(), 0);
    while input.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        line.clear();
        count += 1;
    }
    count
}

fn inflated(path: &Path) -> usize {
    let Ok(file) = fs::File::open(path) else { return 0 };
    let mut decoder = flate2::read::MultiGzDecoder::new(file);
    let (mut buffer, mut count) = (vec![0; 1 << 18], 0);
    while let Ok(read @ 1..) = decoder.read(&mut buffer) {
        count += read;
    }
    count
}

fn words(path: &Path) -> usize {
    let treebank = Treebank::read("es", &[path.to_path_buf()], Scheme::Unimorph);
    treebank.map_or(0, |treebank| treebank.words.len())
}

fn streamed(path: &Path) -> usize {
    let Ok(source) = Source::new("es", [path]) else { return 0 };
    let mut count = 0;
    let read = TreebankFiles::new(&source, &ReadSettings::default()).visit_counting(&mut |words| {
        count += words.len();
        Ok(())
    });
    read.map_or(0, |_| count)
}

fn sentences(path: &Path) -> usize {
    conllu::open(path).map_or(0, |reader| reader.filter(Result::is_ok).count())
}

fn reading(c: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let Ok((plain, packed)) = files(folder.path()) else { return };
    let mut group = c.benchmark_group("treebank");
    group.sample_size(10);
    group.bench_function("lines of the file", |b| b.iter(|| lines(&plain)));
    group.bench_function("conllu sentences", |b| b.iter(|| sentences(&plain)));
    group.bench_function("TreebankFiles, a sentence at a time", |b| b.iter(|| streamed(&plain)));
    group.bench_function("Treebank::read", |b| b.iter(|| words(&plain)));
    group.bench_function("the file inflated", |b| b.iter(|| inflated(&packed)));
    group.bench_function("Treebank::read, compressed", |b| b.iter(|| words(&packed)));
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
