//! Services and the endpoints behind their ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::{
    Creation, ExportTo, FailoverLabel, Family, Hostname, Kind, Locality, LocalitySetting, ObjectRef, Workload,
};

/// Labels of a pod, an endpoint or a namespace.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// A destination that a mesh client knows: a Kubernetes Service, or one host of a ServiceEntry.
#[derive(Debug, Clone)]
pub struct Service {
    /// Which object.
    pub object: ObjectRef,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `name.namespace.svc.cluster.local`, or the ServiceEntry's host, which may begin with `*`.
    pub host: Hostname,
    /// ClusterIPs of both families, or a ServiceEntry's `addresses`; empty when headless, and where none are written.
    pub addresses: Vec<IpAddr>,
    /// Its TCP ports; UDP and SCTP ports are never captured and left out.
    pub ports: Vec<ServicePort>,
    /// How a connection finds its endpoint.
    pub resolution: Resolution,
    /// Services of `type: ExternalName` that stand for this one, in order of name.
    pub aliases: Vec<Alias>,
    /// `internalTrafficPolicy: Local`: only endpoints on the client's node are used.
    pub node_local: bool,
    /// Which endpoints come first, without any outlier detection.
    pub distribution: TrafficDistribution,
    /// Namespaces whose clients know the service (annotation `networking.istio.io/exportTo`, or a ServiceEntry's `exportTo`).
    pub export_to: ExportTo,
    /// Tie-breaker between services.
    pub created: Creation,
}

impl Service {
    /// Whether it is a Kubernetes Service without ClusterIP: its pods have names below its own.
    #[must_use]
    pub fn headless(&self) -> bool {
        self.object.kind == Kind::Service && self.resolution == Resolution::Dialled
    }

    /// The port of a number.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.number == number)
    }
}

/// How a connection finds its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// One of the endpoints is chosen.
    Endpoints,
    /// It goes where the client dialled, whatever the endpoints are: headless services, and `resolution: NONE`.
    Dialled,
    /// Endpoints are DNS names, or addresses among them; every address of a name is an endpoint (Envoy's STRICT_DNS).
    Names,
    /// The same, and of a name's addresses the first is the endpoint, until another one is (Envoy's LOGICAL_DNS).
    FirstOfNames,
    /// A wildcard, under which the name that a client asks for is resolved when it is asked for.
    AskedNames,
}

/// Another name of a service: a Service of `type: ExternalName` whose `externalName` leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Which object.
    pub object: ObjectRef,
    /// Its full name.
    pub host: Hostname,
    /// Namespaces whose clients know it.
    pub export_to: ExportTo,
}

/// A Service's `trafficDistribution`, or the annotation `networking.istio.io/traffic-distribution`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrafficDistribution {
    /// None is preferred.
    #[default]
    Any,
    /// `PreferSameZone`, formerly `PreferClose`: region, zone and sub-zone of the client first.
    SameZone,
    /// `PreferSameNode`: the client's node before those.
    SameNode,
}

impl TrafficDistribution {
    /// What it means for localities (istio/istio@86c9f01 pilot/pkg/networking/core/loadbalancer/loadbalancer.go,
    /// GetLocalityLbSetting).
    #[must_use]
    pub fn setting(self) -> Option<LocalitySetting> {
        let zone = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];
        let node = match self {
            Self::Any => return None,
            Self::SameZone => None,
            Self::SameNode => Some("kubernetes.io/hostname"),
        };
        let label = |key: &str| FailoverLabel { key: key.into(), value: None };
        let priority = zone.into_iter().chain(node).map(label).collect();
        Some(LocalitySetting::Failover { regions: Box::default(), priority })
    }
}

/// One port of a service.
#[derive(Debug, Clone)]
pub struct ServicePort {
    /// The port clients dial, not the target port.
    pub number: u16,
    /// `ports[].name`, may be empty.
    pub name: Box<str>,
    /// What was declared by `appProtocol` or the port's name.
    pub protocol: Protocol,
    /// Endpoints of this port, ready or not, in ascending order of address.
    pub endpoints: Arc<[Endpoint]>,
    /// Endpoints that are known by a DNS name, in written order; what the names are known to come to is in `endpoints`. Where
    /// they come to nothing, a client that asked for the service by its own name has resolved it, and goes where it dialled.
    pub names: Arc<[NamedEndpoint]>,
}

/// A DNS name behind a service port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEndpoint {
    /// The name.
    pub name: Box<str>,
    /// The port behind it.
    pub port: u16,
    /// What subsets select on.
    pub labels: Arc<Labels>,
    /// Where its addresses are, as far as known.
    pub locality: Arc<Locality>,
    /// The share of each of its addresses beside the others', at least 1.
    pub weight: NonZeroU32,
}

/// One address behind a service port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Pod address and target port.
    pub address: SocketAddr,
    /// The same pod's other address, where it is listed in both families: one endpoint with one share and one place on a hash
    /// ring, which is reached in the family that the client dialled. So a pod of two families takes no more than one of a
    /// single one, and weights are the same whichever address of a service is dialled, as in a dual-stack Istio.
    pub twin: Option<SocketAddr>,
    /// What subsets select on.
    pub labels: Arc<Labels>,
    /// Unready endpoints are listed and never used.
    pub ready: bool,
    /// `namespace/name` of the pod, where known.
    pub pod: Option<Arc<str>>,
    /// Whose pod it is, where known.
    pub workload: Option<Arc<Workload>>,
    /// Where it runs, as far as known.
    pub locality: Arc<Locality>,
    /// The node it runs on, where known.
    pub node: Option<Arc<str>>,
    /// Its share beside the others', at least 1.
    pub weight: NonZeroU32,
}

impl Endpoint {
    /// A ready endpoint of weight 1 about which nothing else is known.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            twin: None,
            labels: Arc::default(),
            ready: true,
            pod: None,
            workload: None,
            locality: Arc::default(),
            node: None,
            weight: NonZeroU32::MIN,
        }
    }
}

impl Endpoint {
    /// Its address of a family.
    #[must_use]
    pub fn of_family(&self, family: Family) -> Option<SocketAddr> {
        [Some(self.address), self.twin].into_iter().flatten().find(|address| Family::of(address.ip()) == family)
    }

    /// Where a client goes that dialled in `family`: another family is better than no endpoint.
    #[must_use]
    pub fn towards(&self, family: Family) -> SocketAddr {
        self.of_family(family).unwrap_or(self.address)
    }
}

/// Protocol of a service port (istio/istio@86c9f01 pkg/config/kube/conversion.go, ConvertProtocol).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 upstream.
    Http,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// gRPC or gRPC-Web: HTTP/2 upstream.
    Grpc,
    /// TLS, not terminated.
    Tls,
    /// Opaque bytes; never inspected.
    Tcp,
    /// Undeclared: the first bytes tell.
    Unknown,
}

impl Protocol {
    /// The word for people and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
            Self::Unknown => "unknown",
        }
    }

    /// Whether `http` routes apply by Host on this port's shared listener.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc)
    }
}
