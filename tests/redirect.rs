//! Capture as the app sees it: invisible.

use std::net::{Ipv4Addr, SocketAddr};

use harness::{Node, Shares, mesh_rule};
use meshlet_sandbox::{ConnectCall, HttpCall, RawCall};

const ALL_TO_V1: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

fn ruled() -> Node {
    let mut node = Node::new();
    node.apply(&mesh_rule(ALL_TO_V1));
    node
}

#[test]
fn given_mapped_and_non_blocking_sockets_when_they_connect_then_they_are_captured_like_any_other() {
    let node = ruled();
    for (mapped, nonblocking) in [(false, false), (true, false), (false, true), (true, true)] {
        let call = HttpCall { count: 20, keep_alive: false, mapped, nonblocking, ..node.get() };
        let shares = Shares::of(&node.ask("marked", &call));
        assert_eq!(shares.count("v1"), 20, "mapped {mapped}, non-blocking {nonblocking}: {shares:?}");
    }
}

#[test]
fn given_a_captured_connection_when_the_app_asks_then_its_peer_is_the_service_and_its_own_address_the_pods() {
    let node = ruled();
    let own = node.ip("marked");
    for mapped in [false, true] {
        let call = HttpCall { mapped, ..node.get() };
        for answer in node.ask("marked", &call) {
            let shown = |address: &Option<String>| -> SocketAddr {
                let address: SocketAddr = address.as_deref().unwrap_or_default().parse().expect("a socket address");
                assert_eq!(address.is_ipv6(), mapped, "{address}");
                SocketAddr::new(address.ip().to_canonical(), address.port())
            };
            assert_eq!(shown(&answer.peer), node.service, "getpeername");
            assert_eq!(shown(&answer.local).ip(), own, "getsockname");
            let seen: SocketAddr =
                answer.client.as_deref().unwrap_or_default().parse().expect("the server saw an address");
            assert_eq!(seen.ip(), own, "the server sees the pod's own address");
        }
    }
}

#[test]
fn given_a_socket_bound_to_the_pods_address_when_it_connects_then_it_is_captured_and_a_bound_device_is_not() {
    let node = ruled();
    let mut client = node.client("marked");
    let own = node.ip("marked");
    let lo =
        |client: &mut meshlet_sandbox::Client| client.netdev().expect("counters").get("lo").map(|lo| lo.rx_packets);
    let call = ConnectCall { device: Some("eth0".into()), ..ConnectCall::to(node.service) };
    let device = client.connect(&call).expect("an answer");
    assert_eq!((device.error, device.peer), (None, Some(node.service.to_string())));
    assert_eq!(lo(&mut client), Some(0), "native");
    let call = ConnectCall { bind: Some(own), ..ConnectCall::to(node.service) };
    let bound = client.connect(&call).expect("an answer");
    assert_eq!((bound.error, bound.peer), (None, Some(node.service.to_string())));
    assert!(lo(&mut client) > Some(0), "captured");
}

#[test]
fn given_udp_and_pod_addresses_when_a_marked_pod_connects_then_they_are_untouched() {
    let node = ruled();
    let mut client = node.client("marked");
    let udp = client.udp(node.service).expect("an answer");
    assert_eq!((udp.error, udp.peer), (None, Some(node.service.to_string())));
    let direct: SocketAddr = (node.ip("v2-b"), 80).into();
    let answers = node.ask("marked", &HttpCall { count: 10, ..HttpCall::get(direct, "httpping-without-sidecar") });
    assert_eq!(Shares::of(&answers).pods(), ["v2-b"]);
    assert_eq!(client.netdev().expect("counters").get("lo").map(|lo| lo.rx_packets), Some(0));
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
        let call = RawCall { to: node.service, send: send.to_owned(), half_close: true, until: None };
        let echoed = client.raw(&call).expect("an answer");
        assert_eq!(echoed.received, send, "{echoed:?}");
    }
    let call = RawCall {
        to: node.service,
        send: "GET / HTTP/1.0\r\n\r\n".to_owned(),
        half_close: false,
        until: Some("pod".to_owned()),
    };
    assert!(client.raw(&call).expect("an answer").received.contains("x-pod"), "HTTP/1.0 is not recognised and passes");
}
