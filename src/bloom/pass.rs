use super::model::{Keep, Mask};
use super::{Batch, Bloom};
use crate::Result;
use tch::Tensor;

/// What is added to the outputs of linear layers: trainable updates beside frozen weights. `()` adds nothing.
pub trait Update {
    /// `output`, what the layer `h.BLOCK.self_attention.query_key_value` (or another, named as its parameters are, without
    /// `.weight`) makes of `input` `[tokens, in]`, with the update, `[tokens, out]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) if libtorch fails.
    fn add(&self, layer: &str, input: &Tensor, output: Tensor) -> Result<Tensor>;
}

impl Update for () {
    fn add(&self, _layer: &str, _input: &Tensor, output: Tensor) -> Result<Tensor> {
        Ok(output)
    }
}

/// A forward pass in pieces, for those who differentiate it: embedding, block after block, final LayerNorm. Nothing that a
/// gradient needs is computed in place.
pub struct Pass<'a> {
    bloom: &'a Bloom,
    ids: Tensor,
    pub(super) masks: Vec<Mask>,
}

impl Bloom {
    /// Prepares a pass over a batch.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) for token ids outside the vocabulary, [`Error::Torch`](crate::Error::Torch) if libtorch fails.
    pub fn pass(&self, batch: &Batch) -> Result<Pass<'_>> {
        Ok(Pass { bloom: self, ids: self.checked_ids(batch)?, masks: self.masks(batch)? })
    }
}

impl Pass<'_> {
    /// The normalised embeddings, `[tokens, hidden]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) if libtorch fails.
    pub fn embed(&self) -> Result<Tensor> {
        let table = self.bloom.parameter("word_embeddings.weight")?;
        let embedding = Tensor::f_embedding(table, &self.ids, -1, false, false)?;
        self.bloom.layer_norm(&embedding, "word_embeddings_layernorm")
    }

    /// Block `i`, counted from 0, `[tokens, hidden]` to `[tokens, hidden]`.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) for a block that was not loaded; what `update` returns; [`Error::Torch`](crate::Error::Torch) if libtorch fails.
    pub fn block(&self, i: usize, hidden: &Tensor, update: &dyn Update) -> Result<Tensor> {
        self.bloom.block(i, hidden, &self.masks, update, &mut Keep { sites: &[], visit: &mut |_, _| Ok(()) })
    }

    /// The final LayerNorm, of any rows of the last block's output, `[rows, hidden]`.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if it was not loaded; [`Error::Torch`](crate::Error::Torch) if libtorch fails.
    pub fn normalise(&self, hidden: &Tensor) -> Result<Tensor> {
        self.bloom.layer_norm(hidden, "ln_f")
    }
}
