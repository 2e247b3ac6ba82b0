//! What tests make the API server do wrong.

use std::time::Duration;

/// How requests for a resource are answered wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 403, as without a role that allows it.
    Forbidden,
    /// 403 for writes alone.
    ReadOnly,
    /// This status, 500 or 503.
    Fails(u16),
    /// 200 and a body that is no JSON.
    Garbage,
    /// 200 and a body without end and without a line's end.
    Endless,
    /// Watches end after so long; lists are right.
    Closes(Duration),
    /// The answer begins after so long.
    Slow(Duration),
    /// Fields of this name are dropped from what is written, as those are that a CRD's schema does not know.
    Prunes(&'static str),
}
