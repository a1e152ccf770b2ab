use super::{Ranking, Split};
use crate::probe::{Evaluation, Fitted};
use crate::treebank::{self, Part};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};

/// The words of a cell, in three parts of the same neurons and classes.
#[derive(Clone, Copy, Debug)]
pub struct Splits<'a> {
    /// To fit on.
    pub train: Split<'a>,
    /// To select neurons on.
    pub dev: Split<'a>,
    /// To score on.
    pub test: Split<'a>,
    /// The number of classes.
    pub n_classes: usize,
    /// The lemma of each training word, by number, where it is known.
    pub lemmas: Option<&'a [usize]>,
}

impl<'a> Splits<'a> {
    /// Three parts; classes count up to the largest label of them. Lemmas are not known.
    pub fn new(train: Split<'a>, dev: Split<'a>, test: Split<'a>) -> Self {
        let labels = [train.1, dev.1, test.1];
        let most = labels.iter().flat_map(|labels| labels.iter()).max();
        Splits { train, dev, test, n_classes: most.map_or(0, |most| most.saturating_add(1)).max(2), lemmas: None }
    }

    /// The same with the training words' lemmas, by number.
    pub fn with_lemmas(self, lemmas: &'a [usize]) -> Self {
        Splits { lemmas: Some(lemmas), ..self }
    }

    /// The number of neurons.
    pub fn n_neurons(&self) -> usize {
        self.train.0.ncols()
    }

    /// Checks that `k` neurons can be ranked.
    pub(super) fn check_k(&self, k: usize) -> Result<()> {
        if k > self.n_neurons() {
            return Err(too_many(k, self.n_neurons()));
        }
        Ok(())
    }
}

pub(super) fn too_many(k: usize, n_neurons: usize) -> Error {
    Error::parameter("k", format!("at most the {n_neurons} neurons there are"), k)
}

/// What ranking a cell gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The neurons in order, with their curve.
    pub ranking: Ranking,
    /// A probe fitted on the training words with all neurons.
    pub probe: Fitted,
    /// How well it does on the test words with all neurons.
    pub all: Evaluation,
}

/// Ranks neurons by how much they tell of a class.
pub trait Ranker {
    /// The `k` best neurons in order, best first, of equals the lower index.
    ///
    /// Random numbers come from the stream of `seed` and `names`: language, attribute, step and site of the cell.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for parameters out of range or `k` beyond the number of neurons; [`crate::Error::Data`]
    /// for words that a probe cannot be fitted or evaluated on (see [`crate::probe::Estimator::fit_view`],
    /// [`super::greedy::select`]).
    ///
    /// # Examples
    /// ```
    /// use isogloss::ranking::{Method, Ranker, Splits};
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
    /// let ranked = method.rank(&Splits::new(split, split, split), 3, 7, &["es", "Number", "1000", "residual.3"])?;
    /// assert_eq!(ranked.ranking.top(1)?, [2]);
    /// # Ok::<(), isogloss::Error>(())
    /// ```
    fn rank(&self, splits: &Splits, k: usize, seed: u64, names: &[&str]) -> Result<Ranked>;
}

/// As [`Ranker::rank`], for the rows of a [`treebank::Split`] in a site's activations `[n_words, n_neurons]` of the words
/// that were split.
///
/// # Errors
/// As [`Ranker::rank`].
pub fn rank_split(
    ranker: &dyn Ranker,
    activations: ArrayView2<f32>,
    split: &treebank::Split,
    k: usize,
    seed: u64,
    names: &[&str],
) -> Result<Ranked> {
    let rows = |part: &Part| activations.select(Axis(0), &part.words);
    let parts = [&split.train, &split.dev, &split.test];
    let [train, dev, test]: [Array2<f32>; 3] = parts.map(rows);
    let [train, dev, test] = [(&train, &split.train), (&dev, &split.dev), (&test, &split.test)]
        .map(|(x, part)| (x.view(), &part.classes[..]));
    ranker.rank(&Splits::new(train, dev, test).with_lemmas(&split.train.lemmas), k, seed, names)
}
