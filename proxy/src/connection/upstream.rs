//! A new connection to an endpoint, from inside the pod's network namespace: the endpoint sees the pod's address, and
//! NetworkPolicy and conntrack see what they would have seen without us.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use super::Netns;

/// Istio's default for `connectTimeout`.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Connects to `address` as a process in `netns` would; `own` is the namespace this thread returns to.
pub(crate) async fn connect(netns: &Netns, own: BorrowedFd<'_>, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match netns {
        Netns::Current => open(address)?,
        Netns::Fd(netns) => {
            let socket = inside(netns.as_fd(), own, || open(address))?;
            // The hooks let it through by its mark, wherever the daemon's own cgroup is.
            socket.set_mark(meshlet_wire::OWN_MARK)?;
            socket
        }
    };
    socket.set_tcp_nodelay(true)?;
    let connecting = TcpSocket::from_std_stream(socket.into()).connect(address);
    tokio::time::timeout(CONNECT_LIMIT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
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
