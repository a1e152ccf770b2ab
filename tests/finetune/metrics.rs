//! Scores against seqeval and scikit-learn.

use approx::assert_abs_diff_eq;
use isogloss::transfer::finetune::Predictions;
use rand::Rng;

/// Sentences of up to nine words of five tags, of which two thirds are right.
fn drawn(sentences: usize) -> Predictions {
    let mut stream = isogloss::seed::stream(5, &["metrics"]);
    let sentences = (0..sentences).map(|_| {
        let length = stream.gen_range(1..10);
        let word = |_| {
            let gold = [0, 0, 0, 1, 1, 2, 3][stream.gen_range(0..7usize)];
            (gold, if stream.gen_range(0..3) > 0 { gold } else { stream.gen_range(0..5usize) })
        };
        (0..length).map(word).collect()
    });
    Predictions { sentences: sentences.collect() }
}

// The pairs are printed by this test's `drawn(40)` into pairs.json. Then:
// from seqeval.metrics import f1_score as span; from sklearn.metrics import accuracy_score, f1_score
// s = json.load(open("pairs.json")); tag = lambda i: [["I-T%d" % w[i] for w in x] for x in s]
// flat = lambda i: [w[i] for x in s for w in x]
// print(span(tag(0), tag(1)), accuracy_score(flat(0), flat(1)), f1_score(flat(0), flat(1), average="macro"))
#[test]
fn scores_equal_seqeval_and_scikit_learn() {
    let predictions = drawn(40);
    if let Some(path) = std::env::var_os("ISOGLOSS_PAIRS") {
        std::fs::write(path, serde_json::to_string(&predictions.sentences).unwrap()).unwrap();
    }
    assert_abs_diff_eq!(predictions.span_f1().unwrap(), SPAN, epsilon = 1e-12);
    assert_abs_diff_eq!(predictions.accuracy().unwrap(), ACCURACY, epsilon = 1e-12);
    assert_abs_diff_eq!(predictions.macro_f1().unwrap(), MACRO, epsilon = 1e-12);
}

const SPAN: f64 = 0.6093189964157706;
const ACCURACY: f64 = 0.7554347826086957;
const MACRO: f64 = 0.5932576766001452;
