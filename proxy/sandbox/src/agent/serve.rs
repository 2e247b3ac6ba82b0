//! The HTTP/1.1 server of a pod. It answers who it is and what it was asked, and misbehaves on demand:
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request's body, framed as it came |
//! | `/chunked/N` | N chunks of one line each |
//! | `/status/CODE` | that status |
//! | `/slow/MS` | the usual one, after a pause |
//! | `/die` | none: the connection closes |
//! | `/half` | half of the body it announces, then the connection closes |
//! | else | JSON: `pod`, `client`, `method`, `path`, `host`, `headers`, `bodyBytes` |
//!
//! Every answer has the header `x-pod`. A connection whose first byte is not a letter is echoed as it is, but for two that
//! ask otherwise ([`DISCARD`], [`CLOSE`]).

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};

use super::reply::Reply;
use super::{at_work, until_orphaned};
use crate::http::{self, Framing, Head};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// As the first byte of a connection: all that follows is read and dropped.
pub(super) const DISCARD: u8 = 0;

/// As the first byte of a connection: the server closes it.
pub(super) const CLOSE: u8 = 4;

/// Serves until orphaned.
pub(super) fn serve(name: &str, port: u16) -> anyhow::Result<()> {
    let listener = listen(port).with_context(|| format!("listening on port {port}"))?;
    let name: Arc<str> = name.into();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let name = Arc::clone(&name);
            match stream {
                Ok(stream) => drop(thread::spawn(move || connection(stream, &name))),
                // Out of descriptors: some will be closed.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    });
    at_work()?;
    until_orphaned();
    Ok(())
}

/// On all addresses of both families, or of IPv4 where the kernel has no other.
fn listen(port: u16) -> io::Result<TcpListener> {
    let Ok(socket) = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)) else {
        return TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    };
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One connection. A client that breaks off ends it, which is nothing to report.
fn connection(stream: TcpStream, name: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?;
    // An IPv4 client is told what it looks like, not how this socket says it.
    let client = SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string();
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    match reader.fill_buf()?.first() {
        Some(&DISCARD) => return discard(reader.get_mut()),
        Some(&CLOSE) => return Ok(()),
        Some(byte) if !byte.is_ascii_alphabetic() => {
            io::copy(&mut reader, &mut out)?;
            return out.shutdown(std::net::Shutdown::Write);
        }
        _ => {}
    }
    loop {
        let head = match http::read_head(&mut reader) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(error) => return Reply::text(400, &error.to_string()).closing().write(&mut out, "GET", name),
        };
        let framing = head.request_framing()?;
        if head.lists("expect", "100-continue") {
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let request = Request { body: http::read_body(&mut reader, framing)?, framing, client: &client, head };
        let last = request.head.lists("connection", "close") || request.head.start.ends_with(" HTTP/1.0");
        let Some(mut reply) = request.reply(name) else { return Ok(()) };
        reply.close |= last;
        let close = reply.close;
        reply.write(&mut out, request.method(), name)?;
        if close {
            return Ok(());
        }
    }
}

fn discard(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

struct Request<'a> {
    head: Head,
    framing: Framing,
    body: Vec<u8>,
    client: &'a str,
}

impl Request<'_> {
    fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap_or_default()
    }

    fn path(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The answer; none closes the connection.
    fn reply(&self, name: &str) -> Option<Reply> {
        let path = self.path().split('?').next().unwrap_or_default();
        let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match words[..] {
            ["echo"] => Some(match self.framing {
                Framing::Chunked => Reply::chunks(vec![self.body.clone()]),
                _ => Reply::bytes(self.body.clone()),
            }),
            ["chunked", count] => {
                let count: usize = count.parse().unwrap_or(1);
                Some(Reply::chunks((1..=count).map(|chunk| format!("{chunk} of {count}\n").into_bytes()).collect()))
            }
            ["status", code] => code.parse().ok().map(|code| Reply::text(code, "as asked\n")),
            ["slow", pause] => {
                thread::sleep(Duration::from_millis(pause.parse().unwrap_or(0)));
                Some(self.identity(name))
            }
            ["die"] => None,
            ["half"] => Some(Reply::half(b"the first half, and ")),
            _ => Some(self.identity(name)),
        }
    }

    fn identity(&self, name: &str) -> Reply {
        Reply::json(&serde_json::json!({
            "pod": name,
            "client": self.client,
            "method": self.method(),
            "path": self.path(),
            "host": self.head.header("host"),
            "headers": self.head.headers,
            "bodyBytes": self.body.len(),
        }))
    }
}
