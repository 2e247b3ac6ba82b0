//! TLS to endpoints, against servers whose certificates are made here.

use std::io::Write as _;
use std::net::Shutdown;

use super::tls_server::{Authority, Server, request};
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n";

fn policy(blocks: &str) -> String {
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: echo, namespace: shop}}, spec: {{host: echo, trafficPolicy: {{{blocks}}}}}}}\n"
    )
}

fn simple(fields: &str) -> String {
    policy(&format!("tls: {{mode: SIMPLE, {fields}}}"))
}

fn signed_by(authority: &Authority, fields: &str) -> String {
    simple(&format!("caCertificates: {}, {fields}", authority.path().display()))
}

/// A route that shows why there was no answer, with these fields beside it.
fn shown(fields: &str) -> String {
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: echo, namespace: shop}}, spec: {{hosts: [echo], http: [{{route: [{{destination: {{host: echo}}}}], headers: {{response: {{set: {{details: '%RESPONSE_CODE_DETAILS%'}}}}}}, {fields}}}]}}}}\n"
    )
}

const ONCE: &str = "retries: {attempts: 0}";

fn node(protocol: Protocol, text: &str, endpoints: &[SocketAddr]) -> Node {
    let dialled = nobody();
    let node = Node::new(protocol, dialled, endpoints);
    rule(&node, protocol, dialled, text, endpoints);
    node
}

fn rule(node: &Node, protocol: Protocol, dialled: SocketAddr, text: &str, endpoints: &[SocketAddr]) {
    let services = [service("echo", protocol, dialled, endpoints)];
    node.client.table.store(Arc::new(compiled(rules(text), services)));
}

fn get(node: &Node, host: &str) -> String {
    let mut client = node.connect();
    client.send(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    client.rest().expect("an answer")
}

/// Why the endpoint was not asked.
fn refusal(node: &Node) -> String {
    let answer = get(node, "echo");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let details = answer.lines().find_map(|line| line.strip_prefix("details: ")).expect("details").to_owned();
    let reason =
        details.strip_prefix("upstream_reset_before_response_started{").and_then(|rest| rest.strip_suffix('}'));
    reason.unwrap_or_else(|| panic!("{details}")).to_owned()
}

const UNTRUSTED: &str = "remote_connection_failure,TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end";

#[test]
fn given_simple_then_requests_go_out_in_tls_over_a_connection_that_is_kept() {
    let authority = Authority::new();
    let server = Server::http(authority.server(&["echo"]));
    let node = node(Protocol::Http, &signed_by(&authority, ""), &[server.address]);
    let mut client = node.connect();
    for _ in 0..3 {
        client.send(GET);
        client.expect(OK);
    }
    // A request that may do harm twice waits for a connection that is known to be open.
    client.send("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\n\r\nhello");
    client.expect("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(server.asked(), [Some("echo".to_owned())]);
    assert_eq!(server.connections(), 1);
}

#[test]
fn given_an_authority_that_did_not_sign_then_the_answer_is_a_503_with_envoys_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::http(authority.server(&["echo"]));
    let by = |rule: String| refusal(&node(Protocol::Http, &(rule + &shown(ONCE)), &[server.address]));
    assert_eq!(by(signed_by(&other, "")), UNTRUSTED);
    // Without a file the system's authorities count.
    assert_eq!(by(simple("")), UNTRUSTED);
    assert_eq!(
        by(simple("caCertificates: /nowhere")),
        "remote_connection_failure,TLS_error:_Secret_is_not_supplied_by_SDS"
    );
    assert_eq!(server.asked(), []);
}

#[test]
fn given_names_then_the_certificate_must_have_one_of_them() {
    let authority = Authority::new();
    let server = Server::http(authority.server(&["*.wild.example", "*.shop.svc", "spiffe://shop/echo", "10.0.0.9"]));
    for (fields, trusted) in [
        ("subjectAltNames: [a.wild.example]", true),
        ("subjectAltNames: [nobody, 'spiffe://shop/echo']", true),
        ("subjectAltNames: ['10.0.0.9']", true),
        ("subjectAltNames: ['spiffe://shop/ech']", false),
        ("subjectAltNames: [wild.example, a.b.wild.example]", false),
        // The name in the authority counts as long as nothing else does, and only for who asks by it.
        ("", false),
        ("sni: any.example", true),
        ("sni: a.wild.example, subjectAltNames: [echo]", false),
    ] {
        let text = signed_by(&authority, fields) + &shown(ONCE);
        let node = node(Protocol::Http, &text, &[server.address]);
        match trusted {
            true => assert!(get(&node, "echo").starts_with("HTTP/1.1 200 "), "{fields}"),
            false => assert_eq!(refusal(&node), UNTRUSTED, "{fields}"),
        }
    }
    let text = signed_by(&authority, "") + &shown(ONCE);
    assert!(get(&node(Protocol::Http, &text, &[server.address]), "echo.shop.svc").starts_with("HTTP/1.1 200 "));
}

#[test]
fn given_nothing_to_verify_then_anybody_is_trusted_but_not_with_the_connection_of_others() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::http(authority.server(&["somebody"]));
    let dialled = nobody();
    let node = Node::new(Protocol::Http, dialled, &[server.address]);
    let say = |tls: String| rule(&node, Protocol::Http, dialled, &(tls + &shown(ONCE)), &[server.address]);
    say(simple("insecureSkipVerify: true"));
    assert!(get(&node, "echo").starts_with("HTTP/1.1 200 "));
    say(signed_by(&other, ""));
    assert_eq!(refusal(&node), UNTRUSTED);
    // In plain text it is not spoken to in TLS either.
    say(policy("tls: {mode: DISABLE}"));
    assert!(!get(&node, "echo").starts_with("HTTP/1.1 200 "));
    say(simple("insecureSkipVerify: true"));
    assert!(get(&node, "echo").starts_with("HTTP/1.1 200 "));
}

#[test]
fn given_a_server_name_then_it_is_asked_for_and_else_the_host_of_the_authority() {
    let authority = Authority::new();
    let server = Server::http(authority.server(&["echo", "echo.shop"]));
    let asked = |fields: &str, host: &str| {
        let before = server.asked().len();
        let node = node(Protocol::Http, &(signed_by(&authority, fields) + &shown(ONCE)), &[server.address]);
        assert!(get(&node, host).starts_with("HTTP/1.1 200 "), "{fields} {host}");
        server.asked().split_off(before)
    };
    let name = |name: &str| vec![Some(name.to_owned())];
    assert_eq!(asked("", "echo"), name("echo"));
    assert_eq!(asked("", "echo.shop:8080"), name("echo.shop"));
    assert_eq!(asked("sni: b.example", "echo.shop"), name("b.example"));
}

#[test]
fn given_two_authorities_then_each_has_connections_of_its_own() {
    let authority = Authority::new();
    let server = Server::http(authority.server(&["echo", "echo.shop"]));
    let node = node(Protocol::Http, &(signed_by(&authority, "") + &shown(ONCE)), &[server.address]);
    // On one connection, so that it is one worker that could mix them up.
    let mut client = node.connect();
    for host in ["echo", "echo.shop", "echo", "echo.shop"] {
        client.send(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert!(client.head().starts_with("HTTP/1.1 200 "), "{host}");
        client.expect("ok");
    }
    assert_eq!(server.asked(), [Some("echo".to_owned()), Some("echo.shop".to_owned())]);
}

#[test]
fn given_an_endpoint_that_fails_the_handshake_then_another_one_is_tried() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (good, stranger) = (Server::http(authority.server(&["echo"])), Server::http(other.server(&["echo"])));
    let plain = Upstream::new(|_, _| {});
    let retries = "retries: {attempts: 20, retryOn: connect-failure, backoff: 1ms}";
    let text = signed_by(&authority, "") + &shown(retries);
    for bad in [stranger.address, plain.address] {
        let node = node(Protocol::Http, &text, &[bad, good.address]);
        for _ in 0..16 {
            assert!(get(&node, "echo").starts_with("HTTP/1.1 200 "));
        }
    }
    assert!(stranger.connections() > 0 && plain.connections() > 0);
}

#[test]
fn given_an_endpoint_that_speaks_no_tls_then_the_reason_says_so() {
    let plain = Upstream::new(|conversation, _| {
        conversation.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = conversation.rest();
    });
    let node = node(Protocol::Http, &(simple("") + &shown(ONCE)), &[plain.address]);
    assert_eq!(
        refusal(&node),
        "remote_connection_failure,TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
    );
}

#[test]
fn given_a_handshake_that_does_not_come_to_an_end_then_the_connect_timeout_ends_it() {
    let silent = Upstream::new(|conversation, _| drop(conversation.rest()));
    let text = policy("tls: {mode: SIMPLE}, connectionPool: {tcp: {connectTimeout: 0.1s}}") + &shown(ONCE);
    let node = node(Protocol::Http, &text, &[silent.address]);
    assert_eq!(refusal(&node), "connection_timeout");
}

#[test]
fn given_large_bodies_then_they_pass_both_ways() {
    let authority = Authority::new();
    let server = Server::http(authority.server(&["echo"]));
    let node = node(Protocol::Http, &signed_by(&authority, ""), &[server.address]);
    let mut client = node.connect();
    let body: String = (0..3_000_000_u32).map(|at| char::from(b'a' + u8::try_from(at % 23).expect("small"))).collect();
    for _ in 0..2 {
        client.send(&format!("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        assert!(client.bytes(body.len()).expect("a body") == body.as_bytes());
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn given_a_connection_that_is_relayed_then_it_is_in_tls_and_the_half_close_is_kept() {
    let authority = Authority::new();
    let server = Server::new(authority.server(&["anything"]), |session| {
        let _ = session.write_all(b"first");
        let mut all = Vec::new();
        // Only a close that was said is an end here.
        if session.read_to_end(&mut all).is_ok() {
            let _ = session.write_all(&all);
            session.conn.send_close_notify();
            let _ = session.flush();
        }
    });
    let node = node(Protocol::Tcp, &signed_by(&authority, ""), &[server.address]);
    let mut client = node.connect();
    client.expect("first");
    let sent = "0123456789".repeat(50_000);
    client.send(&sent);
    client.half_close();
    assert!(client.rest().expect("a clean end") == sent);
    // Bytes that are not read name nobody, so any name does.
    assert_eq!(server.asked(), [None]);
}

#[test]
fn given_a_connection_that_is_relayed_to_somebody_else_then_it_is_closed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::new(authority.server(&["echo"]), |session| drop(session.write_all(b"hello")));
    for rule in [signed_by(&other, ""), signed_by(&authority, "subjectAltNames: [nobody]")] {
        node(Protocol::Tcp, &rule, &[server.address]).connect().expect_reset();
    }
    assert_eq!(server.asked(), []);
}

#[test]
fn given_a_server_that_ends_without_saying_so_then_it_has_ended() {
    let authority = Authority::new();
    let server = Server::new(authority.server(&["echo"]), |session| {
        request(session);
        let _ = session.write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it");
    });
    let node = node(Protocol::Http, &signed_by(&authority, ""), &[server.address]);
    assert!(get(&node, "echo").ends_with("\r\n\r\nall of it"));
}

#[test]
fn given_a_kept_connection_that_the_server_has_ended_then_the_next_request_gets_another_one() {
    let authority = Authority::new();
    let server = Server::new(authority.server(&["echo"]), |session| {
        request(session);
        let _ = session.write_all(OK.as_bytes());
        session.conn.send_close_notify();
        let _ = session.flush();
    });
    let node = node(Protocol::Http, &(signed_by(&authority, "") + &shown(ONCE)), &[server.address]);
    let mut client = node.connect();
    for count in 1..=5 {
        client.send("GET / HTTP/1.1\r\nHost: echo\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 200 "), "{count}");
        client.expect("ok");
    }
    assert_eq!(server.connections(), 5);
}

#[test]
fn given_another_file_of_authorities_then_new_connections_trust_them() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = Server::http(new.server(&["echo"]));
    let node = node(Protocol::Http, &(signed_by(&old, "") + &shown(ONCE)), &[server.address]);
    // Over one connection, so that it is one worker that has read the old one.
    let mut client = node.connect();
    client.send(GET);
    assert!(client.head().starts_with("HTTP/1.1 503 "));
    let beside = old.path().with_extension("new");
    std::fs::copy(new.path(), &beside).expect("a copy");
    std::fs::rename(&beside, old.path()).expect("one file system");
    let mut client = node.connect();
    client.send(GET);
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}

#[test]
fn given_endpoints_that_are_not_chosen_then_the_dialled_one_is_spoken_to_in_tls_all_the_same() {
    let authority = Authority::new();
    let http = Server::http(authority.server(&["echo"]));
    let tcp = Server::new(authority.server(&["echo"]), |session| {
        let _ = session.write_all(b"hello");
        session.conn.send_close_notify();
        let _ = session.flush();
    });
    let path = authority.path().display();
    let text = policy(&format!("loadBalancer: {{simple: PASSTHROUGH}}, tls: {{mode: SIMPLE, caCertificates: {path}}}"));
    let at = |protocol, server: &Server| {
        let node = Node::new(protocol, server.address, &[]);
        rule(&node, protocol, server.address, &text, &[]);
        node
    };
    assert!(get(&at(Protocol::Http, &http), "echo").starts_with("HTTP/1.1 200 "));
    at(Protocol::Tcp, &tcp).connect().expect("hello");
}

#[test]
fn given_outlier_detection_then_a_handshake_that_fails_counts_as_a_failure_of_the_endpoint() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::http(other.server(&["echo"]));
    let path = authority.path().display();
    let text = policy(&format!(
        "tls: {{mode: SIMPLE, caCertificates: {path}}}, outlierDetection: {{consecutive5xxErrors: 1, maxEjectionPercent: 100}}"
    )) + &shown(ONCE);
    let node = node(Protocol::Http, &text, &[server.address]);
    assert_eq!(refusal(&node), UNTRUSTED);
    assert!(get(&node, "echo").contains("no_healthy_upstream"));
}

#[test]
fn given_a_mirror_that_is_spoken_to_in_tls_then_it_gets_its_copy_so() {
    let authority = Authority::new();
    let (upstream, mirror) = (Upstream::answering(OK), Server::http(authority.server(&["copy"])));
    let node = Node::ruled("{route: [{destination: {host: echo}}]}", &[upstream.address], &[mirror.address]);
    let dialled = node.client.meanings.of(super::ID).expect("a service").dialled;
    let at = |last| SocketAddr::from(([127, 0, 0, last], dialled.port));
    let copies = signed_by(&authority, "sni: copy, subjectAltNames: [copy]").replace("host: echo", "host: copy");
    let text = copies + &shown("mirror: {host: copy}");
    let echo = service("echo", Protocol::Http, at(1), &[upstream.address]);
    let copy = service("copy", Protocol::Http, at(2), &[mirror.address]);
    node.client.table.store(Arc::new(compiled(rules(&text), [echo, copy])));
    for _ in 0..2 {
        assert!(get(&node, "echo").starts_with("HTTP/1.1 200 "));
    }
    wait_for(|| mirror.asked().contains(&Some("copy".to_owned())));
}

#[test]
fn given_an_endpoint_that_switches_protocols_then_what_follows_stays_in_tls() {
    let authority = Authority::new();
    let server = Server::new(authority.server(&["echo"]), |session| {
        request(session);
        let _ = session.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
        let mut bytes = [0; 5];
        if session.read_exact(&mut bytes).is_ok() {
            let _ = session.write_all(&bytes);
            session.conn.send_close_notify();
            let _ = session.flush();
        }
    });
    let node = node(Protocol::Http, &signed_by(&authority, ""), &[server.address]);
    let mut client = node.connect();
    client.send("GET / HTTP/1.1\r\nHost: echo\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.send("hello");
    client.expect("hello");
}

#[test]
fn given_http2_for_endpoints_that_are_spoken_to_in_tls_then_it_is_closed_and_not_sent_in_the_clear() {
    let plain = Upstream::new(|conversation, _| drop(conversation.rest()));
    for (text, connections) in [(simple(""), 0), (shown(ONCE) + &simple("sni: a"), 0), (policy("tls: {}"), 1)] {
        let before = plain.connections();
        let node = Node::new(Protocol::Http, plain.address, &[plain.address]);
        rule(&node, Protocol::Http, plain.address, &text, &[plain.address]);
        let mut client = node.connect();
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        // It may have been reset by now, which shows below.
        drop(client.stream.shutdown(Shutdown::Write));
        assert_eq!(client.rest().is_ok(), connections == 1, "{text}");
        assert_eq!(plain.connections() - before, connections, "{text}");
    }
}
