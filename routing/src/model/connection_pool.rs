//! A DestinationRule's `connectionPool`: how much one client may ask of a cluster at a time. Zero means unset throughout.

use std::num::NonZeroU32;
use std::time::Duration;

/// Limits per client pod and cluster; `None` is no limit, or the default of the mesh or of the operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionPool {
    /// `tcp.maxConnections`: connections to endpoints.
    pub max_connections: Option<NonZeroU32>,
    /// `tcp.connectTimeout`; `None`: the mesh's, 10 s by default.
    pub connect_timeout: Option<Duration>,
    /// `tcp.tcpKeepalive`.
    pub keepalive: Option<TcpKeepalive>,
    /// `tcp.maxConnectionDuration`: a connection that is older gets no further request, and one of opaque bytes ends.
    pub max_connection_duration: Option<Duration>,
    /// `tcp.idleTimeout`, of opaque bytes, and of HTTP without an own one.
    pub tcp_idle: Option<IdleTimeout>,
    /// `http.http1MaxPendingRequests`: requests that wait for a connection.
    pub max_pending: Option<NonZeroU32>,
    /// `http.http2MaxRequests`: requests under way, of HTTP/1.1 as well.
    pub max_requests: Option<NonZeroU32>,
    /// `http.maxRequestsPerConnection`; 1 disables keep-alive.
    pub max_requests_per_connection: Option<NonZeroU32>,
    /// `http.maxRetries`: retries under way.
    pub max_retries: Option<NonZeroU32>,
    /// `http.idleTimeout`: how long a connection without requests is kept.
    pub http_idle: Option<Duration>,
    /// `http.useClientProtocol`: an endpoint is spoken to as the client speaks.
    pub use_client_protocol: bool,
}

impl ConnectionPool {
    /// Sets nothing.
    pub const UNSET: Self = Self {
        max_connections: None,
        connect_timeout: None,
        keepalive: None,
        max_connection_duration: None,
        tcp_idle: None,
        max_pending: None,
        max_requests: None,
        max_requests_per_connection: None,
        max_retries: None,
        http_idle: None,
        use_client_protocol: false,
    };

    /// How long a connection without requests is kept: HTTP's own limit, else the one for all of TCP
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/cluster_traffic_policy.go, applyConnectionPool). `None`: as long as the
    /// proxy likes, which is an hour in Envoy.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<IdleTimeout> {
        self.http_idle.map(IdleTimeout::After).or(self.tcp_idle)
    }
}

/// When something idle ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleTimeout {
    /// Never: `0s`.
    Never,
    /// After this long.
    After(Duration),
}

/// `tcpKeepalive`; `None` is the operating system's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Probes without an answer before a connection counts as dead.
    pub probes: Option<NonZeroU32>,
    /// How long a connection is idle before the first probe.
    pub time: Option<Duration>,
    /// Between two probes.
    pub interval: Option<Duration>,
}
