//! The capture listeners of one pod, inside its network namespace.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::netns_cookie;

/// Waiting connections per listener; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Listeners of one pod: one per worker on one port, so that a connection is served on the core its client runs on.
pub(crate) struct PodListeners {
    /// Identity of the pod's network namespace.
    pub(crate) cookie: u64,
    /// The port they share.
    pub(crate) port: u16,
    /// In the order of the workers.
    pub(crate) sockets: Vec<TcpListener>,
}

/// Opens the listeners in the *calling thread's* network namespace, at `port` or, where the pod uses that one itself, at a
/// free one: the pod map holds whichever it is.
pub(crate) fn open(port: u16, workers: usize) -> anyhow::Result<PodListeners> {
    let first = listen(port, 0).or_else(|_| listen(0, 0)).context("listening in the pod's network namespace")?;
    let port = first.local_addr().context("reading the listener's address")?.port();
    let cookie = netns_cookie(first.as_fd()).context("reading the network namespace's cookie (Linux 5.14)")?;
    let mut sockets = vec![first];
    for worker in 1..workers {
        sockets.push(listen(port, worker).with_context(|| format!("listening on port {port} for worker {worker}"))?);
    }
    Ok(PodListeners { cookie, port, sockets })
}

/// 0.0.0.0 bound to lo: every 127.64.x.y arrives here, and from outside the pod the port is closed.
fn listen(port: u16, worker: usize) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind_device(Some(b"lo"))?;
    // Steers a connection to the worker on the CPU that its SYN ran on: the client's.
    socket.set_cpu_affinity(worker)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
