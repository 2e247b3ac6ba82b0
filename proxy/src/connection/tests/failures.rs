//! What is refused, what is tried again, and what a client sees when it cannot be helped.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\n\r\nhello";

fn unavailable(body: &str, close: bool) -> String {
    let close = if close { "connection: close\r\n" } else { "" };
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: {length}\r\ncontent-type: text/plain\r\n{close}\r\n{body}"
    )
}

const TERMINATED: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
const REFUSED: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";

#[test]
fn given_a_malformed_request_then_it_is_refused_and_never_forwarded() {
    let upstream = Upstream::answering(OK);
    let node = Node::http(&upstream);
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: elsewhere\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = node.connect();
        client.send(request);
        let answer = client.rest().expect("a clean end");
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request:?}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    assert!(!upstream.received().contains("\r\n\r\n"), "{}", upstream.received());
}

#[test]
fn given_a_bad_chunk_in_a_streamed_body_then_the_client_is_told_and_the_endpoint_sees_no_end() {
    let upstream = Upstream::new(|conversation, _| {
        conversation.head();
        conversation.expect("5\r\nhello\r\n");
        assert!(conversation.bytes(1).is_err());
    });
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send("POST / HTTP/1.1\r\nHost: echo\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::thread::sleep(Duration::from_millis(20));
    client.send("5\r\nhello\r\n");
    std::thread::sleep(Duration::from_millis(20));
    client.send("xyz\r\n");
    assert!(client.rest().expect("a clean end").starts_with("HTTP/1.1 400 "));
}

#[test]
fn given_a_head_beyond_64_kib_then_it_is_refused() {
    let upstream = Upstream::answering(OK);
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send(&format!("GET / HTTP/1.1\r\nHost: echo\r\nX: {}\r\n\r\n", "x".repeat(70_000)));
    assert!(client.rest().expect("a clean end").starts_with("HTTP/1.1 431 "));
    let mut client = node.connect();
    client.send(&format!("GET / HTTP/1.1\r\nHost: echo\r\nX: {}\r\n\r\n", "x".repeat(60_000)));
    client.expect(OK);
}

#[test]
fn given_endpoints_that_refuse_then_another_one_is_tried() {
    let upstream = Upstream::answering(OK);
    let node = Node::new(Protocol::Http, nobody(), &[nobody(), upstream.address]);
    let mut client = node.connect();
    for _ in 0..50 {
        client.send(GET);
        client.expect(OK);
    }
}

#[test]
fn given_no_endpoint_that_takes_connections_then_the_client_is_told_and_can_go_on() {
    let node = Node::new(Protocol::Http, nobody(), &[nobody()]);
    let mut client = node.connect();
    for request in [GET, POST, GET] {
        client.send(request);
        client.expect(&unavailable(REFUSED, false));
    }
    // A body that nobody wants: read where it is short, not waited for where it may never come.
    client.send("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\n\r\nhe");
    client.expect(&unavailable(REFUSED, false));
    client.send("llo");
    client.send("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client.expect(&unavailable(REFUSED, true));
    client.expect_end();
}

#[test]
fn given_no_endpoint_at_all_then_the_client_is_told() {
    let node = Node::new(Protocol::Http, nobody(), &[]);
    let mut client = node.connect();
    client.send(GET);
    client.expect(&unavailable("no healthy upstream", false));
    client.send("HEAD / HTTP/1.1\r\nHost: echo\r\n\r\n");
    let answer = client.head();
    assert!(answer.contains("\r\ncontent-length: 19\r\n"), "{answer}");
    client.send("GET / HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n");
    client.expect(&unavailable("no healthy upstream", true));
    client.expect_end();
}

/// Answers one request per connection, then closes it without having said so.
fn forgetful() -> Upstream {
    Upstream::new(|conversation, _| {
        let head = conversation.head();
        if head.starts_with("POST") {
            conversation.expect("hello");
        }
        conversation.send(OK);
    })
}

#[test]
fn given_a_kept_connection_that_has_ended_then_the_request_goes_over_a_new_one() {
    let upstream = forgetful();
    let node = Node::http(&upstream);
    let mut client = node.connect();
    for request in [GET, POST, GET, POST] {
        client.send(request);
        client.expect(OK);
        std::thread::sleep(Duration::from_millis(20));
    }
    // Also when the end comes with the request.
    for _ in 0..50 {
        client.send(GET);
        client.expect(OK);
    }
}

#[test]
fn given_a_kept_connection_that_ends_in_answer_to_a_request_then_only_a_repeatable_one_is_repeated() {
    let fickle = || {
        Upstream::new(|conversation, number| {
            conversation.head();
            conversation.send(OK);
            // The second request on the first connection is taken and not answered.
            while conversation.head().starts_with("GET") && number > 0 {
                conversation.send(OK);
            }
        })
    };
    let upstream = fickle();
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send(GET);
    client.expect(OK);
    client.send(GET);
    client.expect(OK);
    assert_eq!(upstream.connections(), 2);

    let upstream = fickle();
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send(GET);
    client.expect(OK);
    client.send(POST);
    client.expect(&unavailable(TERMINATED, false));
    assert_eq!(upstream.received().matches("POST").count(), 1);
}

#[test]
fn given_an_endpoint_that_ends_before_an_answer_then_the_client_is_told() {
    let upstream = Upstream::new(|conversation, number| {
        conversation.head();
        if number % 2 == 1 {
            conversation.send("HTTP/1.1 200 OK\r\ncontent-le");
        }
    });
    let node = Node::http(&upstream);
    let mut client = node.connect();
    for _ in 0..2 {
        client.send(GET);
        client.expect(&unavailable(TERMINATED, false));
    }
}

#[test]
fn given_what_is_no_response_then_the_client_gets_a_502() {
    for answer in [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Surprise\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let upstream = Upstream::answering(answer);
        let node = Node::http(&upstream);
        let mut client = node.connect();
        client.send(GET);
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer:?}: {head}");
    }
}

#[test]
fn given_a_response_that_breaks_off_then_the_client_sees_no_clean_end() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let upstream = Upstream::new(move |conversation, _| {
            conversation.head();
            conversation.send(answer);
        });
        let node = Node::http(&upstream);
        let mut client = node.connect();
        client.send(GET);
        client.expect_reset();
    }
}

#[test]
fn given_a_client_that_leaves_then_its_request_is_cancelled() {
    let gone = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&gone);
    let upstream = Upstream::new(move |conversation, _| {
        conversation.head();
        if conversation.bytes(1).is_err() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    let node = Node::http(&upstream);
    let mut polite = node.connect();
    polite.send(GET);
    drop(polite);
    let mut rude = node.connect();
    rude.send("PUT / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\n\r\n");
    rude.reset();
    wait_for(|| gone.load(Ordering::SeqCst) == 2);
}

#[test]
fn given_any_bytes_from_clients_and_endpoints_then_the_next_request_is_served() {
    let good = Upstream::answering(OK);
    let said = Arc::new(Mutex::new(Vec::new()));
    let answer = Arc::clone(&said);
    let odd = Upstream::new(move |conversation, _| {
        conversation.head();
        let bytes = answer.lock().expect("no panic held it").clone();
        let _ = conversation.stream.write_all(&bytes);
    });
    let (odd_node, node) = (Node::http(&odd), Node::http(&good));
    let bytes = || proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), any::<u8>()], 0..60);
    let start = "(HTTP/1.1 200 OK\r\n)?(content-length: [0-9]{1,3}\r\n|transfer-encoding: chunked\r\n)?(\r\n)?";
    let cases = (start, bytes(), bytes());
    let run = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() }).run(
        &cases,
        |(start, said_bytes, sent)| {
            *said.lock().expect("no panic held it") = [start.as_bytes(), &said_bytes].concat();
            let mut client = odd_node.connect();
            client.send(GET);
            let _ = client.rest_within(Duration::from_millis(30));
            let mut client = node.connect();
            client.send("POST / HTTP/1.1\r\nHost: echo\r\n");
            let _ = client.stream.write_all(&sent);
            client.half_close();
            let _ = client.rest();
            let mut client = node.connect();
            client.send(GET);
            client.expect(OK);
            Ok(())
        },
    );
    run.expect("no case fails");
}
