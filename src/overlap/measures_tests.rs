use super::super::{ceiling, pairs};
use super::*;
use crate::ranking::Cell;
use approx::assert_relative_eq;
use proptest::prelude::*;

fn with_curves(neurons: &[usize], dev: Option<&[f64]>, test: Option<&[f64]>) -> Ranking {
    let curve = neurons.iter().enumerate().map(|(i, &neuron)| CurvePoint {
        rank: i + 1,
        neuron,
        nmi_dev: dev.map(|nmi| nmi[i]),
        nmi_test: test.map(|nmi| nmi[i]),
        accuracy_test: None,
    });
    Ranking::new(100, curve.collect()).unwrap()
}

fn ranking(neurons: &[usize]) -> Ranking {
    with_curves(neurons, None, None)
}

fn cell(language: &str, seed: u64, ranking: Ranking) -> RankedCell {
    let cell = Cell {
        model: "m".into(),
        step: Step::Number(10),
        site: Site::Residual(3),
        attribute: "POS".into(),
        language: language.into(),
        method: "poisson".into(),
        seed,
        control: Default::default(),
    };
    RankedCell { cell, ranking }
}

/// The lists `abcdefg` and `zcavwxy` of Webber, Moffat and Zobel 2010.
fn published() -> (Ranking, Ranking) {
    (ranking(&[0, 1, 2, 3, 4, 5, 6]), ranking(&[7, 2, 0, 8, 9, 10, 11]))
}

#[test]
fn agreement_and_average_overlap_are_the_published_ones() {
    let (a, b) = published();
    assert_eq!(shared_by_k(&a, &b, 7).unwrap(), [0, 0, 2, 2, 2, 2, 2]);
    assert_eq!(overlap_by_k(&a, &b, 4).unwrap(), [0.0, 0.0, 2.0 / 3.0, 0.5]);
    // Webber, Moffat and Zobel 2010, the table of average overlaps to depths 1 to 7.
    for (k, expected) in (1..).zip([0.0, 0.0, 0.222, 0.292, 0.313, 0.317, 0.312]) {
        assert!((area(&a, &b, k).unwrap() - expected).abs() < 5e-4);
    }
}

// def rbo(S, T, p, N=20000):
//     X = [len(set(S[:d]) & set(T[:d])) for d in range(1, len(S) + 1)]; k = len(S)
//     def series(tail):
//         return (1 - p) * sum(p ** (d - 1) * (X[d - 1] if d <= k else tail(d)) / d for d in range(1, N + 1))
//     least, most = series(lambda d: X[-1]), series(lambda d: min(d, X[-1] + 2 * (d - k)))
//     return least, most - least, series(lambda d: d * X[-1] / k)
#[test]
fn rank_biased_overlap_equals_its_infinite_series() {
    let (a, b) = published();
    let (c, d) = (ranking(&[3, 9, 1, 7, 5, 2, 8, 0]), ranking(&[9, 3, 4, 7, 0, 6, 1, 11]));
    for (a, b, p, min, residual, extrapolated) in [
        (&a, &b, 0.5, 0.13629436111989068, 0.0031980800327067183, 0.13675595238095237),
        (&a, &b, 0.9, 0.2216855762208987, 0.35899038656962035, 0.28821728571428545),
        (&a, &b, 0.98, 0.10007440838482207, 0.7895618317961617, 0.28872016036266607),
        (&c, &d, 0.3, 0.27084977928521115, 1.9028154788769402e-05, 0.2708557875),
        (&c, &d, 0.9, 0.47324492626653286, 0.2716092542363236, 0.5968691196428562),
        (&c, &d, 0.98, 0.2252300388056821, 0.7076906405736652, 0.6193332104246914),
    ] {
        let k = a.curve().len();
        let found = rank_biased(a, b, k, p).unwrap();
        assert_relative_eq!(found.min, min, epsilon = 1e-12);
        assert_relative_eq!(found.residual, residual, epsilon = 1e-12);
        assert_relative_eq!(found.extrapolated, extrapolated, epsilon = 1e-12);
    }
    for p in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(rank_biased(&a, &b, 2, p).unwrap_err().to_string().contains("between 0 and 1"));
    }
}

#[test]
fn the_first_fifty_carry_most_of_the_default_weight() {
    // 1 - p**49 + (1 - p) / p * 50 * (math.log(1 / (1 - p)) - sum(p**i / i for i in range(1, 50))), p = 0.98
    let same: Vec<usize> = (0..50).collect();
    let other: Vec<usize> = (50..100).collect();
    let disjoint = rank_biased(&ranking(&same), &ranking(&other), 50, RBO_P).unwrap();
    // Nothing shared up to 50: what may still come is less than the weight of what lies behind.
    assert!(disjoint.residual < 1.0 - 0.8522339103194004 + 0.36 && disjoint.min == 0.0);
    let equal = rank_biased(&ranking(&same), &ranking(&same), 50, RBO_P).unwrap();
    assert_relative_eq!(equal.extrapolated, 1.0, epsilon = 1e-12);
    assert_relative_eq!(equal.min, 0.8522339103194004, epsilon = 1e-12);
    assert_relative_eq!(equal.min + equal.residual, 1.0, epsilon = 1e-12);
}

// def w(curve, neurons):
//     best, g = 0, {}
//     for n, c in zip(neurons, curve):
//         g[n] = max(0, c - best); best = max(best, c)
//     return {n: v / sum(g.values()) for n, v in g.items()}
// A, B = w([.1, .3, .25, .4], [3, 5, 7, 9]), w([.2, .2, .5, .45], [5, 9, 2, 3])
// keys = set(A) | set(B)
// sum(min(A.get(x, 0), B.get(x, 0)) for x in keys) / sum(max(A.get(x, 0), B.get(x, 0)) for x in keys)
#[test]
fn relevance_is_what_a_neuron_adds_to_the_curve() {
    let (a, b) = ([3, 5, 7, 9], [5, 9, 2, 3]);
    let (x, y) = ([0.1, 0.3, 0.25, 0.4], [0.2, 0.2, 0.5, 0.45]);
    let (flat, negative) = ([0.0; 4], [-0.3, -0.2, -0.1, 0.0]);
    let find = |a: &Ranking, b: &Ranking| weighted(a, b, 4).unwrap();
    let dev = |neurons: &[usize; 4], nmi: &[f64; 4]| with_curves(neurons, Some(nmi), None);
    let test = |neurons: &[usize; 4], nmi: &[f64; 4]| with_curves(neurons, None, Some(nmi));
    assert_relative_eq!(find(&dev(&a, &x), &dev(&b, &y)).unwrap(), 0.25000000000000006, epsilon = 1e-15);
    assert_eq!(find(&dev(&a, &x), &dev(&b, &y)), find(&test(&a, &x), &test(&b, &y)));
    assert_eq!(find(&dev(&a, &x), &test(&b, &y)), None, "no curve in common");
    let both = with_curves(&a, Some(&flat), Some(&x));
    assert_eq!(find(&both, &test(&b, &y)), find(&test(&a, &x), &test(&b, &y)), "test is what both have");
    assert_eq!(find(&both, &with_curves(&b, Some(&y), Some(&y))), None, "dev is chosen, and says nothing");
    assert_eq!(find(&dev(&a, &negative), &dev(&b, &y)), None);
    assert_eq!(find(&ranking(&a), &ranking(&b)), None);
    assert_relative_eq!(find(&dev(&a, &x), &dev(&a, &x)).unwrap(), 1.0, epsilon = 1e-15);
}

#[test]
fn weights_that_are_none_are_refused() {
    assert!(ruzicka(&[(1, -0.1)], &[(1, 1.0)]).unwrap_err().to_string().contains("neuron 1 has -0.1"));
    assert!(ruzicka(&[(1, 1.0)], &[(1, f64::NAN)]).is_err());
    assert!(ruzicka(&[(4, 1.0), (2, 1.0), (4, 0.5)], &[(1, 1.0)])
        .unwrap_err()
        .to_string()
        .contains("neuron 4 has two"));
    assert_eq!(ruzicka(&[(1, 0.0)], &[(1, 1.0)]).unwrap(), None);
    assert_eq!(ruzicka(&[], &[(1, 1.0)]).unwrap(), None);
}

#[test]
fn comparisons_say_what_differs() {
    let (a, b) = published();
    let (a, mut b) = (cell("es", 0, a), cell("fr", 1, b));
    b.cell.step = Step::Final;
    b.cell.attribute = "Case".into();
    let found = compare(&a, &b, 7, RBO_P).unwrap();
    assert_eq!((found.shared, found.overlap, found.jaccard), (2, 2.0 / 7.0, 2.0 / 12.0));
    assert_eq!((found.area, found.weighted), (area(&a.ranking, &b.ranking, 7).unwrap(), None));
    let refused = |change: &dyn Fn(&mut RankedCell), what: &str| {
        let mut other = b.clone();
        change(&mut other);
        let message = compare(&a, &other, 2, RBO_P).unwrap_err().to_string();
        assert!(message.contains(what) && message.contains("POS in es") && message.contains("Case in fr"), "{message}");
    };
    refused(&|c| c.cell.model = "n".into(), "the model differs, `m` and `n`");
    refused(&|c| c.cell.site = Site::Residual(4), "the site differs, `residual.3` and `residual.4`");
    refused(&|c| c.cell.method = "gaussian".into(), "`poisson` and by `gaussian`");
    refused(&|c| c.ranking = ranking(&[1, 2]), "rank as many in both");
    refused(&|c| c.ranking = Ranking::new(50, c.ranking.curve().to_vec()).unwrap(), "ranks 50 neurons");
}

#[test]
fn the_table_is_the_functions() {
    let curves = |shift: f64| (1..=12).map(|i| f64::from(i).sqrt() * (1.0 + shift)).collect::<Vec<_>>();
    let neurons = |step: usize| (0..12).map(|i| (i * step + step) % 29).collect::<Vec<_>>();
    let mut cells = Vec::new();
    for (i, language) in ["pt", "es", "ca", "eu"].into_iter().enumerate() {
        for seed in 0..2 {
            let nmi = curves(i as f64);
            let ranking = with_curves(&neurons(i * 2 + seed as usize + 1), Some(&nmi), None);
            cells.push(cell(language, seed, ranking));
        }
    }
    // A language without a second seed has no ceiling.
    cells.retain(|ranked| ranked.cell.language != "eu" || ranked.cell.seed == 0);
    let ks = [5, 12];
    let ceilings = ceiling(&cells, &ks).unwrap();
    let (rows, plain) = (measures(&cells, &ks, &ceilings, 0.9).unwrap(), pairs(&cells, &ks).unwrap());
    assert_eq!(rows.len(), plain.len());
    for (row, plain) in rows.iter().zip(&plain) {
        let names = |language: &str| (language.to_owned(), row.seed);
        assert_eq!(
            (names(&row.language_a), names(&row.language_b), row.k, row.jaccard),
            (names(&plain.language_a), names(&plain.language_b), plain.k, plain.jaccard)
        );
        let find = |language: &str| {
            &cells.iter().find(|c| c.cell.language == language && c.cell.seed == row.seed).unwrap().ranking
        };
        let (a, b) = (find(&row.language_a), find(&row.language_b));
        assert_relative_eq!(row.area, area(a, b, row.k).unwrap(), epsilon = 1e-15);
        assert_relative_eq!(row.rbo, rank_biased(a, b, row.k, 0.9).unwrap().extrapolated, epsilon = 1e-15);
        assert_eq!((row.weighted, row.rbo_p), (weighted(a, b, row.k).unwrap(), 0.9));
        assert_eq!(row.area_expected, Some((row.k as f64 + 1.0) / 200.0));
        let own = |language: &str| {
            ceilings.iter().find(|c| c.language == language && c.k == row.k).map(|ceiling| ceiling.self_overlap)
        };
        let expected = own(&row.language_a)
            .zip(own(&row.language_b))
            .filter(|(a, b)| a + b > 0.0)
            .map(|(a, b)| plain.overlap / ((a + b) / 2.0));
        assert_eq!(row.of_ceiling, expected);
    }
    assert!(rows.iter().any(|row| row.of_ceiling.is_some_and(|of| of > 0.0)));
    assert!(rows
        .iter()
        .filter(|row| row.language_a == "eu" || row.language_b == "eu")
        .all(|row| row.of_ceiling.is_none()));
}

#[test]
fn the_mean_at_every_k_is_that_of_the_steps() {
    let neurons = |step: usize| (0..12).map(|i| (i * step + step) % 29).collect::<Vec<_>>();
    let mut cells: Vec<RankedCell> = ["pt", "es", "ca"]
        .into_iter()
        .flat_map(|language| (0..3).map(move |seed| (language, seed)))
        .enumerate()
        .map(|(i, (language, seed))| cell(language, seed, ranking(&neurons(i + 1))))
        .collect();
    cells.retain(|ranked| ranked.cell.language != "pt" || ranked.cell.seed == 0);
    let ks: Vec<usize> = (1..=12).collect();
    let rows = super::super::by_k(&cells, 12).unwrap();
    let steps = super::super::by_step(&pairs(&cells, &ks).unwrap(), &[]);
    assert_eq!(rows.len(), 12);
    for row in rows {
        let step = steps.iter().find(|step| step.k == row.k && step.site == "residual.3" && step.attribute == "POS");
        let step = step.unwrap();
        assert_eq!((row.pairs, row.expected), (step.pairs, step.expected));
        assert_relative_eq!(row.overlap, step.overlap, epsilon = 1e-14);
    }
    assert!(super::super::by_k(&cells, 0).is_err() && super::super::by_k(&cells, 13).is_err());
}

proptest! {
    #[test]
    fn measures_are_symmetric_bounded_and_blind_to_names(
        (a, b) in (1usize..20).prop_flat_map(|k| {
            let all: Vec<usize> = (0..40).collect();
            let some = prop::sample::subsequence(all, k).prop_shuffle();
            (some.clone(), some)
        }),
        gains in prop::collection::vec(-0.1..0.3f64, 40),
        p in 0.05..0.95f64,
        shift in 0usize..60,
        factor in prop::sample::select(vec![1usize, 3, 7, 39]),
    ) {
        let k = a.len();
        let curve = |skip: usize| -> Vec<f64> {
            gains[skip..].iter().scan(0.0, |sum, gain| { *sum += gain; Some(*sum) }).take(k).collect()
        };
        let make = |neurons: &[usize], skip| with_curves(neurons, Some(&curve(skip)), None);
        let (x, y) = (make(&a, 0), make(&b, 20));
        // The factors are prime to 100: another name for every neuron.
        let renamed = |neurons: &[usize]| neurons.iter().map(|n| (n * factor + shift) % 100).collect::<Vec<_>>();
        let (u, v) = (make(&renamed(&a), 0), make(&renamed(&b), 20));

        let brute: Vec<usize> =
            (1..=k).map(|d| a[..d].iter().filter(|neuron| b[..d].contains(neuron)).count()).collect();
        prop_assert_eq!(shared_by_k(&x, &y, k).unwrap(), brute.clone());
        prop_assert_eq!(shared_by_k(&y, &x, k).unwrap(), brute.clone());
        prop_assert_eq!(shared_by_k(&u, &v, k).unwrap(), brute.clone());
        let union = a.iter().chain(&b).collect::<std::collections::BTreeSet<_>>().len();
        let index = jaccard(&x, &y, k).unwrap();
        prop_assert!((index - brute[k - 1] as f64 / union as f64).abs() < 1e-15);
        let mean = brute.iter().zip(1..).map(|(&s, d)| s as f64 / f64::from(d)).sum::<f64>() / k as f64;
        prop_assert!((area(&x, &y, k).unwrap() - mean).abs() < 1e-14);

        let rbo = rank_biased(&x, &y, k, p).unwrap();
        prop_assert_eq!(rbo, rank_biased(&y, &x, k, p).unwrap());
        prop_assert_eq!(rbo, rank_biased(&u, &v, k, p).unwrap());
        prop_assert!(0.0 <= rbo.min && rbo.min <= rbo.extrapolated + 1e-12);
        prop_assert!(rbo.extrapolated <= rbo.min + rbo.residual + 1e-12 && rbo.min + rbo.residual <= 1.0 + 1e-12);
        // Brute force of the series, far enough out.
        let tail = |f: &dyn Fn(usize) -> f64| -> f64 {
            (1..3000usize).map(|d| p.powi(d as i32 - 1) * if d <= k { brute[d - 1] as f64 } else { f(d) } / d as f64).sum::<f64>() * (1.0 - p)
        };
        let last = brute[k - 1] as f64;
        prop_assert!((tail(&|_| last) - rbo.min).abs() < 1e-11);
        prop_assert!((tail(&|d| (d as f64).min(last + 2.0 * (d - k) as f64)) - rbo.min - rbo.residual).abs() < 1e-11);
        prop_assert!((tail(&|d| last * d as f64 / k as f64) - rbo.extrapolated).abs() < 1e-11);

        let similarity = weighted(&x, &y, k).unwrap();
        prop_assert_eq!(weighted(&u, &v, k).unwrap(), similarity);
        match (similarity, weighted(&y, &x, k).unwrap()) {
            (Some(one), Some(other)) => {
                prop_assert!((one - other).abs() < 1e-14 && (0.0..=1.0).contains(&one));
                prop_assert!(brute[k - 1] > 0 || one == 0.0);
            }
            (one, other) => prop_assert_eq!(one, other),
        }
        let own = weighted(&x, &x, k).unwrap();
        prop_assert!(own.is_none_or(|own| (own - 1.0).abs() < 1e-12));
    }
}
