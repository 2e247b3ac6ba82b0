//! Conditions of HTTPRoutes whose parents are Services, in the words of the Gateway API
//! (kubernetes-sigs/gateway-api@014ea85 apis/v1/shared_types.go, RouteConditionType and RouteConditionReason).

use super::super::backends;
use super::super::input::Input;
use super::super::{code, list};
use super::{Condition, Found, sentence, sentences};
use crate::model::{HttpRoute, Protocol, ServiceParent};

/// Whether clients of a parent follow a route.
const ACCEPTED: &str = "Accepted";
/// Whether all backends of a route are there.
const RESOLVED_REFS: &str = "ResolvedRefs";

/// What there is to say on a route: of each of its Services whether its clients follow it, and of all of them what becomes of
/// the requests.
pub(super) fn state(input: &Input<'_>, route: &HttpRoute, found: &Found<'_>, conditions: &mut Vec<Condition>) {
    if route.parents.is_empty() {
        return;
    }
    for parent in &route.parents {
        conditions.push(Condition { parent: Some(parent.place), ..accepted(input, route, parent) });
    }
    conditions.push(resolved_refs(input, route, found));
}

/// What a route that is refused says instead of all that; `support` is what became of its fields.
#[must_use]
pub fn not_accepted(support: &Condition) -> Option<Condition> {
    let refused = support.reason == super::REFUSED;
    // The other condition warns.
    refused.then(|| Condition { kind: ACCEPTED, reason: "UnsupportedValue", warns: false, ..support.clone() })
}

fn accepted(input: &Input<'_>, route: &HttpRoute, parent: &ServiceParent) -> Condition {
    let (object, place) = (&route.object, format!("spec.parentRefs[{}]", parent.place));
    let fails = |problem: String| {
        Condition::fails(object, ACCEPTED, "NoMatchingParent", sentence(&format!("{place}: {problem}")))
    };
    let host = &parent.host;
    let services: Vec<_> = input.world.services.of_host(host).collect();
    if services.is_empty() {
        return fails(format!("there is no service {host}; correct the name, or add the service"));
    }
    let ports = || services.iter().flat_map(|service| &service.ports);
    let mut named = ports().filter(|port| parent.names(port)).peekable();
    if named.peek().is_none() {
        let there = list(ports().map(|port| format!("{} {}", port.name, port.number)));
        return fails(format!("{host} has no such port, it has {there}; correct port or sectionName"));
    }
    if !named.any(|port| port.protocol.is_http() || port.protocol == Protocol::Unknown) {
        return fails(format!(
            "no port of {host} that it names carries HTTP; declare it by appProtocol: http or by the port's name"
        ));
    }
    let who = match object.namespace == parent.namespace {
        true => "Clients of all namespaces follow the route".to_owned(),
        false => format!("Clients in namespace {} follow the route", object.namespace),
    };
    Condition::holds(object, ACCEPTED, "Accepted", format!("{who} when they dial {host}."))
}

fn resolved_refs(input: &Input<'_>, route: &HttpRoute, found: &Found<'_>) -> Condition {
    let object = &route.object;
    let mut broken: Vec<(&'static str, String, String)> = Vec::new();
    for backend in backends::written(input, route) {
        let host = backend.destination.host.as_str();
        match host.split_once('/') {
            // What a filter makes impossible is no matter of references.
            Some(("filtered", _)) => {}
            Some((kind, _)) => {
                let text = format!("{}: a {kind} is no Service; name a Service", backend.path);
                broken.push(("InvalidKind", backend.path, text));
            }
            None => broken.extend(backend.cause(input).map(|cause| {
                let said = backend.said(input, cause, "");
                let text = format!("{}: {}; {}", said.path, said.problem, said.remedy);
                ("BackendNotFound", said.path, text)
            })),
        }
    }
    // What only some clients do not know.
    for finding in found.of(object).iter().filter(|finding| finding.code.id == code::UNKNOWN_REFERENCE.id) {
        if !broken.iter().any(|(_, path, _)| *path == finding.path) {
            broken.push(("BackendNotFound", finding.path.clone(), finding.message.clone()));
        }
    }
    let Some((reason, ..)) = broken.first() else {
        return Condition::holds(object, RESOLVED_REFS, "ResolvedRefs", "Every backend of the route is there.");
    };
    Condition::fails(object, RESOLVED_REFS, reason, sentences(broken.iter().map(|(.., text)| text.clone())))
}
