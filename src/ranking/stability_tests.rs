use super::*;
use crate::ranking::statistics::{by_score, Statistic};
use crate::ranking::{CurvePoint, Method};
use approx::assert_relative_eq;
use ndarray::Array2;

fn ranking(n_neurons: usize, neurons: impl IntoIterator<Item = usize>) -> Ranking {
    let point = |(i, neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
    Ranking::new(n_neurons, neurons.into_iter().enumerate().map(point).collect()).unwrap()
}

/// Rankings of 60 neurons whose first ones come often but not always.
fn noisy(count: usize, seed: u64) -> Vec<Ranking> {
    let mut rng = seed::stream(seed, &["noisy"]);
    let mut one = || {
        let scores: Vec<f64> = (0..60).map(|d| f64::from(60 - d) / 15.0 + 3.0 * rng.gen::<f64>()).collect();
        ranking(60, by_score(&scores).into_iter().take(12))
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn the_mean_and_its_error_agree_with_brute_force() {
    let rankings = noisy(6, 1);
    let k = 10;
    let overlap = |members: &[usize]| {
        let (mut sum, mut pairs) = (0.0, 0.0);
        for &a in members {
            for &b in members.iter().filter(|&&b| b > a) {
                let (a, b) = (rankings[a].top(k).unwrap(), rankings[b].top(k).unwrap());
                sum += a.iter().filter(|d| b.contains(d)).count() as f64 / k as f64;
                pairs += 1.0;
            }
        }
        sum / pairs
    };
    let found = self_overlap(&rankings, k).unwrap();
    let all: Vec<usize> = (0..6).collect();
    assert_relative_eq!(found.self_overlap, overlap(&all), max_relative = 1e-14);
    assert_eq!(
        (found.rankings, found.pairs.len(), found.n_neurons, found.expected),
        (6, 15, Some(60), Some(10.0 / 60.0))
    );
    let without: Vec<f64> =
        (0..6).map(|i| overlap(&all.iter().copied().filter(|&j| j != i).collect::<Vec<_>>())).collect();
    let centre = mean(without.iter().copied()).unwrap();
    let error = (5.0 / 6.0 * without.iter().map(|u| (u - centre).powi(2)).sum::<f64>()).sqrt();
    assert_relative_eq!(found.standard_error.unwrap(), error, max_relative = 1e-10);
    let (low, high) = found.interval.unwrap();
    // scipy.stats.t.ppf(0.975, 5)
    assert_relative_eq!((high - low) / 2.0, 2.5705818356363146 * error, max_relative = 1e-6);

    let mut shuffled = rankings.clone();
    shuffled.reverse();
    assert_eq!(self_overlap(&shuffled, k).unwrap().self_overlap, found.self_overlap);
}

#[test]
fn the_mean_is_that_of_the_ceiling() {
    let rankings = noisy(4, 2);
    let cells: Vec<_> = rankings
        .iter()
        .zip(0..)
        .map(|(ranking, seed)| crate::ranking::RankedCell {
            cell: crate::ranking::Cell {
                model: "bloom".into(),
                step: "1000".parse().unwrap(),
                site: "residual.3".parse().unwrap(),
                attribute: "Number".into(),
                language: "es".into(),
                method: "poisson".into(),
                seed,
                control: Default::default(),
            },
            ranking: ranking.clone(),
        })
        .collect();
    let ceiling = crate::overlap::ceiling(&cells, &[12]).unwrap();
    assert_relative_eq!(ceiling[0].self_overlap, self_overlap(&rankings, 12).unwrap().self_overlap, epsilon = 1e-15);
}

#[test]
fn nineteen_of_twenty_intervals_hold_the_truth() {
    // With 2,000 rankings the mean is the truth to within some 0.001.
    let truth = self_overlap(&noisy(2000, 3), 10).unwrap().self_overlap;
    let held = (0..400)
        .filter(|seed| {
            let (low, high) = self_overlap(&noisy(8, 100 + seed), 10).unwrap().interval.unwrap();
            low <= truth && truth <= high
        })
        .count();
    // scipy.stats.binom.ppf([0.001, 0.999], 400, 0.95)
    assert!((365..=392).contains(&held), "{held} of 400");
}

#[test]
fn equal_and_disjoint_rankings_and_two_of_them() {
    let equal = self_overlap(&[ranking(9, [1, 2, 3]), ranking(9, [3, 1, 2]), ranking(9, [2, 3, 1])], 3).unwrap();
    assert_eq!((equal.self_overlap, equal.standard_error, equal.interval), (1.0, Some(0.0), Some((1.0, 1.0))));
    let disjoint = self_overlap(&[ranking(9, [1, 2]), ranking(9, [3, 4])], 2).unwrap();
    assert_eq!((disjoint.self_overlap, disjoint.standard_error, disjoint.interval), (0.0, None, None));
    assert_eq!(disjoint.pairs, [Pair { a: 0, b: 1, shared: 0 }]);
    let everything = self_overlap(&[ranking(2, [0, 1]), ranking(2, [1, 0])], 2).unwrap();
    assert_eq!((everything.self_overlap, everything.expected), (1.0, Some(1.0)));
}

#[test]
fn wrong_rankings_are_refused() {
    let some = || ranking(9, [1, 2]);
    for (rankings, k, part) in [
        (vec![some()], 1, "two rankings or more, but there are 1"),
        (vec![some(), ranking(8, [1, 2])], 1, "rankings of 9 and of 8 neurons"),
        (vec![some(), some()], 0, "k should be from 1 to 9"),
        (vec![some(), some()], 10, "k should be from 1 to 9"),
        (vec![some(), some()], 3, "at most the 2 neurons ranked"),
    ] {
        let error = self_overlap(&rankings, k).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// 240 words of 12 neurons, the first four of which tell the classes apart.
fn words() -> (Array2<f32>, Vec<usize>) {
    let mut rng = seed::stream(4, &["words"]);
    let labels: Vec<usize> = (0..240).map(|word| word % 3).collect();
    let x = Array2::from_shape_fn((240, 12), |(word, d)| {
        rng.gen_range(0..64) as f32 / 32.0 + if d < 4 && labels[word] == d % 3 { 1.5 } else { 0.0 }
    });
    (x, labels)
}

#[test]
fn a_method_that_draws_nothing_agrees_with_itself() {
    let (x, labels) = words();
    let split = (x.view(), &labels[..]);
    let splits = Splits::new(split, split, split);
    let logistic: Method = "logistic".parse().unwrap();
    let found = across_seeds(&logistic, &splits, 4, &[0, 1, 2], &["es"]).unwrap();
    assert_eq!((found.overlap.self_overlap, found.ranked.len()), (1.0, 3));
    let point = found.ranked[0].ranking.curve()[3];
    assert_relative_eq!(found.nmi_test(4).unwrap(), point.nmi_test.unwrap(), max_relative = 1e-14);
    assert_eq!((found.nmi_test(0), found.nmi_test(5)), (None, None));
    assert!(across_seeds(&logistic, &splits, 4, &[7, 7], &[]).unwrap_err().to_string().contains("seed 7 comes twice"));
    assert!(across_seeds(&logistic, &splits, 4, &[7], &[]).is_err());
    assert!(across_seeds(&logistic, &splits, 0, &[7, 8], &[]).is_err());
}

/// Ranks by a statistic of the training words, and keeps them.
struct Seen(std::sync::Mutex<Vec<(Array2<f32>, Vec<usize>)>>);

impl Ranker for Seen {
    fn rank(&self, splits: &Splits, k: usize, seed: u64, names: &[&str]) -> crate::Result<Ranked> {
        let (records, labels) = splits.train;
        self.0.lock().unwrap().push((records.to_owned(), labels.to_vec()));
        let scores = Statistic::FStatistic.scores(records, labels, splits.n_classes, seed, names)?;
        let ranking = ranking(splits.n_neurons(), by_score(&scores).into_iter().take(k));
        let logistic: Method = "logistic".parse()?;
        Ok(Ranked { ranking, ..logistic.rank(splits, 0, seed, names)? })
    }
}

#[test]
fn bootstrap_samples_keep_classes_and_draw_words_of_them() {
    let (x, labels) = words();
    let (split, none) = ((x.view(), &labels[..]), Array2::zeros((0, 12)));
    let splits = Splits::new(split, split, (none.view(), &[]));
    let ranker = Seen(Default::default());
    let found = across_bootstrap(&ranker, &splits, 5, 4, 9, &["es"]).unwrap();
    assert_eq!(found.overlap.pairs.len(), 6);
    assert!(found.overlap.self_overlap > 0.7 && found.overlap.self_overlap < 1.0, "{:?}", found.overlap);
    let samples = ranker.0.into_inner().unwrap();
    let mut distinct = Vec::new();
    for (records, seen) in &samples {
        assert_eq!(*seen, labels);
        let sources: std::collections::BTreeSet<usize> = records
            .outer_iter()
            .zip(seen)
            .map(|(row, &label)| (0..240).find(|&word| x.row(word) == row && labels[word] == label).unwrap())
            .collect();
        distinct.push(sources);
    }
    // Of n words a bootstrap sample has 1 - 1/e distinct ones: 152, give or take 7.
    assert!(distinct.iter().all(|sources| (130..175).contains(&sources.len())));
    assert!(distinct.windows(2).all(|pair| pair[0] != pair[1]));
    let again = across_bootstrap(&Seen(Default::default()), &splits, 5, 4, 9, &["es"]).unwrap();
    assert_eq!(again, found);
}
