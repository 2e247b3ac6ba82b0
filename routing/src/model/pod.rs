//! Pods and namespaces, as far as enrolment and endpoints need them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Family, Labels, Locality, OutboundCapture, UnusedAnnotation, Workload};

/// A pod of any node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// The UID that its cgroup is named after: `metadata.uid`, or that of the static pod it stands for; without one it cannot be
    /// found.
    pub uid: Option<Box<str>>,
    /// `metadata.labels`.
    pub labels: Arc<Labels>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<Box<str>, Box<str>>,
    /// What its annotations keep out of capture.
    pub outbound: Arc<OutboundCapture>,
    /// Its annotations about capture that have no effect.
    pub unused: Arc<[UnusedAnnotation]>,
    /// Whose pod it is.
    pub workload: Arc<Workload>,
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

/// A pod's own addresses, of each family the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodAddresses {
    /// IPv4.
    pub v4: Option<Ipv4Addr>,
    /// IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl PodAddresses {
    /// Of a pod that has these.
    #[must_use]
    pub fn new(addresses: &[IpAddr]) -> Self {
        let v4 = addresses.iter().find_map(|address| if let IpAddr::V4(v4) = address { Some(*v4) } else { None });
        let v6 = addresses.iter().find_map(|address| if let IpAddr::V6(v6) = address { Some(*v6) } else { None });
        Self { v4, v6 }
    }

    /// The one of a family.
    #[must_use]
    pub fn of(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(IpAddr::V4),
            Family::V6 => self.v6.map(IpAddr::V6),
        }
    }
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
