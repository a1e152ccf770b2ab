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

/// Neurons in order, best first, out of a population of `n_neurons`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    n_neurons: usize,
    curve: Vec<CurvePoint>,
}

impl Ranking {
    /// A ranking from its curve, ranks 1, 2, ... in order.
    ///
    /// # Errors
    /// [`Error::Data`] if ranks do not count from 1, a neuron comes twice or lies outside `0..n_neurons`.
    pub fn new(n_neurons: usize, curve: Vec<CurvePoint>) -> Result<Self> {
        let mut seen = vec![false; n_neurons];
        for (i, point) in curve.iter().enumerate() {
            if point.rank != i + 1 {
                return Err(Error::Data(format!(
                    "ranks should count from 1, but rank {} stands at place {}",
                    point.rank,
                    i + 1
                )));
            }
            match seen.get_mut(point.neuron) {
                Some(seen @ false) => *seen = true,
                Some(true) => return Err(Error::Data(format!("neuron {} is ranked twice", point.neuron))),
                None => return Err(Error::Data(format!("neuron {} is outside 0..{n_neurons}", point.neuron))),
            }
        }
        Ok(Ranking { n_neurons, curve })
    }

    /// The size of the population ranked from.
    pub fn n_neurons(&self) -> usize {
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
