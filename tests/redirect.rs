//! The capture listeners: who reaches them, and what passes through them as it is.

use std::net::Ipv4Addr;

use harness::{Node, mesh_rule};
use meshlet_sandbox::{ConnectCall, HttpCall, RawCall};

const ALL_TO_V1: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

fn ruled() -> Node {
    let mut node = Node::new();
    node.apply(&mesh_rule(ALL_TO_V1));
    node
}

#[test]
fn given_an_unmarked_pod_when_it_connects_then_none_of_our_listeners_is_touched() {
    let node = ruled();
    let mut client = node.client("unmarked");
    for keep_alive in [true, false] {
        drop(node.ask("unmarked", &HttpCall { count: 100, keep_alive, ..node.get() }));
    }
    assert_eq!(client.listening().expect("ports"), Vec::<u16>::new(), "no listener in its network namespace");
    assert_eq!(
        client.netdev().expect("counters").get("lo").map(|lo| lo.rx_packets),
        Some(0),
        "nothing on its loopback"
    );
    assert_eq!(node.client("marked").listening().expect("ports").first(), Some(&15001));
}

#[test]
fn given_a_service_id_dialled_by_hand_when_a_marked_pod_connects_then_it_is_refused() {
    let node = ruled();
    let mut client = node.client("marked");
    for id in [1, 2, 12345] {
        let address = Ipv4Addr::from_bits(0x7f40_0000 | id);
        let dialled = client.connect(&ConnectCall::to((address, 15001))).expect("an answer");
        assert!(dialled.error.is_some(), "{address}: {dialled:?}");
    }
    let outside = node.client("unmarked").connect(&ConnectCall::to((node.ip("marked"), 15001))).expect("an answer");
    assert!(outside.error.is_some(), "the capture port is closed from outside: {outside:?}");
}

#[test]
fn given_bytes_that_are_not_http_1_1_when_a_marked_pod_sends_them_then_they_pass_through() {
    let node = ruled();
    let mut client = node.client("marked");
    for send in ["\u{1}binary\u{2}", "0 is no method"] {
        let call = RawCall { half_close: true, ..RawCall::new(node.service, send) };
        let echoed = client.raw(&call).expect("an answer");
        assert_eq!(echoed.received, send, "{echoed:?}");
    }
    let call = RawCall { until: Some("pod".to_owned()), ..RawCall::new(node.service, "GET / HTTP/1.0\r\n\r\n") };
    assert!(client.raw(&call).expect("an answer").received.contains("x-pod"), "HTTP/1.0 is not recognised and passes");
}
