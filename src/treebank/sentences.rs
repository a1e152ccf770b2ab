//! Sentences one at a time, from memory or from files.

use super::provenance::names;
use super::words::Builder;
use super::{conllu, Counts, ReadSettings, Scheme, Source, Treebank, Word};
use crate::Result;
use std::path::PathBuf;

/// Sentences of one language, in order and as often as they are asked for: a [`Treebank`] in memory, or
/// [`TreebankFiles`], which are read anew each time and of which a sentence at a time is in memory.
pub trait Sentences: Sync {
    /// The language's ISO 639-1 code.
    fn language(&self) -> &str;

    /// How the words' attributes are named.
    fn scheme(&self) -> Scheme;

    /// Calls `visit` with the words of each sentence, in order, until it fails.
    ///
    /// # Errors
    /// What `visit` returns; where there are files, what reading them may return.
    fn visit(&self, visit: &mut dyn FnMut(&[Word]) -> Result<()>) -> Result<()>;
}

impl Sentences for Treebank {
    fn language(&self) -> &str {
        &self.language
    }

    fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn visit(&self, visit: &mut dyn FnMut(&[Word]) -> Result<()>) -> Result<()> {
        self.sentences().try_for_each(visit)
    }
}

/// A language's CoNLL-U files, pooled, read a sentence at a time: what [`Treebank`] holds, in memory that does not grow
/// with the number of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreebankFiles {
    language: String,
    paths: Vec<PathBuf>,
    settings: ReadSettings,
}

impl TreebankFiles {
    /// The files of a source, which are not opened yet.
    pub fn new(source: &Source, settings: &ReadSettings) -> Self {
        TreebankFiles { language: source.language.clone(), paths: source.files.clone(), settings: *settings }
    }

    /// As [`Sentences::visit`]; returns what was read and what was left out. Of memory, the counts take more where there
    /// are more features that are not mapped.
    ///
    /// # Errors
    /// As [`Treebank::read_with`], but files without words are none.
    pub fn visit_counting(&self, visit: &mut dyn FnMut(&[Word]) -> Result<()>) -> Result<Counts> {
        self.visit_all(visit, true)
    }

    fn visit_all(&self, visit: &mut dyn FnMut(&[Word]) -> Result<()>, counts_pairs: bool) -> Result<Counts> {
        let mut builder = Builder::new(&self.language, &self.settings, counts_pairs);
        for (path, name) in self.paths.iter().zip(names(&self.paths)) {
            builder.open(name);
            builder.visit_all(conllu::open(path)?, visit)?;
        }
        Ok(builder.finish().counts)
    }
}

impl Sentences for TreebankFiles {
    fn language(&self) -> &str {
        &self.language
    }

    fn scheme(&self) -> Scheme {
        self.settings.scheme
    }

    /// # Errors
    /// As [`Treebank::read_with`], but files without words are none.
    fn visit(&self, visit: &mut dyn FnMut(&[Word]) -> Result<()>) -> Result<()> {
        let skipped = self.visit_all(visit, false)?.skipped_sentences;
        if skipped > 0 {
            tracing::warn!("skipped {skipped} defective sentences of the treebank of `{}`", self.language);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use std::path::Path;

    #[test]
    fn files_give_the_sentences_that_a_treebank_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/treebanks");
        let source = Source::new("qa", [folder.join("qa.conllu"), folder.join("qb.conllu")]).unwrap();
        for multiword in [super::super::Multiword::Surface, super::super::Multiword::Parts] {
            let settings = ReadSettings { multiword, scheme: Scheme::Unimorph, ..ReadSettings::default() };
            let treebank = Treebank::read_with("qa", &source.files, &settings).unwrap();
            let files = TreebankFiles::new(&source, &settings);
            for _ in 0..2 {
                let mut expected = treebank.sentences();
                files
                    .visit(&mut |words| {
                        assert_eq!(Some(words), expected.next());
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(expected.next(), None);
            }
            assert_eq!((files.language(), files.scheme()), (treebank.language(), treebank.scheme()));
        }
    }

    #[test]
    fn a_visitor_ends_the_visit() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/treebanks");
        let source = Source::new("qa", [folder.join("qa.conllu")]).unwrap();
        let mut seen = 0;
        let ended = TreebankFiles::new(&source, &ReadSettings::default()).visit(&mut |_| {
            seen += 1;
            if seen == 3 {
                Err(Error::Data("enough".into()))
            } else {
                Ok(())
            }
        });
        assert_eq!((ended.unwrap_err().to_string().as_str(), seen), ("enough", 3));
    }
}
