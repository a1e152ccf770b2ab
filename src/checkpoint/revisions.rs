use super::{repository::is_revision, Step};
use crate::Error;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// How a repository names the revision of a step: a text with `{step}` in it, by default `global_step{step}`.
///
/// # Examples
/// ```
/// use isogloss::checkpoint::{RevisionPattern, Step};
/// let pattern: RevisionPattern = "step{step}-seed3".parse()?;
/// assert_eq!(pattern.revision(1000), "step1000-seed3");
/// assert_eq!(pattern.step("step1000-seed3"), Some(Step::Number(1000)));
/// assert_eq!(pattern.step("step1000"), None);
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionPattern {
    before: String,
    after: String,
}

impl RevisionPattern {
    /// The revision of a step.
    pub fn revision(&self, step: u64) -> String {
        format!("{}{step}{}", self.before, self.after)
    }

    /// The step of a revision, or `None` if it does not fit. Numbers have no leading zeros, so that a step has one name.
    pub fn step(&self, revision: &str) -> Option<Step> {
        let digits = revision.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        let step = digits.parse().ok()?;
        (self.revision(step) == revision).then_some(Step::Number(step))
    }
}

impl Default for RevisionPattern {
    fn default() -> Self {
        RevisionPattern { before: "global_step".into(), after: String::new() }
    }
}

impl fmt::Display for RevisionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{step}}{}", self.before, self.after)
    }
}

impl FromStr for RevisionPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let pattern = text
            .split_once("{step}")
            .map(|(before, after)| RevisionPattern { before: before.into(), after: after.into() })
            .filter(|pattern| is_revision(&pattern.revision(0)) && !pattern.after.contains(['{', '}']));
        pattern.ok_or_else(|| {
            let expected = "a revision's name with {step} in place of the number, such as global_step{step}";
            Error::unknown("pattern of revisions", text, expected)
        })
    }
}

impl Serialize for RevisionPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RevisionPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_fits_in_one_way_or_not_at_all() {
        let pattern = RevisionPattern::default();
        assert_eq!(pattern.to_string(), "global_step{step}");
        assert_eq!(pattern.step("global_step0"), Some(Step::Number(0)));
        for name in
            ["global_step", "global_step01", "global_step+1", "global_step1 ", "main", "xglobal_step1", "global_step1k"]
        {
            assert_eq!(pattern.step(name), None, "{name}");
        }
    }

    #[test]
    fn a_pattern_without_a_step_is_refused() {
        for text in ["global_step", "", "a{step}{step}", "../{step}", "a b{step}"] {
            assert!(text.parse::<RevisionPattern>().is_err(), "{text}");
        }
    }
}
