//! `trafficPolicy` of a DestinationRule or a subset.

use super::fields::Fields;
use super::{connection_pool, load_balancer, outlier_detection, tls};
use crate::model::TrafficPolicy;

/// What a port can set for itself.
const BLOCKS: [&str; 4] = ["loadBalancer", "connectionPool", "outlierDetection", "tls"];

/// What is set for all ports, beside that.
const GENERAL: [&str; 3] = ["tunnel", "proxyProtocol", "retryBudget"];

/// Reads a policy with its `portLevelSettings`.
pub(super) fn read(fields: &Fields<'_>) -> TrafficPolicy {
    let nothing = BLOCKS.into_iter().chain(GENERAL).all(|block| !fields.has(block));
    if nothing && !fields.has("portLevelSettings") {
        sets_nothing(fields);
    }
    if fields.has("tunnel") && fields.has("proxyProtocol") {
        fields.report().error(fields.here(), "has both tunnel and proxyProtocol", "keep one");
    }
    fields.not_honoured(&GENERAL);
    let mut policy = blocks(fields);
    for entry in fields.objects("portLevelSettings") {
        let port = entry.object("port");
        let number = port.as_ref().and_then(|port| port.port("number"));
        port.iter().for_each(Fields::finish);
        let Some(number) = number else {
            entry.report().error(&entry.path("port.number"), "is missing", "name a port of the service");
            continue;
        };
        if policy.ports.iter().any(|(known, _)| *known == number) {
            let problem = format!("{number} has settings already");
            entry.report().warn(&entry.path("port.number"), problem, "join them; only the first entry counts");
        }
        if BLOCKS.into_iter().all(|block| !entry.has(block)) {
            sets_nothing(&entry);
        }
        policy.ports.push((number, blocks(&entry)));
        entry.finish();
    }
    fields.finish();
    policy
}

fn sets_nothing(fields: &Fields<'_>) {
    fields.report().error(fields.here(), "sets nothing", "add loadBalancer or another block, or remove it");
}

fn blocks(fields: &Fields<'_>) -> TrafficPolicy {
    let detects = fields.has("outlierDetection");
    TrafficPolicy {
        load_balancer: fields.object("loadBalancer").and_then(|fields| load_balancer::read(&fields, detects)),
        connection_pool: fields.object("connectionPool").map(|fields| connection_pool::read(&fields).into()),
        outlier_detection: fields.object("outlierDetection").map(|fields| outlier_detection::read(&fields).into()),
        tls: fields.object("tls").map(|fields| tls::read(&fields)),
        ports: Vec::new(),
    }
}
