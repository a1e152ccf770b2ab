//! A file from the Hub into the cache: taken up where it broke off, checked, then named.

use super::api::RemoteFile;
use super::cache::make_parent;
use super::client::{text, Answer, Failure, Target};
use super::error::{HubError, HubErrorKind as Kind};
use super::url::quote;
use super::{Hub, Repository};
use crate::{Error, Result};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const CHUNK: usize = 1 << 20;
/// Fetching such a file is worth a line in the log.
const TELL_FROM: u64 = 10_000_000;

impl Hub {
    /// Puts a commit's file into the cache; whether anything was fetched for it.
    pub(super) fn download(
        &self,
        repository: &Repository,
        commit: &str,
        file: &RemoteFile,
        stop: &AtomicBool,
    ) -> Result<bool> {
        let cache = &self.0.cache;
        let pointer = self.snapshot(repository, commit).join(&file.path);
        if has_size(&pointer, file.size) {
            return Ok(false);
        }
        let _lock = cache.lock(repository, &file.hash, stop)?;
        let blob = cache.blob(repository, &file.hash);
        let fetch = !has_size(&blob, file.size);
        if fetch {
            if self.0.settings.offline {
                return Err(self.offline(repository, &format!("lacks `{}`", file.path)).into());
            }
            make_parent(&blob)?;
            let incomplete = cache.incomplete(repository, &file.hash);
            self.fetch_blob(repository, commit, file, &incomplete, stop)?;
            fs::rename(&incomplete, &blob).map_err(Error::io(&blob, "rename to"))?;
        }
        cache.link(repository, commit, file)?;
        Ok(fetch)
    }

    /// Fetches the rest of `incomplete` and checks the whole.
    fn fetch_blob(
        &self,
        repository: &Repository,
        commit: &str,
        file: &RemoteFile,
        incomplete: &Path,
        stop: &AtomicBool,
    ) -> Result<()> {
        let target = Target { repository: repository.id(), revision: Some(commit), file: Some(&file.path) };
        let client = &self.0.client;
        let url = format!("{}/{}/resolve/{commit}/{}", client.endpoint(), repository.id(), quote(&file.path, "/"));
        let start = Instant::now();
        if file.size >= TELL_FROM {
            tracing::info!("{target}: fetching {}", super::room::bytes(file.size));
        }
        let (mut attempt, mut most) = (0, length(incomplete));
        let mut again = true;
        loop {
            let failure = match self.fetch_rest(&url, commit, file, incomplete, target, stop) {
                Ok(()) => match check(incomplete, file)? {
                    None => break,
                    Some(difference) => {
                        remove(incomplete)?;
                        if !std::mem::take(&mut again) {
                            let message = format!(
                                "does not arrive as listed: {difference}; try later, or check mirrors and proxies on the way"
                            );
                            return Err(HubError::new(Kind::Corrupt, target, message).into());
                        }
                        most = 0;
                        Failure::Passing { reason: format!("does not arrive as listed: {difference}"), asked: None }
                    }
                },
                Err(failure) => failure,
            };
            let have = length(incomplete);
            if have > most {
                (most, attempt) = (have, 0);
            }
            client.pause(failure, &mut attempt, target, stop)?;
        }
        if file.size >= TELL_FROM {
            tracing::info!("{target}: fetched in {:.0} s", start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// One attempt: appends to `incomplete` what it lacks.
    fn fetch_rest(
        &self,
        url: &str,
        commit: &str,
        file: &RemoteFile,
        incomplete: &Path,
        target: Target<'_>,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        let mut have = length(incomplete);
        if have > file.size {
            have = 0;
        }
        let lasting = Failure::Lasting;
        if have == file.size && have > 0 {
            return Ok(());
        }
        let Answer { response, linked } = self.0.client.once(url, (have > 0).then_some(have), target)?;
        if linked.commit.as_ref().is_some_and(|answered| answered != commit) {
            let message = format!("the Hub answers with another commit, {}", linked.commit.unwrap_or_default());
            return Err(HubError::new(Kind::Answer, target, message).into());
        }
        if let Some(other) = linked.sha256.filter(|sha256| file.is_large() && *sha256 != file.hash) {
            let message = format!("has SHA-256 {other} where the repository's listing says {}", file.hash);
            return Err(HubError::new(Kind::Corrupt, target, message).into());
        }
        match response.status().as_u16() {
            206 => {
                let range = text(response.headers(), "content-range").unwrap_or_default();
                if !range.starts_with(&format!("bytes {have}-")) {
                    remove(incomplete).map_err(lasting)?;
                    let reason =
                        format!("the server sends the range `{range}` where bytes from {have} on were asked for");
                    return Err(Failure::Passing { reason, asked: None });
                }
            }
            416 => {
                remove(incomplete).map_err(lasting)?;
                let reason = format!("the server has nothing from byte {have} on");
                return Err(Failure::Passing { reason, asked: None });
            }
            // The whole file, whatever was asked for.
            _ => have = 0,
        }
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        // In a cache that others write to, no link of theirs decides which file is written.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        let out = options.open(incomplete);
        let mut out = out
            .and_then(|out| out.set_len(have).map(|()| out))
            .map_err(Error::io(incomplete, "write"))
            .map_err(lasting)?;
        std::io::Seek::seek(&mut out, std::io::SeekFrom::Start(have))
            .map_err(Error::io(incomplete, "write"))
            .map_err(lasting)?;
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(HubError::new(Kind::Stopped, target, "was stopped").into());
            }
            let read = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => {
                    let reason = format!("broke off after {have} of {} bytes ({error})", file.size);
                    return Err(Failure::Passing { reason, asked: None });
                }
            };
            have += read as u64;
            if have > file.size {
                remove(incomplete).map_err(lasting)?;
                let message = format!("is longer than the {} bytes of the repository's listing; try later, or check mirrors and proxies on the way", file.size);
                return Err(HubError::new(Kind::Corrupt, target, message).into());
            }
            let bytes = chunk.get(..read).unwrap_or_default();
            out.write_all(bytes).map_err(Error::io(incomplete, "write")).map_err(lasting)?;
        }
        if have < file.size {
            let reason = format!("ended after {have} of {} bytes", file.size);
            return Err(Failure::Passing { reason, asked: None });
        }
        out.sync_all().map_err(Error::io(incomplete, "write")).map_err(lasting)
    }
}

/// How the file differs from what the listing says, or `None`.
fn check(path: &Path, file: &RemoteFile) -> Result<Option<String>> {
    let size = length(path);
    if size != file.size {
        return Ok(Some(format!("{size} bytes where the listing says {}", file.size)));
    }
    let (name, hash) = match file.is_large() {
        true => ("SHA-256", hash_of(Sha256::new(), path)?),
        // Git hashes the length along.
        false => ("git's hash", hash_of(Sha1::new_with_prefix(format!("blob {size}\0")), path)?),
    };
    Ok((hash != file.hash).then(|| format!("{name} {hash} where the listing says {}", file.hash)))
}

fn hash_of<D: Digest>(mut hash: D, path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk).map_err(Error::io(path, "read"))?;
        match chunk.get(..read) {
            None | Some([]) => break,
            Some(bytes) => hash.update(bytes),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

fn has_size(path: &Path, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == size)
}

/// Deletes a file, unless it is not there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, "delete")(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```sh
    /// printf 'hello\n' | sha256sum; printf 'hello\n' | git hash-object --stdin; printf '' | git hash-object --stdin
    /// ```
    #[test]
    fn hashes_are_those_of_the_listing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hello");
        fs::write(&path, "hello\n").unwrap();
        let check =
            |size, hash: &str| check(&path, &RemoteFile { path: "hello".into(), size, hash: hash.into() }).unwrap();
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(check(6, sha256), None);
        assert_eq!(check(6, git), None);
        assert!(check(7, git).unwrap().contains("6 bytes"));
        assert!(check(6, &sha256.replace('5', "6")).unwrap().contains("SHA-256 5891b5"));
        assert!(check(6, &git.replace('c', "d")).unwrap().contains("git's hash ce0136"));
        fs::write(&path, "").unwrap();
        assert_eq!(check_empty(&path), None);
    }

    fn check_empty(path: &Path) -> Option<String> {
        let hash = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391".to_string();
        check(path, &RemoteFile { path: "hello".into(), size: 0, hash }).unwrap()
    }
}
