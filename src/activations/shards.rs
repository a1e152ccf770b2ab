//! From sentences to shards: which sentences are computed together.

use super::batches::Job;
use super::describe::WordsHash;
use super::tokenize::Known;
use super::{ExtractionSettings, Skipped, Subwords, Tokenizer};
use crate::treebank::{Sentences, Word};
use crate::{Error, Result};

/// The sentences of a shard.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) shard: usize,
    /// Wanted words.
    pub(super) wanted: usize,
    /// The wanted words that have a row, in order.
    pub(super) table: Vec<Word>,
    /// The sentences to compute, in order; nothing for a shard that is passed over.
    pub(super) jobs: Vec<Job>,
    pub(super) skipped: Skipped,
}

/// Cuts sentences into shards of at most `shard_words` wanted words, but at least a sentence, and calls `each` with every
/// shard in order. Sentences of a shard for which `pass_over` holds are not tokenised. Returns the number of shards and the hash of
/// all words.
///
/// Cuts depend on the sentences and on which words are wanted, not on the tokenizer, so that a shard that is passed over need
/// only be counted.
pub(super) fn cut(
    sentences: &dyn Sentences,
    tokenizer: &Tokenizer,
    settings: &ExtractionSettings,
    wanted: &dyn Fn(&Word) -> bool,
    pass_over: &dyn Fn(usize) -> bool,
    each: &mut dyn FnMut(Plan) -> Result<()>,
) -> Result<(usize, String)> {
    let mut plan = Plan::default();
    let mut hash = WordsHash::default();
    let mut begun = false;
    let mut known = Known::default();
    sentences.visit(&mut |words| {
        hash.add(words, wanted);
        let more = words.iter().filter(|word| wanted(word)).count();
        if plan.wanted > 0 && plan.wanted + more > settings.shard_words {
            let next = Plan { shard: plan.shard + 1, ..Plan::default() };
            each(std::mem::replace(&mut plan, next))?;
        }
        begun = true;
        plan.wanted += more;
        match pass_over(plan.shard) {
            true => Ok(()),
            false => plan.add(words, tokenizer.sentence(words, settings.tokenisation, &mut known)?, settings, wanted),
        }
    })?;
    let shards = plan.shard + usize::from(begun);
    if begun {
        each(plan)?;
    }
    Ok((shards, hash.finish()))
}

impl Plan {
    fn add(
        &mut self,
        words: &[Word],
        subwords: Subwords,
        settings: &ExtractionSettings,
        wanted: &dyn Fn(&Word) -> bool,
    ) -> Result<()> {
        let Subwords { ids, words: ranges } = subwords;
        let first_row = self.table.len();
        let long = ids.len() >= settings.max_subwords;
        self.skipped.long_sentences += usize::from(long);
        let mut pooled = Vec::new();
        for (word, range) in words.iter().zip(ranges).filter(|(word, _)| wanted(word)) {
            if long {
                self.skipped.words_in_long_sentences += 1;
            } else if !range.is_empty() {
                pooled.push(range);
                self.table.push(word.clone());
            } else if settings.refuse_empty_words {
                let Word { form, file, sentence_id, token_id, .. } = word;
                let message = format!(
                    "the tokenizer gives no subword for {form:?} ({file}, sentence {sentence_id}, token {token_id})"
                );
                return Err(Error::Data(message));
            } else {
                self.skipped.empty_words += 1;
            }
        }
        if !pooled.is_empty() {
            self.jobs.push(Job { ids, first_row, pooled });
        }
        Ok(())
    }
}
