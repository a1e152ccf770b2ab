use super::*;
use crate::activations::SentencePooling;
use crate::overlap::MEAN;
use crate::similarity::Similarity;
use crate::transfer::TransferScore;
use crate::Site;

fn step_overlap(step: Step, site: &str, attribute: &str, overlap: f64) -> StepOverlap {
    StepOverlap {
        model: "m".into(),
        step,
        site: site.into(),
        attribute: attribute.into(),
        k: 5,
        pairs: 3,
        overlap,
        expected: Some(0.1),
        excess: Some((overlap - 0.1) / 0.9),
        ceiling: None,
        of_ceiling: None,
        excess_of_ceiling: None,
        shuffled: None,
        cross_attribute: None,
    }
}

fn pair(step: Step, site: usize, attribute: &str, languages: (&str, &str), seed: u64, overlap: f64) -> PairOverlap {
    PairOverlap {
        model: "m".into(),
        step,
        site: Site::Residual(site),
        attribute: attribute.into(),
        language_a: languages.0.into(),
        language_b: languages.1.into(),
        k: 5,
        seed,
        neurons: None,
        shared: 0,
        overlap,
        expected: None,
        excess: None,
        p_value: None,
        p_holm: None,
        p_bh: None,
        p_by: None,
        jaccard: 0.0,
        control: Default::default(),
        attribute_b: None,
    }
}

fn score(step: Step, task: &str, language: &str, score: f64) -> TransferScore {
    TransferScore { model: "m".into(), step, task: task.into(), language: language.into(), score, seed: None }
}

/// Steps 1 to 4 and the released model, tasks `xnli` and `tagging` in `de`, `en` (the source) and `es`.
fn tables() -> (Vec<StepOverlap>, Vec<PairOverlap>, TransferScores) {
    let (mut steps, mut pairs, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    for (i, step) in [1, 2, 3, 4].map(Step::Number).into_iter().chain([Step::Final]).enumerate() {
        let i = i as f64;
        steps.push(step_overlap(step, MEAN, MEAN, 0.1 * i));
        steps.push(step_overlap(step, MEAN, "POS", 0.9));
        steps.push(step_overlap(step, "residual.3", MEAN, 0.9));
        for (languages, base) in [(("de", "en"), 0.0), (("en", "es"), 0.3)] {
            for (site, seed, shift) in [(3, 0, -0.02), (3, 1, 0.02), (12, 0, 0.01), (12, 1, 0.03)] {
                pairs.push(pair(step, site, "POS", languages, seed, base + 0.1 * i + shift));
                pairs.push(pair(step, site, "Case", languages, seed, 0.5));
            }
        }
        pairs.push(pair(step, 3, "POS", ("de", "es"), 0, 0.7));
        for task in ["tagging", "xnli"] {
            scores.push(score(step, task, "de", 0.2 + 0.01 * i * i));
            scores.push(score(step, task, "en", 0.9 - 0.01 * i));
            scores.push(score(step, task, "es", 0.3 + 0.02 * i));
        }
    }
    (steps, pairs, TransferScores::new(scores).unwrap())
}

#[test]
fn points_are_what_the_study_took() {
    let (steps, pairs, scores) = tables();
    let points = points(&steps, &pairs, &scores, "en", 5);
    let count = |task: &str, level, measure: &str| {
        points.iter().filter(|p| p.task == task && p.level == level && p.measure == measure).count()
    };
    assert_eq!(count("xnli", Level::Average, "overlap"), 4, "a step a point, without the released model");
    assert_eq!(count("tagging", Level::Average, "excess"), 4);
    assert_eq!(count("xnli", Level::Pair, "overlap"), 8, "two languages, without the released model");
    assert_eq!(count("tagging", Level::Pair, "overlap"), 10, "two languages, with the released model");
    assert_eq!(count("tagging", Level::Pair, "excess"), 0, "chance is not known of the pairs");

    let average =
        points.iter().find(|p| p.level == Level::Average && p.measure == "overlap" && p.step == Step::Number(3));
    let average = average.unwrap();
    assert_eq!((average.x, average.attribute.as_str()), (0.2, MEAN));
    assert!((average.y - (0.24 + 0.88 + 0.34) / 3.0).abs() < 1e-15, "the source language is in the mean");

    let pair = points.iter().find(|p| {
        p.level == Level::Pair && p.step == Step::Final && p.language.as_deref() == Some("es") && p.task == "tagging"
    });
    let pair = pair.unwrap();
    assert_eq!(pair.attribute, "POS");
    assert!((pair.x - 0.71).abs() < 1e-12 && (pair.y - 0.38).abs() < 1e-12, "mean of sites and seeds: {pair:?}");
    assert!(points.iter().all(|p| p.language.as_deref() != Some("en")));
}

#[test]
fn without_part_of_speech_a_pair_takes_the_mean_over_attributes() {
    let pairs = [
        pair(Step::Number(1), 3, "Case", ("de", "en"), 0, 0.2),
        pair(Step::Number(1), 3, "Tense", ("de", "en"), 0, 0.6),
        pair(Step::Number(1), 12, "Tense", ("de", "en"), 0, 0.8),
    ];
    let scores = TransferScores::new(vec![score(Step::Number(1), "x", "de", 0.5)]).unwrap();
    let points = points(&[], &pairs, &scores, "en", 5);
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].attribute, MEAN);
    assert!((points[0].x - (0.2 + 0.7) / 2.0).abs() < 1e-15);
}

#[test]
fn rows_follow_from_points() {
    let (steps, pairs, scores) = tables();
    let (rows, influence) = correlate(&steps, &pairs, &scores, "en", 5);
    let names: Vec<_> =
        rows.iter().map(|r| (r.task.as_str(), r.level, r.measure.as_str(), r.attribute.as_str(), r.n)).collect();
    assert_eq!(
        names,
        [
            ("tagging", Level::Average, "excess", "mean", 4),
            ("tagging", Level::Average, "overlap", "mean", 4),
            ("tagging", Level::Pair, "overlap", "POS", 10),
            ("xnli", Level::Average, "excess", "mean", 4),
            ("xnli", Level::Average, "overlap", "mean", 4),
            ("xnli", Level::Pair, "overlap", "POS", 8),
        ]
    );
    // x = [0, .1, .2, .3]; y = [(1.4 + .01 * i * i + .01 * i) / 3 for i in range(4)]; scipy.stats.pearsonr(x, y)
    let row = &rows[1];
    assert!((row.pearson.unwrap() - 0.9759000729485331).abs() < 1e-12, "{row:?}");
    assert!((row.pearson_p.unwrap() - 0.024099927051466796).abs() < 1e-12);
    // Four points in the same order: 2 / 4!.
    assert_eq!(row.spearman, Some(1.0));
    assert!((row.spearman_p.unwrap() - 2.0 / 24.0).abs() < 1e-12);
    assert!(row.ci_low < row.pearson && row.pearson < row.ci_high && row.ci_method.as_deref() == Some(CI_METHOD));
    // Excess is overlap on another scale.
    assert!((rows[0].pearson.unwrap() - row.pearson.unwrap()).abs() < 1e-12);

    let left: Vec<_> = influence.iter().filter(|r| r.task == "tagging" && r.level == Level::Pair).collect();
    assert_eq!(left.len(), 5, "the released model too");
    assert!(left.iter().all(|r| r.n == 8) && left[4].left_out == Step::Final);
    let rest = points(&steps, &pairs, &scores, "en", 5);
    let rest: Vec<Point> = rest.into_iter().filter(|p| p.step != Step::Number(2)).collect();
    let without =
        correlate_points(&rest).0.into_iter().find(|r| r.task == "tagging" && r.level == Level::Pair).unwrap();
    assert_eq!((left[1].left_out, left[1].pearson), (Step::Number(2), without.pearson));
}

#[test]
fn what_does_not_exist_is_empty() {
    let (steps, pairs, _) = tables();
    let scores: Vec<_> = [1, 2, 3].map(|n| score(Step::Number(n), "x", "es", 0.5)).into();
    let (rows, influence) = correlate(&steps, &pairs, &TransferScores::new(scores).unwrap(), "en", 5);
    for row in &rows {
        assert_eq!((row.n, row.pearson, row.spearman_p, row.ci_low, &row.ci_method), (3, None, None, None, &None));
    }
    assert!(influence.iter().all(|row| row.n == 2 && row.pearson.is_none() && row.spearman.is_none()));
    let nothing = correlate(&steps, &pairs, &TransferScores::default(), "en", 5);
    assert_eq!(nothing, (Vec::new(), Vec::new()));
    assert_eq!(correlate(&steps, &pairs, &tables().2, "en", 6).0, [], "no overlap at this k");
}

#[test]
fn columns_are_in_the_tables_order() {
    fn header<T: Serialize>(row: &T) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(row).unwrap();
        String::from_utf8(writer.into_inner().unwrap()).unwrap().lines().next().unwrap().to_owned()
    }
    let (steps, pairs, scores) = tables();
    let (rows, influence) = correlate(&steps, &pairs, &scores, "en", 5);
    assert_eq!(
        header(&rows[0]),
        "model,task,level,measure,attribute,n,pearson,pearson_p,spearman,spearman_p,ci_low,ci_high,ci_method"
    );
    assert_eq!(header(&influence[0]), "model,task,level,measure,left_out,n,pearson,spearman");
}

/// Five languages at six checkpoints: `x` and `y` rise together over training, and languages that are high in one are low in
/// the other.
fn opposed() -> Vec<Point> {
    let mut points = Vec::new();
    for checkpoint in 0..6u64 {
        for (i, language) in ["ar", "es", "fr", "hi", "ta"].into_iter().enumerate() {
            let wiggle = ((checkpoint * 7 + i as u64 * 3) % 5) as f64 * 0.01;
            points.push(Point {
                model: "m".into(),
                task: "t".into(),
                level: Level::Pair,
                measure: "overlap".into(),
                attribute: "POS".into(),
                step: Step::Number(10u64.pow(checkpoint as u32)),
                language: Some(language.into()),
                x: checkpoint as f64 + 0.1 * i as f64 + wiggle,
                y: checkpoint as f64 - 0.1 * i as f64 - wiggle,
            });
        }
    }
    points
}

#[test]
fn what_is_taken_for_independent_decides() {
    let points = opposed();
    let rows = inference(&points, 0);
    let row = |estimator: &str, method: &str, unit: &str| {
        rows.iter().find(|r| (&*r.estimator, &*r.method, &*r.unit) == (estimator, method, unit)).unwrap()
    };
    let (plain, by_language) = (row("pearson", "t", "points"), row("pearson", "permutation", "languages"));
    assert!(plain.estimate.unwrap() > 0.9 && plain.p_value.unwrap() < 1e-9);
    // One order of 120 is the lowest: twice 1 / 120.
    assert_eq!((by_language.units, by_language.exact), (Some(5), Some(true)));
    assert!((by_language.p_value.unwrap() - 2.0 / 120.0).abs() < 1e-12, "{by_language:?}");
    assert_eq!(by_language.estimate, plain.estimate);
    let both = row("pearson", "bootstrap-bca", "languages-and-checkpoints");
    assert!(both.ci_low.unwrap() < plain.estimate.unwrap() && both.units == Some(5));
    // Given log step, what is left of languages is opposed.
    assert!(row("partial-pearson", "t", "points").estimate.unwrap() < -0.5);
    assert!(row("slope", "mixed-effects", "languages-and-checkpoints").estimate.is_some());
    assert_eq!(row("pearson-of-changes", "permutation", "changes").n, 25);
    assert_eq!(inference(&points, 0), rows, "the same again");
}

#[test]
fn languages_without_every_step_do_not_change_places() {
    let mut points = opposed();
    points.pop();
    let rows = inference(&points, 0);
    let row = rows.iter().find(|r| r.method == "permutation" && r.unit == "languages").unwrap();
    assert_eq!((row.n, row.units), (24, Some(4)));
    let few: Vec<Point> = points.into_iter().filter(|p| p.language.as_deref() == Some("es")).take(2).collect();
    for row in inference(&few, 0) {
        assert!(row.estimate.is_none() && row.reason.is_some(), "{row:?}");
    }
}

#[test]
fn the_released_model_has_no_log_step() {
    let mut points = opposed();
    let last = Step::Number(100_000);
    points.iter_mut().filter(|point| point.step == last).for_each(|point| point.step = Step::Final);
    let rows = inference(&points, 0);
    let n = |estimator: &str| rows.iter().find(|r| r.estimator == estimator).unwrap().n;
    assert_eq!((n("pearson"), n("partial-pearson"), n("pearson-of-changes")), (30, 25, 25));
}

fn similarity(step: Step, site: usize, language: &str, measure: &str, value: Option<f64>) -> Similarity {
    // Pairs are sorted by name: the source is first in one and second in the other.
    let (a, b) = if language < "en" { (language, "en") } else { ("en", language) };
    Similarity {
        model: "m".into(),
        step,
        site: Site::Residual(site),
        pooling: SentencePooling::Mean,
        language_a: a.into(),
        language_b: b.into(),
        measure: measure.into(),
        sentences: 10,
        neurons: 4,
        value,
        reason: None,
    }
}

#[test]
fn similarity_is_correlated_as_overlap_is() {
    // The same numbers as overlaps of part of speech and as similarities, two sites and seeds against two sites and ways.
    let (_, pairs, scores) = tables();
    let mut rows = Vec::new();
    for pair in pairs.iter().filter(|pair| pair.attribute == "POS" && pair.language_a != pair.language_b) {
        let language = if pair.language_a == "en" { &pair.language_b } else { &pair.language_a };
        let Site::Residual(site) = pair.site else { continue };
        if [&pair.language_a, &pair.language_b].contains(&&"en".to_owned()) {
            let way = ["retrieval-a-to-b", "retrieval-b-to-a"][pair.seed as usize];
            rows.push(similarity(pair.step, site, language, way, Some(pair.overlap)));
        }
    }
    let mut other = similarity(Step::Number(1), 3, "es", "cosine", Some(0.9));
    other.language_a = "de".into();
    rows.push(other);
    let points = similarity_points(&rows, &scores, "en");
    assert!(points.iter().all(|p| p.measure == "similarity:retrieval:mean" && p.attribute.is_empty()), "{points:?}");
    let (of_similarity, influence) = correlate_points(&points);
    let levels: Vec<_> = of_similarity.iter().map(|row| (row.task.as_str(), row.level, row.n)).collect();
    assert_eq!(
        levels,
        [
            ("tagging", Level::Average, 4),
            ("tagging", Level::Pair, 10),
            ("xnli", Level::Average, 4),
            ("xnli", Level::Pair, 8)
        ]
    );
    let (of_overlap, _) = correlate(&[], &pairs, &scores, "en", 5);
    for row in of_similarity.iter().filter(|row| row.level == Level::Pair) {
        let same = of_overlap.iter().find(|other| (&other.task, other.level) == (&row.task, row.level)).unwrap();
        assert!((row.pearson.unwrap() - same.pearson.unwrap()).abs() < 1e-12);
        assert_eq!(row.spearman, same.spearman);
    }
    // Over languages: (0 + .3) / 2 + .1 i + (the mean shift of sites, (0 + .02) / 2); the score is the mean of these two, without
    // the source's.
    let average = points.iter().find(|p| p.level == Level::Average && p.step == Step::Number(3)).unwrap();
    assert!((average.x - (0.15 + 0.2 + 0.01)).abs() < 1e-12, "{average:?}");
    assert!((average.y - (0.24 + 0.34) / 2.0).abs() < 1e-12, "{average:?}");
    // A language without scores does not enter the mean of similarities either.
    for step in [Step::Number(1), Step::Number(3)] {
        rows.push(similarity(step, 3, "zh", "retrieval-a-to-b", Some(0.9)));
        rows.push(similarity(step, 3, "zh", "retrieval-b-to-a", Some(0.9)));
    }
    assert_eq!(similarity_points(&rows, &scores, "en"), points);
    assert_eq!(influence.iter().filter(|row| row.level == Level::Average && row.task == "xnli").count(), 4);
}

#[test]
fn a_site_without_a_value_enters_no_point() {
    let step = Step::Number;
    let rows = [
        similarity(step(1), 0, "es", "anc", None),
        similarity(step(1), 1, "es", "anc", Some(0.2)),
        similarity(step(2), 0, "es", "anc", Some(0.9)),
        similarity(step(2), 1, "es", "anc", Some(0.4)),
    ];
    let scores = TransferScores::new([1, 2].map(|n| score(step(n), "x", "es", 0.5)).into()).unwrap();
    let points = similarity_points(&rows, &scores, "en");
    assert_eq!(points.iter().map(|p| p.x).collect::<Vec<_>>(), [0.2, 0.4, 0.2, 0.4], "{points:?}");
    assert_eq!(similarity_points(&rows, &scores, "fr"), []);
    assert_eq!(similarity_points(&rows, &TransferScores::default(), "en"), []);
}
