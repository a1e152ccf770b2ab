//! The order of languages in heat maps: by clustering, so that those that share neurons stand together.

/// The order in which average linkage joins items, by their distances `[n, n]`; the leaves of its tree from left to right,
/// where the cluster made earlier stands left. Of equal distances the first pair is joined first.
pub(super) fn average_linkage(distances: &[Vec<f64>]) -> Vec<usize> {
    // Each cluster with its members in order; a joined one goes to the end of the list.
    let mut clusters: Vec<Vec<usize>> = (0..distances.len()).map(|i| vec![i]).collect();
    let between = |a: &[usize], b: &[usize]| {
        let distance = |i: usize, j: usize| distances.get(i).and_then(|row| row.get(j)).copied().unwrap_or(1.0);
        let sum: f64 = a.iter().flat_map(|&i| b.iter().map(move |&j| distance(i, j))).sum();
        sum / (a.len() * b.len()) as f64
    };
    while clusters.len() > 1 {
        let mut nearest = (f64::INFINITY, 0, 1);
        for (i, a) in clusters.iter().enumerate() {
            for (j, b) in clusters.iter().enumerate().skip(i + 1) {
                let distance = between(a, b);
                if distance < nearest.0 {
                    nearest = (distance, i, j);
                }
            }
        }
        let (_, first, second) = nearest;
        let right = clusters.remove(second);
        let mut joined = clusters.remove(first);
        joined.extend(right);
        clusters.push(joined);
    }
    clusters.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    // import numpy as np; from scipy.cluster.hierarchy import linkage, leaves_list
    // from scipy.spatial.distance import squareform
    // d = np.triu(np.round(np.random.default_rng(3).random((6, 6)), 2), 1); d = d + d.T
    // leaves_list(linkage(squareform(d), 'average'))
    #[test]
    fn the_order_is_that_of_scipy() {
        let distances = [
            [0.0, 0.24, 0.8, 0.58, 0.09, 0.43],
            [0.24, 0.0, 0.73, 0.11, 0.39, 0.52],
            [0.8, 0.73, 0.0, 0.96, 0.28, 0.65],
            [0.58, 0.11, 0.96, 0.0, 0.3, 0.31],
            [0.09, 0.39, 0.28, 0.3, 0.0, 0.71],
            [0.43, 0.52, 0.65, 0.31, 0.71, 0.0],
        ];
        let distances: Vec<Vec<f64>> = distances.iter().map(|row| row.to_vec()).collect();
        assert_eq!(average_linkage(&distances), [2, 5, 0, 4, 1, 3]);
    }

    #[test]
    fn equal_distances_keep_the_order_of_pairs() {
        // 0 with 1, 2 with 3, then both: the cluster made earlier stands left.
        assert_eq!(average_linkage(&vec![vec![1.0; 4]; 4]), [0, 1, 2, 3]);
        assert_eq!(average_linkage(&[]), [0usize; 0]);
        assert_eq!(average_linkage(&[vec![0.0]]), [0]);
    }
}
