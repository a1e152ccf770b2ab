use super::{Batch, Bloom};
use crate::{Error, Result, Site};
use tch::{Kind, Tensor};

/// Logits at a time: 2^26 of float32 are 256 MB.
const LOGITS: usize = 1 << 26;

impl Bloom {
    /// The natural logarithm of the likelihood of a batch's sentences: the sum over every token but a sentence's first, each
    /// given those before it. Logits exist for some hundreds of tokens at a time, since BLOOM's vocabulary makes a megabyte
    /// of each.
    ///
    /// # Errors
    /// As [`Bloom::logits`].
    pub fn log_likelihood(&self, batch: &Batch) -> Result<f64> {
        let last = Site::Residual(self.config().n_layer);
        let hidden = self.forward(batch, &[last])?;
        let hidden = hidden.get(&last).ok_or_else(|| Error::Data(format!("{last} was not computed")))?;
        let (mut positions, mut targets) = (Vec::new(), Vec::new());
        let mut start = 0;
        for length in batch.lengths() {
            positions.extend((start..start + length - 1).map(|position| position as i64));
            targets.extend(batch.input_ids().get(start + 1..start + length).unwrap_or_default().iter().copied());
            start += length;
        }
        let rows = (LOGITS / self.config().vocab_size.max(1)).max(1);
        let mut sum = 0.0;
        for (positions, targets) in positions.chunks(rows).zip(targets.chunks(rows)) {
            let positions = Tensor::f_from_slice(positions)?.f_to(self.device())?;
            let targets = Tensor::f_from_slice(targets)?.f_to(self.device())?.f_unsqueeze(1)?;
            let logits = self.head(&hidden.f_index_select(0, &positions)?)?.f_to_kind(Kind::Float)?;
            let of_targets = logits.f_gather(1, &targets, false)?.f_squeeze_dim(1)?;
            let likelihood = of_targets.f_sub(&logits.f_logsumexp([1], false)?)?;
            sum += likelihood.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        Ok(sum)
    }
}
