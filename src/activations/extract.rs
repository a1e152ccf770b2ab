use super::batches::{self, Budget, Compute, Job};
use super::describe::{describe, Origin};
use super::pool;
use super::shards::{cut, Plan};
use super::store::Store;
use super::writer::{Computed, Writer};
use super::{Activations, Pooling, Skipped, Tokenisation, Tokenizer, Widths};
use crate::bloom::{Batch, Bloom};
use crate::treebank::{Sentences, Word};
use crate::{Error, Result, Site};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use tch::{Device, Tensor};

/// Rows of a shard take at most so many bytes, where their number would let them take more.
const MAX_SHARD_BYTES: usize = 512 << 20;

/// How to extract.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | `pooling` | mean | how subwords become a word | |
/// | `tokenisation` | word | words by themselves, or in their sentence | |
/// | `batch_tokens` | 2048; 16384 on a GPU | subwords in a forward pass, at most (but at least a sentence) | above 0 |
/// | `max_subwords` | 2048 | sentences as long as this or longer are skipped and counted | above 0 |
/// | `refuse_empty_words` | no | a word without a subword is an error, not a counted skip | |
/// | `shard_words` | 65536 | words whose sentences are sorted by length and batched together, and a store's shard, at most (but at least a sentence, and at most 512 MiB of rows) | above 0 |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractionSettings {
    /// How a word's subwords become one vector.
    pub pooling: Pooling,
    /// How words become subwords.
    pub tokenisation: Tokenisation,
    /// Subwords in a forward pass, at most; a longer sentence has a pass to itself.
    pub batch_tokens: usize,
    /// Sentences of so many subwords or more are skipped.
    pub max_subwords: usize,
    /// Whether a word without a subword is an error.
    pub refuse_empty_words: bool,
    /// Words whose sentences are batched together; a store's shard.
    pub shard_words: usize,
}

impl Default for ExtractionSettings {
    fn default() -> Self {
        ExtractionSettings {
            pooling: Pooling::Mean,
            tokenisation: Tokenisation::Word,
            batch_tokens: 2048,
            max_subwords: 2048,
            refuse_empty_words: false,
            shard_words: 65536,
        }
    }
}

impl ExtractionSettings {
    /// The defaults for a device. A GPU wants batches large enough that launching its kernels costs little beside what they do;
    /// the number for it is an estimate, not measured.
    pub fn on(device: Device) -> Self {
        let batch_tokens = if device.is_cuda() { 16384 } else { 2048 };
        ExtractionSettings { batch_tokens, ..ExtractionSettings::default() }
    }

    /// The settings for rows of these widths.
    fn for_widths(&self, widths: &Widths) -> Result<Self> {
        for (name, value) in [
            ("batch_tokens", self.batch_tokens),
            ("max_subwords", self.max_subwords),
            ("shard_words", self.shard_words),
        ] {
            if value == 0 {
                return Err(Error::parameter(name, "above 0", value));
            }
        }
        let row_bytes = 4 * widths.values().sum::<usize>();
        let fit = MAX_SHARD_BYTES.checked_div(row_bytes).unwrap_or(usize::MAX).max(1);
        Ok(ExtractionSettings { shard_words: self.shard_words.min(fit), ..self.clone() })
    }
}

/// Activations with what was left out and how much was computed.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// The words' rows.
    pub activations: Activations,
    /// What was left out.
    pub skipped: Skipped,
    /// Subwords that went through the model.
    pub tokens: usize,
}

/// Runs the model over sentences and pools each wanted word's subwords: one forward pass serves all `sites`. Rows come in
/// the treebank's order, whatever order the sentences were computed in.
///
/// Within each `shard_words` words, sentences are sorted by length and packed without padding; batches depend only on the
/// sentences and the settings (and on the device's memory: where that does not suffice for a batch, it and those after are halved).
///
/// # Errors
/// [`Error::Parameter`] for a setting of 0, [`Error::Data`] for an empty word where the settings refuse those or for token
/// ids outside the vocabulary, [`Error::Unknown`] for a site beyond the model, [`Error::Torch`] if libtorch fails; what reading
/// the sentences may return.
pub fn extract(
    bloom: &Bloom,
    tokenizer: &Tokenizer,
    sentences: &dyn Sentences,
    sites: &[Site],
    settings: &ExtractionSettings,
    wanted: impl Fn(&Word) -> bool,
) -> Result<Extraction> {
    let widths = widths(bloom, sites)?;
    let settings = settings.for_widths(&widths)?;
    let mut plans = Vec::new();
    cut(sentences, tokenizer, &settings, &wanted, &|_| false, &mut |plan| {
        plans.push(plan);
        Ok(())
    })?;
    let rows = plans.iter().map(|plan| plan.table.len()).sum();
    let mut forward = Forward::new(bloom, &widths, settings.pooling, rows);
    let mut budget = Budget::new(settings.batch_tokens, Vec::new());
    let (mut words, mut skipped, mut tokens) = (Vec::with_capacity(rows), Vec::new(), 0);
    for Plan { table, mut jobs, skipped: more, .. } in plans {
        jobs.iter_mut().for_each(|job| job.first_row += words.len());
        tokens += batches::run(&mut forward, &mut jobs, &mut budget)?;
        words.extend(table);
        skipped.push(more);
    }
    let activations = Activations::new(words, forward.matrices)?;
    activations.check_finite()?;
    Ok(Extraction { activations, skipped: skipped.into_iter().sum(), tokens })
}

/// As [`extract`], to a [`Store`] in the folder `dir`, in memory that does not grow with the number of words (beyond what `sentences`
/// holds: [`TreebankFiles`](crate::treebank::TreebankFiles) holds none). A store of the same description is gone on with:
/// what a run that was killed has written is checked and kept, and the bytes in the end are those of a run that was
/// not. A complete store is checked and opened.
///
/// While a shard is computed, another thread writes the one before; that makes two in memory.
///
/// # Errors
/// As [`extract`]; [`Error::File`] for a store of another description, listing the differences, for a folder of other files, and for
/// one that another process writes; [`Error::Io`] if a file cannot be read or written.
#[allow(clippy::too_many_arguments)]
pub fn extract_to(
    dir: impl AsRef<Path>,
    origin: &Origin,
    bloom: &Bloom,
    tokenizer: &Tokenizer,
    sentences: &dyn Sentences,
    sites: &[Site],
    settings: &ExtractionSettings,
    wanted: impl Fn(&Word) -> bool,
) -> Result<Store> {
    let dir = dir.as_ref();
    let widths = widths(bloom, sites)?;
    let settings = settings.for_widths(&widths)?;
    let description = describe(origin, bloom, tokenizer, sentences, &widths, &settings, &wanted)?;
    let writer = Writer::open(dir, description)?;
    let known = writer.known();
    let there = |shard: usize| known.get(&shard).is_some_and(|(_, valid)| *valid);
    // Room for none: the next shard waits until the one before is written.
    let (to_writer, shards) = mpsc::sync_channel::<Computed>(0);
    let (written, count) = std::thread::scope(|scope| {
        let written = scope.spawn(move || {
            let mut writer = writer;
            shards.into_iter().try_for_each(|shard| writer.write(shard))?;
            Ok(writer)
        });
        let mut batch_tokens = settings.batch_tokens;
        let count = cut(sentences, tokenizer, &settings, &wanted, &there, &mut |plan| {
            let record = known.get(&plan.shard).map(|(record, _)| record);
            if let Some(record) = record.filter(|_| there(plan.shard)) {
                if record.words != plan.wanted {
                    let message = format!(
                        "shard {} is of {} words; expected {}: remove the folder and extract again",
                        plan.shard, record.words, plan.wanted
                    );
                    return Err(Error::file(dir, message));
                }
                batch_tokens = record.batch_tokens_after();
                return Ok(());
            }
            // A shard that is damaged is computed again in the batches that it was computed in.
            let earlier = record.map_or((batch_tokens, Vec::new()), |r| (r.batch_tokens, r.halvings.clone()));
            let mut budget = Budget::new(earlier.0, earlier.1);
            let computed = compute(bloom, &widths, settings.pooling, plan, &mut budget)?;
            batch_tokens = budget.tokens;
            tracing::info!(shard = computed.shard, rows = computed.table.len(), "computed");
            to_writer.send(computed).map_err(|_| Error::Data("the store's writer has ended".into()))
        });
        drop(to_writer);
        let written: Result<Writer> =
            written.join().unwrap_or_else(|_| Err(Error::file(dir, "the thread that writes the store has failed")));
        (written, count)
    });
    // What the writer has to say comes first: it is why sending failed.
    let writer = written?;
    writer.finish(count?)?;
    Store::open(dir)
}

fn compute(bloom: &Bloom, widths: &Widths, pooling: Pooling, plan: Plan, budget: &mut Budget) -> Result<Computed> {
    let Plan { shard, wanted, table, mut jobs, skipped } = plan;
    let batch_tokens = budget.tokens;
    let mut forward = Forward::new(bloom, widths, pooling, table.len());
    let tokens = batches::run(&mut forward, &mut jobs, budget)?;
    let halvings = std::mem::take(&mut budget.halvings);
    Ok(Computed { shard, words: wanted, tokens, skipped, batch_tokens, halvings, table, sites: forward.matrices })
}

/// How a sentence's subwords become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentencePooling {
    /// The last token's state, which alone has seen the whole sentence.
    Last,
    /// The mean over tokens.
    Mean,
}

/// States of whole sentences, `[n_sentences, n_neurons]` a site, in the order given: what similarity compares.
///
/// # Errors
/// As [`extract`]; also [`Error::Data`] for a sentence without tokens or as long as `max_subwords`, since leaving one out
/// would break the alignment of parallel text.
pub fn sentence_states(
    bloom: &Bloom,
    tokenizer: &Tokenizer,
    sentences: &[String],
    sites: &[Site],
    settings: &ExtractionSettings,
    pooling: SentencePooling,
) -> Result<BTreeMap<Site, Array2<f32>>> {
    let widths = widths(bloom, sites)?;
    let settings = settings.for_widths(&widths)?;
    let mut jobs = Vec::new();
    for (row, sentence) in sentences.iter().enumerate() {
        let ids = tokenizer.encode(sentence)?;
        if ids.is_empty() || ids.len() >= settings.max_subwords {
            let bound = settings.max_subwords;
            let message =
                format!("sentence {} has {} subwords; expected 1 to {}", row + 1, ids.len(), bound.saturating_sub(1));
            return Err(Error::Data(message));
        }
        let all = 0..ids.len();
        jobs.push(Job { ids, first_row: row, pooled: vec![all] });
    }
    let pooling = match pooling {
        SentencePooling::Last => Pooling::Last,
        SentencePooling::Mean => Pooling::Mean,
    };
    let mut forward = Forward::new(bloom, &widths, pooling, sentences.len());
    batches::run(&mut forward, &mut jobs, &mut Budget::new(settings.batch_tokens, Vec::new()))?;
    Ok(forward.matrices)
}

fn widths(bloom: &Bloom, sites: &[Site]) -> Result<Widths> {
    let width = |site: &Site| {
        site.blocks_needed(bloom.config().n_layer)?;
        Ok((*site, site.width(bloom.config().hidden_size)))
    };
    sites.iter().map(width).collect()
}

/// Forward passes whose pooled rows go to matrices `[n_rows, n_neurons]`.
struct Forward<'a> {
    bloom: &'a Bloom,
    sites: Vec<Site>,
    pooling: Pooling,
    matrices: BTreeMap<Site, Array2<f32>>,
}

impl<'a> Forward<'a> {
    fn new(bloom: &'a Bloom, widths: &Widths, pooling: Pooling, rows: usize) -> Self {
        let matrices = widths.iter().map(|(site, width)| (*site, Array2::zeros((rows, *width)))).collect();
        Forward { bloom, sites: widths.keys().copied().collect(), pooling, matrices }
    }
}

impl Compute for Forward<'_> {
    type Prepared = (Batch, pool::Plan);
    type Pending = Vec<(Site, Tensor)>;

    fn prepare(&self, jobs: &[Job]) -> Result<Self::Prepared> {
        let sentences: Vec<&[u32]> = jobs.iter().map(|job| job.ids.as_slice()).collect();
        Ok((Batch::new(&sentences)?, pool::Plan::new(jobs, self.pooling)))
    }

    fn start(&self, (batch, plan): Self::Prepared) -> Result<Self::Pending> {
        let _guard = tch::no_grad_guard();
        let pool = plan.to(self.bloom.device())?;
        let mut rows = Vec::new();
        self.bloom.visit(&batch, &self.sites, &mut |site, states| {
            rows.push((site, pool.apply(states)?));
            Ok(())
        })?;
        Ok(rows)
    }

    fn wait(&self) -> Result<()> {
        self.bloom.wait()
    }

    fn take(&mut self, jobs: &[Job], rows: Self::Pending) -> Result<()> {
        for (site, rows) in rows {
            let mut values = vec![0f32; rows.numel()];
            rows.f_copy_data(&mut values, rows.numel())?;
            let width = values.len() / jobs.iter().map(|job| job.pooled.len()).sum::<usize>().max(1);
            let matrix = self.matrices.get_mut(&site).and_then(Array2::as_slice_mut).unwrap_or_default();
            let mut values = values.as_slice();
            for job in jobs {
                let (now, later) = values.split_at((job.pooled.len() * width).min(values.len()));
                let start = job.first_row * width;
                let place = matrix.get_mut(start..start + now.len());
                let place = place.ok_or_else(|| Error::Data(format!("{site} was not asked for in this width")))?;
                place.copy_from_slice(now);
                values = later;
            }
        }
        Ok(())
    }
}
