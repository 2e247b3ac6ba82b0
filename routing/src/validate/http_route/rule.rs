//! One entry of `spec.rules`.

use std::time::Duration;

use super::super::fields::Fields;
use super::{backends, filters, matches, retry};
use crate::model::{
    DirectResponse, FaultInjection, HeaderOperations, HttpAction, HttpMatch, HttpRule, ObjectRef, Percent, Rewrite,
};

/// A rule that takes everything and has nowhere to send it.
pub(super) fn nowhere() -> HttpRule {
    HttpRule {
        name: None,
        matches: vec![matches::everything()],
        action: error(),
        rewrite: Rewrite::default(),
        timeout: None,
        retries: None,
        fault: FaultInjection::default(),
        mirrors: Vec::new(),
        cors: None,
        headers: HeaderOperations::default(),
    }
}

/// Answers 500: there is no backend, or a filter cannot be done.
fn error() -> HttpAction {
    HttpAction::Respond(DirectResponse { status: 500, body: [].into() })
}

pub(super) fn read(rule: &Fields<'_>, object: &ObjectRef) -> HttpRule {
    let name = rule.text("name").map(Into::into);
    let conditions = matches::read(rule);
    let filters = filters::of_rule(rule, object);
    let backends = backends::read(rule, object);
    let (request, backend_request) = timeouts(rule);
    let retries = retry::read(rule, backend_request);
    rule.not_honoured(&["sessionPersistence"]);
    conflicts(rule, &filters, &conditions);
    rule.finish();
    // Without retries a try is all there is (istio/istio@86c9f01 pilot/pkg/config/kube/gateway/conversion.go, convertHTTPRoute).
    let timeout = if retries.is_none() { backend_request.or(request) } else { request };
    let action = match (filters.redirect, backends) {
        _ if filters.impossible => error(),
        (Some(redirect), _) => HttpAction::Redirect(redirect),
        (None, Some(split)) => HttpAction::Route(split),
        (None, None) => error(),
    };
    HttpRule {
        name,
        matches: conditions,
        action,
        rewrite: filters.rewrite,
        timeout,
        retries,
        fault: FaultInjection::default(),
        mirrors: filters.mirrors.into_iter().filter(|mirror| mirror.percent != Percent(0)).collect(),
        cors: None,
        headers: filters.headers,
    }
}

/// `timeouts.request` and `.backendRequest`; 0 is no limit.
fn timeouts(rule: &Fields<'_>) -> (Option<Duration>, Option<Duration>) {
    let Some(timeouts) = rule.object("timeouts") else { return (None, None) };
    let limit = |key| timeouts.duration(key).filter(|limit| !limit.is_zero());
    let (request, backend_request) = (limit("request"), limit("backendRequest"));
    if let (Some(request), Some(backend)) = (request, backend_request)
        && backend > request
    {
        let problem = "is above timeouts.request, within which all tries have to end";
        timeouts.report().error(&timeouts.path("backendRequest"), problem, "lower it");
    }
    timeouts.finish();
    (request, backend_request)
}

/// What the schema refuses of a rule's parts together.
fn conflicts(rule: &Fields<'_>, filters: &filters::Filters, matches: &[HttpMatch]) {
    let report = rule.report();
    if filters.redirect.is_some() && !rule.objects("backendRefs").is_empty() {
        report.error(&rule.path("backendRefs"), "is written beside a RequestRedirect", "keep one of the two");
    }
    let rewrites = filters.rewrite.path.is_some() || filters.rewrite.authority.is_some();
    if filters.redirect.is_some() && rewrites {
        report.error(&rule.path("filters"), "has both RequestRedirect and URLRewrite", "keep one of the two");
    }
    if filters.replaces_prefix() && !matches::is_one_prefix(matches) {
        let problem = "replaces a matched prefix, but there is not exactly one match and that by PathPrefix";
        report.error(&rule.path("filters"), problem, "split the rule, or use replaceFullPath");
    }
}
