use super::*;
use crate::probe::Estimator;
use crate::ranking::{greedy, Split};
use approx::assert_abs_diff_eq;
use linfa::ParamGuard;
use ndarray::array;
use rand::seq::SliceRandom;
use rand::Rng;

fn fit(x: &Array2<f32>, labels: &[usize], prior: GaussianPrior) -> GaussianProbe {
    Gaussian::params().prior(prior).check().unwrap().fit_view(x.view(), labels).unwrap()
}

const PRIORS: [GaussianPrior; 3] =
    [GaussianPrior::MaximumLikelihood, GaussianPrior::NormalInverseWishart, GaussianPrior::DiagonalMode];

/// Words of normal classes with correlated neurons, a mean shift on every seventh.
fn words(n: usize, neurons: usize, classes: usize, name: &str) -> (Array2<f32>, Vec<usize>) {
    let mut rng = crate::seed::stream(3, &["gaussian", name]);
    let labels: Vec<usize> = (0..n).map(|word| word % classes).collect();
    let mut x = Array2::from_shape_fn((n, neurons), |(word, d)| {
        let noise: f32 = (0..6).map(|_| rng.gen::<f32>() - 0.5).sum();
        noise + if d % 7 == 0 && labels[word] == d / 7 % classes { 0.7 } else { 0.0 }
    });
    for d in 1..neurons {
        let before = x.column(d - 1).to_owned();
        x.column_mut(d).scaled_add(0.4, &before);
    }
    (x, labels)
}

// i = np.arange(90)[:, None]; d = np.arange(4)[None, :]; y = np.arange(90) % 3
// x = ((i*37+d*101+i*i*(d+2)*13)%97)/97 + np.where((i+d)%3==0,.5,0)
// x[:, 1:] += x[:, :-1].copy(); x = x.astype(np.float32).astype(float)
// def posterior(s, prior, new):
//     out = []; off = ~np.eye(4, dtype=bool)
//     for c in range(3):
//         X = x[y == c]; n = len(X); Z = X - X.mean(0); S = Z.T @ Z; V = np.diag(np.diag(S / n)); Z = Z / Z.std(0)
//         w = Z[:, :, None] * Z[:, None, :]; r = w.mean(0)
//         noise = ((w - r)**2).sum(0)[off].sum() / (n*(n-1)) / (r**2)[off].sum()
//         m = max(12, n * noise / (1 - noise))  # 12, 12, 13.42
//         cov = {"ml": S / n, "niw": (V + S) / ((4+2) + n + 4+2), "mode": (m*V + S) / (m + n)}[prior]
//         normal = scipy.stats.multivariate_normal(X.mean(0)[s], cov[np.ix_(s, s)])
//         out.append(np.log((y == c).mean()) + normal.logpdf(new[:, s]).reshape(-1))
//     o = np.stack(out, 1); return o - np.logaddexp.reduce(o, 1, keepdims=True)
// new = np.array([[.2,.9,.4,.1],[1.,.3,.8,.6]])
// [posterior(s, p, new) for p in ("ml", "niw", "mode") for s in ([0, 1, 2, 3], [2], [3, 1])]
#[test]
fn posteriors_agree_with_scipy() {
    let value = |i: usize, d: usize| {
        let value = ((i * 37 + d * 101 + i * i * (d + 2) * 13) % 97) as f64 / 97.0;
        value + if (i + d).is_multiple_of(3) { 0.5 } else { 0.0 }
    };
    let x = Array2::from_shape_fn((90, 4), |(i, d)| (value(i, d) + if d > 0 { value(i, d - 1) } else { 0.0 }) as f32);
    let labels: Vec<usize> = (0..90).map(|i| i % 3).collect();
    let new = array![[0.2f32, 0.9, 0.4, 0.1], [1.0, 0.3, 0.8, 0.6]];
    let expected = [
        [
            array![[-3.10242396, -1.567445605, -0.292383009], [-0.516948424, -3.857591282, -0.960912518]],
            array![[-0.194792307, -1.790116699, -4.599810539], [-0.355484592, -1.487100989, -2.615389487]],
            array![[-2.268539697, -2.867961817, -0.174684114], [-1.297046689, -1.255549729, -0.817027083]],
        ],
        [
            array![[-3.867259286, -1.599941835, -0.252088283], [-0.219222419, -1.70079096, -4.246248233]],
            array![[-0.119859577, -2.200627248, -6.109648563], [-0.246687204, -1.699205334, -3.330193604]],
            array![[-2.866406575, -3.684499704, -0.085571799], [-1.362130036, -1.273291461, -0.767921282]],
        ],
        [
            array![[-1.922399139, -1.201435579, -0.592429443], [-0.312478302, -1.402748918, -3.796532536]],
            array![[-0.194792307, -1.790116699, -4.599810539], [-0.355484592, -1.487100989, -2.615389487]],
            array![[-2.530911807, -2.726422634, -0.15669994], [-1.637997813, -0.938877747, -0.880526177]],
        ],
    ];
    let subsets = [Subset::All, Subset::Of(&[2]), Subset::Of(&[3, 1])];
    for (prior, expected) in PRIORS.into_iter().zip(expected) {
        let probe = fit(&x, &labels, prior);
        for (subset, expected) in subsets.into_iter().zip(expected) {
            let got = probe.log_likelihoods(new.view(), subset).unwrap();
            assert_abs_diff_eq!(got, expected, epsilon = 2e-5);
        }
    }
}

#[test]
fn blocks_of_the_factor_are_no_matter() {
    // 150 neurons are three blocks; squares and determinant against plain elimination.
    let (x, _) = words(400, 150, 2, "blocks");
    let x = x.mapv(f64::from);
    let covariance = x.t().dot(&x) / 400.0;
    let b = x.slice(ndarray::s![..5, ..]).t().to_owned();
    let factor = Factor::new(covariance.clone(), 0.0);
    let (mut a, mut y, mut log_determinant) = (covariance, b.clone(), 0.0);
    let mut squares = vec![0.0; 5];
    for k in 0..150 {
        log_determinant += a[[k, k]].ln();
        for (column, square) in squares.iter_mut().enumerate() {
            *square += y[[k, column]] * y[[k, column]] / a[[k, k]];
        }
        for i in k + 1..150 {
            let share = a[[i, k]] / a[[k, k]];
            for j in k..150 {
                a[[i, j]] -= share * a[[k, j]];
            }
            for column in 0..5 {
                y[[i, column]] -= share * y[[k, column]];
            }
        }
    }
    assert_abs_diff_eq!(factor.half_log_determinant(), 0.5 * log_determinant, epsilon = 1e-9);
    for (got, expected) in factor.squares(b).into_iter().zip(squares) {
        assert_abs_diff_eq!(got, expected, epsilon = 1e-8 * expected.abs());
    }
}

#[test]
fn a_growing_selection_equals_the_closed_form() {
    let (x, labels) = words(300, 40, 3, "train");
    let (dev, truth) = words(83, 40, 3, "dev");
    for prior in PRIORS {
        let probe = fit(&x, &labels, prior);
        let mut order: Vec<usize> = (0..40).collect();
        order.shuffle(&mut crate::seed::stream(1, &["order"]));
        let mut scorer = probe.scorer(dev.view(), &truth).unwrap();
        for i in 0..25 {
            let expected = probe.evaluate(dev.view(), &truth, Subset::Of(&order[..=i])).unwrap();
            // Before and after residuals are first made.
            let promised = if i < 3 { None } else { Some(scorer.cross_entropy_with(order[i])) };
            scorer.add(order[i]).unwrap();
            let got = scorer.evaluation().unwrap();
            assert_abs_diff_eq!(got.cross_entropy.unwrap(), expected.cross_entropy.unwrap(), epsilon = 1e-5);
            assert_eq!(got.accuracy, expected.accuracy);
            if let Some(promised) = promised {
                assert_abs_diff_eq!(promised, expected.cross_entropy.unwrap(), epsilon = 2e-5);
            }
        }
        assert!(scorer.add(40).is_err() && scorer.cross_entropy_with(40).is_infinite());
    }
}

/// Greedy selection with every candidate set factored anew.
fn naive(probe: &GaussianProbe, dev: Split, k: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for _ in 0..k {
        let loss = |neuron: usize| {
            let grown: Vec<usize> = chosen.iter().copied().chain([neuron]).collect();
            probe.evaluate(dev.0, dev.1, Subset::Of(&grown)).unwrap().cross_entropy.unwrap()
        };
        let left = (0..probe.n_neurons()).filter(|d| !chosen.contains(d));
        let best = left.map(|d| (loss(d), d)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        chosen.push(best.1);
    }
    chosen
}

#[test]
fn greedy_selection_agrees_with_factoring_anew() {
    for (neurons, classes, k) in [(8, 3, 8), (200, 4, 10)] {
        let (x, labels) = words(600, neurons, classes, "train");
        let (dev, truth) = words(150, neurons, classes, "dev");
        let probe = fit(&x, &labels, GaussianPrior::default());
        let dev = (dev.view(), &truth[..]);
        let ranking = greedy::select(&probe, dev, dev, k).unwrap();
        assert_eq!(ranking.top(k).unwrap(), naive(&probe, dev, k), "{neurons} neurons");
    }
}

#[test]
fn neurons_that_say_nothing_or_everything_do_no_harm() {
    let (mut x, labels) = words(60, 8, 2, "train");
    x.column_mut(1).fill(3.25);
    let copy = x.column(0).to_owned();
    x.column_mut(2).assign(&copy);
    let sum = &x.column(3) + &x.column(4);
    x.column_mut(5).assign(&sum);
    for (word, &label) in labels.iter().enumerate() {
        x[[word, 6]] = if label == 0 { 1.0 } else { x[[word, 6]] };
    }
    for prior in PRIORS {
        let probe = fit(&x, &labels, prior);
        let without = probe.log_likelihoods(x.view(), Subset::Of(&[0, 3])).unwrap();
        assert_eq!(without, probe.log_likelihoods(x.view(), Subset::Of(&[1, 3, 0])).unwrap());
        assert!(probe.evaluate(x.view(), &labels, Subset::All).unwrap().nmi.is_some());
        // Fewer words than neurons: 3 of each class.
        let few: Vec<usize> = (0..6).map(|i| i % 2).collect();
        let probe = fit(&x.slice(ndarray::s![..6, ..]).to_owned(), &few, prior);
        assert!(probe.log_likelihoods(x.view(), Subset::All).unwrap().iter().all(|l| l.is_finite()));
        let split = (x.view(), &labels[..]);
        assert_eq!(greedy::select(&probe, split, split, 8).unwrap().neurons().len(), 8);
    }
}

#[test]
fn the_default_keeps_variances_and_shrinks_only_covariances() {
    // 9 words a class and 12 neurons; neurons share a factor, or are independent of each other.
    let (mut x, labels) = words(18, 12, 2, "few");
    let factor = x.column(11).mapv(|x| 3.0 * x);
    for mut column in x.columns_mut() {
        column += &factor;
    }
    let [likely, published, default] = PRIORS.map(|prior| fit(&x, &labels, prior));
    for (a, b) in [(0, 0), (5, 5), (5, 3), (2, 9)] {
        let [likely, published, default] = [&likely, &published, &default].map(|p| p.covariance(1, a, b).unwrap());
        let shrunk = if a == b { 10.0 / 37.0 } else { 9.0 / 37.0 };
        assert_abs_diff_eq!(published, likely * shrunk, epsilon = 1e-6);
        assert_abs_diff_eq!(default, if a == b { likely } else { likely * 9.0 / 37.0 }, epsilon = 1e-6);
    }
    // Products of all signs, each once: correlations are 0, and chance would give more.
    let x = Array2::from_shape_fn((32, 5), |(word, d)| if word >> d & 1 == 0 { 1.0 } else { -1.0 });
    let twice = ndarray::concatenate(ndarray::Axis(0), &[x.view(), x.view()]).unwrap();
    let labels: Vec<usize> = (0..64).map(|word| word / 32).collect();
    let probe = fit(&twice, &labels, GaussianPrior::DiagonalMode);
    assert_eq!((probe.covariance(0, 2, 2), probe.covariance(0, 2, 1)), (Some(1.0), Some(0.0)));
}

#[test]
fn classes_of_one_or_two_words_and_neurons_constant_in_a_class_are_survived() {
    // Classes of 1, 2 and 57 words, 8 neurons; a class has no more words than neurons.
    let (mut x, _) = words(60, 8, 3, "train");
    let labels: Vec<usize> = (0..60).map(|word: usize| [0, 1, 1, 2][word.min(3)]).collect();
    // One neuron that is constant in a class, one that is constant in all but tells them apart, one that never changes.
    for (word, &label) in labels.iter().enumerate() {
        if label == 2 {
            x[[word, 1]] = 0.75;
        }
        x[[word, 2]] = label as f32;
        x[[word, 3]] = -4.0;
    }
    for prior in PRIORS {
        let probe = fit(&x, &labels, prior);
        assert!((0..8).all(|d| probe.covariance(0, d, d) == Some(0.0)));
        assert_eq!(probe.covariance(2, 1, 1), Some(0.0));
        for subset in [Subset::All, Subset::Of(&[1]), Subset::Of(&[2, 1]), Subset::Of(&[0, 3, 7])] {
            let all = probe.log_likelihoods(x.view(), subset).unwrap();
            assert!(all.iter().all(|l| l.is_finite()), "{prior:?} {subset:?}");
        }
        let told = probe.evaluate(x.view(), &labels, Subset::Of(&[2])).unwrap();
        assert_eq!(told.accuracy, Some(1.0));
        assert!(told.nmi > Some(0.99), "{prior:?} {told:?}");
        // A neuron that never changes leaves the classes' shares.
        let none = probe.log_likelihoods(x.view(), Subset::Of(&[3])).unwrap();
        assert_abs_diff_eq!(none[[0, 1]], (2.0f64 / 60.0).ln(), epsilon = 1e-6);
        let split = (x.view(), &labels[..]);
        let ranking = greedy::select(&probe, split, split, 8).unwrap();
        assert!([1, 2].contains(&ranking.top(1).unwrap()[0]), "{prior:?}");
        assert!(ranking.curve().iter().all(|point| point.nmi_dev.is_some_and(f64::is_finite)));
    }
    // Nothing changes at all.
    x.fill(1.5);
    let probe = fit(&x, &labels, GaussianPrior::default());
    let nmi = probe.evaluate(x.view(), &labels, Subset::All).unwrap().nmi.unwrap();
    assert_abs_diff_eq!(nmi, 0.0, epsilon = 1e-6);
}

#[test]
fn a_constant_added_changes_nothing_and_a_round_trip_is_exact() {
    let (x, labels) = words(200, 10, 2, "train");
    // Multiples of 1/256 move by whole numbers without rounding.
    let x = x.mapv(|x| (x * 256.0).round() / 256.0);
    let moved = x.mapv(|x| x + 64.0);
    let (probe, other) = (fit(&x, &labels, PRIORS[2]), fit(&moved, &labels, PRIORS[2]));
    let all = probe.log_likelihoods(x.view(), Subset::All).unwrap();
    assert_abs_diff_eq!(all, other.log_likelihoods(moved.view(), Subset::All).unwrap(), epsilon = 1e-4);
    let text = serde_json::to_string(&probe).unwrap();
    assert_eq!(serde_json::from_str::<GaussianProbe>(&text).unwrap(), probe);
    let broken = text.replacen("\"shares\":[", "\"shares\":[1,", 1);
    assert!(serde_json::from_str::<GaussianProbe>(&broken).is_err());
}

#[test]
fn bad_data_and_parameters_are_named() {
    let (x, labels) = words(30, 4, 2, "train");
    let four = Gaussian::params().n_classes(4).check().unwrap();
    let error = four.fit_view(x.view(), &labels).unwrap_err().to_string();
    assert!(error.contains("class 2 of 4 has no words"), "{error}");
    assert!(Gaussian::params().n_classes(1).check().is_err());
    let error = toml::from_str::<GaussianParams>("prior = \"flat\"").unwrap_err().to_string();
    assert!(error.contains("flat"), "{error}");
}
