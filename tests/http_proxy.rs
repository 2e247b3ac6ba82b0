//! HTTP/1.1 through the proxy, end to end: framing, bodies, connection handling.

use harness::{Node, mesh_rule};
use meshlet_sandbox::{Answer, HttpCall};

fn ruled() -> Node {
    let mut node = Node::new();
    node.apply(&mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]"));
    node
}

fn one(node: &Node, call: HttpCall) -> Answer {
    let mut answers = node.client("marked").http(&call).expect("an answer");
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn given_bodies_of_either_framing_when_they_are_echoed_then_they_arrive_whole() {
    let node = ruled();
    for length in [1, 1000, 70_000, 1_000_000] {
        let body: String = "0123456789abcdef".chars().cycle().take(length).collect();
        for headers in [vec![], vec![("transfer-encoding".to_owned(), "chunked".to_owned())]] {
            let call =
                HttpCall { method: "POST".into(), path: "/echo".into(), body: body.clone(), headers, ..node.get() };
            let answer = one(&node, call);
            assert_eq!((answer.status, answer.error.as_deref(), answer.body_bytes), (Some(200), None, length));
            assert!(body.starts_with(&answer.body), "the first 64 KiB are the same");
        }
    }
}

#[test]
fn given_answers_without_body_or_in_chunks_then_the_connection_goes_on() {
    let node = ruled();
    let mut client = node.client("marked");
    for (method, path, status, bytes) in [
        ("HEAD", "/", 200, 0),
        ("GET", "/status/204", 204, 0),
        ("GET", "/status/304", 304, 0),
        ("GET", "/status/500", 500, 0),
        ("GET", "/chunked/50", 200, 1),
    ] {
        let call = HttpCall { count: 3, method: method.into(), path: path.into(), ..node.get() };
        for answer in client.http(&call).expect("answers") {
            assert_eq!(
                (answer.status, answer.connection, answer.error.as_deref()),
                (Some(status), 0, None),
                "{method} {path}"
            );
            assert!(answer.body_bytes >= bytes || status == 500, "{method} {path}: {answer:?}");
            assert!(answer.pod.is_some(), "{method} {path}: the server's own answer");
        }
    }
}

#[test]
fn given_expect_100_continue_then_the_interim_answer_arrives_before_the_body_is_sent() {
    let node = ruled();
    let headers = vec![("expect".to_owned(), "100-continue".to_owned())];
    let call = HttpCall { method: "POST".into(), path: "/echo".into(), body: "late".into(), headers, ..node.get() };
    let answer = one(&node, call);
    assert_eq!((answer.status, answer.interim, answer.body.as_str()), (Some(200), vec![100], "late"));
}

#[test]
fn given_a_server_that_breaks_off_then_the_client_is_never_told_a_clean_end() {
    let node = ruled();
    let answer = one(&node, HttpCall { path: "/die".into(), ..node.get() });
    assert_eq!((answer.status, answer.pod), (Some(503), None), "{:?}", answer.body);
    let answer = one(&node, HttpCall { path: "/half".into(), ..node.get() });
    assert!(answer.error.is_some(), "half a body is an error: {answer:?}");
    let answer = one(&node, node.get());
    assert_eq!(answer.status, Some(200), "the next request is unharmed");
}
