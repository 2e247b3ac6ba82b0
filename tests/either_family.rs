//! Capture on IPv4, on IPv4 from an IPv6 socket, on IPv6 alone and on both: the same everywhere.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::process::Command;

use harness::{Metrics, Node, Shares, Way, many, mesh_rule, wait_for};
use meshlet_sandbox::{Client, ConnectCall, Families, HttpCall, PodSpec, ServiceSpec};

const OPAQUE_PORT: u16 = 9090;

/// Where the service ids of IPv6 lie.
const IDS: Ipv6Addr = Ipv6Addr::new(0xfd6d, 0x6573, 0x686c, 0x6574, 0, 0, 0, 0);

/// HTTP: all to v1. TCP: one in ten to v1.
fn ruled(families: Families) -> Node {
    let mut node = Node::of(families);
    let opaque = ServiceSpec::new("infra-jinsu-lab", "opaque", OPAQUE_PORT, 80).port_name("tcp");
    node.sandbox.add_service(opaque.selecting("app", "httpping").families(families)).expect("a service");
    node.apply(&(mesh_rule(ALL_TO_V1) + TEN_NINETY));
    node
}

const ALL_TO_V1: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

const TEN_NINETY: &str = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: opaque, namespace: infra-jinsu-lab}
spec: {host: opaque, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: opaque, namespace: infra-jinsu-lab}
spec:
  hosts: [opaque]
  tcp:
  - route:
    - {weight: 10, destination: {host: opaque, subset: v1}}
    - {weight: 90, destination: {host: opaque, subset: v2}}
";

const BY_SOURCE: &str = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: opaque, namespace: infra-jinsu-lab}
spec: {host: opaque, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}
";

/// All that holds whichever way a Service is dialled, on one node: building it takes longer than most of the checks.
fn check(families: Families) {
    let mut node = ruled(families);
    // These count packets on the pod's loopback, where connections to the proxy end at their leisure.
    the_kernel_picks_and_nobody_can_tell(&node);
    udp_pod_addresses_and_bound_devices_are_untouched(&node);
    a_hash_of_the_source_stays_while_other_endpoints_go(&mut node);
    bound_addresses_are_captured(&node);

    http_weights_hold_for_each_request(&mut node);
    http_routes_apply_and_nobody_can_tell(&mut node);
    without_the_daemon_all_is_native_at_once(&mut node);
}

#[test]
fn given_ipv4_alone_then_capture_holds_for_ipv4_sockets_and_for_mapped_ones() {
    check(Families::V4);
}

#[test]
fn given_ipv6_alone_then_capture_holds() {
    check(Families::V6);
}

#[test]
fn given_both_families_then_capture_holds_for_either() {
    check(Families::Dual);
}

fn to_opaque(node: &Node) -> Vec<Way> {
    Way::all(node, "opaque", OPAQUE_PORT)
}

fn on_loopback(client: &mut Client) -> u64 {
    client.netdev().expect("counters").get("lo").map_or(0, |lo| lo.rx_packets)
}

fn the_kernel_picks_and_nobody_can_tell(node: &Node) {
    let ways = to_opaque(node);
    let count = many(if ways.len() > 2 { 4_000 } else { 10_000 });
    for way in ways {
        let mut client = node.client("marked");
        let (before, counted) = (on_loopback(&mut client), Metrics::of(node));
        let answers = client.http(&way.call(count)).expect("answers");
        assert_eq!(answers.len(), count, "{way:?}");
        each_is_counted(node, &counted, count, way);
        let shares = Shares::of(&answers);
        shares.assert("v1", 0.1);
        for pod in ["v2-a", "v2-b", "v2-c"] {
            shares.assert(pod, 0.3);
        }
        assert_eq!(on_loopback(&mut client), before, "{way:?}: no packet on the pod's loopback");
        answers.iter().step_by(97).for_each(|answer| way.assert_invisible(answer));
        Shares::of(&node.ask("unmarked", &way.call(many(1_200)))).assert_even_over_six();
    }
}

/// Each connection was seen to begin and to end, and to have carried something.
fn each_is_counted(node: &Node, before: &Metrics, count: usize, way: Way) {
    let count = u32::try_from(count).map(f64::from).expect("few");
    let more = |now: &Metrics, what: &str| {
        let name = format!("meshlet_kernel_{what}_total");
        now.sum(&name, &[]) - before.sum(&name, &[])
    };
    let mut now = Metrics::of(node);
    wait_for("all connections have ended", || {
        now = Metrics::of(node);
        more(&now, "connections_closed") + more(&now, "connections_failed") >= count
    });
    let counts = ["connections_opened", "connections_closed", "connections_failed"].map(|what| more(&now, what));
    assert_eq!(counts, [count, count, 0.0], "{way:?}");
    assert!(more(&now, "sent_bytes") > count && more(&now, "received_bytes") > count, "{way:?}");
}

fn http_routes_apply_and_nobody_can_tell(node: &mut Node) {
    node.apply(&mesh_rule(ALL_TO_V1));
    for way in Way::to_service(node) {
        for (keep_alive, nonblocking) in [(true, false), (false, false), (false, true)] {
            let call = HttpCall { keep_alive, nonblocking, ..way.call(60) };
            let answers = node.ask("marked", &call);
            assert_eq!(Shares::of(&answers).count("v1"), 60, "{way:?}");
            answers.iter().for_each(|answer| way.assert_invisible(answer));
        }
        let by_address = HttpCall { host: way.to.to_string(), ..way.call(20) };
        assert_eq!(Shares::of(&node.ask("marked", &by_address)).count("v1"), 20, "{way:?}: Host is the address");
    }
}

fn http_weights_hold_for_each_request(node: &mut Node) {
    node.apply(&mesh_rule(
        "  http:
  - route:
    - {destination: {host: httpping-without-sidecar, subset: v1}, weight: 10}
    - {destination: {host: httpping-without-sidecar, subset: v2}, weight: 90}",
    ));
    for way in Way::to_service(node) {
        let answers = node.ask("marked", &HttpCall { keep_alive: true, ..way.call(1000) });
        assert!(answers.iter().all(|answer| answer.connection == 0), "{way:?}: one connection carried them all");
        Shares::of(&answers).assert("v1", 0.1);
    }
}

fn udp_pod_addresses_and_bound_devices_are_untouched(node: &Node) {
    let mut client = node.client("marked");
    let before = on_loopback(&mut client);
    for way in Way::to_service(node) {
        let udp = client.udp(way.to).expect("an answer");
        assert_eq!((udp.error, udp.peer), (None, Some(way.to.to_string())), "{way:?}");
        let device = ConnectCall { device: Some("eth0".into()), mapped: way.mapped, ..ConnectCall::to(way.to) };
        assert_eq!(client.connect(&device).expect("an answer").error, None, "{way:?}");
    }
    for ip in node.sandbox.pod_ips(&Node::pod("v2-b")).expect("addresses") {
        let call = HttpCall { count: 10, ..HttpCall::get((ip, 80), "httpping-without-sidecar") };
        assert_eq!(Shares::of(&node.ask("marked", &call)).pods(), ["v2-b"], "{ip}");
    }
    assert_eq!(on_loopback(&mut client), before);
}

fn bound_addresses_are_captured(node: &Node) {
    for way in Way::to_service(node) {
        let mut client = node.client("marked");
        let before = on_loopback(&mut client);
        let bound = ConnectCall { bind: Some(way.own), mapped: way.mapped, ..ConnectCall::to(way.to) };
        assert_eq!(client.connect(&bound).expect("an answer").error, None, "{way:?}");
        assert!(on_loopback(&mut client) > before, "{way:?}: captured");
    }
}

fn without_the_daemon_all_is_native_at_once(node: &mut Node) {
    let mut client = node.client("marked");
    let ways = Way::to_service(node);
    node.daemon.kill().expect("killed");
    for way in &ways {
        let answers = client.http(&way.call(120)).expect("answers");
        assert!(answers.iter().all(|answer| answer.error.is_none()), "{way:?}: {answers:?}");
        assert_eq!(Shares::of(&answers).pods().len(), 6, "{way:?}: kube-proxy answers");
    }
    node.restart(&[]);
    for way in &ways {
        assert_eq!(Shares::of(&node.ask("marked", &way.call(60))).count("v1"), 60, "{way:?}: capture resumes");
    }
}

fn a_hash_of_the_source_stays_while_other_endpoints_go(node: &mut Node) {
    node.apply(&(mesh_rule(ALL_TO_V1) + "---\n" + BY_SOURCE));
    for way in to_opaque(node) {
        let mut client = node.client("marked");
        let before = on_loopback(&mut client);
        let chosen = sole(node, &way);
        let other = if chosen == "v1-a" { "v2-c" } else { "v1-a" };
        set_ready(node, other, false);
        assert_eq!(sole(node, &way), chosen, "{way:?}: another pod's readiness moves nothing");
        set_ready(node, &chosen, false);
        assert_ne!(sole(node, &way), chosen, "{way:?}: an unready pod gets no more connections");
        for pod in [other, &chosen] {
            set_ready(node, pod, true);
        }
        assert_eq!(sole(node, &way), chosen, "{way:?}: it is back where it was");
        assert_eq!(on_loopback(&mut client), before, "{way:?}: decided in the kernel");
    }
}

fn set_ready(node: &mut Node, pod: &str, ready: bool) {
    node.sandbox.set_ready(&Node::pod(pod), ready).expect("readiness");
    node.settle();
}

/// The one pod that has all connections.
fn sole(node: &Node, way: &Way) -> String {
    let shares = Shares::of(&node.ask("marked", &way.call(100)));
    let [pod] = shares.pods()[..] else { panic!("{way:?}: one pod has all: {shares:?}") };
    pod.to_owned()
}

#[test]
fn given_an_ipv6_service_id_dialled_by_hand_then_a_marked_pod_is_refused_and_others_find_nothing() {
    let node = ruled(Families::V6);
    let own = node.ip("marked");
    let mut client = node.client("marked");
    let port = capture_port(&mut client);
    for id in [0, 1, 2, 12345, u32::MAX].map(id) {
        for bind in [None, Some(own)] {
            let dialled = client.connect(&ConnectCall { bind, ..ConnectCall::to((id, port)) }).expect("an answer");
            assert!(dialled.error.is_some(), "{id} from {bind:?}: {dialled:?}");
        }
    }
    let dialled = client.connect(&ConnectCall::to((own, port))).expect("an answer");
    assert!(dialled.error.is_some(), "the pod's own address is no id: {dialled:?}");
    let native = node.client("unmarked").connect(&ConnectCall::to((id(1), port))).expect("an answer");
    assert!(native.error.is_some(), "{native:?}");
}

#[test]
fn given_a_neighbour_that_routes_the_ids_to_a_pod_then_its_capture_port_is_silent() {
    let node = ruled(Families::V6);
    let mut client = node.client("marked");
    let (port, v6) = (capture_port(&mut client), node.ip("marked"));
    let neighbour = node.sandbox.netns_of(&Node::pod("unmarked")).expect("a network namespace");
    inside(&neighbour, &format!("ip -6 route add {IDS}/96 via fe80::1 dev eth0"));
    inside(&node.sandbox.node_netns(), &format!("ip -6 route add {IDS}/96 via {v6}"));
    let mut neighbour = node.client("unmarked");
    for address in [v6, id(1)] {
        let arrived = |client: &mut Client| client.netdev().expect("counters").get("eth0").map(|eth0| eth0.rx_packets);
        let before = arrived(&mut client);
        let dialled = neighbour.connect(&ConnectCall::to((address, port))).expect("an answer");
        assert!(dialled.error.is_some(), "{address}: {dialled:?}");
        assert!(arrived(&mut client) > before, "{address}: the pod was reached, and did not answer");
    }
    let reachable = neighbour.connect(&ConnectCall::to((node.ip("v1-a"), 80))).expect("an answer");
    assert_eq!(reachable.error, None, "the neighbour itself is well");
}

#[test]
fn given_a_pod_without_ipv6_then_it_is_captured_on_ipv4_and_native_otherwise() {
    let mut node = ruled(Families::Dual);
    let pod = PodSpec::new("infra-jinsu-lab", "without").families(Families::Dual);
    let pod = node.sandbox.add_pod(pod).expect("a pod");
    let netns = node.sandbox.netns_of(&pod).expect("a network namespace");
    inside(&netns, "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    let v6 = Way::to_service(&node).into_iter().find(|way| way.to.is_ipv6()).expect("a way by IPv6").to;
    let mut client = node.client("without");
    let native = client.connect(&ConnectCall::to(v6)).expect("an answer");
    assert!(native.error.is_some(), "{native:?}");
    node.sandbox.relabel_pod(&pod, &[("sidecar.istio.io/inject", "true")], &[]).expect("relabelled");
    node.settle();
    node.daemon.wait_captured(&pod, true).expect("captured");
    for way in Way::to_service(&node).into_iter().filter(|way| way.to.is_ipv4()) {
        assert_eq!(Shares::of(&node.ask("without", &way.call(60))).count("v1"), 60, "{way:?}");
    }
    let dialled = client.connect(&ConnectCall::to(v6)).expect("an answer");
    assert_eq!(dialled.error, native.error, "as if it were not captured");
}

fn capture_port(client: &mut Client) -> u16 {
    *client.listening().expect("ports").first().expect("a listener")
}

/// The address of a service id.
fn id(number: u32) -> IpAddr {
    Ipv6Addr::from_bits(IDS.to_bits() | u128::from(number)).into()
}

/// Runs a shell command in a network namespace.
fn inside(netns: &Path, command: &str) {
    let entered = format!("--net={}", netns.display());
    let output = Command::new("nsenter").args([&entered, "sh", "-c", command]).output();
    let output = output.expect("nsenter (Debian package util-linux)");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
