//! A running daemon, asked by its HTTP listeners: over TCP, or over whatever stream leads there.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the daemon may take for any step; a large world is compiled for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer is smaller than this.
const LARGEST: usize = 64 << 20;

/// What is read at once.
const CHUNK: usize = 64 << 10;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    path: String,
    /// JSON; without it, it is a GET.
    body: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: String,
}

impl Question {
    /// Asks for `path`.
    pub(crate) fn get(path: &str) -> Self {
        Self { path: path.to_owned(), body: None }
    }

    /// Puts a question in JSON to `path`.
    pub(crate) fn post(path: &str, question: String) -> Self {
        Self { path: path.to_owned(), body: Some(question) }
    }

    fn request(&self, host: &str) -> String {
        let path = &self.path;
        match &self.body {
            None => format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"),
            Some(body) => format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            ),
        }
    }

    /// Asks the daemon that listens at an address.
    pub(crate) async fn ask(&self, daemon: SocketAddr) -> anyhow::Result<Reply> {
        let connected = within(TcpStream::connect(daemon)).await;
        let stream = connected.map_err(|error| anyhow!("no daemon answers at {daemon}: {error}"))?;
        self.ask_over(stream, &daemon.to_string()).await
    }

    /// Asks the daemon at the other end of a stream.
    pub(crate) async fn ask_over(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        daemon: &str,
    ) -> anyhow::Result<Reply> {
        let exchange = async {
            within(stream.write_all(self.request(daemon).as_bytes())).await?;
            read(&mut stream).await
        };
        let reply = exchange.await.map_err(|error| anyhow!("no daemon answers at {daemon}: {error}"))?;
        let (status, body) = split(&reply).with_context(|| format!("the answer of {daemon}, which is no meshlet's"))?;
        let body = String::from_utf8(body.to_vec()).context("the answer is not UTF-8")?;
        Ok(Reply { status, body })
    }
}

/// Asks for `path`.
pub(super) fn get(daemon: SocketAddr, path: &str) -> anyhow::Result<Reply> {
    block_on(Question::get(path).ask(daemon))?
}

/// Runs to the end what a command does over the network.
pub(super) fn block_on<F: Future>(task: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    Ok(runtime.block_on(task))
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || Err(io::Error::new(io::ErrorKind::TimedOut, format!("not within {PATIENCE:?}")));
    timeout(PATIENCE, step).await.unwrap_or_else(|_| late())
}

/// An answer as far as it says it goes: a stream through the API server may stay open behind it.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    while reply.len() < LARGEST && split(&reply).is_err() {
        reply.reserve(CHUNK);
        if within(stream.read_buf(&mut reply)).await? == 0 {
            break;
        }
    }
    Ok(reply)
}

/// Status and body, once both are there.
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

    #[tokio::test]
    async fn given_any_stream_then_a_question_goes_over_it_and_the_answer_ends_where_it_says() {
        for (question, expected) in [
            (Question::get("/a?b"), "GET /a?b HTTP/1.1\r\nhost: pod meshlet-a\r\nconnection: close\r\n\r\n"),
            (
                Question::post("/c", "{}".to_owned()),
                "POST /c HTTP/1.1\r\nhost: pod meshlet-a\r\nconnection: close\r\ncontent-type: application/json\r\n\
                 content-length: 2\r\n\r\n{}",
            ),
        ] {
            let (near, mut far) = tokio::io::duplex(8);
            let daemon = async {
                let mut asked = vec![0; expected.len()];
                far.read_exact(&mut asked).await.expect("a question");
                far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello").await.expect("written");
                far.write_all(b" world").await.expect("written");
                // It stays open.
                (String::from_utf8(asked).expect("text"), far)
            };
            let ((asked, _far), reply) = tokio::join!(daemon, question.ask_over(near, "pod meshlet-a"));
            assert_eq!(asked, expected);
            let reply = reply.expect("an answer");
            assert_eq!((reply.status, &*reply.body), (200, "hello world"));
        }
    }

    #[tokio::test]
    async fn given_a_stream_that_ends_too_early_then_it_says_whose_answer_is_missing() {
        let (near, far) = tokio::io::duplex(1024);
        drop(far);
        let error = Question::get("/").ask_over(near, "pod meshlet-a").await.expect_err("nobody is there");
        assert!(format!("{error:#}").contains("no daemon answers at pod meshlet-a"), "{error:#}");
    }
}
