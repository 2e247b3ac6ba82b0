//! An answer of the server, and how it is written.

use std::io::{self, Write};

use serde_json::Value;

use crate::http::write_chunk;

/// A status and a body.
pub(super) struct Reply {
    status: u16,
    kind: &'static str,
    body: Body,
    /// Say that the connection closes, and close it.
    pub(super) close: bool,
}

enum Body {
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
    /// Announced twice as long as it is.
    Half(&'static [u8]),
}

impl Reply {
    pub(super) fn json(value: &Value) -> Self {
        Self { kind: "application/json", ..Self::bytes(format!("{value}\n").into_bytes()) }
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self { status, kind: "text/plain", ..Self::bytes(text.as_bytes().to_vec()) }
    }

    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self { status: 200, kind: "application/octet-stream", body: Body::Sized(bytes), close: false }
    }

    pub(super) fn chunks(chunks: Vec<Vec<u8>>) -> Self {
        Self { body: Body::Chunked(chunks), ..Self::bytes(Vec::new()) }
    }

    /// Half an answer, after which the connection has to close.
    pub(super) fn half(bytes: &'static [u8]) -> Self {
        Self { body: Body::Half(bytes), close: true, ..Self::bytes(Vec::new()) }
    }

    pub(super) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Writes it as the answer of pod `name` to a `method` request.
    pub(super) fn write(self, out: &mut impl Write, method: &str, name: &str) -> io::Result<()> {
        let bodiless = matches!(self.status, 204 | 304);
        let framing = match &self.body {
            _ if bodiless => String::new(),
            Body::Sized(bytes) => format!("content-length: {}\r\n", bytes.len()),
            Body::Half(bytes) => format!("content-length: {}\r\n", bytes.len() * 2),
            Body::Chunked(_) => "transfer-encoding: chunked\r\n".to_owned(),
        };
        // Half an answer must come as a surprise.
        let announced = self.close && !matches!(self.body, Body::Half(_));
        let connection = if announced { "connection: close\r\n" } else { "" };
        let (status, kind) = (self.status, self.kind);
        let mut message =
            format!("HTTP/1.1 {status} Sandbox\r\nx-pod: {name}\r\ncontent-type: {kind}\r\n{framing}{connection}\r\n")
                .into_bytes();
        match &self.body {
            _ if bodiless || method == "HEAD" => {}
            Body::Sized(bytes) => message.extend_from_slice(bytes),
            Body::Half(bytes) => message.extend_from_slice(bytes),
            Body::Chunked(chunks) => {
                // Each chunk in a write of its own, so that they arrive as chunks.
                out.write_all(&message)?;
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    write_chunk(out, chunk)?;
                }
                return write_chunk(out, b"");
            }
        }
        out.write_all(&message)
    }
}
