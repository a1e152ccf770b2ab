use super::{
    IncrementalScorer, Logistic, LogisticParams, LogisticProbe, Poisson, PoissonParams, PoissonProbe, Probe, Subset,
};
use crate::{Error, Result};
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A way to fit a probe, with its parameters; by name (`FromStr`) it has the default ones.
///
/// # Examples
/// ```
/// use isogloss::probe::Method;
/// let method: Method = "poisson".parse()?;
/// assert_eq!(method.to_string(), "poisson");
/// # Ok::<(), isogloss::Error>(())
/// ```
///
/// In a file it is its name (`method = "poisson"`), or its name with parameters (`[method.poisson]`, `samples = 10`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// [`Poisson`], named `poisson`.
    Poisson(PoissonParams),
    /// [`Logistic`], named `logistic`.
    Logistic(LogisticParams),
}

impl Method {
    /// The methods' names.
    pub const NAMES: [&'static str; 2] = ["poisson", "logistic"];

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of range.
    pub fn check(&self) -> Result<()> {
        match self {
            Method::Poisson(params) => params.check_ref().map(|_| ()),
            Method::Logistic(params) => params.check_ref().map(|_| ()),
        }
    }

    /// Fits on activations `[words, neurons]` and class indices; random numbers come from the stream of `seed` and
    /// `names` and not from those in the parameters. `n_classes` counts classes where the words may lack the last ones.
    ///
    /// # Errors
    /// As the method's own `fit`; [`Error::Parameter`] for parameters out of range.
    pub fn fit(
        &self,
        records: ArrayView2<f32>,
        labels: &[usize],
        n_classes: usize,
        seed: u64,
        names: &[&str],
    ) -> Result<Fitted> {
        match self {
            Method::Poisson(params) => {
                let params = params.clone().n_classes(n_classes).stream(seed, names).check()?;
                Ok(Fitted::Poisson(params.fit_view(records, labels)?))
            }
            Method::Logistic(params) => {
                let params = params.clone().n_classes(n_classes).check()?;
                Ok(Fitted::Logistic(params.fit_view(records, labels)?))
            }
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Poisson(_) => "poisson",
            Method::Logistic(_) => "logistic",
        })
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "poisson" => Ok(Method::Poisson(Poisson::params())),
            "logistic" => Ok(Method::Logistic(Logistic::params())),
            _ => Err(Error::unknown("method", text, Method::NAMES.join(" or "))),
        }
    }
}

/// A probe fitted by a [`Method`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fitted {
    /// A Poisson probe.
    Poisson(PoissonProbe),
    /// A logistic regression.
    Logistic(LogisticProbe),
}

impl Fitted {
    fn probe(&self) -> &dyn Probe {
        match self {
            Fitted::Poisson(probe) => probe,
            Fitted::Logistic(probe) => probe,
        }
    }
}

impl Probe for Fitted {
    fn n_neurons(&self) -> usize {
        self.probe().n_neurons()
    }

    fn n_classes(&self) -> usize {
        self.probe().n_classes()
    }

    fn log_likelihoods(&self, records: ArrayView2<f32>, subset: Subset) -> Result<Array2<f64>> {
        self.probe().log_likelihoods(records, subset)
    }

    fn scorer<'a>(&'a self, records: ArrayView2<f32>, labels: &[usize]) -> Result<Box<dyn IncrementalScorer + 'a>> {
        self.probe().scorer(records, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_print_and_an_unknown_one_lists_them() {
        for name in Method::NAMES {
            assert_eq!(name.parse::<Method>().unwrap().to_string(), name);
        }
        let error = "poison".parse::<Method>().unwrap_err().to_string();
        assert_eq!(error, "unknown method `poison`: expected poisson or logistic");
    }
}
