//! A small Hub: its routes on one address, its storage of large files on another, and faults on demand.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What goes wrong with one answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A status with headers and no body.
    Status(u16, Vec<(&'static str, String)>),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// A body without its last bytes, of a length that says so.
    Short(usize),
    /// A body with more bytes.
    Long(usize),
    /// A body with its first byte changed.
    Corrupt,
    /// The whole file where a range was asked for.
    WholeFile,
    /// No answer for so long.
    Silence(Duration),
    /// A body of one's own.
    Body(String),
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// Whether the storage was asked, not the Hub.
    pub storage: bool,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A file, large ones by way of the storage.
#[derive(Clone)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub large: bool,
    /// What listings say, if that is not the truth.
    pub listed_size: Option<u64>,
}

#[derive(Clone, Default)]
pub struct Repository {
    pub branches: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    pub commits: BTreeMap<String, BTreeMap<String, Content>>,
    pub gated: bool,
    pub private: bool,
    pub renamed: Option<String>,
}

impl Repository {
    /// Adds a branch whose commit has these files; files of weights are large ones.
    pub fn branch(&mut self, name: &str, files: &[(&str, &[u8])]) -> String {
        let commit = format!("{:x}", Sha1::digest(format!("{name} {}", self.commits.len())));
        let content = files.iter().map(|(path, bytes)| {
            let large = path.ends_with(".safetensors") || path.ends_with(".bin");
            (path.to_string(), Content { bytes: bytes.to_vec(), large, listed_size: None })
        });
        self.commits.insert(commit.clone(), content.collect());
        self.branches.push((name.into(), commit.clone()));
        commit
    }
}

#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    /// By a part of the path.
    faults: Vec<(String, VecDeque<Fault>)>,
    requests: Vec<Request>,
    /// The token that gated and private repositories ask for.
    token: Option<String>,
    page: usize,
}

pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Server {
        let state = Arc::new(Mutex::new(State { page: 1000, ..State::default() }));
        let listen = |host: &str| TcpListener::bind((host, 0)).unwrap();
        let (hub, storage) = (listen("127.0.0.1"), listen("localhost"));
        let url = format!("http://127.0.0.1:{}", hub.local_addr().unwrap().port());
        let storage_url = format!("http://localhost:{}", storage.local_addr().unwrap().port());
        for (listener, is_storage) in [(hub, false), (storage, true)] {
            let (state, storage_url) = (Arc::clone(&state), storage_url.clone());
            // Lives as long as the test program.
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (state, storage_url) = (Arc::clone(&state), storage_url.clone());
                    thread::spawn(move || answer(stream, &state, is_storage, &storage_url));
                }
            });
        }
        Server { url, state }
    }

    pub fn repository(&self, id: &str, make: impl FnOnce(&mut Repository)) {
        make(self.state.lock().unwrap().repositories.entry(id.into()).or_default());
    }

    /// The next answers to paths that contain `part` go wrong, one after another.
    pub fn fault(&self, part: &str, faults: &[Fault]) {
        self.state.lock().unwrap().faults.push((part.into(), faults.iter().cloned().collect()));
    }

    pub fn require_token(&self, token: &str) {
        self.state.lock().unwrap().token = Some(token.into());
    }

    /// How many files a page of a listing has.
    pub fn page(&self, files: usize) {
        self.state.lock().unwrap().page = files;
    }

    /// What was asked for since the last call.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub fn git_hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// A file, of which a range may be asked for.
    ranged: bool,
}

fn reply(status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, value.to_string())).collect();
    Reply { status, headers, body: body.into(), ranged: false }
}

fn refuse(status: u16, code: &str, message: &str) -> Reply {
    reply(status, &[("X-Error-Code", code), ("X-Error-Message", message)], format!("{{\"error\": \"{message}\"}}"))
}

fn answer(stream: TcpStream, state: &Mutex<State>, storage: bool, storage_url: &str) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_string(), words.next().unwrap_or_default().to_string());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
        }
    }
    let request = Request { method, path, headers, storage };
    let (mut reply, fault) = {
        let mut state = state.lock().unwrap();
        state.requests.push(request.clone());
        let reply = if storage { stored(&state, &request.path) } else { routed(&state, &request, storage_url) };
        let fault = state
            .faults
            .iter_mut()
            .find(|(part, faults)| {
                // What goes wrong with a file goes wrong where it is, not on the way there.
                let here = match reply.status {
                    302 => false,
                    307 => matches!(faults.front(), Some(Fault::Status(..))),
                    _ => !faults.is_empty(),
                };
                here && request.path.contains(part.as_str())
            })
            .and_then(|(_, faults)| faults.pop_front());
        (reply, fault)
    };
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let whole = reply.body.len();
    if let (Some(from), true, false) = (range, reply.ranged, matches!(fault, Some(Fault::WholeFile))) {
        let from: usize = from;
        if from >= whole {
            reply = self::reply(416, &[], "");
        } else {
            reply.status = 206;
            reply.headers.push(("Content-Range", format!("bytes {from}-{}/{whole}", whole - 1)));
            reply.body.drain(..from);
        }
    }
    let mut sent = None;
    match fault {
        Some(Fault::Status(status, headers)) => reply = Reply { status, headers, body: Vec::new(), ranged: false },
        Some(Fault::Cut(bytes)) => sent = Some(bytes),
        Some(Fault::Short(bytes)) => reply.body.truncate(reply.body.len() - bytes),
        Some(Fault::Long(bytes)) => reply.body.extend(vec![0; bytes]),
        Some(Fault::Corrupt) => reply.body[0] ^= 1,
        Some(Fault::Silence(time)) => thread::sleep(time),
        Some(Fault::Body(body)) => reply.body = body.into_bytes(),
        Some(Fault::WholeFile) | None => {}
    }
    let mut head =
        format!("HTTP/1.1 {} Status\r\nConnection: close\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let mut stream = reader.into_inner();
    let body = if request.method == "HEAD" { &[][..] } else { &reply.body[..sent.unwrap_or(reply.body.len())] };
    // A client that has gone is no matter.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).and_then(|()| stream.flush());
}

/// The storage: `/HASH`.
fn stored(state: &State, path: &str) -> Reply {
    let hash = path.trim_start_matches('/').split('?').next().unwrap_or_default();
    let all = state.repositories.values().flat_map(|r| r.commits.values()).flat_map(|files| files.values());
    match all.into_iter().find(|file| file.large && sha256(&file.bytes) == hash) {
        Some(file) => Reply { ranged: true, ..reply(200, &[], file.bytes.clone()) },
        None => reply(403, &[], "AccessDenied"),
    }
}

fn routed(state: &State, request: &Request, storage_url: &str) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let cached = path.strip_prefix("/api/resolve-cache/models/");
    // The Hub sends small files by way of this route.
    let routed = cached.and_then(|rest| {
        let mut parts = rest.splitn(4, '/');
        let (owner, name, commit, path) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(format!("/{owner}/{name}/resolve/{commit}/{path}"))
    });
    let path = routed.as_deref().unwrap_or(path);
    let api = path.strip_prefix("/api/models/");
    let mut parts = api.unwrap_or(path.trim_start_matches('/')).splitn(4, '/');
    let mut part = || parts.next().unwrap_or_default().replace("%2F", "/");
    let (owner, name, route, rest) = (part(), part(), part(), part());
    let id = format!("{owner}/{name}");
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if token.is_some() && state.token.as_deref() != token {
        return refuse(401, "", "Invalid credentials in Authorization header");
    }
    let missing = || match token {
        Some(_) => refuse(404, "RepoNotFound", "Repository not found"),
        None => refuse(401, "RepoNotFound", "Invalid username or password."),
    };
    let Some(repository) = state.repositories.get(&id) else { return missing() };
    if repository.private && token.is_none() {
        return missing();
    }
    if let Some(new) = &repository.renamed {
        return reply(307, &[("Location", &request.path.replacen(&id, new, 1))], "");
    }
    let commit_of = |revision: &str| -> Option<String> {
        let named = repository.branches.iter().chain(&repository.tags).find(|(name, _)| name == revision);
        named
            .map(|(_, commit)| commit.clone())
            .or_else(|| repository.commits.contains_key(revision).then(|| revision.to_string()))
    };
    let no_revision = || refuse(404, "RevisionNotFound", "Invalid rev id");
    match (api.is_some(), route.as_str()) {
        (true, "refs") => {
            let list = |refs: &[(String, String)], kind: &str| {
                let one = |(name, commit): &(String, String)| {
                    format!(r#"{{"name": "{name}", "ref": "refs/{kind}/{name}", "targetCommit": "{commit}"}}"#)
                };
                refs.iter().map(one).collect::<Vec<_>>().join(", ")
            };
            let (branches, tags) = (list(&repository.branches, "heads"), list(&repository.tags, "tags"));
            reply(200, &[], format!(r#"{{"tags": [{tags}], "branches": [{branches}], "converts": []}}"#))
        }
        (true, "revision") | (true, "") => {
            let revision = if route.is_empty() { "main" } else { &rest };
            let Some(commit) = commit_of(revision) else { return no_revision() };
            let siblings: Vec<String> =
                repository.commits[&commit].keys().map(|path| format!(r#"{{"rfilename": "{path}"}}"#)).collect();
            let siblings = siblings.join(", ");
            reply(
                200,
                &[],
                format!(r#"{{"id": "{id}", "modelId": "{id}", "sha": "{commit}", "siblings": [{siblings}]}}"#),
            )
        }
        (true, "tree") => {
            let Some(commit) = commit_of(&rest) else { return no_revision() };
            // The last one counts: each page's address is made from the one before.
            let mut cursors = query.split('&').filter_map(|pair| pair.strip_prefix("cursor=")?.parse().ok());
            let from: usize = cursors.next_back().unwrap_or(0);
            let files = &repository.commits[&commit];
            let one = |(path, content): (&String, &Content)| {
                let size = content.listed_size.unwrap_or(content.bytes.len() as u64);
                let oid = git_hash(&content.bytes);
                let large = match content.large {
                    true => format!(
                        r#", "lfs": {{"oid": "{}", "size": {size}, "pointerSize": 134}}"#,
                        sha256(&content.bytes)
                    ),
                    false => String::new(),
                };
                format!(r#"{{"type": "file", "oid": "{oid}", "size": {size}, "path": "{path}"{large}}}"#)
            };
            let page: Vec<String> = files.iter().skip(from).take(state.page).map(one).collect();
            let next = from + state.page;
            let mut answer = reply(200, &[], format!("[{}]", page.join(", ")));
            if next < files.len() {
                let host = request.header("host").unwrap_or_default();
                answer.headers.push(("Link", format!("<http://{host}{path}?{query}&cursor={next}>; rel=\"next\"")));
            }
            answer
        }
        (false, "resolve") => {
            let (revision, path) = rest.split_once('/').unwrap_or_default();
            let Some(commit) = commit_of(revision) else { return no_revision() };
            if repository.gated && token.is_none() {
                return refuse(
                    401,
                    "GatedRepo",
                    "Access to model is restricted. You must be authenticated to access it.",
                );
            }
            let Some(content) = repository.commits[&commit].get(path) else {
                return Reply {
                    headers: vec![("X-Error-Code", "EntryNotFound".into()), ("X-Repo-Commit", commit)],
                    ..refuse(404, "", "")
                };
            };
            let size = content.bytes.len().to_string();
            if content.large {
                let hash = sha256(&content.bytes);
                let location = format!("{storage_url}/{hash}?signature=secret");
                let headers = [
                    ("Location", &*location),
                    ("X-Repo-Commit", &*commit),
                    ("X-Linked-Size", &*size),
                    ("X-Linked-Etag", &*format!("\"{hash}\"")),
                ];
                reply(302, &headers, "")
            } else {
                let etag = format!("\"{}\"", git_hash(&content.bytes));
                if cached.is_none() {
                    let location = format!("/api/resolve-cache/models/{id}/{commit}/{path}?etag=%22x%22");
                    return reply(307, &[("Location", &location), ("X-Repo-Commit", &commit), ("ETag", &etag)], "");
                }
                Reply {
                    ranged: true,
                    ..reply(200, &[("ETag", &etag), ("X-Repo-Commit", &commit)], content.bytes.clone())
                }
            }
        }
        _ => reply(404, &[], ""),
    }
}
