//! Istio's StringMatch, wherever it occurs.

use regex::{Regex, RegexBuilder, bytes};
use serde_json::Value;

use super::fields::{Fields, Report, member};
use crate::model::{HeaderMatch, QueryMatch, StringMatch};

/// Istio's bound of an expression's length.
const LONGEST: usize = 1024;
/// Bound of a compiled expression in bytes.
const LARGEST: usize = 1 << 20;

/// Exactly one of `exact`, `prefix`, `regex`; `None` when there is none of them, or a fault was reported.
pub(super) fn read(fields: &Fields<'_>, fold: bool) -> Option<StringMatch> {
    if fields.text("prefix") == Some("") {
        fields.report().error(&fields.path("prefix"), "is empty", "write {} to ask for presence");
    }
    read_uri(fields, fold)
}

/// The same of a path, for which an empty prefix is one like any other
/// (istio/istio@86c9f01 pkg/config/validation/virtualservice.go, validateHTTPRouteMatchRequest).
pub(super) fn read_uri(fields: &Fields<'_>, fold: bool) -> Option<StringMatch> {
    let case = |text: &str| if fold { text.to_ascii_lowercase() } else { text.to_owned() };
    let exact = fields.text("exact").map(|text| StringMatch::Exact(case(text).into()));
    let prefix = fields.text("prefix").map(|text| StringMatch::Prefix(case(text).into()));
    let written = fields.text("regex");
    fields.finish();
    let several = usize::from(exact.is_some()) + usize::from(prefix.is_some()) + usize::from(written.is_some());
    if several > 1 {
        fields.report().error(fields.here(), "has more than one of exact, prefix, regex", "keep one");
        return None;
    }
    exact.or(prefix).or_else(|| whole(&fields.path("regex"), written?, fields.report()))
}

/// An expression over the whole value.
pub(super) fn whole(path: &str, text: &str, report: &Report<'_>) -> Option<StringMatch> {
    let expression = expression(path, text, report)?;
    // The group keeps an alternative from binding the anchors to its ends.
    let whole = bytes::RegexBuilder::new(&format!("^(?:{})$", expression.as_str())).size_limit(LARGEST).build();
    whole.ok().map(StringMatch::Regex)
}

/// An expression in RE2's syntax, by itself.
pub(super) fn expression(path: &str, text: &str, report: &Report<'_>) -> Option<Regex> {
    if text.is_empty() {
        report.error(path, "is empty", "write an RE2 expression");
        return None;
    }
    if text.len() > LONGEST {
        report.error(path, format!("is {} characters long", text.len()), format!("Istio allows {LONGEST}"));
        return None;
    }
    match RegexBuilder::new(text).size_limit(LARGEST).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            let problem = error.to_string().lines().last().unwrap_or("is not an expression").trim().to_owned();
            report.error(
                path,
                format!("{text:?}: {problem}"),
                "write an RE2 expression; it must cover the whole value",
            );
            None
        }
    }
}

/// `headers` or `withoutHeaders`: a name without a condition asks for presence. In `withoutHeaders`, so does `regex: "*"`.
pub(super) fn headers(fields: &Fields<'_>, key: &'static str) -> Vec<HeaderMatch> {
    let mut matches = Vec::new();
    for (path, written, value) in fields.members(key) {
        let name: Box<str> = written.to_ascii_lowercase().into();
        if !is_name(written) {
            let problem = format!("{written:?} is no header's name");
            fields.report().error(&path, problem, "letters, digits, - and _ can stand in it");
        }
        let without = key == "withoutHeaders";
        if value.is_null() && !without {
            fields.report().error(&path, "is null", "write {} to ask for presence");
            continue;
        }
        if without && value.get("regex").and_then(Value::as_str) == Some("*") {
            matches.push(HeaderMatch { name, value: None });
            continue;
        }
        matches.extend(condition(path, value, fields.report()).map(|value| HeaderMatch { name, value }));
    }
    matches
}

/// `queryParams`: a name without a condition asks for presence.
pub(super) fn query_params(fields: &Fields<'_>) -> Vec<QueryMatch> {
    let members = fields.members("queryParams").into_iter();
    let read = members.map(|(path, name, value)| {
        condition(path, value, fields.report()).map(|value| QueryMatch { name: name.into(), value })
    });
    read.flatten().collect()
}

/// A condition under a name; `Some(None)` when it asks for presence, `None` when it is none.
fn condition(path: String, value: &Value, report: &Report<'_>) -> Option<Option<StringMatch>> {
    if value.is_null() {
        return Some(None);
    }
    match member(path.clone(), value, report) {
        Some(fields) => Some(read(&fields, false)),
        None => {
            report.error(&path, format!("{value} is not a condition"), "write exact:, prefix: or regex: under it");
            None
        }
    }
}

/// A header's, a pseudo-header's, or a claim's of a token, which no request of a mesh client carries
/// (istio/istio@86c9f01 pkg/config/validation/validation.go, ValidateHTTPHeaderNameOrJwtClaimRoute).
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    [":method", ":scheme", ":authority", ":path", ":status"].contains(&name)
        || name.starts_with("@request.auth.claims")
        || (!name.is_empty() && name.bytes().all(plain))
}
