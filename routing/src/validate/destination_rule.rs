//! DestinationRules.

use super::fields::Fields;
use super::metadata;
use crate::model::{DestinationRule, HashKey, HostPattern, LoadBalancer, ObjectRef, Subset, TrafficPolicy};

/// Istio's default ring.
const RING_SIZE: u32 = 1024;

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<DestinationRule> {
    let report = fields.report();
    let metadata = metadata::read(fields);
    let Some(spec) = fields.object("spec") else {
        report.error("spec", "is missing", "add host");
        return None;
    };
    let host = spec.text("host").unwrap_or_default();
    if host.is_empty() {
        report.error("spec.host", "is missing", "name the service it is for");
    }
    if spec.has("workloadSelector") {
        report.error("spec.workloadSelector", "is not honoured by this version", "remove it, or the object");
    }
    let policy = spec.object("trafficPolicy").map(|policy| traffic_policy(&policy, true)).unwrap_or_default();
    let mut subsets: Vec<Subset> = Vec::new();
    for entry in spec.objects("subsets") {
        let Some(subset) = subset(&entry) else { continue };
        if subsets.iter().any(|known| known.name == subset.name) {
            report.error(&entry.path("name"), format!("{:?} is defined twice", subset.name), "rename one of them");
        }
        subsets.push(subset);
    }
    let export_to = metadata::export_to(&spec, &object.namespace);
    spec.finish();
    metadata::finish(fields);
    Some(DestinationRule {
        object: object.clone(),
        created: metadata.created,
        host: HostPattern::resolve(host, &object.namespace),
        export_to,
        policy,
        subsets,
    })
}

fn subset(fields: &Fields<'_>) -> Option<Subset> {
    let name = fields.text("name").unwrap_or_default();
    let labels = fields.labels("labels");
    let policy = fields.object("trafficPolicy").map(|policy| traffic_policy(&policy, true)).unwrap_or_default();
    fields.finish();
    if name.is_empty() {
        fields.report().error(&fields.path("name"), "is missing", "name the subset");
        return None;
    }
    Some(Subset { name: name.into(), labels, policy })
}

fn traffic_policy(fields: &Fields<'_>, ports_allowed: bool) -> TrafficPolicy {
    fields.not_honoured(&["connectionPool", "outlierDetection", "tls", "tunnel", "proxyProtocol", "retryBudget"]);
    let load_balancer = fields.object("loadBalancer").and_then(|fields| load_balancer(&fields));
    let mut ports = Vec::new();
    if ports_allowed {
        for entry in fields.objects("portLevelSettings") {
            let number = entry.object("port").and_then(|port| port.port("number"));
            let Some(number) = number else {
                entry.report().error(&entry.path("port.number"), "is missing", "name a port of the service");
                continue;
            };
            ports.push((number, traffic_policy(&entry, false)));
        }
    } else {
        fields.has("port");
    }
    fields.finish();
    TrafficPolicy { load_balancer, ports }
}

fn load_balancer(fields: &Fields<'_>) -> Option<LoadBalancer> {
    fields.not_honoured(&["localityLbSetting", "zoneAwareLbSetting", "warmup", "warmupDurationSecs"]);
    let simple = fields.text("simple");
    let hash = fields.object("consistentHash");
    fields.finish();
    match (simple, hash) {
        (Some(_), Some(_)) => {
            fields.report().error(fields.here(), "has both simple and consistentHash", "keep one");
            None
        }
        (Some(word), None) => self::simple(word, fields),
        (None, Some(hash)) => consistent_hash(&hash),
        (None, None) => None,
    }
}

fn simple(word: &str, fields: &Fields<'_>) -> Option<LoadBalancer> {
    match word {
        "ROUND_ROBIN" => Some(LoadBalancer::RoundRobin),
        "RANDOM" => Some(LoadBalancer::Random),
        "LEAST_REQUEST" | "LEAST_CONN" | "UNSPECIFIED" => Some(LoadBalancer::LeastRequest),
        "PASSTHROUGH" => {
            fields.report().error(
                &fields.path("simple"),
                "PASSTHROUGH is not honoured by this version",
                "choose another",
            );
            None
        }
        other => {
            let remedy = "use LEAST_REQUEST, ROUND_ROBIN or RANDOM";
            fields.report().error(&fields.path("simple"), format!("{other:?} is not a load balancer"), remedy);
            None
        }
    }
}

fn consistent_hash(fields: &Fields<'_>) -> Option<LoadBalancer> {
    let ring = fields.object("ringHash");
    let ring_size = ring.as_ref().and_then(|ring| ring.number("minimumRingSize"));
    let old_size = fields.number("minimumRingSize");
    if let Some(ring) = ring {
        ring.finish();
    }
    let header = fields.text("httpHeaderName").filter(|name| !name.is_empty());
    for key in ["httpCookie", "useSourceIp", "httpQueryParameterName", "maglev"] {
        if fields.has(key) {
            fields.report().error(
                &fields.path(key),
                "is not honoured by this version",
                "use httpHeaderName with ringHash",
            );
        }
    }
    fields.finish();
    let Some(header) = header else {
        if !fields.report().refused() {
            fields.report().error(fields.here(), "names nothing to hash", "add httpHeaderName");
        }
        return None;
    };
    let minimum_size = ring_size.or(old_size).filter(|size| *size > 0).unwrap_or(RING_SIZE);
    Some(LoadBalancer::RingHash { key: HashKey::Header(header.to_ascii_lowercase().into()), minimum_size })
}
