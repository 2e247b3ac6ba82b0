//! VirtualServices.

use std::sync::Arc;

use super::{Creation, ExportTo, HeaderMatch, HostPattern, Hostname, Labels, ObjectRef, StringMatch};

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
}

/// One entry of `spec.http`.
#[derive(Debug, Clone)]
pub struct HttpRule {
    /// `name`, may be absent.
    pub name: Option<Arc<str>>,
    /// Entries are ORed; none matches everything.
    pub matches: Vec<HttpMatch>,
    /// `route`.
    pub split: Split,
}

/// One entry of `match`: every condition must hold.
#[derive(Debug, Clone, Default)]
pub struct HttpMatch {
    /// `name`, may be absent.
    pub name: Option<Arc<str>>,
    /// On the path without query.
    pub uri: Option<StringMatch>,
    /// For exact and prefix `uri`, which are then kept in lower case.
    pub ignore_uri_case: bool,
    /// On the method, case-sensitive.
    pub method: Option<StringMatch>,
    /// On the raw Host, port included.
    pub authority: Option<StringMatch>,
    /// All must hold.
    pub headers: Vec<HeaderMatch>,
    /// None may hold.
    pub without_headers: Vec<HeaderMatch>,
    /// The dialled port; static.
    pub port: Option<u16>,
    /// Labels the client must carry; static.
    pub source_labels: Labels,
    /// Namespace of the client; static.
    pub source_namespace: Option<Box<str>>,
    /// `None` when `gateways` is absent; otherwise whether it lists `mesh`. When set, source conditions are ignored.
    pub gateways_list_mesh: Option<bool>,
}

/// Where a route sends its traffic.
#[derive(Debug, Clone)]
pub enum Split {
    /// All traffic, whatever its weight: Istio reads weights only beside others (route.go, applyHTTPRouteDestination).
    Sole(Destination),
    /// Two or more as written, each above zero; a zero sum is a fault (validation.go, validateHTTPRouteDestinations).
    Weighted(Box<[(u32, Destination)]>),
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
}
