//! Which route takes a request.

use std::borrow::Cow;

use super::path::{parameter, without_port, without_query};
use super::{Dialled, Request};
use crate::model::{HeaderMatch, QueryMatch, StringMatch};
use crate::table::{Route, RouteMatch, Table, VirtualHost};

/// How far a request gets by its Host and its routes.
pub(crate) enum Selected<'t> {
    /// No virtual host has the name.
    Nobody,
    /// None of the host's routes takes it.
    Host(&'t VirtualHost),
    /// The first route that takes it.
    Route(&'t VirtualHost, &'t Route),
}

/// Finds the route of a request; what follows depends on the draw.
pub(crate) fn select<'t>(table: &'t Table, dialled: Dialled, request: &Request<'_>) -> Selected<'t> {
    let host = without_port(request.authority);
    let host = match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    };
    let Some(virtual_host) = table.virtual_host(dialled, &host) else { return Selected::Nobody };
    match virtual_host.routes.iter().find(|route| takes(route, request)) {
        Some(route) => Selected::Route(virtual_host, route),
        None => Selected::Host(virtual_host),
    }
}

fn takes(route: &Route, request: &Request<'_>) -> bool {
    route.condition.as_ref().is_none_or(|condition| mismatch(condition, request).is_none())
}

/// The first condition of a match that a request does not meet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mismatch<'c> {
    Uri(&'c StringMatch),
    Scheme(&'c StringMatch),
    Method(&'c StringMatch),
    Authority(&'c StringMatch),
    Header(&'c HeaderMatch),
    WithoutHeader(&'c HeaderMatch),
    QueryParam(&'c QueryMatch),
}

/// What keeps a route from taking a request; `None` when nothing does.
pub(crate) fn mismatch<'c>(condition: &'c RouteMatch, request: &Request<'_>) -> Option<Mismatch<'c>> {
    let path = without_query(request.path).as_bytes();
    let fits = |uri: &StringMatch| {
        if condition.ignore_uri_case { uri.matches_folded(path) } else { uri.matches(path) }
    };
    let RouteMatch { uri, ignore_uri_case: _, scheme, method, authority, headers, without_headers, query_params } =
        condition;
    let uri = || uri.as_ref().filter(|uri| !fits(uri)).map(Mismatch::Uri);
    // Only plain text comes here.
    let scheme = || scheme.as_ref().filter(|scheme| !scheme.matches(b"http")).map(Mismatch::Scheme);
    let method = || method.as_ref().filter(|method| !method.matches(request.method.as_bytes())).map(Mismatch::Method);
    let authority = || {
        let differs = |authority: &&StringMatch| !authority.matches(request.authority.as_bytes());
        authority.as_ref().filter(differs).map(Mismatch::Authority)
    };
    let wanted = || headers.iter().find(|header| !holds(header, request)).map(Mismatch::Header);
    let unwanted =
        || without_headers.iter().find(|header| holds_or_absent(header, request)).map(Mismatch::WithoutHeader);
    let parameter = || query_params.iter().find(|wanted| !has(wanted, request)).map(Mismatch::QueryParam);
    uri().or_else(scheme).or_else(method).or_else(authority).or_else(wanted).or_else(unwanted).or_else(parameter)
}

/// Whether a condition on a query parameter holds, by its first value, undecoded.
fn has(wanted: &QueryMatch, request: &Request<'_>) -> bool {
    let value = parameter(&wanted.name, request.path);
    value.is_some_and(|value| wanted.value.as_ref().is_none_or(|wanted| wanted.matches(value.as_bytes())))
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
