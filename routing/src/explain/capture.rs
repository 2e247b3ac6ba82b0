//! Whether the kernel hands a connection to the proxy: the node decides that for all its captured pods together.

use std::collections::BTreeMap;

use super::connection::Reading;
use super::{CaptureShown, Client, namespace_of};
use crate::decide::{Dialled, Selected, SelectedConnection, refusal, select_connection};
use crate::enrol::enrol;
use crate::model::{OutboundTraffic, Pod, World};
use crate::table::{Capture, Distinctions, FilterChains, Meaning, Scope, Table};

/// What a connection misses by not being captured: the table has a meaning for it that its address does not show.
pub(super) fn missed(
    table: &Table,
    reading: &Reading<'_>,
    selected: &Selected<'_>,
    dialled: Dialled,
) -> Option<String> {
    let registry_only = table.outbound() == OutboundTraffic::RegistryOnly;
    let (ruled, unknown) = match (reading, selected) {
        (Reading::Http2, _) => (false, refusal(table, dialled, true).is_some()),
        (Reading::Requests, Selected::Nobody) => (false, registry_only),
        (Reading::Requests, Selected::Host(host) | Selected::Route(host, _)) => (host.ruled(), false),
        (Reading::Connection(connection), _) => match select_connection(table, connection) {
            SelectedConnection::Route(_) => (table.filter_chains(dialled).is_some_and(FilterChains::ruled), false),
            SelectedConnection::Nobody | SelectedConnection::NotHttp | SelectedConnection::Unlisted => {
                (false, registry_only)
            }
        },
    };
    let what = match (ruled, unknown) {
        (true, _) => "a rule is for this name",
        (false, true) => "REGISTRY_ONLY is to refuse it",
        (false, false) => return None,
    };
    Some(format!(
        "{what}, but no rule is for this address: capture by ports (--capture ports) makes Host decide here too"
    ))
}

/// What becomes of a captured client's connection; `table` is the client's own.
pub(super) fn judge(
    world: &World,
    client: &Client<'_>,
    table: &Table,
    capture: Capture,
    dialled: Dialled,
) -> CaptureShown {
    // To itself a pod talks over loopback, which nothing but a rule for that very address looks into.
    let own = matches!(client, Client::Pod(pod) if pod.addresses.contains(&dialled.address));
    let meaning = |table: &Table| table.captures(dialled, capture).filter(|meaning| !own || *meaning == Meaning::Ruled);
    let (captured, message) = if let Some(meaning) = meaning(table) {
        (true, meaning.as_str().to_owned())
    } else {
        let scopes = neighbours(world, client);
        let mut meanings = scopes.iter().filter_map(|(scope, pod)| {
            let meaning = meaning(&Table::build(world, scope))?;
            Some(format!("{} for {}/{} on the same node", meaning.as_str(), pod.namespace, pod.name))
        });
        meanings.next().map_or_else(|| (false, unmeant(capture)), |why| (true, why))
    };
    let (address, port) = (dialled.address.to_string(), dialled.port);
    CaptureShown { mode: capture.as_str(), address, port, captured, message }
}

/// The same of a connection that no rule is asked about.
pub(super) fn left_alone(capture: Capture, dialled: Dialled, message: String) -> CaptureShown {
    let (address, port) = (dialled.address.to_string(), dialled.port);
    CaptureShown { mode: capture.as_str(), address, port, captured: false, message }
}

fn unmeant(capture: Capture) -> String {
    match capture {
        Capture::Ruled => "no rule gives the address a meaning".to_owned(),
        Capture::Ports => "no rule gives the address a meaning, and the port is not declared HTTP".to_owned(),
    }
}

/// The other scopes of captured pods on the client's node, each with one of its pods. An imaginary client, and a pod that
/// names no node, may be anywhere.
fn neighbours<'w>(world: &'w World, client: &Client<'_>) -> BTreeMap<Scope, &'w Pod> {
    let distinctions = Distinctions::of(world);
    let (own, node) = match client {
        Client::Pod(pod) => (distinctions.of_pod(world, pod), pod.node.as_deref()),
        Client::Imaginary(scope) => (distinctions.narrowed(scope.clone()), None),
    };
    let near = |pod: &&Pod| node.is_none() || pod.node.is_none() || pod.node.as_deref() == node;
    let captured = |pod: &&Pod| enrol(pod, namespace_of(world, &pod.namespace)).captured;
    let mut scopes: BTreeMap<Scope, &Pod> = BTreeMap::new();
    for pod in world.pods.iter().filter(near).filter(captured) {
        let named = scopes.entry(distinctions.of_pod(world, pod)).or_insert(pod);
        // Whatever the order of pods, the same one stands for the others.
        if (&pod.namespace, &pod.name) < (&named.namespace, &named.name) {
            *named = pod;
        }
    }
    scopes.remove(&own);
    scopes
}
