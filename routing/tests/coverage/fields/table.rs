//! The table, held against the code.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::measure::{Measured, measure};
use super::{Field, Priority, SECTIONS, Standing, all};
use crate::open::{NOT_HONOURED, NOT_PROVED};
use crate::{document, sources};

/// The path without what makes it readable by a program.
fn shown(field: &Field) -> String {
    field.path.replace(['(', ')'], "")
}

#[test]
fn given_a_field_that_is_said_to_be_honoured_reported_or_ignored_then_it_is_so() {
    let mut wrong = Vec::new();
    for field in all() {
        let expected = match field.standing {
            Standing::Honoured(_) => Measured::Honoured,
            Standing::Reported => Measured::Reported,
            Standing::Refused => Measured::Refused,
            Standing::Ignored => Measured::Ignored,
            Standing::NotRead => Measured::NotRead,
        };
        let found = measure(field);
        if found != expected {
            wrong.push(format!("{} {}|{}: {found:?}, not {expected:?}", field.section, field.path, field.value));
        }
    }
    assert!(wrong.is_empty(), "correct routing/tests/coverage/fields/:\n{}", wrong.join("\n"));
}

#[test]
fn given_a_field_that_is_honoured_then_tests_prove_it() {
    let tests = sources::tests();
    let mut wrong = Vec::new();
    for field in all() {
        let Standing::Honoured(named) = field.standing else { continue };
        let listed = NOT_PROVED.contains(&(field.path, field.value));
        if named.is_empty() != listed {
            wrong.push(format!("{}: name a test, and correct NOT_PROVED, which only ever gets shorter", field.path));
        }
        wrong.extend(
            named.iter().filter(|name| !tests.contains(**name)).map(|name| format!("{}: no test {name}", field.path)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn given_a_field_that_must_or_should_be_honoured_then_it_is_unless_it_is_listed() {
    let wanting = |field: &&Field| !matches!(field.standing, Standing::Honoured(_) | Standing::Ignored);
    let missing = all().filter(|field| field.priority != Priority::L).filter(wanting);
    let missing: BTreeSet<(&str, &str)> = missing.map(|field| (field.path, field.value)).collect();
    assert_eq!(missing, NOT_HONOURED.iter().copied().collect(), "correct NOT_HONOURED: it only ever gets shorter");
}

#[test]
fn given_the_table_then_no_field_stands_twice_and_every_section_has_some() {
    let mut seen = BTreeSet::new();
    for field in all() {
        assert!(seen.insert((field.path, field.value)), "{} stands twice", field.path);
        assert!(SECTIONS.iter().any(|(number, _)| *number == field.section), "{}", field.section);
    }
    for (number, _) in SECTIONS {
        assert!(all().any(|field| field.section == *number), "{number}");
    }
}

#[test]
fn given_the_table_then_the_document_is_made_from_it() {
    document::is_up_to_date("docs/fields.md", &markdown());
}

/// The word for it, and the tests that prove it.
fn word(standing: Standing) -> (&'static str, &'static [&'static str]) {
    match standing {
        Standing::Honoured(tests) => ("honoured", tests),
        Standing::Reported => ("reported", &[]),
        Standing::Refused => ("refused", &[]),
        Standing::Ignored => ("ignored", &[]),
        Standing::NotRead => ("not read", &[]),
    }
}

const INTRODUCTION: &str = "# Fields

Made from `routing/tests/coverage/fields/`, whose tests put each field into an object and see what becomes of it.

- *honoured*: it changes what the object means, and the tests beside it prove its effect
- *reported*: `meshlet run`, `explain` and `analyze` say with its path that it is not honoured, and the rest of the object applies
- *refused*: the object is refused with a fault at its path, since without it the rest would be wrong
- *ignored*: it has no effect in Istio either
- *not read*: objects of the kind are skipped and counted

Priority: M must, S should, L later.
";

fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    let count = |wanted: &str| all().filter(|field| word(field.standing).0 == wanted).count();
    let words = ["honoured", "reported", "refused", "ignored", "not read"];
    let counts: Vec<String> = words.iter().map(|word| format!("{} {word}", count(word))).collect();
    let _infallible = writeln!(text, "{}.", counts.join(", "));
    for (number, title) in SECTIONS {
        // What the reference has no section for has a word instead.
        let number_shown =
            if number.starts_with(|first: char| first.is_ascii_digit()) { format!("{number} ") } else { String::new() };
        let _infallible =
            write!(text, "\n## {number_shown}{title}\n\n| field | priority | | tested by |\n|---|---|---|---|\n");
        for field in all().filter(|field| field.section == *number) {
            let (standing, tests) = word(field.standing);
            let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
            let alternative = all().filter(|other| other.path == field.path).count() > 1;
            let value = if alternative { format!(": {}", field.value) } else { String::new() };
            let (priority, tests) = (field.priority, tests.join("<br>"));
            let _infallible = writeln!(text, "| `{}{value}` | {priority:?} | {standing} | {tests} |", shown(field));
        }
    }
    text
}
