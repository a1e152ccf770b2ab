use crate::{Error, Result};
use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

/// Checked parameters of the elastic net; see [`ElasticNetParams`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticNetValidParams {
    pub(super) l1: f64,
    pub(super) l2: f64,
    pub(super) tolerance: f64,
    pub(super) max_iterations: usize,
    pub(super) n_alphas: usize,
    pub(super) ratio: f64,
    pub(super) held_out: f64,
    pub(super) standardise: bool,
    #[serde(skip)]
    pub(super) n_classes: Option<usize>,
    #[serde(skip)]
    pub(super) seed: u64,
    #[serde(skip)]
    pub(super) names: Vec<String>,
}

impl Default for ElasticNetValidParams {
    fn default() -> Self {
        ElasticNetParams::default().0
    }
}

/// Parameters of the elastic net, which minimises
///
/// ```text
/// sum_n -log softmax(b + W x_n)_{c_n} + l1 |W|_1 + l2/2 |W|_2^2
/// ```
///
/// by Newton steps: with conjugate gradients for `l1 = 0`, else with coordinate descent on the weights that are not zero
/// or break the KKT conditions, which are checked for all neurons at every step.
///
/// scikit-learn minimises `C` times the same sum plus `l1_ratio |W|_1 + (1 - l1_ratio)/2 |W|_2^2`, so
/// `l1 = l1_ratio / C` and `l2 = (1 - l1_ratio) / C`; in turn `C = 1 / (l1 + l2)` and `l1_ratio = l1 / (l1 + l2)`.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | [l1](Self::l1) | 1 | penalty on the absolute weights | `[0, inf)` |
/// | [l2](Self::l2) | 1 | penalty on the squared weights | `[0, inf)`, not 0 with `l1` |
/// | [tolerance](Self::tolerance) | 1e-6 | largest entry of the (sub)gradient, a word, at which to stop | `(0, inf)` |
/// | [max_iterations](Self::max_iterations) | 100 | Newton steps at most | 1 or more |
/// | [n_alphas](Self::n_alphas) | 0 | penalties to choose from on words held out; 0: `l1` and `l2` as they are | 0, or 2 or more |
/// | [ratio](Self::ratio) | 0.001 | the smallest penalty of a path over its largest | `(0, 1)` |
/// | [held_out](Self::held_out) | 0.1 | share of the words that choose a penalty | `(0, 1)` |
/// | [standardise](Self::standardise) | true | bring neurons to mean 0 and variance 1 | |
/// | [n_classes](Self::n_classes) | largest label + 1 | the number of classes, all of which must have words | 2 or more |
/// | [stream](Self::stream) | 0 | the random numbers that hold words out | |
///
/// The two parts are equal by default, as in Dalvi et al. 2019 (arXiv 1812.09355): L1 picks neurons, L2 keeps correlated
/// ones together. Where a penalty is chosen, only the proportion of `l1` and `l2` counts. Activations are kept a second time
/// as f32; sums are in f64.
///
/// # Examples
/// ```
/// use isogloss::probe::{ElasticNet, Estimator};
/// use linfa::ParamGuard;
/// use ndarray::Array2;
///
/// // Neuron 2 of 6 tells the classes apart.
/// let labels: Vec<usize> = (0..120).map(|word| word % 2).collect();
/// let words = Array2::from_shape_fn((120, 6), |(word, neuron)| {
///     let noise = ((word * 13 + neuron * 29) % 23) as f32 / 23.0;
///     if neuron == 2 { noise + 2.0 * (word % 2) as f32 } else { noise }
/// });
/// let probe = ElasticNet::params().l1(10.0).l2(0.1).check()?.fit_view(words.view(), &labels)?;
/// assert!(probe.convergence().converged);
/// assert_eq!(probe.nonzero_neurons(), 1);
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElasticNetParams(pub(super) ElasticNetValidParams);

impl Default for ElasticNetParams {
    fn default() -> Self {
        ElasticNetParams(ElasticNetValidParams {
            l1: 1.0,
            l2: 1.0,
            tolerance: 1e-6,
            max_iterations: 100,
            n_alphas: 0,
            ratio: 1e-3,
            held_out: 0.1,
            standardise: true,
            n_classes: None,
            seed: 0,
            names: Vec::new(),
        })
    }
}

macro_rules! setters {
    ($($(#[$meta:meta])* $name:ident: $ty:ty),* $(,)?) => {
        $($(#[$meta])* pub fn $name(mut self, $name: $ty) -> Self {
            self.0.$name = $name;
            self
        })*
    };
}

impl ElasticNetParams {
    setters! {
        /// Sets the weight of the absolute weights' sum.
        l1: f64,
        /// Sets the weight of half the squared weights' sum.
        l2: f64,
        /// Sets the largest absolute entry of the subgradient of least norm, a word, at which to stop.
        tolerance: f64,
        /// Sets the largest number of Newton steps.
        max_iterations: usize,
        /// Sets the number of penalties to choose from on words held out; 0 fixes the penalty.
        n_alphas: usize,
        /// Sets the smallest penalty of a path as a share of the largest.
        ratio: f64,
        /// Sets the share of the training words that choose a penalty.
        held_out: f64,
        /// Sets whether neurons are brought to mean 0 and variance 1 on the training words.
        standardise: bool,
    }

    /// Sets the number of classes.
    pub fn n_classes(mut self, n_classes: usize) -> Self {
        self.0.n_classes = Some(n_classes);
        self
    }

    /// Sets seed and names of the random stream (see [`crate::seed::stream`]) that holds words out.
    pub fn stream(mut self, seed: u64, names: &[&str]) -> Self {
        self.0.seed = seed;
        self.0.names = names.iter().map(ToString::to_string).collect();
        self
    }
}

impl ParamGuard for ElasticNetParams {
    type Checked = ElasticNetValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&ElasticNetValidParams> {
        let p = &self.0;
        for (name, value) in [("l1", p.l1), ("l2", p.l2)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, "in [0, inf)", value));
            }
        }
        if p.l1 + p.l2 <= 0.0 {
            return Err(Error::parameter("l2", "above 0 where l1 is 0", p.l2));
        }
        if !(p.tolerance > 0.0 && p.tolerance.is_finite()) {
            return Err(Error::parameter("tolerance", "in (0, inf)", p.tolerance));
        }
        for (name, value) in [("ratio", p.ratio), ("held_out", p.held_out)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(Error::parameter(name, "in (0, 1)", value));
            }
        }
        if p.max_iterations == 0 {
            return Err(Error::parameter("max_iterations", "1 or more", 0));
        }
        if p.n_alphas == 1 {
            return Err(Error::parameter("n_alphas", "0, or 2 or more", 1));
        }
        match p.n_classes {
            Some(n_classes @ 0..=1) => Err(Error::parameter("n_classes", "2 or more", n_classes)),
            _ => Ok(p),
        }
    }

    fn check(self) -> Result<ElasticNetValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}
