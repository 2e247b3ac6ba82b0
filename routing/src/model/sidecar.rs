//! Sidecars: what clients of a namespace import, and what they may do beyond it.

use std::sync::Arc;

use super::{Creation, HostPattern, Hostname, Labels, ObjectRef, OutboundTraffic};

/// What the clients it is for see.
#[derive(Debug, Clone)]
pub struct Sidecar {
    /// Which object.
    pub object: ObjectRef,
    /// Age.
    pub created: Creation,
    /// `workloadSelector.labels`; `None`: every client of the namespace, and of the root namespace every client at all.
    pub selector: Option<Labels>,
    /// `egress[].hosts`, all entries together; `None`: everything is imported.
    pub imports: Option<Vec<Import>>,
    /// `outboundTrafficPolicy.mode`; `None`: as the mesh has it.
    pub outbound: Option<OutboundTraffic>,
}

/// One entry of `egress[].hosts`: `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Of which namespaces.
    pub from: ImportFrom,
    /// Which names.
    pub host: HostPattern,
    /// `~` before it: what it covers is not imported, whatever else covers it.
    pub excluded: bool,
}

/// The namespaces of an [`Import`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportFrom {
    /// `*`.
    Everywhere,
    /// `.`: the client's own, which for a Sidecar of the root namespace is each client's.
    Own,
    /// By name.
    Namespace(Arc<str>),
}

impl Sidecar {
    /// Whether a service by this name is imported by a client of `client`.
    #[must_use]
    pub fn imports_service(&self, namespace: &str, host: &Hostname, client: &str) -> bool {
        self.imports(namespace, client, |import| import.host.covers(host))
    }

    /// Whether a rule that lists these hosts is imported: one that overlaps with what is asked for suffices.
    #[must_use]
    pub fn imports_rule(&self, namespace: &str, hosts: &[HostPattern], client: &str) -> bool {
        hosts.iter().any(|host| {
            self.imports(namespace, client, |import| {
                if import.excluded { import.host.contains(host) } else { import.host.overlaps(host) }
            })
        })
    }

    fn imports(&self, namespace: &str, client: &str, concerns: impl Fn(&Import) -> bool) -> bool {
        let Some(imports) = &self.imports else { return true };
        let found = |excluded: bool| {
            imports
                .iter()
                .any(|import| import.excluded == excluded && import.from.reaches(namespace, client) && concerns(import))
        };
        found(false) && !found(true)
    }
}

impl ImportFrom {
    fn reaches(&self, namespace: &str, client: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Own => namespace == client,
            Self::Namespace(name) => namespace == &**name,
        }
    }
}
