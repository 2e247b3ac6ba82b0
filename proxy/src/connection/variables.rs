//! What `%VARIABLE%`s in header values stand for (Envoy's command operators).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use meshlet_routing::model::Variable;

use super::Downstream;
use super::edits::Answered;
use super::flags::Flags;
use super::timestamp::Timestamp;

/// What is known of one request beside its headers.
pub(crate) struct Variables<'v> {
    /// Whose it is.
    pub(crate) downstream: &'v Downstream,
    /// Envoy's name of the route.
    pub(crate) route: &'v str,
    /// Envoy's name of the cluster.
    pub(crate) cluster: &'v str,
    /// When the request began.
    pub(crate) started: Instant,
    /// The response, once there is one.
    pub(crate) answered: Option<Answered<'v>>,
}

impl Variables<'_> {
    /// What a variable stands for; `None` when there is nothing. `request` and `response` give the values of header lines.
    pub(crate) fn value<'h>(
        &self,
        variable: &Variable,
        request: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>,
        response: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>,
    ) -> Option<Cow<'h, [u8]>> {
        match variable {
            Variable::RequestHeader { name, alternative } => of_header(name, alternative.as_deref(), request),
            Variable::ResponseHeader { name, alternative } => of_header(name, alternative.as_deref(), response),
            Variable::UpstreamRequestAttemptCount => request("x-envoy-attempt-count"),
            plain => self.plain(plain).filter(|text| !text.is_empty()).map(|text| text.into_bytes().into()),
        }
    }

    fn plain(&self, variable: &Variable) -> Option<String> {
        let Downstream { dialled, peer, pod, .. } = self.downstream;
        let upstream = self.answered.and_then(|answered| answered.upstream);
        match variable {
            Variable::RequestHeader { .. } | Variable::ResponseHeader { .. } => None,
            Variable::UpstreamRequestAttemptCount | Variable::Nothing(_) => None,
            // A format of one's own is not honoured.
            Variable::StartTime { .. } => Some(Timestamp::of(self.started).to_string()),
            Variable::Protocol => Some("HTTP/1.1".to_owned()),
            Variable::DownstreamRemoteAddress => Some(peer.to_string()),
            Variable::DownstreamRemoteAddressWithoutPort => Some(peer.ip().to_string()),
            Variable::DownstreamRemotePort => Some(peer.port().to_string()),
            Variable::DownstreamLocalAddress => Some(SocketAddr::new(dialled.address, dialled.port).to_string()),
            Variable::DownstreamLocalAddressWithoutPort => Some(dialled.address.to_string()),
            Variable::DownstreamLocalPort => Some(dialled.port.to_string()),
            Variable::UpstreamHost => upstream.map(|address| address.to_string()),
            Variable::UpstreamHostWithoutPort => upstream.map(|address| address.ip().to_string()),
            Variable::UpstreamRemotePort => upstream.map(|address| address.port().to_string()),
            Variable::UpstreamCluster => Some(self.cluster.to_owned()),
            Variable::RouteName => Some(self.route.to_owned()),
            // Before there is an answer Envoy writes these (envoy source/common/formatter/stream_info_formatter.cc).
            Variable::ResponseCode => Some(self.answered.map_or(0, |answered| answered.status).to_string()),
            Variable::Hostname => Some(pod.client.pod.to_string()),
            Variable::ResponseCodeDetails => self.answered.map(|answered| answered.details.to_owned()),
            Variable::ResponseFlags => Some(self.answered.map_or(Flags::NONE, |answered| answered.flags).to_string()),
        }
    }
}

/// The value of a header, else of another.
fn of_header<'h>(
    name: &str,
    alternative: Option<&str>,
    value: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>,
) -> Option<Cow<'h, [u8]>> {
    value(name).or_else(|| value(alternative?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_header_arguments_then_the_first_header_that_is_there_is_taken() {
        let value = |name: &str| (name == "x-user").then(|| Cow::from(&b"alice"[..]));
        for (name, alternative, expected) in [
            ("x-user", None, Some("alice")),
            ("x-other", Some("x-user"), Some("alice")),
            ("x-user", Some("x-other"), Some("alice")),
            ("x-other", None, None),
            ("x-other", Some("x-absent"), None),
        ] {
            let found = of_header(name, alternative, &value);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name} {alternative:?}");
        }
    }
}
