//! The request as an endpoint gets it: after the path and Host were rewritten and the route's operations on headers were done.

use std::borrow::Cow;
use std::sync::Arc;

use super::answer::RequestShown;
use crate::decide::{Dialled, Request, Route};
use crate::model::{HeaderEdits, Variable};

/// What variables stand for, as far as it is known before a connection is.
pub(super) struct Sent<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) dialled: Dialled,
    pub(super) pod: Option<&'r Arc<str>>,
    pub(super) route: &'r Route<'r>,
}

type Lines<'r> = Vec<(Cow<'r, str>, Cow<'r, [u8]>)>;

impl Sent<'_> {
    /// What is sent instead of what was asked for.
    pub(super) fn shown(&self) -> RequestShown {
        let received: Lines<'_> =
            self.request.headers.iter().map(|(name, value)| (Cow::from(*name), Cow::from(*value))).collect();
        let mut lines = received.clone();
        let effects = &self.route.effects;
        for list in &effects.request {
            self.edit(&mut lines, list);
        }
        // What was rewritten is kept (envoy source/common/router/config_impl.cc, finalizeRequestHeaders).
        let mut keep = |name: &'static str, value: &'_ str| {
            lines.retain(|(found, _)| found != name);
            lines.push((name.into(), value.as_bytes().to_vec().into()));
        };
        if effects.authority.is_some() {
            keep("x-envoy-original-host", self.request.authority);
        }
        if self.route.path.is_some() {
            keep("x-envoy-original-path", self.request.path);
        }
        let authority = effects.authority.as_deref().unwrap_or(self.request.authority);
        let path = self.route.path.as_deref().unwrap_or(self.request.path);
        RequestShown {
            method: self.request.method.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            headers: difference(&received, &lines),
        }
    }

    fn edit(&self, lines: &mut Lines<'_>, list: &HeaderEdits) {
        lines.retain(|(name, _)| !list.remove.iter().any(|removed| **removed == **name));
        let value = |name: &str| {
            let mut values = lines.iter().filter(|(found, _)| found == name).map(|(_, value)| &**value);
            let first = values.next()?;
            Some(values.fold(first.to_vec(), |all, next| [&all, &b","[..], next].concat()))
        };
        let (set, add) = list.render(|variable| self.value(variable, &value).map(Cow::from));
        let owned = |(name, value): (&str, Cow<'_, [u8]>)| (Cow::from(name.to_owned()), Cow::from(value.into_owned()));
        let (set, add): (Vec<_>, Vec<_>) = (set.into_iter().map(owned).collect(), add.into_iter().map(owned).collect());
        for (name, value) in set {
            lines.retain(|(found, _)| *found != name);
            lines.push((name, value));
        }
        lines.extend(add);
    }

    /// What is only known once there is a connection keeps its variable's name.
    fn value(&self, variable: &Variable, header: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let request = |name: &str| match name {
            ":method" => Some(self.request.method.as_bytes().to_vec()),
            ":path" => Some(self.request.path.as_bytes().to_vec()),
            ":authority" | "host" => Some(self.request.authority.as_bytes().to_vec()),
            ":scheme" => Some(b"http".to_vec()),
            name => header(name),
        };
        let text = match variable {
            Variable::RequestHeader { name, alternative } => {
                return request(name).or_else(|| request(alternative.as_deref()?));
            }
            Variable::ResponseHeader { .. } | Variable::Nothing(_) => return None,
            Variable::Protocol => "HTTP/1.1".to_owned(),
            Variable::RouteName => self.route.rule.name.to_string(),
            Variable::UpstreamCluster => self.route.cluster.name.to_string(),
            Variable::DownstreamRemoteAddressWithoutPort => self.request.source?.to_string(),
            Variable::DownstreamLocalAddress => format!("{}:{}", self.dialled.address, self.dialled.port),
            Variable::DownstreamLocalAddressWithoutPort => self.dialled.address.to_string(),
            Variable::DownstreamLocalPort => self.dialled.port.to_string(),
            Variable::Hostname => self.pod?.to_string(),
            later => format!("%{later}%"),
        };
        Some(text.into_bytes())
    }
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
