use super::*;
use crate::treebank::Attributes;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Words of one lemma each with a class; `None`: without the attribute.
fn words<'a>(entries: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Vec<Word> {
    let word = |(lemma, class): (&str, Option<&str>)| Word {
        sentence: 0,
        form: lemma.to_string(),
        lemma: Some(lemma.to_string()),
        attributes: class.map(|class| ("A", class)).into_iter().collect::<Attributes>(),
        language: Arc::from("xx"),
        file: Arc::from("f"),
        sentence_id: String::new(),
        token_id: String::new(),
        space_after: true,
    };
    entries.into_iter().map(word).collect()
}

/// Lemmas with their numbers of words in classes.
fn corpus(lemmas: &[(String, Vec<(&str, usize)>)]) -> Vec<Word> {
    words(lemmas.iter().flat_map(|(lemma, classes)| {
        classes.iter().flat_map(move |&(class, n)| std::iter::repeat_n((lemma.as_str(), Some(class)), n))
    }))
}

/// A class of lemmas with these many words each.
fn class(name: &'static str, sizes: impl IntoIterator<Item = usize>) -> Vec<(String, Vec<(&'static str, usize)>)> {
    sizes.into_iter().enumerate().map(|(i, n)| (format!("{name}{i}"), vec![(name, n)])).collect()
}

fn settings(method: SplitMethod, min_per_class: usize) -> SplitSettings {
    SplitSettings { method, min_per_class, ..SplitSettings::default() }
}

fn parts(split: &Split) -> [&Part; 3] {
    [&split.train, &split.dev, &split.test]
}

/// Frequencies as in language: word i of n comes top / i times.
fn zipf(top: usize, n: usize) -> Vec<usize> {
    (1..=n).map(|i| (top / i).max(1)).collect()
}

#[test]
fn lemma_types_are_cut_by_number() {
    let words = corpus(&[class("a", vec![1; 60]), class("b", vec![1; 40])].concat());
    let split = split(&words, "xx", "A", &settings(SplitMethod::LemmaTypes, 1), 0).unwrap();
    assert_eq!(parts(&split).map(|part| part.words.len()), [80, 10, 10]);
}

#[test]
fn balanced_parts_hold_the_same_classes() {
    // Shuffling types alone would give dev and test between 1 % and 40 % of a class.
    let words =
        corpus(&[class("a", zipf(2000, 4000)), class("b", zipf(700, 1500)), class("c", zipf(200, 500))].concat());
    for seed in 0..5 {
        let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 20), seed).unwrap();
        for row in split.balance() {
            let total: usize = row.words.iter().sum();
            for (share, target) in row.words.map(|n| n as f64 / total as f64).into_iter().zip([0.8, 0.1, 0.1]) {
                assert!((share - target).abs() < 0.01, "{row:?}");
            }
            assert!((row.shares[1] - row.shares[0]).abs() < 0.02, "{row:?}");
        }
        let shares: f64 = split.balance().iter().map(|row| row.shares[2]).sum();
        assert!((shares - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_function_word_that_is_most_of_its_class_is_for_training() {
    let words = corpus(&[class("det", [5000].into_iter().chain(vec![3; 60])), class("noun", vec![2; 3000])].concat());
    let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 20), 1).unwrap();
    let the = words.iter().position(|word| word.lemma.as_deref() == Some("det0")).unwrap();
    assert!(split.train.words.contains(&the));
    let balance = split.balance();
    assert_eq!(balance[0].class, "det");
    assert!(balance[0].words[1] >= 80 && balance[0].words[2] >= 80, "{balance:?}");
}

#[test]
fn rare_classes_survive_where_they_can() {
    let common = || class("common", vec![3; 2000]);
    // Three lemmas, each enough for a part; one lemma most of it; small lemmas that only fit together.
    for sizes in
        [vec![30, 30, 30], vec![400, 21, 25], vec![5, 5, 10, 10, 20, 20], vec![2; 30], vec![19, 1, 19, 1, 19, 1]]
    {
        for seed in 0..20 {
            let words = corpus(&[common(), class("rare", sizes.clone())].concat());
            let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 20), seed).unwrap();
            assert_eq!(split.classes, ["common", "rare"]);
            assert!(split.balance().iter().all(|row| row.words.iter().all(|&n| n >= 20)), "{:?}", split.balance());
        }
    }
    // Two lemmas cannot be in three parts; the class goes, the others stay.
    for rare in [class("rare", vec![300, 300]), class("rare", vec![1; 59])] {
        let words = corpus(&[common(), class("other", vec![2; 100]), rare].concat());
        let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 20), 0).unwrap();
        assert_eq!(split.classes, ["common", "other"]);
        let dropped: usize = split.dropped["rare"].iter().sum();
        assert!(dropped == 600 || dropped == 59);
        assert!(parts(&split).iter().all(|part| part.classes.iter().all(|&class| class < 2)));
    }
}

#[test]
fn a_cell_that_does_not_exist_says_why() {
    let lone = corpus(&[class("a", vec![2; 300]), class("b", vec![100])].concat());
    let reason = split(&lone, "xx", "A", &SplitSettings::default(), 0).unwrap_err();
    let message = reason.to_string();
    assert!(
        message.starts_with("A of `xx` has fewer than two classes with 20 words in each of train, dev and test: a 4"),
        "{message}"
    );
    assert!(message.ends_with("b 100/0/0"), "{message}");
    let NoCell::TooFewClasses { counts, .. } = &reason else { panic!("{reason:?}") };
    assert_eq!(counts["a"].iter().sum::<usize>(), 600);
    assert_eq!(Error::from(reason.clone()).to_string(), message);
    let none = split(&lone, "xx", "B", &SplitSettings::default(), 0).unwrap_err().to_string();
    assert_eq!(none, "no word of `xx` has the attribute B");
    for share in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let bad = SplitSettings { dev: share, ..SplitSettings::default() };
        let message = split(&lone, "xx", "A", &bad, 0).unwrap_err().to_string();
        assert!(message.starts_with("dev share should be a number above 0"), "{message}");
    }
    assert!(matches!(split(&lone, "xx", "A", &settings(SplitMethod::Balanced, 0), 0), Err(NoCell::Settings(_))));
    assert!(split(&[], "xx", "A", &settings(SplitMethod::Balanced, usize::MAX), 0).is_err());
}

#[test]
fn words_without_a_lemma_go_by_their_form() {
    let mut words = corpus(&[class("a", vec![2; 100]), class("b", vec![2; 100])].concat());
    let (upper, lower) = (words[0].clone(), words[1].clone());
    words.push(Word { form: "Etwas".into(), lemma: None, ..upper });
    words.push(Word { form: "etwas".into(), lemma: None, ..lower });
    for seed in 0..20 {
        let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 1), seed).unwrap();
        assert_eq!(split.without_lemma, 2);
        let homes = parts(&split).map(|part| part.words.iter().filter(|&&word| word >= 400).count());
        assert_eq!(homes.iter().max(), Some(&2), "{homes:?}");
    }
}

#[test]
fn the_stream_is_that_of_seed_language_and_attribute() {
    let words = corpus(&[class("a", zipf(50, 300)), class("b", zipf(50, 300))].concat());
    let renamed: Vec<Word> = words
        .iter()
        .map(|word| Word {
            attributes: [("B", word.attributes.get("A").unwrap())].into_iter().collect(),
            ..word.clone()
        })
        .collect();
    for method in [SplitMethod::Balanced, SplitMethod::LemmaTypes] {
        let settings = settings(method, 5);
        let base = split(&words, "xx", "A", &settings, 7).unwrap();
        assert_eq!(base, split(&words, "xx", "A", &settings, 7).unwrap());
        assert_ne!(base.train, split(&words, "xx", "A", &settings, 8).unwrap().train);
        assert_ne!(base.train, split(&words, "yy", "A", &settings, 7).unwrap().train);
        assert_ne!(base.train, split(&renamed, "xx", "B", &settings, 7).unwrap().train);
        // The order of the words does not matter.
        let reversed: Vec<Word> = words.iter().rev().cloned().collect();
        let lemmas =
            |words: &[Word], part: &Part| part.words.iter().map(|&i| words[i].lemma.clone()).collect::<BTreeSet<_>>();
        let other = split(&reversed, "xx", "A", &settings, 7).unwrap();
        assert_eq!(lemmas(&words, &base.test), lemmas(&reversed, &other.test));
    }
}

/// Shuffled by an independent implementation in Python: SHA-256 of the seed and the names (each after its length) as key,
/// ChaCha8's words, and Fisher-Yates from the end:
///
/// ```python
/// words, rng = list(range(20)), stream(0, ["split", "xx", "A"])
/// for i in range(19, 0, -1):
///     n = i + 1; zone = (n << 32 - n.bit_length()) - 1
///     while True:
///         m = next(rng) * n
///         if m & 0xffffffff <= zone: break
///     j = m >> 32; words[i], words[j] = words[j], words[i]
/// print(sorted(words[16:18]), sorted(words[18:]))
/// ```
#[test]
fn the_split_is_the_same_on_every_machine() {
    let words = corpus(&[class("a", vec![1; 10]), class("b", vec![1; 10])].concat());
    let split = split(&words, "xx", "A", &settings(SplitMethod::LemmaTypes, 1), 0).unwrap();
    assert_eq!((split.dev.words, split.test.words), (vec![7, 11], vec![4, 13]));
}

proptest! {
    #[test]
    fn any_split_is_a_partition_by_lemma(
        entries in prop::collection::vec((0..40u8, prop::option::of(0..4u8)), 0..300),
        seed in any::<u64>(),
        min in 1..8usize,
        balanced in any::<bool>(),
    ) {
        let names: Vec<String> = (0..40).map(|i| format!("l{i}")).collect();
        let words = words(entries.iter().map(|&(lemma, class)| {
            (names[usize::from(lemma)].as_str(), class.map(|class| ["p", "q", "r", "s"][usize::from(class)]))
        }));
        let method = if balanced { SplitMethod::Balanced } else { SplitMethod::LemmaTypes };
        match split(&words, "xx", "A", &settings(method, min), seed) {
            Ok(split) => {
                let mut seen = BTreeSet::new();
                let mut lemmas: Vec<BTreeSet<&str>> = Vec::new();
                prop_assert!(split.classes.len() >= 2 && split.classes.windows(2).all(|pair| pair[0] < pair[1]));
                for part in parts(&split) {
                    prop_assert!(part.words.windows(2).all(|pair| pair[0] < pair[1]));
                    prop_assert_eq!(part.words.len(), part.classes.len());
                    for (&word, &class) in part.words.iter().zip(&part.classes) {
                        prop_assert!(seen.insert(word));
                        prop_assert_eq!(words[word].attributes.get("A"), Some(split.classes[class].as_str()));
                    }
                    lemmas.push(part.words.iter().filter_map(|&word| words[word].lemma.as_deref()).collect());
                    for class in 0..split.classes.len() {
                        prop_assert!(part.classes.iter().filter(|&&c| c == class).count() >= min);
                    }
                }
                for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                    prop_assert!(lemmas[a].is_disjoint(&lemmas[b]));
                }
                // Every word of a class that stays is in a part.
                let stays = |word: &Word| word.attributes.get("A").is_some_and(|value| split.classes.iter().any(|class| class == value));
                prop_assert_eq!(seen.len(), words.iter().filter(|word| stays(word)).count());
            }
            Err(NoCell::TooFewClasses { counts, .. }) => {
                let total: usize = counts.values().flatten().sum();
                prop_assert_eq!(total, words.iter().filter(|word| word.attributes.get("A").is_some()).count());
                let enough = counts.values().filter(|count| count.iter().all(|&n| n >= min)).count();
                prop_assert!(enough < 2);
            }
            Err(reason) => prop_assert!(false, "{}", reason),
        }
    }
}
