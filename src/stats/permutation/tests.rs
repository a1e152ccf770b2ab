use super::*;
use approx::assert_relative_eq;

/// `sin(i^2 factor)`, rounded.
fn series(n: usize, factor: f64, places: f64) -> Vec<f64> {
    (1..=n).map(|i| ((i * i) as f64 * factor).sin()).map(|v| (v * places).round() / places).collect()
}

fn pair(n: usize, places: f64) -> (Vec<f64>, Vec<f64>) {
    let x = series(n, 1.0, places);
    let y = x.iter().zip(series(n, 0.7, places)).map(|(x, noise)| 0.5 * x + noise).collect();
    (x, y)
}

// import numpy as np; from scipy.stats import permutation_test, pearsonr, spearmanr, kendalltau
// def series(n, f, d): i = np.arange(1, n + 1.); return np.round(np.sin(i * i * f) * d) / d
// x = series(n, 1., d); y = .5 * x + series(n, .7, d)
// for f in pearsonr, spearmanr, kendalltau:
//     for a in "two-sided", "greater", "less":
//         permutation_test((x,), lambda x: f(x, y).statistic, permutation_type="pairings", alternative=a, n_resamples=np.inf).pvalue
#[test]
fn exact_p_values_equal_scipy() {
    for (n, places, expected) in [
        (
            3,
            1000.0,
            [
                [0.3333333333333333, 0.16666666666666666, 1.0],
                [0.3333333333333333, 0.16666666666666666, 1.0],
                [0.3333333333333333, 0.16666666666666666, 1.0],
            ],
        ),
        (
            5,
            1000.0,
            [
                [0.25, 0.125, 0.8833333333333333],
                [0.23333333333333334, 0.11666666666666667, 0.9333333333333333],
                [0.23333333333333334, 0.11666666666666667, 0.9583333333333334],
            ],
        ),
        (
            6,
            2.0,
            [
                [0.2611111111111111, 0.13055555555555556, 0.8944444444444445],
                [0.3, 0.15, 0.8638888888888889],
                [0.35555555555555557, 0.17777777777777778, 0.9055555555555556],
            ],
        ),
        (
            7,
            3.0,
            [
                [0.21904761904761905, 0.10952380952380952, 0.9],
                [0.3111111111111111, 0.15555555555555556, 0.8563492063492063],
                [0.3, 0.15, 0.9111111111111111],
            ],
        ),
    ] {
        let (x, y) = pair(n, places);
        for (coefficient, expected) in Coefficient::ALL.into_iter().zip(expected) {
            for (alternative, p) in
                [Alternative::TwoSided, Alternative::Greater, Alternative::Less].into_iter().zip(expected)
            {
                let settings = Permutations { alternative, ..Permutations::default() };
                let test = permutation_test(coefficient, &x, &y, &settings).unwrap();
                assert!(test.exact && test.units == n && test.permutations == (1..=n).product::<usize>());
                assert_relative_eq!(test.p_value, p, max_relative = 1e-12);
                assert_eq!(test.statistic, coefficient.of(&x, &y).unwrap());
            }
        }
    }
}

#[test]
fn every_order_is_gone_through_once() {
    for n in 1..=6 {
        let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
        let settings = Permutations::default();
        let test = permute(n, &settings, "test", 0.0, |order| {
            seen.lock().unwrap().insert(order.to_vec());
            Some(0.0)
        });
        let all: usize = (1..=n).product();
        assert_eq!((test.unwrap().permutations, seen.into_inner().unwrap().len()), (all, all));
    }
}

#[test]
fn drawn_orders_approach_the_exact_p_value_and_repeat() {
    let (x, y) = pair(8, 1000.0);
    for coefficient in Coefficient::ALL {
        let exact = permutation_test(coefficient, &x, &y, &Permutations::default()).unwrap().p_value;
        let settings = Permutations { exact_up_to: 0, draws: 20_000, seed: 3, ..Permutations::default() };
        let drawn = permutation_test(coefficient, &x, &y, &settings).unwrap();
        assert!(!drawn.exact && drawn.permutations == 20_000);
        // Four standard errors of the doubled share.
        let error = 2.0 * (exact / 2.0 * (1.0 - exact / 2.0) / 20_000.0).sqrt();
        assert!((drawn.p_value - exact).abs() < 4.0 * error, "{coefficient} {exact} {}", drawn.p_value);
        assert_eq!(permutation_test(coefficient, &x, &y, &settings), Ok(drawn));
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one_thread.install(|| permutation_test(coefficient, &x, &y, &settings)), Ok(drawn));
    }
    let settings = Permutations { exact_up_to: 0, draws: 99, ..Permutations::default() };
    let line: Vec<f64> = (0..30).map(f64::from).collect();
    let least = permutation_test(Coefficient::Pearson, &line, &line, &settings).unwrap();
    assert_relative_eq!(least.p_value, 0.02, max_relative = 1e-15);
}

/// Points in a 5 x 3 grid, units and levels in no order.
fn grid() -> (Vec<f64>, Vec<f64>, Vec<usize>, Vec<usize>) {
    let (x, y) = pair(15, 1000.0);
    let cells: Vec<usize> = (0..15).map(|i| i * 7 % 15).collect();
    (x, y, cells.iter().map(|c| 90 - c / 3).collect(), cells.iter().map(|c| c % 3).collect())
}

#[test]
fn units_move_as_wholes() {
    let (x, y, units, levels) = grid();
    for coefficient in Coefficient::ALL {
        let observed = coefficient.of(&x, &y).unwrap();
        let test = permutation_test_by(coefficient, &x, &y, &units, &levels, &Permutations::default()).unwrap();
        // By brute force: the point that takes the place of another.
        let (mut low, mut high, mut all) = (0, 0, 0);
        for code in 0..5usize.pow(5) {
            let to: Vec<usize> = (0..5).map(|i| code / 5usize.pow(i) % 5).collect();
            if to.iter().collect::<std::collections::BTreeSet<_>>().len() < 5 {
                continue;
            }
            let moved: Vec<f64> = (0..15)
                .map(|i| (0..15).find(|&j| 90 - units[j] == to[90 - units[i]] && levels[j] == levels[i]).unwrap())
                .map(|j| x[j])
                .collect();
            let r = coefficient.of(&moved, &y).unwrap();
            low += usize::from(r <= observed + 1e-12);
            high += usize::from(r >= observed - 1e-12);
            all += 1;
        }
        assert_eq!((all, test.permutations, test.units), (120, 120, 5));
        assert_relative_eq!(test.p_value, (2.0 * low.min(high) as f64 / 120.0).min(1.0), max_relative = 1e-12);
    }
}

#[test]
fn a_common_trend_counts_for_nothing() {
    let (x, y, units, levels) = grid();
    let p = |x: &[f64], y: &[f64]| {
        permutation_test_by(Coefficient::Pearson, x, y, &units, &levels, &Permutations::default()).unwrap().p_value
    };
    let trended =
        |values: &[f64]| -> Vec<f64> { values.iter().zip(&levels).map(|(v, &l)| v + 5.0 * l as f64).collect() };
    assert_eq!(p(&trended(&x), &trended(&y)), p(&x, &y));
}

#[test]
fn a_test_that_does_not_exist_says_why() {
    let settings = Permutations::default();
    let (x, y, units, levels) = grid();
    let by =
        |units: &[usize], levels: &[usize]| permutation_test_by(Coefficient::Pearson, &x, &y, units, levels, &settings);
    assert_eq!(by(&levels, &levels), Err(Undefined::Unbalanced));
    assert_eq!(by(&units, &units[1..]), Err(Undefined::LengthsDiffer { x: 15, y: 14 }));
    assert_eq!(by(&[0; 15], &(0..15).collect::<Vec<_>>()), Err(Undefined::TooFewUnits { n: 1, needed: 3 }));
    for coefficient in Coefficient::ALL {
        let none = Permutations { draws: 0, exact_up_to: 0, ..settings };
        assert!(matches!(
            permutation_test(coefficient, &x, &y, &none),
            Err(Undefined::Parameter { name: "draws", .. })
        ));
        assert_eq!(permutation_test(coefficient, &x, &[1.0; 15], &settings), Err(Undefined::Constant));
        assert_eq!(
            permutation_test(coefficient, &[1.0, 2.0], &[1.0, 2.0], &settings),
            Err(Undefined::TooFewPoints { n: 2, needed: 3 })
        );
    }
}
