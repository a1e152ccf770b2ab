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
    /// How many units have a subword at each place. At the first, all.
    counts: Vec<usize>,
    /// The inverse of each unit's number of pooled subwords.
    inverse: Vec<f32>,
}

impl Plan {
    pub(super) fn new(jobs: &[Job], pooling: Pooling) -> Self {
        let mut places: Vec<(Vec<i64>, Vec<i64>)> = vec![Default::default()];
        let mut inverse: Vec<f32> = Vec::new();
        let mut start = 0;
        for job in jobs {
            for range in &job.pooled {
                let range = match pooling {
                    Pooling::Mean => range.clone(),
                    Pooling::First => range.start..range.start + 1,
                    Pooling::Last => range.end - 1..range.end,
                };
                places.resize(places.len().max(range.len()), Default::default());
                for (position, (units, positions)) in range.clone().zip(&mut places) {
                    units.push(inverse.len() as i64);
                    positions.push((start + position) as i64);
                }
                inverse.push(1.0 / range.len() as f32);
            }
            start += job.ids.len();
        }
        let counts = places.iter().map(|(units, _)| units.len()).collect();
        let indices = places.into_iter().flat_map(|(units, positions)| units.into_iter().chain(positions)).collect();
        Plan { indices, counts, inverse }
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
        Ok(Pool { places: places?, inverse })
    }
}

/// Pools on the device, so that only units' rows are copied to the host.
///
/// The mean adds second subwords to first ones, then third ones, ...: in each addition a unit comes once, so that sums on a
/// GPU, where additions to one place come in no fixed order, have the same bits every time.
#[derive(Debug)]
pub(super) struct Pool {
    places: Vec<(Tensor, Tensor)>,
    inverse: Tensor,
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
        Ok(match sums.device() {
            Device::Cpu => sums,
            _ => sums.f_internal_to_copy((Kind::Float, Device::Cpu), true)?,
        })
    }
}
