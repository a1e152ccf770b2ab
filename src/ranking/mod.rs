//! Neurons in the order of their use to a probe.
//!
//! A [`Ranker`] does one cell: most fit a probe on the training words, select neurons on the dev words and score them on
//! the test words. [`Method`] is any of them by name.

pub mod greedy;
mod method;
mod rank;
pub mod stability;
pub mod statistics;
mod top;
pub mod upper_bound;
pub mod weight_mass;

pub use greedy::Split;
pub use method::Method;
pub use rank::{rank_split, Ranked, Ranker, Splits};
pub(crate) use top::Top;

use crate::checkpoint::Step;
use crate::{Error, Result, Site};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a ranking is of: one language and attribute, at one site of one checkpoint, by one method and seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The series' name.
    pub model: String,
    /// The checkpoint.
    pub step: Step,
    /// The place in the model.
    pub site: Site,
    /// The grammatical attribute, such as `Number`.
    pub attribute: String,
    /// The language, ISO 639-1.
    pub language: String,
    /// The method that ranked the neurons.
    pub method: String,
    /// The seed of split and probe.
    pub seed: u64,
    /// Whether the labels were the real ones.
    #[serde(default)]
    pub control: Control,
}

/// Whether a ranking is of a probe of the real labels, or is there to say what one of meaningless labels finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// No control: the probe was fitted on the real labels.
    #[default]
    None,
    /// The probe was fitted on labels shuffled among the words ([`crate::probe::controls::ControlLabels::shuffled`]).
    Shuffled,
}

/// One step of a selection: the neuron picked, and how well the probe does with it and all before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Counted from 1.
    pub rank: usize,
    /// The neuron's column.
    pub neuron: usize,
    /// Normalised mutual information on dev, which the selection maximises.
    pub nmi_dev: Option<f64>,
    /// The same on test.
    pub nmi_test: Option<f64>,
    /// Share of test words classified right.
    pub accuracy_test: Option<f64>,
}

/// Neurons in order, best first, out of a population of `n_neurons` where that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    n_neurons: Option<usize>,
    curve: Vec<CurvePoint>,
}

impl Ranking {
    /// A ranking from its curve, ranks 1, 2, ... in order.
    ///
    /// # Errors
    /// [`Error::Data`] if ranks do not count from 1, a neuron comes twice or lies outside `0..n_neurons`.
    pub fn new(n_neurons: usize, curve: Vec<CurvePoint>) -> Result<Self> {
        Self::checked(Some(n_neurons), curve)
    }

    /// A ranking out of a population whose size is not known, as one from another study's files may be: its overlaps have
    /// no chance level.
    ///
    /// # Errors
    /// [`Error::Data`] if ranks do not count from 1 or a neuron comes twice.
    ///
    /// # Examples
    /// ```
    /// use isogloss::ranking::{CurvePoint, Ranking};
    /// let point = CurvePoint { rank: 1, neuron: 391, nmi_dev: None, nmi_test: Some(0.2), accuracy_test: None };
    /// let ranking = Ranking::of_unknown_width(vec![point])?;
    /// assert_eq!((ranking.n_neurons(), ranking.top(1)?), (None, vec![391]));
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    pub fn of_unknown_width(curve: Vec<CurvePoint>) -> Result<Self> {
        Self::checked(None, curve)
    }

    fn checked(n_neurons: Option<usize>, curve: Vec<CurvePoint>) -> Result<Self> {
        let mut seen = BTreeSet::new();
        for (i, point) in curve.iter().enumerate() {
            if point.rank != i + 1 {
                return Err(Error::Data(format!(
                    "ranks should count from 1, but rank {} stands at place {}",
                    point.rank,
                    i + 1
                )));
            }
            if let Some(n_neurons) = n_neurons.filter(|&n_neurons| point.neuron >= n_neurons) {
                return Err(Error::Data(format!("neuron {} is outside 0..{n_neurons}", point.neuron)));
            }
            if !seen.insert(point.neuron) {
                return Err(Error::Data(format!("neuron {} is ranked twice", point.neuron)));
            }
        }
        Ok(Ranking { n_neurons, curve })
    }

    /// The size of the population ranked from; `None` where it is not known.
    pub fn n_neurons(&self) -> Option<usize> {
        self.n_neurons
    }

    /// The selection, a point a neuron.
    pub fn curve(&self) -> &[CurvePoint] {
        &self.curve
    }

    /// The ranked neurons, best first.
    pub fn neurons(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.curve.iter().map(|point| point.neuron)
    }

    /// The best `k` neurons.
    ///
    /// # Errors
    /// [`Error::Parameter`] if fewer than `k` are ranked.
    pub fn top(&self, k: usize) -> Result<Vec<usize>> {
        if k > self.curve.len() {
            return Err(Error::parameter("k", format!("at most the {} neurons ranked", self.curve.len()), k));
        }
        Ok(self.neurons().take(k).collect())
    }
}

/// A ranking with what it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedCell {
    /// What was ranked.
    pub cell: Cell,
    /// The order found.
    pub ranking: Ranking,
}
