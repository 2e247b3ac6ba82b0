//! Heads as they are sent on: written anew, so that what was understood is what the next reader gets.

use std::borrow::Cow;

use super::framing::Framing;
use super::lines::Lines;
use super::request::RequestHead;
use super::response::ResponseHead;

/// How many tries there have been of a request, this one included; Istio has it sent with every request
/// (istio/istio pilot/pkg/networking/core/httproute.go, IncludeRequestAttemptCount).
const ATTEMPT_COUNT: &[u8] = b"x-envoy-attempt-count";

/// How many milliseconds an endpoint has taken to answer; it says so to the client. Istio leaves Envoy's own headers on.
const SERVICE_TIME: &[u8] = b"x-envoy-upstream-service-time";

/// Writes a request's head for an endpoint as it is. `request_id` is for a request without one of its own.
pub(crate) fn request(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], request_id: Option<&[u8; 36]>) {
    start(out, head, &head.path, head.authority.as_bytes());
    let mut has_scheme = false;
    for (name, value) in head.fields.forwarded(bytes).filter(|(name, _)| *name != ATTEMPT_COUNT) {
        has_scheme |= name == b"x-forwarded-proto";
        field(out, name, value);
    }
    if let Some(id) = request_id {
        field(out, b"x-request-id", id);
    }
    if !has_scheme {
        field(out, b"x-forwarded-proto", b"http");
    }
    field(out, ATTEMPT_COUNT, b"1");
    end(out, head, bytes);
}

/// The lines of a request, with those that it gets here, for a rule to change.
pub(crate) fn request_lines<'l>(head: &RequestHead, bytes: &'l [u8], request_id: Option<&'l [u8; 36]>) -> Lines<'l> {
    let mut lines = Lines::of(head.fields.forwarded(bytes));
    if let Some(id) = request_id {
        lines.add(&b"x-request-id"[..], &id[..]);
    }
    if !lines.has("x-forwarded-proto") {
        lines.add(&b"x-forwarded-proto"[..], &b"http"[..]);
    }
    lines.set(ATTEMPT_COUNT, &b"1"[..]);
    lines
}

/// Writes a request's head for an endpoint as a rule has changed it.
pub(crate) fn changed_request(
    out: &mut Vec<u8>,
    head: &RequestHead,
    bytes: &[u8],
    (path, authority): (&str, &[u8]),
    lines: &Lines<'_>,
) {
    start(out, head, path, authority);
    lines.write(out);
    end(out, head, bytes);
}

/// Says in a request's head which try it is.
pub(crate) fn count_attempt(out: &mut Vec<u8>, attempt: u32) {
    let mut number = Vec::new();
    decimal(&mut number, u64::from(attempt));
    replace(out, ATTEMPT_COUNT, &number);
}

/// Writes a request's head for a mirror; the host says that it is a copy
/// (envoy source/common/router/shadow_writer_impl.cc, newHost).
pub(crate) fn mirrored(head: &[u8]) -> Vec<u8> {
    let mut out = head.to_vec();
    let host = value(head, "host").unwrap_or_default();
    let host = String::from_utf8_lossy(&host);
    let shadow = match host.split_once(':') {
        Some((name, port)) if !port.is_empty() && !port.contains(':') => format!("{name}-shadow:{port}"),
        _ => format!("{host}-shadow"),
    };
    replace(&mut out, b"host", shadow.as_bytes());
    out
}

/// A value in a request's head that was written here: of a pseudo-header, or the first of a field in lower case.
pub(crate) fn value<'h>(head: &'h [u8], name: &str) -> Option<Cow<'h, [u8]>> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut start = lines.next()?.split(|byte| *byte == b' ');
    match name {
        ":method" => start.next().map(Cow::Borrowed),
        ":path" => start.nth(1).map(Cow::Borrowed),
        ":scheme" => Some(b"http"[..].into()),
        _ => {
            let name = if name == ":authority" { "host" } else { name };
            lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b": ")).map(Cow::Borrowed)
        }
    }
}

/// Writes a response's head for the client as it is; `close`: the connection ends with it. `service_time` is in
/// milliseconds.
pub(crate) fn response(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], close: bool, service_time: Option<u64>) {
    status(out, head, bytes);
    for (name, value) in head.fields.forwarded(bytes).filter(|(name, _)| *name != SERVICE_TIME) {
        field(out, name, value);
    }
    if let Some(millis) = service_time {
        out.extend_from_slice(SERVICE_TIME);
        out.extend_from_slice(b": ");
        decimal(out, millis);
        out.extend_from_slice(b"\r\n");
    }
    end_response(out, head, bytes, close);
}

/// The lines of a response, with what it gets here, for a rule to change.
pub(crate) fn response_lines<'l>(head: &ResponseHead, bytes: &'l [u8], service_time: Option<u64>) -> Lines<'l> {
    let mut lines = Lines::of(head.fields.forwarded(bytes).filter(|(name, _)| *name != SERVICE_TIME));
    if let Some(millis) = service_time {
        let mut number = Vec::new();
        decimal(&mut number, millis);
        lines.add(SERVICE_TIME, number);
    }
    lines
}

/// Writes a response's head for the client as a rule has changed it.
pub(crate) fn changed_response(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], close: bool, lines: &Lines<'_>) {
    status(out, head, bytes);
    lines.write(out);
    end_response(out, head, bytes, close);
}

fn start(out: &mut Vec<u8>, head: &RequestHead, path: &str, authority: &[u8]) {
    out.clear();
    for part in [head.method.as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    field(out, b"host", authority);
}

fn end(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8]) {
    length(out, head.framing);
    if let Some(protocol) = &head.upgrade {
        field(out, b"connection", b"upgrade");
        field(out, b"upgrade", &bytes[protocol.clone()]);
    }
    out.extend_from_slice(b"\r\n");
}

fn status(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    out.clear();
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(head.status));
    out.push(b' ');
    out.extend_from_slice(&bytes[head.reason.clone()]);
    out.extend_from_slice(b"\r\n");
}

fn end_response(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], close: bool) {
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

/// Puts one line in the place of those of its name, in a head that was written here.
fn replace(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let (mut kept, mut first) = (Vec::with_capacity(out.len() + value.len() + 8), true);
    for line in out.split_inclusive(|byte| *byte == b'\n') {
        let named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(b":"));
        if first {
            kept.extend_from_slice(line);
            field(&mut kept, name, value);
        } else if !named {
            kept.extend_from_slice(line);
        }
        first = false;
    }
    *out = kept;
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
