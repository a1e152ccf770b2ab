//! The table against the two schemas: every universal feature and value, and nothing that is no tag of UniMorph.

use super::tests::mapped;
use super::*;
use crate::treebank::Scheme;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// UniMorph's dimensions and tags (Sylak-Glassman 2016, appendix 1). Not in it: JUS, which UniMorph's Arabic data have.
/// Arguments and possessors, made of person and number, are in [`is_tag`].
const INVENTORY: [(&str, &str); 25] = [
    ("Aktionsart", "ACCMP ACH ACTY ATEL DUR DYN PCT SEMEL STAT TEL"),
    ("Animacy", "ANIM HUM INAN NHUM"),
    ("ArgumentMarking", ""),
    ("Aspect", "HAB IPFV ITER PFV PRF PROG PROSP"),
    (
        "Case",
        "ABL ABS ACC ALL ANTE APPRX APUD AT AVR BEN BYWAY CIRC COM COMPV DAT EQTV ERG ESS FRML GEN IN INS INTER NOM NOMS \
         ON ONHR ONVR POST PRIV PROL PROPR PROXM PRP PRT REL REM SUB TERM TRANS VERS VOC",
    ),
    ("Comparison", "AB CMPR EQT RL SPRL"),
    ("Definiteness", "DEF INDF NSPEC SPEC"),
    ("Deixis", "ABV BEL EVEN MED NOREF NVIS PHOR PROX REF1 REF2 REMT VIS"),
    ("Evidentiality", "ASSUM AUD DRCT FH HRSY INFER NFH NVSEN QUOT RPRT SEN VISU"),
    ("Finiteness", "FIN NFIN"),
    ("Gender", "FEM MASC NEUT"),
    ("InformationStructure", "FOC TOP"),
    ("Interrogativity", "DECL INT"),
    ("LanguageSpecific", ""),
    ("Mood", "ADM AUNPRP AUPRP COND DEB DED IMP IND INTEN IRR JUS LKLY OBLIG OPT PERM POT PURP REAL SBJV SIM"),
    ("Number", "DU GPAUC GRPL INVN PAUC PL SG TRI"),
    ("POS", "ADJ ADP ADV CONJ DET INTJ N NUM PART PRO PROPN V"),
    ("Person", "0 1 2 3 4 EXCL INCL OBV PRX"),
    ("Polarity", "NEG POS"),
    ("Politeness", "AVOID COL ELEV FOREG FORM HIGH HUMB INFM LIT LOW POL STELEV STSUPR"),
    ("Possession", "ALN NALN PSSD"),
    ("SwitchReference", "CN_R_MN DS DSADV LOG OR SEQMA SIMMA SS SSADV"),
    ("Tense", "1DAY FUT HOD IMMED PRS PST RCT RMT"),
    ("Valency", "APPL CAUS DITR IMPRS INTR RECP REFL TR"),
    ("Voice", "ACFOC ACT AGFOC ANTIP BFOC CFOC DIR IFOC INV LFOC MID PASS PFOC"),
];

/// Whether a value is a tag of the dimension, or several joined by `+`.
fn is_tag(dimension: &str, value: &str) -> bool {
    let listed =
        |tag: &str| INVENTORY.iter().any(|(name, tags)| *name == dimension && tags.split(' ').any(|t| t == tag));
    let made = |tag: &str| {
        let (people, more): (&[&str], &[&str]) = match dimension {
            "Gender" => return (1..=23).any(|class| tag == format!("BANTU{class}")),
            "ArgumentMarking" => (&["ARGAB", "ARGAC", "ARGDA", "ARGER", "ARGNO"], &[""]),
            "Possession" => (&["PSS"], &["", "I", "E", "M", "F", "INFM", "FORM"]),
            _ => return false,
        };
        let numbers = ["S", "D", "P"].iter().flat_map(|number| more.iter().map(move |more| format!("{number}{more}")));
        let forms: Vec<String> =
            numbers.flat_map(|number| ["1", "2", "3"].map(|person| format!("{person}{number}"))).collect();
        people.iter().any(|start| tag.strip_prefix(start).is_some_and(|rest| forms.iter().any(|form| form == rest)))
    };
    value.split('+').all(|tag| listed(tag) || made(tag))
}

/// The universal features and values of Universal Dependencies 2. After `/`, those for which UniMorph has no tag:
/// classes of words, marks of the text, and a few inflections that it does not know.
const UNIVERSAL: [(&str, &str); 28] = [
    ("UPOS", "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN SCONJ VERB / PUNCT SYM X"),
    ("Abbr", "/ Yes"),
    ("Animacy", "Anim Hum Inan Nhum /"),
    ("Aspect", "Hab Imp Iter Perf Prog Prosp /"),
    (
        "Case",
        "Abe Abl Abs Acc Add Ade All Ben Cau Cmp Com Dat Del Ela Equ Erg Ess Gen Ill Ine Ins Lat Loc Nom Par Per Sbe Sbl \
         Spl Sub Sup Ter Tra Voc / Cns Dis Tem",
    ),
    ("Clusivity", "Ex In /"),
    ("Definite", "Com Cons Def Ind Spec /"),
    ("Degree", "Abs Cmp Equ Sup / Aug Dim Pos"),
    ("Deixis", "Abv Bel Even Med Nvis Prox Remt /"),
    ("DeixisRef", "1 2 /"),
    ("Evident", "Fh Nfh /"),
    ("ExtPos", "/ ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN SCONJ VERB X"),
    ("Foreign", "/ Yes"),
    ("Gender", "Com Fem Masc Neut /"),
    ("Mood", "Adm Cnd Des Imp Ind Int Irr Jus Nec Opt Pot Prp Qot Sub /"),
    (
        "NounClass",
        "Bantu1 Bantu2 Bantu3 Bantu4 Bantu5 Bantu6 Bantu7 Bantu8 Bantu9 Bantu10 Bantu11 Bantu12 Bantu13 Bantu14 Bantu15 \
         Bantu16 Bantu17 Bantu18 Bantu19 Bantu20 Bantu21 Bantu22 Bantu23 / Wol1 Wol2 Wol3 Wol4 Wol5 Wol6 Wol7 Wol8 Wol9 \
         Wol10 Wol11 Wol12",
    ),
    ("NumType", "/ Card Dist Frac Mult Ord Range Sets"),
    ("Number", "Coll Dual Grpa Grpl Inv Pauc Plur Ptan Sing Tri / Count"),
    ("Person", "0 1 2 3 4 /"),
    ("Polarity", "Neg Pos /"),
    ("Polite", "Elev Form Humb Infm /"),
    ("Poss", "/ Yes"),
    ("PronType", "/ Art Dem Emp Exc Ind Int Neg Prs Rcp Rel Tot"),
    // Of verbs: see `VERB,AUX:Reflex=Yes`.
    ("Reflex", "/ Yes"),
    ("Tense", "Fut Imp Past Pqp Pres /"),
    ("Typo", "/ Yes"),
    ("VerbForm", "Conv Fin Gdv Ger Inf Part Sup Vnoun /"),
    ("Voice", "Act Antip Bfoc Cau Dir Inv Lfoc Mid Pass Rcp /"),
];

/// Pairs, and whether they have a tag.
fn universal() -> Vec<(String, bool)> {
    let mut pairs = Vec::new();
    for (feature, values) in UNIVERSAL {
        let (with, without) = values.split_once('/').unwrap();
        for (values, has_tag) in [(with, true), (without, false)] {
            pairs.extend(values.split_whitespace().map(|value| (format!("{feature}={value}"), has_tag)));
        }
    }
    pairs
}

#[test]
fn every_line_of_the_table_is_well_formed() {
    let mut seen = BTreeSet::new();
    let parts: Vec<&str> = "ADJ ADP ADV AUX DET NOUN NUM PART PRON PROPN VERB X".split(' ').collect();
    for (number, line) in TABLE.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (pair, row) = parse_row(number, line).unwrap_or_else(|| panic!("line {}: {line}", number + 1));
        assert!(pair.contains('=') && line.split('\t').count() <= 3, "{line}");
        for &(dimension, value) in &row.tags {
            assert!(Scheme::Unimorph.attributes().contains(&dimension), "{line}");
            assert!(value.is_none_or(|value| is_tag(dimension, value)), "{line}");
        }
        assert!(row.languages.iter().all(|language| language.len() == 2), "{line}");
        assert!(row.parts_of_speech.iter().all(|part| parts.contains(part)), "{line}");
        for language in if row.languages.is_empty() { vec!["*"] } else { row.languages } {
            for part in if row.parts_of_speech.is_empty() { vec!["*"] } else { row.parts_of_speech.clone() } {
                assert!(seen.insert((pair, part, language)), "{pair} is given twice for {part} in {language}");
            }
        }
    }
}

#[test]
fn every_universal_value_has_a_tag_or_is_listed_without_one() {
    let features: BTreeSet<&str> =
        UNIVERSAL.iter().map(|(feature, _)| *feature).filter(|name| *name != "UPOS").collect();
    let attributes = Scheme::Ud.attributes().iter().copied().filter(|name| *name != "POS").collect();
    assert_eq!(features, attributes);
    for (pair, has_tag) in universal() {
        let general =
            ROWS.get(pair.as_str()).and_then(|rows| rows.iter().find(|row| row.specificity() == (false, false)));
        assert_eq!(general.map(Row::has_tag), Some(has_tag), "{pair}");
    }
    // Nothing in the table is a universal feature's value that does not exist; values for single languages and of
    // other features apart.
    let universal: BTreeSet<String> = universal().into_iter().map(|(pair, _)| pair).collect();
    let other = ["Mood=", "Voice="];
    for pair in ROWS.keys().filter(|pair| features.contains(pair.split('=').next().unwrap())) {
        assert!(universal.contains(*pair) || other.iter().any(|start| pair.starts_with(start)), "{pair}");
    }
}

#[test]
fn three_dimensions_cannot_be_reached() {
    assert_eq!(INVENTORY.map(|(dimension, _)| dimension).as_slice(), Scheme::Unimorph.attributes());
    let in_table = ROWS.values().flatten().flat_map(|row| row.tags.iter().map(|(dimension, _)| *dimension));
    let reached: BTreeSet<&str> = in_table.chain(LAYERS.map(|(_, dimension, _)| dimension)).collect();
    let all = Scheme::Unimorph.attributes().iter().copied();
    let missing: Vec<&str> = all.filter(|dimension| !reached.contains(dimension)).collect();
    assert_eq!(missing, ["Aktionsart", "LanguageSpecific", "SwitchReference"]);
}

/// Pairs of the table, of layers, with several values, and with features and values that do not exist.
fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let table: Vec<&str> = ROWS.keys().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let layer = (
        prop::sample::select(vec!["Person", "Number", "Gender", "Clusivity", "Polite"]),
        prop::sample::select(vec!["psor", "abs", "dat", "erg", "obj", "subj", "x"]),
        prop::sample::select(vec!["1", "2", "3", "4", "Sing", "Dual", "Plur", "Fem", "In", "Ex", "Form"]),
    );
    let pair = prop_oneof![
        6 => prop::sample::select(table).prop_map(str::to_string),
        3 => layer.prop_map(|(feature, layer, value)| format!("{feature}[{layer}]={value}")),
        1 => "[A-Za-z\\[\\]]{0,6}=[A-Za-z0-9,+=]{0,6}",
    ];
    let split = |pair: String| {
        let (name, value) = pair.split_once('=').unwrap_or_default();
        (name.to_string(), value.to_string())
    };
    prop::collection::vec(pair.prop_map(split), 0..12)
}

const LANGUAGES: [&str; 18] =
    ["ar", "bm", "ca", "de", "en", "es", "eu", "fi", "fr", "hu", "mr", "pt", "spa", "ta", "tr", "ur", "wo", "zh"];

proptest! {
    #[test]
    fn tags_are_unimorphs_and_do_not_depend_on_the_order_of_features(
        language in prop::sample::select(LANGUAGES.to_vec()),
        upos in prop::option::of(prop::sample::select("ADJ ADP AUX DET NOUN NUM PRON PROPN VERB X".split(' ').collect::<Vec<_>>())),
        feats in pairs(),
        turn in 0usize..12,
    ) {
        let found = map(language, upos, &feats);
        for (dimension, value) in &found.tags {
            prop_assert!(is_tag(dimension, value), "{dimension}={value}");
        }
        // Every pair is a tag, or counted; the part of speech gives way to a verb's form.
        for (name, value) in feats.iter().filter(|(name, _)| name != "UPOS") {
            let pair = format!("{name}={value}");
            let counted = found.unmapped.contains(&pair) || found.outranked.contains(&pair);
            let shown = ROWS.get(pair.as_str()).into_iter().flatten().flat_map(|row| &row.tags).any(|(dimension, value)| {
                let tag = found.tags.get(*dimension).map(String::as_str).unwrap_or_default();
                value.is_some_and(|value| tag.split('+').any(|one| value.split('+').any(|part| part == one)))
            });
            let layer = found.tags.contains_key("Possession") || found.tags.contains_key("ArgumentMarking");
            prop_assert!(counted || shown || layer && name.ends_with(']'), "{pair} {found:?}");
        }
        let mut turned = feats.clone();
        turned.rotate_left(turn.min(feats.len()));
        turned.reverse();
        prop_assert_eq!(&map(language, upos, &turned), &found);
        turned.extend(feats);
        prop_assert_eq!(map(language, upos, &turned), found);
    }

    #[test]
    fn any_text_is_mapped(language in ".{0,6}", upos in ".{0,6}", feats in prop::collection::vec((".{0,8}", ".{0,8}"), 0..6)) {
        map(&language, Some(&upos), &feats);
    }
}

#[test]
fn a_pair_that_loses_is_counted_once() {
    let found = mapped("ca", "VERB", "Tense=Past|VerbForm=Ger");
    assert_eq!((found.tags["Tense"].as_str(), found.outranked), ("PRS", vec!["Tense=Past".to_string()]));
}
