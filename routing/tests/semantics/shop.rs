//! A shop to ask: services, pods, and the rules of a test.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use meshlet_routing::decide::{Dialled, Outcome, Request, Route, decide};
use meshlet_routing::fault::Fault;
use meshlet_routing::manifest;
use meshlet_routing::model::{Labels, PolicyDefaults, World};
use meshlet_routing::table::{Cluster, Scope, Table};
use meshlet_routing::validate::validate;

/// Service `web` in `shop` (10.96.0.1, ports 8080 and 9090) with two pods of v1 and two of v2.
const SHOP: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 80}, {name: http-b, port: 9090, targetPort: 81}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: shop, labels: {app: web, version: v2}}, status: {podIP: 10.1.0.3}}
---
{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: shop, labels: {app: web, version: v2}}, status: {podIP: 10.1.0.4}}
";

/// A document with one Istio object; `metadata` holds what is needed beside its kind.
pub(crate) fn object(kind: &str, metadata: &str, spec: &str) -> String {
    format!("\n---\n{{apiVersion: networking.istio.io/v1, kind: {kind}, metadata: {{{metadata}}}, spec: {spec}}}\n")
}

/// A DestinationRule `web` in `shop`.
pub(crate) fn rule(spec: &str) -> String {
    object("DestinationRule", "name: web, namespace: shop", spec)
}

/// A VirtualService for `web` with these destinations, each `{destination: …}`.
pub(crate) fn route(destinations: &str) -> String {
    let spec = format!("{{hosts: [web], http: [{{route: [{destinations}]}}]}}");
    object("VirtualService", "name: web, namespace: shop", &spec)
}

/// What is wrong with one object.
pub(crate) fn faults(text: &str) -> Vec<Fault> {
    let parsed = manifest::parse("rule.yaml", text.trim_start_matches("\n---\n"));
    parsed.manifests.iter().flat_map(|manifest| validate(manifest).faults).chain(parsed.faults).collect()
}

/// The shop with these rules.
fn shop(rules: &str) -> World {
    let parsed = manifest::parse("rules.yaml", &format!("{SHOP}{rules}"));
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    let read = |manifest| {
        let validated = validate(manifest);
        validated.valid.unwrap_or_else(|| panic!("{:?}", validated.faults))
    };
    let objects: Vec<_> = parsed.manifests.iter().map(read).collect();
    World::assemble(&objects)
}

/// The shop as clients of a namespace with these labels see it.
pub(crate) fn table_for(rules: &str, namespace: &str, labels: &[(&str, &str)]) -> Table {
    let labels: Labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Table::build(&shop(rules), &Scope::new(namespace.into(), Arc::new(labels)))
}

/// The shop as its own clients see it when the mesh's configuration adds something.
pub(crate) fn table_with(rules: &str, defaults: &PolicyDefaults) -> Table {
    let mut world = shop(rules);
    world.mesh.policy = defaults.clone();
    Table::build(&world, &Scope::new("shop".into(), Arc::default()))
}

/// The shop as its own clients see it.
pub(crate) fn table(rules: &str) -> Table {
    table_for(rules, "shop", &[])
}

/// A GET to `web` from 10.1.0.99.
pub(crate) fn get<'a>(path: &'a str, headers: &'a [(&'a str, &'a [u8])]) -> Request<'a> {
    let source = Some(IpAddr::from([10, 1, 0, 99]));
    Request { method: "GET", authority: "web.shop", path, headers, source }
}

/// What is decided about a request to a port of `web`.
pub(crate) fn ask<'t>(table: &'t Table, port: u16, request: &Request<'_>, draw: u32) -> Outcome<'t> {
    decide(table, Dialled { address: [10, 96, 0, 1].into(), port }, request, draw).outcome
}

/// The route of a request that has one.
pub(crate) fn routed<'t>(table: &'t Table, request: &Request<'_>, draw: u32) -> Route<'t> {
    match ask(table, 8080, request, draw) {
        Outcome::Route(route) => route,
        other => panic!("{other:?}"),
    }
}

/// The cluster of a plain GET to a port, or why there is none.
pub(crate) fn cluster(table: &Table, port: u16) -> Result<&Arc<Cluster>, &'static str> {
    match ask(table, port, &get("/", &[]), 0) {
        Outcome::Route(route) => Ok(route.cluster),
        Outcome::Respond(respond) => Err(respond.reason.as_str()),
        Outcome::Passthrough(reason) => Err(reason.as_str()),
    }
}

/// A pod of `web`.
pub(crate) fn pod(last: u8) -> SocketAddr {
    ([10, 1, 0, last], 80).into()
}

/// A rule that shows by its load balancer that it is in force. `metadata` and `spec` are what is needed beside that.
pub(crate) fn balancing(namespace: &str, name: &str, spec: &str, simple: &str) -> String {
    let metadata = format!("name: {name}, namespace: {namespace}");
    let spec = format!("{{{spec}, trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}}}");
    object("DestinationRule", &metadata, &spec)
}

/// The host of `web` for rules of any namespace.
pub(crate) const WEB: &str = "host: web.shop.svc.cluster.local";

/// The load balancer in force and the rule it came from.
pub(crate) fn in_force(table: &Table) -> String {
    let cluster = cluster(table, 8080).expect("a cluster");
    format!("{:?} {}", cluster.load_balancer, cluster.destination_rule.as_deref().unwrap_or("-"))
}

/// Asserts which load balancer clients have, and by which rule.
pub(crate) fn check(rules: &str, namespace: &str, labels: &[(&str, &str)], expected: &str) {
    assert_eq!(in_force(&table_for(rules, namespace, labels)), expected, "{namespace} {labels:?} {rules}");
}
