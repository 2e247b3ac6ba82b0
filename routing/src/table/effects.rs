//! What a route and its destination do with a request and its response, beside sending it somewhere.

use std::time::Duration;

use crate::model::{Destination, HeaderEdits, HttpRule, RetryPolicy};

/// Compiled for one destination of one route, or for a route that answers itself.
#[derive(Debug)]
pub struct Effects {
    /// Lists of operations on the request's headers, one list after the other, each by [`HeaderEdits::render`]. They come
    /// before Host and path are rewritten: `%REQ(:path)%` is what the client asked for.
    pub request: Box<[HeaderEdits]>,
    /// The same on the response's headers, the endpoint's or the proxy's own.
    pub response: Box<[HeaderEdits]>,
    /// Replaces Host, after the operations.
    pub authority: Option<Box<str>>,
    /// Over all tries; `None`: no limit.
    pub timeout: Option<Duration>,
    /// When it is tried again.
    pub retries: RetryPolicy,
    /// Whether a further try looks for an endpoint that was not tried yet.
    pub avoid_tried: bool,
}

impl Default for Effects {
    /// Those of a default route that hashes nothing, in a mesh that says nothing about retries.
    fn default() -> Self {
        Self::of_default(&RetryPolicy::default(), false)
    }
}

impl Effects {
    /// Those of a service's default route. Whether the route hashes requests decides where further tries go.
    pub(super) fn of_default(retries: &RetryPolicy, hashed: bool) -> Self {
        Self::retrying(retries.clone(), hashed)
    }

    /// Of a rule on its way to one of its destinations, which may be the sole one. A rule without `retries` has those of the
    /// mesh, taken whole.
    ///
    /// With a sole destination Istio writes one list, the route's operations first: for `set` the destination wins. With
    /// several the destination's list runs first and the route's last: for `set` the route wins. Host is the route's to
    /// rewrite in both cases (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, processDestination and
    /// processWeightedDestination; envoy source/common/router/config_impl.cc, WeightedClusterEntry::finalizeRequestHeaders).
    pub(super) fn of_destination(
        rule: &HttpRule,
        destination: &Destination,
        sole: bool,
        retries: &RetryPolicy,
        hashed: bool,
    ) -> Self {
        let (route, own) = (&rule.headers, &destination.headers);
        let lists = |route: &HeaderEdits, own: &HeaderEdits| {
            let lists = if sole { vec![joined(route, own)] } else { vec![own.clone(), route.clone()] };
            lists.into_iter().filter(|list| !list.is_empty()).collect()
        };
        let authorities = [&rule.rewrite.authority, &route.authority, &own.authority];
        Self {
            request: lists(&route.request, &own.request),
            response: lists(&route.response, &own.response),
            authority: authorities.into_iter().flatten().next().cloned(),
            timeout: rule.timeout,
            ..Self::retrying(rule.retries.as_ref().unwrap_or(retries).clone(), hashed)
        }
    }

    /// Of a rule that answers itself: what it does to responses.
    pub(super) fn of_answer(rule: &HttpRule) -> Self {
        let response = Some(rule.headers.response.clone()).filter(|list| !list.is_empty());
        Self { response: response.into_iter().collect(), ..Self::default() }
    }

    fn retrying(retries: RetryPolicy, hashed: bool) -> Self {
        let avoid_tried = retries.avoid_tried.unwrap_or(!hashed);
        Self { request: [].into(), response: [].into(), authority: None, timeout: None, retries, avoid_tried }
    }
}

/// One list: removals of both, then what both set, then what both add.
fn joined(first: &HeaderEdits, second: &HeaderEdits) -> HeaderEdits {
    HeaderEdits {
        remove: first.remove.iter().chain(&second.remove).cloned().collect(),
        set: first.set.iter().chain(&second.set).cloned().collect(),
        add: first.add.iter().chain(&second.add).cloned().collect(),
    }
}
