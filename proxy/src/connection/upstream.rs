//! A new connection to an endpoint, from inside the pod's network namespace: the endpoint sees the pod's address, and
//! NetworkPolicy and conntrack see what they would have seen without us.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use meshlet_routing::balance::Permit;
use meshlet_routing::model::{ConnectionPool, IdleTimeout};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpSocket;
use tokio::sync::Notify;

use super::Netns;
use super::stream::Stream;
use super::tls::Peer;
use super::worker::Worker;

/// Istio's default for `connectTimeout`.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection without requests is kept, unless its cluster says how long.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// A connection to an endpoint of a cluster.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// The connection.
    pub(crate) stream: Stream,
    opened: Instant,
    requests: u32,
    /// How long it may be without a request; `None`: for ever.
    idle: Option<Duration>,
    _counted: Option<Guard>,
}

impl Upstream {
    /// Nothing was sent yet.
    pub(crate) fn new(stream: Stream, counted: Option<Guard>) -> Self {
        Self { stream, opened: Instant::now(), requests: 0, idle: Some(IDLE_LIMIT), _counted: counted }
    }

    /// One more request is sent on it.
    pub(crate) fn count_request(&mut self) {
        self.requests = self.requests.saturating_add(1);
    }

    /// Whether it takes no further request; else takes over how long it may be idle.
    pub(crate) fn is_spent(&mut self, limits: &ConnectionPool, now: Instant) -> bool {
        self.idle = match limits.idle_timeout() {
            Some(IdleTimeout::Never) => None,
            Some(IdleTimeout::After(idle)) => Some(idle),
            None => Some(IDLE_LIMIT),
        };
        let used_up = limits.max_requests_per_connection.is_some_and(|most| self.requests >= most.get());
        used_up || limits.max_connection_duration.is_some_and(|most| now.duration_since(self.opened) >= most)
    }

    /// Whether it has been without a request for too long.
    pub(crate) fn is_stale(&self, since: Instant, now: Instant) -> bool {
        self.idle.is_some_and(|idle| now.duration_since(since) >= idle)
    }
}

/// Counts a connection towards the limits of its cluster until it is closed, and then wakes those who wait for one.
#[derive(Debug)]
pub(crate) struct Guard {
    permit: Option<Permit>,
    of_endpoint: Rc<Cell<u32>>,
    released: Rc<Notify>,
}

impl Guard {
    pub(crate) fn new(permit: Permit, of_endpoint: Rc<Cell<u32>>, released: Rc<Notify>) -> Self {
        of_endpoint.set(of_endpoint.get() + 1);
        Self { permit: Some(permit), of_endpoint, released }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Whoever wakes up looks at the counts first.
        drop(self.permit.take());
        self.of_endpoint.set(self.of_endpoint.get().saturating_sub(1));
        self.released.notify_waiters();
    }
}

/// Connects to `address` as a process in `netns` would, on this worker's thread; with a `peer`, in TLS.
pub(crate) async fn connect(
    (netns, worker): (&Netns, &Worker),
    address: SocketAddr,
    limits: &ConnectionPool,
    peer: Option<&Peer>,
) -> io::Result<Stream> {
    let socket = match netns {
        Netns::Current => open(address)?,
        Netns::Fd(netns) => {
            let socket = inside(netns.as_fd(), worker.netns(), || open(address))?;
            // The hooks let it through by its mark, wherever the daemon's own cgroup is.
            socket.set_mark(meshlet_wire::OWN_MARK)?;
            socket
        }
    };
    socket.set_tcp_nodelay(true)?;
    keep_alive(&socket, limits)?;
    let limit = limits.connect_timeout.unwrap_or(CONNECT_LIMIT);
    let connecting = async {
        let stream = TcpSocket::from_std_stream(socket.into()).connect(address).await?;
        match peer {
            None => Ok(Stream::Plain(stream)),
            Some(peer) => {
                let secured = worker.tls.handshake(stream, peer, address.ip()).await?;
                Ok(Stream::secured(secured, peer.clone()))
            }
        }
    };
    tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Probes, where the cluster wants them.
fn keep_alive(socket: &Socket, limits: &ConnectionPool) -> io::Result<()> {
    let Some(wanted) = limits.keepalive else { return Ok(()) };
    let mut probes = socket2::TcpKeepalive::new();
    if let Some(time) = wanted.time {
        probes = probes.with_time(time);
    }
    if let Some(interval) = wanted.interval {
        probes = probes.with_interval(interval);
    }
    if let Some(number) = wanted.probes {
        probes = probes.with_retries(number.get());
    }
    SockRef::from(socket).set_tcp_keepalive(&probes)
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
}

/// Runs `work` with this thread in another network namespace. A socket stays where it was made; the thread does not.
fn inside<T>(netns: BorrowedFd<'_>, own: BorrowedFd<'_>, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?;
    let done = work();
    if let Err(error) = move_into_link_name_space(own, Some(LinkNameSpaceType::Network)) {
        // From here every socket would be this pod's, whoever asked for it. Dead, the node is native.
        tracing::error!(%error, "a worker cannot return from a pod's network namespace");
        std::process::abort();
    }
    done
}
