use crate::{Error, Result};
use tch::{Device, Tensor};

/// Sentences packed end to end, without padding.
///
/// Attention works on runs of neighbours of one length: sorted by length, a batch needs the fewest runs.
///
/// # Examples
/// ```
/// let batch = isogloss::bloom::Batch::new(&[vec![5, 6], vec![7, 8], vec![9]])?;
/// assert_eq!((batch.tokens(), batch.lengths()), (5, &[2, 2, 1][..]));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    input_ids: Vec<i64>,
    lengths: Vec<usize>,
}

impl Batch {
    /// Packs sentences of token ids.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no sentence or one is empty.
    pub fn new<S: AsRef<[u32]>>(sentences: &[S]) -> Result<Self> {
        let lengths: Vec<usize> = sentences.iter().map(|s| s.as_ref().len()).collect();
        if lengths.is_empty() || lengths.contains(&0) {
            return Err(Error::Data("a batch needs at least one sentence, and each at least one token".into()));
        }
        let input_ids = sentences.iter().flat_map(|s| s.as_ref()).map(|id| i64::from(*id)).collect();
        Ok(Batch { input_ids, lengths })
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }

    /// The sentences' lengths in tokens.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The ids, `[tokens]`, sentence after sentence.
    pub fn input_ids(&self) -> &[i64] {
        &self.input_ids
    }

    pub(super) fn tensor(&self, device: Device) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&self.input_ids)?.f_to(device)?)
    }

    /// Runs of sentences of one length: (first token, sentences, length).
    pub(super) fn runs(&self) -> Vec<(i64, i64, i64)> {
        let mut runs: Vec<(i64, i64, i64)> = Vec::new();
        let mut start = 0;
        for &length in &self.lengths {
            let length = length as i64;
            match runs.last_mut() {
                Some((_, sentences, last)) if *last == length => *sentences += 1,
                _ => runs.push((start, 1, length)),
            }
            start += length;
        }
        runs
    }
}
