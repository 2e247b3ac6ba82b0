//! What can go wrong with a request, in Envoy's words.

use std::borrow::Cow;
use std::io;

use meshlet_routing::balance::Outcome;
use meshlet_routing::decide::Line;
use meshlet_routing::retry::Attempt;

use super::flags::Flags;
use super::tls;
use crate::protocol::http1::Refusal;

/// Why a request was not answered, or not to the end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client has left.
    ClientGone,
    /// The request's body is none.
    Refused(Refusal),
    /// The cluster has no endpoint.
    NoEndpoint,
    /// The name that the client asked for comes to no address.
    Unresolved,
    /// The cluster has as much to do as it may have.
    Overflow,
    /// The endpoint could not be connected to.
    Connect(io::Error),
    /// The route's time was over.
    Timeout,
    /// One try's time was over.
    TryTimeout,
    /// The endpoint's connection ended before a byte of a response.
    Silent,
    /// It ended within a response.
    Broken,
    /// What came is no HTTP/1.1 response.
    Nonsense,
}

/// How a failure shows.
pub(crate) struct Verdict {
    /// HTTP status.
    pub(crate) status: u16,
    /// Response flags.
    pub(crate) flags: Flags,
    /// Response code details.
    pub(crate) details: Cow<'static, str>,
    /// What the client reads.
    pub(crate) body: &'static str,
}

/// What the client reads of a timeout.
const TIMED_OUT: &str = "upstream request timeout";

impl Failure {
    /// How a retry policy sees it; `None` for what no further try could mend.
    pub(crate) fn attempt(&self, request_sent: bool) -> Option<Attempt> {
        match self {
            Self::Connect(_) => Some(Attempt::ConnectFailure),
            Self::Silent | Self::Broken | Self::Nonsense => Some(Attempt::Reset { request_sent }),
            Self::TryTimeout => Some(Attempt::PerTryTimeout),
            Self::ClientGone
            | Self::Refused(_)
            | Self::NoEndpoint
            | Self::Unresolved
            | Self::Overflow
            | Self::Timeout => None,
        }
    }

    /// What it says about the endpoint that was tried; `None` for what is not its fault
    /// (envoy source/common/router/router.cc, onUpstreamReset, onPerTryTimeoutCommon, onResponseTimeout).
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Connect(_) | Self::Silent | Self::Broken | Self::Nonsense => Some(Outcome::Failed),
            Self::Timeout | Self::TryTimeout => Some(Outcome::TimedOut),
            Self::ClientGone | Self::Refused(_) | Self::NoEndpoint | Self::Unresolved | Self::Overflow => None,
        }
    }

    /// Lines of the answer, beside those that every answer has.
    pub(crate) fn lines(&self) -> Vec<Line> {
        match self {
            Self::Overflow => vec![("x-envoy-overloaded", "true".to_owned())],
            _ => Vec::new(),
        }
    }

    /// How it shows to a client that has not been answered.
    pub(crate) fn before_response(&self) -> Verdict {
        let (status, flags, details, body) = match self {
            Self::ClientGone => (0, Flags::DC, "downstream_remote_disconnect", ""),
            Self::Refused(Refusal::TooLarge) => (431, Flags::DPE, Refusal::TooLarge.details(), ""),
            Self::Refused(refusal) => (400, Flags::DPE, refusal.details(), "Bad Request"),
            Self::NoEndpoint => (503, Flags::UH, "no_healthy_upstream", "no healthy upstream"),
            // envoy source/extensions/filters/http/dynamic_forward_proxy/proxy_filter.cc, onDnsResolutionFail
            Self::Unresolved => (503, Flags::DF, "dns_resolution_failure", "DNS resolution failure"),
            Self::Overflow => (
                503,
                Flags::UO,
                "upstream_reset_before_response_started{overflow}",
                "upstream connect error or disconnect/reset before headers. reset reason: overflow",
            ),
            Self::Connect(error) => return connect(error),
            Self::Timeout => (504, Flags::UT, "response_timeout", TIMED_OUT),
            Self::TryTimeout => (504, Flags::UT, "upstream_per_try_timeout", TIMED_OUT),
            Self::Silent | Self::Broken => (
                503,
                Flags::UC,
                "upstream_reset_before_response_started{connection_termination}",
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            ),
            Self::Nonsense => (
                502,
                Flags::UPE,
                "upstream_reset_before_response_started{protocol_error}",
                "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
            ),
        };
        Verdict { status, flags, details: Cow::Borrowed(details), body }
    }

    /// Flags and details when the client has the start of a response with another status.
    pub(crate) fn within_response(&self) -> (Flags, &'static str) {
        match self {
            Self::ClientGone => (Flags::DC, "downstream_remote_disconnect"),
            Self::Refused(refusal) => (Flags::DPE, refusal.details()),
            Self::Nonsense => (Flags::UPE, "upstream_reset_after_response_started{protocol_error}"),
            Self::Timeout | Self::TryTimeout => (Flags::UT, "response_timeout"),
            Self::NoEndpoint | Self::Unresolved | Self::Overflow | Self::Connect(_) | Self::Silent | Self::Broken => {
                (Flags::UC, "upstream_reset_after_response_started{connection_termination}")
            }
        }
    }
}

fn connect(error: &io::Error) -> Verdict {
    let flags = Flags::UF;
    if error.kind() == io::ErrorKind::TimedOut {
        return Verdict {
            status: 503,
            flags,
            details: Cow::Borrowed("upstream_reset_before_response_started{connection_timeout}"),
            body: "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
        };
    }
    let reason = connect_reason(error);
    Verdict {
        status: 503,
        flags,
        details: Cow::Owned(format!("upstream_reset_before_response_started{{remote_connection_failure,{reason}}}")),
        body: "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
    }
}

/// Envoy's transport failure reason.
pub(crate) fn connect_reason(error: &io::Error) -> String {
    if let Some(reason) = tls::failure(error) {
        return reason.to_owned();
    }
    match error.raw_os_error() {
        Some(code) => format!("delayed_connect_error:_{code}"),
        None => "connection_timeout".to_owned(),
    }
}
