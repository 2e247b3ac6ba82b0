//! Manifest → model, one file per kind. Every fault of an object is collected; one bad object never hides the others.

mod connection_pool;
mod consistent_hash;
mod destination;
mod destination_rule;
pub(crate) mod duration;
mod endpoint_slice;
mod fields;
mod http;
mod load_balancer;
mod locality;
mod metadata;
mod namespace;
mod outlier_detection;
mod percent;
mod pod;
mod service;
mod split;
mod string_match;
#[cfg(test)]
mod tests;
mod tls;
mod traffic_policy;
mod virtual_service;

use crate::fault::Fault;
use crate::manifest::Manifest;
use crate::model::{DestinationRule, Kind, Namespace, Pod, VirtualService};

pub(crate) use endpoint_slice::EndpointSlice;
use fields::{Fields, Report};
pub(crate) use service::{PortSpec, ServiceSpec, TargetPort};

/// An object that holds only what it may.
#[derive(Debug, Clone)]
pub struct Valid(pub(crate) Object);

#[derive(Debug, Clone)]
pub(crate) enum Object {
    Namespace(Namespace),
    Pod(Pod),
    Service(ServiceSpec),
    EndpointSlice(EndpointSlice),
    VirtualService(VirtualService),
    DestinationRule(DestinationRule),
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
        Kind::Pod => pod::read(&manifest.object, &fields).map(Object::Pod),
        Kind::Service => service::read(&manifest.object, &fields).map(Object::Service),
        Kind::EndpointSlice => endpoint_slice::read(&manifest.object, &fields).map(Object::EndpointSlice),
        Kind::VirtualService => virtual_service::read(&manifest.object, &fields).map(Object::VirtualService),
        Kind::DestinationRule => destination_rule::read(&manifest.object, &fields).map(Object::DestinationRule),
    };
    let valid = object.filter(|_| !report.refused()).map(Valid);
    Validated { valid, faults: report.into_faults() }
}
