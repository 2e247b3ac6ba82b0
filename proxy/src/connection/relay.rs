//! Bytes both ways, unread: in 64 KiB buffers, so that a slow reader slows its writer and nobody else.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use meshlet_routing::model::ConnectionPool;
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::buffer::{Buffer, Buffers};
use super::failure::connect_reason;
use super::flags::Flags;
use super::report::{PASSTHROUGH_CLUSTER, Record};
use super::{Downstream, End, upstream};

/// Bytes relayed.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// From the client.
    pub(crate) received: Cell<u64>,
    /// To the client.
    pub(crate) sent: Cell<u64>,
}

/// Takes a connection to where the client dialled. `first` was already read from it.
pub(crate) async fn passthrough(
    downstream: &Downstream,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    first: Option<Buffer>,
) -> End {
    let (worker, client) = (&downstream.worker, &downstream.pod.client);
    let address = SocketAddr::new(downstream.dialled.address, downstream.dialled.port);
    let mut record = Record::new(downstream.accepted, PASSTHROUGH_CLUSTER, "");
    record.upstream = Some(address);
    let traffic = Traffic::default();
    let end = match upstream::connect(&client.netns, worker.netns(), address, &ConnectionPool::UNSET).await {
        Ok(mut stream) => {
            record.upstream_local = downstream.logs().then(|| stream.local_addr().ok()).flatten();
            let (mut up_read, mut up_write) = stream.split();
            relay((read, write), (&mut up_read, &mut up_write), first, &worker.buffers, &traffic).await
        }
        Err(error) => {
            record.flags = Flags::UF;
            record.failure = Some(connect_reason(&error));
            End::Reset
        }
    };
    record.received = traffic.received.get();
    record.sent = traffic.sent.get();
    downstream.report(&record);
    end
}

/// Relays until both sides have ended. `first` goes upstream before anything else.
pub(crate) async fn relay(
    down: (&mut ReadHalf<'_>, &mut WriteHalf<'_>),
    up: (&mut ReadHalf<'_>, &mut WriteHalf<'_>),
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
                traffic.received.set(first.filled().len() as u64);
            }
            one_way(down_read, up_write, buffers, &traffic.received).await
        },
        one_way(up_read, down_write, buffers, &traffic.sent),
    );
    if done.is_ok() {
        return End::Clean;
    }
    // Whoever is left must not take a broken stream for a whole one.
    reset(up_read.as_ref());
    End::Reset
}

/// One direction. The end of the reader is passed on, and the other direction goes on.
async fn one_way(
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    buffers: &Rc<Buffers>,
    count: &Cell<u64>,
) -> io::Result<()> {
    loop {
        let buffer = buffers.read(read).await?;
        if buffer.is_empty() {
            return write.shutdown().await;
        }
        write.write_all(buffer.filled()).await?;
        count.set(count.get() + buffer.filled().len() as u64);
    }
}

/// Makes closing the stream a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // It fails on a socket that is gone already, and that needs no reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
