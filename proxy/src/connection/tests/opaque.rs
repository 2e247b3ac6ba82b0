//! Everything that is not HTTP/1.1: relayed byte for byte.

use super::*;

/// Sends back what it gets, then ends as its peer does.
fn echo() -> Upstream {
    Upstream::new(|conversation, _| {
        while let Ok(bytes) = conversation.bytes(1) {
            let _ = conversation.stream.write_all(&bytes);
        }
    })
}

#[test]
fn given_bytes_that_are_no_http_then_they_are_relayed_with_the_half_close() {
    let upstream = echo();
    for protocol in [Protocol::Http, Protocol::Unknown, Protocol::Tcp, Protocol::Tls] {
        let node = Node::new(protocol, upstream.address, &[upstream.address]);
        for bytes in [
            "\u{16}\u{3}\u{1} hello",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "*1\r\n$4\r\nPING\r\n",
            "GET / HTT",
            "",
        ] {
            let mut client = node.connect();
            client.send(bytes);
            client.half_close();
            assert_eq!(client.rest().expect("a clean end"), bytes, "{protocol:?}");
        }
    }
}

#[test]
fn given_a_port_declared_opaque_then_the_server_may_speak_first_and_http_is_not_read() {
    let upstream = Upstream::new(|conversation, _| {
        conversation.send("220 ready\r\n");
        conversation.expect("GET / HTTP/1.1\r\n\r\n");
        conversation.send("250 done\r\n");
    });
    let node = Node::new(Protocol::Tcp, upstream.address, &[upstream.address]);
    let mut client = node.connect();
    client.expect("220 ready\r\n");
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.expect("250 done\r\n");
    client.expect_end();
}

#[test]
fn given_a_reset_on_one_side_then_the_other_side_is_reset() {
    let upstream = Upstream::new(|conversation, _| {
        conversation.expect("\u{1}");
        let socket = socket2::SockRef::from(&conversation.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a linger time");
    });
    let node = Node::new(Protocol::Tcp, upstream.address, &[upstream.address]);
    let mut client = node.connect();
    client.send("\u{1}");
    client.expect_reset();

    let (sender, resets) = std::sync::mpsc::channel();
    let upstream = Upstream::new(move |conversation, _| {
        conversation.expect("\u{1}");
        let _ = sender.send(conversation.rest().expect_err("a reset").kind());
    });
    let node = Node::new(Protocol::Tcp, upstream.address, &[upstream.address]);
    let mut client = node.connect();
    client.send("\u{1}");
    std::thread::sleep(Duration::from_millis(20));
    client.reset();
    assert_eq!(resets.recv_timeout(PATIENCE), Ok(ErrorKind::ConnectionReset));
}

#[test]
fn given_nobody_where_the_client_dialled_then_its_connection_is_reset() {
    let node = Node::new(Protocol::Tcp, nobody(), &[nobody()]);
    node.connect().expect_reset();
}

#[test]
fn given_much_both_ways_then_all_of_it_arrives() {
    let upstream = echo_in_pieces();
    let node = Node::new(Protocol::Tcp, upstream.address, &[upstream.address]);
    let mut client = node.connect();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| u8::try_from(number % 253).expect("below 253")).collect();
    let mut sender = client.stream.try_clone().expect("a second handle");
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || sender.write_all(&sent).and_then(|()| sender.shutdown(Shutdown::Write)));
    assert_eq!(client.bytes(bytes.len()).expect("the echo"), bytes);
    client.expect_end();
    sending.join().expect("no panic").expect("all was taken");
}

fn echo_in_pieces() -> Upstream {
    Upstream::new(|conversation, _| {
        let mut piece = vec![0; 100_000];
        while let Ok(count @ 1..) = conversation.stream.read(&mut piece) {
            if conversation.stream.write_all(&piece[..count]).is_err() {
                return;
            }
        }
    })
}
