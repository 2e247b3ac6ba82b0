//! Questions to the engine, and answers short enough for a table of cases.

use std::net::IpAddr;
use std::sync::Arc;

use meshlet_routing::decide::{
    Connection, ConnectionDecision, Decision, Dialled, Outcome, Request, RoutedConnection, Towards, decide,
    decide_connection,
};
use meshlet_routing::fault::{Fault, Severity};
use meshlet_routing::inventory::Inventory;
use meshlet_routing::manifest;
use meshlet_routing::model::{Labels, World};
use meshlet_routing::table::{Scope, Table};
use meshlet_routing::validate::{mesh_config, validate};

/// A document with one Istio object.
pub(crate) fn istio(kind: &str, namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}, spec: {spec}}}\n"
    )
}

/// A Service with the selector `app: NAME`; `spec` holds what is needed beside it: `clusterIP`, `ports` …
pub(crate) fn service(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "\n---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{selector: {{app: {name}}}, {spec}}}}}\n"
    )
}

/// A ready pod with the labels `app` and `version`.
pub(crate) fn pod(namespace: &str, app: &str, version: &str, ip: &str) -> String {
    let name = ip.replace('.', "-");
    format!(
        "\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{name}, namespace: {namespace}, labels: {{app: {app}, version: {version}}}}}, status: {{podIP: {ip}}}}}\n"
    )
}

/// Everything that is wrong with the objects of a text, errors and warnings.
pub(crate) fn faults(text: &str) -> Vec<Fault> {
    let parsed = manifest::parse("test.yaml", text);
    let validated = parsed.manifests.iter().flat_map(|manifest| validate(manifest).faults);
    parsed.faults.iter().cloned().chain(validated).collect()
}

/// The errors alone, as they are printed.
pub(crate) fn errors(text: &str) -> Vec<String> {
    let of_errors = faults(text).into_iter().filter(|fault| fault.severity == Severity::Error);
    of_errors.map(|fault| fault.to_string()).collect()
}

/// The warnings alone, as they are printed.
pub(crate) fn warnings(text: &str) -> Vec<String> {
    let of_warnings = faults(text).into_iter().filter(|fault| fault.severity == Severity::Warning);
    of_warnings.map(|fault| fault.to_string()).collect()
}

/// The world of a text in which nothing is refused.
pub(crate) fn world(text: &str) -> World {
    let parsed = manifest::parse("test.yaml", text);
    let read = |manifest| {
        let validated = validate(manifest);
        validated.valid.unwrap_or_else(|| panic!("{:?}", validated.faults))
    };
    let valid: Vec<_> = parsed.manifests.iter().map(read).collect();
    World::assemble(&valid)
}

/// All objects of a text in which nothing is refused, before any name is resolved.
pub(crate) fn inventory(text: &str) -> Inventory {
    let parsed = manifest::parse("test.yaml", text);
    let mut inventory = Inventory::default();
    for manifest in &parsed.manifests {
        let validated = validate(manifest);
        inventory.put(&validated.valid.unwrap_or_else(|| panic!("{:?}", validated.faults)));
    }
    inventory.settle();
    inventory
}

/// The world of a text in a mesh whose config is this YAML.
pub(crate) fn world_in(mesh: &str, text: &str) -> World {
    let written = manifest::parse_mesh_config("mesh.yaml", mesh).expect("a mesh config");
    let (config, faults) = mesh_config(&written);
    let parsed = manifest::parse("test.yaml", text);
    let valid: Vec<_> = parsed.manifests.iter().filter_map(|manifest| validate(manifest).valid).collect();
    World::assemble_in(config.unwrap_or_else(|| panic!("{faults:?}")), &valid)
}

/// A text in a mesh whose config is this YAML, as clients of a namespace see it.
pub(crate) fn table_in(mesh: &str, text: &str, namespace: &str) -> Table {
    Table::build(&world_in(mesh, text), &Scope::new(namespace.into(), Arc::default()))
}

/// A text as clients of a namespace with these labels see it.
pub(crate) fn table_for(text: &str, namespace: &str, labels: &[(&str, &str)]) -> Table {
    let labels: Labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Table::build(&world(text), &Scope::new(namespace.into(), Arc::new(labels)))
}

/// A text as clients of a namespace see it.
pub(crate) fn table(text: &str, namespace: &str) -> Table {
    table_for(text, namespace, &[])
}

/// A GET.
pub(crate) fn get<'a>(authority: &'a str, path: &'a str) -> Request<'a> {
    Request { method: "GET", authority, path, headers: &[], source: None }
}

/// What is decided about a request to an address such as `10.96.0.1:80`.
pub(crate) fn decided<'t>(table: &'t Table, dialled: &str, request: &Request<'_>, draw: u32) -> Decision<'t> {
    decide(table, place(dialled), request, draw)
}

/// The same in a word: a cluster's name, `STATUS FLAG`, or `passthrough`.
pub(crate) fn sent(table: &Table, dialled: &str, request: &Request<'_>, draw: u32) -> String {
    match decided(table, dialled, request, draw).outcome {
        Outcome::Route(route) if route.towards == Towards::Dialled => "passthrough".to_owned(),
        Outcome::Route(route) => route.cluster.name.to_string(),
        Outcome::Respond(respond) => format!("{} {}", respond.status, respond.flag),
        Outcome::Passthrough(_) => "passthrough".to_owned(),
    }
}

fn place(dialled: &str) -> Dialled {
    let (address, port) = dialled.rsplit_once(':').expect("ADDRESS:PORT");
    let address: IpAddr = address.trim_matches(['[', ']']).parse().expect("an address");
    Dialled { address, port: port.parse().expect("a port") }
}

/// What is decided about a connection to an address from 10.1.9.1, in a word: a cluster's name, `reset FLAG`, or
/// `passthrough REASON`.
pub(crate) fn connected(table: &Table, dialled: &str, sni: Option<&str>) -> String {
    word(&decide_connection(table, &from("10.1.9.1", dialled, sni), 0))
}

/// The same from another address.
pub(crate) fn connected_from(table: &Table, dialled: &str, sni: Option<&str>, source: &str) -> String {
    word(&decide_connection(table, &from(source, dialled, sni), 0))
}

/// The same by another draw.
pub(crate) fn connected_by(table: &Table, dialled: &str, sni: Option<&str>, draw: u32) -> String {
    word(&decide_connection(table, &from("10.1.9.1", dialled, sni), draw))
}

/// What `see` finds in the route of a connection; `None` when it has none.
pub(crate) fn relayed<T>(
    table: &Table,
    dialled: &str,
    sni: Option<&str>,
    see: impl Fn(&RoutedConnection<'_>) -> T,
) -> Option<T> {
    relayed_from(table, dialled, sni, "10.1.9.1", see)
}

/// The same from another address.
pub(crate) fn relayed_from<T>(
    table: &Table,
    dialled: &str,
    sni: Option<&str>,
    source: &str,
    see: impl Fn(&RoutedConnection<'_>) -> T,
) -> Option<T> {
    match decide_connection(table, &from(source, dialled, sni), 0) {
        ConnectionDecision::Route(route) => Some(see(&route)),
        ConnectionDecision::Reset(_) | ConnectionDecision::Passthrough { .. } => None,
    }
}

fn from<'a>(source: &str, dialled: &str, sni: Option<&'a str>) -> Connection<'a> {
    Connection { dialled: place(dialled), sni, source: Some(source.parse().expect("an address")) }
}

fn word(decision: &ConnectionDecision<'_>) -> String {
    match decision {
        ConnectionDecision::Route(route) => route.cluster.name.to_string(),
        ConnectionDecision::Reset(reset) => format!("reset {}", reset.flag),
        ConnectionDecision::Passthrough { reason, .. } => format!("passthrough {}", reason.as_str()),
    }
}
