use super::lora::uniform;
use crate::bloom::Config;
use crate::seed;
use crate::Result;
use tch::{Device, Kind, Tensor};

/// A linear classifier on the model's final states, in float32.
#[derive(Debug)]
pub(super) struct Head {
    /// `[classes, hidden]`.
    pub(super) weight: Tensor,
    /// `[classes]`.
    pub(super) bias: Option<Tensor>,
}

impl Head {
    /// Fresh: uniform weights with the standard deviation `initializer_range`, and a bias of 0.
    pub(super) fn new(config: &Config, classes: usize, bias: bool, seed: u64, device: Device) -> Result<Self> {
        let mut stream = seed::stream(seed, &["finetune", "head"]);
        let bound = config.initializer_range * 3f64.sqrt();
        let weight = uniform(&mut stream, bound, [classes, config.hidden_size], device)?;
        let zeros = || Tensor::f_zeros([classes as i64], (Kind::Float, device))?.f_set_requires_grad(true);
        Ok(Head { weight, bias: bias.then(zeros).transpose()? })
    }

    /// Logits, `[rows, classes]`, of states `[rows, hidden]`.
    pub(super) fn logits(&self, states: &Tensor) -> Result<Tensor> {
        Ok(states.f_to_kind(Kind::Float)?.f_linear(&self.weight, self.bias.as_ref())?)
    }
}
