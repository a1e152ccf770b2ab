use crate::{Error, Result};
use tch::{Device, Tensor};

/// Sentences packed end to end, without padding.
///
/// Attention works on groups of neighbours of like length, each padded to its longest: sorted by length, a batch wastes least.
///
/// # Examples
/// ```
/// let batch = isogloss::bloom::Batch::new(&[vec![5, 6], vec![7, 8], vec![9]])?;
/// assert_eq!((batch.tokens(), batch.lengths()), (5, &[2, 2, 1][..]));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    input_ids: Vec<i64>,
    lengths: Vec<usize>,
}

impl Batch {
    /// Packs sentences of token ids.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no sentence or one is empty.
    pub fn new<S: AsRef<[u32]>>(sentences: &[S]) -> Result<Self> {
        let lengths: Vec<usize> = sentences.iter().map(|s| s.as_ref().len()).collect();
        if lengths.is_empty() || lengths.contains(&0) {
            return Err(Error::Data("a batch needs at least one sentence, and each at least one token".into()));
        }
        let input_ids = sentences.iter().flat_map(|s| s.as_ref()).map(|id| i64::from(*id)).collect();
        Ok(Batch { input_ids, lengths })
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }

    /// The sentences' lengths in tokens.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The ids, `[tokens]`, sentence after sentence.
    pub fn input_ids(&self) -> &[i64] {
        &self.input_ids
    }

    pub(super) fn tensor(&self, device: Device) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&self.input_ids)?.f_to(device)?)
    }

    /// Cuts the sentences into groups of neighbours whose attention is computed together, all as long as the longest: a group
    /// takes the next sentence as long as what that wastes (in pairs of a query and a key) is at most `waste` of the pairs that
    /// count. Sentences of one length waste nothing.
    pub(super) fn groups(&self, waste: impl Fn(usize) -> usize) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut pairs = 0;
        let mut start = 0;
        for &length in &self.lengths {
            pairs += length * length;
            let joined = groups.last_mut().filter(|group| {
                let longest = group.longest.max(length);
                (group.lengths.len() + 1) * longest * longest <= pairs + waste(pairs)
            });
            match joined {
                Some(group) => {
                    group.longest = group.longest.max(length);
                    group.lengths.push(length);
                }
                None => {
                    pairs = length * length;
                    groups.push(Group { start, longest: length, lengths: vec![length] });
                }
            }
            start += length;
        }
        groups
    }
}

/// Neighbouring sentences, the first token and all lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) start: usize,
    pub(super) longest: usize,
    pub(super) lengths: Vec<usize>,
}

impl Group {
    /// Where the group's tokens lie in `[sentences x longest]`, and which token of the batch stands at each place of that (a
    /// sentence's first, where it has ended); `None` where that is as in the batch.
    pub(super) fn padding(&self) -> Option<(Vec<i64>, Vec<i64>)> {
        if self.lengths.iter().all(|length| *length == self.longest) {
            return None;
        }
        let (mut tokens, mut places) = (Vec::new(), Vec::new());
        let mut start = self.start;
        for length in &self.lengths {
            for i in 0..self.longest {
                if i < *length {
                    tokens.push(places.len() as i64);
                }
                places.push((start + if i < *length { i } else { 0 }) as i64);
            }
            start += length;
        }
        Some((tokens, places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lengths: &[usize]) -> Batch {
        Batch::new(&lengths.iter().map(|length| vec![0u32; *length]).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn groups_waste_no_more_than_they_may() {
        let lengths = |waste: usize| -> Vec<Vec<usize>> {
            let groups = batch(&[2, 2, 3, 5, 5, 4, 9]).groups(|_| waste);
            groups.into_iter().map(|group| group.lengths).collect()
        };
        assert_eq!(lengths(0), [vec![2, 2], vec![3], vec![5, 5], vec![4], vec![9]]);
        // 3 x 9 pairs for 2 x 4 + 9, and 3 x 25 for 2 x 25 + 16.
        assert_eq!(lengths(10), [vec![2, 2, 3], vec![5, 5, 4], vec![9]]);
        assert_eq!(lengths(9), [vec![2, 2], vec![3], vec![5, 5, 4], vec![9]]);
        assert_eq!(lengths(1000), [vec![2, 2, 3, 5, 5, 4, 9]]);
        let starts: Vec<usize> = batch(&[2, 2, 3, 5, 5, 4, 9]).groups(|_| 10).iter().map(|group| group.start).collect();
        assert_eq!(starts, [0, 7, 21]);
    }

    #[test]
    fn padding_goes_there_and_back() {
        let groups = batch(&[1, 3, 2]).groups(|_| 100);
        let (tokens, places) = groups[0].padding().unwrap();
        assert_eq!(places, [0, 0, 0, 1, 2, 3, 4, 5, 4]);
        assert_eq!(tokens.iter().map(|token| places[*token as usize]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(batch(&[3, 3]).groups(|_| 0)[0].padding(), None);
    }
}
