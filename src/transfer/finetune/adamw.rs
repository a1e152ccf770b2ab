use crate::{Error, Result};
use tch::{Kind, Tensor};

/// AdamW (Loshchilov and Hutter 2019, "Decoupled weight decay regularization", arXiv 1711.05101) with the betas 0.9 and 0.999 and
/// epsilon 1e-8, as PyTorch computes it:
///
/// ```text
/// p <- p (1 - rate decay)
/// m <- 0.9 m + 0.1 g,  v <- 0.999 v + 0.001 g^2
/// p <- p - rate / (1 - 0.9^t) m / (sqrt(v) / sqrt(1 - 0.999^t) + 1e-8)
/// ```
///
/// Weights of two dimensions decay; biases and LayerNorms do not.
#[derive(Debug)]
pub(super) struct AdamW {
    slots: Vec<Slot>,
    decay: f64,
    steps: i32,
}

#[derive(Debug)]
struct Slot {
    parameter: Tensor,
    mean: Tensor,
    square: Tensor,
}

const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

impl AdamW {
    /// For these leaves, which stay shared with the caller.
    pub(super) fn new<'a>(parameters: impl IntoIterator<Item = &'a Tensor>, decay: f64) -> Result<Self> {
        let slot = |parameter: &Tensor| {
            let parameter = parameter.shallow_clone();
            Ok(Slot {
                mean: parameter.f_detach()?.f_zeros_like()?,
                square: parameter.f_detach()?.f_zeros_like()?,
                parameter,
            })
        };
        let slots: Result<Vec<Slot>> = parameters.into_iter().map(slot).collect();
        Ok(AdamW { slots: slots?, decay, steps: 0 })
    }

    /// Clips the gradients to a global norm of `clip`, steps at `rate`, and forgets the gradients. Returns the norm before clipping.
    pub(super) fn step(&mut self, rate: f64, clip: f64) -> Result<f64> {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        let gradients: Vec<Tensor> = self.slots.iter().map(|slot| slot.parameter.grad()).collect();
        let mut norms = Vec::with_capacity(gradients.len());
        for gradient in gradients.iter().filter(|gradient| gradient.defined()) {
            norms.push(gradient.f_norm()?.f_to_kind(Kind::Float)?);
        }
        if norms.is_empty() {
            return Err(Error::Data("no parameter has a gradient".into()));
        }
        let norm = Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        let factor = (clip / (norm + 1e-6)).min(1.0);
        let corrections = (1.0 - BETAS.0.powi(self.steps), 1.0 - BETAS.1.powi(self.steps));
        for (slot, mut gradient) in self.slots.iter_mut().zip(gradients) {
            if !gradient.defined() {
                continue;
            }
            if factor < 1.0 {
                let _ = gradient.f_mul_scalar_(factor)?;
            }
            let decays = slot.parameter.dim() > 1 && self.decay > 0.0;
            // The same storage, without the graph.
            let mut values = slot.parameter.f_detach()?;
            if decays {
                let _ = values.f_mul_scalar_(1.0 - rate * self.decay)?;
            }
            let _ = slot.mean.f_lerp_(&gradient, 1.0 - BETAS.0)?;
            let scaled = gradient.f_mul_scalar(1.0 - BETAS.1)?;
            let _ = slot.square.f_mul_scalar_(BETAS.1)?.f_addcmul_(&gradient, &scaled)?;
            let root = slot.square.f_sqrt()?.f_div_scalar_(corrections.1.sqrt())?.f_add_scalar_(EPSILON)?;
            let move_by = slot.mean.f_div(&root)?.f_mul_scalar_(-rate / corrections.0)?;
            let _ = values.f_add_(&move_by)?;
            let _ = gradient.f_zero_()?;
        }
        Ok(norm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // import torch
    // w = torch.nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 0.1]])); b = torch.nn.Parameter(torch.tensor([0.3, -0.7]))
    // o = torch.optim.AdamW([{"params": [w], "weight_decay": .1}, {"params": [b], "weight_decay": 0.}], lr=.01)
    // for i in range(5):
    //     o.zero_grad(); ((w * w * w).sum() + (w @ b).pow(2).sum()).backward()
    //     n = torch.nn.utils.clip_grad_norm_([w, b], 2.5)
    //     for g in o.param_groups: g["lr"] = .01 / (i + 1)
    //     o.step(); print(n.item())
    // print(w, b)
    #[test]
    fn five_steps_equal_pytorch() {
        let leaf = |values: &[f32], size: &[i64]| Tensor::from_slice(values).reshape(size).set_requires_grad(true);
        let (w, b) = (leaf(&[0.5, -1.0, 2.0, 0.1], &[2, 2]), leaf(&[0.3, -0.7], &[2]));
        let mut optimiser = AdamW::new([&w, &b], 0.1).unwrap();
        for (i, expected) in NORMS.iter().enumerate() {
            let loss = (&w * &w * &w).sum(Kind::Float) + w.matmul(&b).square().sum(Kind::Float);
            loss.backward();
            let norm = optimiser.step(0.01 / (i + 1) as f64, 2.5).unwrap();
            assert!((norm - expected).abs() < 1e-5, "{norm} {expected}");
        }
        let close = |tensor: &Tensor, expected: &[f32]| {
            let values = Vec::<f32>::try_from(tensor.detach().reshape([-1])).unwrap();
            assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?} {expected:?}");
        };
        close(&w, &W);
        close(&b, &B);
    }

    const NORMS: [f64; 5] = [12.979425, 12.784016, 12.688537, 12.625712, 12.579034];
    const W: [f32; 4] = [0.47606787, -1.0205668, 1.9726218, 0.12252454];
    const B: [f32; 2] = [0.27719906, -0.67716175];
}
