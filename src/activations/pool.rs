//! From subwords' states to rows, on the model's device.

use super::batches::Job;
use super::Pooling;
use crate::Result;
use tch::{Device, Kind, Tensor};

/// Which subwords each unit (a word, or a sentence) takes, still on the host.
#[derive(Debug)]
pub(super) struct Plan {
    /// For each place in a unit the units that have a subword there, and then these subwords' positions in the batch; all
    /// places one after the other, so that one copy brings them to the device.
    indices: Vec<i64>,
    /// How many units have a subword at each place. At the first, all; at others, those that are not long.
    counts: Vec<usize>,
    /// Long units, then the positions of all their subwords.
    long: Vec<i64>,
    /// The long units' numbers of subwords.
    long_lengths: Vec<i64>,
    /// The inverse of each unit's number of pooled subwords.
    inverse: Vec<f32>,
}

impl Plan {
    /// Units of more than `longest` subwords are long.
    pub(super) fn new(jobs: &[Job], pooling: Pooling, longest: usize) -> Self {
        let mut places: Vec<(Vec<i64>, Vec<i64>)> = vec![Default::default()];
        let (mut long, mut long_positions, mut long_lengths) = (Vec::new(), Vec::new(), Vec::new());
        let mut inverse: Vec<f32> = Vec::new();
        let mut start = 0;
        for job in jobs {
            for range in &job.pooled {
                let range = match pooling {
                    Pooling::Mean => range.clone(),
                    Pooling::First => range.start..range.start + 1,
                    Pooling::Last => range.end - 1..range.end,
                };
                let is_long = range.len() > longest;
                if is_long {
                    long.push(inverse.len() as i64);
                    long_positions.extend(range.clone().map(|position| (start + position) as i64));
                    long_lengths.push(range.len() as i64);
                } else {
                    places.resize(places.len().max(range.len()), Default::default());
                }
                let taken = if is_long { 1 } else { range.len() };
                for (position, (units, positions)) in range.clone().zip(places.iter_mut().take(taken)) {
                    units.push(inverse.len() as i64);
                    positions.push((start + position) as i64);
                }
                inverse.push(1.0 / range.len() as f32);
            }
            start += job.ids.len();
        }
        let counts = places.iter().map(|(units, _)| units.len()).collect();
        let indices = places.into_iter().flat_map(|(units, positions)| units.into_iter().chain(positions)).collect();
        long.extend(long_positions);
        Plan { indices, counts, long, long_lengths, inverse }
    }

    /// The plan on the device.
    pub(super) fn to(&self, device: Device) -> Result<Pool> {
        let indices = Tensor::f_from_slice(&self.indices)?.f_to(device)?;
        let mut start = 0;
        let mut next = |count: usize| {
            let part = indices.f_narrow(0, start, count as i64);
            start += count as i64;
            part
        };
        let places: Result<Vec<_>, tch::TchError> = self.counts.iter().map(|n| Ok((next(*n)?, next(*n)?))).collect();
        let inverse = Tensor::f_from_slice(&self.inverse)?.f_view([-1, 1])?.f_to(device)?;
        let long = match self.long_lengths.len() {
            0 => None,
            count => {
                let both = Tensor::f_from_slice(&self.long)?.f_to(device)?;
                let positions = (self.long.len() - count) as i64;
                let lengths = Tensor::f_from_slice(&self.long_lengths)?.f_to(device)?;
                let units = both.f_narrow(0, 0, count as i64)?;
                Some(Long { units, positions: both.f_narrow(0, count as i64, positions)?, lengths })
            }
        };
        Ok(Pool { places: places?, inverse, long })
    }
}

/// Pools on the device, so that only units' rows are copied to the host.
///
/// The mean adds second subwords to first ones, then third ones, ...: in each addition a unit comes once, so that sums on a
/// GPU, where additions to one place come in no fixed order, have the same bits every time. One addition more for all units since one is of
/// a hundred subwords is nothing on a processor, but to a GPU each is a few launches: there, long units are reduced by themselves.
#[derive(Debug)]
pub(super) struct Pool {
    places: Vec<(Tensor, Tensor)>,
    inverse: Tensor,
    long: Option<Long>,
}

#[derive(Debug)]
struct Long {
    units: Tensor,
    positions: Tensor,
    lengths: Tensor,
}

/// Units of more subwords are long on `device`.
pub(super) fn longest(device: Device) -> usize {
    match device {
        Device::Cpu => usize::MAX,
        _ => 8,
    }
}

impl Pool {
    /// `[tokens, n_neurons]` to `[units, n_neurons]`, float32 on the host. From a GPU the copy goes into pinned memory and is
    /// only queued: the rows are there once the device has done what it was given.
    pub(super) fn apply(&self, states: &Tensor) -> Result<Tensor> {
        let (_, width) = states.size2()?;
        let mut places = self.places.iter();
        let mut sums = match places.next() {
            Some((_, positions)) => states.f_index_select(0, positions)?.f_to_kind(Kind::Float)?,
            None => Tensor::f_zeros([0, width], (Kind::Float, states.device()))?,
        };
        for (units, positions) in places {
            let subwords = states.f_index_select(0, positions)?.f_to_kind(Kind::Float)?;
            sums = sums.f_index_add_(0, units, &subwords)?;
        }
        if self.places.len() > 1 {
            sums = sums.f_mul_(&self.inverse)?;
        }
        if let Some(Long { units, positions, lengths }) = &self.long {
            let subwords = states.f_index_select(0, positions)?.f_to_kind(Kind::Float)?;
            let none = None::<&Tensor>;
            let means = Tensor::f_segment_reduce(&subwords, "mean", Some(lengths), none, none, 0, false, 0.0)?;
            sums = sums.f_index_copy_(0, units, &means)?;
        }
        Ok(match sums.device() {
            Device::Cpu => sums,
            _ => sums.f_internal_to_copy((Kind::Float, Device::Cpu), true)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    #[test]
    fn means_are_those_of_a_plain_loop_whatever_counts_as_long() {
        let ranges: [&[Range<usize>]; 3] = [&[0..1, 1..4], &[0..11, 4..6], &[2..5, 0..3, 1..2]];
        let lengths = [5, 12, 6];
        let tokens: usize = lengths.iter().sum();
        let states = Tensor::arange(tokens as i64 * 4, (Kind::Float, Device::Cpu)).sin().view([tokens as i64, 4]);
        let jobs: Vec<Job> = ranges
            .iter()
            .zip(lengths)
            .map(|(pooled, length)| Job { ids: vec![0; length], first_row: 0, pooled: pooled.to_vec() })
            .collect();
        let starts = [0, 5, 17];
        let mut expected = Vec::new();
        for (ranges, start) in ranges.iter().zip(starts) {
            for range in ranges.iter() {
                let part = states.narrow(0, (start + range.start) as i64, range.len() as i64);
                expected.push(part.mean_dim(0, false, Kind::Double).to_kind(Kind::Float));
            }
        }
        let expected = Tensor::stack(&expected, 0);
        for longest in [0, 1, 2, 3, 10, 11, usize::MAX] {
            let pool = Plan::new(&jobs, Pooling::Mean, longest).to(Device::Cpu).unwrap();
            let worst = (pool.apply(&states).unwrap() - &expected).abs().max().double_value(&[]);
            assert!(worst < 1e-6, "{longest}: {worst}");
        }
    }
}
