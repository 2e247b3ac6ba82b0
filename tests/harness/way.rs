//! The ways in which a pod reaches a Service, by IP family.

use std::net::{IpAddr, SocketAddr};

use meshlet_sandbox::{Answer, HttpCall};

use super::{Node, SERVICE_PORT};

/// One way to dial a Service from the marked pod.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The Service's address.
    pub to: SocketAddr,
    /// The pod's address of the same family.
    pub own: IpAddr,
    /// From an IPv6 socket, by the IPv4-mapped address.
    pub mapped: bool,
}

impl Way {
    /// All ways from the marked pod to a Service of the experiment's namespace.
    #[must_use]
    pub fn all(node: &Node, service: &str, port: u16) -> Vec<Self> {
        let own = node.sandbox.pod_ips(&Node::pod("marked")).expect("the pod's addresses");
        let addresses = node.sandbox.cluster_ips("infra-jinsu-lab", service).expect("the Service's addresses");
        let way = |(to, mapped): (IpAddr, bool)| {
            let own = own.iter().copied().find(|own| own.is_ipv4() == to.is_ipv4())?;
            Some(Self { to: SocketAddr::new(to, port), own, mapped })
        };
        let sockets = |to: IpAddr| std::iter::once((to, false)).chain(to.is_ipv4().then_some((to, true)));
        addresses.into_iter().flat_map(sockets).filter_map(way).collect()
    }

    /// All ways to the experiment's service.
    #[must_use]
    pub fn to_service(node: &Node) -> Vec<Self> {
        Self::all(node, "httpping-without-sidecar", SERVICE_PORT)
    }

    /// So many GETs, each on a connection of its own.
    #[must_use]
    pub fn call(&self, count: usize) -> HttpCall {
        let fresh = HttpCall::get(self.to, "httpping-without-sidecar");
        HttpCall { count, keep_alive: false, mapped: self.mapped, ..fresh }
    }

    /// Asserts that nobody could tell from the addresses that anything was redirected.
    pub fn assert_invisible(&self, answer: &Answer) {
        let shown = |address: &Option<String>| -> SocketAddr {
            let address: SocketAddr =
                address.as_deref().unwrap_or_default().parse().unwrap_or_else(|_| panic!("{self:?}: {answer:?}"));
            assert_eq!(address.is_ipv6(), self.mapped || self.to.is_ipv6(), "{self:?}: {answer:?}");
            SocketAddr::new(address.ip().to_canonical(), address.port())
        };
        assert_eq!(shown(&answer.peer), self.to, "{self:?}: getpeername is the Service");
        assert_eq!(shown(&answer.local).ip(), self.own, "{self:?}: getsockname is the pod");
        let seen = answer.client.as_deref().and_then(|client| client.parse::<SocketAddr>().ok());
        assert_eq!(seen.map(|seen| seen.ip()), Some(self.own), "{self:?}: the server sees the pod");
    }
}
