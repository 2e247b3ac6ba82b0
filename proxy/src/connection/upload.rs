//! The request's way to the endpoint; it runs beside [`super::download`].

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::ReadHalf;
use tokio::sync::Notify;

use super::buffer::{Buffer, Buffers, SIZE};
use super::failure::Failure;
use super::mirror::Mirrors;
use super::stream::WriteHalf;
use crate::protocol::http1::body::Body;
use crate::protocol::http1::request::RequestHead;

/// The client's side of an HTTP connection.
pub(crate) struct Incoming<'i, 's> {
    /// What it sends.
    pub(crate) read: &'i mut ReadHalf<'s>,
    /// Starts with the head of the request under way, which stays until the request is over, and its body behind it, as far as
    /// there is room: that much can be sent again.
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
    /// When all of the request was read.
    read: Cell<Option<Instant>>,
    now_read: Notify,
}

impl Progress {
    /// A further try starts over.
    pub(crate) fn restart(&self) {
        self.used.set(0);
        self.uploaded.set(false);
    }

    /// All of the request was read.
    fn complete(&self) {
        if self.read.get().is_none() {
            self.read.set(Some(Instant::now()));
            self.now_read.notify_waiters();
        }
    }

    /// How long it is since all of the request was read.
    pub(crate) fn since_whole(&self) -> Option<Duration> {
        self.read.get().map(|read| read.elapsed())
    }

    /// Waits until all of the request was read.
    pub(crate) async fn whole(&self) {
        while self.read.get().is_none() {
            self.now_read.notified().await;
        }
    }
}

/// Sends one request.
pub(crate) struct Upload<'u> {
    /// What the client sent.
    pub(crate) request: &'u RequestHead,
    /// The head to send.
    pub(crate) head: &'u [u8],
    /// Shared with the response's direction.
    pub(crate) progress: &'u Progress,
    /// Memory for its bytes.
    pub(crate) buffers: &'u Rc<Buffers>,
    /// Who gets a copy.
    pub(crate) mirrors: &'u Mirrors<'u>,
}

impl Upload<'_> {
    /// Whatever becomes of the tries, a request that is here as a whole goes to the mirrors, and its time runs.
    pub(crate) fn look(&self, incoming: &Incoming<'_, '_>) -> Result<(), Failure> {
        let held = &incoming.buffer.filled()[self.request.length..];
        let mut body = Body::new(self.request.framing);
        let used = body.advance(held).map_err(Failure::Refused)?;
        if body.is_complete() {
            self.complete(&held[..used]);
        }
        Ok(())
    }

    /// Sends head and body, then watches the client. It gives up when the client is gone or sends something that is no
    /// body; an endpoint that takes no more is left to the other direction, which may find an early answer.
    pub(crate) async fn run(&self, incoming: &mut Incoming<'_, '_>, write: &mut WriteHalf<'_>) -> Failure {
        let mut body = Body::new(self.request.framing);
        let sent = match self.held(incoming, write, &mut body).await {
            Ok(Ok(())) if !body.is_complete() => {
                let mut buffer = self.buffers.take();
                let streamed = self.stream(incoming.read, write, &mut body, &mut buffer).await;
                incoming.behind = (!buffer.is_empty()).then_some(buffer);
                streamed
            }
            sent => sent,
        };
        match sent {
            Err(failure) => return failure,
            Ok(sent) => self.progress.uploaded.set(sent.is_ok()),
        }
        watch(incoming.read, incoming.behind.as_mut().unwrap_or(&mut incoming.buffer)).await;
        Failure::ClientGone
    }

    /// Sends the head and as much of the body as the client's buffer can hold; it stays there. The inner error is the
    /// endpoint's.
    async fn held(
        &self,
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
        body: &mut Body,
    ) -> Result<io::Result<()>, Failure> {
        let (mut head, mut at) = (self.head, self.request.length);
        loop {
            let held = &incoming.buffer.filled()[at..];
            let used = body.advance(held).map_err(Failure::Refused)?;
            at += used;
            self.progress.used.set(at);
            self.progress.received.set((at - self.request.length) as u64);
            if body.is_complete() {
                self.complete(&incoming.buffer.filled()[self.request.length..at]);
            }
            if let Err(error) = send(write, head.chain(&held[..used])).await {
                return Ok(Err(error));
            }
            if body.is_complete() || incoming.buffer.is_full() {
                return Ok(Ok(()));
            }
            head = &[];
            let count = incoming.buffer.read_from(incoming.read, body.wanted(SIZE)).await;
            if !matches!(count, Ok(1..)) {
                return Err(Failure::ClientGone);
            }
        }
    }

    /// Sends the rest of a body, leaving in `buffer` what came behind it.
    async fn stream(
        &self,
        read: &mut ReadHalf<'_>,
        write: &mut WriteHalf<'_>,
        body: &mut Body,
        buffer: &mut Buffer,
    ) -> Result<io::Result<()>, Failure> {
        let progress = self.progress;
        while !body.is_complete() {
            let count = buffer.read_from(read, body.wanted(SIZE)).await;
            if !matches!(count, Ok(1..)) {
                return Err(Failure::ClientGone);
            }
            progress.streamed.set(true);
            let used = body.advance(buffer.filled()).map_err(Failure::Refused)?;
            progress.received.set(progress.received.get() + used as u64);
            if body.is_complete() {
                progress.complete();
            }
            if let Err(error) = send(write, &buffer.filled()[..used]).await {
                return Ok(Err(error));
            }
            buffer.consume(used);
        }
        Ok(Ok(()))
    }

    /// All of the request is in the client's buffer.
    fn complete(&self, body: &[u8]) {
        self.progress.complete();
        self.mirrors.send(self.head, body);
    }
}

/// Sends bytes on, all of them.
async fn send(write: &mut WriteHalf<'_>, mut bytes: impl Buf) -> io::Result<()> {
    write.write_all_buf(&mut bytes).await?;
    write.flush().await
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
