use super::upper_bound::{self, UpperBoundParams};
use super::{greedy, weight_mass, Ranked, Ranker, Splits};
use crate::probe::{
    ElasticNet, ElasticNetParams, Estimator, Fitted, Logistic, LogisticParams, Poisson, PoissonParams, Probe, Subset,
};
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
    /// [`Logistic`] and weight mass (see [`weight_mass`]), named `logistic`.
    Logistic(LogisticParams),
    /// [`ElasticNet`] and weight mass, named `elastic_net`.
    ElasticNet(ElasticNetParams),
    /// [`Logistic`] and greedy selection with the one probe masked, named `lower_bound`.
    LowerBound(LogisticParams),
    /// Greedy selection with a probe refitted for every set (see [`upper_bound`]), named `upper_bound`.
    UpperBound(UpperBoundParams),
}

impl Method {
    /// The methods' names.
    pub const NAMES: [&'static str; 5] = ["poisson", "logistic", "elastic_net", "lower_bound", "upper_bound"];

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of range.
    pub fn check(&self) -> Result<()> {
        match self {
            Method::Poisson(params) => params.check_ref().map(|_| ()),
            Method::Logistic(params) | Method::LowerBound(params) => params.check_ref().map(|_| ()),
            Method::ElasticNet(params) => params.check_ref().map(|_| ()),
            Method::UpperBound(params) => params.check_ref().map(|_| ()),
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
                let probe = params.fit_view(splits.train.0, splits.train.1)?;
                let order = weight_mass::order(probe.classifier());
                weight_mass::rank_along(Fitted::Logistic(probe), splits, &order, k)
            }
            Method::ElasticNet(params) => {
                let params = params.clone().n_classes(splits.n_classes).stream(seed, names).check()?;
                let probe = params.fit_view(splits.train.0, splits.train.1)?;
                let order = weight_mass::order(probe.classifier());
                weight_mass::rank_along(Fitted::ElasticNet(probe), splits, &order, k)
            }
            Method::LowerBound(params) => {
                let params = params.clone().n_classes(splits.n_classes).check()?;
                select(Fitted::Logistic(params.fit_view(splits.train.0, splits.train.1)?), splits, k)
            }
            Method::UpperBound(params) => upper_bound::select(splits, k, &params.check()?),
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
            Method::ElasticNet(_) => "elastic_net",
            Method::LowerBound(_) => "lower_bound",
            Method::UpperBound(_) => "upper_bound",
        })
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "poisson" => Ok(Method::Poisson(Poisson::params())),
            "logistic" => Ok(Method::Logistic(Logistic::params())),
            "elastic_net" => Ok(Method::ElasticNet(ElasticNet::params())),
            "lower_bound" => Ok(Method::LowerBound(Logistic::params())),
            "upper_bound" => Ok(Method::UpperBound(UpperBoundParams::default())),
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
        assert_eq!(
            error,
            "unknown method `poison`: expected poisson or logistic or elastic_net or lower_bound or upper_bound"
        );
    }
}
