//! VirtualServices that claim a host and decided nothing, each with the reason.

use super::connection::Reading;
use super::losers::Concern;
use crate::decide::{Dialled, SelectedConnection, select_connection};
use crate::model::{HostPattern, Hostname, L4Match, Protocol, VirtualService};
use crate::table::{Table, View};

type Why = (&'static str, String);

/// What the data path makes of what the client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// It never sees it, although rules are for the name.
    Nothing,
    /// Requests, or nothing that rules are for.
    Requests,
    /// A connection to where no service of the client's listens.
    Nobody,
    /// A connection, where the address is declared so.
    Connection(Protocol),
}

impl Met {
    pub(super) fn new(table: &Table, reading: &Reading<'_>, dialled: Dialled) -> Self {
        match reading {
            Reading::Requests | Reading::Http2 => Self::Requests,
            Reading::Connection(connection) => match select_connection(table, connection) {
                SelectedConnection::Nobody => Self::Nobody,
                SelectedConnection::NotHttp | SelectedConnection::Unlisted | SelectedConnection::Route(_) => {
                    Self::Connection(table.treatment(dialled))
                }
            },
        }
    }
}

/// Why a rule that claims `host` was not used; `None` when it was. `routed` are the HTTPRoutes that the host's port has.
pub(super) fn why(
    view: &View<'_>,
    rule: &VirtualService,
    host: &Hostname,
    concern: &Concern<'_>,
    routed: Option<&str>,
) -> Option<Why> {
    let name = format!("{}/{}", rule.object.namespace, rule.object.name);
    let owner = concern.owner == Some(&*name);
    if owner && concern.met != Met::Nothing {
        return None;
    }
    Some(if let Some(unseen) = unseen(view, rule) {
        unseen
    } else if owner {
        ("NotAtAnAddress", "the connection is not captured: no rule is for the address dialled".to_owned())
    } else if concern.met == Met::Nobody {
        ("NotAtAnAddress", "no service that the client knows listens at the address and port dialled".to_owned())
    } else if let Met::Connection(protocol) = concern.met {
        by_connection(view, rule, host, concern, protocol)
    } else if let Some(routes) = routed {
        ("HttpRouteOwnsHost", format!("{routes} is attached to {host}, and goes before any VirtualService"))
    } else {
        let exact = rule.hosts.iter().any(|pattern| matches!(pattern, HostPattern::Exact(own) if own == host));
        match concern.owner {
            Some(owner) if !exact => ("MoreSpecificHost", format!("VirtualService {owner} names {host} more narrowly")),
            Some(owner) => {
                ("OlderRuleOwnsHost", format!("VirtualService {owner} comes first for {host}; routes are never merged"))
            }
            None => (
                "NoRouteForClient",
                "none of its routes is for this client and port, so it counts as absent".to_owned(),
            ),
        }
    })
}

/// The client does not see it at all.
fn unseen(view: &View<'_>, rule: &VirtualService) -> Option<Why> {
    let client = &view.scope.namespace;
    if !rule.mesh {
        let gateways: Vec<&str> = rule.gateways.iter().map(|gateway| &**gateway).collect();
        return Some(("GatewayOnly", format!("gateways [{}] does not include mesh", gateways.join(", "))));
    }
    if !rule.export_to.reaches(client) {
        return Some(("NotExported", format!("exportTo does not reach namespace {client}")));
    }
    let sidecar = view.sidecar().filter(|_| !view.imports(rule))?;
    Some(("NotImported", format!("{} does not import it", sidecar.object)))
}

/// Rules for connections are put together from all that claim the host, wildcards included, strongest first; of those that
/// take a connection the first does.
fn by_connection(
    view: &View<'_>,
    rule: &VirtualService,
    host: &Hostname,
    concern: &Concern<'_>,
    protocol: Protocol,
) -> Why {
    let (tls, tcp) = match protocol {
        Protocol::Tcp => (false, true),
        Protocol::Tls => (true, false),
        Protocol::Unknown => (true, true),
        Protocol::Http | Protocol::Http2 | Protocol::Grpc => {
            return ("NotHttp", "the port is declared HTTP: tcp and tls rules are not for it".to_owned());
        }
    };
    let lists = match (tls, tcp) {
        (true, true) => "tls or tcp",
        (true, false) => "tls",
        (false, _) => "tcp",
    };
    let live = |conditions: &L4Match| conditions.is_live(view.scope, concern.port);
    let tls_rules = rule.tls.iter().filter(|_| tls);
    let tcp_rules = rule.tcp.iter().filter(|_| tcp);
    if tls_rules.clone().count() + tcp_rules.clone().count() == 0 {
        return ("NoRuleForConnections", format!("it has no {lists} rules, and http rules are not for connections"));
    }
    let by_tls = tls_rules.flat_map(|rule| &rule.matches).any(|found| live(&found.conditions));
    let by_tcp = tcp_rules.into_iter().any(|rule| rule.matches.is_empty() || rule.matches.iter().any(live));
    if !by_tls && !by_tcp {
        return ("NoRouteForClient", format!("none of its {lists} rules is for this client and port"));
    }
    let order = view.claimants(host);
    let place = |name: &str| {
        order.iter().position(|claimant| format!("{}/{}", claimant.object.namespace, claimant.object.name) == name)
    };
    let own = order.iter().position(|claimant| std::ptr::eq(*claimant, rule));
    match concern.owner {
        Some(owner) if place(owner) < own => (
            "EarlierRule",
            format!("VirtualService {owner} comes first for {host}, and a rule of it takes the connection"),
        ),
        Some(_) | None => {
            ("NotMatched", format!("none of its {lists} rules takes this connection: by server name, address or order"))
        }
    }
}
