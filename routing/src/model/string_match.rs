//! How a rule compares text.

use std::fmt;

use regex::bytes::Regex;

/// Istio's StringMatch.
#[derive(Debug, Clone)]
pub enum StringMatch {
    /// Equal, case-sensitive.
    Exact(Box<str>),
    /// Starts with; plain text, no segment boundary.
    Prefix(Box<str>),
    /// Gateway API's `PathPrefix`: equal, or starts with it and a slash; it has none at its own end.
    Segments(Box<str>),
    /// RE2 syntax over the whole value; already anchored when compiled.
    Regex(Regex),
}

impl StringMatch {
    /// The written expression `.*`, as it is compiled.
    pub const ANY: &'static str = "^(?:.*)$";

    /// Whether `value` fits.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Segments(text) => {
                value.strip_prefix(text.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
            }
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// Whether `value` fits whatever its case; an exact text or a prefix must itself be in lower case.
    #[must_use]
    pub fn matches_folded(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value.eq_ignore_ascii_case(text.as_bytes()),
            Self::Prefix(text) => {
                value.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
            }
            // Only the Gateway API has segments, and nothing there ignores case.
            Self::Segments(_) => self.matches(value),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

impl fmt::Display for StringMatch {
    /// As one would say it: `exact "v1"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "exact {text:?}"),
            Self::Prefix(text) => write!(f, "prefix {text:?}"),
            Self::Segments(text) => write!(f, "path prefix {text:?}"),
            Self::Regex(regex) => {
                let anchored = regex.as_str();
                let written = anchored.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
                write!(f, "regex {:?}", written.unwrap_or(anchored))
            }
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

/// One entry of `match[].queryParams`.
#[derive(Debug, Clone)]
pub struct QueryMatch {
    /// As it is written, case kept.
    pub name: Box<str>,
    /// `None` asks for presence alone.
    pub value: Option<StringMatch>,
}
