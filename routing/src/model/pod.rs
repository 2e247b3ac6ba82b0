//! Pods and namespaces, as far as enrolment and endpoints need them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Labels, Locality};

/// A pod of any node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.uid`; without one the pod's cgroup cannot be found.
    pub uid: Option<Box<str>>,
    /// `metadata.labels`.
    pub labels: Arc<Labels>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<Box<str>, Box<str>>,
    /// TCP ports that the containers name, for a service's named `targetPort`.
    pub ports: BTreeMap<Box<str>, u16>,
    /// `spec.nodeName`.
    pub node: Option<Arc<str>>,
    /// Where it runs: by its own labels, else by those of its node; empty as far as neither tells.
    pub locality: Arc<Locality>,
    /// `status.podIPs` and `status.podIP`, first one first.
    pub addresses: Vec<IpAddr>,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `status.phase` is `Succeeded` or `Failed`.
    pub completed: bool,
    /// Condition `Ready` is true, or there are no conditions at all.
    pub ready: bool,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<Box<str>, Box<str>>,
}
