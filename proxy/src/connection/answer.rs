//! Answers of the proxy's own, and how a connection goes on after them.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::buffer::{Buffer, SIZE};
use super::edits::{Answered, Edits};
use super::upload::{Incoming, Progress};
use super::{Downstream, End};
use crate::protocol::http1::body::Body;
use crate::protocol::http1::reply;
use crate::protocol::http1::request::RequestHead;

/// How much of a body that nobody wants is read to keep a connection.
const WORTH_READING: u64 = 64 * 1024;

/// How long a client may take to read the last answer before its connection goes.
const LINGER: Duration = Duration::from_secs(1);

/// What the proxy says.
#[derive(Clone, Copy)]
pub(crate) struct Reply<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// Lines beside those that every answer has.
    pub(crate) headers: &'a [(&'static str, String)],
    /// May be empty.
    pub(crate) body: &'a [u8],
    /// What the route does with it, and what that may depend on.
    pub(crate) edits: Option<(Edits<'a>, Answered<'a>)>,
}

impl Reply<'_> {
    /// Writes it whole; `close`: the connection ends with it.
    pub(super) fn write(&self, out: &mut Vec<u8>, to_head: bool, close: bool) {
        let Self { status, headers, body, edits } = *self;
        let mut lines = reply::lines(body, headers);
        if let Some((edits, answered)) = edits.filter(|(edits, _)| !edits.spare_responses()) {
            edits.response(&mut lines, answered);
        }
        reply::reply(out, status, body, &lines, to_head, close);
    }
}

/// Answers a request in place of an endpoint; gives the connection's end, unless another request may follow. Then
/// `progress.used` bytes of the client's buffer are done with.
pub(crate) async fn answer(
    downstream: &Downstream,
    answer: Reply<'_>,
    request: &RequestHead,
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    progress: &Progress,
) -> Option<End> {
    let rest = if progress.streamed.get() { None } else { rest(request, &incoming.buffer) };
    let rest = rest.filter(|_| !request.close && !downstream.pod.is_closing());
    let mut out = Vec::new();
    answer.write(&mut out, request.is_head(), rest.is_none());
    if write.write_all(&out).await.is_err() {
        return Some(End::Reset);
    }
    if !request.is_head() {
        progress.sent.set(answer.body.len() as u64);
    }
    let Some(Rest { used, missing }) = rest else {
        linger(downstream, incoming.read, write).await;
        return Some(End::Clean);
    };
    progress.used.set(used);
    skip(downstream, incoming, missing, progress).await
}

/// Refuses what is no request: there is no telling where the next one would start.
pub(crate) async fn refuse(
    downstream: &Downstream,
    answer: Reply<'_>,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
) -> End {
    let mut out = Vec::new();
    answer.write(&mut out, false, true);
    if write.write_all(&out).await.is_err() {
        return End::Reset;
    }
    linger(downstream, read, write).await;
    End::Clean
}

/// Ends the connection so that the client can read the last answer: closing a socket with unread bytes resets it, and a
/// reset overtakes what was sent before.
pub(crate) async fn linger(downstream: &Downstream, read: &mut ReadHalf<'_>, write: &mut WriteHalf<'_>) {
    if write.shutdown().await.is_err() {
        return;
    }
    let drained = async {
        let mut buffer = downstream.worker.buffers.take();
        while matches!(buffer.read_from(read, SIZE).await, Ok(1..)) {
            buffer.consume(buffer.filled().len());
        }
    };
    let _ = tokio::time::timeout(LINGER, drained).await;
}

/// What of a request is in the buffer, and how many bytes of its body are still to come.
struct Rest {
    used: usize,
    missing: u64,
}

/// `None` when the rest is not worth waiting for, or when it may never come.
fn rest(request: &RequestHead, buffer: &Buffer) -> Option<Rest> {
    let mut body = Body::new(request.framing);
    let used = request.length + body.advance(&buffer.filled()[request.length..]).ok()?;
    match body {
        _ if body.is_complete() => Some(Rest { used, missing: 0 }),
        Body::Sized(missing) if missing <= WORTH_READING && !request.expects_continue => Some(Rest { used, missing }),
        _ => None,
    }
}

/// Reads what is missing of a body, all of which goes nowhere.
async fn skip(
    downstream: &Downstream,
    incoming: &mut Incoming<'_, '_>,
    missing: u64,
    progress: &Progress,
) -> Option<End> {
    let mut missing = missing;
    while missing > 0 {
        let Some(mut buffer) = downstream.pod.next_bytes(incoming.read, &downstream.worker.buffers).await else {
            return Some(End::Clean);
        };
        let count = buffer.filled().len();
        if count == 0 {
            return Some(End::Clean);
        }
        let skipped = usize::try_from(missing).map_or(count, |missing| missing.min(count));
        missing -= skipped as u64;
        buffer.consume(skipped);
        incoming.behind = (!buffer.is_empty()).then_some(buffer);
    }
    progress.uploaded.set(true);
    None
}
