//! Series on the Hub: steps from revisions, tokenizers from where they are.

use super::api::{no_revision, Revision};
use super::error::{HubError, HubErrorKind as Kind};
use super::remote::{Remote, TOKENIZER};
use super::{Hub, Repository, MAIN};
use crate::checkpoint::series::tokenizer_on_disk;
use crate::checkpoint::{Checkpoint, Series, SeriesSettings, Step};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How many names a message gives.
const NAMES: usize = 8;

impl Hub {
    /// The series of a repository, a revision a step: those that fit `settings.revisions`, or of them `settings.steps`, and
    /// `settings.released` as step `final`. A repository with a revision of its own (`OWNER/NAME@REVISION`) is a series of one.
    ///
    /// Resolves all revisions, and fetches configurations and tokenizers; weights come with [`Series::in_turn`]. Revisions
    /// whose weights are the same files are told of as a warning.
    ///
    /// # Errors
    /// [`Error::Hub`] if anything of that fails, if no revision fits, or if a step has none; as [`Checkpoint::open`] for a
    /// released model on disk.
    pub fn series(&self, repository: &Repository, settings: &SeriesSettings) -> Result<Series> {
        let mut fallback = Fallback::new(self, repository, settings);
        let mut checkpoints = Vec::new();
        if repository.revision().is_some() {
            checkpoints.push(self.checkpoint(repository, settings)?);
        } else {
            for (step, revision) in self.steps(repository, settings)? {
                self.record(repository, &revision.name, &revision.commit);
                checkpoints.push(self.at(repository, &revision.commit, step, &mut fallback)?);
            }
        }
        if let Some(released) = &settings.released {
            if settings.steps.is_empty() || settings.steps.contains(&Step::Final) {
                checkpoints.push(self.released(released, settings, &mut fallback)?);
            }
        }
        warn_of_the_same(&checkpoints);
        let series = Series::new(repository.model().to_string(), checkpoints, settings.evict)?;
        match settings.steps.is_empty() {
            true => Ok(series),
            false => series.select(&settings.steps),
        }
    }

    /// The checkpoint of a repository's revision, or of `main`, with its weights still to be fetched
    /// ([`Checkpoint::fetch`]). A revision that fits `settings.revisions` has its step, any other is `final`.
    ///
    /// # Errors
    /// [`Error::Hub`] if it cannot be had, or is no model.
    pub fn checkpoint(&self, repository: &Repository, settings: &SeriesSettings) -> Result<Checkpoint> {
        let commit = self.resolve(repository)?;
        let step = repository.revision().and_then(|revision| settings.revisions.step(revision)).unwrap_or(Step::Final);
        self.at(repository, &commit, step, &mut Fallback::new(self, repository, settings))
    }

    /// `tokenizer.json` of a repository's revision, or of `main`.
    ///
    /// # Errors
    /// [`Error::Hub`] if the repository has none or it cannot be fetched.
    pub fn tokenizer(&self, repository: &Repository) -> Result<PathBuf> {
        let commit = self.resolve(repository)?;
        self.tokenizer_of(repository, &commit)?.ok_or_else(|| {
            if self.0.settings.offline {
                return self.offline(repository, "lacks its `tokenizer.json`").into();
            }
            HubError::new(Kind::FileNotFound, repository, "holds no `tokenizer.json`; name another tokenizer").into()
        })
    }

    fn tokenizer_of(&self, repository: &Repository, commit: &str) -> Result<Option<PathBuf>> {
        let path = self.snapshot(repository, commit).join(TOKENIZER);
        if path.is_file() {
            return Ok(Some(path));
        }
        if self.0.settings.offline {
            return Ok(None);
        }
        let files = self.files(repository, commit)?;
        files.iter().find(|file| file.path == TOKENIZER).map(|file| self.fetch(repository, commit, file)).transpose()
    }

    fn at(&self, repository: &Repository, commit: &str, step: Step, fallback: &mut Fallback<'_>) -> Result<Checkpoint> {
        let remote = Remote::open(self, repository, commit)?;
        let tokenizer = match remote.dir().join(TOKENIZER).is_file() {
            true => None,
            false => fallback.get()?,
        };
        Ok(Checkpoint::on_hub(repository.model(), step, tokenizer, remote))
    }

    /// The released model: a folder or a repository.
    fn released(&self, place: &str, settings: &SeriesSettings, fallback: &mut Fallback<'_>) -> Result<Checkpoint> {
        match place.parse::<Repository>() {
            Ok(repository) if !std::path::Path::new(place).exists() => {
                let commit = self.resolve(&repository)?;
                self.at(&repository, &commit, Step::Final, fallback)
            }
            _ => Checkpoint::open(place)?.into_final(&settings.tokenizer),
        }
    }

    /// The revisions to take, by step.
    fn steps(&self, repository: &Repository, settings: &SeriesSettings) -> Result<BTreeMap<Step, Revision>> {
        let known = self.revisions(repository)?;
        let pattern = &settings.revisions;
        let mut steps: BTreeMap<Step, Revision> = BTreeMap::new();
        for revision in &known {
            let Some(step) = pattern.step(&revision.name) else { continue };
            // Branches come first, and a branch is what the name of both means.
            let taken = steps.entry(step).or_insert_with(|| revision.clone());
            if taken.commit != revision.commit {
                tracing::warn!(
                    "{}: `{}` is a branch and another tag; the branch is taken",
                    repository.id(),
                    revision.name
                );
            }
        }
        if settings.steps.is_empty() {
            if steps.is_empty() {
                return Err(self.nothing_fits(repository, settings, &known).into());
            }
            return Ok(steps);
        }
        let names: Vec<&str> = known.iter().map(|revision| revision.name.as_str()).collect();
        let mut taken = BTreeMap::new();
        for step in &settings.steps {
            match (step, steps.remove_entry(step)) {
                (_, Some((step, revision))) => {
                    taken.insert(step, revision);
                }
                // Given twice.
                (_, None) if taken.contains_key(step) => {}
                (Step::Final, None) if settings.released.is_some() => {}
                (Step::Final, None) => {
                    let expected = "with the repository of the released model beside it (`released`)";
                    return Err(Error::parameter("the step final", expected, "without"));
                }
                (Step::Number(_), None) if self.0.settings.offline => {
                    let lacks = format!("has no record of step {step}");
                    return Err(self.offline(repository, &lacks).into());
                }
                (Step::Number(number), None) => {
                    return Err(no_revision(repository, &pattern.revision(*number), &names).into());
                }
            }
        }
        Ok(taken)
    }

    fn nothing_fits(&self, repository: &Repository, settings: &SeriesSettings, known: &[Revision]) -> HubError {
        let pattern = &settings.revisions;
        if self.0.settings.offline {
            return self.offline(repository, &format!("has no record of a revision `{pattern}`"));
        }
        let mut names: Vec<&str> = known.iter().map(|revision| revision.name.as_str()).take(NAMES).collect();
        if known.len() > NAMES {
            names.push("...");
        }
        let id = repository.id();
        let message = format!(
            "has no revision `{pattern}`, only {}; name the pattern of its revisions, or one revision as {id}@REVISION",
            names.join(", ")
        );
        HubError::new(Kind::RevisionNotFound, id, message)
    }
}

/// The tokenizer of checkpoints that have none, looked for when the first one asks: in the repository's main revision, else
/// where the user says.
struct Fallback<'a> {
    hub: &'a Hub,
    repository: &'a Repository,
    settings: &'a SeriesSettings,
    found: Option<Option<PathBuf>>,
}

impl<'a> Fallback<'a> {
    fn new(hub: &'a Hub, repository: &'a Repository, settings: &'a SeriesSettings) -> Self {
        Fallback { hub, repository, settings, found: None }
    }

    fn get(&mut self) -> Result<Option<PathBuf>> {
        if let Some(found) = &self.found {
            return Ok(found.clone());
        }
        let found = match self.of_main()? {
            Some(found) => Some(found),
            None => self.settings.tokenizer.as_deref().map(|place| self.named(place)).transpose()?,
        };
        self.found = Some(found.clone());
        Ok(found)
    }

    fn of_main(&self) -> Result<Option<PathBuf>> {
        let main = self.repository.at(MAIN)?;
        match self.hub.resolve(&main) {
            Ok(commit) => self.hub.tokenizer_of(self.repository, &commit),
            // Not every repository has a main revision, nor every cache a record of it.
            Err(Error::Hub(error)) if matches!(error.kind(), Kind::RevisionNotFound | Kind::Offline) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn named(&self, place: &str) -> Result<PathBuf> {
        match place.parse::<Repository>() {
            Ok(repository) if !std::path::Path::new(place).exists() => self.hub.tokenizer(&repository),
            _ => tokenizer_on_disk(std::path::Path::new(place)),
        }
    }
}

/// Warns of steps that have the same weights to the byte: uploads under a wrong name. The released model may well be the last step.
fn warn_of_the_same(checkpoints: &[Checkpoint]) {
    let mut steps: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for checkpoint in checkpoints {
        if let Some(remote) = checkpoint.remote().filter(|_| checkpoint.step() != Step::Final) {
            steps.entry(remote.hashes()).or_default().push(checkpoint.step().to_string());
        }
    }
    for (hashes, same) in steps {
        if !hashes.is_empty() && same.len() > 1 {
            let model = checkpoints.first().map(Checkpoint::model).unwrap_or_default();
            tracing::warn!(
                "{model}: the steps {} have the same weights; one of the uploads is mistaken",
                same.join(", ")
            );
        }
    }
}
