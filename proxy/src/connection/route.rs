//! One decision per request.

use std::sync::Arc;
use std::time::Duration;

use meshlet_routing::decide::{AskedName, Dialled, Line, Outcome, Reason, Request, Towards, decide};
use meshlet_routing::model::{ConnectionPool, TlsOrigination};
use meshlet_routing::table::{Cluster, Effects, RuleRef};

use super::Client;
use super::report::PASSTHROUGH_CLUSTER;
use crate::protocol::http1::MAX_FIELDS;
use crate::protocol::http1::request::RequestHead;

/// What is done with a request, kept beyond the table that said so.
#[derive(Debug)]
pub(crate) struct Plan {
    /// An injected delay before anything else.
    pub(crate) delay: Option<Duration>,
    /// What is done then.
    pub(crate) action: Action,
    /// Which rule, where one was found.
    pub(crate) rule: Option<Arc<RuleRef>>,
    /// What the route does with heads, where it does anything.
    pub(crate) effects: Option<Arc<Effects>>,
    /// Lines for the response, after the route's own operations.
    pub(crate) response_lines: Vec<Line>,
    /// Why.
    pub(crate) reason: Reason,
}

/// Who answers.
#[derive(Debug)]
pub(crate) enum Action {
    /// An endpoint.
    Forward(Forward),
    /// The proxy.
    Answer(Answer),
}

/// A request that is sent on.
#[derive(Debug)]
pub(crate) struct Forward {
    /// Where to.
    pub(crate) target: Target,
    /// Path and query to send, where they are not the request's own.
    pub(crate) path: Option<String>,
    /// Who gets a copy.
    pub(crate) mirrors: Vec<Arc<Cluster>>,
}

/// An answer of the proxy's own.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Envoy's response flag; `-` for none.
    pub(crate) flag: &'static str,
    /// Lines beside the body's length.
    pub(crate) headers: Vec<Line>,
    /// May be empty.
    pub(crate) body: Vec<u8>,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// To an endpoint of a cluster; the key is for a consistent hash.
    Cluster(Arc<Cluster>, Option<u64>),
    /// To what a name comes to, by the policy of a cluster.
    Name(Arc<Cluster>, AskedName),
    /// To the address that was dialled, where the rule of a cluster that leads there may ask for TLS.
    Dialled(Option<Arc<TlsOrigination>>),
}

impl Target {
    /// The limits on what a client may ask of it.
    pub(crate) fn limits(&self) -> &ConnectionPool {
        match self {
            Self::Cluster(cluster, _) | Self::Name(cluster, _) => &cluster.connection_pool,
            Self::Dialled(_) => &ConnectionPool::UNSET,
        }
    }

    /// How TLS is spoken there, if it is.
    pub(crate) fn tls(&self) -> Option<&Arc<TlsOrigination>> {
        match self {
            Self::Cluster(cluster, _) | Self::Name(cluster, _) => cluster.tls.as_ref(),
            Self::Dialled(tls) => tls.as_ref(),
        }
    }

    /// The cluster, unless it goes where it was dialled.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Cluster(cluster, _) | Self::Name(cluster, _) => Some(cluster),
            Self::Dialled(_) => None,
        }
    }
}

impl Plan {
    /// Envoy's name of the cluster; empty when the proxy answers.
    pub(crate) fn cluster(&self) -> &str {
        match &self.action {
            Action::Forward(Forward { target, .. }) => {
                target.cluster().map_or(PASSTHROUGH_CLUSTER, |cluster| &cluster.name)
            }
            Action::Answer(_) => "",
        }
    }

    /// Envoy's name of the route; empty when it has none.
    pub(crate) fn route(&self) -> &str {
        self.rule.as_ref().map_or("", |rule| &rule.name)
    }
}

/// Envoy's response code details for a flag of the proxy's own answers.
pub(crate) fn details(flag: &str) -> &'static str {
    match flag {
        "NR" => "route_not_found",
        "UH" => "no_healthy_upstream",
        "NC" => "cluster_not_found",
        "FI" => "fault_filter_abort",
        _ => "direct_response",
    }
}

/// Decides about the request whose head is in `bytes`.
pub(crate) fn plan(client: &Client, dialled: Dialled, head: &RequestHead, bytes: &[u8], draw: u32) -> Plan {
    // No rule can match a tunnel: it has no path.
    if head.method == "CONNECT" {
        let answer = Answer { status: 404, flag: "NR", headers: Vec::new(), body: Vec::new() };
        let action = Action::Answer(answer);
        let (response_lines, reason) = (Vec::new(), Reason::NoRoute);
        return Plan { delay: None, action, rule: None, effects: None, response_lines, reason };
    }
    let mut headers = [("", &[][..]); MAX_FIELDS];
    let mut count = 0;
    for (place, (name, value)) in headers.iter_mut().zip(head.fields.iter(bytes)) {
        *place = (std::str::from_utf8(name).unwrap_or_default(), value);
        count += 1;
    }
    let headers = &headers[..count];
    let source = client.source(dialled);
    let request = Request { method: &head.method, authority: &head.authority, path: &head.path, headers, source };
    let table = client.table.load();
    let decision = decide(&table, dialled, &request, draw);
    kept(decision.delay, decision.outcome)
}

fn kept(delay: Option<Duration>, outcome: Outcome<'_>) -> Plan {
    match outcome {
        Outcome::Route(route) => Plan {
            delay,
            rule: Some(Arc::clone(route.rule)),
            effects: Some(Arc::clone(route.effects)),
            response_lines: route.response_lines,
            reason: route.reason,
            action: Action::Forward(Forward {
                target: match route.towards {
                    Towards::Dialled => Target::Dialled(route.cluster.tls.clone()),
                    Towards::Name(asked) => Target::Name(Arc::clone(route.cluster), asked),
                    Towards::Endpoint => Target::Cluster(Arc::clone(route.cluster), route.key),
                },
                path: route.path,
                mirrors: route.mirrors,
            }),
        },
        Outcome::Passthrough(reason) => Plan {
            delay,
            rule: None,
            effects: None,
            response_lines: Vec::new(),
            reason,
            action: Action::Forward(Forward { target: Target::Dialled(None), path: None, mirrors: Vec::new() }),
        },
        Outcome::Respond(respond) => Plan {
            delay,
            rule: respond.rule.map(Arc::clone),
            effects: respond.effects.map(Arc::clone),
            response_lines: respond.response_lines,
            reason: respond.reason,
            action: Action::Answer(Answer {
                status: respond.status,
                flag: respond.flag,
                headers: respond.headers,
                body: respond.body.to_vec(),
            }),
        },
    }
}
