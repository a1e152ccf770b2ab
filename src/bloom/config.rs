use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The shape of a BLOOM model, from `config.json`.
///
/// Keys come under either name that published configurations use (`n_embed` or `hidden_size`, `num_attention_heads` or
/// `n_head`, `num_hidden_layers` or `n_layer`); absent keys take transformers' defaults.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    model_type: &'static str,
    architectures: [&'static str; 1],
    /// Number of rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub n_head: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_epsilon: f64,
    /// Standard deviation of fresh weights.
    pub initializer_range: f64,
    /// Whether blocks add to the LayerNorm's output in place of its input.
    pub apply_residual_connection_post_layernorm: bool,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
}

#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    n_embed: Option<usize>,
    hidden_size: Option<usize>,
    n_layer: Option<usize>,
    num_hidden_layers: Option<usize>,
    n_head: Option<usize>,
    num_attention_heads: Option<usize>,
    layer_norm_epsilon: Option<f64>,
    initializer_range: Option<f64>,
    apply_residual_connection_post_layernorm: Option<bool>,
    tie_word_embeddings: Option<bool>,
}

impl Config {
    /// A configuration of the given shape, everything else as transformers has it.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a size is 0 or the heads do not divide the width.
    pub fn new(vocab_size: usize, hidden_size: usize, n_layer: usize, n_head: usize) -> Result<Self> {
        let config = Config {
            model_type: "bloom",
            architectures: ["BloomForCausalLM"],
            vocab_size,
            hidden_size,
            n_layer,
            n_head,
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            apply_residual_connection_post_layernorm: false,
            tie_word_embeddings: true,
        };
        config.check()?;
        Ok(config)
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::File`] if it is not JSON, is of another architecture, gives one size two
    /// values, or its sizes are impossible.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        Self::parse(&text).map_err(|message| Error::file(path, message))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let raw: Raw = serde_json::from_str(text).map_err(|e| format!("is not a model's configuration: {e}"))?;
        let model_type = raw.model_type.as_deref().unwrap_or("absent");
        if model_type != "bloom" {
            return Err(format!("has `model_type` {model_type}, but only `bloom` is supported"));
        }
        let one = |names: [&str; 2], values: [Option<usize>; 2], default: usize| match values {
            [Some(a), Some(b)] if a != b => {
                Err(format!("gives `{}` = {a} and `{}` = {b}, which mean the same", names[0], names[1]))
            }
            [a, b] => Ok(a.or(b).unwrap_or(default)),
        };
        let mut config = Config::new(
            raw.vocab_size.unwrap_or(250_880),
            one(["n_embed", "hidden_size"], [raw.n_embed, raw.hidden_size], 64)?,
            one(["n_layer", "num_hidden_layers"], [raw.n_layer, raw.num_hidden_layers], 2)?,
            one(["n_head", "num_attention_heads"], [raw.n_head, raw.num_attention_heads], 8)?,
        )
        .map_err(|e| e.to_string())?;
        config.layer_norm_epsilon = raw.layer_norm_epsilon.unwrap_or(config.layer_norm_epsilon);
        config.initializer_range = raw.initializer_range.unwrap_or(config.initializer_range);
        config.apply_residual_connection_post_layernorm = raw.apply_residual_connection_post_layernorm.unwrap_or(false);
        config.tie_word_embeddings = raw.tie_word_embeddings.unwrap_or(true);
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    /// The width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.n_head
    }

    fn check(&self) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
        ];
        for (name, size) in sizes {
            // Products of two sizes must not overflow; no model comes near the bound.
            if size == 0 || size > 1 << 28 {
                return Err(Error::parameter(name, "between 1 and 2^28", size));
            }
        }
        // What is made for each block must not fill the memory before anything is compared with the weights.
        if self.n_layer > 1 << 12 {
            return Err(Error::parameter("n_layer", "at most 4096", self.n_layer));
        }
        if !self.hidden_size.is_multiple_of(self.n_head) {
            return Err(Error::parameter(
                "hidden_size",
                format!("a multiple of the {} heads", self.n_head),
                self.hidden_size,
            ));
        }
        if !(self.layer_norm_epsilon > 0.0 && self.layer_norm_epsilon.is_finite()) {
            return Err(Error::parameter("layer_norm_epsilon", "above 0", self.layer_norm_epsilon));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_and_defaults() {
        let config =
            Config::parse(r#"{"model_type": "bloom", "n_embed": 1024, "num_attention_heads": 16, "n_layer": 24}"#)
                .unwrap();
        assert_eq!((config.hidden_size, config.n_head, config.n_layer, config.vocab_size), (1024, 16, 24, 250_880));
        let config = Config::parse(r#"{"model_type": "bloom"}"#).unwrap();
        assert_eq!((config.hidden_size, config.n_head, config.n_layer), (64, 8, 2));
        let again = Config::parse(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, why) in [
            (r#"{"model_type": "gpt2"}"#, "gpt2"),
            ("{}", "absent"),
            ("[", "not a model's configuration"),
            (r#"{"model_type": "bloom", "n_embed": 64, "hidden_size": 32}"#, "which mean the same"),
            (r#"{"model_type": "bloom", "n_embed": 30, "n_head": 4}"#, "multiple of the 4 heads"),
            (r#"{"model_type": "bloom", "n_layer": 0}"#, "between 1"),
            (r#"{"model_type": "bloom", "vocab_size": -1}"#, "not a model's configuration"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
