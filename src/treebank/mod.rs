//! Treebanks: from CoNLL-U files to words with attributes, and lemma-disjoint splits of them.
//!
//! [`conllu`] reads the format; [`Treebank`] turns sentences into [`Word`]s whose [`Attributes`] follow a [`Scheme`]:
//! the features of Universal Dependencies as annotated, or UniMorph's dimensions, mapped after McCarthy et al. 2018;
//! [`split`] cuts the words that have an attribute into train, dev and test so that no lemma is in two of them, or by another
//! [`SplitMethod`]; [`Cells`] says of which attributes there are enough words.
//!
//! # Examples
//! ```no_run
//! use isogloss::treebank::{split, Scheme, SplitSettings, Treebank};
//! let treebank = Treebank::read("es", &["es_pud-ud-test.conllu".into()], Scheme::Unimorph)?;
//! let split = split(&treebank.words, "es", "Number", &SplitSettings::default(), 0)?;
//! assert_eq!(split.classes, ["PL", "SG"]);
//! # Ok::<(), isogloss::Error>(())
//! ```

mod attributes;
mod cells;
pub mod conllu;
mod multiword;
mod official;
mod provenance;
mod sentences;
mod source;
mod split;
mod unimorph;
mod words;

pub use attributes::{Attributes, Scheme};
pub use cells::{CellRow, Cells, ClassRow, UnmappedRow, ValueRow};
pub use multiword::Multiword;
pub use official::OfficialSplit;
pub use sentences::{Sentences, TreebankFiles};
pub use source::Source;
pub use split::{split, ClassBalance, NoCell, Part, Split, SplitMethod, SplitSettings};
pub use words::{Counts, ReadSettings, Treebank, Word};
