use super::{alibi_slopes, parameters, Batch, Config, Update};
use crate::bloom::parameters::Parameters;
use crate::checkpoint::Checkpoint;
use crate::{Error, Result, Site};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// How much of a model to load.
#[derive(Clone, Copy, Debug)]
pub enum Extent<'a> {
    /// What these sites need: no block after the last one, no head.
    Sites(&'a [Site]),
    /// All blocks and the head.
    Full,
}

impl Extent<'_> {
    /// Blocks, whether the final LayerNorm is needed, whether the head is.
    fn parts(self, config: &Config) -> Result<(usize, bool, bool)> {
        match self {
            Extent::Full => Ok((config.n_layer, true, true)),
            Extent::Sites(sites) => {
                let needed: Result<Vec<usize>> = sites.iter().map(|site| site.blocks_needed(config.n_layer)).collect();
                let last = sites.contains(&Site::Residual(config.n_layer));
                Ok((needed?.into_iter().max().unwrap_or(0), last, false))
            }
        }
    }
}

/// A BLOOM model, or its first blocks.
#[derive(Debug)]
pub struct Bloom {
    config: Config,
    blocks: usize,
    parameters: Parameters,
    slopes: Tensor,
}

impl Bloom {
    /// Loads a checkpoint onto `device`, to compute in `kind` (float32 unless there is a reason).
    ///
    /// Weights go from the mapped files straight to their tensors, one after another: at the peak, private memory holds them once,
    /// in `kind`. Where the head should be the embedding and the checkpoint has both, they are one if they are equal; else
    /// the head is used as it is and `tie_word_embeddings` of [`Bloom::config`] is false, as in transformers.
    ///
    /// # Errors
    /// [`Error::File`] for malformed configuration or weights, [`Error::Unknown`] for sites beyond the model,
    /// [`Error::Torch`] if libtorch fails (for instance out of memory).
    pub fn load(checkpoint: &Checkpoint, extent: Extent<'_>, kind: Kind, device: Device) -> Result<Self> {
        let mut config = Config::read(checkpoint.config())?;
        let (blocks, last, head) = extent.parts(&config)?;
        let mut weights = checkpoint.weights()?;
        parameters::tie(&mut weights, &mut config, head);
        let shapes = parameters::shapes(&config, blocks, last, head);
        // Also for the processor: whoever asks libtorch for its devices later finds them all.
        super::device::load_cuda();
        Self::new(config, blocks, parameters::load(&weights, &shapes, kind, device)?)
    }

    /// Checks that a checkpoint's configuration and weights hold what loading it would need, without reading the values.
    ///
    /// # Errors
    /// As [`Bloom::load`].
    pub fn check(checkpoint: &Checkpoint, extent: Extent<'_>) -> Result<()> {
        let mut config = Config::read(checkpoint.config())?;
        let (blocks, last, head) = extent.parts(&config)?;
        let mut weights = checkpoint.weights()?;
        parameters::tie(&mut weights, &mut config, false);
        parameters::check(&weights, &parameters::shapes(&config, blocks, last, head))
    }

    /// A whole model from its parameters (named as [`parameters::shapes`] names them), which stay shared with the caller:
    /// an optimiser that steps them steps the model.
    ///
    /// # Errors
    /// [`Error::Data`] if one is absent or of another shape.
    pub fn from_parameters(config: Config, parameters: Parameters) -> Result<Self> {
        for (name, shape) in parameters::shapes(&config, config.n_layer, true, true) {
            let found = parameters.get(&name).map(|t| t.size().iter().map(|d| *d as usize).collect::<Vec<_>>());
            if found.as_ref() != Some(&shape) {
                return Err(Error::Data(format!("the parameter `{name}` should be {shape:?}, but is {found:?}")));
            }
        }
        Self::new(config.clone(), config.n_layer, parameters)
    }

    fn new(config: Config, blocks: usize, parameters: Parameters) -> Result<Self> {
        let device = parameters.get("word_embeddings.weight").map_or(Device::Cpu, Tensor::device);
        let slopes = Tensor::f_from_slice(&alibi_slopes(config.n_head))?.f_view([-1, 1, 1])?.f_to(device)?;
        Ok(Bloom { config, blocks, parameters, slopes })
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many blocks are loaded.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// The parameters by name.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Where the model computes.
    pub fn device(&self) -> Device {
        self.slopes.device()
    }

    /// The type that the model computes in.
    pub fn kind(&self) -> Kind {
        self.parameters.get("word_embeddings.weight").map_or(Kind::Float, Tensor::kind)
    }

    /// Waits until the device has done what it was given.
    ///
    /// # Errors
    /// [`Error::Torch`] if something of that failed.
    pub fn wait(&self) -> Result<()> {
        if self.device() != Device::Cpu {
            // Reading a value waits for all that was queued before; unlike libtorch's own synchronisation it can fail.
            self.slopes.f_double_value(&[0, 0, 0])?;
        }
        Ok(())
    }

    /// One forward pass over the batch, as far as the last of `sites` needs: each site's activations,
    /// `[tokens, site width]`, in the model's type and on its device.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a site beyond the model, [`Error::Data`] for one beyond the blocks that were loaded or for
    /// token ids outside the vocabulary, [`Error::Torch`] if libtorch fails.
    pub fn forward(&self, batch: &Batch, sites: &[Site]) -> Result<BTreeMap<Site, Tensor>> {
        let mut found = BTreeMap::new();
        self.visit(batch, sites, &mut |site, states| {
            found.insert(site, states.shallow_clone());
            Ok(())
        })?;
        Ok(found)
    }

    /// As [`Bloom::forward`], but each site's activations go to `visit` as soon as they are computed, and stay in memory no
    /// longer than it keeps them.
    ///
    /// # Errors
    /// As [`Bloom::forward`]; what `visit` returns.
    pub fn visit(
        &self,
        batch: &Batch,
        sites: &[Site],
        visit: &mut dyn FnMut(Site, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let mut blocks = 0;
        for site in sites {
            blocks = blocks.max(site.blocks_needed(self.config.n_layer)?);
        }
        if blocks > self.blocks {
            return Err(Error::Data(format!("{blocks} blocks are needed, but only {} were loaded", self.blocks)));
        }
        let mut keep = Keep { sites, visit };
        let pass = self.pass(batch)?;
        let mut hidden = pass.embed()?;
        keep.offer(Site::Residual(0), &hidden)?;
        for i in 0..blocks {
            hidden = self.block(i, &hidden, &pass.masks, &(), &mut keep)?;
            if i + 1 < self.config.n_layer {
                keep.offer(Site::Residual(i + 1), &hidden)?;
            } else if sites.contains(&Site::Residual(i + 1)) {
                keep.offer(Site::Residual(i + 1), &self.layer_norm(&hidden, "ln_f")?)?;
            }
        }
        Ok(())
    }

    /// One block, residuals in and out, `[tokens, hidden]`.
    pub(super) fn block(
        &self,
        i: usize,
        hidden: &Tensor,
        masks: &[Mask],
        update: &dyn Update,
        keep: &mut Keep<'_, '_>,
    ) -> Result<Tensor> {
        let name = |part: &str| format!("h.{i}.{part}");
        let normed = self.layer_norm(hidden, &name("input_layernorm"))?;
        let attention = self.attention(&normed, i, masks, update)?;
        keep.offer(Site::AttentionOutput(i), &attention)?;
        let post = self.config.apply_residual_connection_post_layernorm;
        let after = add(attention, if post { &normed } else { hidden }, keep.wants(Site::AttentionOutput(i)))?;
        let normed = self.layer_norm(&after, &name("post_attention_layernorm"))?;
        let activation = gelu(self.linear(&normed, &name("mlp.dense_h_to_4h"), update)?)?;
        keep.offer(Site::MlpActivation(i), &activation)?;
        let output = self.linear(&activation, &name("mlp.dense_4h_to_h"), update)?;
        keep.offer(Site::MlpOutput(i), &output)?;
        drop(activation);
        add(output, if post { &normed } else { &after }, keep.wants(Site::MlpOutput(i)))
    }

    /// Next-token logits, `[tokens, vocabulary]`.
    ///
    /// # Errors
    /// As [`Bloom::forward`]; the model must be loaded in full.
    pub fn logits(&self, batch: &Batch) -> Result<Tensor> {
        let last = Site::Residual(self.config.n_layer);
        let hidden = self.forward(batch, &[last])?;
        let hidden = hidden.get(&last).ok_or_else(|| Error::Data(format!("{last} was not computed")))?;
        self.head(hidden)
    }

    /// States after the final LayerNorm, `[tokens, hidden]`, to logits, `[tokens, vocabulary]`.
    pub(super) fn head(&self, hidden: &Tensor) -> Result<Tensor> {
        let head = if self.config.tie_word_embeddings { "word_embeddings.weight" } else { "lm_head.weight" };
        Ok(hidden.f_linear(self.parameter(head)?, None::<&Tensor>)?)
    }

    /// Causal attention with ALiBi, each sentence by itself, `[tokens, hidden]` to `[tokens, hidden]`.
    fn attention(&self, input: &Tensor, block: usize, masks: &[Mask], update: &dyn Update) -> Result<Tensor> {
        let (heads, size) = (self.config.n_head as i64, self.config.head_size() as i64);
        let fused = self.linear(input, &format!("h.{block}.self_attention.query_key_value"), update)?;
        let mut contexts = Vec::with_capacity(masks.len());
        for Mask { start, sentences, length, bias, padding } in masks {
            let rows = match padding {
                None => fused.f_narrow(0, *start, sentences * length)?,
                Some((_, places)) => fused.f_index_select(0, places)?,
            };
            // The fused projection is interleaved per head: (heads, 3, head size).
            let rows =
                rows.f_view([*sentences, *length, heads, 3, size])?.f_permute([3, 0, 2, 1, 4])?.f_contiguous()?;
            let (query, key, value) = (rows.f_get(0)?, rows.f_get(1)?, rows.f_get(2)?);
            let scaled = query.f_mul_scalar(1.0 / (size as f64).sqrt())?;
            let scores = scaled.f_matmul(&key.f_transpose(-1, -2)?)?.f_to_kind(Kind::Float)?;
            let weights = add(scores, bias, false)?.f_softmax(-1, Kind::Float)?.f_to_kind(value.kind())?;
            let context = weights.f_matmul(&value)?.f_transpose(1, 2)?.f_reshape([sentences * length, heads * size])?;
            contexts.push(match padding {
                None => context,
                Some((tokens, _)) => context.f_index_select(0, tokens)?,
            });
        }
        let context = match contexts.as_slice() {
            [one] => one.shallow_clone(),
            several => Tensor::f_cat(several, 0)?,
        };
        self.linear(&context, &format!("h.{block}.self_attention.dense"), update)
    }

    pub(super) fn masks(&self, batch: &Batch) -> Result<Vec<Mask>> {
        let device = self.device();
        // What a group saves must be worth what padding wastes: on a GPU launching a kernel costs more than most attention.
        let waste = |pairs: usize| if device.is_cuda() { (1 << 16) + pairs / 2 } else { 512 };
        batch
            .groups(waste)
            .into_iter()
            .map(|group| {
                let length = group.longest as i64;
                let positions = Tensor::f_arange(length, (Kind::Float, device))?;
                let alibi = positions.f_view([1, 1, length])?.f_mul(&self.slopes)?;
                let future = Tensor::f_ones([length, length], (Kind::Bool, device))?.f_triu(1)?;
                let bias = alibi.f_expand([-1, length, -1], false)?.f_masked_fill(&future, f64::NEG_INFINITY)?;
                let tensor = |indices: Vec<i64>| Tensor::f_from_slice(&indices)?.f_to(device);
                let padding =
                    group.padding().map(|(tokens, places)| Ok::<_, Error>((tensor(tokens)?, tensor(places)?)));
                let (start, sentences) = (group.start as i64, group.lengths.len() as i64);
                Ok(Mask { start, sentences, length, bias, padding: padding.transpose()? })
            })
            .collect()
    }

    pub(super) fn checked_ids(&self, batch: &Batch) -> Result<Tensor> {
        let vocabulary = self.config.vocab_size;
        if let Some(id) = batch.input_ids().iter().find(|id| **id < 0 || **id as usize >= vocabulary) {
            let message = format!(
                "token id {id} is outside the model's vocabulary of {vocabulary}: is the tokenizer the model's own?"
            );
            return Err(Error::Data(message));
        }
        batch.tensor(self.device())
    }

    pub(super) fn layer_norm(&self, input: &Tensor, name: &str) -> Result<Tensor> {
        let weight = Some(self.parameter(&format!("{name}.weight"))?);
        let bias = Some(self.parameter(&format!("{name}.bias"))?);
        let width = [self.config.hidden_size as i64];
        Ok(input.f_layer_norm(width, weight, bias, self.config.layer_norm_epsilon, false)?)
    }

    fn linear(&self, input: &Tensor, name: &str, update: &dyn Update) -> Result<Tensor> {
        let bias = Some(self.parameter(&format!("{name}.bias"))?);
        let output = input.f_linear(self.parameter(&format!("{name}.weight"))?, bias)?;
        update.add(name, input, output)
    }

    pub(super) fn parameter(&self, name: &str) -> Result<&Tensor> {
        self.parameters.get(name).ok_or_else(|| Error::Data(format!("the parameter `{name}` was not loaded")))
    }
}

/// The activations that a caller wants, and where they go.
pub(super) struct Keep<'s, 'v> {
    pub(super) sites: &'s [Site],
    pub(super) visit: &'v mut dyn FnMut(Site, &Tensor) -> Result<()>,
}

impl Keep<'_, '_> {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains(&site)
    }

    fn offer(&mut self, site: Site, tensor: &Tensor) -> Result<()> {
        match self.wants(site) {
            true => (self.visit)(site, tensor),
            false => Ok(()),
        }
    }
}

/// A group of sentences and its biases: ALiBi, and minus infinity for the future, `[heads, length, length]`. What stands after
/// the end of a shorter sentence is in its future, so it needs no mask of its own.
pub(super) struct Mask {
    start: i64,
    sentences: i64,
    length: i64,
    bias: Tensor,
    /// Where the tokens lie among padded sentences, and which token stands at each place there.
    padding: Option<(Tensor, Tensor)>,
}

/// `sum + other`, in place unless `sum` is kept elsewhere or gradients go through it: that saves a large tensor's memory.
fn add(mut sum: Tensor, other: &Tensor, kept: bool) -> Result<Tensor> {
    if kept || sum.requires_grad() || other.requires_grad() {
        return Ok(sum.f_add(other)?);
    }
    Ok(sum.f_add_(other)?)
}

/// GELU in its tanh form, in place where that is possible.
fn gelu(mut input: Tensor) -> Result<Tensor> {
    if input.requires_grad() {
        return Ok(input.f_gelu("tanh")?);
    }
    Ok(input.f_gelu_("tanh")?)
}
