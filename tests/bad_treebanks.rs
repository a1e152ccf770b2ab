//! Files that are known to be broken, in `tests/bad`: each is refused with its line and a cure, and where sentences may be
//! skipped, the others are read.

use isogloss::similarity::read_sentences;
use isogloss::treebank::{ReadSettings, Scheme, Treebank};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// File, line of the defect (0 where the whole file is broken), message, and the sentences left when defective ones are
/// skipped; none is left of a file that cannot be read to its end.
const TREEBANKS: &[(&str, usize, &str, usize)] = &[
    ("byte_order_mark_inside.conllu", 3, "a byte order mark inside the file", 2),
    ("comments_alone.conllu", 1, "a block of lines without a word", 1),
    ("cut_off.conllu.gz", 0, "the compressed data are damaged or cut off after line", 0),
    ("damaged.conllu.gz", 0, "the compressed data are damaged or cut off after line", 0),
    ("eleven_columns.conllu", 2, "11 columns where 10 were expected", 1),
    ("empty_column.conllu", 1, "column LEMMA is empty; write `_`", 1),
    ("empty_node_skipped.conllu", 2, "empty node 1.2 where 1.1 was expected", 1),
    ("feature_twice.conllu", 1, "feature `Case` is given twice; join its values by a comma", 1),
    ("feature_without_value.conllu", 1, "feature `Number` should be Name=Value", 1),
    ("features_end_in_a_bar.conllu", 1, "feature `` should be Name=Value", 1),
    ("head_not_a_number.conllu", 1, "head `root` should be a word's number", 1),
    ("head_outside.conllu", 2, "head 7 is not in the sentence; it has words 1 to 2", 1),
    ("invalid_utf8.conllu", 2, "invalid UTF-8 at byte 4 of the line", 1),
    ("line_of_spaces.conllu", 2, "a line of spaces; end a sentence with an empty line", 1),
    ("nine_columns.conllu", 1, "9 columns where 10 were expected; separate them by single tabs", 1),
    ("no_blank_line.conllu", 3, "a comment inside a sentence", 1),
    ("old_mac_line_ends.conllu", 1, "19 columns where 10 were expected", 0),
    ("only_an_empty_node.conllu", 1, "a block of lines without a word", 1),
    ("plus_column_twice.conllup", 1, "global.columns names the column FORM twice", 0),
    ("plus_without_form.conllup", 1, "global.columns lacks the column FORM", 0),
    ("plus_wrong_count.conllup", 2, "2 columns where global.columns names 3", 1),
    ("range_after_its_words.conllu", 2, "should stand directly before its first word 1", 1),
    ("range_backwards.conllu", 1, "should go from a lower to a higher word", 1),
    ("range_beyond_the_end.conllu", 1, "goes beyond the sentence's last word 2", 1),
    ("ranges_overlap.conllu", 3, "multiword range 2-3 overlaps the range 1-2", 1),
    ("rubbish_after_gzip.conllu.gz", 0, "the compressed data are damaged or cut off after line 6", 0),
    ("space_in_upos.conllu", 1, "column UPOS `X Y` contains a space", 1),
    ("spaces_for_tabs.conllu", 1, "1 columns where 10 were expected", 1),
    ("upos_of_two_tags.conllu", 2, "column UPOS `NOUN|VERB` should be one tag", 1),
    ("utf16.conllu", 1, "invalid UTF-8 at byte 0 of the line; convert the file to UTF-8", 0),
    ("word_id_leading_zero.conllu", 1, "id `01` is neither", 1),
    ("word_id_overflows.conllu", 1, "id `4294967296` is neither", 1),
    ("word_id_repeated.conllu", 2, "word id 1 where 2 was expected", 1),
    ("word_id_skipped.conllu", 2, "word id 3 where 2 was expected", 1),
    ("word_id_zero.conllu", 1, "id `0` is neither a word (8), a range (8-9) nor an empty node (8.1)", 1),
    ("wrong_checksum.conllu.gz", 0, "the compressed data are damaged or cut off after line 6", 0),
];

/// Files of a sentence a line.
const TEXTS: &[(&str, &str)] = &[
    ("blank_line.txt", "blank_line.txt:2: is blank; remove it"),
    ("latin1.txt", "latin1.txt:2: is not valid UTF-8"),
    ("nothing.txt", "nothing.txt: holds no sentences"),
];

fn bad(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad").join(name)
}

#[test]
fn broken_treebanks_are_refused_with_line_and_cure() {
    for &(name, line, message, _) in TREEBANKS {
        let error = Treebank::read("es", &[bad(name)], Scheme::Ud).expect_err(name).to_string();
        let place = if line == 0 { format!("{name}: ") } else { format!("{name}:{line}: ") };
        assert!(error.contains(&place) && error.contains(message), "{name}: {error}");
    }
}

#[test]
fn what_is_left_of_broken_treebanks_is_read_and_the_rest_counted() {
    let settings = ReadSettings { scheme: Scheme::Ud, lenient: true, ..ReadSettings::default() };
    for &(name, line, message, good) in TREEBANKS {
        match Treebank::read_with("es", &[bad(name)], &settings) {
            Ok(treebank) => {
                assert_eq!((treebank.sentences.len(), treebank.counts.skipped_sentences), (good, 1), "{name}");
            }
            Err(error) => {
                let error = error.to_string();
                // Without its columns' names, nothing of a file is known.
                let is_lost = line == 0 || message.starts_with("global.columns");
                let expected = if is_lost { message } else { "has no words" };
                assert!(good == 0 && error.contains(expected), "{name}: {error}");
            }
        }
    }
}

#[test]
fn broken_texts_are_refused_with_line_and_cure() {
    for &(name, message) in TEXTS {
        let error = read_sentences(bad(name)).expect_err(name).to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
}

#[test]
fn every_known_bad_file_has_its_test() {
    let files = std::fs::read_dir(bad("")).expect("tests/bad");
    let files: BTreeSet<String> =
        files.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    let tested: Vec<&str> = TREEBANKS.iter().map(|row| row.0).chain(TEXTS.iter().map(|row| row.0)).collect();
    assert_eq!(files, tested.iter().map(|name| name.to_string()).collect());
    assert_eq!(files.len(), tested.len(), "a file is in the table twice");
}
