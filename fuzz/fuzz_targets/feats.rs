//! Any bytes as the FEATS column of a word: taken if and only if they are pairs, and written back as they were.
#![no_main]

use isogloss::treebank::conllu::Reader;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

/// What the format says, in other words.
fn is_feats(column: &[u8]) -> bool {
    let Ok(column) = std::str::from_utf8(column) else { return false };
    if column == "_" {
        return true;
    }
    let mut names = BTreeSet::new();
    !column.contains(' ')
        && column.split('|').all(|pair| match pair.find('=') {
            Some(end) => end > 0 && end + 1 < pair.len() && names.insert(&pair[..end]),
            None => false,
        })
}

fuzz_target!(|column: &[u8]| {
    if column.iter().any(|byte| matches!(byte, b'\t' | b'\n')) {
        return;
    }
    let line = [b"1\tw\tw\tX\t_\t".as_slice(), column, b"\t0\troot\t_\t_\n\n"].concat();
    let mut read = Reader::new(line.as_slice(), "fuzz.conllu");
    match read.next() {
        Some(Ok(sentence)) => {
            assert!(is_feats(column));
            assert_eq!(sentence.to_string().as_bytes(), line);
            for (name, value) in sentence.tokens[0].feats.iter() {
                assert_eq!(sentence.tokens[0].feat(name), Some(value.as_str()));
            }
        }
        Some(Err(_)) => assert!(!is_feats(column)),
        None => panic!("the word is gone"),
    }
    assert!(read.next().is_none());
});
