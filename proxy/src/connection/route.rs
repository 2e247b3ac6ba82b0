//! One decision per request.

use std::sync::Arc;

use meshlet_routing::decide::{Dialled, Outcome, Request, decide};
use meshlet_routing::table::Cluster;

use super::Client;
use super::report::PASSTHROUGH_CLUSTER;
use crate::protocol::http1::MAX_FIELDS;
use crate::protocol::http1::request::RequestHead;

/// What is done with a request, kept beyond the table that said so.
pub(crate) enum Plan {
    /// It is sent on.
    Forward {
        /// Where to.
        target: Target,
        /// Envoy's name of the route.
        route: Arc<str>,
        /// Values of `Set-Cookie` lines for the response.
        cookies: Vec<String>,
    },
    /// The proxy answers.
    Answer {
        /// HTTP status.
        status: u16,
        /// Envoy's response flag.
        flag: &'static str,
        /// May be empty.
        body: Vec<u8>,
        /// Envoy's name of the route, where one was found.
        route: Arc<str>,
    },
}

/// Where a request goes.
pub(crate) enum Target {
    /// To an endpoint of a cluster; the key is for a consistent hash.
    Cluster(Arc<Cluster>, Option<u64>),
    /// To the address that was dialled.
    Dialled,
}

impl Target {
    /// Envoy's name of the cluster.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Cluster(cluster, _) => &cluster.name,
            Self::Dialled => PASSTHROUGH_CLUSTER,
        }
    }
}

/// Envoy's response code details for a flag of the proxy's own answers.
pub(crate) fn details(flag: &str) -> &'static str {
    match flag {
        "NR" => "route_not_found",
        "UH" => "no_healthy_upstream",
        "NC" => "cluster_not_found",
        _ => "direct_response",
    }
}

/// Decides about the request whose head is in `bytes`.
pub(crate) fn plan(client: &Client, dialled: Dialled, head: &RequestHead, bytes: &[u8], draw: u32) -> Plan {
    // No rule can match a tunnel: it has no path.
    if head.method == "CONNECT" {
        return Plan::Answer { status: 404, flag: "NR", body: Vec::new(), route: Arc::default() };
    }
    let mut headers = [("", &[][..]); MAX_FIELDS];
    let mut count = 0;
    for (place, (name, value)) in headers.iter_mut().zip(head.fields.iter(bytes)) {
        *place = (std::str::from_utf8(name).unwrap_or_default(), value);
        count += 1;
    }
    let headers = &headers[..count];
    let source = Some(client.address.into());
    let request = Request { method: &head.method, authority: &head.authority, path: &head.path, headers, source };
    match decide(&client.table.load(), dialled, &request, draw).outcome {
        Outcome::Route(route) => Plan::Forward {
            target: Target::Cluster(Arc::clone(route.cluster), route.key),
            route: Arc::clone(&route.rule.name),
            cookies: route.response_lines.into_iter().map(|(_, line)| line).collect(),
        },
        Outcome::Passthrough(_) => {
            Plan::Forward { target: Target::Dialled, route: Arc::default(), cookies: Vec::new() }
        }
        Outcome::Respond(respond) => Plan::Answer {
            status: respond.status,
            flag: respond.flag,
            body: respond.body.to_vec(),
            route: respond.rule.map_or_else(Arc::default, |rule| Arc::clone(&rule.name)),
        },
    }
}
