//! What every method of ranking neurons must do, by name: a new name in `Method::NAMES` is tested with the others.

use isogloss::probe::Subset;
use isogloss::ranking::{Method, Ranked, Ranker, Splits};
use isogloss::seed;
use ndarray::{concatenate, s, Array2, Axis};
use rand::seq::SliceRandom;
use rand::Rng;
use std::collections::BTreeSet;

/// Methods without information: nothing can be asked of what they rank first.
const CONTROLS: [&str; 1] = ["random"];

/// Methods that draw random numbers a neuron or a word: with other columns they draw others, so that a ranking is the same
/// only as far as the signal goes.
const STOCHASTIC: [&str; 3] = ["poisson", "conditional_poisson", "random"];

/// Whether a name is among some.
fn is_one_of(names: &[&str], name: &str) -> bool {
    names.contains(&name)
}

fn methods() -> Vec<(&'static str, Method)> {
    Method::NAMES.iter().map(|&name| (name, name.parse().unwrap())).collect()
}

fn informed() -> Vec<(&'static str, Method)> {
    methods().into_iter().filter(|(name, _)| !is_one_of(&CONTROLS, name)).collect()
}

/// Words in three parts.
#[derive(Clone)]
struct Words {
    x: Array2<f32>,
    labels: Vec<usize>,
    train: usize,
    dev: usize,
}

impl Words {
    /// Words of `classes` classes in turn; each `planted` neuron is higher on one class, by
    /// `strength` of its place among them.
    ///
    /// Activations are multiples of 1/64 below 32, so that constants of that kind are added without rounding.
    fn new(parts: [usize; 3], neurons: usize, classes: usize, planted: &[usize], strength: fn(usize) -> f32) -> Words {
        let mut rng = seed::stream(17, &["conformance"]);
        let labels: Vec<usize> = (0..parts.iter().sum()).map(|word| word % classes).collect();
        let x = Array2::from_shape_fn((labels.len(), neurons), |(word, neuron)| {
            // Of variance 1, or nearly: three uniform numbers.
            let noise: i32 = (0..3).map(|_| rng.gen_range(-64..=64)).sum();
            let place = planted.iter().position(|&d| d == neuron);
            let place = place.filter(|place| labels[word] == place % classes);
            noise as f32 / 64.0 + place.map_or(0.0, strength)
        });
        Words { x, labels, train: parts[0], dev: parts[1] }
    }

    fn of_columns(&self, columns: &[usize]) -> Words {
        Words { x: self.x.select(Axis(1), columns), ..self.clone() }
    }

    fn splits(&self) -> Splits<'_> {
        let (train, dev) = (self.train, self.train + self.dev);
        Splits::new(
            (self.x.slice(s![..train, ..]), &self.labels[..train]),
            (self.x.slice(s![train..dev, ..]), &self.labels[train..dev]),
            (self.x.slice(s![dev.., ..]), &self.labels[dev..]),
        )
    }

    fn rank(&self, method: &Method, k: usize) -> isogloss::Result<Ranked> {
        method.rank(&self.splits(), k, 3, &["es", "Number"])
    }

    fn top(&self, method: &Method, k: usize) -> Vec<usize> {
        self.rank(method, k).unwrap().ranking.top(k).unwrap()
    }
}

const PLANTED: [usize; 4] = [9, 2, 14, 6];

/// Two planted neurons for each of two classes among 16, with distinct strengths.
fn words() -> Words {
    Words::new([240, 100, 100], 16, 2, &PLANTED, |place| 2.5 - 0.25 * place as f32)
}

fn set(neurons: &[usize]) -> BTreeSet<usize> {
    neurons.iter().copied().collect()
}

#[test]
fn planted_neurons_are_found() {
    // Eight neurons, two a class.
    let planted: Vec<usize> = (0..8).map(|i| i * 5 + 3).collect();
    // Of one standard deviation: strong signals make the classes separable, and then a few neurons say it all.
    let words = Words::new([600, 300, 300], 48, 4, &planted, |_| 1.25);
    for (name, method) in informed() {
        let found = words.top(&method, 8);
        let right = set(&found).intersection(&set(&planted)).count();
        assert!(right >= 7, "{name}: {right} of 8, {found:?}");
        let ranked = words.rank(&method, 8).unwrap();
        let nmi = |k: usize| ranked.ranking.curve()[k - 1].nmi_test.unwrap();
        assert!(nmi(8) > nmi(2) && nmi(2) > 0.0, "{name}: NMI {} with 2, {} with 8", nmi(2), nmi(8));
        assert!(ranked.all.nmi.unwrap() > 0.3, "{name}: {:?}", ranked.all);
    }
}

#[test]
fn the_order_of_neurons_is_no_matter() {
    let words = words();
    let mut columns: Vec<usize> = (0..16).collect();
    columns.shuffle(&mut seed::stream(5, &["columns"]));
    let permuted = words.of_columns(&columns);
    for (name, method) in informed() {
        let back: Vec<usize> = permuted.top(&method, 4).into_iter().map(|place| columns[place]).collect();
        assert_eq!(set(&back), set(&PLANTED), "{name}");
        if !is_one_of(&STOCHASTIC, name) {
            assert_eq!(back, words.top(&method, 4), "{name}");
        }
    }
}

#[test]
fn a_constant_added_is_no_matter() {
    let words = words();
    let mut moved = words.clone();
    for (neuron, mut column) in moved.x.columns_mut().into_iter().enumerate() {
        let constant = [0.0, 8.0, -3.5, 64.0, 0.25, -128.0][neuron % 6];
        column.mapv_inplace(|x| x + constant);
    }
    for (name, method) in methods() {
        assert_eq!(moved.top(&method, 4), words.top(&method, 4), "{name}");
    }
}

#[test]
fn equal_neurons_come_by_index() {
    // Neuron 9, the best, thrice; 0, 1, 4 and 10, without information, twice, seven places apart.
    let columns = [0, 1, 9, 4, 7, 9, 10, 0, 1, 3, 4, 9, 8, 10];
    let words = words().of_columns(&columns);
    for (name, method) in informed() {
        let order = words.top(&method, 14);
        let place = |neuron: usize| order.iter().position(|&d| d == neuron).unwrap();
        if is_one_of(&STOCHASTIC, name) {
            // Equal neurons have other weights, drawn apart: one of them is first.
            assert!([2, 5, 11].contains(&order[0]), "{name}: {order:?}");
            continue;
        }
        assert_eq!(order[0], 2, "{name}: {order:?}");
        assert!(place(2) < place(5) && place(5) < place(11), "{name}: {order:?}");
        for twin in [0, 1, 3, 6] {
            assert!(place(twin) < place(twin + 7), "{name}: {twin} in {order:?}");
        }
    }
}

#[test]
fn constant_neurons_do_not_come_before_informative_ones() {
    let mut words = words();
    for (neuron, value) in [(0, 0.0), (1, -7.25), (15, 1e6)] {
        words.x.column_mut(neuron).fill(value);
    }
    for (name, method) in informed() {
        let ranked = words.rank(&method, 16).unwrap();
        let order = ranked.ranking.top(16).unwrap();
        assert_eq!(set(&order[..4]), set(&PLANTED), "{name}: {order:?}");
        assert_eq!(set(&order).len(), 16, "{name}: {order:?}");
        for point in ranked.ranking.curve() {
            for figure in [point.nmi_dev, point.nmi_test, point.accuracy_test].into_iter().flatten() {
                assert!(figure.is_finite(), "{name}: {point:?}");
            }
        }
    }
    words.x.fill(2.5);
    for (name, method) in methods() {
        match words.rank(&method, 16) {
            Ok(ranked) => assert_eq!(set(&ranked.ranking.top(16).unwrap()).len(), 16, "{name}"),
            Err(error) => panic!("{name}: words that are all alike: {error}"),
        }
    }
}

#[test]
fn a_single_class_is_an_error() {
    let mut words = words();
    words.labels.fill(1);
    for (name, method) in methods() {
        let error = words.rank(&method, 3).err().unwrap_or_else(|| panic!("{name} ranks words of one class"));
        let text = error.to_string();
        assert!(text.contains("class 1"), "{name}: {text}");
    }
}

#[test]
fn values_that_are_not_finite_are_named() {
    let words = words();
    for (name, method) in methods() {
        // In the training, dev and test words; a message counts in its part.
        for (word, in_part) in [(7, 7), (240 + 11, 11), (340 + 13, 13)] {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut words = words.clone();
                words.x[[word, 5]] = value;
                let error = words.rank(&method, 2).err().unwrap_or_else(|| panic!("{name} takes {value}"));
                let text = error.to_string();
                assert!(text.contains(&format!("word {in_part}, neuron 5")), "{name}: {text}");
                assert!(text.contains(&value.to_string()), "{name}: {text}");
            }
        }
    }
}

#[test]
fn fewer_words_than_neurons_will_do() {
    let words = Words::new([30, 20, 20], 40, 2, &[11], |_| 2.5);
    for (name, method) in methods() {
        let order = words.rank(&method, 40).unwrap().ranking.top(40).unwrap();
        assert_eq!(set(&order), (0..40).collect(), "{name}");
        if !is_one_of(&CONTROLS, name) {
            assert!(order[..3].contains(&11), "{name}: {order:?}");
        }
    }
}

#[test]
fn the_number_ranked_is_none_one_all_or_an_error() {
    let words = words();
    for (name, method) in methods() {
        let all = words.rank(&method, 16).unwrap();
        for k in [0, 1, 16] {
            let ranked = words.rank(&method, k).unwrap();
            assert_eq!((ranked.ranking.curve().len(), ranked.ranking.n_neurons()), (k, Some(16)), "{name}");
            // A longer ranking begins with the shorter.
            assert_eq!(ranked.ranking.curve(), &all.ranking.curve()[..k], "{name}");
            assert_eq!((&ranked.probe, ranked.all), (&all.probe, all.all), "{name}");
        }
        assert_eq!(set(&all.ranking.top(16).unwrap()), (0..16).collect(), "{name}");
        let error = words.rank(&method, 17).unwrap_err().to_string();
        assert!(error.contains("16") && error.contains("17"), "{name}: {error}");
    }
}

#[test]
fn threads_and_repetition_change_nothing() {
    let words = words();
    for (name, method) in methods() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| words.rank(&method, 16).unwrap())
        };
        let one = run(1);
        assert_eq!(run(4), one, "{name}");
        assert_eq!(run(1), one, "{name}");
        // Outside a pool of our own, where a single fit takes more threads.
        assert_eq!(words.rank(&method, 16).unwrap(), one, "{name}");
    }
}

#[test]
fn probes_and_methods_come_back_from_json_as_they_were() {
    let words = words();
    for (name, method) in methods() {
        let text = serde_json::to_string(&method).unwrap();
        assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), method, "{name}: {text}");
        assert_eq!(method.to_string(), name);
        method.check().unwrap_or_else(|error| panic!("{name}: {error}"));
        let ranked = words.rank(&method, 2).unwrap();
        let text = serde_json::to_string(&ranked.probe).unwrap();
        let probe: isogloss::probe::Fitted = serde_json::from_str(&text).unwrap();
        assert_eq!(probe, ranked.probe, "{name}");
        let test = words.splits().test;
        let evaluate =
            |probe: &dyn isogloss::probe::Probe| probe.evaluate(test.0, test.1, Subset::Of(&[9, 2])).unwrap();
        assert_eq!(evaluate(&probe), evaluate(&ranked.probe), "{name}");
    }
}

#[test]
fn figures_are_those_of_the_words_they_are_of() {
    // Test words twice as many times: the same figures, since all of them are means over words.
    let words = words();
    let mut twice = words.clone();
    let test = words.x.slice(s![340.., ..]);
    twice.x = concatenate(Axis(0), &[words.x.view(), test]).unwrap();
    twice.labels.extend_from_slice(&words.labels[340..]);
    for (name, method) in methods() {
        let (one, two) = (words.rank(&method, 3).unwrap(), twice.rank(&method, 3).unwrap());
        assert_eq!(one.ranking.top(3).unwrap(), two.ranking.top(3).unwrap(), "{name}: test words change the ranking");
        for (a, b) in one.ranking.curve().iter().zip(two.ranking.curve()) {
            assert!((a.nmi_test.unwrap() - b.nmi_test.unwrap()).abs() < 1e-9, "{name}");
            assert_eq!(a.nmi_dev, b.nmi_dev, "{name}");
        }
        assert_eq!(one.all.accuracy, two.all.accuracy, "{name}");
    }
}
