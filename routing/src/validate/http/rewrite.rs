//! `rewrite` (istio/istio@86c9f01 pkg/config/validation/validation.go, validateHTTPRewrite).

use regex::Regex;

use super::super::fields::{Fields, Report};
use super::super::string_match;
use crate::model::{PathRewrite, Rewrite};

/// By default nothing.
pub(super) fn read(rule: &Fields<'_>) -> Rewrite {
    let Some(rewrite) = rule.object("rewrite") else { return Rewrite::default() };
    let report = rewrite.report();
    let uri = text(&rewrite, "uri");
    let authority = text(&rewrite, "authority");
    let regex = rewrite.object("uriRegexRewrite");
    if uri.is_some() && regex.is_some() {
        report.error(rewrite.here(), "has both uri and uriRegexRewrite", "keep one");
    }
    let said = |key| rewrite.text(key).is_some_and(|text| !text.is_empty());
    if !said("uri") && !said("authority") && !rewrite.has("uriRegexRewrite") {
        report.error(rewrite.here(), "rewrites nothing", "add uri, uriRegexRewrite or authority");
    }
    let regex = regex.and_then(|fields| regex_rewrite(&fields));
    rewrite.finish();
    Rewrite { path: regex.or_else(|| uri.map(PathRewrite::Uri)), authority }
}

/// What is written into a request's first line or its Host: an empty text counts as none.
pub(super) fn text(fields: &Fields<'_>, key: &'static str) -> Option<Box<str>> {
    let text = fields.text(key).filter(|text| !text.is_empty())?;
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        let problem = format!("{text:?} cannot stand in a request");
        fields.report().error(&fields.path(key), problem, "remove spaces and control characters");
        return None;
    }
    Some(text.into())
}

fn regex_rewrite(fields: &Fields<'_>) -> Option<PathRewrite> {
    let pattern = fields.text("match").filter(|text| !text.is_empty());
    let replacement = text(fields, "rewrite");
    let report = fields.report();
    for (key, missing) in [("match", pattern.is_none()), ("rewrite", !fields.has("rewrite"))] {
        if missing {
            report.error(&fields.path(key), "is missing", "uriRegexRewrite needs both match and rewrite");
        }
    }
    if fields.text("rewrite") == Some("") {
        report.error(&fields.path("rewrite"), "is empty", "write what takes the place of a match");
    }
    fields.finish();
    let pattern = string_match::expression(&fields.path("match"), pattern?, report)?;
    let replacement = replacement?;
    groups(&fields.path("rewrite"), &pattern, &replacement, report);
    Some(PathRewrite::Regex { pattern, replacement })
}

/// Istio lets pass what RE2 then does not replace with.
fn groups(path: &str, pattern: &Regex, replacement: &str, report: &Report<'_>) {
    let mut rest = replacement.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            continue;
        }
        match rest.next() {
            Some('\\') => {}
            Some(digit) if digit.is_ascii_digit() => {
                let group = digit.to_digit(10).and_then(|group| usize::try_from(group).ok()).unwrap_or(0);
                if group >= pattern.captures_len() {
                    let problem = format!("\\{group} is no group of match: no path is rewritten");
                    report.warn(path, problem, "name a group that match has");
                }
            }
            Some(_) | None => {
                let problem = "a backslash is followed by neither a digit nor another one: what follows is lost";
                report.warn(path, problem, "write \\\\ for a backslash");
            }
        }
    }
}
