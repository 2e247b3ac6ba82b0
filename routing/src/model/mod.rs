//! What the objects mean, after validation: names resolved, defaults applied, nothing left to check.

mod destination_rule;
mod host;
mod load_balancer;
mod object;
mod pod;
mod service;
mod string_match;
mod traffic_policy;
mod virtual_service;

pub use destination_rule::{DestinationRule, Subset};
pub use host::{HostPattern, Hostname};
pub use load_balancer::{HashCookie, HashKey, LoadBalancer};
pub use object::{Creation, ExportTo, Kind, ObjectRef};
pub use pod::{Namespace, Pod};
pub use service::{Endpoint, Labels, Protocol, Service, ServicePort};
pub use string_match::{HeaderMatch, StringMatch};
pub use traffic_policy::TrafficPolicy;
pub use virtual_service::{Destination, HttpMatch, HttpRule, Split, VirtualService};

/// Everything known about the mesh at one moment; the order of objects has no meaning.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Namespaces that were declared; a pod may live in one that was not.
    pub namespaces: Vec<Namespace>,
    /// Pods of all nodes: endpoints everywhere, clients where they are local.
    pub pods: Vec<Pod>,
    /// Services with their endpoints resolved per port.
    pub services: Vec<Service>,
    /// VirtualServices, mesh-bound or not: those that are not still explain themselves.
    pub virtual_services: Vec<VirtualService>,
    /// DestinationRules.
    pub destination_rules: Vec<DestinationRule>,
}
