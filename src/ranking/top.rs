use super::Ranking;
use crate::{Error, Result};

/// The first `k` neurons of a ranking, sorted: a pair costs `2 k` comparisons, whatever the size of the population.
pub(crate) struct Top(Vec<usize>);

impl Top {
    pub(crate) fn new(ranking: &Ranking, k: usize) -> Result<Self> {
        ranking.check_k(k)?;
        let mut neurons = ranking.top(k)?;
        neurons.sort_unstable();
        Ok(Top(neurons))
    }

    /// The number of neurons in both.
    pub(crate) fn shared(&self, other: &Top) -> usize {
        let mut others = other.0.iter().peekable();
        let mut shared = 0;
        for neuron in &self.0 {
            while others.next_if(|other| *other < neuron).is_some() {}
            shared += usize::from(others.next_if(|other| *other == neuron).is_some());
        }
        shared
    }
}

impl Ranking {
    /// Checks that there are `k` first neurons, one or more.
    pub(crate) fn check_k(&self, k: usize) -> Result<()> {
        match self.n_neurons() {
            Some(n) if k == 0 || k > n => {
                Err(Error::parameter("k", format!("from 1 to {n}, the neurons there are"), k))
            }
            None if k == 0 => Err(Error::parameter("k", "1 or more", k)),
            _ if k > self.curve().len() => {
                Err(Error::parameter("k", format!("at most the {} neurons ranked", self.curve().len()), k))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to compare rankings of populations of different sizes, whose neurons are not the same, and rankings of
    /// different lengths.
    pub(crate) fn check_comparable(&self, other: &Ranking) -> Result<()> {
        let width = |ranking: &Ranking| ranking.n_neurons().map_or("an unknown number of".into(), |n| n.to_string());
        if self.n_neurons() != other.n_neurons() {
            return Err(Error::Data(format!(
                "rankings of {} and of {} neurons cannot be compared: compare rankings of one site of one model",
                width(self),
                width(other)
            )));
        }
        if self.curve().len() != other.curve().len() {
            return Err(Error::Data(format!(
                "rankings of different k, of the first {} and of the first {} neurons, cannot be compared: rank as many in both",
                self.curve().len(),
                other.curve().len()
            )));
        }
        Ok(())
    }
}
