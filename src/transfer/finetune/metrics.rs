//! Scores of predicted labels against gold ones.

use std::collections::BTreeMap;

/// Labels of one language's sentences, gold and predicted, as classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predictions {
    /// For each sentence the gold and the predicted class of each target.
    pub sentences: Vec<Vec<(usize, usize)>>,
}

/// A run of equal tags: first token, one past the last, tag.
type Span = (usize, usize, usize);

impl Predictions {
    fn targets(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.sentences.iter().flatten().copied()
    }

    /// Number of targets.
    pub fn len(&self) -> usize {
        self.sentences.iter().map(Vec::len).sum()
    }

    /// Whether there is no target.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The share of targets predicted right; `None` without targets.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.targets().filter(|(gold, predicted)| gold == predicted).count();
        ratio(right, self.len())
    }

    /// The mean of the classes' F1, over those that are gold or predicted somewhere (as scikit-learn's `f1_score` with
    /// `average="macro"`); `None` without targets.
    pub fn macro_f1(&self) -> Option<f64> {
        // Of each class: right, gold, predicted.
        let mut counts: BTreeMap<usize, [usize; 3]> = BTreeMap::new();
        for (gold, predicted) in self.targets() {
            let of_gold = counts.entry(gold).or_default();
            of_gold[1] += 1;
            of_gold[0] += usize::from(gold == predicted);
            counts.entry(predicted).or_default()[2] += 1;
        }
        let scores = counts.values().filter_map(|[right, gold, predicted]| ratio(2 * right, gold + predicted));
        crate::stats::mean(scores)
    }

    /// F1 of spans: within a sentence, neighbouring words of equal tag are one span, and a predicted span counts if its beginning, its
    /// end and its tag are right (micro-average, as Wang, Minervini and Ponti 2024 score tagging). Equals seqeval's `f1_score` of the
    /// tags written `I-TAG`. `None` without targets.
    ///
    /// (Of bare tags seqeval takes the first letter for the scheme's, so that `SYM` and `SCONJ`, which begin with its S, are spans of
    /// one word each.)
    pub fn span_f1(&self) -> Option<f64> {
        let (mut right, mut all) = (0, 0);
        for sentence in &self.sentences {
            let gold = spans(sentence.iter().map(|(gold, _)| *gold));
            let predicted = spans(sentence.iter().map(|(_, predicted)| *predicted));
            // Both are sorted and no span comes twice.
            right += gold.iter().filter(|span| predicted.binary_search(span).is_ok()).count();
            all += gold.len() + predicted.len();
        }
        ratio(2 * right, all)
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn spans(tags: impl Iterator<Item = usize>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (i, tag) in tags.enumerate() {
        match spans.last_mut() {
            Some((_, end, last)) if *last == tag => *end = i + 1,
            _ => spans.push((i, i + 1, tag)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_span_and_a_sentence_ends_it() {
        let one = |pairs: &[(usize, usize)]| Predictions { sentences: vec![pairs.to_vec()] };
        // Gold 0 0 1, predicted 0 0 1; then 0 1 1: no span is right, though two words are.
        assert_eq!(one(&[(0, 0), (0, 0), (1, 1)]).span_f1(), Some(1.0));
        assert_eq!(one(&[(0, 0), (0, 1), (1, 1)]).span_f1(), Some(0.0));
        let two = Predictions { sentences: vec![vec![(0, 0)], vec![(0, 1)]] };
        assert_eq!(two.span_f1(), Some(0.5));
        let none = Predictions::default();
        assert_eq!((none.span_f1(), none.accuracy(), none.macro_f1()), (None, None, None));
    }
}
