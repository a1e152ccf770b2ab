use crate::Error;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A training step; the released model, whose step is not part of the series, is `final` and comes last.
///
/// # Examples
/// ```
/// use isogloss::checkpoint::Step;
/// assert!("1000".parse::<Step>()? < "final".parse::<Step>()?);
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// After that many updates.
    Number(u64),
    /// The released model.
    Final,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Number(number) => write!(f, "{number}"),
            Step::Final => f.write_str("final"),
        }
    }
}

impl FromStr for Step {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "final" => Ok(Step::Final),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u64>().is_ok() => {
                Ok(Step::Number(digits.parse().unwrap_or_default()))
            }
            _ => Err(Error::unknown("step", text, "a whole number or `final`")),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
