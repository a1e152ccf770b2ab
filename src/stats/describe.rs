//! Means and ranks.

/// The arithmetic mean; `None` of nothing.
///
/// # Examples
/// ```
/// use isogloss::stats::mean;
/// assert_eq!(mean([1.0, 2.0, 6.0]), Some(3.0));
/// assert_eq!(mean([]), None);
/// ```
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.into_iter().fold((0usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / n as f64)
}

/// Ranks from 1, ties sharing the mean of their ranks (mid-ranks), in the order of the input.
///
/// Values are ordered by [`f64::total_cmp`], save that -0 ties with 0.
///
/// # Examples
/// ```
/// use isogloss::stats::ranks;
/// assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
/// ```
pub fn ranks(values: &[f64]) -> Vec<f64> {
    // Adding 0 turns -0 into 0.
    let mut sorted: Vec<(f64, usize)> = values.iter().enumerate().map(|(i, &value)| (value + 0.0, i)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranked: Vec<(usize, f64)> = Vec::with_capacity(values.len());
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        // The ranks are done + 1 to done + ties.
        let done = ranked.len();
        let rank = done as f64 + (ties.len() + 1) as f64 / 2.0;
        ranked.extend(ties.iter().map(|&(_, i)| (i, rank)));
    }
    ranked.sort_unstable_by_key(|&(i, _)| i);
    ranked.into_iter().map(|(_, rank)| rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[]), Vec::<f64>::new());
        assert_eq!(ranks(&[0.0, -0.0, 5.0]), [1.5, 1.5, 3.0]);
        assert_eq!(ranks(&[7.0; 4]), [2.5; 4]);
    }

    proptest! {
        #[test]
        fn ranks_sum_to_the_triangular_number(values in prop::collection::vec(-5i32..5, 0..40)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let n = values.len() as f64;
            prop_assert_eq!(ranks(&values).iter().sum::<f64>(), n * (n + 1.0) / 2.0);
        }
    }
}
