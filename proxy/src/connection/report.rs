//! One access-log line per request, or per opaque connection: Envoy's default format as Istio ships it, byte for byte.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meshlet_routing::decide::Reason;
use meshlet_routing::table::{RuleKind, RuleRef};

use super::edits::Answered;
use super::flags::Flags;
use super::route::Plan;
use super::timestamp::Timestamp;
use super::{Downstream, End, json_line};
use crate::protocol::http1::forward;
use crate::settings::AccessLog;

/// Envoy's name for "where the client dialled".
pub(crate) const PASSTHROUGH_CLUSTER: &str = "PassthroughCluster";

/// What became of a request or an opaque connection.
#[derive(Debug)]
pub(crate) struct Record<'r> {
    /// When it began.
    pub(crate) started: Instant,
    /// HTTP status, 0 when there is none.
    pub(crate) code: u16,
    /// Envoy's response flags.
    pub(crate) flags: Flags,
    /// Envoy's response code details.
    pub(crate) details: Cow<'static, str>,
    /// Why an endpoint could not be connected to.
    pub(crate) failure: Option<String>,
    /// Bytes of the request's body, or of the connection.
    pub(crate) received: u64,
    /// Bytes of the response's body, or of the connection.
    pub(crate) sent: u64,
    /// Bytes of the request's and of the response's head.
    pub(crate) heads: (u64, u64),
    /// From the end of the request to the response's head.
    pub(crate) service_time: Option<Duration>,
    /// The endpoint that was tried last.
    pub(crate) upstream: Option<SocketAddr>,
    /// The pod's end of the connection to it.
    pub(crate) upstream_local: Option<SocketAddr>,
    /// Envoy's name of the cluster.
    pub(crate) cluster: &'r str,
    /// Envoy's name of the route.
    pub(crate) route: &'r str,
    /// What was decided, where there was a request to decide about.
    pub(crate) plan: Option<&'r Plan>,
    /// What was decided about a connection.
    pub(crate) decided: Option<Decided<'r>>,
    /// The name in its ClientHello.
    pub(crate) server_name: Option<&'r str>,
    /// How the connection ended after it had switched protocols.
    pub(crate) relayed: Option<End>,
    /// What the client asked for, where a line will be written.
    pub(crate) request: Option<RequestTexts>,
}

/// Which rule decided about a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided<'r> {
    /// The list that it is in, and the rule; `None` where none was found.
    pub(crate) rule: Option<(RuleKind, &'r RuleRef)>,
    /// The subset it led to.
    pub(crate) subset: Option<&'r str>,
    /// Why.
    pub(crate) reason: Reason,
}

/// The parts of a request that a line shows.
#[derive(Debug, Default)]
pub(crate) struct RequestTexts {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) authority: String,
    pub(super) forwarded_for: String,
    pub(super) user_agent: String,
    pub(super) request_id: String,
}

impl RequestTexts {
    /// Of a request by its head as it was sent on, which says where the client had asked for something else.
    pub(crate) fn new(sent: &[u8]) -> Self {
        let value = |name| forward::value(sent, name);
        let text = |name| value(name).map(|value| String::from_utf8_lossy(&value).into_owned()).unwrap_or_default();
        let path = if value("x-envoy-original-path").is_some() { "x-envoy-original-path" } else { ":path" };
        Self {
            method: text(":method"),
            path: text(path),
            authority: text(":authority"),
            forwarded_for: text("x-forwarded-for"),
            user_agent: text("user-agent"),
            request_id: text("x-request-id"),
        }
    }
}

impl<'r> Record<'r> {
    /// Nothing has happened yet.
    pub(crate) fn new(started: Instant, cluster: &'r str, route: &'r str) -> Self {
        Self {
            started,
            code: 0,
            flags: Flags::NONE,
            details: Cow::Borrowed(""),
            failure: None,
            received: 0,
            sent: 0,
            heads: (0, 0),
            service_time: None,
            upstream: None,
            upstream_local: None,
            cluster,
            route,
            plan: None,
            decided: None,
            server_name: None,
            relayed: None,
            request: None,
        }
    }
}

impl Record<'_> {
    /// When it began, by the wall clock.
    pub(super) fn start(&self, now: Instant, wall: SystemTime) -> Timestamp {
        Timestamp(wall.checked_sub(now.duration_since(self.started)).unwrap_or(UNIX_EPOCH))
    }

    /// What an answer of the proxy's own may be made of; `request` is the head that was sent, or would have been.
    pub(super) fn answered<'a>(&'a self, request: &'a [u8]) -> Answered<'a> {
        let Self { code: status, details, flags, .. } = self;
        Answered { status: *status, request, upstream: None, service_time: None, details, flags: *flags }
    }

    /// What was spoken; `None` for opaque bytes.
    pub(super) fn protocol(&self) -> Option<&'static str> {
        (self.code != 0 || self.request.is_some()).then_some("HTTP/1.1")
    }
}

impl Downstream {
    /// Whether lines are written at all.
    pub(crate) fn logs(&self) -> bool {
        self.worker.log.is_some()
    }

    /// Writes the line.
    #[expect(clippy::disallowed_methods, reason = "it is told to people")]
    pub(crate) fn report(&self, record: &Record<'_>) {
        if let Some(log) = &self.worker.log {
            let (now, wall) = (Instant::now(), SystemTime::now());
            log.line(match log.format {
                AccessLog::Json => json_line::line(self, record, now, wall),
                AccessLog::Off | AccessLog::Text => self.line(record, now, wall),
            });
        }
    }

    fn line(&self, record: &Record<'_>, now: Instant, wall: SystemTime) -> String {
        let duration = now.duration_since(record.started);
        let started = record.start(now, wall);
        let service = record.service_time.map(|time| time.as_millis());
        let nothing = RequestTexts::default();
        let request = record.request.as_ref().unwrap_or(&nothing);
        let protocol = record.protocol().unwrap_or("-");
        let dialled = SocketAddr::new(self.dialled.address, self.dialled.port);
        let mut line = String::with_capacity(512);
        let written = writeln!(
            line,
            "[{started}] \"{} {} {protocol}\" {} {} {} - \"{}\" {} {} {} {} \"{}\" \"{}\" \"{}\" \"{}\" \"{}\" {} {} {dialled} {} {} {}",
            or_dash(&request.method),
            or_dash(&request.path),
            record.code,
            record.flags,
            or_dash(&record.details),
            or_dash(record.failure.as_deref().unwrap_or_default()),
            record.received,
            record.sent,
            duration.as_millis(),
            OrDash(service),
            or_dash(&request.forwarded_for),
            or_dash(&request.user_agent),
            or_dash(&request.request_id),
            or_dash(&request.authority),
            OrDash(record.upstream),
            or_dash(record.cluster),
            OrDash(record.upstream_local),
            self.peer,
            or_dash(record.server_name.unwrap_or_default()),
            or_dash(record.route),
        );
        written.expect("a String takes everything");
        line
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

struct OrDash<T>(Option<T>);

impl<T: Display> Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use meshlet_routing::decide::Dialled;
    use meshlet_routing::model::Protocol;

    use super::super::pod::Pod;
    use super::super::tests::client;
    use super::super::worker::{Resources, Worker};
    use super::*;
    use crate::metrics::{Counter, channel};
    use crate::snapshot::asked::ResolvConf;

    const WALL: SystemTime = UNIX_EPOCH;

    /// A connection of the pod `shop/client` to 10.96.0.7:8080.
    pub(in super::super) fn downstream(accepted: Instant) -> Downstream {
        let dialled: SocketAddr = "10.96.0.7:8080".parse().expect("an address");
        Downstream {
            worker: Worker::new(
                Resources::new(None, ResolvConf::new("/nowhere".into()), Counter::new(channel().0))
                    .expect("what a worker needs"),
            ),
            pod: Pod::new(client(Protocol::Http, dialled, &[])).into(),
            dialled: Dialled { address: dialled.ip(), port: dialled.port() },
            peer: "10.1.0.5:41000".parse().expect("an address"),
            accepted,
        }
    }

    fn check(record: &Record<'_>, expected: &str) {
        let downstream = downstream(record.started);
        let line =
            downstream.line(record, record.started + Duration::from_millis(12), WALL + Duration::from_millis(1012));
        assert_eq!(line, format!("{expected}\n"));
    }

    #[test]
    fn given_a_request_then_its_line_is_envoys() {
        let sent = b"GET /b HTTP/1.1\r\nhost: shop:8080\r\nuser-agent: curl/8\r\nx-envoy-original-path: /a?b\r\nx-request-id: 1-2\r\n\r\n";
        let mut record = Record::new(Instant::now(), "outbound|8080|v1|shop.default.svc.cluster.local", "canary");
        record.request = Some(RequestTexts::new(sent));
        (record.code, record.details) = (200, "via_upstream".into());
        (record.received, record.sent) = (0, 1024);
        record.service_time = Some(Duration::from_millis(11));
        record.upstream = Some("10.1.0.9:80".parse().expect("an address"));
        record.upstream_local = Some("10.1.0.5:52000".parse().expect("an address"));
        check(
            &record,
            "[1970-01-01T00:00:01.000Z] \"GET /a?b HTTP/1.1\" 200 - via_upstream - \"-\" 0 1024 12 11 \"-\" \"curl/8\" \"1-2\" \
             \"shop:8080\" \"10.1.0.9:80\" outbound|8080|v1|shop.default.svc.cluster.local 10.1.0.5:52000 10.96.0.7:8080 \
             10.1.0.5:41000 - canary",
        );
    }

    #[test]
    fn given_opaque_bytes_or_no_request_then_the_rest_of_the_line_is_dashes() {
        let mut record = Record::new(Instant::now(), PASSTHROUGH_CLUSTER, "");
        (record.received, record.sent) = (5, 7);
        record.server_name = Some("a.example");
        check(
            &record,
            "[1970-01-01T00:00:01.000Z] \"- - -\" 0 - - - \"-\" 5 7 12 - \"-\" \"-\" \"-\" \"-\" \"-\" PassthroughCluster - \
             10.96.0.7:8080 10.1.0.5:41000 a.example -",
        );
        let mut record = Record::new(Instant::now(), "", "");
        (record.code, record.flags, record.details) = (400, Flags::DPE, "http1.codec_error".into());
        check(
            &record,
            "[1970-01-01T00:00:01.000Z] \"- - HTTP/1.1\" 400 DPE http1.codec_error - \"-\" 0 0 12 - \"-\" \"-\" \"-\" \"-\" \"-\" - - \
             10.96.0.7:8080 10.1.0.5:41000 - -",
        );
    }
}
