//! Services.

use std::net::IpAddr;

use serde_json::Value;

use super::fields::Fields;
use super::metadata;
use crate::model::{Creation, ExportTo, Family, Hostname, Labels, ObjectRef, Protocol, TrafficDistribution};

/// A Service without its endpoints.
#[derive(Debug, Clone)]
pub(crate) struct ServiceSpec {
    pub(crate) object: ObjectRef,
    /// `type: ExternalName`: it is another name of this host, and the rest means nothing.
    pub(crate) external_name: Option<Hostname>,
    /// `clusterIP: None`. A Service without any clusterIP is one that did not get its address yet.
    pub(crate) headless: bool,
    pub(crate) node_local: bool,
    pub(crate) distribution: TrafficDistribution,
    pub(crate) addresses: Vec<IpAddr>,
    /// Families in order of preference: `ipFamilies`, else those of the ClusterIPs; none where neither is written.
    pub(crate) families: Vec<Family>,
    /// Empty: endpoints come from EndpointSlices alone.
    pub(crate) selector: Labels,
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) export_to: ExportTo,
    pub(crate) created: Creation,
    pub(crate) publish_not_ready: bool,
}

/// One TCP port.
#[derive(Debug, Clone)]
pub(crate) struct PortSpec {
    pub(crate) number: u16,
    pub(crate) name: Box<str>,
    pub(crate) protocol: Protocol,
    pub(crate) target: TargetPort,
}

/// `targetPort`.
#[derive(Debug, Clone)]
pub(crate) enum TargetPort {
    Number(u16),
    /// Resolved on each pod.
    Name(Box<str>),
}

impl ServiceSpec {
    /// Whether a pod of the service's namespace with these labels stands behind it.
    pub(crate) fn selects(&self, labels: &Labels) -> bool {
        !self.selector.is_empty() && self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<ServiceSpec> {
    let metadata = metadata::read(fields);
    let spec = fields.object("spec")?;
    let external_name = (spec.text("type") == Some("ExternalName")).then(|| spec.text("externalName")).flatten();
    if spec.text("sessionAffinity") == Some("ClientIP") {
        let remedy = "Istio never reads it: write a DestinationRule with consistentHash.useSourceIp, or expect none";
        fields.report().warn("spec.sessionAffinity", "captured clients lose it", remedy);
    }
    let addresses = addresses(&spec);
    let export = metadata.annotations.get(metadata::EXPORT_TO);
    let names = export.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty());
    Some(ServiceSpec {
        object: object.clone(),
        external_name: external_name.map(Hostname::new),
        headless: headless(&spec),
        node_local: spec.text("internalTrafficPolicy") == Some("Local"),
        distribution: distribution(spec.text("trafficDistribution"), &metadata.annotations),
        families: families(&spec, &addresses),
        addresses,
        selector: spec.labels("selector"),
        ports: spec.objects("ports").iter().filter_map(port).collect(),
        export_to: metadata::from_names(names, &object.namespace),
        created: metadata.created,
        publish_not_ready: spec.boolean("publishNotReadyAddresses").unwrap_or(false),
    })
}

/// The field, where it says something, else Istio's older annotation, whatever its case
/// (istio/istio@86c9f01 pilot/pkg/model/service.go, GetTrafficDistribution).
pub(super) fn distribution(field: Option<&str>, annotations: &Labels) -> TrafficDistribution {
    match field {
        Some("PreferClose" | "PreferSameZone") => return TrafficDistribution::SameZone,
        Some("PreferSameNode") => return TrafficDistribution::SameNode,
        _ => {}
    }
    let annotation = annotations.get("networking.istio.io/traffic-distribution");
    match annotation.map(|written| written.to_ascii_lowercase()).as_deref() {
        Some("preferclose" | "prefersamezone") => TrafficDistribution::SameZone,
        Some("prefersamenode") => TrafficDistribution::SameNode,
        _ => TrafficDistribution::Any,
    }
}

fn headless(spec: &Fields<'_>) -> bool {
    spec.text("clusterIP") == Some("None") || spec.texts("clusterIPs").iter().any(|(_, address)| *address == "None")
}

fn addresses(spec: &Fields<'_>) -> Vec<IpAddr> {
    let listed = spec.texts("clusterIPs");
    let first = spec.text("clusterIP").map(|text| (spec.path("clusterIP"), text));
    let mut addresses = Vec::new();
    for (path, text) in listed.into_iter().chain(first) {
        match text.parse() {
            Ok(address) if !addresses.contains(&address) => addresses.push(address),
            Ok(_) => {}
            Err(_) if text == "None" || text.is_empty() => {}
            Err(_) => {
                spec.report().error(&path, format!("{text:?} is not an IP address"), "write an IP address or None")
            }
        }
    }
    addresses
}

fn families(spec: &Fields<'_>, addresses: &[IpAddr]) -> Vec<Family> {
    let written = spec.texts("ipFamilies").into_iter().filter_map(|(path, text)| match text {
        "IPv4" => Some(Family::V4),
        "IPv6" => Some(Family::V6),
        _ => {
            spec.report().error(&path, format!("{text:?} is no family"), "write IPv4 or IPv6");
            None
        }
    });
    let mut families = Vec::new();
    for family in written.chain(addresses.iter().map(|address| Family::of(*address))) {
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}

fn port(port: &Fields<'_>) -> Option<PortSpec> {
    if port.text("protocol").is_some_and(|protocol| protocol != "TCP") {
        return None;
    }
    let name = port.text("name").unwrap_or_default();
    let Some(number) = port.port("port") else {
        if !port.has("port") {
            port.report().error(&port.path("port"), "is missing", "add the port that clients dial");
        }
        return None;
    };
    let target = match port.any("targetPort") {
        None => TargetPort::Number(number),
        Some(Value::String(name)) => {
            name.parse().map_or_else(|_| TargetPort::Name(name.as_str().into()), TargetPort::Number)
        }
        Some(_) => TargetPort::Number(port.port("targetPort")?),
    };
    let protocol = protocol(port.text("appProtocol"), name, number);
    Some(PortSpec { number, name: name.into(), protocol, target })
}

/// `appProtocol` beats the port's name, and an unknown one means undeclared even then; a name counts up to its first dash
/// (istio/istio@86c9f01 pkg/config/kube/conversion.go, ConvertProtocol).
pub(super) fn protocol(app_protocol: Option<&str>, name: &str, number: u16) -> Protocol {
    if let Some(declared) = app_protocol {
        let declared = declared.to_ascii_lowercase();
        return match declared.as_str() {
            "kubernetes.io/h2c" => Protocol::Http2,
            "kubernetes.io/ws" => Protocol::Http,
            "kubernetes.io/wss" => Protocol::Tls,
            word => named(word).unwrap_or(Protocol::Unknown),
        };
    }
    let name = name.to_ascii_lowercase();
    let word = if name.starts_with("grpc-web") { "grpc-web" } else { name.split('-').next().unwrap_or_default() };
    named(word).unwrap_or(match number {
        // Their servers speak first: waiting for the client's bytes would hang.
        25 | 53 | 3306 | 27017 => Protocol::Tcp,
        _ => Protocol::Unknown,
    })
}

pub(super) fn named(word: &str) -> Option<Protocol> {
    match word {
        "http" => Some(Protocol::Http),
        "http2" => Some(Protocol::Http2),
        "grpc" | "grpc-web" => Some(Protocol::Grpc),
        "https" | "tls" => Some(Protocol::Tls),
        "tcp" | "mongo" | "mysql" | "redis" => Some(Protocol::Tcp),
        _ => None,
    }
}
