//! Host and path of a request: their parts and their normal form.

use std::borrow::Cow;

/// Host without its port, whatever the port's value; an IPv6 address keeps its brackets.
pub(crate) fn without_port(authority: &str) -> &str {
    split_port(authority).0
}

/// Host and its port, where it has one.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, Some(port))
        }
        _ => (authority, None),
    }
}

/// The first value of a query parameter, as it is written; one without `=` is empty.
pub(crate) fn parameter<'a>(name: &str, path: &'a str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let query = query.split('#').next().unwrap_or(query);
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

pub(super) fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

/// Resolves dot segments of the path, whose slashes may be written backwards, and leaves repeated slashes and the query
/// alone: Istio's default `BASE` normalisation. The request is forwarded in this form.
#[must_use]
pub fn normalize_path(path: &str) -> Cow<'_, str> {
    let plain = without_query(path);
    if !plain.starts_with('/') {
        return Cow::Borrowed(path);
    }
    let is_slash = |c| matches!(c, '/' | '\\');
    let has_dots = plain.split(is_slash).any(|segment| matches!(decoded_dots(segment), Some(1 | 2)));
    if !has_dots && !plain.contains('\\') {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = plain.split(is_slash).skip(1).peekable();
    while let Some(segment) = segments.next() {
        match decoded_dots(segment) {
            Some(1) => {}
            Some(2) => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    Cow::Owned(format!("/{}{}", kept.join("/"), &path[plain.len()..]))
}

/// How many dots a segment consists of, written plainly or as `%2e`.
fn decoded_dots(segment: &str) -> Option<usize> {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    (!plain.is_empty() && plain.bytes().all(|byte| byte == b'.')).then_some(plain.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_dot_segments_when_normalised_then_they_are_resolved_and_slashes_stay() {
        for (path, expected) in [
            ("/a/../b", "/b"),
            ("/a/./b", "/a/b"),
            ("/a//b", "/a//b"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/%2e%2E/b?x=/../y", "/b?x=/../y"),
            ("/a.b/..c", "/a.b/..c"),
            ("*", "*"),
            ("/a\\b/..\\c?d\\e", "/a/c?d\\e"),
            ("/\\a", "//a"),
        ] {
            assert_eq!(normalize_path(path), expected, "{path}");
        }
    }

    #[test]
    fn given_a_host_with_a_port_then_the_port_is_removed_and_brackets_stay() {
        for (authority, host) in
            [("a", "a"), ("a:80", "a"), ("a:", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:b", "a:b")]
        {
            assert_eq!(without_port(authority), host);
        }
    }
}
