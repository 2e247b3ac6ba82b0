//! JUnit's XML as CI systems read it: a suite per file, a test case per case.

use std::fmt::Write as _;

use super::check::{CaseResult, Checks};
use super::report::details;

/// The document.
pub(super) fn xml(checks: &Checks) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failures) = (checks.results.len(), checks.failed());
    let (errors, mut rest) = (checks.problems.len(), &checks.results[..]);
    let mut suites = String::new();
    while let Some(first) = rest.first() {
        let (suite, others) = rest.split_at(rest.iter().take_while(|result| result.file == first.file).count());
        self::suite(&mut suites, &first.file, suite).expect("a String takes everything");
        rest = others;
    }
    writeln!(text, "<testsuites name=\"meshlet test\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">")
        .expect("a String takes everything");
    text + &suites + "</testsuites>\n"
}

fn suite(text: &mut String, file: &str, results: &[CaseResult]) -> std::fmt::Result {
    let failures = results.iter().filter(|result| !result.passed).count();
    let (file, tests) = (escaped(file), results.len());
    writeln!(text, "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\">")?;
    for result in results {
        let (name, line) = (escaped(&result.name), result.line);
        write!(text, "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\"")?;
        if result.passed {
            writeln!(text, "/>")?;
            continue;
        }
        let lines: Vec<String> = result
            .requests
            .iter()
            .filter(|request| !request.passed)
            .flat_map(|request| {
                let asked = request.request.as_deref().unwrap_or("is it captured?");
                [format!("{asked}  from {}", request.client)].into_iter().chain(details(request))
            })
            .collect();
        let message = lines.get(1).map(|line| escaped(line)).unwrap_or_default();
        writeln!(text, ">\n      <failure message=\"{message}\">{}</failure>", escaped(&lines.join("\n")))?;
        writeln!(text, "    </testcase>")?;
    }
    writeln!(text, "  </testsuite>")
}

/// XML 1.0 has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
