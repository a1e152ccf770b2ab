//! Input of which there is no similarity: typed reasons, never NaN.

use super::*;
use crate::activations::SentencePooling;
use crate::checkpoint::Step;
use crate::stats::Undefined;
use crate::Site;
use ndarray::{array, Array2, ArrayView2};

fn of(rows: &Array2<f32>) -> States<'_> {
    States::new(rows.view()).unwrap()
}

/// Sentences that differ in every neuron.
fn varied(n: usize, d: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, d), |(i, j)| ((i * 7 + j * 3 + i * i * j) % 11) as f32 - 4.5)
}

/// The reasons of the measures, by name; measures with a value are left out. Whatever has a value has a finite one.
fn reasons(a: &Array2<f32>, b: &Array2<f32>) -> Vec<(&'static str, Undefined)> {
    let found = similarities(&of(a), &of(b));
    assert!(found.iter().filter_map(|found| found.value.ok()).all(f64::is_finite), "{found:?}");
    let reasons = found.into_iter().filter_map(|found| Some((found.measure, found.value.err()?)));
    reasons.filter(|(_, reason)| !matches!(reason, Undefined::FeatureOff(_))).collect()
}

fn reason_of(reasons: &[(&str, Undefined)], measure: &str) -> Option<Undefined> {
    reasons.iter().find(|(name, _)| *name == measure).map(|(_, reason)| *reason)
}

#[test]
fn states_are_finite_and_there() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(States::new(array![[1.0, bad]].view()).unwrap_err(), Undefined::NotFinite);
    }
    for shape in [(0, 3), (3, 0)] {
        let none = Array2::<f32>::zeros(shape);
        assert_eq!(States::new(none.view()).unwrap_err(), Undefined::TooFewPoints { n: 0, needed: 1 });
    }
}

#[test]
fn one_sentence_has_a_cosine_and_is_found() {
    let (a, b) = (array![[1.0f32, 2.0, 0.5]], array![[0.5f32, 2.0, 0.0]]);
    let few = Undefined::TooFewPoints { n: 1, needed: 2 };
    let reasons = reasons(&a, &b);
    for (measure, reason) in &reasons {
        assert_eq!(*reason, few, "{measure}");
    }
    let with_value = ["cosine", "retrieval-a-to-b", "retrieval-csls-b-to-a"];
    assert!(with_value.iter().all(|measure| reason_of(&reasons, measure).is_none()));
    assert_eq!(retrieval(&of(&a), &of(&b)).unwrap().csls_a_to_b, 1.0);
}

#[test]
fn zeros_have_no_direction() {
    let (a, mut b) = (varied(6, 4), varied(6, 4));
    b.row_mut(2).fill(0.0);
    let some = reasons(&a, &b);
    for measure in ["cosine", "cosine-mismatched", "anisotropy", "cosine-adjusted", "retrieval-a-to-b"] {
        assert_eq!(reason_of(&some, measure), Some(Undefined::ZeroVector), "{measure}");
    }
    assert_eq!(reason_of(&some, "linear-cka").or(reason_of(&some, "anc")), None, "a zero is a value as any other");
    let all = reasons(&a, &Array2::zeros((6, 4)));
    assert_eq!(all.len() + usize::from(!cfg!(feature = "linalg")) * 2, MEASURES.len(), "{all:?}");
}

#[test]
fn what_does_not_vary_cannot_vary_together() {
    let constant = Array2::from_elem((7, 3), 0.1f32);
    for other in [varied(7, 3), constant.clone()] {
        let reasons = reasons(&other, &constant);
        assert_eq!(reason_of(&reasons, "cosine-centred"), Some(Undefined::ZeroVector));
        for measure in ["linear-cka", "anc"] {
            assert_eq!(reason_of(&reasons, measure), Some(Undefined::Constant), "{measure}");
        }
        assert_eq!(reason_of(&reasons, "cosine"), None);
        #[cfg(feature = "linalg")]
        assert_eq!(
            (reason_of(&reasons, "svcca"), reason_of(&reasons, "cosine-all-but-top")),
            (Some(Undefined::Constant), Some(Undefined::Constant))
        );
    }
    // The first of equally near ones counts.
    assert_eq!(retrieval(&of(&varied(7, 3)), &of(&constant)).unwrap().a_to_b, 1.0 / 7.0);
}

#[test]
fn constant_neurons_are_left_out_and_counted() {
    let (mut a, mut b) = (varied(8, 5), varied(8, 5) * 0.5 + 1.0);
    // The mean of 0.1 is not 0.1 to the last bit.
    a.column_mut(1).fill(0.1);
    b.column_mut(3).fill(-7.3);
    let found = neuron_correlation(&of(&a), &of(&b)).unwrap();
    assert_eq!(found.neurons, 3);
    assert!((found.mean - 1.0).abs() < 1e-12, "the others are equal but for scale and shift: {found:?}");
    let row = similarities(&of(&a), &of(&b)).into_iter().find(|found| found.measure == "anc").unwrap();
    assert_eq!(row.neurons, 3);
}

#[test]
fn a_sentence_at_the_mean_is_rounding_and_no_direction() {
    // The middle one is the mean but for rounding.
    let a = array![[0.1f32, 0.7], [0.2, 0.8], [0.3, 0.9]];
    let exact = array![[0.25f32, 0.5], [0.5, 0.75], [0.75, 1.0]];
    let b = array![[0.4f32, 0.1], [0.2, 0.8], [0.9, 0.9]];
    assert_eq!(cosine_centred(&of(&exact), &of(&b)), Err(Undefined::ZeroVector));
    // Of float32 values 0.1, 0.2 and 0.3 the mean is not the middle one.
    assert!(cosine_centred(&of(&a), &of(&b)).is_ok());
}

#[cfg(feature = "linalg")]
#[test]
fn what_is_all_in_the_top_direction_leaves_nothing() {
    // All sentences lie on a line.
    let a = Array2::from_shape_fn((6, 3), |(i, j)| (i * i) as f32 * [1.0, -2.0, 0.5][j]);
    let b = varied(6, 3);
    assert_eq!(cosine_all_but_top(&of(&a), &of(&b)), Err(Undefined::ZeroVector));
    assert!(svcca(&of(&a), &of(&b)).is_ok() && cosine_centred(&of(&a), &of(&b)).is_ok());
}

#[test]
fn fewer_sentences_than_neurons_are_no_error() {
    let (a, b) = (varied(5, 60), varied(5, 60).mapv(|v| v * v - v));
    assert_eq!(reasons(&a, &b), []);
    assert_eq!(reasons(&varied(2, 60), &varied(2, 60)).len(), usize::from(cfg!(feature = "linalg")), "all but the top");
}

#[test]
fn shapes_that_differ_are_refused() {
    let (a, fewer, narrower) = (varied(6, 4), varied(5, 4), varied(6, 3));
    for (_, reason) in reasons(&a, &fewer) {
        assert_eq!(reason, Undefined::LengthsDiffer { x: 6, y: 5 });
    }
    let of_width = reasons(&a, &narrower);
    assert!(of_width.iter().all(|(_, reason)| *reason == Undefined::LengthsDiffer { x: 4, y: 3 }));
    assert_eq!((reasons(&a, &fewer).len() >= 11, of_width.len() >= 10), (true, true));
}

#[test]
fn the_smallest_and_largest_values_are_as_good_as_any() {
    let (a, b) = (varied(9, 4), varied(9, 4).mapv(|v| v * v + v));
    let expected = similarities(&of(&a), &of(&b));
    // Twice the values are whole numbers up to 13, so that neither power of two rounds them.
    for scale in [f32::from_bits(1), 2f32.powi(124)] {
        let scaled = a.mapv(|v| 2.0 * v * scale);
        for (expected, found) in expected.into_iter().zip(similarities(&of(&scaled), &of(&b))) {
            let Ok(expected) = expected.value else { continue };
            assert!((found.value.unwrap() - expected).abs() < 1e-9, "{scale}: {found:?}, expected {expected}");
        }
    }
}

#[test]
fn a_row_without_a_value_says_why() {
    let (a, bad) = (varied(4, 3), Array2::from_elem((4, 3), f32::NAN));
    let place =
        Place { model: "m".into(), step: Step::Number(1), site: Site::Residual(0), pooling: SentencePooling::Last };
    let states: [(&str, ArrayView2<'_, f32>); 2] = [("en", a.view()), ("es", bad.view())];
    let rows = compare(&place, &states, Pairs::All);
    assert_eq!(rows.len(), MEASURES.len());
    for row in rows {
        assert_eq!((row.value, row.reason.as_deref()), (None, Some("an input is not finite")));
    }
}
