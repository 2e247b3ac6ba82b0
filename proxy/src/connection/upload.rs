//! The request's way to the endpoint; it runs beside [`super::download`].

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::rc::Rc;

use bytes::Buf as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::buffer::{Buffer, Buffers, SIZE};
use super::failure::Failure;
use crate::protocol::http1::body::Body;
use crate::protocol::http1::request::RequestHead;

/// The client's side of an HTTP connection.
pub(crate) struct Incoming<'i, 's> {
    /// What it sends.
    pub(crate) read: &'i mut ReadHalf<'s>,
    /// Starts with the head of the request under way, which stays until the request is over.
    pub(crate) buffer: Buffer,
    /// What came behind a body that went through a buffer of its own: the start of the next request.
    pub(crate) behind: Option<Buffer>,
}

/// How far a request has come; both directions look at it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of the client's buffer that belong to this request.
    pub(crate) used: Cell<usize>,
    /// All of the request was sent.
    pub(crate) uploaded: Cell<bool>,
    /// Part of the body is no longer in the client's buffer: the request cannot be sent again.
    pub(crate) streamed: Cell<bool>,
    /// The final response's head was sent, at least in part.
    pub(crate) answered: Cell<bool>,
    /// Bytes of the request's body.
    pub(crate) received: Cell<u64>,
    /// Bytes of the response's body.
    pub(crate) sent: Cell<u64>,
}

/// Sends `head` and the body, then watches the client. It gives up when the client is gone or sends something that is no
/// body; an endpoint that takes no more is left to the other direction, which may find an early answer.
pub(crate) async fn upload(
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    request: &RequestHead,
    head: &[u8],
    progress: &Progress,
    buffers: &Rc<Buffers>,
) -> Failure {
    let mut body = Body::new(request.framing);
    let held = &incoming.buffer.filled()[request.length..];
    let used = match body.advance(held) {
        Ok(used) => used,
        Err(refusal) => return Failure::Refused(refusal),
    };
    progress.used.set(request.length + used);
    progress.received.set(used as u64);
    let mut sent = write.write_all_buf(&mut head.chain(&held[..used])).await;
    if sent.is_ok() && !body.is_complete() {
        let mut buffer = buffers.take();
        sent = match stream(incoming.read, write, &mut body, &mut buffer, progress).await {
            Ok(sent) => sent,
            Err(failure) => return failure,
        };
        incoming.behind = (!buffer.is_empty()).then_some(buffer);
    }
    progress.uploaded.set(sent.is_ok());
    watch(incoming.read, incoming.behind.as_mut().unwrap_or(&mut incoming.buffer)).await;
    Failure::ClientGone
}

/// Sends the rest of a body, leaving in `buffer` what came behind it. The inner error is the endpoint's.
async fn stream(
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    body: &mut Body,
    buffer: &mut Buffer,
    progress: &Progress,
) -> Result<io::Result<()>, Failure> {
    while !body.is_complete() {
        let count = buffer.read_from(read, body.wanted(SIZE)).await;
        if !matches!(count, Ok(1..)) {
            return Err(Failure::ClientGone);
        }
        progress.streamed.set(true);
        let used = body.advance(buffer.filled()).map_err(Failure::Refused)?;
        progress.received.set(progress.received.get() + used as u64);
        if let Err(error) = write.write_all(&buffer.filled()[..used]).await {
            return Ok(Err(error));
        }
        buffer.consume(used);
    }
    Ok(Ok(()))
}

/// Returns when the client is gone, which half a connection's end also means, as in Envoy. What it sends in the meantime
/// is kept, as far as there is room.
pub(crate) async fn watch(read: &mut ReadHalf<'_>, buffer: &mut Buffer) {
    loop {
        if buffer.is_full() {
            return pending().await;
        }
        if !matches!(buffer.read_from(read, SIZE).await, Ok(1..)) {
            return;
        }
    }
}
