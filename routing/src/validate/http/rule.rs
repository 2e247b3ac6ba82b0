//! One entry of `spec.http`.

use std::sync::Arc;

use super::super::fields::Fields;
use super::super::{duration, split};
use super::{cors, delegate, direct_response, fault_injection, headers, matches, mirrors, redirect, retries, rewrite};
use crate::model::{HttpAction, HttpRule, ObjectRef};

pub(in crate::validate) fn read(rule: &Fields<'_>, object: &ObjectRef) -> Option<HttpRule> {
    let name = rule.text("name").map(Into::into);
    let matches = rule.objects("match").iter().map(matches::read).collect();
    let action = action(rule, object);
    let rewrite = rewrite::read(rule);
    let headers = headers::of_rule(rule, rewrite.authority.as_deref());
    let timeout = duration::whole_millis(rule, "timeout");
    let retries = retries::read(rule);
    let fault = fault_injection::read(rule);
    let mirrors = mirrors::read(rule, object);
    let cors = rule.object("corsPolicy").map(|policy| Arc::new(cors::read(&policy)));
    rule.finish();
    Some(HttpRule { name, matches, action: action?, rewrite, timeout, retries, fault, mirrors, cors, headers })
}

/// Exactly one of `route`, `redirect`, `directResponse` and `delegate`, and nothing beside an answer that only makes sense for what is
/// sent on (istio/istio@86c9f01 pkg/config/validation/virtualservice.go, validateHTTPRouteConflict).
fn action(rule: &Fields<'_>, object: &ObjectRef) -> Option<HttpAction> {
    if let Some(fields) = rule.object("delegate") {
        return Some(delegate::read(rule, &fields, object));
    }
    let routes = rule.objects("route");
    let split = split::read(rule, &routes, object, headers::of_destination);
    let redirect = rule.object("redirect").map(|fields| redirect::read(&fields));
    let answer = rule.object("directResponse");
    let answered = answer.as_ref().map(direct_response::read);
    let kind = if redirect.is_some() { "redirect" } else { "directResponse" };
    if redirect.is_some() || answer.is_some() {
        beside(rule, kind, !routes.is_empty());
    } else if routes.is_empty() && !["redirect", "directResponse"].iter().any(|key| rule.has(key)) {
        rule.report().error(&rule.path("route"), "is empty", "add a destination, a redirect or a directResponse");
    }
    match (redirect, answered) {
        (Some(redirect), _) => Some(HttpAction::Redirect(redirect)),
        (None, Some(answer)) => answer.map(HttpAction::Respond),
        (None, None) => split.map(HttpAction::Route),
    }
}

/// What stands beside a redirect or a direct response.
fn beside(rule: &Fields<'_>, kind: &str, routed: bool) {
    let both = kind == "redirect" && rule.has("directResponse");
    for (key, written) in
        [("route", routed), ("fault", rule.has("fault")), ("rewrite", rule.has("rewrite")), ("directResponse", both)]
    {
        if written {
            rule.report().error(&rule.path(key), format!("stands beside {kind}"), "keep one of them");
        }
    }
    for key in ["timeout", "retries", "mirror", "mirrors", "corsPolicy"] {
        if rule.has(key) {
            let problem = format!("has no effect beside {kind}: nothing is sent on");
            rule.report().warn(&rule.path(key), problem, "remove it");
        }
    }
}
