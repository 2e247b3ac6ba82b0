//! Where what is sent on goes.

use std::fmt;

/// Where a request or a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Towards {
    /// To one of the cluster's endpoints, which the balancer chooses.
    Endpoint,
    /// To the address that was dialled, whatever endpoints there are.
    Dialled,
    /// To what a name comes to: it is resolved when it is asked for.
    Name(AskedName),
}

/// A name that a client asks for: the Host of its request, whatever the route rewrites it to, or the server name of its
/// ClientHello. Envoy's filter looks it up before the router gets to rewrite anything
/// (envoy source/extensions/filters/http/dynamic_forward_proxy/proxy_filter.cc, decodeHeaders). A port in Host does not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskedName {
    /// In lower case, without a port; an IP address as well. Never empty.
    pub name: Box<str>,
    /// Where to connect there.
    pub port: u16,
}

impl AskedName {
    /// `None` when nothing is asked for: Envoy's cluster has no host then
    /// (envoy source/extensions/clusters/dynamic_forward_proxy/cluster.cc, chooseHost).
    pub(super) fn new(name: &str, port: u16) -> Option<Self> {
        (!name.is_empty()).then(|| Self { name: name.to_ascii_lowercase().into(), port })
    }
}

impl fmt::Display for AskedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}
