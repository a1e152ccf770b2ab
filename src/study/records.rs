//! What a cell's result holds on disk.

use crate::activations::Skipped;
use crate::probe::Fitted;
use crate::ranking::{CurvePoint, Ranking};
use crate::treebank::{CellRow, ClassRow};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The words of a language, an attribute and a seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct WordsRecord {
    /// What extraction skipped of the language.
    pub skipped: Skipped,
    pub cell: CellRow,
    pub classes: Vec<ClassRow>,
    /// Why there is nothing to probe.
    pub missing: Option<String>,
}

/// A neuron, with dev and test figures.
type Point = (usize, Option<f64>, Option<f64>, Option<f64>);

/// A ranking, its curve without what follows from the place in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RankingRecord {
    neurons: Option<usize>,
    curve: Vec<Point>,
}

impl From<&Ranking> for RankingRecord {
    fn from(ranking: &Ranking) -> Self {
        let point = |point: &CurvePoint| (point.neuron, point.nmi_dev, point.nmi_test, point.accuracy_test);
        RankingRecord { neurons: ranking.n_neurons(), curve: ranking.curve().iter().map(point).collect() }
    }
}

impl RankingRecord {
    /// The best `k` of it, or all.
    pub fn ranking(&self, k: usize) -> Result<Ranking> {
        let point = |(i, &(neuron, nmi_dev, nmi_test, accuracy_test)): (usize, &Point)| CurvePoint {
            rank: i + 1,
            neuron,
            nmi_dev,
            nmi_test,
            accuracy_test,
        };
        let curve = self.curve.iter().take(k).enumerate().map(point).collect();
        match self.neurons {
            Some(neurons) => Ranking::new(neurons, curve),
            None => Ranking::of_unknown_width(curve),
        }
    }
}

/// How the source's probe does on the test words of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum ScoreRecord {
    /// The source has no such cell.
    NoSource,
    /// It has.
    Scored { accuracy: Option<f64>, nmi: Option<f64>, left_out: usize },
}

/// A probe of the source language, to score on others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceProbe {
    pub(super) probe: Fitted,
    pub(super) classes: Vec<String>,
}

/// Files of probes larger than this are not kept, but fitted again where a run needs them that did not fit them.
const MAX_PROBE_BYTES: usize = 16 << 20;

impl SourceProbe {
    /// Whether it is small enough to be kept.
    pub fn is_small(&self) -> bool {
        let neurons = crate::probe::Probe::n_neurons(&self.probe);
        let numbers = match &self.probe {
            Fitted::Gaussian(_) => neurons.saturating_mul(neurons) / 2,
            _ => neurons,
        };
        // A number takes eleven digits or so.
        numbers.saturating_mul(self.classes.len()).saturating_mul(11) <= MAX_PROBE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results on disk outlive the program that wrote them. If this fails, what is written has changed: raise `FORMAT` in `keys.rs`, so that
    /// results of before are not taken for these, and put the new text here.
    #[test]
    fn what_is_written_is_what_the_format_says() {
        let text = |record: serde_json::Result<String>| record.unwrap();
        let point = CurvePoint { rank: 1, neuron: 4, nmi_dev: Some(0.5), nmi_test: None, accuracy_test: Some(0.25) };
        let ranking = RankingRecord::from(&Ranking::new(9, vec![point]).unwrap());
        assert_eq!(text(serde_json::to_string(&ranking)), r#"{"neurons":9,"curve":[[4,0.5,null,0.25]]}"#);
        let score = ScoreRecord::Scored { accuracy: Some(0.5), nmi: None, left_out: 3 };
        assert_eq!(text(serde_json::to_string(&score)), r#"{"Scored":{"accuracy":0.5,"nmi":null,"left_out":3}}"#);
        assert_eq!(text(serde_json::to_string(&ScoreRecord::NoSource)), r#""NoSource""#);
        let mut cells = crate::treebank::Cells::default();
        cells.add_missing("es", "Number", 7, &crate::treebank::NoCell::Settings("why".into()));
        let cell = cells.cells.remove(0);
        let words = WordsRecord { skipped: Skipped::default(), cell, classes: Vec::new(), missing: Some("why".into()) };
        assert_eq!(
            text(serde_json::to_string(&words)),
            concat!(
                r#"{"skipped":{"long_sentences":0,"words_in_long_sentences":0,"empty_words":0},"#,
                r#""cell":{"language":"es","attribute":"Number","seed":7,"usable":false,"reason":"why","classes":"","#,
                r#""dropped":"","train":null,"dev":null,"test":null,"without_lemma":null,"seen_lemmas":null},"#,
                r#""classes":[],"missing":"why"}"#
            )
        );
    }

    #[test]
    fn rankings_come_back_to_the_last_bit_and_shorter_if_asked() {
        let point = |rank: usize| CurvePoint {
            rank,
            neuron: 10 - rank,
            nmi_dev: Some((rank as f64).sqrt() / 3.0),
            nmi_test: Some(-1e-300 / rank as f64),
            accuracy_test: None,
        };
        let ranking = Ranking::new(12, (1..=5).map(point).collect()).unwrap();
        let text = serde_json::to_string(&RankingRecord::from(&ranking)).unwrap();
        let record: RankingRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(record.ranking(9).unwrap(), ranking);
        assert_eq!(record.ranking(2).unwrap(), Ranking::new(12, (1..=2).map(point).collect()).unwrap());
    }
}
