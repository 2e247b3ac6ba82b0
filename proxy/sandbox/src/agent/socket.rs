//! Sockets opened in the ways that applications open them.

use std::io;
use std::net::{SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::protocol::{ConnectCall, Connected};

/// How long one step of an exchange may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Opens a TCP connection as asked; reading and writing then have their time limit.
pub(super) fn connect(call: &ConnectCall) -> io::Result<TcpStream> {
    let to = if call.mapped { mapped(call.to) } else { call.to };
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // Linux counts a blocking connect as sending.
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(device) = &call.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(address) = call.bind {
        let from = SocketAddr::new(address, 0);
        socket.bind(&if call.mapped { mapped(from) } else { from }.into())?;
    }
    if let Some(first) = call.first
        && socket.connect(&first.into()).is_ok()
    {
        return Err(io::Error::other(format!("{first} was expected to refuse")));
    }
    if call.nonblocking {
        connect_nonblocking(&socket, to)?;
    } else {
        socket.connect(&to.into())?;
    }
    Ok(socket.into())
}

fn connect_nonblocking(socket: &Socket, to: SocketAddr) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        other => other?,
    }
    let limit = Timespec { tv_sec: i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    if poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&limit))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    socket.set_nonblocking(false)
}

/// What connect(2), getpeername and getsockname say.
pub(super) fn try_connect(call: &ConnectCall) -> Connected {
    report(connect(call).map(|stream| (stream.peer_addr(), stream.local_addr())))
}

/// The same for UDP.
pub(super) fn try_udp(to: SocketAddr) -> Connected {
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let connected = UdpSocket::bind(any).and_then(|socket| socket.connect(to).map(|()| socket));
    report(connected.map(|socket| (socket.peer_addr(), socket.local_addr())))
}

fn report(connected: io::Result<(io::Result<SocketAddr>, io::Result<SocketAddr>)>) -> Connected {
    let name = |address: io::Result<SocketAddr>| {
        Some(address.map_or_else(|error| error.to_string(), |address| address.to_string()))
    };
    match connected {
        Ok((peer, local)) => Connected { peer: name(peer), local: name(local), error: None },
        Err(error) => Connected { error: Some(error.to_string()), ..Connected::default() },
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        v6 @ SocketAddr::V6(_) => v6,
    }
}
