//! Permutation tests: exact where all orders can be gone through, else by seeded draws.

use super::correlation::{check, unit_deviations};
use super::units::Crossed;
use super::{ranks, Coefficient, Undefined};
use crate::seed;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// The most units whose orders are all gone through, whatever is asked for: 10! are 3.6 million.
const MOST_ENUMERATED: usize = 10;

/// Orders drawn from one random stream, so that the draws do not depend on threads.
const DRAWS_PER_STREAM: usize = 256;

/// Coefficients that differ by less are the same: rounding must not break ties of a statistic from -1 to 1.
const TIE: f64 = 1e-12;

/// Which deviations from no association count against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Alternative {
    /// Both: twice the smaller of the one-sided p-values, at most 1, as SciPy has it.
    #[default]
    TwoSided,
    /// A positive association.
    Greater,
    /// A negative association.
    Less,
}

/// How a permutation test is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutations {
    /// Up to this many units all orders are gone through, which makes the test exact; 9 by default, 10 at most.
    pub exact_up_to: usize,
    /// Random orders for more units; 9,999 by default.
    pub draws: usize,
    /// The seed of random orders; 0 by default.
    pub seed: u64,
    /// What counts; [`Alternative::TwoSided`] by default.
    pub alternative: Alternative,
}

impl Default for Permutations {
    fn default() -> Self {
        Permutations { exact_up_to: 9, draws: 9999, seed: 0, alternative: Alternative::TwoSided }
    }
}

/// A statistic and its permutation test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PermutationTest {
    /// The statistic of the data.
    pub statistic: f64,
    /// The p-value: the share of all orders that are at least as extreme, or `(1 + b) / (1 + m)` where `b` of `m` random ones
    /// are (Davison and Hinkley 1997; Phipson and Smyth 2010), which is never 0 and never below the test's true level.
    pub p_value: f64,
    /// The units that change places.
    pub units: usize,
    /// The orders gone through or drawn.
    pub permutations: usize,
    /// Whether those are all there are.
    pub exact: bool,
}

/// The permutation test of a correlation: the values of `y` stay, those of `x` take any order.
///
/// Needs no distribution, but exchangeable points: points of one training run are not, and [`permutation_test_by`] is
/// made for them. Statistics are compared within 1e-12, so that rounding breaks no ties.
///
/// # Errors
/// As [`pearson`](super::pearson()), and for no draws.
///
/// # Examples
/// ```
/// use isogloss::stats::{permutation_test, Coefficient, Permutations};
/// let test = permutation_test(Coefficient::Pearson, &[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 16.0], &Permutations::default())?;
/// // One order of 24 is as high, none lower.
/// assert!(test.exact && (test.p_value - 2.0 / 24.0).abs() < 1e-15);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn permutation_test(
    coefficient: Coefficient,
    x: &[f64],
    y: &[f64],
    settings: &Permutations,
) -> Result<PermutationTest, Undefined> {
    let observed = coefficient.of(x, y)?;
    let n = x.len();
    if coefficient == Coefficient::Kendall {
        let [signs_x, signs_y] = [x, y].map(signs);
        // Of the permuted order, the sum over pairs of the products of signs; scaled to the coefficient.
        let sum = |order: &[usize]| -> i64 {
            let mut sum = 0;
            for (i, &from) in order.iter().enumerate() {
                let (Some(row_x), Some(row_y)) = (signs_x.chunks_exact(n).nth(from), signs_y.chunks_exact(n).nth(i))
                else {
                    continue;
                };
                let pairs = order.iter().take(i).zip(row_y);
                sum += pairs.map(|(&j, &s)| i64::from(row_x.get(j).copied().unwrap_or(0) * s)).sum::<i64>();
            }
            sum
        };
        let identity: Vec<usize> = (0..n).collect();
        let at_identity = sum(&identity) as f64;
        // Sums are whole, so that a tie is a tie; tau is the sum times a constant.
        return permute(n, settings, "correlation", at_identity, |order| Some(sum(order) as f64))
            .map(|test| PermutationTest { statistic: observed, ..test });
    }
    let (x, y) = deviations(coefficient, x, y)?;
    permute(n, settings, "correlation", observed, |order| {
        Some(y.iter().zip(order).map(|(y, &from)| y * x.get(from).copied().unwrap_or(0.0)).sum())
    })
}

/// The permutation test of a correlation in a crossed design, in which whole units change places: the unit `u` has a point
/// at each level of `within`, and a permutation gives all its values of `x` to another unit, level by level.
///
/// With languages as units and checkpoints within, it asks whether languages whose `x` is high are those whose `y` is
/// high. Whatever all languages do together over checkpoints (a trend, a random walk) is in every permutation and counts
/// for nothing: the p-value is that of the deviations from each checkpoint's mean, while the statistic is that of the points as
/// they are. The test is exact where languages are exchangeable, however dependent the points of one are.
/// With checkpoints as units it is exact where checkpoints are exchangeable, which a trend contradicts; see
/// [`differences`](super::differences()).
///
/// # Errors
/// As [`permutation_test`]; [`Undefined::Unbalanced`] unless every unit has exactly one point at each level of `within`,
/// [`Undefined::TooFewUnits`] for fewer than 3 units.
///
/// # Examples
/// ```
/// use isogloss::stats::{permutation_test_by, Coefficient, Permutations};
/// // Both series rise over two checkpoints, but languages that are higher in x are lower in y.
/// let (language, checkpoint) = ([0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 0, 1, 0, 1]);
/// let (x, y) = ([0.0, 10.0, 1.0, 11.0, 2.0, 12.0, 3.0, 13.0], [3.0, 13.0, 2.0, 12.0, 1.0, 11.0, 0.0, 10.0]);
/// let test = permutation_test_by(Coefficient::Pearson, &x, &y, &language, &checkpoint, &Permutations::default())?;
/// assert!(test.statistic > 0.9);
/// // The lowest of all 24 orders.
/// assert!((test.p_value - 2.0 / 24.0).abs() < 1e-15);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn permutation_test_by(
    coefficient: Coefficient,
    x: &[f64],
    y: &[f64],
    units: &[usize],
    within: &[usize],
    settings: &Permutations,
) -> Result<PermutationTest, Undefined> {
    let observed = coefficient.of(x, y)?;
    let crossed = Crossed::new(units, within, x.len())?;
    let n_units = crossed.units;
    if n_units < 3 {
        return Err(Undefined::TooFewUnits { n: n_units, needed: 3 });
    }
    if coefficient == Coefficient::Kendall {
        let (x, y) = (crossed.arrange(x), crossed.arrange(y));
        return permute(n_units, settings, "units", observed, |order| {
            let moved: Vec<f64> =
                order.iter().filter_map(|&from| x.chunks_exact(crossed.levels).nth(from)).flatten().copied().collect();
            coefficient.of(&moved, &y).ok()
        });
    }
    let (x, y) = deviations(coefficient, x, y)?;
    let (x, y) = (crossed.arrange(&x), crossed.arrange(&y));
    // What a unit of x adds to the coefficient in the place of a unit of y.
    let mut gains = Vec::with_capacity(n_units * n_units);
    for from_y in y.chunks_exact(crossed.levels) {
        gains.extend(
            x.chunks_exact(crossed.levels).map(|from_x| -> f64 { from_x.iter().zip(from_y).map(|(x, y)| x * y).sum() }),
        );
    }
    permute(n_units, settings, "units", observed, |order| {
        Some(
            order
                .iter()
                .zip(gains.chunks_exact(n_units))
                .map(|(&from, row)| row.get(from).copied().unwrap_or(0.0))
                .sum(),
        )
    })
}

/// Deviations of length 1 of the values, or of their ranks.
fn deviations(coefficient: Coefficient, x: &[f64], y: &[f64]) -> Result<(Vec<f64>, Vec<f64>), Undefined> {
    check(x, y)?;
    match coefficient {
        Coefficient::Spearman => Ok((unit_deviations(&ranks(x))?, unit_deviations(&ranks(y))?)),
        _ => Ok((unit_deviations(x)?, unit_deviations(y)?)),
    }
}

/// The signs of all differences, row by row.
fn signs(values: &[f64]) -> Vec<i8> {
    let sign = |a: f64, b: f64| i8::from(a > b) - i8::from(a < b);
    values.iter().flat_map(|&a| values.iter().map(move |&b| sign(a, b))).collect()
}

/// Orders at most and at least as high as the data's.
#[derive(Clone, Copy, Default)]
struct Tails {
    low: usize,
    high: usize,
    all: usize,
}

impl Tails {
    /// An order without a statistic counts against significance, in both tails.
    fn add(&mut self, observed: f64, statistic: Option<f64>) {
        self.low += usize::from(statistic.is_none_or(|s| s <= observed + TIE));
        self.high += usize::from(statistic.is_none_or(|s| s >= observed - TIE));
        self.all += 1;
    }

    fn plus(self, other: Tails) -> Tails {
        Tails { low: self.low + other.low, high: self.high + other.high, all: self.all + other.all }
    }

    /// `extra` is 1 where orders are drawn, for the data's own.
    fn p_value(self, alternative: Alternative, extra: usize) -> f64 {
        let share = |count: usize| (count + extra) as f64 / (self.all + extra) as f64;
        match alternative {
            Alternative::TwoSided => (2.0 * share(self.low.min(self.high))).min(1.0),
            Alternative::Greater => share(self.high),
            Alternative::Less => share(self.low),
        }
    }
}

/// The test of a `statistic` of the order of `units`, `observed` being that of the order 0, 1, 2, ...
pub(super) fn permute(
    units: usize,
    settings: &Permutations,
    name: &str,
    observed: f64,
    statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
) -> Result<PermutationTest, Undefined> {
    let exact = units <= settings.exact_up_to.min(MOST_ENUMERATED);
    let tails =
        if exact { enumerate(units, observed, &statistic) } else { draw(units, settings, name, observed, &statistic)? };
    Ok(PermutationTest {
        statistic: observed,
        p_value: tails.p_value(settings.alternative, usize::from(!exact)),
        units,
        permutations: tails.all,
        exact,
    })
}

fn enumerate(units: usize, observed: f64, statistic: &(impl Fn(&[usize]) -> Option<f64> + Sync)) -> Tails {
    // The last place is shared out among threads; the others go through all orders by Heap's algorithm.
    let parts = (0..units).into_par_iter().map(|last| {
        let mut order: Vec<usize> = (0..units).filter(|&unit| unit != last).chain([last]).collect();
        let mut tails = Tails::default();
        let mut counters = vec![0usize; units];
        tails.add(observed, statistic(&order));
        let mut place = 1;
        while place + 1 < units {
            let Some(counter) = counters.get_mut(place) else { break };
            if *counter < place {
                order.swap(if place % 2 == 0 { 0 } else { *counter }, place);
                *counter += 1;
                place = 1;
                tails.add(observed, statistic(&order));
            } else {
                *counter = 0;
                place += 1;
            }
        }
        tails
    });
    parts.reduce(Tails::default, Tails::plus)
}

fn draw(
    units: usize,
    settings: &Permutations,
    name: &str,
    observed: f64,
    statistic: &(impl Fn(&[usize]) -> Option<f64> + Sync),
) -> Result<Tails, Undefined> {
    check_draws(settings.draws)?;
    let streams = settings.draws.div_ceil(DRAWS_PER_STREAM);
    let parts = (0..streams).into_par_iter().map(|stream| {
        let mut rng = seed::stream(settings.seed, &["permutation", name, &stream.to_string()]);
        let mut order: Vec<usize> = (0..units).collect();
        let mut tails = Tails::default();
        for _ in 0..DRAWS_PER_STREAM.min(settings.draws - stream * DRAWS_PER_STREAM) {
            order.shuffle(&mut rng);
            tails.add(observed, statistic(&order));
        }
        tails
    });
    Ok(parts.reduce(Tails::default, Tails::plus))
}

/// Refuses to draw nothing.
pub(super) fn check_draws(draws: usize) -> Result<(), Undefined> {
    if draws == 0 {
        return Err(Undefined::Parameter { name: "draws", expected: "at least 1", value: 0.0 });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
