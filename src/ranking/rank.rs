use super::{greedy, Ranking, Split};
use crate::probe::{Evaluation, Fitted, Method, Probe, Subset};
use crate::treebank::{self, Part};
use crate::Result;
use ndarray::{ArrayView2, Axis};

/// What ranking a cell gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The neurons selected, with their curve.
    pub ranking: Ranking,
    /// The probe, fitted on the training words.
    pub probe: Fitted,
    /// How well it does on the test words with all neurons.
    pub all: Evaluation,
}

/// Fits `method` on `train`, selects `k` neurons greedily on `dev` and scores them on `test`.
///
/// Each split is activations `[words, neurons]` with class indices; classes count up to the largest label of the three.
/// Random numbers come from the stream of `seed` and `names`: language, attribute, step and site of the cell.
///
/// # Errors
/// [`crate::Error::Parameter`] for parameters out of range or `k` beyond the number of neurons; [`crate::Error::Data`]
/// for splits that a probe cannot be fitted or evaluated on (see [`Method::fit`], [`greedy::select`]).
///
/// # Examples
/// ```
/// use isogloss::{probe::Method, ranking};
/// use ndarray::Array2;
///
/// // Neuron 2 of 6 tells the classes apart.
/// let labels: Vec<usize> = (0..120).map(|word| word % 2).collect();
/// let words = Array2::from_shape_fn((120, 6), |(word, neuron)| {
///     let noise = ((word * 13 + neuron * 29) % 23) as f32 / 23.0;
///     if neuron == 2 { noise + 2.0 * (word % 2) as f32 } else { noise }
/// });
/// let split = (words.view(), &labels[..]);
/// let method: Method = "poisson".parse()?;
/// let ranked = ranking::rank(&method, split, split, split, 3, 7, &["es", "Number", "1000", "residual.3"])?;
/// assert_eq!(ranked.ranking.top(1)?, [2]);
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn rank(
    method: &Method,
    train: Split,
    dev: Split,
    test: Split,
    k: usize,
    seed: u64,
    names: &[&str],
) -> Result<Ranked> {
    let labels = [train.1, dev.1, test.1];
    let n_classes = labels.iter().flat_map(|labels| labels.iter()).max().map_or(0, |max| max.saturating_add(1)).max(2);
    if k > train.0.ncols() {
        // Before the long work, not after it.
        return Err(greedy::too_many(k, train.0.ncols()));
    }
    let probe = method.fit(train.0, train.1, n_classes, seed, names)?;
    let ranking = greedy::select(&probe, dev, test, k)?;
    let all = probe.evaluate(test.0, test.1, Subset::All)?;
    Ok(Ranked { ranking, probe, all })
}

/// As [`rank`], for the rows of a [`treebank::Split`] in a site's activations `[n_words, n_neurons]` of the words that were
/// split.
///
/// # Errors
/// As [`rank`].
pub fn rank_split(
    method: &Method,
    activations: ArrayView2<f32>,
    split: &treebank::Split,
    k: usize,
    seed: u64,
    names: &[&str],
) -> Result<Ranked> {
    let rows = |part: &Part| activations.select(Axis(0), &part.words);
    let (train, dev, test) = (rows(&split.train), rows(&split.dev), rows(&split.test));
    let (train, dev, test) = (
        (train.view(), &split.train.classes[..]),
        (dev.view(), &split.dev.classes[..]),
        (test.view(), &split.test.classes[..]),
    );
    rank(method, train, dev, test, k, seed, names)
}
