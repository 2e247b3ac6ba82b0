//! How a rule compares text.

use regex::bytes::Regex;

/// Istio's StringMatch.
#[derive(Debug, Clone)]
pub enum StringMatch {
    /// Equal, case-sensitive.
    Exact(Box<str>),
    /// Starts with; plain text, no segment boundary.
    Prefix(Box<str>),
    /// RE2 syntax over the whole value; already anchored when compiled.
    Regex(Regex),
}

impl StringMatch {
    /// Whether `value` fits.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// One entry of `match[].headers` or `withoutHeaders`.
#[derive(Debug, Clone)]
pub struct HeaderMatch {
    /// Lower case; pseudo-headers (`:authority`) are allowed.
    pub name: Box<str>,
    /// `None` asks for presence alone.
    pub value: Option<StringMatch>,
}
