//! The request as an endpoint gets it, after rewrites and the route's operations on headers; and those operations on an
//! answer of the proxy's own.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use super::answer::RequestShown;
use crate::decide::{Dialled, Request, Respond, Route};
use crate::model::{HeaderEdits, Variable};

/// What variables stand for, as far as it is known before a connection is.
pub(super) struct Heads<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) dialled: Dialled,
    pub(super) pod: Option<&'r Arc<str>>,
    /// Envoy's name of the route.
    pub(super) route: &'r str,
    /// Envoy's name of the cluster.
    pub(super) cluster: &'r str,
}

type Lines<'r> = Vec<(Cow<'r, str>, Cow<'r, [u8]>)>;

/// Which head is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    /// With the status and Envoy's flag.
    Response(u16, &'static str),
}

impl Heads<'_> {
    /// What is sent instead of what was asked for.
    pub(super) fn sent(&self, route: &Route<'_>) -> RequestShown {
        let received = self.received();
        let mut lines = received.clone();
        let effects = route.effects;
        for list in &effects.request {
            self.edit(Side::Request, &mut lines, list);
        }
        // What was rewritten is kept (envoy source/common/router/config_impl.cc, finalizeRequestHeaders).
        let mut keep = |name: &'static str, value: &str| {
            lines.retain(|(found, _)| found != name);
            lines.push((name.into(), value.as_bytes().to_vec().into()));
        };
        if effects.authority.is_some() {
            keep("x-envoy-original-host", self.request.authority);
        }
        if route.path.is_some() {
            keep("x-envoy-original-path", self.request.path);
        }
        let authority = effects.authority.as_deref().unwrap_or(self.request.authority);
        let path = route.path.as_deref().unwrap_or(self.request.path);
        RequestShown {
            method: self.request.method.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            headers: difference(&received, &lines),
        }
    }

    /// The lines of an answer of the proxy's own.
    pub(super) fn answered(&self, respond: &Respond<'_>) -> Vec<(String, String)> {
        let own = respond.headers.iter().map(|(name, value)| (Cow::from(*name), Cow::from(value.as_bytes())));
        let mut lines: Lines<'_> = own.collect();
        for list in respond.effects.iter().flat_map(|effects| &effects.response) {
            self.edit(Side::Response(respond.status, respond.flag), &mut lines, list);
        }
        for (name, value) in &respond.response_lines {
            lines.retain(|(found, _)| found != name);
            lines.push(((*name).into(), value.as_bytes().into()));
        }
        let shown = |(name, value): (Cow<'_, str>, Cow<'_, [u8]>)| {
            (name.into_owned(), String::from_utf8_lossy(&value).into_owned())
        };
        lines.into_iter().map(shown).collect()
    }

    fn received(&self) -> Lines<'_> {
        self.request.headers.iter().map(|(name, value)| (Cow::from(*name), Cow::from(*value))).collect()
    }

    fn edit(&self, side: Side, lines: &mut Lines<'_>, list: &HeaderEdits) {
        lines.retain(|(name, _)| !list.remove.iter().any(|removed| **removed == **name));
        let (set, add) = list.render(|variable| self.value(variable, side, lines).map(Cow::from));
        let owned = |(name, value): (&str, Cow<'_, [u8]>)| (Cow::from(name.to_owned()), Cow::from(value.into_owned()));
        let (set, add): (Vec<_>, Vec<_>) = (set.into_iter().map(owned).collect(), add.into_iter().map(owned).collect());
        for (name, value) in set {
            lines.retain(|(found, _)| *found != name);
            lines.push((name, value));
        }
        lines.extend(add);
    }

    /// `lines` are those of the side that is changed. What is only known once there is a connection keeps its variable's name.
    fn value(&self, variable: &Variable, side: Side, lines: &Lines<'_>) -> Option<Vec<u8>> {
        let request = |name: &str| match (name, side) {
            (":method", _) => Some(self.request.method.as_bytes().to_vec()),
            (":path", _) => Some(self.request.path.as_bytes().to_vec()),
            (":authority" | "host", _) => Some(self.request.authority.as_bytes().to_vec()),
            (":scheme", _) => Some(b"http".to_vec()),
            (name, Side::Request) => line(lines, name),
            (name, Side::Response(..)) => line(&self.received(), name),
        };
        let response = |name: &str| match side {
            Side::Request => None,
            Side::Response(..) => line(lines, name),
        };
        let text = match (variable, side) {
            (Variable::RequestHeader { name, alternative }, _) => {
                return request(name).or_else(|| request(alternative.as_deref()?));
            }
            (Variable::ResponseHeader { name, alternative }, _) => {
                return response(name).or_else(|| response(alternative.as_deref()?));
            }
            (Variable::Nothing(_), _) => return None,
            (Variable::ResponseCode, Side::Response(status, _)) => status.to_string(),
            (Variable::ResponseFlags, Side::Response(_, flag)) => flag.to_owned(),
            // What is known of the answer when the request is edited: nothing, but for how Envoy writes that.
            (Variable::ResponseCode, Side::Request) => "0".to_owned(),
            (Variable::ResponseFlags, Side::Request) => "-".to_owned(),
            (Variable::UpstreamRequestAttemptCount, Side::Request) => "1".to_owned(),
            (
                Variable::ResponseCodeDetails
                | Variable::UpstreamHost
                | Variable::UpstreamHostWithoutPort
                | Variable::UpstreamRemotePort,
                Side::Request,
            ) => return None,
            (Variable::Protocol, _) => "HTTP/1.1".to_owned(),
            (Variable::RouteName, _) => self.route.to_owned(),
            (Variable::UpstreamCluster, _) => self.cluster.to_owned(),
            (Variable::DownstreamRemoteAddressWithoutPort, _) => self.request.source?.to_string(),
            (Variable::DownstreamLocalAddress, _) => {
                SocketAddr::new(self.dialled.address, self.dialled.port).to_string()
            }
            (Variable::DownstreamLocalAddressWithoutPort, _) => self.dialled.address.to_string(),
            (Variable::DownstreamLocalPort, _) => self.dialled.port.to_string(),
            (Variable::Hostname, _) => self.pod?.to_string(),
            (later, _) => format!("%{later}%"),
        };
        Some(text.into_bytes())
    }
}

/// The value of a name; several lines count as one, joined by commas.
fn line(lines: &Lines<'_>, name: &str) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = lines.iter().filter(|(found, _)| found == name).map(|(_, value)| &**value).collect();
    (!values.is_empty()).then(|| values.join(&b","[..]))
}

/// Lines that were not there, and names that no longer are.
fn difference(before: &Lines<'_>, after: &Lines<'_>) -> Vec<(String, Option<String>)> {
    let mut left: Vec<&(Cow<'_, str>, Cow<'_, [u8]>)> = before.iter().collect();
    let mut changed = Vec::new();
    for line in after {
        match left.iter().position(|known| *known == line) {
            Some(place) => drop(left.remove(place)),
            None => changed.push((line.0.to_string(), Some(String::from_utf8_lossy(&line.1).into_owned()))),
        }
    }
    for (name, _) in left {
        if !after.iter().any(|(kept, _)| kept == name) && !changed.iter().any(|(known, _)| known == name) {
            changed.push((name.to_string(), None));
        }
    }
    changed
}
