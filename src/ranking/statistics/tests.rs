use super::*;
use approx::assert_relative_eq;
use ndarray::{Array2, Axis};
use rand::Rng;

/// 90 words with many ties, 6 neurons, classes of 51, 26 and 13 words.
fn data() -> (Array2<f32>, Vec<usize>) {
    let labels: Vec<usize> = (0..90).map(|i| [0, 0, 1, 0, 2, 1, 0][i % 7]).collect();
    let x = Array2::from_shape_fn((90, 6), |(i, d)| {
        let x = ((i * 7 + d * 13 + i * i % 5) % (11 + 8 * d)) as f32 / 8.0;
        let x = x + if (labels[i] + d).is_multiple_of(3) { (d % 2) as f32 + 0.5 } else { 0.0 };
        if d == 5 && x < 3.0 {
            0.0
        } else {
            x
        }
    });
    (x, labels)
}

fn all() -> Vec<Statistic> {
    let named = Statistic::NAMES.iter().map(|name| name.parse().unwrap());
    named
        .chain([
            Statistic::MeanDifference { standardise: false },
            Statistic::AveragePrecision { adjusted: false },
            Statistic::Iou { active: Some(0.2), adjusted: false },
            Statistic::Iou { active: None, adjusted: false },
            Statistic::MutualInformation { bins: 4, miller_madow: true },
        ])
        .collect()
}

// import numpy as np; from itertools import combinations; from scipy.stats import rankdata
// from sklearn.metrics import *; from sklearn.feature_selection import f_classif
// i = np.arange(90)[:, None]; d = np.arange(6)[None]; y = np.array([0, 0, 1, 0, 2, 1, 0])[np.arange(90) % 7]
// x = ((i*7 + d*13 + i*i % 5) % (11 + 8*d)) / 8 + np.where((y[:, None] + d) % 3 == 0, d % 2 + .5, 0)
// x[:, 5] = np.where(x[:, 5] < 3, 0, x[:, 5]); m = np.array([x[y == c].mean(0) for c in range(3)])
// md = sum(abs(m[a] - m[b]) for a, b in combinations(range(3), 2)); md; md / x.std(0); f_classif(x, y)[0]
// p = np.bincount(y) / 90
// ap = np.array([[[average_precision_score(y == c, s * x[:, d]) for c in range(3)] for s in (1, -1)] for d in range(6)])
// ap.max((1, 2)); ((ap - p) / (1 - p)).max((1, 2))
// def mi(x, bins, mm):
//     b = np.floor(bins * (rankdata(x) - .5) / 90)
//     cells = len(set(b)) + 3 - len(set(zip(b, y))) - 1
//     return max(0, mutual_info_score(y, b) + mm * cells / 180)
// def iou(x, active, adjusted):
//     best = 0
//     for v in (x, -x):
//         for c in range(3):
//             t = np.sort(v)[::-1][(round(active * 90) if active else (y == c).sum()) - 1]
//             a = v > t if (v >= t).all() else v >= t
//             e = a.sum() * (y == c).sum() / 90; e = adjusted * e / (a.sum() + (y == c).sum() - e)
//             best = max(best, (jaccard_score(y == c, a) - e) / (1 - e))
//     return best
#[test]
fn scores_agree_with_scikit_learn() {
    let (x, labels) = data();
    let mutual_information = |bins, miller_madow| Statistic::MutualInformation { bins, miller_madow };
    #[rustfmt::skip]
    let expected = [
        (Statistic::MeanDifference { standardise: false }, [1.0629713423831069, 3.1979638009049776, 0.7741327300150829, 2.8442684766214184, 1.8846153846153841, 5.054864253393665]),
        (Statistic::MeanDifference { standardise: true }, [2.247840544128907, 3.6156510883575628, 0.77387600818061, 1.8907595708957337, 1.212590654837301, 1.9356962588778264]),
        (Statistic::AveragePrecision { adjusted: false }, [0.8474928253624927, 0.8320825515947468, 0.6326612649829628, 0.8749579831932774, 0.5823069844659725, 0.7488393630681573]),
        (Statistic::AveragePrecision { adjusted: true }, [0.648060366221137, 0.8037328525133404, 0.1522952268837604, 0.7114414996767942, 0.24386000997970161, 0.42039853015728623]),
        (Statistic::FStatistic, [18.902010149436236, 29.03070754848607, 1.3040919781380167, 11.50709733476813, 1.666053287308307, 9.87349873868233]),
        (mutual_information(10, false), [0.28921164999417287, 0.3231412413762402, 0.12495435827341353, 0.6879650332817445, 0.11473093169371304, 0.16950485701315585]),
        (mutual_information(10, true), [0.22810053888306175, 0.26203013026512906, 0.0416210249400802, 0.6712983666150778, 0.025842042804824147, 0.1139493014576003]),
        (mutual_information(4, false), [0.19250145034785612, 0.17818005050034869, 0.05374694108371961, 0.15968943422830723, 0.026512402273560873, 0.11788470426485717]),
        (mutual_information(4, true), [0.1702792281256339, 0.15595782827812646, 0.020413607750386274, 0.137467212006085, 0.0, 0.08455137093152384]),
        (Statistic::Iou { active: None, adjusted: false }, [0.5757575757575758, 0.5555555555555556, 0.40540540540540543, 0.5970149253731343, 0.43661971830985913, 0.5223880597014925]),
        (Statistic::Iou { active: None, adjusted: true }, [0.2857405619165862, 0.514866979655712, 0.08333333333333331, 0.3032616397339489, 0.06825568797399774, 0.21010332950631447]),
        (Statistic::Iou { active: Some(0.2), adjusted: false }, [0.37254901960784315, 0.45454545454545453, 0.2413793103448276, 0.39215686274509803, 0.22413793103448276, 0.5344827586206896]),
        (Statistic::Iou { active: Some(0.2), adjusted: true }, [0.2331634166734094, 0.3980797073839823, 0.07809847198641764, 0.2496281271129141, 0.046446164672765654, 0.3162504379160202]),
    ];
    for (statistic, expected) in expected {
        let scores = statistic.scores(x.view(), &labels, 3, 0, &[]).unwrap();
        for (score, expected) in scores.into_iter().zip(expected) {
            assert_relative_eq!(score, expected, max_relative = 1e-12, epsilon = 1e-14);
        }
        // A class without words counts for nothing, whatever its number.
        let moved: Vec<usize> = labels.iter().map(|&label| label * 2 + 1).collect();
        let scores = statistic.scores(x.view(), &labels, 3, 0, &[]).unwrap();
        assert_eq!(statistic.scores(x.view(), &moved, 9, 0, &[]).unwrap(), scores);
    }
}

#[test]
fn a_perfect_neuron_reaches_the_largest_score() {
    let labels: Vec<usize> = (0..60).map(|i| usize::from(i % 3 == 0)).collect();
    let x = Array2::from_shape_fn((60, 2), |(i, d)| if d == 0 { -(labels[i] as f32) } else { (i * 7 % 11) as f32 });
    let score = |statistic: Statistic| statistic.scores(x.view(), &labels, 2, 0, &[]).unwrap()[0];
    for adjusted in [false, true] {
        assert_eq!(score(Statistic::AveragePrecision { adjusted }), 1.0);
        assert_eq!(score(Statistic::Iou { active: None, adjusted }), 1.0);
    }
    assert_eq!(score(Statistic::FStatistic), f64::INFINITY);
    let entropy = -(1.0f64 / 3.0 * (1.0f64 / 3.0).ln() + 2.0 / 3.0 * (2.0f64 / 3.0).ln());
    assert_relative_eq!(
        score(Statistic::MutualInformation { bins: 10, miller_madow: false }),
        entropy,
        epsilon = 1e-12
    );
    assert_eq!(score(Statistic::MeanDifference { standardise: false }), 1.0);
}

#[test]
fn constant_neurons_come_last_and_equal_ones_by_index() {
    let (x, labels) = data();
    // Neurons 0 and 9 never change; 3 and 7 are equal.
    let columns = [0, 0, 1, 2, 3, 4, 5, 2, 0, 0];
    let mut x = x.select(Axis(1), &columns);
    x.column_mut(0).fill(3.25);
    x.column_mut(9).fill(-0.0);
    x[[17, 9]] = 0.0;
    for statistic in all() {
        let scores = statistic.scores(x.view(), &labels, 3, 5, &["es"]).unwrap();
        assert!(scores.iter().all(|score| *score >= 0.0), "{statistic:?}: {scores:?}");
        assert_eq!((scores[0], scores[9]), (0.0, 0.0));
        let order = by_score(&scores);
        let place = |neuron| order.iter().position(|&d| d == neuron).unwrap();
        if statistic != Statistic::Random {
            assert_eq!(scores[3], scores[7]);
            assert_eq!(place(7), place(3) + 1, "{statistic:?}");
        }
        let last = scores.iter().filter(|&&score| score == 0.0).count();
        assert!(place(0) >= scores.len() - last && place(9) == scores.len() - 1);
    }
    assert_eq!(by_score(&[0.0, f64::NAN, -0.0, f64::INFINITY, -1.0]), [3, 0, 2, 4, 1]);
}

#[test]
fn a_constant_added_the_order_of_neurons_and_threads_change_no_bit() {
    let (x, labels) = data();
    // Enough neurons for several blocks and threads.
    let mut rng = crate::seed::stream(5, &["statistics"]);
    let x = Array2::from_shape_fn((90, 70), |(i, d)| {
        x[[i, d % 6]] + if d < 6 { 0.0 } else { rng.gen_range(-8i8..8) as f32 / 16.0 }
    });
    for statistic in all() {
        let scores = |x: &Array2<f32>| statistic.scores(x.view(), &labels, 3, 5, &["es"]).unwrap();
        let expected = scores(&x);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| scores(&x)), one.install(|| scores(&x)));
        // Multiples of 1/16 below 2^16: no addition rounds.
        let moved = Array2::from_shape_fn(x.dim(), |(i, d)| x[[i, d]] + (d as f32 - 35.0) * 64.0);
        assert_eq!(scores(&moved), expected, "{statistic:?}");
        if statistic == Statistic::Random {
            assert_ne!(statistic.scores(x.view(), &labels, 3, 6, &["es"]).unwrap(), expected);
            continue;
        }
        let reversed: Vec<f64> = scores(&x.slice(ndarray::s![.., ..;-1]).to_owned()).into_iter().rev().collect();
        assert_eq!(reversed, expected, "{statistic:?}");
        // The layout of the records is no matter.
        assert_eq!(scores(&x.t().as_standard_layout().to_owned().reversed_axes()), expected);
    }
}

#[test]
fn mutual_information_without_ties_is_free_of_monotone_maps_and_more_bins_tell_more() {
    let mut rng = crate::seed::stream(8, &["statistics"]);
    let labels: Vec<usize> = (0..200).map(|i| i % 4).collect();
    let x = Array2::from_shape_fn((200, 1), |(i, _)| rng.gen::<f32>() + labels[i] as f32 / 4.0);
    let score = |x: &Array2<f32>, bins| {
        Statistic::MutualInformation { bins, miller_madow: false }.scores(x.view(), &labels, 4, 0, &[]).unwrap()[0]
    };
    assert_eq!(score(&x, 10), score(&x.mapv(|x| x.powi(3)), 10));
    // A finer partition loses nothing; one word a bin tells the class.
    assert!(score(&x, 5) < score(&x, 10) && score(&x, 10) < score(&x, 20));
    assert_relative_eq!(score(&x, 200), 4f64.ln(), epsilon = 1e-12);
    assert_eq!(score(&x, usize::MAX), score(&x, 200));
}

#[test]
fn wrong_words_and_parameters_are_named() {
    let (mut x, labels) = data();
    for statistic in all() {
        let error = |x: &Array2<f32>, labels: &[usize], classes| {
            statistic.scores(x.view(), labels, classes, 0, &[]).unwrap_err().to_string()
        };
        assert!(error(&x, &[1; 90], 3).contains("all 90 are of class 1"));
        assert!(error(&x, &labels[1..], 3).contains("90 words but 89 labels"));
        assert!(error(&x, &labels, 2).contains("has class 2"));
        assert!(error(&Array2::zeros((0, 6)), &[], 3).contains("there are none"));
        for wrong in [f32::NAN, f32::NEG_INFINITY] {
            let right = std::mem::replace(&mut x[[7, 4]], wrong);
            assert!(error(&x, &labels, 3).contains("word 7, neuron 4"));
            x[[7, 4]] = right;
        }
        assert!(statistic.scores(Array2::zeros((90, 0)).view(), &labels, 3, 0, &[]).unwrap().is_empty());
    }
    let error = Statistic::FStatistic.scores(Array2::eye(2).view(), &[0, 1], 2, 0, &[]).unwrap_err().to_string();
    assert!(error.contains("2 words of 2 classes"), "{error}");
    let error = Statistic::Iou { active: Some(1.0), adjusted: true }.check().unwrap_err().to_string();
    assert_eq!(error, "active should be between 0 and 1, both excluded, but is 1");
    assert!(Statistic::Iou { active: Some(f64::NAN), adjusted: true }.check().is_err());
    let error = Statistic::MutualInformation { bins: 1, miller_madow: false }.check().unwrap_err().to_string();
    assert_eq!(error, "bins should be 2 or more, but is 1");
}

#[test]
fn names_and_parameters_are_read_and_written() {
    for name in Statistic::NAMES {
        let statistic: Statistic = name.parse().unwrap();
        assert_eq!(statistic.to_string(), name);
        assert_eq!(serde_json::from_str::<Statistic>(&format!("\"{name}\"")).unwrap(), statistic);
    }
    for statistic in all() {
        let text = serde_json::to_string(&statistic).unwrap();
        assert_eq!(serde_json::from_str::<Statistic>(&text).unwrap(), statistic, "{text}");
    }
    let iou: Statistic = serde_json::from_str(r#"{"iou": {"active": 0.1}}"#).unwrap();
    assert_eq!(iou, Statistic::Iou { active: Some(0.1), adjusted: true });
    let bins: Statistic = serde_json::from_str(r#"{"mutual_information": {}}"#).unwrap();
    assert_eq!(bins, "mutual_information".parse().unwrap());
    assert!(serde_json::from_str::<Statistic>(r#"{"iou": {"actve": 0.1}}"#).is_err());
    let error = "iuo".parse::<Statistic>().unwrap_err().to_string();
    assert!(error.starts_with("unknown statistic `iuo`: expected mean_difference, "), "{error}");
}
