//! What an inspected connection speaks, from its first bytes. The client always speaks first here: protocols where the
//! server does are declared TCP and never come this way.

use meshlet_routing::model::Protocol;
use tokio::net::tcp::ReadHalf;

use super::buffer::{Buffer, SIZE};
use super::pod::Pod;
use super::worker::Worker;
use crate::protocol::http1::first_line::{FirstLine, Verdict};
use crate::protocol::tls_client_hello::{self, Hello};

/// How HTTP/2 with prior knowledge begins, as far as the end of a line of HTTP/1.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r";

/// What it speaks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1.1.
    Http,
    /// HTTP/2.
    Http2,
    /// TLS, for a server of this name where the client says so.
    Tls(Option<String>),
    /// Anything else, or nothing at all before the client's end.
    Opaque,
}

/// Reads until the bytes tell, for as long as the client takes; gives them back. `None` when the connection is over. TLS is
/// looked for where a rule can ask for it: not on ports declared HTTP.
pub(crate) async fn detect(
    worker: &Worker,
    pod: &Pod,
    read: &mut ReadHalf<'_>,
    treatment: Protocol,
) -> Option<(Speaks, Buffer)> {
    let mut buffer = pod.first_bytes(read, &worker.buffers).await?;
    let mut line = FirstLine::default();
    loop {
        if let Some(speaks) = told(&mut line, buffer.filled(), treatment) {
            return Some((speaks, buffer));
        }
        if buffer.is_empty() || buffer.is_full() || buffer.read_from(read, SIZE).await.ok()? == 0 {
            return Some((Speaks::Opaque, buffer));
        }
    }
}

/// What the bytes so far say; `None` when more are needed.
fn told(line: &mut FirstLine, bytes: &[u8], treatment: Protocol) -> Option<Speaks> {
    if !treatment.is_http() {
        match tls_client_hello::look(bytes) {
            Hello::Tls(name) => return Some(Speaks::Tls(name)),
            Hello::Undecided => return None,
            Hello::Other => {}
        }
    }
    if treatment == Protocol::Tls {
        return Some(Speaks::Opaque);
    }
    match line.look(bytes) {
        Verdict::Http1 => Some(Speaks::Http),
        Verdict::Other if bytes.starts_with(HTTP2_PREFACE) => Some(Speaks::Http2),
        Verdict::Other => Some(Speaks::Opaque),
        Verdict::Undecided => None,
    }
}
