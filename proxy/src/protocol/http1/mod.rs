//! HTTP/1.1 over httparse, strict where two readers could disagree about where a message ends.
//!
//! [`first_line`] tells HTTP/1.1 from everything else; [`request`] and [`response`] parse heads into [`fields`]; [`framing`]
//! says how long a body is, [`body`] and [`chunks`] follow it; [`forward`] and [`reply`] write heads, with the [`lines`] that rules
//! have changed.

pub(crate) mod body;
mod chunks;
pub(crate) mod fields;
pub(crate) mod first_line;
pub(crate) mod forward;
pub(crate) mod framing;
pub(crate) mod lines;
mod refusal;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod response;
#[cfg(test)]
mod tests;

pub(crate) use refusal::Refusal;

/// A head, request or response, is at most this long.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// Envoy's default.
pub(crate) const MAX_FIELDS: usize = 100;

/// How far a head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Its end is not there yet.
    Partial,
    /// All of it was read.
    Complete,
}

/// A byte of a method or a field name (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A byte of a field value or a chunk extension: visible, blank or beyond ASCII; no CR, LF, NUL or other control.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
