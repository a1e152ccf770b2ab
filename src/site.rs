//! Sites: the places in a model where activations are read.

use crate::Error;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A place in the model, named by meaning and not by module boundary.
///
/// Written `residual.12`, `attention_output.3`, `mlp_activation.3`, `mlp_output.3`, the same in the API, on the command
/// line, in files and in tables. With `n` blocks, `residual.i + attention_output.i + mlp_output.i = residual.(i+1)` for
/// every block but the last, whose sum still passes the final LayerNorm. (In models with
/// `apply_residual_connection_post_layernorm` the added terms are the outputs of the block's LayerNorms.)
///
/// # Examples
/// ```
/// use isogloss::Site;
/// let site: Site = "residual.12".parse()?;
/// assert_eq!(site, Site::Residual(12));
/// assert_eq!(site.to_string(), "residual.12");
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The residual stream, `[tokens, hidden]`: 0 is the output of the embedding LayerNorm, `i` that of block `i`, and `n`
    /// (the number of blocks) the state after the final LayerNorm; `hidden_states[i]` of transformers.
    Residual(usize),
    /// What the attention of block `i` adds to the residual stream, `[tokens, hidden]`, without the residual.
    AttentionOutput(usize),
    /// The MLP's hidden layer in block `i` after GELU, `[tokens, 4 x hidden]`.
    MlpActivation(usize),
    /// What the MLP of block `i` adds to the residual stream, `[tokens, hidden]`, without the residual.
    MlpOutput(usize),
}

impl Site {
    /// The number of blocks that must run to compute the site in a model of `n_blocks`; `residual.n` needs all of them
    /// and the final LayerNorm.
    ///
    /// # Errors
    /// [`Error::Unknown`] if the model has no such site.
    pub fn blocks_needed(self, n_blocks: usize) -> Result<usize, Error> {
        let (needed, last) = match self {
            Site::Residual(i) => (i, n_blocks),
            Site::AttentionOutput(i) | Site::MlpActivation(i) | Site::MlpOutput(i) => {
                (i.saturating_add(1), n_blocks.saturating_sub(1))
            }
        };
        if needed > n_blocks {
            let kind = self.kind();
            return Err(Error::unknown(
                "site",
                self,
                format!("{kind}.0 to {kind}.{last}: the model has {n_blocks} blocks"),
            ));
        }
        Ok(needed)
    }

    /// The number of neurons (columns) of the site in a model of width `hidden`.
    pub fn width(self, hidden: usize) -> usize {
        match self {
            Site::MlpActivation(_) => 4 * hidden,
            _ => hidden,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Site::Residual(_) => "residual",
            Site::AttentionOutput(_) => "attention_output",
            Site::MlpActivation(_) => "mlp_activation",
            Site::MlpOutput(_) => "mlp_output",
        }
    }

    fn index(self) -> usize {
        match self {
            Site::Residual(i) | Site::AttentionOutput(i) | Site::MlpActivation(i) | Site::MlpOutput(i) => i,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind(), self.index())
    }
}

impl FromStr for Site {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || {
            let expected = "residual.I, attention_output.I, mlp_activation.I or mlp_output.I, I a whole number from 0";
            Error::unknown("site", text, expected)
        };
        let (kind, index) = text.split_once('.').ok_or_else(unknown)?;
        // `usize::from_str` also takes "+3"; a site has one spelling, "03" is none of it either.
        let canonical = index == "0" || (!index.starts_with('0') && index.bytes().all(|b| b.is_ascii_digit()));
        let index: usize = index.parse().ok().filter(|_| canonical).ok_or_else(unknown)?;
        match kind {
            "residual" => Ok(Site::Residual(index)),
            "attention_output" => Ok(Site::AttentionOutput(index)),
            "mlp_activation" => Ok(Site::MlpActivation(index)),
            "mlp_output" => Ok(Site::MlpOutput(index)),
            _ => Err(unknown()),
        }
    }
}

impl Serialize for Site {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Site {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_parses() {
        for text in ["residual.0", "attention_output.3", "mlp_activation.31", "mlp_output.7"] {
            assert_eq!(text.parse::<Site>().unwrap().to_string(), text);
        }
        for text in [
            "residual",
            "residual.",
            "residual.-1",
            "residual.+1",
            "residual.01",
            "Residual.1",
            "mlp.1",
            "residual.1.2",
            "",
        ] {
            let error = text.parse::<Site>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("expected"), "{error}");
        }
    }

    #[test]
    fn the_last_block_bounds_every_kind() {
        assert_eq!(Site::Residual(6).blocks_needed(6).unwrap(), 6);
        assert_eq!(Site::MlpOutput(5).blocks_needed(6).unwrap(), 6);
        assert_eq!(Site::AttentionOutput(0).blocks_needed(6).unwrap(), 1);
        let error = Site::MlpOutput(6).blocks_needed(6).unwrap_err().to_string();
        assert_eq!(error, "unknown site `mlp_output.6`: expected mlp_output.0 to mlp_output.5: the model has 6 blocks");
        assert!(Site::Residual(7).blocks_needed(6).is_err());
        assert!(Site::MlpOutput(usize::MAX).blocks_needed(6).is_err());
    }
}
