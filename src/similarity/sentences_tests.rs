use super::*;
use flate2::{write::GzEncoder, Compression};
use std::io::Write;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// A treebank of one-word sentences: id, form and whether it has a comment `# text`.
fn treebank(sentences: &[(&str, &str, bool)]) -> String {
    let mut all = String::new();
    for (id, form, text) in sentences {
        if !id.is_empty() {
            all += &format!("# sent_id = {id}\n");
        }
        if *text {
            all += &format!("# text = {form}!\n");
        }
        all += &format!("1\t{form}\t_\tX\t_\t_\t0\troot\t_\tSpaceAfter=No\n2\t!\t!\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\n");
    }
    all
}

fn source(language: &str, path: &Path) -> Source {
    Source::new(language, [path]).unwrap()
}

#[test]
fn lines_are_sentences_without_their_ends_or_a_byte_order_mark() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "\u{feff}Ja .\r\n\u{a0}Nein\n");
    assert_eq!(read_sentences(&path).unwrap(), ["Ja .", "\u{a0}Nein"]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"yes\nno\n").unwrap();
    let mut packed = encoder.finish().unwrap();
    assert_eq!(read_sentences(folder.file("a.txt.gz", &packed)).unwrap(), ["yes", "no"]);
    packed.truncate(packed.len() - 9);
    let error = read_sentences(folder.file("b.txt.gz", &packed)).unwrap_err().to_string();
    assert!(error.contains("b.txt.gz: the compressed data are damaged or cut off"), "{error}");
}

#[test]
fn broken_lines_are_named() {
    let folder = Folder::new();
    let error = read_sentences(folder.file("a.txt", "a\n \nb\n")).unwrap_err().to_string();
    assert!(error.contains("a.txt:2: is blank"), "{error}");
    let error = read_sentences(folder.file("b.txt", b"a\n\xff\n")).unwrap_err().to_string();
    assert!(error.contains("b.txt:2: is not valid UTF-8"), "{error}");
    let error = read_sentences(folder.file("c.txt", "")).unwrap_err().to_string();
    assert!(error.contains("c.txt: holds no sentences"), "{error}");
}

#[test]
fn files_of_different_lengths_are_told_with_both_lengths() {
    let folder = Folder::new();
    let (a, b) = (folder.file("a.txt", "1\n2\n3\n"), folder.file("b.txt", "1\n2\n"));
    let error = read_parallel(&[("en".into(), a.clone()), ("es".into(), b)]).unwrap_err().to_string();
    assert!(error.contains("a.txt has 3 lines, but") && error.contains("b.txt has 2"), "{error}");
    let error = read_parallel(&[("en".into(), a.clone()), ("en".into(), a.clone())]).unwrap_err().to_string();
    assert!(error.contains("language en has two files"), "{error}");
    let c = folder.file("c.conllu", treebank(&[("1", "x", true)]));
    let error = read_parallel(&[("en".into(), a), ("es".into(), c)]).unwrap_err().to_string();
    assert!(error.contains("c.conllu is a treebank, but"), "{error}");
}

#[test]
fn treebanks_are_aligned_by_sentence_id() {
    let folder = Folder::new();
    let en = folder.file("en.conllu", treebank(&[("n1", "Yes", true), ("n2", "No", false)]));
    let es = folder.file("es.conllu", treebank(&[("n2", "No", true), ("n1", "S\u{ed}", false)]));
    let expected: Vec<(String, Vec<String>)> =
        vec![("en".into(), vec!["Yes!".into(), "No!".into()]), ("es".into(), vec!["S\u{ed}!".into(), "No!".into()])];
    assert_eq!(read_parallel(&[("en".into(), en.clone()), ("es".into(), es.clone())]).unwrap(), expected);
    let aligned = read_parallel_treebanks(&[source("en", &en), source("es", &es)], false).unwrap();
    assert_eq!((aligned.ids, aligned.texts, aligned.left_out), (vec!["n1".into(), "n2".into()], expected, [].into()));
    let error = read_parallel_treebanks(&[source("en", &en), source("en", &es)], false).unwrap_err().to_string();
    assert!(error.contains("language en has two files"), "{error}");
}

#[test]
fn sentences_without_a_counterpart_are_an_error_or_counted() {
    let folder = Folder::new();
    let en = folder.file("en.conllu", treebank(&[("n1", "a", true), ("n2", "b", true), ("n3", "c", true)]));
    let es = folder.file("es.conllu", treebank(&[("n1", "a", true)]));
    for sources in [[source("en", &en), source("es", &es)], [source("es", &es), source("en", &en)]] {
        let error = read_parallel_treebanks(&sources, false).unwrap_err().to_string();
        assert!(error.contains("en.conllu:6: sentence `n2` has no counterpart in es="), "{error}");
        assert!(error.contains("nor have 1 more (3 sentences against 1)"), "{error}");
        let aligned = read_parallel_treebanks(&sources, true).unwrap();
        assert_eq!((aligned.ids, aligned.left_out), (vec!["n1".into()], [("en".into(), 2), ("es".into(), 0)].into()));
    }
    let other = folder.file("fr.conllu", treebank(&[("m1", "a", true)]));
    let error = read_parallel_treebanks(&[source("en", &en), source("fr", &other)], true).unwrap_err().to_string();
    assert!(error.contains("no sentence id is in all"), "{error}");
}

#[test]
fn sentences_without_an_id_or_with_one_twice_cannot_be_aligned() {
    let folder = Folder::new();
    let good = folder.file("good.conllu", treebank(&[("n1", "a", true)]));
    let twice = folder.file("twice.conllu", treebank(&[("n1", "a", true), ("n1", "b", true)]));
    let without = folder.file("without.conllu", treebank(&[("n1", "a", true), ("", "b", true)]) + "1\tbroken\n");
    for (path, message) in [(&twice, "twice.conllu:6: sentence id `n1` is that of "), (&without, "without `# sent_id")]
    {
        let sources = [source("en", &good), source("es", path)];
        let error = read_parallel_treebanks(&sources, false).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        let aligned = read_parallel_treebanks(&sources, true).unwrap();
        assert_eq!(aligned.texts[1].1, ["a!"]);
        assert_eq!(aligned.left_out["es"], if path == &twice { 1 } else { 2 });
    }
}
