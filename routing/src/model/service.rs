//! Services and the endpoints behind their ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::{Creation, ExportTo, Hostname, Locality};

/// Labels of a pod, an endpoint or a namespace.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// A Kubernetes Service as a mesh client knows it.
#[derive(Debug, Clone)]
pub struct Service {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `name.namespace.svc.cluster.local`.
    pub host: Hostname,
    /// ClusterIPs of both families; empty when headless.
    pub addresses: Vec<IpAddr>,
    /// Its TCP ports; UDP and SCTP ports are never captured and left out.
    pub ports: Vec<ServicePort>,
    /// Namespaces whose clients know the service (annotation `networking.istio.io/exportTo`).
    pub export_to: ExportTo,
    /// Tie-breaker between services.
    pub created: Creation,
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
}

/// One address behind a service port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Pod address and target port.
    pub address: SocketAddr,
    /// What subsets select on.
    pub labels: Arc<Labels>,
    /// Unready endpoints are listed and never used.
    pub ready: bool,
    /// `namespace/name` of the pod, where known.
    pub pod: Option<Arc<str>>,
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
            labels: Arc::default(),
            ready: true,
            pod: None,
            locality: Arc::default(),
            node: None,
            weight: NonZeroU32::MIN,
        }
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
