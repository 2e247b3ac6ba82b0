//! HTTP requests of a client, one after the other.

use std::io::{self, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::socket;
use crate::http::{self, Head};
use crate::protocol::{Answer, ConnectCall, HttpCall};

/// How long one call may take in all: hundreds of requests are a second natively, and half a minute emulated beside other work.
const LONGEST: Duration = Duration::from_secs(120);

/// How much of a body is reported.
const SHOWN: usize = 64 * 1024;

/// Sends what the call asks for.
pub(super) fn call(call: &HttpCall) -> Vec<Answer> {
    let started = Instant::now();
    let mut open: Option<Exchange> = None;
    let mut connections = 0;
    let mut answers = Vec::with_capacity(call.count);
    while answers.len() < call.count && started.elapsed() < LONGEST {
        let exchange = match open.take() {
            Some(exchange) => Ok(exchange),
            None => {
                connections += 1;
                Exchange::open(&dial(call))
            }
        };
        let mut answer = Answer { connection: connections - 1, ..Answer::default() };
        match exchange
            .and_then(|mut exchange| exchange.request(call, &mut answer).map(|again| again.then_some(exchange)))
        {
            Ok(again) => open = again,
            Err(error) => answer.error = Some(error.to_string()),
        }
        answers.push(answer);
    }
    answers
}

fn dial(call: &HttpCall) -> ConnectCall {
    ConnectCall { mapped: call.mapped, nonblocking: call.nonblocking, ..ConnectCall::to(call.to) }
}

/// A connection between requests.
pub(super) struct Exchange {
    reader: BufReader<TcpStream>,
}

impl Exchange {
    pub(super) fn open(call: &ConnectCall) -> io::Result<Self> {
        Ok(Self { reader: BufReader::new(socket::connect(call)?) })
    }

    /// One request; whether the connection can carry another one.
    pub(super) fn request(&mut self, call: &HttpCall, answer: &mut Answer) -> io::Result<bool> {
        let stream = self.reader.get_ref();
        answer.peer = Some(stream.peer_addr()?.to_string());
        answer.local = Some(stream.local_addr()?.to_string());
        let (request, held_back) = request(call)?;
        self.reader.get_mut().write_all(&request)?;
        let head = self.head(call, held_back, answer)?;
        answer.status = Some(head.status()?);
        answer.pod = head.header("x-pod").map(str::to_owned);
        let framing = head.response_framing(&call.method)?;
        let again = call.keep_alive && !head.lists("connection", "close") && framing != http::Framing::UntilClose;
        answer.headers = head.headers;
        let body = http::read_body(&mut self.reader, framing)?;
        answer.body_bytes = body.len();
        answer.client = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| body.get("client").and_then(Value::as_str).map(str::to_owned));
        answer.body = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
        Ok(again)
    }

    /// The final head; a body that was held back is sent after `100 Continue`.
    fn head(&mut self, call: &HttpCall, mut held_back: Vec<u8>, answer: &mut Answer) -> io::Result<Head> {
        loop {
            let head = http::read_head(&mut self.reader)?.ok_or_else(|| http::invalid("closed without an answer"))?;
            match head.status()? {
                // Switching protocols is final.
                status @ (100 | 102..=199) => {
                    answer.interim.push(status);
                    if status == 100 {
                        self.reader.get_mut().write_all(&std::mem::take(&mut held_back))?;
                    }
                }
                _ if held_back.is_empty() || call.body.is_empty() => return Ok(head),
                // Refused before the body was sent: the server still waits for one, so nothing else can follow.
                _ => return Ok(closing(head)),
            }
        }
    }
}

fn closing(mut head: Head) -> Head {
    head.headers.push(("connection".to_owned(), "close".to_owned()));
    head
}

/// The request's bytes: those to send at once, and the body if it is to be held back.
fn request(call: &HttpCall) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let has = |name: &str| call.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", call.method, call.path, call.host);
    for (name, value) in &call.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut body = Vec::new();
    if has("transfer-encoding") {
        if !call.body.is_empty() {
            http::write_chunk(&mut body, call.body.as_bytes())?;
        }
        http::write_chunk(&mut body, b"")?;
    } else if !call.body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", call.body.len()));
        body.extend_from_slice(call.body.as_bytes());
    }
    if !call.keep_alive {
        head.push_str("connection: close\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    if has("expect") {
        return Ok((bytes, body));
    }
    bytes.append(&mut body);
    Ok((bytes, body))
}
