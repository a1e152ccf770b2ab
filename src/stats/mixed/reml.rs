//! The restricted likelihood of two variance ratios, its derivatives and its maximum.
//!
//! With `Z = [Z1 Z2]`, `E` the diagonal of the ratios' square roots and `M = I + E Z'Z E`, which is as small as there are groups,
//! `V^-1 = I - Z E M^-1 E Z'` and `|V| = |M|`: nothing of size `n x n` is made.

use crate::stats::linear::dot;
use crate::stats::Undefined;
use ndarray::{s, Array1, Array2, ArrayView1, Axis};

/// Ratios above this are taken for infinite: nothing is left within groups.
const LARGEST_RATIO: f64 = 1e8;

/// Ratios from which the search starts.
const GRID: [f64; 6] = [0.0, 0.01, 0.1, 1.0, 10.0, 100.0];

pub(super) struct Reml {
    /// `n - 2`.
    dof: f64,
    /// Where the second grouping begins among all groups.
    split: usize,
    /// `[Z'Z | Z'X | Z'y]`, `[groups, groups + 3]`, `X` being the scaled constant and `x`.
    cross: Array2<f64>,
    /// Products of the columns of `[X y]`, `[3, 3]`.
    gram: Array2<f64>,
}

/// Columns of `[X y]`.
const INTERCEPT: usize = 0;
const SLOPE: usize = 1;
const OUTCOME: usize = 2;

pub(super) struct Fit {
    pub ratios: [f64; 2],
    /// Up to a constant: `-(ln|V| + ln|X' V^-1 X| + (n - 2) ln(y' P y)) / 2`.
    pub log_likelihood: f64,
    pub residual_variance: f64,
    pub intercept: f64,
    pub slope: f64,
    pub slope_variance: f64,
    pub degrees_of_freedom: f64,
}

/// The likelihood at two ratios with all that its derivatives need.
struct Point {
    ratios: [f64; 2],
    log_likelihood: f64,
    /// `y' P y`.
    residual: f64,
    /// `X' V^-1 X` inverted, `[[a, b], [b, c]]` as `(a, b, c)`.
    inverse: (f64, f64, f64),
    /// The two coefficients.
    line: (f64, f64),
    /// `Z' V^-1 [Z X y]`.
    weighted: Array2<f64>,
}

/// First and second derivatives in the ratios, and traces for the information.
struct Derivatives {
    gradient: [f64; 2],
    hessian: [[f64; 2]; 2],
    /// `tr(P K_i)`.
    traces: [f64; 2],
    /// `tr(P K_i P K_j)`.
    products: [[f64; 2]; 2],
}

impl Reml {
    /// `x` and `y` centred and of length 1.
    pub fn new(x: &[f64], y: &[f64], groupings: &[(Vec<usize>, usize)]) -> Self {
        let n = x.len();
        let split = groupings.first().map_or(0, |(_, groups)| *groups);
        let groups: usize = groupings.iter().map(|(_, groups)| groups).sum();
        let constant = vec![1.0 / (n as f64).sqrt(); n];
        let columns = [&constant[..], x, y];
        let mut cross = Array2::zeros((groups, groups + 3));
        for point in 0..n {
            let mut members = [0usize; 2];
            for (member, (offset, (labels, _))) in members.iter_mut().zip([0, split].into_iter().zip(groupings)) {
                *member = offset + labels.get(point).copied().unwrap_or(0);
            }
            for a in members {
                for b in members {
                    cross[(a, b)] += 1.0;
                }
                for (column, values) in columns.iter().enumerate() {
                    cross[(a, groups + column)] += values.get(point).copied().unwrap_or(0.0);
                }
            }
        }
        let gram = Array2::from_shape_fn((3, 3), |(i, j)| dot(columns[i], columns[j]));
        Reml { dof: n as f64 - 2.0, split, cross, gram }
    }

    fn groups(&self) -> usize {
        self.cross.nrows()
    }

    fn at(&self, ratios: [f64; 2]) -> Option<Point> {
        let groups = self.groups();
        let roots = Array1::from_shape_fn(groups, |i| ratios[usize::from(i >= self.split)].sqrt());
        // E [Z'Z Z'X Z'y], and M = I + E Z'Z E factored.
        let mut half = &self.cross * &roots.view().insert_axis(Axis(1));
        let mut factor = &half.slice(s![.., ..groups]) * &roots.view().insert_axis(Axis(0));
        factor.diag_mut().mapv_inplace(|value| value + 1.0);
        let ln_determinant = cholesky(&mut factor)?;
        solve_lower(&factor, &mut half);
        let own = half.slice(s![.., groups..]);
        let products = &self.gram - &own.t().dot(&own);
        let weighted = &self.cross - &half.slice(s![.., ..groups]).t().dot(&half);
        let (a, b, c) = (products[(0, 0)], products[(0, 1)], products[(1, 1)]);
        let determinant = a * c - b * b;
        // The groupings leave of the constant 1 / (1 + n g) at least, and of x nothing where they explain it.
        if !(determinant > 1e-14 * a * c && a > 0.0) {
            return None;
        }
        let inverse = (c / determinant, -b / determinant, a / determinant);
        let (u, v) = (products[(INTERCEPT, OUTCOME)], products[(SLOPE, OUTCOME)]);
        let line = (inverse.0 * u + inverse.1 * v, inverse.1 * u + inverse.2 * v);
        let residual = products[(OUTCOME, OUTCOME)] - line.0 * u - line.1 * v;
        if residual.is_nan() || residual <= 1e-14 {
            return None;
        }
        let log_likelihood = -0.5 * (ln_determinant + determinant.ln() + self.dof * residual.ln());
        Some(Point { ratios, log_likelihood, residual, inverse, line, weighted })
    }

    fn range(&self, grouping: usize) -> std::ops::Range<usize> {
        if grouping == 0 {
            0..self.split
        } else {
            self.split..self.groups()
        }
    }

    fn derivatives(&self, point: &Point) -> Derivatives {
        let groups = self.groups();
        let column = |i: usize| point.weighted.column(groups + i);
        let (one, x, y) = (column(INTERCEPT), column(SLOPE), column(OUTCOME));
        let (a, b, c) = point.inverse;
        // Z'PZ = Z'WZ - Z'WX (X'WX)^-1 X'WZ and Z'Py = Z'Wy - Z'WX line.
        let (left, right) = (&one * a + &x * b, &one * b + &x * c);
        let outer =
            |u: ArrayView1<'_, f64>, v: ArrayView1<'_, f64>| u.insert_axis(Axis(1)).dot(&v.insert_axis(Axis(0)));
        let projected = &point.weighted.slice(s![.., ..groups]) - &outer(left.view(), one) - &outer(right.view(), x);
        let residual = &y - &(&one * point.line.0) - &(&x * point.line.1);
        let mut derivatives =
            Derivatives { gradient: [0.0; 2], hessian: [[0.0; 2]; 2], traces: [0.0; 2], products: [[0.0; 2]; 2] };
        let part = |i: usize| residual.slice(s![self.range(i)]);
        let squares = [0, 1].map(|i| part(i).dot(&part(i)) / point.residual);
        for i in 0..2 {
            let trace: f64 = projected.diag().slice(s![self.range(i)]).sum();
            derivatives.traces[i] = trace;
            derivatives.gradient[i] = -0.5 * (trace - self.dof * squares[i]);
            for j in 0..2 {
                let block = projected.slice(s![self.range(i), self.range(j)]);
                let product: f64 = block.iter().map(|value| value * value).sum();
                let bent = part(i).dot(&block.dot(&part(j))) / point.residual;
                derivatives.products[i][j] = product;
                derivatives.hessian[i][j] = 0.5 * product - 0.5 * self.dof * (2.0 * bent - squares[i] * squares[j]);
            }
        }
        derivatives
    }

    /// The best of a grid, then Newton's method within the quadrant.
    pub fn maximise(&self) -> Result<Fit, Undefined> {
        let starts = GRID.iter().flat_map(|&first| GRID.iter().map(move |&second| [first, second]));
        let best =
            starts.filter_map(|ratios| self.at(ratios)).max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood));
        let mut point = best.ok_or(Undefined::Explained)?;
        for _ in 0..200 {
            let derivatives = self.derivatives(&point);
            let step = direction(&point.ratios, &derivatives);
            let size = |ratios: [f64; 2]| (0..2).map(|i| step[i].abs() / (ratios[i] + 1e-3)).fold(0.0, f64::max);
            if size(point.ratios) < 1e-13 {
                return self.fit(point, &derivatives);
            }
            let mut share = 1.0;
            let next = loop {
                let ratios = [0, 1].map(|i| (point.ratios[i] + share * step[i]).max(0.0));
                match self.at(ratios) {
                    // Near the top the likelihood is flat to rounding.
                    Some(next) if next.log_likelihood >= point.log_likelihood - 1e-12 * self.dof => break Some(next),
                    _ if share < 1e-12 => break None,
                    _ => share /= 2.0,
                }
            };
            let Some(next) = next else {
                // Nothing is higher to rounding: the top, if it is level there.
                let level = |i: usize| (derivatives.gradient[i] * step[i]).abs() < 1e-9 * self.dof;
                return if level(0) && level(1) { self.fit(point, &derivatives) } else { Err(Undefined::NotConverged) };
            };
            if next.ratios.iter().any(|&ratio| ratio > LARGEST_RATIO) {
                return Err(Undefined::Explained);
            }
            let last = size(point.ratios) < 1e-8 && share == 1.0;
            point = next;
            if last {
                // Newton's method has doubled the digits.
                let derivatives = self.derivatives(&point);
                return self.fit(point, &derivatives);
            }
        }
        Err(Undefined::NotConverged)
    }

    fn fit(&self, point: Point, derivatives: &Derivatives) -> Result<Fit, Undefined> {
        let residual_variance = point.residual / self.dof;
        let slope_variance = residual_variance * point.inverse.2;
        let degrees_of_freedom = self.satterthwaite(&point, derivatives);
        if !(slope_variance > 0.0 && degrees_of_freedom > 0.0 && degrees_of_freedom.is_finite()) {
            return Err(Undefined::NotConverged);
        }
        Ok(Fit {
            ratios: point.ratios,
            log_likelihood: point.log_likelihood,
            residual_variance,
            intercept: point.line.0,
            slope: point.line.1,
            slope_variance,
            degrees_of_freedom,
        })
    }

    /// `2 c^2 / (d' A d)`, in units of the residual variance.
    fn satterthwaite(&self, point: &Point, derivatives: &Derivatives) -> f64 {
        let groups = self.groups();
        let (one, x) = (point.weighted.column(groups + INTERCEPT), point.weighted.column(groups + SLOPE));
        let (_, b, c) = point.inverse;
        let slope_row = &one * b + &x * c;
        // The gradient of the slope's variance: row of (X'WX)^-1 X'W K W X (X'WX)^-1; for the residual K is I = V - sum g K.
        let of_grouping = |i: usize| {
            let part = slope_row.slice(s![self.range(i)]);
            part.dot(&part)
        };
        let free: Vec<usize> = (0..2).filter(|&i| point.ratios[i] > 0.0).collect();
        let of_residual = c - free.iter().map(|&i| point.ratios[i] * of_grouping(i)).sum::<f64>();
        let gradient: Vec<f64> = free.iter().map(|&i| of_grouping(i)).chain([of_residual]).collect();
        // Twice the expected information, tr(P K_i P K_j); P V P = P gives those with the residual.
        let size = gradient.len();
        let with_residual = |i: usize| {
            derivatives.traces[i] - free.iter().map(|&j| point.ratios[j] * derivatives.products[i][j]).sum::<f64>()
        };
        let trace = self.dof - free.iter().map(|&i| point.ratios[i] * derivatives.traces[i]).sum::<f64>();
        let own = trace - free.iter().map(|&i| point.ratios[i] * with_residual(i)).sum::<f64>();
        let mut information = Array2::from_shape_fn((size, size), |(i, j)| match (free.get(i), free.get(j)) {
            (Some(&i), Some(&j)) => derivatives.products[i][j],
            (Some(&i), None) | (None, Some(&i)) => with_residual(i),
            (None, None) => own,
        });
        // A = 2 information^-1, so that d' A d = 2 |L^-1 d|^2.
        let mut solved = Array2::from_shape_fn((size, 1), |(i, _)| gradient.get(i).copied().unwrap_or(0.0));
        if cholesky(&mut information).is_none() {
            return f64::NAN;
        }
        solve_lower(&information, &mut solved);
        c * c / solved.iter().map(|value| value * value).sum::<f64>()
    }
}

/// Newton's step for the ratios that are free to move, where it stays above 0; else one of each ratio by itself, which always
/// goes up.
fn direction(ratios: &[f64; 2], derivatives: &Derivatives) -> [f64; 2] {
    let Derivatives { gradient, hessian, .. } = derivatives;
    let free = [0, 1].map(|i| ratios[i] > 0.0 || gradient[i] > 0.0);
    let determinant = hessian[0][0] * hessian[1][1] - hessian[0][1] * hessian[1][0];
    if free == [true; 2] && hessian[0][0] < 0.0 && determinant > 0.0 {
        let step = [
            (hessian[0][1] * gradient[1] - hessian[1][1] * gradient[0]) / determinant,
            (hessian[1][0] * gradient[0] - hessian[0][0] * gradient[1]) / determinant,
        ];
        if (0..2).all(|i| step[i] > -ratios[i] && step[i] < (9.0 * ratios[i]).max(1.0)) {
            return step;
        }
    }
    [0, 1].map(|i| {
        if !free[i] {
            return 0.0;
        }
        let curved = hessian[i][i] < 0.0;
        let step = if curved { -gradient[i] / hessian[i][i] } else { gradient[i] * (ratios[i] * ratios[i]).max(0.01) };
        // Ratios live on a log scale: no step beyond tenfold.
        step.clamp(-ratios[i], (9.0 * ratios[i]).max(1.0))
    })
}

/// Factors a symmetric positive definite matrix in place, `L L'`, `L` below and on the diagonal; gives its log-determinant.
fn cholesky(matrix: &mut Array2<f64>) -> Option<f64> {
    let n = matrix.nrows();
    let mut ln_determinant = 0.0;
    for j in 0..n {
        let row = matrix.slice(s![j, ..j]).to_owned();
        let square = matrix[(j, j)] - row.iter().map(|value| value * value).sum::<f64>();
        if square.is_nan() || square <= 0.0 {
            return None;
        }
        let pivot = square.sqrt();
        ln_determinant += 2.0 * pivot.ln();
        matrix[(j, j)] = pivot;
        for i in j + 1..n {
            let share: f64 = matrix.slice(s![i, ..j]).iter().zip(&row).map(|(a, b)| a * b).sum();
            matrix[(i, j)] = (matrix[(i, j)] - share) / pivot;
        }
    }
    Some(ln_determinant)
}

/// `L^-1 B` in place of `B`.
fn solve_lower(factor: &Array2<f64>, right: &mut Array2<f64>) {
    for i in 0..factor.nrows() {
        let (done, mut rest) = right.view_mut().split_at(Axis(0), i);
        let shares = factor.slice(s![i, ..i]).dot(&done);
        let mut row = rest.row_mut(0);
        row -= &shares;
        row /= factor[(i, i)];
    }
}
