//! Cholesky factors in blocks, so that the work is products of matrices.

use ndarray::{s, Array2};

const BLOCK: usize = 64;

/// The lower factor `L` of a covariance `L L'`, its pivots floored.
pub(super) struct Factor(Array2<f64>);

impl Factor {
    /// Of a symmetric matrix, of which the lower half is read; a pivot below `floor` counts as `floor`.
    pub(super) fn new(mut a: Array2<f64>, floor: f64) -> Self {
        let n = a.nrows();
        for start in (0..n).step_by(BLOCK) {
            let end = (start + BLOCK).min(n);
            // The columns of the block, from its own rows on down.
            for j in start..end {
                let before: f64 = (start..j).map(|k| a[[j, k]] * a[[j, k]]).sum();
                let pivot = (a[[j, j]] - before).max(floor).sqrt();
                a[[j, j]] = pivot;
                for i in j + 1..n {
                    let before: f64 = (start..j).map(|k| a[[i, k]] * a[[j, k]]).sum();
                    a[[i, j]] = (a[[i, j]] - before) / pivot;
                }
            }
            let (done, mut rest) = a.view_mut().split_at(ndarray::Axis(1), end);
            let below = done.slice(s![end.., start..]);
            let mut rest = rest.slice_mut(s![end.., ..]);
            ndarray::linalg::general_mat_mul(-1.0, &below, &below.t(), 1.0, &mut rest);
        }
        Factor(a)
    }

    /// Half the log-determinant of the matrix.
    pub(super) fn half_log_determinant(&self) -> f64 {
        self.0.diag().iter().map(|pivot| pivot.ln()).sum()
    }

    /// Squared Mahalanobis lengths of the columns of `b`.
    pub(super) fn squares(&self, mut b: Array2<f64>) -> Vec<f64> {
        let (n, columns) = b.dim();
        for start in (0..n).step_by(BLOCK) {
            let end = (start + BLOCK).min(n);
            for i in start..end {
                let (done, mut rest) = b.view_mut().split_at(ndarray::Axis(0), i);
                let mut row = rest.row_mut(0);
                for k in start..i {
                    row.scaled_add(-self.0[[i, k]], &done.row(k));
                }
                row /= self.0[[i, i]];
            }
            let (done, mut rest) = b.view_mut().split_at(ndarray::Axis(0), end);
            let factor = self.0.slice(s![end.., start..end]);
            ndarray::linalg::general_mat_mul(-1.0, &factor, &done.slice(s![start.., ..]), 1.0, &mut rest);
        }
        let mut squares = vec![0.0; columns];
        for row in b.outer_iter() {
            squares.iter_mut().zip(row).for_each(|(sum, y)| *sum += y * y);
        }
        squares
    }
}
