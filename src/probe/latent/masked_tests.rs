use super::*;
use crate::probe::lanes::Portable;
use crate::probe::latent::Masks;
use approx::assert_relative_eq;
use rand::Rng;

const SAMPLES: usize = 2;

/// A small random problem: words, a classifier, and the same as plain numbers.
fn problem(n_words: usize, neurons: usize, classes: usize) -> (Words, Classifier, Vec<Vec<f64>>) {
    let mut rng = crate::seed::stream(11, &["masked"]);
    let x: Vec<Vec<f64>> =
        (0..n_words).map(|_| (0..neurons).map(|_| f64::from(rng.gen::<f32>() * 4.0 - 2.0)).collect()).collect();
    let labels = (0..n_words).map(|word| word % classes).collect();
    let words = Words::new(neurons, classes, labels, |word, neuron| x[word][neuron] as f32);
    let mut classifier = Classifier::zeros(tiles(neurons), classes);
    for neuron in 0..neurons {
        for class in 0..classes {
            classifier.weights[neuron / LANES * classes + class].0[neuron % LANES] = rng.gen::<f32>() * 2.0 - 1.0;
        }
    }
    classifier.bias.iter_mut().for_each(|b| *b = rng.gen::<f32>() - 0.5);
    (words, classifier, x)
}

/// `log p(label | x * m)` in f64 for a mask as bits.
fn log_likelihood(x: &[f64], label: usize, mask: u32, weight: impl Fn(usize, usize) -> f64, bias: &[f64]) -> f64 {
    let logits: Vec<f64> = bias
        .iter()
        .enumerate()
        .map(|(c, b)| {
            b + x.iter().enumerate().filter(|(d, _)| mask >> d & 1 == 1).map(|(d, x)| x * weight(c, d)).sum::<f64>()
        })
        .collect();
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits[label] - max - logits.iter().map(|z| (z - max).exp()).sum::<f64>().ln()
}

fn q_of(mask: u32, w: &[f64]) -> f64 {
    w.iter().enumerate().map(|(d, w)| 1.0 / (1.0 + (if mask >> d & 1 == 1 { -w } else { *w }).exp())).product()
}

/// Sets the masks of one word, as bits, a sample each.
fn set_masks(scratch: &mut Scratch, neurons: usize, masks: &[u32]) {
    scratch.masks.fill(0);
    for (sample, mask) in masks.iter().enumerate() {
        for d in 0..neurons {
            scratch.masks[d / 32 * masks.len() + sample] |= (mask >> d & 1) << (d % 32);
        }
    }
}

#[test]
fn values_and_weight_gradients_agree_with_finite_differences() {
    for (neurons, classes, samples) in [(5, 2, 2), (17, 3, 4), (20, 5, 5), (9, 7, 6), (16, 12, 5), (3, 17, 11)] {
        let (words, classifier, x) = problem(3, neurons, classes);
        let mut scratch = Scratch::new(words.tiles, classes, samples);
        let mut gradient = Gradient::zeros(words.tiles, classes);
        let masks: Vec<u32> = (0..samples as u32).map(|s| 0x9e37_79b9u32.rotate_left(5 * s + 3) ^ s).collect();
        let (word, label) = (1, 1);
        set_masks(&mut scratch, neurons, &masks);
        let value = word_value(Portable, &words, word, &classifier, &mut scratch);
        word_gradient(Portable, &words, word, &[], &mut scratch, &mut gradient);
        let bias: Vec<f64> = classifier.bias.iter().map(|&b| f64::from(b)).collect();
        let weight = |c: usize, d: usize| f64::from(classifier.weight(c, d));
        let f = |mask: u32, c: usize, d: usize, h: f64| {
            log_likelihood(
                &x[word],
                label,
                mask,
                |c2, d2| weight(c2, d2) + if (c2, d2) == (c, d) { h } else { 0.0 },
                &bias,
            )
        };
        let values: Vec<f64> = masks.iter().map(|&m| f(m, 0, 0, 0.0)).collect();
        assert_relative_eq!(value, values.iter().sum::<f64>(), max_relative = 1e-5);
        let h = 1e-5;
        for c in 0..classes {
            for d in 0..neurons {
                let expected: f64 = masks.iter().map(|&m| (f(m, c, d, h) - f(m, c, d, -h)) / (2.0 * h)).sum();
                let got = f64::from(gradient.classifier.weight(c, d));
                assert!((got - expected).abs() < 2e-5, "weight {c} {d}: {got} {expected}");
            }
            let up: Vec<f64> = bias.iter().enumerate().map(|(i, b)| b + if i == c { h } else { 0.0 }).collect();
            let down: Vec<f64> = bias.iter().enumerate().map(|(i, b)| b - if i == c { h } else { 0.0 }).collect();
            let by_bias =
                |bias: &[f64]| -> f64 { masks.iter().map(|&m| log_likelihood(&x[word], label, m, weight, bias)).sum() };
            let expected = (by_bias(&up) - by_bias(&down)) / (2.0 * h);
            assert!((f64::from(gradient.classifier.bias[c]) - expected).abs() < 2e-5, "bias {c}");
        }
        // The score: advantage against the mean of the other samples, times the mask.
        let total: f64 = values.iter().sum();
        for d in 0..neurons {
            let expected: f64 = masks
                .iter()
                .zip(&values)
                .filter(|(m, _)| *m >> d & 1 == 1)
                .map(|(_, f)| f - (total - f) / (samples as f64 - 1.0))
                .sum();
            assert!((f64::from(gradient.score[d / LANES].0[d % LANES]) - expected).abs() < 5e-5, "score {d}");
        }
    }
}

/// The probability of every mask of a size (any size, if masks are independent), as groups with their share.
fn distribution(masks: Masks, w: &[f64]) -> Vec<(f64, Vec<(u32, f64)>)> {
    let all = 0..1u32 << w.len();
    let weight = |mask: u32| (0..w.len()).filter(|d| mask >> d & 1 == 1).map(|d| w[d]).sum::<f64>().exp();
    let normalised = |masks: Vec<u32>| {
        let total: f64 = masks.iter().map(|&m| weight(m)).sum();
        masks.into_iter().map(|m| (m, weight(m) / total)).collect::<Vec<_>>()
    };
    let of_size = |size: usize| normalised(all.clone().filter(|m| m.count_ones() as usize == size).collect());
    match masks {
        Masks::Independent => vec![(1.0, all.map(|m| (m, q_of(m, w))).collect())],
        Masks::OfSize(size) => vec![(1.0, of_size(size))],
        Masks::OfUniformSize => (1..=w.len()).map(|size| (1.0 / w.len() as f64, of_size(size))).collect(),
    }
}

const ALL_MASKS: [Masks; 4] = [Masks::Independent, Masks::OfSize(1), Masks::OfSize(3), Masks::OfUniformSize];

/// Over all pairs of masks of a word, weighted by their probability, both estimators give exactly the gradient of the
/// expected log-likelihood, which is differentiated by enumeration of all masks.
#[test]
fn estimators_are_unbiased_by_enumeration() {
    let (neurons, classes) = (5, 3);
    let (words, classifier, x) = problem(2, neurons, classes);
    let w = [0.3, -1.1, 0.0, 2.0, -0.4];
    let bias: Vec<f64> = classifier.bias.iter().map(|&b| f64::from(b)).collect();
    let weight = |c: usize, d: usize| f64::from(classifier.weight(c, d));
    for masks in ALL_MASKS {
        let expectation = |w: &[f64], c: usize, d: usize, h: f64| -> f64 {
            let shifted = |c2, d2| weight(c2, d2) + if (c2, d2) == (c, d) { h } else { 0.0 };
            let of = |group: &[(u32, f64)]| -> f64 {
                group.iter().map(|&(m, q)| q * log_likelihood(&x[0], 0, m, shifted, &bias)).sum()
            };
            distribution(masks, w).iter().map(|(share, group)| share * of(group)).sum()
        };
        let mut scratch = Scratch::new(words.tiles, classes, SAMPLES);
        let (mut theta, mut score) = (vec![vec![0f64; neurons]; classes], vec![0f64; neurons]);
        for (share, group) in distribution(masks, &w) {
            for &(first, q_first) in &group {
                for &(second, q_second) in &group {
                    let mut gradient = Gradient::zeros(words.tiles, classes);
                    set_masks(&mut scratch, neurons, &[first, second]);
                    word_value(Portable, &words, 0, &classifier, &mut scratch);
                    word_gradient(Portable, &words, 0, &[], &mut scratch, &mut gradient);
                    let probability = share * q_first * q_second / SAMPLES as f64;
                    for d in 0..neurons {
                        score[d] += probability * f64::from(gradient.score[0].0[d]);
                        for (c, theta) in theta.iter_mut().enumerate() {
                            theta[d] += probability * f64::from(gradient.classifier.weight(c, d));
                        }
                    }
                }
            }
        }
        let h = 1e-5;
        for d in 0..neurons {
            let (mut up, mut down) = (w, w);
            up[d] += h;
            down[d] -= h;
            let expected = (expectation(&up, 0, 0, 0.0) - expectation(&down, 0, 0, 0.0)) / (2.0 * h);
            assert!((score[d] - expected).abs() < 1e-6, "{masks:?}, w {d}: {} {expected}", score[d]);
            for (c, theta) in theta.iter().enumerate() {
                let expected = (expectation(&w, c, d, h) - expectation(&w, c, d, -h)) / (2.0 * h);
                assert!((theta[d] - expected).abs() < 1e-6, "{masks:?}, {c} {d}: {} {expected}", theta[d]);
            }
        }
    }
}

/// The baseline leaves less than half of the score estimate's variance, over all pairs of masks of a word.
#[test]
fn the_baseline_lowers_the_variance() {
    let (neurons, classes) = (6, 3);
    let (_, classifier, x) = problem(1, neurons, classes);
    let w = [0.3, -1.1, 0.0, 0.8, -0.4, 0.1];
    let bias: Vec<f64> = classifier.bias.iter().map(|&b| f64::from(b)).collect();
    for masks in ALL_MASKS {
        let mut variances = [0f64; 2];
        for (share, group) in distribution(masks, &w) {
            let f = |m| log_likelihood(&x[0], 0, m, |c, d| f64::from(classifier.weight(c, d)), &bias);
            let values: Vec<f64> = group.iter().map(|&(m, _)| f(m)).collect();
            for d in 0..neurons {
                let has = |m: u32| f64::from(m >> d & 1);
                let mean: f64 = group.iter().map(|&(m, q)| q * has(m)).sum();
                let mut moments = [[0f64; 2]; 2];
                for (&(a, q_a), f_a) in group.iter().zip(&values) {
                    for (&(b, q_b), f_b) in group.iter().zip(&values) {
                        let plain = 0.5 * (f_a * (has(a) - mean) + f_b * (has(b) - mean));
                        let with = 0.5 * (f_a - f_b) * (has(a) - has(b));
                        for (moments, estimate) in moments.iter_mut().zip([plain, with]) {
                            moments[0] += q_a * q_b * estimate;
                            moments[1] += q_a * q_b * estimate * estimate;
                        }
                    }
                }
                assert_relative_eq!(moments[0][0], moments[1][0], epsilon = 1e-12);
                for (variance, moments) in variances.iter_mut().zip(moments) {
                    *variance += share * (moments[1] - moments[0] * moments[0]);
                }
            }
        }
        assert!(variances[1] < 0.5 * variances[0], "{masks:?}: {variances:?}");
    }
}

/// The whole objective's derivative for the log-odds, likelihood and entropy, by enumeration.
#[test]
fn the_entropy_and_its_gradient_agree_with_enumeration() {
    let w = [0.3, -1.1, 0.0, 2.0, -0.4];
    let entropy = |masks: Masks, w: &[f64]| -> f64 {
        let groups = distribution(masks, w);
        groups.iter().flat_map(|(share, group)| group.iter().map(move |(_, q)| -share * q * (share * q).ln())).sum()
    };
    for masks in ALL_MASKS {
        let sampler = Sampler::new(masks, &w);
        assert_relative_eq!(sampler.entropy(), entropy(masks, &w), max_relative = 1e-12);
        for (d, gradient) in sampler.entropy_gradient().into_iter().enumerate() {
            let (mut up, mut down) = (w, w);
            up[d] += 1e-5;
            down[d] -= 1e-5;
            assert_relative_eq!(gradient, (entropy(masks, &up) - entropy(masks, &down)) / 2e-5, epsilon = 1e-8);
            let groups = distribution(masks, &w);
            let marginal: f64 = groups
                .iter()
                .flat_map(|(share, group)| group.iter().map(move |(m, q)| share * q * f64::from(m >> d & 1)))
                .sum();
            assert_relative_eq!(sampler.marginals()[d], marginal, max_relative = 1e-12);
        }
    }
}

/// With masks as the generator draws them, the mean of the estimates comes to the gradient by enumeration.
/// What a mask gives, among the masks of its size with their probabilities.
type Statistic<'a> = &'a dyn Fn(u32, &[(u32, f64)]) -> f64;

#[test]
fn drawn_masks_converge_to_the_enumerated_gradient() {
    let (neurons, classes, samples) = (8, 2, 5);
    let (words, classifier, x) = problem(1, neurons, classes);
    let w: Vec<f64> = (0..neurons).map(|d| d as f64 * 0.4 - 1.3).collect();
    let bias: Vec<f64> = classifier.bias.iter().map(|&b| f64::from(b)).collect();
    let f = |m: u32| log_likelihood(&x[0], 0, m, |c, d| f64::from(classifier.weight(c, d)), &bias);
    for masks in ALL_MASKS {
        let mut generator = Generator::new(&mut crate::seed::stream(5, &["draws"]));
        let mut scratch: Vec<Scratch> = (0..3).map(|_| Scratch::new(words.tiles, classes, samples)).collect();
        let mut gradient = Gradient::zeros(words.tiles, classes);
        let sampler = Sampler::new(masks, &w);
        let (rounds, batch) = (400, vec![0usize; 250]);
        let (mut value, mut score) = (0f64, vec![0f64; neurons]);
        for _ in 0..rounds {
            value +=
                super::batch(&words, &batch, &classifier, &sampler, &mut generator, &mut scratch, Some(&mut gradient));
            for (d, score) in score.iter_mut().enumerate() {
                *score += f64::from(gradient.score[0].0[d]);
            }
        }
        let words_drawn = (rounds * batch.len()) as f64;
        let n = words_drawn * samples as f64;
        let groups = distribution(masks, &w);
        let mean = |of: Statistic| -> f64 {
            let in_group = |group: &[(u32, f64)]| group.iter().map(|&(m, q)| q * of(m, group)).sum::<f64>();
            groups.iter().map(|(share, group)| share * in_group(group)).sum()
        };
        let expected = mean(&|m, _| f(m));
        // Standard errors: the log-likelihood's deviation is about 1, that of a score a half; four of them. Masks of one size
        // are drawn together: words count then, not masks.
        assert!((value / n - expected).abs() < 4.0 / words_drawn.sqrt(), "{masks:?}: {} {expected}", value / n);
        for (d, score) in score.iter().enumerate() {
            let has = |m: u32| f64::from(m >> d & 1);
            let expected = mean(&|m, group| f(m) * (has(m) - group.iter().map(|&(m, q)| q * has(m)).sum::<f64>()));
            assert!((score / n - expected).abs() < 2.0 / n.sqrt(), "{masks:?}, {d}: {} {expected}", score / n);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn every_instruction_set_gives_the_same_gradient() {
    use crate::probe::lanes::{Avx2, Avx512};
    for masks in [Masks::Independent, Masks::OfSize(11), Masks::OfUniformSize] {
        let run = |lanes| {
            let (words, classifier, _) = problem(20, 37, 6);
            let sampler = Sampler::new(masks, &[0.4; 37]);
            let batch: Vec<usize> = (0..20).collect();
            let mut scratch: Vec<Scratch> = (0..3).map(|_| Scratch::new(words.tiles, 6, 5)).collect();
            let mut generator = Generator::new(&mut crate::seed::stream(5, &["draws"]));
            let mut gradient = Gradient::zeros(words.tiles, 6);
            macro_rules! with {
                ($lanes:expr) => {
                    batch_body(
                        $lanes,
                        &words,
                        &batch,
                        &classifier,
                        &sampler,
                        &mut generator,
                        &mut scratch,
                        Some(&mut gradient),
                    )
                };
            }
            let value = match lanes {
                "portable" => with!(Portable),
                "avx2" => with!(Avx2::detect()?),
                _ => with!(Avx512::detect()?),
            };
            Some((value, gradient.classifier.weights, gradient.classifier.bias, gradient.score))
        };
        let portable = run("portable");
        for lanes in ["avx2", "avx512"] {
            let fast = run(lanes);
            assert!(fast.is_none() || fast == portable, "{lanes} {masks:?}");
        }
    }
}
