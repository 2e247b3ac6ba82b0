//! HTTP/1.1 as both ends of a test need it: blocking, and small enough to be trusted.

use std::io::{self, BufRead, ErrorKind, Read, Write};

/// A head longer than this is an error.
const LONGEST_HEAD: u64 = 1024 * 1024;

/// A request's or a response's first line and headers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) start: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a header's comma-separated list holds the word.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.headers
            .iter()
            .filter(|(key, _)| key == name)
            .any(|(_, value)| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
    }

    /// The status in a response's first line.
    pub(crate) fn status(&self) -> io::Result<u16> {
        let status = self.start.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        status
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| invalid(&format!("no status line: {:?}", self.start)))
    }

    /// How the body is delimited; `unsized_end` holds when nothing is said.
    fn framing(&self, unsized_end: Framing) -> io::Result<Framing> {
        if self.lists("transfer-encoding", "chunked") {
            return Ok(Framing::Chunked);
        }
        match self.header("content-length") {
            Some(length) => length.parse().map(Framing::Sized).map_err(|_| invalid("bad content-length")),
            None => Ok(unsized_end),
        }
    }

    /// How a request's body is delimited.
    pub(crate) fn request_framing(&self) -> io::Result<Framing> {
        self.framing(Framing::Sized(0))
    }

    /// How the body of the response to a `method` request is delimited.
    pub(crate) fn response_framing(&self, method: &str) -> io::Result<Framing> {
        let bodiless = method == "HEAD" || matches!(self.status()?, 100..=199 | 204 | 304);
        if bodiless { Ok(Framing::Sized(0)) } else { self.framing(Framing::UntilClose) }
    }
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Sized(u64),
    /// After the last chunk and its trailers.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Reads a head; `None` when the connection ends before its first byte.
pub(crate) fn read_head(from: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut limited = from.take(LONGEST_HEAD);
    let start = match read_line(&mut limited) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && limited.limit() == LONGEST_HEAD => return Ok(None),
        line => line?,
    };
    let mut headers = Vec::new();
    loop {
        let line = read_line(&mut limited)?;
        if line.is_empty() {
            return Ok(Some(Head { start, headers }));
        }
        let (name, value) =
            line.split_once(':').ok_or_else(|| invalid(&format!("header without a colon: {line:?}")))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Reads a body to its end. One that is cut short is an error.
pub(crate) fn read_body(from: &mut impl BufRead, framing: Framing) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match framing {
        Framing::Sized(length) => read_exactly(from, length, &mut body)?,
        Framing::UntilClose => drop(from.read_to_end(&mut body)?),
        Framing::Chunked => loop {
            let line = read_line(from)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| invalid(&format!("bad chunk size {line:?}")))?;
            if size == 0 {
                // Trailers, then an empty line.
                while !read_line(from)?.is_empty() {}
                break;
            }
            read_exactly(from, size, &mut body)?;
            if !read_line(from)?.is_empty() {
                return Err(invalid("chunk longer than its size"));
            }
        },
    }
    Ok(body)
}

/// Writes bytes as one chunk; none at all end the body.
pub(crate) fn write_chunk(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    to.write_all(&chunk)
}

/// An error for what the other side should not have sent.
pub(crate) fn invalid(problem: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

fn read_exactly(from: &mut impl Read, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let read = from.take(length).read_to_end(body)?;
    let whole = u64::try_from(read).is_ok_and(|read| read == length);
    if whole { Ok(()) } else { Err(ended(&format!("the body ended after {read} of {length} bytes"))) }
}

/// One line without its end.
fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(ended("the connection ended inside a head"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn ended(problem: &str) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str, framing: Framing) -> io::Result<String> {
        read_body(&mut text.as_bytes(), framing).map(|body| String::from_utf8_lossy(&body).into_owned())
    }

    #[test]
    fn given_a_head_when_read_then_names_are_in_lower_case_and_the_rest_is_left() {
        let mut text = b"GET /x HTTP/1.1\r\nHost: a\r\nX-Two:  b \r\n\r\nrest".as_slice();
        let head = read_head(&mut text).expect("a head").expect("not the end");
        assert_eq!(head.start, "GET /x HTTP/1.1");
        assert_eq!(head.header("x-two"), Some("b"));
        assert_eq!(text, b"rest");
    }

    #[test]
    fn given_the_end_before_a_head_then_there_is_none_and_inside_one_it_is_an_error() {
        assert!(read_head(&mut b"".as_slice()).expect("the end").is_none());
        assert!(read_head(&mut b"GET / HT".as_slice()).is_err());
        assert!(read_head(&mut b"GET / HTTP/1.1\r\nhost: a\r\n".as_slice()).is_err());
    }

    #[test]
    fn given_each_framing_when_a_body_is_read_then_it_ends_where_it_should() {
        assert_eq!(body("abcdef", Framing::Sized(3)).expect("whole"), "abc");
        assert_eq!(body("abcdef", Framing::UntilClose).expect("whole"), "abcdef");
        assert_eq!(body("2\r\nab\r\n1;x=y\r\nc\r\n0\r\nt: u\r\n\r\nrest", Framing::Chunked).expect("whole"), "abc");
        for (text, framing) in [("ab", Framing::Sized(3)), ("5\r\nab", Framing::Chunked), ("0\r\n", Framing::Chunked)] {
            assert!(body(text, framing).is_err(), "{text:?}");
        }
    }
}
