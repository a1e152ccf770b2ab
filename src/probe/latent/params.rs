use super::{train, LatentProbe};
use crate::probe::estimator::{linfa_fit, Estimator};
use crate::{Error, Result};
use linfa::ParamGuard;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// The most masks a word: more would only take memory.
const MAX_SAMPLES: usize = 4096;

/// How the masks of a latent-variable probe are distributed, given a parameter `w` for each neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masks {
    /// Poisson: each neuron is kept independently with probability `sigmoid(w)`.
    Independent,
    /// Conditional Poisson: of the subsets of this size, each with probability proportional to `prod e^w` over its members.
    OfSize(usize),
    /// Conditional Poisson with a size drawn uniformly from 1 to the number of neurons `D` first. An update takes about
    /// `10 D^2` operations and `28 D^2` bytes: 30 MB at 1,024 neurons, 470 MB at 4,096.
    OfUniformSize,
}

/// Checked parameters of a latent-variable probe; see [`LatentParams`].
#[derive(Clone, Debug, PartialEq)]
pub struct LatentValidParams {
    pub(super) masks: Masks,
    pub(super) entropy_weight: f64,
    pub(super) samples: usize,
    pub(super) learning_rate: f64,
    pub(super) batch_size: usize,
    pub(super) max_epochs: usize,
    pub(super) averaging: f64,
    pub(super) patience: usize,
    pub(super) held_out: f64,
    pub(super) l1: f64,
    pub(super) l2: f64,
    pub(super) standardise: bool,
    pub(super) n_classes: Option<usize>,
    pub(super) seed: u64,
    pub(super) names: Vec<String>,
    pub(super) held_out_lemmas: bool,
    pub(super) lemmas: Option<Vec<usize>>,
}

/// Parameters of a latent-variable probe; start at [`super::Poisson::params`] or [`super::ConditionalPoisson::params`].
///
/// A linear softmax classifier with weights `W` and biases `b` sees each word `x_n` of class `c_n` through random masks
/// `m`. Classifier and the masks' distribution `q`, with parameters `w`, are fitted together by maximising
///
/// ```text
/// 1/N sum_n E_q[ log softmax(b + W (x_n * m))_{c_n} ] + s H(q) - l1 |W|_1 - l2 |W|_2^2
///
/// Poisson:              q(m_d = 1) = sigmoid(w_d)      H(q) = sum_d [ log(1 + exp(w_d)) - w_d sigmoid(w_d) ]
/// conditional Poisson:  q(m | k) = prod_{d in m} exp(w_d) / Z_k,  k fixed or uniform on 1..=D
/// ```
///
/// with Adam. `W` and `b` follow Monte Carlo gradients with `samples` masks a word; `w` follows the score function, the
/// mean of a word's other samples (in the conditional families all of one size) being the baseline, and the exact gradient of the entropy. What is judged and kept is a
/// running average of `W`, `b` and `w` over epochs (Polyak and Juditsky 1992), around which single updates scatter; it makes
/// rankings of different seeds agree better. Training stops when the same objective of the average, without penalties, on
/// the words held out (always with the same random numbers) has not improved for `patience` epochs, and the average of the
/// best epoch is kept. With `s = 1` the entropy outweighs what single
/// neurons say, `q` stays near a half, and the probe is close to logistic regression under dropout.
///
/// | Name | Default | Purpose | Range |
/// | --- | --- | --- | --- |
/// | [masks](Self::masks) | as the probe | the masks' distribution | [`Masks`] |
/// | [entropy_weight](Self::entropy_weight) | 1 | `s`: how strongly masks are kept random | `[0, inf)` |
/// | [samples](Self::samples) | 5 | masks a word and update | 2 to 4096 |
/// | [learning_rate](Self::learning_rate) | 0.01 | step size of Adam | `(0, inf)` |
/// | [batch_size](Self::batch_size) | 256 | words an update | 1 or more |
/// | [max_epochs](Self::max_epochs) | 5000 | passes over the data at most | 1 or more |
/// | [averaging](Self::averaging) | 0.9 | share of the running average that an epoch keeps; 0 is the last epoch alone | `[0, 1)` |
/// | [patience](Self::patience) | 50 | epochs without improvement before stopping | 1 or more |
/// | [held_out](Self::held_out) | 0.1 | share of the words that decide when to stop | `(0, 1)` |
/// | [held_out_lemmas](Self::held_out_lemmas) | false | hold out whole lemmas, so that no word that decides when to stop has one that is trained on; the caller gives the [lemmas](Self::lemmas) | |
/// | [l1](Self::l1) | 0 | penalty on the absolute weights | `[0, inf)` |
/// | [l2](Self::l2) | 0.001 | penalty on the squared weights | `[0, inf)` |
/// | [standardise](Self::standardise) | true | bring neurons to mean 0 and variance 1 | |
/// | [n_classes](Self::n_classes) | largest label + 1 | the number of classes | 2 or more |
/// | [seed](Self::seed), [stream](Self::stream) | 0 | the random numbers | |
///
/// Stańczak et al. keep no average and penalise nothing (`averaging = 0`, `l2 = 0`): both defaults are there for rankings that
/// depend less on the seed. The classifier starts at zero, `w` uniform in `[0, 1)`. The objective is that of Stańczak et al. 2023
/// (arXiv 2201.08214); on one platform, masks and updates depend on nothing but data,
/// parameters and seed, whatever its instruction sets and threads.
///
/// In a file, parameters that are left out have their defaults, unknown ones are errors, and the random stream is not
/// stored: it is the caller's, as is the number of classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct LatentParams(LatentValidParams);

/// [`LatentParams`] as they stand in a file.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stored {
    masks: Option<Masks>,
    entropy_weight: f64,
    samples: usize,
    learning_rate: f64,
    batch_size: usize,
    max_epochs: usize,
    averaging: f64,
    patience: usize,
    held_out: f64,
    held_out_lemmas: bool,
    l1: f64,
    l2: f64,
    standardise: bool,
}

impl Default for Stored {
    fn default() -> Self {
        let mut stored = Stored::from(LatentParams::new(Masks::Independent));
        stored.masks = None;
        stored
    }
}

impl From<LatentParams> for Stored {
    fn from(LatentParams(p): LatentParams) -> Stored {
        Stored {
            masks: Some(p.masks),
            entropy_weight: p.entropy_weight,
            samples: p.samples,
            learning_rate: p.learning_rate,
            batch_size: p.batch_size,
            max_epochs: p.max_epochs,
            averaging: p.averaging,
            patience: p.patience,
            held_out: p.held_out,
            held_out_lemmas: p.held_out_lemmas,
            l1: p.l1,
            l2: p.l2,
            standardise: p.standardise,
        }
    }
}

impl From<Stored> for LatentParams {
    fn from(stored: Stored) -> LatentParams {
        LatentParams::new(stored.masks.unwrap_or(Masks::Independent))
            .entropy_weight(stored.entropy_weight)
            .samples(stored.samples)
            .learning_rate(stored.learning_rate)
            .batch_size(stored.batch_size)
            .max_epochs(stored.max_epochs)
            .averaging(stored.averaging)
            .patience(stored.patience)
            .held_out(stored.held_out)
            .held_out_lemmas(stored.held_out_lemmas)
            .l1(stored.l1)
            .l2(stored.l2)
            .standardise(stored.standardise)
    }
}

/// [`LatentParams`] in a file whose masks, if left out, are of uniform size.
pub(crate) mod conditional {
    use super::{LatentParams, Masks, Stored};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(params: &LatentParams, to: S) -> Result<S::Ok, S::Error> {
        params.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<LatentParams, D::Error> {
        let stored = Stored::deserialize(from)?;
        let masks = stored.masks.unwrap_or(Masks::OfUniformSize);
        Ok(LatentParams::from(stored).masks(masks))
    }
}

impl LatentParams {
    /// The defaults with these masks.
    pub(super) fn new(masks: Masks) -> Self {
        LatentParams(LatentValidParams {
            masks,
            entropy_weight: 1.0,
            samples: 5,
            learning_rate: 1e-2,
            batch_size: 256,
            max_epochs: 5000,
            averaging: 0.9,
            patience: 50,
            held_out: 0.1,
            l1: 0.0,
            l2: 1e-3,
            standardise: true,
            n_classes: None,
            seed: 0,
            names: Vec::new(),
            held_out_lemmas: false,
            lemmas: None,
        })
    }
}

macro_rules! setters {
    ($($(#[$meta:meta])* $name:ident: $ty:ty),* $(,)?) => {
        $($(#[$meta])* pub fn $name(mut self, $name: $ty) -> Self {
            self.0.$name = $name;
            self
        })*
    };
}

impl LatentParams {
    setters! {
        /// Sets how masks are distributed.
        masks: Masks,
        /// Sets `s`, the weight of the masks' entropy, in training and in stopping alike.
        entropy_weight: f64,
        /// Sets the number of masks drawn for each word at each update.
        samples: usize,
        /// Sets Adam's step size.
        learning_rate: f64,
        /// Sets the number of words an update.
        batch_size: usize,
        /// Sets the largest number of passes over the data.
        max_epochs: usize,
        /// Sets the share of the running average over epochs that an epoch keeps.
        averaging: f64,
        /// Sets the number of epochs without improvement after which training stops.
        patience: usize,
        /// Sets the share of the training words that are held out to decide when to stop.
        held_out: f64,
        /// Sets whether lemmas are held out, and not words by themselves. A word that shares its lemma with one that is
        /// trained on says little about new words, and training may stop late.
        held_out_lemmas: bool,
        /// Sets the weight of the absolute weights' sum, as a loss a word.
        l1: f64,
        /// Sets the weight of the squared weights' sum, as a loss a word.
        l2: f64,
        /// Sets whether neurons are brought to mean 0 and variance 1 on the training words.
        standardise: bool,
        /// Sets the seed.
        seed: u64,
    }

    /// Sets the number of classes, where the training words may lack the last ones.
    pub fn n_classes(mut self, n_classes: usize) -> Self {
        self.0.n_classes = Some(n_classes);
        self
    }

    /// Sets the lemma of each word, by number, for [`held_out_lemmas`](Self::held_out_lemmas).
    pub fn lemmas(mut self, lemmas: Option<&[usize]>) -> Self {
        self.0.lemmas = lemmas.map(<[usize]>::to_vec);
        self
    }

    /// Sets seed and names of the random stream (see [`crate::seed::stream`]): language, attribute, step and site, say.
    pub fn stream(mut self, seed: u64, names: &[&str]) -> Self {
        self.0.seed = seed;
        self.0.names = names.iter().map(ToString::to_string).collect();
        self
    }
}

impl ParamGuard for LatentParams {
    type Checked = LatentValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&LatentValidParams> {
        let p = &self.0;
        let counts = [
            ("samples", p.samples, 2),
            ("batch_size", p.batch_size, 1),
            ("max_epochs", p.max_epochs, 1),
            ("patience", p.patience, 1),
            ("n_classes", p.n_classes.unwrap_or(2), 2),
        ];
        for (name, value, least) in counts {
            if value < least {
                return Err(Error::parameter(name, format!("{least} or more"), value));
            }
        }
        if p.samples > MAX_SAMPLES {
            return Err(Error::parameter("samples", format!("at most {MAX_SAMPLES}"), p.samples));
        }
        if p.masks == Masks::OfSize(0) {
            return Err(Error::parameter("masks", "of 1 neuron or more", 0));
        }
        for (name, value) in [("entropy_weight", p.entropy_weight), ("l1", p.l1), ("l2", p.l2)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, "in [0, inf)", value));
            }
        }
        if !(p.learning_rate > 0.0 && p.learning_rate.is_finite()) {
            return Err(Error::parameter("learning_rate", "in (0, inf)", p.learning_rate));
        }
        if !(p.averaging >= 0.0 && p.averaging < 1.0) {
            return Err(Error::parameter("averaging", "in [0, 1)", p.averaging));
        }
        if !(p.held_out > 0.0 && p.held_out < 1.0) {
            return Err(Error::parameter("held_out", "in (0, 1)", p.held_out));
        }
        Ok(p)
    }

    fn check(self) -> Result<LatentValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl LatentValidParams {
    /// How masks are distributed.
    pub fn masks(&self) -> Masks {
        self.masks
    }
}

impl Estimator for LatentValidParams {
    type Fitted = LatentProbe;

    /// As [`Estimator::fit_view`]; [`Error::Parameter`] also if masks are larger than the neurons there are, and
    /// [`Error::Data`] if training diverges.
    fn fit_view(&self, records: ArrayView2<f32>, labels: &[usize]) -> Result<LatentProbe> {
        train::fit(self, records, labels)
    }
}

linfa_fit!(LatentValidParams);
