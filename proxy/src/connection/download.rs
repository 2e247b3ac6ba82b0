//! The response's way to the client; it runs beside [`super::upload`].

use std::rc::Rc;
use std::time::Duration;

use bytes::Buf as _;
use meshlet_routing::retry::Attempt;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::WriteHalf;

use super::buffer::{Buffer, Buffers, SIZE};
use super::edits::{Answered, Edits};
use super::failure::Failure;
use super::flags::Flags;
use super::head::{NoHead, read_head};
use super::pod::Pod;
use super::stream::ReadHalf;
use super::tries::{Next, Tries};
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
        let service_time = answered.service_time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        if edits.spare_responses() {
            return forward::response(out, head, bytes, close, service_time);
        }
        let mut lines = forward::response_lines(head, bytes, service_time);
        edits.response(&mut lines, Answered { status: head.status, ..answered });
        forward::changed_response(out, head, bytes, close, &lines);
    }
}

/// What became of a response.
#[derive(Debug)]
pub(crate) enum Downloaded {
    /// The client has it.
    Delivered(Delivered),
    /// The route wants another try instead.
    Unwanted {
        /// The endpoint's connection can be used again.
        reusable: bool,
    },
}

/// A response that was delivered.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// From the end of the request to the response's head, if they came in this order.
    pub(crate) service_time: Option<Duration>,
    /// The endpoint's connection can be used again, if the request was sent as a whole.
    pub(crate) reusable: bool,
    /// The client was told that its connection ends.
    pub(crate) close: bool,
    /// Both sides now speak another protocol.
    pub(crate) switched: bool,
    /// Why there is no further try that the route would have wanted.
    pub(crate) flags: Flags,
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
    /// Which try it answers.
    pub(crate) tries: Tries<'d>,
}

impl Download<'_> {
    /// Reads it from the endpoint and writes it to the client as it comes, interim responses included.
    pub(crate) async fn run(
        mut self,
        read: &mut ReadHalf<'_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Downloaded, Failure> {
        let mut buffer = self.final_head(read, write).await?;
        let service_time = self.progress.since_whole().filter(|_| !self.request.is_upgrade());
        self.answered.service_time = service_time;
        let next = self.next(buffer.filled());
        let framing = self.response.head.framing(self.request.is_head());
        let mut body = Body::new(framing);
        if next == Next::Again {
            let length = self.response.head.length;
            let used = body.advance(&buffer.filled()[length..]);
            let whole = body.is_complete() && used == Ok(buffer.filled().len() - length);
            return Ok(Downloaded::Unwanted { reusable: whole && self.response.head.keeps_alive });
        }
        let flags = next.flags();
        if self.response.head.switches() {
            self.switch(write, &buffer).await?;
            let delivered = Delivered { service_time, reusable: false, close: true, switched: true, flags };
            return Ok(Downloaded::Delivered(delivered));
        }
        let close = self.request.close || self.pod.is_closing() || framing == Framing::UntilClose;
        self.start(write, &mut buffer, &mut body, close).await?;
        self.stream(read, write, &mut buffer, &mut body).await?;
        let reusable = self.response.head.keeps_alive && body.is_complete() && buffer.is_empty();
        Ok(Downloaded::Delivered(Delivered { service_time, reusable, close, switched: false, flags }))
    }

    /// Reads up to the final response's head, which stays at the start of the buffer; interim ones go to the client.
    async fn final_head(&mut self, read: &mut ReadHalf<'_>, write: &mut WriteHalf<'_>) -> Result<Buffer, Failure> {
        let mut buffer = self.buffers.read(read).await.map_err(|_| Failure::Silent)?;
        if buffer.is_empty() {
            return Err(Failure::Silent);
        }
        let Response { head, out } = &mut *self.response;
        loop {
            read_head(read, &mut buffer, |bytes| head.parse(bytes)).await.map_err(|no_head| match no_head {
                NoHead::Ended => Failure::Broken,
                NoHead::Refused(_) => Failure::Nonsense,
            })?;
            if !head.is_interim() {
                return Ok(buffer);
            }
            forward::response(out, head, buffer.filled(), false, None);
            write.write_all(out).await.map_err(|_| Failure::ClientGone)?;
            buffer.consume(head.length);
        }
    }

    /// What the head in `bytes` means for the tries.
    fn next(&self, bytes: &[u8]) -> Next {
        let head = &self.response.head;
        let named = |(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value);
        let next = self.tries.after(Attempt::answered(head.status, head.fields.iter(bytes).map(named)));
        if self.progress.streamed.get() { Next::Over } else { next }
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
    async fn switch(self, write: &mut WriteHalf<'_>, buffer: &Buffer) -> Result<(), Failure> {
        if !self.request.is_upgrade() {
            return Err(Failure::Nonsense);
        }
        self.response.write(buffer.filled(), false, self.edits, self.answered);
        let Response { head, out, .. } = &mut *self.response;
        self.progress.answered.set(true);
        write.write_all_buf(&mut out.chain(&buffer.filled()[head.length..])).await.map_err(|_| Failure::ClientGone)
    }
}
