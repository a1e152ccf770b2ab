//! Requests: where the token goes, which answers are tried again, and what the others mean.

use super::api::is_hash;
use super::error::{HubError, HubErrorKind as Kind};
use super::settings::{HubSettings, Retry, Token, ENDPOINT};
use super::url;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};
use ureq::http::{HeaderMap, Response};
use ureq::tls::{parse_pem, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// As many as browsers follow.
const MAX_REDIRECTS: usize = 20;
/// A listing of a thousand files has a few hundred kilobytes.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// The parts of a path that names a repository.
#[derive(Debug, PartialEq)]
struct Route<'a> {
    /// `/` or `/api/models/`.
    before: &'a str,
    /// Owner and name.
    name: &'a str,
    after: &'a str,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let before = if path.starts_with("/api/models/") { "/api/models/" } else { "/" };
        let rest = path.strip_prefix(before).filter(|rest| !rest.starts_with("api/"))?;
        let owner = rest.find('/')?;
        let name = rest.get(owner + 1..)?;
        let end = owner + 1 + name.find('/').unwrap_or(name.len());
        let (name, after) = rest.split_at_checked(end)?;
        (owner > 0 && !name.ends_with('/')).then_some(Route { before, name, after })
    }
}

/// What a request is about, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) repository: &'a str,
    pub(super) revision: Option<&'a str>,
    pub(super) file: Option<&'a str>,
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.repository)?;
        self.revision.map_or(Ok(()), |revision| write!(f, "@{revision}"))?;
        self.file.map_or(Ok(()), |file| write!(f, ": {file}"))
    }
}

/// Why a request did not succeed.
pub(super) enum Failure {
    /// It may the next time, after the wait that the server asks for.
    Passing { reason: String, asked: Option<Duration> },
    /// It will not.
    Lasting(Error),
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Failure::Lasting(error.into())
    }
}

/// An answer of status 200 or 206, or 416 to a request for a range, its body still to be read.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    /// What the endpoint's own answer said of the file, even if a redirect to another host brought the body.
    pub(super) linked: Linked,
}

/// The Hub's headers about a file.
#[derive(Debug, Default)]
pub(super) struct Linked {
    pub(super) commit: Option<String>,
    pub(super) sha256: Option<String>,
}

#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    origin: String,
    token: Option<Token>,
    pub(super) retry: Retry,
    /// Old names of repositories that the log has told of.
    renamed: Mutex<BTreeSet<String>>,
}

impl Client {
    pub(super) fn new(settings: &HubSettings) -> Result<Self> {
        let endpoint = settings.endpoint.trim_end_matches('/');
        let origin = url::origin(endpoint)
            .ok_or_else(|| Error::parameter("HF_ENDPOINT", "an address such as https://huggingface.co", endpoint))?;
        let retry = settings.retry;
        if retry.attempts == 0 {
            return Err(Error::parameter("attempts", "at least 1", 0));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed here, where the token's way is decided.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("isogloss/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(retry.timeout))
            .timeout_recv_response(Some(retry.timeout))
            .timeout_per_read(Some(retry.timeout));
        let local = ["localhost", "127.0.0.1", "[::1]"];
        if local.contains(&url::host(endpoint).rsplit_once(':').map_or(url::host(endpoint), |(host, _)| host)) {
            // No proxy reaches what runs on this machine.
            config = config.proxy(None);
        }
        if let Some(file) = &settings.certificates {
            let pem = std::fs::read(file).map_err(Error::io(file, "read"))?;
            let certificates: Vec<_> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(Error::file(file, "holds no certificate in PEM form; correct or unset SSL_CERT_FILE"));
            }
            let roots = RootCerts::new_with_certs(&certificates);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Client {
            agent: config.build().new_agent(),
            endpoint: endpoint.to_string(),
            origin,
            token: settings.token.clone(),
            retry,
            renamed: Mutex::default(),
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The JSON at a path of the endpoint, and the path of the next page if there is one.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str, target: Target<'_>) -> Result<(T, Option<String>)> {
        let url = format!("{}{path}", self.endpoint);
        let read = || -> Result<(Vec<u8>, Option<String>), Failure> {
            let answer = self.once(&url, None, target)?;
            let next = text(answer.response.headers(), "link").and_then(url::next_page).map(str::to_string);
            let mut bytes = Vec::new();
            let body = answer.response.into_body().into_with_config().limit(u64::MAX).reader();
            let read = body.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut bytes);
            read.map_err(|e| Failure::Passing { reason: format!("the answer broke off ({e})"), asked: None })?;
            if bytes.len() as u64 > MAX_ANSWER_BYTES {
                let message = format!("answers with more than {MAX_ANSWER_BYTES} bytes, where a listing is expected");
                return Err(HubError::new(Kind::Answer, target, message).into());
            }
            Ok((bytes, next))
        };
        let mut attempt = 0;
        let (bytes, next) = loop {
            match read() {
                Ok(read) => break read,
                Err(failure) => self.pause(failure, &mut attempt, target, &AtomicBool::new(false))?,
            }
        };
        let value = serde_json::from_slice(&bytes).map_err(|e| {
            let message = format!(
                "{} answers with something else than the Hub does ({e}); check HF_ENDPOINT, and proxies on the way",
                url::host(&self.endpoint)
            );
            HubError::new(Kind::Answer, target, message)
        })?;
        Ok((value, next.map(|next| self.own_path(&next, target)).transpose()?))
    }

    /// The path of a next page, which may name the Hub where it came from a mirror.
    fn own_path(&self, url: &str, target: Target<'_>) -> Result<String> {
        let path = [self.endpoint.as_str(), ENDPOINT].iter().find_map(|start| url.strip_prefix(start));
        path.or(Some(url)).filter(|path| path.starts_with('/')).map(str::to_string).ok_or_else(|| {
            let message = format!("continues on another host ({})", url::host(url));
            HubError::new(Kind::Answer, target, message).into()
        })
    }

    /// One request without a second attempt, redirects followed: from byte `from` of the body on.
    pub(super) fn once(&self, url: &str, from: Option<u64>, target: Target<'_>) -> Result<Answer, Failure> {
        let mut url = url.to_string();
        let mut linked = Linked::default();
        for _ in 0..=MAX_REDIRECTS {
            let own = url::origin(&url).as_ref() == Some(&self.origin);
            // Lengths and ranges count the bytes of the file, not of a compressed form of it.
            let mut request = self.agent.get(&url).header("accept-encoding", "identity");
            if let Some(token) = self.token.as_ref().filter(|_| own) {
                request = request.header("authorization", token.header());
            }
            if let Some(from) = from {
                request = request.header("range", format!("bytes={from}-"));
            }
            let response = request.call().map_err(|e| connection(e, &url, target))?;
            let headers = response.headers();
            if own {
                linked.read(headers);
            }
            let status = response.status().as_u16();
            match status {
                200 | 206 => return Ok(Answer { response, linked }),
                416 if from.is_some() => return Ok(Answer { response, linked }),
                301 | 302 | 303 | 307 | 308 => {
                    let location = text(headers, "location").and_then(|location| url::join(&url, location));
                    let Some(location) = location else {
                        let message = format!("{} redirects to nowhere (status {status})", url::host(&url));
                        return Err(HubError::new(Kind::Answer, target, message).into());
                    };
                    if url.starts_with("https:") && !location.starts_with("https:") {
                        let message = format!("{} redirects to an address without TLS", url::host(&url));
                        return Err(HubError::new(Kind::Answer, target, message).into());
                    }
                    if own {
                        self.tell_new_name(&url, &location, target);
                    }
                    url = location;
                }
                _ => return Err(self.refusal(status, headers, &url, target)),
            }
        }
        let message = format!("redirects more than {MAX_REDIRECTS} times");
        Err(HubError::new(Kind::Answer, target, message).into())
    }

    /// Says once that a repository has another name now: the redirect is the same route under another owner and name.
    fn tell_new_name(&self, from: &str, to: &str, target: Target<'_>) {
        if url::origin(to).as_ref() != Some(&self.origin) {
            return;
        }
        let base = url::path(&self.endpoint);
        let route = |url| Route::of(url::path(url).strip_prefix(base).unwrap_or_default());
        let (Some(old), Some(new)) = (route(from), route(to)) else { return };
        if (old.before, old.after) != (new.before, new.after) || old.name != target.repository || new.name == old.name {
            return;
        }
        let new = new.name;
        let mut told = self.renamed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if told.insert(target.repository.to_string()) {
            tracing::warn!("{}: the repository has been renamed to {new}; use that name", target.repository);
        }
    }

    /// What a status other than success means.
    fn refusal(&self, status: u16, headers: &HeaderMap, url: &str, target: Target<'_>) -> Failure {
        let code = text(headers, "x-error-code").unwrap_or_default();
        let said = text(headers, "x-error-message").unwrap_or_default();
        let repository = target.repository;
        let page = format!("{}/{repository}", self.endpoint);
        let log_in = "log in with `hf auth login` or set HF_TOKEN";
        let with_token = self.token.is_some();
        // What another host says, which only stores files, is not about repositories.
        let own = url::origin(url).as_ref() == Some(&self.origin);
        let (kind, message) = match (code, status) {
            (_, 408 | 429 | 500 | 502 | 503 | 504) => {
                let reason = format!("{} answers with status {status}", url::host(url));
                return Failure::Passing { reason, asked: asked_wait(headers) };
            }
            _ if !own => (Kind::Answer, format!("{} answers with status {status}", url::host(url))),
            ("GatedRepo", _) if with_token => {
                let message = format!("is gated, and the token's owner has not been let in; ask for access at {page}");
                (Kind::Gated, message)
            }
            ("GatedRepo", _) => (Kind::Gated, format!("is gated; ask for access at {page}, then {log_in}")),
            ("RevisionNotFound", _) => {
                let revision = target.revision.unwrap_or_default();
                (Kind::RevisionNotFound, format!("has no revision `{revision}`"))
            }
            ("EntryNotFound", _) => (Kind::FileNotFound, "is not in the repository at that revision".into()),
            _ if said.starts_with("Invalid credentials") => {
                let message =
                    format!("the Hub does not accept the token; {log_in}, with one that is valid, or unset it");
                (Kind::Denied, message)
            }
            _ if said.contains("resource is disabled") => (Kind::Denied, "has been disabled by the Hub".into()),
            (code, 401) if with_token && code != "RepoNotFound" => {
                let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
                let message = format!(
                    "the Hub does not let the token in{said}; check the name, and that the token is valid: {log_in}, or unset it"
                );
                (Kind::Denied, message)
            }
            ("RepoNotFound", _) if with_token => {
                let message =
                    "there is no such repository, nor a folder of that name here, or it is private and the token's \
                               owner has no access; check the name";
                (Kind::RepositoryNotFound, message.into())
            }
            ("RepoNotFound", _) | (_, 401) => {
                let message = format!(
                    "there is no such repository, nor a folder of that name here; check the name, or, if it is private, {log_in}"
                );
                (Kind::RepositoryNotFound, message)
            }
            (_, 403) => {
                let said = if said.is_empty() { "access is forbidden" } else { said };
                (Kind::Denied, format!("{said}; use a token that may read it, and see {page}"))
            }
            _ => {
                let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
                (Kind::Answer, format!("{} answers with status {status}{said}", url::host(url)))
            }
        };
        HubError::new(kind, target, message).into()
    }

    /// Waits before the next attempt, or gives the error that ends it.
    pub(super) fn pause(
        &self,
        failure: Failure,
        attempt: &mut u32,
        target: Target<'_>,
        stop: &AtomicBool,
    ) -> Result<()> {
        let (reason, asked) = match failure {
            Failure::Passing { reason, asked } => (reason, asked),
            Failure::Lasting(error) => return Err(error),
        };
        *attempt += 1;
        if *attempt >= self.retry.attempts {
            let message = format!(
                "{reason}, {attempt} times; run it again later, which goes on where this stopped, or, with all in the cache, set \
                 HF_HUB_OFFLINE=1"
            );
            return Err(HubError::new(Kind::Unreachable, target, message).into());
        }
        if let Some(asked) = asked.filter(|asked| *asked > self.retry.longest_asked) {
            let message = format!("{reason} and asks to come back in {} s; run it again then", asked.as_secs());
            return Err(HubError::new(Kind::Unreachable, target, message).into());
        }
        // A server that asks for none does not mean at once, and again at once.
        let wait = asked.unwrap_or_default().max(self.retry.wait(*attempt, &target.to_string()));
        tracing::warn!(
            "{target}: {reason}; attempt {} of {} in {:.1} s",
            *attempt + 1,
            self.retry.attempts,
            wait.as_secs_f64()
        );
        sleep(wait, stop, target)
    }
}

/// Sleeps, unless the work is not wanted any more.
pub(super) fn sleep(wait: Duration, stop: &AtomicBool, target: Target<'_>) -> Result<()> {
    let end = Instant::now() + wait;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(HubError::new(Kind::Stopped, target, "was stopped").into());
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

impl Retry {
    /// The wait after so many failed attempts: doubled each time, drawn from the upper half.
    fn wait(&self, attempt: u32, name: &str) -> Duration {
        use rand::Rng;
        let doubled = self.first_wait.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1).min(30)));
        // The clock, since two clients must not draw the same; no result depends on it.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
        let mut draws = crate::seed::stream(u64::from(now) ^ u64::from(std::process::id()), &["back-off", name]);
        doubled.min(self.longest_wait).mul_f64(draws.gen_range(0.5..1.0))
    }
}

impl Linked {
    fn read(&mut self, headers: &HeaderMap) {
        let tag = |name| text(headers, name).map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_string());
        if let Some(commit) = text(headers, "x-repo-commit") {
            self.commit = Some(commit.to_string());
        }
        if let Some(tag) = tag("x-linked-etag").filter(|tag| is_hash(tag, 64)) {
            self.sha256 = Some(tag);
        }
    }
}

fn connection(error: ureq::Error, url: &str, target: Target<'_>) -> Failure {
    let host = url::host(url);
    let insecure = |reason: &dyn fmt::Display| {
        let message = format!(
            "no secure connection to {host} ({reason}); if your network puts in certificates of its own, set SSL_CERT_FILE to a \
             file of them"
        );
        HubError::new(Kind::Unreachable, target, message).into()
    };
    match error {
        ureq::Error::Rustls(reason) => insecure(&reason),
        // What fails in a handshake comes as this: a certificate that is not trusted, or no TLS at the other end.
        ureq::Error::Io(reason) if url.starts_with("https:") && reason.kind() == ErrorKind::InvalidData => {
            insecure(&reason)
        }
        ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl | ureq::Error::Http(_) | ureq::Error::Tls(_) => {
            HubError::new(Kind::Unreachable, target, format!("no connection to {host} ({error})")).into()
        }
        error => Failure::Passing { reason: format!("no answer from {host} ({error})"), asked: None },
    }
}

/// A header's value, if it is there and is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// How long the server asks to wait: `Retry-After` in seconds, or the `t` of a `RateLimit` that has run out
/// (draft-ietf-httpapi-ratelimit-headers-09: `"api";r=0;t=55`).
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let limit = text(headers, "ratelimit").and_then(|limit| {
        let value =
            |name: &str| limit.split(';').find_map(|part| part.trim().strip_prefix(name)?.trim().parse::<u64>().ok());
        value("r=").filter(|remaining| *remaining == 0).and(value("t="))
    });
    let after = text(headers, "retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    limit.or(after).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_vary() {
        let retry = Retry { longest_wait: Duration::from_secs(5), ..Retry::default() };
        for (attempt, most) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (40, 5.0)] {
            let wait = retry.wait(attempt, "a").as_secs_f64();
            assert!((most / 2.0..most).contains(&wait), "{attempt}: {wait}");
        }
    }

    #[test]
    fn a_server_says_how_long_to_wait() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            asked_wait(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("retry-after", "120"), Some(120));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(wait("ratelimit", "\"api\";r=0;t=55"), Some(55));
        assert_eq!(wait("ratelimit", "\"api\";r=7;t=55"), None);
    }
}
