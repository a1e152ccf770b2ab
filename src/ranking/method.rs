use super::statistics::{by_score, Statistic};
use super::upper_bound::{self, UpperBoundParams};
use super::{greedy, weight_mass, Ranked, Ranker, Splits};
use crate::probe::{
    conditional, ConditionalPoisson, ElasticNet, ElasticNetParams, Estimator, Fitted, Gaussian, GaussianParams,
    LatentParams, Logistic, LogisticParams, Masks, Poisson, Probe, Subset,
};
use crate::{Error, Result};
use linfa::ParamGuard;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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
#[serde(remote = "Self", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// [`Poisson`] and greedy selection, named `poisson`.
    Poisson(LatentParams),
    /// [`ConditionalPoisson`] and greedy selection, named `conditional_poisson`.
    ConditionalPoisson(#[serde(with = "conditional")] LatentParams),
    /// [`Gaussian`] and greedy selection, named `gaussian`.
    Gaussian(GaussianParams),
    /// [`Logistic`] and weight mass (see [`weight_mass`]), named `logistic`.
    Logistic(LogisticParams),
    /// [`ElasticNet`] and weight mass, named `elastic_net`.
    ElasticNet(ElasticNetParams),
    /// [`Logistic`] and greedy selection with the one probe masked, named `lower_bound`.
    LowerBound(LogisticParams),
    /// Greedy selection with a probe refitted for every set (see [`upper_bound`]), named `upper_bound`.
    UpperBound(UpperBoundParams),
    /// A [`Statistic`] of single neurons, by its name. The curve is that of probes refitted on the neurons so far (see
    /// [`upper_bound::refit_curve`]); the probe is of the same kind, fitted on all neurons.
    #[serde(skip)]
    Statistic(Statistic),
}

impl Method {
    /// The methods' names.
    pub const NAMES: [&'static str; 13] = [
        "poisson",
        "conditional_poisson",
        "gaussian",
        "logistic",
        "elastic_net",
        "lower_bound",
        "upper_bound",
        "mean_difference",
        "average_precision",
        "iou",
        "mutual_information",
        "f_statistic",
        "random",
    ];

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of range.
    pub fn check(&self) -> Result<()> {
        match self {
            Method::Poisson(params) | Method::ConditionalPoisson(params) => {
                let independent = params.check_ref()?.masks() == Masks::Independent;
                match self {
                    Method::Poisson(_) if !independent => Err(Error::parameter(
                        "masks",
                        "independent for `poisson`; others are of `conditional_poisson`",
                        format!("{:?}", params.check_ref()?.masks()),
                    )),
                    Method::ConditionalPoisson(_) if independent => Err(Error::parameter(
                        "masks",
                        "of a size for `conditional_poisson`; independent ones are of `poisson`",
                        "Independent",
                    )),
                    _ => Ok(()),
                }
            }
            Method::Gaussian(params) => params.check_ref().map(|_| ()),
            Method::Logistic(params) | Method::LowerBound(params) => params.check_ref().map(|_| ()),
            Method::ElasticNet(params) => params.check_ref().map(|_| ()),
            Method::UpperBound(params) => params.check_ref().map(|_| ()),
            Method::Statistic(statistic) => statistic.check(),
        }
    }
}

impl Ranker for Method {
    /// As [`Ranker::rank`]. The number of classes is that of the splits and the random stream that of `seed` and `names`,
    /// whatever the parameters say.
    fn rank(&self, splits: &Splits, k: usize, seed: u64, names: &[&str]) -> Result<Ranked> {
        // Before the long work, not after it.
        self.check()?;
        splits.check_k(k)?;
        match self {
            Method::Poisson(params) | Method::ConditionalPoisson(params) => {
                let params =
                    params.clone().n_classes(splits.n_classes).stream(seed, names).lemmas(splits.lemmas).check()?;
                select(Fitted::Latent(params.fit_view(splits.train.0, splits.train.1)?), splits, k)
            }
            Method::Gaussian(params) => {
                let params = params.clone().n_classes(splits.n_classes).check()?;
                select(Fitted::Gaussian(params.fit_view(splits.train.0, splits.train.1)?), splits, k)
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
            Method::Statistic(statistic) => {
                let scores = statistic.scores(splits.train.0, splits.train.1, splits.n_classes, seed, names)?;
                upper_bound::rank_along(splits, &by_score(&scores)[..k], &UpperBoundParams::default().check()?)
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
            Method::ConditionalPoisson(_) => "conditional_poisson",
            Method::Gaussian(_) => "gaussian",
            Method::Logistic(_) => "logistic",
            Method::ElasticNet(_) => "elastic_net",
            Method::LowerBound(_) => "lower_bound",
            Method::UpperBound(_) => "upper_bound",
            Method::Statistic(statistic) => statistic.name(),
        })
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "poisson" => Ok(Method::Poisson(Poisson::params())),
            "conditional_poisson" => Ok(Method::ConditionalPoisson(ConditionalPoisson::params())),
            "gaussian" => Ok(Method::Gaussian(Gaussian::params())),
            "logistic" => Ok(Method::Logistic(Logistic::params())),
            "elastic_net" => Ok(Method::ElasticNet(ElasticNet::params())),
            "lower_bound" => Ok(Method::LowerBound(Logistic::params())),
            "upper_bound" => Ok(Method::UpperBound(UpperBoundParams::default())),
            _ if Statistic::NAMES.contains(&text) => Ok(Method::Statistic(text.parse()?)),
            _ => Err(Error::unknown("method", text, Method::NAMES.join(", "))),
        }
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Method::Statistic(statistic) => statistic.serialize(serializer),
            _ => Method::serialize(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct NameOrTable;

        impl<'de> Visitor<'de> for NameOrTable {
            type Value = Method;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "the name of a method ({}), or a table of one", Method::NAMES.join(", "))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<Method, E> {
                name.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Method, A::Error> {
                let name: Option<String> = map.next_key()?;
                let statistic = name.as_deref().is_some_and(|name| Statistic::NAMES.contains(&name));
                let read = MapAccessDeserializer::new(Reread { name, map: &mut map });
                let method = if statistic {
                    Statistic::deserialize(read).map(Method::Statistic)?
                } else {
                    Method::deserialize(read)?
                };
                match map.next_key::<String>()? {
                    None => Ok(method),
                    Some(other) => {
                        Err(de::Error::custom(format!("one method is needed, but `{method}` and `{other}` are given")))
                    }
                }
            }
        }

        deserializer.deserialize_any(NameOrTable)
    }
}

/// A map whose first key has been looked at.
struct Reread<A> {
    name: Option<String>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Reread<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> std::result::Result<Option<K::Value>, A::Error> {
        match self.name.take() {
            Some(name) => seed.deserialize(name.into_deserializer()).map(Some),
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> std::result::Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
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
        assert_eq!(error, format!("unknown method `poison`: expected {}", Method::NAMES.join(", ")));
    }

    #[test]
    fn methods_are_read_by_name_or_with_parameters_and_mistakes_are_named() {
        for name in Method::NAMES {
            let method: Method = name.parse().unwrap();
            let text = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), method, "{text}");
            assert_eq!(serde_json::from_str::<Method>(&format!("\"{name}\"")).unwrap(), method);
        }
        let method: Method = toml::from_str("[mutual_information]\nbins = 5").unwrap();
        assert_eq!(method, Method::Statistic(Statistic::MutualInformation { bins: 5, miller_madow: false }));
        let method: Method = toml::from_str("[conditional_poisson]\nsamples = 7").unwrap();
        assert_eq!(method, Method::ConditionalPoisson(ConditionalPoisson::params().samples(7)));
        let method: Method = toml::from_str("[conditional_poisson]\nmasks = { of_size = 50 }").unwrap();
        assert_eq!(method, Method::ConditionalPoisson(ConditionalPoisson::params().masks(Masks::OfSize(50))));
        for (text, cure) in [
            ("[conditional_poisson]\nmasks = \"independent\"", "are of `poisson`"),
            ("[poisson]\nmasks = { of_size = 3 }", "are of `conditional_poisson`"),
            ("[conditional_poisson]\nmasks = { of_size = 0 }", "of 1 neuron or more"),
        ] {
            let error = toml::from_str::<Method>(text).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(cure), "{error}");
        }
        let error = toml::from_str::<Method>("[poisson]\nsampels = 5").unwrap_err().to_string();
        assert!(error.contains("unknown field `sampels`"), "{error}");
        for text in ["[poisson]\nsamples = 7\n[gaussian]\n", "[iou]\n[poison]\n"] {
            let error = toml::from_str::<Method>(text).unwrap_err().to_string();
            assert!(error.contains("one method is needed"), "{error}");
        }
        let error = toml::from_str::<Method>("[iou]\nactiv = 0.1").unwrap_err().to_string();
        assert!(error.contains("unknown field `activ`"), "{error}");
        let error = toml::from_str::<Method>("[poison]\nsamples = 5").unwrap_err().to_string();
        assert!(error.contains("unknown variant `poison`"), "{error}");
    }
}
