//! Bootstrap intervals with points, whole checkpoints, whole languages or both as what is drawn again.

use super::interval::check_level;
use super::special::{normal_cdf, normal_quantile};
use super::units::labels;
use super::{mean, Coefficient, Undefined};
use crate::seed;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Resamples drawn from one random stream, so that the draws do not depend on threads.
const DRAWS_PER_STREAM: usize = 64;

/// What is drawn with replacement. A label, a number for each point, says which unit the point belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample<'a> {
    /// Points, as if they were independent.
    Points,
    /// Whole units (all points of a checkpoint, or all of a language), which are then taken for independent.
    By(&'a [usize]),
    /// Units of two crossed factors, each by itself: a point enters as often as its first unit was drawn times as often as
    /// its second was (the pigeonhole bootstrap; Owen 2007, arXiv 0712.1111). The interval is too wide rather than too
    /// narrow where only one factor matters.
    ByBoth(&'a [usize], &'a [usize]),
}

/// How a bootstrap is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Resamples; 1,999 by default.
    pub replicates: usize,
    /// The confidence level; 0.95 by default.
    pub level: f64,
    /// The seed; 0 by default.
    pub seed: u64,
    /// The greatest share of resamples without a statistic with which there still is an interval; 0.1 by default. The
    /// interval is that of the others.
    pub degenerate: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap { replicates: 1999, level: 0.95, seed: 0, degenerate: 0.1 }
    }
}

/// A statistic with its bootstrap intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrapped {
    /// The statistic of the data.
    pub statistic: f64,
    /// The standard deviation over resamples.
    pub standard_error: f64,
    /// The percentile interval.
    pub percentile: (f64, f64),
    /// The bias-corrected and accelerated interval; not there where the statistic lacks without some unit, or where all
    /// resamples are on one side of the data's.
    pub bca: Result<(f64, f64), Undefined>,
    /// The units drawn from; of two factors, the fewer.
    pub units: usize,
    /// The resamples that were drawn.
    pub replicates: usize,
    /// Those of them without a statistic: constant, or too few points.
    pub degenerate: usize,
}

/// Bootstraps a statistic of `n` points. It gets the points of a resample by index, those drawn twice twice.
///
/// # Errors
/// [`Undefined::TooFewUnits`] for fewer than 3 units of a factor, [`Undefined::Degenerate`] where the statistic does not exist in
/// too many resamples, the statistic's own reason where it does not exist in the data, and parameters out of range.
///
/// # Examples
/// ```
/// use isogloss::stats::{bootstrap, mean, Bootstrap, Resample, Undefined};
/// let values = [3.0, 5.0, 4.0, 9.0, 7.0, 4.0, 6.0, 5.0];
/// let of = |points: &[usize]| mean(points.iter().map(|&i| values[i])).ok_or(Undefined::TooFewPoints { n: 0, needed: 1 });
/// let result = bootstrap(values.len(), Resample::Points, &Bootstrap::default(), of)?;
/// let (low, high) = result.bca?;
/// assert!(low < result.statistic && result.statistic < high);
/// # Ok::<(), Undefined>(())
/// ```
pub fn bootstrap(
    n: usize,
    resample: Resample<'_>,
    settings: &Bootstrap,
    statistic: impl Fn(&[usize]) -> Result<f64, Undefined> + Sync,
) -> Result<Bootstrapped, Undefined> {
    check_level(settings.level)?;
    if settings.replicates < 2 {
        let value = settings.replicates as f64;
        return Err(Undefined::Parameter { name: "replicates", expected: "at least 2", value });
    }
    let all: Vec<usize> = (0..n).collect();
    let observed = statistic(&all)?;
    let factors = factors(n, resample)?;
    let units = factors.iter().map(|factor| factor.units).min().unwrap_or(0);
    if units < 3 {
        return Err(Undefined::TooFewUnits { n: units, needed: 3 });
    }
    let parts: Vec<Vec<f64>> = (0..settings.replicates.div_ceil(DRAWS_PER_STREAM))
        .into_par_iter()
        .map(|stream| {
            let mut rng = seed::stream(settings.seed, &["bootstrap", &stream.to_string()]);
            let draws = DRAWS_PER_STREAM.min(settings.replicates - stream * DRAWS_PER_STREAM);
            (0..draws).filter_map(|_| statistic(&draw(n, &factors, &mut rng)).ok()).filter(|s| s.is_finite()).collect()
        })
        .collect();
    let values = parts.concat();
    let degenerate = settings.replicates - values.len();
    // Written so that a share of NaN refuses.
    let bearable = degenerate as f64 <= settings.degenerate * settings.replicates as f64;
    if !bearable || values.len() < 2 {
        return Err(Undefined::Degenerate { degenerate, replicates: settings.replicates });
    }
    let jackknife = jackknife(n, &factors, &statistic);
    let bca = jackknife.and_then(|jackknife| bca_interval(observed, &values, &jackknife, settings.level));
    let centre = mean(values.iter().copied()).unwrap_or(observed);
    let square: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
    Ok(Bootstrapped {
        statistic: observed,
        standard_error: (square / (values.len() - 1) as f64).sqrt(),
        percentile: percentile_interval(&values, settings.level)?,
        bca,
        units,
        replicates: settings.replicates,
        degenerate,
    })
}

/// [`bootstrap`] of a correlation. A resample of fewer than three different points counts as degenerate: any two points
/// correlate in full.
///
/// # Errors
/// As [`bootstrap`] and [`pearson`](super::pearson()).
///
/// # Examples
/// ```
/// use isogloss::stats::{bootstrap_correlation, Bootstrap, Coefficient, Resample};
/// let language = [0, 1, 2, 3, 0, 1, 2, 3];
/// let (x, y) = ([1.0, 2.0, 3.0, 4.0, 2.0, 3.0, 4.5, 5.0], [0.9, 2.5, 2.8, 4.4, 2.5, 2.6, 4.9, 5.5]);
/// let result = bootstrap_correlation(Coefficient::Pearson, &x, &y, Resample::By(&language), &Bootstrap::default())?;
/// assert_eq!(result.units, 4);
/// assert!(result.percentile.0 > 0.5);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn bootstrap_correlation(
    coefficient: Coefficient,
    x: &[f64],
    y: &[f64],
    resample: Resample<'_>,
    settings: &Bootstrap,
) -> Result<Bootstrapped, Undefined> {
    // Checks lengths and values first.
    coefficient.of(x, y)?;
    bootstrap(x.len(), resample, settings, |points| {
        let mut drawn = vec![false; x.len()];
        let (mut in_x, mut in_y) = (Vec::with_capacity(points.len()), Vec::with_capacity(points.len()));
        for &point in points {
            let (Some(&x), Some(&y), Some(drawn)) = (x.get(point), y.get(point), drawn.get_mut(point)) else {
                continue;
            };
            *drawn = true;
            in_x.push(x);
            in_y.push(y);
        }
        let different = drawn.iter().filter(|&&drawn| drawn).count();
        if different < 3 {
            return Err(Undefined::TooFewPoints { n: different, needed: 3 });
        }
        coefficient.of(&in_x, &in_y)
    })
}

/// The percentile interval of bootstrap `replicates`: their quantiles at `(1 -+ level) / 2`, interpolated between order
/// statistics (numpy's default).
///
/// # Errors
/// [`Undefined::TooFewPoints`] without replicates, [`Undefined::NotFinite`], and a level not between 0 and 1.
pub fn percentile_interval(replicates: &[f64], level: f64) -> Result<(f64, f64), Undefined> {
    check_level(level)?;
    let sorted = sorted(replicates)?;
    Ok((quantile(&sorted, (1.0 - level) / 2.0), quantile(&sorted, (1.0 + level) / 2.0)))
}

/// The bias-corrected and accelerated interval (Efron 1987; Efron and Tibshirani 1993, chapter 14) of a `statistic` from its
/// bootstrap `replicates` and its values without each unit, a vector for each factor of units.
///
/// The interval is that of the percentiles at `Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`, `z` the normal quantiles of
/// `(1 -+ level) / 2`; `z0` is the normal quantile of the share of replicates below the statistic, half of the equal
/// ones counted, and `a` is [`acceleration`]. All as SciPy's `bootstrap` has it.
///
/// # Errors
/// [`Undefined::NoInterval`] where all replicates are on one side of the statistic or it does not change without any unit;
/// as [`percentile_interval`].
pub fn bca_interval(
    statistic: f64,
    replicates: &[f64],
    jackknife: &[Vec<f64>],
    level: f64,
) -> Result<(f64, f64), Undefined> {
    check_level(level)?;
    let sorted = sorted(replicates)?;
    let below = sorted.iter().filter(|&&value| value < statistic).count();
    let up_to = sorted.iter().filter(|&&value| value <= statistic).count();
    let bias = normal_quantile((below + up_to) as f64 / (2 * sorted.len()) as f64);
    if !bias.is_finite() {
        return Err(Undefined::NoInterval("all resamples are on one side of the statistic"));
    }
    let acceleration = acceleration(jackknife)?;
    let end = |p: f64| {
        let z = bias + normal_quantile(p);
        let stretch = 1.0 - acceleration * z;
        // Beyond the pole the formula turns around; the end is then the last replicate.
        if stretch <= 0.0 {
            return quantile(&sorted, if z > 0.0 { 1.0 } else { 0.0 });
        }
        quantile(&sorted, normal_cdf(bias + z / stretch))
    };
    Ok((end((1.0 - level) / 2.0), end((1.0 + level) / 2.0)))
}

/// The acceleration of [`bca_interval`], from the statistic without each unit, a vector for each factor:
/// `sum_f sum_i u^3 / n_f^3 / (6 (sum_f sum_i u^2 / n_f^2)^(3/2))` with `u = (n_f - 1) (mean - without i)`.
///
/// # Errors
/// [`Undefined::NoInterval`] where the statistic does not change without any unit, [`Undefined::NotFinite`].
pub fn acceleration(jackknife: &[Vec<f64>]) -> Result<f64, Undefined> {
    let (mut cubes, mut squares) = (0.0, 0.0);
    for without in jackknife {
        let n = without.len() as f64;
        let Some(centre) = mean(without.iter().copied()) else { continue };
        for value in without {
            let u = (n - 1.0) * (centre - value) / n;
            cubes += u * u * u;
            squares += u * u;
        }
    }
    if !(squares.is_finite() && f64::is_finite(cubes)) {
        return Err(Undefined::NotFinite);
    }
    if squares <= 0.0 {
        return Err(Undefined::NoInterval("no unit changes the statistic"));
    }
    Ok(cubes / 6.0 / squares.powf(1.5))
}

/// Sorted, all finite, one at least.
fn sorted(values: &[f64]) -> Result<Vec<f64>, Undefined> {
    if values.is_empty() {
        return Err(Undefined::TooFewPoints { n: 0, needed: 1 });
    }
    if !values.iter().all(|value| value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(sorted)
}

/// The quantile of sorted values, interpolated.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = p.clamp(0.0, 1.0) * last as f64;
    let below = (place.floor() as usize).min(last);
    let at = |i: usize| sorted.get(i.min(last)).copied().unwrap_or(0.0);
    at(below) + (at(below + 1) - at(below)) * (place - below as f64)
}

/// The units of the points.
struct Factor {
    /// The unit of each point, from 0.
    of: Vec<usize>,
    units: usize,
}

fn factors(n: usize, resample: Resample<'_>) -> Result<Vec<Factor>, Undefined> {
    let factor = |given: &[usize]| {
        if given.len() != n {
            return Err(Undefined::LengthsDiffer { x: n, y: given.len() });
        }
        let of = labels(given);
        let units = of.iter().max().map_or(0, |&last| last + 1);
        Ok(Factor { of, units })
    };
    match resample {
        Resample::Points => Ok(vec![Factor { of: (0..n).collect(), units: n }]),
        Resample::By(units) => Ok(vec![factor(units)?]),
        Resample::ByBoth(first, second) => Ok(vec![factor(first)?, factor(second)?]),
    }
}

/// The points of a resample: each as often as the product over factors of the times that its unit was drawn.
fn draw(n: usize, factors: &[Factor], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut times = vec![1usize; n];
    for factor in factors {
        let mut drawn = vec![0usize; factor.units];
        for _ in 0..factor.units {
            // As u64 the draws are the same on every machine.
            let unit = rng.gen_range(0..factor.units as u64) as usize;
            if let Some(count) = drawn.get_mut(unit) {
                *count += 1;
            }
        }
        for (times, &unit) in times.iter_mut().zip(&factor.of) {
            *times *= drawn.get(unit).copied().unwrap_or(0);
        }
    }
    times.into_iter().enumerate().flat_map(|(point, times)| std::iter::repeat_n(point, times)).collect()
}

/// The statistic without each unit of each factor.
fn jackknife(
    n: usize,
    factors: &[Factor],
    statistic: &(impl Fn(&[usize]) -> Result<f64, Undefined> + Sync),
) -> Result<Vec<Vec<f64>>, Undefined> {
    let without = |factor: &Factor, left_out: usize| {
        let rest: Vec<usize> = (0..n).zip(&factor.of).filter(|(_, &unit)| unit != left_out).map(|(i, _)| i).collect();
        statistic(&rest).map_err(|_| Undefined::NoInterval("without one of the units there is no statistic"))
    };
    factors.iter().map(|factor| (0..factor.units).map(|unit| without(factor, unit)).collect()).collect()
}

#[cfg(test)]
mod tests;
