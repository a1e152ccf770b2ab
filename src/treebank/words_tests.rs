use super::*;

/// Reads text as the treebank of `language`.
fn read(language: &str, text: &str, settings: &ReadSettings) -> Result<Treebank> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.conllu");
    std::fs::write(&path, text).unwrap();
    Treebank::read_with(language, &[path], settings)
}

fn settings(scheme: Scheme, multiword: Multiword) -> ReadSettings {
    ReadSettings { scheme, multiword, lenient: false }
}

const SPANISH: &str = "# sent_id = es-1\n\
    1-3\tDámelo\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n\
    1\tDa\tdar\tVERB\t_\tMood=Imp|Number=Sing|Person=2|VerbForm=Fin\t0\troot\t_\t_\n\
    2\tme\tyo\tPRON\t_\tCase=Acc,Dat|Number=Sing|Person=1\t1\tiobj\t_\t_\n\
    3\tlo\tél\tPRON\t_\tCase=Acc|Gender=Masc|Number=Sing|Person=3\t1\tobj\t_\t_\n\
    4\t,\t,\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\
    4.1\tda\tdar\tVERB\t_\t_\t_\t_\t1:conj\t_\n\
    5\t_\t_\tNOUN\t_\tGender=Masc\t1\tobl\t_\t_\n\
    6-7\tdel\t_\t_\t_\t_\t_\t_\t_\t_\n\
    6\tde\tde\tADP\t_\t_\t8\tcase\t_\t_\n\
    7\tel\tel\tDET\t_\tGender=Masc|Number=Sing\t8\tdet\t_\t_\n\
    8\tbar\t_\tNOUN\t_\tGender=Masc|Number=Sing\t1\tobl\t_\tSpaceAfter=No\n\n\
    1\tSí\tsí\tINTJ\t_\t_\t0\troot\t_\t_\n\n";

#[test]
fn a_multiword_token_is_one_word_with_what_exactly_one_part_has() {
    let treebank = read("es", SPANISH, &settings(Scheme::Unimorph, Multiword::Surface)).unwrap();
    let rows: Vec<_> = treebank
        .words
        .iter()
        .map(|w| (w.token_id.as_str(), w.form.as_str(), w.lemma.as_deref().unwrap_or("-"), w.attributes.to_string()))
        .collect();
    let expected = [
        // Case of lo and mood and polarity of da survive; number, person and part of speech compete.
        ("1-3", "Dámelo", "dar", "Case=ACC|Gender=MASC|Mood=IMP|Polarity=POS"),
        ("4", ",", ",", ""),
        ("5", "_", "_", "Gender=MASC|POS=N"),
        ("6-7", "del", "de+el", "Gender=MASC|Number=SG"),
        ("8", "bar", "-", "Gender=MASC|Number=SG|POS=N"),
        ("1", "Sí", "sí", "POS=INTJ"),
    ];
    assert_eq!(rows, expected.map(|(id, form, lemma, attributes)| (id, form, lemma, attributes.to_string())));
    assert_eq!(treebank.sentences, [0..5, 5..6]);
    let ids: Vec<_> = treebank.words.iter().map(|w| (w.sentence, w.sentence_id.as_str())).collect();
    assert_eq!(ids[4..], [(0, "es-1"), (1, "line-14")]);
    assert!(treebank.words.iter().all(|w| &*w.file == "a.conllu" && &*w.language == "es"));
    let (text, ranges) = Treebank::text(treebank.sentences().next().unwrap());
    assert_eq!(text, "Dámelo, _ del bar");
    assert_eq!(&text[ranges[3].clone()], "del");
    let counts = &treebank.counts;
    assert_eq!(
        (counts.syntactic_words, counts.multiword_tokens, counts.empty_nodes, counts.without_lemma),
        (9, 2, 1, 1)
    );
    // What two parts have is counted: Dámelo's number, person and part of speech, and del's part of speech.
    let shared = [("Number", 1), ("POS", 2), ("Person", 1)].map(|(name, words)| (name.to_string(), words));
    assert_eq!(counts.shared, shared.into());
    let parts = read("es", SPANISH, &settings(Scheme::Unimorph, Multiword::Parts)).unwrap();
    assert!(parts.counts.shared.is_empty());
    // Finiteness is not told in Spanish.
    let unmapped = ["Case=Acc,Dat", "UPOS=PUNCT", "VerbForm=Fin"];
    assert_eq!(counts.unmapped, unmapped.map(|pair| (pair.to_string(), 1)).into());
}

#[test]
fn parts_are_words_with_their_own_features() {
    let treebank = read("es", SPANISH, &settings(Scheme::Ud, Multiword::Parts)).unwrap();
    assert_eq!(treebank.words.len(), treebank.counts.syntactic_words);
    assert_eq!(treebank.words[1].attributes.to_string(), "Number=Sing|POS=PRON|Person=1");
    assert_eq!(Treebank::text(treebank.sentences().next().unwrap()).0, "Da me lo, _ de el bar");
    assert_eq!(treebank.class_counts()["Number"]["Sing"], 5);
    assert!(treebank.check_attribute("Number").is_ok() && treebank.check_attribute("Definite").is_ok());
    assert!(treebank.check_attribute("Numbr").is_err());
}

#[test]
fn a_treebank_may_have_features_of_its_own() {
    let text = "1\ta\ta\tNOUN\t_\tEcho=Rdp|Number=Pl\t0\troot\t_\t_\n\n";
    let own = read("ur", text, &settings(Scheme::Ud, Multiword::Surface)).unwrap();
    assert!(own.check_attribute("Echo").is_ok() && Scheme::Ud.check_attribute("Echo").is_err());
    let mapped = read("ur", text, &settings(Scheme::Unimorph, Multiword::Surface)).unwrap();
    assert_eq!(mapped.counts.unmapped, [("Echo=Rdp".to_string(), 1), ("Number=Pl".to_string(), 1)].into());
}

#[test]
fn the_lemma_of_a_multiword_token_is_its_content_words() {
    let lemma = |parts: &[(&str, &str, &str)]| {
        let mut text = format!("1-{}\tx\t_\t_\t_\t_\t_\t_\t_\t_\n", parts.len());
        for (i, (form, lemma, upos)) in parts.iter().enumerate() {
            text += &format!("{}\t{form}\t{lemma}\t{upos}\t_\t_\t0\troot\t_\t_\n", i + 1);
        }
        let stream = conllu::Reader::new(text.as_bytes(), "t");
        Treebank::read_stream("en", stream, &ReadSettings::default()).unwrap().words.remove(0).lemma
    };
    assert_eq!(lemma(&[("rumah", "rumah", "NOUN"), ("nya", "dia", "PRON")]).as_deref(), Some("rumah"));
    assert_eq!(lemma(&[("do", "do", "AUX"), ("n't", "not", "PART")]).as_deref(), Some("do+not"));
    assert_eq!(lemma(&[("a", "a", "NOUN"), ("b", "b", "VERB")]).as_deref(), Some("a+b"));
    assert_eq!(lemma(&[("a", "_", "NOUN"), ("b", "b", "ADP")]), None);
}

#[test]
fn an_attribute_goes_by_the_lemma_of_the_part_that_gave_it() {
    let treebank = read("es", SPANISH, &settings(Scheme::Unimorph, Multiword::Surface)).unwrap();
    let [damelo, comma, _, del, bar, ..] = treebank.words.as_slice() else { panic!("words") };
    assert_eq!((damelo.lemma_of("Mood"), damelo.lemma_of("Case")), (Some("dar"), Some("él")));
    assert_eq!(
        (del.lemma.as_deref(), del.lemma_of("Gender"), del.lemma_of("POS")),
        (Some("de+el"), Some("el"), Some("de+el"))
    );
    assert_eq!((bar.lemma_of("Gender"), comma.lemma_of("Gender")), (None, Some(",")));
    assert_eq!(damelo.attribute_lemmas.len(), 2, "gender and case are those of lo");
    // A part without a lemma goes by its form.
    let text = "1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\ta\tNOUN\t_\t_\t0\troot\t_\t_\n\
                2\tb\t_\tPRON\t_\tCase=Acc\t1\tobj\t_\t_\n\n";
    let word = read("id", text, &settings(Scheme::Ud, Multiword::Surface)).unwrap().words.remove(0);
    assert_eq!((word.lemma_of("Case"), word.lemma.as_deref()), (Some("b"), Some("a")));
    let parts = read("es", SPANISH, &settings(Scheme::Unimorph, Multiword::Parts)).unwrap();
    assert!(parts.words.iter().all(|word| word.attribute_lemmas.is_empty()));
}

#[test]
fn what_gives_no_attribute_is_counted() {
    // A feature of the name that the part of speech has, and what stands on the line of a multiword token.
    let text = "1-2\tab\t_\tX\t_\tTypo=Yes\t_\t_\t_\t_\n1\ta\ta\tNOUN\t_\tPOS=Noun\t0\troot\t_\t_\n\
                2\tb\t_\tPRON\t_\tCase=Acc\t1\tobj\t_\t_\n\n";
    for multiword in [Multiword::Surface, Multiword::Parts] {
        let treebank = read("id", text, &settings(Scheme::Ud, multiword)).unwrap();
        let unmapped = ["POS=Noun", "Typo=Yes", "UPOS=X"].map(|pair| (pair.to_string(), 1));
        assert_eq!(treebank.counts.unmapped, unmapped.into());
        assert!(treebank.words.iter().all(|word| word.attributes.get("POS") != Some("Noun")));
    }
}

#[test]
fn a_sentence_is_known_by_all_its_words() {
    let treebank = read("es", SPANISH, &settings(Scheme::Unimorph, Multiword::Surface)).unwrap();
    let hashes: Vec<Option<u64>> = treebank.words.iter().map(|word| word.sentence_hash).collect();
    assert!(hashes[0].is_some() && hashes[..5].iter().all(|hash| *hash == hashes[0]) && hashes[5] != hashes[0]);
    let shouted = read("es", &SPANISH.replace("Dámelo", "DÁMELO"), &settings(Scheme::Ud, Multiword::Surface)).unwrap();
    assert_eq!(shouted.words[0].sentence_hash, hashes[0]);
}

/// Two forms a lemma, which stands at four words of five; words with and without the attribute.
fn text_with_lemmas_lacking() -> String {
    let mut text = String::new();
    for i in 0..400 {
        let feats = ["Number=Sing", "Number=Plur", "_"][i % 3];
        let form = i % 119;
        let lemma = if i % 5 == 0 { "_".to_string() } else { format!("l{}", form / 2) };
        text += &format!("1\tf{form}\t{lemma}\tNOUN\t_\t{feats}\t0\troot\t_\t_\n");
        text += &format!("2\tg{}\tg\tADV\t_\t_\t1\tdep\t_\t_\n\n", i % 7);
    }
    text
}

#[test]
fn the_words_needed_for_an_attribute_split_as_all_do() {
    use crate::treebank::{split, SplitMethod, SplitSettings};
    let treebank = read("es", &text_with_lemmas_lacking(), &settings(Scheme::Ud, Multiword::Surface)).unwrap();
    let attributes = ["Number".to_string()];
    let needed: Vec<usize> =
        (0..treebank.words.len()).filter(|&i| treebank.needed_for(&attributes)(&treebank.words[i])).collect();
    let having = treebank.words.iter().filter(|word| word.attributes.get("Number").is_some()).count();
    assert!(having < needed.len() && needed.len() < treebank.words.len());
    let subset: Vec<Word> = needed.iter().map(|&i| treebank.words[i].clone()).collect();
    for method in [SplitMethod::Balanced, SplitMethod::LemmaTypes, SplitMethod::Sentences] {
        let settings = SplitSettings { method, min_per_class: 2, ..SplitSettings::default() };
        for seed in 0..5 {
            let all = split(&treebank.words, "es", "Number", &settings, seed).unwrap();
            let some = split(&subset, "es", "Number", &settings, seed).unwrap();
            for (all, some) in all.parts().into_iter().zip(some.parts()) {
                assert_eq!(all.words, some.words.iter().map(|&word| needed[word]).collect::<Vec<_>>(), "{method}");
            }
        }
    }
}

#[test]
fn defects_stop_or_are_skipped_and_counted() {
    let text = "1\ta\ta\tX\t_\t_\t0\troot\t_\t_\n\n1\tbroken\n\n1\tb\tb\tX\t_\t_\t0\troot\t_\t_\n";
    let strict = settings(Scheme::Ud, Multiword::Surface);
    let error = read("en", text, &strict).unwrap_err().to_string();
    assert!(error.contains("a.conllu:3: 2 columns"), "{error}");
    let treebank = read("en", text, &ReadSettings { lenient: true, ..strict }).unwrap();
    assert_eq!((treebank.sentences.len(), treebank.counts.skipped_sentences), (2, 1));
    let error = read("en", "\n", &strict).unwrap_err().to_string();
    assert!(error.contains("no words") && error.contains("a.conllu"), "{error}");
    let error = Treebank::read("en", &["nowhere.conllu".into()], Scheme::Ud).unwrap_err().to_string();
    assert!(error.starts_with("nowhere.conllu: cannot read"), "{error}");
}

#[test]
fn options_have_names() {
    for multiword in [Multiword::Surface, Multiword::Parts] {
        assert_eq!(multiword.to_string().parse::<Multiword>().unwrap(), multiword);
    }
    assert!("both".parse::<Multiword>().is_err());
    let settings: ReadSettings = toml::from_str("scheme = \"ud\"\nmultiword = \"parts\"").unwrap();
    assert_eq!(settings, ReadSettings { scheme: Scheme::Ud, multiword: Multiword::Parts, lenient: false });
    assert!(toml::from_str::<ReadSettings>("schema = \"ud\"").is_err());
}
