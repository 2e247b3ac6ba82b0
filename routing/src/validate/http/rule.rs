//! One entry of `spec.http`.

use super::super::destination;
use super::super::fields::Fields;
use super::matches;
use crate::model::{FaultInjection, HeaderOperations, HttpAction, HttpRule, ObjectRef, Rewrite, Split};

pub(in crate::validate) fn read(rule: &Fields<'_>, object: &ObjectRef) -> Option<HttpRule> {
    for key in ["redirect", "directResponse", "delegate"] {
        if rule.has(key) {
            rule.report().error(&rule.path(key), "is not honoured by this version", "use route, or remove the rule");
        }
    }
    rule.not_honoured(&[
        "rewrite",
        "timeout",
        "retries",
        "fault",
        "mirror",
        "mirrorPercentage",
        "mirrorPercent",
        "mirrors",
        "corsPolicy",
        "headers",
    ]);
    let name = rule.text("name").map(Into::into);
    let matches = rule.objects("match").iter().map(matches::read).collect();
    let split = split(rule, object);
    rule.finish();
    Some(HttpRule {
        name,
        matches,
        action: HttpAction::Route(split?),
        rewrite: Rewrite::default(),
        timeout: None,
        retries: None,
        fault: FaultInjection::default(),
        mirrors: Vec::new(),
        cors: None,
        headers: HeaderOperations::default(),
    })
}

/// Istio reads weights only beside others; of several, those of weight 0 are dropped and an all-zero sum is refused.
fn split(rule: &Fields<'_>, object: &ObjectRef) -> Option<Split> {
    let routes = rule.objects("route");
    let mut destinations = Vec::new();
    for route in &routes {
        route.not_honoured(&["headers"]);
        let weight = route.number("weight").unwrap_or(0);
        if let Some(found) = route.object("destination") {
            destinations.extend(destination::read(&found, object).map(|destination| (weight, destination)));
        } else if !route.has("destination") {
            route.report().error(&route.path("destination"), "is missing", "add destination.host");
        }
        route.finish();
    }
    if routes.is_empty() {
        if !["redirect", "directResponse", "delegate"].iter().any(|key| rule.has(key)) {
            rule.report().error(&rule.path("route"), "is empty", "add a destination");
        }
        return None;
    }
    if routes.len() == 1 {
        return destinations.pop().map(|(_, destination)| Split::Sole(destination));
    }
    destinations.retain(|(weight, _)| *weight > 0);
    if destinations.is_empty() {
        rule.report().error(
            &rule.path("route"),
            "the weights sum to 0",
            "give at least one destination a weight above 0",
        );
        return None;
    }
    Some(Split::Weighted(destinations.into()))
}
