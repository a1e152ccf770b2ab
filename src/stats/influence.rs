//! How much hangs on a single unit.

use super::{Coefficient, Undefined};
use std::collections::BTreeSet;

/// A correlation without one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Influence<L> {
    /// The unit whose points are left out.
    pub left_out: L,
    /// The points that remain.
    pub n: usize,
    /// The coefficient of those.
    pub coefficient: Result<f64, Undefined>,
}

/// The coefficient without each unit (checkpoint, language), in the order of the labels, of which there is one a point.
///
/// # Errors
/// [`Undefined::LengthsDiffer`]; a coefficient that does not exist without a unit is an error in its place.
///
/// # Examples
/// ```
/// use isogloss::stats::{leave_one_out, Coefficient};
/// let (x, y) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 0.0]);
/// let influence = leave_one_out(Coefficient::Pearson, &x, &y, &[1000, 2000, 5000, 6000])?;
/// // All hangs on the last.
/// assert_eq!((influence[3].left_out, influence[3].coefficient), (6000, Ok(1.0)));
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn leave_one_out<L: Ord + Clone>(
    coefficient: Coefficient,
    x: &[f64],
    y: &[f64],
    units: &[L],
) -> Result<Vec<Influence<L>>, Undefined> {
    for other in [y.len(), units.len()] {
        if other != x.len() {
            return Err(Undefined::LengthsDiffer { x: x.len(), y: other });
        }
    }
    let all: BTreeSet<&L> = units.iter().collect();
    let without = |left_out: &L| {
        let rest = x.iter().zip(y).zip(units).filter(|(_, unit)| *unit != left_out);
        let (x, y): (Vec<f64>, Vec<f64>) = rest.map(|(point, _)| point).unzip();
        Influence { left_out: left_out.clone(), n: x.len(), coefficient: coefficient.of(&x, &y) }
    };
    Ok(all.into_iter().map(without).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::kendall;

    #[test]
    fn a_unit_goes_with_all_its_points() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 9.0], [2.0, 1.0, 5.0, 4.0, 0.0]);
        let influence = leave_one_out(Coefficient::Kendall, &x, &y, &["b", "a", "b", "a", "c"]).unwrap();
        assert_eq!(influence.iter().map(|i| (i.left_out, i.n)).collect::<Vec<_>>(), [("a", 3), ("b", 3), ("c", 4)]);
        let expected = kendall(&x[..4], &y[..4]).unwrap().coefficient;
        assert_eq!(influence[2].coefficient, Ok(expected));
        let few = leave_one_out(Coefficient::Pearson, &x, &y, &[0, 0, 0, 1, 1]).unwrap();
        assert_eq!(few[0].coefficient, Err(Undefined::TooFewPoints { n: 2, needed: 3 }));
        assert_eq!(leave_one_out(Coefficient::Pearson, &x, &y, &[1]), Err(Undefined::LengthsDiffer { x: 5, y: 1 }));
    }
}
