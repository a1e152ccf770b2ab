//! What holds of the measures whatever the states.

use super::*;
use ndarray::{Array2, Axis};
use proptest::prelude::*;

/// Two languages of as many sentences and neurons, of values that rounding does not decide about.
fn languages() -> impl Strategy<Value = (Array2<f32>, Array2<f32>)> {
    (3usize..14, 2usize..9).prop_flat_map(|(n, d)| {
        let states = move || {
            prop::collection::vec(-100i16..100, n * d)
                .prop_map(move |values| Array2::from_shape_fn((n, d), |(i, j)| values[i * d + j] as f32 / 8.0 + 0.01))
        };
        (states(), states())
    })
}

fn of(rows: &Array2<f32>) -> States<'_> {
    States::new(rows.view()).unwrap()
}

fn values(a: &Array2<f32>, b: &Array2<f32>) -> Vec<(&'static str, Option<f64>)> {
    similarities(&of(a), &of(b)).into_iter().map(|found| (found.measure, found.value.ok())).collect()
}

fn value(values: &[(&str, Option<f64>)], measure: &str) -> Option<f64> {
    values.iter().find(|(name, _)| *name == measure).and_then(|(_, value)| *value)
}

/// Turns pairs of neurons by an angle.
fn rotated(rows: &Array2<f32>, angle: f32) -> Array2<f32> {
    let mut turned = rows.clone();
    for j in (1..rows.ncols()).step_by(2) {
        for i in 0..rows.nrows() {
            let (x, y) = (rows[[i, j - 1]], rows[[i, j]]);
            turned[[i, j - 1]] = angle.cos() * x - angle.sin() * y;
            turned[[i, j]] = angle.sin() * x + angle.cos() * y;
        }
    }
    turned
}

/// Measures that compare sentences by order: equally near ones decide, and rounding breaks ties.
fn ranks(measure: &str) -> bool {
    measure.starts_with("retrieval")
}

/// Measures that an eigenvalue close to another, or a state close to zero, makes sensitive.
fn delicate(measure: &str) -> bool {
    ["svcca", "cosine-all-but-top"].contains(&measure)
}

proptest! {
    #[test]
    fn swapping_the_languages_swaps_the_directions((a, b) in languages()) {
        let (forth, back) = (values(&a, &b), values(&b, &a));
        for (measure, value_forth) in &forth {
            let other = match *measure {
                "retrieval-a-to-b" => "retrieval-b-to-a",
                "retrieval-b-to-a" => "retrieval-a-to-b",
                "retrieval-csls-a-to-b" => "retrieval-csls-b-to-a",
                "retrieval-csls-b-to-a" => "retrieval-csls-a-to-b",
                other => other,
            };
            match (value_forth, value(&back, other)) {
                (Some(x), Some(y)) if ranks(measure) => prop_assert_eq!(*x, y, "{}", measure),
                (Some(x), Some(y)) => prop_assert!((x - y).abs() < 1e-9, "{}: {} and {}", measure, x, y),
                (x, y) => prop_assert_eq!(*x, y, "{}", measure),
            }
        }
    }

    #[test]
    fn values_lie_in_their_ranges((a, b) in languages()) {
        for (measure, value) in values(&a, &b) {
            let Some(value) = value else { continue };
            let low = match measure {
                "linear-cka" | "svcca" => 0.0,
                name if ranks(name) => 0.0,
                "cosine-adjusted" => -2.0,
                _ => -1.0,
            };
            let high = if measure == "cosine-adjusted" { 2.0 } else { 1.0 };
            prop_assert!((low - 1e-12..=high + 1e-12).contains(&value), "{}: {}", measure, value);
        }
    }

    #[test]
    fn scale_does_not_matter((a, b) in languages(), power in -6i32..6) {
        // A power of two changes no bit of a mantissa.
        let scaled = a.mapv(|value| value * 2f32.powi(power));
        for ((measure, before), (_, after)) in values(&a, &b).into_iter().zip(values(&scaled, &b)) {
            match (before, after) {
                (Some(x), Some(y)) if delicate(measure) => prop_assert!((x - y).abs() < 1e-6, "{}: {} and {}", measure, x, y),
                (x, y) => prop_assert_eq!(x.is_some(), y.is_some()),
            }
            if !delicate(measure) {
                let (x, y) = (before.unwrap_or_default(), after.unwrap_or_default());
                prop_assert!((x - y).abs() < 1e-12, "{}: {} and {}", measure, x, y);
            }
        }
    }

    #[test]
    fn the_order_of_sentences_does_not_matter((a, b) in languages(), shift in 1usize..7) {
        let n = a.nrows();
        let order: Vec<usize> = (0..n).map(|i| (i + shift) % n).collect();
        let (other_a, other_b) = (a.select(Axis(0), &order), b.select(Axis(0), &order));
        for ((measure, before), (_, after)) in values(&a, &b).into_iter().zip(values(&other_a, &other_b)) {
            let (Some(x), Some(y)) = (before, after) else { continue };
            if !ranks(measure) {
                prop_assert!((x - y).abs() < 1e-6, "{}: {} and {}", measure, x, y);
            }
        }
    }

    #[test]
    fn rotating_both_languages_changes_all_but_neuron_correlation((a, b) in languages(), angle in 0.1f32..3.0) {
        let (turned_a, turned_b) = (rotated(&a, angle), rotated(&b, angle));
        for ((measure, before), (_, after)) in values(&a, &b).into_iter().zip(values(&turned_a, &turned_b)) {
            let (Some(x), Some(y)) = (before, after) else { continue };
            if !ranks(measure) && !delicate(measure) && measure != "anc" && measure != "cosine-centred" {
                prop_assert!((x - y).abs() < 1e-5, "{}: {} and {}", measure, x, y);
            }
        }
    }

    #[test]
    fn cka_is_free_of_a_rotation_of_one_language_and_of_a_shift((a, b) in languages(), angle in 0.1f32..3.0) {
        let changed = rotated(&a, angle).mapv(|value| value + 3.0);
        if let (Ok(x), Ok(y)) = (linear_cka(&of(&a), &of(&b)), linear_cka(&of(&changed), &of(&b))) {
            prop_assert!((x - y).abs() < 1e-4, "{} and {}", x, y);
        }
    }

    #[test]
    fn a_language_is_its_own_translation((a, _) in languages()) {
        let distinct = (0..a.nrows()).all(|i| (0..i).all(|j| {
            let cosine = a.row(i).dot(&a.row(j)) / a.row(i).dot(&a.row(i)).sqrt() / a.row(j).dot(&a.row(j)).sqrt();
            cosine < 0.9999
        }));
        prop_assume!(distinct);
        let own = values(&a, &a);
        for measure in ["cosine", "cosine-centred", "retrieval-a-to-b", "retrieval-b-to-a", "linear-cka", "svcca", "anc"] {
            if let Some(value) = value(&own, measure) {
                prop_assert!((value - 1.0).abs() < 1e-9, "{}: {}", measure, value);
            }
        }
        // A language's own mismatched sentences are what makes its anisotropy.
        let (mismatched, narrow) = (value(&own, "cosine-mismatched"), value(&own, "anisotropy"));
        prop_assert!((mismatched.unwrap_or_default() - narrow.unwrap_or_default()).abs() < 1e-12);
    }
}
