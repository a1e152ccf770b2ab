//! The identities of a language's cells at a checkpoint.

use super::Identity;
use crate::ranking::{Control, Method};
use crate::treebank::SplitSettings;
use crate::{Result, Site};
use serde::Serialize;

/// Goes up when a result of the same settings is no longer the same.
const FORMAT: u32 = 1;

/// What activations of a language at a checkpoint depend on, whatever the sites.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Source<'a> {
    pub weights: &'a str,
    pub config: &'a str,
    pub tokenizer: &'a str,
    pub language: &'a str,
    /// Of the words as they were read, so with scheme and reading in it.
    pub treebank: &'a str,
    pub pooling: String,
    pub tokenisation: String,
    pub dtype: String,
    pub device: &'a str,
    /// On a processor.
    pub threads: Option<usize>,
    pub libtorch: &'a str,
    pub batch_tokens: usize,
    pub max_subwords: usize,
    pub refuse_empty_words: bool,
    pub shard_words: usize,
}

/// Identities by what a cell is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    activations: Identity,
    words: Identity,
    ranking: Identity,
    /// Of scores, where transfer is measured.
    score: Option<Identity>,
}

impl Keys {
    /// `step` is part of the probes' random streams.
    pub fn new(source: &Source<'_>, split: &SplitSettings, method: &Method, step: &str) -> Result<Self> {
        let version = (FORMAT, env!("CARGO_PKG_VERSION"));
        let Source { tokenizer, language, treebank, tokenisation, max_subwords, refuse_empty_words, .. } = source;
        let words = (tokenizer, language, treebank, tokenisation, max_subwords, refuse_empty_words, split);
        let words = Identity::of(&("words", version, words))?;
        let activations = Identity::of(&("activations", version, source))?;
        let ranking = Identity::of(&("ranking", activations, words, method, step))?;
        Ok(Keys { activations, words, ranking, score: None })
    }

    /// With scores by the probes of the source language.
    pub fn scored_by(self, source: &Keys) -> Result<Self> {
        Ok(Keys { score: Some(Identity::of(&("score", self.ranking, source.ranking))?), ..self })
    }

    /// Of all cells of the language.
    pub fn cells(&self) -> Identity {
        self.score.unwrap_or(self.ranking)
    }

    /// Whether transfer is measured.
    pub fn measures(&self) -> bool {
        self.score.is_some()
    }

    pub fn activations(&self, sites: &[Site]) -> Identity {
        let mut names: Vec<String> = sites.iter().map(Site::to_string).collect();
        names.sort();
        self.activations.of_part(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn words(&self, attribute: &str, seed: u64) -> Identity {
        self.words.of_part(&[attribute, &seed.to_string()])
    }

    /// However many neurons are ranked: the first are the same.
    pub fn ranking(&self, attribute: &str, site: Site, seed: u64, control: Control) -> Identity {
        let control = if control == Control::Shuffled { "shuffled" } else { "none" };
        self.ranking.of_part(&[attribute, &site.to_string(), &seed.to_string(), control])
    }

    pub fn probe(&self, attribute: &str, site: Site, seed: u64) -> Identity {
        self.ranking.of_part(&[attribute, &site.to_string(), &seed.to_string(), "none", "probe"])
    }

    pub fn score(&self, attribute: &str, site: Site, seed: u64) -> Option<Identity> {
        Some(self.score?.of_part(&[attribute, &site.to_string(), &seed.to_string()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source<'static> {
        Source {
            weights: "w",
            config: "c",
            tokenizer: "t",
            language: "qa",
            treebank: "b",
            pooling: "mean".into(),
            tokenisation: "word".into(),
            dtype: "f32".into(),
            device: "cpu",
            threads: Some(2),
            libtorch: "2.11",
            batch_tokens: 2048,
            max_subwords: 2048,
            refuse_empty_words: false,
            shard_words: 65536,
        }
    }

    /// The identities of activations, words, ranking and score.
    fn all(source: &Source, split: &SplitSettings, method: &str, step: &str) -> [Identity; 4] {
        let keys = Keys::new(source, split, &method.parse().unwrap(), step).unwrap();
        let keys = keys.scored_by(&keys).unwrap();
        let site = Site::Residual(1);
        [
            keys.activations(&[site]),
            keys.words("POS", 0),
            keys.ranking("POS", site, 0, Control::None),
            keys.score("POS", site, 0).unwrap(),
        ]
    }

    #[test]
    fn what_depends_on_a_setting_changes_with_it_and_nothing_else() {
        let split = SplitSettings::default();
        let before = all(&source(), &split, "poisson", "10");
        let changes = |after: [Identity; 4]| -> [bool; 4] { std::array::from_fn(|i| after[i] != before[i]) };
        let of = |change: fn(&mut Source)| {
            let mut source = source();
            change(&mut source);
            changes(all(&source, &split, "poisson", "10"))
        };
        let of_model = [true, false, true, true];
        assert_eq!(of(|s| s.weights = "v"), of_model);
        assert_eq!(of(|s| s.config = "v"), of_model);
        assert_eq!(of(|s| s.pooling = "last".into()), of_model);
        assert_eq!(of(|s| s.dtype = "f16".into()), of_model);
        assert_eq!(of(|s| s.device = "cuda"), of_model);
        assert_eq!(of(|s| s.threads = Some(4)), of_model);
        assert_eq!(of(|s| s.libtorch = "2.12"), of_model);
        assert_eq!(of(|s| s.batch_tokens = 1), of_model);
        assert_eq!(of(|s| s.shard_words = 1), of_model);
        let all_of_it = [true; 4];
        assert_eq!(of(|s| s.tokenizer = "v"), all_of_it);
        assert_eq!(of(|s| s.treebank = "v"), all_of_it);
        assert_eq!(of(|s| s.language = "qb"), all_of_it);
        assert_eq!(of(|s| s.tokenisation = "sentence".into()), all_of_it);
        assert_eq!(of(|s| s.max_subwords = 7), all_of_it);
        assert_eq!(of(|s| s.refuse_empty_words = true), all_of_it);
        assert_eq!(of(|_| ()), [false; 4]);
        let fewer = SplitSettings { min_per_class: 5, ..split };
        assert_eq!(changes(all(&source(), &fewer, "poisson", "10")), [false, true, true, true]);
        assert_eq!(changes(all(&source(), &split, "logistic", "10")), [false, false, true, true]);
        assert_eq!(changes(all(&source(), &split, "poisson", "30")), [false, false, true, true]);
    }

    #[test]
    fn a_score_depends_on_the_sources_words_too() {
        let keys = |language: &'static str, treebank: &'static str| {
            let source = Source { language, treebank, ..source() };
            Keys::new(&source, &SplitSettings::default(), &"poisson".parse().unwrap(), "10").unwrap()
        };
        let (site, target) = (Site::Residual(1), keys("qb", "b"));
        let score = |source: &Keys| target.scored_by(source).unwrap().score("POS", site, 0).unwrap();
        assert_ne!(score(&keys("qa", "b")), score(&keys("qa", "other")));
        assert_eq!(target.score("POS", site, 0), None);
    }
}
