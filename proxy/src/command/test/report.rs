//! The results for eyes: what failed, what was expected and found, and which rule decided.

use std::fmt::Write as _;

use super::check::{CaseResult, Checks, RequestResult};

/// The table; `wide` lists requests that passed too.
pub(super) fn table(checks: &Checks, wide: bool, colour: bool) -> String {
    let mut text = String::new();
    for result in checks.results.iter().filter(|result| wide || !result.passed) {
        case(&mut text, result, wide, colour).expect("a String takes everything");
    }
    let failed = checks.failed();
    let (cases, requests) = (checks.results.len(), checks.results.iter().map(|result| result.requests.len()).sum());
    let asked = format!("{}, {}", count(cases, "case"), count(requests, "request"));
    let all =
        if failed == 0 { format!("{asked}: all passed") } else { format!("{asked}: {} failed", count(failed, "case")) };
    if cases > 0 {
        writeln!(text, "{} {all}", sign(failed == 0, colour)).expect("a String takes everything");
    }
    text
}

fn case(text: &mut String, result: &CaseResult, wide: bool, colour: bool) -> std::fmt::Result {
    let CaseResult { file, line, column, name, .. } = result;
    writeln!(text, "{} {file}:{line}:{column}  {name}", sign(result.passed, colour))?;
    for request in result.requests.iter().filter(|request| wide || !request.passed) {
        let asked = request.request.as_deref().unwrap_or("is it captured?");
        writeln!(text, "  {} {asked}  from {}", sign(request.passed, colour), request.client)?;
        for line in details(request) {
            writeln!(text, "      {line}")?;
        }
    }
    Ok(())
}

/// What failed, and what decided instead.
pub(super) fn details(request: &RequestResult) -> Vec<String> {
    let unmet = |failure: &meshlet_routing::cases::Unmet| {
        format!("{}: expected {}, found {}", failure.key, failure.expected, failure.found)
    };
    let mut lines: Vec<String> = request.failures.iter().map(unmet).collect();
    lines.extend(request.error.clone());
    if !request.decided.is_empty() {
        lines.push(format!("decided: {}", request.decided));
    }
    if !request.passed {
        lines.extend(request.skipped.iter().map(|skipped| format!("  {skipped}")));
    }
    lines
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn sign(passed: bool, colour: bool) -> &'static str {
    match (passed, colour) {
        (true, false) => "✔",
        (false, false) => "✘",
        (true, true) => "\x1b[32m✔\x1b[0m",
        (false, true) => "\x1b[31m✘\x1b[0m",
    }
}
