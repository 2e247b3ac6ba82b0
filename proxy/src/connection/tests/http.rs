//! Heads, keep-alive and the answers that have no body.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: echo\r\n\r\n")
}

#[test]
fn given_many_requests_on_one_connection_then_the_endpoint_sees_one_connection() {
    let upstream = Upstream::answering(OK);
    let node = Node::http(&upstream);
    let mut client = node.connect();
    for path in ["/a", "/b", "/c"] {
        client.send(&get(path));
        client.expect(OK);
    }
    assert_eq!(upstream.connections(), 1);
    let received = upstream.received();
    assert!(received.starts_with("GET /a HTTP/1.1\r\nhost: echo\r\nx-request-id: "), "{received}");
    assert_eq!(received.matches("x-forwarded-proto: http\r\n").count(), 3);
}

#[test]
fn given_a_response_then_it_says_how_long_the_endpoint_took_whatever_that_one_says() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nx-envoy-upstream-service-time: 4711\r\ncontent-length: 0\r\n\r\n");
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send(&get("/"));
    let head = client.head();
    let times: Vec<&str> =
        head.lines().filter_map(|line| line.strip_prefix("x-envoy-upstream-service-time: ")).collect();
    assert!(matches!(times[..], [time] if time != "4711" && time.parse::<u64>().is_ok()), "{head}");
}

#[test]
fn given_requests_in_one_write_or_byte_by_byte_then_they_are_answered_in_order() {
    let upstream = Upstream::new(|conversation, _| {
        while let Some(path) = conversation.head().split(' ').nth(1) {
            conversation.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len()));
        }
    });
    let node = Node::http(&upstream);
    let all: String = ["/1", "/22", "/333"].map(get).concat();
    let answers = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n/1HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n/22\
                   HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n/333";
    let mut client = node.connect();
    client.send(&all);
    client.expect(answers);
    for byte in all.chars() {
        client.send(&byte.to_string());
    }
    client.expect(answers);
}

#[test]
fn given_an_answer_without_a_body_then_the_next_request_is_answered() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ] {
        let upstream = Upstream::answering(answer);
        let node = Node::http(&upstream);
        let mut client = node.connect();
        for _ in 0..2 {
            client.send(&format!("{method} / HTTP/1.1\r\nHost: echo\r\n\r\n"));
            client.expect(answer);
        }
        assert_eq!(upstream.connections(), 1, "{answer:?}");
    }
}

#[test]
fn given_interim_responses_then_they_reach_the_client_before_the_final_one() {
    let answer = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::answering(answer);
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send(&get("/"));
    client.expect(answer);
}

#[test]
fn given_connection_close_from_either_side_then_only_that_side_is_closed() {
    let upstream = Upstream::new(|conversation, number| {
        while !conversation.head().is_empty() {
            if number == 0 {
                conversation.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                return;
            }
            conversation.send(OK);
        }
    });
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send(&get("/"));
    client.expect("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    client.send("GET / HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n");
    client.expect("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    client.expect_end();
    // Both workers have their own connections; this one may be served by either.
    let mut client = node.connect();
    client.send(&get("/"));
    client.expect(OK);
    assert!(upstream.connections() <= 3);
}

#[test]
fn given_a_host_nobody_declared_then_the_request_goes_where_it_was_dialled() {
    let upstream = Upstream::answering(OK);
    let node = Node::new(Protocol::Http, upstream.address, &[nobody()]);
    let mut client = node.connect();
    client.send("GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
    client.expect(OK);
    client.send(&get("/"));
    assert!(client.head().starts_with("HTTP/1.1 503 "));
}

#[test]
fn given_an_undeclared_port_then_http_is_recognised_and_routed() {
    let upstream = Upstream::answering(OK);
    let node = Node::new(Protocol::Unknown, nobody(), &[upstream.address]);
    let mut client = node.connect();
    client.send(&get("/"));
    client.expect(OK);
}

#[test]
fn given_connect_then_there_is_no_route() {
    let upstream = Upstream::answering(OK);
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send("CONNECT echo:80 HTTP/1.1\r\nHost: echo\r\n\r\n");
    client.expect("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    client.send(&get("/"));
    client.expect(OK);
}

#[test]
fn given_an_upgrade_then_both_sides_speak_freely_and_end_on_their_own() {
    let upstream = Upstream::new(|conversation, _| {
        let head = conversation.head();
        assert!(head.contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"), "{head}");
        conversation.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello");
        conversation.expect("early late");
        conversation.send("bye");
        conversation.half_close();
        conversation.expect_end();
    });
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send("GET / HTTP/1.1\r\nHost: echo\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
    client.expect("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello");
    client.send(" late");
    client.expect("bye");
    client.expect_end();
}

#[test]
fn given_an_upgrade_that_is_refused_then_http_goes_on() {
    let upstream = Upstream::answering(OK);
    let node = Node::http(&upstream);
    let mut client = node.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: echo\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        client.expect(OK);
    }
}
