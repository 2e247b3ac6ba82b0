//! Injected delays and aborts: drawn before anything is known of the destination.

use std::time::Duration;

use super::{Line, Outcome, Reason, Request, Respond, further};
use crate::model::Abort;
use crate::retry::is_grpc;
use crate::table::Route;

/// Envoy's body of an injected abort.
const BODY: &str = "fault filter abort";

/// Draws of their own, apart from each other and from the one that picks a destination.
const DELAY: u32 = 1 << 16;
const ABORT: u32 = DELAY + 1;

/// How long the request is held, when the draw falls within the share that is.
pub(super) fn delay(route: &Route, draw: u32) -> Option<Duration> {
    let (delay, share) = route.fault.delay?;
    share.takes(further(draw, DELAY)).then_some(delay)
}

/// The answer in place of the route's, when the draw falls within the share that is aborted.
pub(super) fn abort<'t>(route: &'t Route, request: &Request<'_>, draw: u32) -> Option<Outcome<'t>> {
    let (abort, share) = route.fault.abort?;
    share.takes(further(draw, ABORT)).then(|| Outcome::Respond(answer(route, abort, request)))
}

/// Like everything that Envoy answers itself it is in gRPC's form for gRPC requests. A gRPC status without gRPC is a plain 200
/// (envoy source/extensions/filters/http/fault/fault_filter.cc, FaultFilter::abortStatus).
fn answer<'t>(route: &'t Route, abort: Abort, request: &Request<'_>) -> Respond<'t> {
    let grpc = request.headers.iter().any(|(name, value)| *name == "content-type" && is_grpc(value));
    let (status, headers, body) = match (abort, grpc) {
        (Abort::Http(status), false) => (status, Vec::new(), BODY.as_bytes()),
        (Abort::Grpc(_), false) => (200, Vec::new(), BODY.as_bytes()),
        (Abort::Http(status), true) => (200, grpc_lines(grpc_of(status)), &b""[..]),
        (Abort::Grpc(status), true) => (200, grpc_lines(status), &b""[..]),
    };
    Respond { headers, rule: Some(&route.rule), ..Respond::new(status, "FI", body, Reason::Fault) }
}

fn grpc_lines(status: u8) -> Vec<Line> {
    let line = |name, value: &str| (name, value.to_owned());
    vec![line("content-type", "application/grpc"), line("grpc-status", &status.to_string()), line("grpc-message", BODY)]
}

/// The gRPC status that stands for an HTTP one (envoy source/common/grpc/status.cc, Utility::httpToGrpcStatus).
fn grpc_of(status: u16) -> u8 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
