use super::*;
use crate::checkpoint::Step;
use crate::ranking::{Cell, CurvePoint, RankedCell, Ranking};
use crate::stats::{benjamini_hochberg, benjamini_yekutieli, holm};
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
        control: crate::ranking::Control::None,
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
    let tables: [Table; 5] = [
        |c, k| pairs(c, k).map(drop),
        |c, k| ceiling(c, k).map(drop),
        |c, k| cross_attribute(c, k).map(drop),
        |c, k| measures(c, k, &[], RBO_P).map(drop),
        |c, k| sharing(c, k, 10, 0).map(drop),
    ];
    for table in tables {
        let message = |cells: &[RankedCell], ks: &[usize]| table(cells, ks).unwrap_err().to_string();
        let mut several = cells();
        several[3].cell.method = "gaussian".into();
        let refused = message(&several, &[2]);
        assert!(refused.contains("`poisson` and by `gaussian`"));
        assert!(refused.contains("POS in fr (m, step 10, residual.3, seed 0)"), "{refused}");
        assert!(refused.contains("Case in es (m, step 10, residual.3, seed 0)"), "{refused}");
        let mut twice = cells();
        twice.push(twice[0].clone());
        assert!(message(&twice, &[2]).contains("POS in fr (m, step 10, residual.3, seed 0) is ranked twice"));
        let mut wide = cells();
        wide[0].ranking = ranking(101, &[1, 2, 3, 4]);
        let refused = message(&wide, &[2]);
        assert!(refused.contains("POS in fr (m, step 10, residual.3, seed 0) ranks 101 neurons"), "{refused}");
        assert!(refused.contains("POS in es (m, step 10, residual.3, seed 0) ranks 100 neurons"), "{refused}");
        wide[0].ranking = Ranking::of_unknown_width(wide[1].ranking.curve().to_vec()).unwrap();
        assert!(message(&wide, &[2]).contains("ranks an unknown number of neurons, but"));
        let mut long = cells();
        long[1].ranking = ranking(100, &[1, 2, 30, 40, 50]);
        let refused = message(&long, &[2]);
        assert!(refused.contains("POS in es (m, step 10, residual.3, seed 0) has its first 5 neurons"), "{refused}");
        assert!(refused.contains("its first 4: rank as many in both"), "{refused}");
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
    assert_eq!(family.iter().map(|r| r.p_by.unwrap()).collect::<Vec<_>>(), benjamini_yekutieli(&p));
    let row = family[2];
    assert_eq!((row.overlap, row.expected, row.neurons), (0.5, Some(0.04), Some(100)));
    assert_eq!((row.jaccard, row.control, row.attribute_b.as_deref()), (2.0 / 6.0, Control::None, None));
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
        "model,step,site,attribute,language_a,language_b,k,seed,neurons,shared,overlap,expected,excess,p_value,p_holm,p_bh,\
         p_by,jaccard,control,attribute_b"
    );
    assert_eq!(csv(&ceilings), "model,step,site,attribute,language,k,seeds,self_overlap");
    assert_eq!(
        csv(&by_step(&pairs, &ceilings)),
        "model,step,site,attribute,k,pairs,overlap,expected,excess,ceiling,of_ceiling,excess_of_ceiling,shuffled,\
         cross_attribute"
    );
    let crossed = cross_attribute(&cells, &[4]).unwrap();
    assert!(csv(&crossed).ends_with(",control,attribute_b"));
    assert_eq!(csv(&by_k(&cells, 3).unwrap()), "model,step,site,attribute,k,pairs,overlap,expected,control");
    assert_eq!(
        csv(&measures(&cells, &[4], &ceilings, RBO_P).unwrap()),
        "model,step,site,attribute,language_a,language_b,k,seed,control,jaccard,area,area_expected,rbo,rbo_p,weighted,\
         of_ceiling"
    );
    assert_eq!(
        csv(&sharing(&cells, &[4], 20, 0).unwrap()),
        "model,step,site,attribute,k,seed,languages,shared_by,neurons,expected,p_value,draws,control"
    );
    // The columns that the reports write are these.
    use crate::report::Record;
    let of = |columns: &[&str]| columns.join(",");
    assert_eq!(of(PairOverlap::COLUMNS), csv(&pairs));
    assert_eq!(of(StepOverlap::COLUMNS), csv(&by_step(&pairs, &ceilings)));
    assert_eq!(of(OverlapByK::COLUMNS), csv(&by_k(&cells, 3).unwrap()));
    assert_eq!(of(OverlapMeasures::COLUMNS), csv(&measures(&cells, &[4], &ceilings, RBO_P).unwrap()));
    assert_eq!(of(Sharing::COLUMNS), csv(&sharing(&cells, &[4], 20, 0).unwrap()));
}

fn shuffled(mut ranked: RankedCell) -> RankedCell {
    ranked.cell.control = crate::ranking::Control::Shuffled;
    ranked
}

#[test]
fn rankings_of_shuffled_labels_are_a_family_of_their_own() {
    let plain = cells();
    let mut both = plain.clone();
    both.push(shuffled(cell(3, "POS", "fr", 0, &[60, 61, 62, 1])));
    both.push(shuffled(cell(3, "POS", "es", 0, &[60, 61, 63, 1])));
    let (real, control): (Vec<PairOverlap>, Vec<PairOverlap>) =
        pairs(&both, &[4]).unwrap().into_iter().partition(|row| row.control == Control::None);
    assert_eq!(real, pairs(&plain, &[4]).unwrap(), "controls change nothing");
    let [row] = control.as_slice() else { panic!("{control:?}") };
    assert_eq!((row.control, row.shared, row.p_holm), (Control::Shuffled, 3, row.p_value));
    assert_eq!((&*row.language_a, &*row.language_b), ("es", "fr"));
    assert_eq!(ceiling(&both, &[4]).unwrap(), ceiling(&plain, &[4]).unwrap());
    // Sorted by the columns of the table: the control stands beside its pair.
    let rows = pairs(&both, &[4]).unwrap();
    let at = rows.iter().position(|row| row.control == Control::Shuffled).unwrap();
    assert_eq!((rows[at - 1].seed, rows[at + 1].seed), (0, 1));
    assert_eq!((&rows[at - 1].language_b, &rows[at + 1].language_b), (&rows[at].language_b, &rows[at].language_b));

    let steps = by_step(&rows, &[]);
    let of = |site: &str, attribute: &str| {
        steps.iter().find(|row| row.site == site && row.attribute == attribute).unwrap().shuffled
    };
    assert_eq!(of("residual.3", "POS"), Some(0.75));
    assert_eq!(of("residual.3", "Case"), None);
    assert_eq!((of("residual.3", MEAN), of(MEAN, "POS")), (None, None), "a part has none");
}

#[test]
fn attributes_are_crossed_both_ways_round() {
    let mut all = cells();
    all.push(shuffled(cell(3, "POS", "es", 0, &[10, 20, 30, 40])));
    let rows = cross_attribute(&all, &[4, 2]).unwrap();
    // Brute force: every two cells of one site and seed, of different languages and attributes.
    let mut expected = Vec::new();
    for a in &cells() {
        for b in &cells() {
            let (x, y) = (&a.cell, &b.cell);
            if x.site == y.site && x.seed == y.seed && x.language < y.language && x.attribute != y.attribute {
                for k in [2, 4] {
                    let (first, second) = (a.ranking.top(k).unwrap(), b.ranking.top(k).unwrap());
                    let shared = first.iter().filter(|neuron| second.contains(neuron)).count();
                    let names = (x.attribute.clone(), x.language.clone(), y.language.clone(), k, x.seed);
                    expected.push((x.site, names, y.attribute.clone(), shared));
                }
            }
        }
    }
    expected.sort();
    let found: Vec<_> = rows
        .iter()
        .map(|r| {
            let names = (r.attribute.clone(), r.language_a.clone(), r.language_b.clone(), r.k, r.seed);
            (r.site, names, r.attribute_b.clone().unwrap(), r.shared)
        })
        .collect();
    assert_eq!(found, expected);
    assert!(rows.iter().all(|row| row.control == Control::CrossAttribute));
    let family = |a: &str| -> Vec<&PairOverlap> {
        rows.iter().filter(|r| r.site == Site::Residual(3) && r.seed == 0 && r.k == 4 && r.attribute == a).collect()
    };
    let p: Vec<f64> = family("POS").iter().map(|r| r.p_value.unwrap()).collect();
    assert_eq!(p.len(), 3, "de with es and fr, es with fr");
    assert_eq!(family("POS").iter().map(|r| r.p_holm.unwrap()).collect::<Vec<_>>(), holm(&p));

    let mut all_rows = pairs(&cells(), &[4]).unwrap();
    all_rows.extend(cross_attribute(&cells(), &[4]).unwrap());
    let steps = by_step(&all_rows, &ceiling(&cells(), &[4]).unwrap());
    let plain = by_step(&pairs(&cells(), &[4]).unwrap(), &ceiling(&cells(), &[4]).unwrap());
    for (row, plain) in steps.iter().zip(&plain) {
        assert_eq!((row.overlap, row.pairs, row.p()), (plain.overlap, plain.pairs, plain.p()));
    }
    // Residual.3, each pair's seeds averaged: de POS with es and fr Case 0, es Case with fr POS 0, es POS with fr Case:
    // 40 under seed 0 (and not 30), 41 and 31 under seed 1 against 10, 20, 30, 41: none but 40 with 40 and 30 with 30.
    let crossed: Vec<f64> = cross_attribute(&cells(), &[4])
        .unwrap()
        .iter()
        .filter(|row| row.site == Site::Residual(3))
        .map(|row| row.overlap / if row.language_a == "de" { 1.0 } else { 2.0 })
        .collect();
    let mean = crossed.iter().sum::<f64>() / 4.0;
    for attribute in ["Case", "POS", MEAN] {
        let row = steps.iter().find(|r| r.site == "residual.3" && r.attribute == attribute).unwrap();
        assert!((row.cross_attribute.unwrap() - mean).abs() < 1e-15 && mean > 0.0, "{attribute}");
    }
}

impl StepOverlap {
    fn p(&self) -> (Option<f64>, Option<f64>, Option<f64>) {
        (self.expected, self.excess, self.ceiling)
    }
}

#[test]
fn steps_are_read_against_the_ceiling() {
    let cells = cells();
    let rows = by_step(&pairs(&cells, &[4]).unwrap(), &ceiling(&cells, &[4]).unwrap());
    for row in &rows {
        assert_eq!(row.of_ceiling, Some(row.overlap / 0.875));
        assert_eq!(row.excess_of_ceiling, Some((row.overlap - 0.04) / (0.875 - 0.04)));
    }
    let low: Vec<SelfOverlap> =
        ceiling(&cells, &[4]).unwrap().into_iter().map(|row| SelfOverlap { self_overlap: 0.04, ..row }).collect();
    let rows = by_step(&pairs(&cells, &[4]).unwrap(), &low);
    assert!(rows.iter().all(|row| row.of_ceiling.is_some() && row.excess_of_ceiling.is_none()));
    let none: Vec<SelfOverlap> = low.into_iter().map(|row| SelfOverlap { self_overlap: 0.0, ..row }).collect();
    assert!(by_step(&pairs(&cells, &[4]).unwrap(), &none).iter().all(|row| row.of_ceiling.is_none()));
}

#[test]
fn a_population_of_unknown_size_has_no_chance() {
    let unknown = |ranked: RankedCell| RankedCell {
        ranking: Ranking::of_unknown_width(ranked.ranking.curve().to_vec()).unwrap(),
        ..ranked
    };
    let cells: Vec<RankedCell> = cells().into_iter().map(unknown).collect();
    let rows = pairs(&cells, &[4]).unwrap();
    let known = pairs(&super::tests::cells(), &[4]).unwrap();
    assert_eq!(rows.iter().map(|r| r.shared).collect::<Vec<_>>(), known.iter().map(|r| r.shared).collect::<Vec<_>>());
    for row in rows.iter().chain(&cross_attribute(&cells, &[4]).unwrap()) {
        assert_eq!((row.neurons, row.expected, row.excess), (None, None, None));
        assert_eq!((row.p_value, row.p_holm, row.p_bh, row.p_by), (None, None, None, None));
    }
    let steps = by_step(&rows, &ceiling(&cells, &[4]).unwrap());
    assert!(steps.iter().all(|row| row.expected.is_none() && row.excess_of_ceiling.is_none()));
    assert!(steps.iter().all(|row| row.of_ceiling == Some(row.overlap / 0.875)));
    assert!(measures(&cells, &[4], &[], RBO_P).unwrap().iter().all(|row| row.area_expected.is_none()));
    assert!(by_k(&cells, 4).unwrap().iter().all(|row| row.expected.is_none()));
    for row in sharing(&cells, &[4], 10, 0).unwrap() {
        assert_eq!((row.expected, row.p_value, row.draws), (None, None, None));
    }
    // A neuron far out costs nothing.
    let far = [usize::MAX, 3].map(|last| {
        let point =
            |(i, neuron)| CurvePoint { rank: i + 1, neuron, nmi_dev: None, nmi_test: None, accuracy_test: None };
        Ranking::of_unknown_width([7, last].into_iter().enumerate().map(point).collect()).unwrap()
    });
    assert_eq!(shared(&far[0], &far[1], 2).unwrap(), 1);
    assert_eq!(shared(&far[0], &far[1], 0).unwrap_err().to_string(), "k should be 1 or more, but is 0");
}

// from statsmodels.stats.multitest import multipletests
// from scipy.stats import hypergeom
// p = [hypergeom.sf(t - 1, 100, 4, 4) for t in (1, 1, 2)]
// for method in ("holm", "fdr_bh", "fdr_by"): print(multipletests(p, method=method)[1].tolist())
#[test]
fn corrections_equal_statsmodels() {
    let rows = pairs(&cells(), &[4]).unwrap();
    let family: Vec<&PairOverlap> =
        rows.iter().filter(|r| r.site == Site::Residual(3) && r.attribute == "POS" && r.seed == 0).collect();
    let expected = [
        [0.30565193275060726, 0.15282596637530363, 0.2801809383547233],
        [0.30565193275060726, 0.15282596637530363, 0.2801809383547233],
        [0.02122678499703537, 0.02122678499703537, 0.03891577249456484],
    ];
    for (row, expected) in family.iter().zip(expected) {
        for (found, expected) in [row.p_holm, row.p_bh, row.p_by].into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-14, "{found:?} {expected}");
        }
    }
}
