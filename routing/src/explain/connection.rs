//! The answer about a connection whose bytes are not read as HTTP.

use super::answer::{Explanation, RuleShown, ServiceShown};
use super::{Question, Speech, destinations, pick, picked_name};
use crate::balance::mix;
use crate::decide::{
    Connection, ConnectionDecision, Dialled, SelectedConnection, decide_connection, select_connection,
};
use crate::model::{Family, Hostname, Protocol};
use crate::table::Table;

/// How the data path reads what a client sends.
pub(super) enum Reading<'q> {
    /// As requests of HTTP/1.1.
    Requests,
    /// It finds HTTP/2, which it passes through.
    Http2,
    /// As one connection.
    Connection(Connection<'q>),
}

impl<'q> Reading<'q> {
    /// What becomes of the question's bytes when the address is declared as `treatment`.
    pub(super) fn new(treatment: Protocol, question: &'q Question<'_>, dialled: Dialled) -> Self {
        // A client puts no address into its ClientHello (RFC 6066, section 3).
        let name = Some(question.host).filter(|host| host.parse::<std::net::IpAddr>().is_err());
        let connection = |sni| Self::Connection(Connection { dialled, sni, source: question.source(dialled) });
        match (treatment, question.speech) {
            (Protocol::Tcp, _) => connection(None),
            (_, Speech::Tls) => connection(name),
            (Protocol::Tls, _) | (_, Speech::Tcp) => connection(None),
            (_, Speech::Http1) => Self::Requests,
            (_, Speech::Http2) => Self::Http2,
        }
    }
}

impl Explanation {
    /// What the address says, whatever is done with the connection: whose it is, unless the port is declared HTTP, and which
    /// virtual service it meets there.
    pub(super) fn place_connection<'t>(
        &mut self,
        table: &'t Table,
        connection: &Connection<'_>,
    ) -> (Option<&'t Hostname>, Option<&'t str>) {
        self.request = None;
        let (service, owner) = match select_connection(table, connection) {
            SelectedConnection::Route(route) => (Some(&route.service), route.rule.virtual_service.as_deref()),
            SelectedConnection::Nobody | SelectedConnection::NotHttp | SelectedConnection::Unlisted => {
                (table.filter_chains(connection.dialled).and_then(|chains| chains.service.as_ref()), None)
            }
        };
        self.service = service.map(|service| ServiceShown {
            host: service.host.to_string(),
            port: service.port,
            protocol: service.protocol.as_str(),
        });
        (service.map(|service| &service.host), owner)
    }

    /// What the data path does with the connection.
    pub(super) fn connected(&mut self, table: &Table, connection: &Connection<'_>, seed: u64) {
        let in_kernel = table.kernel_route(connection.dialled, &[]).is_ok();
        let family = Family::of(connection.dialled.address);
        self.path = if in_kernel { "kernel" } else { "proxy" };
        if let SelectedConnection::Route(route) = select_connection(table, connection) {
            self.virtual_service = route.rule.virtual_service.as_deref().map(str::to_owned);
            let shown = || RuleShown::new(route.kind.as_str(), &route.rule);
            self.rule = route.rule.virtual_service.is_some().then(shown);
            self.destinations = destinations(table, route.action.targets.legs(), family);
        }
        let draw = u32::try_from(mix(seed) >> 32).unwrap_or(0);
        match decide_connection(table, connection, draw) {
            ConnectionDecision::Passthrough { reason, .. } => self.passes(reason.as_str(), "proxy"),
            ConnectionDecision::Reset(reset) => {
                (self.verdict, self.reason) = ("reset", reset.reason.as_str());
                self.response_flag = Some(reset.flag).filter(|flag| !flag.is_empty());
            }
            ConnectionDecision::Route(route) => {
                (self.verdict, self.reason) = ("route", route.reason.as_str());
                self.pick = match &route.asked {
                    Some(asked) => Some(picked_name(route.cluster, asked)),
                    None => pick(route.cluster, route.key, seed, family),
                };
            }
        }
    }
}
