//! Any part of speech and features, in any language, mapped to UniMorph: `LANGUAGE UPOS FEATS`. The order of the features
//! does not matter.
#![no_main]

use isogloss::treebank::conllu::Reader;
use isogloss::treebank::{Attributes, ReadSettings, Scheme, Treebank};
use libfuzzer_sys::fuzz_target;

fn map(language: &str, upos: &str, feats: &str, scheme: Scheme) -> Option<Treebank> {
    let line = format!("1\tw\tw\t{upos}\t_\t{feats}\t0\troot\t_\t_\n");
    let settings = ReadSettings { scheme, ..ReadSettings::default() };
    Treebank::read_stream(language, Reader::new(line.as_bytes(), "fuzz.conllu"), &settings).ok()
}

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, ' ');
    let (Some(language), Some(upos), Some(feats)) = (parts.next(), parts.next(), parts.next()) else { return };
    let reversed = feats.split('|').rev().collect::<Vec<_>>().join("|");
    for scheme in [Scheme::Unimorph, Scheme::Ud] {
        let (a, b) = (map(language, upos, feats, scheme), map(language, upos, &reversed, scheme));
        let (Some(a), Some(b)) = (a, b) else { continue };
        let (Some(word), Some(other)) = (a.words.first(), b.words.first()) else { continue };
        assert_eq!(word.attributes, other.attributes);
        assert_eq!((&a.counts.unmapped, &a.counts.outranked), (&b.counts.unmapped, &b.counts.outranked));
        if scheme == Scheme::Unimorph {
            assert_eq!(word.attributes.to_string().parse::<Attributes>().ok().as_ref(), Some(&word.attributes));
            assert!(word.attributes.iter().all(|(name, _)| scheme.check_attribute(name).is_ok()));
        }
    }
});
