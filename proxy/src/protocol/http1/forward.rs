//! Heads as they are sent on: written anew, so that what was understood is what the next reader gets.

use super::framing::Framing;
use super::request::RequestHead;
use super::response::ResponseHead;

/// Writes a request's head for an endpoint. `request_id` is for a request without one of its own.
pub(crate) fn request(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], request_id: Option<&[u8; 36]>) {
    out.clear();
    for part in [head.method.as_bytes(), b" ", head.path.as_bytes(), b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    field(out, b"host", head.authority.as_bytes());
    let mut has_scheme = false;
    for (name, value) in head.fields.forwarded(bytes) {
        has_scheme |= name == b"x-forwarded-proto";
        field(out, name, value);
    }
    length(out, head.framing);
    if let Some(protocol) = &head.upgrade {
        field(out, b"connection", b"upgrade");
        field(out, b"upgrade", &bytes[protocol.clone()]);
    }
    if let Some(id) = request_id {
        field(out, b"x-request-id", id);
    }
    if !has_scheme {
        field(out, b"x-forwarded-proto", b"http");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a response's head for the client; `close`: the connection ends with it.
pub(crate) fn response(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], close: bool) {
    out.clear();
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(head.status));
    out.push(b' ');
    out.extend_from_slice(&bytes[head.reason.clone()]);
    out.extend_from_slice(b"\r\n");
    for (name, value) in head.fields.forwarded(bytes) {
        field(out, name, value);
    }
    // Neither 1xx nor 204 may carry a length (RFC 9110 section 8.6); HEAD and 304 say that of the body they stand for.
    if head.status >= 200 && head.status != 204 {
        length(out, head.declared.unwrap_or(Framing::UntilClose));
    }
    if head.switches() {
        field(out, b"connection", b"upgrade");
        if let Some(protocol) = head.fields.value(bytes, "upgrade") {
            field(out, b"upgrade", protocol);
        }
    } else if close && !head.is_interim() {
        field(out, b"connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
}

/// Adds a field line to a head that is written.
pub(crate) fn append(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.truncate(out.len().saturating_sub(b"\r\n".len()));
    field(out, name, value);
    out.extend_from_slice(b"\r\n");
}

/// Writes one field line.
pub(super) fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn length(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Empty | Framing::UntilClose => {}
        Framing::Chunked => field(out, b"transfer-encoding", b"chunked"),
        Framing::Sized(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Writes a number without going through a formatter.
pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    let start = out.len();
    let mut rest = number;
    loop {
        let digit = u8::try_from(rest % 10).expect("a digit is below ten");
        out.push(b'0' + digit);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out[start..].reverse();
}
