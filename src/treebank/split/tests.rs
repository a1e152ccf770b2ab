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
        space_after: true,
        ..Word::default()
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
    split.parts()
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
    // Dev and test take nine tenths of the other words, as their targets are ten times as many, and train keeps the rest.
    assert_eq!(balance[0].words, [5018, 81, 81]);
    assert_eq!(balance[0].largest_lemma, [5000, 3, 3]);
    assert_eq!(balance[0].lemmas, [7, 27, 27]);
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
fn a_word_without_a_lemma_is_not_apart_from_a_lemma_that_it_may_be_of() {
    // `sah` is a form of `sehen` and of `sähen`, `gehen` a lemma, `lief` unknown.
    let mut words = corpus(&[class("a", vec![2; 60]), class("b", vec![2; 60])].concat());
    let plain = words[0].clone();
    let word =
        |form: &str, lemma: Option<&str>| Word { form: form.into(), lemma: lemma.map(Into::into), ..plain.clone() };
    let start = words.len();
    words.extend([
        word("sehen", Some("sehen")),
        word("Sah", Some("sehen")),
        word("säht", Some("sähen")),
        word("sah", None),
        word("gehen", None),
        word("geht", Some("Gehen")),
        word("lief", None),
    ]);
    // What `sah` may be of is known from a word without the attribute, too.
    words.push(Word { attributes: Attributes::default(), ..word("sah", Some("sähen")) });
    for seed in 0..10 {
        let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 1), seed).unwrap();
        assert_eq!(split.without_lemma, 3);
        let lemma: BTreeMap<usize, (usize, usize)> = parts(&split)
            .into_iter()
            .enumerate()
            .flat_map(|(p, part)| part.words.iter().zip(&part.lemmas).map(move |(&w, &l)| (w, (l, p))))
            .collect();
        assert_eq!(BTreeSet::from([0, 1, 2, 3].map(|i| lemma[&(start + i)])).len(), 1);
        assert_eq!(lemma[&(start + 4)], lemma[&(start + 5)]);
        assert_ne!(lemma[&(start + 4)].0, lemma[&start].0);
        assert_ne!(lemma[&(start + 6)].0, lemma[&start].0);
    }
}

#[test]
fn spellings_of_a_lemma_are_one() {
    let mut words = corpus(&[class("a", vec![1; 90]), class("b", vec![1; 90])].concat());
    let plain = words[0].clone();
    // Composed and decomposed, capitals and small letters.
    for lemma in ["caf\u{e9}", "cafe\u{301}", "CAF\u{c9}", "Cafe\u{301}"] {
        words.push(Word { lemma: Some(lemma.into()), ..plain.clone() });
    }
    for method in [SplitMethod::Balanced, SplitMethod::LemmaTypes] {
        for seed in 0..10 {
            let split = split(&words, "xx", "A", &settings(method, 1), seed).unwrap();
            let homes = parts(&split).map(|part| part.words.iter().filter(|&&word| word >= 180).count());
            assert_eq!(homes.iter().max(), Some(&4), "{homes:?}");
        }
    }
}

/// The share of a class's words in a part that its most frequent lemma has there.
fn largest(balance: &ClassBalance, part: usize) -> f64 {
    balance.largest_lemma[part] as f64 / balance.words[part] as f64
}

#[test]
fn no_lemma_is_much_of_a_class_in_dev_or_test() {
    // Adpositions of a language: few lemmas, the first of them most of the words.
    let adpositions = [1723, 689, 543, 182, 167, 141, 125, 75, 50, 43, 43, 38, 30, 21, 21, 17, 11, 11, 8, 8, 2, 1];
    let words = corpus(&[class("adp", adpositions), class("noun", zipf(60, 3000))].concat());
    for seed in 0..20 {
        let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 20), seed).unwrap();
        let balance = split.balance();
        for part in [1, 2] {
            assert!(largest(&balance[0], part) < 0.6 && balance[0].lemmas[part] >= 3, "{balance:?}");
            assert!(largest(&balance[1], part) <= 0.1, "{balance:?}");
            assert!(balance[0].words[part] >= 60);
        }
    }
}

#[test]
fn every_lemma_that_may_be_in_test_is_there_about_as_often() {
    let words = corpus(&[class("a", zipf(40, 400)), class("b", zipf(40, 400))].concat());
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let seeds = 400;
    for seed in 0..seeds {
        let split = split(&words, "xx", "A", &settings(SplitMethod::Balanced, 5), seed).unwrap();
        let test: BTreeSet<&str> = split.test.words.iter().filter_map(|&word| words[word].lemma.as_deref()).collect();
        test.into_iter().for_each(|lemma| *times.entry(lemma).or_default() += 1);
    }
    // A class has 520 words and 52 in test: lemmas of six words or more, 97 together, are for training, and of the other 423
    // words test has 12 %. Three standard errors of 1600 draws are 2.5 %.
    for (frequency, lemmas) in [(4..6, 0..10), (1..2, 40..400)] {
        let names: Vec<String> = (0..400)
            .filter(|i| frequency.contains(&(40 / (i + 1)).max(1)) && lemmas.contains(i))
            .map(|i| format!("a{i}"))
            .collect();
        let total: usize = names.iter().map(|name| times.get(name.as_str()).copied().unwrap_or(0)).sum();
        let mean = total as f64 / names.len() as f64 / seeds as f64;
        assert!((0.1..0.148).contains(&mean), "{frequency:?}: {mean}");
    }
}

/// Sentences of words, each with a class, from these files in turn.
fn sentences(n: usize, files: &[&str]) -> Vec<Word> {
    let mut words = Vec::new();
    for sentence in 0..n {
        for i in 0..5 {
            // A frequent lemma, others by turns, and a rare one.
            let lemma = [0, 1 + sentence % 40, 50 + sentence % 7, 60 + i, 100 + sentence][i];
            let rare = if sentence % 7 == 0 { "r" } else { ["p", "q"][sentence % 2] };
            let class = ["p", "q", "q", "p", rare][i];
            let mut word = corpus(&[(format!("l{lemma}"), vec![(class, 1)])]).remove(0);
            word.sentence = sentence;
            word.file = Arc::from(files[sentence % files.len()]);
            words.push(word);
        }
    }
    words
}

#[test]
fn sentences_are_whole_and_balanced() {
    let words = sentences(600, &["f"]);
    for seed in 0..5 {
        let split = split(&words, "xx", "A", &settings(SplitMethod::Sentences, 5), seed).unwrap();
        let found = parts(&split).map(|part| part.words.iter().map(|&w| words[w].sentence).collect::<BTreeSet<_>>());
        assert_eq!(found.iter().map(BTreeSet::len).sum::<usize>(), 600);
        assert_eq!(found.iter().flatten().collect::<BTreeSet<_>>().len(), 600);
        for row in split.balance() {
            let total: usize = row.words.iter().sum();
            assert!((row.words[2] as f64 / total as f64 - 0.1).abs() < 0.015, "{row:?}");
        }
    }
    let base = split(&words, "xx", "A", &settings(SplitMethod::Sentences, 5), 0).unwrap();
    assert_ne!(base, split(&words, "xx", "A", &settings(SplitMethod::Sentences, 5), 1).unwrap());
}

#[test]
fn sentences_of_the_same_words_go_together() {
    let mut words = sentences(200, &["f"]);
    // Every sentence again, elsewhere.
    let again: Vec<Word> = words.iter().map(|word| Word { sentence: word.sentence + 200, ..word.clone() }).collect();
    words.extend(again);
    let split = split(&words, "xx", "A", &settings(SplitMethod::Sentences, 5), 3).unwrap();
    let found = parts(&split).map(|part| part.words.iter().map(|&w| words[w].sentence % 200).collect::<BTreeSet<_>>());
    assert_eq!(found.iter().map(BTreeSet::len).sum::<usize>(), 200);
}

#[test]
fn sentences_are_known_by_words_that_are_not_there() {
    // All of the same words with the attribute, but of other words else; and two sentences of one hash.
    let mut words = sentences(200, &["f"]);
    for word in &mut words {
        word.form = "same".into();
        word.sentence_hash = Some(word.sentence as u64 / 2);
    }
    let split = split(&words, "xx", "A", &settings(SplitMethod::Sentences, 5), 3).unwrap();
    let found = parts(&split).map(|part| part.words.iter().map(|&w| words[w].sentence / 2).collect::<BTreeSet<_>>());
    assert!(found.iter().all(|part| !part.is_empty()));
    assert_eq!(found.iter().map(BTreeSet::len).sum::<usize>(), 100);
}

#[test]
fn an_attribute_of_a_part_goes_with_the_lemma_of_that_part() {
    let mut words = corpus(&[class("a", zipf(60, 200)), class("b", zipf(60, 200))].concat());
    // Two tokens of the same part in company of others: the attribute is the part's.
    for (i, own) in [(0, "it+a3"), (1, "she+a3"), (2, "b9+x")] {
        let of = if i < 2 { "a3" } else { "b9" };
        let attribute_lemmas = [("A".to_string(), of.to_string())].into();
        words.push(Word { lemma: Some(own.into()), attribute_lemmas, ..words[i].clone() });
    }
    let n = words.len() - 3;
    for method in [SplitMethod::Balanced, SplitMethod::LemmaTypes] {
        for seed in 0..10 {
            let split = split(&words, "xx", "A", &settings(method, 1), seed).unwrap();
            let homes = |wanted: &dyn Fn(usize) -> bool| -> BTreeSet<usize> {
                let parts = parts(&split).into_iter().enumerate();
                parts.flat_map(|(p, part)| part.words.iter().filter(|&&w| wanted(w)).map(move |_| p)).collect()
            };
            let of = |lemma: &str| homes(&|w: usize| words[w].lemma_of("A") == Some(lemma));
            assert_eq!((of("a3").len(), of("b9").len()), (1, 1), "{method}, seed {seed}");
            assert_eq!(homes(&|w| w == n), of("a3"));
        }
    }
}

#[test]
fn official_parts_are_those_of_the_files() {
    let files = ["x-ud-train.conllu", "x-ud-test.conllu", "x-ud-train.conllu", "x-ud-dev.conllu"];
    let words = sentences(400, &files);
    let split_with = |words: &[Word], unseen| {
        let settings = SplitSettings { unseen_lemmas: unseen, ..settings(SplitMethod::Official, 5) };
        split(words, "xx", "A", &settings, 0)
    };
    let split = split_with(&words, false).unwrap();
    for (part, name) in parts(&split).into_iter().zip(["train", "dev", "test"]) {
        assert!(part.words.iter().all(|&word| words[word].file.contains(name)));
    }
    assert_eq!((parts(&split).map(|part| part.words.len()), split.seen_lemmas), ([1000, 500, 500], 0));
    // A part without a file, and a file without a part.
    let of = |names: &[&str]| words.iter().filter(|w| names.contains(&&*w.file)).cloned().collect::<Vec<_>>();
    let error = split_with(&of(&files[1..2]), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`xx` has no official split of train, dev and test: none of its files is train or dev (x-ud-test.conllu); use another \
         split method"
    );
    let error = split_with(&sentences(40, &["x-ud-train.conllu", "all.conllu"]), false).unwrap_err().to_string();
    assert!(error.contains("\"all.conllu\" does not tell its part"), "{error}");
}

#[test]
fn words_of_lemmas_seen_before_are_left_out_if_asked() {
    let files = ["x-ud-train.conllu", "x-ud-test.conllu", "x-ud-dev.conllu"];
    let words = sentences(900, &files);
    for method in [SplitMethod::Official, SplitMethod::Sentences] {
        let with = |unseen_lemmas, seed| {
            split(&words, "xx", "A", &SplitSettings { unseen_lemmas, ..settings(method, 3) }, seed).unwrap()
        };
        let (all, unseen) = (with(false, 1), with(true, 1));
        let lemmas = |part: &Part| part.lemmas.iter().copied().collect::<BTreeSet<_>>();
        assert!(!lemmas(&all.train).is_disjoint(&lemmas(&all.test)));
        for (a, b) in [(&unseen.train, &unseen.dev), (&unseen.train, &unseen.test), (&unseen.dev, &unseen.test)] {
            assert!(lemmas(a).is_disjoint(&lemmas(b)));
        }
        let count = |split: &Split| {
            let kept: usize = parts(split).map(|part| part.words.len()).iter().sum();
            kept + split.dropped.values().flatten().sum::<usize>() + split.seen_lemmas
        };
        assert_eq!((count(&all), count(&unseen)), (words.len(), words.len()));
        assert!(unseen.seen_lemmas > 0 && all.seen_lemmas == 0);
    }
    // Where parts share no lemma there is nothing to leave out.
    let settings = SplitSettings { unseen_lemmas: true, ..settings(SplitMethod::Balanced, 3) };
    assert_eq!(split(&words, "xx", "A", &settings, 1).unwrap().seen_lemmas, 0);
}

#[test]
fn methods_have_names() {
    for method in SplitMethod::ALL {
        assert_eq!(method.to_string().parse::<SplitMethod>().unwrap(), method);
        let settings: SplitSettings = toml::from_str(&format!("method = \"{method}\"")).unwrap();
        assert_eq!(settings, SplitSettings { method, ..SplitSettings::default() });
    }
    let error = "by-hand".parse::<SplitMethod>().unwrap_err().to_string();
    assert!(error.contains("balanced, lemma-types, sentences or official"), "{error}");
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

/// Words of few lemmas, forms, sentences, files and classes; some without a lemma or the attribute.
fn any_words() -> impl Strategy<Value = Vec<Word>> {
    let word = (0..40u8, prop::option::of(0..4u8), 0..60usize, 0..3usize, any::<bool>(), 0..6u8);
    prop::collection::vec(word, 0..300).prop_map(|entries| {
        let mut words = Vec::new();
        for (lemma, class, sentence, file, upper, lacks) in entries {
            let class = class.map(|class| ["p", "q", "r", "s"][usize::from(class)]);
            let name = if upper { format!("L{lemma}") } else { format!("l{lemma}") };
            let mut one = self::words([(name.as_str(), class)]).remove(0);
            one.sentence = sentence;
            one.form = format!("l{}", lemma / 2);
            one.lemma = one.lemma.filter(|_| lacks > 0);
            one.file = Arc::from(["x-train", "x-dev", "x-test"][file]);
            words.push(one);
        }
        words
    })
}

proptest! {
    #[test]
    fn any_split_is_a_partition(
        words in any_words(),
        seed in any::<u64>(),
        min in 1..8usize,
        method in prop::sample::select(SplitMethod::ALL.to_vec()),
        unseen_lemmas in any::<bool>(),
    ) {
        let with = words.iter().filter(|word| word.attributes.get("A").is_some()).count();
        match split(&words, "xx", "A", &SplitSettings { unseen_lemmas, ..settings(method, min) }, seed) {
            Ok(split) => {
                let mut seen = BTreeSet::new();
                let mut lemmas: Vec<BTreeSet<String>> = Vec::new();
                let mut sentences: Vec<BTreeSet<usize>> = Vec::new();
                prop_assert!(split.classes.len() >= 2 && split.classes.windows(2).all(|pair| pair[0] < pair[1]));
                for part in parts(&split) {
                    prop_assert!(part.words.windows(2).all(|pair| pair[0] < pair[1]));
                    prop_assert_eq!(part.words.len(), part.classes.len());
                    prop_assert_eq!(part.words.len(), part.lemmas.len());
                    for (&word, &class) in part.words.iter().zip(&part.classes) {
                        prop_assert!(seen.insert(word));
                        prop_assert_eq!(words[word].attributes.get("A"), Some(split.classes[class].as_str()));
                    }
                    let lemma = |&word: &usize| words[word].lemma.as_ref().map(|lemma| lemma.to_lowercase());
                    lemmas.push(part.words.iter().filter_map(lemma).collect());
                    sentences.push(part.words.iter().map(|&word| words[word].sentence).collect());
                    for class in 0..split.classes.len() {
                        prop_assert!(part.classes.iter().filter(|&&c| c == class).count() >= min);
                    }
                }
                let lemma_wise = matches!(method, SplitMethod::Balanced | SplitMethod::LemmaTypes);
                for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                    prop_assert!(!(lemma_wise || unseen_lemmas) || lemmas[a].is_disjoint(&lemmas[b]));
                    prop_assert!(method != SplitMethod::Sentences || sentences[a].is_disjoint(&sentences[b]));
                    // A word without a lemma is not apart from the lemmas of its form.
                    for &word in parts(&split)[a].words.iter().filter(|_| lemma_wise) {
                        let other = parts(&split)[b].words.iter().find(|&&other| {
                            words[word].form == words[other].form
                                && (words[word].lemma.is_none() || words[other].lemma.is_none())
                        });
                        prop_assert_eq!(other, None);
                    }
                }
                // Every word is in a part, of a class that is left out, or left out for its lemma.
                let dropped: usize = split.dropped.values().flatten().sum();
                prop_assert_eq!(seen.len() + dropped + split.seen_lemmas, with);
                if !unseen_lemmas {
                    for (class, counts) in &split.dropped {
                        let found = words.iter().filter(|word| word.attributes.get("A") == Some(class)).count();
                        prop_assert_eq!(counts.iter().sum::<usize>(), found);
                    }
                }
            }
            Err(NoCell::TooFewClasses { counts, .. }) => {
                let total: usize = counts.values().flatten().sum();
                prop_assert!(total == with || unseen_lemmas && total < with);
                let enough = counts.values().filter(|count| count.iter().all(|&n| n >= min)).count();
                prop_assert!(enough < 2);
            }
            Err(NoCell::NoOfficialSplit { .. }) => {
                let files: BTreeSet<&str> = words.iter().map(|word| &*word.file).collect();
                prop_assert!(method == SplitMethod::Official && files.len() < 3);
            }
            Err(reason) => prop_assert!(false, "{}", reason),
        }
    }
}
