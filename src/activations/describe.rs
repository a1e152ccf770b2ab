//! What an extraction is of, before it runs.

use super::manifest::Description;
use super::tensors::{hexadecimal, sha256};
use super::{ExtractionSettings, Tokenizer, Widths};
use crate::bloom::Bloom;
use crate::checkpoint::{Checkpoint, Step};
use crate::treebank::{Sentences, Word};
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

/// [`Description::weights_sha256`] takes this many values of each tensor, or up to twice as many.
const SAMPLE: i64 = 1024;

/// Which model activations are of, where the model itself does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The model's name.
    pub model: String,
    /// How far training had come.
    pub step: Option<Step>,
    /// The Hub's commit, where it is known.
    pub commit: Option<String>,
}

impl From<&Checkpoint> for Origin {
    fn from(checkpoint: &Checkpoint) -> Self {
        Origin {
            model: checkpoint.model().to_string(),
            step: Some(checkpoint.step()),
            commit: checkpoint.commit().map(str::to_string),
        }
    }
}

/// Describes an extraction; reads all sentences for that.
pub(super) fn describe(
    origin: &Origin,
    bloom: &Bloom,
    tokenizer: &Tokenizer,
    sentences: &dyn Sentences,
    widths: &Widths,
    settings: &ExtractionSettings,
    wanted: &dyn Fn(&Word) -> bool,
) -> Result<Description> {
    let mut read = WordsHash::default();
    sentences.visit(&mut |sentence| {
        read.add(sentence, wanted);
        Ok(())
    })?;
    let config = serde_json::to_vec(bloom.config()).map_err(|e| Error::Data(e.to_string()))?;
    let config_sha256 = sha256(|w| w.write_all(&config).map_err(Error::io("config.json", "read")))?;
    let dtype = match bloom.kind() {
        Kind::Half => "f16",
        Kind::BFloat16 => "bf16",
        Kind::Float => "f32",
        Kind::Double => "f64",
        other => return Err(Error::parameter("the model's type", "a floating-point type", format!("{other:?}"))),
    };
    let device = match bloom.device() {
        Device::Cuda(_) => "cuda",
        Device::Mps => "mps",
        Device::Vulkan => "vulkan",
        Device::Cpu => "cpu",
    };
    Ok(Description {
        model: origin.model.clone(),
        step: origin.step,
        commit: origin.commit.clone(),
        config_sha256,
        weights_sha256: hash_weights(bloom)?,
        tokenizer_sha256: tokenizer.sha256().to_string(),
        language: sentences.language().to_string(),
        scheme: sentences.scheme(),
        words: read.words,
        treebank_sha256: read.finish(),
        sites: widths.clone(),
        pooling: settings.pooling,
        tokenisation: settings.tokenisation,
        dtype: dtype.into(),
        device: device.into(),
        batch_tokens: settings.batch_tokens,
        max_subwords: settings.max_subwords,
        refuse_empty_words: settings.refuse_empty_words,
        shard_words: settings.shard_words,
    })
}

/// The hash of all words with what a store keeps of them, and how many are wanted.
#[derive(Default)]
pub(super) struct WordsHash {
    hash: Sha256,
    pub(super) words: usize,
}

/// The hash of a treebank's words, with what a store keeps of them and which of them are wanted.
///
/// # Errors
/// What reading the sentences may return.
pub(crate) fn hash_words(sentences: &dyn Sentences, wanted: &dyn Fn(&Word) -> bool) -> Result<String> {
    let mut read = WordsHash::default();
    sentences.visit(&mut |sentence| {
        read.add(sentence, wanted);
        Ok(())
    })?;
    Ok(read.finish())
}

impl WordsHash {
    pub(super) fn add(&mut self, sentence: &[Word], wanted: &dyn Fn(&Word) -> bool) {
        self.number(sentence.len());
        for word in sentence {
            let keep = wanted(word);
            self.words += usize::from(keep);
            self.hash.update([u8::from(keep), u8::from(word.space_after), u8::from(word.lemma.is_some())]);
            self.number(word.sentence);
            let lemma = word.lemma.as_deref().unwrap_or_default();
            for part in [&word.form, lemma, &word.language, &word.file, &word.sentence_id, &word.token_id] {
                self.text(part);
            }
            self.hash.update(word.sentence_hash.unwrap_or_default().to_le_bytes());
            self.number(word.attribute_lemmas.len());
            for (name, lemma) in &word.attribute_lemmas {
                self.text(name);
                self.text(lemma);
            }
            self.number(word.attributes.len());
            for (name, value) in word.attributes.iter() {
                self.text(name);
                self.text(value);
            }
        }
    }

    pub(super) fn finish(self) -> String {
        hexadecimal(self.hash)
    }

    fn number(&mut self, number: usize) {
        self.hash.update((number as u64).to_le_bytes());
    }

    /// The length keeps ["ab", "c"] apart from ["a", "bc"].
    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.hash.update(text.as_bytes());
    }
}

/// How far apart the sampled ones of `count` values lie, in rows of `width`: prime to the width, so that they come from as many columns
/// as there are.
fn stride(count: i64, width: i64) -> i64 {
    let divisor = |mut a: i64, mut b: i64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let mut every = (count / SAMPLE).max(1);
    // Downwards, for samples no smaller; 1 is prime to everything.
    while divisor(every, width) != 1 {
        every -= 1;
    }
    every
}

/// The hash of a sample of the loaded weights: enough to tell one training run or step from another, without reading
/// gigabytes.
fn hash_weights(bloom: &Bloom) -> Result<String> {
    let _guard = tch::no_grad_guard();
    let mut hash = Sha256::new();
    for (name, tensor) in bloom.parameters() {
        let count = tensor.numel() as i64;
        let width = tensor.size().last().copied().unwrap_or(1).max(1);
        let every = stride(count, width);
        let places = Tensor::f_arange_start_step(0, count, every, (Kind::Int64, tensor.device()))?;
        let sample = tensor.f_reshape([-1])?.f_index_select(0, &places)?.f_to_kind(Kind::Float)?.f_to(Device::Cpu)?;
        let mut values = vec![0f32; sample.numel()];
        sample.f_copy_data(&mut values, sample.numel())?;
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        tensor.size().iter().for_each(|size| hash.update(size.to_le_bytes()));
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    Ok(hexadecimal(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_sample_has_many_values_of_many_columns() {
        for (rows, width) in
            [(1024, 1024), (4096, 1024), (1024, 4096), (250_880, 1024), (64, 64), (1, 3072), (3, 5), (7, 1)]
        {
            let every = stride(rows * width, width);
            let places: Vec<i64> = (0..rows * width).step_by(every as usize).collect();
            let columns: BTreeSet<i64> = places.iter().map(|place| place % width).collect();
            assert!(places.len() as i64 >= SAMPLE.min(rows * width), "{rows} x {width}");
            assert!(columns.len() as i64 >= width.min(SAMPLE) / 2, "{rows} x {width}: {} columns", columns.len());
        }
    }
}
