use super::*;
use crate::Result;
use proptest::prelude::*;

fn read(text: impl AsRef<[u8]>) -> Vec<Result<Sentence>> {
    Reader::new(text.as_ref(), "t.conllu").collect()
}

fn one(text: &str) -> Sentence {
    let mut sentences = read(text);
    assert_eq!(sentences.len(), 1, "{text}");
    sentences.remove(0).unwrap()
}

fn error(text: impl AsRef<[u8]>) -> String {
    read(text).into_iter().find_map(Result::err).expect("an error").to_string()
}

/// A word line with FEATS and HEAD.
fn line(id: &str, form: &str, feats: &str, head: &str) -> String {
    format!("{id}\t{form}\t{form}\tNOUN\t_\t{feats}\t{head}\tdep\t_\t_\n")
}

fn word(id: &str, form: &str) -> String {
    line(id, form, "_", "_")
}

const SPANISH: &str = "# newdoc\n# sent_id = es-1\n# text = Dámelo, Mỹ Linh.\n\
    1-3\tDámelo\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n\
    1\tDa\tdar\tVERB\tv\tMood=Imp|Number=Sing\t0\troot\t0:root\t_\n\
    2\tme\tyo\tPRON\t_\tCase=Acc,Dat|Number[psor]=Sing\t1\tobj\t_\t_\n\
    3\tlo\tél\tPRON\t_\t_\t1\tobj\t_\t_\n\
    3.1\tda\tdar\tVERB\t_\t_\t_\t_\t1:conj\t_\n\
    4\t,\t,\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\
    5\tMỹ Linh\tMỹ Linh\tPROPN\t_\t_\t1\tvocative\t_\tSpaceAfter=No|Gloss=a b\n\
    6\t_\t_\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\n";

#[test]
fn a_sentence_with_everything_reads_and_writes_back() {
    let sentence = one(SPANISH);
    assert_eq!(sentence.to_string(), SPANISH);
    assert_eq!(sentence.id.as_deref(), Some("es-1"));
    assert_eq!(sentence.text.as_deref(), Some("Dámelo, Mỹ Linh."));
    assert_eq!((sentence.line, sentence.comments.len(), sentence.tokens.len()), (1, 3, 8));
    let ids: Vec<_> = sentence.tokens.iter().map(|token| token.id).collect();
    assert_eq!((ids[0], ids[1], ids[4]), (TokenId::Range(1, 3), TokenId::Word(1), TokenId::Empty(3, 1)));
    assert!(!sentence.tokens[0].space_after() && sentence.tokens[1].space_after());
    assert_eq!(sentence.tokens[2].feat("Number[psor]"), Some("Sing"));
    assert_eq!(sentence.tokens[2].feat("Case"), Some("Acc,Dat"));
    assert_eq!((sentence.tokens[1].head, sentence.tokens[4].head), (Some(0), None));
    // An underscore with the lemma underscore is a word of its own; elsewhere the lemma is missing.
    assert_eq!(sentence.tokens[7].lemma.as_deref(), Some("_"));
    assert_eq!(sentence.tokens[0].lemma, None);
}

#[test]
fn marks_of_other_systems_are_taken() {
    let plain = format!("{}{}", word("1", "a"), word("2", "b"));
    let windows = format!("\u{feff}# sent_id = 1\r\n{}\r\n", plain.replace('\n', "\r\n"));
    let sentence = one(&windows);
    assert_eq!(sentence.to_string(), format!("# sent_id = 1\n{plain}\n"));
    // No blank line at the end, none but blank lines, and more of them than needed.
    assert_eq!(one(&plain).tokens.len(), 2);
    assert_eq!(one(plain.trim_end()).tokens.len(), 2);
    assert!(read("").is_empty() && read("\n\n").is_empty());
    let two = read(format!("\n{plain}\n\n\n{plain}\n\n"));
    assert_eq!(two.iter().map(|s| s.as_ref().unwrap().line).collect::<Vec<_>>(), [2, 7]);
    // A form that only looks like a comment, a joiner, a decomposed letter: all as they are.
    assert_eq!(one(&word("1", "#tag")).tokens[0].form, "#tag");
    assert_eq!(one(&word("1", "न\u{200d}e\u{301}")).tokens[0].form, "न\u{200d}e\u{301}");
}

#[test]
fn empty_nodes_may_stand_before_the_first_word_and_inside_ranges() {
    let text =
        [word("0.1", "x"), word("0.2", "y"), word("1-2", "ab"), word("1", "a"), word("1.1", "z"), word("2", "b")];
    assert_eq!(one(&text.concat()).tokens.len(), 6);
}

#[test]
fn every_defect_names_its_line_and_cure() {
    let w = word;
    let cases: Vec<(String, usize, &str)> = vec![
        ("1\ta\ta\tX\t_\t_\t0\troot\t_\n".into(), 1, "9 columns where 10 were expected"),
        (format!("{}2 b b X _ _ 0 root _ _\n", w("1", "a")), 2, "1 columns where 10"),
        (w("1", "a").replace("\t_\n", "\t_\t_\n"), 1, "11 columns"),
        ("1\t\ta\tX\t_\t_\t0\troot\t_\t_\n".into(), 1, "column FORM is empty"),
        ("1\ta\ta\tX Y\t_\t_\t0\troot\t_\t_\n".into(), 1, "column UPOS `X Y` contains a space"),
        (w("2", "a"), 1, "word id 2 where 1 was expected"),
        (w("1", "a") + &w("1", "a"), 2, "word id 1 where 2 was expected"),
        (w("0", "a"), 1, "id `0` is neither"),
        (w("x", "a"), 1, "id `x` is neither"),
        (w("01", "a"), 1, "id `01` is neither"),
        (w("99999999999", "a"), 1, "is neither"),
        (w("1-", "a"), 1, "id `1-` is neither"),
        (w("1.0", "a"), 1, "id `1.0` is neither"),
        (w("1-1", "a") + &w("1", "a"), 1, "from a lower to a higher"),
        (w("2-3", "a") + &w("1", "a"), 1, "directly before its first word 2"),
        (w("1", "a") + &w("1-2", "a") + &w("2", "b"), 2, "directly before its first word 1"),
        (w("1-3", "a") + &w("1", "a") + &w("2-3", "a") + &w("2", "a") + &w("3", "a"), 3, "overlaps the range 1-3"),
        (w("1-2", "a") + &w("1-2", "a") + &w("1", "a") + &w("2", "a"), 2, "overlaps the range 1-2"),
        (w("1-3", "a") + &w("1", "a") + &w("2", "a"), 1, "beyond the sentence's last word 2"),
        (w("1.1", "a"), 1, "empty node 1.1 where 0.1 was expected"),
        (w("1", "a") + &w("1.2", "a"), 2, "empty node 1.2 where 1.1 was expected"),
        (line("1", "a", "Number", "0"), 1, "feature `Number` should be Name=Value"),
        (line("1", "a", "Number=", "0"), 1, "feature `Number=`"),
        (line("1", "a", "A=b|", "0"), 1, "feature ``"),
        (line("1", "a", "A=b|A=c", "0"), 1, "feature `A` is given twice"),
        (line("1", "a", "_", "x"), 1, "head `x`"),
        (line("1", "a", "_", "-1"), 1, "head `-1`"),
        (w("1", "a") + &line("2", "a", "_", "3"), 2, "head 3 is not in the sentence"),
        (w("1", "a") + "# late\n", 2, "a comment inside a sentence"),
        ("# sent_id = 1\n\n".into(), 1, "a block of lines without a word"),
        (w("1", "a") + "\n# end\n", 3, "a block of lines without a word"),
        (w("0.1", "a"), 1, "a block of lines without a word"),
    ];
    for (text, number, message) in cases {
        let error = error(&text);
        assert!(error.starts_with(&format!("t.conllu:{number}: ")) && error.contains(message), "{text}\n{error}");
    }
    let broken = error([word("1", "a").as_bytes(), b"2\t\xff\n"].concat());
    assert!(broken.starts_with("t.conllu:2: invalid UTF-8 at byte 2"), "{broken}");
}

#[test]
fn after_a_defect_the_next_sentence_follows() {
    let good = word("1", "a");
    let results = read(format!("{good}\n1\tbroken\n{good}\n{good}\n# alone\n\n{good}"));
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, true]);
}

#[test]
fn a_missing_file_is_named() {
    let error = open("nowhere/x.conllu").unwrap_err().to_string();
    assert!(error.starts_with("nowhere/x.conllu: cannot read"), "{error}");
}

/// Fragments that come close to the format.
fn lines() -> impl Strategy<Value = String> {
    let column = prop_oneof![
        Just("_".to_string()),
        Just("1".to_string()),
        Just("2".to_string()),
        Just("1-2".to_string()),
        Just("1.1".to_string()),
        Just("A=b|C=d".to_string()),
        Just("A=b,c".to_string()),
        ".{0,6}",
    ];
    let line = prop::collection::vec(column, 8..12).prop_map(|columns| columns.join("\t"));
    let line = prop_oneof![4 => line, 1 => Just(String::new()), 1 => "# .{0,8}"];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

/// Sentences that are well formed.
fn sentences() -> impl Strategy<Value = String> {
    let column = || prop_oneof![Just("_".to_string()), "[^\\s_#|=]{1,6}"];
    let form = prop_oneof![Just("_".to_string()), Just("#".to_string()), "[^\\s\\pC]{1,4}( [^\\s\\pC]{1,4})?"];
    let feats =
        prop::collection::btree_map("[A-Z][a-z]{0,3}(\\[[a-z]{1,4}\\])?", "[A-Z0-9,]{1,4}", 0..4).prop_map(|feats| {
            let feats: Vec<_> = feats.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            if feats.is_empty() {
                "_".to_string()
            } else {
                feats.join("|")
            }
        });
    let word = (form, column(), column(), column(), feats, 0..3u8, column());
    let words = prop::collection::vec((word, 0..8u8), 1..7);
    (prop::collection::vec("# [^\\r\\n]{0,9}[a-z]", 0..3), words).prop_map(|(comments, words)| {
        let mut text: String = comments.iter().map(|comment| format!("{comment}\n")).collect();
        let (count, mut after) = (words.len(), 0);
        for (i, ((form, lemma, upos, xpos, feats, head, misc), kind)) in words.into_iter().enumerate() {
            let id = i + 1;
            if kind == 0 && id > after && id < count {
                after = id + 1;
                text += &format!("{id}-{after}\t{form}\t_\t_\t_\t_\t_\t_\t_\t{misc}\n");
            }
            let head = usize::from(head) % (count + 1);
            text += &format!("{id}\t{form}\t{lemma}\t{upos}\t{xpos}\t{feats}\t{head}\tdep\t_\t{misc}\n");
            if kind == 1 {
                text += &format!("{id}.1\t{form}\t{lemma}\t_\t_\t{feats}\t_\t_\t{id}:x\t_\n");
            }
        }
        text + "\n"
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&bytes).len() <= bytes.len());
    }

    #[test]
    fn nothing_that_looks_like_conllu_makes_it_panic(text in lines()) {
        for sentence in read(&text).into_iter().flatten() {
            // What was read reads again to the same.
            let again = one(&sentence.to_string());
            prop_assert_eq!(again.tokens, sentence.tokens);
        }
    }

    #[test]
    fn what_was_read_is_written_byte_for_byte(text in prop::collection::vec(sentences(), 1..4)) {
        let text = text.concat();
        let mut written = String::new();
        for sentence in read(&text) {
            written += &sentence.map_err(|error| TestCaseError::fail(error.to_string()))?.to_string();
        }
        prop_assert_eq!(written, text);
    }
}

#[test]
fn features_are_bounded_and_their_names_differ_however_many_they_are() {
    let line = |feats: &str| format!("1\ta\ta\tX\t_\t{feats}\t0\troot\t_\t_\n\n");
    let many: Vec<String> = (0..5_000).map(|i| format!("F{i}=V")).collect();
    assert_eq!(one(&line(&many.join("|"))).tokens[0].feats.len(), 5_000);
    for n in [2, 17, 5_000] {
        let twice = format!("{}|F{}=W", many[..n].join("|"), n / 2);
        let error = read(line(&twice)).remove(0).unwrap_err().to_string();
        assert!(error.contains(&format!("feature `F{}` is given twice", n / 2)), "{error}");
    }
    let long = format!("F={}", "V".repeat(70_000));
    let error = read(line(&long)).remove(0).unwrap_err().to_string();
    assert!(error.contains("column FEATS has 70002 bytes, more than 65536"), "{error}");
}
