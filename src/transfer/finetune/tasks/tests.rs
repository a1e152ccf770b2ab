use super::*;
use std::fs;
use std::path::PathBuf;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn tokenizer() -> Tokenizer {
    Tokenizer::open(fixture("tiny-bloom/tokenizer.json")).unwrap()
}

fn source(language: &str, path: &Path) -> Source {
    Source::new(language, [path]).unwrap()
}

fn read(task: &Task, name: &str, text: &str) -> Result<Gold> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    task.read(&source("en", &path))
}

fn texts(gold: &Gold) -> Vec<(&str, Vec<&str>)> {
    let Content::Texts(texts) = &gold.content else { panic!("no texts") };
    texts.iter().map(|text| (text.label.as_str(), text.parts.iter().map(String::as_str).collect())).collect()
}

const XNLI: Task = Task::Xnli;
const HEADER: &str = "language\tgold_label\tsentence1_binary_parse\tsentence1\tsentence2\tpromptID\n";

#[test]
fn xnli_reads_both_formats_and_counts_rows_without_label() {
    let tsv = format!("{HEADER}en\tneutral\tp\tA \"b\" c.\tD.\t1\r\nfr\tneutral\tp\tE\tF\t1\nen\t-\tp\tG\tH\t2\n");
    let gold = read(&XNLI, "xnli.test.tsv", &tsv).unwrap();
    assert_eq!(texts(&gold), [("neutral", vec!["A \"b\" c.", "D."])]);
    assert_eq!(gold.without_label, 1);
    let json = "{\"gold_label\": \"neutral\", \"language\": \"en\", \"sentence1\": \"A \\\"b\\\" c.\", \"sentence2\": \"D.\", \"x\": 1}\n\
        {\"gold_label\": \"-\", \"language\": \"en\", \"sentence1\": \"G\", \"sentence2\": \"H\"}\n";
    let same = read(&XNLI, "xnli.test.jsonl", json).unwrap();
    assert_eq!((texts(&same), same.without_label, &same.sha256), (texts(&gold), 1, &gold.sha256));
    // MultiNLI has no languages; its translations have other columns and another spelling.
    let multi = "gold_label\tsentence1\tsentence2\tlabel1\nentailment\tA\tB\tentailment\n";
    assert_eq!(texts(&read(&XNLI, "m.txt", multi).unwrap()), [("entailment", vec!["A", "B"])]);
    let translated = "premise\thypo\tlabel\nA\tB\tcontradictory\n";
    assert_eq!(texts(&read(&XNLI, "m.tsv", translated).unwrap()), [("contradiction", vec!["A", "B"])]);
}

#[test]
fn broken_xnli_is_refused_by_line() {
    for (name, text, why) in [
        ("a.tsv", "", "is empty"),
        ("a.tsv", "language\tsentence1\tsentence2\n", ":1: has no column `gold_label`"),
        ("a.tsv", &format!("{HEADER}en\tneutral\tp\tA\n"), ":2: has 4 cells"),
        ("a.tsv", &format!("{HEADER}en\tmaybe\tp\tA\tB\t1\n"), ":2: unknown gold label `maybe`"),
        ("a.jsonl", "{\"gold_label\": \"neutral\"}\n", ":1: is no object"),
        ("a.tsv", &format!("{HEADER}fr\tneutral\tp\tA\tB\t1\n"), "whose languages are fr"),
        ("a.tsv", &format!("{HEADER}en\t-\tp\tA\tB\t1\n"), "`en` has no gold label"),
    ] {
        let error = read(&XNLI, name, text).unwrap_err().to_string();
        assert!(error.contains(why), "expected {why:?} in {error:?}");
    }
}

#[test]
fn labelled_sentences_with_and_without_header() {
    let task = Task::Labelled("mood".into());
    let plain = read(&task, "a.tsv", "good\ta b\nbad\tc \"d\n\te\n").unwrap();
    assert_eq!((texts(&plain), plain.without_label), (vec![("good", vec!["a b"]), ("bad", vec!["c \"d"])], 1));
    let header = read(&task, "a.tsv", "id\ttext\tlabel\n1\ta b\tgood\n2\tc \"d\tbad\n").unwrap();
    assert_eq!((texts(&header), &header.sha256), (texts(&plain), &plain.sha256));
    assert_eq!(task.labels(&plain).unwrap(), ["bad", "good"]);
    assert!(read(&task, "a.tsv", "good\ta\nbad\n").unwrap_err().to_string().contains(":2: has 1 cells"));
    let one = read(&task, "a.tsv", "good\ta\n").unwrap();
    assert!(task.labels(&one).unwrap_err().to_string().contains("one label alone"));
    // A label that training has not: named with its line.
    let other = read(&task, "b.tsv", "good\ta\nfair\tb\n").unwrap();
    let error = task.check_labels(&other, &task.labels(&plain).unwrap()).unwrap_err().to_string();
    assert!(
        error.contains("b.tsv:2: the label `fair` is not in the training data, whose labels are bad, good"),
        "{error}"
    );
}

#[test]
fn tagging_labels_the_first_or_the_last_subword_within_the_length() {
    let file = fixture("treebanks/qa.conllu");
    let tokenizer = tokenizer();
    let (first, last) = (Tagging::default(), Tagging { label_on: LabelOn::Last, ..Tagging::default() });
    let gold = Task::Tagging(first).read(&source("qa", &file)).unwrap();
    let labels = Task::Tagging(first).labels(&gold).unwrap();
    let encode = |tagging, length| Task::Tagging(tagging).encode(&gold, &tokenizer, &labels, length).unwrap();
    let (a, b) = (encode(first, 128), encode(last, 128));
    let Content::Words(treebank) = &gold.content else { panic!("no words") };
    let words = treebank.sentences().next().unwrap();
    let (x, y) = (&a.examples[0], &b.examples[0]);
    assert_eq!((x.targets.len(), y.targets.len(), &x.ids), (words.len(), words.len(), &y.ids));
    // A word's subwords reach from its first to the token before the next word's first.
    for (i, window) in x.targets.windows(2).enumerate() {
        assert_eq!(y.targets[i], (window[1].0 - 1, window[0].1));
    }
    // "tu buklotas ... tistokos, mas": a space before all but the first and the comma.
    let expected: Vec<u32> = ["tu", " buklotas", " matos", " tistokos", ",", " mas"]
        .iter()
        .flat_map(|w| tokenizer.encode(w).unwrap())
        .collect();
    assert_eq!(&x.ids[..expected.len()], expected);
    assert_eq!(labels[x.targets[0].1], "PRON");
    assert_eq!(a.left, Left::default());
    // Cut at five subwords: what is lost is counted, and nothing lies beyond.
    let cut = encode(first, 5);
    assert!(cut.examples.iter().all(|example| example.ids.len() <= 5 && example.targets.iter().all(|(p, _)| *p < 5)));
    let longer = a.examples.iter().filter(|example| example.ids.len() > 5).count();
    let count = |encoded: &Encoded| encoded.examples.iter().map(|example| example.targets.len()).sum::<usize>();
    assert_eq!((cut.left.truncated, cut.left.words_cut), (longer, count(&a) - count(&cut)));
    assert!(cut.left.words_cut > 0);
}

#[test]
fn a_pair_is_cut_at_the_longer_part_and_the_last_token_counts() {
    let tokenizer = tokenizer();
    let gold =
        read(&XNLI, "a.tsv", &format!("{HEADER}en\tneutral\tp\ttu buklotas matos tistokos\tela mas\t1\n")).unwrap();
    let labels = XNLI.labels(&gold).unwrap();
    let (first, second) =
        (tokenizer.encode("tu buklotas matos tistokos").unwrap(), tokenizer.encode("ela mas").unwrap());
    assert!(first.len() > second.len() + 2);
    let whole = XNLI.encode(&gold, &tokenizer, &labels, 128).unwrap();
    let n = first.len() + second.len();
    assert_eq!(whole.examples, [Example { ids: [first.clone(), second.clone()].concat(), targets: vec![(n - 1, 2)] }]);
    let cut = XNLI.encode(&gold, &tokenizer, &labels, n - 2).unwrap();
    assert_eq!(cut.examples[0].ids, [&first[..first.len() - 2], &second[..]].concat());
    assert_eq!((cut.left.truncated, cut.examples[0].targets[0].0), (1, n - 3));
}

#[test]
fn parts_of_speech_that_are_none_and_absent_ones() {
    let task = Task::Tagging(Tagging::default());
    let row = |i: usize, tag: &str| format!("{i}\tw\tw\t{tag}\t_\t_\t{}\tdep\t_\t_\n", i - 1);
    let error = read(&task, "a.conllu", &format!("# sent_id = s1\n{}\n", row(1, "NN"))).unwrap_err().to_string();
    assert!(error.contains("a.conllu, sentence s1, token 1: `NN` is no universal part of speech"), "{error}");
    let error = read(&task, "a.conllu", &format!("{}\n", row(1, "_"))).unwrap_err().to_string();
    assert!(error.contains("`en` has no gold label in"), "{error}");
    let some = read(&task, "a.conllu", &format!("{}{}\n", row(1, "_"), row(2, "NOUN"))).unwrap();
    assert_eq!(some.without_label, 1);
}
