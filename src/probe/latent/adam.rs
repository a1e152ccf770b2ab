use super::masked::{Classifier, Gradient};
use crate::probe::lanes::{dispatch, Lanes, Tile};

/// What is fitted: the classifier, and the masks' log-odds in tiles.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) classifier: Classifier,
    pub(super) relevances: Vec<Tile>,
}

impl State {
    /// Moves by a share of the way towards another.
    pub(super) fn approach(&mut self, other: &State, share: f32) {
        self.classifier.approach(&other.classifier, share);
        for (own, other) in self.relevances.iter_mut().zip(&other.relevances) {
            own.0.iter_mut().zip(other.0).for_each(|(own, other)| *own += share * (other - *own));
        }
    }

    /// Takes another's values.
    pub(super) fn copy_from(&mut self, other: &State) {
        self.classifier.weights.copy_from_slice(&other.classifier.weights);
        self.classifier.bias.copy_from_slice(&other.classifier.bias);
        self.relevances.copy_from_slice(&other.relevances);
    }

    /// The log-odds of the first `n_neurons`, all but the padding.
    pub(super) fn log_odds(&self, n_neurons: usize) -> Vec<f64> {
        self.relevances.iter().flat_map(|tile| tile.0).take(n_neurons).map(f64::from).collect()
    }
}

/// Adam (Kingma and Ba 2015, arXiv 1412.6980), ascending.
pub(super) struct Adam {
    rate: f64,
    decays: [f64; 2],
    step: Step,
    /// Running means of the gradient and of its square.
    moments: [State; 2],
}

/// The step size of one update with the corrections for starting at zero.
#[derive(Clone, Copy, Default)]
struct Step {
    rate: f32,
    epsilon: f32,
}

/// Penalties on weights: their gradient is `l1 sign(x) + two_l2 x`, with sign(0) = 0.
#[derive(Clone, Copy, Default)]
pub(super) struct Penalty {
    pub(super) l1: f32,
    pub(super) two_l2: f32,
}

impl Adam {
    /// For a state like this one.
    pub(super) fn new(rate: f64, like: &State) -> Self {
        let mut zeros = like.clone();
        zeros.classifier.weights.fill(Tile::default());
        zeros.classifier.bias.fill(0.0);
        zeros.relevances.fill(Tile::default());
        Adam { rate, decays: [1.0; 2], step: Step::default(), moments: [zeros.clone(), zeros] }
    }

    /// Moves the classifier along `scale * gradient` less the penalty on its weights, and the log-odds along the score.
    pub(super) fn update(&mut self, state: &mut State, gradient: &Gradient, scale: f32, penalty: Penalty) {
        self.decays[0] *= 0.9;
        self.decays[1] *= 0.999;
        let root = (1.0 - self.decays[1]).sqrt();
        self.step = Step { rate: (self.rate * root / (1.0 - self.decays[0])) as f32, epsilon: (1e-8 * root) as f32 };
        let [means, squares] = &mut self.moments;
        update(
            self.step,
            &mut state.classifier.weights,
            &gradient.classifier.weights,
            scale,
            penalty,
            &mut means.classifier.weights,
            &mut squares.classifier.weights,
        );
        let none = Penalty::default();
        update(
            self.step,
            &mut state.relevances,
            &gradient.score,
            1.0,
            none,
            &mut means.relevances,
            &mut squares.relevances,
        );
        let biases = state.classifier.bias.iter_mut().zip(&gradient.classifier.bias);
        let moments = means.classifier.bias.iter_mut().zip(&mut squares.classifier.bias);
        for ((bias, gradient), (mean, square)) in biases.zip(moments) {
            self.step.take(bias, gradient * scale, mean, square);
        }
    }
}

impl Step {
    #[inline(always)]
    fn take(self, x: &mut f32, gradient: f32, mean: &mut f32, square: &mut f32) {
        *mean += 0.1 * (gradient - *mean);
        *square += 0.001 * (gradient * gradient - *square);
        *x += self.rate * *mean / (square.sqrt() + self.epsilon);
    }
}

dispatch! {
    fn update(step: Step, parameters: &mut [Tile], gradient: &[Tile], scale: f32, penalty: Penalty,
        means: &mut [Tile], squares: &mut [Tile]) = update_body
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn update_body<L: Lanes>(
    _lanes: L,
    step: Step,
    parameters: &mut [Tile],
    gradient: &[Tile],
    scale: f32,
    penalty: Penalty,
    means: &mut [Tile],
    squares: &mut [Tile],
) {
    let moments = means.iter_mut().zip(squares);
    for ((parameters, gradient), (means, squares)) in parameters.iter_mut().zip(gradient).zip(moments) {
        let lanes = parameters.0.iter_mut().zip(&gradient.0).zip(means.0.iter_mut().zip(&mut squares.0));
        for ((x, gradient), (mean, square)) in lanes {
            let sign = if *x == 0.0 { 0.0 } else { 1f32.copysign(*x) };
            step.take(x, gradient * scale - (penalty.two_l2 * *x + penalty.l1 * sign), mean, square);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    // x = torch.tensor([0.5, -0.25], dtype=torch.float64, requires_grad=True)
    // b = torch.tensor([0.1], dtype=torch.float64, requires_grad=True); opt = torch.optim.Adam([x, b], lr=0.01)
    // for t in range(3):
    //     opt.zero_grad(); g = torch.tensor([[3., -1.], [2., -4.], [1., 5.]])[t].double() * .5
    //     loss = -(g @ x - .02 * x.abs().sum() - .05 * (x**2).sum() + b[0] * .5 * [.8, -.3, 1.1][t])
    //     loss.backward(); opt.step()
    #[test]
    fn three_updates_with_penalties_agree_with_pytorch() {
        let tile = |a: f32, b: f32| {
            Tile(std::array::from_fn(|i| {
                if i == 0 {
                    a
                } else if i == 1 {
                    b
                } else {
                    0.0
                }
            }))
        };
        let mut state = State {
            classifier: Classifier { weights: vec![tile(0.5, -0.25)], bias: vec![0.1] },
            // Log-odds have no penalty; the score comes scaled.
            relevances: vec![tile(0.1, 0.0)],
        };
        let mut adam = Adam::new(0.01, &state);
        let penalty = Penalty { l1: 0.02, two_l2: 0.1 };
        for (weights, bias) in [([3.0, -1.0], 0.8), ([2.0, -4.0], -0.3), ([1.0, 5.0], 1.1)] {
            let gradient = Gradient {
                classifier: Classifier { weights: vec![tile(weights[0], weights[1])], bias: vec![bias] },
                score: vec![tile(0.5 * bias, 0.0)],
            };
            adam.update(&mut state, &gradient, 0.5, penalty);
        }
        let weights = state.classifier.weights[0].0;
        assert_relative_eq!(weights[0], 0.528_482_2, max_relative = 1e-6);
        assert_relative_eq!(weights[1], -0.267_939_4, max_relative = 1e-6);
        assert_eq!(weights[2], 0.0);
        assert_relative_eq!(state.classifier.bias[0], 0.120_440_7, max_relative = 1e-6);
        assert_relative_eq!(state.relevances[0].0[0], 0.120_440_7, max_relative = 1e-6);
    }
}
