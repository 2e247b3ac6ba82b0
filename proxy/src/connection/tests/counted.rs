//! What workers count of connections that are decided about once.

use std::collections::HashMap;

use super::*;
use crate::metrics::{Connections, Met, Parties, Requests, Towards};

/// Ends as soon as its peer does, having said who it is.
fn greeter() -> Upstream {
    Upstream::new(|conversation, _| {
        conversation.send("hello");
        while conversation.bytes(1).is_ok() {}
    })
}

/// All that workers hand over, until as many connections as that are over.
fn counted(node: &Node, closed: u64) -> HashMap<Parties, Connections> {
    let mut all: HashMap<Parties, Connections> = HashMap::new();
    while all.values().map(|counts| counts.closed).sum::<u64>() < closed {
        let tally = node.counted.recv_timeout(PATIENCE).expect("a tally");
        tally.tcp.into_iter().for_each(|(parties, counts)| *all.entry(parties).or_default() += counts);
    }
    all
}

#[test]
fn given_a_connection_then_it_is_counted_once_with_the_bytes_of_both_sides() {
    let echo = greeter();
    let node = Node::new(Protocol::Tcp, nobody(), &[echo.address]);
    for _ in 0..3 {
        let mut client = node.connect();
        client.expect("hello");
        client.send("bye");
        client.half_close();
        client.expect_end();
    }
    let all = counted(&node, 3);
    let [(parties, counts)] = all.iter().collect::<Vec<_>>()[..] else { panic!("one series: {all:?}") };
    assert_eq!(*counts, Connections { opened: 3, closed: 3, sent: 9, received: 15 });
    let service = parties.service.as_ref().expect("a service");
    assert_eq!(
        (service.host.as_str(), &*service.name, &*service.namespace),
        ("echo.shop.svc.cluster.local", "echo", "shop")
    );
    assert_eq!((&*parties.source.name, parties.flags.to_string().as_str()), ("client", "-"));
}

#[test]
fn given_a_connection_that_comes_to_nothing_then_it_is_counted_as_begun_and_ended_with_the_flag_that_says_why() {
    let limited = |endpoints: &[SocketAddr]| Node::new(Protocol::Tcp, nobody(), endpoints);
    for (node, flag) in [(limited(&[nobody()]), "UF"), (limited(&[]), "UH")] {
        node.connect().expect_reset();
        let all = counted(&node, 1);
        let [(parties, counts)] = all.iter().collect::<Vec<_>>()[..] else { panic!("one series: {all:?}") };
        assert_eq!(parties.flags.to_string(), flag);
        assert_eq!(*counts, Connections { opened: 1, closed: 1, sent: 0, received: 0 }, "{flag}");
    }
}

/// All requests that workers hand over, until there are as many.
fn requests(node: &Node, count: u64) -> Vec<(Met, Requests)> {
    let mut all: Vec<(Met, Requests)> = Vec::new();
    while all.iter().map(|(_, requests)| requests.count()).sum::<u64>() < count {
        all.extend(node.counted.recv_timeout(PATIENCE).expect("a tally").requests);
    }
    all
}

#[test]
fn given_requests_then_each_is_counted_with_its_status_its_flags_and_where_it_went() {
    let echo = Upstream::answering("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello");
    let node = Node::http(&echo);
    let mut client = node.connect();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: echo.shop\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 201"));
        client.bytes(5).expect("a body");
    }
    for (met, _) in requests(&node, 3) {
        assert_eq!((met.code, met.flags.to_string().as_str()), (201, "-"));
        assert_eq!(met.endpoint, Some(echo.address));
        let Towards::Cluster(cluster) = &met.towards else { panic!("a cluster: {met:?}") };
        assert_eq!(cluster.host.as_str(), "echo.shop.svc.cluster.local");
    }
    let nobody = Node::new(Protocol::Http, nobody(), &[]);
    let mut client = nobody.connect();
    client.send("GET / HTTP/1.1\r\nHost: echo.shop\r\n\r\n");
    client.expect("HTTP/1.1 503");
    let all = requests(&nobody, 1);
    let [(met, _)] = &all[..] else { panic!("one series: {all:?}") };
    assert_eq!((met.code, met.flags.to_string().as_str(), met.endpoint), (503, "UH", None));
}
