//! (table, request, draw) → what happens. The data path and `explain` run this code.

mod fault;
mod mirrors;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::mix;
use crate::hash_key;
use crate::model::{HeaderMatch, StringMatch};
use crate::table::{Cluster, Effects, Route as TableRoute, RouteMatch, RuleRef, Table, Target, VirtualHost};

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
    DefaultRoute,
    DestinationRuleOnly,
    NoRoute,
    NoHealthyEndpoint,
    UnknownSubset,
    UnknownHost,
    OriginalDestination,
    Fault,
}

impl Reason {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VirtualServiceRule => "VirtualServiceRule",
            Self::DefaultRoute => "DefaultRoute",
            Self::DestinationRuleOnly => "DestinationRuleOnly",
            Self::NoRoute => "NoRoute",
            Self::NoHealthyEndpoint => "NoHealthyEndpoint",
            Self::UnknownSubset => "UnknownSubset",
            Self::UnknownHost => "UnknownHost",
            Self::OriginalDestination => "OriginalDestination",
            Self::Fault => "Fault",
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
    /// Has at least one endpoint.
    pub cluster: &'t Arc<Cluster>,
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
    /// route's CORS policy says. A name in lower case that is not `set-cookie` takes the place of the endpoint's lines.
    pub response_lines: Vec<(&'static str, String)>,
    /// Why.
    pub reason: Reason,
}

/// A request that the proxy answers itself.
#[derive(Debug)]
pub struct Respond<'t> {
    /// HTTP status.
    pub status: u16,
    /// Envoy's response flag; `-` for none.
    pub flag: &'static str,
    /// Lines beside the body's length, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// May be empty.
    pub body: &'t [u8],
    /// Which rule, where one was found.
    pub rule: Option<&'t Arc<RuleRef>>,
    /// The route's operations on responses apply to these too, but for an injected abort.
    pub effects: Option<&'t Arc<Effects>>,
    /// Why.
    pub reason: Reason,
}

/// Chooses the cluster for one request: the same table, request and draw always give the same answer. `draw` is uniform
/// over all of `u32`.
#[must_use]
pub fn decide<'t>(table: &'t Table, dialled: Dialled, request: &Request<'_>, draw: u32) -> Decision<'t> {
    match select(table, dialled, request) {
        Selected::Nobody => Decision { delay: None, outcome: Outcome::Passthrough(Reason::UnknownHost) },
        Selected::Host(_) => Decision { delay: None, outcome: respond(404, "NR", b"", None, Reason::NoRoute) },
        Selected::Route(_, route) => {
            let aborted = fault::abort(route, request, draw);
            let outcome = aborted.unwrap_or_else(|| outcome(table, route, request, draw));
            Decision { delay: fault::delay(route, draw), outcome }
        }
    }
}

/// A further draw out of a request's one, independent of it and of those for other purposes. The lowest purposes are those of
/// the cookies that a consistent hash makes.
fn further(draw: u32, purpose: u32) -> u32 {
    let mixed = mix(u64::from(draw) | (u64::from(purpose) << 32));
    u32::try_from(mixed >> 32).unwrap_or(0)
}

fn outcome<'t>(table: &'t Table, route: &'t TableRoute, request: &Request<'_>, draw: u32) -> Outcome<'t> {
    let Some(leg) = route.action.targets.draw(draw) else {
        return respond(503, "NC", b"", Some(route), Reason::UnknownHost);
    };
    let cluster = match leg.target {
        Target::UnknownHost => return respond(503, "NC", b"", Some(route), Reason::UnknownHost),
        Target::UnknownSubset => return respond(503, "NC", b"", Some(route), Reason::UnknownSubset),
        Target::Cluster(id) => table.cluster(id),
    };
    if cluster.original_destination {
        return Outcome::Passthrough(Reason::OriginalDestination);
    }
    if cluster.endpoints.is_empty() {
        return respond(503, "UH", b"no healthy upstream", Some(route), Reason::NoHealthyEndpoint);
    }
    let hashed = hash_key::hash(&route.action.keys, request, draw);
    Outcome::Route(Route {
        cluster,
        rule: &route.rule,
        key: hashed.key,
        path: None,
        effects: &leg.effects,
        mirrors: mirrors::drawn(table, &route.action, draw),
        response_lines: hashed.cookies.into_iter().map(|cookie| ("set-cookie", cookie)).collect(),
        reason: route.reason,
    })
}

fn respond<'t>(
    status: u16,
    flag: &'static str,
    body: &'t [u8],
    route: Option<&'t TableRoute>,
    reason: Reason,
) -> Outcome<'t> {
    let rule = route.map(|route| &route.rule);
    Outcome::Respond(Respond { status, flag, headers: Vec::new(), body, rule, effects: None, reason })
}

/// How far a request gets by its Host and its routes.
pub(crate) enum Selected<'t> {
    /// No virtual host has the name.
    Nobody,
    /// None of the host's routes takes it.
    Host(&'t VirtualHost),
    /// The first route that takes it.
    Route(&'t VirtualHost, &'t TableRoute),
}

/// Finds the route of a request; what follows depends on the draw.
pub(crate) fn select<'t>(table: &'t Table, dialled: Dialled, request: &Request<'_>) -> Selected<'t> {
    let host = without_port(request.authority).to_ascii_lowercase();
    let Some(virtual_host) = table.virtual_host(dialled, &host) else { return Selected::Nobody };
    match virtual_host.routes.iter().find(|route| takes(route, request)) {
        Some(route) => Selected::Route(virtual_host, route),
        None => Selected::Host(virtual_host),
    }
}

fn takes(route: &TableRoute, request: &Request<'_>) -> bool {
    route.condition.as_ref().is_none_or(|condition| mismatch(condition, request).is_none())
}

/// The first condition of a match that a request does not meet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mismatch<'c> {
    Uri(&'c StringMatch),
    Method(&'c StringMatch),
    Authority(&'c StringMatch),
    Header(&'c HeaderMatch),
    WithoutHeader(&'c HeaderMatch),
}

/// What keeps a route from taking a request; `None` when nothing does.
pub(crate) fn mismatch<'c>(condition: &'c RouteMatch, request: &Request<'_>) -> Option<Mismatch<'c>> {
    let path = without_query(request.path);
    let fits = |uri: &StringMatch| {
        if condition.ignore_uri_case {
            uri.matches(path.to_ascii_lowercase().as_bytes())
        } else {
            uri.matches(path.as_bytes())
        }
    };
    let uri = condition.uri.as_ref().filter(|uri| !fits(uri)).map(Mismatch::Uri);
    let method = condition.method.as_ref().filter(|method| !method.matches(request.method.as_bytes()));
    let authority = condition.authority.as_ref().filter(|authority| !authority.matches(request.authority.as_bytes()));
    let wanted = || condition.headers.iter().find(|header| !holds(header, request)).map(Mismatch::Header);
    let unwanted = || {
        condition.without_headers.iter().find(|header| holds_or_absent(header, request)).map(Mismatch::WithoutHeader)
    };
    uri.or(method.map(Mismatch::Method)).or(authority.map(Mismatch::Authority)).or_else(wanted).or_else(unwanted)
}

/// `withoutHeaders` compares an absent header as an empty one: `regex: ".*"` lets nothing pass.
fn holds_or_absent(unwanted: &HeaderMatch, request: &Request<'_>) -> bool {
    match (header(&unwanted.name, request), &unwanted.value) {
        (None, Some(value)) => value.matches(b""),
        _ => holds(unwanted, request),
    }
}

/// Whether a header condition holds; several lines of a name count as one, joined by commas.
fn holds(wanted: &HeaderMatch, request: &Request<'_>) -> bool {
    match (header(&wanted.name, request), &wanted.value) {
        (Some(value), Some(wanted)) => wanted.matches(&value),
        (found, None) => found.is_some(),
        (None, Some(_)) => false,
    }
}

pub(crate) fn header<'a>(name: &str, request: &Request<'a>) -> Option<Cow<'a, [u8]>> {
    match name {
        ":authority" | "host" => return Some(request.authority.as_bytes().into()),
        ":method" => return Some(request.method.as_bytes().into()),
        ":path" => return Some(request.path.as_bytes().into()),
        ":scheme" => return Some(b"http".into()),
        _ => {}
    }
    let mut values = request.headers.iter().filter(|(found, _)| *found == name).map(|(_, value)| *value);
    let first = values.next()?;
    match values.next() {
        None => Some(first.into()),
        Some(second) => {
            let all: Vec<&[u8]> = [first, second].into_iter().chain(values).collect();
            Some(all.join(&b","[..]).into())
        }
    }
}

/// Host without its port, whatever the port's value; an IPv6 address keeps its brackets.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

/// Resolves dot segments of the path and leaves repeated slashes and the query alone: Istio's default `BASE`
/// normalisation. The request is forwarded in this form.
#[must_use]
pub fn normalize_path(path: &str) -> Cow<'_, str> {
    let plain = without_query(path);
    let has_dots = plain.split('/').any(|segment| matches!(decoded_dots(segment), Some(1 | 2)));
    if !has_dots || !plain.starts_with('/') {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = plain.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match decoded_dots(segment) {
            Some(1) => {}
            Some(2) => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    Cow::Owned(format!("/{}{}", kept.join("/"), &path[plain.len()..]))
}

/// How many dots a segment consists of, written plainly or as `%2e`.
fn decoded_dots(segment: &str) -> Option<usize> {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    (!plain.is_empty() && plain.bytes().all(|byte| byte == b'.')).then_some(plain.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_dot_segments_when_normalised_then_they_are_resolved_and_slashes_stay() {
        for (path, expected) in [
            ("/a/../b", "/b"),
            ("/a/./b", "/a/b"),
            ("/a//b", "/a//b"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/%2e%2E/b?x=/../y", "/b?x=/../y"),
            ("/a.b/..c", "/a.b/..c"),
            ("*", "*"),
        ] {
            assert_eq!(normalize_path(path), expected, "{path}");
        }
    }

    #[test]
    fn given_a_host_with_a_port_then_the_port_is_removed_and_brackets_stay() {
        for (authority, host) in
            [("a", "a"), ("a:80", "a"), ("a:", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:b", "a:b")]
        {
            assert_eq!(without_port(authority), host);
        }
    }
}
