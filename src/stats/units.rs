//! Units that points belong to: whole checkpoints, whole languages.

use super::Undefined;
use std::collections::BTreeMap;

/// Labels as numbers from 0, in the order of the labels: what resampling and permuting whole units ask for.
///
/// # Examples
/// ```
/// use isogloss::stats::labels;
/// assert_eq!(labels(&["fr", "es", "fr", "hi"]), [1, 0, 1, 2]);
/// ```
pub fn labels<T: Ord>(values: &[T]) -> Vec<usize> {
    let mut numbers: BTreeMap<&T, usize> = values.iter().map(|value| (value, 0)).collect();
    for (number, slot) in numbers.values_mut().enumerate() {
        *slot = number;
    }
    values.iter().map(|value| numbers.get(value).copied().unwrap_or_default()).collect()
}

/// Points of series (languages) at times (steps), and what comes between each and the next of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Differences {
    /// The change of `x`.
    pub x: Vec<f64>,
    /// The change of `y`.
    pub y: Vec<f64>,
    /// The series of each change.
    pub series: Vec<usize>,
    /// The interval of each change, numbered from 0 in the order of time: changes of two series from and to the same times
    /// have the same.
    pub interval: Vec<usize>,
}

/// First differences along each series, in the order of `time`.
///
/// Two series that drift or wander correlate without having anything to do with each other (Yule 1926; Granger and Newbold
/// 1974); their changes do not, if they are random walks. Changes from and to the same checkpoint stay together as one
/// interval: [`permutation_test_by`](super::permutation_test_by()) with intervals as units is exact for random walks with any drift.
///
/// # Errors
/// [`Undefined::LengthsDiffer`] and [`Undefined::NotFinite`]; [`Undefined::Unbalanced`] where a series has two points at one time.
///
/// # Examples
/// ```
/// use isogloss::stats::differences;
/// let changes = differences(&[1.0, 4.0, 2.0], &[0.5, 0.0, 2.0], &[0, 0, 0], &[10.0, 30.0, 20.0])?;
/// assert_eq!((changes.x, changes.y, changes.interval), (vec![1.0, 2.0], vec![1.5, -2.0], vec![0, 1]));
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn differences(x: &[f64], y: &[f64], series: &[usize], time: &[f64]) -> Result<Differences, Undefined> {
    for other in [y.len(), series.len(), time.len()] {
        if other != x.len() {
            return Err(Undefined::LengthsDiffer { x: x.len(), y: other });
        }
    }
    if !x.iter().chain(y).chain(time).all(|value| value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let mut points: Vec<(usize, f64, f64, f64)> =
        series.iter().zip(time).zip(x.iter().zip(y)).map(|((&s, &t), (&x, &y))| (s, t + 0.0, x, y)).collect();
    points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (mut changes, mut intervals) =
        (Differences { x: Vec::new(), y: Vec::new(), series: Vec::new(), interval: Vec::new() }, Vec::new());
    for pair in points.windows(2) {
        let [(series, from, x0, y0), (same, to, x1, y1)] = *pair else { continue };
        if series != same {
            continue;
        }
        if from == to {
            return Err(Undefined::Unbalanced);
        }
        changes.x.push(x1 - x0);
        changes.y.push(y1 - y0);
        changes.series.push(series);
        intervals.push((Time(from), Time(to)));
    }
    changes.interval = labels(&intervals);
    Ok(changes)
}

/// A finite time, in its order.
#[derive(Clone, Copy, PartialEq)]
struct Time(f64);

impl Eq for Time {}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A design in which every unit has exactly one point at each level.
pub(super) struct Crossed {
    /// The number of units.
    pub units: usize,
    /// The number of levels.
    pub levels: usize,
    /// The point of each unit and level, unit by unit.
    points: Vec<usize>,
}

impl Crossed {
    pub fn new(units: &[usize], levels: &[usize], n: usize) -> Result<Self, Undefined> {
        for labels in [units, levels] {
            if labels.len() != n {
                return Err(Undefined::LengthsDiffer { x: n, y: labels.len() });
            }
        }
        let (units, levels) = (labels(units), labels(levels));
        let count = |labels: &[usize]| labels.iter().max().map_or(0, |&last| last + 1);
        let (n_units, n_levels) = (count(&units), count(&levels));
        let mut cells: Vec<(usize, usize, usize)> =
            units.into_iter().zip(levels).enumerate().map(|(point, (unit, level))| (unit, level, point)).collect();
        cells.sort_unstable();
        // As many points as cells, none of them twice.
        let twice = cells.windows(2).any(|pair| matches!(pair, [a, b] if (a.0, a.1) == (b.0, b.1)));
        if n_units * n_levels != n || twice {
            return Err(Undefined::Unbalanced);
        }
        Ok(Crossed { units: n_units, levels: n_levels, points: cells.into_iter().map(|(_, _, point)| point).collect() })
    }

    /// Values, a point each, in the order of units and levels.
    pub fn arrange(&self, values: &[f64]) -> Vec<f64> {
        self.points.iter().filter_map(|&point| values.get(point).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_go_along_each_series() {
        let series = [0, 1, 0, 1, 1];
        let changes =
            differences(&[1.0, 10.0, 3.0, 40.0, 20.0], &[0.0; 5], &series, &[1.0, 1.0, 2.0, 4.0, 2.0]).unwrap();
        assert_eq!(changes.x, [2.0, 10.0, 20.0]);
        assert_eq!((changes.series, changes.interval), (vec![0, 1, 1], vec![0, 0, 1]));
        assert_eq!(differences(&[1.0, 2.0], &[1.0, 2.0], &[0, 0], &[3.0, 3.0]), Err(Undefined::Unbalanced));
        assert_eq!(
            differences(&[1.0, 2.0], &[1.0], &[0, 0], &[3.0, 3.0]),
            Err(Undefined::LengthsDiffer { x: 2, y: 1 })
        );
        assert_eq!(differences(&[1.0, f64::NAN], &[1.0, 2.0], &[0, 0], &[3.0, 4.0]), Err(Undefined::NotFinite));
    }

    #[test]
    fn a_crossed_design_has_every_cell_once() {
        let crossed = Crossed::new(&[7, 7, 2, 2], &[1, 0, 0, 1], 4).unwrap();
        assert_eq!((crossed.units, crossed.levels), (2, 2));
        assert_eq!(crossed.arrange(&[1.0, 2.0, 3.0, 4.0]), [3.0, 4.0, 2.0, 1.0]);
        assert_eq!(Crossed::new(&[0, 0, 1], &[0, 1, 0], 3).err(), Some(Undefined::Unbalanced));
        assert_eq!(Crossed::new(&[0, 0, 1, 1], &[0, 0, 0, 1], 4).err(), Some(Undefined::Unbalanced));
        assert_eq!(Crossed::new(&[0, 0], &[0, 1], 3).err(), Some(Undefined::LengthsDiffer { x: 3, y: 2 }));
    }
}
