//! Which object something came from.

use std::fmt;
use std::sync::Arc;

/// The kinds meshlet reads; Istio's mesh config has its own way in and counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants are the Kubernetes kinds of the same name")]
pub enum Kind {
    Namespace,
    Node,
    Pod,
    Service,
    EndpointSlice,
    ServiceEntry,
    VirtualService,
    DestinationRule,
    HttpRoute,
    Sidecar,
    MeshConfig,
}

impl Kind {
    /// The kind as Kubernetes spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::ServiceEntry => "ServiceEntry",
            Self::VirtualService => "VirtualService",
            Self::DestinationRule => "DestinationRule",
            Self::HttpRoute => "HTTPRoute",
            Self::Sidecar => "Sidecar",
            Self::MeshConfig => "MeshConfig",
        }
    }
}

/// Identity of an object; prints as `VirtualService shop/echo`, or `Namespace shop` without one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// `namespace/name`.
    #[must_use]
    pub fn qualified_name(&self) -> Arc<str> {
        format!("{}/{}", self.namespace, self.name).into()
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind.as_str(), self.name)
        } else {
            write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
        }
    }
}

/// `metadata.creationTimestamp`, the first tie-breaker among rules for one host. RFC 3339 in UTC compares as text; an
/// object without one sorts first, as Go's zero time does in Istio.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Creation(pub Option<Box<str>>);

/// Namespaces whose clients see an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportTo {
    /// `*` or absent.
    All,
    /// Namespaces by name; `.` is already the object's own. Empty (`~`) means nobody.
    Namespaces(Box<[Arc<str>]>),
}

impl ExportTo {
    /// Whether clients of `namespace` see the object.
    #[must_use]
    pub fn reaches(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespaces(names) => names.iter().any(|name| &**name == namespace),
        }
    }
}
