//! What a route does with heads on their way: the request's before it is sent, the response's before the client reads it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use meshlet_routing::model::{HeaderEdits, Template};

use super::Downstream;
use super::flags::Flags;
use super::route::{Action, Plan};
use super::variables::Variables;
use crate::protocol::http1::forward;
use crate::protocol::http1::lines::Lines;
use crate::protocol::http1::request::{RequestHead, is_authority};

/// One request's route, as far as heads are concerned.
#[derive(Clone, Copy)]
pub(crate) struct Edits<'e> {
    /// Whose request it is.
    pub(crate) downstream: &'e Downstream,
    /// What was decided about it.
    pub(crate) plan: &'e Plan,
    /// When it began.
    pub(crate) started: Instant,
}

/// What a response's lines may be made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// The head that was sent to an endpoint, or would have been.
    pub(crate) request: &'a [u8],
    /// The endpoint that answers; `None`: the proxy does.
    pub(crate) upstream: Option<SocketAddr>,
    /// How long it has taken.
    pub(crate) service_time: Option<Duration>,
    /// Envoy's response code details.
    pub(crate) details: &'a str,
    /// Response flags so far.
    pub(crate) flags: Flags,
}

impl<'a> Answered<'a> {
    /// By an endpoint, which has not said anything yet.
    pub(crate) fn by(upstream: SocketAddr, request: &'a [u8], flags: Flags) -> Self {
        Self { status: 0, request, upstream: Some(upstream), service_time: None, details: "via_upstream", flags }
    }
}

impl<'e> Edits<'e> {
    /// Writes the head of the request in `bytes` as an endpoint gets it. Operations on headers come first and see the path and
    /// Host that the client sent; what was rewritten is kept in headers of its own
    /// (envoy source/common/router/config_impl.cc, RouteEntryImplBase::finalizeRequestHeaders).
    pub(crate) fn request(&self, out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], request_id: Option<&[u8; 36]>) {
        let effects = self.plan.effects.as_deref();
        let edits = effects.map_or(&[][..], |effects| &effects.request);
        let authority = effects.and_then(|effects| effects.authority.as_deref());
        let path = match &self.plan.action {
            Action::Forward(forward) => forward.path.as_deref(),
            Action::Answer(_) => None,
        };
        if edits.is_empty() && authority.is_none() && path.is_none() {
            return forward::request(out, head, bytes, request_id);
        }
        let mut lines = forward::request_lines(head, bytes, request_id);
        let render = |template: &Template, lines: &Lines<'_>| {
            let request = |name: &str| match name {
                ":method" => Some(head.method.as_bytes().into()),
                ":path" => Some(head.path.as_bytes().into()),
                ":authority" | "host" => Some(head.authority.as_bytes().into()),
                ":scheme" => Some(b"http"[..].into()),
                _ => lines.value(name),
            };
            rendered(template, &self.variables(None), &request, &|_| None)
        };
        lines.edit(edits, &render);
        let authority =
            authority.map(str::as_bytes).filter(|authority| !authority.is_empty() && is_authority(authority));
        if authority.is_some() {
            lines.set(&b"x-envoy-original-host"[..], head.authority.as_bytes());
        }
        if path.is_some() {
            lines.set(&b"x-envoy-original-path"[..], head.path.as_bytes());
        }
        let authority = authority.unwrap_or(head.authority.as_bytes());
        forward::changed_request(out, head, bytes, (path.unwrap_or(&head.path), authority), &lines);
    }

    /// Whether responses stay as they are.
    pub(crate) fn spare_responses(&self) -> bool {
        self.response_edits().is_empty() && self.plan.response_lines.is_empty()
    }

    /// Changes a response's lines. What a hash has made of a missing cookie goes to those whom an endpoint answers; what a
    /// CORS policy says, to everybody.
    pub(crate) fn response(&self, lines: &mut Lines<'e>, answered: Answered<'_>) {
        let render = |template: &Template, lines: &Lines<'_>| {
            let request = |name: &str| forward::value(answered.request, name);
            let variables = self.variables(Some(answered));
            rendered(template, &variables, &request, &|name| lines.value(name))
        };
        lines.edit(self.response_edits(), &render);
        for (name, value) in &self.plan.response_lines {
            match *name {
                "set-cookie" if answered.upstream.is_none() => {}
                "set-cookie" => lines.add(name.as_bytes(), value.as_bytes()),
                _ => lines.set(name.as_bytes(), value.as_bytes()),
            }
        }
    }

    fn response_edits(&self) -> &'e [HeaderEdits] {
        self.plan.effects.as_deref().map_or(&[], |effects| &effects.response)
    }

    fn variables<'v>(&self, answered: Option<Answered<'v>>) -> Variables<'v>
    where
        'e: 'v,
    {
        let Self { downstream, plan, started } = *self;
        Variables { downstream, route: plan.route(), cluster: plan.cluster(), started, answered }
    }
}

/// A template's text; `request` and `response` give the values of header lines.
fn rendered<'h>(
    template: &'h Template,
    variables: &Variables<'_>,
    request: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>,
    response: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>,
) -> Vec<u8> {
    template.render(|variable| variables.value(variable, request, response)).into_owned()
}
