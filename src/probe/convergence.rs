use super::bits;
use serde::{Deserialize, Serialize};

/// How a solver of a convex problem ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// Newton steps taken; `None` where the solver does not tell.
    pub iterations: Option<usize>,
    /// The largest absolute entry of the objective's gradient, a word: with an L1 penalty, of the subgradient of least
    /// norm (the residual of the KKT conditions). 0 at the exact solution.
    #[serde(with = "bits::double")]
    pub residual: f64,
    /// Whether the residual came down to the tolerance.
    pub converged: bool,
}
