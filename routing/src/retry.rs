//! Whether a try that failed is made again, after how long, and how long all of them may take.
//!
//! The shell makes a try, says here how it ended and does what it is told; it counts the tries, draws and waits.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::model::{RetryCondition, RetryPolicy};

/// How one try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// There was no connection: refused, unreachable, or not made in time.
    ConnectFailure,
    /// The connection or the stream broke before there was an answer.
    Reset {
        /// Whether any of the request had gone out.
        request_sent: bool,
    },
    /// HTTP/2's REFUSED_STREAM: the endpoint has not looked at the request.
    RefusedStream,
    /// `perTryTimeout` went by.
    PerTryTimeout,
    /// A limit of the connection pool kept it from being made.
    Overflow,
    /// The head of an answer.
    Answered {
        /// HTTP status.
        status: u16,
        /// `grpc-status` of the head itself; one in the trailers comes too late.
        grpc_status: Option<u32>,
        /// Whether it carries `x-envoy-ratelimited`.
        rate_limited: bool,
    },
}

impl Attempt {
    /// An answer, by its status and its header lines; names in lower case.
    pub fn answered<'h>(status: u16, headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Self {
        let (mut grpc_status, mut rate_limited) = (None, false);
        for (name, value) in headers {
            match name {
                "grpc-status" if grpc_status.is_none() => grpc_status = number(value),
                "x-envoy-ratelimited" => rate_limited = true,
                _ => {}
            }
        }
        Self::Answered { status, grpc_status, rate_limited }
    }
}

/// Whether the request is tried once more, after `retries` further tries beyond the first. The method does not matter.
#[must_use]
pub fn retried(policy: &RetryPolicy, retries: u32, attempt: Attempt) -> bool {
    retries < policy.attempts && policy.on.conditions.iter().any(|condition| covers(policy, *condition, attempt))
}

/// Whether a word of `retryOn` stands for what happened
/// (envoy source/common/router/retry_state_impl.cc, wouldRetryFromHeaders and wouldRetryFromReset).
fn covers(policy: &RetryPolicy, condition: RetryCondition, attempt: Attempt) -> bool {
    use RetryCondition::{
        ConnectFailure, EnvoyRatelimited, GatewayError, RefusedStream, Reset, ResetBeforeRequest, ServerError,
    };
    // The words for errors cover having no answer at all.
    let unanswered = matches!(condition, ServerError | GatewayError | Reset);
    match attempt {
        Attempt::Overflow => false,
        Attempt::ConnectFailure => unanswered || matches!(condition, ConnectFailure | ResetBeforeRequest),
        Attempt::Reset { request_sent } => unanswered || (condition == ResetBeforeRequest && !request_sent),
        Attempt::RefusedStream => unanswered || condition == RefusedStream,
        Attempt::PerTryTimeout => unanswered,
        // An answer of a rate limit is tried again only by its own word, whatever its status.
        Attempt::Answered { rate_limited: true, .. } => condition == EnvoyRatelimited,
        Attempt::Answered { status, grpc_status, .. } => answer(policy, condition, status, grpc_status),
    }
}

/// The header conditions have no list in Istio's API, so that word alone covers nothing.
fn answer(policy: &RetryPolicy, condition: RetryCondition, status: u16, grpc_status: Option<u32>) -> bool {
    match condition {
        RetryCondition::ServerError => (500..600).contains(&status),
        RetryCondition::GatewayError => (502..=504).contains(&status),
        RetryCondition::Retriable4xx => status == 409,
        RetryCondition::RetriableStatusCodes => policy.on.status_codes.contains(&status),
        RetryCondition::Cancelled => grpc_status == Some(1),
        RetryCondition::DeadlineExceeded => grpc_status == Some(4),
        RetryCondition::ResourceExhausted => grpc_status == Some(8),
        RetryCondition::Internal => grpc_status == Some(13),
        RetryCondition::Unavailable => grpc_status == Some(14),
        RetryCondition::Reset
        | RetryCondition::ResetBeforeRequest
        | RetryCondition::ConnectFailure
        | RetryCondition::RefusedStream
        | RetryCondition::RetriableHeaders
        | RetryCondition::EnvoyRatelimited
        | RetryCondition::Http3PostConnectFailure => false,
    }
}

/// How long to wait before a further try, `retries` having been made: a random part of an interval that starts at the base
/// and doubles up to ten times the base. `draw` is uniform over all of `u32`.
///
/// Envoy's documentation says 2^n - 1 times the base; its code doubles
/// (envoy source/common/common/backoff_strategy.cc, JitteredExponentialBackOffStrategy).
#[must_use]
pub fn back_off(policy: &RetryPolicy, retries: u32, draw: u32) -> Duration {
    let (base, most) = (policy.back_off, policy.back_off.saturating_mul(10));
    let mut interval = base;
    for _ in 0..retries.min(4) {
        interval = if interval < most / 2 { interval.saturating_mul(2) } else { most };
    }
    // The product's upper half is below the interval, which a u64 of nanoseconds holds for 584 years.
    let nanos = (interval.as_nanos() * u128::from(draw)) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How long a request may take, all tries included; `None`: for ever. A gRPC client's `grpc-timeout` is honoured and capped by
/// the route's timeout; 0 and what is no timeout stand for none. Header names are in lower case
/// (envoy source/common/router/router.cc, FilterUtility::finalTimeout, with Istio's `maxGrpcTimeout`).
pub fn time_limit<'h>(
    timeout: Option<Duration>,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) -> Option<Duration> {
    let (mut grpc, mut wanted) = (false, None);
    for (name, value) in headers {
        match name {
            "content-type" => grpc = is_grpc(value),
            "grpc-timeout" => wanted = grpc_timeout(value).filter(|wanted| !wanted.is_zero()),
            _ => {}
        }
    }
    match wanted.filter(|_| grpc) {
        Some(wanted) => Some(timeout.map_or(wanted, |timeout| timeout.min(wanted))),
        None => timeout,
    }
}

/// How long one try may take within a request's limit; a limit of a try that is not below the request's is none.
#[must_use]
pub fn try_limit(policy: &RetryPolicy, limit: Option<Duration>) -> Option<Duration> {
    policy.per_try_timeout.filter(|one| limit.is_none_or(|limit| *one < limit))
}

/// Whether a `content-type` says gRPC.
pub(crate) fn is_grpc(content_type: &[u8]) -> bool {
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// At most eight digits and a unit; what is below a millisecond is rounded up to one
/// (envoy source/common/grpc/common.cc, Common::getGrpcTimeout).
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let count = u64::from(number(digits).filter(|count| *count <= 99_999_999)?);
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_millis(count.div_ceil(1_000))),
        b'n' => Some(Duration::from_millis(count.div_ceil(1_000_000))),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}
