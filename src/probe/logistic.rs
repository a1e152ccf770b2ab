use super::convergence::Convergence;
use super::elastic_net::gradient_residual;
use super::estimator::{linfa_fit, Estimator};
use super::linear::{by_classifier, Standardisation};
use super::{count_classes, need_all_classes, LinearProbe};
use crate::{Error, Result};
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use linfa::ParamGuard;
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// Multinomial logistic regression with an L2 penalty, linfa's; start at [`Logistic::params`].
pub struct Logistic;

impl Logistic {
    /// The parameters at their defaults.
    pub fn params() -> LogisticParams {
        LogisticParams::default()
    }
}

/// Checked parameters of the logistic regression; see [`LogisticParams`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticValidParams {
    l2: f64,
    max_iterations: u64,
    gradient_tolerance: f64,
    standardise: bool,
    #[serde(skip)]
    n_classes: Option<usize>,
}

impl Default for LogisticValidParams {
    fn default() -> Self {
        LogisticParams::default().0
    }
}

/// Parameters of the logistic regression, which minimises
///
/// ```text
/// sum_n -log softmax(b + W x_n)_{c_n} + l2/2 |W|_2^2
/// ```
///
/// by L-BFGS. (`l2` is scikit-learn's `1 / C`.)
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | [l2](Self::l2) | 1 | penalty on the squared weights | `(0, inf)` |
/// | [max_iterations](Self::max_iterations) | 500 | L-BFGS steps at most | 1 or more |
/// | [gradient_tolerance](Self::gradient_tolerance) | 1e-4 | norm of the gradient at which to stop | `(0, inf)` |
/// | [standardise](Self::standardise) | true | bring neurons to mean 0 and variance 1 | |
/// | [n_classes](Self::n_classes) | largest label + 1 | the number of classes, all of which must have words | 2 or more |
///
/// All neurons are fitted together and left out afterwards, so a subset's score is that of a lower-bound probe. The solver
/// fails on unscaled data, which is why standardising is the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogisticParams(LogisticValidParams);

impl Default for LogisticParams {
    fn default() -> Self {
        LogisticParams(LogisticValidParams {
            l2: 1.0,
            max_iterations: 500,
            gradient_tolerance: 1e-4,
            standardise: true,
            n_classes: None,
        })
    }
}

impl LogisticParams {
    /// Sets the weight of half the squared weights' sum.
    pub fn l2(mut self, l2: f64) -> Self {
        self.0.l2 = l2;
        self
    }

    /// Sets the largest number of L-BFGS steps.
    pub fn max_iterations(mut self, max_iterations: u64) -> Self {
        self.0.max_iterations = max_iterations;
        self
    }

    /// Sets the norm of the gradient at which to stop.
    pub fn gradient_tolerance(mut self, gradient_tolerance: f64) -> Self {
        self.0.gradient_tolerance = gradient_tolerance;
        self
    }

    /// Sets whether neurons are brought to mean 0 and variance 1 on the training words.
    pub fn standardise(mut self, standardise: bool) -> Self {
        self.0.standardise = standardise;
        self
    }

    /// Sets the number of classes.
    pub fn n_classes(mut self, n_classes: usize) -> Self {
        self.0.n_classes = Some(n_classes);
        self
    }
}

impl ParamGuard for LogisticParams {
    type Checked = LogisticValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&LogisticValidParams> {
        let p = &self.0;
        for (name, value) in [("l2", p.l2), ("gradient_tolerance", p.gradient_tolerance)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, "in (0, inf)", value));
            }
        }
        if p.max_iterations == 0 {
            return Err(Error::parameter("max_iterations", "1 or more", 0));
        }
        match p.n_classes {
            Some(n_classes @ 0..=1) => Err(Error::parameter("n_classes", "2 or more", n_classes)),
            _ => Ok(p),
        }
    }

    fn check(self) -> Result<LogisticValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl Estimator for LogisticValidParams {
    type Fitted = LogisticProbe;

    /// As [`Estimator::fit_view`]; an error also if a class has no words or the solver fails.
    fn fit_view(&self, records: ArrayView2<f32>, labels: &[usize]) -> Result<LogisticProbe> {
        let classes = count_classes(records, labels, self.n_classes)?;
        need_all_classes(labels, classes)?;
        let standardisation = self.standardise.then(|| Standardisation::fit(records));
        let neurons = records.ncols();
        let inputs =
            LinearProbe::new(Array2::zeros((classes, neurons)), Array1::zeros(classes), standardisation.clone())?;
        let x = Array2::from_shape_fn(records.dim(), |(word, d)| f64::from(inputs.input(d, records[[word, d]])));
        let data = DatasetBase::new(x, Array1::from(labels.to_vec()));
        let model = MultiLogisticRegression::default()
            .alpha(self.l2)
            .max_iterations(self.max_iterations)
            .gradient_tolerance(self.gradient_tolerance)
            .fit(&data)
            .map_err(|e| Error::Data(format!("the logistic regression failed ({e}): standardise or raise l2")))?;
        let (weights, bias) = (model.params(), model.intercept());
        if !weights.iter().chain(bias).all(|w| w.is_finite()) {
            return Err(Error::Data("the logistic regression diverged: standardise or raise l2".into()));
        }
        let (norm, largest) = gradient_residual(data.records().view(), labels, weights.view(), bias.view(), self.l2);
        let convergence = Convergence {
            iterations: None,
            residual: largest / labels.len() as f64,
            // linfa's own measure may differ a little in rounding.
            converged: norm <= 1.01 * self.gradient_tolerance,
        };
        if !convergence.converged {
            tracing::warn!(
                gradient = norm,
                tolerance = self.gradient_tolerance,
                "a logistic regression has not converged: raise max_iterations, gradient_tolerance or l2"
            );
        }
        let weights = weights.t().mapv(|w| w as f32);
        let bias = bias.mapv(|b| b as f32);
        Ok(LogisticProbe { classifier: LinearProbe::new(weights, bias, standardisation)?, convergence })
    }
}

linfa_fit!(LogisticValidParams);

/// A fitted logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogisticProbe {
    classifier: LinearProbe,
    convergence: Convergence,
}

impl LogisticProbe {
    /// The classifier: weights, biases, standardisation.
    pub fn classifier(&self) -> &LinearProbe {
        &self.classifier
    }

    /// How the solver ended, from the gradient at the solution; the number of its steps is not known.
    pub fn convergence(&self) -> Convergence {
        self.convergence
    }
}

by_classifier!(LogisticProbe);

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::array;

    fn data() -> (Array2<f32>, Vec<usize>) {
        let x = Array2::from_shape_fn((60, 3), |(i, d)| {
            (((i * 7 + d * 13) % 11) as f64 / 11.0 + if (i + d) % 3 == 0 { 0.8 } else { 0.0 }) as f32
        });
        (x, (0..60).map(|i| i % 3).collect())
    }

    // x = np.array([[((i*7+d*13)%11)/11 + (0.8 if (i+d)%3==0 else 0.) for d in range(3)] for i in range(60)])
    // x = x.astype(np.float32).astype(np.float64); x = (x - x.mean(0)) / x.std(0); y = np.arange(60) % 3
    // m = sklearn.linear_model.LogisticRegression(C=0.5, tol=1e-10, max_iter=10000).fit(x, y)
    // m.coef_, m.intercept_ - m.intercept_.mean()
    #[test]
    fn coefficients_agree_with_scikit_learn() {
        let (x, labels) = data();
        let params = Logistic::params().l2(2.0).gradient_tolerance(1e-6).check().unwrap();
        let probe = params.fit_view(x.view(), &labels).unwrap();
        assert!(probe.convergence().converged && probe.convergence().residual < 1e-6 / 60.0);
        let short = Logistic::params().l2(2.0).max_iterations(1).check().unwrap().fit_view(x.view(), &labels).unwrap();
        assert!(!short.convergence().converged && short.convergence().residual > 1e-3);
        let expected = array![
            [1.3242397f32, -0.536135, -0.3770827],
            [-0.5667585, -0.5977074, 1.2390211],
            [-0.7574812, 1.1338424, -0.8619384]
        ];
        assert_abs_diff_eq!(probe.classifier().weights().to_owned(), expected, epsilon = 1e-4);
        let bias = probe.classifier().bias().to_owned();
        let centred = &bias - bias.mean().unwrap();
        assert_abs_diff_eq!(centred, array![-0.072978f32, 0.0662678, 0.0067102], epsilon = 1e-4);
    }

    #[test]
    fn bad_data_and_parameters_are_named() {
        let (mut x, labels) = data();
        let params = Logistic::params().n_classes(4).check().unwrap();
        assert!(params.fit_view(x.view(), &labels).unwrap_err().to_string().contains("class 3 of 4 has no words"));
        x[[5, 1]] = f32::NAN;
        let error = Logistic::params().check().unwrap().fit_view(x.view(), &labels).unwrap_err().to_string();
        assert!(error.contains("word 5, neuron 1"), "{error}");
        let error = Logistic::params().l2(0.0).check().unwrap_err().to_string();
        assert_eq!(error, "l2 should be in (0, inf), but is 0");
    }
}
