//! What the objects mean, after validation: names resolved, defaults applied, nothing left to check.

mod connection_pool;
mod cors;
mod destination_rule;
mod family;
mod headers;
mod host;
mod http_route;
mod http_rule;
mod l4_rule;
mod load_balancer;
mod locality;
mod mesh;
mod nodes;
mod object;
mod outbound_capture;
mod outlier_detection;
mod pod;
mod pods;
mod resilience;
mod rewrite;
mod service;
mod services;
mod sidecar;
mod string_match;
mod subnet;
mod template;
mod tls_origination;
mod traffic_policy;
mod unused_annotation;
mod virtual_service;
mod workload;

pub use connection_pool::{ConnectionPool, IdleTimeout, TcpKeepalive};
pub use cors::CorsPolicy;
pub use destination_rule::{DestinationRule, Subset};
pub use family::Family;
pub use headers::{HeaderEdits, HeaderOperations, Lines};
pub use host::{HostPattern, Hostname};
pub use http_route::{HttpRoute, ServiceParent};
pub use http_rule::{HttpAction, HttpMatch, HttpRule};
pub use l4_rule::{L4Match, TcpRule, TlsMatch, TlsRule};
pub use load_balancer::{HashCookie, HashKey, LoadBalancer, LoadBalancing, Warmup};
pub use locality::{Distribute, FailoverLabel, Locality, LocalityPattern, LocalitySetting};
pub use mesh::{DefaultExport, MeshConfig, OutboundTraffic};
pub use nodes::Nodes;
pub use object::{Creation, ExportTo, Kind, ObjectRef};
pub use outbound_capture::{Excluded, IncludedRanges, OutboundCapture, RangeVerdict};
pub use outlier_detection::OutlierDetection;
pub use pod::{Namespace, Pod, PodAddresses};
pub use pods::Pods;
pub use resilience::{Abort, FaultInjection, Mirror, Percent, RetryCondition, RetryOn, RetryPolicy};
pub use rewrite::{DirectResponse, PathRewrite, Redirect, RedirectPort, Rewrite};
pub use service::{
    Alias, Endpoint, Labels, NamedEndpoint, Protocol, Resolution, Service, ServicePort, TrafficDistribution,
};
pub use services::Services;
pub use sidecar::{Import, ImportFrom, Sidecar};
pub use string_match::{HeaderMatch, QueryMatch, StringMatch};
pub use subnet::Subnet;
pub use template::{Segment, Template, Variable};
pub use tls_origination::{TlsOrigination, Trust, UpstreamTls};
pub use traffic_policy::{PolicyDefaults, TrafficPolicy};
pub use unused_annotation::{Unused, UnusedAnnotation};
pub use virtual_service::{Destination, Split, VirtualService};
pub use workload::Workload;

/// Everything known about the mesh at one moment; the order of objects has no meaning.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Namespaces that were declared; a pod may live in one that was not.
    pub namespaces: Vec<Namespace>,
    /// Pods of all nodes: endpoints everywhere, clients where they are local.
    pub pods: Pods,
    /// Where the nodes are.
    pub nodes: Nodes,
    /// Services and hosts of ServiceEntries, with their endpoints resolved per port.
    pub services: Services,
    /// VirtualServices, mesh-bound or not: those that are not still explain themselves.
    pub virtual_services: Vec<VirtualService>,
    /// DestinationRules.
    pub destination_rules: Vec<DestinationRule>,
    /// HTTPRoutes, whatever their parents.
    pub http_routes: Vec<HttpRoute>,
    /// Sidecars.
    pub sidecars: Vec<Sidecar>,
    /// Istio's mesh config.
    pub mesh: MeshConfig,
}
