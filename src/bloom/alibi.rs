/// The slopes of ALiBi's linear biases, one a head (Press, Smith and Lewis 2022).
///
/// For a power of two, `2^(-8 i / n)` for `i` in `1..=n`. Else the slopes of the largest power of two `c` below `n`, followed
/// by every second slope of `2 c` heads.
///
/// # Examples
/// ```
/// assert_eq!(isogloss::bloom::alibi_slopes(8)[0], 0.5);
/// ```
pub fn alibi_slopes(n_heads: usize) -> Vec<f32> {
    if n_heads == 0 {
        return Vec::new();
    }
    let power = 1 << n_heads.ilog2();
    let slopes = |heads: usize, i: usize| 2f64.powf(-8.0 * i as f64 / heads as f64) as f32;
    let extra = (1..).step_by(2).map(|i| slopes(2 * power, i));
    (1..=power).map(|i| slopes(power, i)).chain(extra).take(n_heads).collect()
}

#[cfg(test)]
mod tests {
    use super::alibi_slopes;

    // from transformers.models.bloom.modeling_bloom import build_alibi_tensor
    // build_alibi_tensor(torch.ones(1, 2), n, torch.float32)[:, 0, 1].tolist()
    #[test]
    fn slopes_are_those_of_transformers() {
        let expected = [
            (1, vec![0.00390625]),
            (4, vec![0.25, 0.0625, 0.015625, 0.00390625]),
            (6, vec![0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]),
            (
                12,
                vec![
                    0.5,
                    0.25,
                    0.125,
                    0.0625,
                    0.03125,
                    0.015625,
                    0.0078125,
                    0.00390625,
                    0.7071067690849304,
                    0.3535533845424652,
                    0.1767766922712326,
                    0.0883883461356163,
                ],
            ),
        ];
        for (n, slopes) in expected {
            let got = alibi_slopes(n);
            assert_eq!(got.len(), n);
            for (a, b) in got.iter().zip(&slopes) {
                assert!((f64::from(*a) - b).abs() < 1e-7, "{n} heads: {got:?}");
            }
        }
    }
}
