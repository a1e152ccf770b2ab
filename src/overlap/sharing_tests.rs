use super::*;
use crate::ranking::{Cell, CurvePoint, Ranking};
use approx::assert_relative_eq;
use proptest::prelude::*;

fn cell(language: &str, attribute: &str, neurons: &[usize], width: usize) -> RankedCell {
    let point = |(i, &neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
    let cell = Cell {
        model: "m".into(),
        step: Step::Final,
        site: Site::Residual(3),
        attribute: attribute.into(),
        language: language.into(),
        method: "poisson".into(),
        seed: 0,
        control: Default::default(),
    };
    RankedCell { cell, ranking: Ranking::new(width, neurons.iter().enumerate().map(point).collect()).unwrap() }
}

// from itertools import combinations, product; from collections import Counter
// subsets = list(combinations(range(5), 2))
// draws = [Counter(x for s in draw for x in s) for draw in product(subsets, repeat=3)]
// for m in (1, 2, 3):
//     print([sum(sum(v >= m for v in c.values()) >= t for c in draws) / len(draws) for t in range(6)])
// print([sum(sum(c[x] == m for x in range(5)) for c in draws) / len(draws) for m in (1, 2, 3)])
#[test]
fn the_null_equals_an_exact_enumeration() {
    let draws = 200_000;
    let null = SharingNull::draw(5, 2, 3, draws, 11);
    let expected =
        [[1.0, 1.0, 1.0, 0.99, 0.75, 0.18], [1.0, 1.0, 0.7, 0.06, 0.0, 0.0], [1.0, 0.31, 0.01, 0.0, 0.0, 0.0]];
    for (shared_by, tail) in (1..).zip(expected) {
        for (neurons, p) in tail.into_iter().enumerate() {
            let found = null.p_value(shared_by, neurons);
            // Five standard errors of a proportion of 200,000, and the one that is added.
            let error = 5.0 * (p * (1.0 - p) / draws as f64).sqrt() + 1.0 / draws as f64;
            assert!((found - p).abs() <= error, "{shared_by} {neurons}: {found} against {p}");
            if p == 0.0 {
                assert_eq!(found, 1.0 / (1.0 + draws as f64), "never 0");
            }
        }
    }
    for (m, expected) in [(0, 1.08), (1, 2.16), (2, 1.44), (3, 0.32)] {
        assert_relative_eq!(sharing_expected(5, 2, 3, m), expected, max_relative = 1e-13);
    }
}

// from scipy.stats import binom
// [1024 * binom.pmf(m, 14, 50 / 1024) for m in (0, 1, 2, 3, 7, 14)], 1536 * binom.pmf(40, 300, 50 / 1536)
#[test]
fn expected_numbers_equal_scipy() {
    let expected =
        [508.0728171753935, 365.1447351363197, 121.83987568717048, 25.018454966564768, 0.0016381383265226999];
    for (m, expected) in [0, 1, 2, 3, 7].into_iter().zip(expected) {
        assert_relative_eq!(sharing_expected(1024, 50, 14, m), expected, max_relative = 1e-12);
    }
    assert_relative_eq!(sharing_expected(1024, 50, 14, 14), 4.484155085839414e-16, max_relative = 1e-12);
    assert_relative_eq!(sharing_expected(1536, 50, 300, 40), 8.783227339034686e-11, max_relative = 1e-12);
    assert_eq!((sharing_expected(10, 10, 3, 3), sharing_expected(10, 10, 3, 2)), (10.0, 0.0));
    assert_eq!((sharing_expected(10, 0, 3, 0), sharing_expected(10, 0, 3, 1)), (10.0, 0.0));
    assert_eq!((sharing_expected(0, 0, 3, 1), sharing_expected(10, 2, 3, 4)), (0.0, 0.0));
}

#[test]
fn neurons_of_exactly_so_many_languages_are_counted() {
    let cells = [
        cell("fr", "POS", &[1, 2, 3], 40),
        cell("es", "POS", &[3, 2, 9], 40),
        cell("de", "POS", &[3, 8, 9], 40),
        cell("eu", "POS", &[3, 30, 31], 40),
        cell("eu", "Case", &[3, 30, 31], 40),
    ];
    let rows = sharing(&cells, &[3], 999, 5).unwrap();
    let counts: Vec<_> = rows.iter().map(|row| (row.shared_by, row.neurons, row.languages)).collect();
    // 3 in all; 2 and 9 in two; 1, 8, 30 and 31 in one. Case has one language.
    assert_eq!(counts, [(1, 4, 4), (2, 2, 4), (3, 0, 4), (4, 1, 4)]);
    let null = SharingNull::draw(40, 3, 4, 999, 5);
    for (row, at_least) in rows.iter().zip([7, 3, 1, 1]) {
        assert_eq!(row.p_value, Some(null.p_value(row.shared_by, at_least)), "of m languages or more");
        assert_eq!((row.expected, row.draws), (Some(sharing_expected(40, 3, 4, row.shared_by)), Some(999)));
    }
    let mut reversed = cells.clone();
    reversed.reverse();
    assert_eq!(sharing(&reversed, &[3], 999, 5).unwrap(), rows);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| sharing(&cells, &[3], 999, 5).unwrap()), rows, "whatever the threads");
    assert!(sharing(&cells, &[3], 0, 5).is_err());

    let named = most_shared(&cells[..4], 3, 2).unwrap();
    let named: Vec<_> = named.iter().map(|shared| (shared.neuron, shared.languages.join(" "))).collect();
    let expected = [(3, "de es eu fr"), (2, "es fr"), (9, "de es")];
    assert_eq!(named, expected.map(|(neuron, languages)| (neuron, languages.to_owned())));
    let message = most_shared(&cells, 3, 2).unwrap_err().to_string();
    assert!(message.contains("Case in eu") && message.contains("POS in de"), "{message}");
    assert!(most_shared(&[], 3, 2).is_err() && most_shared(&cells[..1], 4, 1).is_err());
    assert!(most_shared(&[cells[0].clone(), cells[0].clone()], 3, 1).unwrap_err().to_string().contains("twice"));
}

#[test]
fn two_languages_are_tested_as_their_overlap_is() {
    // Of two languages, the neurons in both are hypergeometric.
    let draws = 100_000;
    let null = SharingNull::draw(60, 12, 2, draws, 3);
    for shared in 0..=8 {
        let exact = crate::stats::hypergeometric_sf(shared, 60, 12, 12);
        let error = 5.0 * (exact * (1.0 - exact) / draws as f64).sqrt() + 1.0 / draws as f64;
        assert!((null.p_value(2, shared) - exact).abs() <= error, "{shared}");
    }
}

proptest! {
    #[test]
    fn expected_numbers_sum_to_what_was_drawn(width in 1usize..5000, part in 0.0..1.0f64, n in 1usize..80) {
        let k = (width as f64 * part) as usize;
        let (mut neurons, mut places) = (0.0, 0.0);
        for m in 0..=n {
            let expected = sharing_expected(width, k, n, m);
            prop_assert!(expected >= 0.0);
            neurons += expected;
            places += m as f64 * expected;
        }
        prop_assert!((neurons - width as f64).abs() <= 1e-11 * width as f64);
        prop_assert!((places - (n * k) as f64).abs() <= 1e-11 * (n * k) as f64);
    }
}
