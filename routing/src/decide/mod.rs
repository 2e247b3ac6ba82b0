//! (table, request, draw) → what happens. The data path and `explain` run this code.

mod connection;
mod cors;
mod fault;
mod mirrors;
mod path;
mod redirect;
mod rewrite;
mod select;
mod towards;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::mix;
use crate::hash_key;
use crate::model::{OutboundTraffic, StringMatch};
use crate::table::{
    Action, Cluster, Effects, Finding, Forward, Leg, Route as TableRoute, RuleRef, Table, Target, VirtualHost,
};

pub use connection::{Connection, ConnectionDecision, ResetConnection, RoutedConnection, decide_connection};
pub(crate) use connection::{SelectedConnection, select_connection};
pub use path::normalize_path;
pub(crate) use path::{parameter, without_port};
pub(crate) use select::{Mismatch, Selected, header, mismatch, select};
pub use towards::{AskedName, Towards};

/// What a client dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dialled {
    /// Its address; IPv4 is never mapped.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// One request as far as rules can see it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, case kept.
    pub method: &'a str,
    /// The raw Host, port included.
    pub authority: &'a str,
    /// Path and query, after [`normalize_path`].
    pub path: &'a str,
    /// Names in lower case, lines in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The client pod's address, where there is one.
    pub source: Option<IpAddr>,
}

/// Why something happened: one stable word, the same in logs, metrics, `explain` and on the live page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are their own explanation, and as_str spells them")]
pub enum Reason {
    VirtualServiceRule,
    HttpRouteRule,
    DefaultRoute,
    DestinationRuleOnly,
    NoRoute,
    NoHealthyEndpoint,
    UnknownSubset,
    UnknownHost,
    OriginalDestination,
    Redirect,
    DirectResponse,
    CorsPreflight,
    Fault,
    NoListener,
    NotHttp,
    UnlistedServerName,
    Http2NotHonoured,
    UnresolvedName,
}

impl Reason {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VirtualServiceRule => "VirtualServiceRule",
            Self::HttpRouteRule => "HttpRouteRule",
            Self::DefaultRoute => "DefaultRoute",
            Self::DestinationRuleOnly => "DestinationRuleOnly",
            Self::NoRoute => "NoRoute",
            Self::NoHealthyEndpoint => "NoHealthyEndpoint",
            Self::UnknownSubset => "UnknownSubset",
            Self::UnknownHost => "UnknownHost",
            Self::OriginalDestination => "OriginalDestination",
            Self::Redirect => "Redirect",
            Self::DirectResponse => "DirectResponse",
            Self::CorsPreflight => "CorsPreflight",
            Self::Fault => "Fault",
            Self::NoListener => "NoListener",
            Self::NotHttp => "NotHttp",
            Self::UnlistedServerName => "UnlistedServerName",
            Self::Http2NotHonoured => "Http2NotHonoured",
            Self::UnresolvedName => "UnresolvedName",
        }
    }
}

/// What happens to a request.
#[derive(Debug)]
pub struct Decision<'t> {
    /// An injected delay: wait this long before anything else. It does not count towards the route's timeout.
    pub delay: Option<Duration>,
    /// What is done then.
    pub outcome: Outcome<'t>,
}

/// What is done with a request.
#[derive(Debug)]
pub enum Outcome<'t> {
    /// It is sent to an endpoint of a cluster.
    Route(Route<'t>),
    /// The proxy answers.
    Respond(Respond<'t>),
    /// It goes where the client dialled.
    Passthrough(Reason),
}

/// A request that is sent on.
#[derive(Debug)]
pub struct Route<'t> {
    /// Has at least one endpoint where it goes to one.
    pub cluster: &'t Arc<Cluster>,
    /// Where it goes.
    pub towards: Towards,
    /// Which rule.
    pub rule: &'t Arc<RuleRef>,
    /// Hash for a consistent-hash balancer; `None` when the request lacks what is hashed: any endpoint.
    pub key: Option<u64>,
    /// Path and query to send, where they are not the request's own.
    pub path: Option<String>,
    /// What the route and the destination do with requests, for as long as one of them is under way.
    pub effects: &'t Arc<Effects>,
    /// Clusters that get a copy of this request.
    pub mirrors: Vec<Arc<Cluster>>,
    /// Lines for the response, after the effects' own: cookies that a consistent hash found missing and made, and what the
    /// route's CORS policy says. A name that is not `set-cookie` takes the place of the lines that are there.
    pub response_lines: Vec<Line>,
    /// Why.
    pub reason: Reason,
}

/// A header line, its name in lower case.
pub type Line = (&'static str, String);

/// A request that the proxy answers itself: `headers`, then the effects' operations, then `response_lines`. A body without
/// a `content-type` by then is `text/plain`.
#[derive(Debug)]
pub struct Respond<'t> {
    /// HTTP status.
    pub status: u16,
    /// Envoy's response flag; `-` for none.
    pub flag: &'static str,
    /// Lines beside the body's length: `location`, and those of the answer to a CORS preflight.
    pub headers: Vec<Line>,
    /// May be empty.
    pub body: &'t [u8],
    /// Which rule, where one was found.
    pub rule: Option<&'t Arc<RuleRef>>,
    /// The route's operations on responses apply to these too, but for an injected abort.
    pub effects: Option<&'t Arc<Effects>>,
    /// As those of [`Route`].
    pub response_lines: Vec<Line>,
    /// Why.
    pub reason: Reason,
}

/// Chooses the cluster for one request: the same table, request and draw always give the same answer. `draw` is uniform
/// over all of `u32`.
#[must_use]
pub fn decide<'t>(table: &'t Table, dialled: Dialled, request: &Request<'_>, draw: u32) -> Decision<'t> {
    match select(table, dialled, request) {
        Selected::Nobody => Decision { delay: None, outcome: unknown(table) },
        Selected::Host(_) => {
            Decision { delay: None, outcome: Outcome::Respond(Respond::new(404, "NR", b"", Reason::NoRoute)) }
        }
        Selected::Route(host, route) => {
            let aborted = fault::abort(route, request, draw);
            let outcome = aborted.unwrap_or_else(|| outcome(table, (host, route), dialled, request, draw));
            Decision { delay: fault::delay(route, draw), outcome }
        }
    }
}

/// What happens to a request for a name that nobody has (istio/istio@86c9f01 pilot/pkg/networking/core/httproute.go,
/// buildCatchAllVirtualHost).
fn unknown(table: &Table) -> Outcome<'_> {
    match table.outbound() {
        OutboundTraffic::AllowAny => Outcome::Passthrough(Reason::UnknownHost),
        OutboundTraffic::RegistryOnly => Outcome::Respond(Respond::new(502, "-", b"", Reason::UnknownHost)),
    }
}

/// Why a connection is closed as soon as its first bytes are there, whatever they ask for: nobody registered what was
/// dialled, or it is not HTTP where HTTP is declared. `None` where it is served, and always under ALLOW_ANY.
#[must_use]
pub fn refusal(table: &Table, dialled: Dialled, is_http: bool) -> Option<Reason> {
    match table.outbound() {
        OutboundTraffic::AllowAny => None,
        OutboundTraffic::RegistryOnly if !table.listens(dialled) => Some(Reason::NoListener),
        OutboundTraffic::RegistryOnly if !is_http && table.is_http_alone(dialled) => Some(Reason::NotHttp),
        OutboundTraffic::RegistryOnly => None,
    }
}

/// A further draw out of a request's one, independent of it and of those for other purposes. The lowest purposes are those of
/// the cookies that a consistent hash makes.
fn further(draw: u32, purpose: u32) -> u32 {
    let mixed = mix(u64::from(draw) | (u64::from(purpose) << 32));
    u32::try_from(mixed >> 32).unwrap_or(0)
}

fn outcome<'t>(
    table: &'t Table,
    (host, route): (&'t VirtualHost, &'t TableRoute),
    dialled: Dialled,
    request: &Request<'_>,
    draw: u32,
) -> Outcome<'t> {
    let respond = match &*route.action {
        Action::Forward(forward) => return forwarded(table, (host, route), forward, request, draw),
        Action::Redirect(redirect, effects) => {
            let location = redirect::location(redirect, matched(route), dialled, request);
            let respond = Respond::new(redirect.status, "-", b"", Reason::Redirect);
            Respond { headers: vec![("location", location)], effects: Some(effects), ..respond }
        }
        Action::Respond(answer, effects) => {
            let respond = Respond::new(answer.status, "-", &answer.body, Reason::DirectResponse);
            Respond { effects: Some(effects), ..respond }
        }
    };
    Outcome::Respond(Respond { rule: Some(&route.rule), ..respond })
}

/// CORS comes before the destination is looked up: a preflight needs none.
fn forwarded<'t>(
    table: &'t Table,
    (host, route): (&'t VirtualHost, &'t TableRoute),
    forward: &'t Forward,
    request: &Request<'_>,
    draw: u32,
) -> Outcome<'t> {
    if let Some(headers) = forward.cors.as_ref().and_then(|policy| cors::preflight(policy, request)) {
        let respond = Respond::new(200, "-", b"", Reason::CorsPreflight);
        return Outcome::Respond(Respond { headers, rule: Some(&route.rule), ..respond });
    }
    let leg = forward.targets.draw(draw);
    let mut response_lines = forward.cors.as_ref().map(|policy| cors::lines(policy, request)).unwrap_or_default();
    let cluster = match aimed(table, host, leg, forward.missing) {
        Ok(cluster) => cluster,
        Err(respond) => {
            let (rule, effects) = (Some(&route.rule), leg.map(|leg| &leg.effects));
            return Outcome::Respond(Respond { rule, effects, response_lines, ..respond });
        }
    };
    let Some(leg) = leg else { return Outcome::Passthrough(Reason::UnknownHost) };
    let Some(towards) = towards(cluster, host, request) else {
        let respond = Respond::new(503, "UH", b"no healthy upstream", Reason::NoHealthyEndpoint);
        let (rule, effects) = (Some(&route.rule), Some(&leg.effects));
        return Outcome::Respond(Respond { rule, effects, response_lines, ..respond });
    };
    // Labels and balancing are void where no endpoint is chosen.
    let (keys, reason) = match towards {
        Towards::Endpoint => (&forward.keys[..], route.reason),
        Towards::Dialled => (&[][..], Reason::OriginalDestination),
        Towards::Name(_) => (&[][..], route.reason),
    };
    let hashed = hash_key::hash(keys, request, draw);
    response_lines.extend(hashed.cookies.into_iter().map(|cookie| ("set-cookie", cookie)));
    let rewrite = forward.path.as_ref();
    Outcome::Route(Route {
        cluster,
        towards,
        rule: &route.rule,
        key: hashed.key,
        path: rewrite.and_then(|rewrite| rewrite::rewritten(rewrite, matched(route), request.path)),
        effects: &leg.effects,
        mirrors: mirrors::drawn(table, forward, draw),
        response_lines,
        reason,
    })
}

/// The cluster of a destination, or what is wrong with it.
fn aimed<'t>(
    table: &'t Table,
    host: &VirtualHost,
    leg: Option<&Leg>,
    missing: u16,
) -> Result<&'t Arc<Cluster>, Respond<'t>> {
    let no_cluster = |reason| Respond::new(missing, "NC", b"", reason);
    let cluster = match leg.map_or(Target::UnknownHost, |leg| leg.target) {
        Target::UnknownHost => return Err(no_cluster(Reason::UnknownHost)),
        Target::UnknownSubset => return Err(no_cluster(Reason::UnknownSubset)),
        Target::Cluster(id) => table.cluster(id),
    };
    let chosen = cluster.finding == Finding::Endpoints && !goes_where_dialled(cluster, host);
    if chosen && cluster.is_empty() {
        let reason = if cluster.unresolved { Reason::UnresolvedName } else { Reason::NoHealthyEndpoint };
        return Err(Respond::new(503, "UH", b"no healthy upstream", reason));
    }
    Ok(cluster)
}

/// Where names are not known to come to anything: who asks for a service by its own name has resolved it, and dialled what
/// it found.
fn goes_where_dialled(cluster: &Cluster, host: &VirtualHost) -> bool {
    let own = host.service.as_ref().is_some_and(|(name, ..)| *name == cluster.host);
    cluster.finding == Finding::Dialled || (cluster.unresolved && own)
}

/// `None` where the name to resolve is none.
fn towards(cluster: &Cluster, host: &VirtualHost, request: &Request<'_>) -> Option<Towards> {
    match cluster.finding {
        Finding::AskedName { port } => AskedName::new(without_port(request.authority), port).map(Towards::Name),
        _ if goes_where_dialled(cluster, host) => Some(Towards::Dialled),
        Finding::Endpoints | Finding::Dialled => Some(Towards::Endpoint),
    }
}

/// The route's condition on the path.
fn matched(route: &TableRoute) -> Option<&StringMatch> {
    route.condition.as_ref()?.uri.as_ref()
}

impl<'t> Respond<'t> {
    /// An answer of no rule, to which nothing is done.
    fn new(status: u16, flag: &'static str, body: &'t [u8], reason: Reason) -> Self {
        Self { status, flag, headers: Vec::new(), body, rule: None, effects: None, response_lines: Vec::new(), reason }
    }
}
