use super::*;
use crate::activations::SentencePooling;
use crate::checkpoint::Step;
use crate::stats::Undefined;
use crate::treebank::Source;
use crate::Site;
use approx::assert_abs_diff_eq;
use ndarray::{array, s, Array1, Array2};
use std::fs;

/// `sin(f (i + 1)^2 sqrt(j + 1))`, rounded to 4 places, over `j + 1`, plus `shift`: an array that any language can repeat.
fn states(n: usize, d: usize, f: f64, shift: f64) -> Array2<f64> {
    Array2::from_shape_fn((n, d), |(i, j)| {
        let (i, j) = ((i + 1) as f64, (j + 1) as f64);
        ((f * i * i * j.sqrt()).sin() * 1e4).round() / 1e4 / j + shift
    })
}

/// Two languages: `b` is a noisy rotation of `a` by swapped columns, with a shift that all its sentences share.
fn languages(n: usize, d: usize) -> (Array2<f32>, Array2<f32>) {
    let a = states(n, d, 0.3, 0.5);
    let b = &a.slice(s![.., ..;-1]) * 0.8 + &a * 0.6 + states(n, d, 0.7, 0.25) * 0.9;
    (a.mapv(|v| v as f32), b.mapv(|v| v as f32))
}

// import numpy as np
// def states(n, d, f, shift):
//     i, j = np.arange(1, n + 1.)[:, None], np.arange(1, d + 1.)[None]
//     return np.round(np.sin(f * i * i * np.sqrt(j)) * 1e4) / 1e4 / j + shift
// def measures(n, d):
//     a = states(n, d, .3, .5); b = a[:, ::-1] * .8 + a * .6 + states(n, d, .7, .25) * .9
//     a, b = a.astype(np.float32).astype(float), b.astype(np.float32).astype(float)
//     f = np.linalg.norm
//     norm = lambda x: x / f(x, axis=1, keepdims=True)
//     c = norm(a) @ norm(b).T
//     ac, bc = a - a.mean(0), b - b.mean(0)
//     off = lambda c: c[~np.eye(n, dtype=bool)].mean()
//     narrow = (off(norm(a) @ norm(a).T) + off(norm(b) @ norm(b).T)) / 2
//     def rest(x):
//         v = np.linalg.svd(x, full_matrices=False)[2][:max(1, round(d / 100))]
//         return norm(x - x @ v.T @ v)
//     hit = lambda c: (c.argmax(1) == np.arange(n)).mean()
//     near = lambda c: np.sort(c, 1)[:, -10:].mean(1)
//     csls = 2 * c - near(c)[:, None] - near(c.T)
//     cka = f(bc.T @ ac) ** 2 / f(ac.T @ ac) / f(bc.T @ bc)
//     def kept(x):
//         u, s, _ = np.linalg.svd(x, full_matrices=False)
//         return u[:, :np.searchsorted(np.cumsum(s ** 2) / (s ** 2).sum(), .99) + 1]
//     svcca = np.linalg.svd(kept(ac).T @ kept(bc), compute_uv=False).mean()
//     anc = np.mean([np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(d)])
//     return (np.diag(c).mean(), off(c), np.diag(norm(ac) @ norm(bc).T).mean(), narrow, np.diag(c).mean() - narrow,
//             (rest(ac) * rest(bc)).sum(1).mean(), hit(c), hit(c.T), hit(csls), hit(csls.T), cka, svcca, anc)
#[test]
fn measures_equal_numpy() {
    for (n, d, expected) in [
        (
            60,
            8,
            [
                0.85667907582903,
                0.7983597487808977,
                0.3428333288639058,
                0.7994910396137838,
                0.05718803621524626,
                0.36129466261709037,
                0.08333333333333333,
                0.1,
                0.1,
                0.11666666666666667,
                0.6648665298158569,
                0.6561388303000327,
                0.3656348290063108,
            ],
        ),
        (
            9,
            30,
            [
                0.9598369781457843,
                0.9215824000491774,
                0.5593439288142885,
                0.9203288645089063,
                0.039508113636878006,
                0.39017021156353576,
                0.4444444444444444,
                0.3333333333333333,
                0.3333333333333333,
                0.4444444444444444,
                0.8154029901810346,
                0.9925053450473139,
                0.44042000343560855,
            ],
        ),
        (
            200,
            20,
            [
                0.9377455887880308,
                0.9025171628230795,
                0.3636452089425405,
                0.9028773368317131,
                0.03486825195631771,
                0.355918154077042,
                0.055,
                0.045,
                0.075,
                0.035,
                0.6619835572235704,
                0.6829596068720919,
                0.3823622553340901,
            ],
        ),
        (
            40,
            160,
            [
                0.9902367899491024,
                0.984349596511452,
                0.38014897385449214,
                0.9841986750490923,
                0.00603811490001005,
                0.3803209179664612,
                0.2,
                0.2,
                0.2,
                0.2,
                0.7275555780266841,
                0.9346897634632774,
                0.37245800544340435,
            ],
        ),
        (
            300,
            260,
            [
                0.9943514389111685,
                0.9909054055361031,
                0.35283274928446606,
                0.9908950725664478,
                0.003456366344720685,
                0.34099597123250797,
                0.08666666666666667,
                0.06666666666666667,
                0.10666666666666667,
                0.06,
                0.6538294770561804,
                0.907455174276656,
                0.37386053394804597,
            ],
        ),
    ] {
        let (a, b) = languages(n, d);
        let (a, b) = (States::new(a.view()).unwrap(), States::new(b.view()).unwrap());
        let found = similarities(&a, &b);
        assert_eq!(found.map(|found| found.measure), MEASURES);
        for (Measured { measure, value, neurons }, expected) in found.into_iter().zip(expected) {
            if ["svcca", "cosine-all-but-top"].contains(&measure) && cfg!(not(feature = "linalg")) {
                assert_eq!(value, Err(Undefined::FeatureOff("linalg")));
                continue;
            }
            assert_abs_diff_eq!(value.unwrap(), expected, epsilon = 1e-9);
            assert_eq!(neurons, d);
        }
    }
}

#[test]
fn cka_takes_states_of_two_widths() {
    let (a, b) = languages(40, 12);
    let wide = states(40, 90, 0.7, 0.0).mapv(|v| v as f32);
    let [a, b, wide] = [&a, &b, &wide].map(|rows| States::new(rows.view()).unwrap());
    // x, y = states(40, 12, .3, .5), states(40, 90, .7, 0); x -= x.mean(0); y -= y.mean(0); f(y.T @ x) ** 2 / f(x.T @ x) / f(y.T @ y)
    assert_abs_diff_eq!(linear_cka(&a, &wide).unwrap(), 0.06897921034048582, epsilon = 1e-7);
    assert_abs_diff_eq!(linear_cka(&wide, &a).unwrap(), 0.06897921034048582, epsilon = 1e-7);
    assert!(linear_cka(&a, &b).is_ok() && cosine(&a, &wide).is_err() && retrieval(&a, &wide).is_err());
}

#[test]
fn of_equally_near_rows_the_first_counts() {
    let a = array![[1.0f32, 0.0], [0.0, 1.0], [0.0, 1.0]];
    let a = States::new(a.view()).unwrap();
    let found = retrieval(&a, &a).unwrap();
    assert_eq!([found.a_to_b, found.b_to_a, found.csls_a_to_b, found.csls_b_to_a], [2.0 / 3.0; 4]);
}

/// A sentence of `b` that is near to everything wins by cosine, and loses what it has from that by CSLS.
#[test]
fn csls_is_not_fooled_by_a_hub() {
    let n = 30;
    // The column added takes all of `b` away from `a`, but for the hub.
    let of = |own: f32, away: f32| {
        Array2::from_shape_fn((n, n + 1), move |(i, j)| match j {
            j if j == n => away,
            j if j == i => own,
            _ => 0.3,
        })
    };
    let (a, mut b) = (of(1.0, 0.0), of(0.5, 0.58));
    b.row_mut(7).assign(&Array1::from_shape_fn(n + 1, |j| if j == n { 0.0 } else { 1.0 }));
    let (a, b) = (States::new(a.view()).unwrap(), States::new(b.view()).unwrap());
    // hit(c), hit(csls), hit(csls.T) as above
    let found = retrieval(&a, &b).unwrap();
    assert_eq!([found.a_to_b, found.csls_a_to_b, found.csls_b_to_a], [1.0 / 30.0, 1.0, 1.0]);
}

#[test]
fn rows_are_of_each_pair_by_name_whatever_the_order() {
    let (a, b) = languages(20, 6);
    let c = states(20, 6, 0.9, 0.1).mapv(|v| v as f32);
    let place =
        Place { model: "m".into(), step: Step::Number(10), site: Site::Residual(1), pooling: SentencePooling::Mean };
    let all = compare(&place, &[("es", a.view()), ("en", b.view()), ("fr", c.view())], Pairs::All);
    let pairs: Vec<_> = all.iter().step_by(13).map(|r| (r.language_a.as_str(), r.language_b.as_str())).collect();
    assert_eq!((all.len(), pairs), (39, vec![("en", "es"), ("en", "fr"), ("es", "fr")]));
    let with = compare(&place, &[("fr", c.view()), ("en", b.view()), ("es", a.view())], Pairs::With("es"));
    assert_eq!(with.len(), 26);
    assert!(with.iter().all(|row| all.contains(row)), "neither order nor other languages change a pair");
    let direct = similarities(&States::new(b.view()).unwrap(), &States::new(a.view()).unwrap());
    for (row, measured) in with.iter().zip(direct) {
        assert_eq!((row.measure.as_str(), row.value), (measured.measure, measured.value.ok()));
        assert_eq!((row.sentences, row.neurons, row.step, row.site), (20, 6, place.step, place.site));
    }
}

fn row(step: u64, site: usize, other: &str, measure: &str, value: Option<f64>) -> Similarity {
    Similarity {
        model: "m".into(),
        step: Step::Number(step),
        site: Site::Residual(site),
        pooling: SentencePooling::Last,
        language_a: "en".into(),
        language_b: other.into(),
        measure: measure.into(),
        sentences: 9,
        neurons: 4,
        value,
        reason: None,
    }
}

#[test]
fn means_are_over_pairs_ways_and_sites_that_compare() {
    let mut rows = Vec::new();
    for step in [0, 10] {
        for (language, shift) in [("es", 0.0), ("fr", 0.2)] {
            for site in [0, 1, 2] {
                // At site 0 nothing of French at step 10; at step 20 nothing at all.
                let value = 0.1 * site as f64 + shift + 0.01 * step as f64;
                let there = (step, language, site) != (10, "fr", 0);
                rows.push(row(step, site, language, "retrieval-a-to-b", there.then_some(value)));
                rows.push(row(step, site, language, "retrieval-b-to-a", there.then_some(value + 0.1)));
            }
        }
    }
    rows.push(row(20, 1, "es", "retrieval-a-to-b", None));
    let table = by_step(&rows);
    let find = |step: u64, site: &str| table.iter().find(|r| r.step == Step::Number(step) && r.site == site).unwrap();
    assert_eq!(table.iter().filter(|r| r.measure == "retrieval").count(), table.len());
    let one = find(0, "residual.1");
    assert_abs_diff_eq!(one.value.unwrap(), 0.1 + 0.1 + 0.05, epsilon = 1e-12);
    assert_eq!((one.pairs, one.sites, one.sentences), (2, 1, 9));
    assert_eq!(find(10, "residual.0").value, None, "a pair is missing");
    assert!(find(0, "residual.0").value.is_some());
    // Sites 1 and 2 compare.
    let mean = find(0, "mean");
    assert_abs_diff_eq!(mean.value.unwrap(), 0.15 + 0.1 + 0.05, epsilon = 1e-12);
    assert_eq!((mean.pairs, mean.sites), (2, 2));
    assert_abs_diff_eq!(find(10, "mean").value.unwrap(), 0.4, epsilon = 1e-12);
    assert_eq!((find(20, "mean").value, find(20, "mean").sites), (None, 0));
    let sites: Vec<&str> = table.iter().take(4).map(|r| r.site.as_str()).collect();
    assert_eq!(sites, ["residual.0", "residual.1", "residual.2", "mean"]);
}

#[test]
fn line_ends_are_no_part_of_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("en"), "A dog.\r\nTwo cats. \n").unwrap();
    fs::write(path("es"), "Un perro.\nDos gatos.").unwrap();
    fs::write(path("fr"), "Un chien.\n").unwrap();
    fs::write(path("gap"), "Un chien.\n\nDeux chats.\n").unwrap();
    fs::write(path("empty"), "\n").unwrap();
    fs::write(path("bytes"), b"A dog.\n\xff\n").unwrap();
    let files = |names: &[&str]| names.iter().map(|name| Source::new(name, [path(name)]).unwrap()).collect::<Vec<_>>();
    let read = read_parallel(&files(&["en", "es"])).unwrap();
    assert_eq!(read[0], ("en".to_owned(), vec!["A dog.".to_owned(), "Two cats. ".to_owned()]));
    assert_eq!(read[1].1, ["Un perro.", "Dos gatos."]);
    let message = read_parallel(&files(&["en", "fr"])).unwrap_err().to_string();
    assert!(message.contains("en has 2 lines, but ") && message.contains("fr has 1"), "{message}");
    for (name, expected) in [("gap", "gap:2: is blank"), ("empty", "holds no sentences"), ("bytes", "bytes:2: is not")]
    {
        let message = read_sentences(path(name)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert!(read_parallel(&files(&["en", "en"])).unwrap_err().to_string().contains("given twice"));
}
