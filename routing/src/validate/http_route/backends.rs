//! `backendRefs` of a rule, and the backend of a mirror.

use std::sync::Arc;

use super::super::fields::Fields;
use super::filters;
use crate::model::{Destination, HeaderOperations, Hostname, ObjectRef, Split};

/// Backends with their weights, 1 where none is written. `None` when none of them gets anything.
pub(super) fn read(rule: &Fields<'_>, object: &ObjectRef) -> Option<Split> {
    let backends = rule.objects("backendRefs");
    let mut destinations: Vec<(u32, Destination)> = Vec::new();
    for backend in &backends {
        let weight = backend.number("weight").unwrap_or(1);
        let filters = filters::of_backend(backend);
        let found = destination(backend, object);
        backend.finish();
        let headers = filters.headers;
        let host = |found: Destination| if filters.impossible { nowhere("filtered", &found.host) } else { found.host };
        destinations.extend(found.map(|found| {
            let (port, subset) = (found.port, found.subset.clone());
            (weight, Destination { host: host(found), subset, port, headers })
        }));
    }
    let sole = backends.len() == 1;
    destinations.retain(|(weight, _)| *weight > 0);
    match destinations.len() {
        0 => None,
        1 if sole => destinations.pop().map(|(_, destination)| Split::Sole(destination)),
        _ => Some(Split::Weighted(destinations.into())),
    }
}

/// A Service and its port, in the route's namespace unless another is written. Grants are not asked for: Istio does not for
/// mesh routes either, whose clients may dial any Service as it is
/// (istio/istio@86c9f01 pilot/pkg/config/kube/gateway/route_collections.go, HTTPRouteCollection: enforceRefGrant).
pub(super) fn destination(backend: &Fields<'_>, object: &ObjectRef) -> Option<Destination> {
    let (group, kind) = (backend.text("group").unwrap_or_default(), backend.text("kind").unwrap_or("Service"));
    let name = backend.text("name").filter(|name| !name.is_empty());
    let namespace = backend.text("namespace").map_or_else(|| Arc::clone(&object.namespace), Arc::from);
    let port = backend.port("port");
    let Some(name) = name else {
        backend.report().error(&backend.path("name"), "is missing", "name a Service");
        return None;
    };
    let host = Hostname::service(name, &namespace);
    if !matches!((group, kind), ("" | "core", "Service")) {
        let problem = format!("{kind} {namespace}/{name} is no Service: its share of requests is answered 500");
        backend.report().warn(backend.here(), problem, "name a Service");
        return Some(Destination {
            host: nowhere(kind, &host),
            subset: None,
            port,
            headers: HeaderOperations::default(),
        });
    }
    if port.is_none() {
        backend.report().error(&backend.path("port"), "is missing, which a Service needs", "write the Service's port");
    }
    Some(Destination { host, subset: None, port, headers: HeaderOperations::default() })
}

/// A name that no service can have, and that says what it stands for.
fn nowhere(what: &str, host: &Hostname) -> Hostname {
    Hostname::new(&format!("{what}/{host}"))
}
