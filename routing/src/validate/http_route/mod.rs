//! HTTPRoutes: what the Gateway API's schema refuses is refused. A filter that is not honoured is no filter that is skipped:
//! requests of its rule are answered 500, as the API wants it.

mod backends;
mod filters;
mod matches;
mod retry;
mod rule;

use std::sync::Arc;

use super::fields::Fields;
use super::metadata;
use crate::model::{Hostname, HttpRoute, HttpRule, ObjectRef, ServiceParent};

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<HttpRoute> {
    let metadata = metadata::read(fields);
    let Some(spec) = fields.object("spec") else {
        fields.report().error("spec", "is missing", "add parentRefs and rules");
        return None;
    };
    let parents = spec.objects("parentRefs");
    let parents = parents.iter().enumerate().filter_map(|(place, parent)| service(place, parent, object));
    let parents: Vec<ServiceParent> = parents.collect();
    if !spec.has("parentRefs") {
        let problem = "is missing: the route is attached to nothing and has no effect";
        spec.report().warn(&spec.path("parentRefs"), problem, "name a Service");
    }
    if spec.has("hostnames") && !parents.is_empty() {
        let problem = "is not looked at where the parent is a Service: its names are what clients ask for";
        spec.report().warn(&spec.path("hostnames"), problem, "remove it");
    }
    let rules = rules(&spec, object);
    spec.finish();
    metadata::finish(fields);
    Some(HttpRoute { object: object.clone(), created: metadata.created, parents, rules })
}

/// A parent that is a Service. By default it is a Gateway, which mesh clients never meet.
fn service(place: usize, parent: &Fields<'_>, object: &ObjectRef) -> Option<ServiceParent> {
    let group = parent.text("group").unwrap_or("gateway.networking.k8s.io");
    let kind = parent.text("kind").unwrap_or("Gateway");
    let name = parent.text("name").filter(|name| !name.is_empty());
    let namespace = parent.text("namespace").map_or_else(|| Arc::clone(&object.namespace), Arc::from);
    let (port, section) = (parent.port("port"), parent.text("sectionName").map(Box::from));
    parent.finish();
    let Some(name) = name else {
        parent.report().error(&parent.path("name"), "is missing", "name a Service");
        return None;
    };
    if !matches!((group, kind), ("" | "core", "Service")) {
        let problem = format!("is {kind} {namespace}/{name}: only Services are parents for mesh clients");
        let remedy = "it has no effect here; for a Service write kind: Service and group: \"\"";
        parent.report().warn(parent.here(), problem, remedy);
        return None;
    }
    Some(ServiceParent { place, host: Hostname::service(name, &namespace), namespace, port, section })
}

/// Without rules the schema puts one there that takes everything and has no backend.
fn rules(spec: &Fields<'_>, object: &ObjectRef) -> Vec<HttpRule> {
    if !spec.has("rules") {
        let problem = "is missing: every request is answered 500";
        spec.report().warn(&spec.path("rules"), problem, "add a rule with backendRefs");
        return vec![rule::nowhere()];
    }
    let rules = spec.objects("rules");
    if rules.is_empty() {
        spec.report().error(&spec.path("rules"), "is empty", "add a rule with backendRefs");
    }
    rules.iter().map(|fields| rule::read(fields, object)).collect()
}
