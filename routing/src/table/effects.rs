//! What a route and its destination do with a request and its response, beside sending it somewhere.

use std::time::Duration;

use crate::model::{HeaderEdit, HttpRule, RetryPolicy, Template};

/// Compiled for one destination of one route, or for a route that answers itself.
#[derive(Debug)]
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
    /// Whether a further try looks for an endpoint that was not tried yet.
    pub avoid_tried: bool,
}

impl Default for Effects {
    /// Those of a default route that hashes nothing.
    fn default() -> Self {
        Self::of_default(false)
    }
}

impl Effects {
    /// Those of a rule's destination. Whether the route hashes requests decides where further tries go.
    pub(super) fn of_rule(rule: &HttpRule, hashed: bool) -> Self {
        Self { timeout: rule.timeout, ..Self::retrying(rule.retries.clone().unwrap_or_default(), hashed) }
    }

    /// Those of a service's default route.
    pub(super) fn of_default(hashed: bool) -> Self {
        Self::retrying(RetryPolicy::default(), hashed)
    }

    fn retrying(retries: RetryPolicy, hashed: bool) -> Self {
        let avoid_tried = retries.avoid_tried.unwrap_or(!hashed);
        Self { request: [].into(), response: [].into(), authority: None, timeout: None, retries, avoid_tried }
    }
}
