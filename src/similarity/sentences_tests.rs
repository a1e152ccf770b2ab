use super::*;
use flate2::{write::GzEncoder, Compression};
use std::io::Write;
use std::path::PathBuf;

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
    let error = read_parallel(&[source("en", &a), source("es", &b)]).unwrap_err().to_string();
    assert!(error.contains("a.txt has 3 lines, but") && error.contains("b.txt has 2"), "{error}");
    let error = read_parallel(&[source("en", &a), source("en", &a)]).unwrap_err().to_string();
    assert!(error.contains("language en is given twice"), "{error}");
    let c = folder.file("c.conllu", treebank(&[("1", "x", true)]));
    let error = read_parallel(&[source("en", &a), source("es", &c)]).unwrap_err().to_string();
    assert!(error.contains("c.conllu is a treebank, but"), "{error}");
}

#[test]
fn several_files_of_a_language_are_read_one_after_the_other() {
    let folder = Folder::new();
    let files = |names: [&str; 2], texts: [&str; 2]| {
        let paths = [folder.file(names[0], texts[0]), folder.file(names[1], texts[1])];
        Source::new(&names[0][..2], paths).unwrap()
    };
    let (en, es) = (files(["en.1", "en.2"], ["a\n", "b\nc\n"]), files(["es.1", "es.2"], ["x\n", "y\nz\n"]));
    let texts = read_parallel(&[en.clone(), es]).unwrap();
    assert_eq!(texts[1], ("es".to_owned(), vec!["x".to_owned(), "y".to_owned(), "z".to_owned()]));
    let fr = files(["fr.1", "fr.2"], ["x\ny\n", "z\n"]);
    let error = read_parallel(&[en.clone(), fr]).unwrap_err().to_string();
    assert!(error.contains("en.1 has 1 lines, but ") && error.contains("fr.1 has 2"), "the same sum: {error}");
    let one = source("pt", &folder.file("pt", "x\ny\nz\n"));
    let error = read_parallel(&[en, one]).unwrap_err().to_string();
    assert!(error.contains("en.2 are 2 files, but pt=") && error.contains("pt are 1:"), "{error}");
}

#[test]
fn a_folder_stands_for_its_treebanks_and_they_are_aligned_by_id_together() {
    let folder = Folder::new();
    for (language, first, second) in [("en", "Yes", "No"), ("es", "S\u{ed}", "Nada")] {
        let dir = folder.0.path().join(language);
        std::fs::create_dir(&dir).unwrap();
        // The parts differ between the languages; the ids do not.
        let (train, test) = if language == "en" { ("n1", "n2") } else { ("n2", "n1") };
        let (of_train, of_test) = if language == "en" { (first, second) } else { (second, first) };
        std::fs::write(dir.join("x-ud-train.conllu"), treebank(&[(train, of_train, true)])).unwrap();
        std::fs::write(dir.join("x-ud-test.conllu"), treebank(&[(test, of_test, true)])).unwrap();
    }
    let sources = ["en", "es"].map(|language| source(language, &folder.0.path().join(language)));
    assert_eq!(sources[0].files.len(), 2);
    let texts = read_parallel(&sources).unwrap();
    assert_eq!(
        (&texts[0].1[..], &texts[1].1[..]),
        (&["Yes!".into(), "No!".into()][..], &["S\u{ed}!".into(), "Nada!".into()][..])
    );
}

#[test]
fn treebanks_are_aligned_by_sentence_id() {
    let folder = Folder::new();
    let en = folder.file("en.conllu", treebank(&[("n1", "Yes", true), ("n2", "No", false)]));
    let es = folder.file("es.conllu", treebank(&[("n2", "No", true), ("n1", "S\u{ed}", false)]));
    let expected: Vec<(String, Vec<String>)> =
        vec![("en".into(), vec!["Yes!".into(), "No!".into()]), ("es".into(), vec!["S\u{ed}!".into(), "No!".into()])];
    assert_eq!(read_parallel(&[source("en", &en), source("es", &es)]).unwrap(), expected);
    let aligned = read_parallel_treebanks(&[source("en", &en), source("es", &es)], false).unwrap();
    assert_eq!((aligned.ids, aligned.texts, aligned.left_out), (vec!["n1".into(), "n2".into()], expected, [].into()));
    let error = read_parallel_treebanks(&[source("en", &en), source("en", &es)], false).unwrap_err().to_string();
    assert!(error.contains("language en is given twice"), "{error}");
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
