use crate::{Error, Result};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the Hub is, where its cache lies, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// The address of the Hub or of a mirror, without a slash at the end.
    pub endpoint: String,
    /// The folder of the cache.
    pub cache: PathBuf,
    /// What repositories that are gated or private ask for.
    pub token: Option<Token>,
    /// Whether nothing is sent at all, and the cache has to do.
    pub offline: bool,
    /// How often and when a failed request is sent again.
    pub retry: Retry,
    /// A file of certificates (PEM) to trust in place of the usual ones, for networks that put in their own.
    pub certificates: Option<PathBuf>,
}

impl HubSettings {
    /// Those of the environment, as Python's `huggingface_hub` reads it:
    ///
    /// | variable | default | meaning |
    /// | --- | --- | --- |
    /// | `HF_ENDPOINT` | `https://huggingface.co` | the Hub or a mirror |
    /// | `HF_HOME` | `$XDG_CACHE_HOME/huggingface`, or `~/.cache/huggingface` | the folder of everything |
    /// | `HF_HUB_CACHE` (or `HUGGINGFACE_HUB_CACHE`) | `$HF_HOME/hub` | the cache |
    /// | `HF_TOKEN` (or `HUGGING_FACE_HUB_TOKEN`) | the file `HF_TOKEN_PATH` | the token |
    /// | `HF_TOKEN_PATH` | `$HF_HOME/token` | the token's file, as `hf auth login` writes it |
    /// | `HF_HUB_DISABLE_IMPLICIT_TOKEN` | no | whether to send no token |
    /// | `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`) | no | whether the cache has to do |
    /// | `SSL_CERT_FILE` | | [`HubSettings::certificates`] |
    ///
    /// Yes is `1`, `true`, `yes` or `on`. Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// [`Error::Data`] if no variable says where the cache is to lie, or a token is none, [`Error::Io`] if the token's file cannot be read.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| given(name).map(|value| expand(&value, &variable));
        let yes = |name: &str| given(name).is_some_and(|value| is_yes(&value));
        let home = || {
            let cache = path("XDG_CACHE_HOME").or_else(|| Some(Path::new(&given("HOME")?).join(".cache")));
            path("HF_HOME").or_else(|| Some(cache?.join("huggingface")))
        };
        let nowhere =
            || Error::Data("neither HF_HOME nor HOME is set; set HF_HOME to the folder of the Hub's cache".into());
        let cache = match path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")) {
            Some(cache) => cache,
            None => home().ok_or_else(nowhere)?.join("hub"),
        };
        let token = match given("HF_TOKEN").or_else(|| given("HUGGING_FACE_HUB_TOKEN")) {
            _ if yes("HF_HUB_DISABLE_IMPLICIT_TOKEN") => None,
            Some(token) => Some(Token::new(&token).ok_or_else(|| not_a_token("HF_TOKEN"))?),
            None => match path("HF_TOKEN_PATH").or_else(|| Some(home()?.join("token"))) {
                Some(file) if file.is_file() => {
                    let text = fs::read_to_string(&file).map_err(Error::io(&file, "read"))?;
                    match text.trim().is_empty() {
                        true => None,
                        false => Some(Token::new(&text).ok_or_else(|| not_a_token(&file.display().to_string()))?),
                    }
                }
                _ => None,
            },
        };
        Ok(HubSettings {
            endpoint: given("HF_ENDPOINT").map_or(ENDPOINT.into(), |url| url.trim().trim_end_matches('/').to_string()),
            cache,
            token,
            offline: given("HF_HUB_OFFLINE")
                .or_else(|| given("TRANSFORMERS_OFFLINE"))
                .is_some_and(|value| is_yes(&value)),
            retry: Retry::default(),
            certificates: path("SSL_CERT_FILE"),
        })
    }
}

fn not_a_token(place: &str) -> Error {
    Error::Data(format!(
        "{place} holds spaces or letters that no token has; put in the token alone, such as hf_..., or unset it"
    ))
}

pub(super) const ENDPOINT: &str = "https://huggingface.co";

fn is_yes(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.trim().to_ascii_lowercase().as_str())
}

/// `~` and `$NAME` or `${NAME}` in a path, as a shell has them; an unknown name stays as it stands.
fn expand(path: &str, variable: &impl Fn(&str) -> Option<String>) -> PathBuf {
    let mut out = String::new();
    let mut rest = path;
    if let (Some(after), Some(home)) = (path.strip_prefix('~'), variable("HOME")) {
        if after.is_empty() || after.starts_with('/') {
            out.push_str(&home);
            rest = after;
        }
    }
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        });
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(rest.get(before.len()..rest.len() - tail.len()).unwrap_or_default()),
        }
        rest = tail;
    }
    out.push_str(rest);
    PathBuf::from(out)
}

/// A token for the Hub; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token in a text without the white space around it, or `None` if there is nothing in it or what cannot be in one.
    pub fn new(text: &str) -> Option<Token> {
        let text = text.trim();
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Token(text.to_string()))
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// When a request that failed for a reason that may pass (no connection, a connection cut, status 408, 429, 500, 502, 503 or
/// 504) is sent again.
///
/// The wait doubles from `first_wait` up to `longest_wait`, and is drawn from its upper half, so that many clients do not
/// come back at once. A server that names a time (`Retry-After`, `RateLimit`) gets it. An attempt that brought new bytes
/// of a file starts the count anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least 1; 6 by default.
    pub attempts: u32,
    /// The wait before the second attempt; 1 s by default.
    pub first_wait: Duration,
    /// The longest wait of our own choice; 32 s by default.
    pub longest_wait: Duration,
    /// The longest wait that a server may ask for; 10 min by default.
    pub longest_asked: Duration,
    /// How long a connection may be silent; 30 s by default.
    pub timeout: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 6,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(32),
            longest_asked: Duration::from_secs(600),
            timeout: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn settings(variables: &[(&str, &str)]) -> Result<HubSettings> {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        HubSettings::from_variables(|name| variables.get(name).map(|value| value.to_string()))
    }

    /// The cache's folder, as
    ///
    ///     env -i HOME=/h ... python -c 'import huggingface_hub.constants as c; print(c.HF_HUB_CACHE)'
    #[test]
    fn the_cache_lies_where_python_has_it() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("HOME", "/h")], "/h/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")], "/f/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "~/f")], "/h/f/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "/f"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HOME", "/h"), ("HF_HUB_CACHE", "$A/${B}/c"), ("A", "/a"), ("B", "b")], "/a/b/c"),
            (&[("HOME", "/h"), ("HF_HUB_CACHE", "/$NONE/${NONE}/$")], "/$NONE/${NONE}/$"),
            (&[("HF_HUB_CACHE", "/c"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/c"),
        ];
        for (variables, cache) in cases {
            assert_eq!(settings(variables).unwrap().cache, Path::new(cache), "{variables:?}");
        }
        assert!(settings(&[]).unwrap_err().to_string().contains("HF_HOME"));
    }

    #[test]
    fn the_token_is_read_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap();
        fs::write(dir.path().join("token"), "hf_file\n").unwrap();
        fs::write(dir.path().join("other"), " hf_other ").unwrap();
        let other = dir.path().join("other");
        let token = |variables: &[(&str, &str)]| settings(variables).unwrap().token.map(|token| token.header());
        assert_eq!(token(&[("HF_HOME", home)]).unwrap(), "Bearer hf_file");
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN", "hf_given\n")]).unwrap(), "Bearer hf_given");
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN_PATH", other.to_str().unwrap())]).unwrap(), "Bearer hf_other");
        assert_eq!(token(&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(token(&[("HF_HOME", "/nowhere")]), None);
        let wrong = settings(&[("HF_HOME", home), ("HF_TOKEN", "Bearer hf_given")]).unwrap_err().to_string();
        assert!(wrong.starts_with("HF_TOKEN holds") && !wrong.contains("given"), "{wrong}");
        assert!(!format!("{:?}", settings(&[("HF_HOME", home)]).unwrap()).contains("hf_"));
        assert_eq!(Token::new("two words"), None);
    }

    #[test]
    fn endpoint_and_offline() {
        let read = settings(&[("HOME", "/h"), ("HF_ENDPOINT", "http://mirror/"), ("HF_HUB_OFFLINE", "yes")]).unwrap();
        assert_eq!((read.endpoint.as_str(), read.offline), ("http://mirror", true));
        let read = settings(&[("HOME", "/h"), ("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")]).unwrap();
        assert_eq!((read.endpoint.as_str(), read.offline), (ENDPOINT, false));
    }
}
