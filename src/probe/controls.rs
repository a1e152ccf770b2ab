//! Controls: what a probe's figures would be without anything to find.
//!
//! - [`ControlLabels::shuffled`]: the labels in random order; a probe that still does well has seen the test words.
//! - [`ControlLabels::by_word_type`]: the control task of Hewitt and Liang 2019 (arXiv 1909.03368), a random class for each
//!   word type, and [`selectivity`], how much better the real task goes; a probe without it memorises words.
//! - [`majority_class`] and [`class_distribution`]: the two ways to do without activations.
//! - Random neurons: [`Statistic::Random`](crate::ranking::statistics::Statistic::Random).
//!
//! # Examples
//! ```
//! use isogloss::probe::controls::{majority_class, ControlLabels};
//!
//! // Three of four training words are of class 0.
//! let (train, dev, test) = (vec![0, 1, 0, 0], vec![0, 1], vec![1, 0]);
//! let types = [vec!["el", "los", "la", "el"], vec!["la", "las"], vec!["los", "el"]];
//! let control = ControlLabels::by_word_type(&types, &[3, 1], 7, &["es", "Number"])?;
//! // The same type has the same class everywhere.
//! assert_eq!(control.train[0], control.train[3]);
//! assert_eq!(control.train[0], control.test[1]);
//!
//! assert_eq!(majority_class(&train, &test, 2)?.accuracy, Some(0.5));
//! # let _ = dev;
//! # Ok::<(), isogloss::Error>(())
//! ```

use super::{check_labels, Evaluation};
use crate::{seed, Error, Result};
use ndarray::Array2;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Labels of a control, to put in the place of those of [`Splits`](crate::ranking::Splits) (keep its `n_classes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlLabels {
    /// Of the training words.
    pub train: Vec<usize>,
    /// Of the dev words.
    pub dev: Vec<usize>,
    /// Of the test words.
    pub test: Vec<usize>,
}

const PARTS: [&str; 3] = ["train", "dev", "test"];

impl ControlLabels {
    /// The labels of `[train, dev, test]`, each part in a random order of its own from the stream of `seed`, `names` and
    /// the part: every part keeps its class counts and loses its words.
    pub fn shuffled(labels: [&[usize]; 3], seed: u64, names: &[&str]) -> Self {
        let mut parts = PARTS.into_iter().zip(labels).map(|(part, labels)| {
            let names: Vec<&str> = names.iter().copied().chain(["shuffled labels", part]).collect();
            let mut labels = labels.to_vec();
            // Drawn as u64, so that the order is the same on every machine.
            let mut rng = seed::stream(seed, &names);
            for last in (1..labels.len()).rev() {
                labels.swap(last, rng.gen_range(0..=last as u64) as usize);
            }
            labels
        });
        let mut next = || parts.next().unwrap_or_default();
        ControlLabels { train: next(), dev: next(), test: next() }
    }

    /// The control task of Hewitt and Liang 2019 (arXiv 1909.03368): every word type of `[train, dev, test]` has one class,
    /// the same in all parts, drawn by the frequencies `class_counts` (words of each class, usually the training words').
    /// The draw comes from the stream of `seed`, `names` and the type alone, so that other words change nothing.
    ///
    /// The task can only be learned by memorising types, and tells something on words whose types were trained on: on a
    /// split without common lemmas most test types are new, and the control's test figures are at chance for any probe.
    /// There, compare on the training words, or split by tokens.
    ///
    /// # Errors
    /// [`Error::Data`] if `class_counts` has no words.
    pub fn by_word_type<T: AsRef<str>>(
        types: &[Vec<T>; 3],
        class_counts: &[usize],
        seed: u64,
        names: &[&str],
    ) -> Result<Self> {
        let total: u64 = class_counts.iter().map(|&count| count as u64).sum();
        if total == 0 {
            return Err(Error::Data("a control task draws classes by their words, but there are none".into()));
        }
        let class_of = |form: &str| {
            let names: Vec<&str> = names.iter().copied().chain(["control task", form]).collect();
            let mut place = seed::stream(seed, &names).gen_range(0..total);
            let mut class = 0;
            for &count in class_counts {
                if place < count as u64 {
                    break;
                }
                place -= count as u64;
                class += 1;
            }
            class
        };
        let [train, dev, test] =
            [0, 1, 2].map(|part: usize| types[part].iter().map(|form| class_of(form.as_ref())).collect());
        Ok(ControlLabels { train, dev, test })
    }
}

/// The number of words of each class, `[classes]`.
///
/// # Errors
/// [`Error::Data`] if a label is not below `n_classes`.
pub fn class_counts(labels: &[usize], n_classes: usize) -> Result<Vec<usize>> {
    check_labels(labels.len(), labels, n_classes)?;
    let mut counts = vec![0usize; n_classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    Ok(counts)
}

/// How much better a probe does on its task than on a control.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selectivity {
    /// Accuracy on the task less accuracy on the control, the definition of Hewitt and Liang 2019 (arXiv 1909.03368).
    pub accuracy: Option<f64>,
    /// The same of normalised mutual information.
    pub nmi: Option<f64>,
}

/// Selectivity: the figures on the task less those on the control, where both exist.
pub fn selectivity(task: &Evaluation, control: &Evaluation) -> Selectivity {
    let less = |task: Option<f64>, control: Option<f64>| Some(task? - control?);
    Selectivity { accuracy: less(task.accuracy, control.accuracy), nmi: less(task.nmi, control.nmi) }
}

/// How well it goes to call every word of `labels` the most frequent class of `train`, the first of equals. Such certainty
/// has a cross-entropy (and NMI) only where no word is of another class.
///
/// # Errors
/// [`Error::Data`] if there are no training words or a label is not below `n_classes`.
pub fn majority_class(train: &[usize], labels: &[usize], n_classes: usize) -> Result<Evaluation> {
    let counts = trained(train, n_classes)?;
    let most = super::evaluation::first_maximum(counts.iter().map(|&count| count as f64));
    constant(labels, &(0..n_classes).map(|class| f64::from(u8::from(class == most))).collect::<Vec<_>>())
}

/// How well it goes to give every word of `labels` the class distribution of `train`: the figures of a probe that looks at
/// nothing. Where a class of `labels` has no training words there is no cross-entropy (and NMI).
///
/// # Errors
/// As [`majority_class`].
pub fn class_distribution(train: &[usize], labels: &[usize], n_classes: usize) -> Result<Evaluation> {
    let counts = trained(train, n_classes)?;
    constant(labels, &counts.iter().map(|&count| count as f64 / train.len() as f64).collect::<Vec<_>>())
}

fn trained(train: &[usize], n_classes: usize) -> Result<Vec<usize>> {
    if train.is_empty() {
        return Err(Error::Data("the most frequent class is that of training words, but there are none".into()));
    }
    class_counts(train, n_classes)
}

/// Of one distribution for all words.
fn constant(labels: &[usize], distribution: &[f64]) -> Result<Evaluation> {
    let log_likelihoods =
        Array2::from_shape_fn((labels.len(), distribution.len()), |(_, class)| distribution[class].ln());
    let mut evaluation = Evaluation::new(log_likelihoods.view(), labels)?;
    evaluation.cross_entropy = evaluation.cross_entropy.filter(|loss| loss.is_finite());
    Ok(evaluation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    const NAMES: [&str; 2] = ["es", "Number"];

    #[test]
    fn shuffling_keeps_the_counts_of_every_part_and_moves_its_words() {
        let train: Vec<usize> = (0..300).map(|word| word % 7 % 3).collect();
        let (dev, test) = (train[..90].to_vec(), train[..90].to_vec());
        let parts = [&train[..], &dev, &test];
        let control = ControlLabels::shuffled(parts, 3, &NAMES);
        for (before, after) in parts.into_iter().zip([&control.train, &control.dev, &control.test]) {
            assert_eq!(class_counts(before, 3).unwrap(), class_counts(after, 3).unwrap());
            // Shares 5/7, 1/7, 1/7 or so: equal by chance on about 0.4 of the words.
            let same = before.iter().zip(after).filter(|(a, b)| a == b).count();
            assert!(same < before.len() * 6 / 10, "{same} of {}", before.len());
        }
        assert_ne!(control.dev, control.test, "parts have orders of their own");
        assert_eq!(control, ControlLabels::shuffled(parts, 3, &NAMES));
        assert_ne!(control, ControlLabels::shuffled(parts, 4, &NAMES));
        assert_eq!(ControlLabels::shuffled([&[], &[1], &[]], 3, &NAMES).dev, [1]);
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut orders = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            *orders.entry(ControlLabels::shuffled([&[0, 1, 2], &[], &[]], seed, &NAMES).train).or_insert(0usize) += 1;
        }
        assert_eq!(orders.len(), 6);
        // scipy.stats.chi2.isf(1e-4, 5)
        let chi: f64 = orders.values().map(|&n| (n as f64 - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 25.745, "{chi}");
    }

    #[test]
    fn a_word_type_has_one_class_by_the_frequencies_given_whatever_the_other_words() {
        let forms: Vec<String> = (0..20_000).map(|i| format!("form{i}")).collect();
        let counts = [60, 0, 30, 10];
        let control = ControlLabels::by_word_type(&[forms.clone(), vec![], vec![]], &counts, 5, &NAMES).unwrap();
        let drawn = class_counts(&control.train, 4).unwrap();
        assert_eq!(drawn[1], 0);
        // scipy.stats.chi2.isf(1e-4, 2)
        let chi: f64 = [(0, 12e3), (2, 6e3), (3, 2e3)].iter().map(|&(c, e)| (drawn[c] as f64 - e).powi(2) / e).sum();
        assert!(chi < 18.421, "{chi}");

        let some = |range: std::ops::Range<usize>| range.rev().map(|i| forms[i].clone()).collect::<Vec<_>>();
        let parts = [some(0..9), some(5..9), some(0..30)];
        let again = ControlLabels::by_word_type(&parts, &counts, 5, &NAMES).unwrap();
        for (part, labels) in parts.iter().zip([&again.train, &again.dev, &again.test]) {
            for (form, &label) in part.iter().zip(labels) {
                assert_eq!(label, control.train[forms.iter().position(|f| f == form).unwrap()]);
            }
        }
        let other = ControlLabels::by_word_type(&[forms, vec![], vec![]], &counts, 6, &NAMES).unwrap();
        assert_ne!(control.train, other.train);
        let none: [Vec<&str>; 3] = Default::default();
        assert!(ControlLabels::by_word_type(&none, &[0, 0], 5, &NAMES).unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn a_task_has_no_selectivity_over_itself() {
        let task = class_distribution(&[0, 1, 1], &[0, 0, 1], 2).unwrap();
        assert_eq!(selectivity(&task, &task), Selectivity { accuracy: Some(0.0), nmi: Some(0.0) });
        let better = Evaluation { accuracy: Some(1.0), nmi: Some(1.0), ..task };
        let gained = selectivity(&better, &task);
        assert_relative_eq!(gained.accuracy.unwrap(), 1.0 - task.accuracy.unwrap());
        assert_relative_eq!(gained.nmi.unwrap(), 1.0 - task.nmi.unwrap());
        assert_eq!(selectivity(&Evaluation { nmi: None, ..better }, &task).nmi, None);
    }

    // from sklearn.dummy import DummyClassifier; from sklearn.metrics import *
    // y = [0, 1, 1, 2, 1, 0]; t = [1, 1, 0, 2, 0]
    // d = DummyClassifier(strategy="prior").fit(np.zeros((6, 1)), y); z = np.zeros((5, 1))
    // log_loss(t, d.predict_proba(z)), accuracy_score(t, d.predict(z)), f1_score(t, d.predict(z), average="macro")
    #[test]
    fn doing_without_activations_agrees_with_scikit_learn() {
        let (train, test) = ([0, 1, 1, 2, 1, 0], [1, 1, 0, 2, 0]);
        let prior = class_distribution(&train, &test, 3).unwrap();
        assert_relative_eq!(prior.cross_entropy.unwrap(), 1.0750556815368, max_relative = 1e-12);
        let majority = majority_class(&train, &test, 3).unwrap();
        for evaluation in [prior, majority] {
            assert_relative_eq!(evaluation.accuracy.unwrap(), 0.4);
            assert_relative_eq!(evaluation.macro_f1.unwrap(), 0.1904761904761905, max_relative = 1e-12);
        }
        assert_eq!((majority.cross_entropy, majority.nmi), (None, None));
    }

    #[test]
    fn the_training_distribution_on_its_own_words_has_no_information() {
        let train = [0, 1, 1, 2, 1, 0, 0];
        let prior = class_distribution(&train, &train, 4).unwrap();
        assert_relative_eq!(prior.nmi.unwrap(), 0.0, epsilon = 1e-15);
        // Of equals the first.
        assert_eq!(majority_class(&train, &[0, 1], 4).unwrap().accuracy, Some(0.5));
        assert_eq!(majority_class(&train, &[0, 0], 4).unwrap().cross_entropy, Some(0.0));
        let unseen = class_distribution(&train, &[3, 0], 4).unwrap();
        assert_eq!((unseen.cross_entropy, unseen.nmi, unseen.accuracy), (None, None, Some(0.5)));
        assert!(majority_class(&[], &[0], 2).is_err() && class_distribution(&[5], &[0], 2).is_err());
    }
}
