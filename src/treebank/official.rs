//! The split that a treebank's own authors made.

use super::attributes::serde_as_text;
use crate::{Error, Result};
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A part of a treebank's official split, which the name of its file tells: `es_gsd-ud-train.conllu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OfficialSplit {
    /// `train`: to fit on.
    Train,
    /// `dev`: to choose on.
    Dev,
    /// `test`: to report on.
    Test,
}

impl OfficialSplit {
    /// The part that a file belongs to, by its name as Universal Dependencies forms it: `train`, `dev` or `test` after
    /// `-ud-`, and perhaps the number of a piece after that (`de_hdt-ud-train-a-1.conllu`); elsewhere, the last word of
    /// the name (`train.conllu`, `my_dev.conllu.gz`). A folder before the name does not matter.
    ///
    /// # Examples
    /// ```
    /// use isogloss::treebank::OfficialSplit;
    /// assert_eq!(OfficialSplit::of_file("es_pud-ud-test.conllu"), Some(OfficialSplit::Test));
    /// assert_eq!(OfficialSplit::of_file("cs_pdt-ud-train-la.conllu.gz"), Some(OfficialSplit::Train));
    /// assert_eq!(OfficialSplit::of_file("latest.conllu"), None);
    /// ```
    pub fn of_file(name: &str) -> Option<OfficialSplit> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        let stem = stem.strip_suffix(".conllu").or_else(|| stem.strip_suffix(".conllup")).unwrap_or(stem);
        let word = match stem.rsplit_once("-ud-") {
            Some((_, part)) => part.split('-').next(),
            None => stem.rsplit(['-', '_', '.']).next(),
        };
        word?.parse().ok()
    }
}

impl fmt::Display for OfficialSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OfficialSplit::Train => "train",
            OfficialSplit::Dev => "dev",
            OfficialSplit::Test => "test",
        })
    }
}

impl FromStr for OfficialSplit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "train" => Ok(OfficialSplit::Train),
            "dev" => Ok(OfficialSplit::Dev),
            "test" => Ok(OfficialSplit::Test),
            _ => Err(Error::unknown("official split", text, "train, dev or test")),
        }
    }
}

serde_as_text!(OfficialSplit);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_part() {
        let cases = [
            ("eu_bdt-ud-dev.conllu", Some(OfficialSplit::Dev)),
            ("a/b/eu_bdt-ud-test.conllu.gz", Some(OfficialSplit::Test)),
            ("de_hdt-ud-train-a-1.conllu", Some(OfficialSplit::Train)),
            ("train.conllu", Some(OfficialSplit::Train)),
            ("my_dev.conllup", Some(OfficialSplit::Dev)),
            ("en-test", Some(OfficialSplit::Test)),
            ("contest.conllu", None),
            ("train-set/all.conllu", None),
            ("es_x-ud-extra.conllu", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(OfficialSplit::of_file(name), expected, "{name}");
        }
        for part in [OfficialSplit::Train, OfficialSplit::Dev, OfficialSplit::Test] {
            assert_eq!(part.to_string().parse::<OfficialSplit>().unwrap(), part);
        }
    }
}
