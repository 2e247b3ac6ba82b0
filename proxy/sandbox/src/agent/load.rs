//! A benchmark's load: one kind, from one thread, for a while.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::serve::{CLOSE, DISCARD};
use super::socket;
use crate::protocol::{ConnectCall, Load, LoadCall, LoadReport};

/// What the server echoes.
const ECHO: u8 = b'1';

/// What one write offers the kernel.
static BLOCK: [u8; 64 * 1024] = [DISCARD; 64 * 1024];

/// Does what the call asks for. Any failure ends it: what is left would not be comparable.
pub(super) fn load(call: &LoadCall) -> io::Result<LoadReport> {
    let window = Duration::from_millis(call.millis);
    let (amount, time, peer) = match call.load {
        Load::Bulk => bulk(call.to, window)?,
        Load::PingPong => ping_pong(call.to, window)?,
        Load::Connects => connects(call.to, window)?,
    };
    Ok(LoadReport { amount, nanos: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), peer })
}

fn open(to: SocketAddr) -> io::Result<TcpStream> {
    socket::connect(&ConnectCall::to(to))
}

fn bulk(to: SocketAddr, window: Duration) -> io::Result<(u64, Duration, SocketAddr)> {
    let mut stream = open(to)?;
    let (peer, start, mut bytes) = (stream.peer_addr()?, Instant::now(), 0);
    while start.elapsed() < window {
        bytes += stream.write(&BLOCK)?;
    }
    stream.shutdown(Shutdown::Write)?;
    // The server closes when it has read all.
    stream.read_to_end(&mut Vec::new())?;
    Ok((bytes as u64, start.elapsed(), peer))
}

fn ping_pong(to: SocketAddr, window: Duration) -> io::Result<(u64, Duration, SocketAddr)> {
    let mut stream = open(to)?;
    let (peer, start, mut round_trips) = (stream.peer_addr()?, Instant::now(), 0);
    let mut byte = [ECHO];
    while start.elapsed() < window {
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
        round_trips += 1;
    }
    Ok((round_trips, start.elapsed(), peer))
}

fn connects(to: SocketAddr, window: Duration) -> io::Result<(u64, Duration, SocketAddr)> {
    let (start, mut time, mut count) = (Instant::now(), Duration::ZERO, 0);
    loop {
        let before = Instant::now();
        let mut stream = open(to)?;
        time += before.elapsed();
        count += 1;
        let peer = stream.peer_addr()?;
        // The server closes first, so that no port of ours has to wait before it is used again.
        stream.write_all(&[CLOSE])?;
        stream.read_to_end(&mut Vec::new())?;
        if start.elapsed() >= window {
            return Ok((count, time, peer));
        }
    }
}
