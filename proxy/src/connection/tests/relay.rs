//! Opaque connections over their lives: who is told of an endpoint that refuses, how they end, and who waits for whom.

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::*;

/// `echo` with a DestinationRule of this policy.
fn node(policy: &str, endpoints: &[SocketAddr]) -> Node {
    let dialled = nobody();
    let node = Node::new(Protocol::Tcp, dialled, endpoints);
    let rule = format!(
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: echo, namespace: shop}}, \
         spec: {{host: echo, trafficPolicy: {policy}}}}}"
    );
    node.client.table.store(Arc::new(ruled(rules(&rule), Protocol::Tcp, dialled, endpoints)));
    node
}

/// Sends back what it gets.
fn echo() -> Upstream {
    Upstream::new(|conversation, _| {
        while let Ok(bytes) = conversation.bytes(1) {
            let _ = conversation.stream.write_all(&bytes);
        }
    })
}

/// Gives its only connection to the test.
fn given_away() -> (Upstream, Receiver<TcpStream>) {
    let (sender, receiver) = channel();
    let upstream = Upstream::new(move |conversation, _| {
        let stream = conversation.stream.try_clone().expect("a second handle");
        sender.send(stream).expect("the test waits for it");
    });
    (upstream, receiver)
}

#[test]
fn given_an_endpoint_that_refuses_connections_then_it_is_thrown_out_after_as_many_as_the_rule_bears() {
    for (limit, detection) in [
        (2, "consecutive5xxErrors: 2"),
        (3, "consecutive5xxErrors: 0, consecutiveGatewayErrors: 3"),
        (4, "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 4"),
    ] {
        let echo = echo();
        let policy = format!(
            "{{loadBalancer: {{simple: ROUND_ROBIN}}, outlierDetection: {{{detection}, maxEjectionPercent: 100, baseEjectionTime: 600s}}}}"
        );
        let node = node(&policy, &[nobody(), echo.address]);
        let answered = |_: &usize| {
            let mut client = node.connect();
            client.send("x");
            client.bytes(1).is_ok()
        };
        assert_eq!((0..40).filter(answered).count(), 40 - limit, "{detection}");
    }
}

#[test]
fn given_a_longest_duration_then_a_busy_connection_ends_with_it_on_both_sides() {
    let (upstream, streams) = given_away();
    let node = node("{connectionPool: {tcp: {maxConnectionDuration: 0.4s}}}", &[upstream.address]);
    let began = Instant::now();
    let mut client = node.connect();
    let mut server = Conversation::new(streams.recv_timeout(PATIENCE).expect("a connection"));
    while began.elapsed() < PATIENCE {
        server.send("x");
        match client.bytes(1) {
            Ok(_) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "an end, and no reset");
                break;
            }
        }
    }
    assert!((Duration::from_millis(400)..PATIENCE).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(server.bytes(1).is_err(), "the endpoint's side has ended too");
}

#[test]
fn given_an_endpoint_that_ends_first_then_what_the_client_still_says_arrives() {
    let (upstream, streams) = given_away();
    let node = node("{outlierDetection: {}}", &[upstream.address]);
    let mut client = node.connect();
    let mut server = Conversation::new(streams.recv_timeout(PATIENCE).expect("a connection"));
    server.send("bye");
    server.half_close();
    client.expect("bye");
    client.expect_end();
    client.send("one more thing");
    client.half_close();
    assert_eq!(server.rest().expect("a clean end"), "one more thing");
}

#[test]
fn given_a_reader_that_does_not_read_then_its_writer_waits_and_nothing_is_lost() {
    const ALL: usize = 64 << 20;
    for client_reads in [false, true] {
        let (upstream, streams) = given_away();
        let node = node("{outlierDetection: {}}", &[upstream.address]);
        let client = node.connect().stream;
        let server = streams.recv_timeout(PATIENCE).expect("a connection");
        let (mut reader, mut writer) = if client_reads { (client, server) } else { (server, client) };
        writer.set_write_timeout(Some(Duration::from_millis(500))).expect("a time limit");
        let bytes: Vec<u8> = (0_u8..251).cycle().take(1 << 20).collect();
        let mut sent = 0;
        while sent < ALL {
            match writer.write(&bytes[sent % bytes.len()..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        // What is under way lies in the sockets of both connections, 10 MiB at most each, and a buffer of 64 KiB.
        assert!(sent < 32 << 20, "{sent} bytes were taken from the writer");
        let rest = std::thread::spawn(move || {
            writer.set_write_timeout(Some(PATIENCE)).expect("a time limit");
            while sent < ALL {
                let end = bytes.len().min(sent % bytes.len() + ALL - sent);
                sent += writer.write(&bytes[sent % bytes.len()..end]).expect("a reader");
            }
            writer.shutdown(Shutdown::Write).expect("an open connection");
            bytes
        });
        let mut read = Vec::with_capacity(ALL);
        reader.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        reader.read_to_end(&mut read).expect("a clean end");
        let bytes = rest.join().expect("all sent");
        assert_eq!(read.len(), ALL);
        assert!(read.chunks(bytes.len()).all(|chunk| chunk == &bytes[..chunk.len()]), "in order and unchanged");
    }
}
