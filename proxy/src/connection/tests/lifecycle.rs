//! Pods that come and go, workers that start and stop.

use super::*;
use crate::metrics::channel;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n";

/// Answers `/slow` only after `release` was sent to it.
fn slow() -> (Upstream, std::sync::mpsc::Sender<()>) {
    let (release, released) = std::sync::mpsc::channel();
    let released = Mutex::new(released);
    let upstream = Upstream::new(move |conversation, _| {
        while let Some(path) = conversation.head().split(' ').nth(1) {
            if path == "/slow" {
                let _ = released.lock().expect("no panic held it").recv_timeout(PATIENCE);
            }
            conversation.send(OK);
        }
    });
    (upstream, release)
}

#[test]
fn given_a_pod_that_is_withdrawn_then_idle_connections_end_and_requests_under_way_are_finished() {
    let (upstream, release) = slow();
    let node = Node::http(&upstream);
    let (mut idle, mut fresh, mut busy) = (node.connect(), node.connect(), node.connect());
    idle.send(GET);
    idle.expect(OK);
    busy.send("GET /slow HTTP/1.1\r\nHost: echo\r\n\r\n");
    wait_for(|| upstream.received().contains("/slow"));
    node.workers().withdraw(COOKIE);
    idle.expect_end();
    fresh.expect_end();
    wait_for(|| TcpStream::connect(node.capture).is_err());
    release.send(()).expect("the endpoint waits");
    busy.expect("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    busy.expect_end();
}

#[test]
fn given_a_pod_that_is_enrolled_again_then_it_is_served_by_its_new_listeners() {
    let upstream = Upstream::answering(OK);
    let mut node = Node::http(&upstream);
    let listeners = listeners(2);
    node.capture.set_port(listeners[0][0].local_addr().expect("an address").port());
    node.workers().enrol(Arc::clone(&node.client), listeners);
    let mut client = node.connect();
    client.send(GET);
    client.expect(OK);
}

#[test]
fn given_a_shutdown_then_what_is_under_way_is_finished_in_time_or_reset() {
    let (upstream, release) = slow();
    for in_time in [true, false] {
        let mut node = Node::http(&upstream);
        let mut busy = node.connect();
        upstream.received.lock().expect("no panic held it").clear();
        busy.send("GET /slow HTTP/1.1\r\nHost: echo\r\n\r\n");
        wait_for(|| upstream.received().contains("/slow"));
        let workers = node.workers.take().expect("not shut down");
        let drain = if in_time { PATIENCE } else { Duration::from_millis(50) };
        let stopping = std::thread::spawn(move || workers.shutdown(drain));
        if in_time {
            wait_for(|| TcpStream::connect(node.capture).is_err());
            release.send(()).expect("the endpoint waits");
            busy.expect("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            busy.expect_end();
        } else {
            busy.expect_reset();
            release.send(()).expect("the endpoint waits");
        }
        stopping.join().expect("no panic");
    }
}

#[test]
fn given_an_address_that_is_no_service_of_the_pod_then_the_connection_is_reset() {
    let upstream = Upstream::answering(OK);
    let node = Node::http(&upstream);
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::from(meshlet_wire::id_address(ID + 1))] {
        let mut client = Conversation::new(TcpStream::connect((address, node.capture.port())).expect("a listener"));
        client.expect_reset();
    }
}

#[test]
fn given_a_table_that_changes_then_the_next_request_follows_it() {
    let (before, after) =
        (Upstream::answering(OK), Upstream::answering("HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n"));
    let node = Node::new(Protocol::Http, before.address, &[before.address]);
    let mut client = node.connect();
    client.send(GET);
    client.expect(OK);
    node.client.table.store(Arc::new(table(Protocol::Http, before.address, &[after.address])));
    client.send(GET);
    client.expect("HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn given_running_workers_then_each_beats_from_its_own_loop() {
    let beats = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let counted = Arc::clone(&beats);
    let beat = Arc::new(move |worker: usize| {
        counted[worker].fetch_add(1, Ordering::SeqCst);
    });
    let workers = Workers::start(NonZeroUsize::new(2).expect("two"), beat, AccessLog::Off, &nowhere(), &channel().0)
        .expect("workers");
    wait_for(|| beats.iter().all(|beats| beats.load(Ordering::SeqCst) >= 3));
    workers.shutdown(Duration::ZERO);
}
