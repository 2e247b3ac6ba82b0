//! Answers of the proxy's own, in Envoy's shape.

use super::forward::{decimal, field};

/// Writes a whole response; the body is left out for a HEAD and still announced. `close`: the connection ends with it.
pub(crate) fn reply(out: &mut Vec<u8>, status: u16, body: &[u8], to_head: bool, close: bool) {
    out.clear();
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\ncontent-length: ");
    decimal(out, body.len() as u64);
    out.extend_from_slice(b"\r\n");
    if !body.is_empty() {
        field(out, b"content-type", b"text/plain");
    }
    if close {
        field(out, b"connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    if !to_head {
        out.extend_from_slice(body);
    }
}

/// The phrase of a status that meshlet answers with; a phrase may be empty (RFC 9112 section 4).
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_an_answer_of_our_own_then_it_is_whole_and_a_head_request_gets_no_body() {
        let mut out = Vec::new();
        reply(&mut out, 503, b"no healthy upstream", false, false);
        let expected = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\ncontent-type: text/plain\r\n\r\nno healthy upstream";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        reply(&mut out, 404, b"", false, true);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        reply(&mut out, 503, b"no healthy upstream", true, false);
        assert!(out.ends_with(b"text/plain\r\n\r\n"));
    }
}
