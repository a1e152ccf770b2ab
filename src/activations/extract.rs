use super::batches::{self, Budget, Compute, Job, Pipeline, Work};
use super::describe::{describe, Origin};
use super::manifest::Shard;
use super::pool;
use super::shards::{cut, Plan};
use super::store::Store;
use super::writer::{Computed, Writer};
use super::{Activations, Pooling, SentencePooling, Skipped, Tokenisation, Tokenizer, Widths};
use crate::bloom::{Batch, Bloom};
use crate::treebank::{Sentences, Word};
use crate::{Error, Result, Site};
use ndarray::{s, Array2};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use tch::{Device, Kind, Tensor};

/// Rows of a shard take at most so many bytes at eight sites of the residual stream, where their number would let them take more. Which sites are
/// asked for must not count: shards decide what is batched together, and batches how rows are rounded.
const MAX_SHARD_BYTES: usize = 512 << 20;
const SITES_IN_SHARD: usize = 8;

/// How to extract.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | `pooling` | mean | how subwords become a word | |
/// | `tokenisation` | word | words by themselves, or in their sentence | |
/// | `batch_tokens` | 2048; 16384 on a GPU | subwords in a forward pass, at most (but at least a sentence) | above 0 |
/// | `max_subwords` | 2048 | sentences as long as this or longer are skipped and counted | above 0 |
/// | `refuse_empty_words` | no | a word without a subword is an error, not a counted skip | |
/// | `shard_words` | 65536 | words whose sentences are sorted by length and batched together, and a store's shard, at most (but at least a sentence, and at most as many as have 512 MiB of rows at eight sites of the residual stream) | above 0 |
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

    /// The settings for a model of this hidden size.
    pub(crate) fn for_hidden_size(&self, hidden_size: usize) -> Result<Self> {
        for (name, value) in [
            ("batch_tokens", self.batch_tokens),
            ("max_subwords", self.max_subwords),
            ("shard_words", self.shard_words),
        ] {
            if value == 0 {
                return Err(Error::parameter(name, "above 0", value));
            }
        }
        let row_bytes = 4 * SITES_IN_SHARD * hidden_size;
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
    let settings = settings.for_hidden_size(bloom.config().hidden_size)?;
    let mut plans = Vec::new();
    cut(sentences, tokenizer, &settings, &wanted, &|_| false, &mut |plan| {
        plans.push(plan);
        Ok(())
    })?;
    let (mut words, mut groups, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for Plan { table, mut jobs, skipped: more, .. } in plans {
        jobs.iter_mut().for_each(|job| job.first_row += words.len());
        words.extend(table);
        groups.push(jobs);
        skipped.push(more);
    }
    let tokens = groups.iter().map(|jobs| batches::count(jobs)).sum();
    let forward = Forward { bloom, widths: &widths, pooling: settings.pooling };
    let sites = forward.run(groups, words.len(), settings.batch_tokens)?;
    let activations = Activations::new(words, sites)?;
    activations.check_finite()?;
    Ok(Extraction { activations, skipped: skipped.into_iter().sum(), tokens })
}

/// As [`extract`], to a [`Store`] in the folder `dir`, in memory that does not grow with the number of words (beyond what `sentences`
/// holds: [`TreebankFiles`](crate::treebank::TreebankFiles) holds none). A store of the same description is gone on with:
/// what a run that was killed has written is checked and kept, and the bytes in the end are those of a run that was
/// not. A complete store is checked and opened.
///
/// While a shard is computed, one thread tokenises the next and another writes the one before; up to three are in memory.
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
    wanted: impl Fn(&Word) -> bool + Sync,
) -> Result<Store> {
    let dir = dir.as_ref();
    let widths = widths(bloom, sites)?;
    let settings = settings.for_hidden_size(bloom.config().hidden_size)?;
    let description = describe(origin, bloom, tokenizer, sentences, &widths, &settings, &wanted)?;
    let hash = description.treebank_sha256.clone();
    let writer = Writer::open(dir, description)?;
    let known = writer.known();
    let there = |shard: usize| known.get(&shard).is_some_and(|(_, valid)| *valid);
    // One shard ahead is tokenised; one that is computed waits until the one before is written.
    let (to_compute, plans) = mpsc::sync_channel::<Plan>(0);
    let (to_writer, shards) = mpsc::sync_channel::<Computed>(0);
    let ended = |thread: &str| Error::file(dir, format!("the thread that {thread} has ended too early"));
    let (cut, computed, written) = std::thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            let to_compute = to_compute;
            cut(sentences, tokenizer, &settings, &wanted, &there, &mut |plan| {
                to_compute.send(plan).map_err(|_| ended("computes"))
            })
        });
        let written = scope.spawn(move || {
            let mut writer = writer;
            shards.into_iter().try_for_each(|shard| writer.write(shard))?;
            Ok(writer)
        });
        let forward = Forward { bloom, widths: &widths, pooling: settings.pooling };
        let computed = forward.run_shards(plans, &known, settings.batch_tokens, &mut |shard| {
            to_writer.send(shard).map_err(|_| ended("writes the store"))
        });
        drop(to_writer);
        let cut = cutter.join().unwrap_or_else(|_| Err(ended("reads the treebank")));
        let written: Result<Writer> = written.join().unwrap_or_else(|_| Err(ended("writes the store")));
        (cut, computed, written)
    });
    // Who fails ends the others: the last in line says why.
    let writer = written?;
    computed.map_err(|error| match error {
        Error::Data(message) => Error::file(dir, message),
        other => other,
    })?;
    let (shards, read) = cut?;
    if read != hash {
        let message = "is of a treebank that changed while it was read; remove the folder and extract again";
        return Err(Error::file(dir, message));
    }
    writer.finish(shards)?;
    Store::open(dir)
}

/// States of whole sentences, `[n_sentences, n_neurons]` for each site and way of pooling, in the order given: what similarity
/// compares. One forward pass serves all sites and ways.
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
    poolings: &[SentencePooling],
) -> Result<BTreeMap<(Site, SentencePooling), Array2<f32>>> {
    let widths = widths(bloom, sites)?;
    let settings = settings.for_hidden_size(bloom.config().hidden_size)?;
    let mut jobs = Vec::new();
    for (row, sentence) in sentences.iter().enumerate() {
        let ids = tokenizer.encode(sentence)?;
        if ids.is_empty() || ids.len() >= settings.max_subwords {
            let bound = settings.max_subwords.saturating_sub(1);
            return Err(Error::Data(format!(
                "sentence {} has {} subwords; expected 1 to {bound}: take it and its translations out",
                row + 1,
                ids.len()
            )));
        }
        // The last subword is the mean of itself.
        let pooled = poolings.iter().map(|pooling| match pooling {
            SentencePooling::Last => ids.len() - 1..ids.len(),
            SentencePooling::Mean => 0..ids.len(),
        });
        let pooled = pooled.collect();
        jobs.push(Job { ids, first_row: row * poolings.len(), pooled });
    }
    let rows = sentences.len() * poolings.len();
    let states =
        Forward { bloom, widths: &widths, pooling: Pooling::Mean }.run(vec![jobs], rows, settings.batch_tokens)?;
    let mut by_pooling = BTreeMap::new();
    for (site, rows) in states {
        for (i, pooling) in poolings.iter().enumerate() {
            by_pooling.insert((site, *pooling), rows.slice(s![i..;poolings.len(), ..]).to_owned());
        }
    }
    Ok(by_pooling)
}

fn widths(bloom: &Bloom, sites: &[Site]) -> Result<Widths> {
    let width = |site: &Site| {
        site.blocks_needed(bloom.config().n_layer)?;
        Ok((*site, site.width(bloom.config().hidden_size)))
    };
    sites.iter().map(width).collect()
}

/// Forward passes whose pooled rows go to matrices `[n_rows, n_neurons]`.
#[derive(Clone, Copy)]
struct Forward<'a> {
    bloom: &'a Bloom,
    widths: &'a Widths,
    pooling: Pooling,
}

impl Forward<'_> {
    fn matrices(&self, rows: usize) -> BTreeMap<Site, Array2<f32>> {
        self.widths.iter().map(|(site, width)| (*site, Array2::zeros((rows, *width)))).collect()
    }

    /// All at once.
    fn run(self, groups: Vec<Vec<Job>>, rows: usize, batch_tokens: usize) -> Result<BTreeMap<Site, Array2<f32>>> {
        let mut pipeline = Pipeline::new(self);
        let (budget, sites) = (Budget::new(batch_tokens, Vec::new()), self.matrices(rows));
        pipeline.run(Work { groups, budget, rows: Computed { sites, ..Computed::default() } })?;
        Ok(pipeline.finish()?.map(|work| work.rows.sites).unwrap_or_default())
    }

    /// Shards as they come. `each` has every one that was computed, in order, while the device computes the next one. Of those
    /// that are known and valid, only the number of words is checked.
    fn run_shards(
        self,
        plans: mpsc::Receiver<Plan>,
        known: &BTreeMap<usize, (Shard, bool)>,
        batch_tokens: usize,
        each: &mut dyn FnMut(Computed) -> Result<()>,
    ) -> Result<()> {
        let mut batch_tokens = batch_tokens;
        // On a processor, how sums are shared among threads decides their rounding.
        let threads =
            (self.bloom.device() == Device::Cpu).then(tch::get_num_threads).and_then(|n| usize::try_from(n).ok());
        for (shard, _) in known.values().filter(|(shard, valid)| *valid && shard.threads != threads) {
            tracing::warn!(
                shard = shard.shard, before = shard.threads, now = threads,
                "computed with another number of threads: its rows differ by rounding from those of a run that was not interrupted"
            );
        }
        let mut pipeline = Pipeline::new(self);
        let mut done = |work: Option<Work<Computed>>| {
            let Some(Work { budget, rows, .. }) = work else { return Ok(()) };
            tracing::info!(shard = rows.shard, rows = rows.table.len(), "computed");
            each(Computed { batch_tokens: budget.begun_with, halvings: budget.halvings, ..rows })
        };
        for plan in plans {
            let record = known.get(&plan.shard);
            if let Some((record, true)) = record {
                if record.words != plan.wanted {
                    return Err(Error::Data(format!(
                        "shard {} is of {} words; expected {}: remove the folder and extract again",
                        plan.shard, record.words, plan.wanted
                    )));
                }
                batch_tokens = record.batch_tokens_after();
                continue;
            }
            // A shard that is damaged is computed again in the batches that it was computed in.
            let earlier = record.map_or((batch_tokens, Vec::new()), |(r, _)| (r.batch_tokens, r.halvings.clone()));
            let Plan { shard, wanted: words, table, jobs, skipped } = plan;
            let (tokens, sites) = (batches::count(&jobs), self.matrices(table.len()));
            let rows = Computed { shard, words, tokens, skipped, threads, table, sites, ..Computed::default() };
            let budget = Budget::new(earlier.0, earlier.1);
            done(pipeline.run(Work { groups: vec![jobs], budget, rows })?)?;
            batch_tokens = pipeline.batch_tokens().unwrap_or(batch_tokens);
        }
        done(pipeline.finish()?)
    }
}

impl Compute for Forward<'_> {
    type Prepared = (Batch, pool::Plan);
    type Pending = Vec<(Site, Tensor)>;
    type Rows = Computed;

    fn prepare(&self, jobs: &[Job]) -> Result<Self::Prepared> {
        let sentences: Vec<&[u32]> = jobs.iter().map(|job| job.ids.as_slice()).collect();
        Ok((Batch::new(&sentences)?, pool::Plan::new(jobs, self.pooling, pool::longest(self.bloom.device()))))
    }

    fn start(&self, (batch, plan): Self::Prepared) -> Result<Self::Pending> {
        let _guard = tch::no_grad_guard();
        let pool = plan.to(self.bloom.device())?;
        let sites: Vec<Site> = self.widths.keys().copied().collect();
        let mut rows = Vec::new();
        self.bloom.visit(&batch, &sites, &mut |site, states| {
            rows.push((site, pool.apply(states)?));
            Ok(())
        })?;
        Ok(rows)
    }

    fn wait(&self) -> Result<()> {
        self.bloom.wait()
    }

    fn take(&self, jobs: &[Job], pending: Self::Pending, rows: &mut Computed) -> Result<()> {
        for (site, states) in pending {
            let matrix = rows.sites.get_mut(&site).and_then(Array2::as_slice_mut).unwrap_or_default();
            let width = self.widths.get(&site).copied().unwrap_or_default();
            let mut values = host_values(&states)?;
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

/// The values of a float32 tensor in the host's memory, where they lie.
fn host_values(tensor: &Tensor) -> Result<&[f32]> {
    if tensor.device() != Device::Cpu || tensor.kind() != Kind::Float || !tensor.is_contiguous() {
        return Err(Error::Data("rows should be contiguous float32 in the host's memory".into()));
    }
    if tensor.numel() == 0 {
        return Ok(&[]);
    }
    // SAFETY: the tensor is on the host, contiguous and of so many float32; nothing writes to it while the slice borrows it:
    // what was queued on the device has been waited for.
    Ok(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_batched_together_depends_on_the_hidden_size_and_not_on_sites() {
        let words = |hidden_size| ExtractionSettings::default().for_hidden_size(hidden_size).unwrap().shard_words;
        assert_eq!([192, 256, 1024, 4096].map(words), [65536, 65536, 16384, 4096]);
    }
}
