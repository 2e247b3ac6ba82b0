//! The report for eyes, in the shape of linkerd's: a line each, remedies indented below.

use std::fmt::Write as _;

use super::report::{Outcome, Report};

/// The page, ending with a line feed; a wide one has the details.
pub(super) fn page(report: &Report, wide: bool, colour: bool) -> String {
    let mut text = String::new();
    for section in &report.sections {
        let line = "-".repeat(section.title.len());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\n{line}", section.title);
        for check in &section.checks {
            let _ = writeln!(text, "{} {}", mark(check.result, colour), check.message);
            if let Some(remedy) = &check.remedy {
                let _ = writeln!(text, "    {remedy}");
            }
            for detail in check.details.iter().filter(|_| wide) {
                let _ = writeln!(text, "      {detail}");
            }
        }
        text.push('\n');
    }
    let all = if report.holds() { Outcome::Pass } else { Outcome::Fail };
    let _ = writeln!(text, "Status check results are {}", mark(all, colour));
    text
}

fn mark(outcome: Outcome, colour: bool) -> String {
    let (sign, code) = match outcome {
        Outcome::Pass => ("√", 32),
        Outcome::Warning => ("‼", 33),
        Outcome::Fail => ("×", 31),
        Outcome::Skipped => ("–", 36),
    };
    if colour { format!("\u{1b}[{code}m{sign}\u{1b}[0m") } else { sign.to_owned() }
}
