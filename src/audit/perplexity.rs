use super::{Audit, CheckpointAudit, Perplexity};
use crate::activations::Tokenizer;
use crate::bloom::{Batch, Bloom, Extent};
use crate::checkpoint::Series;
use crate::{Error, Result};
use tch::{Device, Kind};

/// Tokens in a forward pass, at most (a longer window has a pass to itself).
const BATCH_TOKENS: usize = 2048;

/// A text to predict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its documents (or sentences): each is predicted from its own tokens alone.
    pub documents: Vec<String>,
    /// A document of more tokens is cut into windows of so many; at least 2.
    pub window: usize,
}

impl Text {
    /// Documents, with windows of 512 tokens.
    pub fn new(documents: Vec<String>) -> Self {
        Text { documents, window: 512 }
    }
}

/// The perplexity of a text: exp of the mean negative log-likelihood of every token of a window but the first, which
/// nothing precedes.
///
/// # Errors
/// [`Error::Parameter`] for a window below 2, [`Error::Data`] if no document has two tokens or an id lies outside the
/// vocabulary, [`Error::Torch`] if libtorch fails. The model must be loaded in full.
pub fn perplexity(bloom: &Bloom, tokenizer: &Tokenizer, text: &Text) -> Result<Perplexity> {
    if text.window < 2 {
        return Err(Error::parameter("window", "at least 2 tokens", text.window));
    }
    let mut windows: Vec<Vec<u32>> = Vec::new();
    for document in &text.documents {
        let ids = tokenizer.encode(document)?;
        windows.extend(ids.chunks(text.window).filter(|window| window.len() > 1).map(<[u32]>::to_vec));
    }
    if windows.is_empty() {
        let documents = text.documents.len();
        return Err(Error::Data(format!(
            "none of the text's {documents} documents has two tokens: nothing to predict"
        )));
    }
    windows.sort_by_key(Vec::len);
    let _guard = tch::no_grad_guard();
    let (mut tokens, mut sum) = (0, 0.0);
    let mut rest = windows.as_slice();
    while !rest.is_empty() {
        let mut total = 0;
        let fits = rest.iter().take_while(|window| {
            total += window.len();
            total <= BATCH_TOKENS
        });
        let (batch, later) = rest.split_at(fits.count().max(1));
        rest = later;
        let batch = Batch::new(batch)?;
        tokens += batch.tokens() - batch.lengths().len();
        sum += bloom.log_likelihood(&batch)?;
    }
    let value = (-sum / tokens as f64).exp();
    Ok(Perplexity { tokens, value: value.is_finite().then_some(value) })
}

impl Audit {
    /// As [`Audit::of`], and runs every checkpoint over the text, one in memory at a time; `done` is told after each.
    ///
    /// # Errors
    /// As [`Audit::of`] and [`perplexity`].
    pub fn with_perplexity(
        series: &Series,
        text: &Text,
        kind: Kind,
        device: Device,
        mut done: impl FnMut(),
    ) -> Result<Self> {
        let mut audit = Audit::new(series.model());
        for checkpoint in series.in_turn() {
            let checkpoint = checkpoint?;
            let tokenizer = Tokenizer::open(checkpoint.tokenizer()?)?;
            let loaded = CheckpointAudit::of(&checkpoint)
                .and_then(|weights| Ok((weights, Bloom::load(&checkpoint, Extent::Full, kind, device)?)));
            let found = match loaded {
                Ok((weights, bloom)) => {
                    let perplexity = perplexity(&bloom, &tokenizer, text).map_err(|error| match error {
                        Error::Data(message) => Error::file(checkpoint.dir(), message),
                        other => other,
                    })?;
                    Ok(CheckpointAudit { perplexity: Some(perplexity), ..weights })
                }
                Err(error) => Err(error),
            };
            audit.add(checkpoint.step(), found);
            done();
        }
        Ok(audit)
    }
}
