use super::*;
use crate::checkpoint::Step;
use crate::ranking::{Cell, CurvePoint, RankedCell, Ranking};
use crate::stats::{benjamini_hochberg, holm};
use crate::Site;

fn ranking(n_neurons: usize, neurons: &[usize]) -> Ranking {
    let point = |(i, &neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
    Ranking::new(n_neurons, neurons.iter().enumerate().map(point).collect()).unwrap()
}

fn cell(site: usize, attribute: &str, language: &str, seed: u64, neurons: &[usize]) -> RankedCell {
    let cell = Cell {
        model: "m".into(),
        step: Step::Number(10),
        site: Site::Residual(site),
        attribute: attribute.into(),
        language: language.into(),
        method: "poisson".into(),
        seed,
    };
    RankedCell { cell, ranking: ranking(100, neurons) }
}

/// Two sites and two attributes; `POS` in three languages, `Case` in two; two seeds of `es` and `fr`.
fn cells() -> Vec<RankedCell> {
    let mut cells = Vec::new();
    for site in [3, 12] {
        for seed in [0, 1] {
            let s = seed as usize;
            cells.push(cell(site, "POS", "fr", seed, &[1, 2, 3, 4]));
            cells.push(cell(site, "POS", "es", seed, &[1, 2, 30 + s, 40]));
            cells.push(cell(site, "Case", "fr", seed, &[10, 20, 30, 40 + s]));
            cells.push(cell(site, "Case", "es", seed, &[10, 20, 30 + site, 40]));
        }
        cells.push(cell(site, "POS", "de", 0, &[1, 99, 98, 97]));
    }
    cells
}

#[test]
fn shared_neurons_are_counted_among_the_first_k() {
    let (a, b) = (ranking(200, &[5, 190, 64, 63]), ranking(200, &[63, 5, 2, 190]));
    let counts: Vec<usize> = (1..=4).map(|k| shared(&a, &b, k).unwrap()).collect();
    assert_eq!(counts, [0, 1, 1, 3]);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let a = ranking(200, &[5, 190]);
    let message = |result: crate::Result<usize>| result.unwrap_err().to_string();
    assert!(message(shared(&a, &ranking(100, &[5, 19]), 1)).contains("rankings of 200 and of 100 neurons"));
    assert_eq!(message(shared(&a, &a, 3)), "k should be at most the 2 neurons ranked, but is 3");
    assert_eq!(message(shared(&a, &a, 201)), "k should be from 1 to 200, the neurons there are, but is 201");
    assert!(shared(&a, &a, 0).is_err());

    type Table = fn(&[RankedCell], &[usize]) -> crate::Result<()>;
    let tables: [Table; 2] = [|c, k| pairs(c, k).map(drop), |c, k| ceiling(c, k).map(drop)];
    for table in tables {
        let message = |cells: &[RankedCell], ks: &[usize]| table(cells, ks).unwrap_err().to_string();
        let mut several = cells();
        several[3].cell.method = "gaussian".into();
        assert!(message(&several, &[2]).contains("`poisson` and by `gaussian`"));
        let mut twice = cells();
        twice.push(twice[0].clone());
        assert!(message(&twice, &[2]).contains("POS in fr (m, step 10, residual.3, seed 0) is ranked twice"));
        let mut wide = cells();
        wide[0].ranking = ranking(101, &[1, 2, 3, 4]);
        assert!(message(&wide, &[2]).contains("ranks 101 neurons"));
        let beyond = message(&cells(), &[2, 101]);
        assert!(beyond.contains("k should be from 1 to 100, the neurons there are for") && beyond.ends_with("101"));
        assert!(message(&cells(), &[5]).contains("at most the 4 neurons ranked"));
        assert!(message(&cells(), &[]).contains("k should be one number"));
    }
}

#[test]
fn pairs_are_tested_within_their_family() {
    let mut shuffled = cells();
    shuffled.reverse();
    let rows = pairs(&cells(), &[4, 2, 4]).unwrap();
    assert_eq!(rows, pairs(&shuffled, &[2, 4]).unwrap(), "the order of the input is no matter");
    assert!(rows.iter().all(|row| row.language_a < row.language_b));
    let family: Vec<&PairOverlap> = rows
        .iter()
        .filter(|r| r.site == Site::Residual(3) && r.attribute == "POS" && r.k == 4 && r.seed == 0)
        .collect();
    let names: Vec<_> = family.iter().map(|r| (r.language_a.as_str(), r.language_b.as_str(), r.shared)).collect();
    assert_eq!(names, [("de", "es", 1), ("de", "fr", 1), ("es", "fr", 2)]);
    // from math import comb
    // [sum(comb(4, x) * comb(96, 4 - x) for x in range(t, 5)) / comb(100, 4) for t in (1, 1, 2)]
    let expected = [0.15282596637530363, 0.15282596637530363, 0.007075594999011788];
    let p: Vec<f64> = family.iter().map(|r| r.p_value.unwrap()).collect();
    for (p, expected) in p.iter().zip(expected) {
        assert!((p - expected).abs() < 1e-14, "{p}");
    }
    assert_eq!(family.iter().map(|r| r.p_holm.unwrap()).collect::<Vec<_>>(), holm(&p));
    assert_eq!(family.iter().map(|r| r.p_bh.unwrap()).collect::<Vec<_>>(), benjamini_hochberg(&p));
    let row = family[2];
    assert_eq!((row.overlap, row.expected, row.neurons), (0.5, Some(0.04), Some(100)));
    assert_eq!(row.excess, Some((0.5 - 0.04) / 0.96));
    // `de` has no second seed.
    assert!(rows.iter().filter(|r| r.seed == 1).all(|r| r.language_a != "de"));
}

#[test]
fn the_ceiling_is_a_mean_over_pairs_of_seeds() {
    let mut cells = cells();
    cells.push(cell(3, "POS", "es", 7, &[50, 51, 52, 40]));
    let rows = ceiling(&cells, &[4]).unwrap();
    let find = |site, attribute: &str, language: &str| {
        rows.iter().find(|r| r.site == Site::Residual(site) && r.attribute == attribute && r.language == language)
    };
    // Seeds 0 and 1 share 3 neurons, 7 shares one with either.
    let es = find(3, "POS", "es").unwrap();
    assert_eq!((es.seeds, es.self_overlap), (3, (0.75 + 0.25 + 0.25) / 3.0));
    assert_eq!(find(12, "POS", "es").unwrap().self_overlap, 0.75);
    assert_eq!(find(3, "POS", "fr").unwrap().self_overlap, 1.0);
    assert_eq!(find(3, "POS", "de"), None, "one seed");
}

#[test]
fn aggregates_are_unweighted_over_attributes_and_then_over_sites() {
    let cells = cells();
    let rows = by_step(&pairs(&cells, &[4]).unwrap(), &ceiling(&cells, &[4]).unwrap());
    let names: Vec<_> = rows.iter().map(|r| (r.site.as_str(), r.attribute.as_str())).collect();
    let attributes = ["Case", "POS", "mean"];
    let expected: Vec<_> =
        ["residual.3", "residual.12", "mean"].into_iter().flat_map(|s| attributes.map(|a| (s, a))).collect();
    assert_eq!(names, expected);
    let row = |i: usize| &rows[i];
    // Case, es and fr, at both sites: 10, 20 and under seed 0 also 40 (3 of 4), under seed 1 two (2 of 4).
    assert_eq!((row(0).pairs, row(0).overlap), (1, (0.75 + 0.5) / 2.0));
    // POS: de-es and de-fr share one of four, es-fr two under either seed.
    assert_eq!((row(1).pairs, row(1).overlap), (3, (0.25 + 0.25 + 0.5) / 3.0));
    assert_eq!((row(2).pairs, row(2).overlap), (4, (row(0).overlap + row(1).overlap) / 2.0));
    assert_eq!((row(7).pairs, row(7).overlap), (3, row(1).overlap));
    assert_eq!((row(8).pairs, row(8).overlap), (4, (row(2).overlap + row(5).overlap) / 2.0));
    assert!(rows.iter().all(|r| r.expected == Some(0.04)));
    assert!(rows.iter().all(|r| (r.excess.unwrap() - (r.overlap - 0.04) / 0.96).abs() < 1e-15));
    // Ceilings: Case es 1 and fr .75, POS es .75 and fr 1.
    assert!(rows.iter().all(|r| r.ceiling == Some(0.875)));
    // A ceiling of some parts only is none of the whole.
    let some: Vec<SelfOverlap> =
        ceiling(&cells, &[4]).unwrap().into_iter().filter(|row| row.attribute == "POS").collect();
    let rows = by_step(&pairs(&cells, &[4]).unwrap(), &some);
    assert_eq!((rows[0].ceiling, rows[1].ceiling, rows[2].ceiling), (None, Some(0.875), None));
}

#[test]
fn all_neurons_have_no_excess() {
    let full: Vec<usize> = (0..100).collect();
    let cells = [cell(3, "POS", "de", 0, &full), cell(3, "POS", "es", 0, &full)];
    let rows = pairs(&cells, &[100]).unwrap();
    assert_eq!((rows[0].overlap, rows[0].excess, rows[0].p_value), (1.0, None, Some(1.0)));
    assert_eq!(by_step(&rows, &[])[0].excess, None);
}

#[test]
fn columns_are_in_the_tables_order() {
    fn csv<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(rows: &[T]) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        rows.iter().for_each(|row| writer.serialize(row).unwrap());
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let read: Result<Vec<T>, _> = csv::Reader::from_reader(text.as_bytes()).deserialize().collect();
        assert_eq!(read.unwrap(), rows, "what is written reads back");
        text.lines().next().unwrap().to_owned()
    }
    let cells = cells();
    let (pairs, ceilings) = (pairs(&cells, &[4]).unwrap(), ceiling(&cells, &[4]).unwrap());
    assert_eq!(
        csv(&pairs),
        "model,step,site,attribute,language_a,language_b,k,seed,neurons,shared,overlap,expected,excess,p_value,p_holm,p_bh"
    );
    assert_eq!(csv(&ceilings), "model,step,site,attribute,language,k,seeds,self_overlap");
    assert_eq!(csv(&by_step(&pairs, &ceilings)), "model,step,site,attribute,k,pairs,overlap,expected,excess,ceiling");
}
