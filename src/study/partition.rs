//! Which shard does what.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One of several equal parts of a study, written `I/N`, `I` from 1.
///
/// # Examples
/// ```
/// use isogloss::study::Shard;
/// let shard: Shard = "2/4".parse()?;
/// assert_eq!(shard.to_string(), "2/4");
/// assert!("0/4".parse::<Shard>().is_err() && "5/4".parse::<Shard>().is_err());
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Counted from 0.
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers =
            text.split_once('/').and_then(|(i, n)| Some((i.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
        match numbers {
            Some((i, n)) if 1 <= i && i <= n => Ok(Shard { index: i - 1, count: n }),
            _ => Err(Error::unknown("shard", text, "I/N with I from 1 to N, such as 2/4")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

impl Shard {
    /// Whether a piece of work is this shard's, for each of several in their order, given what each costs.
    ///
    /// Shards are stretches of the order, so that what stands together stays together as far as may be: of `C` checkpoints, `N`
    /// shards load `C + N - 1` at most. A piece is in the shard in whose stretch of the cost its middle lies, so that no shard has more than its
    /// share and the cost of one piece.
    pub fn takes(self, costs: &[f64]) -> Vec<bool> {
        let total: f64 = costs.iter().sum();
        let mut before = 0.0;
        let mut takes = Vec::with_capacity(costs.len());
        for (i, cost) in costs.iter().enumerate() {
            let middle = before + cost / 2.0;
            // Where nothing costs anything, each counts the same.
            let share = if total > 0.0 { middle / total } else { (i as f64 + 0.5) / costs.len() as f64 };
            let shard = ((share * self.count as f64) as usize).min(self.count - 1);
            takes.push(shard == self.index);
            before += cost;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_piece_is_in_one_shard_and_shards_are_fair(
            costs in prop::collection::vec(0.0f64..100.0, 1..60), count in 1usize..9,
        ) {
            let shards: Vec<Vec<bool>> = (0..count).map(|index| Shard { index, count }.takes(&costs)).collect();
            for piece in 0..costs.len() {
                prop_assert_eq!(shards.iter().filter(|shard| shard[piece]).count(), 1);
            }
            let (total, most) = (costs.iter().sum::<f64>(), costs.iter().copied().fold(0.0, f64::max));
            for shard in &shards {
                let own: f64 = shard.iter().zip(&costs).filter(|(takes, _)| **takes).map(|(_, cost)| cost).sum();
                prop_assert!(own <= total / count as f64 + most + 1e-9);
                // A stretch: it begins and ends once.
                prop_assert!(shard.windows(2).filter(|pair| pair[0] != pair[1]).count() <= 2);
            }
        }
    }

    #[test]
    fn a_checkpoint_is_loaded_by_few() {
        // Eighteen checkpoints of thirteen languages, the source as dear as three others.
        let languages: Vec<f64> = (0..13).map(|language| if language == 0 { 3.0 } else { 1.0 }).collect();
        let costs: Vec<f64> = (0..18).flat_map(|_| languages.clone()).collect();
        let loads = |count: usize| -> usize {
            (0..count)
                .map(|index| {
                    let takes = Shard { index, count }.takes(&costs);
                    takes.chunks(languages.len()).filter(|checkpoint| checkpoint.contains(&true)).count()
                })
                .sum()
        };
        assert_eq!(loads(1), 18);
        assert!((2..=12).all(|count| loads(count) < 18 + count), "{}", loads(8));
        assert_eq!(loads(6), 18);
    }

    #[test]
    fn shards_are_read_and_nonsense_is_refused() {
        for text in ["", "1", "1/0", "0/2", "3/2", "a/b", "1/2/3", "-1/2"] {
            assert!(text.parse::<Shard>().unwrap_err().to_string().contains("such as 2/4"), "{text}");
        }
        assert_eq!("1/1".parse::<Shard>().unwrap().takes(&[0.0, 0.0]), [true, true]);
    }
}
