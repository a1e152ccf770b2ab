use crate::activations::{Activations, Store};
use crate::treebank::Word;
use crate::{Error, Result, Site};
use ndarray::{Array2, Axis};

/// The activations of a language's words, wherever they lie.
pub(super) trait Rows: Sync {
    /// The words, in the order of the rows.
    fn words(&self) -> &[Word];

    /// A copy of some rows of a site, `[rows.len(), n_neurons]`.
    fn rows(&self, site: Site, rows: &[usize]) -> Result<Array2<f32>>;
}

impl Rows for Activations {
    fn words(&self) -> &[Word] {
        Activations::words(self)
    }

    fn rows(&self, site: Site, rows: &[usize]) -> Result<Array2<f32>> {
        let matrix = self.site(site)?;
        match rows.iter().find(|row| **row >= matrix.nrows()) {
            Some(row) => Err(Error::parameter("row", format!("below {}", matrix.nrows()), row)),
            None => Ok(matrix.select(Axis(0), rows)),
        }
    }
}

/// Activations on disk, of which only the rows that a cell needs come into memory.
pub(super) struct Stored {
    store: Store,
    words: Vec<Word>,
}

impl Stored {
    pub fn new(store: Store) -> Result<Self> {
        Ok(Stored { words: store.words()?, store })
    }
}

impl Rows for Stored {
    fn words(&self) -> &[Word] {
        &self.words
    }

    fn rows(&self, site: Site, rows: &[usize]) -> Result<Array2<f32>> {
        self.store.select(site, rows)
    }
}
