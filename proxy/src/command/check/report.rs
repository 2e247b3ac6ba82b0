//! What is said: sections of checks, the same for eyes and for machines.

use serde::Serialize;

/// The outcome of every check, by section.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// In the order of the page.
    pub(super) sections: Vec<Section>,
}

/// Checks of one kind.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    /// Its heading.
    pub(super) title: &'static str,
    /// Its lines.
    pub(super) checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// How it went.
    pub(super) result: Outcome,
    /// What was found.
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
    /// One by one what the message sums up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) details: Vec<String>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// As it should be.
    Pass,
    /// It works, and somebody should know.
    Warning,
    /// It does not work.
    Fail,
    /// It was not looked at; the remedy is how it can be.
    Skipped,
}

impl Report {
    /// Whether nothing failed.
    pub(super) fn holds(&self) -> bool {
        self.sections.iter().flat_map(|section| &section.checks).all(|check| check.result != Outcome::Fail)
    }
}

impl Check {
    pub(super) fn pass(message: impl Into<String>) -> Self {
        Self { result: Outcome::Pass, message: message.into(), remedy: None, details: Vec::new() }
    }

    pub(super) fn warning(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { result: Outcome::Warning, remedy: Some(remedy.into()), ..Self::pass(message) }
    }

    pub(super) fn fail(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { result: Outcome::Fail, remedy: Some(remedy.into()), ..Self::pass(message) }
    }

    pub(super) fn skipped(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { result: Outcome::Skipped, remedy: Some(remedy.into()), ..Self::pass(message) }
    }

    /// Of an error that says what is wrong, a colon, and what to do.
    pub(super) fn of_error(error: &str) -> Self {
        match error.split_once(": ") {
            Some((wrong, remedy)) => Self::fail(wrong, remedy),
            None => Self::fail(error, "see the message"),
        }
    }

    pub(super) fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}
