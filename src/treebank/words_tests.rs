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
