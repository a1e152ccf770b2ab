use super::independent::{entropy as mask_entropy, entropy_gradient};
use super::*;
use crate::probe::{Estimator, Probe, Subset};
use crate::ranking::greedy;
use approx::assert_relative_eq;
use linfa::traits::Fit;
use linfa::{Dataset, ParamGuard};
use ndarray::Array2;
use rand::Rng;

/// Words of `classes` with `informative` neurons, spread evenly, whose means differ by class; the last neuron is constant.
fn planted(words: usize, neurons: usize, classes: usize, informative: usize, name: &str) -> (Array2<f32>, Vec<usize>) {
    let mut rng = crate::seed::stream(17, &["planted", name]);
    let labels: Vec<usize> = (0..words).map(|_| rng.gen_range(0..classes)).collect();
    let every = neurons / informative;
    // About the same signal in all whatever their number: a neuron more must still say something new.
    let strength = 2.0 / (informative as f32).sqrt();
    let x = Array2::from_shape_fn((words, neurons), |(word, d)| {
        if d == neurons - 1 {
            return 2.5;
        }
        // Twelve uniform numbers: variance 1.
        let noise = (0..12).map(|_| rng.gen::<f32>()).sum::<f32>() - 6.0;
        let signal = if d % every == 0 { ((labels[word] + d / every) % classes) as f32 * strength } else { 0.0 };
        noise + signal
    });
    (x, labels)
}

#[test]
fn mask_entropy_agrees_with_enumeration() {
    let w: [f64; 8] = [0.3, -1.1, 0.0, 2.0, -0.4, 40.0, -40.0, 5.0];
    let entropy: f64 = (0..1u32 << w.len())
        .map(|mask| {
            let log_q: f64 = (0..w.len())
                .map(|d| if mask >> d & 1 == 1 { -(-w[d]).exp().ln_1p() } else { -w[d].exp().ln_1p() })
                .sum();
            -log_q.exp() * log_q
        })
        .sum();
    assert_relative_eq!(mask_entropy(&w), entropy, max_relative = 1e-12);
    for w in [-3.0, -0.2, 0.0, 0.7, 4.0] {
        let h = 1e-5;
        let expected = (mask_entropy(&[w + h]) - mask_entropy(&[w - h])) / (2.0 * h);
        assert_relative_eq!(entropy_gradient(&[w])[0], expected, epsilon = 1e-9);
    }
    // No overflow, no NaN far out.
    assert_eq!(mask_entropy(&[1e4, -1e4]), 0.0);
}

#[test]
fn planted_neurons_are_recovered_and_a_constant_one_is_not_picked() {
    let (train, dev, test) =
        (planted(4000, 200, 3, 20, "train"), planted(1000, 200, 3, 20, "dev"), planted(1000, 200, 3, 20, "test"));
    for standardise in [true, false] {
        let params = Poisson::params().seed(3).standardise(standardise).check().unwrap();
        let probe = params.fit_view(train.0.view(), &train.1).unwrap();
        assert!(probe.training().stopped_early && probe.training().best_epoch > 0);
        assert!(probe.training().epochs == probe.training().best_epoch + 50);
        let ranking = greedy::select(&probe, (dev.0.view(), &dev.1), (test.0.view(), &test.1), 20).unwrap();
        let right = ranking.neurons().filter(|d| d % 10 == 0).count();
        assert!(right >= 18, "{right} of 20: {:?}", ranking.neurons().collect::<Vec<_>>());
        assert!(!ranking.neurons().any(|d| d == 199));
        assert!(ranking.curve()[19].nmi_test > Some(0.5), "{:?}", ranking.curve()[19]);
    }
}

#[test]
fn a_constant_added_changes_nothing_when_standardising() {
    // Multiples of 1/64: adding 32 is exact in f32.
    let (x, labels) = planted(300, 20, 2, 4, "shift");
    let x = x.mapv(|x| (x * 64.0).round() / 64.0);
    let params = Poisson::params().max_epochs(5).check().unwrap();
    let probe = params.fit_view(x.view(), &labels).unwrap();
    let shifted = x.mapv(|x| x + 32.0);
    let again = params.fit_view(shifted.view(), &labels).unwrap();
    let difference = (&probe.weights() - &again.weights()).mapv(f32::abs).fold(0f32, |a, &b| a.max(b));
    assert!(difference < 1e-5, "{difference}");
    let (a, b) = (
        probe.evaluate(x.view(), &labels, Subset::All).unwrap(),
        again.evaluate(shifted.view(), &labels, Subset::All).unwrap(),
    );
    assert_relative_eq!(a.nmi.unwrap(), b.nmi.unwrap(), epsilon = 1e-5);
}

#[test]
fn the_seed_and_the_names_decide_every_bit() {
    let (x, labels) = planted(300, 20, 3, 4, "seed");
    let fit = |seed, names: &[&str]| {
        let params = Poisson::params().stream(seed, names).max_epochs(4).check().unwrap();
        params.fit_view(x.view(), &labels).unwrap()
    };
    let probe = fit(1, &["es"]);
    assert_eq!(probe, fit(1, &["es"]));
    assert_ne!(probe, fit(2, &["es"]));
    assert_ne!(probe, fit(1, &["fr"]));
    let text = serde_json::to_string(&probe).unwrap();
    assert_eq!(serde_json::from_str::<LatentProbe>(&text).unwrap(), probe);
    assert!(!probe.training().stopped_early && probe.training().epochs == 4);
    assert_eq!((probe.weights().dim(), probe.bias().len(), probe.relevances().len()), ((3, 20), 3, 20));
    assert!(probe.inclusion().iter().all(|q| *q > 0.0 && *q < 1.0));
}

#[test]
fn the_fit_through_linfa_is_the_same() {
    let (x, labels) = planted(100, 20, 2, 4, "linfa");
    let params = Poisson::params().max_epochs(2).seed(9);
    let data = Dataset::new(x.clone(), Array1::from(labels.clone()));
    let probe: LatentProbe = params.fit(&data).unwrap();
    assert_eq!(probe, params.check_ref().unwrap().fit_view(x.view(), &labels).unwrap());
}

#[test]
fn bad_data_is_named() {
    let (mut x, mut labels) = planted(50, 20, 2, 4, "bad");
    let params = Poisson::params().max_epochs(2).check().unwrap();
    let error = |x: &Array2<f32>, labels: &[usize]| params.fit_view(x.view(), labels).unwrap_err().to_string();
    assert!(error(&x, &labels[1..]).contains("50 words but 49 labels"));
    assert!(error(&Array2::zeros((0, 20)), &[]).contains("there are none"));
    assert!(error(&x, &[1; 50]).contains("all 50 are of class 1"));
    x[[7, 3]] = f32::INFINITY;
    assert!(error(&x, &labels).contains("word 7, neuron 3: the activation is inf"));
    x[[7, 3]] = f32::NAN;
    assert!(error(&x, &labels).contains("word 7, neuron 3: the activation is NaN"));
    x[[7, 3]] = 0.0;
    labels[4] = 2;
    let two = Poisson::params().n_classes(2).check().unwrap();
    let unknown = two.fit_view(x.view(), &labels).unwrap_err().to_string();
    assert!(unknown.contains("word 4 has class 2"), "{unknown}");
    labels[4] = usize::MAX - 1;
    assert!(error(&x, &labels).contains("more than a probe takes"));
    labels[4] = 0;
    // Huge activations as they are: an error or finite weights, never NaN.
    let huge = x.mapv(|x| x * 1e38);
    let labels: Vec<usize> = labels.iter().map(|l| l % 2).collect();
    let raw = Poisson::params().max_epochs(3).standardise(false).check().unwrap();
    if let Ok(probe) = raw.fit_view(huge.view(), &labels) {
        assert!(probe.weights().iter().all(|w| w.is_finite()));
    }
}

#[test]
fn bad_parameters_are_named_with_their_range() {
    for (params, text) in [
        (Poisson::params().samples(1), "samples should be 2 or more, but is 1"),
        (Poisson::params().batch_size(0), "batch_size should be 1 or more, but is 0"),
        (Poisson::params().held_out(1.0), "held_out should be in (0, 1), but is 1"),
        (Poisson::params().entropy_weight(-1.0), "entropy_weight should be in [0, inf), but is -1"),
        (Poisson::params().learning_rate(f64::NAN), "learning_rate should be in (0, inf), but is NaN"),
        (Poisson::params().n_classes(1), "n_classes should be 2 or more, but is 1"),
        (Poisson::params().l2(f64::INFINITY), "l2 should be in [0, inf), but is inf"),
    ] {
        assert_eq!(params.check().unwrap_err().to_string(), text);
    }
}

#[test]
fn fewer_words_than_neurons_and_words_without_neurons_fit() {
    let (x, labels) = planted(10, 64, 2, 4, "few");
    let probe = Poisson::params().max_epochs(20).check().unwrap().fit_view(x.view(), &labels).unwrap();
    assert!(probe.weights().iter().all(|w| w.is_finite()));
    let none = Array2::<f32>::zeros((10, 0));
    let probe = Poisson::params().max_epochs(20).check().unwrap().fit_view(none.view(), &labels).unwrap();
    let evaluation = probe.evaluate(none.view(), &labels, Subset::All).unwrap();
    assert!(evaluation.nmi.unwrap() < 0.1);
}

#[test]
fn a_low_entropy_weight_lets_relevances_tell_neurons_apart() {
    let (x, labels) = planted(2000, 40, 2, 4, "relevance");
    let params = Poisson::params().entropy_weight(0.01).max_epochs(60).check().unwrap();
    let relevances = params.fit_view(x.view(), &labels).unwrap().relevances().to_owned();
    let mean = |informative: bool| {
        let chosen: Vec<f64> = (0..40).filter(|d| (d % 10 == 0) == informative).map(|d| relevances[d]).collect();
        chosen.iter().sum::<f64>() / chosen.len() as f64
    };
    assert!(mean(true) > mean(false) + 0.5, "{} {}", mean(true), mean(false));
}

#[test]
fn conditional_masks_find_planted_neurons_and_are_reported() {
    let (train, dev) = (planted(2000, 60, 3, 6, "train"), planted(600, 60, 3, 6, "dev"));
    for (masks, mean) in [(Masks::OfSize(20), 20.0), (Masks::OfUniformSize, 30.5)] {
        let params = ConditionalPoisson::params().masks(masks).seed(3).max_epochs(200).check().unwrap();
        let probe = params.fit_view(train.0.view(), &train.1).unwrap();
        assert_eq!((probe.masks(), probe.inclusion().len()), (masks, 60));
        assert_relative_eq!(probe.inclusion().sum(), mean, max_relative = 1e-9);
        let ranking = greedy::select(&probe, (dev.0.view(), &dev.1), (dev.0.view(), &dev.1), 6).unwrap();
        let found: Vec<usize> = ranking.neurons().collect();
        assert!(found.iter().all(|d| d % 10 == 0), "{masks:?}: {found:?}");
        let text = serde_json::to_string(&probe).unwrap();
        assert_eq!(serde_json::from_str::<LatentProbe>(&text).unwrap(), probe);
    }
    let error = ConditionalPoisson::params().masks(Masks::OfSize(61)).check().unwrap();
    let error = error.fit_view(train.0.view(), &train.1).unwrap_err().to_string();
    assert!(error.contains("at most the 60 neurons") && error.contains("61"), "{error}");
}

#[test]
fn threads_change_nothing() {
    // Large enough for a batch to be worth more threads than one.
    let (x, labels) = planted(600, 1100, 3, 10, "threads");
    let params = Poisson::params().max_epochs(3).check().unwrap();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let in_pool = alone.install(|| params.fit_view(x.view(), &labels).unwrap());
    assert_eq!(params.fit_view(x.view(), &labels).unwrap(), in_pool);
}

#[test]
fn the_average_and_the_best_epoch_are_kept() {
    let (x, labels) = planted(400, 30, 3, 6, "average");
    let fit = |params: LatentParams| params.seed(2).check().unwrap().fit_view(x.view(), &labels).unwrap();
    // A rate so low that every epoch is better than the one before.
    let params = || Poisson::params().learning_rate(1e-3);
    let (first, second) = (fit(params().averaging(0.0).max_epochs(1)), fit(params().averaging(0.0).max_epochs(2)));
    let both = fit(params().averaging(0.9).max_epochs(2));
    assert_eq!((second.training().best_epoch, both.training().best_epoch), (2, 2));
    for ((a, b), mean) in first.weights().iter().zip(second.weights()).zip(both.weights()) {
        assert_relative_eq!(*mean, 0.5 * (a + b), epsilon = 1e-7);
    }
    assert_relative_eq!(both.relevances()[3], 0.5 * (first.relevances()[3] + second.relevances()[3]), epsilon = 1e-6);
    // Where training stops early, what is kept is as if it had ended at the best epoch.
    let stopped = fit(Poisson::params().patience(10));
    let training = stopped.training();
    assert!(training.stopped_early && training.epochs == training.best_epoch + 10);
    let ended = fit(Poisson::params().max_epochs(training.best_epoch));
    assert_eq!((stopped.classifier(), stopped.relevances()), (ended.classifier(), ended.relevances()));
}

#[test]
fn penalties_shrink_weights() {
    let (x, labels) = planted(400, 30, 3, 6, "penalties");
    let fit = |l1, l2| {
        let params = Poisson::params().l1(l1).l2(l2).max_epochs(100).check().unwrap();
        params.fit_view(x.view(), &labels).unwrap()
    };
    let norms = |probe: &LatentProbe| {
        let weights = probe.weights();
        (weights.mapv(f32::abs).sum(), weights.mapv(|w| w * w).sum(), weights.iter().filter(|w| w.abs() < 0.02).count())
    };
    let (none, l1, l2) = (norms(&fit(0.0, 0.0)), norms(&fit(0.02, 0.0)), norms(&fit(0.0, 0.05)));
    assert!(l1.0 < 0.7 * none.0 && l2.1 < 0.5 * none.1, "{none:?} {l1:?} {l2:?}");
    assert!(l1.2 > 2 * none.2, "L1 brings weights to zero: {none:?} {l1:?}");
}

#[test]
fn a_probe_that_does_not_fit_together_is_refused() {
    let (x, labels) = planted(60, 20, 2, 4, "parts");
    let probe = ConditionalPoisson::params().masks(Masks::OfSize(3)).max_epochs(2).check().unwrap();
    let text = serde_json::to_string(&probe.fit_view(x.view(), &labels).unwrap()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        serde_json::from_str::<LatentProbe>(&text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    assert!(refused("{\"of_size\":3}", "{\"of_size\":21}").contains("of 1 to 20 neurons"));
    assert!(refused("\"relevances\":[", "\"relevances\":[0,").contains("a finite relevance for each"));
}

#[test]
fn lemmas_are_held_out_whole() {
    // Two words each of a lemma say the same thing, which tells nothing of others: noise.
    let mut rng = crate::seed::stream(3, &["lemmas"]);
    let lemmas: Vec<usize> = (0..600).map(|word| word / 2).collect();
    let noise = Array2::from_shape_fn((300, 40), |_| rng.gen::<f32>());
    let x = Array2::from_shape_fn((600, 40), |(word, d)| noise[[word / 2, d]]);
    let labels: Vec<usize> = lemmas.iter().map(|lemma| lemma % 2).collect();
    let params = Poisson::params().seed(1).max_epochs(400);
    let fit = |params: LatentParams| params.check().unwrap().fit_view(x.view(), &labels);
    let by_word = fit(params.clone().lemmas(Some(&lemmas))).unwrap();
    // Given lemmas change nothing by themselves.
    assert_eq!(by_word, fit(params.clone()).unwrap());
    let by_lemma = fit(params.clone().held_out_lemmas(true).lemmas(Some(&lemmas))).unwrap();
    assert_ne!(by_lemma, by_word);
    let mut order = vec![5, 0, 3, 2, 4, 1];
    assert_eq!(train::lemmas_first(&mut order, &[7, 8, 8, 9, 9, 7], 3).unwrap(), 2);
    assert_eq!(order, [5, 0, 3, 2, 4, 1]);
    let mut order = vec![3, 0, 5, 2, 4, 1];
    assert_eq!(train::lemmas_first(&mut order, &[7, 8, 8, 9, 9, 9], 2).unwrap(), 1);
    assert_eq!(order, [0, 3, 5, 2, 4, 1]);
    // Lemmas of one word each are words.
    let alone: Vec<usize> = (0..600).rev().collect();
    assert_eq!(fit(params.clone().held_out_lemmas(true).lemmas(Some(&alone))).unwrap(), by_word);
    for lemmas in [None, Some(&lemmas[..30])] {
        let error = fit(params.clone().held_out_lemmas(true).lemmas(lemmas)).unwrap_err().to_string();
        assert!(error.contains("needs the lemma of each of the 600 words"), "{error}");
    }
    let one = vec![0; 600];
    let error = fit(params.held_out_lemmas(true).lemmas(Some(&one))).unwrap_err().to_string();
    assert!(error.contains("every lemma has more than the 60 words"), "{error}");
}
