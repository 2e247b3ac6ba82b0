//! A Service: what it is to be, and which pods stand behind it.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::kube_proxy::Balanced;
use crate::pod::Pod;

/// A Service with one TCP port and a ClusterIP.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) port_name: String,
    pub(crate) port: u16,
    pub(crate) target_port: u16,
    pub(crate) selector: Vec<(String, String)>,
    pub(crate) app_protocol: Option<String>,
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

    fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.spec.name.namespace()
            && !self.selector.is_empty()
            && self.selector.iter().all(|label| pod.spec.labels.contains(label))
    }

    /// The Service as kube-proxy sees it: only ready pods count.
    pub(crate) fn balanced<'a>(&self, address: Ipv4Addr, pods: impl Iterator<Item = &'a Pod>) -> Balanced {
        let endpoints = pods
            .filter(|pod| pod.spec.ready && self.selects(pod))
            .map(|pod| SocketAddrV4::new(pod.address, self.target_port))
            .collect();
        Balanced { address: SocketAddrV4::new(address, self.port), endpoints }
    }
}
