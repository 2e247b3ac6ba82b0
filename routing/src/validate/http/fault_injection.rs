//! `fault`.

use std::time::Duration;

use super::super::fields::Fields;
use super::super::{duration, percent};
use crate::model::{Abort, FaultInjection, Percent};

/// The finest share that Istio takes for a fault, in percent.
const FINEST: f64 = 0.0001;

/// Istio's refusals are those of pkg/config/validation/validation.go, validateHTTPFaultInjection (istio/istio@86c9f01).
pub(super) fn read(rule: &Fields<'_>) -> FaultInjection {
    let Some(fault) = rule.object("fault") else { return FaultInjection::default() };
    if !fault.has("delay") && !fault.has("abort") {
        fault.report().error(fault.here(), "has neither delay nor abort", "add one, or remove it");
    }
    let delay = fault.object("delay").and_then(|delay| read_delay(&delay));
    let abort = fault.object("abort").and_then(|abort| read_abort(&abort));
    fault.finish();
    FaultInjection { delay, abort }
}

fn read_delay(delay: &Fields<'_>) -> Option<(Duration, Percent)> {
    let old = delay.number("percent");
    if old.is_some() {
        delay.report().warn(&delay.path("percent"), "is deprecated", "write percentage: {value: …}");
    }
    let share = share(delay, old.map(percent::whole));
    if delay.has("exponentialDelay") {
        delay.report().error(&delay.path("exponentialDelay"), "is not supported by Istio", "use fixedDelay");
    }
    let fixed = duration::whole_millis(delay, "fixedDelay");
    if !delay.has("fixedDelay") {
        delay.report().warn(delay.here(), "has no fixedDelay: nothing is delayed", "add fixedDelay");
    }
    delay.finish();
    Some((fixed?, share))
}

fn read_abort(abort: &Fields<'_>) -> Option<(Abort, Percent)> {
    let share = share(abort, None);
    if abort.has("http2Error") {
        abort.report().error(&abort.path("http2Error"), "is not supported by Istio", "use httpStatus or grpcStatus");
    }
    let http = abort.number("httpStatus").and_then(|status| http_status(abort, status));
    let grpc = abort.text("grpcStatus").and_then(|name| grpc_status(abort, name));
    match (abort.has("httpStatus"), abort.has("grpcStatus"), abort.has("http2Error")) {
        (true, true, _) => abort.report().error(abort.here(), "has both httpStatus and grpcStatus", "keep one"),
        (false, false, false) => {
            let problem = "has neither httpStatus nor grpcStatus: nothing is aborted";
            abort.report().warn(abort.here(), problem, "add one");
        }
        _ => {}
    }
    abort.finish();
    Some((http.or(grpc)?, share))
}

/// Absent it is 0 for faults, where it is 100 for mirrors.
fn share(fault: &Fields<'_>, old: Option<Percent>) -> Percent {
    if !fault.has("percentage") && old.is_none() {
        let problem = "is missing, which means 0: no request is concerned";
        fault.report().warn(&fault.path("percentage"), problem, "write percentage: {value: 100}");
    }
    percent::read(fault, "percentage", FINEST).or(old).unwrap_or(Percent(0))
}

fn http_status(abort: &Fields<'_>, status: u32) -> Option<Abort> {
    let valid = u16::try_from(status).ok().filter(|status| (200..=600).contains(status));
    if valid.is_none() {
        abort.report().error(&abort.path("httpStatus"), format!("{status} is not from 200 to 600"), "write a status");
    }
    valid.map(Abort::Http)
}

fn grpc_status(abort: &Fields<'_>, name: &str) -> Option<Abort> {
    let found = Abort::grpc(name);
    if found.is_none() {
        let remedy = "write a name of gRPC's, in capitals: UNAVAILABLE, NOT_FOUND …";
        abort.report().error(&abort.path("grpcStatus"), format!("{name:?} is no gRPC status"), remedy);
    }
    found
}
