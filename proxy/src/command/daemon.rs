//! A running daemon, asked by its HTTP listeners.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};

/// How long the daemon may take for any step; a large world is compiled for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer is smaller than this.
const LARGEST: u64 = 64 << 20;

/// What was answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: String,
}

/// Asks for `path`.
pub(super) fn get(daemon: SocketAddr, path: &str) -> anyhow::Result<Reply> {
    ask(daemon, &format!("GET {path} HTTP/1.1\r\nhost: {daemon}\r\nconnection: close\r\n\r\n"))
}

/// Puts a question in JSON to `path`.
pub(super) fn post(daemon: SocketAddr, path: &str, question: &str) -> anyhow::Result<Reply> {
    let length = question.len();
    ask(
        daemon,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: {daemon}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{question}"
        ),
    )
}

fn ask(daemon: SocketAddr, request: &str) -> anyhow::Result<Reply> {
    let reply = exchange(daemon, request).map_err(|error| anyhow!("no daemon answers at {daemon}: {error}"))?;
    let (status, body) = split(&reply).with_context(|| format!("the answer of {daemon}, which is no meshlet's"))?;
    let body = String::from_utf8(body.to_vec()).context("the answer is not UTF-8")?;
    Ok(Reply { status, body })
}

fn exchange(daemon: SocketAddr, request: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&daemon, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut reply = Vec::new();
    stream.take(LARGEST).read_to_end(&mut reply)?;
    Ok(reply)
}

/// Status and body; the connection's end is the body's.
fn split(reply: &[u8]) -> anyhow::Result<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(reply)? else { bail!("it ends too early") };
    let body = &reply[length..];
    let declared = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let declared = declared.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    if declared != Some(body.len()) {
        bail!("it is not as long as it says");
    }
    Ok((head.code.unwrap_or_default(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_what_is_no_answer_then_it_is_refused() {
        for reply in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"]
        {
            assert!(split(reply.as_bytes()).is_err(), "{reply}");
        }
        let (status, body) = split(b"HTTP/1.1 404 X\r\nContent-Length: 3\r\n\r\nabc").expect("an answer");
        assert_eq!((status, body), (404, &b"abc"[..]));
    }
}
