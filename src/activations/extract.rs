use super::{Activations, Pooling, Skipped, Subwords, Tokenisation, Tokenizer};
use crate::bloom::{Batch, Bloom};
use crate::treebank::{Treebank, Word};
use crate::{Error, Result, Site};
use ndarray::{s, Array2};
use std::collections::BTreeMap;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// How to extract.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | `pooling` | mean | how subwords become a word | |
/// | `tokenisation` | word | words by themselves, or in their sentence | |
/// | `batch_tokens` | 2048 | subwords in a forward pass, at most (but at least a sentence) | above 0 |
/// | `max_subwords` | 2048 | sentences as long as this or longer are skipped and counted | above 0 |
/// | `refuse_empty_words` | no | a word without a subword is an error, not a counted skip | |
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
}

impl Default for ExtractionSettings {
    fn default() -> Self {
        ExtractionSettings {
            pooling: Pooling::Mean,
            tokenisation: Tokenisation::Word,
            batch_tokens: 2048,
            max_subwords: 2048,
            refuse_empty_words: false,
        }
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

/// Runs the model over a treebank and pools each wanted word's subwords: one forward pass serves all `sites`. Rows come in
/// the treebank's order, whatever order the sentences were computed in.
///
/// Sentences are sorted by length and packed without padding; batches depend only on the treebank and the settings.
///
/// # Errors
/// [`Error::Parameter`] for a setting of 0, [`Error::Data`] for an empty word where the settings refuse those or for token
/// ids outside the vocabulary, [`Error::Unknown`] for a site beyond the model, [`Error::Torch`] if libtorch fails.
pub fn extract(
    bloom: &Bloom,
    tokenizer: &Tokenizer,
    treebank: &Treebank,
    sites: &[Site],
    settings: &ExtractionSettings,
    wanted: impl Fn(&Word) -> bool,
) -> Result<Extraction> {
    if settings.max_subwords == 0 {
        return Err(Error::parameter("max_subwords", "above 0", 0));
    }
    let mut skipped = Skipped::default();
    let mut words = Vec::new();
    let mut jobs = Vec::new();
    let sentences = treebank.sentences().zip(tokenizer.treebank(treebank, settings.tokenisation)?);
    for (sentence, Subwords { ids, words: ranges }) in sentences {
        let first_row = words.len();
        let long = ids.len() >= settings.max_subwords;
        skipped.long_sentences += usize::from(long);
        let mut pooled = Vec::new();
        for (word, range) in sentence.iter().zip(ranges).filter(|(word, _)| wanted(word)) {
            if long {
                skipped.words_in_long_sentences += 1;
            } else if !range.is_empty() {
                pooled.push(range);
                words.push(word.clone());
            } else if settings.refuse_empty_words {
                let Word { form, file, sentence_id, token_id, .. } = word;
                let message = format!(
                    "the tokenizer gives no subword for {form:?} ({file}, sentence {sentence_id}, token {token_id})"
                );
                return Err(Error::Data(message));
            } else {
                skipped.empty_words += 1;
            }
        }
        if !pooled.is_empty() {
            jobs.push(Job { ids, first_row, pooled });
        }
    }
    let (matrices, tokens) = run(bloom, sites, settings, jobs, words.len())?;
    let activations = Activations::new(words, matrices)?;
    activations.check_finite()?;
    Ok(Extraction { activations, skipped, tokens })
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
    let settings = ExtractionSettings { pooling, ..settings.clone() };
    Ok(run(bloom, sites, &settings, jobs, sentences.len())?.0)
}

/// A sentence to run: its pooled units go to rows `first_row..`.
struct Job {
    ids: Vec<u32>,
    first_row: usize,
    pooled: Vec<Range<usize>>,
}

/// Rows of each site.
type Matrices = BTreeMap<Site, Array2<f32>>;

/// Runs the jobs and puts their rows into matrices `[n_rows, n_neurons]`. Also returns the number of tokens computed.
fn run(
    bloom: &Bloom,
    sites: &[Site],
    settings: &ExtractionSettings,
    mut jobs: Vec<Job>,
    n_rows: usize,
) -> Result<(Matrices, usize)> {
    if settings.batch_tokens == 0 {
        return Err(Error::parameter("batch_tokens", "above 0", 0));
    }
    let mut matrices = Matrices::new();
    for site in sites {
        site.blocks_needed(bloom.config().n_layer)?;
        matrices.insert(*site, Array2::zeros((n_rows, site.width(bloom.config().hidden_size))));
    }
    jobs.sort_by_key(|job| (job.ids.len(), job.first_row));
    let mut tokens = 0;
    let _guard = tch::no_grad_guard();
    let mut rest = jobs.as_slice();
    while !rest.is_empty() {
        let mut total = 0;
        let fits = rest.iter().take_while(|job| {
            total += job.ids.len();
            total <= settings.batch_tokens
        });
        let (batch, later) = rest.split_at(fits.count().max(1));
        rest = later;
        tokens += run_batch(bloom, sites, settings.pooling, batch, &mut matrices)?;
    }
    Ok((matrices, tokens))
}

fn run_batch(bloom: &Bloom, sites: &[Site], pooling: Pooling, jobs: &[Job], matrices: &mut Matrices) -> Result<usize> {
    let sentences: Vec<&[u32]> = jobs.iter().map(|job| job.ids.as_slice()).collect();
    let batch = Batch::new(&sentences)?;
    let pool = Pool::new(jobs, pooling, bloom.device())?;
    let found = bloom.forward(&batch, sites)?;
    for (site, matrix) in matrices {
        let states = found.get(site).ok_or_else(|| Error::Data(format!("{site} was not computed")))?;
        let rows = pool.apply(states)?;
        let (units, width) = rows.size2()?;
        let (units, width) = (units as usize, width as usize);
        let mut values = vec![0f32; units * width];
        rows.f_copy_data(&mut values, units * width)?;
        let shape_error = |e: ndarray::ShapeError| Error::Data(e.to_string());
        let values = Array2::from_shape_vec((units, width), values).map_err(shape_error)?;
        let mut start = 0;
        for job in jobs {
            let end = start + job.pooled.len();
            let mut place = matrix.slice_mut(s![job.first_row..job.first_row + job.pooled.len(), ..]);
            place.assign(&values.slice(s![start..end, ..]));
            start = end;
        }
    }
    Ok(batch.tokens())
}

/// Pools on the model's device, so that only words' rows are copied to the host.
///
/// The mean adds first subwords, then second ones, ...: in each addition a unit comes once, so that sums on a GPU, where
/// additions to one place come in no fixed order, have the same bits every time.
struct Pool {
    /// For each place in a unit: which units have a subword there, and its position in the batch.
    places: Vec<(Tensor, Tensor)>,
    /// The inverse of each unit's number of pooled subwords, `[units, 1]`.
    inverse: Tensor,
    units: i64,
}

impl Pool {
    fn new(jobs: &[Job], pooling: Pooling, device: Device) -> Result<Self> {
        let mut places: Vec<(Vec<i64>, Vec<i64>)> = Vec::new();
        let mut inverse: Vec<f32> = Vec::new();
        let mut start = 0;
        for job in jobs {
            for range in &job.pooled {
                let range = match pooling {
                    Pooling::Mean => range.clone(),
                    Pooling::First => range.start..range.start + 1,
                    Pooling::Last => range.end - 1..range.end,
                };
                places.resize(places.len().max(range.len()), (Vec::new(), Vec::new()));
                for (position, (units, positions)) in range.clone().zip(&mut places) {
                    units.push(inverse.len() as i64);
                    positions.push((start + position) as i64);
                }
                inverse.push(1.0 / range.len() as f32);
            }
            start += job.ids.len();
        }
        let tensor = |values: &[i64]| Tensor::f_from_slice(values)?.f_to(device);
        let places: Result<Vec<_>, tch::TchError> =
            places.iter().map(|(units, positions)| Ok((tensor(units)?, tensor(positions)?))).collect();
        let units = inverse.len() as i64;
        let inverse = Tensor::f_from_slice(&inverse)?.f_view([-1, 1])?.f_to(device)?;
        Ok(Pool { places: places?, inverse, units })
    }

    /// `[tokens, n_neurons]` to `[units, n_neurons]`, float32, on the host.
    fn apply(&self, states: &Tensor) -> Result<Tensor> {
        let (_, width) = states.size2()?;
        let mut sums = Tensor::f_zeros([self.units, width], (Kind::Float, states.device()))?;
        for (units, positions) in &self.places {
            let subwords = states.f_index_select(0, positions)?.f_to_kind(Kind::Float)?;
            sums = sums.f_index_add_(0, units, &subwords)?;
        }
        Ok(sums.f_mul(&self.inverse)?.f_to(Device::Cpu)?.f_contiguous()?)
    }
}
