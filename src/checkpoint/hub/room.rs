//! What a series needs on disk, and whether it is there.

use super::error::{HubError, HubErrorKind as Kind};
use super::Remote;
use crate::checkpoint::Checkpoint;
use crate::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Bytes of a series on its way.
#[derive(Debug, PartialEq, Eq)]
struct Need {
    /// To fetch in all.
    fetch: u64,
    /// On disk at a time, at most, beyond what is there now.
    most: u64,
}

/// Tells the need of the checkpoints on the Hub, if asked to, and refuses what does not fit.
pub(in crate::checkpoint) fn check_room(checkpoints: &[Checkpoint], evict: bool, tell: bool) -> Result<()> {
    let remotes: Vec<&Remote> =
        checkpoints.iter().filter_map(|checkpoint| checkpoint.remote().map(AsRef::as_ref)).collect();
    let Some(first) = remotes.first() else { return Ok(()) };
    let lacking: Vec<BTreeMap<PathBuf, u64>> = remotes.iter().map(|remote| remote.lacking()).collect();
    let need = need(&lacking, evict);
    let model = checkpoints.first().map(Checkpoint::model).unwrap_or_default();
    let folder = first.cache_dir();
    if need.fetch == 0 {
        if tell {
            tracing::info!("{model}: all weights are in the cache {}", folder.display());
        }
        return Ok(());
    }
    let free = free(folder);
    let said = free.map_or_else(|| "an unknown amount is".to_string(), |free| format!("{} are", bytes(free)));
    let figures = format!(
        "{} to fetch for {} checkpoints, {} on disk at a time, in {}, where {said} free",
        bytes(need.fetch),
        remotes.iter().filter(|remote| !remote.is_fetched()).count(),
        bytes(need.most),
        folder.display()
    );
    if free.is_some_and(|free| free < need.most) {
        let cure = if evict { "" } else { ", delete weights after use (`evict`)" };
        let message =
            format!("{figures}: make room, take fewer steps{cure}, or set HF_HUB_CACHE to a folder elsewhere");
        return Err(HubError::new(Kind::NoRoom, model, message).into());
    }
    if tell {
        tracing::info!("{model}: {figures}");
    }
    Ok(())
}

/// The need of checkpoints that lack these blobs: each is fetched while the one before is in use, and with `evict` blobs go
/// after their last use. A blob of several checkpoints is there once.
fn need(lacking: &[BTreeMap<PathBuf, u64>], evict: bool) -> Need {
    let all: BTreeMap<&PathBuf, u64> = lacking.iter().flatten().map(|(blob, size)| (blob, *size)).collect();
    // A server may list sizes whose sum is beyond any disk.
    let sum = |sizes: &mut dyn Iterator<Item = &u64>| sizes.fold(0, |sum: u64, size| sum.saturating_add(*size));
    let fetch = sum(&mut all.values());
    if !evict {
        return Need { fetch, most: fetch };
    }
    let mut last: BTreeMap<&PathBuf, usize> = BTreeMap::new();
    for (i, blobs) in lacking.iter().enumerate() {
        last.extend(blobs.keys().map(|blob| (blob, i)));
    }
    let mut here: BTreeSet<&PathBuf> = BTreeSet::new();
    let mut most = 0;
    for i in 0..lacking.len() {
        here.extend(lacking.iter().skip(i).take(2).flat_map(BTreeMap::keys));
        most = most.max(sum(&mut here.iter().filter_map(|blob| all.get(blob))));
        here.retain(|blob| last.get(blob).is_some_and(|last| *last > i));
    }
    Need { fetch, most }
}

/// The bytes that may still be written to the disk of `folder`, which need not be there yet.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let there = std::path::absolute(folder).ok()?;
    let about = there.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    about.f_bavail.checked_mul(about.f_frsize)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

/// A number of bytes for reading: `1.1 GB`.
pub(super) fn bytes(count: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.iter().find(|(_, size)| count as f64 >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", count as f64 / size),
        None => format!("{count} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(of: &[(&str, u64)]) -> BTreeMap<PathBuf, u64> {
        of.iter().map(|(name, size)| (PathBuf::from(name), *size)).collect()
    }

    #[test]
    fn the_need_is_two_checkpoints_with_eviction_and_all_without() {
        let series = [blobs(&[("a", 5)]), blobs(&[("b", 7)]), blobs(&[]), blobs(&[("c", 9)]), blobs(&[("d", 1)])];
        assert_eq!(need(&series, false), Need { fetch: 22, most: 22 });
        // a and b; b alone; c alone; c and d.
        assert_eq!(need(&series, true), Need { fetch: 22, most: 12 });
        assert_eq!(need(&[], true), Need { fetch: 0, most: 0 });
    }

    #[test]
    fn shared_weights_count_once_and_stay_until_their_last_use() {
        let series = [blobs(&[("a", 5)]), blobs(&[("b", 7)]), blobs(&[("c", 3)]), blobs(&[("a", 5)])];
        assert_eq!(need(&series, false), Need { fetch: 15, most: 15 });
        // a stays while b and c come.
        assert_eq!(need(&series, true), Need { fetch: 15, most: 15 });
    }

    #[test]
    fn no_sizes_are_too_large_to_add() {
        let series = [blobs(&[("a", u64::MAX), ("b", 1 << 63)]), blobs(&[("c", 1 << 63)])];
        for evict in [false, true] {
            assert_eq!(need(&series, evict), Need { fetch: u64::MAX, most: u64::MAX });
        }
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!([bytes(999), bytes(1500), bytes(1_118_459_450)], ["999 bytes", "1.5 kB", "1.1 GB"]);
        assert!(free(Path::new("/")).is_some_and(|free| free > 0));
        assert!(free(Path::new("not/there/yet")).is_some());
    }
}
