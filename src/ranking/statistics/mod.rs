//! Statistics of single neurons: rankings without a probe and without a search.
//!
//! Each [`Statistic`] scores every neuron by itself, from the training words alone; the ranking is the order of the scores.
//! They cost a pass over the data (those by rank a sort of every neuron), and are blind to what neurons tell together: two
//! copies of a neuron both rank high, and neurons that tell of a class only jointly rank low (Antverg and Belinkov 2022,
//! arXiv 2110.07483, compare such rankings with those of probes).
//!
//! | Name | Score of a neuron | Source |
//! | --- | --- | --- |
//! | `mean_difference` | sum over pairs of classes of the difference of means | Probeless, arXiv 2110.07483 |
//! | `average_precision` | average precision as a detector of a class, best class and sign | expert units, arXiv 2110.02802 |
//! | `iou` | intersection over union of its highest words with a class's, best class and sign | arXiv 1704.05796, 2006.14032 |
//! | `mutual_information` | mutual information of class and binned activation | Cover and Thomas 2006 |
//! | `f_statistic` | one-way analysis of variance | Fisher 1925 |
//! | `random` | a random number: the control | |
//!
//! # Examples
//! ```
//! use isogloss::ranking::statistics::{by_score, Statistic};
//! use ndarray::array;
//!
//! // Neuron 1 tells the classes apart; neuron 2 never changes.
//! let words = array![[0.5f32, 1.0, 7.0], [0.1, 1.2, 7.0], [0.4, 3.0, 7.0], [0.2, 3.1, 7.0]];
//! let statistic: Statistic = "f_statistic".parse()?;
//! let scores = statistic.scores(words.view(), &[0, 0, 1, 1], 2, 0, &[])?;
//! assert_eq!(by_score(&scores), [1, 0, 2]);
//! assert_eq!(scores[2], 0.0);
//! # Ok::<(), isogloss::Error>(())
//! ```

mod average_precision;
mod columns;
mod f_statistic;
mod iou;
mod mean_difference;
mod mutual_information;
mod random;
#[cfg(test)]
mod tests;

use crate::probe::{check_labels, check_records};
use crate::{Error, Result};
use columns::{by_neuron, Classes};
use ndarray::ArrayView2;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A statistic that scores neurons one by one, with its parameters; by name (`FromStr`) it has the default ones.
///
/// In a file it is its name (`"iou"`), or its name with parameters (`{"iou": {"active": 0.1}}`).
///
/// # Examples
/// ```
/// use isogloss::ranking::statistics::Statistic;
/// let statistic: Statistic = "mutual_information".parse()?;
/// assert_eq!(statistic, Statistic::MutualInformation { bins: 10, miller_madow: false });
/// assert_eq!(statistic.to_string(), "mutual_information");
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Statistic {
    /// The sum over pairs of classes of the absolute difference of the neuron's means (Probeless; Antverg and Belinkov
    /// 2022, arXiv 2110.07483), named `mean_difference`:
    ///
    /// ```text
    /// sum over classes a < b of |mean_a - mean_b| / s
    /// ```
    MeanDifference {
        /// Whether `s` is the neuron's standard deviation over all words (the default) or 1, as in the paper. On the raw
        /// scale a few neurons of large variance, of which language models have some, lead whatever the attribute; the
        /// probes of this crate standardise by default too.
        #[serde(default = "yes")]
        standardise: bool,
    },
    /// The average precision of the neuron as a detector of one class against the rest (expert units; Suau, Zappella and
    /// Apostoloff 2022, arXiv 2110.02802), of the neuron or its negative and of the class for which it is highest; named
    /// `average_precision`:
    ///
    /// ```text
    /// AP = sum over distinct activations t, from high to low, of (R_t - R_before) P_t
    /// ```
    ///
    /// `P_t` and `R_t` are precision and recall of "at least t"; words of equal activation count together, as in
    /// scikit-learn's `average_precision_score`.
    AveragePrecision {
        /// Whether to score `(AP - p) / (1 - p)`, at least 0, with `p` the class's share of the words, which is what a
        /// neuron without information reaches (the default), or the bare AP. The order for one class is the same; the
        /// maximum over classes is, without it, that of the most frequent class.
        #[serde(default = "yes")]
        adjusted: bool,
    },
    /// The intersection over union of the words on which the neuron is highest (or lowest) with the words of a class, of
    /// the class for which it is highest (Bau et al. 2017, arXiv 1704.05796; Mu and Andreas 2020, arXiv 2006.14032), named
    /// `iou`.
    Iou {
        /// The share of words on which a neuron counts as active: those above its `1 - active` quantile. `None`, the
        /// default, takes each class's own share of the words, at which a perfect neuron reaches 1. Words that tie with the
        /// last active one are active too, unless then all were: in that case they are not.
        #[serde(default)]
        active: Option<f64>,
        /// Whether to score `(IoU - e) / (1 - e)`, at least 0, with `e` the IoU of sets of these sizes that are
        /// independent (the default), or the bare IoU, which grows with the class.
        #[serde(default = "yes")]
        adjusted: bool,
    },
    /// The mutual information, in nats, of the class and the neuron's activation in bins of equally many words, named
    /// `mutual_information`. A word of mid-rank `r` among `n` is in bin `floor(bins (r - 1/2) / n)`: equal activations
    /// share a bin. The estimate is the plug-in one, of the observed frequencies.
    MutualInformation {
        /// The number of bins, 2 or more (10 by default).
        #[serde(default = "ten")]
        bins: usize,
        /// Whether to add Miller and Madow's correction for bias, `(m_bin + m_class - m_both - 1) / 2n` with `m` the
        /// numbers of bins, classes and cells that have words, and score at least 0. Off by default; neurons with as many
        /// bins are ranked nearly alike with it, neurons with heavy ties (fewer bins, less bias) rank higher.
        #[serde(default)]
        miller_madow: bool,
    },
    /// The F statistic of a one-way analysis of variance, between-class over within-class mean square, named
    /// `f_statistic`. Infinite for a neuron that changes between classes only.
    FStatistic,
    /// A random number in (0, 1) from the stream of the seed and names: the control, named `random`.
    Random,
}

fn yes() -> bool {
    true
}

fn ten() -> usize {
    10
}

impl Statistic {
    /// The statistics' names.
    pub const NAMES: [&'static str; 6] =
        ["mean_difference", "average_precision", "iou", "mutual_information", "f_statistic", "random"];

    /// The name, without the parameters.
    pub fn name(&self) -> &'static str {
        match self {
            Statistic::MeanDifference { .. } => "mean_difference",
            Statistic::AveragePrecision { .. } => "average_precision",
            Statistic::Iou { .. } => "iou",
            Statistic::MutualInformation { .. } => "mutual_information",
            Statistic::FStatistic => "f_statistic",
            Statistic::Random => "random",
        }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for one that is out of range.
    pub fn check(&self) -> Result<()> {
        match *self {
            Statistic::Iou { active: Some(active), .. } if !(active > 0.0 && active < 1.0) => {
                Err(Error::parameter("active", "between 0 and 1, both excluded", active))
            }
            Statistic::MutualInformation { bins: bins @ 0..=1, .. } => Err(Error::parameter("bins", "2 or more", bins)),
            _ => Ok(()),
        }
    }

    /// Scores of the neurons, `[neurons]`, from activations `[words, neurons]` and the words' classes: larger is better,
    /// at least 0, never NaN. A neuron that never changes has score 0, also under [`Statistic::Random`].
    ///
    /// Classes without words count for nothing. Every score is computed from its neuron alone and in one order, whatever
    /// the number of threads; adding to a neuron a constant that rounds nothing changes no bit. Only
    /// [`Statistic::Random`] draws from the stream of `seed` and `names`.
    ///
    /// # Errors
    /// [`Error::Parameter`] as [`Statistic::check`]; [`Error::Data`] if an activation is not finite, words and labels
    /// differ in number, a label is not below `n_classes`, there are no words, only one class has words, or (F statistic)
    /// there are not more words than classes.
    pub fn scores(
        &self,
        records: ArrayView2<f32>,
        labels: &[usize],
        n_classes: usize,
        seed: u64,
        names: &[&str],
    ) -> Result<Vec<f64>> {
        self.check()?;
        check_labels(records.nrows(), labels, n_classes)?;
        check_records(records, records.ncols())?;
        let Some(first) = labels.first() else {
            return Err(Error::Data("neurons are ranked on training words, but there are none".into()));
        };
        if labels.iter().all(|label| label == first) {
            return Err(Error::Data(format!(
                "neurons are ranked on words of two classes or more, but all {} are of class {first}",
                labels.len()
            )));
        }
        let classes = Classes::new(labels);
        if *self == Statistic::FStatistic && labels.len() <= classes.sizes().len() {
            return Err(Error::Data(format!(
                "an F statistic needs more words than classes, but there are {} words of {} classes",
                labels.len(),
                classes.sizes().len()
            )));
        }
        let mut scores = by_neuron(records, &classes, |neuron, classes| match *self {
            Statistic::MeanDifference { standardise } => mean_difference::score(neuron.values, classes, standardise),
            Statistic::AveragePrecision { adjusted } => average_precision::score(neuron.sorted(), classes, adjusted),
            Statistic::Iou { active, adjusted } => iou::score(neuron.sorted(), classes, active, adjusted),
            Statistic::MutualInformation { bins, miller_madow } => {
                mutual_information::score(neuron.sorted(), classes, bins, miller_madow)
            }
            Statistic::FStatistic => f_statistic::score(neuron.values, classes),
            Statistic::Random => 1.0,
        });
        if *self == Statistic::Random {
            random::draw(&mut scores, seed, names);
        }
        Ok(scores)
    }
}

/// Neurons by descending score, of equals the lower index first; NaN comes last.
pub fn by_score(scores: &[f64]) -> Vec<usize> {
    // Adding 0 turns -0 into 0, which ties with it.
    let key = |neuron: usize| scores.get(neuron).map_or(f64::NEG_INFINITY, |&score| score + 0.0);
    let last = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| last(key(b)).total_cmp(&last(key(a))));
    order
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Statistic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mean_difference" => Ok(Statistic::MeanDifference { standardise: true }),
            "average_precision" => Ok(Statistic::AveragePrecision { adjusted: true }),
            "iou" => Ok(Statistic::Iou { active: None, adjusted: true }),
            "mutual_information" => Ok(Statistic::MutualInformation { bins: 10, miller_madow: false }),
            "f_statistic" => Ok(Statistic::FStatistic),
            "random" => Ok(Statistic::Random),
            _ => Err(Error::unknown("statistic", text, Statistic::NAMES.join(", "))),
        }
    }
}

impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Of `serde(remote)`.
        Statistic::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Statistic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = Statistic;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "the name of a statistic ({}), or a table of one", Statistic::NAMES.join(", "))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Statistic, E> {
                name.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Statistic, A::Error> {
                Statistic::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Named)
    }
}
