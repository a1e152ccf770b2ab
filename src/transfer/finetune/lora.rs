use super::{FinetuneSettings, Target};
use crate::bloom::{Config, Update};
use crate::seed;
use crate::{Error, Result};
use rand::{Rng, RngCore};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// Low-rank updates of linear layers (Hu et al. 2022, arXiv 2106.09685), in float32 whatever the base is in: a layer's output gets
/// `alpha / rank (x A^T) B^T`, with A `[rank, in]` and B `[out, rank]`.
#[derive(Debug)]
pub(super) struct LowRank {
    /// A and B by layer, named as in [`Update`].
    pub(super) layers: BTreeMap<String, (Tensor, Tensor)>,
    scale: f64,
}

impl LowRank {
    /// Fresh updates, which change nothing: A uniform within `1 / sqrt(in)`, as PyTorch initialises linear layers, and B 0.
    pub(super) fn new(config: &Config, settings: &FinetuneSettings, seed: u64, device: Device) -> Result<Self> {
        let mut layers = BTreeMap::new();
        for block in 0..config.n_layer {
            for target in &settings.targets {
                let name = target.layer(block);
                let [inputs, outputs] = widths(config, *target);
                let mut stream = seed::stream(seed, &["finetune", "lora", &name]);
                let bound = 1.0 / (inputs as f64).sqrt();
                let a = uniform(&mut stream, bound, [settings.rank, inputs], device)?;
                let b = Tensor::f_zeros([outputs as i64, settings.rank as i64], (Kind::Float, device))?;
                layers.insert(name, (a, b.f_set_requires_grad(true)?));
            }
        }
        Ok(LowRank { layers, scale: settings.scale() })
    }

    /// The parameters by name, in order.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.layers.iter().flat_map(|(layer, (a, b))| [(format!("{layer}.lora_A"), a), (format!("{layer}.lora_B"), b)])
    }
}

/// Input and output width of a layer.
pub(super) fn widths(config: &Config, target: Target) -> [usize; 2] {
    let (inputs, outputs) = target.widths();
    [inputs * config.hidden_size, outputs * config.hidden_size]
}

/// A trainable tensor of uniform values in (-bound, bound).
pub(super) fn uniform(stream: &mut impl Rng, bound: f64, size: [usize; 2], device: Device) -> Result<Tensor> {
    let count = size.iter().product();
    let values: Vec<f32> = (0..count).map(|_| (bound * (2.0 * stream.gen::<f64>() - 1.0)) as f32).collect();
    let tensor = Tensor::f_from_slice(&values)?.f_reshape(size.map(|n| n as i64))?.f_to(device)?;
    Ok(tensor.f_set_requires_grad(true)?)
}

/// Which inputs of an update are left out in a training pass. Each sentence's mask is drawn from a stream of its own, named by the
/// epoch, the sentence and the layer, so that neither packing nor a second pass over a block changes it.
pub(super) struct Dropout<'a> {
    pub(super) rate: f64,
    pub(super) seed: u64,
    pub(super) epoch: usize,
    /// The batch's sentences among all training sentences.
    pub(super) sentences: &'a [usize],
    /// Their lengths in tokens.
    pub(super) lengths: &'a [usize],
}

impl Dropout<'_> {
    /// `[tokens, width]`: 0 with a probability of `rate` (rounded to 1 / 65536), else `1 / (1 - rate)`.
    fn mask(&self, layer: &str, width: usize, device: Device) -> Result<Tensor> {
        let tokens: usize = self.lengths.iter().sum();
        let mut values = Vec::with_capacity(tokens * width);
        let least = (self.rate * 65536.0).round() as u32;
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let mut bytes = Vec::new();
        for (sentence, length) in self.sentences.iter().zip(self.lengths) {
            let names = ["finetune", "dropout", &self.epoch.to_string(), &sentence.to_string(), layer];
            bytes.resize(2 * length * width, 0);
            seed::stream(self.seed, &names).fill_bytes(&mut bytes);
            let draws = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])));
            values.extend(draws.map(|draw| if draw < least { 0.0 } else { kept }));
        }
        Ok(Tensor::f_from_slice(&values)?.f_view([tokens as i64, width as i64])?.f_to(device)?)
    }
}

/// The updates in one pass.
pub(super) struct Updates<'a> {
    pub(super) lora: &'a LowRank,
    /// In training only.
    pub(super) dropout: Option<Dropout<'a>>,
}

impl Update for Updates<'_> {
    fn add(&self, layer: &str, input: &Tensor, mut output: Tensor) -> Result<Tensor> {
        let Some((a, b)) = self.lora.layers.get(layer) else {
            return Ok(output);
        };
        let input = input.f_to_kind(Kind::Float)?;
        let input = match self.dropout.as_ref().filter(|dropout| dropout.rate > 0.0) {
            Some(dropout) => {
                let width = input.size().last().and_then(|n| usize::try_from(*n).ok());
                let width = width.ok_or_else(|| Error::Data(format!("the input of `{layer}` has no width")))?;
                input.f_mul(&dropout.mask(layer, width, input.device())?)?
            }
            None => input,
        };
        let low = input.f_linear(a, None::<&Tensor>)?.f_mul_scalar(self.lora.scale)?;
        // In place is sound: nothing keeps the output of a linear layer for its gradient.
        if output.kind() == Kind::Float {
            return Ok(output.f_addmm_(&low, &b.f_tr()?)?);
        }
        Ok(output.f_add_(&low.f_linear(b, None::<&Tensor>)?.f_to_kind(output.kind())?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_is_a_matter_of_sentence_and_layer_alone() {
        let mask = |sentences: &[usize], lengths: &[usize], layer: &str| {
            let dropout = Dropout { rate: 0.05, seed: 3, epoch: 1, sentences, lengths };
            dropout.mask(layer, 64, Device::Cpu).unwrap()
        };
        let (both, other) = (mask(&[7, 2], &[30, 20], "a"), mask(&[2], &[20], "a"));
        assert!(both.narrow(0, 30, 20).equal(&other));
        assert!(!other.equal(&mask(&[2], &[20], "b")));
        // The mean stays 1, and a twentieth is left out.
        let many = mask(&[0], &[2000], "a");
        assert!((many.mean(Kind::Double).double_value(&[]) - 1.0).abs() < 3e-3);
        let left_out = many.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((left_out - 0.05).abs() < 3e-3, "{left_out}");
    }
}
