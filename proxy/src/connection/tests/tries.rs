//! Retries, limits on time and injected faults of a route.

use std::time::Instant;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\ndown";

/// Answers the first `count` requests with a 503, over all connections, and every other one with a 200; reads bodies.
fn failing(count: usize) -> Upstream {
    let requests = AtomicUsize::new(0);
    Upstream::new(move |conversation, _| {
        loop {
            let head = conversation.head();
            if head.is_empty() {
                return;
            }
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if let Some(length) = length.and_then(|length| length.parse().ok()) {
                (0..length).all(|_: usize| conversation.bytes(1).is_ok());
            }
            let broken = requests.fetch_add(1, Ordering::SeqCst) < count;
            conversation.send(if broken { BROKEN } else { OK });
        }
    })
}

/// Takes requests and never answers.
fn silent() -> Upstream {
    Upstream::new(|conversation, _| while conversation.bytes(1).is_ok() {})
}

fn retrying(retries: &str) -> String {
    format!("{{route: [{{destination: {{host: echo}}}}], retries: {retries}}}")
}

#[test]
fn given_an_answer_that_is_to_be_retried_then_the_client_gets_the_next_one_and_tries_are_counted() {
    let upstream = failing(2);
    let node = Node::ruled(&retrying("{attempts: 2, retryOn: 5xx, backoff: 1ms}"), &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(GET);
    client.expect(OK);
    client.send(GET);
    client.expect(OK);
    let received = upstream.received();
    let counts: Vec<&str> = received.lines().filter_map(|line| line.strip_prefix("x-envoy-attempt-count: ")).collect();
    assert_eq!(counts, ["1", "2", "3", "1"]);
    assert_eq!(upstream.connections(), 1, "an answer that nobody wanted leaves its connection in order");
}

#[test]
fn given_retries_that_are_used_up_then_the_last_answer_is_delivered() {
    let upstream = failing(usize::MAX);
    let node = Node::ruled(&retrying("{attempts: 2, retryOn: gateway-error, backoff: 1ms}"), &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(GET);
    client.expect(BROKEN);
    assert_eq!(upstream.received().matches("GET").count(), 3);
}

#[test]
fn given_an_answer_that_the_policy_does_not_name_then_it_is_delivered_at_once() {
    for policy in ["{attempts: 2, retryOn: connect-failure}", "{attempts: 0}", "{attempts: 2, retryOn: '504'}"] {
        let upstream = failing(usize::MAX);
        let node = Node::ruled(&retrying(policy), &[upstream.address], &[]);
        let mut client = node.connect();
        client.send(GET);
        client.expect(BROKEN);
        assert_eq!(upstream.received().matches("GET").count(), 1, "{policy}");
    }
}

#[test]
fn given_a_body_that_the_buffer_holds_then_it_is_sent_again_also_when_it_came_in_pieces() {
    let upstream = failing(1);
    let node = Node::ruled(&retrying("{attempts: 1, retryOn: 5xx, backoff: 1ms}"), &[upstream.address], &[]);
    let mut client = node.connect();
    client.send("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 11\r\n\r\n");
    wait_for(|| upstream.received().ends_with("\r\n\r\n"));
    client.send("hello");
    wait_for(|| upstream.received().ends_with("hello"));
    client.send(" world");
    client.expect(OK);
    assert_eq!(upstream.received().matches("hello world").count(), 2);
}

#[test]
fn given_a_body_beyond_the_buffer_then_the_first_answer_is_delivered() {
    let upstream = failing(1);
    let node = Node::ruled(&retrying("{attempts: 3, retryOn: 5xx}"), &[upstream.address], &[]);
    let mut client = node.connect();
    let body = "x".repeat(100_000);
    client.send(&format!("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    client.expect(BROKEN);
    assert_eq!(upstream.received().matches("POST").count(), 1);
}

#[test]
fn given_a_reset_then_it_is_retried_where_the_policy_says_so_and_elsewhere() {
    let (bad, good) = (Upstream::new(|conversation, _| drop(conversation.head())), failing(0));
    let endpoints = [bad.address, good.address];
    let node = Node::ruled(&retrying("{attempts: 3, retryOn: reset, backoff: 1ms}"), &endpoints, &[]);
    for _ in 0..20 {
        let mut client = node.connect();
        client.send("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\n\r\nhello");
        client.expect(OK);
    }
    assert!(bad.connections() > 0);
}

const TIMED_OUT: &str =
    "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 24\r\ncontent-type: text/plain\r\n\r\nupstream request timeout";

#[test]
fn given_a_timeout_then_the_client_gets_a_504_and_can_go_on() {
    let upstream = silent();
    let node = Node::ruled("{route: [{destination: {host: echo}}], timeout: 50ms}", &[upstream.address], &[]);
    let mut client = node.connect();
    for _ in 0..2 {
        client.send(GET);
        client.expect(TIMED_OUT);
    }
}

#[test]
fn given_a_timeout_within_a_response_then_the_client_is_reset() {
    let upstream = Upstream::new(|conversation, _| {
        conversation.head();
        conversation.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        let _ = conversation.bytes(1);
    });
    let node = Node::ruled("{route: [{destination: {host: echo}}], timeout: 100ms}", &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(GET);
    client.expect_reset();
}

#[test]
fn given_a_body_that_takes_its_time_then_the_timeout_runs_from_its_end() {
    let upstream = failing(0);
    let node = Node::ruled("{route: [{destination: {host: echo}}], timeout: 500ms}", &[upstream.address], &[]);
    let mut client = node.connect();
    let started = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 4\r\n\r\n");
    for piece in ["a", "b", "c", "d"] {
        std::thread::sleep(Duration::from_millis(150));
        client.send(piece);
    }
    client.expect(OK);
    assert!(started.elapsed() > Duration::from_millis(500));
}

#[test]
fn given_a_try_that_takes_too_long_then_another_one_follows_where_the_policy_says_so() {
    let slow_first = || {
        Upstream::new(|conversation, number| {
            while !conversation.head().is_empty() {
                if number == 0 {
                    let _ = conversation.bytes(1);
                    return;
                }
                conversation.send(OK);
            }
        })
    };
    let upstream = slow_first();
    let policy = retrying("{attempts: 1, perTryTimeout: 500ms, retryOn: 5xx, backoff: 1ms}");
    let node = Node::ruled(&policy, &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(GET);
    client.expect(OK);
    assert_eq!(upstream.connections(), 2);
    let upstream = slow_first();
    let policy = retrying("{attempts: 1, perTryTimeout: 50ms, retryOn: connect-failure}");
    let node = Node::ruled(&policy, &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(GET);
    client.expect(TIMED_OUT);
}

#[test]
fn given_a_client_that_leaves_while_a_retry_waits_then_nothing_more_is_sent() {
    let upstream = failing(usize::MAX);
    let node = Node::ruled(&retrying("{attempts: 1000, retryOn: 5xx, backoff: 30s}"), &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(GET);
    wait_for(|| upstream.received().ends_with("\r\n\r\n"));
    client.half_close();
    assert_eq!(client.rest_within(PATIENCE).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}

fn faulty(fault: &str) -> String {
    format!("{{route: [{{destination: {{host: echo}}}}], fault: {fault}, timeout: 500ms}}")
}

#[test]
fn given_an_injected_delay_then_the_request_waits_and_the_timeout_does_not_count_it() {
    let upstream = failing(0);
    let node = Node::ruled(&faulty("{delay: {fixedDelay: 600ms, percentage: {value: 100}}}"), &[upstream.address], &[]);
    let started = Instant::now();
    let mut client = node.connect();
    client.send(GET);
    client.expect(OK);
    assert!(started.elapsed() >= Duration::from_millis(600));
}

#[test]
fn given_a_client_that_leaves_within_a_delay_then_nothing_is_sent() {
    let upstream = failing(0);
    let node = Node::ruled(&faulty("{delay: {fixedDelay: 60s, percentage: {value: 100}}}"), &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(GET);
    client.half_close();
    client.expect_reset();
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn given_an_injected_abort_then_the_client_gets_it_and_can_go_on() {
    let upstream = failing(0);
    let node = Node::ruled(&faulty("{abort: {httpStatus: 555, percentage: {value: 100}}}"), &[upstream.address], &[]);
    let mut client = node.connect();
    for _ in 0..2 {
        client.send(GET);
        client.expect("HTTP/1.1 555 \r\ncontent-length: 18\r\ncontent-type: text/plain\r\n\r\nfault filter abort");
    }
    assert_eq!(upstream.connections(), 0);
}
