//! Corrections of p-values for multiple testing.

/// Holm's step-down correction (Holm 1979): adjusted p-values in the order of the input, which control the
/// family-wise error rate under any dependence.
///
/// The `i`-th smallest of `m` becomes the running maximum of `(m - i + 1) p`, at most 1. NaN is no test: it is not
/// counted and comes back as it is.
///
/// # Examples
/// ```
/// use isogloss::stats::holm;
/// assert_eq!(holm(&[0.25, 0.01, 0.5]), [0.5, 0.03, 0.5]);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = ascending(p_values);
    let m = order.len();
    let mut adjusted = p_values.to_vec();
    let mut largest = 0.0f64;
    for (place, (index, p)) in order.into_iter().enumerate() {
        largest = largest.max(((m - place) as f64 * p).min(1.0));
        set(&mut adjusted, index, largest);
    }
    adjusted
}

/// Benjamini and Hochberg's step-up correction (1995): adjusted p-values in the order of the input, which control the
/// false discovery rate of independent or positively dependent tests.
///
/// The `i`-th smallest of `m` becomes the least of `m p / j` over places `j >= i`, at most 1. NaN as in [`holm`].
///
/// # Examples
/// ```
/// use isogloss::stats::benjamini_hochberg;
/// assert_eq!(benjamini_hochberg(&[0.25, 0.01, 0.5]), [0.375, 0.03, 0.5]);
/// ```
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let order = ascending(p_values);
    let m = order.len() as f64;
    let mut adjusted = p_values.to_vec();
    let mut smallest = 1.0f64;
    for (place, (index, p)) in order.into_iter().enumerate().rev() {
        smallest = smallest.min(m / (place + 1) as f64 * p);
        set(&mut adjusted, index, smallest);
    }
    adjusted
}

/// Benjamini and Yekutieli's correction (2001): as [`benjamini_hochberg`], under any dependence of the tests, for
/// `1 + 1/2 + ... + 1/m` times its price.
///
/// # Examples
/// ```
/// use isogloss::stats::benjamini_yekutieli;
/// assert_eq!(benjamini_yekutieli(&[0.25, 0.01]), [0.375, 0.03]);
/// ```
pub fn benjamini_yekutieli(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.iter().filter(|p| !p.is_nan()).count();
    let harmonic: f64 = (1..=m).map(|i| 1.0 / i as f64).sum();
    // NaN fails the comparison and stays.
    let times = |p: f64| if p * harmonic > 1.0 { 1.0 } else { p * harmonic };
    benjamini_hochberg(p_values).into_iter().map(times).collect()
}

/// Indices and values of what is a number, smallest first; ties in the order of the input.
fn ascending(p_values: &[f64]) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().filter(|(_, p)| !p.is_nan()).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    order
}

fn set(values: &mut [f64], index: usize, value: f64) {
    if let Some(slot) = values.get_mut(index) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    const P: [f64; 10] = [0.01, 0.04, 0.03, 0.005, 0.04, 0.9, 0.5, 0.2, 1e-30, 0.049];

    // from scipy.stats import false_discovery_control
    // p = [0.01, 0.04, 0.03, 0.005, 0.04, 0.9, 0.5, 0.2, 1e-30, 0.049]
    // print(false_discovery_control(p, method="bh").tolist())
    #[test]
    fn benjamini_hochberg_equals_scipy() {
        let expected = [
            0.03333333333333333,
            0.06666666666666667,
            0.06666666666666667,
            0.025,
            0.06666666666666667,
            0.9,
            0.5555555555555556,
            0.25,
            1.0000000000000001e-29,
            0.07,
        ];
        for (adjusted, expected) in benjamini_hochberg(&P).into_iter().zip(expected) {
            assert_relative_eq!(adjusted, expected, max_relative = 1e-12);
        }
    }

    // i = np.argsort(p, kind="stable")
    // h = np.empty(10); h[i] = np.minimum(1, np.maximum.accumulate(np.array(p)[i] * np.arange(10, 0, -1))); print(h.tolist())
    #[test]
    fn holm_equals_its_definition_in_numpy() {
        let expected = [0.08, 0.24, 0.21, 0.045, 0.24, 1.0, 1.0, 0.6000000000000001, 1.0000000000000001e-29, 0.24];
        for (adjusted, expected) in holm(&P).into_iter().zip(expected) {
            assert_relative_eq!(adjusted, expected, max_relative = 1e-12);
        }
    }

    #[test]
    fn what_is_no_test_is_not_counted() {
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(benjamini_hochberg(&[0.3]), [0.3]);
        let adjusted = holm(&[0.02, f64::NAN, 0.5]);
        assert_eq!((adjusted[0], adjusted[2]), (0.04, 0.5));
        assert!(adjusted[1].is_nan());
    }

    proptest! {
        #[test]
        fn corrections_keep_the_order_and_never_lower(p in prop::collection::vec(0.0..=1.0f64, 0..60)) {
            let m = p.len() as f64;
            for adjusted in [holm(&p), benjamini_hochberg(&p)] {
                for (i, &a) in adjusted.iter().enumerate() {
                    prop_assert!(a >= p[i] && a <= 1.0 && a <= m * p[i]);
                    for (j, &b) in adjusted.iter().enumerate() {
                        prop_assert!(p[i] > p[j] || a <= b);
                    }
                }
            }
            // The family-wise rate is the harder one to hold.
            prop_assert!(holm(&p).iter().zip(benjamini_hochberg(&p)).all(|(&h, b)| h >= b * (1.0 - 1e-14)));
        }
    }
}
