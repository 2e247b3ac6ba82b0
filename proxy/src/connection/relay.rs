//! Bytes both ways, unread: in 64 KiB buffers, so that a slow reader slows its writer and nobody else.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::End;
use super::buffer::{Buffer, Buffers, Source};
use super::stream;

/// Bytes relayed.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// From the client.
    pub(crate) received: Cell<u64>,
    /// To the client.
    pub(crate) sent: Cell<u64>,
    /// When the last ones were, or when there were none yet.
    moved: Cell<Instant>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { received: Cell::default(), sent: Cell::default(), moved: Cell::new(Instant::now()) }
    }
}

/// Returns when nothing has moved either way for so long; `None`: never.
pub(crate) async fn idle(traffic: &Traffic, limit: Option<Duration>) {
    let Some(limit) = limit else { return pending().await };
    loop {
        let Some(due) = traffic.moved.get().checked_add(limit) else { return pending().await };
        if due <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(due.into()).await;
    }
}

/// Relays until both sides have ended. `first` goes upstream before anything else.
pub(crate) async fn relay(
    down: (&mut ReadHalf<'_>, &mut WriteHalf<'_>),
    up: (&mut stream::ReadHalf<'_>, &mut stream::WriteHalf<'_>),
    first: Option<Buffer>,
    buffers: &Rc<Buffers>,
    traffic: &Traffic,
) -> End {
    let (down_read, down_write) = down;
    let (up_read, up_write) = up;
    let done = tokio::try_join!(
        async {
            if let Some(first) = first {
                up_write.write_all(first.filled()).await?;
                up_write.flush().await?;
                traffic.received.set(first.filled().len() as u64);
                traffic.moved.set(Instant::now());
            }
            one_way(down_read, up_write, buffers, (&traffic.received, &traffic.moved)).await
        },
        one_way(up_read, down_write, buffers, (&traffic.sent, &traffic.moved)),
    );
    if done.is_ok() {
        return End::Clean;
    }
    // Whoever is left must not take a broken stream for a whole one.
    up_read.reset();
    End::Reset
}

/// One direction. The end of the reader is passed on, and the other direction goes on.
async fn one_way(
    read: &mut impl Source,
    write: &mut (impl AsyncWrite + Unpin),
    buffers: &Rc<Buffers>,
    (count, moved): (&Cell<u64>, &Cell<Instant>),
) -> io::Result<()> {
    loop {
        let buffer = buffers.read(read).await?;
        if buffer.is_empty() {
            return write.shutdown().await;
        }
        write.write_all(buffer.filled()).await?;
        write.flush().await?;
        count.set(count.get() + buffer.filled().len() as u64);
        moved.set(Instant::now());
    }
}

/// Makes closing the stream a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // It fails on a socket that is gone already, and that needs no reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
