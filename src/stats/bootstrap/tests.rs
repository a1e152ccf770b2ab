use super::*;
use approx::assert_relative_eq;

fn series(n: usize, factor: f64) -> Vec<f64> {
    (1..=n).map(|i| ((i * i) as f64 * factor).sin()).map(|v| (v * 1000.0).round() / 1000.0).collect()
}

fn pair(n: usize) -> (Vec<f64>, Vec<f64>) {
    let x = series(n, 1.0);
    let y = x.iter().zip(series(n, 0.7)).map(|(x, noise)| x + noise).collect();
    (x, y)
}

// The same replicates and jackknife values in SciPy 1.17:
// import numpy as np; from scipy.stats import bootstrap, pearsonr, _resampling as R
// def series(n, f): i = np.arange(1, n + 1.); return np.round(np.sin(i * i * f) * 1000) / 1000
// x, y = series(n, 1.), series(n, 1.) + series(n, .7); b = np.sin(np.arange(1, m + 1) ** 2. * .3) * .4 + .55
// sample = np.arange(n); f = lambda i, axis=-1: np.apply_along_axis(lambda j: pearsonr(x[j], y[j]).statistic, axis, i)
// lo, hi, a = R._bca_interval((sample,), f, axis=-1, alpha=(1 - level) / 2, theta_hat_b=b, batch=None, xp=np)
// print(a, np.quantile(b, lo), np.quantile(b, hi), np.quantile(b, (1 - level) / 2), np.quantile(b, (1 + level) / 2))
#[test]
fn bca_equals_scipy() {
    for (n, m, level, a, bca, percentile) in [
        (
            8,
            999,
            0.95,
            0.027118211896256385,
            (0.33976860692911653, 0.9499998456276232),
            (0.1515522533745901, 0.9484669621298414),
        ),
        (
            20,
            500,
            0.9,
            -0.0035052982482251076,
            (0.27662426436866977, 0.9499280895987448),
            (0.15694103236460902, 0.944067701796344),
        ),
        (
            42,
            1999,
            0.99,
            -0.0005552754270631624,
            (0.1535437806123368, 0.9499999523000495),
            (0.15003040262244535, 0.9499618859603313),
        ),
    ] {
        let (x, y) = pair(n);
        let replicates: Vec<f64> = (1..=m).map(|i| ((i * i) as f64 * 0.3).sin() * 0.4 + 0.55).collect();
        let factors = factors(n, Resample::Points).unwrap();
        let of = |points: &[usize]| {
            let take = |values: &[f64]| points.iter().map(|&i| values[i]).collect::<Vec<_>>();
            Coefficient::Pearson.of(&take(&x), &take(&y))
        };
        let without = jackknife(n, &factors, &of).unwrap();
        assert_relative_eq!(acceleration(&without).unwrap(), a, max_relative = 1e-10);
        let observed = Coefficient::Pearson.of(&x, &y).unwrap();
        let (low, high) = bca_interval(observed, &replicates, &without, level).unwrap();
        assert_relative_eq!(low, bca.0, max_relative = 1e-10);
        assert_relative_eq!(high, bca.1, max_relative = 1e-10);
        let (low, high) = percentile_interval(&replicates, level).unwrap();
        assert_relative_eq!(low, percentile.0, max_relative = 1e-12);
        assert_relative_eq!(high, percentile.1, max_relative = 1e-12);
    }
}

// SciPy's formula for two samples:
// t1, t2 = np.sin(np.arange(1, 8) ** 2.), np.cos(np.arange(1, 6) ** 2.)
// U = [(len(t) - 1) * (t.mean() - t) for t in (t1, t2)]
// print(1 / 6 * sum((u ** 3).sum() / len(u) ** 3 for u in U) / sum((u ** 2).sum() / len(u) ** 2 for u in U) ** 1.5)
#[test]
fn acceleration_of_two_factors_equals_scipys_formula() {
    let first: Vec<f64> = (1..8).map(|i| f64::from(i * i).sin()).collect();
    let second: Vec<f64> = (1..6).map(|i| f64::from(i * i).cos()).collect();
    assert_relative_eq!(acceleration(&[first, second]).unwrap(), -0.021876282367772094, max_relative = 1e-12);
}

#[test]
fn units_are_drawn_as_wholes() {
    let (first, second) = ([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1]);
    let mut rng = seed::stream(1, &["test"]);
    let by = factors(6, Resample::By(&first)).unwrap();
    let both = factors(6, Resample::ByBoth(&first, &second)).unwrap();
    for _ in 0..100 {
        let times = |points: &[usize], i: usize| points.iter().filter(|&&p| p == i).count();
        let drawn = draw(6, &by, &mut rng);
        assert_eq!(drawn.len(), 6);
        assert!((0..3).all(|u| times(&drawn, 2 * u) == times(&drawn, 2 * u + 1)));
        let drawn = draw(6, &both, &mut rng);
        assert_eq!(drawn.len(), 6, "a full grid: the weights' product sums to 3 x 2");
        // Products of weights: every 2 x 2 minor vanishes.
        assert!((1..3).all(|u| times(&drawn, 0) * times(&drawn, 2 * u + 1) == times(&drawn, 1) * times(&drawn, 2 * u)));
    }
}

// The variance of a mean over resampled points is sum (v - mean)^2 / n^2 exactly; over whole units that of the units'
// means; over both factors of a full grid without interaction the sum of the two (Owen 2007).
#[test]
fn standard_errors_of_a_mean_are_the_known_ones() {
    let (rows, columns) = ([3.0, -1.0, 2.5, 0.0, -2.0, 4.0], [1.0, 2.0, -4.0, 0.5, 3.0]);
    let cells: Vec<(usize, usize)> = (0..6).flat_map(|r| (0..5).map(move |c| (r, c))).collect();
    let values: Vec<f64> = cells.iter().map(|&(r, c)| rows[r] + columns[c]).collect();
    let (first, second): (Vec<usize>, Vec<usize>) = cells.into_iter().unzip();
    let variance = |values: &[f64]| {
        let centre = mean(values.iter().copied()).unwrap();
        values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / (values.len() as f64).powi(2)
    };
    let of = |points: &[usize]| Ok(mean(points.iter().map(|&i| values[i])).unwrap_or(0.0));
    let settings = Bootstrap { replicates: 20_000, ..Bootstrap::default() };
    for (resample, expected) in [
        (Resample::Points, variance(&values)),
        (Resample::By(&first), variance(&rows)),
        (Resample::By(&second), variance(&columns)),
        (Resample::ByBoth(&first, &second), variance(&rows) + variance(&columns)),
    ] {
        let result = bootstrap(30, resample, &settings, of).unwrap();
        // A variance from 20,000 draws of near-normal values has a relative standard error of 1 %.
        assert_relative_eq!(result.standard_error.powi(2), expected, max_relative = 0.04);
        assert_eq!(result.degenerate, 0);
    }
}

#[test]
fn results_repeat_on_any_number_of_threads() {
    let (x, y) = pair(20);
    let run = || bootstrap_correlation(Coefficient::Spearman, &x, &y, Resample::Points, &Bootstrap::default()).unwrap();
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one_thread.install(run), run());
    let other = Bootstrap { seed: 1, ..Bootstrap::default() };
    assert_ne!(bootstrap_correlation(Coefficient::Spearman, &x, &y, Resample::Points, &other).unwrap(), run());
}

#[test]
fn degenerate_resamples_are_counted_and_refused_where_they_are_many() {
    let run = |x: &[f64], y: &[f64], resample| {
        bootstrap_correlation(Coefficient::Pearson, x, y, resample, &Bootstrap::default())
    };
    // Without the one point that differs x is constant: (1 - 1/n)^n of all resamples, more than a third.
    let (mut x, y) = (vec![1.0; 12], series(12, 1.0));
    x[4] = 2.0;
    let Err(Undefined::Degenerate { degenerate, replicates: 1999 }) = run(&x, &y, Resample::Points) else { panic!() };
    assert!((0.30..0.42).contains(&(degenerate as f64 / 1999.0)));
    let lenient = Bootstrap { degenerate: 0.5, ..Bootstrap::default() };
    let result = bootstrap_correlation(Coefficient::Pearson, &x, &y, Resample::Points, &lenient).unwrap();
    assert_eq!(result.degenerate, degenerate);
    assert_eq!(result.bca, Err(Undefined::NoInterval("without one of the units there is no statistic")));
    // Of four points, 88 of 256 resamples have one or two different ones.
    assert!(matches!(
        run(&[1.0, 2.0, 3.0, 5.0], &[1.0, 3.0, 2.0, 4.0], Resample::Points),
        Err(Undefined::Degenerate { .. })
    ));
    let line: Vec<f64> = (0..9).map(f64::from).collect();
    let exact = run(&line, &line, Resample::Points).unwrap();
    assert_eq!((exact.percentile, exact.standard_error), ((1.0, 1.0), 0.0));
    assert_eq!(exact.bca, Err(Undefined::NoInterval("no unit changes the statistic")));
}

#[test]
fn what_does_not_exist_says_why() {
    let (x, y) = pair(12);
    let run =
        |resample| bootstrap_correlation(Coefficient::Pearson, &x, &y, resample, &Bootstrap::default()).unwrap_err();
    let two: Vec<usize> = (0..12).map(|i| i % 2).collect();
    assert_eq!(run(Resample::By(&two)), Undefined::TooFewUnits { n: 2, needed: 3 });
    assert_eq!(run(Resample::By(&two[1..])), Undefined::LengthsDiffer { x: 12, y: 11 });
    let points: Vec<usize> = (0..12).collect();
    assert_eq!(run(Resample::ByBoth(&points, &two)), Undefined::TooFewUnits { n: 2, needed: 3 });
    for settings in
        [Bootstrap { level: 1.0, ..Bootstrap::default() }, Bootstrap { replicates: 1, ..Bootstrap::default() }]
    {
        let result = bootstrap_correlation(Coefficient::Pearson, &x, &y, Resample::Points, &settings);
        assert!(matches!(result, Err(Undefined::Parameter { .. })));
    }
    assert_eq!(
        bca_interval(0.5, &[0.1, 0.2], &[vec![0.1, 0.3]], 0.95),
        Err(Undefined::NoInterval("all resamples are on one side of the statistic"))
    );
    assert_eq!(percentile_interval(&[], 0.9), Err(Undefined::TooFewPoints { n: 0, needed: 1 }));
    assert_eq!(percentile_interval(&[f64::NAN], 0.9), Err(Undefined::NotFinite));
}
