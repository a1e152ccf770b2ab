use super::{greedy, Ranked, Ranker, Splits};
use crate::probe::{Estimator, Fitted, Logistic, LogisticParams, Poisson, PoissonParams, Probe, Subset};
use crate::{Error, Result};
use linfa::ParamGuard;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A way to rank neurons, with its parameters; by name (`FromStr`) it has the default ones.
///
/// In a file it is its name (`method = "poisson"`), or its name with parameters (`[method.poisson]`, `samples = 10`).
///
/// # Examples
/// ```
/// use isogloss::ranking::Method;
/// let method: Method = "poisson".parse()?;
/// assert_eq!(method.to_string(), "poisson");
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// [`Poisson`] and greedy selection, named `poisson`.
    Poisson(PoissonParams),
    /// [`Logistic`] and greedy selection, named `logistic`.
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
}

impl Ranker for Method {
    fn rank(&self, splits: &Splits, k: usize, seed: u64, names: &[&str]) -> Result<Ranked> {
        // Before the long work, not after it.
        splits.check_k(k)?;
        match self {
            Method::Poisson(params) => {
                let params = params.clone().n_classes(splits.n_classes).stream(seed, names).check()?;
                select(Fitted::Poisson(params.fit_view(splits.train.0, splits.train.1)?), splits, k)
            }
            Method::Logistic(params) => {
                let params = params.clone().n_classes(splits.n_classes).check()?;
                select(Fitted::Logistic(params.fit_view(splits.train.0, splits.train.1)?), splits, k)
            }
        }
    }
}

/// Selects greedily with a probe as it is.
fn select(probe: Fitted, splits: &Splits, k: usize) -> Result<Ranked> {
    let ranking = greedy::select(&probe, splits.dev, splits.test, k)?;
    let all = probe.evaluate(splits.test.0, splits.test.1, Subset::All)?;
    Ok(Ranked { ranking, probe, all })
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
