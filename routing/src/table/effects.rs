//! What a route and its destination do with a request and its response, beside sending it somewhere.

use std::time::Duration;

use crate::model::{HeaderEdit, RetryPolicy, Template};

/// Compiled for one destination of one route, or for a route that answers itself.
#[derive(Debug, Default)]
pub struct Effects {
    /// Done to the request's headers, in this order, after the path and Host were rewritten.
    pub request: Box<[HeaderEdit]>,
    /// Done to the response's headers, in this order.
    pub response: Box<[HeaderEdit]>,
    /// Replaces Host.
    pub authority: Option<Template>,
    /// Over all tries; `None`: no limit.
    pub timeout: Option<Duration>,
    /// When it is tried again.
    pub retries: RetryPolicy,
}
