//! HTTPRoutes of the Gateway API whose parent is a Service (GAMMA).

use std::sync::Arc;

use super::{Creation, Hostname, HttpRule, ObjectRef, ServicePort};

/// Routes for the Services that it names as parents.
#[derive(Debug, Clone)]
pub struct HttpRoute {
    /// Which object.
    pub object: ObjectRef,
    /// Age.
    pub created: Creation,
    /// Services; Gateways are not among them.
    pub parents: Vec<ServiceParent>,
    /// `spec.rules`, in written order. Each has at least one match, and every match one condition on the path.
    pub rules: Vec<HttpRule>,
}

/// One `parentRef` to a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceParent {
    /// Its place in `spec.parentRefs`.
    pub place: usize,
    /// The service's full name.
    pub host: Hostname,
    /// Its namespace: routes that live there are for everybody, others for clients of their own namespace.
    pub namespace: Arc<str>,
    /// Only this port of it.
    pub port: Option<u16>,
    /// Only the port of this name.
    pub section: Option<Box<str>>,
}

impl ServiceParent {
    /// Whether a port of the service is meant.
    #[must_use]
    pub fn names(&self, port: &ServicePort) -> bool {
        self.port.is_none_or(|number| number == port.number)
            && self.section.as_deref().is_none_or(|section| section == &*port.name)
    }
}
