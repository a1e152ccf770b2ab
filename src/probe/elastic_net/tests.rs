use super::*;
use crate::probe::{Estimator, Probe, Subset};
use approx::{assert_abs_diff_eq, assert_relative_eq};
use linfa::ParamGuard;
use ndarray::{array, Array2};
use rand::Rng;

fn data() -> (Array2<f32>, Vec<usize>) {
    let x = Array2::from_shape_fn((90, 4), |(i, d)| {
        (((i * 7 + d * 13 + i * i * d) % 11) as f64 / 11.0 + if (i + d) % 3 == 0 && i % 5 > 0 { 0.8 } else { 0.0 })
            as f32
    });
    (x, (0..90).map(|i| i % 3).collect())
}

/// Words of random classes, some neurons informative.
fn random(words: usize, neurons: usize, classes: usize) -> (Array2<f32>, Vec<usize>) {
    let mut rng = crate::seed::stream(31, &["elastic net"]);
    let labels: Vec<usize> = (0..words).map(|word| word % classes).collect();
    let x = Array2::from_shape_fn((words, neurons), |(word, d)| {
        let noise = (0..4).map(|_| rng.gen::<f32>()).sum::<f32>();
        noise + if d % 5 == 0 && d / 5 % classes == labels[word] { 0.7 } else { 0.0 }
    });
    (x, labels)
}

// x = np.array([[((i*7+d*13+i*i*d)%11)/11 + (0.8 if (i+d)%3==0 and i%5 else 0.) for d in range(4)] for i in range(90)])
// x = x.astype(np.float32).astype(np.float64); x = (x - x.mean(0)) / x.std(0); y = np.arange(90) % 3
// for l1, l2 in [(0, 2.), (2., 2.), (3., 0.)]:
//     kw = dict(solver="saga", l1_ratio=l1/(l1+l2), penalty="elasticnet") if l1 else dict(solver="lbfgs")
//     m = LogisticRegression(C=1/(l1+l2), tol=1e-10, max_iter=200000, **kw).fit(x, y); W = m.coef_
//     z = x @ W.T + m.intercept_
//     (logsumexp(z, 1) - z[np.arange(90), y]).sum() + l1*abs(W).sum() + l2/2*(W**2).sum()
//     W, m.intercept_ - m.intercept_.mean()
#[test]
fn coefficients_and_objective_agree_with_scikit_learn() {
    let cases = [
        (
            (0.0, 2.0, 35.565844914986435),
            array![
                [0.869096f32, -0.797015, -0.889082, 0.707334],
                [-0.837625, -0.39544, 1.272768, -0.063956],
                [-0.031471, 1.192455, -0.383686, -0.643377]
            ],
            array![-0.013668f32, -0.013389, 0.027057],
        ),
        (
            (2.0, 2.0, 48.83872514918522),
            array![
                [0.783908, -0.310298, -0.345275, 0.667645],
                [-0.490165, 0.0, 1.271061, 0.0],
                [0.0, 1.254547, 0.0, -0.325125]
            ],
            array![-0.023383, -0.001808, 0.025191],
        ),
        (
            (3.0, 0.0, 48.825742310318),
            array![
                [0.868941, -0.014734, -0.14242, 0.709636],
                [-0.450801, 0.0, 1.643144, 0.0],
                [0.0, 1.627081, 0.0, -0.190255]
            ],
            array![0.073636, -0.065208, -0.008428],
        ),
    ];
    let (x, labels) = data();
    for ((l1, l2, objective), weights, bias) in cases {
        let params = ElasticNet::params().l1(l1).l2(l2).tolerance(1e-8).check().unwrap();
        let probe = params.fit_view(x.view(), &labels).unwrap();
        assert!(probe.convergence().converged, "{:?}", probe.convergence());
        assert_relative_eq!(probe.objective(), objective, max_relative = 1e-6);
        assert_abs_diff_eq!(probe.classifier().weights().to_owned(), weights, epsilon = 1e-3);
        let got = probe.classifier().bias().to_owned();
        assert_abs_diff_eq!(&got - got.mean().unwrap(), bias, epsilon = 1e-3);
        let text = serde_json::to_string(&probe).unwrap();
        assert_eq!(serde_json::from_str::<ElasticNetProbe>(&text).unwrap(), probe);
    }
}

/// The largest violation of the KKT conditions a word, from definitions alone.
fn kkt(probe: &LinearProbe, x: &Array2<f32>, labels: &[usize], l1: f64, l2: f64) -> f64 {
    let p = probe.log_likelihoods(x.view(), Subset::All).unwrap().mapv(f64::exp);
    let mut worst = 0.0f64;
    for c in 0..probe.n_classes() {
        let residual = |n: usize| p[[n, c]] - f64::from(u8::from(labels[n] == c));
        worst = worst.max((0..labels.len()).map(residual).sum::<f64>().abs());
        for d in 0..x.ncols() {
            let w = f64::from(probe.weights()[[c, d]]);
            let input = |n: usize| f64::from(probe.input(d, x[[n, d]]));
            let g = (0..labels.len()).map(|n| residual(n) * input(n)).sum::<f64>() + l2 * w;
            worst = worst.max(if w == 0.0 { g.abs() - l1 } else { (g + l1 * w.signum()).abs() });
        }
    }
    worst / labels.len() as f64
}

#[test]
fn kkt_conditions_hold_for_collinear_and_constant_neurons_and_few_words() {
    for (words, neurons, classes) in [(300, 40, 3), (30, 60, 2), (203, 24, 5)] {
        let (mut x, labels) = random(words, neurons, classes);
        x.column_mut(3).fill(7.5);
        let twin = x.column(5).mapv(|x| 2.0 * x);
        x.column_mut(8).assign(&twin);
        for (l1, l2) in [(0.0, 1.0), (1.0, 1.0), (4.0, 0.0)] {
            let params = ElasticNet::params().l1(l1).l2(l2).check().unwrap();
            let probe = params.fit_view(x.view(), &labels).unwrap();
            assert!(probe.convergence().converged, "{words} {l1} {l2} {:?}", probe.convergence());
            // Weights are stored in f32.
            let worst = kkt(probe.classifier(), &x, &labels, l1, l2);
            assert!(worst < 3e-6, "{words} {l1} {l2} {worst}");
            assert!(probe.classifier().weights().column(3).iter().all(|&w| w == 0.0));
            if l2 > 0.0 {
                let weights = probe.classifier().weights();
                assert_abs_diff_eq!(weights.column(5).to_owned(), weights.column(8).to_owned(), epsilon = 1e-3);
            }
        }
    }
}

#[test]
fn nearly_equal_neurons_and_hardly_a_penalty_converge() {
    // Curvatures from about 10^5 down to the penalty.
    let (x, labels) = random(2000, 30, 3);
    let x = Array2::from_shape_fn((2000, 30), |(word, d)| x[[word, d / 10]] + 1e-3 * x[[word, d]]);
    for l2 in [1.0, 1e-3] {
        let probe = ElasticNet::params().l1(0.0).l2(l2).check().unwrap().fit_view(x.view(), &labels).unwrap();
        assert!(probe.convergence().converged, "{l2} {:?}", probe.convergence());
        let worst = kkt(probe.classifier(), &x, &labels, 0.0, l2);
        assert!(worst < 3e-6, "{l2} {worst}");
    }
}

#[test]
fn threads_change_no_bit() {
    let (x, labels) = random(3000, 40, 3);
    for (l1, l2) in [(0.0, 1.0), (2.0, 1.0)] {
        let params = ElasticNet::params().l1(l1).l2(l2).check().unwrap();
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| params.fit_view(x.view(), &labels).unwrap())
        };
        assert_eq!(fit(1), fit(3));
    }
}

#[test]
fn a_path_starts_empty_and_its_objective_falls() {
    let (x, labels) = random(300, 40, 3);
    let params = ElasticNet::params().check().unwrap();
    let path = params.path(x.view(), &labels, 12).unwrap();
    assert_eq!((path.len(), path[0].nonzero_neurons), (12, 0));
    assert_relative_eq!(path[11].l1, path[0].l1 * 1e-3, max_relative = 1e-12);
    // The first has the smallest penalty with no weights.
    let just_less = ElasticNet::params().l1(path[0].l1 * 0.99).l2(path[0].l2 * 0.99).check().unwrap();
    assert_eq!(just_less.fit_view(x.view(), &labels).unwrap().nonzero_neurons(), 1);
    for pair in path.windows(2) {
        assert!(pair[1].objective < pair[0].objective && pair[1].convergence.converged);
    }
    assert!(path[11].nonzero_neurons > 30);
    // Warm or cold, the same.
    let cold = ElasticNet::params().l1(path[6].l1).l2(path[6].l2).check().unwrap().fit_view(x.view(), &labels).unwrap();
    assert_relative_eq!(cold.objective(), path[6].objective, max_relative = 1e-7);
    let difference = &cold.classifier().weights() - &path[6].classifier.weights();
    assert!(difference.iter().all(|d| d.abs() < 1e-3));
}

#[test]
fn a_penalty_is_chosen_by_what_it_predicts() {
    let (x, labels) = random(400, 30, 2);
    let (train, dev) =
        ((x.slice(ndarray::s![..300, ..]), &labels[..300]), (x.slice(ndarray::s![300.., ..]), &labels[300..]));
    let params = ElasticNet::params().n_alphas(10).stream(3, &["es"]).check().unwrap();
    let chosen = params.fit_chosen(train, dev).unwrap();
    let nmi = |probe: &LinearProbe| probe.evaluate(dev.0, dev.1, Subset::All).unwrap().nmi.unwrap();
    let path = params.path(train.0, train.1, 10).unwrap();
    let most = path.iter().map(|point| nmi(&point.classifier)).fold(f64::NEG_INFINITY, f64::max);
    assert_eq!(nmi(chosen.classifier()), most);
    let probe = params.fit_view(x.view(), &labels).unwrap();
    assert_eq!(probe, params.fit_view(x.view(), &labels).unwrap());
    assert!(probe.convergence().converged && probe.nonzero_neurons() > 0);
}

#[test]
fn separable_classes_and_too_few_steps_are_told() {
    let x = Array2::from_shape_fn((40, 2), |(n, d)| if d == 0 { (n % 2) as f32 * 4.0 } else { (n * 7 % 5) as f32 });
    let labels: Vec<usize> = (0..40).map(|n| n % 2).collect();
    for (l1, l2) in [(0.0, 1e-3), (1e-3, 0.0), (1e-3, 1e-3)] {
        let probe = ElasticNet::params().l1(l1).l2(l2).check().unwrap().fit_view(x.view(), &labels).unwrap();
        assert!(probe.convergence().converged, "{:?}", probe.convergence());
        assert!(probe.evaluate(x.view(), &labels, Subset::All).unwrap().nmi > Some(0.99));
    }
    let (x, labels) = random(300, 40, 3);
    let short = ElasticNet::params().max_iterations(1).check().unwrap().fit_view(x.view(), &labels).unwrap();
    assert!(!short.convergence().converged && short.convergence().residual > 1e-6);
}

#[test]
fn bad_data_and_parameters_are_named() {
    let (mut x, labels) = data();
    let error = ElasticNet::params().l1(0.0).l2(0.0).check().unwrap_err().to_string();
    assert_eq!(error, "l2 should be above 0 where l1 is 0, but is 0");
    assert!(ElasticNet::params().n_alphas(1).check().is_err() && ElasticNet::params().ratio(1.0).check().is_err());
    let params = ElasticNet::params().n_classes(4).check().unwrap();
    assert!(params.fit_view(x.view(), &labels).unwrap_err().to_string().contains("class 3 of 4 has no words"));
    x[[5, 1]] = f32::INFINITY;
    assert!(params.fit_view(x.view(), &labels).unwrap_err().to_string().contains("word 5, neuron 1"));
}
