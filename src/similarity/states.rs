//! What one language's states give to every comparison, computed once.

use crate::stats::Undefined;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use std::sync::OnceLock;

/// A row this much shorter than the longest one that it came from is rounding, not a direction.
const ROUNDING: f64 = 1e-12;

/// One language's sentence states `[n_sentences, n_neurons]` at one site, with what comparisons take from them: rows of
/// length 1, centred columns, products and principal directions. Each part is computed in double precision when it is first
/// wanted, and once, however many languages are compared.
///
/// # Examples
/// ```
/// use isogloss::similarity::{cosine, States};
/// use ndarray::array;
/// let (spanish, portuguese) = (array![[1.0f32, 0.0], [0.0, 1.0]], array![[2.0f32, 0.0], [3.0, 3.0]]);
/// let (spanish, portuguese) = (States::new(spanish.view())?, States::new(portuguese.view())?);
/// assert!((cosine(&spanish, &portuguese)? - (1.0 + 0.5f64.sqrt()) / 2.0).abs() < 1e-12);
/// # Ok::<(), isogloss::stats::Undefined>(())
/// ```
#[derive(Debug)]
pub struct States<'a> {
    rows: ArrayView2<'a, f32>,
    directed: OnceLock<Result<Directed, Undefined>>,
    centred: OnceLock<Result<Centred, Undefined>>,
    products: OnceLock<Result<Products, Undefined>>,
    #[cfg(feature = "linalg")]
    principal: OnceLock<Result<super::svcca::Principal, Undefined>>,
    #[cfg(feature = "linalg")]
    without_top: OnceLock<Result<Directed, Undefined>>,
}

/// Rows scaled to length 1.
#[derive(Debug)]
pub(super) struct Directed {
    /// `[n_sentences, n_neurons]`.
    pub(super) rows: Array2<f64>,
    /// The sum of the rows.
    pub(super) sum: Array1<f64>,
}

/// Columns less their mean over sentences.
#[derive(Debug)]
pub(super) struct Centred {
    /// `[n_sentences, n_neurons]`.
    pub(super) rows: Array2<f64>,
    /// The length of each row; 0 where there is nothing but rounding.
    pub(super) lengths: Array1<f64>,
    /// The length of each column; exactly 0 where a neuron does not vary.
    pub(super) spreads: Array1<f64>,
}

/// Products of centred states with themselves.
#[derive(Debug)]
pub(super) struct Products {
    /// Of sentences, `[n_sentences, n_sentences]`, where they are fewer than neurons; else of neurons,
    /// `[n_neurons, n_neurons]`. Both have the same eigenvalues but for zeros.
    pub(super) matrix: Array2<f64>,
    /// Whether they are of sentences.
    pub(super) of_sentences: bool,
    /// The Frobenius norm; above 0.
    pub(super) norm: f64,
}

impl<'a> States<'a> {
    /// States `[n_sentences, n_neurons]`, row `i` of each language a translation of row `i` of the others.
    ///
    /// # Errors
    /// [`Undefined::TooFewPoints`] without sentences or neurons, [`Undefined::NotFinite`] for NaN and infinities.
    pub fn new(rows: ArrayView2<'a, f32>) -> Result<Self, Undefined> {
        if rows.is_empty() {
            return Err(Undefined::TooFewPoints { n: 0, needed: 1 });
        }
        if !rows.iter().all(|value| value.is_finite()) {
            return Err(Undefined::NotFinite);
        }
        Ok(States {
            rows,
            directed: OnceLock::new(),
            centred: OnceLock::new(),
            products: OnceLock::new(),
            #[cfg(feature = "linalg")]
            principal: OnceLock::new(),
            #[cfg(feature = "linalg")]
            without_top: OnceLock::new(),
        })
    }

    /// The number of sentences.
    pub fn sentences(&self) -> usize {
        self.rows.nrows()
    }

    /// The number of neurons.
    pub fn neurons(&self) -> usize {
        self.rows.ncols()
    }

    /// Computes all parts now, rather than in the first comparison: languages can be prepared in parallel.
    pub fn prepare(&self) {
        // A part that does not exist is told by the measures that want it.
        let _ = (self.directed().is_ok(), self.products().is_ok());
        #[cfg(feature = "linalg")]
        let _ = (self.principal().is_ok(), self.without_top().is_ok());
    }

    pub(super) fn directed(&self) -> Result<&Directed, Undefined> {
        part(&self.directed, || Directed::new(self.rows.mapv(f64::from), 0.0))
    }

    pub(super) fn centred(&self) -> Result<&Centred, Undefined> {
        part(&self.centred, || match self.sentences() {
            n if n < 2 => Err(Undefined::TooFewPoints { n, needed: 2 }),
            _ => Ok(Centred::new(self.rows.mapv(f64::from))),
        })
    }

    pub(super) fn products(&self) -> Result<&Products, Undefined> {
        part(&self.products, || Products::new(&self.centred()?.rows))
    }

    #[cfg(feature = "linalg")]
    pub(super) fn principal(&self) -> Result<&super::svcca::Principal, Undefined> {
        part(&self.principal, || super::svcca::Principal::new(&self.centred()?.rows, self.products()?))
    }

    #[cfg(feature = "linalg")]
    pub(super) fn without_top(&self) -> Result<&Directed, Undefined> {
        part(&self.without_top, || {
            let centred = self.centred()?;
            Directed::new(self.principal()?.removed_from(&centred.rows), longest(&self.rows.mapv(f64::from)))
        })
    }
}

fn part<T>(
    cell: &OnceLock<Result<T, Undefined>>,
    make: impl FnOnce() -> Result<T, Undefined>,
) -> Result<&T, Undefined> {
    cell.get_or_init(make).as_ref().map_err(|reason| *reason)
}

impl Directed {
    /// Of rows that were made from others, the longest of which had length `of`.
    fn new(mut rows: Array2<f64>, of: f64) -> Result<Self, Undefined> {
        for mut row in rows.rows_mut() {
            let length = row.dot(&row).sqrt();
            if length <= ROUNDING * of {
                return Err(Undefined::ZeroVector);
            }
            row /= length;
        }
        let sum = rows.sum_axis(Axis(0));
        Ok(Directed { rows, sum })
    }
}

impl Centred {
    fn new(mut rows: Array2<f64>) -> Self {
        let of = longest(&rows);
        // Taking the first row off leaves no rounding in columns whose values are all equal.
        let first = rows.row(0).to_owned();
        rows -= &first;
        let mean = rows.sum_axis(Axis(0)) / rows.nrows() as f64;
        rows -= &mean;
        let lengths = row_lengths(&rows).mapv(|length| if length <= ROUNDING * of { 0.0 } else { length });
        let mut spreads = Array1::<f64>::zeros(rows.ncols());
        for row in rows.outer_iter() {
            spreads.zip_mut_with(&row, |sum, value| *sum += value * value);
        }
        spreads.mapv_inplace(f64::sqrt);
        Centred { rows, lengths, spreads }
    }
}

impl Products {
    fn new(centred: &Array2<f64>) -> Result<Self, Undefined> {
        let of_sentences = centred.nrows() < centred.ncols();
        let matrix = if of_sentences { centred.dot(&centred.t()) } else { centred.t().dot(centred) };
        let norm = matrix.iter().map(|value| value * value).sum::<f64>().sqrt();
        if norm == 0.0 {
            return Err(Undefined::Constant);
        }
        Ok(Products { matrix, of_sentences, norm })
    }
}

fn row_lengths(rows: &Array2<f64>) -> Array1<f64> {
    rows.outer_iter().map(|row| row.dot(&row).sqrt()).collect()
}

fn longest(rows: &Array2<f64>) -> f64 {
    row_lengths(rows).into_iter().fold(0.0, f64::max)
}
