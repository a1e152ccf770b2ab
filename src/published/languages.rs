//! Names of languages as treebanks have them, and their ISO codes.

/// Names in English, in the alphabet's order, with ISO 639-1 codes, ISO 639-3 where there is none of two letters.
#[rustfmt::skip]
const LANGUAGES: &[(&str, &str)] = &[
    ("Abaza", "abq"), ("Abkhaz", "ab"), ("Afrikaans", "af"), ("Akan", "ak"), ("Akkadian", "akk"), ("Akuntsu", "aqz"),
    ("Albanian", "sq"), ("Amharic", "am"), ("Ancient Greek", "grc"), ("Ancient Hebrew", "hbo"), ("Apurina", "apu"),
    ("Arabic", "ar"), ("Aragonese", "an"), ("Armenian", "hy"), ("Assamese", "as"), ("Assyrian", "aii"),
    ("Asturian", "ast"), ("Avar", "av"), ("Avestan", "ae"), ("Aymara", "ay"), ("Azerbaijani", "az"), ("Bambara", "bm"),
    ("Bashkir", "ba"), ("Basque", "eu"), ("Bavarian", "bar"), ("Beja", "bej"), ("Belarusian", "be"), ("Bengali", "bn"),
    ("Bhojpuri", "bho"), ("Bororo", "bor"), ("Bosnian", "bs"), ("Breton", "br"), ("Bulgarian", "bg"), ("Burmese", "my"),
    ("Buryat", "bxr"), ("Cantonese", "yue"), ("Cappadocian", "cpg"), ("Catalan", "ca"), ("Cebuano", "ceb"),
    ("Chechen", "ce"), ("Chichewa", "ny"), ("Chinese", "zh"), ("Chukchi", "ckt"), ("Chuvash", "cv"),
    ("Classical Armenian", "xcl"), ("Classical Chinese", "lzh"), ("Coptic", "cop"), ("Cornish", "kw"),
    ("Corsican", "co"), ("Cree", "cr"), ("Croatian", "hr"), ("Czech", "cs"), ("Danish", "da"), ("Divehi", "dv"),
    ("Dutch", "nl"), ("Dzongkha", "dz"), ("Egyptian", "egy"), ("English", "en"), ("Erzya", "myv"), ("Esperanto", "eo"),
    ("Estonian", "et"), ("Ewe", "ee"), ("Faroese", "fo"), ("Fijian", "fj"), ("Finnish", "fi"), ("Fon", "fon"),
    ("French", "fr"), ("Fula", "ff"), ("Galician", "gl"), ("Ganda", "lg"), ("Georgian", "ka"), ("German", "de"),
    ("Gheg", "aln"), ("Gothic", "got"), ("Greek", "el"), ("Guajajara", "gub"), ("Guarani", "gn"), ("Gujarati", "gu"),
    ("Gwichin", "gwi"), ("Haitian Creole", "ht"), ("Hausa", "ha"), ("Hebrew", "he"), ("Herero", "hz"),
    ("Highland Puebla Nahuatl", "azz"), ("Hindi", "hi"), ("Hiri Motu", "ho"), ("Hittite", "hit"), ("Hungarian", "hu"),
    ("Icelandic", "is"), ("Ido", "io"), ("Igbo", "ig"), ("Indonesian", "id"), ("Interlingua", "ia"),
    ("Interlingue", "ie"), ("Inuktitut", "iu"), ("Inupiaq", "ik"), ("Irish", "ga"), ("Italian", "it"),
    ("Japanese", "ja"), ("Javanese", "jv"), ("Kaapor", "urb"), ("Kalaallisut", "kl"), ("Kangri", "xnr"),
    ("Kannada", "kn"), ("Kanuri", "kr"), ("Karelian", "krl"), ("Karo", "arr"), ("Kashmiri", "ks"), ("Kazakh", "kk"),
    ("Khmer", "km"), ("Khunsari", "kfm"), ("Kiche", "quc"), ("Kikuyu", "ki"), ("Kinyarwanda", "rw"), ("Kirundi", "rn"),
    ("Komi", "kv"), ("Komi Permyak", "koi"), ("Komi Zyrian", "kpv"), ("Kongo", "kg"), ("Korean", "ko"),
    ("Kurdish", "ku"), ("Kurmanji", "kmr"), ("Kwanyama", "kj"), ("Kyrgyz", "ky"), ("Lao", "lo"), ("Latgalian", "ltg"),
    ("Latin", "la"), ("Latvian", "lv"), ("Ligurian", "lij"), ("Limburgish", "li"), ("Lingala", "ln"),
    ("Lithuanian", "lt"), ("Livvi", "olo"), ("Lombard", "lmo"), ("Low Saxon", "nds"), ("Luba Katanga", "lu"),
    ("Luxembourgish", "lb"), ("Macedonian", "mk"), ("Madi", "jaa"), ("Maithili", "mai"), ("Makurap", "mpu"),
    ("Malagasy", "mg"), ("Malay", "ms"), ("Malayalam", "ml"), ("Maltese", "mt"), ("Manx", "gv"), ("Maori", "mi"),
    ("Marathi", "mr"), ("Marshallese", "mh"), ("Mbya Guarani", "gun"), ("Middle French", "frm"), ("Moksha", "mdf"),
    ("Mongolian", "mn"), ("Munduruku", "myu"), ("Naija", "pcm"), ("Nauruan", "na"), ("Navajo", "nv"), ("Nayini", "nyq"),
    ("Ndonga", "ng"), ("Neapolitan", "nap"), ("Nepali", "ne"), ("Nheengatu", "yrl"), ("North Ndebele", "nd"),
    ("North Sami", "se"), ("Northern Sotho", "nso"), ("Northwest Gbaya", "gya"), ("Norwegian", "no"), ("Occitan", "oc"),
    ("Odia", "or"), ("Ojibwe", "oj"), ("Old Church Slavonic", "cu"), ("Old East Slavic", "orv"), ("Old English", "ang"),
    ("Old French", "fro"), ("Old Irish", "sga"), ("Old Turkish", "otk"), ("Oromo", "om"), ("Ossetian", "os"),
    ("Ottoman Turkish", "ota"), ("Pali", "pi"), ("Pashto", "ps"), ("Paumari", "pad"), ("Persian", "fa"),
    ("Pesh", "pay"), ("Phrygian", "xpg"), ("Polish", "pl"), ("Portuguese", "pt"), ("Punjabi", "pa"), ("Quechua", "qu"),
    ("Romanian", "ro"), ("Romansh", "rm"), ("Russian", "ru"), ("Samoan", "sm"), ("Sango", "sg"), ("Sanskrit", "sa"),
    ("Sardinian", "sc"), ("Scottish Gaelic", "gd"), ("Serbian", "sr"), ("Sesotho", "st"), ("Shona", "sn"),
    ("Sindhi", "sd"), ("Sinhala", "si"), ("Skolt Sami", "sms"), ("Slovak", "sk"), ("Slovenian", "sl"), ("Soi", "soj"),
    ("Somali", "so"), ("South Levantine Arabic", "ajp"), ("South Ndebele", "nr"), ("Spanish", "es"),
    ("Sundanese", "su"), ("Swahili", "sw"), ("Swati", "ss"), ("Swedish", "sv"), ("Swedish Sign Language", "swl"),
    ("Swiss German", "gsw"), ("Tagalog", "tl"), ("Tahitian", "ty"), ("Tajik", "tg"), ("Tamil", "ta"), ("Tatar", "tt"),
    ("Teko", "eme"), ("Telugu", "te"), ("Thai", "th"), ("Tibetan", "bo"), ("Tigrinya", "ti"), ("Tonga", "to"),
    ("Tsonga", "ts"), ("Tswana", "tn"), ("Tumbuka", "tum"), ("Tupinamba", "tpn"), ("Turkish", "tr"), ("Turkmen", "tk"),
    ("Twi", "tw"), ("Ukrainian", "uk"), ("Umbrian", "xum"), ("Upper Sorbian", "hsb"), ("Urdu", "ur"), ("Uyghur", "ug"),
    ("Uzbek", "uz"), ("Venda", "ve"), ("Veps", "vep"), ("Vietnamese", "vi"), ("Volapuk", "vo"), ("Walloon", "wa"),
    ("Warlpiri", "wbp"), ("Welsh", "cy"), ("West Frisian", "fy"), ("Western Armenian", "hyw"),
    ("Western Sierra Puebla Nahuatl", "nhi"), ("Wolof", "wo"), ("Xavante", "xav"), ("Xhosa", "xh"), ("Xibe", "sjo"),
    ("Yakut", "sah"), ("Yiddish", "yi"), ("Yoruba", "yo"), ("Yupik", "ess"), ("Zaar", "say"), ("Zhuang", "za"),
    ("Zulu", "zu"),
];

/// The code of a treebank's language: ISO 639-1, or ISO 639-3 where there is none of two letters.
///
/// The name is a treebank's, `UD_Old_East_Slavic-TOROT`, or a language's, `Old East Slavic` or `old_east_slavic`. `None` for
/// a language whose name is not known.
///
/// # Examples
/// ```
/// use isogloss::published::language_code;
/// assert_eq!(language_code("UD_Basque"), Some("eu"));
/// assert_eq!(language_code("UD_Swiss_German-UZH"), Some("gsw"));
/// assert_eq!(language_code("UD_Atlantean"), None);
/// ```
pub fn language_code(name: &str) -> Option<&'static str> {
    let name = bare_name(name).replace('_', " ");
    LANGUAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, code)| *code)
}

/// The code, or for an unknown language its name in small letters; and whether it is known.
pub(super) fn code_or_name(name: &str) -> (String, bool) {
    match language_code(name) {
        Some(code) => (code.to_owned(), true),
        None => (bare_name(name).to_lowercase(), false),
    }
}

/// The language in a treebank's name.
fn bare_name(name: &str) -> &str {
    let name = name.strip_prefix("UD_").unwrap_or(name);
    name.split('-').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_codes_are_distinct_and_sorted() {
        assert!(LANGUAGES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let codes: BTreeSet<&str> = LANGUAGES.iter().map(|(_, code)| *code).collect();
        assert_eq!(codes.len(), LANGUAGES.len());
        assert!(codes.iter().all(|code| matches!(code.len(), 2 | 3) && code.bytes().all(|b| b.is_ascii_lowercase())));
    }

    #[test]
    fn treebank_names_in_every_spelling() {
        for (name, code) in [
            ("UD_Vietnamese", Some("vi")),
            ("UD_Ancient_Greek-PROIEL", Some("grc")),
            ("old church slavonic", Some("cu")),
            ("UD_North_Sami", Some("se")),
            ("UD_", None),
        ] {
            assert_eq!(language_code(name), code, "{name}");
        }
        assert_eq!(code_or_name("UD_High_Valyrian-X"), ("high_valyrian".to_owned(), false));
    }
}
