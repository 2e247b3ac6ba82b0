//! Routing tests as people write them for their CI: who asks, what is asked, and what is expected.
//!
//! [`parse`] makes cases of a file, each fault with its line and column; [`keys`] is the list of what an expectation may name;
//! [`compare`] holds an expectation against an explanation. docs/test.md describes the format.

mod compare;
mod keys;
mod read;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::explain::{Asked, Explanation};
use crate::fault::Source;

pub use compare::Unmet;
pub use read::parse;

/// What a test file holds.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Paths of manifests, relative to the file.
    pub manifests: Vec<String>,
    /// The path of the mesh's config, relative to the file.
    pub mesh_config: Option<String>,
    /// In written order.
    pub cases: Vec<Case>,
}

/// One or more questions with one expectation.
#[derive(Debug, Clone)]
pub struct Case {
    /// For people.
    pub name: String,
    /// Where it is written.
    pub source: Source,
    /// What is asked, in order.
    pub asked: Vec<Asked>,
    /// What must hold.
    expect: Arc<Expectation>,
    /// What must not.
    not: Arc<Expectation>,
}

/// Keys of [`keys::TOP`] with what they should be; checked against their shapes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectation(Map<String, Value>);

impl Case {
    /// What the explanation does not say although it should, and says although it should not.
    #[must_use]
    pub fn unmet(&self, explanation: &Explanation) -> Vec<Unmet> {
        let found = serde_json::to_value(explanation).unwrap_or_default();
        let mut unmet = self.expect.unmet(&found);
        unmet.extend(self.not.met(&found));
        unmet
    }
}

impl Expectation {
    /// Of one key, as a command line has it: `rule.name=canary`; the value is text, read as YAML reads it.
    ///
    /// # Errors
    /// When no expectation has such a key, or the value is of another type.
    pub fn of(path: &str, value: &str) -> Result<Self, String> {
        read::expectation(path, value)
    }

    /// What `found`, an explanation's JSON, does not say.
    #[must_use]
    pub fn unmet(&self, found: &Value) -> Vec<Unmet> {
        compare::unmet(&self.0, found)
    }

    /// What it does say: nothing of an expectation that must not hold.
    fn met(&self, found: &Value) -> Vec<Unmet> {
        compare::met(&self.0, found)
    }
}
