//! How much memory a study takes, and how to take less.

use crate::Error;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A number of bytes, written `16 GiB`, `500 MB` or `2000000`.
///
/// # Examples
/// ```
/// use isogloss::study::Bytes;
/// assert_eq!("1.5 GiB".parse::<Bytes>()?.0, 3 << 29);
/// assert_eq!(Bytes(3 << 29).to_string(), "1.5 GiB");
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [(&str, f64); 8] = [
    ("TiB", (1u64 << 40) as f64),
    ("GiB", (1u64 << 30) as f64),
    ("MiB", (1u64 << 20) as f64),
    ("KiB", (1u64 << 10) as f64),
    ("TB", 1e12),
    ("GB", 1e9),
    ("MB", 1e6),
    ("kB", 1e3),
];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match UNITS.iter().take(4).find(|(_, size)| bytes >= *size) {
            Some((unit, size)) => {
                let text = format!("{:.1}", bytes / size);
                write!(f, "{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        let (number, size) = UNITS
            .iter()
            .find_map(|(unit, size)| Some((trimmed.strip_suffix(unit)?, *size)))
            .unwrap_or((trimmed.strip_suffix('B').unwrap_or(trimmed), 1.0));
        let bytes = number.trim().parse::<f64>().ok().map(|number| number * size);
        match bytes.filter(|bytes| (0.0..u64::MAX as f64).contains(bytes)) {
            Some(bytes) => Ok(Bytes(bytes as u64)),
            None => Err(Error::unknown("amount of memory", text, "a number with a unit, such as 16 GiB")),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Exactly what it is, where a rounded figure would not be.
        match self.to_string().parse::<Bytes>() {
            Ok(same) if same == *self => serializer.collect_str(self),
            _ => serializer.collect_str(&format_args!("{} B", self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Amount)
    }
}

/// Reads a text, or a plain number of bytes.
struct Amount;

impl de::Visitor<'_> for Amount {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of memory, such as \"16 GiB\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Bytes, E> {
        u64::try_from(bytes).map(Bytes).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }
}

/// What a study holds in memory at its peak, in bytes:
///
/// ```text
/// model + activations x (2 if extraction goes on while cells are probed, else 1) + probes + cells
/// ```
///
/// `model`: the blocks that the sites need, in the type it computes in (0 on a GPU). `activations`: the largest language's rows
/// at all sites, words x neurons x 4 a site, while they are below [`Needs::ON_DISK`]; above, they are on disk, and at most three shards are
/// in memory. `probes`: those of the source language at a checkpoint, where zero-shot transfer is measured. `cells`: those that are probed at once, each with three
/// copies of its rows, and its probe, which for the Gaussian one is a covariance a class; as many as there are threads, and with a
/// limit as many as fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The model.
    pub model: u64,
    /// The largest language's activations.
    pub activations: u64,
    /// A shard of what goes to disk.
    pub shard: u64,
    /// The source's probes at a checkpoint.
    pub probes: u64,
    /// The largest cell, at its widest site.
    pub cell: u64,
}

/// How a study keeps within a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whether the next language is extracted while one is probed.
    pub overlap: bool,
    /// How many cells are probed at once, at most.
    pub cells: usize,
    /// What they take together, at most, in bytes.
    pub bytes: u64,
}

impl Needs {
    /// Activations of a language that take more than this go to disk.
    pub const ON_DISK: u64 = 256 << 20;

    /// What one language's activations take in memory.
    fn rows(&self) -> u64 {
        if self.activations > Self::ON_DISK {
            self.activations.min(self.shard.saturating_mul(3).max(Self::ON_DISK))
        } else {
            self.activations
        }
    }

    /// All but the cells.
    fn beside(&self, overlap: bool) -> u64 {
        let rows = self.rows().saturating_mul(if overlap { 2 } else { 1 });
        self.model.saturating_add(rows).saturating_add(self.probes)
    }

    /// The peak.
    pub fn peak(&self, budget: Budget) -> u64 {
        let cells = self.cell.saturating_mul(budget.cells as u64);
        self.beside(budget.overlap).saturating_add(cells.min(budget.bytes))
    }

    /// What fits into `limit` with at most `threads` cells at once: less for cells before extraction waits for probing.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the figures if one cell alone does not fit.
    pub fn within(&self, limit: Option<Bytes>, threads: usize) -> Result<Budget, Error> {
        let cells = threads.max(1);
        let all = self.cell.saturating_mul(cells as u64);
        let Some(Bytes(limit)) = limit else { return Ok(Budget { overlap: true, cells, bytes: all }) };
        for overlap in [true, false] {
            let bytes = limit.saturating_sub(self.beside(overlap));
            let wanted = if overlap { self.cell.saturating_mul(cells.div_ceil(2) as u64) } else { self.cell };
            if bytes >= wanted && limit >= self.beside(overlap) {
                return Ok(Budget { overlap, cells, bytes });
            }
        }
        let least = self.beside(false).saturating_add(self.cell);
        let [model, rows, probes, cell, least] = [self.model, self.rows(), self.probes, self.cell, least].map(Bytes);
        Err(Error::parameter(
            "memory",
            format!(
                "{least} or more (the model {model}, a language's activations {rows}, the source's probes {probes}, a cell {cell})"
            ),
            Bytes(limit),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, bytes) in [("0", 0), ("17", 17), ("2 kB", 2000), ("1KiB", 1024), ("16 GiB", 16 << 30), ("3B", 3)] {
            assert_eq!(text.parse::<Bytes>().unwrap().0, bytes, "{text}");
        }
        for text in ["", "GiB", "-1", "much", "1 GiBit", "NaN", "inf"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for bytes in [0, 1023, 1 << 20, 3 << 29, 123_456_789_012] {
            let text = serde_json::to_string(&Bytes(bytes)).unwrap();
            assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap().0, bytes, "{text}");
        }
    }

    #[test]
    fn a_limit_takes_cells_first_then_overlap_and_then_refuses() {
        let needs = Needs { model: 90, activations: 50, probes: 10, cell: 10, shard: 512 << 20 };
        assert_eq!(needs.within(None, 8).unwrap(), Budget { overlap: true, cells: 8, bytes: 80 });
        let within = |limit| needs.within(Some(Bytes(limit)), 8);
        let budget = |overlap, bytes| Budget { overlap, cells: 8, bytes };
        assert_eq!(within(300).unwrap(), budget(true, 100));
        assert_eq!(needs.peak(within(300).unwrap()), 280);
        assert_eq!(within(245).unwrap(), budget(true, 45));
        assert_eq!(within(235).unwrap(), budget(false, 85));
        assert_eq!(within(160).unwrap(), budget(false, 10));
        let error = within(159).unwrap_err().to_string();
        assert!(error.contains("memory should be 160 B or more") && error.contains("a cell 10 B"), "{error}");
        for limit in 160..300 {
            assert!(needs.peak(within(limit).unwrap()) <= limit);
        }
        let large = Needs { activations: 100 << 30, ..needs };
        assert_eq!(large.peak(Budget { overlap: false, cells: 0, bytes: 0 }), 100 + 3 * (512 << 20));
    }
}
