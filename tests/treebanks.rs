//! What real treebanks contain that a reader of the format's description would not expect: a test each.

use flate2::{write::GzEncoder, Compression};
use isogloss::treebank::conllu::{self, Sentence};
use isogloss::treebank::{Counts, Multiword, OfficialSplit, ReadSettings, Scheme, Sentences, Source, Treebank};
use isogloss::treebank::{TreebankFiles, Word};
use isogloss::Result;
use std::io::Write;
use std::path::PathBuf;

/// A line: ID, FORM, LEMMA, UPOS, FEATS, MISC.
fn line([id, form, lemma, upos, feats, misc]: [&str; 6]) -> String {
    let head = if id.contains(['-', '.']) { "_\t_" } else { "0\troot" };
    format!("{id}\t{form}\t{lemma}\t{upos}\t_\t{feats}\t{head}\t_\t{misc}\n")
}

fn word(form: &str) -> String {
    line(["1", form, form, "NOUN", "_", "_"])
}

fn read(language: &str, text: impl AsRef<[u8]>, scheme: Scheme) -> Treebank {
    let settings = ReadSettings { scheme, ..ReadSettings::default() };
    Treebank::read_stream(language, conllu::Reader::new(text.as_ref(), "t.conllu"), &settings).unwrap()
}

fn sentences(text: impl AsRef<[u8]>) -> Vec<Sentence> {
    conllu::Reader::new(text.as_ref(), "t.conllu").collect::<Result<_>>().unwrap()
}

/// Where a word stands.
fn place(word: &Word) -> (&str, &str, &str) {
    (&word.file, &word.sentence_id, &word.token_id)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            let path = folder.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn multiword_tokens_are_one_word_or_their_parts() {
    let text = line(["1-2", "im", "_", "_", "_", "_"])
        + &line(["1", "in", "in", "ADP", "_", "_"])
        + &line(["2", "dem", "der", "DET", "Case=Dat", "_"]);
    let surface = read("de", &text, Scheme::Ud);
    assert_eq!((surface.words.len(), surface.counts.syntactic_words, surface.counts.multiword_tokens), (1, 2, 1));
    assert_eq!(place(&surface.words[0]), ("t.conllu", "line-1", "1-2"));
    let settings = ReadSettings { scheme: Scheme::Ud, multiword: Multiword::Parts, lenient: false };
    let stream = conllu::Reader::new(text.as_bytes(), "t.conllu");
    let parts = Treebank::read_stream("de", stream, &settings).unwrap();
    assert_eq!(parts.words.iter().map(|word| word.token_id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn empty_nodes_are_dropped_and_counted() {
    let node = |id| line([id, "x", "x", "VERB", "_", "_"]);
    let treebank = read("en", node("0.1") + &word("a") + &node("1.1") + &node("1.2"), Scheme::Ud);
    assert_eq!((treebank.words.len(), treebank.counts.empty_nodes), (1, 3));
}

#[test]
fn forms_may_hold_spaces() {
    let treebank = read("vi", line(["1", "phỏng vấn", "phỏng vấn", "VERB", "_", "_"]), Scheme::Ud);
    assert_eq!(treebank.words[0].form, "phỏng vấn");
}

#[test]
fn an_underscore_may_be_a_word() {
    let text = line(["1", "_", "_", "SYM", "_", "_"]);
    let treebank = read("en", &text, Scheme::Ud);
    assert_eq!((treebank.words[0].form.as_str(), treebank.words[0].lemma.as_deref()), ("_", Some("_")));
    assert_eq!(sentences(&text)[0].to_string(), text + "\n");
}

#[test]
fn a_lemma_may_be_missing() {
    let treebank = read("en", line(["1", "Cats", "_", "NOUN", "_", "_"]), Scheme::Ud);
    assert_eq!((&treebank.words[0].lemma, treebank.counts.without_lemma), (&None, 1));
}

#[test]
fn a_text_may_be_missing() {
    let text = line(["1-2", "im", "_", "_", "_", "_"])
        + &line(["1", "in", "in", "ADP", "_", "SpaceAfter=No"])
        + &line(["2", "dem", "der", "DET", "_", "_"])
        + &line(["3", "Bad", "Bad", "NOUN", "_", "Gloss=bath|SpaceAfter=No"])
        + &line(["3.1", "x", "x", "NOUN", "_", "_"])
        + &line(["4", ".", ".", "PUNCT", "_", "_"]);
    let sentence = &sentences(text)[0];
    assert_eq!((&sentence.text, sentence.surface().as_str()), (&None, "im Bad."));
}

#[test]
fn sentences_without_an_id_are_found_by_their_line() {
    let treebank = read("en", format!("# sent_id =\n{}\n{}", word("a"), word("b")), Scheme::Ud);
    let places: Vec<_> = treebank.words.iter().map(place).collect();
    assert_eq!(places, [("t.conllu", "line-1", "1"), ("t.conllu", "line-4", "1")]);
    assert_eq!(treebank.counts.sentences_without_id, 2);
}

#[test]
fn repeated_sentence_ids_are_told_apart() {
    let sentence = format!("# sent_id = s1\n{}\n", word("a"));
    let treebank = read("en", sentence.repeat(3), Scheme::Ud);
    let ids: Vec<_> = treebank.words.iter().map(|word| word.sentence_id.as_str()).collect();
    assert_eq!((ids, treebank.counts.repeated_sentence_ids), (vec!["s1", "s1@line-4", "s1@line-7"], 2));
    // In another file, the id is new.
    let folder = Folder::new(&[("a/t.conllu", sentence.as_bytes()), ("b/t.conllu", sentence.as_bytes())]);
    let paths = [folder.path("a/t.conllu"), folder.path("b/t.conllu")];
    let treebank = Treebank::read("en", &paths, Scheme::Ud).unwrap();
    assert_eq!(
        treebank.words.iter().map(place).collect::<Vec<_>>(),
        [("a/t.conllu", "s1", "1"), ("b/t.conllu", "s1", "1")]
    );
}

#[test]
fn lines_may_end_as_on_windows() {
    let treebank =
        read("en", format!("# sent_id = s1\n{}\n{}", word("a"), word("b")).replace('\n', "\r\n"), Scheme::Ud);
    assert_eq!((treebank.sentences.len(), treebank.words[0].sentence_id.as_str()), (2, "s1"));
    assert!(sentences(word("a").replace('\n', "\r\r\n"))[0].tokens[0].misc.is_none());
}

#[test]
fn a_byte_order_mark_may_come_first() {
    for text in [format!("\u{feff}# sent_id = s1\n{}", word("a")), format!("\u{feff}\n# sent_id = s1\n{}", word("a"))] {
        assert_eq!(read("en", text, Scheme::Ud).words[0].sentence_id, "s1");
    }
}

#[test]
fn text_is_not_normalised() {
    let text = word("cafe\u{301}") + "\n" + &word("caf\u{e9}") + "\n";
    let forms: Vec<_> = read("fr", &text, Scheme::Ud).words.into_iter().map(|word| word.form).collect();
    assert_eq!(forms, ["cafe\u{301}", "caf\u{e9}"]);
    assert_eq!(sentences(&text).iter().map(Sentence::to_string).collect::<String>(), text);
}

#[test]
fn features_are_the_same_however_their_letters_are_encoded() {
    let text = [
        word("a").replace("\tNOUN\t_\t_", "\tNOUN\t_\tX=e\u{301}"),
        word("a").replace("\tNOUN\t_\t_", "\tNOUN\t_\tX=\u{e9}"),
    ];
    let treebank = read("fr", text.join("\n"), Scheme::Ud);
    assert_eq!(treebank.class_counts()["X"], [("\u{e9}".to_string(), 2)].into());
    assert_eq!(sentences(&text[0])[0].tokens[0].feat("X"), Some("e\u{301}"));
}

#[test]
fn joiners_and_other_invisible_letters_stay() {
    for form in ["می\u{200c}خواهم", "क्\u{200d}ष", "a\u{a0}b", "\u{2067}x\u{2069}"] {
        assert_eq!(read("fa", word(form), Scheme::Ud).words[0].form, form);
    }
}

#[test]
fn features_may_have_layers() {
    let text = line(["1", "evim", "ev", "NOUN", "Number=Sing|Number[psor]=Plur|Person[psor]=1", "_"]);
    let word = read("tr", text, Scheme::Ud).words.remove(0);
    assert_eq!((word.attributes.get("Number"), word.attributes.get("Number[psor]")), (Some("Sing"), Some("Plur")));
}

#[test]
fn features_of_several_values_give_no_attribute_and_are_counted() {
    let text = line(["1", "estudiante", "estudiante", "NOUN", "Gender=Fem,Masc|Number=Sing", "_"]);
    for scheme in [Scheme::Ud, Scheme::Unimorph] {
        let treebank = read("es", &text, scheme);
        assert_eq!(treebank.words[0].attributes.get("Gender"), None);
        assert_eq!(treebank.counts.unmapped["Gender=Fem,Masc"], 1);
    }
}

#[test]
fn values_outside_the_universal_ones_are_kept_or_counted() {
    let text = line(["1", "x", "x", "NOUN", "Number=Pl", "_"]);
    assert_eq!(read("ur", &text, Scheme::Ud).words[0].attributes.get("Number"), Some("Pl"));
    let mapped = read("ur", &text, Scheme::Unimorph);
    assert_eq!((mapped.words[0].attributes.get("Number"), mapped.counts.unmapped["Number=Pl"]), (None, 1));
}

#[test]
fn columns_of_conllu_plus_are_taken_by_name() {
    let text = "# global.columns = ID FORM UPOS PARSEME:MWE LEMMA\n\n# sent_id = s1\n1\tWaved\tVERB\t1:VPC\twave\n2\toff\tADP\t1\toff\n\n\
        # global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC\n# sent_id = s2\n";
    let read = sentences(text.to_string() + &word("a"));
    let first = "# sent_id = s1\n1\tWaved\twave\tVERB\t_\t_\t_\t_\t_\t_\n2\toff\toff\tADP\t_\t_\t_\t_\t_\t_\n\n";
    assert_eq!((read.len(), read[0].to_string().as_str(), read[0].line), (2, first, 3));
    // Names that change nothing stay, and are written back.
    assert!(read[1].to_string().starts_with("# global.columns = ID FORM LEMMA"));
}

#[test]
fn compressed_files_are_read_by_what_they_are() {
    let (a, b) = (word("a") + "\n", word("b") + "\n");
    let members = [gzip(&a), gzip(&b)].concat();
    let folder = Folder::new(&[("x.conllu.gz", &members), ("misnamed.conllu", &members), ("plain.gz", a.as_bytes())]);
    for (name, words) in [("x.conllu.gz", 2), ("misnamed.conllu", 2), ("plain.gz", 1)] {
        let treebank = Treebank::read("en", &[folder.path(name)], Scheme::Ud).unwrap();
        assert_eq!((treebank.words.len(), &*treebank.words[0].file), (words, name));
    }
}

#[test]
fn a_folder_is_its_official_parts_as_far_as_they_are_there() {
    let text = |id: &str| format!("# sent_id = {id}\n{}", word("a")).into_bytes();
    let (dev, test, train) = (text("dev"), text("test"), gzip(&String::from_utf8(text("train")).unwrap()));
    let mut files: Vec<(&str, &[u8])> =
        vec![("xx_y-ud-test.conllu", &test), ("xx_y-ud-dev.conllu", &dev), ("README.md", b""), ("not/x.conllu", b"")];
    let read = |files: &[(&str, &[u8])]| {
        let folder = Folder::new(files);
        let treebank = Treebank::read("xx", &[folder.0.path().to_path_buf()], Scheme::Ud).unwrap();
        treebank.words.iter().map(|w| (OfficialSplit::of_file(&w.file), w.sentence_id.clone())).collect::<Vec<_>>()
    };
    let part = |split: OfficialSplit| (Some(split), split.to_string());
    assert_eq!(read(&files), [OfficialSplit::Dev, OfficialSplit::Test].map(part));
    files.push(("xx_y-ud-train.conllu.gz", &train));
    let all = [OfficialSplit::Train, OfficialSplit::Dev, OfficialSplit::Test].map(part);
    assert_eq!(read(&files), all);
    // The same file plain and compressed counts once.
    files.push(("xx_y-ud-dev.conllu.gz", &train));
    assert_eq!(read(&files), all);
}

#[test]
fn files_named_twice_are_refused() {
    let folder = Folder::new(&[("a.conllu", word("a").as_bytes())]);
    let (file, whole) = (folder.path("a.conllu"), folder.0.path().to_path_buf());
    for paths in [[file.clone(), file.clone()], [file.clone(), whole.clone()], [file.clone(), whole.join("./a.conllu")]]
    {
        let error = Treebank::read("en", &paths, Scheme::Ud).unwrap_err().to_string();
        assert!(error.contains("its words would count twice"), "{error}");
        assert!(Source::new("en", &paths).is_err());
    }
}

#[test]
fn lines_and_sentences_of_any_length_end_in_an_error_and_the_next_sentence() {
    let good = word("a") + "\n";
    let long_line = format!("1\t{}", "x".repeat(3 * conllu::MAX_LINE));
    let long_sentence = format!("# {}\n", "x".repeat(conllu::MAX_LINE - 3)).repeat(17);
    for (long, line, message) in [(long_line, 3, "a line of more than"), (long_sentence, 19, "a sentence of more than")]
    {
        let text = format!("{good}{long}\n\n{good}");
        let read: Vec<_> = conllu::Reader::new(text.as_bytes(), "t.conllu").collect();
        assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        let error = read[1].as_ref().unwrap_err().to_string();
        assert!(error.starts_with(&format!("t.conllu:{line}: {message}")), "{error}");
    }
    // The longest that is taken.
    let form = "x".repeat(conllu::MAX_LINE - word("").len());
    assert_eq!(sentences(line(["1", &form, "_", "NOUN", "_", "_"])).len(), 1);
}

#[test]
fn streams_skip_and_count_as_treebanks_do() {
    let text = format!("{}\n1\tbroken\n\n{}", word("a"), word("b"));
    let folder = Folder::new(&[("a.conllu", text.as_bytes())]);
    let source = Source::new("en", [folder.path("a.conllu")]).unwrap();
    let settings = ReadSettings { scheme: Scheme::Ud, lenient: true, ..ReadSettings::default() };
    let mut seen = Vec::new();
    let files = TreebankFiles::new(&source, &settings);
    let counts = files.visit_counting(&mut |words| {
        seen.extend_from_slice(words);
        Ok(())
    });
    let treebank = Treebank::read_with("en", &source.files, &settings).unwrap();
    assert_eq!((counts.unwrap(), seen), (treebank.counts.clone(), treebank.words));
    assert_eq!(treebank.counts, Counts { skipped_sentences: 1, ..treebank.counts.clone() });
    let strict = TreebankFiles::new(&source, &ReadSettings { lenient: false, ..settings });
    assert!(strict.visit(&mut |_| Ok(())).unwrap_err().to_string().contains("a.conllu:3: 2 columns"));
}
