//! (table, connection, draw) → what happens to bytes that are not read as HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{AskedName, Dialled, Reason};
use crate::hash_key;
use crate::model::{IdleTimeout, OutboundTraffic, Protocol, TlsOrigination};
use crate::table::{Cluster, ConnectionRoute, Finding, RuleKind, RuleRef, Table, Target};

/// One connection as far as rules can see it.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// Where to.
    pub dialled: Dialled,
    /// The server name of its ClientHello, case kept; `None` when it has none, or is not TLS.
    pub sni: Option<&'a str>,
    /// The client pod's address, where there is one.
    pub source: Option<IpAddr>,
}

/// What happens to a connection.
#[derive(Debug)]
pub enum ConnectionDecision<'t> {
    /// It is relayed to an endpoint of a cluster.
    Route(RoutedConnection<'t>),
    /// It is closed.
    Reset(ResetConnection<'t>),
    /// It goes where the client dialled.
    Passthrough {
        /// Why.
        reason: Reason,
        /// How TLS is spoken there, where a cluster leads there and its rule says so.
        tls: Option<&'t Arc<TlsOrigination>>,
    },
}

/// A connection that is relayed.
#[derive(Debug)]
pub struct RoutedConnection<'t> {
    /// Has at least one endpoint, unless `asked`.
    pub cluster: &'t Arc<Cluster>,
    /// It goes to what this name comes to, and not to an endpoint.
    pub asked: Option<AskedName>,
    /// In which list the rule is.
    pub kind: RuleKind,
    /// Which rule.
    pub rule: &'t Arc<RuleRef>,
    /// Hash for a consistent-hash balancer: of the client's address, which is all that opaque bytes have.
    pub key: Option<u64>,
    /// When it ends if neither side says anything; `None`: as Envoy's default says.
    pub idle_timeout: Option<IdleTimeout>,
    /// When it ends whatever is said; counted from its beginning.
    pub max_duration: Option<Duration>,
    /// Why.
    pub reason: Reason,
}

/// A connection that is closed.
#[derive(Debug)]
pub struct ResetConnection<'t> {
    /// In which list the rule is, and which one it is, where one was found.
    pub rule: Option<(RuleKind, &'t Arc<RuleRef>)>,
    /// Envoy's response flag; none when empty.
    pub flag: &'static str,
    /// Why.
    pub reason: Reason,
}

/// Chooses the cluster for one connection: the same table, connection and draw always give the same answer. `draw` is
/// uniform over all of `u32`. On a port that is declared HTTP the bytes turned out to be something else.
#[must_use]
pub fn decide_connection<'t>(table: &'t Table, connection: &Connection<'_>, draw: u32) -> ConnectionDecision<'t> {
    let unknown = |reason| match table.outbound() {
        OutboundTraffic::AllowAny => ConnectionDecision::Passthrough { reason, tls: None },
        OutboundTraffic::RegistryOnly => ConnectionDecision::Reset(ResetConnection { rule: None, flag: "", reason }),
    };
    let route = match select_connection(table, connection) {
        SelectedConnection::Nobody => return unknown(Reason::NoListener),
        SelectedConnection::NotHttp => return unknown(Reason::NotHttp),
        SelectedConnection::Unlisted => return unknown(Reason::UnlistedServerName),
        SelectedConnection::Route(route) => route,
    };
    let reset = |flag, reason| {
        ConnectionDecision::Reset(ResetConnection { rule: Some((route.kind, &route.rule)), flag, reason })
    };
    let cluster = match route.action.targets.draw(draw).map(|leg| leg.target) {
        None | Some(Target::UnknownHost) => return reset("NC", Reason::UnknownHost),
        Some(Target::UnknownSubset) => return reset("NC", Reason::UnknownSubset),
        Some(Target::Cluster(id)) => table.cluster(id),
    };
    // Where names are not known to come to anything: who dialled a service by its own name has resolved it.
    let own = route.service.host == cluster.host;
    if cluster.finding == Finding::Dialled || (cluster.unresolved && own) {
        let tls = cluster.tls.as_ref();
        return ConnectionDecision::Passthrough { reason: Reason::OriginalDestination, tls };
    }
    let asked = match cluster.finding {
        Finding::AskedName { port } => connection.sni.and_then(|name| AskedName::new(name, port)),
        Finding::Endpoints | Finding::Dialled => None,
    };
    if asked.is_none() && cluster.is_empty() {
        return reset("UH", if cluster.unresolved { Reason::UnresolvedName } else { Reason::NoHealthyEndpoint });
    }
    ConnectionDecision::Route(RoutedConnection {
        cluster,
        asked,
        kind: route.kind,
        rule: &route.rule,
        key: connection.source.filter(|_| route.action.policy.hashes_source).map(hash_key::of_source),
        idle_timeout: route.action.policy.idle_timeout,
        max_duration: route.action.policy.max_duration,
        reason: route.reason,
    })
}

/// How far a connection gets by where it was dialled and by its server name.
pub(crate) enum SelectedConnection<'t> {
    /// No service has the address, and nothing is declared HTTP on the port.
    Nobody,
    /// On a port that is declared HTTP.
    NotHttp,
    /// Rules for server names are all there is, and none lists this one.
    Unlisted,
    /// The first route that takes it.
    Route(&'t ConnectionRoute),
}

/// Finds the route of a connection; what follows depends on the draw.
pub(crate) fn select_connection<'t>(table: &'t Table, connection: &Connection<'_>) -> SelectedConnection<'t> {
    let Some(chains) = table.filter_chains(connection.dialled) else {
        return match table.treatment(connection.dialled) {
            Protocol::Http | Protocol::Http2 | Protocol::Grpc => SelectedConnection::NotHttp,
            Protocol::Tls | Protocol::Tcp | Protocol::Unknown => SelectedConnection::Nobody,
        };
    };
    let sni = connection.sni.map(str::to_ascii_lowercase);
    match chains.find(connection.dialled.address, sni.as_deref()) {
        Some(route) => SelectedConnection::Route(route),
        None => SelectedConnection::Unlisted,
    }
}
