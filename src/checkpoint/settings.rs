use super::{RevisionPattern, Step};
use serde::{Deserialize, Deserializer, Serialize};

/// Which checkpoints of a series to take, and where what is not in it lies.
///
/// | name | default | purpose |
/// | --- | --- | --- |
/// | `revisions` | `global_step{step}` | how a Hub repository names the revision of a step |
/// | `steps` | all | the steps to take |
/// | `released` | none | the released model, as step `final` |
/// | `tokenizer` | none | the tokenizer of a series that has none |
/// | `evict` | no | whether weights that the series fetched go when it is done with them |
///
/// In a study's TOML file it is the table `checkpoints`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesSettings {
    /// How a Hub repository names the revision of a step; folders are always `global_stepN` or `stepN`.
    pub revisions: RevisionPattern,
    /// The steps to take; all that there are if empty.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "steps")]
    pub steps: Vec<Step>,
    /// The released model, which becomes the step `final`: a checkpoint's folder, or a Hub repository, with `@REVISION` if need be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
    /// Where the tokenizer of checkpoints that have none lies: `tokenizer.json`, a folder with it, or a Hub repository (BLOOM's
    /// is `bigscience/bloom`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Whether weights that were fetched from the Hub for this series are deleted from the cache after use. What was in the
    /// cache before stays.
    pub evict: bool,
}

impl SeriesSettings {
    /// Whether nothing differs from the default.
    pub fn is_default(&self) -> bool {
        *self == SeriesSettings::default()
    }
}

/// Steps as numbers or texts.
fn steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Step>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(u64),
        Text(Step),
    }
    let given = Vec::<Given>::deserialize(deserializer)?;
    Ok(given
        .into_iter()
        .map(|step| match step {
            Given::Number(number) => Step::Number(number),
            Given::Text(step) => step,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbers_or_final() {
        let text = "steps = [1000, \"30\", \"final\"]\nreleased = \"bigscience/bloom-560m\"\n";
        let settings: SeriesSettings = toml::from_str(text).unwrap();
        assert_eq!(settings.steps, [Step::Number(1000), Step::Number(30), Step::Final]);
        let again: SeriesSettings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
        assert!(!settings.is_default() && toml::from_str::<SeriesSettings>("").unwrap().is_default());
        assert!(toml::from_str::<SeriesSettings>("revisions = \"main\"").is_err());
    }
}
