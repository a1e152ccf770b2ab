use super::head::Head;
use super::lora::{Dropout, LowRank, Updates};
use super::{Example, FinetuneSettings, Method};
use crate::bloom::{Batch, Bloom, Extent, Pass, Update};
use crate::checkpoint::Checkpoint;
use crate::{Error, Result, Site};
use tch::{Device, Kind, Reduction, Tensor};

/// A model with a head, and what is trained of it.
#[derive(Debug)]
pub struct Tuned {
    pub(super) bloom: Bloom,
    pub(super) lora: Option<LowRank>,
    pub(super) head: Head,
    settings: FinetuneSettings,
    labels: Vec<String>,
}

/// Sentences that share a pass.
pub(super) struct Packed<'a> {
    /// Their places among all.
    pub(super) sentences: Vec<usize>,
    examples: Vec<&'a Example>,
}

/// Cuts sentences, sorted by length, into passes of at most `tokens` subwords (but at least a sentence).
pub(super) fn pack<'a>(examples: &'a [Example], mut sentences: Vec<usize>, tokens: usize) -> Vec<Packed<'a>> {
    let length = |sentence: &usize| examples.get(*sentence).map_or(0, |example| example.ids.len());
    // The place decides among equals, whatever order they came in.
    sentences.sort_unstable_by_key(|sentence| (length(sentence), *sentence));
    let mut passes: Vec<Packed<'a>> = Vec::new();
    let mut filled = 0;
    for sentence in sentences {
        let Some(example) = examples.get(sentence) else { continue };
        if passes.is_empty() || filled + example.ids.len() > tokens {
            passes.push(Packed { sentences: Vec::new(), examples: Vec::new() });
            filled = 0;
        }
        filled += example.ids.len();
        if let Some(pass) = passes.last_mut() {
            pass.sentences.push(sentence);
            pass.examples.push(example);
        }
    }
    passes
}

impl Packed<'_> {
    fn batch(&self) -> Result<Batch> {
        let ids: Vec<&[u32]> = self.examples.iter().map(|example| example.ids.as_slice()).collect();
        Batch::new(&ids)
    }

    /// Of every target the token in the batch and the class.
    fn targets(&self) -> (Vec<i64>, Vec<i64>) {
        let mut start = 0;
        let (mut tokens, mut classes) = (Vec::new(), Vec::new());
        for example in &self.examples {
            for (position, class) in &example.targets {
                tokens.push((start + position) as i64);
                classes.push(*class as i64);
            }
            start += example.ids.len();
        }
        (tokens, classes)
    }
}

impl Tuned {
    /// Loads a checkpoint and gives it a fresh head for `labels`, with a bias if `bias`, and fresh updates. The base computes in
    /// `kind`, head and updates in float32.
    ///
    /// # Errors
    /// As [`Bloom::load`] and [`Tuned::new`].
    pub fn load(
        checkpoint: &Checkpoint,
        labels: &[String],
        bias: bool,
        settings: &FinetuneSettings,
        seed: u64,
        (kind, device): (Kind, Device),
    ) -> Result<Self> {
        let blocks = crate::bloom::Config::read(checkpoint.config())?.n_layer;
        let bloom = Bloom::load(checkpoint, Extent::Sites(&[Site::Residual(blocks)]), kind, device)?;
        Tuned::new(bloom, labels, bias, settings, seed)
    }

    /// As [`Tuned::load`], of a model with all its blocks and the final LayerNorm.
    ///
    /// # Errors
    /// [`Error::Parameter`] for settings out of range, fewer than two labels, and full fine-tuning in another type than float32;
    /// [`Error::Torch`] if libtorch fails.
    pub fn new(bloom: Bloom, labels: &[String], bias: bool, settings: &FinetuneSettings, seed: u64) -> Result<Self> {
        settings.check()?;
        if labels.len() < 2 {
            return Err(Error::parameter("labels", "two or more", format!("{labels:?}")));
        }
        if settings.method == Method::Full && bloom.kind() != Kind::Float {
            let kind = format!("{:?}", bloom.kind());
            return Err(Error::parameter("the type of full fine-tuning", "float32, which small steps need", kind));
        }
        let (config, device) = (bloom.config(), bloom.device());
        let lora = match settings.method {
            Method::Lora => Some(LowRank::new(config, settings, seed, device)?),
            Method::Full | Method::Head => None,
        };
        let head = Head::new(config, labels.len(), bias, seed, device)?;
        for tensor in bloom.parameters().values() {
            let _ = tensor.f_set_requires_grad(settings.method == Method::Full)?;
        }
        Ok(Tuned { bloom, lora, head, settings: settings.clone(), labels: labels.to_vec() })
    }

    /// The labels, in the order of the classes.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &FinetuneSettings {
        &self.settings
    }

    /// The model underneath.
    pub fn bloom(&self) -> &Bloom {
        &self.bloom
    }

    /// What is trained, by name and in a fixed order; `head.weight` and `head.bias` come last.
    pub fn trainable(&self) -> Vec<(String, &Tensor)> {
        let mut all: Vec<(String, &Tensor)> = match self.settings.method {
            Method::Full => self.bloom.parameters().iter().map(|(name, tensor)| (name.clone(), tensor)).collect(),
            Method::Lora => self.lora.iter().flat_map(LowRank::parameters).collect(),
            Method::Head => Vec::new(),
        };
        all.push(("head.weight".into(), &self.head.weight));
        all.extend(self.head.bias.as_ref().map(|bias| ("head.bias".into(), bias)));
        all
    }

    /// How many numbers are trained.
    pub fn trainable_values(&self) -> usize {
        self.trainable().iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// A copy of what is trained.
    pub(super) fn snapshot(&self) -> Result<Vec<Tensor>> {
        let _guard = tch::no_grad_guard();
        let copy = |(_, tensor): (String, &Tensor)| {
            let mut copy = tensor.f_detach()?.f_empty_like()?;
            copy.f_copy_(tensor)?;
            Ok(copy)
        };
        self.trainable().into_iter().map(copy).collect()
    }

    /// Puts a copy back.
    pub(super) fn restore(&self, snapshot: &[Tensor]) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for ((_, tensor), copy) in self.trainable().into_iter().zip(snapshot) {
            tensor.f_detach()?.f_copy_(copy)?;
        }
        Ok(())
    }

    /// The classes predicted for every target of every sentence, in the order given.
    ///
    /// # Errors
    /// [`Error::Data`] for token ids outside the vocabulary; [`Error::Torch`] if libtorch fails.
    pub fn predict(&self, examples: &[Example]) -> Result<Vec<Vec<usize>>> {
        let _guard = tch::no_grad_guard();
        let mut predicted = vec![Vec::new(); examples.len()];
        for packed in pack(examples, (0..examples.len()).collect(), self.settings.pass_tokens) {
            let (tokens, _) = packed.targets();
            if tokens.is_empty() {
                continue;
            }
            let batch = packed.batch()?;
            let pass = self.bloom.pass(&batch)?;
            let logits = self.logits(&pass, &self.hidden(&pass, self.update(None).as_ref())?, &tokens)?;
            let classes = Vec::<i64>::try_from(logits.f_argmax(-1, false)?.f_to(Device::Cpu)?)?;
            let mut classes = classes.into_iter().map(|class| class as usize);
            for (sentence, example) in packed.sentences.iter().zip(&packed.examples) {
                if let Some(slot) = predicted.get_mut(*sentence) {
                    *slot = classes.by_ref().take(example.targets.len()).collect();
                }
            }
        }
        Ok(predicted)
    }

    /// Adds to the gradients those of a pass's share of an update's loss, which it returns: the sum over its targets of `weight` (by
    /// sentence) times cross-entropy.
    pub(super) fn accumulate(
        &self,
        packed: &Packed<'_>,
        weight: &dyn Fn(usize) -> f64,
        noise: (u64, usize),
    ) -> Result<f64> {
        let (tokens, classes) = packed.targets();
        if tokens.is_empty() {
            return Ok(0.0);
        }
        let weights: Vec<f32> = packed
            .sentences
            .iter()
            .zip(&packed.examples)
            .flat_map(|(sentence, example)| std::iter::repeat_n(weight(*sentence) as f32, example.targets.len()))
            .collect();
        let device = self.bloom.device();
        let (classes, weights) =
            (Tensor::f_from_slice(&classes)?.f_to(device)?, Tensor::f_from_slice(&weights)?.f_to(device)?);
        let batch = packed.batch()?;
        let dropout = Dropout {
            rate: self.settings.dropout,
            seed: noise.0,
            epoch: noise.1,
            sentences: &packed.sentences,
            lengths: batch.lengths(),
        };
        let update = self.update(Some(dropout));
        let pass = self.bloom.pass(&batch)?;
        let loss = |hidden: &Tensor| -> Result<Tensor> {
            let logits = self.logits(&pass, hidden, &tokens)?;
            let each = logits.f_cross_entropy_loss(&classes, None::<&Tensor>, Reduction::None, -100, 0.0)?;
            Ok(each.f_dot(&weights)?)
        };
        if self.settings.method == Method::Head {
            let hidden = tch::no_grad(|| self.hidden(&pass, update.as_ref()))?;
            let loss = loss(&hidden)?;
            loss.f_backward()?;
            return Ok(loss.f_double_value(&[])?);
        }
        if !self.settings.checkpointing {
            let loss = loss(&self.hidden(&pass, update.as_ref())?)?;
            loss.f_backward()?;
            return Ok(loss.f_double_value(&[])?);
        }
        self.block_by_block(&pass, update.as_ref(), &loss)
    }

    /// The gradient with no more in memory than the blocks' inputs and one block's graph: each block is computed again, and
    /// the gradient of its output pulled through it, from the last to the first.
    fn block_by_block(
        &self,
        pass: &Pass<'_>,
        update: &dyn Update,
        loss: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<f64> {
        let mut inputs = Vec::with_capacity(self.bloom.blocks());
        let last = tch::no_grad(|| -> Result<Tensor> {
            let mut hidden = pass.embed()?;
            for i in 0..self.bloom.blocks() {
                let next = pass.block(i, &hidden, update)?;
                inputs.push(hidden);
                hidden = next;
            }
            Ok(hidden)
        })?;
        let leaf = |tensor: &Tensor| tensor.f_detach()?.f_set_requires_grad(true);
        let last = leaf(&last)?;
        let value = loss(&last)?;
        value.f_backward()?;
        let value = value.f_double_value(&[])?;
        let mut gradient = last.grad();
        drop(last);
        for i in (0..self.bloom.blocks()).rev() {
            let Some(input) = inputs.pop() else { continue };
            let input = leaf(&input)?;
            pull(&pass.block(i, &input, update)?, &gradient)?;
            gradient = input.grad();
        }
        if self.settings.method == Method::Full {
            pull(&pass.embed()?, &gradient)?;
        }
        Ok(value)
    }

    fn update<'a>(&'a self, dropout: Option<Dropout<'a>>) -> Box<dyn Update + 'a> {
        match &self.lora {
            Some(lora) => Box::new(Updates { lora, dropout }),
            None => Box::new(()),
        }
    }

    /// The last block's output, `[tokens, hidden]`.
    fn hidden(&self, pass: &Pass<'_>, update: &dyn Update) -> Result<Tensor> {
        let mut hidden = pass.embed()?;
        for i in 0..self.bloom.blocks() {
            hidden = pass.block(i, &hidden, update)?;
        }
        Ok(hidden)
    }

    /// Logits of these tokens, `[tokens, classes]`.
    fn logits(&self, pass: &Pass<'_>, hidden: &Tensor, tokens: &[i64]) -> Result<Tensor> {
        let tokens = Tensor::f_from_slice(tokens)?.f_to(hidden.device())?;
        // The LayerNorm is row by row, so the rows that have no target need none.
        self.head.logits(&pass.normalise(&hidden.f_index_select(0, &tokens)?)?)
    }
}

/// Backpropagates from `output`, whose gradient is `gradient`.
fn pull(output: &Tensor, gradient: &Tensor) -> Result<()> {
    // The gradient of this sum with respect to the output is `gradient` exactly, whatever the sum rounds to.
    Ok(output.f_mul(gradient)?.f_sum(output.kind())?.f_backward()?)
}
