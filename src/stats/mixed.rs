//! A line through points with crossed random intercepts, by restricted maximum likelihood.

mod reml;

use super::correlation::check;
use super::linear::dot;
use super::special::student_p_value;
use super::units::labels;
use super::Undefined;
use reml::Reml;
use std::f64::consts::PI;

/// A mixed-effects summary: the line of `y` on `x` with random intercepts for two crossed groupings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixedEffects {
    /// The number of points.
    pub n: usize,
    /// The intercept.
    pub intercept: f64,
    /// The slope: the change of `y` with one unit of `x`, language and checkpoint given.
    pub slope: f64,
    /// Its standard error, the variances taken for known.
    pub standard_error: f64,
    /// The slope over its standard error.
    pub t: f64,
    /// Satterthwaite's degrees of freedom of `t`, from the expected information of the variances that are not zero.
    pub degrees_of_freedom: f64,
    /// The two-sided p-value of `t`.
    pub p_value: f64,
    /// The variance of the first grouping's intercepts (languages).
    pub variance_first: f64,
    /// The variance of the second grouping's intercepts (checkpoints).
    pub variance_second: f64,
    /// The variance that is left.
    pub variance_residual: f64,
    /// The restricted log-likelihood.
    pub log_likelihood: f64,
}

/// Fits `y = a + b x + u_first + v_second + e` with independent normal `u`, `v` and `e` by restricted maximum likelihood
/// (Patterson and Thompson 1971), and tests the slope.
///
/// The groupings are labels, one a point: languages and checkpoints. `V = I + g1 Z1 Z1' + g2 Z2 Z2'` holds the ratios of the
/// variances to the residual one; the likelihood, profiled over the line and the residual variance, is maximised over `g1, g2 >= 0` by
/// Newton's method with exact derivatives from the best point of a grid. The slope is that of generalised least squares;
/// its t has Satterthwaite's degrees of freedom `2 c^2 / (d' A d)`, where `c` is the slope's variance, `d` its gradient in the variances
/// and `A` the inverse of their expected information (Giesbrecht and Burns 1985). A variance at 0 is left out of these. The test takes
/// the residuals for independent: points of a language that wander over checkpoints are not.
///
/// # Errors
/// As [`pearson`](super::pearson()); [`Undefined::Confounded`] for a grouping of one group or as many groups as points;
/// [`Undefined::Explained`] where the line, or groupings and line, leave nothing of `y`, or the groupings nothing of `x`;
/// [`Undefined::NotConverged`].
///
/// # Examples
/// ```
/// use isogloss::stats::mixed_effects;
/// let (language, checkpoint) = ([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2, 0, 1, 2]);
/// let x = [0.1, 0.4, 0.6, 0.2, 0.3, 0.9, 0.3, 0.8, 0.7];
/// let y = [1.0, 1.9, 2.1, 2.1, 2.4, 3.4, 0.2, 1.4, 1.0];
/// let fit = mixed_effects(&x, &y, &language, &checkpoint)?;
/// assert!(fit.slope > 1.0 && fit.variance_first > fit.variance_residual);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn mixed_effects(x: &[f64], y: &[f64], first: &[usize], second: &[usize]) -> Result<MixedEffects, Undefined> {
    check(x, y)?;
    let n = x.len();
    let mut groupings = Vec::with_capacity(2);
    for given in [first, second] {
        if given.len() != n {
            return Err(Undefined::LengthsDiffer { x: n, y: given.len() });
        }
        let labels = labels(given);
        let groups = labels.iter().max().map_or(0, |&last| last + 1);
        if groups < 2 || groups == n {
            return Err(Undefined::Confounded { groups, n });
        }
        groupings.push((labels, groups));
    }
    let (x, y) = (Scaled::new(x)?, Scaled::new(y)?);
    let reml = Reml::new(&x.values, &y.values, &groupings);
    let fit = reml.maximise()?;
    let slope = fit.slope * y.length / x.length;
    let standard_error = fit.slope_variance.sqrt() * y.length / x.length;
    let t = fit.slope / fit.slope_variance.sqrt();
    let dof = fit.degrees_of_freedom;
    // In the units of the input: the design's determinant is n |x|^2, and y is |y| times what was fitted.
    let residual_dof = n as f64 - 2.0;
    let log_likelihood = fit.log_likelihood
        - residual_dof * y.length.ln()
        - 0.5 * residual_dof * (1.0 + (2.0 * PI).ln() - residual_dof.ln())
        - 0.5 * (n as f64).ln()
        - x.length.ln();
    let residual = fit.residual_variance * y.length * y.length;
    Ok(MixedEffects {
        n,
        intercept: y.centre + fit.intercept * y.length / (n as f64).sqrt() - slope * x.centre,
        slope,
        standard_error,
        t,
        degrees_of_freedom: dof,
        p_value: student_p_value(t, dof),
        variance_first: fit.ratios[0] * residual,
        variance_second: fit.ratios[1] * residual,
        variance_residual: residual,
        log_likelihood,
    })
}

/// Deviations from the mean, of length 1.
struct Scaled {
    values: Vec<f64>,
    centre: f64,
    length: f64,
}

impl Scaled {
    fn new(values: &[f64]) -> Result<Self, Undefined> {
        let unit = super::correlation::unit_deviations(values)?;
        let n = values.len() as f64;
        let centre = values.iter().map(|value| value / n).sum::<f64>();
        // The deviations are `unit` times this.
        let length = values.iter().zip(&unit).map(|(value, u)| (value - centre) * u).sum::<f64>();
        if !(length.is_finite() && length * length > 0.0 && (length * length).is_finite()) {
            return Err(Undefined::NotConverged);
        }
        debug_assert!((dot(&unit, &unit) - 1.0).abs() < 1e-9);
        Ok(Scaled { values: unit, centre, length })
    }
}

#[cfg(test)]
mod tests;
