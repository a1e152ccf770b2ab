//! Any bytes as CoNLL-U: what reads is written, and reads again to the same.
#![no_main]

use isogloss::treebank::conllu::{Reader, Sentence};
use isogloss::treebank::{Multiword, ReadSettings, Scheme, Treebank};
use libfuzzer_sys::fuzz_target;

fn good(text: &[u8]) -> Vec<Sentence> {
    Reader::new(text, "fuzz.conllu").filter_map(Result::ok).collect()
}

fuzz_target!(|text: &[u8]| {
    let sentences = good(text);
    let written: String = sentences.iter().map(Sentence::to_string).collect();
    let again = good(written.as_bytes());
    assert_eq!(again.iter().map(Sentence::to_string).collect::<String>(), written);
    assert_eq!(again.len(), sentences.len());
    for (a, b) in sentences.iter().zip(&again) {
        assert_eq!((&a.id, &a.text, &a.comments, &a.tokens), (&b.id, &b.text, &b.comments, &b.tokens));
    }
    for multiword in [Multiword::Surface, Multiword::Parts] {
        let settings = ReadSettings { scheme: Scheme::Ud, multiword, lenient: true };
        let treebank = match Treebank::read_stream("es", Reader::new(text, "fuzz.conllu"), &settings) {
            Ok(treebank) => treebank,
            Err(error) => {
                // Nobody knows which columns follow.
                assert!(error.to_string().contains("global.columns"), "lenient reading stopped: {error}");
                continue;
            }
        };
        assert_eq!(treebank.sentences.len(), sentences.len());
        assert_eq!(treebank.sentences().map(<[_]>::len).sum::<usize>(), treebank.words.len());
        if multiword == Multiword::Parts {
            assert_eq!(treebank.words.len(), treebank.counts.syntactic_words);
        }
        for (i, words) in treebank.sentences().enumerate() {
            assert!(!words.is_empty() && words.iter().all(|word| word.sentence == i));
            let (text, ranges) = Treebank::text(words);
            assert!(words.iter().zip(ranges).all(|(word, range)| text.get(range) == Some(word.form.as_str())));
        }
    }
});
