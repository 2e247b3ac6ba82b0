//! Heads: what is understood, what is refused, what is sent on.

use proptest::prelude::*;

use super::framing::Framing;
use super::request::RequestHead;
use super::response::ResponseHead;
use super::{Parsed, Refusal, forward};

const ID: &[u8; 36] = b"00000000-0000-4000-8000-000000000000";

/// The head sent on for a request, or why it is refused.
fn sent(request: &str) -> Result<String, Refusal> {
    let mut bytes = request.as_bytes().to_vec();
    let mut head = RequestHead::default();
    assert_eq!(head.parse(&mut bytes)?, Parsed::Complete, "{request:?}");
    let mut out = Vec::new();
    forward::request(&mut out, &head, &bytes, Some(ID));
    Ok(String::from_utf8(out).expect("the cases are text"))
}

fn check_sent(request: &str, expected: &[&str]) {
    let sent = sent(request).expect("a good request");
    let lines: Vec<&str> = sent.strip_suffix("\r\n\r\n").expect("an end").split("\r\n").collect();
    let added = format!("x-request-id: {}", String::from_utf8_lossy(ID));
    let lines: Vec<&str> = lines
        .into_iter()
        .filter(|line| *line != added && *line != "x-forwarded-proto: http" && *line != "x-envoy-attempt-count: 1")
        .collect();
    assert_eq!(lines, expected, "{request:?}");
}

#[test]
fn given_a_good_request_then_its_head_is_sent_on_in_one_form() {
    check_sent("GET /a?b=c HTTP/1.1\r\nHost: Shop:80\r\n\r\n", &["GET /a?b=c HTTP/1.1", "host: Shop:80"]);
    check_sent("GET / HTTP/1.1\nHost: a\n\n", &["GET / HTTP/1.1", "host: a"]);
    check_sent("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /b HTTP/1.1", "host: a"]);
    check_sent("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &["OPTIONS * HTTP/1.1", "host: a"]);
    check_sent(
        "GET / HTTP/1.1\r\nX-One:  1 \r\nHost: a\r\nx-two: 2\r\nX-Empty:\r\nX-One: 3\r\n\r\n",
        &["GET / HTTP/1.1", "host: a", "x-one: 1", "x-two: 2", "x-empty: ", "x-one: 3"],
    );
    check_sent(
        "PUT / HTTP/1.1\r\nContent-Length: 05\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        &["PUT / HTTP/1.1", "host: a", "content-length: 5"],
    );
    check_sent(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\nExpect: 100-continue\r\n\r\n",
        &["PUT / HTTP/1.1", "host: a", "expect: 100-continue", "transfer-encoding: chunked"],
    );
}

#[test]
fn given_a_target_with_an_authority_then_that_one_wins() {
    for (target, path, host) in [
        ("http://b:81/x?y", "/x?y", "b:81"),
        ("HTTP://b", "/", "b"),
        ("https://b?y", "/?y", "b"),
        ("http://b/../x", "/x", "b"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        check_sent(&request, &[&format!("GET {path} HTTP/1.1"), &format!("host: {host}")]);
    }
}

#[test]
fn given_fields_for_this_hop_then_they_end_here() {
    check_sent(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine, content-length, host\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n\
         x-mine: 1\r\nX-Other: 2\r\nTE: gzip\r\nContent-Length: 3\r\nUpgrade: h2c\r\n\r\n",
        &["GET / HTTP/1.1", "host: a", "x-other: 2", "content-length: 3"],
    );
    check_sent(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: trailers\r\n\r\n",
        &["GET / HTTP/1.1", "host: a", "te: trailers"],
    );
}

#[test]
fn given_an_upgrade_then_it_is_asked_of_the_next_hop_but_never_http_2() {
    check_sent(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        &["GET / HTTP/1.1", "host: a", "connection: upgrade", "upgrade: websocket"],
    );
    check_sent("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", &["GET / HTTP/1.1", "host: a"]);
    check_sent(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
        &["GET / HTTP/1.1", "host: a"],
    );
}

#[test]
fn given_no_request_id_or_scheme_then_they_are_added_and_never_replaced() {
    let added = sent("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a good request");
    assert!(added.contains("x-request-id: 0000") && added.contains("x-forwarded-proto: http\r\n"), "{added}");
    let kept = sent("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n").expect("a good request");
    assert!(kept.contains("x-forwarded-proto: https\r\n") && !kept.contains("proto: http\r\n"), "{kept}");
}

#[test]
fn given_a_request_that_readers_could_read_differently_then_it_is_refused() {
    for (request, refusal) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::BothLengths),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Refusal::ContentLength),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", Refusal::ContentLength),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Refusal::TransferEncoding),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Refusal::Syntax),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Syntax),
        ("GET / HTTP/1.1\r\n\r\n", Refusal::Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Refusal::Host),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Refusal::Host),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refusal::Host),
        ("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Host),
        ("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
        ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ] {
        assert_eq!(sent(request), Err(refusal), "{request:?}");
    }
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: 1\r\n".repeat(100));
    assert_eq!(sent(&many), Err(Refusal::TooLarge));
    let options = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {}\r\n\r\n", "x,".repeat(65));
    assert_eq!(sent(&options), Err(Refusal::TooLarge));
}

#[test]
fn given_a_further_try_then_the_head_says_so_and_nothing_else_changes() {
    let mut head = sent("GET / HTTP/1.1\r\nHost: a\r\nX-Envoy-Attempt-Count: 9\r\nX: 1\r\n\r\n")
        .expect("a good request")
        .into_bytes();
    forward::count_attempt(&mut head, 12);
    let head = String::from_utf8(head).expect("text");
    assert!(head.starts_with("GET / HTTP/1.1\r\nx-envoy-attempt-count: 12\r\nhost: a\r\nx: 1\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n") && head.matches("x-envoy-attempt-count").count() == 1, "{head}");
}

#[test]
fn given_a_copy_then_its_host_says_so_in_front_of_the_port() {
    for (host, shadow) in
        [("a", "a-shadow"), ("a:80", "a-shadow:80"), ("[::1]:80", "[::1]:80-shadow"), ("a:", "a:-shadow")]
    {
        let head = sent(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: 1\r\n\r\n")).expect("a good request");
        let copy = String::from_utf8(forward::mirrored(head.as_bytes())).expect("text");
        assert_eq!(copy, head.replace(&format!("host: {host}\r\n"), &format!("host: {shadow}\r\n")), "{host}");
    }
}

fn response(bytes: &str) -> Result<(ResponseHead, String), Refusal> {
    let mut bytes = bytes.as_bytes().to_vec();
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(&mut bytes)?, Parsed::Complete);
    let mut out = Vec::new();
    forward::response(&mut out, &head, &bytes, false, None);
    Ok((head, String::from_utf8(out).expect("the cases are text")))
}

#[test]
fn given_a_response_then_its_body_ends_where_rfc_9112_says() {
    for (head, to_head, framing) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, Framing::Sized(5)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, Framing::Empty),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, Framing::Chunked),
        ("HTTP/1.1 200 OK\r\n\r\n", false, Framing::UntilClose),
        ("HTTP/1.0 200 OK\r\n\r\n", false, Framing::UntilClose),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, Framing::Empty),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, Framing::Empty),
        ("HTTP/1.1 100 Continue\r\n\r\n", false, Framing::Empty),
    ] {
        assert_eq!(response(head).expect("a good response").0.framing(to_head), framing, "{head:?}");
    }
}

#[test]
fn given_a_response_then_its_head_is_sent_on_without_what_concerns_its_hop() {
    for (head, expected) in [
        (
            "HTTP/1.1 200 Fine\r\nServer: x\r\nConnection: close, x-y\r\nX-Y: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 Fine\r\nserver: x\r\ncontent-length: 0\r\n\r\n",
        ),
        ("HTTP/1.0 200\r\nDate: x\r\n\r\n", "HTTP/1.1 200 \r\ndate: x\r\n\r\n"),
        ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 204 No\r\n\r\n"),
        ("HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 304 Same\r\ncontent-length: 7\r\n\r\n"),
        (
            "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        ),
    ] {
        assert_eq!(response(head).expect("a good response").1, expected, "{head:?}");
    }
}

#[test]
fn given_a_response_then_its_connection_lives_on_only_where_both_sides_know_it() {
    for (head, lives) in [
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", true),
    ] {
        assert_eq!(response(head).expect("a good response").0.keeps_alive, lives, "{head:?}");
    }
}

#[test]
fn given_a_response_that_readers_could_read_differently_then_it_is_refused() {
    for (head, refusal) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::BothLengths),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Refusal::ContentLength),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Refusal::TransferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::TransferEncoding),
        ("HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n", Refusal::Syntax),
        ("HTTP/1.1 099 OK\r\n\r\n", Refusal::Syntax),
        ("HTTP/2.0 200 OK\r\n\r\n", Refusal::Syntax),
    ] {
        assert_eq!(response(head).map(|(_, sent)| sent), Err(refusal), "{head:?}");
    }
}

proptest! {
    #[test]
    fn given_any_bytes_then_a_head_is_read_or_refused_without_a_panic(
        start in "(GET / HTTP/1.1\r\nHost: a\r\n|HTTP/1.1 200 \r\n)?",
        bytes in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), Just(b'a'), any::<u8>()], 0..60),
    ) {
        let mut bytes = [start.as_bytes(), &bytes, b"\r\n\r\n"].concat();
        let (mut request, mut response) = (RequestHead::default(), ResponseHead::default());
        let mut out = Vec::new();
        if request.parse(&mut bytes) == Ok(Parsed::Complete) {
            forward::request(&mut out, &request, &bytes, None);
        }
        if response.parse(&mut bytes) == Ok(Parsed::Complete) {
            forward::response(&mut out, &response, &bytes, true, Some(1));
        }
    }

    #[test]
    fn given_a_request_that_was_accepted_then_what_is_sent_on_reads_the_same(
        method in "[A-Z]{1,7}", path in "/[!-~&&[^#]]{0,12}", length in proptest::option::of(0_u32..9),
        fields in proptest::collection::vec(("[Xx]-[!-~&&[A-Za-z0-9-]]{1,6}", "[ -~\t]{0,9}"), 0..5),
    ) {
        prop_assume!(method != "CONNECT");
        let fields: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
        let first = sent(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}{length}\r\n"));
        let Ok(first) = first else { return Ok(()) };
        let second = first.replace(&format!("x-request-id: {}\r\n", String::from_utf8_lossy(ID)), "");
        let second = sent(&second).expect("what we send is a good request");
        prop_assert_eq!(second.len(), first.len());
    }

    #[test]
    fn given_any_operations_then_the_head_still_reads_as_one_request_with_its_own_length_and_host(
        edits in proptest::collection::vec((0_u8..3, name(), value()), 0..8),
    ) {
        let mut bytes = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n".to_vec();
        let mut head = RequestHead::default();
        prop_assert_eq!(head.parse(&mut bytes), Ok(Parsed::Complete));
        let mut lines = forward::request_lines(&head, &bytes, Some(ID));
        for (kind, name, value) in &edits {
            match kind {
                0 => lines.remove(name),
                1 => lines.set(name.as_bytes(), value.as_bytes()),
                _ => lines.add(name.as_bytes(), value.as_bytes()),
            }
        }
        let mut out = Vec::new();
        forward::changed_request(&mut out, &head, &bytes, ("/b", b"b"), &lines);
        let mut read = RequestHead::default();
        prop_assert_eq!(read.parse(&mut out), Ok(Parsed::Complete));
        prop_assert_eq!((read.length, read.framing, read.close), (out.len(), Framing::Sized(5), false));
        prop_assert_eq!((read.path.as_str(), read.authority.as_str()), ("/b", "b"));
    }
}

/// Names that matter to framing, and anything else.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("content-length".to_owned()),
        Just("transfer-encoding".to_owned()),
        Just("host".to_owned()),
        Just("connection".to_owned()),
        "x-[a-c]",
        ".{0,4}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![Just("chunked".to_owned()), Just("7".to_owned()), Just("a\r\nx: y".to_owned()), ".{0,6}"]
}
