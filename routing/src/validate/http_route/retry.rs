//! `retry` of a rule, of the API's experimental channel.

use std::time::Duration;

use super::super::fields::Fields;
use crate::model::{RetryCondition, RetryOn, RetryPolicy};

/// Retries on connection errors and on the statuses that are listed, twice unless said otherwise
/// (istio/istio@86c9f01 pilot/pkg/config/kube/gateway/conversion.go, convertHTTPRoute).
pub(super) fn read(rule: &Fields<'_>, per_try_timeout: Option<Duration>) -> Option<RetryPolicy> {
    use RetryCondition::{Cancelled, ConnectFailure, RefusedStream, RetriableStatusCodes, Unavailable};
    let retry = rule.object("retry")?;
    let default = RetryPolicy::default();
    let mut on = RetryOn {
        conditions: vec![ConnectFailure, RefusedStream, Unavailable, Cancelled],
        status_codes: codes(&retry),
    };
    if !on.status_codes.is_empty() {
        on.conditions.push(RetriableStatusCodes);
    }
    let policy = RetryPolicy {
        attempts: retry.number("attempts").unwrap_or(default.attempts),
        per_try_timeout,
        on,
        back_off: retry.duration("backoff").filter(|wait| !wait.is_zero()).unwrap_or(default.back_off),
        ..default
    };
    retry.finish();
    Some(policy)
}

fn codes(retry: &Fields<'_>) -> Vec<u16> {
    let codes = retry.numbers("codes").into_iter().filter_map(|(path, code)| {
        let known = u16::try_from(code).ok().filter(|code| (400..=599).contains(code));
        if known.is_none() {
            retry.report().error(&path, format!("{code} is no error"), "write a status from 400 to 599");
        }
        known
    });
    codes.collect()
}
