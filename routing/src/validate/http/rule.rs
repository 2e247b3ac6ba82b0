//! One entry of `spec.http`.

use super::super::fields::Fields;
use super::super::{duration, split};
use super::{fault_injection, matches, mirrors, retries};
use crate::model::{HeaderOperations, HttpAction, HttpRule, ObjectRef, Rewrite};

pub(in crate::validate) fn read(rule: &Fields<'_>, object: &ObjectRef) -> Option<HttpRule> {
    for key in ["redirect", "directResponse", "delegate"] {
        if rule.has(key) {
            rule.report().error(&rule.path(key), "is not honoured by this version", "use route, or remove the rule");
        }
    }
    rule.not_honoured(&["rewrite", "corsPolicy", "headers"]);
    let name = rule.text("name").map(Into::into);
    let matches = rule.objects("match").iter().map(matches::read).collect();
    let routes = rule.objects("route");
    if routes.is_empty() && !["redirect", "directResponse", "delegate"].iter().any(|key| rule.has(key)) {
        rule.report().error(&rule.path("route"), "is empty", "add a destination");
    }
    let split = split::read(rule, &routes, object, |route| {
        route.not_honoured(&["headers"]);
        HeaderOperations::default()
    });
    let timeout = duration::whole_millis(rule, "timeout");
    let retries = retries::read(rule);
    let fault = fault_injection::read(rule);
    let mirrors = mirrors::read(rule, object);
    rule.finish();
    Some(HttpRule {
        name,
        matches,
        action: HttpAction::Route(split?),
        rewrite: Rewrite::default(),
        timeout,
        retries,
        fault,
        mirrors,
        cors: None,
        headers: HeaderOperations::default(),
    })
}
