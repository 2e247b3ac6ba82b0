//! `corsPolicy`.

use std::time::Duration;

use super::StringMatch;

/// Which pages of other origins may read answers.
#[derive(Debug, Clone)]
pub struct CorsPolicy {
    /// Origins that may; any of them.
    pub allow_origins: Vec<StringMatch>,
    /// Written to preflights as it is.
    pub allow_methods: Vec<Box<str>>,
    /// Written to preflights as it is.
    pub allow_headers: Vec<Box<str>>,
    /// Written to ordinary answers.
    pub expose_headers: Vec<Box<str>>,
    /// How long a preflight's answer holds.
    pub max_age: Option<Duration>,
    /// `allowCredentials`, where it is written.
    pub allow_credentials: Option<bool>,
    /// Whether a preflight of any other origin goes to the endpoint (`FORWARD`, the default) or is answered without CORS
    /// headers (`IGNORE`).
    pub forward_unmatched: bool,
}
