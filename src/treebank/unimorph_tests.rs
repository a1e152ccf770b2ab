use super::*;
use crate::treebank::Attributes;

/// The tags of a word of `language` with a part of speech and features as in a file.
pub(super) fn tags(language: &str, upos: &str, feats: &str) -> String {
    mapped(language, upos, feats).tags.into_iter().collect::<Attributes>().to_string()
}

pub(super) fn mapped(language: &str, upos: &str, feats: &str) -> Mapped {
    let feats: Vec<(String, String)> = feats
        .split('|')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    map(language, Some(upos), &feats)
}

#[test]
fn parts_of_speech() {
    let expected = "ADJ=ADJ ADP=ADP ADV=ADV AUX=V CCONJ=CONJ DET=DET INTJ=INTJ NOUN=N NUM=NUM PART=PART PRON=PRO PROPN=PROPN SCONJ=CONJ VERB=V";
    for (upos, pos) in expected.split(' ').filter_map(|pair| pair.split_once('=')) {
        assert_eq!(tags("de", upos, ""), format!("POS={pos}"));
    }
    for upos in ["PUNCT", "SYM", "X", "WORD"] {
        assert_eq!(tags("de", upos, ""), "");
        assert_eq!(mapped("de", upos, "").unmapped, [format!("UPOS={upos}")]);
    }
    assert_eq!(map("de", None, &[]), Mapped::default());
}

#[test]
fn participles_and_converbs_are_verbs_and_names_are_names() {
    // موجودين, "present": tagged as an adjective.
    assert_eq!(tags("ar", "ADJ", "Number=Plur|VerbForm=Part"), "Number=PL|POS=V");
    assert_eq!(tags("mr", "ADV", "VerbForm=Conv"), "POS=V");
    assert_eq!(tags("de", "VERB", "VerbForm=Part"), "POS=V");
    assert_eq!(tags("es", "PROPN", "VerbForm=Part"), "POS=PROPN");
    assert_eq!(tags("es", "SYM", "VerbForm=Part"), "");
    // Verbal nouns: Arabic masdars, Turkish -mak, Latin gerunds and gerundives.
    assert_eq!(tags("ar", "NOUN", "Case=Gen|VerbForm=Vnoun"), "Case=GEN|POS=V");
    assert_eq!(tags("la", "ADJ", "VerbForm=Gdv"), "POS=V");
    // An infinitive used as a noun is one.
    assert_eq!(tags("de", "NOUN", "VerbForm=Inf"), "Finiteness=NFIN|POS=N");
}

#[test]
fn several_values_give_none_and_are_counted() {
    let found = mapped("es", "PRON", "Case=Acc,Dat|Number=Sing|Person=1|PronType=Prs");
    assert_eq!(found.tags.into_iter().collect::<Attributes>().to_string(), "Number=SG|POS=PRO|Person=1");
    assert_eq!(found.unmapped, ["Case=Acc,Dat", "PronType=Prs"]);
    assert_eq!(mapped("es", "NOUN", "Number=Pl").unmapped, ["Number=Pl"]);
}

#[test]
fn the_line_that_comes_first_wins_whatever_the_order_of_features() {
    // Inclusive "we": person and clusivity are one dimension.
    for feats in ["Clusivity=In|Person=1", "Person=1|Clusivity=In"] {
        let found = mapped("id", "PRON", feats);
        assert_eq!(found.tags["Person"], "1");
        assert_eq!(found.outranked, ["Clusivity=In"]);
    }
    // Hindi: tense and aspect have a dimension each.
    let found = mapped("hi", "VERB", "Aspect=Perf|Mood=Ind|Number=Sing|Person=3|Tense=Past");
    assert!(found.outranked.is_empty() && found.unmapped.is_empty());
}

#[test]
fn layers_are_possessors_and_arguments() {
    assert_eq!(
        tags("de", "DET", "Number=Plur|Number[psor]=Sing|Person[psor]=1|Poss=Yes"),
        "Number=PL|POS=DET|Possession=PSS1S"
    );
    // Basque diezaiokete: "they can ... it to them".
    assert_eq!(
        tags(
            "eu",
            "AUX",
            "Number[abs]=Sing|Number[dat]=Plur|Number[erg]=Plur|Person[abs]=3|Person[dat]=3|Person[erg]=3"
        ),
        "ArgumentMarking=ARGAB3S+ARGDA3P+ARGER3P|POS=V"
    );
    // Only person and number together are a tag.
    assert_eq!(mapped("hi", "DET", "Number[psor]=Sing").unmapped, ["Number[psor]=Sing"]);
}

#[test]
fn possessors_have_more_than_person_and_number() {
    let possessed = |feats: &str| mapped("xx", "NOUN", feats);
    let tag = |feats: &str| possessed(feats).tags.remove("Possession").unwrap_or_default();
    assert_eq!(tag("Gender[psor]=Fem|Number[psor]=Sing|Person[psor]=3"), "PSS3SF");
    assert_eq!(tag("Gender[psor]=Masc|Number[psor]=Plur|Person[psor]=2"), "PSS2PM");
    assert_eq!(tag("Clusivity[psor]=Ex|Number[psor]=Plur|Person[psor]=1"), "PSS1PE");
    assert_eq!(tag("Clusivity[psor]=In|Number[psor]=Dual|Person[psor]=1"), "PSS1DI");
    assert_eq!(tag("Number[psor]=Sing|Person[psor]=2|Polite[psor]=Form"), "PSS2SFORM");
    // What the tag has no place for is counted.
    assert_eq!(possessed("Gender[psor]=Fem|Number[psor]=Sing|Person[psor]=1").unmapped, ["Gender[psor]=Fem"]);
    // A possessed noun in the construct state, with its possessor: Hebrew.
    assert_eq!(tag("Definite=Cons|Number[psor]=Sing|Person[psor]=1"), "PSSD+PSS1S");
}

#[test]
fn what_a_correction_takes_away_is_counted() {
    // es: está; ur: گیا; fr: démontré; en: follow.
    let found = |language: &str, upos: &str, feats: &str| mapped(language, upos, feats).unmapped;
    assert_eq!(found("es", "AUX", "Mood=Ind|Tense=Pres|VerbForm=Fin"), ["VerbForm=Fin"]);
    assert_eq!(found("ur", "AUX", "Aspect=Perf|Gender=Masc|Number=Sing|VerbForm=Part"), ["Gender=Masc"]);
    assert_eq!(found("fr", "VERB", "Gender=Masc|Number=Sing|VerbForm=Part"), ["Gender=Masc", "Number=Sing"]);
    assert_eq!(found("en", "VERB", "Mood=Ind|Tense=Pres|VerbForm=Fin"), ["Mood=Ind", "Tense=Pres", "VerbForm=Fin"]);
    // What it puts another value for still shows: the imperfect is past.
    assert!(found("es", "VERB", "Mood=Sub|Tense=Imp").is_empty());
}

#[test]
fn a_language_has_one_code_in_all_its_spellings() {
    let feats = "Mood=Ind|Number=Sing|Person=3|Tense=Past|VerbForm=Fin";
    for language in ["es", "ES", "es-ES", "es_MX", "spa", "spa-ES"] {
        assert_eq!(
            tags(language, "VERB", feats),
            "Aspect=PFV|Mood=IND|Number=SG|POS=V|Person=3|Tense=PST",
            "{language}"
        );
    }
    for (three, two) in [
        ("deu", "de"),
        ("hin", "hi"),
        ("fra", "fr"),
        ("fre", "fr"),
        ("eng", "en"),
        ("por", "pt"),
        ("cat", "ca"),
        ("urd", "ur"),
    ] {
        assert_eq!(primary(three), two);
    }
    assert_eq!(primary("qaa"), "qaa");
    // Whatever the table and the corrections name has its three letters.
    let named = ROWS.values().flatten().flat_map(|row| row.languages.iter().copied());
    for language in named.chain(["ca", "en", "es", "eu", "fr", "pt", "tr", "ur"]) {
        assert!(ALIASES.iter().any(|(_, short)| *short == language), "{language}");
    }
}

#[test]
fn places_depend_on_the_language() {
    assert_eq!(tags("eu", "NOUN", "Case=Abl"), "Case=ABL|POS=N");
    assert_eq!(tags("fi", "NOUN", "Case=Abl"), "Case=AT+ABL|POS=N");
    assert_eq!(tags("eu", "NOUN", "Case=Ine"), "Case=IN+ESS|POS=N");
    assert_eq!(tags("ar", "VERB", "Mood=Jus"), "Mood=JUS|POS=V");
}

#[test]
fn other_languages_are_not_corrected() {
    assert_eq!(
        tags("de", "VERB", "Mood=Ind|Number=Sing|Person=3|Tense=Past|VerbForm=Fin"),
        "Finiteness=FIN|Mood=IND|Number=SG|POS=V|Person=3|Tense=PST"
    );
    assert_eq!(
        tags("it", "VERB", "Mood=Ind|Tense=Imp|VerbForm=Fin"),
        "Aspect=IPFV|Finiteness=FIN|Mood=IND|POS=V|Tense=PST"
    );
}

#[test]
fn finite_verbs_lose_their_finiteness() {
    for language in ["ca", "es", "fr", "pt"] {
        // es: está.
        let present = tags(language, "VERB", "Mood=Ind|Number=Sing|Person=3|Tense=Pres|VerbForm=Fin");
        assert_eq!(present, "Mood=IND|Number=SG|POS=V|Person=3|Tense=PRS");
        assert_eq!(tags(language, "VERB", "VerbForm=Inf"), "Finiteness=NFIN|POS=V");
    }
    // will
    assert_eq!(tags("en", "AUX", "VerbForm=Fin"), "POS=V");
}

#[test]
fn past_and_imperfective_in_romance() {
    for language in ["ca", "es", "fr", "pt"] {
        // es: hizo, existían; fr: fut, naissait; pt: morreu, estava.
        let simple = tags(language, "VERB", "Mood=Ind|Number=Sing|Person=3|Tense=Past|VerbForm=Fin");
        assert_eq!(simple, "Aspect=PFV|Mood=IND|Number=SG|POS=V|Person=3|Tense=PST");
        let imperfect = tags(language, "VERB", "Mood=Ind|Number=Plur|Person=3|Tense=Imp|VerbForm=Fin");
        assert_eq!(imperfect, "Aspect=IPFV|Mood=IND|Number=PL|POS=V|Person=3|Tense=PST");
        // Annotated as an aspect.
        assert_eq!(tags(language, "VERB", "Aspect=Imp|Mood=Ind"), "Aspect=IPFV|Mood=IND|POS=V|Tense=PST");
        // es: quedado. A participle stays without an aspect.
        assert_eq!(tags(language, "VERB", "Tense=Past|VerbForm=Part"), "POS=V|Tense=PST");
        for form in ["Part", "Inf", "Ger"] {
            let found = mapped(language, "VERB", &format!("Aspect=Imp|VerbForm={form}"));
            assert_eq!(found.tags["Aspect"], "IPFV");
            assert!(found.tags.get("Tense").is_none_or(|tense| tense != "PST"), "{language} {form}");
        }
        // A tense that is annotated stays.
        let present = mapped(language, "VERB", "Aspect=Imp|Mood=Ind|Tense=Pres|VerbForm=Fin");
        assert_eq!((present.tags["Tense"].as_str(), present.tags["Aspect"].as_str()), ("PRS", "IPFV"));
        assert_eq!(present.unmapped, ["VerbForm=Fin"]);
    }
}

#[test]
fn imperfect_subjunctives() {
    // fr: fût; es: marchara.
    for language in ["ca", "es", "fr"] {
        let imperfect = tags(language, "VERB", "Mood=Sub|Number=Sing|Person=3|Tense=Imp|VerbForm=Fin");
        assert_eq!(imperfect, "Mood=SBJV|Number=SG|POS=V|Person=3|Tense=PST");
    }
    // es: hubiera, where it is annotated as past, takes the rule for the past.
    assert_eq!(tags("es", "AUX", "Mood=Sub|Tense=Past|VerbForm=Fin"), "Aspect=PFV|Mood=SBJV|POS=V|Tense=PST");
    // pt: fosse keeps its aspect.
    assert_eq!(tags("pt", "AUX", "Mood=Sub|Tense=Imp|VerbForm=Fin"), "Aspect=IPFV|Mood=SBJV|POS=V|Tense=PST");
}

#[test]
fn conditionals_and_imperatives() {
    for language in ["ca", "fr"] {
        // fr: pourrions, hésitez.
        let conditional = tags(language, "VERB", "Mood=Cnd|Number=Plur|Person=1|Tense=Pres|VerbForm=Fin");
        assert_eq!(conditional, "Mood=COND|Number=PL|POS=V|Person=1");
        let imperative = tags(language, "VERB", "Mood=Imp|Number=Plur|Person=2|Tense=Pres|VerbForm=Fin");
        assert_eq!(imperative, "Mood=IMP|Number=PL|POS=V|Person=2|Polarity=POS");
    }
    // es: mira; a negated one keeps its polarity.
    assert_eq!(tags("es", "VERB", "Mood=Imp|Tense=Pres|VerbForm=Fin"), "Mood=IMP|POS=V|Polarity=POS");
    assert_eq!(tags("es", "VERB", "Mood=Imp|Polarity=Neg"), "Mood=IMP|POS=V|Polarity=NEG");
    assert_eq!(tags("es", "VERB", "Mood=Cnd|Tense=Pres"), "Mood=COND|POS=V|Tense=PRS");
    // pt: chega.
    assert_eq!(tags("pt", "VERB", "Mood=Imp|Tense=Pres"), "Mood=IMP|POS=V|Tense=PRS");
}

#[test]
fn gerunds_are_in_the_present() {
    // es: siguiendo; pt: falando; en: curtailing.
    for language in ["ca", "en", "es", "fr", "pt"] {
        assert_eq!(tags(language, "VERB", "VerbForm=Ger"), "POS=V|Tense=PRS");
    }
    assert_eq!(tags("pt", "SCONJ", "VerbForm=Ger"), "POS=V|Tense=PRS");
    assert_eq!(tags("ta", "VERB", "VerbForm=Ger"), "POS=V");
    // Orlando, Fernando: names have no tense.
    let name = mapped("es", "PROPN", "VerbForm=Ger");
    assert_eq!((name.tags.get("Tense"), name.tags["POS"].as_str()), (None, "PROPN"));
    assert_eq!(name.unmapped, ["VerbForm=Ger"]);
}

#[test]
fn french_participles_do_not_agree() {
    // démontré
    let participle = tags("fr", "VERB", "Gender=Masc|Number=Sing|Tense=Past|VerbForm=Part|Voice=Pass");
    assert_eq!(participle, "POS=V|Tense=PST|Voice=PASS");
    let adjective = tags("fr", "ADJ", "Gender=Masc|Number=Sing");
    assert_eq!(adjective, "Gender=MASC|Number=SG|POS=ADJ");
    let spanish = tags("es", "VERB", "Gender=Masc|Number=Sing|Tense=Past|VerbForm=Part");
    assert_eq!(spanish, "Gender=MASC|Number=SG|POS=V|Tense=PST");
}

#[test]
fn english_verbs() {
    // is, was, based (passive), rising, follow.
    let is = tags("en", "AUX", "Mood=Ind|Number=Sing|Person=3|Tense=Pres|VerbForm=Fin");
    assert_eq!(is, "Number=SG|POS=V|Person=3|Tense=PRS");
    assert_eq!(tags("en", "VERB", "Tense=Past|VerbForm=Part|Voice=Pass"), "POS=V|Tense=PST");
    assert_eq!(tags("en", "VERB", "Tense=Pres|VerbForm=Part"), "POS=V|Tense=PRS");
    assert_eq!(tags("en", "VERB", "Mood=Ind|Tense=Pres|VerbForm=Fin"), "Finiteness=NFIN|POS=V");
    assert_eq!(tags("en", "VERB", "VerbForm=Inf"), "Finiteness=NFIN|POS=V");
    assert_eq!(tags("en", "AUX", "Mood=Sub|Person=3|Tense=Past|VerbForm=Fin"), "Mood=SBJV|POS=V|Person=3|Tense=PST");
    assert_eq!(tags("en", "VERB", "Mood=Imp|VerbForm=Fin"), "Mood=IMP|POS=V");
    // The subjunctive, the imperative and the plural are no infinitives.
    assert_eq!(tags("en", "AUX", "Mood=Sub|Tense=Pres|VerbForm=Fin"), "Mood=SBJV|POS=V|Tense=PRS");
    assert_eq!(tags("en", "VERB", "Mood=Imp|Tense=Pres|VerbForm=Fin"), "Mood=IMP|POS=V|Tense=PRS");
    let are = tags("en", "AUX", "Mood=Ind|Number=Plur|Tense=Pres|VerbForm=Fin");
    assert_eq!(are, "Number=PL|POS=V|Tense=PRS");
}

#[test]
fn portuguese_participles_and_pluperfects() {
    // destacados, fora.
    let passive = tags("pt", "VERB", "Gender=Masc|Number=Plur|VerbForm=Part|Voice=Pass");
    assert_eq!(passive, "Gender=MASC|Number=PL|POS=V|Tense=PST|Voice=PASS");
    // feita without a voice: as annotated.
    assert_eq!(tags("pt", "VERB", "Gender=Fem|Number=Sing|VerbForm=Part"), "Gender=FEM|Number=SG|POS=V");
    let pluperfect = tags("pt-BR", "AUX", "Mood=Ind|Number=Sing|Person=3|Tense=Pqp|VerbForm=Fin");
    assert_eq!(pluperfect, "Aspect=PRF|Mood=IND|Number=SG|POS=V|Person=3|Tense=PST");
}

#[test]
fn urdu_has_no_gender() {
    assert_eq!(tags("ur", "NOUN", "Case=Nom|Gender=Masc|Number=Sing"), "Case=NOM|Number=SG|POS=N");
    assert_eq!(tags("hi", "NOUN", "Case=Nom|Gender=Masc|Number=Sing"), "Case=NOM|Gender=MASC|Number=SG|POS=N");
    assert_eq!(tags("ur", "AUX", "VerbForm=Fin"), "Finiteness=FIN|POS=V");
}
