//! Rules that need no bytes are decided in connect: the proxy never meets such a connection, and nobody can tell but by speed.

use std::net::SocketAddr;

use harness::{Node, Shares, assert_share, emulated, many, mesh_rule, wait_for};
use meshlet_sandbox::{HttpCall, ServiceSpec, skipped};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

const PORT: u16 = 9090;

/// The experiment's node with a TCP service over the same pods. They speak HTTP, which nobody looks at.
struct Opaque {
    node: Node,
    to: SocketAddr,
}

impl Opaque {
    fn new(rules: &str) -> Self {
        let mut node = Node::new();
        let service =
            ServiceSpec::new("infra-jinsu-lab", "opaque", PORT, 80).port_name("tcp").selecting("app", "httpping");
        let address = node.sandbox.add_service(service).expect("a service");
        node.apply(rules);
        Self { node, to: (address, PORT).into() }
    }

    fn call(&self, count: usize) -> HttpCall {
        HttpCall { count, keep_alive: false, ..HttpCall::get(self.to, "whoever") }
    }

    fn ask(&self, count: usize) -> Shares {
        Shares::of(&self.node.ask("marked", &self.call(count)))
    }
}

fn rule(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: infra-jinsu-lab}}\nspec: {spec}\n---\n"
    )
}

fn subsets() -> String {
    rule(
        "DestinationRule",
        "opaque",
        "{host: opaque, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}",
    )
}

fn weighted(v1: u32, v2: u32) -> String {
    let split = format!(
        "{{hosts: [opaque], tcp: [{{route: [{{weight: {v1}, destination: {{host: opaque, subset: v1}}}}, {{weight: {v2}, destination: {{host: opaque, subset: v2}}}}]}}]}}"
    );
    subsets() + &rule("VirtualService", "opaque", &split)
}

#[test]
fn given_round_robin_for_a_tcp_service_when_a_marked_pod_connects_then_every_pod_has_its_turn() {
    let policy =
        rule("DestinationRule", "opaque", "{host: opaque, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}");
    let opaque = Opaque::new(&policy);
    let shares = opaque.ask(600);
    for pod in ["v1-a", "v1-b", "v1-c", "v2-a", "v2-b", "v2-c"] {
        let count = shares.count(pod);
        // Each CPU counts for itself, and a client may move between them.
        assert!((95..=105).contains(&count), "{pod} had {count} of 600 turns: {shares:?}");
    }
}

#[test]
fn given_a_subset_without_endpoints_when_a_marked_pod_connects_then_it_is_refused_and_weights_of_others_stay() {
    let mut opaque = Opaque::new(&weighted(50, 50));
    for pod in ["v1-a", "v1-b", "v1-c"] {
        opaque.node.sandbox.set_ready(&Node::pod(pod), false).expect("unready");
    }
    opaque.node.settle();
    let answers = opaque.node.client("marked").http(&opaque.call(many(2_000))).expect("answers");
    let refused =
        answers.iter().filter(|answer| answer.error.as_deref().is_some_and(|error| error.contains("refused")));
    let (refused, answered) = (refused.count(), answers.iter().filter(|answer| answer.status == Some(200)).count());
    assert_eq!(refused + answered, many(2_000), "{:?}", answers.first());
    assert_share(refused, many(2_000), 0.5, "the share of the subset that has nobody");
}

#[test]
fn given_load_when_endpoints_and_weights_change_then_no_connection_of_a_kernel_route_fails() {
    let mut opaque = Opaque::new(&weighted(50, 50));
    let mut client = opaque.node.client("marked");
    let flood = meshlet_sandbox::FloodCall {
        to: opaque.to,
        host: "whoever".to_owned(),
        connections: 4,
        keep_alive: false,
        pause_ms: 0,
    };
    client.flood(&flood).expect("a flood");
    for round in 0..6 {
        let ready = round % 2 == 1;
        opaque.node.sandbox.set_ready(&Node::pod("v1-a"), ready).expect("readiness");
        opaque.node.apply(&weighted(10 + round, 90 - round));
    }
    let report = client.halt().expect("a report");
    assert!(report.total > 200, "{} answers", report.total);
    assert!(report.failures.is_empty(), "{:?}", report.failures.first());
}

#[test]
fn given_least_request_for_a_tcp_service_when_a_pod_holds_connections_then_new_ones_go_elsewhere() {
    let policy =
        rule("DestinationRule", "opaque", "{host: opaque, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}}");
    let mut opaque = Opaque::new(&policy);
    for pod in ["v1-b", "v1-c", "v2-a", "v2-b", "v2-c"] {
        opaque.node.sandbox.set_ready(&Node::pod(pod), false).expect("unready");
    }
    opaque.node.settle();
    let mut holder = opaque.node.client("marked");
    let (to, host) = (opaque.to, "whoever".to_owned());
    holder
        .flood(&meshlet_sandbox::FloodCall { to, host, connections: 40, keep_alive: true, pause_ms: 20 })
        .expect("forty connections that are held");
    wait_for("each of them is in use", || holder.marker().expect("a moment").total >= 400);
    opaque.node.sandbox.set_ready(&Node::pod("v2-a"), true).expect("ready");
    opaque.node.settle();
    let shares = opaque.ask(many(1_000));
    drop(holder.halt());
    // Two are drawn, and only when both are the busy one it gets the connection; without counts it would be one in two.
    shares.assert("v1-a", 0.25);
    shares.assert("v2-a", 0.75);
    let after = opaque.ask(many(1_000));
    after.assert("v1-a", 0.5);
}

#[test]
fn given_a_wall_clock_that_jumps_then_what_the_kernel_and_the_proxy_decide_stays_as_it_is() {
    if !emulated() {
        skipped(
            "a clock that jumps: that of a machine which others use is not set; `cargo xtask vm-test` sets its own",
        );
        return;
    }
    let requests = mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]");
    let connections = "{hosts: [opaque], tcp: [{route: [{destination: {host: opaque, subset: v1}}]}]}";
    let opaque = Opaque::new(&(subsets() + &rule("VirtualService", "opaque", connections) + &requests));
    for hours in [0, 1, -2, 1] {
        let now = clock_gettime(ClockId::Realtime);
        clock_settime(ClockId::Realtime, Timespec { tv_sec: now.tv_sec + hours * 3600, ..now }).expect("a clock");
        let by_kernel = opaque.ask(12);
        let by_proxy = Shares::of(&opaque.node.ask("marked", &HttpCall { count: 12, ..opaque.node.get() }));
        for shares in [by_kernel, by_proxy] {
            assert!(shares.pods().iter().all(|pod| pod.starts_with("v1-")), "after {hours} h: {shares:?}");
        }
        assert!(opaque.node.daemon.ready(), "after {hours} h:\n{}", opaque.node.daemon.log());
    }
}
