//! Sidecars. What they say about a pod's own inbound side is not ours.

use std::sync::Arc;

use super::fields::Fields;
use super::metadata;
use crate::model::{HostPattern, Hostname, Import, ImportFrom, ObjectRef, OutboundTraffic, Sidecar};

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<Sidecar> {
    let metadata = metadata::read(fields);
    let Some(spec) = fields.object("spec") else {
        fields.report().error("spec", "is missing", "add egress");
        return None;
    };
    let selector = spec.object("workloadSelector").map(|selector| {
        let labels = selector.labels("labels");
        selector.finish();
        labels
    });
    let egress = spec.objects("egress");
    let imports = (!egress.is_empty()).then(|| egress.iter().flat_map(listener).collect());
    let outbound = spec.object("outboundTrafficPolicy").map(|policy| outbound(&policy));
    spec.not_honoured(&["ingress", "inboundConnectionPool", "inboundTrafficPolicy", "connectionPool"]);
    spec.finish();
    metadata::finish(fields);
    Some(Sidecar { object: object.clone(), created: metadata.created, selector, imports, outbound })
}

fn listener(entry: &Fields<'_>) -> Vec<Import> {
    for key in ["port", "bind"] {
        if entry.has(key) {
            let problem = "a listener of its own is not honoured by this version";
            entry.report().warn(&entry.path(key), problem, "its hosts are imported on every port");
        }
    }
    match entry.text("captureMode") {
        None | Some("DEFAULT" | "IPTABLES") => {}
        Some(other) => {
            let problem = format!("{other} is not honoured by this version");
            entry.report().warn(&entry.path("captureMode"), problem, "what the client dials is captured all the same");
        }
    }
    let hosts = entry.texts("hosts");
    if hosts.is_empty() {
        entry.report().error(
            &entry.path("hosts"),
            "is empty",
            "write NAMESPACE/NAME, ./* for the own namespace, */* for all",
        );
    }
    entry.finish();
    hosts.into_iter().filter_map(|(path, host)| import(entry, &path, host)).collect()
}

/// `None` for what names nothing: `~/*`.
fn import(entry: &Fields<'_>, path: &str, written: &str) -> Option<Import> {
    let refuse = |problem: String| {
        entry.report().error(path, problem, "write NAMESPACE/NAME; either may be *, and the namespace . or ~");
        None
    };
    let (excluded, rest) = match written.strip_prefix('~') {
        Some(rest) if !rest.starts_with('/') => (true, rest),
        _ => (false, written),
    };
    let Some((namespace, name)) = rest.split_once('/').filter(|(_, name)| !name.is_empty()) else {
        return refuse(format!("{written:?} has no namespace"));
    };
    let from = match namespace {
        "" => return refuse(format!("{written:?} has no namespace")),
        "~" => return None,
        "*" => ImportFrom::Everywhere,
        "." => ImportFrom::Own,
        name => ImportFrom::Namespace(Arc::from(name)),
    };
    // A name here is a full one: it is not resolved in the object's namespace.
    let host = match name.strip_prefix('*') {
        Some(_) => HostPattern::resolve(name, ""),
        None => HostPattern::Exact(Hostname::new(name)),
    };
    Some(Import { from, host, excluded })
}

/// An absent mode is the first of the enumeration (istio/api networking/v1alpha3/sidecar.proto, OutboundTrafficPolicy.Mode).
pub(super) fn outbound(policy: &Fields<'_>) -> OutboundTraffic {
    policy.not_honoured(&["egressProxy"]);
    let mode = match policy.text("mode") {
        None | Some("REGISTRY_ONLY") => OutboundTraffic::RegistryOnly,
        Some("ALLOW_ANY") => OutboundTraffic::AllowAny,
        Some(other) => {
            let remedy = "write ALLOW_ANY or REGISTRY_ONLY";
            policy.report().error(&policy.path("mode"), format!("{other:?} is no mode"), remedy);
            OutboundTraffic::AllowAny
        }
    };
    policy.finish();
    mode
}
