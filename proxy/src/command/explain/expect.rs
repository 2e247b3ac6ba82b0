//! `--expect KEY=VALUE`.

use std::str::FromStr;

use meshlet_routing::cases::Expectation;
use serde_json::Value;

/// What an answer must say.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    key: String,
    value: String,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    /// A key that means the pick here, where one request is asked about, and all destinations in a test file.
    Picked(&'static str),
    Key(Expectation),
}

impl FromStr for Expected {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let (key, value) = written.split_once('=').ok_or("write KEY=VALUE")?;
        let rule = match key {
            "subset" => Rule::Picked("/pick/subset"),
            "endpoint" => Rule::Picked("/pick/endpoint"),
            key => Rule::Key(Expectation::of(key, value)?),
        };
        Ok(Self { key: key.to_owned(), value: value.to_owned(), rule })
    }
}

impl Expected {
    /// The complaint, unless the answer says so. An empty value expects that there is none.
    pub(super) fn unmet(&self, answer: &Value) -> Option<String> {
        let complaint = |expected: &str, found: &str| {
            let found = if found.is_empty() { "none" } else { found };
            format!("expected {} {expected}, found {found}", self.key)
        };
        match &self.rule {
            Rule::Picked(pointer) => {
                let found = answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                (found != self.value).then(|| complaint(&self.value, found))
            }
            Rule::Key(expectation) => {
                expectation.unmet(answer).first().map(|unmet| complaint(&unmet.expected, &unmet.found))
            }
        }
    }
}
