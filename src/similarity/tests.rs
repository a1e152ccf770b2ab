use super::*;
use approx::assert_abs_diff_eq;
use ndarray::{array, s, Array2};
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
//     norm = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
//     c = norm(a) @ norm(b).T
//     ac, bc = a - a.mean(0), b - b.mean(0)
//     off = c[~np.eye(n, dtype=bool)].mean()
//     hit = lambda c: (c.argmax(1) == np.arange(n)).mean()
//     f = np.linalg.norm
//     cka = f(bc.T @ ac) ** 2 / f(ac.T @ ac) / f(bc.T @ bc)
//     def kept(x):
//         u, s, _ = np.linalg.svd(x, full_matrices=False)
//         return u[:, :np.searchsorted(np.cumsum(s ** 2) / (s ** 2).sum(), .99) + 1]
//     svcca = np.linalg.svd(kept(ac).T @ kept(bc), compute_uv=False).mean()
//     return np.diag(c).mean(), off, np.diag(norm(ac) @ norm(bc).T).mean(), hit(c), hit(c.T), cka, svcca
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
                0.08333333333333333,
                0.1,
                0.6648665298158569,
                0.6561388303000327,
            ],
        ),
        (
            9,
            30,
            [
                0.9598369781457843,
                0.9215824000491774,
                0.5593439288142885,
                0.4444444444444444,
                0.3333333333333333,
                0.8154029901810346,
                0.9925053450473139,
            ],
        ),
        (
            200,
            20,
            [
                0.9377455887880308,
                0.9025171628230795,
                0.3636452089425405,
                0.055,
                0.045,
                0.6619835572235704,
                0.6829596068720919,
            ],
        ),
    ] {
        let (a, b) = languages(n, d);
        for ((name, value), expected) in similarities(a.view(), b.view()).into_iter().zip(expected) {
            if name == "svcca" && cfg!(not(feature = "linalg")) {
                assert_eq!(value, None);
                continue;
            }
            assert_abs_diff_eq!(value.unwrap(), expected, epsilon = 1e-9);
        }
    }
}

#[test]
fn cka_is_free_of_rotation_and_scale() {
    let (a, b) = languages(40, 12);
    let swapped = b.slice(s![.., ..;-1]).mapv(|v| -3.0 * v);
    assert_abs_diff_eq!(
        linear_cka(a.view(), b.view()).unwrap(),
        linear_cka(a.view(), swapped.view()).unwrap(),
        epsilon = 1e-7
    );
    assert_abs_diff_eq!(linear_cka(a.view(), a.view()).unwrap(), 1.0, epsilon = 1e-12);
}

#[test]
fn what_does_not_exist_says_why() {
    let (a, b) = languages(5, 3);
    let (a, b) = (a.view(), b.view());
    let zero = Array2::<f32>::zeros((5, 3));
    let ones = Array2::<f32>::from_elem((5, 3), 0.1);
    let nan = Array2::<f32>::from_elem((5, 3), f32::NAN);
    assert_eq!(cosine(a, zero.view()), Err(Undefined::ZeroVector));
    assert_eq!(cosine_centred(a, ones.view()), Err(Undefined::ZeroVector));
    assert_eq!(linear_cka(a, ones.view()), Err(Undefined::Constant));
    assert_eq!(retrieval(a, nan.view()), Err(Undefined::NotFinite));
    assert_eq!(cosine(a, b.slice(s![..4, ..])), Err(Undefined::LengthsDiffer { x: 5, y: 4 }));
    assert_eq!(cosine(a, b.slice(s![.., ..2])), Err(Undefined::LengthsDiffer { x: 3, y: 2 }));
    let one = a.slice(s![..1, ..]);
    assert_eq!(cosine_mismatched(one, one), Err(Undefined::TooFewPoints { n: 1, needed: 2 }));
    assert_eq!(cosine(a.slice(s![..0, ..]), a.slice(s![..0, ..])), Err(Undefined::TooFewPoints { n: 0, needed: 1 }));
    let values = similarities(a, ones.view());
    assert_eq!(values.iter().map(|(name, _)| *name).collect::<Vec<_>>(), MEASURES);
    assert_eq!(values[3].1, Some(0.2), "states that are all alike find the first: chance");
    assert!(values[5].1.is_none() && values[6].1.is_none());
}

#[test]
fn of_equally_near_rows_the_first_counts() {
    let a = array![[1.0f32, 0.0], [0.0, 1.0], [0.0, 1.0]];
    assert_eq!(retrieval(a.view(), a.view()), Ok(2.0 / 3.0));
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
    let files = |names: &[&str]| names.iter().map(|name| (name.to_string(), path(name))).collect::<Vec<_>>();
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
    assert!(read_parallel(&files(&["en", "en"])).unwrap_err().to_string().contains("two files"));
}
