//! `spec.tcp` and `spec.tls` of a VirtualService: rules for connections.

use super::{HostPattern, Labels, Split, Subnet};

/// One entry of `spec.tcp`.
#[derive(Debug, Clone)]
pub struct TcpRule {
    /// Entries are ORed; none matches everything.
    pub matches: Vec<L4Match>,
    /// `route`.
    pub split: Split,
}

/// One entry of `spec.tls`.
#[derive(Debug, Clone)]
pub struct TlsRule {
    /// Entries are ORed; at least one.
    pub matches: Vec<TlsMatch>,
    /// `route`.
    pub split: Split,
}

/// One entry of `match`: every condition must hold, `gateways` and those on the source too, unlike for HTTP.
#[derive(Debug, Clone, Default)]
pub struct L4Match {
    /// Where the client dialled is in one of these; none: anywhere.
    pub destination_subnets: Vec<Subnet>,
    /// The dialled port; static.
    pub port: Option<u16>,
    /// Labels the client must carry; static.
    pub source_labels: Labels,
    /// Namespace of the client; static.
    pub source_namespace: Option<Box<str>>,
    /// `gateways` is written and lacks `mesh`: for no mesh client; static.
    pub gateways_only: bool,
}

/// One entry of `match` of a TLS rule.
#[derive(Debug, Clone)]
pub struct TlsMatch {
    /// The name in the ClientHello is one of these; at least one, and `*` is any name or none.
    pub sni_hosts: Vec<HostPattern>,
    /// And these hold.
    pub conditions: L4Match,
}
