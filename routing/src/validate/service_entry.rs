//! ServiceEntries: hosts that are no Kubernetes Service's, or more endpoints for such a name.

mod endpoints;
mod hosts;

use std::net::IpAddr;

use super::fields::Fields;
use super::{metadata, service};
use crate::model::{Creation, ExportTo, Hostname, Labels, ObjectRef, Pod, Protocol, Resolution, TrafficDistribution};

pub(crate) use endpoints::{Address, EntryEndpoint};

/// A ServiceEntry whose `workloadSelector` has not met its pods.
#[derive(Debug, Clone)]
pub(crate) struct ServiceEntry {
    pub(crate) object: ObjectRef,
    pub(crate) created: Creation,
    pub(crate) export_to: ExportTo,
    pub(crate) distribution: TrafficDistribution,
    pub(crate) hosts: Vec<Hostname>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ports: Vec<EntryPort>,
    pub(crate) resolution: Resolution,
    pub(crate) endpoints: Vec<EntryEndpoint>,
    /// Pods of the object's namespace with these labels are its endpoints.
    pub(crate) selector: Option<Labels>,
}

impl ServiceEntry {
    /// Whether endpoints may be DNS names.
    pub(crate) fn resolves(&self) -> bool {
        matches!(self.resolution, Resolution::Names | Resolution::FirstOfNames | Resolution::AskedNames)
    }

    /// Whether a pod of the object's namespace is one of its endpoints.
    pub(crate) fn selects(&self, pod: &Pod) -> bool {
        let all = |labels: &Labels| labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value));
        self.resolution == Resolution::Endpoints && !pod.completed && self.selector.as_ref().is_some_and(all)
    }
}

/// One entry of `ports`.
#[derive(Debug, Clone)]
pub(crate) struct EntryPort {
    pub(crate) number: u16,
    pub(crate) name: Box<str>,
    pub(crate) protocol: Protocol,
    /// The port of endpoints that do not name their own.
    pub(crate) target: u16,
}

/// `resolution`, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    None,
    Static,
    Dns,
    DnsRoundRobin,
    DynamicDns,
}

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<ServiceEntry> {
    let metadata = metadata::read(fields);
    let Some(spec) = fields.object("spec") else {
        fields.report().error("spec", "is missing", "add hosts and ports");
        return None;
    };
    let mode = mode(&spec);
    let ports = ports(&spec);
    let hosts = hosts::read(&spec, mode);
    let addresses = hosts::addresses(&spec, mode);
    let endpoints = endpoints::read(&spec, mode, &ports);
    let selector = selector(&spec, mode);
    location(&spec);
    spec.not_honoured(&["subjectAltNames"]);
    let export_to = metadata::export_to(&spec, &object.namespace);
    spec.finish();
    metadata::finish(fields);
    Some(ServiceEntry {
        object: object.clone(),
        created: metadata.created,
        export_to,
        distribution: service::distribution(None, &metadata.annotations),
        hosts,
        addresses,
        ports,
        resolution: match mode {
            Mode::None => Resolution::Dialled,
            Mode::Static => Resolution::Endpoints,
            Mode::Dns => Resolution::Names,
            Mode::DnsRoundRobin => Resolution::FirstOfNames,
            Mode::DynamicDns => Resolution::AskedNames,
        },
        endpoints,
        selector,
    })
}

fn mode(spec: &Fields<'_>) -> Mode {
    match spec.text("resolution") {
        None | Some("NONE") => Mode::None,
        Some("STATIC") => Mode::Static,
        Some("DNS") => Mode::Dns,
        Some("DNS_ROUND_ROBIN") => Mode::DnsRoundRobin,
        Some("DYNAMIC_DNS") => Mode::DynamicDns,
        Some(other) => {
            let remedy = "write NONE, STATIC, DNS, DNS_ROUND_ROBIN or DYNAMIC_DNS";
            spec.report().error(&spec.path("resolution"), format!("{other:?} is no resolution"), remedy);
            Mode::None
        }
    }
}

/// It changes what mutual TLS does, which is none here: nothing depends on it.
fn location(spec: &Fields<'_>) {
    if let Some(written) = spec.text("location")
        && !["MESH_EXTERNAL", "MESH_INTERNAL"].contains(&written)
    {
        let remedy = "write MESH_EXTERNAL or MESH_INTERNAL";
        spec.report().error(&spec.path("location"), format!("{written:?} is no location"), remedy);
    }
}

fn ports(spec: &Fields<'_>) -> Vec<EntryPort> {
    let mut ports: Vec<EntryPort> = Vec::new();
    for entry in spec.objects("ports") {
        let (number, name) = (entry.port("number"), entry.text("name").unwrap_or_default());
        let protocol = entry.text("protocol").unwrap_or_default();
        let target = entry.port("targetPort");
        entry.finish();
        if !entry.has("number") {
            entry.report().error(&entry.path("number"), "is missing", "add the port that clients dial");
        }
        if name.is_empty() {
            entry.report().error(&entry.path("name"), "is missing", "name the port");
        }
        let Some(number) = number else { continue };
        for (key, twice) in [
            ("number", ports.iter().any(|port| port.number == number)),
            ("name", !name.is_empty() && ports.iter().any(|port| &*port.name == name)),
        ] {
            if twice {
                entry.report().error(&entry.path(key), "is defined twice", "give each port its own");
            }
        }
        if !protocol.eq_ignore_ascii_case("UDP") {
            let protocol = declared(protocol);
            ports.push(EntryPort { number, name: name.into(), protocol, target: target.unwrap_or(number) });
        }
    }
    ports
}

/// Here the protocol has a field of its own, and the port's name says nothing; what is not known is undeclared
/// (istio/istio@86c9f01 pilot/pkg/serviceregistry/serviceentry/conversion.go, convertPort).
fn declared(protocol: &str) -> Protocol {
    service::named(&protocol.to_ascii_lowercase()).unwrap_or(Protocol::Unknown)
}

fn selector(spec: &Fields<'_>, mode: Mode) -> Option<Labels> {
    let selector = spec.object("workloadSelector")?;
    let labels = selector.labels("labels");
    selector.finish();
    if spec.has("endpoints") {
        let remedy = "Istio takes one of the two: remove the other";
        spec.report().error(&spec.path("workloadSelector"), "stands beside endpoints", remedy);
    }
    if labels.is_empty() {
        spec.report().error(&selector.path("labels"), "selects nothing", "add labels of the pods");
    }
    if mode != Mode::Static {
        let problem = "has no effect unless resolution is STATIC";
        spec.report().warn(&spec.path("workloadSelector"), problem, "write resolution: STATIC");
    }
    Some(labels)
}
