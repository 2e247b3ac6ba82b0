//! `matches` of a rule.

use super::super::fields::Fields;
use super::super::string_match;
use crate::model::{HeaderMatch, HttpMatch, QueryMatch, StringMatch};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// At least one; none written is one that takes everything.
pub(super) fn read(rule: &Fields<'_>) -> Vec<HttpMatch> {
    let matches: Vec<HttpMatch> = rule.objects("matches").iter().map(entry).collect();
    if matches.is_empty() { vec![everything()] } else { matches }
}

pub(super) fn everything() -> HttpMatch {
    HttpMatch { uri: Some(prefix("/")), ..HttpMatch::default() }
}

/// Whether there is one match, by a prefix of the path.
pub(super) fn is_one_prefix(matches: &[HttpMatch]) -> bool {
    matches!(matches, [HttpMatch { uri: Some(StringMatch::Prefix(_) | StringMatch::Segments(_)), .. }])
}

/// Whole segments; a slash at the end does not count.
fn prefix(path: &str) -> StringMatch {
    match path.trim_end_matches('/') {
        "" => StringMatch::Prefix("/".into()),
        path => StringMatch::Segments(path.into()),
    }
}

fn entry(entry: &Fields<'_>) -> HttpMatch {
    let method = entry.text("method");
    if let Some(method) = method
        && !METHODS.contains(&method)
    {
        let remedy = format!("write one of {}", METHODS.join(", "));
        entry.report().error(&entry.path("method"), format!("{method:?} is no method"), remedy);
    }
    let found = HttpMatch {
        uri: entry.object("path").map_or_else(|| Some(prefix("/")), |path| of_path(&path)),
        method: method.map(|method| StringMatch::Exact(method.into())),
        headers: first_of_each(named(entry, "headers", str::to_ascii_lowercase))
            .map(|(name, value)| HeaderMatch { name, value })
            .collect(),
        query_params: first_of_each(named(entry, "queryParams", str::to_owned))
            .map(|(name, value)| QueryMatch { name, value })
            .collect(),
        ..HttpMatch::default()
    };
    entry.finish();
    found
}

fn of_path(path: &Fields<'_>) -> Option<StringMatch> {
    let kind = path.text("type").unwrap_or("PathPrefix");
    let value = path.text("value").unwrap_or("/");
    path.finish();
    let at = path.path("value");
    if kind != "RegularExpression" && !is_plain(value) {
        let problem = format!("{value:?} is no plain absolute path");
        path.report().error(&at, problem, "begin it with / and write no //, /./, /../, %2f or #");
        return None;
    }
    match kind {
        "Exact" => Some(StringMatch::Exact(value.into())),
        "PathPrefix" => Some(prefix(value)),
        "RegularExpression" => string_match::whole(&at, value, path.report()),
        _ => {
            let remedy = "write Exact, PathPrefix or RegularExpression";
            path.report().error(&path.path("type"), format!("{kind:?} is no kind of match"), remedy);
            None
        }
    }
}

/// What the schema asks of exact paths and prefixes.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    path.starts_with('/')
        && !["//", "/./", "/../", "%2f", "#"].iter().any(|part| lower.contains(part))
        && !["/..", "/."].iter().any(|end| lower.ends_with(end))
}

/// Conditions by name: `type` is Exact, or RegularExpression over the whole value.
fn named(entry: &Fields<'_>, key: &'static str, fold: fn(&str) -> String) -> Vec<(Box<str>, Option<StringMatch>)> {
    let read = |condition: &Fields<'_>| {
        let kind = condition.text("type").unwrap_or("Exact");
        let name = condition.text("name").filter(|name| !name.is_empty());
        let value = condition.text("value");
        condition.finish();
        let (Some(name), Some(value)) = (name, value) else {
            condition.report().error(condition.here(), "has no name or no value", "write both");
            return None;
        };
        let value = match kind {
            "Exact" => StringMatch::Exact(value.into()),
            "RegularExpression" => string_match::whole(&condition.path("value"), value, condition.report())?,
            _ => {
                let problem = format!("{kind:?} is no kind of match");
                condition.report().error(&condition.path("type"), problem, "write Exact or RegularExpression");
                return None;
            }
        };
        Some((fold(name).into_boxed_str(), Some(value)))
    };
    entry.objects(key).iter().filter_map(read).collect()
}

/// Of several conditions under one name the first counts alone, as the API says.
fn first_of_each<V>(conditions: Vec<(Box<str>, V)>) -> impl Iterator<Item = (Box<str>, V)> {
    let mut seen: Vec<Box<str>> = Vec::new();
    conditions.into_iter().filter(move |(name, _)| {
        let first = !seen.contains(name);
        seen.push(name.clone());
        first
    })
}
