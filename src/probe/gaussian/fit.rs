use super::{place, GaussianPrior, GaussianProbe, GaussianValidParams};
use crate::probe::linear::Standardisation;
use crate::probe::{count_classes, need_all_classes};
use crate::Result;
use ndarray::{s, Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Columns of a scatter matrix made at a time, and words summed in f32.
const PANEL: usize = 128;
const WORDS: usize = 512;

pub(super) fn fit(params: &GaussianValidParams, records: ArrayView2<f32>, labels: &[usize]) -> Result<GaussianProbe> {
    let classes = count_classes(records, labels, params.n_classes)?;
    need_all_classes(labels, classes)?;
    let (n_words, neurons) = records.dim();
    let standardisation = Standardisation::fit(records);
    let mut shares = Array1::zeros(classes);
    let mut means = Array2::zeros((classes, neurons));
    let mut covariances = Array2::zeros((classes, neurons * (neurons + 1) / 2));
    for class in 0..classes {
        let words: Vec<usize> = (0..n_words).filter(|&word| labels[word] == class).collect();
        let n = words.len() as f64;
        shares[class] = (n / n_words as f64) as f32;
        let mut centred = Array2::from_shape_fn((words.len(), neurons), |(i, neuron)| {
            standardisation.apply(neuron, records[[words[i], neuron]])
        });
        let mut sums = vec![0f64; neurons];
        for row in centred.outer_iter() {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        for (neuron, sum) in sums.iter().enumerate() {
            let mean = (sum / n) as f32;
            means[[class, neuron]] = mean;
            centred.column_mut(neuron).mapv_inplace(|x| x - mean);
        }
        let panels: Vec<(usize, Array2<f64>)> = (0..neurons)
            .step_by(PANEL)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|start| (start, scatter(centred.view(), start)))
            .collect();
        // What the entries of the scatter matrix are multiplied with, on its diagonal and off it.
        let d = neurons as f64;
        let freedom = (d + 2.0) + n + d + 2.0;
        let (diagonal, others) = match params.prior {
            GaussianPrior::MaximumLikelihood => (1.0 / n, 1.0 / n),
            GaussianPrior::NormalInverseWishart => ((1.0 / n + 1.0) / freedom, 1.0 / freedom),
            GaussianPrior::DiagonalMode => {
                let kept = (n / freedom).min(1.0 - share_of_noise(centred.view(), &panels));
                (1.0 / n, kept / n)
            }
        };
        for (start, panel) in &panels {
            for ((i, j), &sum) in panel.indexed_iter().filter(|((i, j), _)| i >= j) {
                let factor = if i == j { diagonal } else { others };
                covariances[[class, place(start + i, start + j)]] = (sum * factor) as f32;
            }
        }
    }
    GaussianProbe::new(standardisation, shares, means, covariances)
}

/// Columns `start..start + PANEL` of the scatter matrix, from row `start` on: the rest is symmetric.
fn scatter(centred: ArrayView2<f32>, start: usize) -> Array2<f64> {
    let neurons = centred.ncols();
    let end = (start + PANEL).min(neurons);
    let mut sum = Array2::<f64>::zeros((neurons - start, end - start));
    for words in centred.axis_chunks_iter(Axis(0), WORDS) {
        let part: Array2<f32> = words.slice(s![.., start..]).t().dot(&words.slice(s![.., start..end]));
        sum.zip_mut_with(&part, |sum, &part| *sum += f64::from(part));
    }
    sum
}

/// The expected share of noise in the sum of squared correlations of a class's neurons, in `[0, 1]` (Schäfer and Strimmer
/// 2005): the sum over pairs of neurons of their correlation's variance, over that of their squared correlation.
fn share_of_noise(centred: ArrayView2<f32>, panels: &[(usize, Array2<f64>)]) -> f64 {
    let n = centred.nrows() as f64;
    let sums: Vec<f64> = panels.iter().flat_map(|(_, panel)| panel.diag().to_vec()).collect();
    // A neuron that never changes in the class has no correlations.
    let inverses: Vec<f64> = sums.iter().map(|&sum| if sum > 0.0 { 1.0 / sum } else { 0.0 }).collect();
    let mut squares = 0.0;
    for (start, panel) in panels {
        for ((i, j), sum) in panel.indexed_iter().filter(|((i, j), _)| i > j) {
            squares += 2.0 * sum * sum * inverses[start + i] * inverses[start + j];
        }
    }
    // Of products of standardised activations, over words and pairs: the pairs need not be visited.
    let mut products = 0.0;
    for word in centred.outer_iter() {
        let (mut all, mut same) = (0.0, 0.0);
        for (&x, inverse) in word.iter().zip(&inverses) {
            let square = f64::from(x) * f64::from(x) * inverse * n;
            all += square;
            same += square * square;
        }
        products += all * all - same;
    }
    let noise = (products - n * squares) / (n * (n - 1.0));
    if noise < squares {
        (noise / squares).max(0.0)
    } else {
        1.0
    }
}
