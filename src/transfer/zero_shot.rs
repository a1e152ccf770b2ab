use crate::probe::{Evaluation, Probe, Subset};
use crate::Result;
use ndarray::{ArrayView2, Axis};

/// How a probe of one language does on another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZeroShot {
    /// On the words whose class the source knows.
    pub evaluation: Evaluation,
    /// Words whose class the source lacks.
    pub left_out: usize,
}

/// Scores a probe that was fitted on one language's words on those of another, all neurons, classes matched by name.
///
/// `records` `[n_words, n_neurons]` and `labels` (indices into `classes`) are the target's test words; `source_classes` names
/// the probe's classes. A word of a class that the source lacks cannot be got right; it is left out and counted.
///
/// # Errors
/// As [`Probe::evaluate`].
pub fn zero_shot(
    probe: &dyn Probe,
    source_classes: &[String],
    records: ArrayView2<f32>,
    labels: &[usize],
    classes: &[String],
) -> Result<ZeroShot> {
    let names = labels.iter().map(|label| classes.get(*label));
    let matched = names.map(|name| name.and_then(|name| source_classes.iter().position(|class| class == name)));
    let (rows, labels): (Vec<usize>, Vec<usize>) =
        matched.enumerate().filter_map(|(row, label)| label.map(|label| (row, label))).unzip();
    let left_out = records.nrows().saturating_sub(rows.len());
    let kept = records.select(Axis(0), &rows);
    Ok(ZeroShot { evaluation: probe.evaluate(kept.view(), &labels, Subset::All)?, left_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::LinearProbe;
    use ndarray::{array, Array1};

    #[test]
    fn classes_are_matched_by_name_and_unknown_ones_left_out() {
        // The source's classes are (PL, SG): a positive neuron says SG.
        let probe = LinearProbe::new(array![[-5.0], [5.0]], Array1::zeros(2), None).unwrap();
        let source = ["PL".to_string(), "SG".to_string()];
        let target = ["DU".to_string(), "PL".to_string(), "SG".to_string()];
        let records = array![[1.0], [1.0], [-1.0], [1.0]];
        let scored = zero_shot(&probe, &source, records.view(), &[0, 2, 1, 1], &target).unwrap();
        assert_eq!(scored.left_out, 1);
        assert_eq!(scored.evaluation.words, 3);
        assert_eq!(scored.evaluation.accuracy, Some(2.0 / 3.0));
        let nothing = zero_shot(&probe, &source, records.view(), &[0, 0, 0, 0], &target).unwrap();
        assert_eq!((nothing.left_out, nothing.evaluation.accuracy), (4, None));
    }
}
