//! Connections that are decided about once: by TCP routes, by server names, and by what an undeclared port turns out to speak.

use super::*;
use crate::protocol::tls_client_hello::tests::client_hello;

/// Says who it is, then sends back what it gets, and ends as its peer does.
fn named(name: &'static str) -> Upstream {
    Upstream::new(move |conversation, _| {
        conversation.send(name);
        while let Ok(bytes) = conversation.bytes(1) {
            let _ = conversation.stream.write_all(&bytes);
        }
    })
}

/// `echo` at an address where nobody is, with rules; its endpoints and those of `copy`, whose port is the same.
fn node(protocol: Protocol, rules_of_echo: &str, echo: &[SocketAddr], copy: &[SocketAddr]) -> Node {
    at(nobody(), protocol, rules_of_echo, echo, copy)
}

fn at(dialled: SocketAddr, protocol: Protocol, text: &str, echo: &[SocketAddr], copy: &[SocketAddr]) -> Node {
    let node = Node::new(protocol, dialled, echo);
    let beside = SocketAddr::from(([127, 77, 0, 1], dialled.port()));
    let services = [service("echo", protocol, dialled, echo), service("copy", protocol, beside, copy)];
    node.client.table.store(Arc::new(compiled(rules(text), services)));
    node
}

fn virtual_service(spec: &str) -> String {
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: echo, namespace: shop}}, spec: {{hosts: [echo, '*.example'], {spec}}}}}\n"
    )
}

fn destination_rule(policy: &str) -> String {
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: echo, namespace: shop}}, spec: {{host: echo, trafficPolicy: {policy}}}}}\n"
    )
}

const TO_COPY: &str = "route: [{destination: {host: copy}}]";

#[test]
fn given_a_tcp_route_then_the_server_of_its_destination_may_speak_first_and_the_half_close_is_kept() {
    let (echo, copy) = (named("echo"), named("copy"));
    let node =
        node(Protocol::Tcp, &virtual_service(&format!("tcp: [{{{TO_COPY}}}]")), &[echo.address], &[copy.address]);
    let mut client = node.connect();
    client.expect("copy");
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.half_close();
    assert_eq!(client.rest().expect("a clean end"), "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(echo.connections(), 0);
}

#[test]
fn given_weights_then_each_connection_is_drawn_by_itself() {
    let (echo, copy) = (named("echo"), named("copy"));
    let both = "tcp: [{route: [{weight: 1, destination: {host: echo}}, {weight: 1, destination: {host: copy}}]}]";
    let node = node(Protocol::Tcp, &virtual_service(both), &[echo.address], &[copy.address]);
    for _ in 0..64 {
        node.connect().bytes(4).expect("a name");
    }
    // Either count stays at 0 once in 2^63 runs.
    assert!(echo.connections() > 0 && copy.connections() > 0);
    assert_eq!(echo.connections() + copy.connections(), 64);
}

#[test]
fn given_a_broken_destination_then_the_connection_is_closed_and_nobody_is_connected_to() {
    let echo = named("echo");
    for (policy, destination) in [
        ("{loadBalancer: {simple: RANDOM}}", "{host: nobody}"),
        ("{loadBalancer: {simple: RANDOM}}", "{host: echo, subset: v9}"),
        ("{loadBalancer: {simple: RANDOM}}", "{host: copy}"),
    ] {
        let rules =
            destination_rule(policy) + &virtual_service(&format!("tcp: [{{route: [{{destination: {destination}}}]}}]"));
        let node = at(echo.address, Protocol::Tcp, &rules, &[echo.address], &[]);
        node.connect().expect_reset();
    }
    assert_eq!(echo.connections(), 0);
}

#[test]
fn given_an_endpoint_that_cannot_be_connected_to_then_no_other_is_tried() {
    let echo = named("echo");
    let node =
        node(Protocol::Tcp, &destination_rule("{loadBalancer: {simple: ROUND_ROBIN}}"), &[nobody(), echo.address], &[]);
    let answered = (0..20).filter(|_| node.connect().bytes(4).is_ok()).count();
    assert!((1..20).contains(&answered), "{answered}");
    assert_eq!(echo.connections(), answered);
}

#[test]
fn given_server_names_then_each_goes_where_its_tls_route_says_and_an_unlisted_one_where_it_was_dialled() {
    let (echo, copy) = (named("echo"), named("copy"));
    let tls = format!("tls: [{{match: [{{sniHosts: [a.example]}}], {TO_COPY}}}]");
    let node = at(echo.address, Protocol::Tls, &virtual_service(&tls), &[], &[copy.address]);
    for (name, record, expected) in
        [("a.example", 16_384, "copy"), ("A.example", 30, "copy"), ("b.example", 16_384, "echo")]
    {
        let mut client = node.connect();
        let hello = client_hello(name, record);
        // In several segments, none of which tells by itself.
        for part in hello.chunks(hello.len() / 3) {
            client.stream.write_all(part).expect("a listener");
            client.stream.flush().expect("a listener");
        }
        client.expect(expected);
        assert_eq!(client.bytes(hello.len()).expect("what was sent"), hello, "{name}");
    }
    let mut client = node.connect();
    client.send("no TLS at all");
    client.expect("echo");
}

#[test]
fn given_an_undeclared_port_then_its_bytes_choose_the_list_of_rules() {
    let (echo, copy) = (named("echo"), named("copy"));
    let tls = format!("tls: [{{match: [{{sniHosts: [a.example]}}], {TO_COPY}}}]");
    let tcp = "tcp: [{route: [{destination: {host: nobody}}]}]";
    let http = "http: [{directResponse: {status: 418}}]";
    let node =
        at(echo.address, Protocol::Unknown, &virtual_service(&format!("{http}, {tls}, {tcp}")), &[], &[copy.address]);
    let mut client = node.connect();
    client.stream.write_all(&client_hello("a.example", 16_384)).expect("a listener");
    client.expect("copy");
    let mut client = node.connect();
    client.send("GET / HTTP/1.1\r\nHost: any\r\n\r\n");
    client.expect("HTTP/1.1 418");
    let mut client = node.connect();
    client.send("*1\r\n$4\r\nPING\r\n");
    client.expect_reset();
    // HTTP/2 is not spoken here yet: it goes where it was dialled, whatever the rules say.
    let mut client = node.connect();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.expect("echoPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

#[test]
fn given_an_idle_timeout_then_a_silent_connection_ends_and_one_that_moves_does_not() {
    let echo = named("echo");
    let pool = "{connectionPool: {tcp: {idleTimeout: 0.3s}}}";
    let node = node(Protocol::Tcp, &destination_rule(pool), &[echo.address], &[]);
    let mut client = node.connect();
    client.expect("echo");
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(900) {
        client.send("x");
        client.expect("x");
        std::thread::sleep(Duration::from_millis(30));
    }
    client.expect_end();
}

#[test]
fn given_as_many_connections_as_the_cluster_may_have_then_another_is_closed_until_one_ends() {
    let echo = named("echo");
    let pool = "{connectionPool: {tcp: {maxConnections: 1}}}";
    let node = node(Protocol::Tcp, &destination_rule(pool), &[echo.address], &[]);
    let mut first = node.connect();
    first.expect("echo");
    node.connect().expect_reset();
    first.half_close();
    first.expect_end();
    wait_for(|| node.connect().bytes(4).is_ok());
}

#[test]
fn given_a_hash_of_the_source_then_every_connection_of_the_pod_goes_to_the_same_endpoint() {
    let upstreams: Vec<Upstream> = (0..4).map(|_| named("echo")).collect();
    let endpoints: Vec<SocketAddr> = upstreams.iter().map(|upstream| upstream.address).collect();
    let hash = "{loadBalancer: {consistentHash: {useSourceIp: true}}}";
    let node = node(Protocol::Tcp, &destination_rule(hash), &endpoints, &[]);
    for _ in 0..16 {
        node.connect().expect("echo");
    }
    let counts: Vec<usize> = upstreams.iter().map(Upstream::connections).filter(|count| *count > 0).collect();
    assert_eq!(counts, [16]);
}
