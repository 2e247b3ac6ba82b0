//! VirtualServices.

use super::{
    Creation, ExportTo, HeaderOperations, HostPattern, Hostname, HttpAction, HttpRule, ObjectRef, TcpRule, TlsRule,
};

/// Routes for hosts.
#[derive(Debug, Clone)]
pub struct VirtualService {
    /// Which object.
    pub object: ObjectRef,
    /// Age.
    pub created: Creation,
    /// `spec.hosts`, resolved in the object's own namespace.
    pub hosts: Vec<HostPattern>,
    /// `spec.gateways` as written.
    pub gateways: Vec<Box<str>>,
    /// Whether `gateways` is absent or lists `mesh`: only then do mesh clients see the object.
    pub mesh: bool,
    /// Namespaces whose clients see it.
    pub export_to: ExportTo,
    /// `spec.http`, in written order.
    pub http: Vec<HttpRule>,
    /// `spec.tls`, in written order.
    pub tls: Vec<TlsRule>,
    /// `spec.tcp`, in written order.
    pub tcp: Vec<TcpRule>,
}

impl VirtualService {
    /// Whether one of its rules hands its requests to another object.
    pub(crate) fn delegates_to(&self, other: &ObjectRef) -> bool {
        self.http.iter().any(|rule| match &rule.action {
            HttpAction::Delegate { namespace, name, .. } => *namespace == other.namespace && *name == other.name,
            HttpAction::Route(_) | HttpAction::Redirect(_) | HttpAction::Respond(_) => false,
        })
    }
}

/// Where a route sends its traffic.
#[derive(Debug, Clone)]
pub enum Split {
    /// All traffic, whatever its weight: Istio reads weights only beside others (route.go, applyHTTPRouteDestination).
    Sole(Destination),
    /// Two or more as written, each above zero; a zero sum is a fault (validation.go, validateHTTPRouteDestinations).
    Weighted(Box<[(u32, Destination)]>),
}

impl Split {
    /// The destinations that may get traffic, in written order, each with its weight; a sole one has none.
    pub fn destinations(&self) -> impl Iterator<Item = (Option<u32>, &Destination)> {
        let (sole, weighted): (_, &[(u32, Destination)]) = match self {
            Self::Sole(destination) => (Some((None, destination)), &[]),
            Self::Weighted(destinations) => (None, destinations),
        };
        sole.into_iter().chain(weighted.iter().map(|(weight, destination)| (Some(*weight), destination)))
    }
}

/// One destination of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Resolved in the VirtualService's namespace.
    pub host: Hostname,
    /// Named by the DestinationRule that the client sees.
    pub subset: Option<Box<str>>,
    /// `port.number`.
    pub port: Option<u16>,
    /// `headers` beside the destination: done to what goes there, and to what comes back.
    pub headers: HeaderOperations,
}
