//! A byte-level BPE tokenizer in the layout of Hugging Face's `tokenizer.json`.

use anyhow::{anyhow, Result};
use std::path::Path;
use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BpeTrainerBuilder, BPE};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::byte_level::ByteLevel as ByteLevelProcessor;
use tokenizers::{AddedToken, SplitDelimiterBehavior, TokenizerBuilder};

/// Ids 0 to 3.
pub const SPECIAL_TOKENS: [&str; 4] = ["<unk>", "<s>", "</s>", "<pad>"];

/// Letters, digits, spaces and marks never share a token: a word has the same tokens with and without a space before it.
const PATTERN: &str = r"[\p{L}\p{M}]+|\p{N}+|\s+|[^\s\p{L}\p{M}\p{N}]+";

/// Trains a tokenizer of `vocabulary` entries on `texts` and writes it to `path`.
pub fn train<'t>(texts: impl Iterator<Item = &'t str> + Send, vocabulary: usize, path: &Path) -> Result<()> {
    let failed = |e: tokenizers::Error| anyhow!("{}: cannot train the tokenizer: {e}", path.display());
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(vocabulary)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(SPECIAL_TOKENS.iter().map(|t| AddedToken::from(*t, true)).collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let split =
        Split::new(SplitPattern::Regex(PATTERN.into()), SplitDelimiterBehavior::Isolated, false).map_err(failed)?;
    // `use_regex` off: the pattern above has already cut the text.
    let bytes = ByteLevel::new(false, true, false);
    let mut tokenizer = TokenizerBuilder::<BPE, NFC, Sequence, ByteLevelProcessor, ByteLevelDecoder>::new()
        .with_model(BPE::builder().unk_token("<unk>".into()).build().map_err(failed)?)
        .with_normalizer(None)
        .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])))
        .with_post_processor(None)
        .with_decoder(Some(ByteLevelDecoder::new(false, true, false)))
        .build()
        .map_err(failed)?;
    tokenizer.train(&mut trainer, texts).map_err(failed)?;
    let text = tokenizer.to_string(true).map_err(failed)?;
    isogloss::files::write_atomic(path, |w| {
        w.write_all(text.as_bytes()).map_err(isogloss::Error::io(path, "write"))?;
        w.write_all(b"\n").map_err(isogloss::Error::io(path, "write"))
    })?;
    Ok(())
}
