//! The source language's probes at a checkpoint, by which other languages are scored.

use super::keys::Keys;
use super::pack::Pack;
use super::{Plan, SourceProbe, SourceProbes, Study};
use crate::checkpoint::Checkpoint;
use crate::ranking::Cell;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// What is known of the source language's cells at a checkpoint.
#[derive(Default)]
pub(super) struct SourceCells {
    pub probes: SourceProbes,
    /// Whether an attribute and seed have words enough, where that is known.
    pub usable: BTreeMap<(String, u64), bool>,
}

impl SourceCells {
    /// The probe that a cell is scored by; `None` if the source has no such cell.
    pub fn of(&self, cell: &Cell) -> Result<Option<&SourceProbe>> {
        match self.usable.get(&(cell.attribute.clone(), cell.seed)) {
            Some(false) => Ok(None),
            Some(true) => {
                let probe = self.probes.get(&(cell.attribute.clone(), cell.site, cell.seed));
                let lost = "the source language's probe, which it would be scored by, could not be fitted";
                probe.map(Some).ok_or_else(|| Error::Data(lost.into()))
            }
            None => {
                Err(Error::Data("the source language, whose probes it would be scored by, could not be probed".into()))
            }
        }
    }
}

impl Plan {
    /// Whether other languages wait for this group, whose probes they are scored by.
    pub(super) fn waits(&self, group: usize) -> bool {
        self.given.is_none() && self.groups.get(group).is_some_and(|group| group.language == 0)
    }

    /// Whether the source lacks a probe that others are scored by.
    pub(super) fn needs_probes(&self, keys: &Keys, cells: &Pack, probes: &Pack) -> bool {
        let Study { attributes, sites, seeds, .. } = &self.study;
        let mut of_words = attributes.iter().flat_map(|attribute| seeds.iter().map(move |seed| (attribute, *seed)));
        of_words.any(|(attribute, seed)| match cells.size(&keys.words(attribute, seed)) {
            None => true,
            Some(0) => false,
            Some(_) => sites.iter().any(|site| !probes.contains(&keys.probe(attribute, *site, seed))),
        })
    }

    /// What an earlier run kept of the source language at a checkpoint.
    pub(super) fn read_source(&self, checkpoint: &Checkpoint, group: usize) -> Result<SourceCells> {
        let mut source = SourceCells::default();
        let index = self.groups.get(group).map_or(0, |group| group.checkpoint);
        let Some(keys) = self.keys(index, 0)? else { return Ok(source) };
        let name = self.language(0);
        let cells = Pack::read(self.file(checkpoint, name, "cells"))?;
        let probes = Pack::read(self.file(checkpoint, name, "probes"))?;
        for attribute in &self.study.attributes {
            for &seed in &self.study.seeds {
                if let Some(size) = cells.size(&keys.words(attribute, seed)) {
                    source.usable.insert((attribute.clone(), seed), size > 0);
                }
            }
        }
        self.add_kept(&keys, &probes, &mut source);
        Ok(source)
    }

    /// Adds probes that were kept.
    pub(super) fn add_kept(&self, keys: &Keys, probes: &Pack, source: &mut SourceCells) {
        for attribute in &self.study.attributes {
            for &seed in &self.study.seeds {
                for site in &self.study.sites {
                    let key = (attribute.clone(), *site, seed);
                    if !source.probes.contains_key(&key) {
                        let probe = probes.get::<SourceProbe>(&keys.probe(attribute, *site, seed));
                        source.probes.extend(probe.map(|probe| (key, probe)));
                    }
                }
            }
        }
    }
}
