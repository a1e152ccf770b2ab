//! Residuals of least squares on a few covariates.

use super::Undefined;

/// A covariate whose part beyond the others is below this share of its length is taken for a combination of them.
const COLLINEAR: f64 = 1e-10;

/// An orthonormal basis of covariates and the constant.
pub(super) struct Basis {
    columns: Vec<Vec<f64>>,
}

impl Basis {
    /// The basis of `covariates`, each `n` finite values; a constant one, and one that follows from others, adds nothing.
    pub fn new(n: usize, covariates: &[&[f64]]) -> Result<Self, Undefined> {
        let mut basis = Basis { columns: Vec::with_capacity(covariates.len()) };
        for covariate in covariates {
            if covariate.len() != n {
                return Err(Undefined::LengthsDiffer { x: n, y: covariate.len() });
            }
            if !covariate.iter().all(|value| value.is_finite()) {
                return Err(Undefined::NotFinite);
            }
            if let Some(column) = basis.beyond(covariate) {
                basis.columns.push(column);
            }
        }
        Ok(basis)
    }

    /// How many covariates count, the constant not among them.
    pub fn rank(&self) -> usize {
        self.columns.len()
    }

    /// Products with the columns.
    pub fn coordinates<'a>(&'a self, values: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.columns.iter().map(|column| dot(column, values))
    }

    /// What the basis and the constant do not explain, scaled to length 1; `None` where they explain all.
    pub fn beyond(&self, values: &[f64]) -> Option<Vec<f64>> {
        // Scaled first, so that squares neither overflow nor vanish.
        let scale = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        if scale == 0.0 {
            return None;
        }
        let mut rest: Vec<f64> = values.iter().map(|value| value / scale).collect();
        let length = dot(&rest, &rest).sqrt();
        centre(&mut rest);
        // Against rounding of a large mean, as in Pearson's coefficient.
        if dot(&rest, &rest).sqrt() <= 1e-13 * length {
            return None;
        }
        let deviations = dot(&rest, &rest).sqrt();
        // Twice: what the first pass leaves by rounding, the second takes (Giraud and others 2005).
        for _ in 0..2 {
            for column in &self.columns {
                let share = dot(column, &rest);
                rest.iter_mut().zip(column).for_each(|(value, c)| *value -= share * c);
            }
            centre(&mut rest);
        }
        let length = dot(&rest, &rest).sqrt();
        if length <= COLLINEAR * deviations {
            return None;
        }
        rest.iter_mut().for_each(|value| *value /= length);
        Some(rest)
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn centre(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|value| *value -= mean);
}
