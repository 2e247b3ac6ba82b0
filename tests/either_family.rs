//! Capture in every way that a Service is dialled, by IP family: the same everywhere.

use std::path::Path;
use std::process::Command;

use harness::{FAMILIES, Node, Shares, Way, many, mesh_rule};
use meshlet_sandbox::{Client, ConnectCall, Families, HttpCall, PodSpec, ServiceSpec};

const OPAQUE_PORT: u16 = 9090;

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

fn to_opaque(node: &Node) -> Vec<Way> {
    Way::all(node, "opaque", OPAQUE_PORT)
}

fn on_loopback(client: &mut Client) -> u64 {
    client.netdev().expect("counters").get("lo").map_or(0, |lo| lo.rx_packets)
}

#[test]
fn given_weighted_subsets_of_a_tcp_service_then_on_every_family_the_kernel_picks_and_nobody_can_tell() {
    for families in FAMILIES {
        let node = ruled(families);
        for way in to_opaque(&node) {
            let mut client = node.client("marked");
            let before = on_loopback(&mut client);
            let count = many(10_000);
            let answers = client.http(&way.call(count)).expect("answers");
            assert_eq!(answers.len(), count, "{way:?}");
            let shares = Shares::of(&answers);
            shares.assert("v1", 0.1);
            for pod in ["v2-a", "v2-b", "v2-c"] {
                shares.assert(pod, 0.3);
            }
            assert_eq!(on_loopback(&mut client), before, "{way:?}: no packet on the pod's loopback");
            answers.iter().step_by(97).for_each(|answer| way.assert_invisible(answer));
            Shares::of(&node.ask("unmarked", &way.call(600))).assert_even_over_six();
        }
    }
}

#[test]
fn given_a_hash_of_the_source_then_on_every_family_a_pod_stays_where_it_is_while_others_go() {
    for families in FAMILIES {
        let mut node = ruled(families);
        node.apply(BY_SOURCE);
        for way in to_opaque(&node) {
            let mut client = node.client("marked");
            let before = on_loopback(&mut client);
            let chosen = sole(&node, &way);
            let other = if chosen == "v1-a" { "v2-c" } else { "v1-a" };
            set_ready(&mut node, other, false);
            assert_eq!(sole(&node, &way), chosen, "{way:?}: another pod's readiness moves nothing");
            set_ready(&mut node, &chosen, false);
            assert_ne!(sole(&node, &way), chosen, "{way:?}: an unready pod gets no more connections");
            for pod in [other, &chosen] {
                set_ready(&mut node, pod, true);
            }
            assert_eq!(sole(&node, &way), chosen, "{way:?}: it is back where it was");
            assert_eq!(on_loopback(&mut client), before, "{way:?}: decided in the kernel");
        }
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
fn given_an_http_route_then_on_every_family_it_applies_and_nobody_can_tell() {
    for families in FAMILIES {
        let node = ruled(families);
        for way in Way::to_service(&node) {
            for (keep_alive, nonblocking) in [(true, false), (false, false), (false, true)] {
                let call = HttpCall { keep_alive, nonblocking, ..way.call(60) };
                let answers = node.ask("marked", &call);
                assert_eq!(Shares::of(&answers).pods(), ["v1-a", "v1-b", "v1-c"], "{way:?}");
                answers.iter().for_each(|answer| way.assert_invisible(answer));
            }
            let by_address = HttpCall { host: way.to.to_string(), ..way.call(20) };
            assert_eq!(Shares::of(&node.ask("marked", &by_address)).count("v1"), 20, "{way:?}: Host is the address");
            Shares::of(&node.ask("unmarked", &way.call(600))).assert_even_over_six();
        }
    }
}

#[test]
fn given_weighted_http_routes_then_on_every_family_weights_hold_for_each_request() {
    for families in FAMILIES {
        let mut node = Node::of(families);
        node.apply(&mesh_rule(
            "  http:
  - route:
    - {destination: {host: httpping-without-sidecar, subset: v1}, weight: 10}
    - {destination: {host: httpping-without-sidecar, subset: v2}, weight: 90}",
        ));
        for way in Way::to_service(&node) {
            let answers = node.ask("marked", &HttpCall { keep_alive: true, ..way.call(1000) });
            assert!(answers.iter().all(|answer| answer.connection == 0), "{way:?}: one connection carried them all");
            Shares::of(&answers).assert("v1", 0.1);
        }
    }
}

#[test]
fn given_sockets_bound_to_the_pods_address_then_they_are_captured_and_those_bound_to_a_device_are_not() {
    for families in FAMILIES {
        let node = ruled(families);
        for way in Way::to_service(&node) {
            let mut client = node.client("marked");
            let plain = ConnectCall { mapped: way.mapped, ..ConnectCall::to(way.to) };
            let before = on_loopback(&mut client);
            let device = ConnectCall { device: Some("eth0".into()), ..plain.clone() };
            assert_eq!(client.connect(&device).expect("an answer").error, None, "{way:?}");
            assert_eq!(on_loopback(&mut client), before, "{way:?}: native");
            let bound = ConnectCall { bind: Some(way.own), ..plain };
            assert_eq!(client.connect(&bound).expect("an answer").error, None, "{way:?}");
            assert!(on_loopback(&mut client) > before, "{way:?}: captured");
        }
    }
}

#[test]
fn given_udp_and_pod_addresses_then_on_every_family_they_are_untouched() {
    for families in FAMILIES {
        let node = ruled(families);
        let mut client = node.client("marked");
        for way in Way::to_service(&node) {
            let udp = client.udp(way.to).expect("an answer");
            assert_eq!((udp.error, udp.peer), (None, Some(way.to.to_string())), "{way:?}");
        }
        for ip in node.sandbox.pod_ips(&Node::pod("v2-b")).expect("addresses") {
            let call = HttpCall { count: 10, ..HttpCall::get((ip, 80), "httpping-without-sidecar") };
            assert_eq!(Shares::of(&node.ask("marked", &call)).pods(), ["v2-b"], "{ip}");
        }
        assert_eq!(on_loopback(&mut client), 0, "{families:?}");
    }
}

#[test]
fn given_a_killed_daemon_then_on_every_family_new_connections_are_native_at_once() {
    for families in FAMILIES {
        let mut node = ruled(families);
        let mut client = node.client("marked");
        let ways = Way::to_service(&node);
        node.daemon.kill().expect("killed");
        for way in &ways {
            let answers = client.http(&way.call(120)).expect("answers");
            assert!(answers.iter().all(|answer| answer.error.is_none()), "{way:?}: {answers:?}");
            assert_eq!(Shares::of(&answers).pods().len(), 6, "{way:?}: kube-proxy answers");
        }
        assert_eq!(on_loopback(&mut client), 0, "{families:?}");
        node.restart(&[]);
        for way in &ways {
            assert_eq!(Shares::of(&node.ask("marked", &way.call(60))).count("v1"), 60, "{way:?}: capture resumes");
        }
    }
}

#[test]
fn given_a_pod_without_ipv6_then_it_is_captured_on_ipv4_and_native_otherwise() {
    let mut node = ruled(Families::Dual);
    let pod = PodSpec::new("infra-jinsu-lab", "without").families(Families::Dual);
    let pod = node.sandbox.add_pod(pod).expect("a pod");
    let netns = node.sandbox.netns_of(&pod).expect("a network namespace");
    sysctl(&netns, "net/ipv6/conf/all/disable_ipv6", "1");
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

fn sysctl(netns: &Path, name: &str, value: &str) {
    inside(netns, Command::new("sh").args(["-c", &format!("echo {value} > /proc/sys/{name}")]));
}

fn inside(netns: &Path, command: &Command) {
    let mut entered = Command::new("nsenter");
    entered.arg(format!("--net={}", netns.display())).arg(command.get_program()).args(command.get_args());
    let output = entered.output().expect("nsenter (Debian package util-linux)");
    assert!(output.status.success(), "{entered:?}: {}", String::from_utf8_lossy(&output.stderr));
}
