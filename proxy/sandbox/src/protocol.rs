//! What a client in a pod is told and what it answers: one JSON object a line, on stdin and stdout.
//!
//! Addresses are given as the client's socket calls gave them: those of an IPv4-mapped socket look like
//! `[::ffff:10.96.0.10]:8080`. Times are milliseconds since the flood began.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// One line to a client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub(crate) enum Command {
    /// Answered by `{"answers": [Answer…]}`.
    Http(HttpCall),
    /// Answered by a [`RawAnswer`].
    Raw(RawCall),
    /// Answered by `{}`; threads send requests until `Halt`.
    Flood(FloodCall),
    /// Answered by a [`Moment`].
    Marker,
    /// Answered by a [`FloodReport`].
    Halt,
    /// Answered by `{"lo": Interface, …}`.
    Netdev,
    /// Answered by a list of ports.
    Listening,
    /// Answered by a [`Connected`].
    Connect(ConnectCall),
    /// Answered by a [`Connected`].
    Udp { to: SocketAddr },
    /// Answered by a [`LoadReport`].
    Load(LoadCall),
}

/// HTTP/1.1 requests, one after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpCall {
    /// The address to dial.
    pub to: SocketAddr,
    /// The Host header.
    pub host: String,
    /// How many requests. Fewer answers come back when two minutes have passed.
    pub count: usize,
    /// All over one connection, reopened when it breaks; otherwise one connection each, with `Connection: close`.
    pub keep_alive: bool,
    /// The path, with query.
    pub path: String,
    /// The method.
    pub method: String,
    /// Headers besides Host and the body's. `transfer-encoding: chunked` sends the body in chunks;
    /// with `expect: 100-continue` it is held back until the answer to that.
    pub headers: Vec<(String, String)>,
    /// The body; none when empty.
    pub body: String,
    /// Dial from an IPv6 socket, by the IPv4-mapped address.
    pub mapped: bool,
    /// Connect without blocking, and wait for the socket to become writable.
    pub nonblocking: bool,
}

impl HttpCall {
    /// One GET of `/`.
    #[must_use]
    pub fn get(to: impl Into<SocketAddr>, host: &str) -> Self {
        Self { to: to.into(), host: host.to_owned(), ..Self::default() }
    }
}

impl Default for HttpCall {
    fn default() -> Self {
        Self {
            to: SocketAddr::from(([0, 0, 0, 0], 0)),
            host: String::new(),
            count: 1,
            keep_alive: true,
            path: "/".to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            mapped: false,
            nonblocking: false,
        }
    }
}

/// What became of one request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    /// The status; none when no answer came.
    pub status: Option<u16>,
    /// Which pod answered (header `x-pod`); none when the answer is the proxy's own.
    pub pod: Option<String>,
    /// Who the server saw, `ip:port`.
    pub client: Option<String>,
    /// The client's getpeername.
    pub peer: Option<String>,
    /// The client's getsockname.
    pub local: Option<String>,
    /// Counts the connections of the call, from 0.
    pub connection: usize,
    /// What went wrong.
    pub error: Option<String>,
    /// Interim answers (1xx) that came before.
    pub interim: Vec<u16>,
    /// Headers of the answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most its first 64 KiB.
    pub body: String,
    /// The body's whole length.
    pub body_bytes: usize,
}

/// Bytes sent as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawCall {
    /// The address to dial.
    pub to: SocketAddr,
    /// What to send.
    pub send: String,
    /// Shut the sending side down after that.
    #[serde(default)]
    pub half_close: bool,
    /// Stop reading when this has been received; otherwise at the end, or after 2 s of silence.
    #[serde(default)]
    pub until: Option<String>,
    /// Then reset the connection, as who closes with `SO_LINGER` 0 does.
    #[serde(default)]
    pub abort: bool,
}

impl RawCall {
    /// Bytes, and nothing more.
    #[must_use]
    pub fn new(to: SocketAddr, send: impl Into<String>) -> Self {
        Self { to, send: send.into(), half_close: false, until: None, abort: false }
    }
}

/// What came back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawAnswer {
    /// The bytes; what is not UTF-8 is replaced.
    pub received: String,
    /// The other side closed.
    pub closed: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// Requests without end, in the background.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FloodCall {
    /// The address to dial.
    pub to: SocketAddr,
    /// The Host header.
    pub host: String,
    /// How many at a time, each on a connection of its own.
    pub connections: usize,
    /// Keep each connection for all its requests, or open one for each request.
    pub keep_alive: bool,
    /// Pause after each request.
    #[serde(default)]
    pub pause_ms: u64,
}

/// A flood so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Now.
    pub at_ms: u64,
    /// Requests answered.
    pub total: usize,
    /// Requests that failed.
    pub failures: usize,
}

/// One request of a flood that failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// When it failed.
    pub at_ms: u64,
    /// Why: an error, or a status other than 2xx.
    pub error: String,
    /// The connection had carried a request before: a client may repeat a request when such a one closes unanswered.
    pub reused: bool,
}

/// A flood from its begin to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FloodReport {
    /// Answers by pod.
    pub answers: BTreeMap<String, usize>,
    /// The first 10 000 failures.
    pub failures: Vec<Failure>,
    /// The last 20 000 answers: when, and by which pod.
    pub timeline: Vec<(u64, String)>,
    /// Requests answered.
    pub total: usize,
}

/// A connect(2) and nothing more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectCall {
    /// The address to dial.
    pub to: SocketAddr,
    /// As in [`HttpCall`].
    #[serde(default)]
    pub mapped: bool,
    /// As in [`HttpCall`].
    #[serde(default)]
    pub nonblocking: bool,
    /// Bind to this address first.
    #[serde(default)]
    pub bind: Option<IpAddr>,
    /// Bind to this device first.
    #[serde(default)]
    pub device: Option<String>,
    /// Try this address first, with the same socket; where that succeeds the call has failed.
    #[serde(default)]
    pub first: Option<SocketAddr>,
}

impl ConnectCall {
    /// A plain one.
    #[must_use]
    pub fn to(to: impl Into<SocketAddr>) -> Self {
        Self { to: to.into(), mapped: false, nonblocking: false, bind: None, device: None, first: None }
    }
}

/// What became of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connected {
    /// getpeername.
    pub peer: Option<String>,
    /// getsockname.
    pub local: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// As much of one kind as goes, from one thread, for a while: a window of a benchmark.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadCall {
    /// The address to dial: the agent's server, or a Service in front of it.
    pub to: SocketAddr,
    /// What to do.
    pub load: Load,
    /// For how long.
    pub millis: u64,
}

/// What a load consists of, and what of it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Load {
    /// Bytes over one connection, until the server has taken the last of them.
    Bulk,
    /// Round trips of one byte over one connection.
    PingPong,
    /// Connections, one after the other. Their time is that of socket(2) to connect(2), not of what follows.
    Connects,
}

/// What a load came to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// Bytes, round trips or connections.
    pub amount: u64,
    /// The time they took.
    pub nanos: u64,
    /// getpeername of the last connection.
    pub peer: SocketAddr,
}

/// Counters of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Received.
    pub rx_packets: u64,
    /// Sent.
    pub tx_packets: u64,
}
