//! How paths are rewritten, for requests and for redirects.

use regex::Captures;

use super::path::without_query;
use crate::model::{PathRewrite, StringMatch};

/// The new path and query; `None` when it stays. `matched` is the route's condition on the path.
///
/// envoy source/common/router/config_impl.cc, rewritePathByPrefixOrRegex
pub(super) fn rewritten(rewrite: &PathRewrite, matched: Option<&StringMatch>, path: &str) -> Option<String> {
    let plain = without_query(path);
    let query = &path[plain.len()..];
    // What a prefix is replaced in. Of exact and regex matches the whole path is matched, and without one the slash that
    // every path begins with.
    let (matched, tail) = match matched {
        Some(StringMatch::Prefix(prefix) | StringMatch::Segments(prefix)) => {
            plain.split_at_checked(prefix.len()).unwrap_or((plain, ""))
        }
        Some(StringMatch::Exact(_) | StringMatch::Regex(_)) => (plain, ""),
        None => plain.split_at_checked(1).filter(|(slash, _)| *slash == "/").unwrap_or(("", plain)),
    };
    let new = match rewrite {
        PathRewrite::Uri(new) if new.is_empty() => return None,
        PathRewrite::Uri(new) => format!("{new}{tail}"),
        PathRewrite::Regex { pattern, replacement } => {
            if groups_of(replacement) >= pattern.captures_len() {
                return None;
            }
            pattern.replace_all(plain, |captures: &Captures<'_>| expand(replacement, captures)).into_owned()
        }
        PathRewrite::PathPrefix(new) => {
            let tail = if matched == "/" { plain } else { tail };
            let joined = format!("{}{tail}", new.trim_end_matches('/'));
            if joined.starts_with('/') { joined } else { format!("/{joined}") }
        }
        PathRewrite::Full(new) => new.to_string(),
    };
    // Envoy takes an empty path for a rewrite that failed.
    (!new.is_empty()).then(|| new + query)
}

/// The highest group that a replacement names (RE2::MaxSubmatch); one that the pattern lacks replaces nothing.
fn groups_of(replacement: &str) -> usize {
    let mut rest = replacement.bytes();
    let mut highest = 0;
    while let Some(byte) = rest.next() {
        if byte == b'\\' {
            let digit = rest.next().filter(u8::is_ascii_digit);
            highest = highest.max(digit.map_or(0, |digit| usize::from(digit - b'0')));
        }
    }
    highest
}

/// A replacement with its `\0` to `\9` filled in; it ends where a backslash is followed by anything else (RE2::Rewrite).
fn expand(replacement: &str, captures: &Captures<'_>) -> String {
    let mut expanded = String::with_capacity(replacement.len());
    let mut rest = replacement.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            expanded.push(character);
            continue;
        }
        match rest.next() {
            Some('\\') => expanded.push('\\'),
            Some(digit) if digit.is_ascii_digit() => {
                let group = digit.to_digit(10).and_then(|group| usize::try_from(group).ok()).unwrap_or(0);
                expanded.push_str(captures.get(group).map_or("", |found| found.as_str()));
            }
            Some(_) | None => break,
        }
    }
    expanded
}
