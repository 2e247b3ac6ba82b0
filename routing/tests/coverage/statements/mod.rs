//! Every statement of Istio's semantics, and the tests that hold it.

/// A statement a line: section, kind, text, tests.
macro_rules! statements {
    ($($section:literal $kind:ident $text:literal [$($test:literal),*];)*) => {
        pub(super) const STATEMENTS: &[Statement] =
            &[$(Statement { section: $section, kind: Kind::$kind, text: $text, tests: &[$($test),*] }),*];
    };
}

mod list;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use list::STATEMENTS;

use crate::open::NOT_HELD;
use crate::{document, sources};

/// What kind of statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As documented.
    Plain,
    /// True in the code alone.
    Quirk,
}

/// One statement.
#[derive(Debug)]
struct Statement {
    section: &'static str,
    kind: Kind,
    text: &'static str,
    tests: &'static [&'static str],
}

/// Headings; those from 2.1 on are numbered statements, before them stand quirks of single fields.
const SECTIONS: &[(&str, &str)] = &[
    ("1.3", "Conditions of an http match"),
    ("1.6", "DestinationRules"),
    ("1.7", "Load balancers"),
    ("1.8", "Connection pools"),
    ("1.9", "Outlier detection"),
    ("2.1", "Names in objects"),
    ("2.2", "Names that a client may put into Host"),
    ("2.3", "Which port a name lives on"),
    ("2.4", "Which VirtualService owns a host"),
    ("2.5", "No virtual host, no route, no listener"),
    ("2.6", "The destination's port"),
    ("2.7", "Broken destinations"),
    ("3.1", "Evaluation"),
    ("3.2", "String matching"),
    ("3.3", "Presence of headers and parameters"),
    ("3.4", "Rewrite"),
    ("3.5", "Redirect"),
    ("3.6", "Direct response"),
    ("3.7", "Header operations"),
    ("3.8", "Retries and timeouts"),
    ("3.9", "Faults"),
    ("3.10", "CORS"),
    ("3.11", "Weights"),
    ("3.12", "Delegation"),
    ("4.1", "Which DestinationRules apply"),
    ("4.2", "Several rules for a host"),
    ("4.3", "Composition of a policy"),
    ("4.4", "Load balancing"),
    ("4.5", "Consistent hash"),
    ("4.6", "Outlier detection"),
    ("4.7", "Overflow"),
    ("4.8", "Locality"),
    ("4.9", "TLS modes"),
    ("5.1", "Declared protocols"),
    ("5.2", "Treatment of a port"),
    ("5.3", "TCP routes"),
    ("5.4", "TLS routes"),
    ("5.5", "Conflicts"),
];

#[test]
fn given_a_statement_then_the_tests_that_hold_it_exist_and_a_quirk_has_its_own() {
    let tests = sources::tests();
    let mut wrong = Vec::new();
    for statement in STATEMENTS {
        let listed = NOT_HELD.contains(&statement.text);
        let held = !statement.tests.is_empty();
        if listed == held {
            wrong.push(format!(
                "{} {}: correct NOT_HELD, which only ever gets shorter",
                statement.section, statement.text
            ));
        }
        wrong.extend(
            statement.tests.iter().filter(|test| !tests.contains(**test)).map(|test| format!("no test {test}")),
        );
        let letter = if statement.kind == Kind::Quirk { 'q' } else { 's' };
        let fits = statement.tests.iter().any(|test| test.starts_with(letter));
        if held && !fits {
            wrong.push(format!("{} {}: no test is named after it", statement.section, statement.text));
        }
    }
    assert!(wrong.is_empty(), "correct routing/tests/coverage/statements/:\n{}", wrong.join("\n"));
}

#[test]
fn given_a_numbered_section_then_a_test_is_named_after_it() {
    let tests = sources::tests();
    for (number, title) in SECTIONS {
        let prefix = format!("s{}_", number.replace('.', "_"));
        let listed =
            STATEMENTS.iter().any(|statement| statement.section == *number && NOT_HELD.contains(&statement.text));
        let quirks_alone = !number.starts_with(['2', '3', '4', '5']);
        let named = tests.iter().any(|test| test.starts_with(&prefix));
        assert!(named || listed || quirks_alone, "no test is named after {number} {title}");
    }
}

#[test]
fn given_the_sections_then_each_has_statements_and_no_statement_another_section() {
    let known: BTreeSet<&str> = SECTIONS.iter().map(|(number, _)| *number).collect();
    let used: BTreeSet<&str> = STATEMENTS.iter().map(|statement| statement.section).collect();
    assert_eq!(used, known);
}

#[test]
fn given_the_statements_then_the_document_is_made_from_them() {
    document::is_up_to_date("docs/semantics.md", &markdown());
}

fn markdown() -> String {
    let mut text = "# Istio's semantics, statement by statement\n\nMade from `routing/tests/coverage/statements/`. What a sidecar does for outbound \
                    traffic of the mesh, and the tests that hold meshlet to it\n(`cargo test -p meshlet-routing`). Q: a quirk, true in Istio's code and \
                    absent from or contrary to its documentation; it is followed.\n"
        .to_owned();
    for (number, title) in SECTIONS {
        let _infallible = write!(text, "\n## {number} {title}\n\n| statement | | tests |\n|---|---|---|\n");
        for statement in STATEMENTS.iter().filter(|statement| statement.section == *number) {
            let tests: Vec<String> = statement.tests.iter().map(|test| format!("`{test}`")).collect();
            let tests = if tests.is_empty() { "not tested yet".to_owned() } else { tests.join("<br>") };
            let quirk = if statement.kind == Kind::Quirk { "Q" } else { "" };
            let _infallible = writeln!(text, "| {} | {quirk} | {tests} |", statement.text);
        }
    }
    text
}
