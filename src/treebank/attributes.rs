//! Annotation schemes, and the attributes of a word in one of them.

use crate::{Error, Result};
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How the attributes of words are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `ud`: the features of Universal Dependencies as annotated (`Number=Sing`), and `POS`, the universal part of speech.
    Ud,
    /// `unimorph`: the dimensions of UniMorph (`Number=SG`; Sylak-Glassman 2016), mapped from the features. Aktionsart,
    /// LanguageSpecific and SwitchReference have no counterpart among the features, so that no word has a value of them.
    #[default]
    Unimorph,
}

/// UniMorph's dimensions (Sylak-Glassman 2016).
const DIMENSIONS: [&str; 25] = [
    "Aktionsart",
    "Animacy",
    "ArgumentMarking",
    "Aspect",
    "Case",
    "Comparison",
    "Definiteness",
    "Deixis",
    "Evidentiality",
    "Finiteness",
    "Gender",
    "InformationStructure",
    "Interrogativity",
    "LanguageSpecific",
    "Mood",
    "Number",
    "POS",
    "Person",
    "Polarity",
    "Politeness",
    "Possession",
    "SwitchReference",
    "Tense",
    "Valency",
    "Voice",
];

/// The universal features, and POS.
const FEATURES: [&str; 28] = [
    "Abbr",
    "Animacy",
    "Aspect",
    "Case",
    "Clusivity",
    "Definite",
    "Degree",
    "Deixis",
    "DeixisRef",
    "Evident",
    "ExtPos",
    "Foreign",
    "Gender",
    "Mood",
    "NounClass",
    "NumType",
    "Number",
    "POS",
    "Person",
    "Polarity",
    "Polite",
    "Poss",
    "PronType",
    "Reflex",
    "Tense",
    "Typo",
    "VerbForm",
    "Voice",
];

impl Scheme {
    /// The names of the scheme's attributes, sorted: UniMorph's dimensions, or the universal features and `POS`.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            Scheme::Ud => &FEATURES,
            Scheme::Unimorph => &DIMENSIONS,
        }
    }

    /// Checks that the scheme knows an attribute. In scheme `ud` a layer may follow (`Number[psor]`);
    /// [`Treebank::check_attribute`](super::Treebank::check_attribute) also takes a treebank's own features.
    ///
    /// # Errors
    /// [`Error::Unknown`], listing the names that exist.
    pub fn check_attribute(self, attribute: &str) -> Result<()> {
        let base = match (self, attribute.split_once('[')) {
            (Scheme::Ud, Some((base, layer))) if layer.len() > 1 && layer.ends_with(']') => base,
            _ => attribute,
        };
        if self.attributes().contains(&base) {
            return Ok(());
        }
        Err(Error::unknown("attribute", attribute, format!("one of scheme {self}: {}", self.attributes().join(", "))))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Ud => "ud",
            Scheme::Unimorph => "unimorph",
        })
    }
}

impl FromStr for Scheme {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "ud" => Ok(Scheme::Ud),
            "unimorph" => Ok(Scheme::Unimorph),
            _ => Err(Error::unknown("scheme", text, "ud or unimorph")),
        }
    }
}

/// The attributes of a word and their values, sorted by name; written `Number=SG|POS=N`, and as nothing where there are
/// none. Clones share their contents.
///
/// # Examples
/// ```
/// use isogloss::treebank::Attributes;
/// let attributes: Attributes = "POS=N|Number=SG".parse()?;
/// assert_eq!(attributes.get("Number"), Some("SG"));
/// assert_eq!(attributes.to_string(), "Number=SG|POS=N");
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes(Arc<BTreeMap<String, String>>);

impl Attributes {
    /// The value of an attribute.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.0.get(attribute).map(String::as_str)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<BTreeMap<String, String>> for Attributes {
    fn from(map: BTreeMap<String, String>) -> Self {
        Attributes(Arc::new(map))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect::<BTreeMap<_, _>>().into()
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { "|" })?;
        }
        Ok(())
    }
}

impl FromStr for Attributes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut map = BTreeMap::new();
        if text.is_empty() {
            return Ok(Attributes::default());
        }
        for pair in text.split('|') {
            let (name, value) =
                pair.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty()).ok_or_else(
                    || Error::Data(format!("attribute `{pair}` should be Name=Value, pairs separated by `|`")),
                )?;
            if map.insert(name.to_string(), value.to_string()).is_some() {
                return Err(Error::Data(format!("attribute `{name}` is given twice in `{text}`")));
            }
        }
        Ok(map.into())
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
pub(crate) use serde_as_text;

serde_as_text!(Scheme, Attributes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_read_what_they_write() {
        for text in ["", "Number=SG", "Case=IN+ESS|Number=SG|POS=N", "Number[psor]=Sing"] {
            assert_eq!(text.parse::<Attributes>().unwrap().to_string(), text);
        }
        for text in ["Number", "=SG", "Number=", "Number=SG|", "Number=SG|Number=PL"] {
            assert!(text.parse::<Attributes>().is_err(), "{text}");
        }
    }

    #[test]
    fn attribute_names_are_sorted_and_unknown_ones_reported() {
        for scheme in [Scheme::Ud, Scheme::Unimorph] {
            assert!(scheme.attributes().windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(scheme.to_string().parse::<Scheme>().unwrap(), scheme);
            assert!(scheme.check_attribute("POS").is_ok());
        }
        assert!(Scheme::Ud.check_attribute("Number[psor]").is_ok());
        assert!(Scheme::Ud.check_attribute("Number[").is_err());
        let error = Scheme::Unimorph.check_attribute("Numbr").unwrap_err().to_string();
        assert!(error.starts_with("unknown attribute `Numbr`: expected one of scheme unimorph: Aktionsart"), "{error}");
        assert!("UD".parse::<Scheme>().is_err());
    }
}
