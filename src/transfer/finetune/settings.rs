use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A linear layer of a block, by its name in BLOOM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `query_key_value`: `[3 hidden, hidden]`.
    QueryKeyValue,
    /// `dense`: the output of attention, `[hidden, hidden]`.
    Dense,
    /// `dense_h_to_4h`: into the MLP, `[4 hidden, hidden]`.
    #[serde(rename = "dense_h_to_4h")]
    DenseHTo4h,
    /// `dense_4h_to_h`: out of the MLP, `[hidden, 4 hidden]`.
    #[serde(rename = "dense_4h_to_h")]
    Dense4hToH,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 4] = [Target::QueryKeyValue, Target::Dense, Target::DenseHTo4h, Target::Dense4hToH];

    /// The layer's name in block `block`, as [`Update`](crate::bloom::Update) gets it.
    pub fn layer(self, block: usize) -> String {
        let module = match self {
            Target::QueryKeyValue | Target::Dense => "self_attention",
            Target::DenseHTo4h | Target::Dense4hToH => "mlp",
        };
        format!("h.{block}.{module}.{self}")
    }

    /// Width of the input and of the output, in multiples of the hidden size.
    pub(super) fn widths(self) -> (usize, usize) {
        match self {
            Target::QueryKeyValue => (1, 3),
            Target::Dense => (1, 1),
            Target::DenseHTo4h => (1, 4),
            Target::Dense4hToH => (4, 1),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Target::QueryKeyValue => "query_key_value",
            Target::Dense => "dense",
            Target::DenseHTo4h => "dense_h_to_4h",
            Target::Dense4hToH => "dense_4h_to_h",
        })
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Target::ALL.into_iter().find(|target| target.to_string() == text).ok_or_else(|| {
            Error::unknown("linear layer", text, "query_key_value, dense, dense_h_to_4h or dense_4h_to_h")
        })
    }
}

/// What is trained besides the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Low-rank updates beside frozen weights (Hu et al. 2022, "LoRA", arXiv 2106.09685).
    #[default]
    Lora,
    /// Every weight.
    Full,
    /// Nothing: the head alone, on the frozen model's states.
    Head,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Lora => "lora",
            Method::Full => "full",
            Method::Head => "head",
        })
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "lora" => Ok(Method::Lora),
            "full" => Ok(Method::Full),
            "head" => Ok(Method::Head),
            _ => Err(Error::unknown("way of fine-tuning", text, "lora, full or head")),
        }
    }
}

/// How to fine-tune. The defaults are those of Wang, Minervini and Ponti 2024 where they give them.
///
/// An update is of `batch * accumulation` sentences: its loss is the mean over micro-batches of `batch` sentences of each one's mean
/// cross-entropy over its targets. Which of them share a forward pass is `pass_tokens`' matter alone.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | `method` | LoRA | what is trained besides the head | |
/// | `targets` | `query_key_value` | the linear layers that get an update | at least one |
/// | `rank` | 8 | rank of an update | above 0 |
/// | `alpha` | 32 | an update is scaled by `alpha / rank` | above 0 |
/// | `dropout` | 0.05 | share of an update's inputs that are set to 0 in training | 0 to below 1 |
/// | `learning_rate` | 2e-5 | at its highest | above 0 |
/// | `warm_up` | 0 | share of the updates in which the rate rises from 0; then it falls to 0, linearly | 0 to below 1 |
/// | `weight_decay` | 0.01 | AdamW's, of matrices alone | 0 or more |
/// | `clip` | 1 | the gradient's norm at most | above 0 |
/// | `batch` | 8 | sentences of a micro-batch | above 0 |
/// | `accumulation` | 4 | micro-batches of an update | above 0 |
/// | `epochs` | 10 | times through the training sentences | above 0 |
/// | `shuffle` | yes | a new order every epoch, from the seed; without, as given | |
/// | `patience` | none | stop after so many epochs without a better dev score | above 0 |
/// | `checkpointing` | no | keep the blocks' inputs alone and compute each block again for its gradient | |
/// | `pass_tokens` | 512 | subwords in a pass, at most (but at least a sentence); what a processor's cache holds, while a GPU wants thousands | above 0 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneSettings {
    /// What is trained besides the head.
    pub method: Method,
    /// The linear layers with an update.
    pub targets: BTreeSet<Target>,
    /// Rank of an update.
    pub rank: usize,
    /// Scale of an update, times the rank.
    pub alpha: f64,
    /// Share of an update's inputs left out.
    pub dropout: f64,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Share of the updates that warm up.
    pub warm_up: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Highest norm of a gradient.
    pub clip: f64,
    /// Sentences of a micro-batch.
    pub batch: usize,
    /// Micro-batches of an update.
    pub accumulation: usize,
    /// Times through the training sentences.
    pub epochs: usize,
    /// Whether every epoch has an order of its own.
    pub shuffle: bool,
    /// Epochs without a better dev score before training stops.
    pub patience: Option<usize>,
    /// Whether blocks are computed again for their gradients.
    pub checkpointing: bool,
    /// Subwords in a pass.
    pub pass_tokens: usize,
}

impl Default for FinetuneSettings {
    fn default() -> Self {
        FinetuneSettings {
            method: Method::Lora,
            targets: [Target::QueryKeyValue].into(),
            rank: 8,
            alpha: 32.0,
            dropout: 0.05,
            learning_rate: 2e-5,
            warm_up: 0.0,
            weight_decay: 0.01,
            clip: 1.0,
            batch: 8,
            accumulation: 4,
            epochs: 10,
            shuffle: true,
            patience: None,
            checkpointing: false,
            pass_tokens: 512,
        }
    }
}

impl FinetuneSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first setting out of its range.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [
            ("rank", self.rank),
            ("batch", self.batch),
            ("accumulation", self.accumulation),
            ("epochs", self.epochs),
            ("patience", self.patience.unwrap_or(1)),
            ("pass_tokens", self.pass_tokens),
        ] {
            if value == 0 {
                return Err(Error::parameter(name, "above 0", value));
            }
        }
        for (name, value) in [("alpha", self.alpha), ("learning_rate", self.learning_rate), ("clip", self.clip)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, "above 0", value));
            }
        }
        for (name, value) in [("dropout", self.dropout), ("warm_up", self.warm_up)] {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::parameter(name, "from 0 to below 1", value));
            }
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(Error::parameter("weight_decay", "0 or more", self.weight_decay));
        }
        if self.method == Method::Lora && self.targets.is_empty() {
            return Err(Error::parameter("targets", "one linear layer or more", "none"));
        }
        Ok(())
    }

    /// The scale of an update.
    pub(super) fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// Sentences of an update.
    pub(super) fn update_sentences(&self) -> usize {
        self.batch.saturating_mul(self.accumulation)
    }

    /// The learning rate of update `update` (counted from 0) of `updates`: linearly up from 0 in the warm-up, then linearly down to 0
    /// at `updates`.
    pub fn rate(&self, update: usize, updates: usize) -> f64 {
        let warm = (self.warm_up * updates as f64).ceil();
        let (update, updates) = (update as f64, updates as f64);
        let share = if update < warm { update / warm.max(1.0) } else { (updates - update) / (updates - warm).max(1.0) };
        self.learning_rate * share.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // from transformers import get_linear_schedule_with_warmup
    // o = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2e-5)
    // s = get_linear_schedule_with_warmup(o, 3, 10)
    // for _ in range(10): print(s.get_last_lr()[0] / 2e-5); o.step(); s.step()
    #[test]
    fn rates_rise_and_fall_as_in_transformers() {
        let rates = |warm_up: f64| -> Vec<f64> {
            let settings = FinetuneSettings { warm_up, ..FinetuneSettings::default() };
            (0..10).map(|update| settings.rate(update, 10) / 2e-5).collect()
        };
        let sevenths = [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0].map(|x| x / 7.0);
        let expected: Vec<f64> = [0.0, 1.0 / 3.0, 2.0 / 3.0].into_iter().chain(sevenths).collect();
        for (a, b) in rates(0.3).iter().zip(&expected) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        assert!((rates(0.0)[0] - 1.0).abs() < 1e-12 && (rates(0.0)[9] - 0.1).abs() < 1e-12);
    }

    #[test]
    fn names_go_there_and_back_and_ranges_are_checked() {
        for target in Target::ALL {
            assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
            assert_eq!(serde_json::to_value(target).unwrap(), target.to_string());
        }
        assert!("key".parse::<Target>().is_err() && "adapter".parse::<Method>().is_err());
        let good = FinetuneSettings::default();
        good.check().unwrap();
        for bad in [
            FinetuneSettings { rank: 0, ..good.clone() },
            FinetuneSettings { dropout: 1.0, ..good.clone() },
            FinetuneSettings { learning_rate: f64::NAN, ..good.clone() },
            FinetuneSettings { clip: 0.0, ..good.clone() },
            FinetuneSettings { weight_decay: -0.1, ..good.clone() },
            FinetuneSettings { targets: BTreeSet::new(), ..good.clone() },
            FinetuneSettings { patience: Some(0), ..good.clone() },
        ] {
            assert!(matches!(bad.check(), Err(Error::Parameter { .. })));
        }
    }
}
