//! Answers of the proxy's own, in Envoy's shape.

use super::forward::{decimal, field};
use super::lines::Lines;

/// The lines of an answer before a rule changes them.
pub(crate) fn lines<'l>(body: &[u8], headers: &'l [(&'static str, String)]) -> Lines<'l> {
    let mut lines = Lines::default();
    if !body.is_empty() {
        lines.add(&b"content-type"[..], &b"text/plain"[..]);
    }
    for (name, value) in headers {
        if *name == "content-type" {
            lines.set(name.as_bytes(), value.as_bytes());
        } else {
            lines.add(name.as_bytes(), value.as_bytes());
        }
    }
    lines
}

/// Writes a whole response; the body is left out for a HEAD and still announced. `close`: the connection ends with it.
pub(crate) fn reply(out: &mut Vec<u8>, status: u16, body: &[u8], lines: &Lines<'_>, to_head: bool, close: bool) {
    out.clear();
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    // Neither may have a body, and a 204 no length either (RFC 9110 section 8.6).
    let bodiless = matches!(status, 204 | 304);
    if status != 204 {
        out.extend_from_slice(b"content-length: ");
        decimal(out, body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    lines.write(out);
    if close {
        field(out, b"connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    if !to_head && !bodiless {
        out.extend_from_slice(body);
    }
}

/// The phrase of a status (RFC 9110 section 15); a phrase may be empty (RFC 9112 section 4).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Payload Too Large",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, to_head: bool, close: bool, expected: &str) {
        let headers = [("x-a", "1".to_owned())];
        let mut out = Vec::new();
        reply(&mut out, status, body.as_bytes(), &lines(body.as_bytes(), &headers), to_head, close);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn given_an_answer_of_our_own_then_it_is_whole_and_a_head_request_gets_no_body() {
        let head =
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\ncontent-type: text/plain\r\nx-a: 1\r\n\r\n";
        check(503, "down", false, false, &format!("{head}down"));
        check(503, "down", true, false, head);
        check(
            404,
            "",
            false,
            true,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-a: 1\r\nconnection: close\r\n\r\n",
        );
        check(599, "", false, false, "HTTP/1.1 599 \r\ncontent-length: 0\r\nx-a: 1\r\n\r\n");
    }

    #[test]
    fn given_a_status_that_has_no_body_then_none_is_sent() {
        check(204, "x", false, false, "HTTP/1.1 204 No Content\r\ncontent-type: text/plain\r\nx-a: 1\r\n\r\n");
        let unmodified = "HTTP/1.1 304 Not Modified\r\ncontent-length: 1\r\ncontent-type: text/plain\r\nx-a: 1\r\n\r\n";
        check(304, "x", false, false, unmodified);
    }

    #[test]
    fn given_a_type_of_its_own_then_it_takes_the_place_of_plain_text() {
        let headers = [("content-type", "text/html".to_owned())];
        let mut out = Vec::new();
        reply(&mut out, 200, b"x", &lines(b"x", &headers), false, false);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-type: text/html\r\n\r\nx"
        );
    }
}
