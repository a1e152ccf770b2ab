//! Addresses: quoting, origins, where a redirect leads.

use std::fmt::Write;

/// Scheme, host and port, in small letters, with the port spelled out; `None` for anything but `http` and `https`.
pub(super) fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    // A name before `@` would be another spelling of the same host; none of the Hub's addresses has one.
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    Some(format!("{scheme}://{authority}{}", if has_port { "" } else { port }))
}

/// The host, for messages: an address's query may hold a signature that is nobody's business.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The path, without query.
pub(super) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find('/').and_then(|start| rest.get(start..)).unwrap_or_default();
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Where the `location` of a redirect from `url` leads, as RFC 3986, section 5.2, without dots in paths.
pub(super) fn join(url: &str, location: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if location.contains("://") && origin(location).is_some() {
        return Some(location.to_string());
    }
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if location.starts_with('/') {
        return Some(format!("{scheme}://{authority}{location}"));
    }
    // Another scheme, such as `file:`, is refused.
    if location.is_empty() || location.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        return None;
    }
    let folder = path(url).rsplit_once('/').map_or("", |(folder, _)| folder);
    Some(format!("{scheme}://{authority}{folder}/{location}"))
}

/// Everything but letters, digits, `-`, `_`, `.`, `~` and `keep` as `%XX`.
pub(super) fn quote(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || keep.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The address of the next page in a `Link` header: `<URL>; rel="next"`.
pub(super) fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (url, relation) = part.trim().strip_prefix('<')?.split_once('>')?;
        relation.replace(' ', "").contains("rel=\"next\"").then_some(url)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_differ_in_scheme_host_and_port() {
        assert_eq!(origin("https://Huggingface.co/a").unwrap(), "https://huggingface.co:443");
        assert_eq!(origin("http://[::1]:80/a"), origin("http://[::1]"));
        for other in ["http://huggingface.co", "https://huggingface.co:444", "https://huggingface.co.evil.com"] {
            assert_ne!(origin(other), origin("https://huggingface.co"), "{other}");
        }
        for none in ["https://huggingface.co@evil.com/", "file:///etc/passwd", "huggingface.co", "https:///a"] {
            assert_eq!(origin(none), None, "{none}");
        }
    }

    /// Python: `urllib.parse.urljoin("https://a.b:1/c/d?q=1", location)`.
    #[test]
    fn redirects_lead_where_they_say() {
        let from = |location| join("https://a.b:1/c/d?q=1", location);
        assert_eq!(from("https://x.y/z?s").unwrap(), "https://x.y/z?s");
        assert_eq!(from("//x.y/z").unwrap(), "https://x.y/z");
        assert_eq!(from("/e?u=http://f").unwrap(), "https://a.b:1/e?u=http://f");
        assert_eq!(from("e").unwrap(), "https://a.b:1/c/e");
        assert_eq!(from("file:///etc/passwd"), None);
        assert_eq!(from(""), None);
    }

    #[test]
    fn quoting_and_pages() {
        assert_eq!(quote("refs/pr/1 ü", ""), "refs%2Fpr%2F1%20%C3%BC");
        assert_eq!(quote("a/b+c.bin", "/"), "a/b%2Bc.bin");
        let link = "<https://h/a?c=1>; rel=\"prev\", <https://h/a?c=3>; rel=\"next\"";
        assert_eq!(next_page(link), Some("https://h/a?c=3"));
        assert_eq!(next_page("<https://h>; rel=\"prev\""), None);
    }
}
