//! The response's way to the client; it runs beside [`super::upload`].

use std::rc::Rc;
use std::time::Instant;

use bytes::Buf as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::buffer::{Buffer, Buffers, SIZE};
use super::edits::{Answered, Edits};
use super::failure::Failure;
use super::head::{NoHead, read_head};
use super::pod::Pod;
use super::upload::Progress;
use crate::protocol::http1::body::Body;
use crate::protocol::http1::forward;
use crate::protocol::http1::framing::Framing;
use crate::protocol::http1::request::RequestHead;
use crate::protocol::http1::response::ResponseHead;

/// Memory for a response's head, kept from response to response.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// As it was read.
    pub(crate) head: ResponseHead,
    /// As it is sent.
    out: Vec<u8>,
}

impl Response {
    /// Writes the final head as the route changes it.
    fn write(&mut self, bytes: &[u8], close: bool, edits: Edits<'_>, answered: Answered<'_>) {
        let Self { head, out } = self;
        if edits.spare_responses() {
            return forward::response(out, head, bytes, close);
        }
        let mut lines = forward::response_lines(head, bytes);
        edits.response(&mut lines, Answered { status: head.status, ..answered });
        forward::changed_response(out, head, bytes, close, &lines);
    }
}

/// A response that was delivered.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// When its head was there.
    pub(crate) answered: Instant,
    /// The endpoint's connection can be used again, if the request was sent as a whole.
    pub(crate) reusable: bool,
    /// The client was told that its connection ends.
    pub(crate) close: bool,
    /// Both sides now speak another protocol.
    pub(crate) switched: bool,
}

/// Delivers one response.
pub(crate) struct Download<'d> {
    /// What it answers.
    pub(crate) request: &'d RequestHead,
    /// Whose it is.
    pub(crate) pod: &'d Pod,
    /// Memory for its bytes.
    pub(crate) buffers: &'d Rc<Buffers>,
    /// Shared with the request's direction.
    pub(crate) progress: &'d Progress,
    /// Memory for its head.
    pub(crate) response: &'d mut Response,
    /// What the route does with it.
    pub(crate) edits: Edits<'d>,
    /// What that may depend on.
    pub(crate) answered: Answered<'d>,
}

impl Download<'_> {
    /// Reads it from the endpoint and writes it to the client as it comes, interim responses included.
    pub(crate) async fn run(
        mut self,
        read: &mut ReadHalf<'_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Delivered, Failure> {
        let mut buffer = self.buffers.read(read).await.map_err(|_| Failure::Silent)?;
        if buffer.is_empty() {
            return Err(Failure::Silent);
        }
        loop {
            let head = &mut self.response.head;
            read_head(read, &mut buffer, |bytes| head.parse(bytes)).await.map_err(|no_head| match no_head {
                NoHead::Ended => Failure::Broken,
                NoHead::Refused(_) => Failure::Nonsense,
            })?;
            if !head.is_interim() {
                break;
            }
            forward::response(&mut self.response.out, head, buffer.filled(), false);
            write.write_all(&self.response.out).await.map_err(|_| Failure::ClientGone)?;
            buffer.consume(head.length);
        }
        let answered = Instant::now();
        if self.response.head.switches() {
            return self.switch(write, &buffer, answered).await;
        }
        let framing = self.response.head.framing(self.request.is_head());
        let close = self.request.close || self.pod.is_closing() || framing == Framing::UntilClose;
        let mut body = Body::new(framing);
        self.start(write, &mut buffer, &mut body, close).await?;
        self.stream(read, write, &mut buffer, &mut body).await?;
        let reusable = self.response.head.keeps_alive && body.is_complete() && buffer.is_empty();
        Ok(Delivered { answered, reusable, close, switched: false })
    }

    /// Sends the head and what is there of the body.
    async fn start(
        &mut self,
        write: &mut WriteHalf<'_>,
        buffer: &mut Buffer,
        body: &mut Body,
        close: bool,
    ) -> Result<(), Failure> {
        self.response.write(buffer.filled(), close, self.edits, self.answered);
        let Response { head, out, .. } = &mut *self.response;
        let held = &buffer.filled()[head.length..];
        let used = body.advance(held).map_err(|_| Failure::Nonsense)?;
        self.progress.answered.set(true);
        write.write_all_buf(&mut out.chain(&held[..used])).await.map_err(|_| Failure::ClientGone)?;
        self.progress.sent.set(used as u64);
        buffer.consume(head.length + used);
        Ok(())
    }

    async fn stream(
        &mut self,
        read: &mut ReadHalf<'_>,
        write: &mut WriteHalf<'_>,
        buffer: &mut Buffer,
        body: &mut Body,
    ) -> Result<(), Failure> {
        while !body.is_complete() {
            match buffer.read_from(read, body.wanted(SIZE)).await {
                Ok(0) if matches!(body, Body::UntilClose) => return Ok(()),
                Ok(0) | Err(_) => return Err(Failure::Broken),
                Ok(_) => {}
            }
            let used = body.advance(buffer.filled()).map_err(|_| Failure::Nonsense)?;
            write.write_all(&buffer.filled()[..used]).await.map_err(|_| Failure::ClientGone)?;
            self.progress.sent.set(self.progress.sent.get() + used as u64);
            buffer.consume(used);
        }
        Ok(())
    }

    /// Sends a 101 and what the endpoint has already said in the new protocol.
    async fn switch(self, write: &mut WriteHalf<'_>, buffer: &Buffer, answered: Instant) -> Result<Delivered, Failure> {
        if !self.request.is_upgrade() {
            return Err(Failure::Nonsense);
        }
        self.response.write(buffer.filled(), false, self.edits, self.answered);
        let Response { head, out, .. } = &mut *self.response;
        self.progress.answered.set(true);
        write.write_all_buf(&mut out.chain(&buffer.filled()[head.length..])).await.map_err(|_| Failure::ClientGone)?;
        Ok(Delivered { answered, reusable: false, close: true, switched: true })
    }
}
