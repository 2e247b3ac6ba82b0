//! What a route does to a request's address: rewrite it, redirect it, or answer in its place.

use std::sync::Arc;

use regex::Regex;

/// `rewrite`; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// How the path changes.
    pub path: Option<PathRewrite>,
    /// Replaces Host.
    pub authority: Option<Box<str>>,
}

/// How a path is rewritten; the query stays.
#[derive(Debug, Clone)]
pub enum PathRewrite {
    /// `uri`: replaces the matched prefix under a prefix match, the implied `/` without a uri condition, and the whole path
    /// under an exact or regex match.
    Uri(Box<str>),
    /// `uriRegexRewrite`: every match within the path is replaced.
    Regex {
        /// RE2 syntax, not anchored.
        pattern: Regex,
        /// With `\1` for groups, `\0` for the whole match and `\\` for a backslash.
        replacement: Box<str>,
    },
    /// Gateway API's `ReplacePrefixMatch`: the matched prefix is replaced segment by segment.
    PathPrefix(Box<str>),
    /// Gateway API's `ReplaceFullPath`.
    Full(Box<str>),
}

/// `redirect`.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Replaces the path as said; `None` keeps it.
    pub path: Option<PathRewrite>,
    /// Replaces the host.
    pub authority: Option<Box<str>>,
    /// Replaces the scheme.
    pub scheme: Option<Box<str>>,
    /// What the location says of the port.
    pub port: RedirectPort,
}

/// The port in a redirect's location.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedirectPort {
    /// As the request's Host has it (`derivePort: FROM_PROTOCOL_DEFAULT`).
    #[default]
    OfHost,
    /// `port`.
    Number(u16),
    /// `derivePort: FROM_REQUEST_PORT`: the dialled one.
    OfRequest,
    /// Gateway API's with a scheme and no port: the scheme's own, which needs no writing.
    OfScheme,
}

/// `directResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectResponse {
    /// 200 to 600.
    pub status: u16,
    /// At most 1 MB.
    pub body: Arc<[u8]>,
}
