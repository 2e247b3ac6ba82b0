//! Retries, faults and mirrors of a route.

use std::time::Duration;

use super::Destination;

/// When a request is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries beyond the first; 0 switches retries off.
    pub attempts: u32,
    /// `None`: no limit but the route's.
    pub per_try_timeout: Option<Duration>,
    /// What is tried again.
    pub on: RetryOn,
    /// Base of the exponential, jittered wait before a further try.
    pub back_off: Duration,
    /// `retryIgnorePreviousHosts`: whether a further try looks for an endpoint that was not tried yet. `None`: unless the route
    /// hashes requests, which keeps them where they belong.
    pub avoid_tried: Option<bool>,
    /// `retryRemoteLocalities`: a further try moves on to other priorities.
    pub remote_localities: bool,
}

/// What is tried again, by Envoy's words in `retryOn`, in written order, and numbers as `retriable-status-codes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryOn {
    /// Envoy's words, in written order.
    pub conditions: Vec<RetryCondition>,
    /// Status codes that count as failures.
    pub status_codes: Vec<u16>,
}

/// One word of `retryOn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are Envoy's words of the same name")]
pub enum RetryCondition {
    ServerError,
    GatewayError,
    Reset,
    ResetBeforeRequest,
    ConnectFailure,
    Retriable4xx,
    RefusedStream,
    RetriableStatusCodes,
    RetriableHeaders,
    EnvoyRatelimited,
    Http3PostConnectFailure,
    Cancelled,
    DeadlineExceeded,
    Internal,
    ResourceExhausted,
    Unavailable,
}

impl RetryCondition {
    /// Every condition with its word.
    pub const WORDS: [(&'static str, Self); 16] = [
        ("5xx", Self::ServerError),
        ("gateway-error", Self::GatewayError),
        ("reset", Self::Reset),
        ("reset-before-request", Self::ResetBeforeRequest),
        ("connect-failure", Self::ConnectFailure),
        ("retriable-4xx", Self::Retriable4xx),
        ("refused-stream", Self::RefusedStream),
        ("retriable-status-codes", Self::RetriableStatusCodes),
        ("retriable-headers", Self::RetriableHeaders),
        ("envoy-ratelimited", Self::EnvoyRatelimited),
        ("http3-post-connect-failure", Self::Http3PostConnectFailure),
        ("cancelled", Self::Cancelled),
        ("deadline-exceeded", Self::DeadlineExceeded),
        ("internal", Self::Internal),
        ("resource-exhausted", Self::ResourceExhausted),
        ("unavailable", Self::Unavailable),
    ];

    /// The condition of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, condition)| *condition)
    }

    /// Envoy's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, condition)| *condition == self).map_or("", |(word, _)| word)
    }
}

impl Default for RetryPolicy {
    /// Istio's, for routes that have none and for services without any rule
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/route/retry/retry.go, newRetryPolicy).
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on: RetryOn::default(),
            back_off: Duration::from_millis(25),
            avoid_tried: None,
            remote_localities: false,
        }
    }
}

impl Default for RetryOn {
    /// What the default policy tries again, and any policy without `retryOn`.
    fn default() -> Self {
        use RetryCondition::{Cancelled, ConnectFailure, RefusedStream, RetriableStatusCodes, Unavailable};
        let conditions = vec![ConnectFailure, RefusedStream, Unavailable, Cancelled, RetriableStatusCodes];
        Self { conditions, status_codes: Vec::new() }
    }
}

/// `fault`; by default none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultInjection {
    /// `delay`, done first.
    pub delay: Option<(Duration, Percent)>,
    /// `abort`.
    pub abort: Option<(Abort, Percent)>,
}

/// How a request is aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// `httpStatus`, 200 to 600.
    Http(u16),
    /// `grpcStatus` by its number, 0 to 16.
    Grpc(u8),
}

impl Abort {
    /// gRPC's statuses in the order of their numbers.
    const GRPC_STATUSES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];

    /// By a gRPC status, named as gRPC does.
    #[must_use]
    pub fn grpc(name: &str) -> Option<Self> {
        (0..).zip(Self::GRPC_STATUSES).find(|(_, known)| *known == name).map(|(number, _)| Self::Grpc(number))
    }

    /// The name of its gRPC status, where it has one.
    #[must_use]
    pub fn grpc_status(self) -> Option<&'static str> {
        match self {
            Self::Http(_) => None,
            Self::Grpc(number) => Self::GRPC_STATUSES.get(usize::from(number)).copied(),
        }
    }
}

/// A share of the requests in millionths, 0 to 1 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(pub u32);

impl Percent {
    /// All.
    pub const ALL: Self = Self(1_000_000);

    /// Whether a draw, uniform over all of `u32`, falls within the share.
    #[must_use]
    pub fn takes(self, draw: u32) -> bool {
        (u64::from(draw) * 1_000_000) >> 32 < u64::from(self.0)
    }

    /// From 0.0 to 100.0.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

/// A copy of requests, whose answers nobody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where to; its header operations are empty.
    pub destination: Destination,
    /// How many of them.
    pub percent: Percent,
}
