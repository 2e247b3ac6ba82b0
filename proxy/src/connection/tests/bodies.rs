//! Bodies both ways: framing kept, streamed as they come, bounded in memory.

use super::*;

const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn given_a_chunked_body_then_it_arrives_byte_for_byte_with_its_trailers() {
    const BODY: &str = "5;x=y\r\nhello\r\n0C\r\n, all of you\r\n0\r\nX-Sum: 1\r\n\r\n";
    let upstream = Upstream::new(|conversation, _| {
        loop {
            if !conversation.head().contains("\r\ntransfer-encoding: chunked\r\n") {
                return;
            }
            conversation.expect(BODY);
            conversation.send(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{BODY}"));
        }
    });
    let node = Node::http(&upstream);
    let head = "POST / HTTP/1.1\r\nHost: echo\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{BODY}");
    let mut client = node.connect();
    client.send(&format!("{head}{BODY}{head}{BODY}"));
    client.expect(&answer);
    client.expect(&answer);
    for part in [head, &BODY[..3], &BODY[3..9], &BODY[9..]] {
        client.send(part);
        std::thread::sleep(Duration::from_millis(5));
    }
    client.expect(&answer);
    // The next request comes with the last bytes of a body that was streamed.
    client.send(head);
    std::thread::sleep(Duration::from_millis(20));
    client.send(&format!("{BODY}{head}{BODY}"));
    client.expect(&answer);
    client.expect(&answer);
    assert_eq!(upstream.connections(), 1);
}

/// Echoes sized bodies while they come.
fn echo() -> Upstream {
    Upstream::new(|conversation, _| {
        loop {
            let head = conversation.head();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) else { return };
            conversation.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"));
            let (mut left, mut piece) = (length, [0; 8192]);
            while left > 0 {
                let Ok(count @ 1..) = conversation.stream.read(&mut piece) else { return };
                left -= count;
                if conversation.stream.write_all(&piece[..count]).is_err() {
                    return;
                }
            }
        }
    })
}

#[test]
fn given_large_bodies_both_ways_at_once_then_they_stream() {
    let upstream = echo();
    let node = Node::http(&upstream);
    let client = node.connect();
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| u8::try_from(number % 251).expect("below 251")).collect();
    for _ in 0..2 {
        let mut sender = client.stream.try_clone().expect("a second handle");
        let sent = body.clone();
        let sending = std::thread::spawn(move || {
            let head = format!("PUT / HTTP/1.1\r\nHost: echo\r\nContent-Length: {}\r\n\r\n", sent.len());
            sender.write_all(head.as_bytes()).and_then(|()| sender.write_all(&sent))
        });
        let mut receiver = Conversation::new(client.stream.try_clone().expect("a third handle"));
        assert!(receiver.head().contains("content-length: 3000000\r\n"));
        assert_eq!(receiver.bytes(body.len()).expect("the echo"), body);
        sending.join().expect("no panic").expect("all was taken");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn given_expect_100_continue_then_the_body_is_sent_when_the_endpoint_asks_for_it() {
    let upstream = Upstream::new(|conversation, _| {
        while conversation.head().contains("\r\nexpect: 100-continue\r\n") {
            conversation.send("HTTP/1.1 100 Continue\r\n\r\n");
            conversation.expect("hello");
            conversation.send(DONE);
        }
    });
    let node = Node::http(&upstream);
    let mut client = node.connect();
    for _ in 0..2 {
        client.send("PUT / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        client.expect("HTTP/1.1 100 Continue\r\n\r\n");
        client.send("hello");
        client.expect(DONE);
    }
}

#[test]
fn given_an_answer_before_the_body_was_sent_then_it_is_delivered_and_the_connection_ends() {
    let upstream = Upstream::new(|conversation, _| {
        conversation.head();
        conversation.send("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig");
    });
    let node = Node::http(&upstream);
    for framing in ["Content-Length: 100000000", "Transfer-Encoding: chunked"] {
        let mut client = node.connect();
        client.send(&format!("PUT / HTTP/1.1\r\nHost: echo\r\n{framing}\r\n\r\n"));
        client.expect("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig");
        client.expect_end();
    }
}

#[test]
fn given_a_response_that_ends_with_its_connection_then_the_clients_connection_ends_too() {
    let upstream = Upstream::new(|conversation, _| {
        conversation.head();
        conversation.send("HTTP/1.1 200 OK\r\n\r\nall there is");
    });
    let node = Node::http(&upstream);
    let mut client = node.connect();
    client.send("GET / HTTP/1.1\r\nHost: echo\r\n\r\n");
    client.expect("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall there is");
    client.expect_end();
}

#[test]
fn given_a_slow_reader_then_its_endpoint_is_slowed_down_and_others_are_served() {
    const PIECE: usize = 1 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let upstream = Upstream::new(move |conversation, _| {
        while let Some(path) = conversation.head().split(' ').nth(1) {
            if path == "/small" {
                conversation.send(DONE);
                continue;
            }
            conversation.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 256 * PIECE));
            let piece = vec![b'x'; PIECE];
            while conversation.stream.write_all(&piece).is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
            return;
        }
    });
    let node = Node::http(&upstream);
    let mut slow = node.connect();
    slow.send("GET / HTTP/1.1\r\nHost: echo\r\n\r\n");
    slow.head();
    for _ in 0..20 {
        let mut client = node.connect();
        client.send("GET /small HTTP/1.1\r\nHost: echo\r\n\r\n");
        client.expect(DONE);
        std::thread::sleep(Duration::from_millis(10));
    }
    // What fits in the sockets between them, and no more.
    assert!(sent.load(Ordering::SeqCst) < 64, "{} MiB were taken", sent.load(Ordering::SeqCst));
}
