//! Buffers of 64 KiB, borrowed while bytes are under way: an idle connection holds none.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::net::tcp::ReadHalf;

use crate::protocol::http1::MAX_HEAD;

/// The most that is held per direction of a connection; a head fits in.
pub(crate) const SIZE: usize = MAX_HEAD;

/// Free buffers that a worker keeps for the next connection.
const KEPT: usize = 64;

/// Where bytes come from.
pub(crate) trait Source: AsyncRead + Unpin {
    /// Pending for as long as a read would only find that there is nothing.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Source for ReadHalf<'_> {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_ref().poll_read_ready(context)
    }
}

/// One worker's free buffers.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: RefCell<Vec<Box<[u8]>>>,
}

impl Buffers {
    /// An empty buffer; it comes back when dropped.
    pub(crate) fn take(self: &Rc<Self>) -> Buffer {
        let bytes = self.free.borrow_mut().pop().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice());
        Buffer { bytes, start: 0, end: 0, home: Rc::clone(self) }
    }

    /// Reads once into a buffer that is taken only when there is something to read; empty at the end of the stream.
    /// Cancel safe. Readiness alone would not do: tokio takes a socket that was
    /// just accepted for ready (tokio 1.54 net/tcp/stream.rs, new_accepted).
    pub(crate) async fn read(self: &Rc<Self>, read: &mut impl Source) -> io::Result<Buffer> {
        poll_fn(|context| {
            ready!(read.poll_ready(context))?;
            let mut buffer = self.take();
            let mut into = ReadBuf::new(&mut buffer.bytes);
            ready!(Pin::new(&mut *read).poll_read(context, &mut into))?;
            buffer.end = into.filled().len();
            Poll::Ready(Ok(buffer))
        })
        .await
    }
}

/// Bytes that were read and not yet used.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    home: Rc<Buffers>,
}

impl Buffer {
    /// The bytes held.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The bytes held, to change in place.
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether nothing more can be read.
    pub(crate) fn is_full(&self) -> bool {
        self.filled().len() == SIZE
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end, "only bytes that are held are consumed");
    }

    /// Reads once, at most `limit` bytes, behind those held; 0 at the end of the stream. Cancel safe. Neither `limit` nor
    /// the room may be 0.
    pub(crate) async fn read_from(&mut self, read: &mut impl Source, limit: usize) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == SIZE {
            self.bytes.copy_within(self.start.., 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let end = SIZE.min(self.end.saturating_add(limit));
        let count = read.read(&mut self.bytes[self.end..end]).await?;
        self.end += count;
        Ok(count)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.home.free.borrow_mut();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}
