//! Manifest → model, one file per kind. Every fault of an object is collected; one bad object never hides the others.

mod capture_annotations;
mod connection_pool;
mod consistent_hash;
mod destination;
mod destination_rule;
pub(crate) mod duration;
mod endpoint_slice;
mod fields;
mod http;
mod http_route;
mod l4;
mod load_balancer;
mod locality;
mod mesh_config;
mod metadata;
mod names;
mod namespace;
mod node;
mod outlier_detection;
mod percent;
mod pod;
mod service;
mod service_entry;
mod sidecar;
mod split;
mod string_match;
#[cfg(test)]
mod tests;
mod tls;
mod topology;
mod traffic_policy;
mod virtual_service;
mod workload;

use crate::fault::Fault;
use crate::manifest::Manifest;
use crate::model::{DestinationRule, HttpRoute, Kind, Namespace, Pod, Sidecar, VirtualService};

pub(crate) use endpoint_slice::{EndpointSlice, SliceEndpoint};
use fields::{Fields, Report};
pub use mesh_config::mesh_config;
use node::Node;
pub(crate) use service::{PortSpec, ServiceSpec, TargetPort};
pub(crate) use service_entry::{Address, EntryEndpoint, EntryPort, ServiceEntry};

/// An object that holds only what it may.
#[derive(Debug, Clone)]
pub struct Valid {
    pub(crate) object: Object,
    /// Whether it says itself who sees it; if not, the mesh config does.
    pub(crate) says_export: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Object {
    Namespace(Namespace),
    Node(Node),
    Pod(Pod),
    Service(ServiceSpec),
    EndpointSlice(EndpointSlice),
    ServiceEntry(ServiceEntry),
    VirtualService(VirtualService),
    DestinationRule(DestinationRule),
    HttpRoute(HttpRoute),
    Sidecar(Sidecar),
}

/// What became of a manifest.
#[derive(Debug)]
pub struct Validated {
    /// `None` when it is refused.
    pub valid: Option<Valid>,
    /// Everything that is wrong with it; warnings do not refuse.
    pub faults: Vec<Fault>,
}

/// Checks one object by itself; whether what it refers to exists is for the table to see.
#[must_use]
pub fn validate(manifest: &Manifest) -> Validated {
    let report = Report::new(manifest);
    let fields = Fields::of(&report);
    let object = match manifest.object.kind {
        Kind::Namespace => namespace::read(&manifest.object, &fields).map(Object::Namespace),
        Kind::Node => node::read(&manifest.object, &fields).map(Object::Node),
        Kind::Pod => pod::read(&manifest.object, &fields).map(Object::Pod),
        Kind::Service => service::read(&manifest.object, &fields).map(Object::Service),
        Kind::EndpointSlice => endpoint_slice::read(&manifest.object, &fields).map(Object::EndpointSlice),
        Kind::ServiceEntry => service_entry::read(&manifest.object, &fields).map(Object::ServiceEntry),
        Kind::VirtualService => virtual_service::read(&manifest.object, &fields).map(Object::VirtualService),
        Kind::DestinationRule => destination_rule::read(&manifest.object, &fields).map(Object::DestinationRule),
        Kind::HttpRoute => http_route::read(&manifest.object, &fields).map(Object::HttpRoute),
        Kind::Sidecar => sidecar::read(&manifest.object, &fields).map(Object::Sidecar),
        // It comes by its own way.
        Kind::MeshConfig => None,
    };
    let says_export = metadata::says_export(manifest);
    let valid = object.filter(|_| !report.refused()).map(|object| Valid { object, says_export });
    Validated { valid, faults: report.into_faults() }
}
