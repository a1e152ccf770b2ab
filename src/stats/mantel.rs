//! Mantel tests of matrices among the same objects, say languages.

use super::correlation::{product, unit_deviations};
use super::linear::{dot, Basis};
use super::permutation::permute;
use super::{ranks, Coefficient, PermutationTest, Permutations, Undefined};
use ndarray::ArrayView2;

/// Entries that mirror each other may differ by this share of the matrix's largest, as rounding leaves them.
const SYMMETRIC: f64 = 1e-12;

/// Mantel's test (1967): the correlation of the entries of two symmetric `[n, n]` matrices, distances or similarities, below
/// the diagonal, against permutations of the objects of the first, rows and columns together.
///
/// Entries that share an object are not independent, and permuting objects allows for that; it does not allow for objects
/// that are themselves alike in groups, such as languages of a family (Guillot and Rousset 2013). All orders are gone
/// through up to 9 objects by default. The diagonal is not looked at.
///
/// # Errors
/// [`Undefined::NotSquare`], [`Undefined::NotSymmetric`], [`Undefined::LengthsDiffer`]; [`Undefined::TooFewUnits`] for fewer than 3
/// objects; [`Undefined::NotFinite`] for a missing (NaN) or infinite entry off the diagonal: leave its object out;
/// [`Undefined::Constant`].
///
/// # Examples
/// ```
/// use isogloss::stats::{mantel, Coefficient, Permutations};
/// use ndarray::Array2;
/// let place = [0.0f64, 1.0, 3.0, 7.0, 12.0];
/// let distance = Array2::from_shape_fn((5, 5), |(i, j)| (place[i] - place[j]).abs());
/// let test = mantel(Coefficient::Pearson, distance.view(), distance.mapv(f64::sqrt).view(), &Permutations::default())?;
/// assert!(test.exact && test.statistic > 0.95 && test.p_value < 0.05);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
pub fn mantel(
    coefficient: Coefficient,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    settings: &Permutations,
) -> Result<PermutationTest, Undefined> {
    let (a, b) = (Matrix::new(a)?, Matrix::new(b)?);
    check_sizes(&a, &b)?;
    let observed = coefficient.of(&a.entries, &b.entries)?;
    if coefficient == Coefficient::Kendall {
        return permute(a.n, settings, "mantel", observed, |order| coefficient.of(&a.permuted(order), &b.entries).ok());
    }
    let (a, b) = (a.of(coefficient), b.of(coefficient));
    let (a, b) = (Matrix { entries: unit_deviations(&a.entries)?, ..a }, unit_deviations(&b.entries)?);
    permute(a.n, settings, "mantel", observed, |order| Some(a.entries_of(order).zip(&b).map(|(a, b)| a * b).sum()))
}

/// The partial Mantel test (Smouse, Long and Sokal 1986): the partial correlation of the entries of `a` and `b` given those of
/// `covariates`, against permutations of the objects of `a`, the coefficient computed anew each time.
///
/// On ranks for [`Coefficient::Spearman`]. The caution of [`mantel`] holds here all the more.
///
/// # Errors
/// As [`mantel`]; [`Undefined::Explained`] where the covariates explain `a` or `b` in full;
/// [`Undefined::Parameter`] for [`Coefficient::Kendall`], which has no residuals.
pub fn partial_mantel(
    coefficient: Coefficient,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    covariates: &[ArrayView2<'_, f64>],
    settings: &Permutations,
) -> Result<PermutationTest, Undefined> {
    if coefficient == Coefficient::Kendall {
        let expected = "pearson or spearman: there are no residuals of kendall's tau";
        return Err(Undefined::Parameter { name: "coefficient", expected, value: f64::NAN });
    }
    let (a, b) = (Matrix::new(a)?, Matrix::new(b)?);
    check_sizes(&a, &b)?;
    // Names constant input as such.
    coefficient.of(&a.entries, &b.entries)?;
    let (a, b) = (a.of(coefficient), b.of(coefficient));
    let mut given = Vec::with_capacity(covariates.len());
    for covariate in covariates {
        let covariate = Matrix::new(*covariate)?;
        check_sizes(&a, &covariate)?;
        given.push(covariate.of(coefficient).entries);
    }
    let given: Vec<&[f64]> = given.iter().map(Vec::as_slice).collect();
    let basis = Basis::new(b.entries.len(), &given)?;
    let needed = 3 + basis.rank();
    if b.entries.len() < needed {
        return Err(Undefined::TooFewPoints { n: b.entries.len(), needed });
    }
    let rest = basis.beyond(&b.entries).ok_or(Undefined::Explained)?;
    let observed = product(&basis.beyond(&a.entries).ok_or(Undefined::Explained)?, &rest);
    let a = Matrix { entries: unit_deviations(&a.entries)?, ..a };
    permute(a.n, settings, "partial mantel", observed, |order| {
        let moved = a.permuted(order);
        // The length of what the covariates leave of it; all of it has length 1.
        let explained: f64 = basis.coordinates(&moved).map(|share| share * share).sum();
        let left = 1.0 - explained;
        (left > 1e-10).then(|| dot(&moved, &rest) / left.sqrt())
    })
}

fn check_sizes(a: &Matrix, b: &Matrix) -> Result<(), Undefined> {
    if a.n != b.n {
        return Err(Undefined::LengthsDiffer { x: a.n, y: b.n });
    }
    if a.n < 3 {
        return Err(Undefined::TooFewUnits { n: a.n, needed: 3 });
    }
    Ok(())
}

/// A symmetric matrix.
struct Matrix {
    n: usize,
    /// Entries below the diagonal, row by row.
    entries: Vec<f64>,
    /// The entry of objects `i` and `j` at `i * n + j`; 0 on the diagonal.
    places: Vec<usize>,
}

impl Matrix {
    fn new(matrix: ArrayView2<'_, f64>) -> Result<Self, Undefined> {
        let (rows, columns) = matrix.dim();
        if rows != columns {
            return Err(Undefined::NotSquare { rows, columns });
        }
        let off_diagonal = || matrix.indexed_iter().filter(|((i, j), _)| i != j);
        if !off_diagonal().all(|(_, value)| value.is_finite()) {
            return Err(Undefined::NotFinite);
        }
        let largest = off_diagonal().fold(0.0f64, |largest, (_, value)| largest.max(value.abs()));
        let differs = |((i, j), value): ((usize, usize), &f64)| {
            matrix.get((j, i)).is_none_or(|mirrored| (value - mirrored).abs() > SYMMETRIC * largest)
        };
        if off_diagonal().any(differs) {
            return Err(Undefined::NotSymmetric);
        }
        let entries = matrix.indexed_iter().filter(|((i, j), _)| j < i).map(|(_, &value)| value).collect();
        let place = |i: usize, j: usize| if i == j { 0 } else { i.max(j) * (i.max(j) - 1) / 2 + i.min(j) };
        let places = (0..rows).flat_map(|i| (0..rows).map(move |j| place(i, j))).collect();
        Ok(Matrix { n: rows, entries, places })
    }

    /// With ranks for entries, where the coefficient is one of ranks.
    fn of(self, coefficient: Coefficient) -> Self {
        match coefficient {
            Coefficient::Spearman => Matrix { entries: ranks(&self.entries), ..self },
            _ => self,
        }
    }

    /// The entries with object `order[i]` in the place of object `i`.
    fn entries_of<'a>(&'a self, order: &'a [usize]) -> impl Iterator<Item = f64> + 'a {
        order.iter().enumerate().flat_map(move |(i, &from_i)| {
            order.iter().take(i).map(move |&from_j| {
                let place = self.places.get(from_i * self.n + from_j).copied().unwrap_or(0);
                self.entries.get(place).copied().unwrap_or(0.0)
            })
        })
    }

    fn permuted(&self, order: &[usize]) -> Vec<f64> {
        self.entries_of(order).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Alternative;
    use approx::assert_relative_eq;
    use ndarray::Array2;

    /// `sin` of the sum of squares, rounded; symmetric.
    fn matrix(n: usize, factor: f64) -> Array2<f64> {
        Array2::from_shape_fn((n, n), |(i, j)| {
            let (i, j) = (i.max(j) as f64, i.min(j) as f64);
            (((i * i + 3.0 * j) * factor).sin() * 50.0).round() / 50.0
        })
    }

    // import numpy as np; from itertools import permutations; from scipy.stats import rankdata
    // def matrix(n, f): i, j = np.indices((n, n)); a, b = np.maximum(i, j), np.minimum(i, j); return np.round(np.sin((a * a + 3. * b) * f) * 50) / 50
    // a, b, c = matrix(n, 1.), matrix(n, 1.) + matrix(n, .7), matrix(n, .4); t = np.tril_indices(n, -1)
    // def rank(m): z = np.zeros((n, n)); z[t] = rankdata(m[t]); return z + z.T  # a, b, c = map(rank, (a, b, c)) for Spearman
    // def r(a): return np.corrcoef(a[t], b[t])[0, 1]
    // X = np.column_stack([np.ones(len(t[0])), c[t]]); H = np.eye(len(X)) - X @ np.linalg.pinv(X)
    // def r(a): return np.corrcoef(H @ a[t], H @ b[t])[0, 1]  # partial
    // null = np.array([r(a[np.ix_(p, p)]) for p in permutations(range(n))]); o = r(a)
    // low, high = np.mean(null <= o + 1e-12), np.mean(null >= o - 1e-12); print(o, min(1, 2 * min(low, high)), high, low)
    #[test]
    fn exact_tests_equal_brute_force_in_numpy() {
        for (n, coefficient, expected) in [
            (
                4,
                Coefficient::Pearson,
                [
                    (0.38678212960872704, [0.16666666666666666, 0.08333333333333333, 0.9583333333333334]),
                    (0.389069638512543, [0.16666666666666666, 0.08333333333333333, 0.9583333333333334]),
                ],
            ),
            (
                4,
                Coefficient::Spearman,
                [
                    (0.5217939320872036, [0.25, 0.125, 0.9583333333333334]),
                    (0.6125173107683686, [0.16666666666666666, 0.08333333333333333, 0.9583333333333334]),
                ],
            ),
            (
                5,
                Coefficient::Pearson,
                [
                    (0.4480439137750598, [0.21666666666666667, 0.10833333333333334, 0.9]),
                    (0.4556103451063072, [0.2, 0.1, 0.9083333333333333]),
                ],
            ),
            (
                5,
                Coefficient::Spearman,
                [
                    (0.5106406566912542, [0.16666666666666666, 0.08333333333333333, 0.925]),
                    (0.5111633287091181, [0.18333333333333332, 0.09166666666666666, 0.9166666666666666]),
                ],
            ),
            (
                7,
                Coefficient::Pearson,
                [
                    (0.5905366529584156, [0.0035714285714285713, 0.0017857142857142857, 0.9984126984126984]),
                    (0.5924174002583131, [0.003968253968253968, 0.001984126984126984, 0.9982142857142857]),
                ],
            ),
            (
                7,
                Coefficient::Spearman,
                [
                    (0.5283018867924528, [0.008333333333333333, 0.004166666666666667, 0.996031746031746]),
                    (0.5272515339188175, [0.009523809523809525, 0.004761904761904762, 0.995436507936508]),
                ],
            ),
        ] {
            let (a, b, c) = (matrix(n, 1.0), matrix(n, 1.0) + matrix(n, 0.7), matrix(n, 0.4));
            for (partial, (r, p)) in [false, true].into_iter().zip(expected) {
                for (alternative, p) in
                    [Alternative::TwoSided, Alternative::Greater, Alternative::Less].into_iter().zip(p)
                {
                    let settings = Permutations { alternative, ..Permutations::default() };
                    let test = if partial {
                        partial_mantel(coefficient, a.view(), b.view(), &[c.view()], &settings)
                    } else {
                        mantel(coefficient, a.view(), b.view(), &settings)
                    }
                    .unwrap();
                    assert!(test.exact && test.units == n);
                    assert_relative_eq!(test.statistic, r, max_relative = 1e-10);
                    assert_relative_eq!(test.p_value, p, max_relative = 1e-12);
                }
            }
        }
    }

    #[test]
    fn drawn_permutations_approach_all_and_repeat() {
        let (a, b, c) = (matrix(7, 1.0), matrix(7, 1.0) + matrix(7, 0.7), matrix(7, 0.4));
        let drawn = Permutations {
            exact_up_to: 0,
            draws: 20_000,
            alternative: Alternative::Greater,
            ..Permutations::default()
        };
        let all = Permutations { exact_up_to: 9, ..drawn };
        let run = |settings: &Permutations| {
            let plain = mantel(Coefficient::Pearson, a.view(), b.view(), settings).unwrap();
            let partial = partial_mantel(Coefficient::Pearson, a.view(), b.view(), &[c.view()], settings).unwrap();
            [plain.p_value, partial.p_value]
        };
        for (p, exact) in run(&drawn).into_iter().zip(run(&all)) {
            assert!((p - exact).abs() < 4.0 * (exact * (1.0 - exact) / 20_000.0).sqrt(), "{p} {exact}");
        }
        assert_eq!(run(&drawn), run(&drawn));
    }

    #[test]
    fn kendall_goes_through_the_same_orders() {
        let (a, b) = (matrix(5, 1.0), matrix(5, 1.0) + matrix(5, 0.7));
        let test = mantel(Coefficient::Kendall, a.view(), b.view(), &Permutations::default()).unwrap();
        assert!(test.exact && test.permutations == 120 && test.p_value > 0.0);
        assert!(partial_mantel(Coefficient::Kendall, a.view(), b.view(), &[], &Permutations::default()).is_err());
    }

    #[test]
    fn without_covariates_partial_is_plain() {
        let (a, b) = (matrix(6, 1.0), matrix(6, 0.7));
        for coefficient in [Coefficient::Pearson, Coefficient::Spearman] {
            let plain = mantel(coefficient, a.view(), b.view(), &Permutations::default()).unwrap();
            let partial = partial_mantel(coefficient, a.view(), b.view(), &[], &Permutations::default()).unwrap();
            assert_relative_eq!(plain.statistic, partial.statistic, max_relative = 1e-12);
            assert_eq!(plain.p_value, partial.p_value);
        }
    }

    #[test]
    fn what_is_no_distance_matrix_says_why() {
        let settings = Permutations::default();
        let (a, b) = (matrix(5, 1.0), matrix(5, 0.7));
        let run = |a: &Array2<f64>| mantel(Coefficient::Pearson, a.view(), b.view(), &settings).unwrap_err();
        assert_eq!(run(&Array2::zeros((5, 4))), Undefined::NotSquare { rows: 5, columns: 4 });
        assert_eq!(run(&matrix(4, 1.0)), Undefined::LengthsDiffer { x: 4, y: 5 });
        assert_eq!(run(&Array2::ones((5, 5))), Undefined::Constant);
        let mut changed = a.clone();
        changed[(1, 3)] += 0.5;
        assert_eq!(run(&changed), Undefined::NotSymmetric);
        changed[(3, 1)] = f64::NAN;
        assert_eq!(run(&changed), Undefined::NotFinite);
        let two = matrix(2, 1.0);
        assert_eq!(
            mantel(Coefficient::Pearson, two.view(), two.view(), &settings),
            Err(Undefined::TooFewUnits { n: 2, needed: 3 })
        );
        let partial = partial_mantel(Coefficient::Pearson, a.view(), b.view(), &[a.view()], &settings);
        assert_eq!(partial, Err(Undefined::Explained));
        let mut diagonal = a.clone();
        diagonal.diag_mut().fill(f64::NAN);
        assert_eq!(
            mantel(Coefficient::Pearson, diagonal.view(), b.view(), &settings),
            mantel(Coefficient::Pearson, a.view(), b.view(), &settings)
        );
    }
}
