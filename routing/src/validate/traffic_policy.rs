//! `trafficPolicy` of a DestinationRule or a subset.

use super::fields::Fields;
use super::load_balancer;
use crate::model::TrafficPolicy;

/// What a policy can set, beside `portLevelSettings`.
const BLOCKS: [&str; 7] =
    ["loadBalancer", "connectionPool", "outlierDetection", "tls", "tunnel", "proxyProtocol", "retryBudget"];

/// Reads a policy with its `portLevelSettings`.
pub(super) fn read(fields: &Fields<'_>) -> TrafficPolicy {
    if !fields.has("portLevelSettings") {
        must_set_something(fields);
    }
    let mut policy = blocks(fields);
    for entry in fields.objects("portLevelSettings") {
        let number = entry.object("port").and_then(|port| port.port("number"));
        let Some(number) = number else {
            entry.report().error(&entry.path("port.number"), "is missing", "name a port of the service");
            continue;
        };
        must_set_something(&entry);
        policy.ports.push((number, blocks(&entry)));
        entry.finish();
    }
    fields.finish();
    policy
}

fn must_set_something(fields: &Fields<'_>) {
    if BLOCKS.into_iter().all(|block| !fields.has(block)) {
        fields.report().error(fields.here(), "sets nothing", "add loadBalancer or another block, or remove it");
    }
}

fn blocks(fields: &Fields<'_>) -> TrafficPolicy {
    fields.not_honoured(&["connectionPool", "outlierDetection", "tls", "tunnel", "proxyProtocol", "retryBudget"]);
    let load_balancer = fields.object("loadBalancer").and_then(|fields| load_balancer::read(&fields));
    TrafficPolicy { load_balancer, ports: Vec::new() }
}
