//! A Service: what it is to be, and which pods stand behind it.

use std::net::{IpAddr, SocketAddr};

use crate::families::{Families, Family};
use crate::kube_proxy::Balanced;
use crate::pod::Pod;

/// A Service with one TCP port and a ClusterIP of each of its families.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) port_name: String,
    pub(crate) port: u16,
    pub(crate) target_port: u16,
    pub(crate) selector: Vec<(String, String)>,
    pub(crate) app_protocol: Option<String>,
    pub(crate) families: Families,
}

impl ServiceSpec {
    /// A Service whose port, named `http`, leads to `target_port` of the pods that are selected.
    #[must_use]
    pub fn new(namespace: &str, name: &str, port: u16, target_port: u16) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port_name: "http".to_owned(),
            port,
            target_port,
            selector: Vec::new(),
            app_protocol: None,
            families: Families::default(),
        }
    }

    /// Selects pods of the same namespace with this label, besides those asked for before.
    #[must_use]
    pub fn selecting(mut self, key: &str, value: &str) -> Self {
        self.selector.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Names the port: Istio reads the protocol from it.
    #[must_use]
    pub fn port_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.port_name);
        self
    }

    /// Declares the port's protocol by `appProtocol`.
    #[must_use]
    pub fn app_protocol(mut self, protocol: &str) -> Self {
        self.app_protocol = Some(protocol.to_owned());
        self
    }

    /// Gives it ClusterIPs of these families rather than of IPv4.
    #[must_use]
    pub fn families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    pub(crate) fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.spec.name.namespace()
            && !self.selector.is_empty()
            && self.selector.iter().all(|label| pod.spec.labels.contains(label))
    }

    /// One of the Service's ClusterIPs as kube-proxy sees it: only ready pods count, by their addresses of the same family.
    pub(crate) fn balanced<'a>(&self, address: IpAddr, pods: impl Iterator<Item = &'a Pod>) -> Balanced {
        let of_family =
            |pod: &Pod| pod.addresses.iter().copied().find(|candidate| Family::of(*candidate) == Family::of(address));
        let endpoints = pods
            .filter(|pod| pod.spec.ready && self.selects(pod))
            .filter_map(of_family)
            .map(|endpoint| SocketAddr::new(endpoint, self.target_port))
            .collect();
        Balanced { address: SocketAddr::new(address, self.port), endpoints }
    }
}
