//! Copies of requests: sent once, to nobody's harm.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const MIRRORED: &str = "{route: [{destination: {host: echo}}], mirror: {host: copy}}";

#[test]
fn given_a_mirror_then_it_gets_a_copy_of_head_and_body_under_a_host_of_its_own() {
    let upstream = Upstream::new(|conversation, _| {
        while conversation.head().starts_with("POST") {
            conversation.expect("hello");
            conversation.send(OK);
        }
    });
    let mirror = Upstream::new(|conversation, _| {
        while conversation.head().starts_with("POST") {
            conversation.expect("hello");
            conversation.send("HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops");
        }
    });
    let node = Node::ruled(MIRRORED, &[upstream.address], &[mirror.address]);
    let mut client = node.connect();
    for (host, shadow) in [("echo", "echo-shadow"), ("echo:8080", "echo-shadow:8080"), ("echo", "echo-shadow")] {
        mirror.received.lock().expect("no panic held it").clear();
        client.send(&format!("POST /a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello"));
        client.expect(OK);
        wait_for(|| mirror.received().ends_with("hello"));
        let received = mirror.received();
        assert!(received.starts_with(&format!("POST /a HTTP/1.1\r\nhost: {shadow}\r\n")), "{received}");
        assert!(received.contains("\r\nx-a: 1\r\n"), "{received}");
        assert_eq!(received.matches("host: ").count(), 1);
    }
    assert_eq!(mirror.connections(), 1, "its connection is kept");
    assert!(!upstream.received().contains("shadow"));
}

#[test]
fn given_a_mirror_that_never_answers_or_is_not_there_then_the_client_does_not_notice() {
    let upstream = Upstream::answering(OK);
    let mirror = Upstream::new(|conversation, _| while conversation.bytes(1).is_ok() {});
    for copies in [mirror.address, nobody()] {
        let node = Node::ruled(MIRRORED, &[upstream.address], &[copies]);
        let mut client = node.connect();
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: echo\r\n\r\n");
            client.expect(OK);
        }
    }
    wait_for(|| mirror.received().matches("GET").count() == 3);
}

#[test]
fn given_an_endpoint_that_never_answers_then_its_mirror_has_the_request_all_the_same() {
    let upstream = Upstream::new(|conversation, _| while conversation.bytes(1).is_ok() {});
    let mirror = Upstream::answering(OK);
    let node = Node::ruled(MIRRORED, &[upstream.address], &[mirror.address]);
    let mut client = node.connect();
    client.send("GET / HTTP/1.1\r\nHost: echo\r\n\r\n");
    wait_for(|| mirror.received().ends_with("\r\n\r\n"));
}

#[test]
fn given_a_request_that_is_tried_again_then_its_mirror_gets_it_once() {
    let upstream = Upstream::answering("HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n");
    let mirror = Upstream::answering(OK);
    let rule = "{route: [{destination: {host: echo}}], mirror: {host: copy}, \
                retries: {attempts: 2, retryOn: 5xx, backoff: 1ms}}";
    let node = Node::ruled(rule, &[upstream.address], &[mirror.address]);
    let mut client = node.connect();
    for count in 1..=3 {
        client.send("GET / HTTP/1.1\r\nHost: echo\r\n\r\n");
        client.expect("HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n");
        wait_for(|| mirror.received().matches("\r\n\r\n").count() >= count);
        assert_eq!(mirror.received().matches("\r\n\r\n").count(), count);
        assert_eq!(upstream.received().matches("GET").count(), count * 3);
    }
}

#[test]
fn given_a_body_beyond_the_buffer_then_it_streams_and_no_copy_is_made() {
    let upstream = Upstream::new(|conversation, _| {
        while !conversation.head().is_empty() {
            if conversation.bytes(200_000).is_ok() {
                conversation.send(OK);
            }
        }
    });
    let mirror = Upstream::answering(OK);
    let node = Node::ruled(MIRRORED, &[upstream.address], &[mirror.address]);
    let mut client = node.connect();
    let body = "x".repeat(200_000);
    client.send(&format!("PUT / HTTP/1.1\r\nHost: echo\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    client.expect(OK);
    client.send("GET / HTTP/1.1\r\nHost: echo\r\n\r\n");
    // The copy of the later request would come behind that of the earlier one.
    wait_for(|| mirror.received().ends_with("\r\n\r\n"));
    assert!(mirror.received().starts_with("GET"), "{}", mirror.received());
}
