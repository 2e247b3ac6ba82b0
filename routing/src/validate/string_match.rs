//! Istio's StringMatch, wherever it occurs.

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::fields::{Fields, Report, member};
use crate::model::{HeaderMatch, StringMatch};

/// Istio's bound of an expression's length.
const LONGEST: usize = 1024;
/// Bound of a compiled expression in bytes.
const LARGEST: usize = 1 << 20;

/// Exactly one of `exact`, `prefix`, `regex`; `None` when there is none of them, or a fault was reported.
pub(super) fn read(fields: &Fields<'_>, fold: bool) -> Option<StringMatch> {
    let case = |text: &str| if fold { text.to_ascii_lowercase() } else { text.to_owned() };
    let exact = fields.text("exact").map(|text| StringMatch::Exact(case(text).into()));
    let prefix = fields.text("prefix").map(|text| StringMatch::Prefix(case(text).into()));
    let expression = fields.text("regex");
    fields.finish();
    let written = usize::from(exact.is_some()) + usize::from(prefix.is_some()) + usize::from(expression.is_some());
    if written > 1 {
        fields.report().error(fields.here(), "has more than one of exact, prefix, regex", "keep one");
        return None;
    }
    exact.or(prefix).or_else(|| regex(&fields.path("regex"), expression?, fields.report()).map(StringMatch::Regex))
}

/// RE2 syntax over the whole value.
fn regex(path: &str, text: &str, report: &Report<'_>) -> Option<Regex> {
    if text.len() > LONGEST {
        report.error(path, format!("is {} characters long", text.len()), format!("Istio allows {LONGEST}"));
        return None;
    }
    // The group keeps an alternative from binding the anchors to its ends.
    match RegexBuilder::new(&format!("^(?:{text})$")).size_limit(LARGEST).dot_matches_new_line(false).build() {
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
    for (path, name, value) in fields.members(key) {
        let name: Box<str> = name.to_ascii_lowercase().into();
        let any = key == "withoutHeaders" && value.get("regex").and_then(Value::as_str) == Some("*");
        if value.is_null() || any {
            matches.push(HeaderMatch { name, value: None });
            continue;
        }
        match member(path.clone(), value, fields.report()) {
            Some(condition) => matches.push(HeaderMatch { name, value: read(&condition, false) }),
            None => fields.report().error(
                &path,
                format!("{value} is not a condition"),
                "write exact:, prefix: or regex: under it",
            ),
        }
    }
    matches
}
