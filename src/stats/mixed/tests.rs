use super::*;
use approx::{assert_abs_diff_eq, assert_relative_eq};

fn wave(i: usize, factor: f64) -> f64 {
    ((i * i) as f64 * factor).sin()
}

/// A grid of languages and checkpoints without every `gap`-th point, with effects of both.
fn grid(languages: usize, checkpoints: usize, gap: usize, of_language: f64, of_checkpoint: f64) -> [Vec<f64>; 4] {
    let mut columns = [const { Vec::new() }; 4];
    for i in (0..languages * checkpoints).filter(|i| i % gap != gap - 1) {
        let (l, c) = (i / checkpoints, i % checkpoints);
        let x = wave(i + 1, 1.0) + 0.5 * wave(l + 1, 0.3) + 0.3 * c as f64;
        let y = 0.4 * x + of_language * wave(l + 1, 0.9) + of_checkpoint * wave(c + 1, 0.6) + 0.5 * wave(i + 1, 0.7);
        for (column, value) in columns.iter_mut().zip([x, y, l as f64, c as f64]) {
            column.push(value);
        }
    }
    columns
}

fn labels_of(values: &[f64]) -> Vec<usize> {
    values.iter().map(|&v| v as usize).collect()
}

// The likelihood's maximum by its score in dense matrices, solved to the last digit:
// import numpy as np; from scipy.optimize import fsolve
// w = lambda i, f: np.sin(i * i * f)
// i = np.array([i for i in range(L * C) if i % gap != gap - 1]); l, c = i // C, i % C
// x = w(i + 1., 1.) + .5 * w(l + 1., .3) + .3 * c; y = .4 * x + fl * w(l + 1., .9) + fc * w(c + 1., .6) + .5 * w(i + 1., .7)
// n = len(i); X = np.column_stack([np.ones(n), x]); K = [1. * (v[:, None] == v) for v in (l, c)]
// def parts(g): W = np.linalg.inv(np.eye(n) + g[0] * K[0] + g[1] * K[1]); C = np.linalg.inv(X.T @ W @ X); return W, C, W - W @ X @ C @ X.T @ W
// def score(h, free): g = np.zeros(2); g[free] = h; P = parts(g)[2]; s = y @ P @ y; return [np.trace(P @ k) - (n - 2) * (y @ P @ k @ P @ y) / s for k in (K[f] for f in free)]
// g = np.zeros(2); g[free] = fsolve(score, start[free], args=(free,), xtol=1e-14)
// W, C, P = parts(g); s2 = y @ P @ y / (n - 2); b = C @ X.T @ W @ y; V = np.eye(n) + g[0] * K[0] + g[1] * K[1]
// ll = -.5 * ((n - 2) * np.log(2 * np.pi * s2) + n - 2 + np.linalg.slogdet(V)[1] - np.linalg.slogdet(C)[1])
// J = [K[f] for f in free] + [np.eye(n)]; A = np.linalg.inv([[np.trace(P @ j @ P @ k) / 2 for k in J] for j in J])
// d = np.array([(C @ X.T @ W @ k @ W @ X @ C)[1, 1] for k in J]); df = 2 * C[1, 1] ** 2 / (d @ A @ d)
// t = b[1] / np.sqrt(s2 * C[1, 1]); print(b, np.sqrt(s2 * C[1, 1]), df, 2 * scipy.stats.t.sf(abs(t), df), g * s2, s2, ll)
// statsmodels' MixedLM, whose optimiser stops some 1e-6 off the maximum, gives the last slope and likelihood, its GLS with sigma=V the
// last standard error (MixedLM's own is not that of generalised least squares: it has the curvature of all parameters):
// m = MixedLM.from_formula("y ~ x", groups=np.ones(n), vc_formula={"l": "0 + C(l)", "t": "0 + C(t)"}, data=...).fit(reml=True)
#[test]
fn fits_equal_the_dense_likelihoods_maximum_and_statsmodels() {
    for (design, line, error, dof, p, variances, log_likelihood, statsmodels) in [
        (
            (7, 6, 999, 1.0, 0.5),
            (0.5735521161497492, 0.4291854047925867),
            0.08029157015939811,
            34.04647719510011,
            6.092229225717669e-06,
            (0.3423851371019665, 0.04495512018137641, 0.12663639670402138),
            -30.446264957119578,
            (0.4291862976996094, 0.08029157015939813, -30.446264964230394),
        ),
        (
            (7, 6, 9, 2.0, 0.8),
            (1.0566623057926932, 0.3951306300218205),
            0.09731590291175204,
            29.623992454650942,
            0.00032932726842532946,
            (1.4508570327900059, 0.12884614421786814, 0.14339664739679983),
            -36.0407041145621,
            (0.39513193484624254, 0.09731590291175216, -36.04070412028928),
        ),
        (
            (13, 9, 10, 0.3, 0.8),
            (0.20441129042445047, 0.3355582859251724),
            0.04959535020228572,
            101.36952803620066,
            8.700522817262895e-10,
            (0.046715265456894285, 0.3077933939716889, 0.12403235043245495),
            -65.34066645826553,
            (0.33555827949153627, 0.04959535020228574, -65.34066645831103),
        ),
        (
            (11, 7, 999, 0.6, 0.0),
            (0.2632025419402311, 0.4287567145994742),
            0.04906624107993449,
            68.80725963784751,
            9.141467212048106e-13,
            (0.1874365340577495, 0.0, 0.11873113137355415),
            -43.07850599509023,
            (0.4287570197416894, 0.04906624107993448, -43.07850678231398),
        ),
    ] {
        let (languages, checkpoints, gap, of_language, of_checkpoint) = design;
        let [x, y, l, c] = grid(languages, checkpoints, gap, of_language, of_checkpoint);
        let fit = mixed_effects(&x, &y, &labels_of(&l), &labels_of(&c)).unwrap();
        assert_relative_eq!(fit.intercept, line.0, max_relative = 1e-8);
        assert_relative_eq!(fit.slope, line.1, max_relative = 1e-9);
        assert_relative_eq!(fit.standard_error, error, max_relative = 1e-9);
        assert_relative_eq!(fit.degrees_of_freedom, dof, max_relative = 1e-8);
        assert_relative_eq!(fit.p_value, p, max_relative = 1e-7);
        assert_relative_eq!(fit.variance_first, variances.0, max_relative = 1e-8);
        assert_relative_eq!(fit.variance_second, variances.1, max_relative = 1e-8);
        assert_relative_eq!(fit.variance_residual, variances.2, max_relative = 1e-9);
        assert_relative_eq!(fit.log_likelihood, log_likelihood, max_relative = 1e-10);
        let (slope, error, likelihood) = statsmodels;
        assert_relative_eq!(fit.slope, slope, max_relative = 1e-4);
        assert_relative_eq!(fit.standard_error, error, max_relative = 1e-8);
        assert_abs_diff_eq!(fit.log_likelihood, likelihood, epsilon = 1e-6);
    }
}

// Where both variances are 0, all is the ordinary line's.
#[test]
fn without_groups_it_is_the_line_of_least_squares() {
    // Deviations that cancel in every row and column of the grid leave the groupings less than chance would.
    let (first, second): (Vec<usize>, Vec<usize>) = (0..24).map(|i| (i / 6, i % 6)).unzip();
    let x: Vec<f64> = (0..24).map(|i| wave(i + 1, 1.0)).collect();
    let y: Vec<f64> =
        x.iter().enumerate().map(|(i, x)| 2.0 * x + if (i / 6 + i % 6) % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let fit = mixed_effects(&x, &y, &first, &second).unwrap();
    let r = crate::stats::pearson(&x, &y).unwrap();
    assert_eq!((fit.variance_first, fit.variance_second, fit.degrees_of_freedom), (0.0, 0.0, 22.0));
    assert_relative_eq!(fit.p_value, r.p_value, max_relative = 1e-10);
    assert_relative_eq!(
        fit.t,
        r.coefficient * (22.0 / (1.0 - r.coefficient * r.coefficient)).sqrt(),
        max_relative = 1e-10
    );
}

#[test]
fn units_of_measure_change_nothing_else() {
    let [x, y, l, c] = grid(7, 6, 9, 1.0, 0.5);
    let (l, c) = (labels_of(&l), labels_of(&c));
    let plain = mixed_effects(&x, &y, &l, &c).unwrap();
    let moved_x: Vec<f64> = x.iter().map(|x| 1e3 * x + 7.0).collect();
    let moved_y: Vec<f64> = y.iter().map(|y| 5.0 - 0.01 * y).collect();
    let moved = mixed_effects(&moved_x, &moved_y, &l, &c).unwrap();
    assert_relative_eq!(moved.slope, -plain.slope * 1e-5, max_relative = 1e-8);
    assert_relative_eq!(moved.p_value, plain.p_value, max_relative = 1e-7);
    assert_relative_eq!(moved.variance_first, plain.variance_first * 1e-4, max_relative = 1e-7);
    // The groupings play the same part.
    let swapped = mixed_effects(&x, &y, &c, &l).unwrap();
    assert_relative_eq!(swapped.variance_second, plain.variance_first, max_relative = 1e-8);
    assert_relative_eq!(swapped.p_value, plain.p_value, max_relative = 1e-8);
}

#[test]
fn what_does_not_exist_says_why() {
    let [x, y, l, c] = grid(4, 3, 99, 1.0, 0.5);
    let (l, c) = (labels_of(&l), labels_of(&c));
    let all: Vec<usize> = (0..12).collect();
    assert_eq!(mixed_effects(&x, &y, &[0; 12], &c), Err(Undefined::Confounded { groups: 1, n: 12 }));
    assert_eq!(mixed_effects(&x, &y, &l, &all), Err(Undefined::Confounded { groups: 12, n: 12 }));
    assert_eq!(mixed_effects(&x, &y, &l[1..], &c), Err(Undefined::LengthsDiffer { x: 12, y: 11 }));
    assert_eq!(mixed_effects(&x, &[1.0; 12], &l, &c), Err(Undefined::Constant));
    assert_eq!(mixed_effects(&x, &x, &l, &c), Err(Undefined::Explained));
    let by_language: Vec<f64> = l.iter().map(|&l| wave(l + 1, 1.0)).collect();
    assert_eq!(mixed_effects(&x, &by_language, &l, &c), Err(Undefined::Explained));
    assert_eq!(mixed_effects(&x, &[f64::NAN; 12], &l, &c), Err(Undefined::NotFinite));
}
