//! `connectionPool` of a traffic policy (istio/istio@86c9f01 pkg/config/validation/validation.go, validateConnectionPool).

use std::num::NonZeroU32;
use std::time::Duration;

use super::duration::whole_millis;
use super::fields::Fields;
use crate::model::{ConnectionPool, IdleTimeout, TcpKeepalive};

pub(super) fn read(fields: &Fields<'_>) -> ConnectionPool {
    if !fields.has("tcp") && !fields.has("http") {
        fields.report().error(fields.here(), "sets nothing", "add tcp or http, or remove it");
    }
    let mut pool = ConnectionPool::default();
    if let Some(tcp) = fields.object("tcp") {
        read_tcp(&tcp, &mut pool);
    }
    if let Some(http) = fields.object("http") {
        read_http(&http, &mut pool);
    }
    fields.finish();
    pool
}

/// Zero means unset.
fn limit(fields: &Fields<'_>, key: &'static str) -> Option<NonZeroU32> {
    fields.number(key).and_then(NonZeroU32::new)
}

fn read_tcp(tcp: &Fields<'_>, pool: &mut ConnectionPool) {
    pool.max_connections = limit(tcp, "maxConnections");
    pool.connect_timeout = whole_millis(tcp, "connectTimeout");
    pool.max_connection_duration = whole_millis(tcp, "maxConnectionDuration");
    pool.tcp_idle = match tcp.duration("idleTimeout") {
        // What is below a millisecond counts as zero here, and zero switches the limit off.
        Some(idle) if idle < Duration::from_millis(1) => Some(IdleTimeout::Never),
        Some(_) => whole_millis(tcp, "idleTimeout").map(IdleTimeout::After),
        None => None,
    };
    pool.keepalive = tcp.object("tcpKeepalive").map(|keepalive| {
        let found = TcpKeepalive {
            probes: limit(&keepalive, "probes"),
            time: whole_millis(&keepalive, "time"),
            interval: whole_millis(&keepalive, "interval"),
        };
        keepalive.finish();
        found
    });
    tcp.finish();
}

fn read_http(http: &Fields<'_>, pool: &mut ConnectionPool) {
    pool.max_pending = limit(http, "http1MaxPendingRequests");
    pool.max_requests = limit(http, "http2MaxRequests");
    pool.max_requests_per_connection = limit(http, "maxRequestsPerConnection");
    pool.max_retries = limit(http, "maxRetries");
    pool.http_idle = whole_millis(http, "idleTimeout");
    pool.use_client_protocol = http.boolean("useClientProtocol").unwrap_or(false);
    match http.text("h2UpgradePolicy") {
        Some("UPGRADE") if pool.use_client_protocol => http.report().error(
            &http.path("useClientProtocol"),
            "contradicts h2UpgradePolicy: UPGRADE",
            "keep one of them",
        ),
        Some("UPGRADE") => http.not_honoured(&["h2UpgradePolicy"]),
        Some("DEFAULT" | "DO_NOT_UPGRADE") | None => {}
        Some(other) => http.report().error(
            &http.path("h2UpgradePolicy"),
            format!("{other:?} is not a policy"),
            "use DEFAULT, DO_NOT_UPGRADE or UPGRADE",
        ),
    }
    // They concern HTTP/2 towards endpoints alone.
    http.not_honoured(&["maxConcurrentStreams", "http2KeepAlive"]);
    http.finish();
}
